-- call.lua COUNT CPU -- bench_target 1: calls a function of the target that many times, with two numbers.
-- CPU: policy{cpu = CPU}.
-- Output: "runs N ns T", T round the calls only.
local core = require "ptracehook.core"

local count, cpu = tonumber(arg[1]), arg[2]
policy { cpu = cpu }
bp("main", STOP)
run()

local add = sym "bench_add"
call(add, 1, 2)
local from = core.clock()
for i = 1, count do
	call(add, i, 2)
end
io.write(("runs %d ns %d\n"):format(count, (core.clock() - from) * 1e9))
process.session:kill()
