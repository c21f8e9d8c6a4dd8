-- candidates.lua N PROGRAM: N times spawn PROGRAM with a line on its standard input, run it, read what it said. Output:
-- "runs 1 ns T", of the fastest.
local core = require "ptracehook.core"

local best = math.huge
for _ = 1, tonumber(arg[1]) do
	local from = core.clock()
	local s = spawn { arg[2], stdin = { data = "a guess\n" }, stdout = "pipe" }
	assert(s:run().kind == "exit" and #s.stdout:read "a" > 0)
	best = math.min(best, core.clock() - from)
end
io.write(("runs 1 ns %d\n"):format(best * 1e9))
