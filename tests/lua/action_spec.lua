-- calc(a, b) is lea rax, [rdi] / calc_add: add rax, rsi / ret; the target prints calc(1, 2) and calc(4, 5).

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

local PLAIN = "calc(1, 2) = 3\ncalc(4, 5) = 9\n"

describe("bp", function()
	after_each(support.close)

	describe("actions", function()
		local function with(where, fn, options)
			local s = support.spawn { "calc_pie" }
			s:bp(where, fn, options)
			return run_to_end(s)
		end

		it("CONTINUE goes on", function()
			assert.equal(PLAIN, with("calc", function() return CONTINUE end))
		end)

		it("SKIP passes over the instruction this once", function()
			assert.equal("calc(1, 2) = 1\ncalc(4, 5) = 4\n", with("calc_add", function() return SKIP end))
			assert.equal("calc(1, 2) = 1\ncalc(4, 5) = 9\n", with("calc_add", function()
				return regs.rdi == 1 and SKIP or nil
			end))
		end)

		it("RETURN returns, with a value when given", function()
			assert.equal("calc(1, 2) = 42\ncalc(4, 5) = 42\n", with("calc", function() return RETURN(42) end))
			assert.equal("calc(1, 2) = -1\ncalc(4, 5) = -1\n", with("calc", function() return RETURN(-1) end))
			assert.equal("calc(1, 2) = 1\ncalc(4, 5) = 1\n", with("calc", function() return RETURN(true) end))
			assert.equal("calc(1, 2) = 5\ncalc(4, 5) = 5\n", with("calc", function()
				regs.rax = 5
				return RETURN
			end))
			assert.equal("calc(1, 2) = 6\ncalc(4, 5) = 6\n", with("calc", RETURN(6)))
		end)

		it("GOTO goes on elsewhere, by number or name", function()
			for _, place in ipairs { "calc_add+3", function() return sym "calc_add" + 3 end } do
				assert.equal("calc(1, 2) = 8\ncalc(4, 5) = 8\n", with("calc", function()
					regs.rax = 8
					return GOTO(type(place) == "string" and place or place())
				end))
			end
		end)

		it("a bad one that is returned right away is told where the hook was written", function()
			for _, row in ipairs {
				{ function() return RETURN "x" end, "RETURN: value: whole number expected" },
				{ function() return SIGNAL "FOO" end, "SIGNAL: a signal's name" },
				{ function() return GOTO() end, "GOTO: address expected, got nil" },
				{ function() return GOTO "nosuch" end, "nosuch" },
				{ function() return mem.read(1, 1) end, "read memory at 0x1 " },
				{ function()
					step()
					return GOTO()
				end, "GOTO: address expected, got nil" },
				{ function() return "x" end, "a hook on breakpoint returned x" },
			} do
				local s = support.spawn { "calc_pie" }
				s:bp("calc", row[1])
				support.blames(s, row[1], row[2])
				s = support.spawn { "calc_pie" }
				s:bp("calc", setmetatable({}, { __call = row[1] }))
				support.blames(s, row[1], row[2])
			end
		end)

		it("GOTO to the site itself is a new pass", function()
			local hits = 0
			assert.equal(PLAIN, with("calc", function(_, b)
				hits = hits + 1
				return hits % 3 ~= 0 and GOTO(b.address) or nil
			end))
			assert.equal(6, hits)
		end)

		it("STEP runs the instruction and reports it", function()
			local s = support.spawn { "calc_pie" }
			local at = {}
			s:bp("calc", STEP)
			s:on("step", function(t)
				at[#at + 1] = hex(t.regs.rip)
			end)
			assert.equal(PLAIN, run_to_end(s))
			assert.same({ hex(s.process.alive and 0 or tonumber(at[1])), at[1] }, at)
			assert.equal(2, #at)
		end)

		it("SIGNAL delivers one", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", function() return SIGNAL "SIGUSR1" end)
			assert.same({ kind = "signal", signal = "SIGUSR1" }, s:run())
			s = support.spawn { "calc_pie" }
			s:bp("calc", SIGNAL(SIG.SIGTERM))
			assert.same({ kind = "signal", signal = "SIGTERM" }, s:run())
		end)

		it("REMOVE takes the breakpoint out, and goes on", function()
			local s = support.spawn { "calc_pie" }
			local b = s:bp("calc", function() return REMOVE end)
			assert.equal(PLAIN, run_to_end(s))
			assert.equal(1, b.hits)
			raises(function() b:remove() end, "removed")
		end)

		it("KILL kills", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", KILL)
			assert.same({ kind = "signal", signal = "SIGKILL" }, s:run())
			assert.equal("", support.output(s))
		end)

		it("DETACH lets it go", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", DETACH)
			assert.same({ kind = "detach" }, s:run())
			assert.is_true(s.ended)
			support.await_end(s.pid)
			assert.equal(PLAIN, support.output(s))
		end)

		it("STOP ends the run, which goes on with the next", function()
			local s = support.spawn { "calc_pie" }
			local b = s:bp("calc", STOP)
			for i, args in ipairs { { 1, 2 }, { 4, 5 } } do
				local reason = s:run()
				assert.equal("stop", reason.kind)
				assert.equal("breakpoint", reason.event)
				assert.equal(b, reason.breakpoint)
				assert.equal(s.pid, reason.thread.tid)
				assert.equal(i, b.hits)
				assert.equal(args[1], num(regs.rdi))
				assert.equal(args[2], num(s.regs.rsi))
				assert.equal(sym "calc", regs.rip)
			end
			assert.equal(PLAIN, run_to_end(s))
		end)

		it("STOP and a move both hold", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", STOP)
			s:bp("calc", RETURN(7))
			assert.equal("stop", s:run().kind)
			assert.equal("stop", s:run().kind)
			assert.equal("calc(1, 2) = 7\ncalc(4, 5) = 7\n", run_to_end(s))
		end)

		it("what is none, or none for this event, is an error that names the hook's line", function()
			for _, value in ipairs { 5, "x", {}, true, print, -1LL, GOTO, SIGNAL, SUPPRESS } do
				local s = support.spawn { "calc_pie" }
				s:bp("calc", function() return value end)
				raises(function() s:run() end, "a hook on breakpoint returned ")
				assert.is_true(s.ended)
			end
			local s = support.spawn { "calc_pie" }
			for _, value in ipairs { GOTO, SIGNAL, SUPPRESS } do
				raises(function() s:bp("calc", value) end, "bp: ")
			end
		end)

		it("check what they are given", function()
			support.spawn { "calc_pie" }
			for _, row in ipairs {
				{ RETURN, nil, "RETURN: value: whole number expected, got nil" },
				{ RETURN, 1.5, "RETURN: value: whole number expected, got 1.5" },
				{ RETURN, "1", 'got the string "1"' }, { RETURN, {}, "got a table" }, { RETURN, 1e30, "64 bits" },
				{ GOTO, nil, "GOTO: address expected, got nil" }, { GOTO, -1, "GOTO: address must not be negative" },
				{ GOTO, 1.5, "GOTO: address expected, got 1.5" }, { GOTO, "no_such_name", "GOTO: ", "no_such_name" },
				{ GOTO, {}, "got a table" }, { GOTO, true, "got true" },
				{ SIGNAL, nil, "SIGNAL: a signal's name", "got nil" }, { SIGNAL, 0, "got 0" }, { SIGNAL, 65, "got 65" },
				{ SIGNAL, -1, "got -1" }, { SIGNAL, "SIGNOPE", 'got the string "SIGNOPE"' }, { SIGNAL, 1.5, "got 1.5" },
				{ SIGNAL, 2 ^ 40, "SIGNAL" }, { STOP, 1, "STOP takes no value" }, { KILL, nil, "KILL takes no value" },
			} do
				raises(function() row[1](row[2]) end, unpack(row, 3))
			end
		end)

		it("are values that compare and show themselves", function()
			support.spawn { "calc_pie" }
			assert.equal("STOP", tostring(STOP))
			assert.equal("RETURN(0x2a)", tostring(RETURN(42)))
			assert.equal("SIGNAL(10)", tostring(SIGNAL "usr1"))
			assert.is_true(RETURN(42) == RETURN(42ULL) and RETURN(42) ~= RETURN(43) and RETURN ~= RETURN(0))
			assert.equal(SIGNAL(10), SIGNAL "SIGUSR1")
		end)
	end)

	describe("several", function()
		it("at one address run in the order added, and show no trap to each other", function()
			local s = support.spawn { "calc_pie" }
			local order = {}
			local byte = mem.u8[sym "calc"]
			for i = 1, 5 do
				s:bp("calc", function()
					order[#order + 1] = i
					assert(mem.u8[sym "calc"] == byte and regs.rip == sym "calc")
				end)
			end
			assert.equal(PLAIN, run_to_end(s))
			assert.same({ 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 }, order)
		end)

		it("at one address may be removed in any order; the byte comes back with the last", function()
			local s = support.spawn { "calc_pie" }
			local address = sym "calc"
			local list, before = {}, mem.read(sym "calc", 8)
			for i = 1, 3 do list[i] = bp("calc", nothing) end
			assert.equal(before:sub(1, #list[1].original), list[1].original)
			local text = assert(io.open(("/proc/%d/mem"):format(s.pid), "rb"))
			local function in_memory()
				text:seek("set", num(address))
				return text:read(8)
			end
			text:setvbuf "no"
			assert.equal(0xcc, in_memory():byte())
			list[2]:remove()
			list[1]:remove()
			assert.equal(0xcc, in_memory():byte())
			list[3]:remove()
			assert.equal(before, in_memory())
			text:close()
			assert.equal(PLAIN, run_to_end(s))
		end)

		it("the strongest action wins", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", RETURN(1))
			s:bp("calc", RETURN(2))
			s:bp("calc", CONTINUE)
			assert.equal("calc(1, 2) = 2\ncalc(4, 5) = 2\n", run_to_end(s))
			s = support.spawn { "calc_pie" }
			s:bp("calc", KILL)
			s:bp("calc", STOP)
			assert.equal("SIGKILL", s:run().signal)
			s = support.spawn { "calc_pie" }
			s:bp("calc", STOP)
			s:bp("calc", DETACH)
			assert.equal("detach", s:run().kind)
		end)

		it("next to each other each fire", function()
			local s = support.spawn { "calc_pie" }
			local order = {}
			s:bp("calc", function() order[#order + 1] = "calc" end)
			s:bp("calc_add", function() order[#order + 1] = "calc_add" end)
			s:bp("calc_add+3", function() order[#order + 1] = "ret" end)
			assert.equal(PLAIN, run_to_end(s))
			assert.equal("calc calc_add ret calc calc_add ret", table.concat(order, " "))
		end)
	end)

	describe("inside hooks", function()
		it("breakpoints are added, here and elsewhere", function()
			local s = support.spawn { "calc_pie" }
			local order = {}
			s:bp("calc", function()
				order[#order + 1] = "first"
				if #order == 1 then
					s:bp("calc", function() order[#order + 1] = "late" end)
					s:bp("calc_add", function() order[#order + 1] = "add" end)
				end
			end)
			assert.equal(PLAIN, run_to_end(s))
			assert.equal("first add first late add", table.concat(order, " "))
		end)

		it("breakpoints are removed: itself, an earlier one, a later one", function()
			for _, which in ipairs { 1, 2, 3 } do
				local s = support.spawn { "calc_pie" }
				local list, order = {}, {}
				for i = 1, 3 do
					list[i] = s:bp("calc", function()
						order[#order + 1] = i
						if i == 2 and #order < 4 then
							list[which]:remove()
						end
					end)
				end
				assert.equal(PLAIN, run_to_end(s))
				local expected = { "12323", "12313", "1212" }
				assert.equal(expected[which], table.concat(order))
			end
		end)

		it("everything may go", function()
			local s = support.spawn { "calc_pie" }
			local hits = 0
			for _, place in ipairs { "calc", "calc", "calc_add" } do
				s:bp(place, function()
					hits = hits + 1
					for _, b in ipairs(bps()) do
						b:remove()
					end
				end)
			end
			assert.equal(PLAIN, run_to_end(s))
			assert.equal(1, hits)
		end)

		it("an error ends the run, kills what was spawned, and is the error of run()", function()
			local s = support.spawn { "calc_pie" }
			s:bp("calc", function() error "on purpose" end)
			raises(function() s:run() end, "on purpose")
			assert.is_true(s.ended)
			assert.is_nil(support.status(s.pid, "State"))
			s = support.spawn { "calc_pie" }
			local thrown = { "a table" }
			s:bp("calc", function() error(thrown) end)
			local ok, e = pcall(s.run, s)
			assert.is_false(ok)
			assert.equal(thrown, e)
		end)

		it("an error is reported, and the target goes on, when the policy says so", function()
			local s = support.spawn { "calc_pie" }
			policy { errors = "report" }
			s:bp("calc", function() error "on purpose (this is printed)" end, { once = true })
			assert.equal(PLAIN, run_to_end(s))
		end)

		it("run() of the same session is an error", function()
			local s = support.spawn { "calc_pie" }
			local message
			s:bp("calc", function()
				message = raises(function() s:run() end, "a hook cannot run its own target")
			end, { once = true })
			run_to_end(s)
			assert.equal("EDEADLK", message.name)
		end)
	end)
end)
