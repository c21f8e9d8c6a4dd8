-- syscalls.lua KIND [CPU] -- bench_target CALLS [THREADS] sys|few: the hooks of system calls that the benchmark times.
-- KIND: enter (one argument is read), both (that, and the result), few (the same as both, of a rare call).
-- CPU: policy{cpu = CPU}.
-- Output on stderr: "hits N", "stops N".
local kind, cpu = arg[1], arg[2]
if cpu then policy { cpu = cpu } end

local hits = 0
local function enter(sc)
	hits = hits + 1
	local _ = sc.args[1]
end
local function leave(sc)
	local _ = sc.ret
end

if kind == "enter" then
	on("syscall", "getppid", enter)
else
	on("syscall", kind == "few" and "getuid" or "getppid", { enter = enter, leave = leave })
end

on("exit", function()
	io.stderr:write("hits ", hits, "\n", "stops ", stats().stops, "\n")
end)
