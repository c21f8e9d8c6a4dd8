-- tube - what a script says to a spawned target and hears of it: s.io, s.stdin, s.stdout, s.stderr.
--
-- The engine (core/engine/stream.c) keeps what came and what is to go; here are lines, patterns and time limits. A verb
-- that has to wait runs the session, hooks and all; in a hook of that session it waits as sleep() does.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local wait = require "ptracehook.wait"

local streams = core.streams()
local size, find, peek, unsent = streams.size, streams.find, streams.peek, streams.unsent

local M = {}

-- enum ph_goal_kind
local BYTES, TEXT, END, SENT = 0, 1, 2, 3

local STDIN, STDOUT, STDERR = 1, 2, 4
local masks = { io = STDIN + STDOUT + STDERR, stdin = STDIN, stdout = STDOUT, stderr = STDERR }

---- Logging

local function own(session)
	return core.load("session").own(session)
end

local function to_file(file, session)
	return function(direction, bytes)
		local shown = ("%q"):format(bytes):gsub("\\\n", "\\n"):gsub("[\127-\255]", function(c)
			return "\\" .. c:byte()
		end)
		file:write(("%d %s %s\n"):format(session.pid, direction == "send" and ">" or "<", shown))
		file:flush()
	end
end

-- What makes a log of a session: true, the name of a file, or a function(direction, bytes).
function M.check_log(what, log)
	if log == true then
		return function(session) return to_file(io.stderr, session) end
	elseif check.is_callable(log) then
		return function() return log end
	elseif type(log) == "string" then
		local file, why = io.open(log, "ab")
		if not file then
			check.fail("%s: %s", what, why)
		end
		return function(session) return to_file(file, session) end
	elseif log == false then
		return function() end
	end
	check.fail("%s: true, false, the name of a file or a function expected, got %s", what, number.show(log))
end

function M.set_log(session, log)
	own(session).log = log(session)
end

local function note(self, direction, bytes)
	local log = own(self.session).log
	if log and bytes ~= "" then
		log(direction, bytes)
	end
end

---- Waiting

local function deadline_of(what, timeout)
	timeout = check.seconds(what .. ": time limit", timeout)
	return timeout and core.clock() + timeout
end

-- In a hook of that thread: true, or nil, "timeout".
local function wait_in_hook(thread, what, goal, seconds)
	streams.begin(goal)
	local ok, why = pcall(wait.pause, thread, what, goal, seconds or math.huge)
	streams["end"](goal)
	if not ok then
		error(why, 0)
	elseif streams.reached(goal) then
		return true
	end
	return nil, "timeout"
end

-- true when it is reached; or nil and "timeout", "stop": the run ended otherwise.
local function wait_for(self, what, kind, argument, deadline, only_run)
	local session = self.session
	local goal = streams.goal(session, self.mask, kind, argument)
	if streams.reached(goal) then
		return true
	end
	local seconds = deadline and math.max(0, deadline - core.clock())
	local thread, others, busy = streams.hooked(session)
	if busy and not seconds and not (thread and others) then
		check.fail("%s: the whole target stands still while this hook runs, so nothing can come: call it outside of the "
			.. "hook, or with a time limit", what)
	elseif thread then
		return wait_in_hook(thread, what, goal, seconds)
	end
	local limit, ms = wait.limit and wait.limit(session), seconds and math.ceil(seconds * 1000)
	if limit and (not ms or limit < ms) then
		ms = limit
	end
	return streams.wait(session, goal, ms and ms < 1e12 and ms or nil, only_run)
end

---- Receiving

