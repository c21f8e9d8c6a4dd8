-- our_stops - the same as gdb_stops.py, for ptracehook: breakpoints on N random instructions out of the program and its
-- libraries; the first MOST that are hit go to the files "hit" and "ours".
--
-- ptracehook our_stops.lua N SEED MOST ENTRY PROGRAM ARG...   ENTRY: the program's own address of its entry, in hex

local names = dofile(arg[0]:match "^(.*/)" .. "our_names.lua")
local wanted, seed, most, entry = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]), arg[4]
local command = { aslr = false, stdin = { file = "input" }, stdout = "null", stderr = "null" }
for i = 5, #arg do
	command[#command + 1] = arg[i]
end
local s = spawn(command)
s:bp("+" .. entry, function(_, b)
	b:remove()
	return STOP
end)
s:run()

-- Instructions of a module, by objdump: a random choice of them.
math.randomseed(seed)
local function choose(entries, path, share)
	local found = {}
	local bias = 0ULL
	local dump = io.popen(("objdump -d --no-show-raw-insn '%s' | grep -E '^ +[0-9a-f]+:' | cut -d: -f1"):format(path))
	for line in dump:lines() do
		found[#found + 1] = tonumber(line, 16)
	end
	dump:close()
	if #found == 0 then
		return
	end
	-- The file's own addresses begin where its first segment does.
	local low = io.popen(("readelf -lW '%s'"):format(path))
	for line in low:lines() do
		local offset, vaddr = line:match "^%s+LOAD%s+(0x%x+)%s+(0x%x+)"
		if offset and tonumber(offset) == 0 then
			bias = entries[path] - tonumber(vaddr)
		end
	end
	low:close()
	for _ = 1, math.min(share, #found) do
		local at = bias + table.remove(found, math.random(#found))
		s:bp(at, function(thread)
			most = most - 1
			if most < 0 then return REMOVE end
			io.open("hit", "a"):write(hex(at), "\n")
			io.open("ours", "a"):write(hex(at), "\t", names(thread), "\n")
			return REMOVE
		end)
	end
end

local entries, n = {}, 0
for _, map in ipairs(s.mem.maps()) do
	if map.path:find "^/" and map.offset == 0 and not entries[map.path] then
		entries[map.path] = map.start
		n = n + 1
	end
end
for path in pairs(entries) do
	choose(entries, path, math.floor(wanted / n))
end
s:run()
