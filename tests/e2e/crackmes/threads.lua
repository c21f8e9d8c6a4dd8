-- Each thread that has its byte right says so; they run in any order.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], input = "env", variable = "SECRET", score = "agree" }.found)
