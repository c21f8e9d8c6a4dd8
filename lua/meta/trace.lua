---@meta trace

-- The library `trace` (breakpoint.lua says how the examples run).

--- Prints system calls, signals and ends of threads as strace(1) does: `local trace = require "trace"`. It knows the
--- arguments of every system call of x86-64; what it does not know it shows as a raw number.
---
--- ```lua
--- local trace = require "trace"
--- local lines = {}
--- trace.start { calls = "write,exit_group", output = function(text) lines[#lines + 1] = text end }
--- run()
--- assert(table.concat(lines):find "exit_group%(0%) += %?\n%+%+%+ exited with 0 %+%+%+\n$")
--- ```
---@class trace
local trace = {}

--- Starts printing what the threads of the current session do.
---
--- Errors: no target; an option that does not exist or is of the wrong kind; a call that does not exist (the nearest is
--- named).
---
--- ```lua
--- local trace = require "trace"
--- trace.start { calls = "%file,read", paths = true, output = function() end }
--- run()
--- ```
---@param options? TraceOptions
---@return Trace
function trace.start(options) end

--- What `trace.start` takes.
---
--- ```lua
--- local trace = require "trace"
--- local t = trace.start { summary = "only" }
--- run()
--- assert(t:summary():find "total")
--- ```
---@class TraceOptions
---@field calls? string|string[] which calls, as `trace.calls` takes them; default all
---@field output? file*|fun(text: string) where to; pieces of lines come as they happen; default standard error
---@field strings? integer how many bytes of a string are shown: 32
---@field paths? boolean true: what descriptors stand for, `3</etc/passwd>`
---@field pids? "auto"|"always"|"never" whose a line is: said when there are several threads, always, never
---@field time? "clock"|"micro"|"unix"|"relative" in front of each line
---@field spent? boolean true: how long each call took, in seconds
---@field columns? integer the column where results stand: 40
---@field summary? boolean|"only" true: count as well; `"only"`: print no lines
---@field stack? boolean true: the stack below each call
---@field signals? boolean|table<string, boolean> false: no signals; a set of names: only those
---@field exits? boolean false: nothing about ends
---@field interrupted? fun() called when Ctrl-C, SIGTERM or SIGHUP ends us, once targets have been let go or ended
---@field remark? fun(sc: Syscall): string? words behind a result, asked for when the call is left

--- What `trace.start` gives.
---
--- ```lua
--- local trace = require "trace"
--- local t = trace.start { output = function() end }
--- t:stop()
--- ```
---@class Trace
local Trace = {}

--- Prints the execve that started the program, when that stands at its first instruction: nobody saw the call, but what
--- it was made with is on the stack. Nothing otherwise, nor when `calls` leaves execve out.
---
--- ```lua
--- local trace = require "trace"
--- local lines = {}
--- local t = trace.start { output = function(text) lines[#lines + 1] = text end }
--- t:started()
--- assert(table.concat(lines):find "^execve%(.*calc_pie")
--- ```
function Trace:started() end

--- Stops printing; a line that is open is ended with `<detached ...>`.
---
--- ```lua
--- local trace = require "trace"
--- local t = trace.start { output = function() error "never called" end }
--- t:stop()
--- run()
--- ```
function Trace:stop() end

--- The counts so far, as a table in the form of `strace -c`; times are those between entry and return. Empty unless the
--- option `summary` was set.
---
--- ```lua
--- local trace = require "trace"
--- local t = trace.start { summary = "only" }
--- run()
--- print(t:summary())
--- ```
---@return string
function Trace:summary() end

--- The calls that a list means, sorted: names, numbers, classes (`%file`, `%desc`, `%net`, `%process`, `%signal`, `%memory`,
--- `%ipc`, `%clock`, `%creds`, `%stat` and others of strace's), joined by commas. `"all"` and `"none"` are what they say; `!`
--- in front of the list means all others; `?` in front of a word lets it mean nothing.
---
--- Errors: something that means no call; the nearest is named.
---
--- ```lua
--- local trace = require "trace"
--- assert(table.concat(trace.calls "read,0,%clock", " "):find "gettimeofday read")
--- on("syscall", trace.calls "%net", function(sc) print(sc.name) end)
--- ```
---@param spec string
---@return string[]
function trace.calls(spec) end

--- As `calls`, but gives nil and why not.
---
--- ```lua
--- local trace = require "trace"
--- local names, why = trace.try_calls "opanat"
--- assert(names == nil and why:find "did you mean openat%?")
--- ```
---@param spec string
---@return string[]?
---@return string? why
function trace.try_calls(spec) end

--- The call that a hook handles, as a line; in an enter hook without its result, and without the arguments that the
--- kernel fills in.
---
--- ```lua
--- local trace = require "trace"
--- on("syscall", "write", { leave = function(sc)
---     assert(trace.format(sc, { strings = 5 }):find '^write%(1, "')
--- end })
--- run()
--- ```
---@param sc Syscall
---@param options? {strings: integer?, paths: boolean?}
---@return string
function trace.format(sc, options) end

--- What a signal brings, in words: `{si_signo=SIGTERM, si_code=SI_USER, si_pid=5, si_uid=0}`.
---
--- ```lua
--- local trace = require "trace"
--- on("signal", function(_, sig) print(trace.siginfo(sig)) end)
--- ```
---@param sig Signal
---@return string
function trace.siginfo(sig) end

return trace
