---@meta

-- Events other than breakpoints (breakpoint.lua says how the examples run).

--- Calls a function for every event of a kind:
---
--- | event | arguments of the hook | when |
--- |---|---|---|
--- | `"signal"` | thread, `Signal` | a signal is about to be delivered; nothing or CONTINUE delivers it, `SUPPRESS` does not, `SIGNAL(n)` delivers another |
--- | `"exec"` | thread, path | the program was replaced; breakpoints by name have their new places |
--- | `"fork"` | thread, child `Process` | fork, vfork, clone or posix_spawn; the child has not run yet |
--- | `"thread"` | thread | a thread was born |
--- | `"thread_exit"` | thread | a thread is about to end: its registers and memory can still be read |
--- | `"exit"` | process, `Reason` | the target has ended, also by `kill()` |
--- | `"load"` | `Module`, thread | a library was loaded, at the start or by dlopen; its constructors have not run |
--- | `"unload"` | `Module`, thread | a library is gone, its memory too |
--- | `"step"` | thread | a single step that `STEP` asked for is done |
---
--- Breakpoints that waited for a library are in when `load` is told. What is loaded already when a handler is added is in
--- `modules()`, and is not told. While a `load` or `unload` handler or a breakpoint that waits for a library is there, each
--- dlopen and dlclose costs a stop or two.
---
--- Signals that nobody hooks are delivered. SIGKILL cannot be seen. Handlers added by a hook wait for the next event.
---
--- Errors: no target, or one that has ended; an event that does not exist; a filter for an event other than `signal`, an
--- empty one, or one with something that is no signal; something that is no function or action; an action that cannot
--- answer this event.
---
--- ```lua
--- local seen = {}
--- on("exec", function(thread, path) print(thread.tid, path) end)
--- on("signal", { "SIGSEGV", "SIGBUS" }, function(thread, sig)
---     print(sig.name, hex(sig.addr), hex(thread.regs.rip))
---     return STOP
--- end)
--- on("exit", function(process, reason)
---     seen = { process.pid, reason.kind, reason.code }
--- end)
--- local pid = process.pid
--- run()
--- assert(seen[1] == pid and seen[2] == "exit" and seen[3] == 0)
--- ```
---@overload fun(event: "signal", filter: string|integer|(string|integer)[], fn: Action|fun(thread: Thread, sig: Signal): Action?): Handle
---@overload fun(event: "signal", fn: Action|fun(thread: Thread, sig: Signal): Action?): Handle
---@overload fun(event: "exec", fn: Action|fun(thread: Thread, path: string): Action?): Handle
---@overload fun(event: "fork", fn: Action|fun(thread: Thread, child: Process): Action?): Handle
---@overload fun(event: "thread"|"thread_exit"|"step", fn: Action|fun(thread: Thread): Action?): Handle
---@overload fun(event: "exit", fn: Action|fun(process: Process, reason: Reason): Action?): Handle
---@overload fun(event: "load"|"unload", fn: Action|fun(module: Module, thread: Thread): Action?): Handle
---@param event "load"|"unload"|"signal"|"exec"|"fork"|"thread"|"thread_exit"|"exit"|"step"
---@param filter string|integer|(string|integer)[] signals, by name (with or without SIG, in any case) or number
---@param fn Hook
---@return Handle
function on(event, filter, fn) end

--- A signal on its way. Which fields are there depends on who sent it (sigaction(2)).
---
--- ```lua
--- bp("calc", function() regs.rip = 8 end)
--- on("signal", function(thread, sig)
---     assert(sig.number == SIG.SIGSEGV and sig.name == "SIGSEGV" and sig.addr == 8 and sig.code == 1)
---     return KILL
--- end)
--- ```
---@class Signal
---@field number integer
---@field name string `"SIGUSR1"`, `"SIGRTMIN+2"`
---@field code integer si_code
---@field pid? integer of the sender, when a process sent it
---@field addr? uint64 of a fault
---@field value? int64 of sigqueue(3)

--- What `on` gives. The hook lives on without it, until it is removed or its session ends.
---
--- ```lua
--- local handle = on("exit", function() end)
--- assert(tostring(handle) == "Handle on exit")
--- ```
---@class Handle
local Handle = {}

--- Takes the hook out for good. Fine in any hook, its own included.
---
--- Errors: removed already, its session has ended, or called without a colon.
---
--- ```lua
--- local handle = on("exit", function() error "never called" end)
--- handle:remove()
--- assert(not pcall(handle.remove, handle))
--- ```
function Handle:remove() end

--- Has it called again.
---
--- Errors: as `remove`.
---
--- ```lua
--- local calls = 0
--- local handle = on("exit", function() calls = calls + 1 end)
--- handle:disable()
--- handle:enable()
--- run()
--- assert(calls == 1)
--- ```
function Handle:enable() end

--- Keeps it from being called until `enable()`.
---
--- Errors: as `remove`.
---
--- ```lua
--- local handle = on("exit", function() error "never called" end)
--- handle:disable()
--- ```
function Handle:disable() end

--- Signals: numbers by name and names by number; nil for what is none.
---
--- ```lua
--- assert(SIG.SIGINT == 2 and SIG[2] == "SIGINT" and SIG.SIGNOPE == nil)
--- ```
---@type table<string|integer, integer|string>
SIG = {}

--- Errors of the system: numbers by name and names by number; nil for what is none.
---
--- ```lua
--- assert(E.ENOENT == 2 and E[2] == "ENOENT" and E.ENOPE == nil)
--- local ok, err = pcall(spawn, { "/no/such/program" })
--- assert(not ok and err.errno == E.ENOENT)
--- ```
---@type table<string|integer, integer|string>
E = {}
