-- Compared byte by byte, in the open: the further it is right, the more basic blocks of check() run.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], score = { blocks = "check" } }.found)
