-- watch - the arguments of watch() and steps().

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local options_known = { len = true, access = true, soft = true }

local function check_fn(what, fn, position)
	if getmetatable(fn) == "Action" and not core.is_action(fn) then
		check.fail("%s: %s alone is no action yet: it needs a value", what, tostring(fn))
	elseif not check.is_callable(fn) and not core.is_action(fn) then
		check.fail("%s: function or action expected as the %s argument, got %s", what, position, number.show(fn))
	end
end

local function check_access(access)
	if access == nil then
		return "w"
	elseif access == "r" then
		check.fail "watch: access: the CPU cannot watch reads alone: \"rw\" sees reads and writes"
	elseif access ~= "w" and access ~= "rw" and access ~= "x" then
		check.fail("watch: access: \"w\", \"rw\" or \"x\" expected, got %s", number.show(access))
	end
	return access
end

-- session: a Session; nil: the current one. resolve(text): the address of a place by name.
function M.add(session, where, options, fn, resolve)
	if fn == nil and (check.is_callable(options) or getmetatable(options) == "Action") then
		options, fn = nil, options
	end
	local address = type(where) == "string" and resolve(check.string("watch: address", where))
		or check.address("watch: address", where)
	check_fn("watch", fn, "last")
	options = check.options("watch", options, options_known)
	local access = check_access(options.access)
	local len = options.len
	if len == nil then
		len = access == "x" and 1 or 8
	end
	return core.watch(session, address, check.size("watch: len", len), access, fn,
		check.boolean("watch: soft", options.soft))
end

local steps_known = { from = true, to = true, thread = true, branches = true }

-- The same of steps(fn, options).
function M.steps(session, fn, options, resolve)
	check_fn("steps", fn, "first")
	options = check.options("steps", options, steps_known)
	local function place(name, otherwise)
		local value = options[name]
		if value == nil then
			return otherwise
		end
		local what = "steps: " .. name
		return type(value) == "string" and resolve(check.string(what, value)) or check.address(what, value)
	end
	local from, to = place("from", 0), place("to", -1ULL)
	local tid = options.thread
	if tid ~= nil then
		local ok, id = pcall(number.count, getmetatable(tid) == "Thread" and tid.tid or tid, "thread")
		if not ok or id < 1 or id >= 2 ^ 31 then
			check.fail("steps: thread: a thread or its id expected, got %s", number.show(tid))
		end
		tid = id
	end
	return core.steps(session, fn, from, to, tid or 0, check.boolean("steps: branches", options.branches))
end

return M
