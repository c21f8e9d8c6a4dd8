-- breakpoint - the arguments of bp().

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local options_known = { mode = true, name = true, once = true, enabled = true, thread = true, pending = true }

local function check_hook(fn)
	if check.is_callable(fn) or core.is_action(fn) then
		return fn
	end
	error("bp: function or action expected as the second argument, got " .. number.show(fn), 3)
end

local function check_where(where)
	if type(where) == "string" then
		return check.string("bp: where", where, 3)
	end
	return number.addr(where, "bp: where", 4)
end

-- session: a Session; nil: the current one.
function M.add(session, where, fn, options)
	where, fn = check_where(where), check_hook(fn)
	options = check.options("bp", options, options_known, 2)
	if options.mode ~= nil and options.mode ~= "execute" and options.mode ~= "skip" then
		error("bp: mode: \"execute\" or \"skip\" expected, got " .. number.show(options.mode), 2)
	end
	local name = options.name ~= nil and check.string("bp: name", options.name, 2) or nil
	local thread = options.thread ~= nil and number.count(options.thread, "bp: thread", 3) or 0
	return core.bp(session, where, fn, name, options.mode == "skip", check.boolean("bp: once", options.once, 2),
		check.boolean("bp: enabled", options.enabled, 2) == false,
		check.boolean("bp: pending", options.pending, 2), thread)
end

return M
