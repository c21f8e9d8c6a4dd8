-- oracle.workers - guesses tried by several processes at once: forks of ours, each with targets of its own.
--
-- A worker has the script's functions as they were when it was made. It never runs the script's own sessions, which are
-- not its tracees, and never returns from here: it ends with the socket to its master, or is killed with it.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local sys = require "oracle.sys"

-- Waiting in compiled code would not see an interrupt (HACKING.md, LuaJIT).
require("jit").off(true, true)

local M = {}

local C = sys.C
local AF_UNIX, SOCK_STREAM, SOCK_CLOEXEC = 1, 1, 0x80000
local PR_SET_PDEATHSIG, SIGINT, SIGHUP, SIGALRM, SIGKILL, SIGPIPE, SIGTERM = 1, 2, 1, 14, 9, 13, 15
local POLLIN, WALL = 1, 0x40000000
local FAILED = 0xffffffff

-- ---- Messages: a count, then so many entries. Numbers are u32 or double, texts have their length in front.

local Reader = {}
Reader.__index = Reader

local function read_all(fd, n)
	local buf, got = ffi.new("char[?]", math.max(n, 1)), 0
	while got < n do
		local r = tonumber(C.read(fd, buf + got, n - got))
		if r == 0 then
			return nil
		elseif r > 0 then
			got = got + r
		elseif ffi.errno() ~= sys.EINTR then
			return nil
		end
	end
	return buf
end

