---@meta

-- The prompt: `ptracehook -p PID`, `ptracehook -- PROGRAM`, -i behind a script (breakpoint.lua says how examples run).
--
-- What is typed is Lua, and what an expression gives is shown; `_` is the last result, `_1`, `_2`, … are all of them.
-- An attached target runs while one types, a spawned one waits at its first instruction for `cont()`. A line runs while
-- every thread stands still; those that ran go on behind it. Words of their own, unless a variable has that name: c (cont),
-- s and si (step), n and ni (step_over), fin (finish), bt, ctx, dis, b PLACE, p EXPR, h NAME (help), q (quit); Enter
-- repeats a step.
--
-- A hook that returns STOP, fails, or calls repl() leads to the prompt with its Lua locals under their own names;
-- `lua_locals` is a table of all of them.

--- What scripts keep over reloads: an empty table at first.
---
--- ```lua
--- state.count = (state.count or 0) + 1
--- ```
---@type table
state = {}

--- In a hook: the prompt, right there. The hook's Lua locals are read and written by their own names, and what waits
--- (step, finish, …) works as in the hook itself. They are there while the hook is: `return repl()` ends it first, as every
--- call that is returned does in Lua, and leaves none. What the prompt gives is returned by a line more.
---
--- `return ACTION`, typed there, ends it and is what repl() gives; left otherwise, by `c` or the end of the input, it
--- gives CONTINUE.
---
--- Errors: outside of hooks.
---
--- ```lua
--- bp("calc", function()
---     local before = regs.rdi
---     local action = repl() -- `before` is there
---     return action
--- end)
--- ```
---@return Action action
function repl() end

--- Lets the target run. A spawned one runs in the foreground: it has the terminal, in its own modes, and Ctrl-C, a hook's
--- STOP or its end bring the prompt back. An attached one, or one with `{bg = true}`, runs while one types; in the
--- background it does not get what is typed. In a script it is `run()`.
---
--- Errors: no target, or one that has ended; an option that does not exist.
---
--- ```lua
--- bp("calc", STOP)
--- cont()
--- assert(regs.rdi == 1)
--- ```
---@param options? { bg?: boolean }
function cont(options) end

--- Stops the target that runs while one types, as Ctrl-C does, and says where it stands.
---
--- Errors: no target, or one that has ended.
---
--- ```lua
--- run_to "calc"
--- pause()
--- ```
function pause() end

--- Prints where the thread stands: registers, those changed since its last stop marked with `*`, the instructions around
--- it, the line of source when it is known, and the top of the stack with what it leads to.
---
--- Errors: no target, or one that has ended.
---
--- ```lua
--- run_to "calc"
--- ctx()
--- ```
function ctx() end

--- Prints instructions: around where the thread stands, or `n` (10 unless said) from a place.
---
--- Errors: no target, or one that has ended; no such place.
---
--- ```lua
--- run_to "calc"
--- dis()
--- dis("main", 3)
--- ```
---@param where? Where
---@param n? integer
function dis(where, n) end

--- Spawns the current target's program anew, with the breakpoints, watches, patches and other hooks that it had; what was
--- removed stays so. One that lives is killed first. Addresses are kept as places in their modules.
---
--- Errors: a target that we did not spawn; outside of the prompt.
---
--- ```lua
--- assert(not pcall(restart)) -- a script's own target is its own business
--- ```
function restart() end

--- Ends the prompt: an attached target is let go, a spawned one killed, on a terminal after asking.
---
--- Errors: outside of the prompt.
---
--- ```lua
--- assert(not pcall(quit))
--- ```
function quit() end

--- Writes what was typed so far as a script.
---
--- Errors: a file that cannot be written.
---
--- ```lua
--- assert(not pcall(save, "/no/such/folder/session.lua"))
--- ```
---@param file string
function save(file) end

--- Runs a script whose hooks are swapped for those of its new version by `reload()`; with -w when its file changes.
---
--- Errors: what is wrong with the script; its hooks are then taken out.
---
--- ```lua
--- assert(not pcall(load_script, "/no/such/script.lua"))
--- ```
---@param file string
---@param ... any its arguments
function load_script(file, ...) end

--- Runs a script once more, the last loaded one unless said, and takes out what its old version had put in: breakpoints,
--- watches, patches, hooks on events, those too that its hooks had added. What it keeps in `state` stays. A version that
--- fails changes nothing. A script that runs its target itself is not for this.
---
--- Errors: a script that was not loaded; what is wrong with it.
---
--- ```lua
--- assert(not pcall(reload, "/no/such/script.lua"))
--- ```
---@param file? string
function reload(file) end

--- Prints the reference: all names; or what there is on a function, a class or an object, by its name or itself.
---
--- Errors: a name that there is not, with the nearest.
---
--- ```lua
--- help "finish"
--- help(mem.find)
--- ```
---@param what? any
function help(what) end
