-- main - what the command line does that is easier said in Lua.

local core = require "ptracehook.core"

local M = {}

-- Before the scripts, when a prompt will follow them or their files are watched.
function M.prepare()
	assert(require("ptracehook").repl)
	core.load("repl").prepare(core.command_line)
end

function M.prompt()
	core.load("repl").main()
end

return M
