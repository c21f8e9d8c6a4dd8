-- call(), syscall.NAME() and mem.alloc, free, protect: functions of the callee target, in every state of its thread.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local ffi = require "ffi"
local support = require "support"
local raises = support.raises

local function run_to_end(s)
	assert.same({ kind = "exit", code = 0 }, s:run())
	return support.output(s)
end

-- A target of this mode, standing in place().
local function at_place(...)
	local s = support.spawn { "callee", ... }
	s:bp("place", STOP, { once = true })
	assert.equal("stop", s:run().kind)
	return s
end

-- All that a call must leave as it was.
local function state_of(s)
	local t = s:threads()[1]
	local list = {}
	for name, value in pairs(t.regs:all()) do
		list[name] = tostring(value)
	end
	for i = 0, 15 do
		list["xmm" .. i] = tostring(t.regs["xmm" .. i])
	end
	for i = 0, 7 do
		list["st" .. i] = tostring(t.regs["st" .. i])
	end
	list.mxcsr = tostring(t.regs.mxcsr)
	list.mask = support.status(s.pid, "SigBlk")
	list.pending = support.status(s.pid, "SigPnd")
	list.stack = s.mem.read(t.regs.rsp, 512)
	return list
end

describe("call", function()
	after_each(support.close)

	it("gives rax, and passes up to twelve integers of any kind", function()
		local s = at_place()
		assert(s:call("add", 20, 22) == 42)
		assert(s:call("add", -1, 3) == 2)
		assert(s:call("add", -1, -2) == -3)
		assert(s:call("add", 0x7fffffffffffffffULL, 1) == 0x8000000000000000ULL)
		assert(s:call(sym "add", i64(-5), 7) == 2)
		assert(s:call("sum12", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) == 650)
		assert(call("add", true, nil) == 1)
		assert(s:call("is_aligned") == 1)
		assert(s:call("is_aligned", 1, 2, 3, 4, 5, 6, 7) == 1)
		assert(s:call("is_aligned", "a", 1, 2, 3, 4, 5, 6, 7) == 1)
		raises(function() s:call("add", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13) end, "at most 12 arguments", "got 13")
	end)

	it("passes fractional numbers and f64 as doubles, and gives one when asked", function()
		local s = at_place()
		assert.equal(2 * 1.5 + 3 * f64(2)[1] + 0.25, s:call("mix", 2, 1.5, 3, f64(2), f64(0), 0.25, { result = "f64" }))
		assert.equal(285, s:call("nine", f64(1), f64(2), f64(3), f64(4), f64(5), f64(6), f64(7), f64(8), f64(9),
			{ result = "f64" }))
		assert.equal("f64(2)", tostring(f64(2)))
		raises(function() f64 "x" end, "f64: a number expected, got the string")
	end)

	it("puts strings and buffers on the stack, and takes buffers back", function()
		local s = at_place()
		assert(s:call("length", "hello") == 5)
		assert(s:call("length", "") == 0)
		local buf = ffi.new("uint8_t[20]", 7)
		assert(s:call("fill", buf, 20) == 20)
		for i = 0, 19 do
			assert.equal((i == 0 and 7 or 7) + i, buf[i])
		end
		raises(function() s:call("length", ("x"):rep(1e6)) end, "more than 65536 bytes", "mem.alloc")
	end)

	it("leaves registers, vectors, the x87 stack, the signal mask, errno and the stack as they were", function()
		local s = at_place()
		regs.xmm3.u64[0], regs.xmm3.u64[1] = 0x1122334455667788ULL, 1
		regs.r11 = 77
		local before = state_of(s)
		assert(s:call "wrecks" == 1)
		assert.same(before, state_of(s))
		assert(s:call "sets_errno" == 0)
		local maps = #s.mem.maps()
		for i = 1, os.getenv "LONG" and 100000 or 2000 do
			assert(s:call("add", i, 1) == i + 1)
		end
		assert.equal(maps, #s.mem.maps())
		assert.same(before, state_of(s))
		assert.equal("errno 3\nleft 0\nmarked 0\n", run_to_end(s))
	end)

	it("works at the first instruction, in static programs and stripped ones", function()
		for _, variant in ipairs { "pie", "nopie", "static", "static_pie", "stripped", "musl", "musl_static" } do
			if io.open(support.target("calc_" .. variant)) then
				local s = support.spawn { "calc_" .. variant }
				local place = "calc"
				if variant == "stripped" then
					place = support.read(support.target "calc_stripped.syms"):match "calc (0x%x+)"
				end
				assert(s:call(place, 40, 2) == 42, variant)
				assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", run_to_end(s))
				support.close()
			end
		end
	end)

	it("works while the thread is blocked in a system call, which goes on", function()
		local s = at_place "blocked"
		assert.equal("timeout", s:run({ timeout = 0.05 }).kind)
		assert(s:threads()[1].regs.orig_rax == SYS.read)
		for i = 1, 20 do
			assert(s:call("add", i, 1) == i + 1)
			if i == 10 then
				assert.equal("timeout", s:run({ timeout = 0.01 }).kind)
			end
		end
		s.mem.i32[sym "go"] = 1
		assert.equal("read 1\n", run_to_end(s))
		s = at_place "naps"
		assert.equal("timeout", s:run({ timeout = 0.05 }).kind)
		assert(s:call("add", 1, 1) == 2)
		assert.equal("slept 0 long\n", run_to_end(s))
	end)

	it("works while the program is stopped by SIGSTOP, and leaves it stopped", function()
		local pid = support.start "sleeper"
		os.execute("kill -STOP " .. pid)
		support.await_state(pid, "T")
		local s = support.attach(pid)
		for i = 1, 5 do
			assert(s:call("libc!abs", -i, { timeout = 5 }) == i)
			assert(s.syscall.getpid() == pid)
		end
		s:detach()
		support.await_state(pid, "T")
		os.execute("kill -CONT " .. pid)
		support.await_state(pid, "SR")
		os.execute("kill -KILL " .. pid)
	end)

	it("works inside the vDSO", function()
		local s = at_place()
		local vdso
		for _, entry in ipairs(s.mem.maps()) do
			vdso = entry.path == "[vdso]" and entry.start or vdso
		end
		local before = regs.rip
		regs.rip = vdso + 0x400
		local rip = regs.rip
		assert(s:call("add", 1, 2) == 3)
		assert(regs.rip == rip)
		regs.rip = before
		run_to_end(s)
	end)

	it("fires hooks inside, which may call in turn, unless it is told not to", function()
		local s = at_place()
		local seen = {}
		s:bp("marker", function()
			local n = num(regs.rdi)
			seen[#seen + 1] = n
			if n < 3 then
				s:call("calls_marker", n + 1)
			end
			assert(regs.rdi == n and regs.rip == sym "marker")
		end)
		s:call("calls_marker", 1)
		assert.same({ 1, 2, 3, 3, 2, 3, 3, 1, 2, 3, 3, 2, 3, 3 }, seen)
		seen = {}
		s:call("calls_marker", 5, { hooks = false })
		assert.same({}, seen)
		s:call("calls_marker", 5)
		assert.same({ 5, 5 }, seen)
		run_to_end(s)
	end)

	it("of a function that is hooked has leave see it return, and replace its result", function()
		local s = at_place()
		local seen = {}
		s:hook("add", {
			enter = function(a, b) seen[#seen + 1] = ("enter %d %s %s"):format(this.depth, a, b) end,
			leave = function(ret) seen[#seen + 1] = "leave " .. ret return ret + 100 end,
			unwound = function() seen[#seen + 1] = "unwound" end,
		})
		assert(s:call("add", 1, 2) == 103)
		assert(s:call("add", 3, 4) == 107)
		assert.same({ "enter 1 1 2", "leave 3", "enter 1 3 4", "leave 7" }, seen)
		s:hook("add", { leave = function() return STOP end })
		raises(function() s:call("add", 5, 6) end, "a hook ended the run while the function ran")
		s:kill()
		assert.equal("leave 11", seen[#seen])
	end)

	it("in a hook of the very function that it calls ends in an error", function()
		local s = at_place "loop"
		local depth, refused = 0
		s:bp("add", function()
			depth = depth + 1
			local ok, err = pcall(s.call, s, "add", 1, 2)
			refused = refused or not ok and err
		end)
		assert(s:call("add", 40, 2) == 42)
		assert(depth < 1000 and refused.name == "EDEADLK")
		assert(tostring(refused):find("a hook that calls its own function? call(…, {hooks = false})", 1, true))
		run_to_end(s)
	end)

	it("works in hooks of breakpoints, signals and system calls", function()
		local s = support.spawn { "callee", "signalled" }
		local calls = 0
		-- The signal comes while the function called in the leave hook runs, so these nest.
		local function note()
			assert(s:call("add", 40, 2) == 42)
			calls = calls + 1
		end
		s:bp("place", note)
		s:on("signal", "SIGUSR1", function()
			note()
			note()
		end)
		local syscalls = 0
		s:on("syscall", "tgkill", { enter = function()
			syscalls = syscalls + 1
			assert(s:call("add", 1, 1) == 2)
		end, leave = function(sc)
			note()
			assert(sc.ret == 0)
		end })
		assert.equal("handled 1\n", run_to_end(s))
		assert.equal(5, calls)
		assert.equal(1, syscalls)
		s = support.spawn { "callee", "signalled" }
		s:on("signal", "SIGUSR1", function()
			s:call("add", 1, 1)
			return SUPPRESS
		end)
		assert.equal("handled 0\n", run_to_end(s))
	end)

	it("of a function that crashes names the signal, and the thread is where it was", function()
		local s = at_place()
		local before = state_of(s)
		raises(function() s:call "crashes" end, "SIGSEGV", "address 0x10", "is where it was before")
		raises(function() s:call "aborts" end, "SIGABRT")
		raises(function() s:call("divides", 0) end, "SIGFPE")
		raises(function() s:call(0x10) end, "SIGSEGV", "address 0x10")
		raises(function() s:call(0xdeadbeefdeadbeefULL) end, "SIGSEGV")
		raises(function() s:call "nowhere" end, "nowhere")
		assert.same(before, state_of(s))
		assert(s:call("add", 1, 1) == 2)
		assert.equal("errno 3\nleft 0\nmarked 0\n", run_to_end(s))
	end)

	it("of a function that takes too long gives it up, and the thread is where it was", function()
		local s = at_place()
		local before = state_of(s)
		local e = raises(function() s:call("spins", { timeout = 0.05 }) end, "took too long")
		assert.equal("ETIMEDOUT", e.name)
		assert.same(before, state_of(s))
		-- In a hook too.
		s:bp("place", function()
			raises(function() s:call("spins", { timeout = 0.02 }) end, "took too long")
			assert(s:call("add", 1, 2) == 3)
		end)
		assert(run_to_end(s):find("errno 3\nleft 0\n", 1, true))
	end)

	it("of a function that leaves by longjmp says so when the thread meets a breakpoint", function()
		local s = at_place()
		local seen = {}
		s:bp("place", function() seen[#seen + 1] = num(regs.rdi) end)
		raises(function() s:call("jumps", { timeout = 5 }) end, "by longjmp or an exception")
		assert.equal("errno 3\nleft 1\nmarked 0\n", run_to_end(s))
		assert.same({ 100, 0, 1, 2 }, seen)
	end)

	it("of a function that ends its thread, or the process, says so", function()
		local s = at_place "threads"
		raises(function() s:call "ends" end, "ended in the function")
		s:close()
		s = at_place()
		raises(function() s:call "quits" end, "ended in the function")
		assert.same({ kind = "exit", code = 7 }, s:run())
		raises(function() s:call("add", 1, 1) end, "ended")
	end)

	it("lets other threads run on", function()
		local s = at_place "threads"
		local before = s.mem.i64[sym "counts"]
		for _ = 1, 100 do -- a busy machine may give them no CPU for as long as one call takes
			raises(function() s:call("spins", { timeout = 0.05 }) end, "took too long")
			if s.mem.i64[sym "counts"] > before then break end
		end
		assert(s.mem.i64[sym "counts"] > before)
		for i = 1, 100 do
			assert(s:call("add", i, 1) == i + 1)
		end
		assert.equal("done\n", run_to_end(s))
	end)

	it("ends when a hook inside ends the run", function()
		local s = at_place()
		local before = state_of(s)
		local b = s:bp("marker", STOP)
		raises(function() s:call("calls_marker", 1) end, "a hook ended the run")
		assert.same(before, state_of(s))
		b:remove()
		s:bp("marker", function() error "no" end)
		local ok, e = pcall(s.call, s, "calls_marker", 1)
		assert(not ok and tostring(e):find ": no$", tostring(e))
		assert.is_true(s.ended)
		s = at_place()
		s:bp("marker", DETACH)
		local pid = s.pid
		raises(function() s:call("calls_marker", 1) end, "a hook ended the run")
		assert.is_true(s.ended)
		support.await_end(pid)
		assert.equal("errno 3\nleft 0\nmarked 0\n", support.output(s))
		s = at_place()
		s:bp("marker", KILL)
		raises(function() s:call("calls_marker", 1) end, "ended in the function")
		assert.same({ kind = "signal", signal = "SIGKILL" }, s:run())
	end)

	it("of the C library's functions", function()
		local s = at_place()
		local p = s:call("libc!malloc", 64)
		s.mem.write(p, ("x"):rep(64))
		assert(s:call("libc!printf", "%d %s %.2f\n", 7, "x", 1.5) == 9)
		local hits = 0
		s:bp("libc!getenv", function() hits = hits + 1 end)
		s:call("libc!getenv", "HOME")
		assert.equal(1, hits)
		s:call("libc!free", p)
		assert.equal("7 x 1.50\nerrno 3\nleft 0\nmarked 0\n", run_to_end(s))
	end)

	it("opens a library, whose breakpoints go in and fire", function()
		local s = at_place()
		local hits = 0
		s:bp("libm.so.6!cbrt", function() hits = hits + 1 end)
		local handle = s:call("libc!dlopen", "libm.so.6", 2)
		assert(handle ~= 0)
		local cbrt = s:call("libc!dlsym", handle, "cbrt")
		assert(cbrt == sym "libm.so.6!cbrt")
		assert.equal(2, s:call(cbrt, f64(8), { result = "f64" }))
		assert.equal(1, hits)
		run_to_end(s)
	end)

	it("says what is wrong with its arguments", function()
		local s = at_place()
		raises(function() s:call() end, "call: where")
		raises(function() s:call("add", {}, 1) end, "a number, a string, a buffer or f64(x) expected")
		raises(function() s:call("add", print) end, "a number, a string, a buffer or f64(x) expected")
		raises(function() s:call("add", { timeut = 1 }) end, "did you mean 'timeout'?")
		raises(function() s:call("add", { timeout = -1 }) end, "timeout")
		raises(function() s:call("add", { hooks = 1 }) end, "hooks")
		raises(function() s:call("add", { result = "f32" }) end, "\"u64\" or \"f64\"")
		raises(function() s:call("add", 2 ^ 70) end, "call: argument")
	end)
end)

describe("syscall", function()
	after_each(support.close)

	it("runs one in the target, and gives what the kernel answers", function()
		local s = support.spawn { "callee" }
		assert(syscall.getpid() == s.pid and s.syscall.getpid() == s.pid)
		assert(syscall.close(1000) == -E.EBADF)
		assert(syscall.write(-1, "x", 1) < 0)
		local fd = syscall.openat(-100, "/dev/null", 0)
		assert(fd >= 0)
		assert(syscall.close(fd) == 0)
		local buf = ffi.new "char[64]"
		assert(syscall.getcwd(buf, 64) > 0)
		assert.equal("/", ffi.string(buf, 1))
		assert.equal("errno 3\nleft 0\nmarked 0\n", run_to_end(s))
	end)

	it("leaves the thread as it was, blocked or in a hook", function()
		local s = at_place "blocked"
		local before = state_of(s)
		syscall.getppid()
		assert.same(before, state_of(s))
		assert.equal("timeout", s:run({ timeout = 0.05 }).kind)
		assert(s.syscall.getpid() == s.pid)
		s.mem.i32[sym "go"] = 1
		assert.equal("read 1\n", run_to_end(s))
	end)

	it("may replace the program, which then begins as after any exec", function()
		local s = at_place()
		local at = s.mem.alloc(64)
		s.mem.write(at, "/bin/echo\0hello\0")
		s.mem.u64[at + 24], s.mem.u64[at + 32], s.mem.u64[at + 40] = at, at + 10, 0
		raises(function() s.syscall.execve(at, at + 24, at + 40) end, "replaced the program")
		local path
		s:on("exec", function(_, program) path = program end)
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.truthy(path:find "/echo$")
		assert.equal("hello\n", support.output(s))
	end)

	it("says what is wrong", function()
		local s = support.spawn { "callee" }
		raises(function() return syscall.getpit end, "no system call getpit", "did you mean 'getpid'?")
		raises(function() syscall.getpid(1.5) end, "whole numbers")
		raises(function() syscall.getpid(1, 2, 3, 4, 5, 6, 7) end, "at most 6")
		raises(function() s.syscall.x = 1 end, "cannot be set")
		s:kill()
		raises(function() s.syscall.getpid() end, "ended")
	end)
end)

describe("mem.alloc", function()
	after_each(support.close)

	it("maps memory, which can be used, protected and freed", function()
		local s = at_place()
		local p = s.mem.alloc(10)
		s.mem.write(p, "hello\0")
		assert(s:call("length", p) == 5)
		local code = mem.alloc(64, "rwx")
		mem.write(code, asm "lea rax, [rdi+rsi]; ret":bytes(code))
		assert(s:call(code, 40, 2) == 42)
		mem.protect(code, 64, "rx")
		assert(s:call(code, 40, 2) == 42)
		mem.protect(code, 64, "r")
		raises(function() s:call(code, 40, 2) end, "SIGSEGV")
		mem.free(code)
		raises(function() mem.read(code, 1) end, "read memory")
		raises(function() mem.free(code) end, "is not what mem.alloc gave")
		local near = mem.alloc(100, "rx", { near = sym "main" })
		local far = near > sym "main" and near - sym "main" or sym "main" - near
		assert(far < 2 ^ 30)
		run_to_end(s)
	end)

	it("is freed when the target is let go, unless it is kept", function()
		local pid = support.start "sleeper"
		local s = support.attach(pid)
		local gone, kept = s.mem.alloc(1), s.mem.alloc(1, { keep = true })
		s:detach()
		s = support.attach(pid)
		raises(function() s.mem.read(gone, 1) end, "read memory")
		assert.equal("\0", s.mem.read(kept, 1))
		s:kill()
	end)

	it("says what is wrong", function()
		support.spawn { "callee" }
		raises(function() mem.alloc(0) end, "one byte or more")
		raises(function() mem.alloc(-1) end, "mem.alloc: n")
		raises(function() mem.alloc(2 ^ 52) end, "allocate memory")
		raises(function() mem.alloc(1, "w") end, "\"r\", \"rw\", \"rx\" or \"rwx\" expected")
		raises(function() mem.protect(0, 4096, "r") end, "is mapped")
		raises(function() mem.protect(4096, 0, "r") end, "no range")
		raises(function() mem.alloc(1, "rw", { kep = true }) end, "did you mean 'keep'?")
	end)
end)

describe("memory of the target's", function()
	after_each(support.close)

	it("is allocated in hooks of births, and when a system call has returned", function()
		for _, program in ipairs { { "frames", "recurse", "10", "4" }, { "forker", "fork" } } do
			program.follow = true
			local s = support.spawn(program)
			local n = 0
			local function alloc()
				local at = mem.alloc(100)
				mem.write(at, "here")
				assert(mem.read(at, 4) == "here")
				n = n + 1
			end
			s:on("thread", alloc)
			s:on("fork", alloc)
			s:on("syscall", "write", { leave = alloc })
			assert.equal(0, s:run().code)
			assert.is_true(n >= 2)
			assert.truthy(support.output(s):find "^sum 40\n" or support.output(s):find "^fork: exit 3\n")
		end
	end)
end)

describe("a target", function()
	after_each(support.close)

	-- Its scratch memory is given back by a call of its own, made by a thread that may stand in the birth of another.
	it("that is let go while it makes threads goes on whole", function()
		for i = 1, 30 do
			local s = support.spawn { "frames", "recurse", "100", "4" }
			local pid, born = s.pid, 0
			s:bp("deep", function() end)
			s:on("thread", function()
				born = born + 1
				return born == 1 + i % 4 and DETACH or nil
			end)
			assert.equal("detach", s:run().kind)
			support.await_end(pid)
			assert.equal("sum 400\n", support.output(s))
		end
	end)
end)
