---@meta

-- Threads and processes (breakpoint.lua says how the examples run).

--- The thread whose event is being handled; outside hooks the one that stopped last or was selected; nil when there is
--- none. A variable of a script's own may have the name.
---
--- ```lua
--- bp("calc", function(t) assert(t == thread) end)
--- run()
--- assert(thread == nil)
--- ```
---@type Thread?
thread = nil

--- The process of the event that is being handled, or of `thread`; nil when there is none.
---
--- ```lua
--- assert(process.pid == process.session.pid and process.path:find "calc")
--- ```
---@type Process?
process = nil

--- A thread of a target. The same thread is the same value, so it may be a table's key. It stays when the thread has
--- ended; its registers and memory do not.
---
--- ```lua
--- assert(thread.tid == process.pid and thread.state == "stopped" and thread.process == process)
--- print(thread.name, thread)
--- ```
---@class Thread
---@field tid integer the kernel's id
---@field name? string as prctl(PR_SET_NAME) set it; nil after its end
---@field state "running"|"stopped"|"ended" while a hook handles one thread, others run
---@field process Process
---@field session Session
---@field regs Registers raise an `Error` (EBUSY) while it runs
---@field mem Memory of its process
local Thread = {}

--- Makes it, and its session, the ones that the globals mean; in a hook until that returns.
---
--- Errors: the thread has ended; called without a colon.
---
--- ```lua
--- local first = thread
--- spawn { "true" }
--- assert(process.pid ~= first.process.pid)
--- first:select()
--- assert(thread == first)
--- ```
function Thread:select() end

--- As the global `gdb`, which begins at this thread.
---
--- ```lua
--- pcall(thread.gdb, thread, { args = { "-batch", "-ex", "backtrace" } })
--- ```
---@param options? GdbOptions
---@return GdbFound
function Thread:gdb(options) end

--- As the global `insns`, of this thread's process; without a place, from where the thread stands.
---
--- ```lua
--- assert(thread:insns()[1].address == regs.rip)
--- ```
---@param where? Where
---@param n? integer
---@param options? InsnsOptions
---@return Insn[]
function Thread:insns(where, n, options) end

--- As the global `disasm`, of this thread's process; without a place, from where the thread stands.
---
--- ```lua
--- for _, t in ipairs(threads()) do
---     print(t.tid, t:disasm(nil, 1))
--- end
--- ```
---@param where? Where
---@param n? integer
---@param options? DisasmOptions
---@return string
function Thread:disasm(where, n, options) end

--- A process of a target. The same process is the same value. It stays when the process has ended.
---
--- ```lua
--- assert(process.alive and process.mem.u8[process.session:sym "calc"] == mem.u8[sym "calc"])
--- ```
---@class Process
---@field pid integer
---@field path? string of its program's file; nil after its end
---@field alive boolean
---@field session Session
---@field regs Registers of one of its threads
---@field mem Memory
local Process = {}

--- Its living threads, oldest first.
---
--- Errors: called without a colon.
---
--- ```lua
--- for _, t in ipairs(process:threads()) do print(t.tid, t.name, t.state) end
--- ```
---@return Thread[]
function Process:threads() end
