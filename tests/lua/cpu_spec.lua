-- policy{cpu}: on which CPU ptracehook runs. Its own affinity is read from /proc, as anybody would.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function allowed(pid)
	return support.status(pid, "Cpus_allowed_list")
end

local function is_one(list)
	return list:find "^%d+$" ~= nil
end

describe("the CPU of the tracer", function()
	local ours = allowed "self"
	local may_move = not is_one(ours)

	after_each(function()
		support.close()
		assert.equal(ours, allowed "self")
	end)

	-- Calls fn at the n-th hit of work().
	local function at_hit(n, threads, calls, settings, fn)
		local s = support.spawn { "threads8", threads, calls }
		s:policy(settings)
		local b
		b = s:bp("work", function(thread)
			if b.hits == n then
				fn(s, thread)
			end
		end)
		assert.equal("exit", s:run().kind)
		assert.equal(threads * calls, b.hits)
		return s
	end

	it("is its target's while one thread hits; the target may run where it could before", function()
		local seen
		at_hit(200, 1, 300, {}, function(s)
			seen = { ours = allowed "self", targets = allowed(s.pid) }
		end)
		assert.is_true(is_one(seen.ours))
		assert.equal(ours, seen.targets)
	end)

	it("is left to the scheduler when the policy says so", function()
		local seen
		at_hit(200, 1, 300, { cpu = "off" }, function() seen = allowed "self" end)
		assert.equal(ours, seen)
	end)

	it("can be changed in the middle", function()
		local seen = {}
		at_hit(200, 1, 300, {}, function(s)
			seen.before = allowed "self"
			s:policy { cpu = "off" }
			seen.after = allowed "self"
		end)
		assert.is_true(is_one(seen.before))
		assert.equal(ours, seen.after)
	end)

	it("can be said", function()
		local first, seen = tonumber(ours:match "^%d+")
		at_hit(20, 1, 30, { cpu = first }, function(s)
			seen = { ours = allowed "self", targets = allowed(s.pid) }
		end)
		assert.equal(tostring(first), seen.ours)
		assert.equal(ours, seen.targets)
	end)

	it("is not what commands and targets inherit that hooks start", function()
		local popen, spawned, execute
		at_hit(200, 1, 300, {}, function()
			local pipe = io.popen "grep Cpus_allowed_list /proc/self/status"
			popen = pipe:read "*a":match "%s(%S+)\n"
			pipe:close()
		end)
		at_hit(200, 1, 300, {}, function()
			local path = support.temporary()
			os.execute("grep Cpus_allowed_list /proc/self/status >" .. path)
			execute = support.read(path):match "%s(%S+)\n"
		end)
		at_hit(200, 1, 300, {}, function()
			spawned = allowed(support.spawn { "calc_pie" }.pid)
		end)
		assert.same({ ours, ours, ours }, { popen, execute, spawned })
	end)

	it("goes back to the scheduler when other threads hit as well", function()
		local s = support.spawn { "threads8", 2, 500 }
		local hits, moved, last = 0, 0, nil
		s:bp("work", function(thread)
			hits = hits + 1
			if last and last ~= thread.tid and is_one(allowed "self") and may_move then
				moved = moved + 1
			end
			last = thread.tid
		end)
		s:run()
		assert.equal(1000, hits)
		assert.equal(0, moved)
	end)

	it("must be one that there is", function()
		local s = support.spawn { "calc_pie" }
		for _, cpu in ipairs { 8191, 100000, 2 ^ 31 - 1 } do
			local e = raises(function() s:policy { cpu = cpu } end, ("may not run on CPU %d"):format(cpu))
			assert.equal("EINVAL", e.name)
		end
		for _, cpu in ipairs { "Auto", "", -1, 0.5, true, 2 ^ 31, {} } do
			raises(function() s:policy { cpu = cpu } end, 'policy: cpu: "auto", "off" or the number of a CPU expected, got ')
		end
		assert.equal("exit", s:run().kind)
	end)
end)
