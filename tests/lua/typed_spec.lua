-- mem.as, args, locals: what is in a target by its types in debug information.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"

-- fn runs in a hook at a place of the target.
local function at(target, where, fn)
	local s = support.spawn { target }
	local ran = false
	s:bp(where, function()
		ran = true
		fn(s)
		return STOP
	end)
	local reason = s:run()
	assert.truthy(ran, where .. " was not reached")
	assert.equal("stop", reason.kind)
	return s
end

local function the_task(fn)
	return at("typed", "typed_here", function(s)
		fn(mem.as("struct task", s:sym "the_task"), s)
	end)
end

describe("an object of the target", function()
	after_each(support.close)

	it("reads its fields as their types say", function()
		the_task(function(t)
			assert.equal(42, t.pid)
			assert.equal("first", t.name)
			assert.equal("RUNNING", t.state)
			assert.equal(0.25, t.ratio)
			assert.equal(0.5, t.half)
			assert.equal(2.5, t.precise)
			assert.is_true(t.yes)
			assert.equal(81, t.letter)
			assert.equal(-7, t.inner)
			assert.equal(200, t.small)
			assert.equal("number", type(t.pid))
		end)
	end)

	it("keeps 64 bits exact", function()
		the_task(function(t)
			assert.truthy(t.big == -4611686018427387905LL)
			assert.truthy(t.big < 0)
			assert.truthy(t.top == 0xfedcba9876543210ULL)
			assert.equal("18364758544493064720", tostring(t.top))
		end)
	end)

	it("has structures, unions and arrays in it", function()
		the_task(function(t)
			assert.equal(3, t.where.x)
			assert.equal(-4, t.where.y)
			assert.equal(3, #t.path)
			assert.equal(4, t.path[1].y)
			assert.equal(6, t.grid[1][2])
			assert.equal(1.5, t.number.real)
			assert.equal(0x3fc00000, t.number.whole)
			assert.equal(0x3f, t.number.bytes[3])
		end)
	end)

	it("has bit-fields", function()
		the_task(function(t)
			assert.equal(5, t.bits.a)
			assert.equal(-3, t.bits.b)
			assert.truthy(t.bits.wide == 0xabcdef0123ULL)
			assert.is_true(t.bits.flag)
		end)
	end)

	it("has pointers, which lead on by name and by number", function()
		the_task(function(t, s)
			assert.equal("second", t.next.name)
			assert.equal(43, t.next[0].pid)
			assert.equal("WAITING", t.next.state)
			assert.truthy(t.next.next == nil)
			assert.truthy(t.next.next == 0)
			assert.is_false(t.next == nil)
			assert.truthy(t.next == s:sym "second")
			assert.equal("a title", mem.cstr(t.title))
			assert.equal(("a"):byte(), t.title[0])
			assert.equal(("i"):byte(), t.title[3])
			assert.equal(hex(s:sym "twice"), hex(t.call))
			assert.equal("(function *) " .. hex(t.call) .. " <twice>", tostring(t.call))
			assert.truthy(t.blank == nil)
			assert.truthy(t.title + 2 > t.title)
			assert.equal("title", mem.cstr(t.title + 2))
			assert.equal(2, (t.title + 2) - t.title)
			assert.equal("(char *) " .. hex(t.title) .. ' "a title"', tostring(t.title))
		end)
	end)

	it("is written through", function()
		the_task(function(t, s)
			local where = s:sym "the_task"
			t.pid = -5
			assert.equal(-5, mem.i32[where])
			t.name = "renamed"
			assert.equal("renamed", mem.cstr(where + 4))
			t.state = "WAITING"
			assert.equal("WAITING", t.state)
			t.state = 3
			assert.equal("RUNNING", t.state)
			t.where = { x = 11, y = -12 }
			assert.equal(-12, t.where.y)
			t.where = t.path[2]
			assert.equal(6, t.where.y)
			t.path[0].x = 99
			assert.equal(99, t.path[0].x)
			t.grid = { { 9, 8 }, { 7 } }
			assert.equal(8, t.grid[0][1])
			assert.equal(3, t.grid[0][2])
			assert.equal(7, t.grid[1][0])
			t.next.pid = 44
			assert.equal(44, mem.i32[s:sym "second"])
			t.next[0].letter = 66
			assert.equal(66, t.next.letter)
			t.next = nil
			assert.truthy(t.next == nil)
			t.next = where
			assert.equal(-5, t.next.pid)
			t.top = -1
			assert.truthy(t.top == 0xffffffffffffffffULL)
			t.ratio, t.half, t.yes = 3.5, 7, false
			assert.same({ 3.5, 7, false }, { t.ratio, t.half, t.yes })
			t.bits.b, t.bits.a, t.bits.flag = -16, 7, false
			t.bits.wide = 0x1122334455ULL
			assert.same({ -16, 7, false }, { t.bits.b, t.bits.a, t.bits.flag })
			assert.truthy(t.bits.wide == 0x1122334455ULL)
		end)
	end)

	it("refuses what does not fit, and says which field", function()
		the_task(function(t)
			support.raises(function() t.pid = 2 ^ 40 end, "struct task.pid", "does not fit in 32 bits")
			support.raises(function() t.bits.a = 9 end, "bits_t.a", "does not fit in 3 bits")
			support.raises(function() t.state = "WAITNIG" end, "enum state has no 'WAITNIG'; did you mean 'WAITING'?")
			support.raises(function() t.name = ("x"):rep(17) end, "struct task.name", "17 characters do not fit in char[16]")
			support.raises(function() t.where = 5 end, "struct task.where", "struct point or a table of its fields")
			support.raises(function() t.where = { z = 1 } end, "struct point has no field 'z'")
			support.raises(function() t.grid = { 1, 2, 3 } end, "struct task.grid", "3 elements do not fit in int[2][3]")
			support.raises(function() t.ratio = "x" end, "struct task.ratio: number expected")
			support.raises(function() t.yes = "x" end, "struct task.yes")
			assert.equal(42, t.pid)
		end)
	end)

	it("names the type and the nearest field of a mistake", function()
		the_task(function(t)
			support.raises(function() return t.nmae end, "struct task has no field 'nmae'; did you mean 'name'?")
			support.raises(function() t.pidd = 1 end, "struct task has no field 'pidd'; did you mean 'pid'?")
			support.raises(function() return t[1] end, "struct task has no field 1")
			support.raises(function() return t.path[3] end, "struct point[3] has elements 0 to 2, got 3")
			support.raises(function() return t.path[-1] end, "elements 0 to 2, got -1")
			support.raises(function() return t.path.x end, "has elements by number, from 0")
			support.raises(function() return t.next.next.pid end, "NULL pointer to struct task")
			support.raises(function() return t.blank[0] end, "NULL pointer to void")
			support.raises(function() return t.call[0] end, "a pointer to function leads to cannot be read")
			support.raises(function() return t.title.x end, "a pointer to char leads to elements by number")
		end)
	end)

	it("is shown whole by print", function()
		the_task(function(t)
			local text = tostring(t)
			for _, part in ipairs {
				"pid = 42", 'name = "first"', "state = RUNNING", "where = {x = 3, y = -4}", "{x = 5, y = 6}",
				"a = 5, b = -3, wide = 737894400291, flag = true", "real = 1.5", "{inner = -7, small = 200}",
				"next = (struct task *) 0x", '"a title"', "grid = {{1, 2, 3}, {4, 5, 6}}", "precise = 2.5", "letter = 81 'Q'",
			} do
				assert.truthy(text:find(part, 1, true), text .. "\nshould have: " .. part)
			end
			assert.equal("{x = 3, y = -4}", tostring(t.where))
		end)
	end)

	it("is read when it is asked for, not before", function()
		the_task(function(t, s)
			mem.i32[s:sym "the_task"] = 77
			assert.equal(77, t.pid)
			local far = mem.as("struct task", 64)
			local ok, err = pcall(function() return far.pid end)
			assert.is_false(ok)
			assert.truthy(err.addr == 64)
			assert.truthy(tostring(far):find "pid = <cannot be read>")
		end)
	end)

	it("stands for an address, and equals another of the same place", function()
		the_task(function(t, s)
			assert.equal(s:sym "the_task", t["&"])
			assert.equal(mem.as("struct point", t.where["&"]), t.where)
			assert.not_equal(t.where, t.path[0])
			assert.equal(t.pid, mem.i32[t["&"]])
		end)
	end)
end)

describe("a type", function()
	after_each(support.close)

	it("is named as C writes it", function()
		the_task(function(t, s)
			local where = s:sym "the_task"
			assert.equal(42, mem.as("int", where))
			assert.equal(42, mem.as("unsigned", where))
			assert.truthy(mem.as("unsigned long", where) == mem.u64[where])
			assert.truthy(mem.as("long", where) == mem.i64[where])
			assert.equal(42, mem.as("  struct   task ", where).pid)
			assert.equal(5, mem.as("bits_t", t.bits["&"]).a)
			assert.equal("RUNNING", mem.as("enum state", t.state and where + 20))
			assert.equal(42, mem.as("int[4]", where)[0])
			assert.equal(6, mem.as("int[2][3]", t.grid["&"])[1][2])
			assert.equal("first", mem.as("char[16]", where + 4))
			mem.u64[regs.rsp - 64] = where
			assert.equal("first", mem.as("struct task *", regs.rsp - 64).name)
			mem.u64[regs.rsp - 56] = regs.rsp - 64
			assert.equal("first", mem.as("struct task **", regs.rsp - 56)[0].name)
			assert.equal("(struct task **) " .. hex(regs.rsp - 64), tostring(mem.as("struct task **", regs.rsp - 56)))
			assert.equal("(void *) " .. hex(where), tostring(mem.as("void *", regs.rsp - 64)))
			assert.equal(42, mem.as("typed!struct task", where).pid)
			assert.equal(42, s.mem.as("struct task", where).pid)
			assert.equal(42, process.mem.as("struct task", where).pid)
		end)
	end)

	it("that nobody knows is an error with the nearest", function()
		the_task(function()
			support.raises(function() mem.as("struct taks", 8) end, "'struct taks'; did you mean 'struct task'?")
			support.raises(function() mem.as("bit_t", 8) end, "did you mean 'bits_t'?")
			support.raises(function() mem.as("union task", 8) end, "no debug information has a type 'union task'")
			support.raises(function() mem.as("int[", 8) end, "'int[' is no type that can be read")
			support.raises(function() mem.as("", 8) end, "is no type")
			support.raises(function() mem.as(5, 8) end, "mem.as: type: string expected")
			support.raises(function() mem.as("int", -1) end, "mem.as: address")
			support.raises(function() mem.as("void", 8) end, "void is nothing that can be read")
			support.raises(function() mem.as("nobody!int", 8) end, "there is no type 'int': nothing of that name")
		end)
	end)

	it("is nothing in a program without debug information", function()
		support.spawn { "calc_stripped" }
		support.raises(function() mem.as("struct task", 8) end, "nothing that is loaded has debug information")
		support.raises(function() args() end, "no debug information describes the function at 0x")
	end)

	it("of C++ has bases, namespaces and templates", function()
		at("classes", "note", function(s)
			local box = mem.as("Box<int>", s:sym "the_box")
			assert.equal(7, box.value)
			assert.equal(8, box.next.value)
			assert.truthy(box.next.next == nil)
			local argument = args()
			assert.equal(0, argument.n)
		end)
		support.close()
		at("classes", "shapes::show", function()
			local shape = args().shape
			assert.equal("circle", mem.cstr(shape.name))
			assert.equal(1, shape.id)
			assert.equal("green", shape.colour)
			assert.equal(12, shape.weight)
			assert.equal(2, args().times)
			local circle = mem.as("shapes::Circle", shape)
			assert.equal(2.5, circle.radius)
			assert.equal("circle", mem.cstr(circle.name))
			assert.truthy(tostring(circle):find("radius = 2.5", 1, true))
			assert.truthy(tostring(circle):find("<Shape> = ", 1, true))
		end)
	end)
end)

describe("args", function()
	after_each(support.close)

	it("are right at a function's first instruction, and in it, optimised or not", function()
		for _, target in ipairs { "typed", "typed_slow" } do
			at(target, "typed_many", function(s)
				local a = args()
				assert.same({ 1, 99, 4.5, 5.5, -8, 10, 12.5 }, { a.a, a.c, a.d, a.e, a.h, a.j, a.l })
				assert.truthy(a.b == -2)
				assert.truthy(a.i == 9)
				assert.same({ 6, 66 }, { a.f.x, a.f.y })
				assert.equal(7, a.g[0])
				assert.equal("first", a.k.name)
				assert.truthy(tostring(a):find("^a = 1\nb = %-2\nc = 99"))
				assert.equal(s:sym "typed_many", regs.rip)
			end)
			support.close()
		end
	end)

	it("are right for a function that returns a structure in memory", function()
		for _, target in ipairs { "typed", "typed_slow" } do
			at(target, "typed_value", function()
				local a = args()
				assert.same({ 5, 6, 1.25 }, { a.at.x, a.at.y, a.by })
			end)
			support.close()
		end
	end)

	it("are those of an inlined function where it was inlined", function()
		local s = support.spawn { "layers" }
		local seen
		s:bp("leaf", function() seen = args() return STOP end)
		s:run()
		assert.truthy(seen.n == 0)
	end)

	it("are an error where there are none of that name", function()
		at("typed", "typed_here", function()
			support.raises(function() return args().cuont end, "typed_here has no parameter 'cuont'; did you mean 'count'?")
		end)
	end)
end)

describe("locals", function()
	after_each(support.close)

	it("are the variables in scope, the inner before the outer", function()
		local file, n = root .. "tests/targets/typed.c", 0
		local line_of
		for text in io.lines(file) do
			n = n + 1
			if text:find("typed_done(total + here.x)", 1, true) then line_of = n end
		end
		at("typed_slow", "typed.c:" .. line_of, function()
			local l = locals()
			assert.equal(5, l.total)
			assert.same({ 11, 12 }, { l.here.x, l.here.y })
			assert.equal("some words", mem.cstr(l.words))
			assert.equal(10, l.calls)
			assert.is_false(l.quiet)
			assert.equal(11, args().count)
			assert.equal(2.75, args().ratio)
			assert.equal("first", args().task.name)
			l.here.x = 100
			assert.equal(100, locals().here.x)
			support.raises(function() return l.totl end, "typed_here has no variable 'totl'; did you mean 'total'?")
		end)
	end)

	it("that are optimised out say so, and never lie", function()
		local s = support.spawn { "typed_fast" }
		local lost = 0
		for _, name in ipairs { "typed_here", "typed_done" } do
			s:bp(name, function()
				for _, value in pairs(locals()) do
					lost = lost + (value == "<optimized out>" and 1 or 0)
				end
				local a = args()
				if rawget(a, "count") then
					assert.equal(11, a.count)
				end
			end)
		end
		s:run()
		assert.truthy(lost > 0)
	end)
end)
