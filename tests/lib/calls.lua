-- calls - a log of `strace -f -o FILE`, or of our strace.lua, so that two runs can be compared: each thread's lines
-- together, cut calls joined, and what differs from run to run replaced.
--
-- luajit calls.lua FILE > CALLS
--
-- A thread is called by its place in the tree: 0, its first child 0.1, the second child of that 0.1.2. Addresses are
-- ADDR, process ids the thread's name, moments and inode numbers N.

local function read(path)
	local file = assert(io.open(path, "rb"))
	local lines = {}
	for line in file:lines() do
		local pid, rest = line:match "^(%d+) +(.*)$"
		if not pid then
			pid, rest = "0", line
		end
		lines[#lines + 1] = { pid = pid, text = rest }
	end
	file:close()
	return lines
end

-- Calls that were cut in two are one again.
local function join(lines)
	local open, joined = {}, {}
	for _, line in ipairs(lines) do
		local begin = line.text:match "^(.*) <unfinished %.%.%.>$"
		local name, rest = line.text:match "^<%.%.%. ([%w_]+) resumed>(.*)$"
		if begin then
			open[line.pid] = { pid = line.pid, text = begin }
			joined[#joined + 1] = open[line.pid]
		elseif name and open[line.pid] then
			open[line.pid].text = open[line.pid].text .. rest
			open[line.pid] = nil
		else
			joined[#joined + 1] = line
		end
	end
	return joined
end

local makers = { clone = true, clone3 = true, fork = true, vfork = true }

-- pid -> its place in the tree.
local function name_threads(lines)
	local names = {}
	if lines[1] then
		names[lines[1].pid] = "0"
	end
	-- A child may speak before its parent's call is over.
	for _ = 1, 2 do
		local children = {}
		for _, line in ipairs(lines) do
			local call, child = line.text:match "^([%w_]+)%(.*%) += (%d+)$"
			if makers[call] and child ~= "0" and names[line.pid] then
				children[line.pid] = (children[line.pid] or 0) + 1
				names[child] = names[line.pid] .. "." .. children[line.pid]
			end
		end
	end
	return names
end

local function normal(text, names)
	text = text:gsub("%) +(= [^=]*)$", ") %1")
	text = text:gsub("0x%x%x%x%x%x%x%x+", "ADDR")
	text = text:gsub("%f[%d]%d+%f[^%d]", function(n) return names[n] and #n > 2 and "<" .. names[n] .. ">" end)
	text = text:gsub("(tv_n?u?sec=)%d+", "%1N"):gsub("(%a+:%[)%d+%]", "%1N]"):gsub("(si_[us]time=)%d+", "%1N")
	text = text:gsub("(sin6?_port=htons%()%d+", "%1N")
	if text:find "^getrandom%(" then
		text = text:gsub('"[^"]*"', "RANDOM")
	end
	return text
end

local lines = join(read(arg[1]))
local names = name_threads(lines)
local by_thread, order = {}, {}
for _, line in ipairs(lines) do
	local name = names[line.pid] or "?" .. line.pid
	if not by_thread[name] then
		by_thread[name] = {}
		order[#order + 1] = name
	end
	table.insert(by_thread[name], name .. " " .. normal(line.text, names))
end
table.sort(order)
for _, name in ipairs(order) do
	print(table.concat(by_thread[name], "\n"))
end
