-- frame - Lua locals of a hook that the prompt stands in, or behind.
--
-- A frame answers get(name) -> found, value; set(name, value) -> found; all() -> {name = value}. A hook that called
-- repl() is still there: its variables are read and written where they are. One that returned STOP has gone: it left
-- copies when it named STOP, and one that failed when it did.

local core = require "ptracehook.core"

local M = {}

local getinfo, getlocal, setlocal = debug.getinfo, debug.getlocal, debug.setlocal
local getupvalue, setupvalue = debug.getupvalue, debug.setupvalue

local is_ours = core.is_ours

-- fn(name, value, set, at) for each variable of the function at a level as the caller counts it, inner ones first,
-- until it says true. at: its index, of a local; set: what writes it at any time, of a variable that functions share.
local function each_variable(level, fn)
	local variables, i = {}, 1
	level = level + 1
	local called = getinfo(level, "f").func
	while true do
		local name, value = getlocal(level, i)
		if not name then
			break
		end
		variables[i] = { name, value }
		i = i + 1
	end
	for at = #variables, 1, -1 do
		local name = variables[at][1]
		if name:find "^[%a_]" and fn(name, variables[at][2], nil, at) then
			return true
		end
	end
	i = 1
	while true do
		local name, value = getupvalue(called, i)
		if not name then
			return false
		end
		local at = i
		if name ~= "" and fn(name, value, function(new) setupvalue(called, at, new) end, nil) then
			return true
		end
		i = i + 1
	end
end

-- Levels of functions that are a script's.
local function is_script(info)
	return info.what ~= "C" and not is_ours(info.source)
end

-- How many functions are under way, the caller the last of them.
local function stack_size()
	local n = 0
	while getinfo(n + 2, "l") do
		n = n + 1
	end
	return n
end

-- What is left of it, by name; writes reach what functions share.
local function kept(values, setters)
	return {
		get = function(name)
			if setters[name] == nil then
				return false
			end
			return true, values[name]
		end,
		set = function(name, value)
			if setters[name] == nil then
				return false
			end
			values[name] = value
			if setters[name] then
				setters[name](value)
			end
			return true
		end,
		all = function() return values end,
	}
end

local function collector()
	local values, setters = {}, {}
	return function(name, value, set)
		if setters[name] == nil then
			values[name], setters[name] = value, set or false
		end
	end, values, setters
end

-- Copies of what the running functions have, for when they have returned. The caller's caller is the innermost.
function M.copy()
	local add, values, setters = collector()
	local level = 2
	while true do
		local info = getinfo(level, "S")
		if not info then
			break
		end
		if is_script(info) then
			each_variable(level, function(name, value, set, at)
				add(name, value, not at and set)
			end)
		end
		level = level + 1
	end
	return next(setters) ~= nil and kept(values, setters) or nil
end

-- The functions that called repl(), while they wait for it. They are counted from the bottom of the stack, which does
-- not move; what is called between them and us does.
function M.live()
	local size, places = stack_size(), {}
	for level = 2, size do
		if is_script(getinfo(level, "S")) then
			places[#places + 1] = size - level + 1
		end
	end
	local frame = {}
	function frame.get(name)
		local found, value
		for _, place in ipairs(places) do
			local level = stack_size() - place + 1
			found = each_variable(level, function(n, v)
				value = v
				return n == name
			end)
			if found then
				return true, value
			end
		end
		return false
	end
	function frame.set(name, value)
		for _, place in ipairs(places) do
			local index, setter
			local level = stack_size() - place + 1
			local found = each_variable(level, function(n, _, set, at)
				index, setter = at, set
				return n == name
			end)
			if found and index then
				setlocal(level, index, value)
			elseif found then
				setter(value)
			end
			if found then
				return true
			end
		end
		return false
	end
	function frame.all()
		local add, values = collector()
		for _, place in ipairs(places) do
			local level = stack_size() - place + 1
			each_variable(level, add)
		end
		return values
	end
	return #places > 0 and frame or nil
end

return M
