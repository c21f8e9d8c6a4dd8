-- decode - a call as text, in the two pieces that it comes in: what is known when it begins, and the rest.

-- What LuaJIT 2.1.0-beta3 compiles of the files of trace crashes now and then (tests/lua/trace_spec.lua, one run in
-- ten); interpreted they never do. They make strings, of which it compiles little: a call costs the same either way.
require("jit").off(true, true)

local ffi = require "ffi"
local api = require "ptracehook"
local calls = require "trace.calls"
local K = require "trace.kinds"

K.load()

local M = {}

local format, tonumber = string.format, tonumber

-- Under a name of our own: scripts may declare strerror as they like.
ffi.cdef [[ char *ptracehook_strerror(int) __asm__("strerror"); ]]

local function strerror(n)
	return ffi.string(ffi.C.ptracehook_strerror(n))
end

-- ---- Plans: a row of calls.lua, taken apart when it is first needed

local RAW = "hex hex hex hex hex hex"
local plans = {}

local function plan_of(name)
	local plan = plans[name]
	if not plan then
		local words, result = (calls[name] or RAW):match "^(.-)%s*%->%s*(%S+)$"
		plan = { shows = result, notes = {} }
		for word in (words or calls[name] or RAW):gmatch "%S+" do
			local kind, parameter = K.get((word:gsub("^%+", "")))
			if word:sub(1, 1) == "+" then
				plan.notes[#plan.notes + 1] = { kind = kind, parameter = parameter }
			else
				plan[#plan + 1] = { kind = kind, parameter = parameter }
			end
			if kind.after then
				plan.noted = true
			end
		end
		plans[name] = plan
	end
	return plan
end

-- Whether a call has a row of its own.
function M.knows(name)
	return calls[name] ~= nil
end

-- ---- The two pieces

-- By the numbers of another table (int 0x80, x32) structures are laid out otherwise: such calls are shown raw.
local function plan_for(call)
	return plan_of(call.foreign and "" or call.name)
end

-- The arguments that are known when the call begins: `3, ` for a read, whose buffer comes later.
function M.enter(call)
	local plan = plan_for(call)
	local parts, n = {}, 0
	for i = 1, #plan do
		local step = plan[i]
		local kind, v = step.kind, call.args[i]
		if not kind.enter then
			call.rest = i
			for k = i, #plan do
				if plan[k].kind.save then
					plan[k].kind.save(call, call.args[k], plan[k].parameter, k)
				end
			end
			break
		end
		local words = kind.enter(call, v, step.parameter, i)
		if words then
			n = n + 1
			parts[n] = words
		end
		if call.more then
			call.rest = i
			return table.concat(parts, ", ")
		end
	end
	local words = table.concat(parts, ", ")
	return call.rest and n > 0 and words .. ", " or words
end

-- What the end of the call adds; ret, errno and failed are set by then.
function M.leave(call)
	local plan = plan_for(call)
	local words = ""
	if call.rest then
		local parts = {}
		for i = call.rest + (call.more and 1 or 0), #plan do
			local step = plan[i]
			parts[#parts + 1] = (step.kind.leave or step.kind.enter)(call, call.args[i], step.parameter, i)
		end
		words = table.concat(parts, ", ")
		if call.more then
			local step = plan[call.rest]
			words = step.kind.leave(call, call.args[call.rest], step.parameter, call.rest)
				.. (words ~= "" and ", " .. words or "")
		end
	end
	if plan.noted then
		for i = 1, #plan do
			if plan[i].kind.after then
				plan[i].kind.after(call, call.args[i], plan[i].parameter, i)
			end
		end
		for _, step in ipairs(plan.notes) do
			step.kind.after(call)
		end
	end
	return words
end

-- Whether arguments are still to come when the call begins.
function M.is_whole(call)
	return call.rest == nil
end

-- ---- Results

-- What the kernel keeps to itself: the call will be made again, or end with EINTR.
local RESTARTS = {
	[512] = "ERESTARTSYS (To be restarted if SA_RESTART is set)", [513] = "ERESTARTNOINTR (To be restarted)",
	[514] = "ERESTARTNOHAND (To be restarted if no handler)",
	[516] = "ERESTART_RESTARTBLOCK (Interrupted by signal)",
}

-- What no program should see; some drivers let them out all the same.
local KERNEL_ONLY = {
	[515] = "ENOIOCTLCMD", [517] = "EPROBE_DEFER", [518] = "EOPENSTALE", [519] = "ENOPARAM", [521] = "EBADHANDLE",
	[522] = "ENOTSYNC", [523] = "EBADCOOKIE", [524] = "ENOTSUPP", [525] = "ETOOSMALL", [526] = "ESERVERFAULT",
	[527] = "EBADTYPE", [528] = "EJUKEBOX", [529] = "EIOCBQUEUED",
}

-- Puts the result into the call: ret (int64_t).
function M.set_result(call, ret)
	call.ret = ret
	call.failed = ret < 0 and ret >= -4095
	if call.failed then
		call.errno = -tonumber(ret)
		call.restarts = RESTARTS[call.errno] ~= nil
	end
end

local shows = {
	fd = function(call) return call:fd(tonumber(call.ret)) end,
	hex = function(call) return format("%#x", ffi.cast("uint64_t", call.ret)) end,
	octal = function(call) return format("%#03o", tonumber(call.ret)) end,
	none = function() return "?" end,
}

-- "3", "-1 ENOENT (No such file or directory)", "0 (Timeout)"
function M.result(call)
	local plan = plan_for(call)
	local words
	if call.failed then
		local n = call.errno
		if RESTARTS[n] then
			return "? " .. RESTARTS[n]
		end
		words = format("-1 %s (%s)", api.E[n] or KERNEL_ONLY[n] or format("%d", n), strerror(n))
	else
		local show = shows[call.shows or plan.shows]
		words = show and show(call) or format("%d", call.ret)
	end
	return call.note and words .. " (" .. call.note .. ")" or words
end

-- A call that no name is known for.
function M.unnamed(number)
	return format("syscall_%#x", number)
end

return M
