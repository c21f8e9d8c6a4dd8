local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function sh(script, options)
	options = options or {}
	options[1], options[2], options[3] = "/bin/sh", "-c", script
	options.timeout = options.timeout or 60
	return support.keep(spawn(options))
end

describe("several sessions", function()
	after_each(support.close)

	it("run at once, each until its own end, with hooks of their own", function()
		local sessions, hits = {}, {}
		for i = 1, 6 do
			local s = support.spawn { "calc_static" }
			sessions[i], hits[i] = s, 0
			s:bp("calc", function(thread)
				assert(thread.session == s and process == s.process)
				hits[i] = hits[i] + 1
				if i == 3 and hits[i] == 2 then return STOP end
				if i == 4 then return KILL end
			end)
		end
		local reasons = run(sessions)
		for i = 1, 6 do
			assert.equal(i == 3 and "stop" or i == 4 and "signal" or "exit", reasons[i].kind)
			assert.equal(i == 4 and 1 or 2, hits[i])
		end
		assert.equal(sessions[3], reasons[3].thread.session)
		assert.equal("exit", run { sessions[3], sessions[1], sessions[3] }[1].kind)
	end)

	it("may wait for each other", function()
		local path = support.temporary()
		os.execute("mkfifo " .. path)
		local writer = sh("echo through >" .. path)
		local listener = sh("cat " .. path, { stdout = "pipe" })
		local reasons = run { writer, listener, timeout = 30 }
		assert.equal("exit", reasons[1].kind)
		assert.equal("exit", reasons[2].kind)
		assert.equal("through\n", listener.stdout:recv_all())
	end)

	it("have their time limits, each its own", function()
		local short, long, quick = sh("exec sleep 60", { timeout = 0.05 }), sh("exec sleep 60", { timeout = 30 }),
			sh("sleep 0.2; exit 4")
		local reasons = run { short, long, quick, timeout = 0.5 }
		assert.same({ { kind = "timeout" }, { kind = "timeout" }, { kind = "exit", code = 4 } }, reasons)
	end)

	it("end together when a hook of one fails", function()
		local one, other = support.spawn { "calc_static" }, sh("exec sleep 60")
		one:bp("calc", function() error "of one" end)
		raises(function() run { one, other } end, "of one")
		assert.is_true(one.ended)
		assert.is_false(other.ended)
		assert.equal("stopped", other.thread.state)
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_static" }
		raises(function() run { s, 5 } end, "run: session 2: Session expected, got 5")
		raises(function() run { s, nil, s } end, "run: session 2: Session expected, got nil")
		raises(function() run { s, time = 5 } end, "run: there is no option 'time'")
		raises(function() s:run { s } end, "run: options have names")
		assert.same({}, run { timeout = 5, [0] = nil } and {})
	end)

	it("one after another leave nothing behind", function()
		local function status(field)
			return tonumber(support.status("self", field):match "%d+")
		end
		local function rounds(n)
			for _ = 1, n do
				local s = spawn { support.target "calc_static", stdin = { data = "x" }, stdout = "pipe" }
				local hits = 0
				s:bp("calc", function() hits = hits + 1 end)
				assert(s:run().kind == "exit" and hits == 2)
				assert(s.stdout:recv_line() == "calc(1, 2) = 3")
			end
			collectgarbage()
			collectgarbage()
		end
		rounds(200)
		local fds, memory = support.open_descriptors(), status "VmRSS"
		local is_asan = os.getenv "BUILD" == "asan" -- which keeps what was freed
		rounds(os.getenv "LONG" and 100000 or is_asan and 1000 or 5000)
		assert.equal(fds, support.open_descriptors())
		local grown = status "VmRSS" - memory
		assert.is_true(is_asan or grown < 4000, ("%d kB, and %d kB more"):format(memory, grown))
		assert.equal("", support.read(("/proc/self/task/%d/children"):format(support.own_pid())))
	end)
end)
