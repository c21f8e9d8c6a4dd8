-- One function after the other is called: the last block of check() that ran is further down for each right byte.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], score = { depth = "check" }, eager = true }.found)
