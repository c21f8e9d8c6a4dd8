-- hook() and replace() with types from debug information: where the calling convention passes what the source declares.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"

-- One run of a target with functions hooked; what it printed.
local function run(target, hooks)
	local out = os.tmpname()
	finally(function() os.remove(out) end)
	local s = support.spawn { target, stdout = { file = out } }
	for name, functions in pairs(hooks) do
		s:hook(name, functions)
	end
	local reason = s:run()
	local file = assert(io.open(out))
	local text = file:read "*a"
	file:close()
	return text, reason
end

-- A run that ends by an error of a hook's that says this.
local function fails(words, ...)
	local ok, why = pcall(run, ...)
	assert.is_false(ok)
	assert.truthy(tostring(why):find(words, 1, true), tostring(why))
end

for _, target in ipairs { "given", "given_slow", "given_fast" } do
	describe("a function of " .. target, function()
		after_each(support.close)

		it("is given scalars as they are declared, by their names too", function()
			local seen
			assert.equal("given 306.25\n", (run(target, { given_scalars = {
				enter = function(...) seen = { args = this.args, n = select("#", ...), text = mem.cstr(this.args.text),
					at = mem.i32[this.args.at], ... } end,
				leave = function(ret) seen.ret = ret end,
			} })))
			assert.equal(7, seen.n)
			assert.equal("hello", seen.text)
			assert.equal(seen[1], seen.args.text)
			assert.equal(-3, seen[2])
			assert.equal(2.5, seen[3])
			assert.equal(-4, seen.args.small)
			assert.equal(1, seen.args.flag)
			assert.equal(5, seen.args.hue)
			assert.equal(-9, seen.at)
			assert.equal("number", type(seen.args.count))
			assert.is_true(seen.ret == 96)
		end)

		it("is given strings and booleans where its declaration is asked for", function()
			local seen
			run(target, { given_scalars = { proto = true, enter = function(...) seen = { ... } end } })
			assert.equal("hello", seen[1])
			assert.is_true(seen[5])
		end)

		it("takes and gives structures, in registers and in memory", function()
			local seen = {}
			run(target, {
				given_small = {
					enter = function(point, mixed) seen.small = tostring(point) .. tostring(mixed) .. point.y end,
					leave = function(ret) seen.mixed = tostring(ret) end,
				},
				given_point = {
					enter = function(x, y) seen.xy = x * 10 + y end,
					leave = function(ret) seen.point = tostring(ret) end,
				},
				given_large = {
					enter = function(large, at) seen.large = tostring(large) .. at end,
					leave = function(ret) seen.changed = tostring(ret) end,
				},
			})
			assert.same({
				small = "{x = 3, y = -4}{ratio = 1.5, count = 99}-4", mixed = "{ratio = 3, count = 98}",
				xy = 45, point = "{x = 8, y = 10}",
				large = "{all = {1, 2, 3, 4}}2", changed = "{all = {1, 2, 7, 4}}",
			}, seen)
		end)

		it("is given what stands on the stack, and floating point", function()
			local list, result
			run(target, { given_many = {
				enter = function(...) list = { ... } end,
				leave = function(ret) result = ret end,
			} })
			for i, value in ipairs { 1, 2, 3, 4, 5, 6, -7, 8, 9, -10, 0.5, 0.25 } do
				assert.is_true(list[i] == value, "argument " .. i)
			end
			assert.equal(21.75, result)
		end)

		it("gives a result that leave replaces by its type", function()
			assert.equal("given 1284.50\n", (run(target, { given_many = { leave = function() return 1000 end } })))
		end)

		it("takes and gives long double, which leave cannot replace by a number", function()
			local seen = {}
			run(target, { given_wide = {
				enter = function(x) seen[1] = x end,
				leave = function(ret) seen[2] = ret end,
			} })
			assert.same({ 3, 1.5 }, seen)
			fails("is more than one register holds", target, { given_wide = { leave = function() return 1 end } })
		end)

		it("is given the registers behind its own arguments where any number may follow", function()
			local list
			run(target, { given_rest = { enter = function(...) list = { ... } end } })
			assert.equal(3, list[1])
			assert.same({ 10, 20, 30 }, { i32(list[2]), i32(list[3]), i32(list[4]) })
			assert.equal(6, #list)
		end)

		it("may be given nothing and give nothing", function()
			local n, results
			run(target, { given_nothing = {
				proto = true,
				enter = function(...) n = select("#", ...) end,
				leave = function(...) results = { n = select("#", ...), ... } end,
			} })
			assert.equal(0, n)
			assert.is_nil(results[1])
		end)

		it("is replaced by one with its types", function()
			local s = support.spawn { target, stdout = "null" }
			local seen
			s:replace("given_many", function(a, _, _, _, _, _, _, _, _, _, x)
				seen = original(nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, x * 2)
				return a
			end)
			assert.equal("exit", s:run().kind)
			assert.equal(22.25, seen)
		end)
	end)
end

describe("types from debug information", function()
	after_each(support.close)

	it("are left alone where the script says so", function()
		local seen
		run("given", { given_many = { proto = false, enter = function(...) seen = { select("#", ...), (...) } end } })
		assert.equal(6, seen[1])
		assert.is_true(seen[2] == 1)
		assert.equal("cdata", type(seen[2]))
	end)

	it("are missing where nothing describes the function, which is an error only if they were asked for", function()
		fails("proto = true: no debug information describes the function", "calc_pie", {
			calc = { proto = true, enter = function() end },
		})
		local n
		run("calc_pie", { calc = { enter = function(...) n = select("#", ...) end } })
		assert.equal(6, n)
	end)
end)
