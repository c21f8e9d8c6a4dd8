-- hook.lua [KIND [CPU]] -- bench_target CALLS [THREADS]: the hook that the benchmark times.
-- KIND: hook (reads two registers and sixteen bytes), when (the same, behind a predicate that is false), sys (at a
-- system call's instruction) or watch (at each write to bench_cell).
-- CPU: policy{cpu = CPU}.
-- Output on stderr: "hits N", and "stops N" where stats() exists.
local kind, cpu = arg[1] or "hook", arg[2]
local policy, stats = rawget(_G, "policy"), rawget(_G, "stats")
if cpu and policy then pcall(policy, {cpu = cpu}) end

local function look()
  local a, _ = regs.rdi, regs.rsi
  local _ = mem.read(a, 16)
end

local b = kind == "watch" and watch("bench_cell", {}, look)
  or bp(kind == "sys" and "bench_sys" or "bench_fn", look,
    kind == "when" and {when = "rsi == 0x7fffffffffffffff"} or nil)

on("exit", function()
  io.stderr:write("hits ", tostring(b.hits), "\n")
  if stats then io.stderr:write("stops ", tostring(stats().stops), "\n") end
end)
