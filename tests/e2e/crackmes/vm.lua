-- Its machine runs four more instructions for each right byte.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], score = "fetch", eager = true }.found)
