-- support - what the specs that drive targets share.
--
-- support.spawn{"calc_pie", "1", "2", …} is spawn{} of a test target, its output kept: output(session) reads it.
-- support.close(), for after_each, ends every session that a test left open.

local M = {}

local targets = os.getenv "TARGETS" or "build/targets"
local folder = os.getenv "TMPDIR" or "/tmp"

local opened, outputs = {}, setmetatable({}, { __mode = "k" })
local count = 0

function M.target(name)
	return targets .. "/" .. name
end

-- A name for a file that does not exist yet; close() removes it.
local files = {}
function M.temporary()
	count = count + 1
	local path = ("%s/ptracehook-spec.%d.%d"):format(folder, M.own_pid(), count)
	files[#files + 1] = path
	return path
end

function M.read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "*a"
	file:close()
	return text
end

function M.write(path, text)
	local file = assert(io.open(path, "wb"))
	file:write(text)
	file:close()
	return path
end

function M.own_pid()
	return tonumber(M.read "/proc/self/stat":match "^%d+")
end

function M.spawn(options)
	options[1] = M.target(options[1])
	local path
	if not options.stdout then
		path = M.temporary()
		options.stdout = { file = path }
	end
	local s = spawn(options)
	opened[#opened + 1] = s
	outputs[s] = path
	return s
end

-- The words of a command line, as spawn takes them.
function M.words(line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	return words
end

-- fn(spawn) for each way in which the engine sees calls, and changes them: spawn(…) starts the target "calls" so.
function M.each_way_of_calls(fn)
	for _, seccomp in ipairs { "auto", "off" } do
		for _, way in ipairs { "regs", "get", "set" } do
			fn(function(...)
				local s = M.spawn { "calls", ... }
				s:policy { seccomp = seccomp }
				local ok, err = pcall(s.policy, s, { syscall_info = way })
				assert(ok or tostring(err):find("this kernel has no PTRACE_", 1, true), err)
				return s
			end)
		end
	end
end

-- A session that a test opened itself, for close().
function M.keep(s)
	opened[#opened + 1] = s
	return s
end

function M.attach(pid, ...)
	local s = attach(pid, ...)
	opened[#opened + 1] = s
	return s
end

function M.output(s)
	return M.read(outputs[s])
end

function M.close()
	for _, s in ipairs(opened) do
		if not s.ended then
			s:close()
		end
	end
	for _, path in ipairs(files) do
		os.remove(path)
	end
	opened, files = {}, {}
	policy { errors = "end" }
end

-- fn must raise, at a line of a spec's, and say all of `parts`. Gives the error as it was raised.
function M.raises(fn, ...)
	local ok, e = pcall(fn)
	local text = tostring(e)
	assert(not ok, "no error")
	assert(text:find "^[^:\n]*_spec%.lua:%d+: ", "not at a line of the spec: " .. text)
	for _, part in ipairs { ... } do
		assert(text:find(part, 1, true), text .. "\nshould have: " .. part)
	end
	return e
end

-- Run, s must end by an error at the line where fn begins, which says all of `parts`.
function M.blames(s, fn, ...)
	local ok, e = pcall(s.run, s)
	local text, line = tostring(e), debug.getinfo(fn, "S").linedefined
	assert(not ok, "no error")
	assert(text:find("^[^:\n]*_spec%.lua:" .. line .. ": "), "not at line " .. line .. ": " .. text)
	for _, part in ipairs { ... } do
		assert(text:find(part, 1, true), text .. "\nshould have: " .. part)
	end
end

-- Regions of the mem target, by name, standing in mem_here().
function M.regions(s)
	s:bp("mem_here", STOP)
	assert(s:run().kind == "stop")
	local at = {}
	for name, address in M.output(s):gmatch "(%S+) 0x(%x+)\n" do
		at[name] = assert(loadstring("return 0x" .. address .. "ULL"))()
	end
	return at
end

-- The kernel's word on a process: a field of /proc/PID/status, or nil when there is no such process.
function M.status(pid, field)
	local file = io.open(("/proc/%s/status"):format(pid))
	if not file then
		return nil
	end
	-- nil: it went between the two
	local value = (file:read "*a" or ""):match("\n" .. field .. ":%s*([^\n]*)")
	file:close()
	return value
end

-- Until it is in one of these states, letters of /proc/PID/status.
function M.await_state(pid, letters)
	for _ = 1, 1000 do
		local state = M.status(pid, "State")
		if state and letters:find(state:sub(1, 1), 1, true) then
			return
		end
		os.execute "sleep 0.01"
	end
	error(("process %d is not in state %s but %s"):format(pid, letters, tostring(M.status(pid, "State"))))
end

-- Until the process has run to its end: it may stay a zombie for whoever is its parent.
function M.await_end(pid)
	for _ = 1, 1000 do
		local state = M.status(pid, "State")
		if not state or state:find "^[ZX]" then
			return
		end
		os.execute "sleep 0.01"
	end
	error("process " .. pid .. " does not end")
end

function M.open_descriptors()
	collectgarbage()
	collectgarbage()
	local path = M.temporary()
	os.execute(("ls /proc/%d/fd >%s"):format(M.own_pid(), path))
	return select(2, M.read(path):gsub("\n", ""))
end

-- A target that runs by itself, started by a shell, and not by us: its pid, once it has said "ready".
function M.start(name, ...)
	local out, words = M.write(M.temporary(), ""), {}
	for i, word in ipairs { ... } do
		words[i] = ("'%s'"):format(word)
	end
	os.execute(("'%s' %s >'%s' 2>&1 </dev/null &"):format(M.target(name), table.concat(words, " "), out))
	local pid
	for _ = 1, 500 do
		local text = M.read(out)
		pid = text:find "ready" and tonumber(text:match "pid (%d+)")
		if pid then
			break
		end
		os.execute "sleep 0.01"
	end
	return assert(pid, "did not start"), out
end

-- Every kind of program that calc is built as, with a function that finds its places.
function M.each_calc(fn)
	for _, variant in ipairs { "pie", "nopie", "static", "static_pie", "stripped", "musl", "musl_static" } do
		if io.open(M.target("calc_" .. variant)) then
			local place = function(name) return name end
			if variant == "stripped" then
				local syms = M.read(M.target "calc_stripped.syms")
				place = function(name) return assert(syms:match("%f[%w]" .. name .. " (0x%x+)")) end
			end
			fn("calc_" .. variant, place)
			M.close()
		end
	end
end

return M
