local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function nothing() end

local PLAIN = "calc(1, 2) = 3\ncalc(4, 5) = 9\n"

describe("run", function()
	after_each(support.close)

	it("gives the reason", function()
		for _, row in ipairs {
			{ { "exits", "code", "0" }, { kind = "exit", code = 0 } },
			{ { "exits", "code", "255" }, { kind = "exit", code = 255 } },
			{ { "exits", "signal", "9" }, { kind = "signal", signal = "SIGKILL" } },
			{ { "exits", "signal", "64" }, { kind = "signal", signal = "SIGRTMIN+30" } },
			{ { "exits", "abort" }, { kind = "signal", signal = "SIGABRT" } },
			{ { "exits", "fpe" }, { kind = "signal", signal = "SIGFPE" } },
			{ { "exits", "ill" }, { kind = "signal", signal = "SIGILL" } },
			{ { "exits", "thread_signal", "15" }, { kind = "signal", signal = "SIGTERM" } },
			{ { "exits", "main_thread_exit" }, { kind = "exit", code = 6 } },
		} do
			local s = support.spawn(row[1])
			assert.same(row[2], s:run())
			assert.is_true(s.ended)
			assert.same(row[2], s:run())
			assert.same(row[2], s:run { timeout = 1 })
		end
	end)

	it("disturbs nothing in a hook where its time limit passes", function()
		local s = support.spawn { "threads8", "1", "2" }
		local got
		s:bp("work", function()
			local pipe = io.popen "sleep 0.1; echo whole"
			got = pipe:read "*l"
			pipe:close()
		end, { once = true })
		assert.same({ kind = "timeout" }, s:run { timeout = 0.05 })
		assert.equal("whole", got)
	end)

	it("gives up at its time limit while there is always a thread that waits to be heard", function()
		local core = require "ptracehook.core"
		for _, pipe in ipairs { "null", "pipe" } do
			local s = support.spawn { "threads8", "8", "100000", stdout = pipe }
			s:bp("work", function()
				local from = core.clock()
				while core.clock() - from < 3e-4 do end
			end)
			local from = core.clock()
			assert.same({ kind = "timeout" }, s:run { timeout = 0.1 })
			assert.truthy(core.clock() - from < 5)
			s:kill()
		end
	end)

	it("gives up at its time limit, with everything standing still, and goes on after it", function()
		local s = support.spawn { "sleeper", "pause" }
		for _, timeout in ipairs { 0, 0.001, 0.05 } do
			assert.same({ kind = "timeout" }, s:run { timeout = timeout })
			assert.truthy(regs.rip > 0)
		end
		os.execute("kill -TERM " .. s.pid)
		assert.same({ kind = "exit", code = 0 }, s:run { timeout = 1e300 })
		s = support.spawn { "reader", stdin = { data = "x\n" } }
		s:bp("handle_line", STOP)
		assert.equal("stop", s:run { timeout = 60 }.kind)
	end)

	it("keeps its time limit while hooks run", function()
		local s = support.spawn { "busy" }
		local hits = 0
		s:bp("tick", function() hits = hits + 1 end)
		assert.same({ kind = "timeout" }, s:run { timeout = 0.1 })
		assert.truthy(hits > 10)
		assert.same({ kind = "timeout" }, s:run { timeout = 0.05 })
		local now = hits
		s:kill()
		assert.equal(now, hits)
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:run(5) end, "run: options: table expected, got 5")
		raises(function() s:run { timeout = -1 } end, "run: timeout: a number of seconds, 0 or more, expected, got -1")
		raises(function() s:run { timeout = "1" } end, "run: timeout:")
		raises(function() s:run { timeout = 0 / 0 } end, "got nan")
		raises(function() s:run { timeot = 1 } end, "run: there is no option 'timeot'; did you mean 'timeout'?")
		raises(function() s.run() end, "run: Session expected, got nil; call methods with a colon")
		assert.equal("exit", run().kind)
	end)

	it("works in a coroutine, and in one within a hook", function()
		local s = support.spawn { "calc_pie" }
		local hits = 0
		s:bp("calc", coroutine.wrap(function()
			while true do
				hits = hits + 1
				coroutine.yield()
			end
		end))
		local reason = coroutine.wrap(function() return s:run() end)()
		assert.equal("exit", reason.kind)
		assert.equal(2, hits)
	end)

	it("a hook that yields out of itself is an error", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", function() coroutine.yield() end)
		local ok, message
		coroutine.wrap(function()
			ok, message = pcall(s.run, s)
		end)()
		assert.is_false(ok)
		assert.truthy(tostring(message):find "yield")
		assert.is_true(s.ended)
	end)
