#!/usr/bin/env ptracehook
-- oracle - finds a secret byte by byte: the candidate that makes the program pass a place most often is right.
--
-- Usage: ptracehook oracle --place PLACE [options] PROGRAM [ARG...]
--
--   --place PLACE      what to count hits of: what runs once more for each right byte (a function, +0x1139, 0x401139)
--   --done PLACE       what is passed only when all of it is right (default: the program ends otherwise than before)
--   --input stdin|argv where the guess goes (default stdin); with argv, @@ among ARG is replaced, else it comes last
--   --length N         how long the secret is (default: grows until nothing does better)
--   --alphabet CHARS   candidates (default: printable ASCII)
--   --prefix TEXT      what is known already
--   --suffix TEXT      put behind every guess (default: a newline on stdin)
--   --pad C            fills a guess up to --length (default: a character outside the alphabet)
--   --timeout S        a run longer than this is ended, and counts as it stands (default 10)
--
-- Every candidate is a run of the program, so a byte takes as many runs as the alphabet has characters. A line on
-- standard error shows how far it got, when that is a terminal. Exit status: 0 found, 1 stuck, 2 wrong usage.
--
-- Sample output (ptracehook oracle --place check_byte --length 12 ./crackme, the one in scripts/crackme.c):
--
--   oracle: found "h00k_th3_cpu" in 1140 tries, 2 s

local ffi = require "ffi"
ffi.cdef "int isatty(int fd);"

local function fail(status, message)
	io.stderr:write("oracle: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook oracle --place PLACE [options] PROGRAM [ARG...]")
end

-- ---- The command line

local function each_once(chars)
	local list, seen = {}, {}
	for c in chars:gmatch "." do
		if not seen[c] then
			seen[c] = true
			list[#list + 1] = c
		end
	end
	return list
end

local function printable()
	local all = {}
	for code = 32, 126 do
		all[#all + 1] = string.char(code)
	end
	return table.concat(all)
end

-- The words of the program that was named behind --. That one is left where it stands; we spawn our own.
local function words_of(target)
	local words, file = {}, assert(io.open(("/proc/%d/cmdline"):format(target.pid)))
	for word in file:read("*a"):gmatch "(%Z*)%z" do
		words[#words + 1] = word
	end
	file:close()
	return words
end

local KNOWN = {
	place = true, done = true, input = true, length = true, alphabet = true, prefix = true, suffix = true, pad = true,
	timeout = true,
}

local function parse(words)
	local set, i = { input = "stdin", alphabet = printable(), prefix = "", timeout = 10 }, 1
	while words[i] and words[i]:find "^%-%-." do
		local name = words[i]:sub(3)
		if not KNOWN[name] then
			usage("there is no option " .. words[i])
		end
		set[name] = words[i + 1] or usage(words[i] .. ": a value expected")
		i = i + 2
	end
	set.program = { unpack(words, i) }
	if not set.program[1] and process then
		set.program = words_of(process)
	end

	set.candidates = each_once(set.alphabet)
	set.timeout = tonumber(set.timeout)
	set.length = set.length and (tonumber(set.length) or 0)
	set.suffix = set.suffix or set.input == "stdin" and "\n" or ""
	set.pad = set.pad or not set.alphabet:find "\1" and "\1" or set.candidates[1]
	if not set.place then
		usage "--place is missing"
	elseif not set.program[1] then
		usage "no program named"
	elseif set.input ~= "stdin" and set.input ~= "argv" then
		usage "--input: stdin or argv expected"
	elseif set.length and (set.length <= #set.prefix or set.length % 1 ~= 0) then
		usage "--length: a whole number above the length of --prefix expected"
	elseif not set.candidates[2] then
		usage "--alphabet: two characters at least expected"
	elseif #set.pad ~= 1 then
		usage "--pad: one character expected"
	elseif not set.timeout or set.timeout <= 0 then
		usage "--timeout: a number of seconds expected"
	end
	return set
end

local settings = parse(arg)

-- ---- One guess

local tries, started = 0, os.time()

local function command(input)
	local words, placed = {}, settings.input == "stdin"
	for i, word in ipairs(settings.program) do
		words[i] = word
		if settings.input == "argv" and word:find "@@" then
			words[i] = word:gsub("@@", (input:gsub("%%", "%%%%")))
			placed = true
		end
	end
	if not placed then
		table.insert(words, input)
	end
	return words
end

local function counter(session, place)
	local ok, result = pcall(session.bp, session, place, CONTINUE)
	if not ok then
		fail(1, result.message or result)
	end
	return result
end

-- How often the place was passed, and how it ended.
local function try(guess)
	local fill = settings.length and settings.pad:rep(settings.length - #guess) or ""
	local input = guess .. fill .. settings.suffix
	local options = command(input)
	options.stdin = settings.input == "stdin" and { data = input } or "null"
	options.stdout, options.stderr = "null", "null"

	local ok, session = pcall(spawn, options)
	if not ok then
		fail(1, session.message or session)
	end
	local passed = counter(session, settings.place)
	local done = settings.done and counter(session, settings.done)
	local reason = session:run { timeout = settings.timeout }
	if reason.kind == "timeout" then
		session:kill()
	end
	tries = tries + 1
	if passed.pending then
		fail(1, ("there is no '%s' in %s"):format(settings.place, settings.program[1]))
	end
	if done then
		return passed.hits, done.hits > 0
	end
	return passed.hits, reason.kind .. (reason.code or reason.signal or "")
end

-- ---- Byte after byte

local shows = ffi.C.isatty(2) == 1

local function progress(guess)
	if shows then
		io.stderr:write(("\roracle: %q  %d tries, %d s \27[K"):format(guess, tries, os.time() - started))
	end
end

local function filter(list, fits)
	local some = {}
	for _, one in ipairs(list) do
		if fits(one) then
			some[#some + 1] = one
		end
	end
	return some
end

local function end_like(list, one)
	return #filter(list, function(other) return other.ending == one.ending end)
end

-- The candidate that stands out after what is found: alone with the most hits or, as the last byte often does, alone
-- among those with its ending; and whether no other at all ended so. Else nil, and why.
local function next_byte(found)
	local results, most = {}, 0
	for i, c in ipairs(settings.candidates) do
		progress(found .. c)
		local hits, ending = try(found .. c)
		results[i] = { c = c, hits = hits, ending = ending }
		most = math.max(most, hits)
	end
	local top = filter(results, function(one) return one.hits == most end)
	local alone = #top == 1 and top or filter(top, function(one) return end_like(top, one) == 1 end)
	if #alone == 1 then
		return alone[1].c, end_like(results, alone[1]) == 1
	elseif most == 0 then
		return nil, settings.place .. " is never passed"
	elseif #top <= 3 then
		return nil, ("%q and %q do alike"):format(top[1].c, top[2].c)
	end
	return nil, "no candidate stands out"
end

local found, complete, why = settings.prefix, false, nil
while #found ~= settings.length do
	local byte, result = next_byte(found)
	if not byte then
		why = result
		break
	end
	found, complete = found .. byte, result
end

if shows then
	io.stderr:write "\r\27[K"
end
if not complete and why then
	fail(1, ("stuck after %q: %s (%d tries)"):format(found, why, tries))
end
print(("oracle: found %q in %d tries, %d s"):format(found, tries, os.time() - started))
os.exit(0)
