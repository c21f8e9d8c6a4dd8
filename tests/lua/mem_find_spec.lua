-- Searches. The memory is tests/targets/mem.c's, see mem_spec.lua.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

-- Standing in mem_here(); its regions by name.
local function here(...)
	local s = support.spawn { "mem", ... }
	return support.regions(s), s
end

describe("mem", function()
	after_each(support.close)

	describe("find", function()
		local needle = "de ad be ef ca fe"

		it("finds bytes, the first or all", function()
			local at = here()
			assert.equal(at.big + 0x123456, mem.find(needle, { at.big, at.big + 4 * 2 ^ 20 }))
			assert.same({ hex(at.big + 0x123456), hex(at.big + 0x1ffffd) },
				{ hex(mem.find_all(needle, { at.big, at.big + 4 * 2 ^ 20 })[1]),
				  hex(mem.find_all(needle, { at.big, at.big + 4 * 2 ^ 20 })[2]) })
			assert.equal(at.big + 0x123456, mem.find("\xde\xad\xbe\xef", { at.big, at.big + 4 * 2 ^ 20 }))
			assert.is_nil(mem.find(needle, { at.big, at.big + 0x1000 }))
			assert.same({}, mem.find_all(needle, { at.big, at.big + 0x1000 }))
		end)

		it("finds across the borders of its own pieces and of mappings", function()
			local at = here()
			for _, where in ipairs { 2 ^ 20 - 3, 2 ^ 20, 2 ^ 20 + 1, 2 ^ 20 + 5, 4096 - 2, 4 * 2 ^ 20 - 6 } do
				mem.write(at.big + where, "NEEDLE")
				assert.equal(at.big + where, mem.find("NEEDLE", { at.big, at.big + 4 * 2 ^ 20 }), where)
				mem.write(at.big + where, "needle")
			end
		end)

		it("takes wildcards", function()
			local p = here().pattern
			local range = { p, p + 256 }
			assert.equal(p + 1, mem.find("01 ?? 03", range))
			assert.equal(p, mem.find("?? 01", range))
			assert.equal(256, #mem.find_all("?? ", range) + 256) -- one token and a space is no pattern
			assert.equal(255, #mem.find_all("?? ??", range))
			assert.is_nil(mem.find("01 03", range))
		end)

		it("keeps to its range, end excluded", function()
			local p = here().pattern
			assert.equal(p + 16, mem.find("\16", { p, p + 17 }))
			assert.is_nil(mem.find("\16", { p, p + 16 }))
			assert.equal(p + 16, mem.find("\16", { start = p + 16, stop = p + 17 }))
			assert.is_nil(mem.find("\16", { p + 17, p + 32 }))
			assert.is_nil(mem.find("\16\17", { p, p + 17 }))
			assert.is_nil(mem.find("\16", { p, p }))
		end)

		it("searches everything, an entry of maps, or a module", function()
			local at = here()
			local everywhere = mem.find_all("ends at the edge")
			local found = false
			for _, addr in ipairs(everywhere) do
				found = found or addr == at.edge
			end
			assert.is_true(found)
			found = false
			for _, entry in ipairs(mem.maps()) do
				for _, addr in ipairs(entry.start <= at.big and at.big < entry.stop and mem.find_all(needle, entry) or {}) do
					assert.is_true(entry.start <= addr and addr < entry.stop)
					found = found or addr == at.big + 0x123456
				end
			end
			assert.is_true(found)
			assert.equal(at.constant, mem.find("read-only data", "mem"))
			assert.is_nil(mem.find(needle .. " 11 22 33 44", "mem"))
			assert.truthy(mem.find("\127ELF", "libc"))
		end)

		it("takes anything as text when told to", function()
			local at = here()
			mem.write(at.pattern + 2048, "de ad")
			local range = { at.pattern, at.pattern + 4096 }
			assert.equal(at.pattern + 2048, mem.find("de ad", range, { text = true }))
			assert.is_nil(mem.find("de ad", range))
			assert.truthy(mem.find("de ad", { text = true }))
			assert.equal(at.pattern + 2048, mem.find("de ad", range, { text = true }))
		end)

		it("goes over holes, and over ranges that are not there", function()
			local at = here()
			assert.equal(at.run, mem.find(("r"):rep(64), { at.edge, at.run + 64 }))
			assert.is_nil(mem.find("never in there \1\2\3", { 0, 0xffffffffffffffffULL }))
			assert.is_nil(mem.find("x", { 4096, 8192 }))
		end)

		it("names what was wrong", function()
			here()
			raises(function() mem.find() end, "mem.find: pattern: a string that is not empty expected, got nil")
			raises(function() mem.find_all("") end, 'mem.find_all: pattern:', 'got the string ""')
			raises(function() mem.find(5) end, "mem.find: pattern:", "got 5")
			raises(function() mem.find("x", 5) end, "mem.find: range:", "got 5")
			raises(function() mem.find("x", {}) end, "mem.find: range:")
			raises(function() mem.find("x", { 5 }) end, "mem.find: range:")
			raises(function() mem.find("x", { 5, 3 }) end, "mem.find: range: it stops (0x3) before it starts (0x5)")
			raises(function() mem.find("x", { -1, 3 }) end, "mem.find: start: address must not be negative")
			raises(function() mem.find("x", { 1, 1.5 }) end, "mem.find: stop:")
			raises(function() mem.find("x", "no such module") end, "mem.find: range:", "no such module")
			raises(function() mem.find("x", nil, 5) end, "mem.find: options: table expected, got 5")
			raises(function() mem.find("x", nil, { test = true }) end, "there is no option 'test'; did you mean 'text'?")
			raises(function() mem.find("x", nil, { text = 1 }) end, "mem.find: text: true or false expected, got 1")
		end)
	end)
end)
