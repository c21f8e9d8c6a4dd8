-- oracle.search - which guess comes next: byte after byte or block after block, or one list from end to end.
--
-- Pure: it knows no target. Guesses are tried by `try(first, last, guess_of, add)`, which calls add(i, score, status,
-- output, done) once for each i from first to last, in any order, and may end early when add returns true.
-- All that a search knows is its state, a table of plain data: one that was saved goes on where it was.

local Scan = require "oracle.scan"

local M = {}

local huge = math.huge

-- {found, scores, tries, complete, scan, at, ending, endings}: `at` candidates of the present position are in `scan`;
-- `ending` is that of the last unit's run when no other had it, and so it was with the last `endings` units.
function M.new_state()
	return { found = "", scores = {}, tries = 0, at = 0 }
end

-- ---- Candidates: {count, unit(i), size}

-- Every text of n characters of the alphabet, a list, the last character changing first.
function M.texts(alphabet, n)
	local base, floor, byte = #alphabet, math.floor, {}
	local function unit(i)
		local rest = i - 1
		for k = n, 1, -1 do
			byte[k] = alphabet[rest % base + 1]
			rest = floor(rest / base)
		end
		return table.concat(byte, "", 1, n)
	end
	if n == 1 then
		unit = function(i) return alphabet[i] end
	end
	return { count = base ^ n, unit = unit }
end

