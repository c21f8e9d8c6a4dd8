-- System calls: what hooks see of them, and what they change. The engine's side is tests/trace/test_syscalls.c.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function calls(...)
	return support.spawn { "calls", ... }
end

local function run_to_end(s)
	assert.same({ kind = "exit", code = 0 }, s:run())
	return support.output(s)
end

-- Every test that changes a call does so in each way to do it.
local each_way = support.each_way_of_calls

describe("on syscall", function()
	after_each(support.close)

	it("tells name, number, table, arguments and thread", function()
		local s = calls "uid"
		local seen = {}
		s:on("syscall", "open", function(sc)
			assert(sc.thread == thread and sc.thread.tid == s.pid)
			assert.equal(SYS.open, sc.nr)
			assert.equal("open", sc.name)
			assert.equal("x86_64", sc.arch)
			assert.equal("/no/such/file", sc:str(1))
			assert.equal("/no/", sc:buf(1, 4))
			assert.equal(0ULL, sc.args[2])
			assert.equal(6, #sc.args)
			assert.is_nil(sc.ret)
			assert.is_nil(sc.errno)
			assert.equal("system call open", tostring(sc))
			seen[#seen + 1] = sc
		end)
		assert.equal("open -1 2\ngetuid 0 geteuid 0 getgid 0\n", run_to_end(s))
		assert.equal(1, #seen)
	end)

	it("tells the result, as a signed number and by its error's name", function()
		local s = calls "uid"
		local results = {}
		s:on("syscall", { "open", "getuid" }, { leave = function(sc)
			results[sc.name] = { sc.ret < 0, tonumber(sc.ret), sc.errno or "none" }
		end })
		run_to_end(s)
		assert.same({ open = { true, -2, "ENOENT" }, getuid = { false, 0, "none" } }, results)
	end)

	it("takes names, numbers of either kind, lists and everything", function()
		for filter, expected in pairs {
			getuid = 1, [102] = 1, [SYS.geteuid] = 1, [{ "getuid", "getgid" }] = 2, [{ 102, "getgid", 107ULL }] = 3,
		} do
			local s = calls "uid"
			local hits = 0
			s:on("syscall", filter, function() hits = hits + 1 end)
			run_to_end(s)
			assert.equal(expected, hits, tostring(filter))
		end
		for _, all in ipairs { "*", { "*" } } do
			local s = calls "uid"
			local names = {}
			s:on("syscall", all, function(sc) names[#names + 1] = sc.name end)
			run_to_end(s)
			assert.equal("exit_group", names[#names])
			assert(#names > 20)
		end
		local s = calls "uid"
		local hits = 0
		s:on("syscall", function() hits = hits + 1 end)
		run_to_end(s)
		assert(hits > 20)
	end)

	it("calls of one name are seen by every table, and told apart", function()
		local s = calls "tables"
		local arches, numbers = {}, {}
		s:on("syscall", "getpid", function(sc)
			arches[#arches + 1] = sc.arch
			numbers[#numbers + 1] = sc.nr
		end)
		run_to_end(s)
		assert.same({ "x86_64", "i386", "x32", "x86_64" }, arches)
		assert.same({ 39, 20, 0x40000000 + 39, 39 }, numbers)
	end)

	it("an action stands in the function's place", function()
		local s = calls "uid"
		s:on("syscall", "getuid", KILL)
		assert.equal("SIGKILL", s:run().signal)
		s = calls "uid"
		s:on("syscall", "getuid", { leave = DETACH })
		assert.equal("detach", s:run().kind)
		support.await_end(s.pid)
		assert.equal("open -1 2\ngetuid 0 geteuid 0 getgid 0\n", support.output(s))
		raises(function() calls "uid":on("syscall", "getuid", SKIP) end, "on: SKIP", "cannot answer syscall")
	end)

	it("a hook's error is run's, and its rubbish is an error at its line", function()
		local s = calls "uid"
		s:on("syscall", "getuid", { leave = function() error "no" end })
		raises(function() s:run() end, "no")
		s = calls "uid"
		s:on("syscall", "getuid", function() return 5 end)
		raises(function() s:run() end, "a hook on syscall returned 5")
		s = calls "uid"
		s:on("syscall", "getuid", function() return RETURN(5) end)
		raises(function() s:run() end, "a hook on syscall returned RETURN, which has no meaning there")
	end)

	it("handles remove, disable and enable; REMOVE takes the hook out", function()
		local s = calls("loop", "10", "10")
		local hits, once = 0, 0
		local handle = s:on("syscall", "getuid", function()
			hits = hits + 1
		end)
		s:on("syscall", "getuid", function()
			once = once + 1
			if once == 2 then handle:disable() end
			if once == 5 then handle:enable() end
			if once == 7 then
				handle:remove()
				return REMOVE
			end
		end)
		assert.equal("Handle on syscall", tostring(handle))
		run_to_end(s)
		assert.equal(7, once)
		assert.equal(4, hits) -- 1, 2, 6, 7
	end)

	it("changes numbers, arguments and results in every way", function()
		each_way(function(start)
			local s = start "uid"
			s:on("syscall", "open", { leave = function(sc) sc.errno = "EACCES" end })
			s:on("syscall", "getuid", { enter = function(sc) sc:skip(1000) end, leave = function(sc)
				assert.equal(1000LL, sc.ret)
				sc.ret = sc.ret + 1
			end })
			s:on("syscall", "geteuid", { enter = function(sc)
				sc.name = "close"
				sc.args[1] = -1
				assert.equal(SYS.close, sc.nr)
				assert.equal(u64(-1), sc.args[1])
			end, leave = function(sc)
				assert.equal("EBADF", sc.errno)
				assert.equal("geteuid", sc.name)
			end })
			s:on("syscall", "getgid", function(sc) sc.nr = SYS.getppid end)
			local parent = support.own_pid()
			assert.equal(("open -1 13\ngetuid 1001 geteuid -1 getgid %d\n"):format(parent), run_to_end(s))
		end)
	end)

	it("redirects an open in every way", function()
		local expected = support.read "/etc/hostname"
		each_way(function(start)
			local s = start("cat", "/no/such/file")
			s:on("syscall", "openat", { enter = function(sc)
				if sc:str(2) == "/no/such/file" then
					sc:set_str(2, "/etc/hostname")
					assert.equal("/etc/hostname", sc:str(2))
				end
			end, leave = function(sc)
				assert(not (sc:str(2) or ""):find("hostname", 1, true))
			end })
			assert.equal(expected, run_to_end(s))
		end)
	end)

	it("lends bytes of any kind", function()
		local s = calls "uid"
		s:on("syscall", "write", function(sc)
			sc:set_buf(2, sc:buf(2, sc.args[3]):upper())
		end)
		assert.equal("OPEN -1 2\nGETUID 0 GETEUID 0 GETGID 0\n", run_to_end(s))
	end)

	it("what cannot be read is nil, and how much can is given", function()
		local s = calls "uid"
		s:on("syscall", "open", function(sc)
			sc.args[1] = 8
			assert.is_nil((sc:str(1)))
			assert.is_nil((sc:buf(1, 10)))
			local _, err = sc:str(1)
			assert.equal("EIO", err.name)
			sc.args[1] = regs.rsp
			local stack = mem.maps()
			for _, entry in ipairs(stack) do
				if entry.path == "[stack]" then
					sc.args[1] = entry.stop - 16
				end
			end
			assert.equal(16, #sc:buf(1, 100))
		end)
		assert.equal("open -1 2\ngetuid 0 geteuid 0 getgid 0\n", run_to_end(s))
	end)

	it("registers and the call are one", function()
		each_way(function(start)
			local s = start "uid"
			s:on("syscall", "getuid", { enter = function(sc)
				assert.equal(SYS.getuid, num(regs.orig_rax))
				sc.name = "getpid"
				assert.equal(SYS.getuid, num(regs.orig_rax))
			end, leave = function(sc)
				assert.equal(s.pid, num(regs.rax))
				assert.equal(s.pid, num(sc.ret))
				regs.rax = 5
			end })
			s:on("syscall", "geteuid", function() regs.orig_rax = SYS.getpid end)
			assert.equal(("open -1 2\ngetuid 5 geteuid %d getgid 0\n"):format(s.pid), run_to_end(s))
		end)
	end)

	it("STOP leaves run() at the call, which can be changed there", function()
		each_way(function(start)
			local s = start "uid"
			local left
			s:on("syscall", "getuid", { enter = STOP, leave = function(sc) left = sc.ret end })
			local stop = s:run()
			assert.equal("stop", stop.kind)
			assert.equal("syscall", stop.event)
			assert.equal("getuid", stop.sc.name)
			assert.equal(s.pid, stop.sc.thread.tid)
			stop.sc:skip(-E.EPERM)
			assert.equal("EPERM", stop.sc.errno)
			assert.equal("open -1 2\ngetuid -1 geteuid 0 getgid 0\n", run_to_end(s))
			assert.equal(-1LL, left)
			raises(function() return stop.sc.nr end, "this system call is over")
		end)
	end)

	it("an sc that was kept raises once its call is over", function()
		local s = calls "uid"
		local kept, args
		-- It calls getgid first.
		s:on("syscall", "getgid", function(sc) kept, args = sc, sc.args end)
		s:on("syscall", "geteuid", STOP)
		s:run()
		-- One object a thread: it means the call that the thread stands in.
		assert.equal("geteuid", kept.name)
		run_to_end(s)
		assert.equal("system call (over)", tostring(kept))
		for _, use in ipairs {
			function() return kept.nr end, function() return kept.args end, function() kept.ret = 1 end,
			function() return args[1] end, function() args[1] = 1 end, function() kept:skip() end,
			function() local _ = kept:str(1) end, function() return kept.thread end, function() kept:set_str(1, "x") end,
		} do
			raises(use, "this system call is over")
		end
	end)

	it("exit_group is a call like any other", function()
		each_way(function(start)
			local s = start "uid"
			s:on("syscall", "exit_group", function(sc) sc.args[1] = 5 end)
			assert.same({ kind = "exit", code = 5 }, s:run())
			-- Skipped, the C library goes on to exit.
			s = start "uid"
			s:on("syscall", "exit_group", function(sc) sc:skip() end)
			s:on("syscall", "exit", function(sc) sc.args[1] = 6 end)
			assert.same({ kind = "exit", code = 6 }, s:run())
		end)
	end)

	it("checks what is written, and when", function()
		local s = calls "uid"
		local tried = 0
		s:on("syscall", "getuid", { enter = function(sc)
			tried = tried + 1
			for message, use in pairs {
				["sc.ret: the call has not been made yet"] = function() sc.ret = 5 end,
				["skip: ret: whole number expected, got 1.5"] = function() sc:skip(1.5) end,
				["skip: ret: 1e+30 does not fit"] = function() sc:skip(1e30) end,
				["skip: ret: whole number expected, got the string \"x\""] = function() sc:skip "x" end,
				["sc.args: an argument from 1 to 6 expected, got 7"] = function() sc.args[7] = 1 end,
				["sc.args: an argument from 1 to 6 expected, got 0"] = function() return sc.args[0] end,
				["sc.args: whole number expected, got nil"] = function() sc.args[1] = nil end,
				["sc.nr: 10000000000 does not fit in 32 bits"] = function() sc.nr = 1e10 end,
				["sc.name: a system call of x86_64 expected, got the string \"getuit\""] = function() sc.name = "getuit" end,
				["has no field 'retval'"] = function() sc.retval = 1 end,
				["str: an argument from 1 to 6"] = function() sc:str(9) end,
				["buf: n: size must not be negative"] = function() sc:buf(1, -1) end,
				["set_str: text: must not contain a zero byte"] = function() sc:set_str(1, "a\0b") end,
				["call methods with a colon"] = function() sc.skip(5) end,
				["no room for 4000001 bytes below the stack"] = function() sc:set_str(1, ("x"):rep(4000000)) end,
			} do
				raises(use, message)
			end
		end, leave = function(sc)
			tried = tried + 1
			for message, use in pairs {
				["sc.nr: the call has been made already"] = function() sc.nr = 5 end,
				["sc.args: the call has been made already"] = function() sc.args[1] = 5 end,
				["skip: the call has been made already"] = function() sc:skip(5) end,
				["set_str: the call has been made already"] = function() sc:set_str(1, "x") end,
				["sc.errno: an error such as \"ENOENT\""] = function() sc.errno = "ENOENTRY" end,
				["from 1 to 4095, expected, got 5000"] = function() sc.errno = 5000 end,
			} do
				raises(use, message)
			end
		end })
		assert.equal("open -1 2\ngetuid 0 geteuid 0 getgid 0\n", run_to_end(s))
		assert.equal(2, tried)
	end)

	it("checks its arguments, and names the nearest call", function()
		local s = calls "uid"
		local function nothing() end
		raises(function() s:on("syscall", "opneat", nothing) end,
			"on: there is no system call 'opneat'; did you mean 'openat'?")
		raises(function() s:on("syscall", { "read", "wirte" }, nothing) end, "did you mean 'write'?")
		raises(function() s:on("syscall", 5000, nothing) end, "there is no system call 5000")
		raises(function() s:on("syscall", {}, nothing) end, "an empty list of system calls")
		raises(function() s:on("syscall", { true }, nothing) end, "on: filter", "got true")
		raises(function() s:on("syscall", -1, nothing) end, "must not be negative")
		raises(function() s:on("syscall", "read") end, "on: function", "got")
		raises(function() s:on("syscall", "read", {}) end, "a table with enter, leave or both")
		raises(function() s:on("syscall", "read", { entr = nothing }) end, "did you mean 'enter'?")
		raises(function() s:on("syscall", "read", { enter = 5 }) end, "on: enter: function or action expected, got 5")
		run_to_end(s)
		raises(function() s:on("syscall", "read", nothing) end, "the session has ended")
	end)

	it("SYS knows names and numbers, both ways; E also what only tracers see", function()
		assert.equal(257, SYS.openat)
		assert.equal("openat", SYS[257])
		assert.is_nil(SYS.no_such_call)
		assert.equal(512, E.ERESTARTSYS)
		assert.equal("ERESTARTSYS", E[512])
	end)

	it("interrupted calls leave with what only tracers see, and are entered again", function()
		local s = calls("restart", "4")
		local log, entered = {}, 0
		s:on("syscall", "read", { enter = function() entered = entered + 1 end, leave = function(sc)
			log[#log + 1] = sc.errno or "fine"
		end })
		assert.equal("read 1 after all\nslept 0 enough\n", run_to_end(s))
		assert.equal(#log, entered)
		local restarted = 0
		for _, errno in ipairs(log) do
			restarted = restarted + (errno == "ERESTARTSYS" and 1 or 0)
		end
		assert(restarted >= 3)
		assert.equal("fine", log[#log])
	end)

	it("a hook may change what the target sees while threads make a lot of calls", function()
		local s = calls("threads", "16", "2000", "20")
		local hits, tids = 0, {}
		s:on("syscall", "getuid", { enter = function(sc)
			hits = hits + 1
			tids[sc.thread.tid] = true
		end, leave = function(sc) sc.ret = 7 end })
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(320, hits)
		local n = 0
		for _ in pairs(tids) do n = n + 1 end
		assert.equal(16, n)
	end)

	it("children are hooked when they are followed, and else undisturbed", function()
		for _, follow in ipairs { false, true } do
			local s = support.spawn { "forker", "fork", follow = follow }
			local pids = {}
			s:on("syscall", "exit_group", function(sc) pids[#pids + 1] = sc.thread.process.pid end)
			assert.equal("fork: exit 3\n", run_to_end(s))
			assert.equal(follow and 2 or 1, #pids)
		end
	end)

	it("leaves nothing behind with many threads and sessions", function()
		local function once()
			local s = calls("threads", "4", "10", "5")
			s:on("syscall", "getuid", { enter = function(sc) return sc.args[1] and nil end, leave = function() end })
			s:run()
			s:close()
		end
		once()
		local before = support.open_descriptors()
		collectgarbage()
		collectgarbage()
		local memory = collectgarbage "count"
		for _ = 1, 60 do once() end
		collectgarbage()
		collectgarbage()
		assert(collectgarbage "count" < memory + 200, collectgarbage "count" - memory)
		assert.equal(before, support.open_descriptors())
	end)
end)
