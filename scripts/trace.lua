#!/usr/bin/env ptracehook
-- trace - a call log of functions, by one small hook file for each: edit one, and it is reloaded while the target runs.
--
-- Usage: ptracehook trace [--folder FOLDER] GLOB... -- PROGRAM [ARG...]
--        ptracehook -p PID trace [--folder FOLDER] GLOB...
--
--   GLOB             functions: main, 'parse_*', 'libc!open*', 'libssl*!SSL_*'
--   --folder FOLDER  where the files are kept, as FOLDER/MODULE/FUNCTION.lua (default: traced)
--
-- Arguments have the names and types of debug information, or of a table of the C library's prototypes; else
-- they are a1 to a4. A file that is there already is taken as it is, so that what was edited stays. Coloured by thread
-- on a terminal.
--
-- Sample output (ptracehook trace check_byte is_licensed -- ./crackme, that of scripts/crackme.c with -g, given h00k):
--
--       0.532 ms  20716 check_byte(guess="h00k", i=0)
--       0.621 ms  20716 check_byte = true
--       0.655 ms  20716 check_byte(guess="h00k", i=1)
--       0.681 ms  20716 check_byte = true
--       0.704 ms  20716 check_byte(guess="h00k", i=2)
--       0.728 ms  20716 check_byte = true
--       0.750 ms  20716 check_byte(guess="h00k", i=3)
--       0.773 ms  20716 check_byte = true
--       0.795 ms  20716 check_byte(guess="h00k", i=4)
--       0.817 ms  20716 check_byte = false
--   Wrong.

local stubs = require "trace.stubs"

local function usage(message)
	io.stderr:write("trace: ", message, "; usage: ptracehook trace [--folder FOLDER] GLOB... -- PROGRAM\n")
	os.exit(2)
end

local folder, globs = "traced", {}
local i = 1
while arg[i] do
	if arg[i] == "--folder" then
		i = i + 1
		folder = arg[i] or usage "--folder: a folder expected"
	elseif arg[i]:find "^%-%-" then
		usage("there is no option " .. arg[i])
	else
		table.insert(globs, arg[i])
	end
	i = i + 1
end
if not globs[1] then
	usage "no function named"
elseif not process then
	usage "no program named"
end

local session = process.session
local traced = stubs.start(session, globs, folder)

session:on("exit", function()
	if traced.n == 0 then
		io.stderr:write("trace: no function is called ", table.concat(globs, " or "), "\n")
	elseif traced.left_out > 0 then
		io.stderr:write(("trace: %d functions were left out: 500 are traced at most\n"):format(traced.left_out))
	end
end)
