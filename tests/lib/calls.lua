-- calls - logs of `strace -f -o FILE`, or of our strace.lua: each thread's lines together, cut calls joined, and what
-- differs from run to run replaced, so that runs can be compared.
--
-- luajit calls.lua show FILE             prints that
-- luajit calls.lua compare THEIRS OURS   each a list of FILEs, joined by commas: the same program's runs
--
-- compare: exit 0 when in one of OURS every thread did what it did in one of THEIRS; otherwise 1, with the difference.
-- Where threads and children wait for one another, runs differ without anybody's fault: that is why it takes several.
--
-- A thread is called by its place in the tree: 0, its first child 0.1, the second child of that 0.1.2. Addresses are
-- ADDR, process ids the thread's name, moments and inode numbers N. Signals, and the returns of their handlers, are
-- listed by themselves: between which calls they come is chance.

local function read(path)
	local file = assert(io.open(path, "rb"))
	local lines = {}
	for line in file:lines() do
		local pid, rest = line:match "^(%d+) +(.*)$"
		lines[#lines + 1] = { pid = pid or "0", text = rest or line }
	end
	file:close()
	return lines
end

-- Calls that were cut in two are one again.
local function join(lines)
	local open, joined = {}, {}
	for _, line in ipairs(lines) do
		line.text = line.text:gsub(" <pid changed to %d+ %.%.%.>$", "") -- unless another thread had cut it before
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

-- pid -> its place in the tree. A child may speak before its parent's call is over, so its parent comes up first.
local function name_threads(lines)
	local names, again = {}, true
	if lines[1] then
		names[lines[1].pid] = "0"
	end
	while again do
		local children = {}
		again = false
		for _, line in ipairs(lines) do
			local call, child = line.text:match "^([%w_]+)%(.*%) += (%d+)$"
			if makers[call] and child ~= "0" and names[line.pid] then
				children[line.pid] = (children[line.pid] or 0) + 1
				local name = names[line.pid] .. "." .. children[line.pid]
				again = again or names[child] ~= name
				names[child] = name
			end
		end
	end
	return names
end

local function normal(text, names)
	text = text:gsub("%) +(= [^=]*)$", ") %1")
	text = text:gsub("0x%x%x%x%x%x%x%x+", "ADDR")
	text = text:gsub("%f[%d]%d+%f[^%d]", function(n) return names[n] and #n > 2 and "<" .. names[n] .. ">" or nil end)
	text = text:gsub("(tv_n?u?sec=)%d+", "%1N"):gsub("(%a+:%[)%d+%]", "%1N]"):gsub("(_c?[us]time=)%d+ ?[^,}]*", "%1N")
	text = text:gsub("^(rt_sigreturn%(.*%) =) .*", "%1 N") -- the result of the call that the signal came behind
	if text:find "^getrandom%(" then
		text = text:gsub('"[^"]*"', "RANDOM")
	end
	return text
end

-- name of a thread -> its lines.
local function threads_of(path)
	local lines = join(read(path))
	local names = name_threads(lines)
	local threads = {}
	local function add(name, text)
		threads[name] = threads[name] or {}
		table.insert(threads[name], text)
	end
	for _, line in ipairs(lines) do
		local name, text = names[line.pid] or "?" .. line.pid, normal(line.text, names)
		add(text:find "^%-%-%- SIG" and name .. " signals" or text:find "^rt_sigreturn" and name .. " returns" or name, text)
	end
	for name, list in pairs(threads) do
		threads[name] = table.concat(list, "\n") .. "\n"
	end
	return threads
end

local function sorted(threads)
	local names = {}
	for name in pairs(threads) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

local function show(path)
	local threads = threads_of(path)
	for _, name in ipairs(sorted(threads)) do
		io.write((threads[name]:gsub("[^\n]+", function(line) return name .. " " .. line end)))
	end
end

local function load_all(list)
	local runs = {}
	for path in list:gmatch "[^,]+" do
		runs[#runs + 1] = threads_of(path)
	end
	return runs
end

-- The threads in which one of our runs is unlike all of theirs.
local function unlike(ours, theirs)
	local found = {}
	for _, name in ipairs(sorted(ours)) do
		local same = false
		for _, run in ipairs(theirs) do
			same = same or run[name] == ours[name]
		end
		if not same then
			found[#found + 1] = name
		end
	end
	for name in pairs(theirs[#theirs]) do
		if not ours[name] then
			found[#found + 1] = name
		end
	end
	return found
end

local function write(path, text)
	local file = assert(io.open(path, "wb"))
	file:write(text)
	file:close()
end

local function compare(theirs, ours)
	local best, best_run
	for _, run in ipairs(ours) do
		local found = unlike(run, theirs)
		if #found == 0 then
			return 0
		elseif not best or #found < #best then
			best, best_run = found, run
		end
	end
	for i, name in ipairs(best) do
		if i <= 3 then
			print("thread " .. name)
			local a, b = os.tmpname(), os.tmpname()
			write(a, theirs[#theirs][name] or "")
			write(b, best_run[name] or "")
			io.stdout:flush()
			os.execute(("diff %s %s | cut -c 1-400 | head -n 20"):format(a, b))
			os.remove(a)
			os.remove(b)
		end
	end
	return 1
end

if arg[1] == "show" then
	show(arg[2])
else
	os.exit(compare(load_all(arg[2]), load_all(arg[3])))
end
