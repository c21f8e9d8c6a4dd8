-- track - which hooks there are, by whose script, and how they were made: for restart() and reload().
--
-- Everything that puts something into a target goes through a few functions of the core; from start() on they note what
-- they made.

local core = require "ptracehook.core"
local check = require "ptracehook.check"

local M = {}

-- The core's functions, with which of their arguments, behind the session, are places.
local makers = { bp = { 1 }, patch = { 1 }, watch = { 1 }, steps = { 2, 3 }, on = {}, on_syscall = {} }

local records = {} -- {make, arguments, object, session, owner}, in the order made
local starts = setmetatable({}, { __mode = "k" }) -- session: how it was spawned
local is_silent, opened

local function is_removed(object)
	return tostring(object):find "removed" ~= nil
end

-- The script whose function is at work: innermost first.
local function owner()
	local level = 3
	while true do
		local info = debug.getinfo(level, "S")
		if not info then
			return nil
		elseif info.source:sub(1, 1) == "@" and not core.is_ours(info.source) then
			return info.source:sub(2)
		end
		level = level + 1
	end
end

-- An address as a place that is good in another run of the program, too.
local function lasting(session, where)
	if type(where) == "string" or where == nil then
		return where
	end
	local ok, name = pcall(core.where, session, where)
	return ok and not name:find "^0x" and name or where
end

local function note(make, places, session, ...)
	local object = make(session, ...)
	if is_silent then
		return object
	end
	local arguments = { n = select("#", ...), ... }
	session = session == nil and core.current() or getmetatable(session) == "Session" and session or session.session
	for _, i in ipairs(places) do
		arguments[i] = lasting(session, arguments[i])
	end
	records[#records + 1] = {
		make = make, places = places, is_bp = places == makers.bp, arguments = arguments, object = object,
		session = session, owner = owner(),
	}
	return object
end

local started

function M.start()
	if started then
		return
	end
	started = true
	for name, places in pairs(makers) do
		local make = core[name]
		core[name] = function(session, ...)
			return note(make, places, session, ...)
		end
	end
	local spawn = core.load "spawn"
	local plain = spawn.spawn
	function spawn.spawn(options)
		local session, timeout = plain(options)
		starts[session] = options
		if opened then
			opened(session)
		end
		return session, timeout
	end
	local attach = core.attach
	function core.attach(...)
		local session = attach(...)
		if opened then
			opened(session)
		end
		return session
	end
end

-- fn makes nothing that counts.
function M.silently(fn)
	local before = is_silent
	is_silent = true
	local ok, why = pcall(fn)
	is_silent = before
	if not ok then
		error(why, 0)
	end
end

function M.on_open(fn)
	opened = fn
end

-- program: the command line's argv, or nil.
function M.started_as(session, program)
	if session and program then
		starts[session] = program
	end
end

-- Before a session's end takes them all out: those that a script took out itself are not to come back.
function M.note_end(session)
	for _, record in ipairs(records) do
		if record.session == session then
			record.dead = record.dead or is_removed(record.object)
		end
	end
end

function M.can_restart()
	local session = core.current()
	return session and starts[session] ~= nil
end

-- What a script made so far, and is still there.
function M.of_owner(path)
	local list = {}
	for _, record in ipairs(records) do
		if record.owner == path and not record.dead and not is_removed(record.object) then
			list[#list + 1] = record
		end
	end
	return list
end

function M.count()
	return #records
end

-- Those made since count() gave n.
function M.since(n)
	local list = {}
	for i = n + 1, #records do
		list[#list + 1] = records[i]
	end
	return list
end

function M.remove(list)
	for _, record in ipairs(list) do
		record.dead = true
		pcall(record.object.remove or record.object.restore, record.object)
	end
end

local function again(record, session)
	local arguments = { unpack(record.arguments, 1, record.arguments.n) }
	for _, i in ipairs(record.is_bp and {} or record.places) do
		arguments[i] = type(arguments[i]) == "string" and session:sym(arguments[i]) or arguments[i]
	end
	record.object = record.make(session, unpack(arguments, 1, record.arguments.n))
	record.session = session
end

-- The current session's program once more, with what was in it. Gives the new session.
function M.restart(repl)
	local session = core.current()
	local options = session and starts[session]
		or check.fail "restart: the target was not spawned by us: attach to a new one"
	local alive, list = not session.ended, {}
	for _, record in ipairs(records) do
		if record.session == session and not record.dead and not (alive and is_removed(record.object)) then
			list[#list + 1] = record
		end
	end
	if alive then
		session:kill()
	end
	local new = require("ptracehook").spawn(options)
	starts[new] = options
	repl.prompt.retarget(session, new)
	for _, record in ipairs(list) do
		local ok, why = pcall(again, record, new)
		if not ok then
			repl.report_error("restart: " .. tostring(why))
		end
	end
	return new
end

return M
