---@meta

-- The library bypass, require "bypass" (breakpoint.lua says how the examples run).
--
-- Each technique is started by its function, for the current session, before the program runs or at any later time.
-- They answer system calls, reads of files in /proc, and faults: nothing is put into the program's own code, and
-- everything ends when the target is let go. Starting one twice changes nothing. They have children followed
-- (`policy { follow = true }`), since what those find the program is told.

local bypass = {}

--- Options of every technique.
---
--- ```lua
--- local bypass = require "bypass"
--- bypass.status { log = print }
--- ```
---@class BypassOptions
---@field log? fun(text: string) called with what was asked for and answered: "ptrace: PTRACE_TRACEME: 0"

--- A technique at work.
---
--- ```lua
--- local b = require("bypass").ptrace()
--- assert(b.name == "ptrace" and b.answers == 0 and not b.removed and b.session == process.session)
--- ```
---@class Bypass
---@field name string
---@field answers integer times that the program asked, and was answered
---@field removed boolean
---@field session Session
local Bypass = {}

--- Ends it.
---
--- Errors: removed already; called without a colon.
---
--- ```lua
--- local b = require("bypass").timing()
--- b:remove()
--- assert(b.removed)
--- ```
function Bypass:remove() end

--- Options of `bypass.all`.
---
--- ```lua
--- require("bypass").all { checksums = false, parent = { name = "bash" } }
--- ```
---@class BypassAllOptions: BypassOptions
---@field ptrace? boolean|BypassOptions false leaves it out; a table is its own options
---@field status? boolean|BypassOptions
---@field parent? boolean|BypassParentOptions
---@field environment? boolean|BypassEnvironmentOptions
---@field prctl? boolean|BypassOptions
---@field timing? boolean|BypassOptions
---@field checksums? boolean|BypassOptions
---@field descriptors? boolean|BypassOptions only when asked for: programs may be given descriptors for a reason

--- All that hides the tracer: `bypass.techniques()`, and what the options say. Gives them by name.
---
--- Errors: as the techniques; an option that is not there.
---
--- ```lua
--- local all = require("bypass").all()
--- bp("calc", function() return RETURN(42) end)
--- run()
--- assert(all.ptrace.answers == 0)
--- ```
---@param options? BypassAllOptions
---@return table<string, Bypass>
function bypass.all(options) end

--- The names of what `bypass.all` starts.
---
--- ```lua
--- assert(require("bypass").techniques()[1] == "ptrace")
--- ```
---@return string[]
function bypass.techniques() end

--- ptrace(2) as the kernel answers it without a tracer. The first PTRACE_TRACEME of a thread succeeds, the next fails.
--- A child may attach to its parent, or to any thread of the target, and a parent may trace its child
--- (PTRACE_TRACEME): the thread really stops, waits tell of it, its memory and registers can be read and written,
--- signals go through its tracer, one instruction can be stepped. Debug registers are free and keep what is written to
--- them, but never trigger.
---
--- Missing: stops at system calls (PTRACE_SYSCALL is as PTRACE_CONT) and at forks, floating-point registers, SIGCHLD
--- at stops. Traps of a program's own (int3, `kill -TRAP`, its trap flag) reach it always.
---
--- ```lua
--- require("bypass").ptrace()
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.ptrace(options) end

--- Files of /proc by whatever path and read in whatever way: `TracerPid`, the state "tracing stop", the place in the
--- kernel (`stat`, `wchan`, `syscall`, `stack`), our seccomp filter, our memory in `maps` and `smaps`. A program that
--- traces another of its own is that one's tracer.
---
--- Missing: reads by io_uring. sendfile, splice and copy_file_range fail for these files (EINVAL), and programs read
--- instead.
---
--- ```lua
--- local b = require("bypass").status()
--- local s = spawn { "grep", "-q", "TracerPid:.*0$", "/proc/self/status" }
--- require("bypass").status()
--- assert(s:run().code == 0)
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.status(options) end

--- Options of `bypass.parent`.
---
--- ```lua
--- require("bypass").parent { name = "zsh" }
--- ```
---@class BypassParentOptions: BypassOptions
---@field name? string what the shown parent is called: 1 to 15 characters

--- A spawned target's parent is ptracehook's own: by getppid, in /proc, by its name, command line and file. ptracehook
--- is in no list of processes, and has no folder in /proc; signals to it find nobody.
---
--- Errors: a name that is too long.
---
--- ```lua
--- local s = spawn { "sh", "-c", "read name </proc/$PPID/comm; [ $name = zsh ]" }
--- require("bypass").parent { name = "zsh" }
--- assert(s:run().code == 0)
--- ```
---@param options? BypassParentOptions
---@return Bypass
function bypass.parent(options) end

--- Options of `bypass.environment`.
---
--- ```lua
--- require("bypass").environment { remove = { "GREETING" } }
--- ```
---@class BypassEnvironmentOptions: BypassOptions
---@field remove? string[] names of further variables

