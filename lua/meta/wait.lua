---@meta

-- Waiting: step, step_over, finish, run_to and sleep, in hooks and outside (breakpoint.lua says how the examples run).
--
-- A hook that calls one of these is put aside until its thread has come so far; other threads run on meanwhile, and
-- their hooks may wait too. They work inside pcall, metamethods, iterators and coroutines of the script's own, but not in
-- a function that a C function calls back (string.gsub, table.sort, require): an error that says so.
--
-- Of several hooks at one stop each is called there, at the breakpoint's address; those that wait go on when their own
-- time has come, the others' actions count at once. What a hook returns after it has waited is carried out where its
-- thread is by then. The end of the thread or of the session is an error in the waiting hook, of name "ESRCH", which a
-- pcall sees; uncaught it ends that hook and nothing else. `run()` may return and be called again meanwhile.
--
-- Outside of hooks they run the session, hooks and all, until the thread that the globals mean has come so far, and
-- give nil and the reason of `run()` when something else ended that run.

--- Runs one instruction of the thread, or `n`. A repeated string instruction is one, and so is a system call; handlers of
--- signals that come in between run whole. A breakpoint that the thread comes to is hit when its instruction is to be
--- run, which is the next step.
---
--- Errors: `n` below 1 or not whole; in a hook: another thread than its own; a session that has ended.
---
--- ```lua
--- bp("calc", function()
---     assert(step() and regs.rip == sym "calc_add")
--- end)
--- run_to "calc"
--- step(2)
--- ```
---@param n? integer instructions; 1 unless said
---@return true? done nil: the run ended before
---@return Reason|"unwound"|nil why "unwound": a signal's handler that ran in between did not come back
function step(n) end

--- As `step()`, but a call instruction runs with all that it calls, recursion included.
---
--- ```lua
--- run_to "calc"
--- assert(step_over() and regs.rip == sym "calc_add")
--- ```
---@return true? done
---@return Reason|"unwound"|nil why "unwound": the call was ended by longjmp or an exception
function step_over() end

--- Runs until the function that the thread is in has returned, and gives its result. Right in recursion, also in the
--- middle of a function: by call frame information, and where there is none by stepping from call to call.
---
--- A call that longjmp or an exception ends gives nil and "unwound": at the latest when the thread is next seen, at once
--- where the program's or its libraries' longjmp and C++ runtime have their names.
---
--- ```lua
--- bp("calc", function()
---     local a, b = regs.rdi, regs.rsi
---     assert(finish() == a + b)
--- end)
--- ```
---@return integer? rax an uint64_t; nil: see why
---@return Reason|"unwound"|nil why
function finish() end

--- Runs until the thread comes to a place, to the first of its addresses where it has several.
---
--- Errors: no such place, also one that a library is still to bring (bp waits for that); an address that is not mapped.
---
--- ```lua
--- assert(run_to "calc")
--- assert(regs.rdi == 1)
--- local done, why = run_to "main"
--- assert(not done and why.kind == "exit")
--- ```
---@param where Where
---@return true? done
---@return Reason? why
function run_to(where) end

--- Lets time pass. In a hook its thread stays where it is while everything else runs; outside of hooks nothing does.
---
--- Errors: no number, a negative or infinite one.
---
--- ```lua
--- bp("calc", function()
---     sleep(0.01)
---     return RETURN(7)
--- end)
--- ```
---@param seconds number
function sleep(seconds) end

--- `step` of this session.
---
--- ```lua
--- local s = spawn { "sh", "-c", "exit 3" }
--- assert(s:step(3))
--- s:kill()
--- ```
---@param n? integer
---@return true? done
---@return Reason|"unwound"|nil why
function Session:step(n) end

--- `step_over` of this session.
---
--- ```lua
--- local s = spawn "true"
--- assert(s:step_over())
--- s:kill()
--- ```
---@return true? done
---@return Reason|"unwound"|nil why
function Session:step_over() end

--- `finish` of this session.
---
--- ```lua
--- local s = process.session
--- s:run_to "calc"
--- assert(s:finish() == 3)
--- ```
---@return integer? rax
---@return Reason|"unwound"|nil why
function Session:finish() end

--- `run_to` of this session.
---
--- ```lua
--- assert(process.session:run_to "calc")
--- ```
---@param where Where
---@return true? done
---@return Reason? why
function Session:run_to(where) end

--- `sleep`, of a hook of this session; else nothing runs.
---
--- ```lua
--- process.session:sleep(0.01)
--- ```
---@param seconds number
function Session:sleep(seconds) end

--- `step` of this thread: in a hook, its own.
---
--- ```lua
--- bp("calc", function(thread) assert(thread:step()) end)
--- ```
---@param n? integer
---@return true? done
---@return Reason|"unwound"|nil why
function Thread:step(n) end

--- `step_over` of this thread.
---
--- ```lua
--- bp("calc", function(thread) assert(thread:step_over()) end)
--- ```
---@return true? done
---@return Reason|"unwound"|nil why
function Thread:step_over() end

--- `finish` of this thread.
---
--- ```lua
--- bp("calc", function(thread) assert(thread:finish() > 0) end)
--- ```
---@return integer? rax
---@return Reason|"unwound"|nil why
function Thread:finish() end

--- `run_to` of this thread.
---
--- ```lua
--- bp("main", function(thread) assert(thread:run_to "calc") end)
--- ```
---@param where Where
---@return true? done
---@return Reason? why
function Thread:run_to(where) end
