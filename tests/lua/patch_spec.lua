-- patch, nop, original_bytes and asm: calc is lea rax, [rdi] / calc_add: add rax, rsi / ret; the target prints
-- calc(1, 2) and calc(4, 5).

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function run_to_end(s)
	assert.same({ kind = "exit", code = 0 }, s:run())
	return support.output(s)
end

local function bytes_of(text)
	return (text:gsub("%x%x ?", function(hex) return string.char(tonumber(hex:sub(1, 2), 16)) end))
end

local PLAIN = "calc(1, 2) = 3\ncalc(4, 5) = 9\n"
local CALC = bytes_of "48 8d 07 48 01 f0 c3"

describe("patch", function()
	after_each(support.close)

	it("makes add a multiplication, in every kind of program", function()
		support.each_calc(function(name, place)
			local s = support.spawn { name, "6", "7" }
			s:patch(place "calc_add", asm "imul eax, esi")
			assert.equal("calc(6, 7) = 42\n", run_to_end(s), name)
		end)
	end)

	it("takes bytes, shows in memory, and goes", function()
		local s = support.spawn { "calc_pie" }
		local p = s:patch("calc", "\xb8\x2a\x00\x00\x00\xc3")
		assert.equal(sym "calc", p.address)
		assert.equal(CALC:sub(1, 6), p.original)
		assert.is_true(p.active)
		assert(p.session == s)
		assert.equal("\xb8\x2a\x00\x00\x00\xc3\xc3", s.mem.read(sym "calc", 7))
		assert.equal(CALC:sub(1, 6), s:original_bytes "calc")
		assert.equal(CALC, s:original_bytes("calc", 7))
		p:restore()
		assert.is_false(p.active)
		assert(tostring(p):find("restored", 1, true))
		assert.equal(CALC, s.mem.read(sym "calc", 7))
		raises(function() p:restore() end, "was restored already")
		assert.equal(PLAIN, run_to_end(s))
	end)

	it("by asm has labels and symbols, and is for the place where it goes", function()
		local s = support.spawn { "calc_pie" }
		s:patch("main+1", asm "jmp calc")
		local target = s.mem.i32[sym "main" + 2] + sym "main" + 6
		assert.equal(sym "calc", target)
		assert.equal("\x90\xeb\xfd", asm "here: nop; jmp here":bytes(0x1000))
		assert.equal("asm \"nop\"", tostring(asm "nop"))
	end)

	it("lies under breakpoints, added before and after it, in any order of removal", function()
		for _, first in ipairs { "breakpoint", "patch" } do
			for _, gone in ipairs { "breakpoint", "patch" } do
				local s = support.spawn { "calc_pie" }
				local b, p, hits = nil, nil, 0
				local function add_breakpoint()
					b = s:bp("calc_add", function() hits = hits + 1 end)
				end
				if first == "breakpoint" then add_breakpoint() end
				p = s:patch("calc_add", asm "imul eax, esi")
				if first == "patch" then add_breakpoint() end
				assert.equal("\x0f\xaf\xc6", s.mem.read(sym "calc_add", 3))
				s:bp("calc", function(_, breakpoint)
					if breakpoint.hits == 2 then
						(gone == "patch" and p.restore or b.remove)(gone == "patch" and p or b)
					end
				end)
				assert.equal(gone == "patch" and "calc(1, 2) = 2\ncalc(4, 5) = 9\n" or "calc(1, 2) = 2\ncalc(4, 5) = 20\n",
					run_to_end(s), first .. " first, " .. gone .. " gone")
				assert.equal(gone == "patch" and 2 or 1, hits)
				support.close()
			end
		end
	end)

	it("hides a breakpoint that it makes the middle of an instruction, until it goes", function()
		local s = support.spawn { "calc_pie" }
		local middle = s:bp("calc_add", function() end)
		local p = s:patch("calc", asm "mov eax, 0x7f7f7f7f; ret")
		local late = s:bp("calc+4", function() error "never" end)
		s:bp("calc", function(_, breakpoint)
			if breakpoint.hits == 2 then
				p:restore()
				late:remove()
			end
		end)
		assert.equal("calc(1, 2) = 2139062143\ncalc(4, 5) = 9\n", run_to_end(s))
		assert.equal(1, middle.hits)
	end)

	it("overlaps others, which go in any order", function()
		for _, order in ipairs { { 1, 2, 3 }, { 3, 2, 1 }, { 2, 1, 3 }, { 2, 3, 1 }, { 1, 3, 2 }, { 3, 1, 2 } } do
			local s = support.spawn { "calc_pie" }
			local at, list = sym "calc", {}
			list[1] = s:patch(at, "AAAA")
			list[2] = s:patch(at + 2, "BBBB")
			list[3] = s:patch(at + 1, "CC")
			assert.equal("ACCBBB", s.mem.read(at, 6))
			assert.equal(CALC, s:original_bytes(at, 7))
			for i, which in ipairs(order) do
				list[which]:restore()
				assert.equal(CALC, s:original_bytes(at, 7))
				if i == 1 then
					assert.equal(({ CALC:sub(1, 1) .. "CCBBB", "ACCA" .. CALC:sub(5, 6), "AABBBB" })[which],
						s.mem.read(at, 6))
				end
			end
			assert.equal(CALC, s.mem.read(at, 7))
			support.close()
		end
	end)

	it("is taken back when the target is let go, unless it is kept", function()
		local pid = support.start "sleeper"
		local s = support.attach(pid)
		local at, other = s:sym "main", s:sym "main" + 16
		local before = s.mem.read(at, 32)
		s:patch(at, "\xcc\xcc\xcc")
		s:patch(at + 1, "\x90\x90\x90")
		s:patch(other, "\x90\x90", { keep = true })
		for _, thread in ipairs(s:threads()) do
			assert.equal("stopped", thread.state)
		end
		s:bp(at, function() end)
		s:bp(other, function() end)
		s:detach()
		s = support.attach(pid)
		assert.equal(before:sub(1, 16) .. "\x90\x90" .. before:sub(19), s.mem.read(at, 32))
		s.mem.write(at, before)
		s:kill()
	end)

	it("of a thread in the middle is refused, and so is its restoring; letting go leads the thread out", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc_add", STOP)
		assert.equal("stop", s:run().kind)
		raises(function() s:patch("calc", asm "mov eax, 0x7f7f7f7f; ret") end, "thread " .. s.pid,
			"the middle of an instruction")
		assert.equal(CALC, s.mem.read(sym "calc", 7))
		local p = s:patch("calc", asm "nop; nop; nop; nop; nop; nop; ret")
		s:bp("calc+4", STOP)
		assert.equal("calc+4", s:run().breakpoint.where)
		raises(function() p:restore() end, "the middle of an instruction")
		assert.is_true(p.active)
		local pid = s.pid
		s:detach()
		support.await_end(pid)
		-- rax is main's at the first hit: the nops lost the sum, but nothing else.
		assert(support.output(s):find("calc(4, 5) = 9\n", 1, true), support.output(s))
	end)

	it("goes with the program at exec, and with the session", function()
		local s = support.spawn { "execer", "prog", support.target "calc_pie" }
		local p = s:patch("main", "\x90")
		p:restore()
		p = s:patch("main+64", s.mem.read(sym "main" + 64, 1))
		s:on("exec", STOP)
		assert.equal("stop", s:run().kind)
		assert.is_false(p.active)
		raises(function() p:restore() end, "is gone")
		local q = s:patch("main", "\x90")
		s:kill()
		assert.is_false(q.active)
		raises(function() q:restore() end, "is gone")
		raises(function() s:patch("main", "\x90") end, "ended")
	end)

	it("says what is wrong, and changes nothing", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:patch(0x10, "x") end, "nothing is mapped at 0x10")
		raises(function() s:patch("calc", ("x"):rep(1e6)) end, "reach over the end of their mapping")
		raises(function() s:patch("calc", "") end, "an empty string changes nothing")
		raises(function() s:patch("calc") end, "bytes or asm \"text\" expected, got nil")
		raises(function() s:patch("calc", 1) end, "bytes or asm \"text\" expected, got 1")
		raises(function() s:patch("calc", "x", { kep = true }) end, "did you mean 'keep'?")
		raises(function() s:patch("clac", "x") end, "clac")
		raises(function() s:patch("calc", asm "jmp nowhere") end, "no label, register or symbol 'nowhere'")
		raises(function() asm "mvo eax, 1" end, "did you mean 'mov'?")
		raises(function() asm(1) end, "string expected, got 1")
		raises(function() asm "nop".bytes(1, 2) end, "call methods with a colon")
		assert.equal(CALC, s.mem.read(sym "calc", 7))
		assert.equal(PLAIN, run_to_end(s))
	end)

	it("is copied by fork: children have its bytes, followed or not", function()
		for _, follow in ipairs { false, true } do
			local s = support.spawn { "forker", "fork", follow = follow }
			-- The child and its parent pass "child" or "parent", and use what comes back for nothing.
			local p = s:patch("marker", asm "mov edi, 5; mov eax, 231; syscall")
			s:run()
			assert.equal("", support.output(s))
			assert.is_false(p.active)
			assert.same({ kind = "exit", code = 5 }, s:run())
		end
	end)
