-- Eight zeros and ones at a time are enciphered and compared.
local oracle = require "oracle"
print(oracle.blocks { program = arg[1], n = 8, length = 24, alphabet = "01", score = "encipher" }.found)
