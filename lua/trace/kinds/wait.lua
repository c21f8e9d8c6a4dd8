-- wait - waiting for children, descriptors and events.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr

-- ---- Children

-- A wait status in the words of <sys/wait.h>.
local function status(s)
	s = s % 2 ^ 32
	local low, high = s % 128, math.floor(s / 256) % 256
	if s == 0xffff then
		return "{WIFCONTINUED(s)}"
	elseif s % 256 == 0x7f then
		local signal = "{WIFSTOPPED(s) && WSTOPSIG(s) == " .. (high >= 128 and K.shared.signal(high - 128) .. " | 0x80"
			or K.shared.signal(high)) .. "}"
		local event = math.floor(s / 65536)
		return event ~= 0 and signal .. format(" | %d<<16", event) or signal
	elseif low == 0 then
		return format("{WIFEXITED(s) && WEXITSTATUS(s) == %d}", high)
	end
	return "{WIFSIGNALED(s) && WTERMSIG(s) == " .. K.shared.signal(low) .. (s % 256 >= 128 and " && WCOREDUMP(s)}" or "}")
end
K.shared.status = status

K.kind("status", {
	leave = function(call, v)
		local value = not call.failed and call.ret ~= 0 and call:int_at(v)
		return value and "[" .. status(value) .. "]" or addr(v)
	end,
})

K.kind("wait_info", {
	leave = function(call, v)
		return call.failed and addr(v) or v == 0 and "NULL" or K.shared.siginfo_at(call, v)
	end,
})

K.kind("wait_usage", {
	leave = function(call, v)
		if call.failed or call.ret == 0 and call.name == "wait4" then
			return addr(v)
		end
		return K.get("rusage").leave(call, v)
	end,
})

-- ---- poll

local pollfd_t = typeof "struct { int32_t fd; int16_t events, revents; }"

local function pollfds(call, v, n)
	return call:array(pollfd_t, v, n, function(p)
		local words = "{fd=" .. call:fd(p.fd)
		return words .. (p.fd >= 0 and ", events=" .. flags.bits("poll", p.events % 65536) or "") .. "}"
	end)
end

-- What happened, behind the result: [{fd=3, revents=POLLIN}]
local function happened(call, v, n)
	local parts, left = {}, tonumber(call.ret)
	for i = 0, n - 1 do
		local p = call:struct(pollfd_t, v + i * 8)
		if not p or left == 0 then
			break
		end
		if p.revents ~= 0 then
			if #parts >= call.strings then
				parts[#parts + 1] = "..."
				break
			end
			parts[#parts + 1] = "{fd=" .. format("%d", p.fd) .. ", revents=" .. flags.bits("poll", p.revents % 65536) .. "}"
			left = left - 1
		end
	end
	return "[" .. table.concat(parts, ", ") .. "]"
end

K.kind("pollfds", {
	enter = function(call, v, _, i) return pollfds(call, v, uint(call.args[i + 1])) end,
	after = function(call, v, _, i)
		if call.failed then
			return
		end
		call.note = call.ret == 0 and "Timeout" or happened(call, v, uint(call.args[i + 1]))
	end,
})

local pair_t = typeof "struct { int64_t a, b; }"

-- ppoll's, which is counted down; behind the result is what is left of it.
local function left(call, v, show)
	if call.failed or call.ret == 0 or v == 0 then
		return
	end
	local t = call:struct(pair_t, v)
	if t then
		call.note = (call.note and call.note .. ", " or "") .. "left " .. show(call, v)
	end
end

K.kind("timespec_left", {
	enter = function(call, v) return K.shared.timespec_at(call, v) end,
	after = function(call, v) left(call, v, K.shared.timespec_at) end,
})

K.kind("timeval_left", {
	enter = function(call, v) return K.shared.timeval_at(call, v) end,
	after = function(call, v) left(call, v, K.shared.timeval_at) end,
})

-- ---- select

local function fds_in(call, v, n, show)
	local bytes = call.read(v, math.ceil(math.min(n, 1024) / 64) * 8)
	if not bytes then
		return nil
	end
	local found = {}
	for fd = 0, math.min(n, 1024) - 1 do
		if math.floor(bytes:byte(math.floor(fd / 8) + 1) / 2 ^ (fd % 8)) % 2 == 1 then
			found[#found + 1] = show(call, fd)
		end
	end
	return found
end

local function fd_set(call, v)
	if v == 0 then
		return "NULL"
	end
	local found = fds_in(call, v, int(call.args[1]), call.fd)
	return found and "[" .. table.concat(found, " ") .. "]" or addr(v)
end

local function plain(_, fd) return format("%d", fd) end

local SETS = { [2] = "in", [3] = "out", [4] = "except" }

K.kind("fd_set", {
	enter = fd_set,
	after = function(call, v, _, i)
		if call.failed then
			return
		elseif call.ret == 0 then
			call.note = "Timeout"
		elseif v ~= 0 then
			local found = fds_in(call, v, int(call.args[1]), plain)
			if found and found[1] then
				call.note = (call.note and call.note .. ", " or "") .. SETS[i] .. " [" .. table.concat(found, " ") .. "]"
			end
		end
	end,
})

-- ---- epoll

local event_t = typeof "struct __attribute__((packed)) { uint32_t events; uint64_t data; }"

local function event(e)
	return format("{events=%s, data={u32=%u, u64=%u}}", flags.bits("epoll", e.events), e.data % 2 ^ 32, e.data)
end

K.enter("epoll_event", function(call, v)
	return uint(call.args[2]) == 2 and addr(v) or call:object(event_t, v, event)
end)

K.filled("epoll_events", function(call, v)
	return call:array(event_t, v, tonumber(call.ret), event)
end)
