---@meta

-- Actions: what a hook may return (breakpoint.lua says how the examples run).

--- What a hook wants. Actions with equal values are equal; `tostring` shows them (`RETURN(0x2a)`).
---
--- CONTINUE, SIGNAL, STOP, DETACH, KILL and REMOVE mean the same for every event (but nobody is left to get a signal in
--- `exit` and `thread_exit`); SKIP, RETURN, GOTO and STEP only where an instruction is pending: at breakpoints; SUPPRESS
--- only for signals. One that has no meaning for its event is an error.
---
--- ```lua
--- assert(RETURN(42) == RETURN(42ULL) and tostring(RETURN(42)) == "RETURN(0x2a)" and STOP ~= KILL)
--- ```
---@class Action

--- Go on, by the breakpoint's mode; a signal is delivered. The same as nothing.
---
--- ```lua
--- bp("calc", function() return CONTINUE end)
--- ```
---@type Action
CONTINUE = {}

--- Run the original instruction by one single step, whatever the mode of the breakpoint, report it to `on("step")`, go on.
---
--- ```lua
--- local steps = 0
--- bp("calc", STEP)
--- on("step", function(thread)
---     assert(thread.regs.rip == sym "calc_add")
---     steps = steps + 1
--- end)
--- run()
--- assert(steps == 2)
--- ```
---@type Action
STEP = {}

--- Pass over the original instruction this once.
---
--- ```lua
--- bp("calc_add", function() return SKIP end) -- calc(1, 2) gives 1
--- ```
---@type Action
SKIP = {}

--- Leave the event loop: `run()` returns `{kind = "stop", …}`, with every thread standing still; the next `run()` goes on.
---
--- ```lua
--- bp("calc", STOP)
--- assert(run().kind == "stop" and regs.rdi == 1)
--- assert(run().kind == "stop" and regs.rdi == 4)
--- assert(run().kind == "exit")
--- ```
---@type Action
STOP = {}

--- Let the target go, whole: bytes restored, threads running. The session ends.
---
--- ```lua
--- bp("calc", DETACH)
--- assert(run().kind == "detach")
--- ```
---@type Action
DETACH = {}

--- Kill the target.
---
--- ```lua
--- bp("calc", KILL)
--- assert(run().signal == "SIGKILL")
--- ```
---@type Action
KILL = {}

--- Take this breakpoint or handler out, go on.
---
--- ```lua
--- local b = bp("calc", REMOVE)
--- run()
--- assert(b.hits == 1)
--- ```
---@type Action
REMOVE = {}

--- In a signal's hook: do not deliver it.
---
--- ```lua
--- on("signal", "SIGUSR1", SUPPRESS)
--- os.execute("kill -USR1 " .. process.pid) -- which would end calc
--- assert(run().kind == "exit")
--- ```
---@type Action
SUPPRESS = {}

--- Return from the function now, with rax = value when one is given; a boolean is 1 or 0. Right at a function's entry,
--- where the return address is on top of the stack.
---
--- Errors: a value that is no whole number of 64 bits, signed or unsigned, and no boolean.
---
--- ```lua
--- bp("calc", function()
---     return regs.rdi == 1 and RETURN(42) or RETURN
--- end)
--- assert(not pcall(RETURN, 1.5) and not pcall(RETURN, nil))
--- ```
---@param value? int|boolean
---@return Action
function RETURN(value) end

--- Go on at another place, without the original instruction. To a breakpoint's own address it is a new pass.
---
--- Errors: a `Where` that is none, or cannot be found.
---
--- ```lua
--- bp("calc", function()
---     regs.rax = 7
---     return GOTO "calc_add+3" -- ret
--- end)
--- ```
---@param where Where
---@return Action
function GOTO(where) end

--- Go on, delivering a signal; in a signal's hook, in its place. Hooks are not asked about it.
---
--- Errors: something that is no signal's name (with or without SIG, in any case) and no number from 1 to 64.
---
--- ```lua
--- bp("calc", SIGNAL "SIGTERM")
--- assert(run().signal == "SIGTERM")
--- assert(SIGNAL "term" == SIGNAL(15) and not pcall(SIGNAL, "SIGNOPE"))
--- ```
---@param signal string|integer
---@return Action
function SIGNAL(signal) end
