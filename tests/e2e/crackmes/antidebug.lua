-- It looks for a tracer in two ways; both are told that there is none.
local oracle, bypass = require "oracle", require "bypass"
local function hide()
	bypass.ptrace()
	bypass.status()
end
print(oracle.bytes { program = arg[1], setup = hide, score = "same", eager = true }.found)