local function write_all(fd, text)
	local at, bytes = 0, ffi.cast("const char *", text)
	while at < #text do
		local n = tonumber(C.write(fd, bytes + at, #text - at))
		if n >= 0 then
			at = at + n
		elseif ffi.errno() ~= sys.EINTR then
			return false
		end
	end
	return true
end

local function u32(n)
	return ffi.string(ffi.new("uint32_t[1]", n), 4)
end

local function f64(n)
	return ffi.string(ffi.new("double[1]", n), 8)
end

local function text_entry(text)
	return u32(#text) .. text
end

local function send(fd, parts)
	local body = table.concat(parts)
	return write_all(fd, u32(#body) .. body)
end

local function receive(fd)
	local head = read_all(fd, 4)
	local size = head and ffi.cast("uint32_t *", head)[0]
	local body = size and read_all(fd, size)
	return body and setmetatable({ buf = body, at = 0, size = size }, Reader)
end

function Reader:u32()
	local value = ffi.new "uint32_t[1]"
	ffi.copy(value, self.buf + self.at, 4)
	self.at = self.at + 4
	return value[0]
end

function Reader:f64()
	local value = ffi.new "double[1]"
	ffi.copy(value, self.buf + self.at, 8)
	self.at = self.at + 8
	return value[0]
end

function Reader:text()
	local size = self:u32()
	local text = ffi.string(self.buf + self.at, size)
	self.at = self.at + size
	return text
end

-- ---- The worker

local function serve(fd, make)
	local run
	while true do
		local request = receive(fd)
		if not request then
			return
		end
		run = run or make()
		local n = request:u32()
		local parts = { u32(n) }
		for _ = 1, n do
			local score, status, output, done = run(request:text())
			parts[#parts + 1] = f64(score)
			parts[#parts + 1] = text_entry(status)
			parts[#parts + 1] = u32((output and 1 or 0) + (done and 2 or 0))
			parts[#parts + 1] = text_entry(output or "")
		end
		io.stdout:flush()
		if not send(fd, parts) then
			return
		end
	end
end

local function be_worker(fd, others, make, parent)
	C.prctl(PR_SET_PDEATHSIG, ffi.cast("unsigned long", SIGKILL))
	-- The master is told, and ends us.
	C.signal(SIGINT, ffi.cast("void (*)(int)", 1))
	for _, signal in ipairs { SIGHUP, SIGTERM, SIGALRM, SIGPIPE } do
		C.signal(signal, nil)
	end
	for _, other in ipairs(others) do
		C.close(other)
	end
	if C.getppid() ~= parent then
		C._exit(1)
	end
	-- Not by os.exit: the sessions of before the fork are the master's. Ours are killed with us (PTRACE_O_EXITKILL).
	local function leave(why)
		if why then
			send(fd, { u32(FAILED), text_entry(tostring(why)) })
		end
		io.stdout:flush()
		C._exit(0)
	end
	os.exit = function() -- luacheck: ignore 122
		leave "oracle: jobs: os.exit was called in a worker"
	end
	local ok, err = pcall(serve, fd, make)
	leave(not ok and err or nil)
end

-- ---- The master

local Pool = {}
Pool.__index = Pool

local function start_one(pool, make)
	local fds = ffi.new "int[2]"
	if C.socketpair(AF_UNIX, SOCK_STREAM + SOCK_CLOEXEC, 0, fds) < 0 then
		check.fail("oracle: jobs: cannot make a socket: %s", sys.why())
	end
	local parent = C.getpid()
	core.leave_cpu()
	local pid = C.fork()
	if pid == 0 then
		local others = { fds[0] }
		for _, worker in ipairs(pool.workers) do
			others[#others + 1] = worker.fd
		end
		be_worker(fds[1], others, make, parent)
	end
	C.close(fds[1])
	if pid < 0 then
		local why = sys.why()
		C.close(fds[0])
		check.fail("oracle: jobs: cannot fork: %s", why)
	end
	table.insert(pool.workers, { fd = fds[0], pid = pid })
end

-- n workers; make() gives run(guess) in each, when the first guess comes. `chunk`: guesses handed over at a time.
function M.start(n, chunk, make)
	io.stdout:flush()
	local pool = setmetatable({ workers = {}, chunk = chunk }, Pool)
	for _ = 1, n do
		local ok, err = pcall(start_one, pool, make)
		if not ok then
			pool:close()
			error(err, 0)
		end
	end
	pool.fds = ffi.new("oracle_pollfd[?]", n)
	for i, worker in ipairs(pool.workers) do
		pool.fds[i - 1].fd, pool.fds[i - 1].events = worker.fd, POLLIN
	end
	return pool
end

local function ended(worker)
	check.fail("oracle: jobs: worker %d has ended unexpectedly", worker.pid)
end

local function hand_out(worker, first, last, guess_of)
	local parts = { u32(last - first + 1) }
	for i = first, last do
		parts[#parts + 1] = text_entry(guess_of(i))
	end
	worker.first, worker.last = first, last
	if not send(worker.fd, parts) then
		ended(worker)
	end
end

local function take(worker, add)
	local reply = receive(worker.fd)
	local n = reply and reply:u32()
	if not n then
		ended(worker)
	elseif n == FAILED then
		error(reply:text(), 0) -- it says already where that was
	end
	local enough = false
	for i = 0, n - 1 do
		local score, status, flags, output = reply:f64(), reply:text(), reply:u32(), reply:text()
		enough = add(worker.first + i, score, status, flags % 2 == 1 and output or nil, flags >= 2) or enough
	end
	worker.first = nil
	return enough
end

-- try(first, last, guess_of, add) of oracle/search.lua.
function Pool:try(first, last, guess_of, add)
	local next_one, busy, enough = first, 0, false
	local function feed(worker)
		if next_one <= last and not enough then
			local stop = math.min(next_one + self.chunk - 1, last)
			hand_out(worker, next_one, stop, guess_of)
			next_one, busy = stop + 1, busy + 1
		end
	end
	for _, worker in ipairs(self.workers) do
		feed(worker)
	end
	while busy > 0 do
		if C.poll(self.fds, #self.workers, 200) > 0 then
			for i, worker in ipairs(self.workers) do
				if self.fds[i - 1].revents ~= 0 and worker.first then
					busy = busy - 1
					enough = take(worker, add) or enough
					feed(worker)
				elseif self.fds[i - 1].revents ~= 0 then
					ended(worker)
				end
			end
		end
	end
end

function Pool:close()
	for _, worker in ipairs(self.workers) do
		C.close(worker.fd)
		C.kill(worker.pid, SIGKILL)
	end
	for _, worker in ipairs(self.workers) do
		while C.waitpid(worker.pid, nil, WALL) < 0 and ffi.errno() == sys.EINTR do end
	end
	self.workers = {}
end

return M
