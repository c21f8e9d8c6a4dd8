#!/usr/bin/env ptracehook
-- oracle - finds a secret byte by byte: the candidate that makes the program pass a place most often is right.
--
-- Usage: ptracehook oracle --place PLACE [options] PROGRAM [ARG...]
--
-- What says how far a run got (one of them; PLACE: a function, +0x1139, 0x401139):
--   --place PLACE      hits of what runs once more for each right byte
--   --score KIND       depth:FN (how far down in a function the last branch led), blocks:FN or instructions:FN (how
--                      many of it ran; FN may be two places, FROM,TO), output (how much was printed), output:PATTERN
--                      (how often a Lua pattern is in it), status (the exit status) or time
--   --done PLACE       what is passed only when all of it is right (default: the program ends otherwise than before)
--   --stop PLACE       where a run is over; with a snapshot, "return" (the default at a function's beginning) is where
--                      that function returns, "end" where the program would end
-- Where the guess goes:
--   --input stdin|argv|file|env:NAME|memory
--                      (default stdin); with argv and file, @@ among ARG is replaced, else it comes last
--   --file PATH        with --input file: the file that the program reads by itself
--   --snapshot PLACE   run to PLACE once, and go back there for each guess: much faster
--   --buffer WHERE     with --input memory: the register that points to the guess there, or a place (default rdi)
-- What is tried:
--   --length N|N-M     how long the secret is, or between what (default: grows until nothing does better)
--   --alphabet CHARS   candidates; --chars printable|alnum|lower|upper|digits|hex|any by name (default printable)
--   --prefix TEXT      what is known already; --suffix TEXT: the known end
--   --ending TEXT      put behind every guess, no part of it (default: a newline on stdin, a zero byte in memory)
--   --pad C            fills a guess up to --length (default: a character outside the alphabet)
--   --block N          N bytes at a time; --backward: from the end
--   --words FILE       each line of FILE, instead of byte by byte (- for standard input)
--   --eager            go on with the first candidate that does better than the last position's
--   --ties stop|first|follow   when several do alike: give up, take the first, or look one position ahead
--   --repeats N        runs for each candidate; --combine majority|median|min|max|mean makes one of them (majority)
--   --max N            give up when it is longer (default 1024)
-- How:
--   --jobs N           so many processes at once
--   --shard K/N        only each Nth candidate of the first position (or word), from the Kth on
--   --state FILE       keep the search there, and go on with what is there
--   --timeout S        a run longer than this is ended, and counts as it stands (default 10)
--   --json             the result as JSON; --progress bar|plain|none
--
-- Without --snapshot each candidate is a run of the program. A line on standard error shows how far it got: always on a
-- terminal, every ten seconds elsewhere. Exit status: 0 found, 1 stuck, 2 wrong usage.
--
-- Sample output (ptracehook oracle --place check_byte --length 12 ./crackme, the one in scripts/crackme.c):
--
--   oracle: found "h00k_th3_cpu" in 1140 tries, 2 s

local oracle = require "oracle"

local function fail(status, message)
	io.stderr:write("oracle: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook oracle --place PLACE [options] PROGRAM [ARG...]")
end

-- ---- The command line

-- The words of the program that was named behind --. That one is left where it stands; we spawn our own.
local function words_of(target)
	local words, file = {}, assert(io.open(("/proc/%d/cmdline"):format(target.pid)))
	for word in file:read("*a"):gmatch "(%Z*)%z" do
		words[#words + 1] = word
	end
	file:close()
	return words
end

local VALUES, FLAGS = {}, { eager = true, backward = true, json = true }
for name in ([[place score done stop input file snapshot buffer length alphabet chars prefix suffix ending pad block
	words ties repeats combine max jobs shard state timeout progress]]):gmatch "%S+" do
	VALUES[name] = true
end

local function parse(words)
	local given, i = {}, 1
	while words[i] and words[i]:find "^%-%-." do
		local name = words[i]:sub(3)
		if FLAGS[name] then
			given[name] = true
			i = i + 1
		elseif VALUES[name] then
			given[name] = words[i + 1] or usage(words[i] .. ": a value expected")
			i = i + 2
		else
			usage("there is no option " .. words[i])
		end
	end
	given.program = { unpack(words, i) }
	if not given.program[1] and process then
		given.program = words_of(process)
	end
	return given
end

local function whole(given, name, least)
	local text = given[name]
	if text == nil then
		return nil
	end
	local n = text:find "^%d+$" and tonumber(text)
	return n and n >= least and n or usage(("--%s: a whole number from %d on expected"):format(name, least))
end

local function length_of(given)
	local from, to = (given.length or ""):match "^(%d+)%-(%d+)$"
	if from then
		return { tonumber(from), tonumber(to) }
	end
	local length = whole(given, "length", 1)
	if length and length <= #(given.prefix or "") then
		usage "--length: a whole number above the length of --prefix expected"
	end
	return length
end

local function score_of(given)
	if given.place then
		return given.place
	elseif not given.score then
		return nil
	end
	local kind, of = given.score:match "^(%a+):?(.*)$"
	local from, to = (of or ""):match "^([^,]+),([^,]+)$"
	if kind == "depth" or kind == "blocks" or kind == "instructions" then
		if of == "" then
			usage("--score " .. kind .. ": a function expected")
		end
		return { [kind] = from and { from, to } or of }
	elseif kind == "output" then
		return { output = of == "" or of }
	elseif (kind == "status" or kind == "time") and of == "" then
		return { [kind] = true }
	end
	usage "--score: depth:FN, blocks:FN, instructions:FN, output, output:PATTERN, status or time expected"
end

local function alphabet_of(given)
	local alphabet = given.alphabet
	if given.chars then
		alphabet = oracle.alphabets[given.chars]
			or usage "--chars: printable, alnum, lower, upper, digits, hex or any expected"
	end
	if alphabet and alphabet == alphabet:sub(1, 1):rep(#alphabet) then
		usage "--alphabet: two characters at least expected"
	end
	return alphabet
end

local INPUTS = { stdin = true, argv = true, file = true, memory = true }

-- What both solvers take.
local function options_of(given)
	local input, variable = given.input or "stdin", nil
	if input:find "^env:." then
		input, variable = "env", input:sub(5)
	elseif not INPUTS[input] then
		usage "--input: stdin, argv, file, env:NAME or memory expected"
	end
	local timeout = tonumber(given.timeout or 10)
	if not timeout or timeout <= 0 or timeout == math.huge then
		usage "--timeout: a number of seconds expected"
	end
	return {
		program = given.program, input = input, variable = variable, file = given.file, buffer = given.buffer,
		snapshot = given.snapshot, stop = given.stop, score = score_of(given), done = given.done,
		prefix = given.prefix, suffix = given.suffix, ending = given.ending, timeout = timeout,
		jobs = whole(given, "jobs", 1), shard = given.shard, state = given.state, repeats = whole(given, "repeats", 1),
		combine = given.combine, progress = given.progress,
	}
end

local function check(given)
	if not given.place and not given.score and not given.words then
		usage "--place is missing"
	elseif not given.program[1] then
		usage "no program named"
	elseif given.pad and #given.pad ~= 1 then
		usage "--pad: one character expected"
	end
end

local function solve(given)
	local options = options_of(given)
	if given.words then
		local file, why = io.stdin, nil
		if given.words ~= "-" then
			file, why = io.open(given.words)
		end
		options.candidates = file and file:lines() or fail(1, why)
		return oracle.search(options)
	end
	options.length, options.alphabet, options.pad = length_of(given), alphabet_of(given), given.pad
	options.backward, options.eager, options.ties = given.backward, given.eager, given.ties
	options.max, options.n = whole(given, "max", 1), whole(given, "block", 1)
	return (options.n and oracle.blocks or oracle.bytes)(options)
end

-- ---- The search

local given = parse(arg)
check(given)
local ok, result = pcall(solve, given)
if not ok then
	-- Where in this script it was raised is of no use to anybody.
	local message = type(result) == "table" and result.message or tostring(result):gsub("^[^ ]*:%d+: ", "")
	local wrong = message:match "^oracle%.%a+: (.*)$"
	if wrong then
		usage("--" .. wrong)
	end
	fail(1, (message:gsub("^oracle: ", "")))
end

if given.json then
	print(result:json())
	os.exit(result.why and 1 or 0)
elseif result.why then
	fail(1, ("stuck after %q: %s (%d tries)"):format(result.found, result.why, result.tries))
end
print(("oracle: found %q in %d tries, %d s"):format(result.found, result.tries, result.seconds))
os.exit(0)
