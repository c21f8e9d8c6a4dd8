---@meta

-- Events other than breakpoints (breakpoint.lua says how the examples run).

--- Calls a function for every event of a kind:
---
--- | event | arguments of the hook | when |
--- |---|---|---|
--- | `"syscall"` | `Syscall` | a system call is about to be made (`enter`, or a function alone), or returns (`leave`) |
--- | `"signal"` | thread, `Signal` | a signal is about to be delivered; nothing or CONTINUE delivers it, `SUPPRESS` does not, `SIGNAL(n)` delivers another |
--- | `"exec"` | thread, path | the program was replaced; breakpoints by name have their new places |
--- | `"fork"` | thread, child `Process` | fork, vfork, clone or posix_spawn; the child has not run yet |
--- | `"thread"` | thread | a thread was born |
--- | `"thread_exit"` | thread, `Reason` | a thread is about to end, in that way: its registers and memory can still be read |
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
--- For `syscall` the filter is a name, a number of the x86-64 table, a list of them, or `"*"` (as when it is left out); a
--- name means calls of that name by any table, `int 0x80` and x32 included. `{ enter = fn, leave = fn }` sees both ends;
--- after `sc:skip(ret)` leave hooks are called all the same. A call that a signal interrupts returns an error such as
--- -512 (`ERESTARTSYS`) to tracers, and is entered again if it is restarted.
---
--- When hooks of system calls are there before a spawned target first runs, it gets a seccomp filter, by calls that it
--- is made to make at its first instruction, and calls that nobody hooks cost nothing. Its children have the filter
--- too, and it cannot be taken out: where no tracer is, the filter's calls fail. So children that are not followed stay
--- traced, in silence, and a target that is let go is kept by a small process until it ends. Without CAP_SYS_ADMIN the
--- target gives up gaining privileges (no_new_privs), so that set-user-id programs run without theirs, as under any
--- tracer. Hooks added later, attached targets, `policy { seccomp = "off" }` and `policy { exitkill = false }` stop at
--- every call instead, as long as such hooks are there.
---
--- Errors: no target, or one that has ended; an event that does not exist; a filter for an event other than `signal` and
--- `syscall`, an empty one, or one with something that is no signal or system call (the nearest is named); something that
--- is no function or action; an action that cannot answer this event.
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
---@overload fun(event: "syscall", filter: string|integer|(string|integer)[], fn: Action|SyscallHooks|fun(sc: Syscall): Action?): Handle
---@overload fun(event: "syscall", fn: Action|SyscallHooks|fun(sc: Syscall): Action?): Handle
---@overload fun(event: "signal", filter: string|integer|(string|integer)[], fn: Action|fun(thread: Thread, sig: Signal): Action?): Handle
---@overload fun(event: "signal", fn: Action|fun(thread: Thread, sig: Signal): Action?): Handle
---@overload fun(event: "exec", fn: Action|fun(thread: Thread, path: string): Action?): Handle
---@overload fun(event: "fork", fn: Action|fun(thread: Thread, child: Process): Action?): Handle
---@overload fun(event: "thread"|"step", fn: Action|fun(thread: Thread): Action?): Handle
---@overload fun(event: "thread_exit", fn: Action|fun(thread: Thread, reason: Reason): Action?): Handle
---@overload fun(event: "exit", fn: Action|fun(process: Process, reason: Reason): Action?): Handle
---@overload fun(event: "load"|"unload", fn: Action|fun(module: Module, thread: Thread): Action?): Handle
---@param event "syscall"|"load"|"unload"|"signal"|"exec"|"fork"|"thread"|"thread_exit"|"exit"|"step"
---@param filter string|integer|(string|integer)[] signals, by name (with or without SIG, in any case) or number; system
---calls, by name or number
---@param fn Hook
---@return Handle
function on(event, filter, fn) end

--- A signal on its way. Which fields are there depends on who sent it (sigaction(2)). All but `number` and `name` may be
--- written: the target gets it with them. (Another signal altogether is `SIGNAL(n)`.) Signals come one at a time, in the
--- order in which the kernel is about to deliver them; several hooks are called in the order added, each seeing what the
--- ones before it wrote.
---
--- ```lua
--- bp("calc", function() regs.rip = 8 end)
--- on("signal", function(thread, sig)
---     assert(sig.number == SIG.SIGSEGV and sig.name == "SIGSEGV" and sig.addr == 8 and sig.code == 1)
---     sig.addr = 16 -- what a handler would be told
---     return KILL
--- end)
--- ```
---@class Signal
---@field number integer
---@field name string `"SIGUSR1"`, `"SIGRTMIN+2"`
---@field code integer si_code
---@field pid? integer of the sender, when a process sent it; of the child, for SIGCHLD
---@field uid? integer of the sender, likewise
---@field addr? uint64 of a fault
---@field status? integer SIGCHLD: exit status or signal
---@field utime? int64 SIGCHLD: time that the child spent in user mode, in ticks of a hundredth of a second
---@field stime? int64 SIGCHLD: likewise, in the kernel
---@field timer? integer timer_create(2)'s
---@field overrun? integer of the timer
---@field band? int64 SIGPOLL
---@field fd? integer SIGPOLL
---@field call_addr? uint64 SIGSYS: of the call
---@field syscall? integer SIGSYS: its number
---@field arch? integer SIGSYS: AUDIT_ARCH_…
---@field value? int64 of sigqueue(3) or the timer

