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

-- [start, stop) pairs of ours in a process, in order, neighbours joined.
local function own_memory(part, pid)
	local ranges = {}
	for _, process in ipairs(part.session:processes()) do
		local list = process.pid == pid and core.scratch(process) or {}
		for i = 1, #list, 2 do
			ranges[#ranges + 1] = { tonumber(list[i]), tonumber(list[i + 1]) }
		end
	end
	table.sort(ranges, function(a, b) return a[1] < b[1] end)
	for i = #ranges, 2, -1 do
		if ranges[i - 1][2] == ranges[i][1] then
			ranges[i - 1][2] = table.remove(ranges, i)[2]
		end
	end
	return ranges
end

local function is_within(ranges, line)
	local start, stop = line:match "^(%x+)%-(%x+) "
	if not start then
		return nil
	end
	-- Doubles are exact that far; [vsyscall] lies beyond, and is nobody's.
	start, stop = tonumber(start, 16), tonumber(stop, 16)
	for _, range in ipairs(ranges) do
		if start >= range[1] and stop <= range[2] then
			return true
		end
	end
	return false
end

-- maps and smaps, whose lines with details belong to the mapping before them, without our memory.
local function maps(part, text, _, path)
	local ranges = own_memory(part, tonumber(path:match "%d+"))
	if #ranges == 0 then
		return nil
	end
	local kept, skips = {}, false
	for line in text:gmatch "[^\n]*\n" do
		local within = is_within(ranges, line)
		if within ~= nil then
			skips = within
		end
		if not skips then
			kept[#kept + 1] = line
		end
	end
	part:note("%s hides our memory", path)
	return table.concat(kept)
end

function M.setup(part)
	local function bound(fn)
		return function(text, thread, path) return fn(part, text, thread, path) end
	end
	for _, where in ipairs { "^/proc/%d+/", "^/proc/%d+/task/%d+/" } do
		files.rewrite(part, where .. "status$", { change = bound(status) })
		files.rewrite(part, where .. "stat$", { change = bound(stat) })
		files.rewrite(part, where .. "s?maps$", { change = bound(maps) })
		files.rewrite(part, where .. "wchan$", { change = standing(part, "0") })
		files.rewrite(part, where .. "syscall$", { change = standing(part, "running\n") })
		files.rewrite(part, where .. "stack$", { change = standing(part, "") })
	end
end

return M
