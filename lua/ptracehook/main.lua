-- main - what the command line does that is easier said in Lua.

local core = require "ptracehook.core"

local M = {}

-- The target of the command line runs to its end, unless the script ran it itself.
function M.drive()
	local methods = core.classes.Session.methods
	local run = methods.run or methods.run_ms -- without session.lua, which nobody asked for
	run(core.current())
end

-- Before the scripts, when a prompt will follow them or their files are watched.
function M.prepare()
	assert(require("ptracehook").repl)
	core.load("repl").prepare(core.command_line)
end

function M.prompt()
	core.load("repl").main()
end

return M