end)

describe("nop", function()
	after_each(support.close)

	it("passes over one instruction, or as many as it is told", function()
		local s = support.spawn { "calc_pie" }
		local p = s:nop("calc_add")
		assert.equal("\x90\x90\x90\xc3", s.mem.read(sym "calc_add", 4))
		assert.equal("calc(1, 2) = 1\ncalc(4, 5) = 4\n", run_to_end(s))
		assert.equal(CALC:sub(4, 6), p.original)
		s = support.spawn { "calc_pie" }
		s:nop("calc", 2)
		assert.equal(("\x90"):rep(6) .. "\xc3", s.mem.read(sym "calc", 7))
	end)

	it("says what is wrong", function()
		local s = support.spawn { "calc_pie" }
		raises(function() s:nop("calc", 0) end, "one instruction or more expected")
		raises(function() s:nop("calc", -1) end, "nop: n")
		raises(function() s:nop(0x10) end, "0x10")
		raises(function() s:nop("calc_add+1") end, "nop: ", "lies inside an instruction", "(calc+0x3)")
	end)
end)

-- Code of ours in the target, at an address that mem.alloc chose.
local function put(s, text, options)
	local at = s.mem.alloc(256, "rwx", options)
	s.mem.write(at, asm(text):bytes(at))
	return at
