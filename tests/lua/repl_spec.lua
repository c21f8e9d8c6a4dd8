-- The prompt's own parts: what lines mean, how values are shown, what Tab offers, where locals are.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local core = require "ptracehook.core"

local eval, show, words = core.load "repl.eval", core.load "repl.show", core.load "repl.words"
local complete, frame, help = core.load "repl.complete", core.load "repl.frame", core.load "repl.help"

-- What a line gives, as a list.
local function run(text)
	local fn, skipped = assert(eval.compile(text))
	local ok, results = eval.run(fn, skipped)
	assert(ok, ok or results.text)
	return { unpack(results, 1, results.n) }, results.n
end

describe("a line", function()
	it("that is an expression gives its values", function()
		assert.same({ 1, 2 }, run "1, 1 + 1")
		assert.same({ "x" }, run "'x' -- a comment")
		assert.equal(3, select(2, run "nil, nil, nil"))
	end)

	it("that is a statement gives nothing, or what it returns", function()
		assert.equal(0, select(2, run "local x = 1"))
		assert.equal(0, select(2, run "-- only a comment"))
		assert.same({ 7 }, run "return 7")
	end)

	it("may want more lines, or be wrong", function()
		for _, text in ipairs { "for i = 1, 2 do", "f(", "x = {", "if true then", "[[a", "local x =", "1 +" } do
			local fn, _, is_part = eval.compile(text)
			assert.is_nil(fn)
			assert.is_true(is_part, text)
		end
		for _, text in ipairs { "x )", "1 2", "end", "for do", "a b c" } do
			local fn, why, is_part = eval.compile(text)
			assert.is_nil(fn)
			assert.is_false(is_part, text)
			assert.truthy(why:find "^stdin:1: ", why)
		end
	end)

	it("that fails has its place and a traceback without the prompt", function()
		local fn, skipped = eval.compile("error 'boo'", 4)
		local ok, failure = eval.run(fn, skipped)
		assert.is_false(ok)
		assert.equal("stdin:4: boo", failure.text)
		assert.falsy(failure.trace:find "repl")
		fn, skipped = eval.compile "error {}"
		ok, failure = eval.run(fn, skipped)
		assert.is_false(ok)
		assert.equal("(error object is a table value)", failure.text)
	end)
end)

describe("a word", function()
	local function means(text)
		return eval.word(text, words.list)
	end

	it("stands for Lua", function()
		assert.equal("cont()", means "c")
		assert.equal("step(3)", means "s 3")
		assert.equal("step_over()", means "  n  ")
		assert.equal('bp("main", STOP)', means "b main")
		assert.equal("bp(0x401000, STOP)", means "b 0x401000")
		assert.equal("bps()", means "b")
		assert.equal('dis("libc!puts")', means "dis libc!puts")
		assert.equal("dis(regs.rip)", means "dis regs.rip")
		assert.equal("regs.rax + 1", means "p regs.rax + 1")
		assert.equal("-1", means "p -1")
		assert.equal("help(mem.find)", means "h mem.find")
		assert.equal("quit()", means "q")
	end)

	it("stands for itself in Lua's own forms, and when a variable has its name", function()
		for _, text in ipairs { "c = 5", "s.x = 1", "n[1] = 2", "c()", "b, c = 1, 2", "fin:remove()", "cc", "print", "" } do
			assert.is_nil(means(text), text)
		end
		rawset(_G, "c", 5)
		assert.is_nil(means "c")
		rawset(_G, "c", nil)
		assert.equal("cont()", means "c")
	end)
end)

