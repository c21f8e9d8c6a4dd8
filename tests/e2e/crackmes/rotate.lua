-- Each byte is mixed, and compared, by a call of its own.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], input = "argv", score = "mix", jobs = 2 }.found)
