-- our_threads - ptracehook our_threads.lua PID: the functions of every thread (our_names.lua) to the file "ours",
-- "TID\tFUNCTION\tFUNCTION..." a line; the process, stopped before, stays so.
local names = dofile(arg[0]:match "^(.*/)" .. "our_names.lua")
local s = attach(tonumber(arg[1]))
local out = io.open("ours", "w")
for _, thread in ipairs(s:threads()) do
	out:write(thread.tid, "\t", names(thread), "\n")
end
out:close()
s:detach { stopped = true }
