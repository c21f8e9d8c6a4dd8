#!/usr/bin/env ptracehook
-- oracle - finds a secret byte by byte: the candidate that makes the program pass a place most often is right.
--
-- Usage: ptracehook scripts/oracle.lua --place PLACE [options] PROGRAM [ARG...]
--
--   --place PLACE     what to count hits of: what runs once more for each right byte (a function, +0x1139, 0x401139)
--   --input stdin|argv   where the guess goes (default stdin); with argv, "@@" among ARG is replaced, else it is added
--   --length N        how long the secret is (default: grows until no candidate does better)
--   --alphabet CHARS  candidates (default: printable ASCII)
--   --prefix TEXT     what is known already
--   --suffix TEXT     put behind every guess (default: a newline on stdin)
--   --pad C           fills a guess up to --length (default: a character outside the alphabet, or its last one)
--   --timeout S       a run longer than this counts as it stands (default 10)
--
-- A progress line is shown when standard error is a terminal. Exit status: 0 found, 1 not.
--
-- Sample output (ptracehook scripts/oracle.lua --place check_byte --length 12 ./crackme):
--
--   oracle: found "hunter2forev" in 612 tries, 0.9 s

local function usage(message)
	io.stderr:write("oracle: ", message, "\nusage: ptracehook scripts/oracle.lua --place PLACE [options] PROGRAM [ARG...]\n")
	os.exit(2)
end

local function printable()
	local all = {}
	for c = 32, 126 do
		all[#all + 1] = string.char(c)
	end
	return table.concat(all)
end

local function parse(words)
	local settings = { input = "stdin", alphabet = printable(), prefix = "", timeout = 10, program = {} }
	local known = { place = 1, input = 1, length = 1, alphabet = 1, prefix = 1, suffix = 1, pad = 1, timeout = 1 }
	local i = 1
	while words[i] and words[i]:sub(1, 2) == "--" do
		local name = words[i]:sub(3)
		if not known[name] then
			usage("there is no option " .. words[i])
		end
		settings[name] = words[i + 1] or usage(words[i] .. " needs a value")
		i = i + 2
	end
	for at = i, #words do
		table.insert(settings.program, words[at])
	end
	settings.length = settings.length and (tonumber(settings.length) or usage "--length: a number expected")
	settings.timeout = tonumber(settings.timeout) or usage "--timeout: a number expected"
	settings.suffix = settings.suffix or settings.input == "stdin" and "\n" or ""
	if settings.input ~= "stdin" and settings.input ~= "argv" then
		usage "--input: stdin or argv expected"
	end
	return settings
end

local settings = parse(arg)
if not settings.place then
	usage "--place is missing"
elseif not settings.program[1] then
	usage "name a program"
end

-- A filler that is never right by accident, if there is one.
local function choose_pad()
	for _, c in ipairs { "\1", "~", "_" } do
		if not settings.alphabet:find(c, 1, true) then
			return c
		end
	end
	return settings.alphabet:sub(-1)
end
settings.pad = settings.pad or choose_pad()

local tries, started = 0, os.time()

local function command(guess)
	local words, placed = {}, false
	for i, word in ipairs(settings.program) do
		words[i] = word
		if settings.input == "argv" and word:find("@@", 1, true) then
			words[i] = word:gsub("@@", (guess:gsub("%%", "%%%%")))
			placed = true
		end
	end
	if settings.input == "argv" and not placed then
		words[#words + 1] = guess
	end
	return words
end

-- How often the place is passed for one guess.
local function score(guess)
	local input = guess .. settings.suffix
	local options = command(input)
	options.stdout, options.stderr = "null", "null"
	options.stdin = settings.input == "stdin" and { data = input } or "null"
	local session = spawn(options)
	local counter = session:bp(settings.place, CONTINUE)
	local reason = session:run { timeout = settings.timeout }
	tries = tries + 1
	if reason.kind == "timeout" then
		session:kill()
	end
	return counter.hits, reason
end

local function pad(guess)
	return settings.length and guess .. settings.pad:rep(settings.length - #guess) or guess
end

local terminal = io.popen("test -t 2 && echo yes", "r")
local shows = terminal:read "*l" == "yes"
terminal:close()

local function progress(found)
	if shows then
		io.stderr:write(("\roracle: %q  %d tries, %d s \27[K"):format(found, tries, os.time() - started))
	end
end

-- The best next byte, and whether it stood out among the candidates.
local function next_byte(found)
	local best, best_score, second = nil, -1, -1
	for c in settings.alphabet:gmatch "." do
		local hits = score(pad(found .. c))
		progress(found .. c)
		if hits > best_score then
			best, best_score, second = c, hits, best_score
		elseif hits > second then
			second = hits
		end
		-- One that is ahead of another is ahead of all the wrong ones, which do alike.
		if second >= 0 and best_score > second then
			return best, true
		end
	end
	return best, best_score > second
end

-- The last byte changes how the program ends, even where it does not change the count.
local function last_byte(found)
	local usual = select(2, score(pad(found .. settings.pad)))
	for c in settings.alphabet:gmatch "." do
		local _, reason = score(found .. c)
		progress(found .. c)
		if reason.kind ~= usual.kind or reason.code ~= usual.code then
			return c, true
		end
	end
	return nil, false
end

local found, complete = settings.prefix, true
while not settings.length or #found < settings.length do
	local byte, clear = next_byte(found)
	if not clear and settings.length and #found == settings.length - 1 then
		byte, clear = last_byte(found)
	end
	if not clear then
		complete = settings.length == nil and found ~= settings.prefix
		break
	end
	found = found .. byte
end

if shows then
	io.stderr:write "\r\27[K"
end
if complete then
	print(("oracle: found %q in %d tries, %d s"):format(found, tries, os.time() - started))
else
	print(("oracle: stuck after %q: no candidate stands out for the next byte (%d tries)"):format(found, tries))
	os.exit(1)
end
