local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

describe("attach", function()
	after_each(support.close)

	local function stop(pid)
		os.execute(("kill -KILL %d"):format(pid))
		support.await_end(pid)
	end

	it("stops a running program, and detach leaves it as it was", function()
		local pid, out = support.start "busy"
		local s = support.attach(pid)
		assert.equal(pid, s.pid)
		assert.equal("stopped", s.thread.state)
		local text = mem.read(sym "tick", 16)
		local hits = 0
		local b = s:bp("tick", function()
			hits = hits + 1
			return hits == 50 and STOP or nil
		end)
		assert.equal("stop", s:run().kind)
		assert.equal(50, b.hits)
		s:detach()
		assert.is_true(s.ended)
		assert.same({ kind = "detach" }, s:run())
		assert.equal("0", support.status(pid, "TracerPid"))
		local file = io.open(("/proc/%d/mem"):format(pid), "rb")
		file:seek("set", num(b.address))
		assert.equal(text, file:read(16))
		file:close()
		os.execute(("kill -USR1 %d"):format(pid))
		support.await_end(pid)
		assert.falsy(support.read(out):find "EINTR")
	end)

	it("sees all threads", function()
		local pid = support.start("busy", "5")
		local s = support.attach(pid)
		assert.equal(5, #s:threads())
		assert.equal(5, #s.process:threads())
		s:detach()
		stop(pid)
	end)

	it("leaves one that sleeps in a call asleep", function()
		local pid, out = support.start("sleeper", "nanosleep")
		local s = support.attach(pid)
		assert.same({ kind = "timeout" }, s:run { timeout = 0.05 })
		s:detach()
		support.await_state(pid, "S")
		stop(pid)
		assert.falsy(support.read(out):find "EINTR")
	end)

	it("may leave it stopped", function()
		local pid = support.start("sleeper", "pause")
		local s = support.attach(pid)
		s:detach { stopped = true }
		support.await_state(pid, "T")
		os.execute(("kill -CONT %d; kill %d"):format(pid, pid))
		support.await_end(pid)
	end)

	it("kill kills what was attached, too", function()
		local pid = support.start("sleeper", "pause")
		local s = support.attach(pid)
		s:kill()
		assert.same({ kind = "signal", signal = "SIGKILL" }, s:run())
		support.await_end(pid)
	end)

	it("close lets what was attached live, and kills what was spawned", function()
		local pid = support.start("sleeper", "pause")
		local s = support.attach(pid)
		s:close()
		assert.equal("0", support.status(pid, "TracerPid"))
		support.await_state(pid, "S")
		stop(pid)
		s = support.spawn { "calc_pie" }
		s:close()
		assert.is_nil(support.status(s.pid, "State"))
		s:close()
	end)

	it("an error in a hook leaves it whole", function()
		local pid = support.start "busy"
		local s = support.attach(pid)
		local text = mem.read(sym "tick", 16)
		local tick = num(sym "tick")
		s:bp("tick", function() error "on purpose" end)
		raises(function() s:run() end, "on purpose")
		assert.is_true(s.ended)
		local file = io.open(("/proc/%d/mem"):format(pid), "rb")
		file:seek("set", tick)
		assert.equal(text, file:read(16))
		file:close()
		stop(pid)
	end)

	it("says what cannot be traced", function()
		local e = raises(function() attach(support.own_pid()) end, "attach: ")
		assert.equal("table", type(e))
		raises(function() attach(2 ^ 22) end, "attach: ")
		local s = support.spawn { "sleeper", "pause" }
		raises(function() attach(s.pid) end, "attach: ")
		assert.same({ kind = "timeout" }, s:run { timeout = 0.02 })
		raises(function() attach(2) end, "attach: ")
	end)

	it("checks its arguments", function()
		for _, row in ipairs {
			{ nil, "got nil" }, { 0, "got 0" }, { -1, "got -1" }, { 1.5, "got 1.5" }, { 2 ^ 31, "got 2147483648" },
			{ 1e300, "got 1e+300" }, { "12", 'got the string "12"' }, { {}, "got a table" }, { true, "got true" },
			{ 0 / 0, "got nan" }, { -1LL, "got -1" }, { 2 ^ 40, "got 1099511627776" },
		} do
			raises(function() attach(row[1]) end, "attach: a process id expected", row[2])
		end
		raises(function() attach(1, 5) end, "attach: options: table expected, got 5")
		raises(function() attach(1, { follow = 1 }) end, "attach: follow: true or false expected, got 1")
		raises(function() attach(1, { folow = true }) end, "did you mean 'follow'?")
	end)
end)
