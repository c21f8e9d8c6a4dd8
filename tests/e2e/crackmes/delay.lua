-- It thinks for seconds about what is wrong: by then we know enough.
local oracle = require "oracle"
local alphabet = oracle.alphabets.alnum .. "_"
print(oracle.bytes { program = arg[1], input = "argv", alphabet = alphabet, score = { blocks = "check" },
	stop = "sleep" }.found)