--- What `on("syscall", …)` takes in place of a function: one of them, or both.
---
--- ```lua
--- local depth = 0
--- on("syscall", { enter = function() depth = depth + 1 end, leave = function() depth = depth - 1 end })
--- run()
--- assert(depth == 1) -- exit_group does not return
--- ```
---@class SyscallHooks
---@field enter? Action|fun(sc: Syscall): Action?
---@field leave? Action|fun(sc: Syscall): Action?

--- A system call of a thread that stands at it: in a hook, and after a `run()` that stopped there (`reason.sc`). What is
--- changed goes to the kernel when the thread goes on. Used later it raises; so keep what it says, not it.
---
--- Errors, of every field and method: the call is over. When written: before the call only `nr`, `name` and `args`, after
--- it, or after `skip`, only `ret` and `errno`.
---
--- ```lua
--- local lines = {}
--- on("syscall", "write", { enter = function(sc)
---     lines[#lines + 1] = sc:buf(2, sc.args[3])
---     sc.args[1] = 2 -- to standard error instead
---     sc:skip(sc.args[3]) -- or rather nowhere
--- end, leave = function(sc)
---     assert(sc.ret == #lines[#lines] and sc.errno == nil and sc.name == "write" and sc.nr == SYS.write)
--- end })
--- run()
--- assert(#lines > 0)
--- ```
---@class Syscall
---@field nr integer its number; writable
---@field name string its name, or `"syscall_0x1f4"` for a number without one; writable
---@field arch "x86_64"|"i386"|"x32" by which table: `syscall`, `int 0x80`, `syscall` with bit 30 set
---@field args uint64[] six, from 1; writable
---@field ret? int64 what it returned, -errno included, or what `skip` said; nil before that; writable
---@field errno? string `"ENOENT"`, when `ret` is an error; writable
---@field thread Thread
local Syscall = {}

--- The string that an argument points to, or nil and an error when nothing can be read there.
---
--- ```lua
--- on("syscall", { "openat", "access" }, function(sc)
---     local path = sc:str(sc.name == "openat" and 2 or 1)
---     assert(path == nil or #path > 0)
--- end)
--- ```
---@param i integer 1 to 6
---@return string?
---@return Error?
function Syscall:str(i) end

--- n bytes that an argument points to: as many as can be read, or nil and an error when none can.
---
--- ```lua
--- on("syscall", "write", function(sc) assert(sc:buf(2, sc.args[3])) end)
--- ```
---@param i integer 1 to 6
---@param n integer
---@return string?
---@return Error?
function Syscall:buf(i, n) end

--- Makes an argument point to a string: it is put below the thread's stack and red zone, where the program keeps nothing,
--- and what stood there is put back when the call returns. For a call that is about to be made.
---
--- Errors: no room there; a zero byte in the string; a call by `int 0x80`, whose pointers have 32 bits.
---
--- ```lua
--- on("syscall", "openat", function(sc)
---     if sc:str(2) == "/etc/passwd" then
---         sc:set_str(2, "/etc/hostname")
---     end
--- end)
--- ```
---@param i integer 1 to 6
---@param text string
function Syscall:set_str(i, text) end

--- As `set_str`, for bytes of any kind and without a zero at their end.
---
--- ```lua
--- on("syscall", "write", function(sc)
---     local text = sc:buf(2, sc.args[3]):upper()
---     sc:set_buf(2, text)
--- end)
--- ```
---@param i integer 1 to 6
---@param bytes string
function Syscall:set_buf(i, bytes) end

--- Answers the call without the kernel. Of a call that does not return, such as exit_group or rt_sigreturn, the
--- program then runs on behind it. Where calls stop by PTRACE_SYSCALL (see `on`), a seccomp filter of the program's own is
--- asked about number -1 instead, and may answer with a signal.
---
--- Errors: no whole number of 64 bits; a call that has been made.
---
--- ```lua
--- on("syscall", "uname", function(sc) sc:skip(-E.EFAULT) end)
--- ```
---@param ret? integer|uint64|int64 what the program gets: -errno for an error; 0 when left out
function Syscall:skip(ret) end

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

--- System calls of the x86-64 table: numbers by name and names by number, of 64 bits too; nil for what is none.
---
--- ```lua
--- assert(SYS.openat == 257 and SYS[257] == "openat" and SYS.opnat == nil)
--- on("syscall", function() assert(SYS[regs.orig_rax]) end)
--- ```
---@type table<string|integer, integer|string>
SYS = {}

--- Signals: numbers by name and names by number, of 64 bits too; nil for what is none.
---
--- ```lua
--- assert(SIG.SIGINT == 2 and SIG[2] == "SIGINT" and SIG.SIGNOPE == nil)
--- ```
---@type table<string|integer, integer|string>
SIG = {}

--- Errors of the system: numbers by name and names by number, of 64 bits too; nil for what is none.
---
--- ```lua
--- assert(E.ENOENT == 2 and E[2] == "ENOENT" and E.ENOPE == nil)
--- local ok, err = pcall(spawn, { "/no/such/program" })
--- assert(not ok and err.errno == E.ENOENT)
--- assert(E[-syscall.close(-1)] == "EBADF")
--- ```
---@type table<string|integer, integer|string>
E = {}
