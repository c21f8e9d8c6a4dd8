-- oracle.score - how far a run got, as a number.
--
-- A score is armed on a session, at its first instruction or where its snapshot is taken, reset before each run and
-- asked for its value behind it. Addresses do not change from run to run (targets run without ASLR unless asked), so
-- what was found of a place that the program itself has is kept.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

-- ---- Hits of a place

local Hits = {}
Hits.__index = Hits

function M.hits(place, options)
	return setmetatable({ place = place, breakpoints = {}, base = 0, keeps = not (options and options.aslr) }, Hits)
end

-- A place, as people write it.
function M.describe(place)
	return type(place) == "string" and place or number.show(place)
end

function Hits:arm(session, action)
	local list, known = self.breakpoints, self.addresses
	if known then
		for i = 1, #known do
			list[i] = session:bp(known[i], action or CONTINUE)
		end
		return
	end
	list[1] = session:bp(self.place, action or CONTINUE)
	if self.keeps and not list[1].pending then
		self.addresses = list[1].addresses
		-- One breakpoint has them all now, and one each will later.
	end
end

local function sum(list)
	local hits = 0
	for i = 1, #list do
		hits = hits + list[i].hits
	end
	return hits
end

function Hits:reset()
	self.base = sum(self.breakpoints)
end

function Hits:value()
	return sum(self.breakpoints) - self.base
end

-- Why it could not count: its place never appeared.
function Hits:missing()
	local one = self.breakpoints[1]
	if one and one.pending and one.hits == 0 then
		return M.describe(self.place)
	end
end

function Hits:has(breakpoint)
	for _, one in ipairs(self.breakpoints) do
		if breakpoint and one.id == breakpoint.id then
			return true
		end
	end
	return false
end

-- ---- Blocks and instructions of a range of code

-- {from, to} or the name of a function: [start, start + size).
local function range_of(session, what, where)
	if type(where) == "table" then
		local function place(value)
			return type(value) == "string" and session:sym(value) or check.address(what, value)
		end
		local start, stop = place(where[1]), place(where[2])
		if stop <= start then
			check.fail("%s: a range {from, to} is empty", what)
		end
		return start, tonumber(stop - start)
	end
	local start, size = session:sym(where), 0
	for _, symbol in ipairs(session:find_syms((where:match "^[^+]*"))) do
		if symbol.address == start then
			size = math.max(size, symbol.size)
		end
	end
	if size == 0 then
		check.fail("%s: the size of '%s' is not known; give {from, to}, two addresses", what, where)
	end
	return start, size
end

local Blocks = {}
Blocks.__index = Blocks

-- kind: "blocks" (how many ran, repeated ones counted again) or "depth" (how far down the last one is).
local function blocks(kind, where)
	return setmetatable({ kind = kind, where = where, count = 0, deepest = 0 }, Blocks)
end

function Blocks:arm(session)
	if not self.blocks then
		local start, size = range_of(session, "oracle: score: " .. self.kind, self.where)
		self.start, self.blocks = start, require("coverage.blocks").of(session, { address = start, size = size })
	end
	for i, block in ipairs(self.blocks) do
		session:bp(self.start + block.offset, function()
			self.count = self.count + 1
			if i > self.deepest then
				self.deepest = i
			end
		end)
	end
end

function Blocks:reset()
	self.count, self.deepest = 0, 0
end

function Blocks:value()
	return self.kind == "depth" and self.deepest or self.count
end

local Instructions = {}
Instructions.__index = Instructions

-- Steps cost microseconds each: those of a function are taken only while it is on its way.
function Instructions:arm(session)
	local function count()
		self.count = self.count + 1
	end
	if self.where == true then
		session:steps(count)
		return
	end
	local start, size = range_of(session, "oracle: score: instructions", self.where)
	local rip = session:threads()[1].regs.rip
	if rip >= start and rip < start + size then
		session:steps(count, { from = start, to = start + size })
		return -- the snapshot is taken in it
	end
	local range, within = { from = start, to = start + size }, {}
	session:bp(start, function(thread)
		local tid = thread.tid
		if within[tid] then
			return -- a call of itself
		end
		range.thread = thread
		local handle = session:steps(count, range)
		within[tid] = true
		thread:finish()
		within[tid] = nil
		handle:remove()
	end)
end

function Instructions:reset()
	self.count = 0
end

function Instructions:value()
	return self.count
end

-- ---- What a run leaves behind

local function nothing() end

-- of(run) -> number
local function plain(of, needs_output)
	return { arm = nothing, reset = nothing, value = function(_, run) return of(run) end, needs_output = needs_output }
end

local function output(pattern)
	if pattern == true then
		return plain(function(run) return #run.output end, true)
	end
	return plain(function(run)
		return (select(2, run.output:gsub(check.string("oracle: score: output", pattern), "")))
	end, true)
end

-- The user's own function of the run.
local function own(fn)
	return plain(function(run)
		local value = fn(run)
		if type(value) == "cdata" then
			value = tonumber(value)
		end
		if type(value) ~= "number" or value ~= value then
			check.fail("oracle: score: the function must give a number, not %s", number.show(value))
		end
		return value
	end, true)
end

local function where_ok(kind, where)
	if type(where) == "string" and where ~= "" or kind == "instructions" and where == true
		or type(where) == "table" and where[1] ~= nil and where[2] ~= nil then
		return where
	end
	check.fail("oracle: score: %s: a function's name or {from, to} expected, got %s", kind, number.show(where))
end

local kinds = {
	hits = function(place, options) return M.hits(M.place("oracle: score: hits", place), options) end,
	depth = function(where) return blocks("depth", where_ok("depth", where)) end,
	blocks = function(where) return blocks("blocks", where_ok("blocks", where)) end,
	instructions = function(where)
		return setmetatable({ where = where_ok("instructions", where), count = 0 }, Instructions)
	end,
	output = output,
	status = function() return plain(function(run) return run.code or -1 end) end,
	time = function() return plain(function(run) return run.seconds end) end,
}

function M.place(what, place)
	if type(place) == "string" and place ~= "" then
		return place
	elseif number.is_wide(place) or type(place) == "number" then
		return check.address(what, place)
	end
	check.fail("%s: a place (a name or an address) expected, got %s", what, number.show(place))
end

-- What `score` of the options means: a place, a function, {kind = of what}; nil: nothing but how runs end.
function M.make(score, options)
	if score == nil then
		return plain(function() return 0 end)
	elseif check.is_callable(score) then
		return own(score)
	elseif type(score) ~= "table" then
		return M.hits(M.place("oracle: score", score), options)
	end
	local kind, of = next(score)
	if not kinds[kind] or next(score, kind) ~= nil then
		local names = {}
		for name in pairs(kinds) do
			names[#names + 1] = name
		end
		table.sort(names)
		check.fail("oracle: score: {KIND = OF WHAT} expected, KIND one of %s", table.concat(names, ", "))
	end
	local made = kinds[kind](of, options)
	made.name = kind
	return made
end

-- Whether a run has all: a place that was passed, or a function of the run.
function M.done(done, options)
	if done == nil then
		return nil
	elseif check.is_callable(done) then
		return plain(function(run) return done(run) and 1 or 0 end, true)
	end
	return M.hits(M.place("oracle: done", done), options)
end

M.clock = core.clock

return M
