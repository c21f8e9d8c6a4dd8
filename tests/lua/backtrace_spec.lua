-- backtrace, bt, line, and places by line.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"

local function names(frames)
	local list = {}
	for i, frame in ipairs(frames) do
		list[i] = frame.signal and "<signal>" or frame.symbol or "??"
	end
	return list
end

-- The first `n` names when the target hits a place.
local function names_at(s, where, n)
	local found
	s:bp(where, function()
		found = names(backtrace())
		return STOP
	end)
	assert.equal("stop", s:run().kind)
	return { unpack(found, 1, n) }
end

-- The number of the line of a target's source that a comment marks.
local function marked(file, mark)
	local n = 0
	for line in io.lines(root .. "tests/targets/" .. file) do
		n = n + 1
		if line:find("line: " .. mark, 1, true) then
			return n
		end
	end
	error("no mark " .. mark)
end

describe("backtrace", function()
	after_each(support.close)

	it("names functions, modules, offsets and lines", function()
		local s = support.spawn { "layers" }
		local frames
		s:bp("leaf", function()
			frames = backtrace()
			return STOP
		end)
		s:run()
		local first = frames[1]
		assert.equal(s:sym "leaf", first.address)
		assert.equal("layers", first.module)
		assert.equal("leaf", first.symbol)
		assert.equal(0, first.offset)
		assert.equal("layers.c", first.file)
		assert.equal(marked("layers.c", "leaf"), first.line)
		assert.equal("inner", frames[2].symbol)
		assert.equal(marked("layers.c", "inner"), frames[2].line)
		assert.is_true(frames[2].inlined)
		assert.equal("outer", frames[3].symbol)
		assert.equal(marked("layers.c", "outer"), frames[3].line)
		assert.equal("one", frames[4].symbol)
		assert.is_nil(frames[4].inlined)
		assert.equal("main", frames[5].symbol)
		assert.equal("_start", frames[#frames].symbol)
	end)

	it("is the same for code without frame pointers", function()
		local s = support.spawn { "layers_fast" }
		assert.same({ "leaf", "inner", "outer", "one", "main" }, names_at(s, "leaf", 5))
	end)

	it("shows functions that ended in a jump", function()
		local s = support.spawn { "layers_fast" }
		local found
		s:bp("leaf", function()
			local list = names(backtrace())
			if list[2] == "jumper" then
				found = list
				return STOP
			end
		end)
		s:run()
		assert.same({ "leaf", "jumper", "down" }, { found[1], found[2], found[3] })
	end)

	it("goes through libraries that call back", function()
		local s = support.spawn { "layers" }
		local list = {}
		s:bp("leaf", function()
			list = names(backtrace())
			return list[2] == "compare" and STOP or nil
		end)
		assert.equal("stop", s:run().kind)
		assert.equal("main", list[#list - 3])
		assert.truthy(table.concat(list, " "):find("qsort", 1, true))
	end)

	it("goes through signal frames, and stacks of their own", function()
		local s = support.spawn { "signals", "altstack", "1" }
		local list = names_at(s, "handled")
		local text = table.concat(list, " ")
		assert.truthy(text:find "^handled on_count on_alt <signal> .*raise altstack main", text)
	end)

	it("has a caller at every instruction of a function, its first and its last included", function()
		for target, name in pairs { layers = "leaf", layers_fast = "leaf", typed = "typed_many", classes = "note" } do
			local s = support.spawn { target }
			local dump = io.popen(("objdump -d --no-show-raw-insn -C '%s'"):format(support.target(target)))
			local inside, count, seen = false, 0, {}
			for line in dump:lines() do
				if line:find "^%x+ <" then
					inside = line:find("<" .. name, 1, true) ~= nil
				end
				local at = inside and line:match "^%s+(%x+):"
				if at then
					count = count + 1
					s:bp("+0x" .. at, function()
						seen[#seen + 1] = table.concat(names(backtrace()), " ")
						return REMOVE
					end)
				end
			end
			dump:close()
			assert.truthy(count >= 2)
			s:run()
			for _, list in ipairs(seen) do
				assert.truthy(list:find("^" .. name .. ".* main __libc_start_call_main"), list)
			end
			assert.truthy(#seen >= 2)
			support.close()
		end
	end)

	it("shows a call through a bad pointer, and who made it", function()
		local s = support.spawn { "typed" }
		local list
		s:on("signal", "SIGSEGV", function()
			list = names(backtrace())
			return KILL
		end)
		s:bp("typed_done", function()
			-- As if a function pointer had been 0: the return address is on top of the stack.
			return GOTO(0)
		end)
		s:run()
		assert.same({ "??", "typed_here", "main" }, { list[1], list[2], list[3] })
	end)

	it("ends where the stack makes no sense", function()
		local s = support.spawn { "layers" }
		local frames
		s:bp("leaf", function()
			mem.write(regs.rsp, ("\xaa"):rep(64))
			frames = backtrace()
			return KILL
		end)
		s:run()
		assert.equal("leaf", frames[1].symbol)
		assert.truthy(#frames <= 3)
	end)

	it("ends in a stack that leads back into itself", function()
		local s = support.spawn { "layers" }
		local frames
		s:bp("leaf", function()
			regs.rbp = regs.rsp
			mem.u64[regs.rsp] = regs.rsp
			frames = backtrace()
			return KILL
		end)
		s:run()
		assert.truthy(#frames < 10)
	end)

	it("is had of another thread, and as a method", function()
		local s = support.spawn { "threads8", "3", "5" }
		local n = 0
		s:bp("work", function(thread)
			for _, other in ipairs(thread.process:threads()) do
				if other ~= thread and other.state == "stopped" then
					n = n + 1
					assert.truthy(#backtrace(other) > 0)
					assert.same(names(backtrace(other)), names(other:backtrace()))
				end
			end
			assert.same(names(backtrace()), names(thread:backtrace()))
			assert.same(names(backtrace()), names(s:backtrace()))
			return STOP
		end)
		s:run()
		for _, thread in ipairs(s:threads()) do
			n = n + 1
			assert.truthy(#thread:backtrace() > 1)
		end
		assert.truthy(n >= 2)
	end)

	it("shows threads in copies of instructions as the program's own", function()
		local s = support.spawn { "busy", "3" }
		local hits = 0
		s:bp("tick", function() hits = hits + 1 end)
		for _ = 1, 5 do
			assert.equal("timeout", s:run({ timeout = 0.03 }).kind)
			for _, thread in ipairs(s:threads()) do
				local list = table.concat(names(thread:backtrace()), " ")
				-- One that is just born stands in the C library's code for that, which has no caller.
				if not list:find "^__clone3" then
					assert.truthy(list:find "start_thread" or list:find " main " or list:find "_start$", list)
					assert.falsy(list:find("??", 1, true), list)
				end
			end
		end
		assert.truthy(hits > 0)
		s:kill()
	end)

	it("goes through the vDSO", function()
		local s = spawn { "/bin/date", stdout = "null" }
		local list
		s:bp("vdso!__vdso_clock_gettime+8", function()
			list = table.concat(names(backtrace()), " ")
			return KILL
		end)
		s:run()
		assert.truthy(list and list:find "clock_gettime .*__libc_start_call_main", list)
	end)

	it("goes through stubs", function()
		local s = support.spawn { "typed" }
		assert.same({ "printf@plt", "main" }, names_at(s, "printf@plt", 2))
	end)

	it("refuses what is no thread", function()
		support.spawn { "layers" }
		support.raises(function() backtrace(5) end, "backtrace: thread: a Thread expected, got 5")
	end)

	it("is what bt prints", function()
		local s = support.spawn { "layers" }
		local printed
		s:bp("leaf", function()
			local real = print
			rawset(_G, "print", function(text) printed = text end)
			local ok, why = pcall(bt)
			rawset(_G, "print", real)
			assert.truthy(ok, why)
			return STOP
		end)
		s:run()
		assert.truthy(printed:find "^#0   0x%x+ leaf at layers%.c:%d+\n", printed)
		assert.truthy(printed:find "\n#1   0x%x+ inner at layers%.c:%d+ %(inlined%)\n", printed)
		assert.truthy(printed:find "libc[^ ]*!__libc_start_call_main%+0x%x+", printed)
	end)
end)

describe("a line", function()
	after_each(support.close)

	it("of an address is the file as it was compiled, and a number", function()
		local s = support.spawn { "layers" }
		local file, n = line(s:sym "leaf")
		assert.equal("layers.c", file)
		assert.equal(marked("layers.c", "leaf"), n)
		assert.same({ file, n }, { s:line(s:sym "leaf") })
	end)

	it("is nothing where nobody knows", function()
		support.spawn { "layers" }
		assert.is_nil(line(8))
		assert.is_nil(line(regs.rsp))
		support.raises(function() line(-1) end, "line: address: address must not be negative")
		support.raises(function() line "x" end, "line: address: address expected")
	end)

	it("is a place, with every copy of what was inlined", function()
		for _, target in ipairs { "layers", "layers_fast" } do
			local s = support.spawn { target, "2" }
			local where = "layers.c:" .. marked("layers.c", "inner")
			local seen = {}
			local b = s:bp(where, function()
				local list = table.concat(names(backtrace()), " ")
				-- The optimiser starts the copies with their callers' first instructions.
				seen[#seen + 1] = list:match(target == "layers" and "^inner outer (%S+)" or "^(%S+)")
			end)
			assert.equal(2, #b.addresses)
			s:run()
			assert.same({ "one", "two", "one", "two" }, seen)
			support.close()
		end
	end)

	it("takes folders, and a module", function()
		local s = support.spawn { "layers" }
		local n = marked("layers.c", "leaf")
		local at = s:sym("layers.c:" .. n)
		assert.equal(at, s:sym(("layers!layers.c:%d"):format(n)))
		support.raises(function() s:sym(("elsewhere/layers.c:%d"):format(n)) end, "no debug information names a file")
	end)

	it("without code means the next one that has some, as in GDB", function()
		local s = support.spawn { "layers" }
		local n = marked("layers.c", "inner")
		assert.equal(s:sym("layers.c:" .. n), s:sym("layers.c:" .. n - 1))
		-- The comment on top of the file means its first function.
		assert.equal(s:sym "leaf", s:sym "layers.c:3")
		support.raises(function() s:sym "layers.c:9999" end, "layers.c has no code at line 9999")
	end)

	it("of a file that nothing was compiled from is an error with the nearest", function()
		local s = support.spawn { "calc_static" }
		support.raises(function() s:bp("clac.c:10", CONTINUE) end, "'clac.c'; did you mean 'calc.c'?")
	end)

	it("stands for the same address in a program that is position-independent and in one that is not", function()
		for _, target in ipairs { "calc_pie", "calc_nopie", "calc_static", "calc_static_pie", "calc_musl" } do
			local s = support.spawn { target, "1", "2" }
			local hits = 0
			s:bp("calc.c:13", function() hits = hits + 1 end)
			s:run()
			assert.equal(1, hits, target)
			support.close()
		end
	end)
end)
