-- Functions: hook() with enter, leave and unwound, replace() with original(), C prototypes.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local prototype = require "ptracehook.prototype"

local function frames(...)
	return support.spawn { "frames", ... }
end

local function frames_static()
	return support.spawn { "frames_static" }
end

-- Counts calls of a function: entered, left, unwound; how many were open at once, and whether `this` got mixed up.
local function counted(s, where)
	local count = { entered = 0, left = 0, unwound = 0, deepest = 0, wrong = 0 }
	local function over(name)
		return function()
			count[name] = count[name] + 1
			if this.tid ~= thread.tid or this.mark ~= this.args[1] + this.depth then
				count.wrong = count.wrong + 1
			end
		end
	end
	count.handle = s:hook(where, {
		enter = function(a)
			count.entered = count.entered + 1
			count.deepest = math.max(count.deepest, this.depth)
			this.tid, this.mark = thread.tid, a + this.depth
		end,
		leave = over "left", unwound = over "unwound",
	})
	return count
end

local function both_ways(name, fn)
	it(name .. ", JIT on", fn)
	it(name .. ", JIT off", function()
		jit.off()
		jit.flush()
		finally(jit.on)
		fn()
	end)
end

local function expect(count, entered, left, unwound)
	assert.same({ entered, left, unwound, 0 }, { count.entered, count.left, count.unwound, count.wrong })
end

