-- check - arguments and option tables, with errors that name what is wrong and what would be right.

local number = require "ptracehook.number"

local M = {}

-- The candidate nearest to a misspelt name, or nil.
local function nearest(name, candidates)
	local best, best_distance
	for candidate in pairs(candidates) do
		local row = {}
		for j = 0, #candidate do row[j] = j end
		for i = 1, #name do
			local diagonal = row[0]
			row[0] = i
			for j = 1, #candidate do
				local cost = name:byte(i) == candidate:byte(j) and 0 or 1
				diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
			end
		end
		if not best or row[#candidate] < best_distance then
			best, best_distance = candidate, row[#candidate]
		end
	end
	return best and best_distance <= math.max(1, #name / 3) and best or nil
end

-- Every key of `options` must be a key of `known`; what names the function.
function M.options(what, options, known, level)
	if options == nil then
		return {}
	end
	if type(options) ~= "table" then
		error(("%s: options: table expected, got %s"):format(what, number.show(options)), (level or 2) + 1)
	end
	for name in pairs(options) do
		if type(name) == "string" and not known[name] then
			local near = nearest(name, known)
			error(("%s: there is no option '%s'%s"):format(what, name, near and "; did you mean '" .. near .. "'?" or ""),
				(level or 2) + 1)
		end
	end
	return options
end

function M.is_callable(value)
	if type(value) == "function" then
		return true
	end
	local meta = type(value) == "table" and getmetatable(value)
	return type(meta) == "table" and meta.__call ~= nil
end

function M.boolean(what, value, level)
	if value ~= nil and type(value) ~= "boolean" then
		error(("%s: true or false expected, got %s"):format(what, number.show(value)), (level or 2) + 1)
	end
	return value
end

function M.string(what, value, level)
	if type(value) ~= "string" then
		error(("%s: string expected, got %s"):format(what, number.show(value)), (level or 2) + 1)
	end
	if value:find("\0", 1, true) then
		error(what .. ": must not contain a zero byte", (level or 2) + 1)
	end
	return value
end

-- A number of seconds, not negative.
function M.seconds(what, value, level)
	if value == nil then
		return nil
	end
	if type(value) ~= "number" or value ~= value or value < 0 or value == math.huge then
		error(("%s: a number of seconds, 0 or more, expected, got %s"):format(what, number.show(value)), (level or 2) + 1)
	end
	return value
end

return M
