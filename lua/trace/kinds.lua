-- kinds - how an argument of each kind is shown.
--
-- calls.lua writes "fd buf:3 size"; a word is a kind, with a parameter behind the colon. A kind is a table of functions
-- fn(call, value, parameter, index), each giving text:
--
--	enter	from what the call is made with
--	leave	from what it left behind. Alone: this argument, and what stands behind it, waits for the end of the call.
--		Beside enter: it may add to that text, once enter has set call.more
--	save	keeps, at the entry, what the end needs (call.saved)
--	after	at the end: sets call.note, the text in brackets behind the result, or call.shows, how that is shown
--
-- An enter that gives nil leaves the argument out.

require("jit").off(true, true) -- see decode.lua

local C = require "trace.call"

local M = {}

local all = {}

function M.enter(name, fn)
	all[name] = { enter = fn }
end

function M.leave(name, fn, save)
	all[name] = { leave = fn, save = save }
end

-- What the kernel fills in: its address when the call failed.
function M.filled(name, fn, save)
	all[name] = {
		save = save,
		leave = function(call, v, ...)
			return call.failed and C.addr(v) or fn(call, v, ...)
		end,
	}
end

function M.kind(name, kind)
	all[name] = kind
end

-- The same function from several modules.
M.shared = {}

local files = { "basic", "file", "memory", "net", "process", "signal", "time", "users", "wait", "ioctl" }

-- Fills the tables.
function M.load()
	local list = files
	files = {}
	for _, file in ipairs(list) do
		require("trace.kinds." .. file)
	end
end

-- "flags:open" -> the kind, "open"
function M.get(word)
	local name, parameter = word:match "^([^:]+):?(.*)$"
	return assert(all[name], word), parameter
end

return M
