local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function nothing() end

local function run_to_end(s)
	assert.same({ kind = "exit", code = 0 }, s:run())
	return support.output(s)
end

describe("on", function()
	after_each(support.close)

	describe("signal", function()
		it("tells who sent what to whom", function()
			local s = support.spawn { "signals", "usr1", "3" }
			local seen = {}
			s:on("signal", function(t, sig)
				assert(t == thread and t.tid == s.pid)
				seen[#seen + 1] = sig
			end)
			assert.equal("usr1 3\n", run_to_end(s))
			assert.equal(3, #seen)
			for _, sig in ipairs(seen) do
				assert.same({ number = SIG.SIGUSR1, name = "SIGUSR1", code = -6, pid = s.pid, uid = 0 }, sig)
			end
		end)

		it("tells a fault's address", function()
			local s = support.spawn { "signals", "fault", "2" }
			local hits = 0
			s:on("signal", "SIGSEGV", function(_, sig)
				hits = hits + 1
				assert.equal(0x1000ULL, sig.addr)
				assert.equal("SIGSEGV", sig.name)
				assert.equal(1, sig.code)
				assert.is_nil(sig.pid)
			end)
			assert.equal("fault 2\n", run_to_end(s))
			assert.equal(2, hits)
		end)

		it("tells a queued value, of real-time signals too", function()
			local s = support.spawn { "signals", "rt", "6" }
			local values, names = {}, {}
			s:on("signal", function(_, sig)
				values[#values + 1] = tonumber(i32(sig.value))
				names[sig.name] = sig.number
			end)
			assert.equal("rt 6\n", run_to_end(s))
			table.sort(values)
			assert.same({ 0, 1, 2, 1000, 1001, 1002 }, values)
			assert.same({ ["SIGRTMIN+0"] = SIG.SIGRTMIN, ["SIGRTMIN+1"] = SIG.SIGRTMIN + 1 }, names)
		end)

		it("lets hooks change what comes with it, one after the other", function()
			local s = support.spawn { "signals", "rt", "4" }
			local seen = {}
			s:on("signal", function(_, sig)
				seen[#seen + 1] = num(sig.value)
				sig.value = sig.value + 0x100000000LL
			end)
			s:on("signal", function(_, sig)
				assert.equal(seen[#seen] + 0x100000000, num(sig.value))
				sig.value = sig.value - 0x100000000LL
				sig.uid = 1234
			end)
			assert.equal("rt 4\n", run_to_end(s))
			assert.equal(4, #seen)
			-- A fault's address, which the target prints.
			s = support.spawn { "signals", "fault", "1" }
			s:on("signal", "SIGSEGV", function(_, sig)
				assert.equal(0x1000ULL, sig.addr)
				sig.addr = 0x1008
			end)
			s:run()
			local changed = support.output(s)
			s = support.spawn { "signals", "fault", "1" }
			s:run()
			assert.not_equal(support.output(s), changed)
		end)

		it("an impossible change is an error", function()
			for message, change in pairs {
				["sig.code: whole number expected, got nil"] = function(sig) sig.code = nil end,
				["sig.pid: whole number expected, got the string"] = function(sig) sig.pid = "x" end,
				["sig.uid: 1099511627776 does not fit in 32 bits"] = function(sig) sig.uid = 2 ^ 40 end,
			} do
				local s = support.spawn { "signals", "usr1", "1" }
				s:on("signal", function(_, sig) change(sig) end)
				local ok, err = pcall(s.run, s)
				assert(not ok and tostring(err):find(message, 1, true), tostring(err))
			end
		end)

		it("tells what a child's end, a timer and a filter send", function()
			local s = support.spawn { "forker", "fork" }
			local child
			s:on("signal", "SIGCHLD", function(_, sig) child = sig end)
			s:run()
			assert.same({ 1, 3, 0 }, { child.code, child.status, child.uid })
			assert(child.pid > 1 and child.addr == nil and child.value == nil)
		end)

		it("takes filters: a name, a number, a list, with and without SIG", function()
			for filter, expected in pairs {
				SIGUSR1 = 3, usr1 = 3, USR1 = 3, SIGUSR2 = 0, [10] = 3, [12] = 0,
				[{ "SIGUSR2", 10 }] = 3, [{ "SIGINT", "SIGTERM" }] = 0, [10ULL] = 3,
			} do
				local s = support.spawn { "signals", "usr1", "3" }
				local hits = 0
				s:on("signal", filter, function() hits = hits + 1 end)
				run_to_end(s)
				assert.equal(expected, hits, tostring(filter))
			end
		end)

		it("SUPPRESS keeps it from the program", function()
			local s = support.spawn { "exits", "signal", "15" }
			s:on("signal", "SIGTERM", function() return SUPPRESS end)
			assert.same({ kind = "exit", code = 0 }, s:run())
			s = support.spawn { "exits", "signal", "15" }
			s:on("signal", SUPPRESS)
			assert.same({ kind = "exit", code = 0 }, s:run())
		end)

		it("SIGNAL delivers another in its place", function()
			local s = support.spawn { "exits", "signal", "15" }
			s:on("signal", function(_, sig) return sig.name == "SIGTERM" and SIGNAL "SIGUSR2" or nil end)
			assert.same({ kind = "signal", signal = "SIGUSR2" }, s:run())
		end)

		it("CONTINUE, and nothing, deliver it", function()
			for _, answer in ipairs { CONTINUE, nothing, function() return CONTINUE end } do
				local s = support.spawn { "exits", "signal", "15" }
				s:on("signal", answer)
				assert.same({ kind = "signal", signal = "SIGTERM" }, s:run())
			end
		end)

		it("STOP leaves it pending for the next run", function()
			local s = support.spawn { "exits", "signal", "15" }
			s:on("signal", STOP)
			local reason = s:run()
			assert.equal("stop", reason.kind)
			assert.equal("signal", reason.event)
			assert.is_nil(reason.breakpoint)
			assert.same({ kind = "signal", signal = "SIGTERM" }, s:run())
		end)

		it("KILL and DETACH mean the same everywhere", function()
			local s = support.spawn { "exits", "signal", "10" }
			s:on("signal", KILL)
			assert.equal("SIGKILL", s:run().signal)
			s = support.spawn { "signals", "usr1", "2" }
			s:on("signal", DETACH)
			assert.equal("detach", s:run().kind)
			support.await_end(s.pid)
			assert.equal("usr1 2\n", support.output(s))
		end)

		it("moves are errors, when returned and when given", function()
			for _, action in ipairs { SKIP, RETURN, RETURN(1), STEP } do
				local s = support.spawn { "signals", "usr1", "1" }
				raises(function() s:on("signal", action) end, "on: ", "cannot answer signal")
				s:on("signal", function() return action end)
				raises(function() s:run() end, "a hook on signal returned ")
			end
		end)

		it("leaves a trap of the program's own to it", function()
			local s = support.spawn { "signals", "int3", "2" }
			local names = {}
			s:on("signal", function(_, sig) names[#names + 1] = sig.name end)
			assert.truthy(run_to_end(s):find "int3 2")
			assert.same({ "SIGTRAP", "SIGTRAP" }, names)
		end)
	end)

	it("exec tells the new program, in which names mean something else", function()
		local s = support.spawn { "execer", "prog", support.target "calc_pie" }
		local seen = {}
		s:on("exec", function(t, path)
			assert(t.tid == s.pid and t == thread)
			seen[#seen + 1] = path
			assert(find_sym "calc" ~= nil)
		end)
		local hits = 0
		s:bp("calc", function() hits = hits + 1 end)
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", run_to_end(s))
		assert.equal(1, #seen)
		assert.truthy(seen[1]:find "/calc_pie$")
		assert.equal(2, hits)
		assert.is_nil(s.thread)
	end)

	it("exec comes for each, also from another thread", function()
		for _, how in ipairs { "self", "thread" } do
			local s = support.spawn { "execer", how, "3" }
			local n, markers = 0, 0
			s:on("exec", function() n = n + 1 end)
			s:bp("marker", function() markers = markers + (i64(regs.rdi) >= 0 and 1 or 0) end)
			assert.truthy(run_to_end(s):find "done\n$")
			assert.equal(3, n)
			assert.equal(3, markers)
		end
	end)

	it("thread and thread_exit come once for each thread", function()
		local s = support.spawn { "threads8", "5", "10" }
		local born, died = {}, {}
		s:on("thread", function(t)
			assert(t == thread and t.process.pid == s.pid)
			born[#born + 1] = t.tid
		end)
		s:on("thread_exit", function(t)
			died[t.tid] = (died[t.tid] or 0) + 1
		end)
		assert.equal("calls 50\n", run_to_end(s))
		assert.equal(5, #born)
		for _, tid in ipairs(born) do
			assert.equal(1, died[tid])
		end
	end)

	it("thread_exit still has registers and memory to look at", function()
		local s = support.spawn { "threads8", "2", "10" }
		local looked = 0
		s:on("thread_exit", function(t)
			assert(regs.rsp ~= 0 and #t.mem.read(t.regs.rsp, 8) == 8)
			looked = looked + 1
		end)
		run_to_end(s)
		assert.truthy(looked >= 2)
	end)

	it("thread_exit says how each thread ends", function()
		local function ends(program)
			local s, seen = support.spawn(program), {}
			s:on("thread_exit", function(t, reason)
				seen[t.tid == s.pid and "leader" or "other"] = reason
			end)
			s:run()
			return seen
		end
		assert.same({ leader = { kind = "exit", code = 7 } }, ends { "exits", "code", "7" })
		assert.same({ leader = { kind = "signal", signal = "SIGTERM" } }, ends { "exits", "signal", "15" })
		assert.same({ leader = { kind = "signal", signal = "SIGKILL" } }, ends { "exits", "kill" })
		local threads = ends { "exits", "exit_thread" }
		assert.same({ kind = "exit", code = 5 }, threads.other)
	end)

	it("thread_exit comes for the leader of an exec's old program, and of its new one", function()
		local s, codes = support.spawn { "execer", "thread", "2" }, {}
		s:on("thread_exit", function(t, reason)
			if t.tid == s.pid then
				codes[#codes + 1] = reason.code
			end
		end)
		s:run()
		assert.same({ 0, 0, 0 }, codes)
	end)

	it("exit comes once, with how it ended, and nothing to look at", function()
		for _, row in ipairs {
			{ { "exits", "code", "7" }, { kind = "exit", code = 7 } },
			{ { "exits", "signal", "15" }, { kind = "signal", signal = "SIGTERM" } },
			{ { "exits", "kill" }, { kind = "signal", signal = "SIGKILL" } },
			{ { "exits", "segv" }, { kind = "signal", signal = "SIGSEGV" } },
			{ { "exits", "exit_thread" }, { kind = "exit", code = 5 } },
		} do
			local s = support.spawn(row[1])
			local seen = {}
			s:on("exit", function(p, reason)
				assert(p.pid == s.pid and not p.alive or p.pid == s.pid)
				assert(not pcall(function() return regs.rax end))
				assert(not pcall(function() return p.mem.u8[0] end))
				seen[#seen + 1] = reason
			end)
			assert.same(row[2], s:run())
			assert.same({ row[2] }, seen)
			assert.same(row[2], s:run())
		end
	end)

	it("exit comes when a script kills, and its error is the kill's", function()
		local s = support.spawn { "calc_pie" }
		local reason
		s:on("exit", function(_, r) reason = r end)
		s:kill()
		assert.same({ kind = "signal", signal = "SIGKILL" }, reason)
		s = support.spawn { "calc_pie" }
		s:on("exit", function() error "on purpose" end)
		raises(function() s:kill() end, "on purpose")
		assert.is_true(s.ended)
	end)

	it("fork tells the child, which is followed only when that was asked for", function()
		for _, follow in ipairs { false, true } do
			local s = support.spawn { "forker", "fork", follow = follow }
			local children, who = {}, {}
			s:on("fork", function(t, child)
				assert(t.tid == s.pid and child.pid ~= s.pid)
				children[#children + 1] = child
			end)
			s:bp("marker", function()
				who[mem.cstr(regs.rdi)] = process.pid
			end)
			assert.equal("fork: exit 3\n", run_to_end(s))
			assert.equal(1, #children)
			assert.equal(s.pid, who.parent)
			assert.equal(follow and children[1].pid or nil, who.child)
		end
	end)

	it("step tells every single step that was asked for", function()
		local s = support.spawn { "calc_pie" }
		local rips = {}
		s:bp("calc", STEP)
		s:bp("calc_add", STEP)
		s:on("step", function(t) rips[#rips + 1] = hex(t.regs.rip - sym "calc") end)
		run_to_end(s)
		assert.same({ "0x3", "0x6", "0x3", "0x6" }, rips)
	end)

	describe("handles", function()
		it("remove, disable and enable", function()
			local s = support.spawn { "signals", "usr1", "6" }
			local hits, handle = 0, nil
			handle = s:on("signal", function()
				hits = hits + 1
				if hits == 2 then
					handle:disable()
				end
			end)
			local other = 0
			s:on("signal", function()
				other = other + 1
				if other == 4 then
					handle:enable()
				elseif other == 5 then
					handle:remove()
				end
			end)
			run_to_end(s)
			assert.equal(3, hits)
			assert.equal(6, other)
			raises(function() handle:remove() end, "remove: the handle was removed already")
			raises(function() handle:enable() end, "enable: the handle was removed already")
			raises(function() handle:disable() end, "disable: the handle was removed already")
		end)

		it("REMOVE takes the hook out", function()
			local s = support.spawn { "signals", "usr1", "3" }
			local hits = 0
			local handle = s:on("signal", function()
				hits = hits + 1
				return REMOVE
			end)
			run_to_end(s)
			assert.equal(1, hits)
			raises(function() handle:remove() end, "removed already")
		end)

		it("may remove themselves and be added while their event is handled", function()
			local s = support.spawn { "signals", "usr1", "3" }
			local order = {}
			local handle
			handle = s:on("signal", function()
				order[#order + 1] = "a"
				handle:remove()
				raises(function() handle:remove() end, "removed already")
				s:on("signal", function() order[#order + 1] = "b" end)
			end)
			run_to_end(s)
			assert.equal("abb", table.concat(order))
		end)

		it("raise after the session's end", function()
			local s = support.spawn { "calc_pie" }
			local handle = s:on("exit", nothing)
			s:kill()
			raises(function() handle:remove() end, "its session has ended")
			raises(function() s:on("exit", nothing) end, "on: the session has ended")
		end)

		it("are not needed for the hook to live, and are no leak when the hook knows them", function()
			local s = support.spawn { "signals", "usr1", "40" }
			local hits, gone = 0, setmetatable({}, { __mode = "k" })
			do
				local handle, witness = nil, {}
				gone[witness] = true
				handle = s:on("signal", function()
					hits = hits + #{ handle, witness } / 2
					collectgarbage()
				end)
			end
			collectgarbage()
			run_to_end(s)
			assert.equal(40, hits)
			collectgarbage()
			collectgarbage()
			assert.is_nil(next(gone))
		end)

		it("show what they are, and want a colon", function()
			local s = support.spawn { "calc_pie" }
			local handle = s:on("exit", nothing)
			assert.equal("Handle on exit", tostring(handle))
			handle:remove()
			assert.equal("Handle (removed)", tostring(handle))
			assert.is_nil(handle.nonsense)
			raises(function() handle.remove() end, "remove: Handle expected, got nothing; call methods with a colon")
			raises(function() handle.remove(s) end, "Handle expected")
			raises(function() handle.x = 1 end, "Handle has no field 'x' that can be set")
		end)
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_pie" }
		for _, row in ipairs {
			{ { nil, nothing }, "on: event: string expected, got nil" }, { { 5, nothing }, "on: event: string expected, got 5" },
			{ { {}, nothing }, "on: event:" }, { { "nope", nothing }, "on: there is no event 'nope'", "thread_exit" },
			{ { "breakpoint", nothing }, "on: there is no event 'breakpoint'" }, { { "", nothing }, "on: there is no event" },
			{ { "exit" }, "on: function or action expected as the last argument, got nil" },
			{ { "exit", 5 }, "got 5" }, { { "exit", {} }, "got a table" },
			{ { "exit", "x" }, "on: function or action expected" },
			{ { "exit", GOTO }, "on: function or action" }, { { "exit", SUPPRESS }, "on: ", "cannot answer exit" },
			{ { "exit", "SIGINT", nothing }, 'on: "exit" takes no filter' },
			{ { "signal", "NOPE", nothing }, "on: filter:", "NOPE" },
			{ { "signal", 0, nothing }, "on: filter:", "got 0" }, { { "signal", 65, nothing }, "got 65" },
			{ { "signal", -1, nothing }, "got -1" }, { { "signal", 1.5, nothing }, "got 1.5" },
			{ { "signal", true, nothing }, "on: filter:", "got true" }, { { "signal", 2 ^ 70, nothing }, "on: filter:" },
			{ { "signal", {}, nothing }, "on: filter: an empty list" }, { { "signal", { {} }, nothing }, "got a table" },
			{ { "signal", { SIGINT = true }, nothing }, "on: filter:" },
			{ { "signal", "SIGKILL", nothing }, "on: filter: SIGKILL" },
			{ { "signal", nothing, nothing, 5 }, "on: filter:", "got a function" },
		} do
			raises(function() on(unpack(row[1], 1, 4)) end, unpack(row, 2))
		end
		raises(function() s.on("exit", nothing) end, "on: Session expected, got string; call methods with a colon")
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", run_to_end(s))
	end)

	it("a hook's error is run's, and its rubbish is an error at its line", function()
		local s = support.spawn { "signals", "usr1", "1" }
		s:on("signal", function() error "on purpose" end)
		raises(function() s:run() end, "on purpose")
		for _, rubbish in ipairs { 5, "x", {}, true } do
			s = support.spawn { "signals", "usr1", "1" }
			s:on("signal", function() return rubbish end)
			raises(function() s:run() end, "a hook on signal returned ", "it may return nothing or an action")
		end
		s = support.spawn { "signals", "usr1", "1" }
		s:on("signal", setmetatable({}, { __call = function() return "x" end }))
		assert.is_false((pcall(s.run, s)))
	end)

	it("SIG and E know names and numbers, both ways", function()
		assert.equal(2, SIG.SIGINT)
		assert.equal("SIGINT", SIG[2])
		assert.equal("SIGSEGV", SIG[11])
		assert.equal(29, SIG.SIGIO)
		assert.equal(29, SIG.SIGPOLL)
		assert.equal(34, SIG.SIGRTMIN)
		assert.is_nil(SIG.SIGNOPE)
		assert.equal(2, E.ENOENT)
		assert.equal("ENOENT", E[2])
		assert.equal("EAGAIN", E[11])
		assert.equal(11, E.EWOULDBLOCK)
		assert.equal(95, E.ENOTSUP)
		assert.is_nil(E.ENOPE)
	end)

	it("SIG, E and SYS take numbers of every kind", function()
		for _, row in ipairs { { SIG, 11, "SIGSEGV" }, { E, 2, "ENOENT" }, { SYS, 257, "openat" } } do
			local names, n, name = unpack(row)
			assert.equal(name, names[u64(n)])
			assert.equal(name, names[i64(n)])
			assert.equal(name, names[require("ffi").new("uint16_t", n)])
			assert.is_nil(names[u64(-n)])
			assert.is_nil(names[0x7fffffffffffffffLL])
			assert.is_nil(names[nil])
			assert.is_nil(names[require("ffi").new "char[4]"])
			assert.is_nil(names[{}])
		end
		local s = support.spawn { "calc_pie" }
		assert.equal("EBADF", E[-s.syscall.close(-1)])
		local seen = {}
		s:on("syscall", "write", function(sc) seen[#seen + 1] = SYS[regs.orig_rax] .. " " .. SYS[sc.nr] end)
		s:run()
		assert.equal("write write", seen[1])
	end)
end)
