-- attach.lua N PID: N times attach(PID) and detach. Output: "runs N ns T".
local ffi = require "ffi"
ffi.cdef "struct bench_timespec { long sec, nsec; }; int clock_gettime(int, struct bench_timespec *);"

local CLOCK_MONOTONIC = 1
local function now()
  local t = ffi.new "struct bench_timespec"
  ffi.C.clock_gettime(CLOCK_MONOTONIC, t)
  return tonumber(t.sec) * 1e9 + tonumber(t.nsec)
end

local runs, pid = tonumber(arg[1]), tonumber(arg[2])
local from = now()
for _ = 1, runs do attach(pid):detach() end
print(string.format("runs %d ns %.0f", runs, now() - from))
