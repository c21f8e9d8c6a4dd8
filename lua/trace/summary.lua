-- summary - how often calls were made, how many failed, how long they took.

require("jit").off(true, true) -- see decode.lua

local M = {}

local format = string.format

local Summary = {}
Summary.__index = Summary

function M.new()
	return setmetatable({ rows = {} }, Summary)
end

function Summary:add(name, failed, seconds)
	local row = self.rows[name]
	if not row then
		row = { name = name, calls = 0, errors = 0, seconds = 0 }
		self.rows[name] = row
	end
	row.calls, row.seconds = row.calls + 1, row.seconds + seconds
	row.errors = row.errors + (failed and 1 or 0)
end

local RULE = "------ ----------- ----------- --------- --------- ----------------\n"

local function line(percent, row)
	return format("%6.2f %11.6f %11d %9d %9s %s\n", percent, row.seconds,
		math.floor(row.seconds * 1e6 / math.max(row.calls, 1)), row.calls, row.errors > 0 and format("%d", row.errors) or "",
		row.name)
end

-- The table, the most expensive calls first.
function Summary:text()
	local total = { name = "total", calls = 0, errors = 0, seconds = 0 }
	local list = {}
	for _, row in pairs(self.rows) do
		list[#list + 1] = row
		total.calls, total.errors = total.calls + row.calls, total.errors + row.errors
		total.seconds = total.seconds + row.seconds
	end
	table.sort(list, function(a, b)
		if a.seconds ~= b.seconds then
			return a.seconds > b.seconds
		end
		return a.name < b.name
	end)
	local parts = { "% time     seconds  usecs/call     calls    errors syscall\n", RULE }
	for _, row in ipairs(list) do
		parts[#parts + 1] = line(total.seconds > 0 and row.seconds / total.seconds * 100 or 0, row)
	end
	parts[#parts + 1] = RULE .. line(100, total)
	return table.concat(parts)
end

return M
