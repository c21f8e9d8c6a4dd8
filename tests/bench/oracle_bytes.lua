-- oracle_bytes.lua exec|inplace CHECK CHECK_BYTE ORACLE_TARGET: what oracle_loop.c does, by require "oracle".
-- Output: "runs N ns T", on stderr "found KEY".
local core = require "ptracehook.core"
local oracle = require "oracle"

local mode, check, check_byte, program = unpack(arg)
local alphabet = oracle.alphabets.any:gsub("[%z\n]", "")
if mode == "exec" then
  alphabet = oracle.alphabets.printable:match "a.*$" .. "!"
end
local from = core.clock()
local result = oracle.bytes {
  program = program, score = "0x" .. check_byte, length = 8, alphabet = alphabet, progress = "none", eager = false,
  input = mode == "inplace" and "memory" or "stdin", snapshot = mode == "inplace" and "0x" .. check or nil,
  stop = mode == "inplace" and "return" or nil,
}
print(("runs %d ns %.0f"):format(result.tries, (core.clock() - from) * 1e9))
io.stderr:write("found ", result.found, "\n")
