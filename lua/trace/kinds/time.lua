-- time - moments, spans and clocks.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local addr, uint = C.addr, C.uint

local pair_t = typeof "struct { int64_t a, b; }"
local two_t = typeof "struct { struct { int64_t a, b; } at[2]; }"

local function timespec(t)
	return format("{tv_sec=%d, tv_nsec=%d}", t.a, t.b)
end

local function timeval(t)
	return format("{tv_sec=%d, tv_usec=%d}", t.a, t.b)
end
K.shared.timeval = timeval

local function timespec_at(call, v) return call:object(pair_t, v, timespec) end
local function timeval_at(call, v) return call:object(pair_t, v, timeval) end
K.shared.timespec_at, K.shared.timeval_at = timespec_at, timeval_at

K.enter("timespec", timespec_at)
K.filled("timespec_out", timespec_at)
K.enter("timeval", timeval_at)
K.filled("timeval_out", timeval_at)

-- What is left of a sleep: filled in only when a signal cut it short.
K.kind("remaining", {
	leave = function(call, v)
		return call.restarts and timespec_at(call, v) or addr(v)
	end,
})

-- clock_nanosleep: nothing is left of an absolute time.
K.kind("clock_remaining", {
	leave = function(call, v)
		return call.restarts and uint(call.args[2]) == 0 and timespec_at(call, v) or addr(v)
	end,
})

local function itimer(show)
	return function(call, v)
		return call:object(two_t, v, function(t)
			return format("{it_interval=%s, it_value=%s}", show(t.at[0]), show(t.at[1]))
		end)
	end
end
K.enter("itimerval", itimer(timeval))
K.filled("itimerval_out", itimer(timeval))
K.enter("itimerspec", itimer(timespec))
K.filled("itimerspec_out", itimer(timespec))

local UTIME_NOW, UTIME_OMIT = 2 ^ 30 - 1, 2 ^ 30 - 2

-- os.date, or nothing for a moment that has no date.
local function date(pattern, seconds)
	return seconds == seconds and math.abs(seconds) < 2 ^ 55 and os.date(pattern, seconds) or ""
end

-- With the moment in words: {tv_sec=1, tv_nsec=0} /* 1970-01-01T00:00:01+0000 */
local function moment(t, show, digits)
	local seconds, part = tonumber(t.a), tonumber(t.b)
	if digits == 9 and part == UTIME_NOW then
		return "UTIME_NOW"
	elseif digits == 9 and part == UTIME_OMIT then
		return "UTIME_OMIT"
	end
	local words = show(t)
	if part < 0 or part >= 10 ^ digits then
		return words
	end
	local fraction = part == 0 and "" or format(".%0" .. digits .. "d", part)
	return words .. date(" /* %Y-%m-%dT%H:%M:%S", seconds) .. fraction .. date("%z */", seconds)
end

K.enter("times", function(call, v)
	return call:object(two_t, v, function(t)
		return format("[%s, %s]", moment(t.at[0], timespec, 9), moment(t.at[1], timespec, 9))
	end)
end)

K.enter("times_usec", function(call, v)
	return call:object(two_t, v, function(t)
		return format("[%s, %s]", moment(t.at[0], timeval, 6), moment(t.at[1], timeval, 6))
	end)
end)

K.enter("times_sec", function(call, v)
	return call:object(pair_t, v, function(t)
		return format("{actime=%d%s, modtime=%d%s}", t.a, date(" /* %Y-%m-%dT%H:%M:%S%z */", tonumber(t.a)), t.b,
			date(" /* %Y-%m-%dT%H:%M:%S%z */", tonumber(t.b)))
	end)
end)

K.kind("moment_result", {
	after = function(call)
		call.note = not call.failed and date("%Y-%m-%dT%H:%M:%S%z", tonumber(call.ret)) or nil
	end,
})

local sigevent_t = typeof "struct { uint64_t value; int32_t signo, notify; int32_t tid; int32_t pad[11]; }"

K.enter("sigevent", function(call, v)
	return call:object(sigevent_t, v, function(e)
		local words = e.value == 0 and "{"
			or format("{sigev_value={sival_int=%d, sival_ptr=%s}, ", C.int(e.value), addr(e.value))
		words = words .. format("sigev_signo=%s, sigev_notify=%s", K.shared.signal(e.signo), flags.choice("sigev", e.notify))
		if e.notify == 4 then
			words = words .. format(", sigev_notify_thread_id=%d", e.tid)
		end
		return words .. "}"
	end)
end)

local timex_t = typeof "struct { uint32_t modes, pad; int64_t offset, freq, maxerror, esterror; int32_t status; }"

K.filled("timex", function(call, v)
	return call:object(timex_t, v, function(t)
		return format("{modes=%s, offset=%d, freq=%d, maxerror=%d, ...}", t.modes == 0 and "0" or format("%#x", t.modes),
			t.offset, t.freq, t.maxerror)
	end)
end)

local tz_t = typeof "struct { int32_t west, dst; }"

local function timezone(call, v)
	return call:object(tz_t, v, function(z) return format("{tz_minuteswest=%d, tz_dsttime=%d}", z.west, z.dst) end)
end
K.enter("timezone", timezone)
K.filled("timezone_out", timezone)