end)

describe("sessions", function()
	after_each(support.close)

	it("are the current one when they are opened, and in their own hooks", function()
		local a = support.spawn { "calc_pie", "10", "20" }
		local b = support.spawn { "calc_nopie", "30", "40" }
		assert.equal(b.pid, process.pid)
		assert.equal(b.pid, thread.tid)
		local seen = {}
		a:bp("calc", function()
			seen[#seen + 1] = { process.pid, num(regs.rdi), hex(sym "calc") == hex(regs.rip) }
		end)
		assert.equal("exit", a:run().kind)
		assert.same({ { a.pid, 10, true } }, seen)
		assert.equal(b.pid, process.pid)
		assert.equal(hex(b.regs.rip), hex(regs.rip))
		bp("calc", function() seen[#seen + 1] = { process.pid, num(regs.rdi), regs.rip == sym "calc" } end)
		assert.equal("exit", run().kind)
		assert.same({ b.pid, 30, true }, seen[2])
	end)

	it("are made current again by selecting a thread of theirs", function()
		local a = support.spawn { "calc_pie" }
		local b = support.spawn { "calc_nopie" }
		a.thread:select()
		assert.equal(a.pid, process.pid)
		assert.equal(hex(a:sym "calc"), hex(sym "calc"))
		b.thread:select()
		assert.equal(b.pid, process.pid)
		b:kill()
		raises(function() return (regs.rip) end, "ended")
		assert.is_nil(thread)
		a.thread:select()
		assert.truthy(regs.rip > 0)
	end)

	it("run one after the other, each from where it stood", function()
		local list = {}
		for i = 1, 4 do
			list[i] = support.spawn { "calc_pie", tostring(i), "1", tostring(i * 10), "1" }
			list[i]:bp("calc", STOP)
		end
		for round = 1, 2 do
			for i, s in ipairs(list) do
				assert.equal("stop", s:run().kind)
				assert.equal(round == 1 and i or i * 10, num(s.regs.rdi))
			end
		end
		for i = #list, 1, -1 do
			assert.equal("exit", list[i]:run().kind)
		end
	end)

	it("may be opened and run inside another's hook", function()
		local s = support.spawn { "calc_pie" }
		local inner = {}
		s:bp("calc", function()
			local before = process.pid
			local nested = support.spawn { "calc_nopie", num(regs.rdi), num(regs.rsi) }
			nested:bp("calc", function()
				inner[#inner + 1] = num(regs.rdi) * 100 + num(regs.rsi)
				return RETURN(0)
			end)
			assert(process.pid == nested.pid)
			assert(nested:run().kind == "exit")
			assert(before == s.pid)
		end)
		assert.equal("exit", s:run().kind)
		assert.same({ 102, 405 }, inner)
		assert.equal(PLAIN, support.output(s))
	end)

	it("go beside io.popen and os.execute, whose children are left to them", function()
		local s = support.spawn { "threads8", "2", "20" }
		local hits = 0
		s:bp("work", function()
			hits = hits + 1
			if hits % 8 == 0 then
				local list = io.popen "sleep 0.01; echo popen; exit 3"
				assert(list:read "*a" == "popen\n")
				list:close()
				assert(os.execute "exit 3" == 3 * 256)
			end
		end)
		local pipe = io.popen "sleep 0.1; echo late"
		assert.equal("exit", s:run().kind)
		assert.equal("late\n", pipe:read "*a")
		assert.is_true(pipe:close())
		assert.equal(40, hits)
	end)

	it("have fields, and nil for others", function()
		local s = support.spawn { "calc_pie" }
		assert.equal(s, process.session)
		assert.equal(s, thread.session)
		assert.equal(s.pid, s.process.pid)
		assert.is_false(s.ended)
		assert.is_nil(s.nonsense)
		assert.equal(s.regs, s.regs)
		assert.equal(hex(s.regs.rip), hex(s.thread.regs.rip))
		assert.truthy(tostring(s):find("^Session " .. s.pid))
		raises(function() s.pid = 1 end, "Session has no field 'pid' that can be set")
		raises(function() s.x = 1 end, "Session has no field 'x' that can be set")
		s:kill()
		assert.truthy(tostring(s):find "ended")
		assert.equal(s.pid, s.pid)
		assert.is_nil(s.thread)
		assert.same({}, s:threads())
	end)

	it("count what they cost", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", nothing)
		s:run()
		assert.equal(2, s:stats().hits)
		assert.truthy(s:stats().stops >= 2)
		raises(function() s.stats() end, "stats: Session expected")
	end)

	it("want their methods called with a colon, and nothing after their end", function()
		local s = support.spawn { "calc_pie" }
		for _, name in ipairs { "bp", "bps", "on", "policy", "run", "detach", "kill", "threads", "sym", "find_sym" } do
			raises(function() s[name] {} end, name .. ": Session expected, got table; call methods with a colon")
		end
		raises(function() s.close() end, "close: Session expected, got nothing; call methods with a colon")
		s:kill()
		for _, fn in ipairs {
			function() s:kill() end, function() kill() end, function() s:detach() end, function() detach() end,
			function() s:policy { exitkill = true } end, function() s:bp("calc", nothing) end,
		} do
			raises(fn, "the session has ended")
		end
	end)

	it("detach and policy check their arguments", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:detach(5) end, "detach: options: table expected, got 5")
		raises(function() s:detach { stopped = 1 } end, "detach: stopped: true or false expected, got 1")
		raises(function() s:detach { stoped = true } end, "did you mean 'stopped'?")
		raises(function() policy(5) end, "policy: options: table expected, got 5")
		raises(function() policy { errors = true } end, 'policy: errors: "end" or "report" expected, got true')
		raises(function() policy { exitkill = 1 } end, "policy: exitkill: true or false expected, got 1")
		raises(function() policy { follow = "x" } end, "policy: follow: true or false expected")
		raises(function() policy { error = "end" } end, "did you mean 'errors'?")
		raises(function() policy { untraced = true } end, 'policy: untraced: "keep" or "strip" expected, got true')
		raises(function() policy { seccomp = "on" } end, 'policy: seccomp: "auto" or "off" expected')
		raises(function() policy { syscall_info = 3 } end,
			'policy: syscall_info: "auto", "get", "regs" or "set" expected, got 3')
		s:policy { exitkill = false, follow = true, errors = "end" }
		policy { exitkill = true, follow = false }
		policy {}
	end)

	it("1,000 of them use no more memory than 100, and leave no descriptor and no zombie", function()
		local function memory()
			collectgarbage()
			collectgarbage()
			return tonumber(support.read "/proc/self/status":match "VmRSS:%s*(%d+)")
		end
		local function one()
			local s = spawn { support.target "calc_pie", stdout = "null", timeout = 60 }
			local b, handle
			b = s:bp("calc", function(t, self)
				assert(self == b and t.regs and handle and s.regs.rip == t.regs.rip and s.mem)
			end)
			handle = s:on("exit", function(p) assert(p.mem and handle) end)
			s:bp("no_such_name", nothing):remove()
			s:run()
		end
		local files = support.open_descriptors()
		local own = support.own_pid()
		for _ = 1, 100 do one() end
		local after_100 = memory()
		for _ = 1, 900 do one() end
		if not support.read "/proc/self/maps":find "libasan" then -- which keeps freed memory for itself
			assert.truthy(memory() <= after_100 * 1.05 + 256, ("%d KiB, then %d KiB"):format(after_100, memory()))
		end
		assert.equal(files, support.open_descriptors())
		assert.equal("", support.read(("/proc/self/task/%d/children"):format(own)))
	end)

	it("that were forgotten are kept until they end", function()
		local pid = support.spawn { "sleeper", "pause" }.pid
		collectgarbage()
		collectgarbage()
		assert.truthy(support.status(pid, "State"):find "^t")
		support.close()
		assert.is_nil(support.status(pid, "State"))
	end)
end)

describe("threads and processes", function()
	after_each(support.close)

	it("have their fields", function()
		local s = support.spawn { "calc_pie" }
		assert.equal(s.pid, thread.tid)
		assert.equal("calc_pie", thread.name)
		assert.equal("stopped", thread.state)
		assert.equal(process, thread.process)
		assert.equal(s, process.session)
		assert.is_true(process.alive)
		assert.truthy(process.path:find "/calc_pie$")
		assert.same({ thread }, process:threads())
		assert.same({ thread }, threads())
		assert.is_nil(thread.nonsense)
		assert.is_nil(process.nonsense)
		assert.truthy(tostring(thread):find("^Thread " .. s.pid .. " %(stopped%)"))
		assert.truthy(tostring(process):find("^Process " .. s.pid))
		raises(function() s.thread.tid = 1 end, "Thread has no field 'tid' that can be set")
		raises(function() s.process.pid = 1 end, "Process has no field 'pid' that can be set")
	end)

	it("are the same value for the same thing", function()
		local s = support.spawn { "calc_pie" }
		local seen = {}
		s:bp("calc", function(t) seen[t] = (seen[t] or 0) + 1 end)
		s:run()
		assert.equal(2, seen[next(seen)])
		assert.is_nil(next(seen, (next(seen))))
	end)

	it("stay as handles after their end, and say so", function()
		local s = support.spawn { "threads8", "2", "1" }
		local list = {}
		s:on("thread", function(t) list[#list + 1] = t end)
		local t, p = thread, process
		s:run()
		list[#list + 1] = t
		for _, one in ipairs(list) do
			assert.equal("ended", one.state)
			assert.truthy(one.tid > 0)
			assert.is_nil(one.name)
			raises(function() one:select() end, "ended")
			raises(function() return (one.regs.rax) end, "ended")
			raises(function() return (one.mem.u8[0]) end, "ended")
		end
		assert.is_false(p.alive)
		assert.is_nil(p.path)
		assert.same({}, p:threads())
		assert.truthy(tostring(p):find "ended")
		raises(function() return (p.regs.rax) end, "ended")
	end)

	it("one that ended while others live has no registers and no memory", function()
		local s = support.spawn { "threads8", "3", "5" }
		local first, checked
		s:on("thread_exit", function(t)
			if first and first ~= t and first.state == "ended" and not checked then
				raises(function() return (first.regs.rax) end, "ended")
				raises(function() return (first.mem.u8[regs.rsp]) end, "ended")
				raises(function() first:select() end, "ended")
				checked = true
			end
			first = first or t
		end)
		s:run()
		assert.is_true(checked)
	end)

	it("want their methods called with a colon", function()
		local s = support.spawn { "calc_pie" }
		raises(function() thread.select() end, "select: Thread expected, got nothing; call methods with a colon")
		raises(function() thread.select(s) end, "select: Thread expected, got userdata")
		raises(function() process.threads() end, "threads: Process expected, got nothing; call methods with a colon")
	end)
end)

it("without a target every verb says what to do", function()
	local script = support.write(support.temporary(), [[
		local verbs = { "bp", "bps", "on", "run", "detach", "kill", "threads", "sym", "find_sym", "hexdump", "stats" }
		for _, name in ipairs(verbs) do
			local ok, message = pcall(function() _G[name]() end)
			assert(not ok and tostring(message):find "there is no target: name a program or %-p PID", name)
		end
		for _, fn in ipairs {
			function() return regs.rax end, function() return mem.u8[0] end, function() regs.rax = 1 end,
		} do
			local ok, message = pcall(fn)
			assert(not ok and tostring(message):find "there is no target", tostring(message))
		end
		assert(thread == nil and process == nil)
		policy { errors = "report" }
		assert(not pcall(policy, { exitkill = true }))
		print "good"
	]])
	local out = io.popen(("%s %s 2>&1"):format(support.read "/proc/self/cmdline":match "^[^%z]+", script))
	assert.equal("good\n", out:read "*a")
	out:close()
	support.close()
end)
