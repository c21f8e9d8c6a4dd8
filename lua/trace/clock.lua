-- clock - what time it is, and waiting.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"

local M = {}

-- Under names of our own: scripts may declare these functions as they like.
ffi.cdef [[
int ptracehook_clock_gettime(int, int64_t *) __asm__("clock_gettime");
int ptracehook_usleep(unsigned int) __asm__("usleep");
]]

local box = ffi.new "int64_t[2]"
local REALTIME, MONOTONIC = 0, 1

-- Seconds and microseconds since 1970.
function M.now()
	ffi.C.ptracehook_clock_gettime(REALTIME, box)
	return tonumber(box[0]), math.floor(tonumber(box[1]) / 1000)
end

-- Seconds since some moment.
function M.seconds()
	ffi.C.ptracehook_clock_gettime(MONOTONIC, box)
	return tonumber(box[0]) + tonumber(box[1]) / 1e9
end

-- Everything waits.
function M.wait(microseconds)
	while microseconds > 0 do
		local some = math.min(microseconds, 999999)
		ffi.C.ptracehook_usleep(some)
		microseconds = microseconds - some
	end
end

return M
