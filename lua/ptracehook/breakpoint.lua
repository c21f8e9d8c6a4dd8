-- breakpoint - the arguments of bp().

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local options_known = {
	mode = true, name = true, once = true, enabled = true, thread = true, pending = true, when = true,
	hardware = true,
}

local function check_where(where)
	if type(where) ~= "string" then
		return check.address("bp: where", where)
	elseif where == "" then
		check.fail "bp: where: an empty string is no place"
	end
	return check.string("bp: where", where)
end

local function check_thread(tid)
	if tid == nil then
		return 0
	end
	local ok, id = pcall(number.count, tid, "thread")
	if not ok or id < 1 or id >= 2 ^ 31 then
		check.fail("bp: thread: a thread's id expected, got %s", number.show(tid))
	end
	return id
end

-- session: a Session; nil: the current one. begins: a place inside an instruction will not do.
function M.add(session, where, fn, options, begins)
	where = check_where(where)
	if getmetatable(fn) == "Action" and not core.is_action(fn) then
		check.fail("bp: %s alone is no action yet: it needs a value", tostring(fn))
	elseif not check.is_callable(fn) and not core.is_action(fn) then
		check.fail("bp: function or action expected as the second argument, got %s", number.show(fn))
	end
	options = check.options("bp", options, options_known)
	if options.mode ~= nil and options.mode ~= "execute" and options.mode ~= "skip" then
		check.fail("bp: mode: \"execute\" or \"skip\" expected, got %s", number.show(options.mode))
	end
	local name = options.name ~= nil and check.string("bp: name", options.name) or nil
	return core.bp(session, where, fn, name, options.mode == "skip", check.boolean("bp: once", options.once),
		check.boolean("bp: enabled", options.enabled) == false, check.boolean("bp: pending", options.pending),
		check_thread(options.thread), options.when ~= nil and check.string("bp: when", options.when) or nil,
		check.boolean("bp: hardware", options.hardware), begins)
end

return M
