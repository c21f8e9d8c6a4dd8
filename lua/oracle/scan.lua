-- oracle.scan - one position of a search: what its candidates scored, and which of them stands out.
--
-- Pure, and a table of plain data only, so that it can be saved in the middle and gone on with. A candidate is told as
-- its score, how its run ended (`status`) and what it printed (`output`, or nil).

local M = {}

-- More different outputs than this tell nothing (a program that prints its input back), and are not kept.
local DISTINCT = 64
-- Of those that are best, so many are named.
local NAMED = 16
-- Scores are listed of this many candidates.
local LISTED = 256

function M.new()
	return { tries = 0, best = nil, n_top = 0, top = {}, scores = {}, statuses = {}, outputs = {}, n_outputs = 0,
		top_statuses = {}, top_outputs = {} }
end

-- name -> {n = how many, unit = one of them}
local function tally(counts, name, unit)
	local entry = counts[name]
	if entry then
		entry.n = entry.n + 1
	else
		counts[name] = { n = 1, unit = unit }
	end
	return entry == nil
end

-- Long outputs are told apart by their length and what they begin with.
local function brief(output)
	return #output > 512 and #output .. ":" .. output:sub(1, 512) or output
end

local function count_output(scan, unit, output)
	if scan.n_outputs <= DISTINCT and tally(scan.outputs, output, unit) then
		scan.n_outputs = scan.n_outputs + 1
	end
	if scan.n_outputs > DISTINCT then
		scan.outputs, scan.top_outputs = {}, {}
	else
		tally(scan.top_outputs, output, unit)
	end
end

function M.add(scan, unit, score, status, output)
	scan.tries = scan.tries + 1
	if scan.tries <= LISTED then
		scan.scores[scan.tries] = { unit, score }
	end
	tally(scan.statuses, status, unit)
	local best = scan.best
	if best == nil or score > best then
		scan.best, scan.n_top, scan.top, scan.top_statuses, scan.top_outputs = score, 0, {}, {}, {}
	elseif score < best then
		if output then
			-- Counted among all, not among the best.
			local kept = scan.top_outputs
			scan.top_outputs = {}
			count_output(scan, unit, brief(output))
			scan.top_outputs = kept
		end
		return
	end
	scan.n_top = scan.n_top + 1
	if scan.n_top <= NAMED then
		scan.top[scan.n_top] = unit
	end
	tally(scan.top_statuses, status, unit)
	if output then
		count_output(scan, unit, brief(output))
	end
end

-- The one unit that alone has its name among the best; nil for none, and for several.
local function alone(counts)
	local unit
	for _, entry in pairs(counts) do
		if entry.n == 1 then
			if unit then
				return nil
			end
			unit = entry.unit
		end
	end
	return unit
end

local function name_of(counts, unit)
	for name, entry in pairs(counts) do
		if entry.unit == unit and entry.n == 1 then
			return name
		end
	end
end

-- How it ended, or what it printed, when no other did so: "status …" or "output …"; else nil.
local function own_ending(scan, unit)
	local status = name_of(scan.top_statuses, unit)
	if status and scan.statuses[status].n == 1 and scan.tries > 1 then
		return "status " .. status
	end
	local output = name_of(scan.top_outputs, unit)
	if output and scan.n_outputs == 2 and scan.outputs[output].n == 1 and scan.tries > 2 then
		return "output " .. output
	end
end

-- The candidate that stands out, alone with the best score or, as the last byte often is, alone among those in how its
-- run ended or in what it printed; and that ending, when no other at all has it. nil for none. `floor`: a score that is
-- known to be a wrong candidate's, for when there are too few to compare.
function M.winner(scan, floor)
	local unit
	if scan.tries == 1 and (floor == nil or scan.best <= floor) then
		return nil
	elseif scan.n_top == 1 then
		unit = scan.top[1]
	else
		unit = alone(scan.top_statuses) or alone(scan.top_outputs)
	end
	if unit then
		return unit, own_ending(scan, unit)
	end
end

M.success = "status exit 0"

-- The candidate that alone ended well, while all others do as wrong ones do: for scores that are made of how runs end.
function M.succeeded(scan, floor)
	local success = scan.statuses["exit 0"]
	if success and success.n == 1 and scan.tries > 2 and scan.n_top == scan.tries - 1 and scan.best == floor then
		return success.unit
	end
end

-- Whether most candidates have that ending, as `winner` gave it of another position.
function M.has_ending(scan, ending)
	local kind, name = ending:match "^(%w+) (.*)$"
	local entry = (kind == "status" and scan.statuses or scan.outputs)[name]
	return entry ~= nil and 2 * entry.n > scan.tries
end

-- How the run of one of the best ended: alone, or as all of them did; nil when that is not kept.
function M.status_of(scan, unit)
	local status = next(scan.top_statuses)
	return name_of(scan.top_statuses, unit) or next(scan.top_statuses, status) == nil and status or nil
end

-- Why none stands out, for people; `show(unit)` says how a candidate is written.
function M.why(scan, show)
	if scan.tries == 0 then
		return "there are no candidates"
	elseif scan.n_top > 1 and scan.n_top <= 3 and scan.n_top < scan.tries then
		return ("%s and %s do alike, with the score %g"):format(show(scan.top[1]), show(scan.top[2]), scan.best)
	elseif scan.n_top == scan.tries then
		return ("no candidate stands out: %s score %g"):format(scan.tries == 1 and "the only one" or "all " .. scan.tries,
			scan.best)
	end
	return ("no candidate stands out: %d of %d score %g, the others less"):format(scan.n_top, scan.tries, scan.best)
end

return M
