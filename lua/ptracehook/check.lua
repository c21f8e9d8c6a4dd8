-- check - arguments and option tables, with errors that name what is wrong and what would be right.
--
-- `what` begins the message: the function, and which argument of it. Errors name the innermost line that is not ours.

local core = require "ptracehook.core"
local number = require "ptracehook.number"

local M = {}

function M.fail(...)
	core.raise(string.format(...))
end
local fail = M.fail

-- The level of a check that is called by pcall: pcall has no line, so the message comes without one.
M.HERE = 1
local HERE = M.HERE

-- What pcall(check, …, HERE) gave, with the error at that line.
local function pass(ok, result)
	if ok then
		return result
	end
	core.raise(result)
end

-- Letters to insert, drop, replace, or swap with their neighbour.
local function distance(a, b)
	local before, last
	local row = {}
	for j = 0, #b do row[j] = j end
	for i = 1, #a do
		before, last, row = last, row, { [0] = i }
		for j = 1, #b do
			local cost = a:byte(i) == b:byte(j) and 0 or 1
			row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
			if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
				row[j] = math.min(row[j], before[j - 2] + 1)
			end
		end
	end
	return row[#b]
end

-- The candidate nearest to a misspelt name, the first in the alphabet of equals, or nil.
local function nearest(name, candidates)
	local best, best_distance
	for candidate in pairs(candidates) do
		local d = distance(name, candidate)
		if not best or d < best_distance or d == best_distance and candidate < best then
			best, best_distance = candidate, d
		end
	end
	return best and best_distance <= math.max(1, #name / 3) and best or nil
end

M.nearest = nearest

M.nearest = nearest

local function named_list(known)
	local names = {}
	for name in pairs(known) do
		names[#names + 1] = name
	end
	table.sort(names)
	return table.concat(names, ", ")
end

-- The options, {} for nil. Every key must be one of `known`, a table {name = true}; a list may stand beside them when
-- `list` says so.
function M.options(what, options, known, list)
	if options == nil then
		return {}
	elseif type(options) ~= "table" then
		fail("%s: options: table expected, got %s", what, number.show(options))
	end
	for name in pairs(options) do
		if type(name) == "string" and not known[name] then
			local near = nearest(name, known)
			fail("%s: there is no option '%s'%s", what, name,
				near and "; did you mean '" .. near .. "'?" or "; there are " .. named_list(known))
		elseif type(name) ~= "string" and not (list and type(name) == "number") then
			fail("%s: options have names, got %s", what, number.show(name))
		end
	end
	return options
end

function M.is_callable(value)
	if type(value) == "function" then
		return true
	end
	local meta = type(value) == "table" and debug.getmetatable(value)
	return type(meta) == "table" and type(meta.__call) == "function"
end

function M.boolean(what, value)
	if value ~= nil and type(value) ~= "boolean" then
		fail("%s: true or false expected, got %s", what, number.show(value))
	end
	return value
end

function M.string(what, value)
	if type(value) ~= "string" then
		fail("%s: string expected, got %s", what, number.show(value))
	elseif value:find("\0", 1, true) then
		fail("%s: must not contain a zero byte", what)
	end
	return value
end

function M.table(what, value)
	if value ~= nil and type(value) ~= "table" then
		fail("%s: table expected, got %s", what, number.show(value))
	end
	return value
end

-- A number of seconds, not negative.
function M.seconds(what, value)
	if value ~= nil and (type(value) ~= "number" or value ~= value or value < 0 or value == math.huge) then
		fail("%s: a number of seconds, 0 or more, expected, got %s", what, number.show(value))
	end
	return value
end

function M.address(what, value)
	return pass(pcall(number.addr, value, what, HERE))
end

function M.size(what, value)
	return pass(pcall(number.size, value, what, HERE))
end

function M.count(what, value)
	return pass(pcall(number.count, value, what, HERE))
end

-- fn(…, HERE), with its error at that line.
function M.call(fn, ...)
	return pass(pcall(fn, ...))
end

return M