end

local MULTIPLY = "mov eax, edi; imul eax, esi; ret"

describe("redirect", function()
	after_each(support.close)

	it("leads a function elsewhere, far or near, and keeps the original callable, in every kind of program", function()
		support.each_calc(function(name, place)
			for _, near in ipairs { true, false } do
				local s = support.spawn { name, "6", "7" }
				local at = tonumber(place "calc") or sym "calc"
				local code = put(s, MULTIPLY, near and { near = at } or nil)
				local original, p = s:redirect(place "calc", code)
				assert(s:call(place "calc", 6, 7) == 42)
				assert(s:call(original, 6, 7) == 13)
				assert.equal(CALC:sub(1, 6), p.original)
				assert.equal(CALC, s:original_bytes(place "calc", 7))
				assert.equal("calc(6, 7) = 42\n", run_to_end(s), name)
			end
		end)
	end)

	it("may be used by the replacement, which calls the original", function()
		local s = support.spawn { "calc_pie" }
		local code = s.mem.alloc(256, "rwx")
		local original = s:redirect("calc", code)
		s.mem.write(code, asm(("mov rax, %s; call rax; add rax, 1000; ret"):format(hex(original))):bytes(code))
		assert.equal("calc(1, 2) = 1003\ncalc(4, 5) = 1009\n", run_to_end(s))
	end)

	it("goes by its Patch", function()
		local s = support.spawn { "calc_pie" }
		local original, p = s:redirect("calc", put(s, MULTIPLY))
		p:restore()
		assert(s:call(original, 1, 2) == 3)
		assert.equal(PLAIN, run_to_end(s))
	end)

	it("moves threads that stand in what it overwrites", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc_add", STOP, { once = true })
		assert.equal("stop", s:run().kind)
		s:redirect("calc", put(s, MULTIPLY))
		assert.equal("calc(1, 2) = 3\ncalc(4, 5) = 20\n", run_to_end(s))
	end)

	it("copies branches, calls and operands that are relative to rip", function()
		local s = support.spawn { "calc_pie" }
		local rows = {
			{ "test edi, edi; jne more; more: lea rax, [rdi+rsi]; ret", 5 },
			{ "mov eax, [value]; add eax, edi; ret; value: add dl, [rax]", 0x2 + 0x10 * 256 - 0x1000 },
			{ "call inner; ret; nop; inner: lea rax, [rdi+rsi]; ret", 5 },
			{ "jmp inner; int3; int3; int3; int3; inner: lea rax, [rdi+rsi]; ret", 5 },
			{ "push rdi; push rsi; pop rax; pop rcx; add rax, rcx; ret", 5 },
		}
		for _, row in ipairs(rows) do
			local at = put(s, row[1])
			local plain = s:call(at, 2, 3)
			local ok, original = pcall(s.redirect, s, at, put(s, MULTIPLY))
			if ok then
				assert(s:call(at, 2, 3) == 6)
				assert(s:call(original, 2, 3) == plain, row[1])
			else
				assert(row[1]:find "^jmp", row[1] .. tostring(original))
			end
		end
	end)

	it("refuses what cannot be done, says why, and changes nothing", function()
		local s = support.spawn { "calc_pie" }
		local rows = {
			{ "xor eax, eax; ret", "only 3 bytes", "replace()" },
			{ "jmp over; over: ret", "only 2 bytes" },
			{ "push rbx; call rax; add eax, 1; ret", "returns into the bytes", "replace()" },
			{ "xor eax, eax; again: inc eax; nop; cmp eax, 5; jne again; ret", "goes into the bytes", "replace()" },
			{ "syscall; mov eax, 1; ret", "cannot run at another place", "replace()" },
		}
		local to = put(s, MULTIPLY)
		for _, row in ipairs(rows) do
			local at = put(s, row[1])
			local before, maps = s.mem.read(at, 32), #s.mem.maps()
			raises(function() s:redirect(at, to) end, select(2, unpack(row)))
			assert.equal(before, s.mem.read(at, 32))
			assert.equal(maps, #s.mem.maps())
		end
		raises(function() s:redirect(0x10, to) end, "nothing is mapped at 0x10")
		raises(function() s:redirect("calc+1", to) end, "lies inside an instruction, which begins at 0x", "(calc)")
		raises(function() s:redirect("calc", 0x10) end, "nothing that can be run is mapped at 0x10")
		raises(function() s:redirect("calc", s.mem.alloc(1, "rw")) end, "nothing that can be run")
		raises(function() s:redirect("calc", to, { kep = true }) end, "did you mean 'keep'?")
		raises(function() s:redirect("calc") end, "redirect: to")
		assert.equal(PLAIN, run_to_end(s))
	end)

	it("is taken back when the target is let go, with threads in it led out", function()
		local s = support.spawn { "calc_pie" }
		local original = s:redirect("calc", put(s, MULTIPLY))
		s:bp(original, STOP, { once = true })
		s:patch("main+0", s.mem.read(sym "main", 1))
		s.mem.write(s.mem.alloc(1), "x")
		local thread = s:threads()[1]
		s:bp("calc", STOP)
		s:run()
		-- Into the middle of what is overwritten, as a thread that stood there when it was.
		thread.regs.rip, thread.regs.rax = original + 64, thread.regs.rdi
		local pid = s.pid
		s:detach()
		support.await_end(pid)
		assert.equal(PLAIN, support.output(s))
	end)

	it("stays when it is kept", function()
		local s = support.spawn { "calc_pie" }
		local code = put(s, MULTIPLY, { keep = true })
		s:redirect("calc", code, { keep = true })
		local pid = s.pid
		s:detach()
		support.await_end(pid)
		assert.equal("calc(1, 2) = 2\ncalc(4, 5) = 20\n", support.output(s))
	end)
end)

describe("original_bytes", function()
	after_each(support.close)

	it("are those of one instruction unless said, without patches and breakpoints", function()
		local s = support.spawn { "calc_pie" }
		s:bp("calc", function() end)
		assert.equal(CALC:sub(1, 3), s:original_bytes "calc")
		s:patch("calc", "\x90")
		assert.equal(CALC:sub(1, 1), s:original_bytes "calc")
		assert.equal(CALC:sub(1, 2), s:original_bytes("calc", 2))
		assert.equal("", s:original_bytes("calc", 0))
		raises(function() s:original_bytes(0x10, 4) end, "0x10")
		raises(function() s:original_bytes("calc", 2 ^ 40) end, "read memory")
	end)
end)
