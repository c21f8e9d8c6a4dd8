-- main - what the command line does that is easier said in Lua.

local core = require "ptracehook.core"

local M = {}

-- The target of the command line runs to its end, unless the script ran it itself.
function M.drive()
	core.current():run()
end

return M
