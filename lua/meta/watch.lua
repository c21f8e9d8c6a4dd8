---@meta

-- Memory that is watched, and instructions one by one (breakpoint.lua says how the examples run).

--- Options of `watch`.
---
--- ```lua
--- local w = watch("calc", { access = "x" }, CONTINUE)
--- assert(w.len == 1 and w.access == "x")
--- ```
---@class WatchOptions
---@field len? integer bytes, 1 to 32; 8 unless said, of an execute watch always 1
---@field access? "w"|"rw"|"x" writes (default), reads and writes, or the execution of the instruction that begins there. The CPU cannot watch reads alone.

--- Calls a function whenever a thread writes to memory, or reads it, or comes to an instruction: by the CPU's debug
--- registers, so that the target runs at full speed in between, on every thread, also those born later.
---
--- Every access is told once, also the write of a value that is there already, however many bytes of the range it
--- touches; of a repeated string instruction each round. The function is called behind the instruction that made the
--- access, so `regs.rip` is the next one's address. An execute watch (`"x"`) is called before its instruction, and may
--- answer SKIP, RETURN, GOTO and STEP as a breakpoint may.
---
--- There are four registers. Each reaches 1, 2, 4 or 8 bytes that are aligned to their number; longer ranges, and those
--- that are not aligned, take as many as are needed: 32 aligned bytes take all four, and so do 8 at an odd address. The
--- registers are each process's: followed children start with what their parent has. When exec replaces the program, its
--- watches are gone.
---
--- What the kernel writes for the program is not seen: read(2) into a buffer, futex words that it clears.
---
--- Errors: no target, or one that has ended; a `Where` that is none; memory that is not mapped, or the kernel's; a length
--- that is not 1 to 32; more registers than are free (`EBUSY`: the message names who has them); a machine that has none
--- (`EOPNOTSUPP`); an access that does not exist; something that is no function or action; an action that cannot answer.
---
--- ```lua
--- bp("calc", function()
---     -- the return address on the stack: calc's ret reads it
---     watch(regs.rsp, { access = "rw" }, function(thread, w)
---         assert(w.hits == 1 and w.old == w.new and w.new == regs.rip)
---         return REMOVE
---     end)
--- end)
--- local calls = watch("calc_add", { access = "x" }, function() regs.rax = 40 end)
--- run() -- prints 42 and 45
--- assert(calls.hits == 2)
--- ```
---@param address Where
---@param options WatchOptions? {}: the defaults
---@param fn Action|fun(thread: Thread, watch: Watch): Action?
---@return Watch
function watch(address, options, fn) end

--- A watch, as `watch` gives it. It stays readable when it was removed and when its session has ended.
---
--- `old` and `new` are what the memory held before and after the last access that was told: uint64 up to 8 bytes, a
--- string of `len` bytes beyond, nil for an execute watch. What was written unseen in between (by the kernel, by `mem`)
--- shows as `new` of the next one only. Before the first hit both are what it held when it was added.
---
--- ```lua
--- bp("calc", STOP)
--- run()
--- local w = watch(regs.rsp, { len = 16 }, CONTINUE)
--- assert(w.address == regs.rsp and w.len == 16 and w.access == "w" and w.hits == 0 and w.enabled and w.id == 1)
--- assert(w.old == w.new and w.new == mem.read(w.address, 16))
--- ```
---@class Watch
---@field id integer counts from 1 in its session
---@field address uint64
---@field len integer bytes
---@field access "w"|"rw"|"x"
---@field hits integer accesses, the current one included
---@field old? uint64|string
---@field new? uint64|string
---@field enabled boolean false too when it was removed, or is gone with its program
---@field session Session
local Watch = {}

--- Takes it out for good; its registers are free, its function is forgotten. Fine in any hook, its own included.
---
--- Errors: removed already, or gone with a program that exec replaced, or its session has ended (an `Error`); called
--- without a colon.
---
--- ```lua
--- local w = watch("calc", { access = "x" }, function() error "never called" end)
--- w:remove()
--- assert(not pcall(w.remove, w))
--- ```
function Watch:remove() end

--- Takes its registers again. One that is enabled stays so.
---
--- Errors: as `remove`, and as `watch` when the registers are not free.
---
--- ```lua
--- local w = watch("calc", { access = "x" }, CONTINUE)
--- w:disable()
--- w:enable()
--- run()
--- assert(w.hits == 2)
--- ```
function Watch:enable() end

--- Gives its registers back until `enable()`.
---
--- Errors: as `remove`.
---
--- ```lua
--- local w = watch("calc", { access = "x" }, function(_, self) self:disable() end)
--- run()
--- assert(w.hits == 1)
--- ```
function Watch:disable() end

--- Options of `steps`.
---
--- ```lua
--- steps(CONTINUE, { from = "calc", to = sym "calc" + 7, thread = thread })
--- ```
---@class StepsOptions
---@field from? Where the first address of the range; the lowest there is unless said
---@field to? Where the address behind the range
---@field thread? Thread|integer the only thread that it is for, or its id; every one unless said

--- Hands every instruction of a range, or of a thread, to a function, before it runs: `regs.rip` is its address.
---
--- By single steps, outside the range too: some microseconds an instruction, for as long as there is such a hook. Add it
--- where it matters (in a breakpoint's hook), and remove it when it has seen enough. One pass of a repeated string
--- instruction is told once; one behind `mov ss` or `pop ss` is not told (the CPU takes no step there); one that a
--- signal's handler came before is told again when that returns. SKIP, RETURN and GOTO are answers as well.
---
--- Errors: no target, or one that has ended; a range without an address; a `Where` or a thread that is none; something
--- that is no function or action; an action that cannot answer an instruction.
---
--- ```lua
--- local path = {}
--- bp("main", function()
---     steps(function() path[#path + 1] = num(regs.rip - sym "calc") end, { from = "calc", to = sym "calc" + 7 })
--- end)
--- run()
--- assert(table.concat(path, " ") == "0 3 6 0 3 6") -- lea, add, ret; twice
--- ```
---@param fn Action|fun(thread: Thread): Action?
---@param options? StepsOptions
---@return Handle
function steps(fn, options) end
