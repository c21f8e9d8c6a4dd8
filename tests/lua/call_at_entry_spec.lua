-- Calls of scripts' own from where a system call is about to be made: it is made afterwards, once, as hooks want it.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"

local each_way = support.each_way_of_calls

local NAMES = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
	"r15", "rip", "eflags", "orig_rax", "fs_base" }

local function registers()
	local all = {}
	for _, name in ipairs(NAMES) do
		all[name] = hex(regs[name])
	end
	return all
end

describe("at the entry of a system call", function()
	after_each(support.close)

	it("functions, system calls and memory are to be had, and the call is as it was", function()
		each_way(function(spawn)
			local s = spawn("loop", "20")
			local entered, left, pid = 0, 0, s.pid
			s:on("syscall", "getppid", { enter = function(sc)
				local before = registers()
				entered = entered + 1
				assert.equal(pid, num(s:call "getpid"))
				assert.equal(pid, num(s:call(s:find_sym "syscall", SYS.getpid)))
				assert.equal(pid, num(syscall.getpid()))
				local at = mem.alloc(100)
				mem.write(at, "here")
				assert.equal("here", mem.read(at, 4))
				mem.free(at)
				assert.same(before, registers())
				assert.equal("getppid", sc.name)
			end, leave = function(sc)
				left = left + 1
				assert.equal("getppid", sc.name)
				assert.is_true(sc.ret > 0)
			end })
			assert.equal(0, s:run().code)
			assert.same({ 20, 20 }, { entered, left })
			support.close()
		end)
	end)

	it("what the hook says of the call holds", function()
		each_way(function(spawn)
			local s = spawn "uid"
			s:on("syscall", "getuid", function(sc)
				s:call "getpid"
				sc:skip(1001)
				s:call "getpid"
			end)
			s:on("syscall", "geteuid", function(sc)
				sc.nr = SYS.getgid
				s:call "getpid"
			end)
			s:on("syscall", "getgid", { enter = function() s:call "getpid" end, leave = function(sc) sc.ret = 7 end })
			assert.equal(0, s:run().code)
			assert.equal("open -1 2\ngetuid 1001 geteuid 0 getgid 7\n", support.output(s))
			support.close()
		end)
	end)

	it("answered calls go on to be answered, one after the other", function()
		each_way(function(spawn)
			local s = spawn("loop", "40")
			local n = 0
			s:on("syscall", function(sc)
				if sc.name == "getppid" then
					n = n + 1
					if n % 3 == 0 then
						s:call "getpid"
					end
					sc:skip(1)
				end
			end)
			assert.equal(0, s:run().code)
			assert.equal(40, n)
			support.close()
		end)
	end)

	it("calls that the function makes are told like others", function()
		local s = support.spawn { "calls", "loop", "3" }
		local inner = 0
		s:on("syscall", "getppid", function() s:call "getuid" end)
		s:on("syscall", "getuid", { enter = function() s:call "getgid" end, leave = function() inner = inner + 1 end })
		assert.equal(0, s:run().code)
		assert.equal(3, inner)
	end)

	it("signals come when the call is over, once", function()
		local s = support.spawn { "calls", "anew", "5" }
		local n = 0
		s:on("syscall", "getppid", function()
			n = n + 1
			s:call "getpid"
		end)
		assert.equal(0, s:run().code)
		assert.is_true(n >= 80)
	end)

	it("a function that crashes leaves the call to be made", function()
		local s = support.spawn { "calls", "loop", "5" }
		local n = 0
		s:on("syscall", "getppid", { enter = function()
			local ok, e = pcall(s.call, s, 0x1000)
			assert(not ok and tostring(e):find("SIGSEGV", 1, true), tostring(e))
		end, leave = function(sc)
			n = n + 1
			assert.is_true(sc.ret > 0)
		end })
		assert.equal(0, s:run().code)
		assert.equal(5, n)
	end)

	it("strings that were set for the call stay where they are: none is made then", function()
		local s = support.spawn { "calls", "uid" }
		local why
		s:on("syscall", "open", function(sc)
			sc:set_str(1, "/dev/null")
			local ok, e = pcall(s.call, s, "getpid")
			why = not ok and e
		end)
		assert.equal(0, s:run().code)
		assert.equal("EBUSY", why.name)
		assert.truthy(tostring(why):find("whose strings were set", 1, true))
	end)
end)
