-- A virtual function looks at each letter.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], score = "Cipher::fits", eager = true }.found)
