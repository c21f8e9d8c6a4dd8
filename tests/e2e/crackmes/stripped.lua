-- The same without symbols; the disassembly says where the function is that each byte goes through.
local oracle = require "oracle"
print(oracle.bytes { program = arg[1], input = "argv", score = arg[2] }.found)
