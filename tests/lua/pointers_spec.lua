-- mem.telescope and mem.find_pointers.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

describe("mem.telescope", function()
	after_each(support.close)

	it("follows words through pointers to text, to code, and to nowhere", function()
		local s = support.spawn { "calc_pie" }
		local at = s.mem.alloc(4096)
		s.mem.write(at + 64, "some text\0")
		s.mem.u64[at] = at + 8
		s.mem.u64[at + 8] = at + 64
		s.mem.u64[at + 16] = s:sym "calc"
		s.mem.u64[at + 24] = 5
		s.mem.u64[at + 32] = at + 24
		s.mem.u64[at + 40] = at + 40
		local list = s.mem.telescope(at, 6)
		assert.equal(6, #list)
		assert.equal("some text", list[1].chain[2].text)
		assert.equal(2, #list[1].chain)
		assert.equal(1, #list[3].chain)
		assert.equal("calc", list[3].chain[1].symbol)
		assert.same({ 0, 5 }, { #list[4].chain, tonumber(list[4].last) })
		assert.same({ 1, 5 }, { #list[5].chain, tonumber(list[5].last) })
		assert.equal(1, #list[6].chain) -- at itself, once
		local text = tostring(list)
		assert(text:find(("%s: %s -> %s \"some text\""):format(hex(at), hex(at + 8), hex(at + 64)), 1, true), text)
		assert(text:find("(calc)\n", 1, true), text)
		assert(text:find(hex(at + 24) .. " -> 0x5\n", 1, true), text)
		assert.equal(8, #s.mem.telescope(at))
		assert.equal(tostring(s.mem.telescope(at, 2)), tostring(s:threads()[1].mem.telescope(at, 2)))
		raises(function() s.mem.telescope(0x10, 1) end, "0x10")
		raises(function() s.mem.telescope "x" end, "mem.telescope: address")
		raises(function() s.mem.telescope(at, -1) end, "mem.telescope: n")
	end)
end)

describe("mem.find_pointers", function()
	after_each(support.close)

	it("finds aligned words that point into a range, in all memory or a part of it", function()
		local s = support.spawn { "calc_pie" }
		local at = s.mem.alloc(2 ^ 20)
		s.mem.u64[at + 2 ^ 19] = at + 100
		s.mem.u64[at + 16] = at + 200
		s.mem.u64[at + 33] = at + 100 -- not aligned
		local area = { at, at + 2 ^ 20 }
		assert.same({ { address = at + 16, value = at + 200 }, { address = at + 2 ^ 19, value = at + 100 } },
			s.mem.find_pointers(area))
		assert.same({ { address = at + 2 ^ 19, value = at + 100 } }, s.mem.find_pointers(at + 100))
		assert.same({}, s.mem.find_pointers(at + 100, { at, at + 64 }))
		assert(#s.mem.find_pointers("calc_pie") > 0)
		raises(function() s.mem.find_pointers(at, "no_such_module") end, "no_such_module")
	end)
end)
