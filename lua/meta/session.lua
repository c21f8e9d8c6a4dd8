---@meta

-- Sessions: opening, running and ending targets (breakpoint.lua says how the examples run).

--- Options of `spawn`, beside the program and its arguments in the list part.
---
--- ```lua
--- local out = os.tmpname()
--- local s = spawn { "sh", "-c", "cat; echo $NAME $0", argv0 = "me", env = { NAME = "v", HOME = false }, cwd = "/",
---     stdin = { data = "hello\n" }, stdout = { file = out }, stderr = "null", limits = { cpu = 5 }, timeout = 10,
---     aslr = false }
--- assert(s:run().code == 0)
--- assert(io.open(out):read "*a" == "hello\nv me\n")
--- os.remove(out)
--- ```
---@class SpawnOptions
---@field [integer] string|int the program, looked for in $PATH, and its arguments
---@field env? table<string, string|int|false> added to, or with false taken from, our environment
---@field clear_env? boolean true: only what `env` says
---@field cwd? string the folder that it starts in
---@field argv0? string what it is told as its own name
---@field aslr? boolean false: the same addresses in every run
---@field follow? boolean true: children are followed as well; threads always are
---@field limits? Limits
---@field timeout? number seconds from now on after which `run()` returns `{kind = "timeout"}`
---@field stdin? "inherit"|"pipe"|"pty"|"null"|{file: string}|{data: string} inherit is the default; see `Tube` for a
--- pipe and a pty
---@field stdout? "inherit"|"pipe"|"pty"|"null"|{file: string} the file is made, or emptied
---@field stderr? "inherit"|"pipe"|"pty"|"null"|"stdout"|{file: string} "stdout": where that goes
---@field tty? string the path of another terminal, as tty(1) prints it there: what is not said otherwise is it. Its own, unless that is another session's
---@field pty? PtyOptions of the one pty that serves all that say "pty", which all three do when none does
---@field log? boolean|string|fun(direction: "send"|"recv", bytes: string) what is said to the target and heard of it, as
--- `Tube:log` takes it

--- Options of a pty. The target is in a session of its own then, whose terminal it is.
---
--- ```lua
--- local s = spawn { "sh", "-c", "stty size", pty = { rows = 30, columns = 100, raw = true } }
--- assert(s.io:recv_line() == "30 100")
--- s:run()
--- ```
---@class PtyOptions
---@field rows? integer of the window; 24 unless said
---@field columns? integer 80 unless said
---@field raw? boolean true: bytes pass as they are; no ^C or ^D, no echo, no \r before \n
---@field echo? boolean false: what is sent does not come back

--- Limits of setrlimit(2), soft and hard: `cpu` in seconds, `nofile` and `nproc` in pieces, the others in bytes.
---
--- ```lua
--- assert(spawn({ "sh", "-c", "while :; do :; done", limits = { cpu = 1 } }):run().signal == "SIGKILL")
--- ```
---@class Limits
---@field cpu? integer
---@field as? integer
---@field data? integer
---@field stack? integer
---@field core? integer
---@field fsize? integer
---@field rss? integer
---@field memlock? integer
---@field nofile? integer
---@field nproc? integer

