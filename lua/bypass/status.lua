-- status - /proc/PID/status, stat, wchan, syscall and stack as of processes that nobody traces.

require("jit").off(true, true) -- see trace/decode.lua

local core = require "ptracehook.core"
local files = require "bypass.files"
local kernel = require "bypass.kernel"
local shared = require("bypass.part").shared

local M = {}

-- Who traces it, as far as the program may know: another program of its own (ptrace.lua), or nobody.
local function known_tracer(part, id)
	local tracees = shared(part.session).tracees
	local link = tracees and tracees.links[id]
	return link and link.tracer or tracees and tracees.outside[id] or 0, link and link.stopped
end

-- The letter and words of its state; nil: as it is. Who reads is running while it does.
local function state_of(part, id, reader)
	if id == reader then
		return "R", "running"
	end
	local _, stopped = known_tracer(part, id)
	if stopped then
		return nil
	end
	return "S", "sleeping"
end

-- Our own filter, and what it took to have it, where the program has no further one.
local function without_filter(part, text)
	local n = tonumber(text:match "\nSeccomp_filters:%s*(%d+)")
	if not core.has_filter(part.session) or not n or n < 1 then
		return text
	end
	text = text:gsub("(\nSeccomp_filters:%s*)%d+", ("%%1%d"):format(n - 1))
	if n == 1 then
		text = text:gsub("(\nSeccomp:%s*)2", "%10"):gsub("(\nNoNewPrivs:%s*)%d",
			"%1" .. (kernel.status("self", "NoNewPrivs") or "0"))
	end
	return text
end

local function status(part, text, thread, path)
	if tonumber(text:match "\nTracerPid:%s*(%d+)") ~= kernel.pid then
		return nil
	end
	local id = kernel.owner(path)
	part:note("%s hides the tracer", path)
	text = text:gsub("(\nTracerPid:%s*)%d+", ("%%1%d"):format((known_tracer(part, id))))
	local letter, words = state_of(part, id, thread.tid)
	if letter then
		text = text:gsub("(\nState:%s*)t %(tracing stop%)", ("%%1%s (%s)"):format(letter, words))
	end
	return without_filter(part, text)
end

local function stat(part, text, thread, path)
	local id = kernel.owner(path)
	local letter = kernel.is_traced_by_us(id) and state_of(part, id, thread.tid)
	if not letter then
		return nil
	end
	part:note("%s hides the tracing stop", path)
	return (text:gsub("^(.*%) )t ", "%1" .. letter .. " "))
end

-- A file about where a thread stands in the kernel: `running` is what it says of one that runs.
local function standing(part, running)
	return function(text, thread, path)
		local id = kernel.owner(path)
		if not kernel.is_traced_by_us(id) or not (id == thread.tid or text:find "ptrace" or text:find "signal") then
			return nil
		end
		part:note("%s hides the tracing stop", path)
		return running
	end
end

function M.setup(part)
	local function bound(fn)
		return function(text, thread, path) return fn(part, text, thread, path) end
	end
	for _, where in ipairs { "^/proc/%d+/", "^/proc/%d+/task/%d+/" } do
		files.rewrite(part, where .. "status$", { change = bound(status) })
		files.rewrite(part, where .. "stat$", { change = bound(stat) })
		files.rewrite(part, where .. "wchan$", { change = standing(part, "0") })
		files.rewrite(part, where .. "syscall$", { change = standing(part, "running\n") })
		files.rewrite(part, where .. "stack$", { change = standing(part, "") })
	end
end

return M
