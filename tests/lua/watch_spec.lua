-- watched writes to `cell`, 32 bytes, in ways that its comment lists (tests/targets/watched.c).

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function nothing() end

local function run_to_end(s)
	local reason = s:run()
	assert.same({ kind = "exit", code = 0 }, reason)
	return support.output(s)
end

describe("watch", function()
	after_each(support.close)

	it("calls its function with the thread and the watch, behind the instruction that wrote", function()
		local s = support.spawn { "watched", "plain" }
		local seen = {}
		local w = s:watch("cell", {}, function(t, w)
			assert(t == thread and t.tid == s.pid and w.session == s and w.enabled)
			assert(w.new == mem.u64[w.address])
			seen[#seen + 1] = ("%s %s %d"):format(w.old, w.new, w.hits)
		end)
		assert(w.address == sym "cell" and w.len == 8 and w.access == "w" and w.id == 1)
		assert.equal("writes 12\n", run_to_end(s))
		assert.equal(8, w.hits)
		assert.equal("0 1 1", seen[1])
		assert.equal("1 1 2", seen[2])
		assert.equal("1 72623859790382856 3", seen[3])
	end)

	it("counts reads too when it is \"rw\", and values are numbers up to 8 bytes", function()
		local s = support.spawn { "watched", "plain" }
		local reads = 0
		local w = s:watch(sym "cell" + 17, { len = 1, access = "rw" }, function(_, w)
			assert(type(w.new) == "cdata")
			if w.old == w.new then reads = reads + 1 end
		end)
		run_to_end(s)
		-- the read, and the copy of a quadword whose second byte is zero
		assert.equal(2, w.hits)
		assert.equal(2, reads)
	end)

	it("takes a read for what it is: \"w\" does not see it", function()
		local s = support.spawn { "watched", "plain" }
		local w = s:watch(sym "cell" + 17, { len = 1 }, nothing)
		run_to_end(s)
		assert.equal(1, w.hits)
	end)

	it("reaches 32 bytes and unaligned ranges, values beyond 8 bytes are strings", function()
		local s = support.spawn { "watched", "plain" }
		local last
		local whole = s:watch("cell", { len = 32 }, function(_, w)
			assert(#w.old == 32 and #w.new == 32)
			assert(w.new == mem.read(w.address, 32))
			assert(last == nil or last == w.old)
			last = w.new
		end)
		run_to_end(s)
		assert.equal(12, whole.hits)
		s = support.spawn { "watched", "plain" }
		local odd = s:watch(sym "cell" + 3, { len = 5 }, nothing)
		run_to_end(s)
		-- three quadwords, 3, 6, 4, 5 and the first round of the copy
		assert.equal(8, odd.hits)
	end)

	it("may be no longer than registers are left, and says who has them", function()
		local s = support.spawn { "watched", "plain" }
		local b = s:bp("twice", nothing, { hardware = true })
		local w = s:watch("cell", { len = 16 }, nothing)
		local e = raises(function() s:watch("beside", { len = 16 }, nothing) end,
			"2 of the CPU's four debug registers needed, 1 free", ("breakpoint %d at 'twice'"):format(b.id),
			"watch 1 at " .. hex(w.address) .. " (2)")
		assert.equal("EBUSY", e.name)
		raises(function() s:watch(sym "cell" + 1, { len = 16 }, nothing) end, "take 5 debug registers")
		b:remove()
		local late = s:watch("beside", { len = 16 }, nothing)
		run_to_end(s)
		assert.equal(1, late.hits)
	end)

	it("refuses what it cannot watch, and nothing is changed", function()
		local s = support.spawn { "watched", "plain" }
		raises(function() s:watch("cell", { len = 0 }, nothing) end, "watch: ", "no bytes")
		raises(function() s:watch("cell", { len = 33 }, nothing) end, "reach 32")
		raises(function() s:watch("cell", { len = -1 }, nothing) end, "watch: len")
		raises(function() s:watch("cell", { len = 1.5 }, nothing) end, "watch: len")
		raises(function() s:watch("cell", { access = "r" }, nothing) end, "reads alone", "\"rw\"")
		raises(function() s:watch("cell", { access = "write" }, nothing) end, "\"w\", \"rw\" or \"x\" expected")
		raises(function() s:watch("cell", { access = "x", len = 2 }, nothing) end, "its len is 1")
		raises(function() s:watch(0xffffffff81000000ULL, {}, nothing) end, "kernel's")
		assert.equal(0x10, num(raises(function() s:watch(0x10, {}, nothing) end, "add watch: 0x10 is not mapped").addr))
		raises(function() s:watch("cel", {}, nothing) end, "did you mean 'cell'")
		raises(function() s:watch("cell", {}) end, "function or action expected")
		raises(function() s:watch("cell", {}, RETURN) end, "RETURN")
		raises(function() s:watch("cell", { soft = 1 }, nothing) end, "watch: soft")
		raises(function() s:watch("cell", { size = 8 }, nothing) end, "no option 'size'")
		raises(function() s:watch({}, {}, nothing) end, "watch: address")
		assert.equal("writes 12\n", run_to_end(s))
		raises(function() s:watch("cell", {}, nothing) end, "ended")
	end)

	it("stops a run, whose reason names it", function()
		local s = support.spawn { "watched", "plain" }
		local w = s:watch("cell", {}, STOP)
		local reason = s:run()
		assert(reason.kind == "stop" and reason.event == "watch" and reason.watch == w and reason.breakpoint == nil)
		assert(reason.thread.tid == s.pid and w.hits == 1)
		w:remove()
		assert.equal("writes 12\n", run_to_end(s))
	end)

	it("is removed by REMOVE, disabled and enabled, and raises afterwards", function()
		local s = support.spawn { "watched", "plain" }
		local w = s:watch("cell", {}, function(_, w) return w.hits == 3 and REMOVE or nil end)
		local off = s:watch("beside", {}, nothing)
		off:disable()
		assert(not off.enabled)
		run_to_end(s)
		assert.equal(3, w.hits)
		assert.equal(0, off.hits)
		raises(function() w:remove() end, "watch 1 was removed")
		assert(not w.enabled and tostring(w):find("removed", 1, true))
	end)

	it("of an instruction comes before it runs, and takes every move", function()
		local s = support.spawn { "watched", "plain" }
		local results = {}
		local w = s:watch("twice", { access = "x" }, function(_, w)
			assert(regs.rip == sym "twice" and w.len == 1 and w.old == nil and w.new == nil)
			results[#results + 1] = num(regs.rdi)
			return regs.rdi == 4 and RETURN(8) or nil
		end)
		assert.equal("writes 12\n", run_to_end(s))
		assert.equal(2, w.hits)
		assert.same({ 21, 4 }, results)
	end)

	it("does not take moves where the access is over", function()
		local s = support.spawn { "watched", "plain" }
		raises(function() s:watch("cell", {}, SKIP) end, "SKIP", "access \"w\"")
		s:watch("cell", {}, function() return SKIP end)
		raises(function() s:run() end, "a hook on watch returned SKIP")
	end)

	it("is on threads that are born later, fifty times", function()
		for _ = 1, 50 do
			local s = support.spawn { "watched", "threads", "4", "10" }
			local w = s:watch("cell", {}, nothing)
			assert.equal("writes 40\n", run_to_end(s))
			assert.equal(40, w.hits)
		end
	end)

	it("is on children that are followed, on others not", function()
		for _, follow in ipairs { true, false } do
			local s = support.spawn { "watched", "fork", follow = follow }
			local w = s:watch("cell", {}, nothing)
			assert.equal("writes 3\n", run_to_end(s))
			assert.equal(follow and 3 or 1, w.hits)
		end
	end)

	it("is gone with the program that exec replaces", function()
		local s = support.spawn { "watched", "exec" }
		local w = s:watch("cell", {}, nothing)
		local said
		s:on("exec", function()
			assert(not w.enabled)
			said = select(2, pcall(w.remove, w))
			s:watch("cell", {}, nothing)
		end)
		assert.equal("writes 12\n", run_to_end(s))
		assert.equal(1, w.hits)
		assert(tostring(said):find("a program that exec has replaced", 1, true), tostring(said))
	end)

	it("does not see what the kernel writes, and old is what was last seen", function()
		local s = support.spawn { "watched", "syscall" }
		local old
		local w = s:watch("cell", {}, function(_, w) old = w.old end)
		run_to_end(s)
		assert.equal(1, w.hits)
		assert(old == 0)
	end)

	it("has what a script or a snapshot put there be old", function()
		for _, soft in ipairs { false, true } do
			local s = support.spawn { "watched", "plain" }
			s:run_to "main_ready"
			local seen = {}
			local w = s:watch("cell", { soft = soft }, function(_, w)
				seen[#seen + 1] = ("%s %s"):format(w.old, w.new)
				return STOP
			end)
			local snap = s:snapshot()
			for _, value in ipairs { false, 70, 71 } do
				snap:restore()
				if value then
					s.mem.u64[w.address] = value
				end
				assert.equal("stop", s:run().kind)
			end
			snap:restore()
			s:run()
			assert.same({ "0 1", "70 1", "71 1", "0 1" }, seen)
			s:kill()
		end
	end)

	it("is seen in regs.dr0 to regs.dr7", function()
		local s = support.spawn { "watched", "plain" }
		s:watch("cell", { len = 16 }, function()
			assert(regs.dr0 == sym "cell" and regs.dr1 == sym "cell" + 8 and regs.dr7 == 0x990005)
			return STOP
		end)
		assert.equal("stop", s:run().kind)
	end)
end)

describe("a soft watch", function()
	after_each(support.close)

	-- From main_ready() on, for the dynamic linker takes a hundred thousand steps.
	local function at_ready(...)
		local s = support.spawn { "watched", ... }
		s:bp("main_ready", STOP, { once = true })
		assert.equal("stop", s:run().kind)
		return s
	end

	it("counts what one by debug registers counts, and has the same values", function()
		for _, mode in ipairs { { "plain" }, { "threads", "4", "10" }, { "fork" } } do
			local s = at_ready(unpack(mode))
			local soft, hard = {}, {}
			local a = s:watch("cell", { soft = true, len = 16 }, function(_, w) soft[#soft + 1] = w.old .. w.new end)
			local b = s:watch("cell", { len = 16 }, function(_, w) hard[#hard + 1] = w.old .. w.new end)
			local c = s:watch(sym "cell" + 17, { len = 1, access = "rw", soft = true }, nothing)
			local d = s:watch(sym "cell" + 17, { len = 1, access = "rw" }, nothing)
			run_to_end(s)
			assert(a.hits > 0 and a.hits == b.hits and c.hits == d.hits)
			assert(mode[1] ~= "plain" or table.concat(soft) == table.concat(hard))
		end
	end)

	it("needs no register, and reaches what four cannot", function()
		local s = at_ready "plain"
		s:watch("cell", { len = 32 }, nothing)
		local odd = s:watch(sym "cell" + 1, { len = 31, soft = true }, nothing)
		local b = s:bp("write_cell", nothing)
		run_to_end(s)
		assert.equal(12, odd.hits)
		assert.equal(3, b.hits)
	end)

	it("of an instruction takes every move", function()
		local s = at_ready "plain"
		local w = s:watch("twice", { access = "x", soft = true }, function()
			assert(regs.rip == sym "twice")
			return regs.rdi == 4 and RETURN(8) or nil
		end)
		assert.equal("writes 12\n", run_to_end(s))
		assert.equal(2, w.hits)
	end)

	it("stops a run, and is removed, after which the target runs freely", function()
		local s = at_ready "plain"
		local w = s:watch("cell", { soft = true }, STOP)
		local reason = s:run()
		assert(reason.kind == "stop" and reason.watch == w)
		w:remove()
		assert.equal("writes 12\n", run_to_end(s))
		assert.equal(1, w.hits)
	end)
end)

describe("a hardware breakpoint", function()
	after_each(support.close)

	it("has what every breakpoint has, and changes no byte", function()
		local s = support.spawn { "calc_pie" }
		local hits = 0
		local b = s:bp("calc_add", function()
			hits = hits + 1
			regs.rax = 99
		end, { hardware = true, when = "rsi == 5", name = "sum", mode = "skip", thread = s.pid })
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 99\n", run_to_end(s))
		assert.equal(1, hits)
		assert(b.hits == 1 and b.name == "sum" and b.mode == "skip" and b.thread == s.pid)
	end)

	it("stands beside one of a byte at the same place", function()
		local s = support.spawn { "calc_pie" }
		local order = {}
		s:bp("calc", function() order[#order + 1] = "byte" end)
		s:bp("calc", function() order[#order + 1] = "register" end, { hardware = true })
		run_to_end(s)
		assert.same({ "register", "byte", "register", "byte" }, order)
	end)

	it("is disabled, enabled, removed, and once", function()
		local s = support.spawn { "calc_pie" }
		local b = s:bp("calc", function(_, self) self:disable() end, { hardware = true })
		local c = s:bp("calc", nothing, { hardware = true, once = true })
		run_to_end(s)
		assert.equal(1, b.hits)
		assert.equal(1, c.hits)
	end)

	it("needs a boolean and a free register", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:bp("calc", nothing, { hardware = 1 }) end, "bp: hardware")
		for _ = 1, 4 do s:bp("calc", nothing, { hardware = true }) end
		raises(function() s:bp("main", nothing, { hardware = true }) end,
			"1 of the CPU's four debug registers needed, 0 free")
	end)
end)

describe("steps", function()
	after_each(support.close)

	it("hands over every instruction of a range before it runs", function()
		local s = support.spawn { "calc_pie" }
		local seen = {}
		s:bp("main", STOP)
		s:run()
		s:steps(function(t)
			assert(t == thread)
			seen[#seen + 1] = num(regs.rip - sym "calc")
		end, { from = "calc", to = sym "calc" + 7 })
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 9\n", run_to_end(s))
		assert.same({ 0, 3, 6, 0, 3, 6 }, seen)
	end)

	it("takes actions", function()
		local s = support.spawn { "calc_pie" }
		s:bp("main", STOP)
		s:run()
		local h = s:steps(function() return regs.rdi == 4 and RETURN(42) or nil end, { from = "calc", to = sym "calc" + 1 })
		assert.equal("Handle on steps", tostring(h))
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 42\n", run_to_end(s))
	end)

	-- Of every instruction from main to the end, and, with signals, of their handlers.
	for _, program in ipairs { { "calc_static" }, { "signals", "usr1", "3" } } do
		it("tells branches where no instruction leads by its length: " .. table.concat(program, " "), function()
			local s = support.spawn(program)
			s:bp("main", STOP)
			s:run()
			local sizes, next_one, expected, told = {}, nil, {}, {}
			s:steps(function()
				local at = num(regs.rip)
				sizes[at] = sizes[at] or insns(at, 1)[1].size
				if at ~= next_one then
					expected[#expected + 1] = at
				end
				next_one = at + sizes[at]
			end)
			s:steps(function() told[#told + 1] = num(regs.rip) end, { branches = true })
			assert.equal("exit", s:run().kind)
			assert.is_true(#told > 100)
			assert.same(expected, told)
		end)
	end

	it("of a thread are its own, and STOP and REMOVE mean what they always do", function()
		local s = support.spawn { "calc_pie" }
		s:bp("main", STOP)
		s:run()
		local n = 0
		s:steps(function()
			n = n + 1
			return n == 100 and STOP or nil
		end, { thread = s.pid })
		local reason = s:run()
		assert(reason.kind == "stop" and reason.event == "steps" and n == 100)
		local m = 0
		s:steps(function()
			m = m + 1
			return m == 10 and REMOVE or nil
		end)
		local other = s:steps(function() n = n + 1 return n == 150 and STOP or nil end)
		assert.equal("stop", s:run().kind)
		other:remove()
		assert.equal(10, m)
	end)

	it("and hooks of system calls see each other's", function()
		local counts = {}
		for _, stepped in ipairs { false, true } do
			for _, seccomp in ipairs { "auto", "off" } do
				local s = support.spawn { "calc_pie" }
				s:policy { seccomp = seccomp }
				local enters, leaves, instructions = 0, 0, 0
				s:on("syscall", "*", {
					enter = function() enters = enters + 1 end,
					leave = function() leaves = leaves + 1 end,
				})
				s:bp("main", function()
					if stepped then
						s:steps(function() instructions = instructions + 1 end)
					end
				end)
				run_to_end(s)
				assert(leaves == enters - 1) -- exit_group does not return
				counts[#counts + 1] = enters
				assert(not stepped or instructions > 100)
			end
		end
		assert.same({ counts[1], counts[1], counts[1], counts[1] }, counts)
	end)

	it("refuses what is no range, thread or function", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:steps() end, "steps: function or action expected")
		raises(function() s:steps(nothing, { from = 8, to = 8 }) end, "no instruction lies between")
		raises(function() s:steps(nothing, { from = "nowhere" }) end, "nowhere")
		raises(function() s:steps(nothing, { thread = 0 }) end, "steps: thread")
		raises(function() s:steps(nothing, { branches = 1 }) end, "steps: branches")
		raises(function() s:steps(STEP) end, "STEP")
		raises(function() s:steps(nothing, { where = 1 }) end, "no option 'where'")
	end)
end)