--- Starts a program, which then stands at its first instruction (in a dynamic program the loader's), and makes its
--- session the current one, which the globals act on. A program's name alone will do: `spawn "true"`.
---
--- Errors: no program, something that is no string or whole number among the arguments, an option that does not exist or
--- has a wrong value; an `Error` for a program that is not there (ENOENT), not executable (EACCES), of another kind
--- (ENOEXEC), for a folder or file that cannot be opened, and when tracing is not allowed.
---
--- ```lua
--- local s = spawn { "sh", "-c", "exit 3" }
--- assert(process.pid == s.pid)
--- assert(s:run().code == 3)
--- ```
---@param options SpawnOptions|string
---@return Session
function spawn(options) end

--- Options of `attach`.
---
--- ```lua
--- local pid = tonumber(io.popen("sleep 60 >/dev/null & echo $!"):read())
--- attach(pid, { follow = true }):kill()
--- ```
---@class AttachOptions
---@field follow? boolean true: children born from now on are followed as well

--- Takes hold of a running process with all its threads, which are stopped, and makes its session the current one.
---
--- Errors: something that is no process id; an `Error` when there is no such process, when it is a zombie, a kernel
--- thread, our own, a 32-bit program, traced by somebody (whom it names), or when tracing it is not allowed.
---
--- ```lua
--- local pid = tonumber(io.popen("sleep 60 >/dev/null & echo $!"):read())
--- local s = attach(pid)
--- assert(s.pid == pid and s.thread.state == "stopped")
--- s:kill()
--- ```
---@param pid integer
---@param options? AttachOptions
---@return Session
function attach(pid, options) end

--- Why `run()` returned, and how a target ended. `event` is that of the hook that said STOP: `"breakpoint"`, `"signal"`, …
---
--- ```lua
--- local reason = spawn({ "sh", "-c", "kill -TERM $$" }):run()
--- assert(reason.kind == "signal" and reason.signal == "SIGTERM")
--- ```
---@class Reason
---@field kind "exit"|"signal"|"stop"|"detach"|"timeout"
---@field code? integer exit: the status
---@field signal? string signal: the name of the one that killed it
---@field core? boolean true in `thread_exit`, when that left a core dump
---@field thread? Thread stop: the thread whose hook said so
---@field event? string stop: the hook's event
---@field breakpoint? Breakpoint stop: when it was one
---@field sc? Syscall stop: the system call that the thread stands at, when it was one
---@field watch? Watch stop: likewise

--- Options of `run`.
---
--- ```lua
--- assert(spawn("cat", { stdin = "null" }) and run({ timeout = 10 }).kind ~= nil)
--- ```
---@class RunOptions
---@field [integer] Session several, instead of the current one
---@field timeout? number seconds

--- Runs the current session until its target has ended, a hook stops it, or the time is up; then every thread stands
--- still. After the end, it gives the end again. The target of the command line is run to its end when the script did
--- not do that.
---
--- With sessions in the list part it runs all of them at once, each until it has ended or was stopped, and gives a list of
--- their reasons in the same order. `spawn`'s time limit is each one's own. An error in a hook ends its session and the run.
---
--- Errors: no target; a wrong option; the error of a hook, which has ended the session; an `Error` (EDEADLK) in a hook of
--- the same session, and (ENOBUFS) when a target has written 256 MiB to a pipe or pty that nobody has read.
---
--- ```lua
--- bp("calc", STOP)
--- local reason = run { timeout = 10 }
--- assert(reason.kind == "stop" and reason.event == "breakpoint" and reason.breakpoint.where == "calc")
--- run()
--- assert(run().kind == "exit" and run().code == 0)
---
--- local reasons = run { spawn { "sh", "-c", "exit 3" }, spawn { "true" }, timeout = 10 }
--- assert(reasons[1].code == 3 and reasons[2].code == 0)
--- ```
---@param options? RunOptions
---@return Reason|Reason[]
function run(options) end

--- Options of `detach`.
---
--- ```lua
--- local pid = tonumber(io.popen("sleep 60 >/dev/null & echo $!"):read())
--- attach(pid):detach { stopped = true }
--- os.execute("kill -KILL " .. pid)
--- ```
---@class DetachOptions
---@field stopped? boolean true: it stays where it stands, stopped as by SIGSTOP, until a SIGCONT; so do children that
--- are followed

--- Lets the current session's target go, whole: bytes restored, threads running. The session has ended then. In a hook
--- it takes effect when the hook returns.
---
--- Errors: no target, or one that has ended; a wrong option.
---
--- ```lua
--- detach()
--- assert(run().kind == "detach" and not pcall(detach))
--- ```
---@param options? DetachOptions
function detach(options) end

--- Options of `gdb`.
---
--- ```lua
--- pcall(gdb, { args = { "-batch", "-ex", "info registers rip" } })
--- ```
---@class GdbOptions
---@field args? string[] arguments for GDB, behind those that attach it and select the thread

--- What GDB did to the target, as `gdb` finds it afterwards.
---
--- ```lua
--- local ok, found = pcall(gdb, { args = { "-batch", "-ex", "set var $rax = 5" } })
--- assert(not ok or found.moved and regs.rax == 5)
--- ```
---@class GdbFound
---@field moved boolean a thread has other registers than before
---@field replaced boolean it runs another program (exec), in which breakpoints were placed anew
---@field born integer threads that are new
---@field gone integer threads that have ended
---@field reason? Reason it has ended, in this way; kind "detach": nobody knows how (Linux before 6.15, and its parent reaped it)

--- Runs GDB, on our terminal, on the process of a thread: of the one whose event is being handled, or of the current
--- session's, unless another is given. GDB finds it where it stands, without our breakpoints (patches stay), and begins at
--- that thread. It may do as it likes: look, change registers and memory, set breakpoints of its own, continue, kill. When
--- it leaves, by `quit` or otherwise, the target is ours again, stopped where GDB left it; breakpoints, hooks and watches are
--- in place, and hooks that wait wait on. Children that it made meanwhile are not followed. If it has ended, so has the
--- session, in a hook when that returns, and `run` gives that reason. When the target is not taken back, since another
--- tracer was faster, that is an error, and the session has ended.
---
--- Meanwhile nobody else runs: nothing of other sessions, and nobody reads the target's pipes; time limits go on. The
--- target stays in a stop as by SIGSTOP whenever GDB does not let it run, which its parent may notice; it sees neither that
--- nor a SIGCONT.
--- `detach { stopped = true }` leaves it to a GDB of your own.
---
--- A spawned program whose system calls hooks watch has a seccomp filter of ours: those calls fail with ENOSYS while GDB
--- lets it run (a warning says so; to look is harmless), unless `policy { seccomp = "off" }` was said before the first run.
---
--- A thread at the entry of a system call stands before the instruction that makes it, and is at that entry again when the
--- target is back, unless GDB let it run. A return that hooks were about to see is told when the target is back, unless GDB
--- has moved the thread on from there.
---
--- Errors: there is no GDB, or it cannot be executed; no target, or one that has ended; the process stands in the middle of
--- vfork, or at the entry of a call whose strings `sc:set_str` has set (EBUSY). The target stands where it stood then.
---
--- ```lua
--- bp("calc", function()
---     local ok, found = pcall(gdb, { args = { "-batch", "-ex", "backtrace" } })
---     if ok then
---         assert(not found.moved and found.reason == nil)
---     end
---     return REMOVE
--- end)
--- assert(run().kind == "exit")
--- ```
---@param thread? Thread
---@param options? GdbOptions
---@return GdbFound
---@overload fun(options: GdbOptions): GdbFound
function gdb(thread, options) end

--- As the global `gdb`, for this session.
---
--- ```lua
--- pcall(process.session.gdb, process.session, thread, { args = { "-batch" } })
--- ```
---@param thread? Thread
---@param options? GdbOptions
---@return GdbFound
---@overload fun(self: Session, options: GdbOptions): GdbFound
function Session:gdb(thread, options) end

--- Kills the current session's target. In a hook it takes effect when the hook returns.
---
--- Errors: no target, or one that has ended; the error of a hook on `exit`.
---
--- ```lua
--- kill()
--- assert(run().signal == "SIGKILL")
--- ```
function kill() end

--- What `policy` sets.
---
--- ```lua
--- policy { errors = "report", exitkill = true, follow = false }
--- policy { seccomp = "auto", syscall_info = "auto", untraced = "keep" }
--- policy { snapshots = "auto", unsafe_syscalls = "allow" }
--- ```
---@class Policy
---@field errors? "end"|"report" of every session: an error in a hook ends the run (default), or is reported
---@field exitkill? boolean of this session: the kernel kills the target if the tracer is killed (default true)
---@field follow? boolean of this session: children born from now on are followed as well
---@field debug_root? string of every session: the folder that separate debug files lie under (default `/usr/lib/debug`)
---@field cpu? "auto"|"off"|integer of this session: on which CPU ptracehook itself runs. "auto" (default): on the one
--- of the thread that hits, while the stops come from one thread only, which makes a stop several times cheaper unless
--- another CPU is idle: then the scheduler moves the thread there; "off": where the scheduler puts it; a number: on that
--- CPU. The target's own affinity is never changed
---@field hardware? boolean of this session: breakpoints take debug registers, those that are there already and those to come
---@field seccomp? "auto"|"off" of this session, before it first runs: whether hooks of system calls use a filter (see `on`)
---@field syscall_info? "auto"|"regs"|"get"|"set" of this session: how system calls are read and changed: by registers, by
---PTRACE_GET_SYSCALL_INFO (Linux 5.3), or by PTRACE_SET_SYSCALL_INFO (6.16) too; the best that the kernel has (default)
---@field untraced? "keep"|"strip" of this session: children made with CLONE_UNTRACED are unseen (default), or like all
---others: by a filter when it is asked for before the target first runs, else by stopping at every system call. While
---system calls are hooked they are seen anyway, wherever the entry of their clone is.
---@field snapshots? "auto"|"compare" of every session, for snapshots to come: changed pages are found by userfaultfd where
---the kernel has what it takes (Linux 6.7; default), or by comparing all of them
---@field unsafe_syscalls? "allow"|"report" of every session, for snapshots to come: system calls that no snapshot undoes
---are told on standard error when the target makes them, each once

--- Changes how things are done; what it does not name stays as it is.
---
--- Errors: an option that does not exist or has a wrong value; for those of a session, no target or one that has ended;
--- a `syscall_info` that the kernel does not have; a CPU that there is not, or that ptracehook was not given; for `hardware`, an `Error`
--- (EBUSY) when there are more breakpoints than registers: all stay as they are then.
---
--- ```lua
--- policy { errors = "report" }
--- local hits = 0
--- bp("calc", function()
---     hits = hits + 1
---     error "this is reported, and calc goes on"
--- end)
--- assert(run().kind == "exit" and hits == 2)
--- policy { errors = "end" }
--- ```
---@param settings Policy
function policy(settings) end

--- The living threads of the current session, of all its processes, oldest first.
---
--- Errors: no target.
---
--- ```lua
--- assert(#threads() == 1 and threads()[1] == thread)
--- ```
---@return Thread[]
function threads() end

--- The address of a place, as in a `Where`: the first, when there are several.
---
--- Errors: no target, or one that has ended; something that is no string; a name that nothing loaded has, with the nearest;
--- an IFUNC (strcmp in a static program) whose function the program has not chosen yet: ask again at `main`.
---
--- ```lua
--- assert(sym "calc_add" == sym "calc" + 3 and sym "calc+3" == sym "calc_add")
--- ```
---@param name string
---@return uint64
function sym(name) end

--- As `sym`, but nil for a name that nothing loaded has.
---
--- ```lua
--- assert(find_sym "calc" == sym "calc" and find_sym "no_such_name" == nil)
--- ```
---@param name string
---@return uint64?
function find_sym(name) end

--- What a session has cost so far.
---
--- ```lua
--- bp("calc", CONTINUE)
--- run()
--- assert(stats().hits == 2 and stats().stops >= 2)
--- ```
---@class Stats
---@field stops integer times that the kernel stopped a thread for us
---@field hits integer calls of breakpoints' functions
---@field copies integer breakpoints passed by a copy of their instruction, without another stop
---@field emulated integer breakpoints passed by doing what the instruction does
---@field single_steps integer breakpoints passed by a single step, other threads held
---@field signals integer signals that were about to be delivered
---@field syscalls integer system calls that the tracer made, for all sessions

--- What the current session has cost so far.
---
--- Errors: no target.
---
--- ```lua
--- local before = stats()
--- run()
--- assert(stats().stops > before.stops)
--- ```
---@return Stats
function stats() end

--- One target and what was asked of it. Every global verb is a method too, and acts on this session whichever is the
--- current one. A session lives until its target has ended or was let go, whether or not a script still holds it; those
--- open at the end of the script are closed.
---
--- ```lua
--- local one, two = spawn { "true" }, spawn { "false" }
--- assert(one:run().code == 0 and two:run().code == 1)
--- assert(one.ended and one.pid ~= two.pid and one.regs ~= two.regs)
--- ```
---@class Session
---@field pid integer
---@field process Process the target itself, also when it has ended
---@field thread? Thread the one that stopped last, or was selected; nil after the end
---@field ended boolean the target is gone or was let go
---@field regs Registers of `thread`
---@field mem Memory of the target
---@field syscall table<string, function> as the global `syscall`, for this session
---@field io Tube all of its standard streams that are a pipe or a pty; an error when none is, as for those below
---@field stdin Tube
---@field stdout Tube
---@field stderr Tube
local Session = {}

--- As the global `bp`, for this session.
---
--- ```lua
--- local s = process.session
--- s:bp("calc", CONTINUE)
--- ```
---@param where Where
---@param fn Action|fun(thread: Thread, breakpoint: Breakpoint): Action?
---@param options? BpOptions
---@return Breakpoint
function Session:bp(where, fn, options) end

--- As the global `bps`, for this session.
---
--- ```lua
--- assert(#process.session:bps() == 0)
--- ```
---@return Breakpoint[]
function Session:bps() end

--- As the global `watch`, for this session.
---
--- ```lua
--- process.session:watch("calc", { access = "x" }, CONTINUE)
--- ```
---@param address Where
---@param options WatchOptions?
---@param fn Action|fun(thread: Thread, watch: Watch): Action?
---@return Watch
function Session:watch(address, options, fn) end

--- As the global `steps`, for this session.
---
--- ```lua
--- process.session:steps(CONTINUE, { from = "calc", to = sym "calc" + 7 })
--- ```
---@param fn Action|fun(thread: Thread): Action?
---@param options? StepsOptions
---@return Handle
function Session:steps(fn, options) end

--- As the global `on`, for this session.
---
--- ```lua
--- process.session:on("exit", function(process, reason) print(process.pid, reason.kind) end)
--- ```
---@param event string
---@param filter string|integer|(string|integer)[]
---@param fn Hook
---@return Handle
function Session:on(event, filter, fn) end

--- As the global `run`, for this session, which need not be the current one.
---
--- ```lua
--- local s = process.session
--- spawn { "true" }
--- assert(s:run().kind == "exit")
--- ```
---@param options? RunOptions
---@return Reason
function Session:run(options) end

--- As the global `detach`, for this session.
---
--- ```lua
--- process.session:detach()
--- ```
---@param options? DetachOptions
function Session:detach(options) end

--- As the global `kill`, for this session.
---
--- ```lua
--- process.session:kill()
--- ```
function Session:kill() end

--- Ends it in the way that is natural for it: a spawned target is killed, an attached one let go. Nothing happens when
--- it has ended already. Hooks on `exit` are not called.
---
--- ```lua
--- local s = process.session
--- s:close()
--- s:close()
--- assert(s.ended)
--- ```
function Session:close() end

--- As the global `policy`; all but `errors` is this session's.
---
--- ```lua
--- process.session:policy { follow = true }
--- ```
---@param settings Policy
function Session:policy(settings) end

--- As the global `threads`, for this session.
---
--- ```lua
--- assert(#process.session:threads() == 1)
--- ```
---@return Thread[]
function Session:threads() end

--- The living processes: the target, and the children that are followed.
---
--- ```lua
--- assert(process.session:processes()[1] == process)
--- ```
---@return Process[]
function Session:processes() end

--- As the global `sym`, for this session.
---
--- ```lua
--- assert(process.session:sym "calc" == sym "calc")
--- ```
---@param name string
---@return uint64
function Session:sym(name) end

--- As the global `find_sym`, for this session.
---
--- ```lua
--- assert(process.session:find_sym "no_such_name" == nil)
--- ```
---@param name string
---@return uint64?
function Session:find_sym(name) end

--- As the global `hexdump`, for this session.
---
--- ```lua
--- print(process.session:hexdump(regs.rsp, 32))
--- ```
---@param addr int
---@param n integer
---@return string
function Session:hexdump(addr, n) end

--- As the global `stats`, for this session.
---
--- ```lua
--- print(process.session:stats().stops)
--- ```
---@return Stats
function Session:stats() end

--- As the global `insns`, for this session.
---
--- ```lua
--- assert(process.session:insns("calc", 1)[1].text == "lea rax, [rdi]")
--- ```
---@param where? Where
---@param n? integer
---@param options? InsnsOptions
---@return Insn[]
function Session:insns(where, n, options) end

--- As the global `disasm`, for this session.
---
--- ```lua
--- print(process.session:disasm("main", 3))
--- ```
---@param where? Where
---@param n? integer
---@param options? DisasmOptions
---@return string
function Session:disasm(where, n, options) end
--- As the global `modules`, for this session.
---
--- ```lua
--- assert(process.session:modules()[1].base == modules()[1].base)
--- ```
---@return Module[]
function Session:modules() end

--- As the global `where`, for this session.
---
--- ```lua
--- assert(process.session:where(sym "calc") == "calc")
--- ```
---@param addr int
---@return string
function Session:where(addr) end

--- As the global `find_syms`, for this session.
---
--- ```lua
--- assert(#process.session:find_syms "calc_add" == 1)
--- ```
---@param glob string
---@return Symbol[]
function Session:find_syms(glob) end
