-- Nothing is printed, and nothing leaks: all numbers are tried, until the exit status is 0.
local oracle = require "oracle"
local pins = {}
for pin = 0, 999 do
	pins[#pins + 1] = ("%03d"):format(pin)
end
print(oracle.search { program = arg[1], input = "argv", candidates = pins, jobs = 2,
	done = function(run) return run.code == 0 end }.found)