--- Takes LINES, COLUMNS, LD_PRELOAD, LD_AUDIT and ours out of the environment, also of /proc/PID/environ, and has `_`
--- name the program. What is to be preloaded is. For programs that have not run yet; in others only for those they
--- execute, and for /proc.
---
--- ```lua
--- local s = spawn { "sh", "-c", "[ -z $LINES ]", env = { LINES = "24" } }
--- require("bypass").environment()
--- assert(s:run().code == 0)
--- ```
---@param options? BypassEnvironmentOptions
---@return Bypass
function bypass.environment(options) end

--- Closes descriptors from 3 on, which whoever started ptracehook left open, of a program that has not run yet.
--- (ptracehook itself leaves none.)
---
--- ```lua
--- require("bypass").descriptors()
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.descriptors(options) end

--- prctl(2): PR_SET_DUMPABLE is taken and remembered, but does not keep us from the program's memory; no seccomp filter
--- of ours, and a counter that can be read. PR_SET_PTRACER goes to the kernel. personality(2) has no addresses that are
--- not random.
---
--- ```lua
--- require("bypass").prctl()
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.prctl(options) end

--- Time as without a tracer: what the program works and waits, and none of what it spends in our stops, in hooks or
--- before a prompt. By rdtsc and rdtscp (PR_SET_TSC), clock_gettime, gettimeofday and time, as system calls and in the
--- vDSO; moments that system calls wait for are translated. Clocks of CPU time are left alone. Each look costs a stop.
---
--- Missing: i386 calls; timer_settime with a moment. Timers (alarm, timerfd) run by the kernel's time: by the program's
--- they may end early, by what our stops took meanwhile. A handler of SIGSEGV is set back to the default when the counter
--- is read while that signal is blocked. A seccomp filter of the program's own has to allow the calls that the vDSO makes
--- unnecessary.
---
--- Errors (`Error`): ENOTSUP: a seccomp filter in the target; EBUSY: from a hook of a system call.
---
--- ```lua
--- require("bypass").timing()
--- bp("calc", function() sleep(0.05) end) -- no clock of the program's shows it
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.timing(options) end

--- Breakpoints take debug registers (`policy { hardware = true }`), those that are there and those to come, so that
--- sums over the program's code are right. There are four.
---
--- Where `hook` waits for a function to return, and for patches, code is changed all the same.
---
--- Errors (`Error`): EBUSY, here and in `bp`: more than four, and who has them.
---
--- ```lua
--- bp("calc", CONTINUE)
--- require("bypass").checksums()
--- run()
--- assert(bps()[1].hits == 2)
--- ```
---@param options? BypassOptions
---@return Bypass
function bypass.checksums(options) end

--- Options of `bypass.time`.
---
--- ```lua
--- require("bypass").time { at = 1e9, rate = 60, skip_sleep = true }
--- ```
---@class BypassTime: BypassOptions
---@field at? number seconds since 1970 that it is now, by the clocks that know the date
---@field rate? number seconds that pass for each one that passes; 1 unless said
---@field step? number seconds between two looks at a clock by a program that does nothing else; 25e-9 unless said
---@field skip_sleep? boolean nanosleep and clock_nanosleep are over at once, and the time has passed

--- Another time: `bypass.timing` as the script wants it. A number is `at`.
---
--- Errors: as `bypass.timing`; a wrong option.
---
--- ```lua
--- local s = spawn { "sh", "-c", "sleep 3600; [ $(date +%s) -ge 1000003600 ]" }
--- require("bypass").time { at = 1e9, skip_sleep = true }
--- assert(s:run { timeout = 60 }.code == 0)
--- ```
---@param wanted number|BypassTime
---@return Bypass
function bypass.time(wanted) end

--- Random bytes that are the same in every run: of getrandom, /dev/urandom and /dev/random, and of AT_RANDOM, from
--- which C libraries make stack guards and the like. Each process has its own sequence. Those of the CPU (rdrand) are
--- left alone.
---
--- Errors: a seed that is no whole number.
---
--- ```lua
--- local b = require("bypass").random(42)
--- ```
---@param seed? int 0 when left out
---@param options? BypassOptions
---@return Bypass
function bypass.random(seed, options) end

--- getpid gives this; system calls and paths in /proc that name it mean the target. For the target itself, not its
--- children.
---
--- Errors: no number from 1 to 4194303.
---
--- ```lua
--- local s = spawn { "sh", "-c", "[ $$ = 4242 ] && kill -0 $$" }
--- require("bypass").pid(4242)
--- assert(s:run().code == 0)
--- ```
---@param pid integer
---@param options? BypassOptions
---@return Bypass
function bypass.pid(pid, options) end

--- The function there returns this at once. A Lua function is called with the six arguments that integers are passed
--- in, and gives what is returned, or nil to have the function run.
---
--- Errors: as `bp`; no value.
---
--- ```lua
--- local bypass = require "bypass"
--- bypass.returns("calc", function(a) return a == 1 and 42 or nil end)
--- assert(call("calc", 1, 2) == 42 and call("calc", 2, 2) == 4)
--- ```
---@param where Where
---@param value int|boolean|fun(a: uint64, b: uint64, c: uint64, d: uint64, e: uint64, f: uint64): int|boolean|nil
---@param options? BypassOptions
---@return Breakpoint
function bypass.returns(where, value, options) end
