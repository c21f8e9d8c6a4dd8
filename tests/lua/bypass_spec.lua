-- The library bypass, in pieces; tests/e2e/antidebug.sh has the programs that look for debuggers.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local bypass = require "bypass"

-- A shell that runs this, its output kept.
local function shell(command)
	local path = support.temporary()
	local s = spawn { "sh", "-c", command, stdout = { file = path } }
	return s, function()
		local reason = s:run { timeout = 60 }
		assert.equal("exit", reason.kind)
		return support.read(path), reason.code
	end
end

describe("bypass", function()
	after_each(support.close)

	it("starts a technique once for a session, and again when it was removed", function()
		local s = support.spawn { "calc_pie" }
		local first = bypass.status()
		assert.equal(first, bypass.status())
		assert.equal(s, first.session)
		assert.equal("Bypass status", tostring(first))
		first:remove()
		assert.is_true(first.removed)
		assert.equal("Bypass status (removed)", tostring(first))
		support.raises(function() first:remove() end, "bypass.status was removed already")
		support.raises(function() first.remove() end, "Bypass expected, got nil")
		assert.not_equal(first, bypass.status())
	end)

	it("counts and tells what was asked for", function()
		local _, run_shell = shell "grep -c TracerPid /proc/self/status"
		local words = {}
		local b = bypass.status { log = function(text) words[#words + 1] = text end }
		assert.equal("1\n", run_shell())
		assert.is_true(b.answers > 0)
		assert.truthy(words[1]:find "^status: /proc/%d+/status hides the tracer$")
	end)

	it("all() leaves out what is not wanted, and gives what it started", function()
		support.spawn { "calc_pie" }
		local all = bypass.all { timing = false, checksums = false, parent = { name = "zsh" } }
		assert.is_nil(all.timing)
		assert.is_nil(all.descriptors)
		assert.equal("parent", all.parent.name)
		assert.equal("exit", run().kind)
	end)

	it("removed, everything is as before", function()
		local _, run_shell = shell "grep TracerPid: /proc/self/status; date +%Y"
		local all = bypass.all()
		bypass.time(1e9)
		for _, b in pairs(all) do
			b:remove()
		end
		local text = run_shell()
		assert.truthy(text:find("TracerPid:\t" .. support.own_pid(), 1, true))
		assert.falsy(text:find "2001")
	end)

	it("raises errors that say what is wrong", function()
		local s = support.spawn { "calc_pie" }
		support.raises(function() bypass.status { logs = print } end, "bypass.status: there is no option 'logs'", "'log'")
		support.raises(function() bypass.status { log = 5 } end, "bypass.status: log: function expected, got 5")
		support.raises(function() bypass.all { ptrac = false } end, "bypass.all: there is no option 'ptrac'", "'ptrace'")
		support.raises(function() bypass.all { ptrace = 5 } end, "bypass.all: ptrace: true, false or a table")
		support.raises(function() bypass.parent { name = ("x"):rep(16) } end, "bypass.parent: name: ", "1 to 15 characters")
		support.raises(function() bypass.environment { remove = "HOME" } end, "remove: a list of names expected")
		support.raises(function() bypass.random "x" end, "bypass.random: seed: a whole number expected, got the string \"x\"")
		support.raises(function() bypass.pid(0) end, "bypass.pid: a process's number from 1 to 4194303 expected, got 0")
		support.raises(function() bypass.time { at = -1 } end, "bypass.time: at: a number, 0 or more, expected, got -1")
		support.raises(function() bypass.time { year = 1 } end, "bypass.time: there is no option 'year'")
		support.raises(function() bypass.returns "calc" end, "bypass.returns: value: what the function is to return")
		support.raises(function() bypass.returns("calc", "x") end, "bypass.returns: value: ", "\"x\"")
		s:kill()
		support.raises(function() bypass.status() end, "bypass.status: the target has ended")
	end)

	it("a technique that failed to start leaves nothing behind, and can be started right", function()
		local s = support.spawn { "calc_pie" }
		assert.is_false(pcall(bypass.parent, { name = "" }))
		bypass.parent { name = "zsh" }
		assert.equal("exit", s:run().kind)
	end)
end)

describe("bypass.returns", function()
	after_each(support.close)

	it("forces results: a number, a boolean, a function of the arguments", function()
		local s = support.spawn { "calc_pie" }
		local b = bypass.returns("calc", function(x, y) return x == 1 and x + y + 100 or nil end)
		s:run()
		assert.equal("calc(1, 2) = 103\ncalc(4, 5) = 9\n", support.output(s))
		assert.equal(2, b.hits)
		s = support.spawn { "calc_pie" }
		bypass.returns("calc", true)
		s:run()
		assert.equal("calc(1, 2) = 1\ncalc(4, 5) = 1\n", support.output(s))
		s = support.spawn { "calc_pie" }
		bypass.returns("calc", -5)
		s:run()
		assert.truthy(support.output(s):find "^calc%(1, 2%) = %-5\n")
	end)
end)

describe("bypass.time", function()
	after_each(support.close)

	it("begins at a moment, and goes on as time does", function()
		local _, run_shell = shell "date -u +%s; sleep 0.3; date -u +%s.%N"
		bypass.time(1e9)
		local first, second = run_shell():match "^(%d+)\n([%d.]+)\n$"
		assert.equal("1000000000", first)
		assert.is_true(tonumber(second) >= 1000000000.3 and tonumber(second) < 1000000010)
	end)

	it("passes at another rate, and skips sleeps", function()
		local s, run_shell = shell "date -u +%s; sleep 100; date -u +%s"
		bypass.time { at = 1e9, skip_sleep = true }
		assert.equal("1000000000\n1000000100\n", run_shell())
		assert.is_true(s.ended)
		local _, run_again = shell "date -u +%s; sleep 0.2; date -u +%s"
		bypass.time { at = 1e9, rate = 1000 }
		local last = tonumber(run_again():match "\n(%d+)\n")
		assert.is_true(last >= 1000000200)
	end)

	it("waits for a moment of the program's own time", function()
		-- timeout arms a timer, flock none; sleep waits for a length. Python waits for moments: clock_nanosleep, futex.
		if not io.open "/usr/bin/python3" then
			return pending "no /usr/bin/python3"
		end
		local path = support.temporary()
		local s = spawn { "/usr/bin/python3", "-c", [[
import threading, time
a = time.monotonic()
time.sleep(0.2)
b = time.monotonic()
threading.Event().wait(0.2)
c = time.monotonic()
print(b - a, c - b)
]], stdout = { file = path } }
		bypass.time(1e9)
		assert.equal(0, s:run { timeout = 60 }.code)
		local sleep, event = support.read(path):match "([%d.]+) ([%d.]+)"
		assert.is_true(tonumber(sleep) >= 0.2 and tonumber(sleep) < 10)
		assert.is_true(tonumber(event) >= 0.2 and tonumber(event) < 10)
	end)

	it("is over when the target is let go: the counter can be read", function()
		local pid, out = support.start "busy"
		local s = support.attach(pid)
		bypass.timing()
		s:bp("tick", STOP)
		assert.equal("stop", s:run().kind)
		s:detach()
		assert.equal("0", support.status(pid, "TracerPid"))
		-- PR_GET_TSC would have to be asked by the program: another look from outside, at one that reads it.
		local again = support.attach(pid)
		local at = again.mem.alloc(4096)
		assert.equal(0, again.syscall.prctl(25, at, 0, 0, 0))
		assert.equal(1, again.mem.u32[at])
		again:detach()
		os.execute("kill " .. pid)
		support.await_end(pid)
		assert.truthy(out)
	end)
end)

describe("bypass.random", function()
	after_each(support.close)

	local READ = "head -c 12 /dev/urandom | od -An -tx1; head -c 3 /dev/random | od -An -tx1"

	it("gives the same bytes in every run, and others for another seed", function()
		local function bytes(seed)
			local _, run_shell = shell(READ)
			bypass.random(seed)
			return (run_shell())
		end
		local first = bytes(7)
		assert.equal(first, bytes(7))
		assert.not_equal(first, bytes(8))
		assert.equal(bytes(0), bytes(nil))
	end)

	it("fills what the C library makes its guards from", function()
		local function guard()
			local s = support.spawn { "calc_pie" }
			bypass.random(1)
			s:bp("main", STOP)
			s:run()
			return s.mem.u64[s.regs.fs_base + 0x28]
		end
		assert.equal(guard(), guard())
	end)
end)

describe("bypass.pid", function()
	after_each(support.close)

	it("is what getpid gives, and means the program in calls and paths", function()
		local _, run_shell = shell "echo $$; kill -0 $$ && echo alive; read name </proc/$$/comm; echo $name"
		bypass.pid(4242)
		assert.equal("4242\nalive\nsh\n", run_shell())
	end)
end)

describe("bypass.checksums", function()
	after_each(support.close)

	it("is policy { hardware = true }, and taken back", function()
		local s = support.spawn { "calc_pie" }
		local points = { s:bp("calc", CONTINUE) }
		local b = bypass.checksums()
		for i, place in ipairs { "calc_add", "main", "show" } do
			points[i + 1] = s:bp(place, CONTINUE)
		end
		local e = support.raises(function() s:bp("calc", CONTINUE) end, "four debug registers needed, 0 free", "'calc'")
		assert.equal("EBUSY", e.name)
		b:remove()
		s:bp("calc", CONTINUE)
		assert.equal("exit", s:run().kind)
		assert.same({ 2, 2, 1, 2 }, { points[1].hits, points[2].hits, points[3].hits, points[4].hits })
	end)
end)