describe("hook", function()
	after_each(support.close)

	it("sees arguments, caller, result; and this is one table for one call", function()
		local s = support.spawn { "calc_pie" }
		local seen = {}
		local handle = s:hook("calc", {
			enter = function(a, b)
				seen[#seen + 1] = ("%s+%s %d %s"):format(a, b, this.depth, where(this.caller):match "^%w+")
				this.sum = a + b
			end,
			leave = function(ret)
				seen[#seen + 1] = ("%s %s %s"):format(ret, this.sum, this.args[1])
			end,
		})
		assert.equal("exit", s:run().kind)
		assert.same({ "1+2 1 show", "3 3 1", "4+5 1 show", "9 9 4" }, seen)
		assert.equal(2, handle.hits)
	end)

	it("leave's number is the result; enter's action is the breakpoint's", function()
		local s = support.spawn { "calc_pie" }
		local left = {}
		s:hook("calc", {
			enter = function(a) return a == 4 and RETURN(77) or nil end,
			leave = function(ret)
				left[#left + 1] = tostring(ret)
				return ret == 3 and 42 or nil
			end,
		})
		s:run()
		assert.equal("calc(1, 2) = 42\ncalc(4, 5) = 77\n", support.output(s))
		assert.same({ "3", "77" }, left)
	end)

	both_ways("recursion a thousand deep in eight threads", function()
		local s = frames("recurse", "1000", "8")
		local count = counted(s, "deep")
		s:run()
		expect(count, 8000, 8000, 0)
		assert.equal(1000, count.deepest)
		assert.equal("sum 8000\n", support.output(s))
	end)

	it("recursion ten thousand deep in eight threads", function()
		local s = frames("recurse", "10000", "8")
		local count = counted(s, "deep")
		s:run()
		expect(count, 80000, 80000, 0)
		assert.equal(10000, count.deepest)
	end)

	it("longjmp and an exception out of ten thousand calls, in eight threads", function()
		local s = frames("plunge", "10000", "8")
		local jumper, thrower = counted(s, "jumper"), counted(s, "thrower")
		s:run()
		expect(jumper, 80000, 0, 80000)
		expect(thrower, 80000, 0, 80000)
		assert.equal(10000, jumper.deepest)
		assert.equal(10000, thrower.deepest)
		assert.equal("sum 64\n", support.output(s))
	end)

	-- The stripped one is the static one without its names: nothing tells where longjmp is.
	for _, name in ipairs { "frames", "frames_static", "frames_stripped" } do
		both_ways("calls that longjmp ends, in eight threads, " .. name, function()
			local named = name == "frames_stripped" and frames_static()
			local s = support.spawn { name, "jump", "64", "8" }
			local count = counted(s, named and named:sym "jumper" or "jumper")
			local outer = counted(s, named and named:sym "jump_once" or "jump_once")
			s:run()
			expect(count, 8 * 8 * 36, 0, 8 * 8 * 36)
			expect(outer, 8 * 64, 8 * 64, 0)
			assert.equal(8, count.deepest)
			assert.equal(1, outer.deepest)
		end)
	end

	for _, name in ipairs { "frames", "frames_static" } do
		both_ways("calls that an exception ends, in eight threads, " .. name, function()
			local s = support.spawn { name, "throw", "64", "8" }
			local count, outer = counted(s, "thrower"), counted(s, "catcher")
			s:run()
			expect(count, 8 * 8 * 36, 0, 8 * 8 * 36)
			expect(outer, 8 * 64, 8 * 64, 0)
			assert.equal(8, count.deepest)
		end)
	end

	it("all of that at once", function()
		local s = frames("mixed", "200", "8")
		local deep, jumper, thrower = counted(s, "deep"), counted(s, "jumper"), counted(s, "thrower")
		s:run()
		expect(deep, 1600, 1600, 0)
		expect(jumper, 8 * 25 * 36, 0, 8 * 25 * 36)
		expect(thrower, 8 * 25 * 36, 0, 8 * 25 * 36)
	end)

	it("tail calls return together", function()
		local s = frames("tail", "50")
		local first, last = counted(s, "tail_first"), counted(s, "tail_last")
		s:run()
		expect(first, 50, 50, 0)
		expect(last, 50, 50, 0)
	end)

	it("signal handlers on a stack of their own end nothing", function()
		local s = frames("signal", "40", "4")
		local count, handler = counted(s, "interrupted"), counted(s, "in_handler")
		s:run()
		expect(count, 160, 160, 0)
		expect(handler, 160, 160, 0)
	end)

	it("handlers that leave by siglongjmp end what they interrupted", function()
		local s = frames("leap", "40", "4")
		local count, handler = counted(s, "interrupted"), counted(s, "in_handler")
		s:run()
		expect(count, 160, 0, 160)
		expect(handler, 160, 160, 0)
	end)

	it("threads that exit, and programs, unwind what they are in", function()
		local s = frames("gone", "1", "4")
		local count = { entered = 0, left = 0, unwound = 0 }
		local function on_both(where)
			s:hook(where, {
				enter = function() count.entered = count.entered + 1 end,
				leave = function() count.left = count.left + 1 end,
				unwound = function() count.unwound = count.unwound + 1 end,
			})
		end
		on_both "gone"
		s:run()
		assert.same({ entered = 4, left = 0, unwound = 4 }, count)
		s = frames "exit"
		count = { entered = 0, left = 0, unwound = 0 }
		on_both "leaver"
		assert.equal(7, s:run().code)
		assert.same({ entered = 1, left = 0, unwound = 1 }, count)
	end)

	it("a handle disables, enables and removes, also with calls in flight", function()
		local s = frames("recurse", "100")
		local entered, left = 0, 0
		local handle
		handle = s:hook("deep", {
			enter = function(n)
				entered = entered + 1
				if n == 50 then handle:disable() end
			end,
			leave = function() left = left + 1 end,
		})
		s:run()
		assert.same({ 51, 51 }, { entered, left })
		s = frames("recurse", "100")
		entered, left = 0, 0
		handle = s:hook("deep", {
			enter = function(n)
				entered = entered + 1
				if n == 50 then handle:remove() end
			end,
			leave = function() left = left + 1 end,
		})
		s:run()
		assert.same({ 51, 0 }, { entered, left })
		assert.equal("sum 100\n", support.output(s))
	end)

	it("an attached target that is let go in the middle of calls goes on", function()
		local s = frames("recurse", "400", "4")
		local hits = 0
		s:hook("deep", {
			enter = function()
				hits = hits + 1
				return hits == 700 and DETACH or nil
			end,
			leave = function() end,
		})
		assert.equal("detach", s:run().kind)
		for _ = 1, 1000 do
			if support.output(s) ~= "" then break end
			require("ptracehook.core").sleep(0.01)
		end
		assert.equal("sum 1600\n", support.output(s))
	end)

	it("hooks inside hooked calls may wait", function()
		local s = frames("recurse", "20", "4")
		local results, left = 0, 0
		s:hook("deep", {
			enter = function()
				local ret = finish()
				results = results + num(ret)
			 end,
			leave = function()
				step()
				left = left + 1
			end,
		})
		s:run()
		assert.same({ 4 * 210, 80 }, { results, left })
		assert.equal("sum 80\n", support.output(s))
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_pie" }
		support.raises(function() s:hook("calc", function() end) end, "hook: {enter = function, leave = function} expected")
		support.raises(function() s:hook("calc", {}) end, "at least one of enter, leave and unwound")
		support.raises(function() s:hook("calc", { enter = 5 }) end, "hook: enter: function expected, got 5")
		support.raises(function() s:hook("calc", { entr = print }) end, "did you mean 'enter'?")
		support.raises(function() s:hook("clac+", { enter = print }) end)
		support.raises(function() s:hook("calc", { enter = print }, { mode = "skip" }) end, "mode is a breakpoint's")
		support.raises(function() s:hook("calc", { leave = print, proto = "int (" }) end, "is no C prototype")
		support.raises(function() s:hook("int calc(quux a)", { leave = print }) end, "there is no type 'quux'")
		for place, text in pairs { ["calc+1"] = "begins at 0x", ["calc+2"] = "(calc)", ["calc_add+2"] = "(calc+0x3)" } do
			support.raises(function() s:hook(place, { enter = print }) end, "lies inside an instruction", text)
			support.raises(function() s:replace(sym(place), print) end, "lies inside an instruction", text)
		end
		assert.same({}, s:bps())
		assert.equal("\x48\x8d\x07\x48\x01\xf0\xc3", s.mem.read(sym "calc", 7))
		local handle = s:hook("calc", { enter = function() end })
		handle:remove()
		support.raises(function() handle:remove() end, "was removed")
		support.raises(function() handle.remove() end, "Handle expected")
		assert.equal("Handle on calc (removed)", tostring(handle))
	end)

	it("what leave returns must be a number or an action", function()
		local s = support.spawn { "calc_pie" }
		s:hook("calc", { leave = function() return "x" end })
		local ok, e = pcall(s.run, s)
		assert.is_false(ok)
		assert.truthy(tostring(e):find("a hook on breakpoint returned x", 1, true), tostring(e))
	end)
end)

describe("prototypes", function()
	after_each(support.close)

	it("type arguments and result", function()
		local s = frames "alike"
		local seen
		s:hook("float alike(double a, unsigned char b, const char *text, long c)", {
			enter = function(a, b, text, c) seen = { a, b, text, c, this.args.text } end,
			leave = function(ret)
				seen[#seen + 1] = ret
				return ret + 0.25
			end,
		})
		s:run()
		assert.same({ 1.5, 2, "text", seen[4], "text", 4.5 }, seen)
		assert.is_true(seen[4] == -3 and seen[4] < 0)
		assert.equal("sum 4.75\n", support.output(s))
	end)

	it("find what is on the stack", function()
		local s = frames "many"
		local seen
		s:hook("many", {
			proto = "double (int, int, int, int, int, int, short g, int h, double i)",
			enter = function(...) seen = { ... } end,
			leave = function(ret) seen[#seen + 1] = ret end,
		})
		s:run()
		assert.same({ 1, 2, 3, 4, 5, 6, -7, 8, 9.5, 31.5 }, seen)
	end)

	it("a name of C++ with its parameters is a place", function()
		local s = support.spawn { "shapes" }
		local name = "shapes::Box::scale(int)"
		assert.truthy(s:find_sym(name))
		local seen = 0
		s:hook(name, { enter = function(_, by) seen = seen + num(by) end })
		s:run()
		assert.is_true(seen > 0)
	end)

	it("means one overload of C++", function()
		local s = support.spawn { "overloads" }
		local seen = {}
		for _, text in ipairs {
			"int over(int n)", "int over(double)", "int over(const char *text)", "int over(size_t n)",
			"int over(const short n, float)", "int solo(int n)",
		} do
			s:hook(text, {
				enter = function(...) seen[#seen + 1] = table.concat({ tostring((...)), select(2, ...) }, " ") end,
				leave = function() this.args = nil end,
			})
		end
		s:replace("int over(int)", function(n) return n end)
		s:run()
		assert.same({ "1", "2.5", "text", "4", "5 6.5", "7" }, seen)
	end)

	it("that declares none of several overloads is an error", function()
		local s = support.spawn { "overloads" }
		support.raises(function() s:hook("int over(char c)", { enter = print }) end, "hook: 'int over(char c)' is none of ",
			"over(char const*), over(double), over(int), ", "give one of them as the place, and the prototype as proto")
		support.raises(function() s:replace("int over(void)", print) end, "replace: 'int over(void)' is none of ")
		assert.same({}, s:bps())
		local hits = 0
		s:hook("over", { proto = "int (int)", enter = function() hits = hits + 1 end })
		s:run()
		assert.equal(5, hits)
	end)

	it("is spelled as C++ does it", function()
		local function spelled(text)
			local name = prototype.name_in_cxx(assert(prototype.parse("void f(" .. text .. ")")))
			return name and name:match "^f%((.*)%)$"
		end
		-- g++ and nm -C on the left's C++.
		assert.equal("unsigned long, unsigned long, long, long long, unsigned long long, unsigned char, signed char",
			spelled "size_t a, uint64_t, int64_t b, long long int, unsigned long long c, uint8_t, int8_t")
		assert.equal("char, short, unsigned int, bool, wchar_t, char16_t, unsigned short, int",
			spelled "char a, short int, unsigned, bool b, wchar_t, char16_t, uint16_t, const int")
		assert.equal("char const* const*, char**, void const*, void*, St*, St const*, En",
			spelled "const char *const *a, char **b, const void *, void *const c, St *, const struct St *, enum En e")
		assert.equal("int*, int const&, char*, int volatile*, char const volatile*, ...",
			spelled "int a[4], const int &, char *restrict b, volatile int *, const volatile char *, ...")
		assert.equal("unsigned char*, signed char, unsigned long const* const*",
			spelled "unsigned char *, signed char, const unsigned long *const *")
		assert.equal("", spelled "void")
		assert.is_nil(spelled "int (*fn)(int)")
	end)

	local function shape(text)
		local proto, why = prototype.parse(text)
		if not proto then
			return why
		end
		local function of(what)
			return what.kind .. (what.size and (what.signed and "-" or "+") .. what.size or "")
		end
		local parts = {}
		for _, argument in ipairs(proto.arguments) do
			parts[#parts + 1] = ("%s@%s%s"):format(of(argument.what),
				argument.register or argument.vector or argument.stack, argument.name and " " .. argument.name or "")
		end
		return ("%s %s(%s%s)"):format(of(proto.result), proto.name or "", table.concat(parts, ", "),
			proto.variadic and ", ..." or "")
	end

	for text, result in pairs {
		["int open(const char *path, int flags, ...)"] = "int-4 open(string@rdi path, int-4@rsi flags, ...)",
		["ssize_t read(int fd, void *buf, size_t n);"] = "int-8 read(int-4@rdi fd, pointer@rsi buf, int+8@rdx n)",
		["void f(void)"] = "void f()",
		["void f()"] = "void f()",
		["int (const char *, int)"] = "int-4 (string@rdi, int-4@rsi)",
		["unsigned long long f(unsigned, long unsigned int, short int x)"] =
			"int+8 f(int+4@rdi, int+8@rsi, int-2@rdx x)",
		["char *strdup(char const *s)"] = "pointer strdup(string@rdi s)",
		["const char *getenv(const char *)"] = "string getenv(string@rdi)",
		["void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))"] =
			"void qsort(pointer@rdi base, int+8@rsi n, int+8@rdx size, pointer@rcx compare)",
		["int execve(const char *path, char *const argv[], char *const envp[])"] =
			"int-4 execve(string@rdi path, pointer@rsi argv, pointer@rdx envp)",
		["struct foo *next(struct foo *at, enum kind k, FILE *out)"] =
			"pointer next(pointer@rdi at, int+4@rsi k, pointer@rdx out)",
		["double pow(double x, double)"] = "double pow(double@xmm0 x, double@xmm1)",
		["float f(int a, float b, int c, bool d)"] = "float f(int-4@rdi a, float@xmm0 b, int-4@rsi c, bool@rdx d)",
		["void f(long, long, long, long, long, long, long a, double b, char c)"] = "void f(int-8@rdi, int-8@rsi, "
			.. "int-8@rdx, int-8@rcx, int-8@r8, int-8@r9, int-8@8 a, double@xmm0 b, int-1@16 c)",
		["const char **names(const char **list)"] = "pointer names(pointer@rdi list)",
		["extern int puts(const char *restrict s)"] = "int-4 puts(string@rdi s)",
		["uint8_t f(int8_t a, uint32_t b)"] = "int+1 f(int-1@rdi a, int+4@rsi b)",
		["int f(long double x)"] = "argument 1: long double by value is not passed as integers are: give it as a pointer, "
			.. "or let debug information say (the function\'s name in place of a prototype)",
		["int f(struct point p)"] = "argument 1: struct point by value is not passed as integers are: give it as a pointer, "
			.. "or let debug information say (the function\'s name in place of a prototype)",
		["int f(quux a)"] = "argument 1: there is no type 'quux'; a pointer to it would do, or one of C's own types",
		["int f(int a"] = "the list of arguments does not end: a ')' is missing",
		["int f"] = "a '(' with the arguments is missing",
		["(int)"] = "it does not begin with the type of its result",
		["int f(int) const"] = "'const' stands behind its end",
		["int f(,)"] = "argument 1 has no type",
		["int f(int a; int b)"] = "argument 1: ';' is in the wrong place",
		["int f(#)"] = "'#' belongs in no C prototype",
		[""] = "it does not begin with the type of its result",
	} do
		it(("'%s'"):format(text), function() assert.equal(result, shape(text)) end)
	end

	it("of random pieces are parsed or refused, and nothing else", function()
		local pieces = { "int", "const", "char", "*", "(", ")", ",", "...", "f", "struct", "[", "]", "3", "void", "long",
			"double", ";", "&", "#", "unsigned" }
		math.randomseed(1)
		for _ = 1, 20000 do
			local words = {}
			for i = 1, math.random(0, 12) do
				words[i] = pieces[math.random(#pieces)]
			end
			local proto, why = prototype.parse(table.concat(words, " "))
			assert(proto and proto.arguments or type(why) == "string")
		end
	end)
end)

describe("what is wrong with", function()
	after_each(support.close)

	local bad = {
		{ function() return "abc" end, "a hook on breakpoint returned abc; it may return nothing or an action" },
		{ function() return SIGNAL "FOO" end, "SIGNAL: a signal's name" },
		{ function() return GOTO() end, "GOTO: address expected, got nil" },
		{ function() return GOTO end, "GOTO alone, which needs a value" },
		{ function() return SUPPRESS end, "SUPPRESS, which has no meaning there" },
		{ function()
			sleep(0)
			return GOTO()
		end, "GOTO: address expected, got nil" },
	}

	it("what enter, leave, unwound and a replacement do is told where they were written", function()
		for _, row in ipairs(bad) do
			local fn, words = unpack(row)
			local s = support.spawn { "calc_pie" }
			s:hook("calc", { enter = fn })
			support.blames(s, fn, words)
			s = support.spawn { "calc_pie" }
			s:hook("calc", { enter = fn, leave = print })
			support.blames(s, fn, words)
			s = support.spawn { "calc_pie" }
			s:hook("calc", { enter = function() end, leave = fn })
			support.blames(s, fn, words)
			s = support.spawn { "calc_pie" }
			s:replace("calc", fn)
			support.blames(s, fn, words)
			s = frames("jump", "2")
			s:hook("jumper", { unwound = fn, enter = function() end })
			support.blames(s, fn, words)
		end
	end)

	it("a result", function()
		local function half() return 1.5 end
		local s = support.spawn { "calc_pie" }
		s:hook("calc", { leave = half })
		support.blames(s, half, "hook: what leave returned: whole number expected, got 1.5")
		s = support.spawn { "calc_pie" }
		s:replace("calc", half)
		support.blames(s, half, "replace: what the function returned: whole number expected, got 1.5")
	end)

	it("arguments of original", function()
		local function fn() return original {} end
		local s = support.spawn { "calc_pie" }
		s:replace("calc", fn)
		support.blames(s, fn, "original: argument 1: whole number expected")
	end)

	it("a function that nothing describes", function()
		local function fn() end
		local s = support.spawn { "calc_pie" }
		s:hook("calc", { leave = fn, proto = true })
		support.blames(s, fn, "proto = true: no debug information describes the function")
	end)

	it("a hook inside another is its own", function()
		local function inner() return GOTO() end
		local function outer()
			call("calc", 1, 2)
			return GOTO "nosuch"
		end
		local s = support.spawn { "calc_pie" }
		local handle = s:hook("calc", { enter = inner })
		s:hook("show", { enter = outer })
		support.blames(s, inner, "GOTO: address expected")
		s = support.spawn { "calc_pie" }
		s:hook("calc", { enter = function() end, leave = function() return 1 end })
		s:hook("show", { enter = outer })
		support.blames(s, outer, "GOTO: ", "nosuch")
		assert(handle)
	end)
end)

describe("this", function()
	after_each(support.close)

	it("is there again behind a hook that ran inside", function()
		local s = support.spawn { "calc_pie" }
		local inner, wrong = 0, 0
		local function note(yes) wrong = wrong + (yes and 0 or 1) end
		s:bp("calc", function() note(this == nil and original == nil) end)
		s:hook("calc", {
			enter = function()
				this.mark = "inner"
				inner = inner + 1
			end,
		})
		s:hook("show", {
			enter = function()
				this.mark = "outer"
				call("calc", 1, 2)
				note(this and this.mark == "outer")
				sleep(0)
				note(this and this.mark == "outer")
			end,
			leave = function() note(this.mark == "outer") end,
		})
		assert.equal(0, s:run().code)
		assert.same({ 4, 0 }, { inner, wrong })
		s = support.spawn { "calc_pie" }
		s:hook("calc", { enter = function() note(original == nil) end })
		s:replace("show", function()
			call("calc", 1, 2)
			note(this and original)
			return original()
		end)
		assert.equal(0, s:run().code)
		assert.equal(0, wrong)
	end)

	it("and original are nil behind a hook that failed", function()
		policy { errors = "report" }
		local s = support.spawn { "calc_pie" }
		local seen = {}
		s:replace("calc", function() error "meant" end)
		s:bp("show", function() seen[#seen + 1] = tostring(this) .. tostring(original) end)
		assert.equal(0, s:run().code)
		assert.same({ "nilnil", "nilnil" }, seen)
	end)
end)

-- Bytes of the target's memory.
local function mapped()
	local sum = 0
	for _, map in ipairs(mem.maps()) do
		sum = sum + num(map.stop - map.start)
	end
	return sum
end

describe("replace", function()
	after_each(support.close)

	it("a function's body, with and without the original, in every kind of program", function()
		support.each_calc(function(name, place)
			local s = support.spawn { name }
			s:replace(place "calc", function(a, b)
				if a == 1 then
					assert(original(a, b) == 3)
					return 42
				end
				return 99
			end)
			assert.equal(0, s:run().code)
			assert.equal("calc(1, 2) = 42\ncalc(4, 5) = 99\n", support.output(s), name)
		end)
	end)

	it("original takes other arguments, and may be called again", function()
		local s = support.spawn { "calc_pie" }
		local handle = s:replace("calc", function(a, b)
			return original() * 1000 + original(a, 10) * 10 + original(20, b)
		end)
		s:run()
		assert.equal("calc(1, 2) = 3132\ncalc(4, 5) = 9165\n", support.output(s))
		assert.equal(6, handle.hits)
	end)

	it("by a prototype", function()
		local s = frames "alike"
		s:replace("float alike(double a, unsigned char b, const char *text, long c)", function(a, _, text)
			assert(text == "text")
			local ret = original(a * 2, 4, nil, 10)
			assert(ret == 21)
			return ret + 0.5
		end)
		s:run()
		assert.equal("sum 21.5\n", support.output(s))
		s = frames "alike"
		s:replace("alike", function() return 0.5 end, { proto = "float (double, unsigned char, const char *, long)" })
		s:run()
		assert.equal("sum 0.5\n", support.output(s))
	end)

	it("original takes the text that was read, where it is, and copies of others", function()
		local s = support.spawn { "ifuncs" }
		local seen, before = {}, nil
		s:replace("int puts(const char *text)", function(text)
			original(text) -- makes the buffer
			before = mapped()
			local ret = original("more " .. text)
			assert(mapped() == before and ret == 10)
			original(text)
		end)
		s:bp("puts", function()
			seen[#seen + 1] = { mem.cstr(regs.rdi), before ~= nil and mapped() > before }
		end)
		assert.equal(0, s:run().code)
		assert.same({ { "done", false }, { "more done", true }, { "done", false } }, seen)
		assert.equal("done\nmore done\ndone\n", support.output(s))
	end)

	it("original takes texts with and without types, several at once", function()
		for _, row in ipairs {
			{ "ifuncs", "puts", {} }, { "ifuncs_static", "puts", {} },
			{ "ifuncs", "puts", { proto = "int (void *)" } },
			{ "ifuncs", "puts", { proto = "int (const char *)" } },
		} do
			local s = support.spawn { row[1] }
			s:replace(row[2], function() return original(("long"):rep(5000)) end, row[3])
			assert.equal(0, s:run().code)
			assert.equal(("long"):rep(5000) .. "\n", support.output(s))
		end
		local s = support.spawn { "ifuncs" }
		local answers = {}
		s:replace("call_strcmp", function()
			answers[#answers + 1] = original("same", "same") == 0 and i32(original("b", "a")) > 0
				and i32(original("", "a")) < 0
			return 0
		end)
		assert.equal(0, s:run().code)
		assert.same({ true, true, true }, answers)
	end)

	it("frees the copy of a text when the original is unwound, or its thread has ended", function()
		local s = frames("jump", "16")
		local after = {}
		s:replace("jumper", function(n)
			local _, why = original(n, "text")
			assert(why == "unwound")
			after[#after + 1] = mapped()
		end, { proto = "long (long, const char *)" })
		s:run()
		assert.equal(2 * 36, #after)
		assert.equal(after[36], after[72])
		s = frames "exit"
		s:replace("leaver", function(code) return original(code, "text") end, { proto = "void (int, void *)" })
		assert.equal(7, s:run().code)
	end)

	it("original has what the caller gave, also when it was called before", function()
		local s = support.spawn { "ifuncs" }
		local results = {}
		s:replace("call_strcmp", function()
			results[#results + 1] = {
				i32(original()) < 0, i32(original("b", "a")) > 0, i32(original()) < 0, i32(original(nil, "one")) == 0,
			}
		end)
		assert.equal(0, s:run().code)
		for i = 1, 3 do
			assert.same({ true, true, true, true }, results[i])
		end
		s = frames "many"
		s:replace("many", function() return original() + original() end)
		s:run()
		assert.equal("sum 63\n", support.output(s))
		s = frames "many"
		s:replace("many", function()
			original(nil, nil, nil, nil, nil, nil, 100, nil, 1000.5)
			return original()
		end)
		s:run()
		assert.equal("sum 31.5\n", support.output(s))
	end)

	it("in recursion and threads", function()
		local s = frames("recurse", "30", "4")
		s:replace("long deep(long n)", function() return original() + 1 end)
		s:run()
		assert.equal(("sum %d\n"):format(4 * 60), support.output(s))
	end)

	it("original that is unwound says so", function()
		local s = frames("jump", "16", "2")
		local unwound = 0
		s:replace("jumper", function()
			local ret, why = original()
			if ret == nil and why == "unwound" then
				unwound = unwound + 1
			end
		end)
		s:run()
		assert.equal(2 * 2 * 36, unwound)
		assert.equal(("sum %d\n"):format(2 * 16 * 3), support.output(s))
	end)

	it("checks its arguments", function()
		local s = support.spawn { "calc_pie" }
		support.raises(function() s:replace("calc", 5) end, "replace: function expected as the second argument, got 5")
		support.raises(function() s:replace("calc", print, { mode = "skip" }) end, "mode is a breakpoint's")
		s:replace("calc", function() return original(1, {}) end)
		local ok, e = pcall(s.run, s)
		assert.is_false(ok)
		assert.truthy(tostring(e):find("original: argument 2", 1, true), tostring(e))
		s = frames "alike"
		s:replace("float alike(double a, unsigned char b, const char *text, long c)", function(a)
			return original(a, "x")
		end)
		ok, e = pcall(s.run, s)
		assert.is_false(ok)
		assert.truthy(tostring(e):find("original: argument 2: whole number expected", 1, true), tostring(e))
	end)
end)