local function take(self, n)
	local bytes = peek(self.session, self.mask, n)
	streams.drop(self.session, self.mask, #bytes)
	note(self, "recv", bytes)
	return bytes
end

-- Where the text is in what came; or nil, why.
local function await_text(self, what, text, deadline)
	local from = 0
	while true do
		local n, more = size(self.session, self.mask)
		local at, searched = find(self.session, self.mask, text, from)
		if at then
			return at
		elseif not more then
			return nil, "eof"
		end
		from = searched
		local ok, why
		if self.is_one then
			ok, why = wait_for(self, what, TEXT, text, deadline)
		else
			ok, why = wait_for(self, what, BYTES, n + 1, deadline)
		end
		if not ok then
			return nil, why
		end
	end
end

local methods = {}
M.methods = methods

function methods:recv(n, timeout)
	n = n == nil and math.huge or check.count("recv: n", n)
	local deadline = deadline_of("recv", timeout)
	if n == 0 then
		return ""
	end
	local ok, why = wait_for(self, "recv", BYTES, 1, deadline)
	local there = size(self.session, self.mask)
	if there > 0 then
		return take(self, math.min(n, there))
	end
	return nil, ok and "eof" or why
end

-- The line without its end; at the end of file, what is left.
local function line(self, what, deadline, keep)
	local at, why = await_text(self, what, "\n", deadline)
	if at then
		local bytes = take(self, at + 1)
		return keep and bytes or (bytes:gsub(self.is_pty and "\r?\n$" or "\n$", ""))
	elseif why == "eof" and size(self.session, self.mask) > 0 then
		return take(self)
	end
	return nil, why
end

function methods:recv_line(timeout)
	return line(self, "recv_line", deadline_of("recv_line", timeout))
end

function methods:recv_until(text, timeout)
	if type(text) ~= "string" or text == "" then
		check.fail("recv_until: text expected, got %s", text == "" and "none" or number.show(text))
	end
	local at, why = await_text(self, "recv_until", text, deadline_of("recv_until", timeout))
	if at then
		return take(self, at + #text)
	end
	return nil, why
end

function methods:recv_all(timeout)
	local ok, why = wait_for(self, "recv_all", END, nil, deadline_of("recv_all", timeout))
	if ok then
		return take(self)
	end
	return nil, why
end

-- Takes through the match: what string.find gave.
local function matched(self, text, from, to, first, ...)
	if first == nil then
		first = text:sub(from, to)
	end
	take(self, to)
	return first, ...
end

function methods:expect(pattern, timeout)
	check.string("expect: pattern", pattern)
	check.call(function() return string.find("", pattern) end)
	local deadline = deadline_of("expect", timeout)
	while true do
		local n, more = size(self.session, self.mask)
		local text = peek(self.session, self.mask)
		if text:find(pattern) then
			return matched(self, text, text:find(pattern))
		elseif not more then
			return nil, "eof"
		end
		local ok, why = wait_for(self, "expect", BYTES, n + 1, deadline)
		if not ok then
			return nil, why
		end
	end
end

---- Sending

local function check_bytes(what, data)
	if type(data) == "number" or number.is_wide(data) then
		return tostring(data)
	elseif type(data) ~= "string" then
		check.fail("%s: string expected, got %s", what, number.show(data))
	end
	return data
end

local function send(self, what, data, timeout)
	local deadline = deadline_of(what, timeout)
	local ok, why = streams.send(self.session, self.mask, data)
	if not ok then
		return nil, why
	end
	note(self, "send", data)
	if unsent(self.session, self.mask) > 0 then
		local thread, others, busy = streams.hooked(self.session)
		if busy and not deadline and not (thread and others) then
			return true -- goes on when the target does
		end
		local _, stopped = wait_for(self, what, SENT, nil, deadline)
		local left, writes = unsent(self.session, self.mask)
		if left > 0 or not writes then
			return nil, not writes and "eof" or stopped
		end
	end
	return true
end

function methods:send(data, timeout)
	return send(self, "send", check_bytes("send", data), timeout)
end

function methods:send_line(data, timeout)
	return send(self, "send_line", check_bytes("send_line", data == nil and "" or data) .. "\n", timeout)
end

---- As Lua's files

function methods:write(...)
	for i = 1, select("#", ...) do
		local data = check_bytes("write", (select(i, ...)))
		if not streams.send(self.session, self.mask, data) then
			return nil, "Broken pipe", 32
		end
		note(self, "send", data)
	end
	return self
end

local formats = {
	l = function(self) return line(self, "read") end,
	L = function(self) return line(self, "read", nil, true) end,
	a = function(self) return self:recv_all() end,
}

local function read_one(self, format)
	if type(format) == "string" then
		local reader = formats[format:gsub("^%*", "")]
		if not reader then
			check.fail("read: \"l\", \"L\", \"a\" or a number of bytes expected, got %s", number.show(format))
		end
		return reader(self)
	end
	local n = check.count("read: n", format)
	local ok, why = wait_for(self, "read", BYTES, n)
	local there = size(self.session, self.mask)
	if ok and (there > 0 or n == 0) then
		return take(self, math.min(n, there))
	end
	return nil, ok and "eof" or why
end

function methods:read(...)
	local count = select("#", ...)
	if count <= 1 then
		return read_one(self, count == 1 and ... or "l")
	end
	local results = {}
	for i = 1, count do
		results[i] = read_one(self, (select(i, ...)))
		if results[i] == nil then
			break
		end
	end
	return unpack(results, 1, count)
end

function methods:lines()
	return function() return (line(self, "lines")) end
end

function methods:flush()
	return self
end

---- Ends

function methods:close()
	if self.mask == STDIN then
		streams.finish(self.session, self.mask)
	else
		streams.close(self.session, self.mask)
	end
	return true
end

function methods:log(to)
	if to == nil then
		to = true
	end
	M.set_log(self.session, M.check_log("log", to))
end

function methods:interactive()
	local session, mask = self.session, self.mask
	io.stdout:write(take(self))
	io.stdout:flush()
	streams.interactive_begin(session, mask)
	streams.forward(session, mask, 1)
	local ok, done, why = pcall(wait_for, self, "interactive", END, nil, nil, true)
	streams.forward(session, mask, nil)
	streams.interactive_end()
	if not ok then
		error(done, 0)
	elseif done or why == "end" then
		return true
	end
	return nil, why
end

---- Objects

local Tube = { __index = methods, __metatable = "Tube" }

function Tube:__tostring()
	return ("Tube %s of %d"):format(self.name, self.session.pid)
end

for name, method in pairs(methods) do
	methods[name] = function(self, ...)
		if getmetatable(self) ~= "Tube" then
			check.fail("%s: Tube expected, got %s; call methods with a colon", name, number.show(self))
		end
		return method(self, ...)
	end
end

local missing = {
	io = "neither a pipe nor a pty is its standard input or output: spawn it with stdin = \"pipe\", stdout = \"pipe\"",
	stdin = "its standard input is neither a pipe nor a pty: spawn it with stdin = \"pipe\"",
	stdout = "its standard output is neither a pipe nor a pty: spawn it with stdout = \"pipe\"",
	stderr = "its standard error is neither a pipe nor a pty: spawn it with stderr = \"pipe\"",
}

-- s[name]
function M.of(session, name)
	local mask = masks[name]
	local reads, writes, is_one, is_pty = streams.has(session, mask)
	if not reads and not writes then
		check.fail("%s: %s", name, missing[name])
	end
	return setmetatable({
		session = session, name = name, mask = mask, is_one = is_one, is_pty = is_pty,
	}, Tube)
end

return M