function M.listed(list)
	return { count = #list, unit = function(i) return list[i] end }
end

-- Each of->th from the k-th on.
function M.share(candidates, k, of)
	local unit = candidates.unit
	return {
		count = math.max(0, math.floor((candidates.count - k) / of) + 1),
		unit = function(i) return unit((i - 1) * of + k) end,
	}
end

-- ---- One position

-- Tries candidates of `set`, from state.at on; the guess of a candidate is compose(unit). Stops early when one is done,
-- or when one beats `floor` and set.eager says that this is enough. Gives the unit that was done or enough.
local function scan_position(set, state, candidates, compose, try, watch, floor)
	local scan, sure, is_done = state.scan or Scan.new(), nil, false
	state.scan = scan
	local unit_of, add_to = candidates.unit, Scan.add
	local eager = set.eager and floor or huge

	local function guess_of(i)
		return compose(unit_of(i))
	end

	local function add(i, score, status, output, done)
		add_to(scan, unit_of(i), score, status, output)
		state.tries = state.tries + 1
		if done then
			sure, is_done = unit_of(i), true
		elseif score > eager and not sure then
			sure = unit_of(i)
		end
		return sure ~= nil
	end

	while state.at < candidates.count and not sure do
		local last = math.min(state.at + set.batch, candidates.count)
		try(state.at + 1, last, guess_of, add)
		state.at = last
		watch.progress(state, candidates.count)
	end
	return sure, is_done
end

-- ---- Byte after byte, block after block

local function composer(set, found)
	local prefix, suffix, ending = set.prefix, set.suffix, set.ending
	local fill = set.length and set.pad:rep(math.max(0, set.length - #prefix - #suffix - #found - set.size)) or ""
	local head, tail = prefix .. found, fill .. suffix .. ending
	if set.backward then
		head, tail = prefix .. fill, found .. suffix .. ending
	end
	return function(unit) return head .. unit .. tail end
end

local function join(set, found, unit)
	return set.backward and unit .. found or found .. unit
end

-- What a wrong guess scores, for when there are too few candidates to compare with each other.
local function floor_of(set, state, try)
	local score
	local compose = composer(set, state.found)
	try(1, 1, function() return compose(set.pad:rep(set.size)) end, function(_, result) score = result end)
	state.tries = state.tries + 1
	return score
end

-- Of the best, the one whose next position goes further than that of any other.
local function look_ahead(set, state, candidates, try, watch)
	local best, unit, is_alone
	for _, one in ipairs(state.scan.top) do
		local ahead = { found = join(set, state.found, one), tries = state.tries, at = 0, scores = state.scores }
		local sure = scan_position(set, ahead, candidates, composer(set, ahead.found), try, watch)
		state.tries = ahead.tries
		local score = sure and huge or ahead.scan.best
		if best == nil or score > best then
			best, unit, is_alone = score, one, true
		elseif score == best then
			is_alone = false
		end
	end
	return is_alone and unit or nil
end

-- ending: that of the unit, which no other has, or nil.
local function accept(state, set, unit, complete, ending)
	local scan, before = state.scan, state.ending
	state.found = join(set, state.found, unit)
	state.scores[#state.scores + 1] = scan.best
	-- A wrong candidate of the next position scores what the right one of this does.
	state.floor = scan.best
	state.complete, state.status = complete, complete and Scan.status_of(scan, unit) or nil
	local same = ending and before and ending:sub(1, 6) == before:sub(1, 6)
	state.endings = ending and (same and state.endings or 0) + 1 or 0
	state.ending = ending
	state.at, state.scan = 0, nil
end

-- Its last unit ended as no other did, but that is how each right one ends (with the number of those that are right,
-- say): wrong ones behind it end so, too.
local function is_one_of_many(set, state)
	return state.complete and not state.done and state.ending and state.ending ~= Scan.success
		and (state.endings > 1 or set.reads_endings) and Scan.has_ending(state.scan, state.ending)
end

-- All was found already, and one character more does no better: a blank behind a word that is right, say.
local function is_more_of_the_same(set, state, unit)
	return unit and set.length == nil and state.complete and state.scan.best <= state.floor
		and Scan.status_of(state.scan, unit) == state.status
end

local function has_all(set, state)
	return set.length ~= nil and #state.found >= set.length - #set.prefix - #set.suffix
end

-- The secret that is found unit by unit. `set`: candidates, size (bytes of a unit), length (nil: it grows), prefix,
-- suffix, ending, pad, backward, eager, ties ("stop", "first", "follow"), batch, max, share (its part {k, n} of the
-- first position, or nil), reads_endings (scores are made of how runs end and of what they print).
-- `watch`: progress(state, count), found(state). The state says the rest; gives why it is stuck, or nil.
function M.grow(set, state, try, watch)
	while not state.done and not has_all(set, state) and #state.found < set.max do
		local candidates = set.candidates
		if set.share and state.found == "" then
			candidates = M.share(candidates, set.share[1], set.share[2])
		end
		if not state.floor and (candidates.count < 2 or set.share and state.found == "") then
			state.floor = floor_of(set, state, try)
		end
		local floor = state.floor
		local sure, done = scan_position(set, state, candidates, composer(set, state.found), try, watch, floor)
		local scan = state.scan
		local unit, ending = Scan.winner(scan, floor)
		if set.share and state.found == "" and scan.best and scan.best <= floor and not ending then
			unit = nil
		end
		if is_more_of_the_same(set, state, unit) then
			return "nothing does better", scan
		end
		if not unit and set.reads_endings and floor then
			unit = Scan.succeeded(scan, floor)
			ending = unit and Scan.success
		end
		unit = sure or unit
		if not unit and scan.n_top > 1 and scan.n_top < scan.tries then
			if set.ties == "first" then
				unit = scan.top[1]
			elseif set.ties == "follow" and scan.n_top <= #scan.top then
				unit = look_ahead(set, state, candidates, try, watch)
			end
		end
		if not unit then
			if is_one_of_many(set, state) then
				state.complete = false
			end
			return Scan.why(scan, set.show), scan
		end
		accept(state, set, unit, done or ending ~= nil, ending)
		state.done = done
		watch.found(state)
	end
end

-- The length whose guess, all padding, stands out from those of other lengths.
function M.length(set, try, watch, state)
	local lengths = {}
	for n = set.lengths[1], set.lengths[2] do
		lengths[#lengths + 1] = n
	end
	local asked = { found = "", tries = 0, at = 0, scores = {} }
	local function compose(n)
		return set.prefix .. set.pad:rep(n - #set.prefix - #set.suffix) .. set.suffix .. set.ending
	end
	scan_position({ batch = set.batch }, asked, M.listed(lengths), compose, try, watch)
	state.tries = state.tries + asked.tries
	local length = Scan.winner(asked.scan)
	if not length then
		return nil, "no length stands out: " .. Scan.why(asked.scan, tostring), asked.scan
	end
	return length
end

-- ---- One list from end to end

-- Candidates come from next_one(), nil at the end; `set`: batch, ending, prefix, suffix. What was tried before is
-- passed over. Ends early when one is done.
function M.walk(set, state, next_one, try, watch)
	for _ = 1, state.at do
		next_one()
	end
	local scan = state.scan or Scan.new()
	state.scan = scan
	local units, ended = {}, false
	local function guess_of(i) return set.prefix .. units[i] .. set.suffix .. set.ending end
	local function add(i, score, status, output, done)
		Scan.add(scan, units[i], score, status, output)
		state.tries = state.tries + 1
		if done then
			state.done, state.found = true, units[i]
		end
		return done
	end
	while not ended and not state.done do
		local n = 0
		while n < set.batch and not ended do
			local one = next_one()
			ended = one == nil
			if one ~= nil then
				n = n + 1
				units[n] = one
			end
		end
		if n > 0 then
			try(1, n, guess_of, add)
			state.at = state.at + n
			watch.progress(state, set.count)
		end
	end
	if state.done then
		state.complete = true
		return
	end
	local unit, ending = Scan.winner(scan)
	if not unit then
		return Scan.why(scan, set.show), scan
	end
	state.found, state.complete = unit, ending ~= nil
	state.scores[1] = scan.best
end

-- ---- Noise

local function commonest(values, n)
	local counts, best = {}, nil
	for i = 1, n do
		counts[values[i]] = (counts[values[i]] or 0) + 1
	end
	for i = 1, n do
		local value = values[i]
		if best == nil or counts[value] > counts[best] or counts[value] == counts[best] and value < best then
			best = value
		end
	end
	return best
end

M.ways = {
	majority = commonest,
	median = function(values, n)
		table.sort(values)
		return values[math.ceil(n / 2)]
	end,
	min = function(values, n) return math.min(unpack(values, 1, n)) end,
	max = function(values, n) return math.max(unpack(values, 1, n)) end,
	mean = function(values, n)
		local sum = 0
		for i = 1, n do
			sum = sum + values[i]
		end
		return sum / n
	end,
}

-- run_once(guess) -> score, status, output, done; run `times` times, the scores made one by `way`. Endings are the
-- commonest; one that is done is done.
function M.repeated(run_once, times, way)
	if times == 1 then
		return run_once
	end
	local combine = M.ways[way]
	local scores, statuses, outputs = {}, {}, {}
	return function(guess)
		for i = 1, times do
			local score, status, output, done = run_once(guess)
			scores[i], statuses[i], outputs[i] = score, status, output or ""
			if done then
				return score, status, output, true
			end
		end
		local output = commonest(outputs, times)
		return combine(scores, times), commonest(statuses, times), output ~= "" and output or nil, false
	end
end

return M
