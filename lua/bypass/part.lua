-- part - one technique at work in one session: its handlers, what undoes the rest, and how often it answered.

require("jit").off(true, true) -- see trace/decode.lua

local check = require "ptracehook.check"
local core = require "ptracehook.core"
local number = require "ptracehook.number"

core.load "session" -- what Session's methods are in: the globals load it when they are first used

local M = {}

local methods = {}
local meta = { __metatable = "Bypass" }

meta.__index = methods

meta.__tostring = function(self)
	return ("Bypass %s%s"):format(self.name, self.removed and " (removed)" or "")
end

local function pass(ok, result)
	if not ok and not (type(result) == "table" and result.name == "ESRCH") then
		error(result, 0)
	end
	return ok and result or nil
end

-- Its thread may be killed at any moment: news, not a failure.
function M.calm(fn)
	return function(...)
		return pass(pcall(fn, ...))
	end
end

-- A handler of its own: a function, or {enter, leave}.
function methods:on(event, filter, fn)
	if type(fn) == "table" then
		fn = { enter = fn.enter and M.calm(fn.enter), leave = fn.leave and M.calm(fn.leave) }
	else
		fn = M.calm(fn)
	end
	self.handles[#self.handles + 1] = self.session:on(event, filter, fn)
end

-- fn is called when it is removed.
function methods:undo(fn)
	self.undoes[#self.undoes + 1] = fn
end

-- It answered: in words, for whoever wants to know what a program asks for.
function methods:note(...)
	self.answers = self.answers + 1
	if self.log then
		self.log(("%s: %s"):format(self.name, string.format(...)))
	end
end

-- As a method that scripts call.
function methods.remove(self)
	if debug.getmetatable(self) ~= meta then
		check.fail("remove: Bypass expected, got %s; call methods with a colon", number.show(self))
	elseif self.removed then
		check.fail("remove: bypass.%s was removed already", self.name)
	end
	self.removed = true
	if self.session.ended then
		return
	end
	for _, handle in ipairs(self.handles) do
		handle:remove()
	end
	for i = #self.undoes, 1, -1 do
		self.undoes[i]()
	end
end

-- What a session's parts are and share: kept with the session, and collected with it.
local KEY = "bypass"

function M.shared(session)
	-- Its own table is made when a view of it is first asked for (ptracehook/session.lua).
	local own = session.mem and debug.getfenv(session)
	own[KEY] = own[KEY] or { parts = {} }
	return own[KEY]
end

local known = { log = true }

-- The part of this name in the current session. setup(part, options) starts it, unless it is at work already.
-- known_more: the options that it takes, beside those of all.
function M.start(name, options, setup, known_more)
	local what = "bypass." .. name
	local session = core.current()
		or check.fail("%s: there is no target: name a program on the command line, or call spawn or attach first", what)
	local allowed = {}
	for _, names in ipairs { known, known_more or {} } do
		for option in pairs(names) do
			allowed[option] = true
		end
	end
	options = check.options(what, options, allowed)
	if options.log ~= nil and not check.is_callable(options.log) then
		check.fail("%s: log: function expected, got %s", what, number.show(options.log))
	elseif session.ended then
		check.fail("%s: the target has ended", what)
	end
	local parts = M.shared(session).parts
	local part = parts[name]
	if part and not part.removed then
		part.log = options.log or part.log
		return part
	end
	part = setmetatable({
		name = name, session = session, log = options.log, answers = 0, removed = false, handles = {}, undoes = {},
	}, meta)
	-- What children find is what the program is told; one without a tracer would die of its first look at the counter.
	session:policy { follow = true }
	local ok, why = pcall(setup, part, options)
	if not ok then
		part:remove()
		error(why, 0)
	end
	parts[name] = part
	return part
end

return M
