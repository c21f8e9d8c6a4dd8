-- calc(a, b) is lea rax, [rdi] / calc_add: add rax, rsi / ret; the target prints calc(1, 2) and calc(4, 5).

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function nothing() end

-- Where the file of the main program begins in memory.
local function base()
	for _, entry in ipairs(mem.maps()) do
		if entry.path == process.path then
			return entry.start - entry.offset
		end
	end
end

local function run_to_end(s)
	local reason = s:run()
	assert.same({ kind = "exit", code = 0 }, reason)
	return support.output(s)
end

local PLAIN = "calc(1, 2) = 3\ncalc(4, 5) = 9\n"

describe("bp", function()
	after_each(support.close)

	describe("calls its function", function()
		it("with the thread and the breakpoint, at the breakpoint's address, before the instruction", function()
			local s = support.spawn { "calc_pie" }
			local seen = {}
			local b = s:bp("calc", function(t, breakpoint)
				assert(t == thread and t.tid == s.pid and breakpoint.session == s)
				assert(regs.rip == sym "calc" and breakpoint.address == sym "calc")
				seen[#seen + 1] = { num(regs.rdi), num(regs.rsi), breakpoint.hits }
			end)
			assert.equal(PLAIN, run_to_end(s))
			assert.same({ { 1, 2, 1 }, { 4, 5, 2 } }, seen)
			assert.equal(2, b.hits)
		end)

		it("also when it is a table or a userdata that can be called", function()
			local s = support.spawn { "calc_pie" }
			local hits = 0
			s:bp("calc", setmetatable({}, { __call = function(self, t, b)
				assert(type(self) == "table" and t.tid and b.id)
				hits = hits + 1
			end }))
			run_to_end(s)
			assert.equal(2, hits)
		end)

		it("in every kind of program", function()
			for _, variant in ipairs { "pie", "nopie", "static", "static_pie", "musl", "musl_static" } do
				local name = "calc_" .. variant
				if io.open(support.target(name)) then
					local s = support.spawn { name }
					local hits = 0
					s:bp("calc", function() hits = hits + 1 end)
					assert.equal(PLAIN, run_to_end(s))
					assert.equal(2, hits, name)
				end
			end
		end)

		it("in a stripped one, by address", function()
			local s = support.spawn { "calc_stripped" }
			local at = support.read(support.target "calc_stripped.syms"):match "calc (0x%x+)"
			local hits = 0
			s:bp(tonumber(at), function() hits = hits + 1 end)
			s:bp(at, function() hits = hits + 1 end)
			s:bp("+" .. at, function() hits = hits + 1 end)
			assert.equal(PLAIN, run_to_end(s))
			assert.equal(6, hits)
		end)
	end)

	describe("places", function()
		local function address(where)
			return hex(bp(where, nothing).address)
		end

		it("may be names, names with an offset, and the program's own addresses", function()
			support.spawn { "calc_pie" }
			local calc = sym "calc"
			local own = calc - base()
			assert.equal(hex(calc), address "calc")
			assert.equal(hex(calc + 3), address "calc+3")
			assert.equal(hex(calc + 3), address "calc+0x3")
			assert.equal(hex(calc), address "calc_add-3")
			assert.equal(hex(calc), address("+" .. hex(own)))
			assert.equal(hex(calc), address("calc_pie+" .. hex(own)))
			assert.equal(hex(calc), address("calc_pie!+" .. hex(own)))
			assert.equal(hex(calc), address "calc_pie!calc")
			assert.equal(hex(calc + 3), address "calc_pie!calc+0x3")
			assert.equal(hex(calc), address(hex(calc)))
			assert.equal(hex(calc), address(tostring(calc)))
		end)

		it("may be numbers of both kinds", function()
			support.spawn { "calc_pie" }
			local calc = sym "calc"
			assert.equal(hex(calc), address(calc))
			assert.equal(hex(calc), address(num(calc)))
			assert.equal(hex(calc), address(i64(calc)))
		end)

		it("of a program that is not PIE are its addresses", function()
			support.spawn { "calc_nopie" }
			assert.equal(hex(sym "calc"), address("+" .. hex(sym "calc")))
			assert.equal(hex(sym "calc"), address(sym "calc"))
		end)

		it("are what sym and find_sym give", function()
			local s = support.spawn { "calc_pie" }
			assert.equal(sym "calc" + 3, sym "calc_add")
			assert.equal(sym "calc", find_sym "calc")
			assert.equal(sym "calc" + 1, s:sym "calc+1")
			assert.is_nil(find_sym "no_such_name")
			raises(function() sym "no_such_name" end, "sym: ", "no_such_name")
			raises(function() sym() end, "sym: name: string expected, got nil")
			raises(function() find_sym(5) end, "find_sym: name: string expected, got 5")
			raises(function() sym "a\0b" end, "sym: name: must not contain a zero byte")
		end)

		it("that no module has are pending in a dynamic program", function()
			support.spawn { "calc_pie" }
			local b = bp("no_such_name", nothing, { name = "it" })
			assert.is_true(b.pending)
			assert.is_nil(b.address)
			assert.same({}, b.addresses)
			assert.equal("", b.original)
			assert.truthy(tostring(b):find "pending")
			b:remove()
			assert.is_false(b.pending)
		end)

		it("that a static program, or the module named, does not have are errors, with the nearest", function()
			support.spawn { "calc_static" }
			raises(function() bp("calx_add", nothing) end, "calx_add", "calc_add")
			support.spawn { "calc_pie" }
			raises(function() bp("calc_pie!calx_add", nothing) end, "calx_add", "calc_add")
		end)

		it("that are not mapped are errors, or wait", function()
			support.spawn { "calc_pie" }
			local e = raises(function() bp(0x10, nothing) end, "0x10 is not mapped", "{pending = true}")
			assert.same({ "EIO", 0x10, 0 }, { e.name, num(e.addr), e.done })
			e = raises(function() bp(0x10, nothing, { enabled = false }) end, "insert breakpoint: 0x10 is not mapped")
			assert.equal(0x10, num(e.addr))
			local b = bp(0x10, nothing, { pending = true })
			assert.is_true(b.pending)
			assert.equal("0x10", b.where)
		end)

		it("that are nonsense are errors", function()
			support.spawn { "calc_pie" }
			for _, where in ipairs { "", "+", "0x", "main+", "main+zz", "!", "main+0x10000000000000000" } do
				raises(function() bp(where, nothing) end)
			end
			raises(function() bp("ma\0in", nothing) end, "bp: where: must not contain a zero byte")
			raises(function() bp(("x"):rep(10000), nothing) end)
		end)
	end)

	describe("modes", function()
		it("execute: the hook makes calc(1, 2) give 42", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc_add", function()
				if regs.rdi == 1 then
					regs.rsi = 41
				end
			end)
			assert.equal("calc(1, 2) = 42\ncalc(4, 5) = 9\n", run_to_end(s))
		end)

		it("skip: the hook stands for the instruction, and makes calc(4, 5) give 99", function()
			local s = support.spawn { "calc_pie" }
			local b = s:bp("calc_add", function()
				regs.rax = regs.rdi == 4 and 99 or 3
			end, { mode = "skip" })
			assert.equal("skip", b.mode)
			assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 99\n", run_to_end(s))
		end)

		it("a hook that moves rip goes on there, without the instruction, in either", function()
			for _, mode in ipairs { "execute", "skip" } do
				local s = support.spawn { "calc_pie" }
				s:bp("calc", function()
					regs.rax = 7
					regs.rip = sym "calc_add" + 3 -- ret
				end, { mode = mode })
				assert.equal("calc(1, 2) = 7\ncalc(4, 5) = 7\n", run_to_end(s))
			end
		end)
	end)

	describe("options", function()
		it("name", function()
			support.spawn { "calc_pie" }
			local b = bp("calc", nothing, { name = "the sum" })
			assert.equal("the sum", b.name)
			assert.equal("calc", b.where)
			assert.equal("calc", bp("calc", nothing).name)
			assert.truthy(tostring(b):find("the sum", 1, true))
		end)

		it("once", function()
			local s = support.spawn { "calc_pie" }
			local hits = 0
			local b = s:bp("calc", function() hits = hits + 1 end, { once = true })
			assert.equal(PLAIN, run_to_end(s))
			assert.equal(1, hits)
			raises(function() b:enable() end, "removed")
		end)

		it("enabled, and enable and disable", function()
			local s = support.spawn { "calc_pie" }
			local hits = 0
			local b = s:bp("calc", function(_, self)
				hits = hits + 1
				self:disable()
			end, { enabled = false })
			assert.is_false(b.enabled)
			b:enable()
			b:enable()
			assert.is_true(b.enabled)
			assert.equal(PLAIN, run_to_end(s))
			assert.equal(1, hits)
			assert.is_false(b.enabled)
		end)

		it("thread: only that one", function()
			local s = support.spawn { "threads8", "2", "50" }
			local first, others = 0, 0
			s:on("thread", function(t)
				if first == 0 then
					first = t.tid
					s:bp("work", function()
						assert(thread.tid == first)
						others = others + 1
					end, { thread = first })
				end
			end)
			run_to_end(s)
			assert.equal(50, others)
		end)

		it("when: a predicate, checked before Lua is entered", function()
			local s = support.spawn { "calc_pie" }
			local hits = 0
			local b = s:bp("calc", function()
				hits = hits + 1
				assert(regs.rdi == 4)
			end, { when = "rdi > 1 and esi == 5" })
			run_to_end(s)
			assert.equal(1, hits)
			assert.equal(1, b.hits)
		end)

		it("are checked", function()
			support.spawn { "calc_pie" }
			for _, row in ipairs {
				{ { mode = "x" }, 'bp: mode: "execute" or "skip" expected, got the string "x"' },
				{ { mode = 1 }, "bp: mode:" }, { { name = 1 }, "bp: name: string expected, got 1" },
				{ { once = 1 }, "bp: once: true or false expected, got 1" }, { { enabled = "no" }, "bp: enabled:" },
				{ { pending = 1 }, "bp: pending:" }, { { thread = -1 }, "bp: thread: a thread's id expected, got -1" },
				{ { thread = 0 }, "got 0" }, { { thread = 1.5 }, "got 1.5" }, { { thread = 2 ^ 40 }, "bp: thread:" },
				{ { thread = "x" }, "bp: thread:" }, { { when = 5 }, "bp: when: string expected, got 5" },
				{ { when = "edi ==" }, "bp: compile predicate: column 7" },
				{ { onces = true }, "bp: there is no option 'onces'; did you mean 'once'?" },
				{ { 5 }, "bp: options have names, got 1" }, { 5, "bp: options: table expected, got 5" },
				{ "x", "bp: options: table expected" }, { true, "bp: options: table expected" },
			} do
				raises(function() bp("calc", nothing, row[1]) end, row[2])
			end
			for _, fn in ipairs { 5, "x", {}, true, 5ULL, setmetatable({}, { __call = 5 }) } do
				raises(function() bp("calc", fn) end, "bp: function or action expected as the second argument")
			end
			raises(function() bp("calc", GOTO) end, "bp: GOTO alone is no action yet")
			raises(function() bp("calc") end, "bp: function or action expected as the second argument, got nil")
			for _, row in ipairs {
				{ nil, "got nil" }, { -1, "negative" }, { 1.5, "got 1.5" }, { 1e300, "64 bits" }, { {}, "a table" },
				{ true, "got true" }, { 0 / 0, "nan" }, { -1LL, "negative" }, { print, "a function" },
			} do
				raises(function() bp(row[1], nothing) end, "bp: where:", row[2])
			end
			assert.same({}, bps())
		end)
	end)

	describe("handles", function()
		it("have their fields, and nil for others", function()
			local s = support.spawn { "calc_pie" }
			local b = bp("calc", nothing)
			assert.equal(1, b.id)
			assert.equal(2, bp("calc_add", nothing).id)
			assert.equal(sym "calc", b.address)
			assert.same({ hex(sym "calc") }, { hex(b.addresses[1]) })
			assert.equal("execute", b.mode)
			assert.equal(0, b.hits)
			assert.is_true(b.enabled)
			assert.is_false(b.pending)
			assert.equal(s, b.session)
			assert.is_nil(b.thread)
			assert.is_nil(b.nonsense)
			assert.equal(mem.read(sym "calc", #b.original), b.original)
			mem.u8[b.address] = 0x90
			assert.equal("\x90", b.original)
			raises(function() b.id = 2 end, "Breakpoint has no field 'id' that can be set")
			raises(function() b.mode = "skip" end, "'mode'")
			assert.equal(hex(sym "calc_add"), bp(sym "calc_add", nothing).where)
		end)

		it("are listed by bps", function()
			local s = support.spawn { "calc_pie" }
			local a, b, c = bp("calc", nothing), bp("calc_add", nothing), bp("nowhere_yet", nothing)
			assert.same({ a, b, c }, bps())
			b:remove()
			assert.same({ a, c }, s:bps())
			assert.equal(a, bps()[1])
			c:remove()
		end)

		it("raise when they are used after removal, and twice", function()
			support.spawn { "calc_pie" }
			local b = bp("calc", nothing)
			b:remove()
			local e = raises(function() b:remove() end, "breakpoint 1 was removed")
			assert.equal("ENOENT", e.name)
			raises(function() b:enable() end, "was removed")
			raises(function() b:disable() end, "was removed")
			assert.is_false(b.enabled)
			assert.equal(0, b.hits)
			assert.equal("calc", b.where)
			assert.truthy(tostring(b):find "removed")
		end)

		it("raise when the session has ended", function()
			local s = support.spawn { "calc_pie" }
			local b = bp("calc", nothing)
			run_to_end(s)
			for _, fn in ipairs {
				function() b:remove() end, function() b:disable() end, function() bp("calc", nothing) end,
				function() s:bp("calc", nothing) end, function() sym "calc" end, function() find_sym "calc" end,
			} do
				raises(fn, "the session has ended")
			end
			assert.equal(2, b.hits)
		end)

		it("want their methods called with a colon", function()
			local s = support.spawn { "calc_pie" }
			local b = bp("calc", nothing)
			raises(function() b.remove() end, "remove: Breakpoint expected, got nothing; call methods with a colon")
			raises(function() b.remove(s) end, "remove: Breakpoint expected, got userdata")
			raises(function() b.enable {} end, "enable: Breakpoint expected, got table")
			raises(function() s.bp("calc", nothing) end, "bp: Session expected, got string; call methods with a colon")
			raises(function() s.bps() end, "bps: Session expected, got nil")
			raises(function() s.sym "calc" end, "sym: Session expected, got string")
			assert.is_true(b.enabled)
		end)
	end)

	it("counts one hit for each pass, for thousands of them, with JIT on and off", function()
		for _, mode in ipairs { "on", "off" } do
			jit[mode]()
			local s = support.spawn { "threads8", "3", "1000" }
			local sum = 0
			local b = s:bp("work", function() sum = sum + num(regs.rdi) end)
			assert.equal("calls 3000\n", run_to_end(s))
			assert.equal(3000, b.hits)
			assert.equal(3 * 999 * 1000 / 2, sum)
		end
		jit.on()
	end)
end)

describe("policy { hardware = true }", function()
	after_each(support.close)

	-- What the program itself would see: our own reads hide breakpoints.
	local function byte_at(s, at)
		local file = assert(io.open(("/proc/%d/mem"):format(s.pid), "rb"))
		file:seek("set", tonumber(at))
		local byte = file:read(1):byte()
		file:close()
		return byte
	end

	it("takes breakpoints out of the code, those that are there and those to come", function()
		local s = support.spawn { "calc_pie" }
		local first = s:bp("calc", CONTINUE)
		assert.equal(0xcc, byte_at(s, first.address))
		s:policy { hardware = true }
		local second = s:bp("calc_add", CONTINUE)
		local soft = s:bp("main", CONTINUE, { hardware = false })
		assert.equal(original_bytes("calc"):byte(), byte_at(s, first.address))
		assert.equal(original_bytes("calc_add"):byte(), byte_at(s, second.address))
		assert.equal(0xcc, byte_at(s, soft.address))
		assert.equal("exit", s:run().kind)
		assert.same({ 2, 2, 1 }, { first.hits, second.hits, soft.hits })
	end)

	it("leaves all of them as they were when they are more than four, and says who has the registers", function()
		local s = support.spawn { "calc_pie" }
		local points = { s:bp("calc", CONTINUE) }
		for i, place in ipairs { "calc_add", "main", "show", "calc_add" } do
			points[i + 1] = s:bp(place, CONTINUE)
		end
		raises(function() s:policy { hardware = true } end, "1 of the CPU's four debug registers needed, 0 free", "'calc'")
		for _, point in ipairs(points) do
			assert.equal(0xcc, byte_at(s, point.address))
		end
		points[1]:remove()
		s:policy { hardware = true }
		local e = support.raises(function() s:bp("calc", CONTINUE) end, "four debug registers needed")
		assert.equal("EBUSY", e.name)
		assert.equal("exit", s:run().kind)
		assert.same({ 2, 1, 2, 2 }, { points[2].hits, points[3].hits, points[4].hits, points[5].hits })
	end)

	it("can be switched off again for those to come", function()
		local s = support.spawn { "calc_pie" }
		s:policy { hardware = true }
		local b = s:bp("calc", STOP)
		assert.equal("stop", s:run().kind)
		s:policy { hardware = false }
		assert.equal(0xcc, byte_at(s, s:bp("calc_add", CONTINUE).address))
		assert.equal("stop", s:run().kind)
		assert.equal(2, b.hits)
		support.raises(function() s:policy { hardware = 1 } end, "policy: hardware: true or false expected, got 1")
	end)
end)
