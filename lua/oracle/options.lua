-- oracle.options - what oracle.bytes, blocks and search are told, checked and completed.

local check = require "ptracehook.check"
local number = require "ptracehook.number"
local progress = require "oracle.progress"
local Score = require "oracle.score"
local search = require "oracle.search"

local M = {}

local function range(from, to)
	local chars = {}
	for code = from, to do
		chars[#chars + 1] = string.char(code)
	end
	return table.concat(chars)
end

-- Alphabets by name.
M.alphabets = {
	printable = range(32, 126),
	alnum = range(97, 122) .. range(65, 90) .. range(48, 57),
	lower = range(97, 122),
	upper = range(65, 90),
	digits = range(48, 57),
	hex = range(48, 57) .. range(97, 102),
	any = range(0, 255),
}

local function set_of(text)
	local set = {}
	for name in text:gmatch "%w+" do
		set[name] = true
	end
	return set
end

local common = [[program input variable file buffer snapshot stop score done setup output timeout jobs state shard
	repeats combine spawn aslr progress prefix suffix ending]]
local growing = " length alphabet pad backward eager ties max"

M.known = {
	bytes = set_of(common .. growing),
	blocks = set_of(common .. growing .. " n candidates"),
	search = set_of(common .. " candidates"),
}

local inputs = { stdin = true, argv = true, file = true, env = true, memory = true }

-- Not check.string: secrets may hold zero bytes.
local function text(what, value)
	if value ~= nil and type(value) ~= "string" then
		check.fail("%s: string expected, got %s", what, number.show(value))
	end
	return value
end

local function count(what, value, least)
	if value == nil then
		return nil
	end
	local ok, n = pcall(number.count, value, what)
	if not ok or n < least then
		check.fail("%s: a whole number, %d or more, expected, got %s", what, least, number.show(value))
	end
	return n
end

local function one_of(what, value, words, default)
	if value == nil then
		return default
	elseif type(value) == "string" and words[value] then
		return value
	end
	local names = {}
	for name in pairs(words) do
		names[#names + 1] = ("%q"):format(name)
	end
	table.sort(names)
	check.fail("%s: one of %s expected, got %s", what, table.concat(names, ", "), number.show(value))
end

local function program_of(what, program)
	if type(program) == "string" then
		program = { program }
	end
	if type(program) ~= "table" or program[1] == nil then
		check.fail('%s: program: {"./program", "argument", …} expected, got %s', what, number.show(program))
	end
	local words = {}
	for i, word in ipairs(program) do
		words[i] = check.string(("%s: program: word %d"):format(what, i), type(word) == "number" and tostring(word) or word)
	end
	return words
end

-- {k, n} of "k/n" or {k, n}.
local function shard_of(what, shard)
	if shard == nil then
		return nil
	end
	local k, n
	if type(shard) == "string" then
		k, n = shard:match "^(%d+)/(%d+)$"
		k, n = tonumber(k), tonumber(n)
	elseif type(shard) == "table" then
		k, n = shard[1], shard[2]
	end
	if type(k) ~= "number" or type(n) ~= "number" or k % 1 ~= 0 or n % 1 ~= 0 or k < 1 or k > n then
		check.fail('%s: shard: "K/N", K from 1 to N, expected, got %s', what, number.show(shard))
	end
	return { k, n }
end

local spawn_known = set_of "env clear_env cwd argv0 limits stdin stdout stderr follow"

-- What does not fit together is said before anything is run.
local function check_input(what, options, set)
	set.input = one_of(what .. ": input", options.input, inputs, "stdin")
	set.variable = options.variable ~= nil and check.string(what .. ": variable", options.variable) or nil
	set.file = options.file ~= nil and check.string(what .. ": file", options.file) or nil
	set.snapshot = options.snapshot ~= nil and Score.place(what .. ": snapshot", options.snapshot) or nil
	set.buffer = options.buffer
	if (set.input == "env") ~= (set.variable ~= nil) then
		check.fail('%s: input = "env" needs variable = "NAME", and only that does', what)
	elseif set.file and set.input ~= "file" then
		check.fail('%s: file is for input = "file"', what)
	elseif set.input == "memory" and not set.snapshot then
		check.fail('%s: input = "memory" needs snapshot = PLACE, where the buffer is written', what)
	elseif set.snapshot and (set.input == "argv" or set.input == "env") then
		check.fail('%s: input = "%s" is fixed when the program starts; with a snapshot: "memory", "stdin" or "file"', what,
			set.input)
	elseif set.buffer ~= nil and set.input ~= "memory" then
		check.fail('%s: buffer is for input = "memory"', what)
	elseif set.input == "memory" and set.buffer == nil then
		set.buffer = "rdi"
	end
end

-- The newline behind a line is no part of the secret.
local function check_texts(what, options, set)
	set.prefix = text(what .. ": prefix", options.prefix) or ""
	set.suffix = text(what .. ": suffix", options.suffix) or ""
	set.ending = text(what .. ": ending", options.ending)
	if not set.ending then
		set.ending = set.input == "stdin" and "\n" or set.input == "memory" and "\0" or ""
		if set.input == "stdin" and set.suffix:sub(-1) == "\n" then
			set.suffix = set.suffix:sub(1, -2)
		end
	end
end

local function common_of(what, options)
	local set = { program = program_of(what, options.program) }
	check_input(what, options, set)
	check_texts(what, options, set)
	set.score, set.done, set.stop = options.score, options.done, options.stop
	set.aslr = check.boolean(what .. ": aslr", options.aslr) or false
	set.output = check.boolean(what .. ": output", options.output)
	if options.setup ~= nil and not check.is_callable(options.setup) then
		check.fail("%s: setup: a function of the session expected, got %s", what, number.show(options.setup))
	end
	set.setup = options.setup
	set.timeout = check.seconds(what .. ": timeout", options.timeout) or 10
	if set.timeout == 0 then
		check.fail("%s: timeout: a number of seconds above 0 expected, got 0", what)
	end
	set.jobs = count(what .. ": jobs", options.jobs, 1) or 1
	set.state = options.state ~= nil and check.string(what .. ": state", options.state) or nil
	set.share = shard_of(what, options.shard)
	set.repeats = count(what .. ": repeats", options.repeats, 1) or 1
	set.combine = one_of(what .. ": combine", options.combine, search.ways, "majority")
	set.spawn = check.options(what .. ": spawn", options.spawn, spawn_known)
	set.progress = one_of(what .. ": progress", options.progress, { bar = true, plain = true, none = true })
	set.show = progress.quote
	set.batch = set.snapshot and 64 or 1
	set.chunk = set.batch
	if set.jobs > 1 then
		set.batch = set.jobs * (set.snapshot and 256 or 8)
	end
	-- Made once now, so that what is wrong with them is said before anything runs.
	Score.make(set.score, set)
	Score.done(set.done, set)
	if set.stop ~= nil and set.stop ~= "return" and set.stop ~= "end" then
		Score.place(what .. ": stop", set.stop)
	end
	return set
end

local function alphabet_of(what, alphabet)
	alphabet = text(what .. ": alphabet", alphabet) or M.alphabets.printable
	local list, seen = {}, {}
	for c in alphabet:gmatch "[%z\1-\255]" do
		if not seen[c] then
			seen[c] = true
			list[#list + 1] = c
		end
	end
	if #list < 1 then
		check.fail("%s: alphabet: characters expected, got none", what)
	end
	return list, seen
end

local function check_length(what, options, set)
	local length, least = options.length, #set.prefix + #set.suffix + set.size
	if type(length) == "table" then
		local from = count(what .. ": length[1]", length[1], 1)
		local to = count(what .. ": length[2]", length[2], 1)
		if not from or not to or to < from or to < least then
			check.fail("%s: length: {from, to} expected", what)
		end
		set.lengths = { math.max(from, least), to }
	elseif length ~= nil then
		set.length = count(what .. ": length", length, 1)
		if set.length < least then
			check.fail("%s: length: %d is less than the prefix, the suffix and a unit have", what, set.length)
		elseif (set.length - #set.prefix - #set.suffix) % set.size ~= 0 then
			check.fail("%s: length: %d bytes are no whole number of blocks of %d", what,
				set.length - #set.prefix - #set.suffix, set.size)
		end
	end
end

local function growing_of(what, options, set)
	local alphabet, seen = alphabet_of(what, options.alphabet)
	if not set.candidates then
		set.candidates = search.texts(alphabet, set.size)
	end
	if set.candidates.count > 2 ^ 53 then
		check.fail("%s: %d characters to the power of %d are too many candidates", what, #alphabet, set.size)
	end
	check_length(what, options, set)
	set.pad = text(what .. ": pad", options.pad) or not seen["\1"] and "\1" or alphabet[1]
	if #set.pad ~= 1 then
		check.fail("%s: pad: one character expected, got %s", what, number.show(options.pad))
	end
	set.backward = check.boolean(what .. ": backward", options.backward) or false
	set.eager = check.boolean(what .. ": eager", options.eager) or false
	set.ties = one_of(what .. ": ties", options.ties, { stop = true, first = true, follow = true }, "stop")
	set.max = count(what .. ": max", options.max, 1) or 1024
	if (set.input == "argv" or set.input == "env") and (seen["\0"] or set.prefix:find "%z") then
		check.fail('%s: alphabet: input = "%s" cannot hold a zero byte', what, set.input)
	end
	return set
end

function M.bytes(what, options)
	options = check.options(what, options, M.known.bytes)
	local set = common_of(what, options)
	set.size = 1
	return growing_of(what, options, set)
end

local function listed(what, list, size)
	for i, one in ipairs(list) do
		if type(one) ~= "string" or #one ~= size then
			check.fail("%s: candidates: number %d: %d bytes expected, got %s", what, i, size, number.show(one))
		end
	end
	return search.listed(list)
end

function M.blocks(what, options)
	options = check.options(what, options, M.known.blocks)
	local set = common_of(what, options)
	set.size = count(what .. ": n", options.n, 1) or check.fail("%s: n: the bytes of a block expected", what)
	if options.candidates ~= nil then
		set.candidates = listed(what, check.table(what .. ": candidates", options.candidates), set.size)
	end
	return growing_of(what, options, set)
end

-- candidates: a list, or an iterator. Gives next_one() and how many there are, where that is known.
local function iterator_of(what, candidates, share)
	local next_one, n
	if type(candidates) == "table" and not check.is_callable(candidates) then
		local at = 0
		n = #candidates
		next_one = function()
			at = at + 1
			return candidates[at]
		end
	elseif check.is_callable(candidates) then
		next_one = candidates
	else
		check.fail("%s: candidates: a list or an iterator expected, got %s", what, number.show(candidates))
	end
	local i = 0
	return function()
		local one
		repeat
			one, i = next_one(), i + 1
		until one == nil or not share or (i - share[1]) % share[2] == 0
		if one == nil then
			return nil
		end
		if type(one) == "number" or number.is_wide(one) then
			one = tostring(one)
		end
		return text(what .. ": candidate " .. i, one)
	end, n and share and math.floor((n - share[1]) / share[2]) + 1 or n
end

function M.search(what, options)
	options = check.options(what, options, M.known.search)
	local set = common_of(what, options)
	set.next_one, set.count = iterator_of(what, options.candidates, set.share)
	if set.jobs == 1 and not set.snapshot then
		set.batch = 4
	end
	return set
end

return M
