-- hook.lua [KIND [CPU]] -- bench_target CALLS [THREADS]: the hook that the benchmark times.
-- KIND: hook (reads two registers and sixteen bytes), when (the same, behind a predicate that is false), sys (at a
-- system call's instruction), watch (at each write to bench_cell), function (enter and leave, which sees the result) or
-- finish (a hook that waits for it).
-- CPU: policy{cpu = CPU}.
-- Output on stderr: "hits N", and "stops N" where stats() exists.
local kind, cpu = arg[1] or "hook", arg[2]
local policy, stats = rawget(_G, "policy"), rawget(_G, "stats")
if cpu and policy then pcall(policy, {cpu = cpu}) end

local function look()
  local a, _ = regs.rdi, regs.rsi
  local _ = mem.read(a, 16)
end

local seen
local kinds = {
  watch = function() return watch("bench_cell", {}, look) end,
  ["function"] = function()
    return hook("bench_fn", {
      enter = function(_, x) seen = x end,
      leave = function(ret) seen = seen == ret and 0 or ret end,
    })
  end,
  finish = function()
    return bp("bench_fn", function() seen = finish() or seen end)
  end,
}

local function plain()
  return bp(kind == "sys" and "bench_sys" or "bench_fn", look,
    kind == "when" and {when = "rsi == 0x7fffffffffffffff"} or nil)
end

local b = (kinds[kind] or plain)()

on("exit", function()
  io.stderr:write("hits ", tostring(b.hits), "\n")
  if stats then io.stderr:write("stops ", tostring(stats().stops), "\n") end
end)
