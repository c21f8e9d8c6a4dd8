-- oracle - finds what a program wants to be given, by how far it gets with each guess: require "oracle".
--
--	local oracle = require "oracle"
--	print(oracle.bytes{ program = {"./crackme"}, score = "check_byte", length = 12 }.found)
--
-- oracle/search.lua says which guess comes next, oracle/runner.lua and oracle/rewind.lua run the program,
-- oracle/score.lua says how far it got, oracle/workers.lua has several processes at it.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local options_of = require "oracle.options"
local progress = require "oracle.progress"
local runner = require "oracle.runner"
local search = require "oracle.search"

local M = {}

-- Alphabets: printable, alnum, lower, upper, digits, hex, any.
M.alphabets = options_of.alphabets

local clock = core.clock
local SAVE_EVERY = 1 -- seconds

local OracleResult = {}
OracleResult.__index = OracleResult

-- As JSON, for other programs: bytes above 127 are the characters U+0080 to U+00FF.
function OracleResult:json()
	return require("oracle.state").encode(self)
end

-- ---- Running guesses, here or by workers

-- try(first, last, guess_of, add) and close().
local function make_try(set)
	local function make()
		local run, close = runner.new(set)
		return search.repeated(run, set.repeats, set.combine), close
	end
	if set.jobs > 1 then
		local pool = require("oracle.workers").start(set.jobs, set.chunk, make)
		return function(...) return pool:try(...) end, function() pool:close() end
	end
	local run, close = make()
	return function(first, last, guess_of, add)
		for i = first, last do
			if add(i, run(guess_of(i))) then
				return
			end
		end
	end, close
end

-- ---- The state on its way: shown, and saved now and then

-- What a state file is about: what would make its numbers others.
local TELLING = {
	"input", "score", "snapshot", "prefix", "suffix", "length", "lengths", "size", "backward", "share",
}

local function about(kind, set)
	local function show(value)
		if type(value) == "table" then
			local parts = {}
			for k, v in pairs(value) do
				parts[#parts + 1] = ("%s=%s"):format(tostring(k), show(v))
			end
			table.sort(parts)
			return "{" .. table.concat(parts, " ") .. "}"
		end
		return type(value) == "function" and "function" or tostring(value)
	end
	local parts = { "oracle." .. kind, table.concat(set.program, " ") }
	for _, name in ipairs(TELLING) do
		if set[name] ~= nil and set[name] ~= "" and set[name] ~= false then
			parts[#parts + 1] = name .. "=" .. show(set[name])
		end
	end
	if set.candidates then
		local unit, n = set.candidates.unit, set.candidates.count
		parts[#parts + 1] = ("candidates=%d %s…%s"):format(n, progress.quote(unit(1)), progress.quote(unit(n)))
	end
	return table.concat(parts, " ")
end

local function watcher(kind, set, state)
	local show, close = progress.new(set.progress)
	local began, before, saved = clock(), state.seconds or 0, clock()
	local subject = set.state and about(kind, set)
	local watch = {}

	function watch.seconds()
		return before + clock() - began
	end

	function watch.save()
		if set.state then
			state.seconds = watch.seconds()
			saved = clock()
			require("oracle.state").save(set.state, subject, state)
		end
	end

	function watch.progress(now, count)
		local ahead = 0
		if set.length and count then
			local left = (set.length - #set.prefix - #set.suffix - #now.found) / set.size - 1
			ahead = math.max(left, 0) * count
		end
		show(now, watch.seconds(), count, ahead)
		if set.state and clock() - saved >= SAVE_EVERY then
			watch.save()
		end
	end

	function watch.found(now)
		show(now, watch.seconds())
		watch.save()
	end

	watch.close = close
	return watch
end

local function resume(kind, set)
	local state = set.state and require("oracle.state").load(set.state, about(kind, set))
	return state or search.new_state()
end

local function finish(set, state, watch, found, why, scan)
	local result = {
		found = found, complete = state.complete or false, tries = state.tries, seconds = watch.seconds(),
		scores = state.scores, program = set.program, input = set.input, jobs = set.jobs,
		method = set.snapshot and "snapshot" or "spawn", snapshot = set.snapshot and tostring(set.snapshot) or nil,
		length = set.length,
	}
	if why then
		result.why, result.stuck = why, scan and scan.scores
	end
	return result
end

-- In the middle of a batch, candidates that were tried one after the other are counted; of others nobody knows which.
local function keep_whole(set, state, watch)
	if state.scan and set.jobs == 1 then
		state.at = state.scan.tries
	end
	if not state.scan or state.at == state.scan.tries then
		watch.save()
	end
end

-- body(try, watch): what searches; whatever happens, nothing is left running.
local function guarded(kind, set, body)
	local state = resume(kind, set)
	local watch = watcher(kind, set, state)
	watch.save() -- a file that cannot be written is said now, not after an hour
	local function keep()
		keep_whole(set, state, watch)
	end
	if set.state then
		core.last_words(keep)
	end
	local try, close = make_try(set)
	local ok, why, scan = pcall(body, state, try, watch)
	close()
	watch.close()
	if not ok then
		pcall(keep)
		error(why, 0)
	end
	watch.save()
	if set.state then
		core.last_words(function() end)
	end
	return state, watch, why, scan
end

-- A place that nothing ever passes is worth other words than one that tells nothing.
local function reason_of(set, state, why, scan)
	local score = set.score
	local place = type(score) == "table" and score.hits or type(score) == "string" and score
	local is_silent = scan and scan.best == 0 and scan.n_top == scan.tries and state.found == ""
	if is_silent and place and why and why:find "^no candidate" then
		return place .. " is never passed"
	end
	return why
end

local function reads_endings(score)
	return check.is_callable(score) or type(score) == "table" and (score.status or score.output) ~= nil
end

local function grow(kind, set)
	set.reads_endings = reads_endings(set.score)
	local state, watch, why, scan = guarded(kind, set, function(state, try, watch)
		if set.lengths and not state.length then
			local length, cause, of = search.length(set, try, watch, state)
			if not length then
				return cause, of
			end
			state.length = length
		end
		set.length = state.length or set.length
		return search.grow(set, state, try, watch)
	end)
	local has_all = set.length ~= nil and not why
	if has_all then
		state.complete = true
	end
	local found = set.prefix .. state.found .. (state.complete and set.suffix or "")
	if set.backward then
		found = (state.complete and set.prefix or "") .. state.found .. set.suffix
	end
	if state.complete then
		return finish(set, state, watch, found)
	end
	why = reason_of(set, state, why, scan) or ("it is longer than max, %d bytes"):format(set.max)
	return finish(set, state, watch, found, why, scan)
end

-- Byte after byte.
function M.bytes(options)
	return setmetatable(grow("bytes", options_of.bytes("oracle.bytes", options)), OracleResult)
end

-- Block after block, of n bytes each.
function M.blocks(options)
	return setmetatable(grow("blocks", options_of.blocks("oracle.blocks", options)), OracleResult)
end

-- One after another of a list or an iterator.
function M.search(options)
	local set = options_of.search("oracle.search", options)
	local state, watch, why, scan = guarded("search", set, function(state, try, watch)
		return search.walk(set, state, set.next_one, try, watch)
	end)
	local found = set.prefix .. state.found .. set.suffix
	why = reason_of(set, state, why, scan)
	return setmetatable(finish(set, state, watch, found, why, scan), OracleResult)
end

return M
