#!/usr/bin/env ptracehook
-- coverage - which functions, or basic blocks, of a module ran.
--
-- Usage: ptracehook coverage [OPTION...] -- PROGRAM [ARG...]
--        ptracehook -p PID coverage --seconds N [OPTION...]
--
--   --functions    functions that were entered (default)
--   --blocks       basic blocks as well: what ran within each function
--   --module NAME  of this library, as in places: libssl, libssl.so.3; one that is not loaded yet is waited for
--                  (default: the main program)
--   --only GLOB    only the functions that GLOB matches: 'parse_*'
--   --missed       list what did not run, instead of what did
--   --output FILE  a drcov file too (version 2), for the coverage plug-ins of disassemblers
--   --seconds N    stop looking after N seconds: a program that was attached to runs on
--
-- Sample output (ptracehook coverage --blocks --only '[cm]*' -- ./crackme, the one in scripts/crackme.c, given h00k):
--
--   Wrong.
--   crackme: functions: 2 of 2 (100.0%), blocks: 11 of 19 (57.9%)
--     0x00001159      1/1     check_byte
--     0x00001177     10/18    main

local coverage = require "coverage"

local function fail(status, message)
	io.stderr:write("coverage: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook coverage [--blocks] [--module NAME] [--output FILE] -- PROGRAM")
end

local flags = { functions = true, blocks = true, missed = true }
local values = { module = true, only = true, output = true, seconds = true }

local function parse(words)
	local settings, i = {}, 1
	while words[i] do
		local option = words[i]:match "^%-%-(.+)$"
		if flags[option] then
			settings[option] = true
		elseif values[option] then
			i = i + 1
			settings[option] = words[i] or usage("--" .. option .. ": a value expected")
		else
			usage((option and "there is no option " or "what is meant by ") .. words[i])
		end
		i = i + 1
	end
	if settings.functions and settings.blocks then
		usage "--functions and --blocks: one of them"
	end
	if settings.seconds then
		local seconds = tonumber(settings.seconds)
		if not seconds or not (seconds > 0 and seconds < math.huge) then
			usage "--seconds: a number above 0 expected"
		end
		settings.seconds = seconds
	end
	return settings
end

local settings = parse(arg)
if not process then
	usage "no program named"
end

-- What cannot be written is told before, not after an hour of running.
if settings.output then
	local file, why = io.open(settings.output, "ab")
	if not file then
		fail(1, why)
	end
	file:close()
end

local session = process.session
local ok, seen = pcall(coverage.start, {
	module = settings.module, functions = settings.only, blocks = settings.blocks or false,
})
if not ok then
	fail(1, (tostring(type(seen) == "table" and seen.message or seen):gsub("^.-:%d+: ", ""):gsub("^coverage: ", "")))
end
session:run { timeout = settings.seconds }
seen:stop()
print(seen:report(settings.missed))
if settings.output then
	seen:write(settings.output)
end