describe("a value", function()
	it("is shown as a person wants it", function()
		for _, row in ipairs {
			{ 1, "1" }, { 1.5, "1.5" }, { 2 ^ 40, "1099511627776" }, { true, "true" }, { nil, "nil" },
			{ 42ULL, "0x2a" }, { -5LL, "-5" }, { "a\tb\"", '"a\\tb\\""' }, { "\0001", '"\\0001"' }, { "\127", '"\\x7f"' },
			{ {}, "{}" }, { { 1, "x", { true } }, '{ 1, "x", { true } }' }, { { a = 1, [5] = 2 }, "{ [5] = 2, a = 1 }" },
			{ STOP, "STOP" }, { "h\195", '"h\\xc3"' }, -- what is whole is the locale's: e2e/repl.sh
		} do
			assert.equal(row[2], show.show(row[1]))
		end
	end)

	it("of several lines is text, of many odd bytes a dump", function()
		assert.equal("one\ntwo", show.show "one\ntwo")
		assert.equal('"one\\n"', show.show "one\n")
		assert.truthy(show.show(("\1\2\3\4"):rep(8)):find("0010  01 02", 1, true))
	end)

	it("that is too big is cut, and one that holds itself ends", function()
		local t = {}
		t.t = t
		assert.equal("{ t = <above> }", show.show(t))
		for i = 1, 1000 do t[i] = i end
		assert.truthy(show.show(t):find "more")
		assert.is_true(#show.show(("x"):rep(1e6)) < 1000)
		local deep = {}
		for _ = 1, 100 do deep = { deep } end
		assert.truthy(show.show(deep):find "…")
	end)

	it("whose __tostring fails is shown all the same", function()
		local bad = setmetatable({}, { __tostring = function() error "boo" end })
		assert.truthy(show.show(bad):find "cannot be shown")
		assert.truthy(show.show({ bad }):find "cannot be shown")
	end)
end)

describe("Tab", function()
	after_each(support.close)

	local function offered(line)
		local start = line:match '.*[ "\'(]()' or 1
		local list = complete.complete(line, start - 1) or {}
		if #list > 1 then
			table.remove(list, 1)
		end
		return list
	end

	it("offers names, fields, methods, registers", function()
		local s = support.spawn { "calc_pie" }
		rawset(_G, "my_breakpoint", s:bp("calc", STOP))
		assert.same({ "collectgarbage" }, offered "coll")
		assert.same({ "string.rep", "string.reverse" }, offered "x = string.re")
		assert.same({ "my_breakpoint:remove" }, offered "my_breakpoint:rem")
		assert.same({ "my_breakpoint.hits" }, offered "my_breakpoint.hi")
		assert.same({ "regs.rflags" }, offered "print(regs.rfl")
		assert.same({ "mem.find_all" }, offered "mem.find_a")
		assert.same({ "lua_locals" }, offered "lua_l")
		assert.same({}, offered "nosuch.thing")
		assert.same({}, offered "nosuch")
		rawset(_G, "my_breakpoint", nil)
	end)

	it("offers places, events and files in strings", function()
		support.spawn { "calc_pie" }
		run_to "main"
		assert.same({ "calc_add" }, offered 'bp("calc_a')
		assert.same({ "libc!pthread_mutex_unlock" }, offered 'hook("libc!pthread_mutex_unl')
		assert.same({ "syscall" }, offered 'on("sysc')
		assert.same({ "/etc/" }, offered 'load_script("/et')
		assert.same({}, offered 'bp("no_such_symbol_anywhere')
		assert.same({ "calc.c:" }, offered 'bp("calc.c')
	end)

	it("does nothing bad without a target, or with one that has ended", function()
		local s = support.spawn { "calc_pie" }
		s:kill()
		assert.same({}, offered 'bp("calc')
		assert.truthy(offered "regs.ra"[1])
	end)
end)

describe("a frame", function()
	after_each(support.close)

	it("has copies of a function's variables, inner ones first", function()
		local copy
		local shared = "outer"
		local function inner(x)
			local mine = x * 2
			local x = "inner x" -- luacheck: ignore
			copy = frame.copy()
			return mine, x, shared
		end
		inner(21)
		local _, mine = copy.get "mine"
		assert.equal(42, mine)
		assert.same({ true, "inner x" }, { copy.get "x" })
		assert.is_false((copy.get "nosuch"))
		assert.is_true(copy.set("shared", "changed"))
		assert.equal("changed", shared)
	end)

	it("that is live reads and writes where the variables are", function()
		local function inside()
			local here, other = 1, 2
			local live = frame.live()
			assert.same({ true, 1 }, { live.get "here" })
			assert.is_true(live.set("here", 5))
			assert.equal(5, here)
			assert.is_false(live.set("nosuch", 1))
			assert.equal(2, live.all().other)
			return here + other
		end
		local function caller()
			return (inside())
		end
		-- live() is for who called the function that called it.
		local ok, why = pcall(caller)
		assert.is_true(ok or tostring(why):find "expected" ~= nil)
	end)
end)

describe("help", function()
	it("suggests the nearest name", function()
		assert.equal("spawn", help.nearest_global "spwan")
		assert.is_nil(help.nearest_global "zzzzzzzzzzzz")
	end)
end)
