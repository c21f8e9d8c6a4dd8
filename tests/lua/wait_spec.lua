-- Hooks that wait: step, step_over, finish, run_to, sleep; and the same outside of hooks.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local clock = require("ptracehook.core").clock

local NOWHERE = "inside a function that was called by a C function"

local function frames(...)
	return support.spawn { "frames", ... }
end

local function both_ways(name, fn)
	it(name .. ", JIT on", fn)
	it(name .. ", JIT off", function()
		jit.off()
		jit.flush()
		finally(jit.on)
		fn()
	end)
end

describe("step", function()
	after_each(support.close)

	it("runs one instruction, or several, in a hook", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local seen = {}
		s:bp("calc", function()
			local expected = {}
			for _, one in ipairs(insns(regs.rip, 3)) do
				expected[#expected + 1] = one.address
			end
			assert(step())
			seen[1] = regs.rip == expected[2]
			assert(step(1))
			seen[2] = regs.rip == expected[3]
		end)
		assert.equal("exit", s:run().kind)
		assert.same({ true, true }, seen)
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("onto another breakpoint's site is no hit until that runs, and then one", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local log = {}
		local function say(words) log[#log + 1] = words end
		local addresses = {}
		for _, one in ipairs(s:insns("calc", 3)) do
			addresses[#addresses + 1] = one.address
		end
		s:bp(addresses[2], function() say "second" end)
		s:bp("calc", function()
			step()
			say(regs.rip == addresses[2] and "at second" or "elsewhere")
			step()
			say(regs.rip == addresses[3] and "at third" or "elsewhere")
		end)
		s:run()
		assert.same({ "at second", "second", "at third" }, log)
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	both_ways("through a whole function, over calls and system calls, is what the CPU does", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local steps = 0
		s:bp("show", function()
			local stack = regs.rsp
			repeat
				assert(step())
				steps = steps + 1
			until regs.rsp > stack or steps > 100000
		end)
		assert.equal(0, s:run().code)
		assert.is_true(steps > 500, steps)
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("a repeated string instruction is one", function()
		local s = support.spawn { "insns" }
		local seen = 0
		for _, symbol in ipairs(s:find_syms "*rep*") do
			if s:insns(symbol.address, 1)[1].text:find "^rep" then
				s:bp(symbol.address, function()
					local one = insns(regs.rip, 1)[1]
					step()
					seen = seen + 1
					assert(regs.rip == one.address + one.size)
				end)
			end
		end
		assert.equal(0, s:run().code)
		assert.is_true(seen > 0)
	end)

	it("step_over runs a call whole", function()
		local s = frames("recurse", "5")
		local depth, hits = 0, 0
		s:bp("deep", function()
			hits = hits + 1
			if hits > 1 then
				return
			end
			for _ = 1, 100 do
				local one = insns(regs.rip, 1)[1]
				if one.text:find "^ret" then
					break
				end
				assert(step_over())
				depth = depth + 1
				if one.text:find "^call" then
					assert(regs.rip == one.address + one.size)
					assert(regs.rax == 4)
				end
			end
		end)
		s:run()
		assert.equal(5, hits)
		assert.is_true(depth > 3 and depth < 50)
		assert.equal("sum 5\n", support.output(s))
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_pie" }
		support.raises(function() s:step(0) end, "step: n: 1 or more expected, got 0")
		support.raises(function() s:step(-1) end, "step: n")
		support.raises(function() s:step(1.5) end, "step: n")
		support.raises(function() s:step "x" end, "step: n")
		support.raises(function() s:run_to "nowhere_at_all" end, "nowhere_at_all")
		assert.equal(16, num(support.raises(function() s:run_to(16) end, "wait: 0x10 is not mapped").addr))
		support.raises(function() s:run_to() end, "run_to")
		support.raises(function() s:sleep(-1) end, "sleep: seconds")
		support.raises(function() s.step() end, "step")
		s:run()
		support.raises(function() s:step() end, "has ended")
		support.raises(function() s:finish() end, "has ended")
	end)
end)

describe("finish", function()
	after_each(support.close)

	both_ways("gives the result, in recursion and threads", function()
		local s = frames("recurse", "200", "8")
		local wrong, results = 0, 0
		s:bp("deep", function()
			local n = regs.rdi
			local ret = finish()
			results = results + 1
			if ret ~= n then
				wrong = wrong + 1
			end
		end)
		s:run()
		assert.same({ 1600, 0 }, { results, wrong })
		assert.equal("sum 1600\n", support.output(s))
	end)

	for _, name in ipairs { "frames", "frames_static" } do
		it("in the middle of a function: " .. name, function()
			local s = support.spawn { name, "recurse", "6" }
			local results, steps = {}, 0
			s:bp("deep", function()
				local n = num(regs.rdi)
				steps = steps + 1
				step(steps % 4 + 1)
				local ret = finish()
				results[n] = num(ret)
			end, { when = "rdi > 2" })
			s:bp("done", CONTINUE)
			s:run()
			assert.is_true(results[6] == 6 or results[5] == 5)
			assert.equal("sum 6\n", support.output(s))
		end)
	end

	it("without call frame information steps to the return", function()
		local named = support.spawn { "frames_static" }
		local s = support.spawn { "frames_stripped", "recurse", "6" }
		local results = {}
		s:bp(named:sym "deep", function()
			local n = num(regs.rdi)
			step(2)
			local ret = finish()
			results[n] = num(ret)
		end)
		s:run()
		assert.equal(6, results[6])
		assert.equal("sum 6\n", support.output(s))
	end)

	it("of a call that longjmp, an exception or a signal handler ends is nil, \"unwound\"", function()
		for what, place in pairs { jump = "jumper", throw = "thrower", leap = "interrupted" } do
			local s = frames(what, "16", "4")
			local unwound, calls = 0, 0
			s:bp(place, function()
				calls = calls + 1
				local ret, why = finish()
				if ret == nil and why == "unwound" then
					unwound = unwound + 1
				end
			end)
			assert.equal("exit", s:run().kind)
			assert.is_true(calls >= 64, place)
			assert.equal(calls, unwound, place)
		end
	end)

	it("of a thread that exits is an error that a pcall sees, and else ends the hook alone", function()
		local s = frames "exit"
		local seen, after = {}, 0
		s:bp("leaver", function()
			local ok, e = pcall(finish)
			seen[#seen + 1] = tostring(ok) .. " " .. tostring(e.name)
			assert(not pcall(step))
		end)
		s:bp("leaver", function()
			finish()
			after = after + 1
		end)
		assert.same({ kind = "exit", code = 7 }, s:run())
		assert.same({ "false ESRCH" }, seen)
		assert.equal(0, after)
		-- pthread_exit unwinds the thread's stack first.
		s = frames("gone", "1", "3")
		s:bp("gone", function()
			local why = select(2, finish())
			seen[#seen + 1] = why
		end)
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.same({ "false ESRCH", "unwound", "unwound", "unwound" }, seen)
	end)

	it("waits beside other threads' hooks", function()
		local s = support.spawn { "threads8", "8", "50" }
		local done = 0
		s:bp("work", function()
			local i = regs.rdi
			local ret = finish()
			assert(ret == i * 2 + 1)
			sleep(0)
			step(2)
			done = done + 1
		end)
		s:run()
		assert.equal(400, done)
		assert.equal("calls 400\n", support.output(s))
	end)
end)

describe("run_to", function()
	after_each(support.close)

	it("waits for a place", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local at = {}
		s:bp("show", function()
			run_to "calc"
			at[1] = where(regs.rip)
			run_to(regs.rip + 4)
			at[2] = where(regs.rip)
		end)
		s:bp("calc", function() at[3] = "hit" end)
		s:run()
		assert.equal("calc", at[1])
		assert.equal("hit", at[3])
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("of several addresses waits for each", function()
		local s = support.spawn { "shapes" }
		local seen = {}
		for i = 1, 3 do
			assert(s:run_to "shapes::Box::scale")
			seen[i] = where(regs.rip):match "scale(%b())"
		end
		table.sort(seen)
		assert.same({ "(double)", "(int)", "(int, char const*)" }, seen)
	end)

	it("of an IFUNC waits for what it turns out to be", function()
		local s = support.spawn { "ifuncs" }
		s:on("load", function(module) return module.name == "libc.so.6" and STOP or nil end)
		assert.equal("stop", s:run().kind)
		assert(s:run_to "strlen")
		assert.truthy(where(regs.rip):find "^libc.so.6!.*strlen")
	end)

	it("is for one thread", function()
		local s = support.spawn { "threads8", "4", "20" }
		local wrong, arrived = 0, 0
		s:bp("work", function(thread)
			local tid = thread.tid
			run_to "work"
			arrived = arrived + 1
			if _G.thread.tid ~= tid then
				wrong = wrong + 1
			end
		end)
		s:run()
		assert.equal(0, wrong)
		assert.is_true(arrived > 0)
		assert.equal("calls 80\n", support.output(s))
	end)
end)

describe("sleep", function()
	after_each(support.close)

	it("keeps its thread, and lets the others run", function()
		local s = support.spawn { "threads8", "4", "100" }
		local sleeper, others, before = nil, 0, nil
		s:bp("work", function(thread)
			if not sleeper then
				sleeper = thread.tid
				before = clock()
				sleep(0.2)
				assert(regs.rip == sym "work")
				sleeper = "over"
				before = clock() - before
			elseif sleeper ~= "over" then
				assert(thread.tid ~= sleeper)
				others = others + 1
			end
		end)
		s:run()
		assert.is_true(before >= 0.2)
		assert.equal(300, others)
		assert.equal("calls 400\n", support.output(s))
	end)

	it("an action after it is as if at once", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", function()
			sleep(0.01)
			return RETURN(7)
		end)
		s:run()
		assert.equal("calc(1, 2) = 7\ncalc(4, 5) = 7\n", support.output(s))
	end)

	it("a signal's hook may wait, and suppress it all the same", function()
		local s = frames("signal", "5")
		local seen = 0
		s:on("signal", { "SIGUSR1" }, function()
			sleep(0.01)
			seen = seen + 1
			return SUPPRESS
		end)
		s:run()
		assert.equal(5, seen)
		assert.equal("sum 10\n", support.output(s))
	end)
end)

describe("hooks that wait", function()
	after_each(support.close)

	both_ways("work in pcall, metamethods, iterators and coroutines of their own", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local log = {}
		s:bp("calc", function()
			log[1] = select(2, pcall(function() return step() end))
			log[2] = setmetatable({}, { __index = function() return step() end }).x
			log[3] = setmetatable({}, { __add = function() step() return 3 end }) + 1
			local co = coroutine.create(function(a)
				local b = coroutine.yield(a + 1)
				step()
				return b * 2
			end)
			log[4] = select(2, coroutine.resume(co, 1))
			log[5] = select(2, coroutine.resume(co, 21))
			log[6] = coroutine.wrap(function()
				return coroutine.wrap(function()
					step()
					return "deep"
				end)()
			end)()
			for value in coroutine.wrap(function() step() coroutine.yield(7) end) do
				log[7] = value
			end
			log[8] = regs.rip ~= sym "calc"
		end)
		s:run()
		assert.same({ true, true, 3, 2, 42, "deep", 7, true }, log)
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	for _, seccomp in ipairs { "auto", "off" } do
		it("of a system call wait at both of its ends, and change it afterwards; seccomp " .. seccomp, function()
			local s = support.spawn { "calls", "uid" }
			s:policy { seccomp = seccomp }
			s:on("syscall", "getuid", {
				enter = function(sc)
					sleep(0.001)
					sc:skip(77)
					sleep(0.001)
				end,
				leave = function(sc)
					assert(sc.ret == 77)
					sleep(0.001)
					sc.ret = sc.ret + 1
				end,
			})
			assert.equal("exit", s:run().kind)
			assert.truthy(support.output(s):find("getuid 78 geteuid", 1, true))
		end)
	end

	it("of a system call may leave it behind", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local before, after, result
		s:on("syscall", "write", function(sc)
			before = sc.nr
			assert(step())
			after = mem.read(regs.rip - 2, 2)
			result = regs.rax
		end)
		assert.equal("exit", s:run().kind)
		assert.equal(1, before)
		assert.equal("\x0f\x05", after)
		assert.is_true(result == #"calc(1, 2) = 3\n")
	end)

	it("of a watch and of steps() go on by steps and to returns", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local seen = {}
		s:bp("calc", function()
			-- The return address: calc's ret reads it.
			s:watch(regs.rsp, { access = "rw" }, function()
				seen[1] = where(regs.rip)
				assert(step())
				seen[2] = regs.rip - sym(seen[1]:match "^[%w_]+")
				return REMOVE
			end)
			local handle
			handle = s:steps(function()
				handle:remove()
				sleep(0.001)
				seen[3] = finish()
			end, { from = "calc_add", to = sym "calc_add" + 1 })
		end)
		assert.equal("exit", s:run().kind)
		assert.truthy(seen[1]:find "^show")
		assert.is_true(seen[2] > 0)
		assert.is_true(seen[3] == 3)
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("say so where they cannot: in callbacks of C functions", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local errors = {}
		s:bp("calc", function()
			local function fails(fn)
				local ok, e = pcall(fn)
				errors[#errors + 1] = not ok and tostring(e) or "no error"
			end
			fails(function() string.gsub("x", "x", function() step() end) end)
			fails(function() table.sort({ 2, 1 }, function() step() return true end) end)
			fails(function()
				string.gsub("x", "x", function() coroutine.wrap(function() finish() end)() end)
			end)
			fails(function()
				string.gsub("x", "x", function() assert(coroutine.resume(coroutine.create(function() sleep(0) end))) end)
			end)
			package.preload.waits = function() step() end
			fails(function() require "waits" end)
			step()
		end)
		s:run()
		assert.equal(5, #errors)
		for _, e in ipairs(errors) do
			assert.truthy(e:find(NOWHERE, 1, true), e)
		end
	end)

	it("of one stop are all called there; each goes on when its own time has come", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local log = {}
		local function at() return (where(regs.rip)) end
		s:bp("calc", function()
			log[#log + 1] = "1 " .. at()
			finish()
			log[#log + 1] = "1 " .. at():match "^%w+"
		end)
		s:bp("calc", function()
			log[#log + 1] = "2 " .. at()
			step()
			log[#log + 1] = "2 " .. at()
		end)
		s:bp("calc", function() log[#log + 1] = "3 " .. at() end)
		s:run()
		assert.same({ "1 calc", "2 calc", "3 calc", log[4], "1 show" }, log)
		assert.truthy(log[4]:find "^2 calc%+0x")
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("an error after waiting is the run's, at its line", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", function()
			step()
			error "after"
		end)
		local ok, e = pcall(s.run, s)
		assert.is_false(ok)
		assert.truthy(tostring(e):find("wait_spec.lua:%d+: after"))
		assert.is_true(s.ended)
	end)

	it("answer with any action, wherever they have come to", function()
		local s = support.spawn { "calc_pie" }
		local b
		b = s:bp("calc", function()
			step()
			return b.hits == 1 and REMOVE or nil
		end)
		s:run()
		assert.equal(1, b.hits)
		s = support.spawn { "calc_pie" }
		b = s:bp("calc", function()
			step()
			return STOP
		end)
		local reason = s:run()
		assert.equal("stop", reason.kind)
		assert.equal(b, reason.breakpoint)
		assert.equal("breakpoint", reason.event)
		assert.truthy(s:where(s.regs.rip):find "^calc%+")
		s:run()
		s = support.spawn { "calc_pie" }
		s:bp("calc", function()
			step()
			return KILL
		end)
		assert.equal("SIGKILL", s:run().signal)
		s = support.spawn { "calc_pie" }
		s:bp("calc", function()
			finish()
			return GOTO(regs.rip)
		end)
		s:run()
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", support.output(s))
	end)

	it("wait over a STOP into the next run", function()
		local s = support.spawn { "calc_pie", "1", "2" }
		local ret
		s:bp("show", function() ret = { finish() } end)
		s:bp("calc", STOP)
		assert.equal("stop", s:run().kind)
		assert.is_nil(ret)
		s:run()
		assert.equal("table", type(ret))
	end)

	it("are told when the session ends under them, by whatever", function()
		for _, how in ipairs { "detach", "kill", "close", "error", "hook detach" } do
			local s = support.spawn { "threads8", "3", "10" }
			local told, after, waiting = {}, 0, 0
			s:bp("work", function()
				waiting = waiting + 1
				if waiting == 3 then
					if how == "error" then
						error "enough"
					end
					return how == "hook detach" and DETACH or STOP
				end
				local ok, e = pcall(sleep, 100)
				told[#told + 1] = not ok and e.message
				sleep(1)
				after = after + 1
			end)
			local ok = pcall(s.run, s)
			assert.equal(how ~= "error", ok)
			if not s.ended then
				s[how](s)
			end
			assert.equal(2, #told, how)
			assert.truthy(told[1]:find("the session has ended", 1, true), told[1])
			assert.equal(0, after)
		end
	end)

	it("time limits of run are kept while they sleep", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", function() sleep(30) end)
		assert.equal("timeout", s:run({ timeout = 0.1 }).kind)
		s:kill()
	end)

	it("thousands of times leave nothing behind", function()
		local s = support.spawn { "threads8", "1", "3000" }
		local n = 0
		s:bp("work", function()
			step()
			n = n + 1
		end)
		collectgarbage()
		local before = collectgarbage "count"
		s:run()
		collectgarbage()
		assert.equal(3000, n)
		assert.is_true(collectgarbage "count" - before < 500)
	end)

	it("another thread's registers are not what they wait for", function()
		local s = support.spawn { "threads8", "2", "5" }
		local ok, e
		s:bp("work", function(thread)
			for _, other in ipairs(thread.session:threads()) do
				if other ~= thread and ok == nil then
					ok, e = pcall(other.step, other)
				end
			end
		end)
		s:run()
		assert.is_false(ok)
		assert.truthy(tostring(e):find "for its own thread only")
	end)

	it("a loop of steps may be interrupted by the end of the process", function()
		local s = frames "exit"
		local steps = 0
		s:bp("leaver", function()
			while true do
				step()
				steps = steps + 1
			end
		end)
		assert.equal(7, s:run().code)
		assert.is_true(steps > 10)
	end)
end)

describe("outside of hooks", function()
	after_each(support.close)

	it("run_to, step, step_over and finish drive the session", function()
		local s = support.spawn { "calc_pie" }
		assert.is_true(s:run_to "calc")
		assert.equal("calc", s:where(s.regs.rip))
		assert.is_true(s:step())
		assert.truthy(s:where(s.regs.rip):find "^calc%+")
		assert.equal(3, num(s:finish()))
		assert.truthy(s:where(s.regs.rip):find "^show%+")
		assert.is_true(s:step_over())
		assert.is_true(run_to "calc")
		assert.is_true(step(2))
		assert.equal(9, num(finish()))
		assert.is_true(s.thread:step())
		local done, why = s:run_to "calc"
		assert.is_nil(done)
		assert.same({ kind = "exit", code = 0 }, why)
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", support.output(s))
	end)

	it("a spawned program is stepped from its very first instruction", function()
		local s = support.spawn { "calc_static", "1", "2" }
		local before = s.regs.rip
		assert.is_true(s:step())
		assert.is_true(s.regs.rip ~= before)
		assert.is_true(s:step(100))
		s:run()
		assert.equal("calc(1, 2) = 3\n", support.output(s))
	end)

	it("hooks are called on the way, and may stop it", function()
		local s = support.spawn { "calc_pie" }
		local b = s:bp("show", STOP)
		local done, why = s:run_to "calc"
		assert.is_nil(done)
		assert.equal("stop", why.kind)
		assert.equal(b, why.breakpoint)
		assert.is_true(s:run_to "calc")
		b:remove()
		s:run()
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", support.output(s))
	end)

	it("in a hook of another session", function()
		local a, b = support.spawn { "calc_pie" }, support.spawn { "calc_pie" }
		local at
		a:bp("calc", function()
			assert(b:run_to "calc")
			at = b:where(b.regs.rip)
			step()
		end, { once = true })
		a:run()
		assert.equal("calc", at)
		b:run()
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", support.output(a))
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", support.output(b))
	end)

	it("sleep sleeps", function()
		local before = clock()
		sleep(0.05)
		assert.is_true(clock() - before >= 0.05)
	end)
end)
