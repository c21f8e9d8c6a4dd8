-- restore.lua COUNT CPU -- guessed: puts the target back to check() that many times, with another guess, and runs it to
-- wrong(). CPU: policy{cpu = CPU}. Output: "runs N ns T".
local core = require "ptracehook.core"

local count, cpu = tonumber(arg[1]), arg[2]
policy { cpu = cpu }
bp("wrong", STOP)
run_to "check"
local snap, guess = snapshot(), regs.rdi
local from = core.clock()
for i = 0, count - 1 do
	snap:restore()
	mem.write(guess, "Pt4c3_m" .. string.char(33 + i % 18))
	run()
end
io.write(("runs %d ns %d\n"):format(count, (core.clock() - from) * 1e9))
