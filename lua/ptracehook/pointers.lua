-- pointers - mem.telescope and mem.find_pointers: words of memory as the addresses that they may be.

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local cast = ffi.cast
local WORD, PIECE = 8, 256 * 1024
local LONGEST = 8 -- links of a chain
local TEXT = 48 -- characters

-- Where addr lies, or nil.
local function mapping_of(maps, addr)
	for _, entry in ipairs(maps) do
		if addr >= entry.start and addr < entry.stop then
			return entry
		end
	end
end

-- What stands there, if it reads as text of four or more characters.
local function text_at(mem, addr)
	local text = mem.try_cstr(addr, TEXT)
	if not text then
		local bytes = mem.try_read(addr, TEXT)
		text = bytes and bytes:match "^[^%z]*"
	end
	return text and #text >= 4 and not text:find "[^\t\n\r\32-\126]" and text or nil
end

local function describe(session, maps, mem, value)
	local entry = mapping_of(maps, value)
	if not entry then
		return nil
	end
	local link = { address = value, perms = entry.perms, path = entry.path }
	local name = core.where(session, value)
	link.symbol = not name:find "^0x" and name or nil
	link.text = text_at(mem, value)
	return link
end

local function show_link(link)
	local words = number.hex(link.address)
	if link.symbol then
		words = words .. " (" .. link.symbol .. ")"
	end
	return link.text and ("%s %q"):format(words, link.text) or words
end

local function show(self)
	local parts = { number.hex(self.value) }
	for i, link in ipairs(self.chain) do
		parts[i] = show_link(link)
	end
	local last = self.chain[#self.chain]
	if last and self.last and not last.text then
		parts[#parts + 1] = number.hex(self.last)
	end
	return ("%s: %s"):format(number.hex(self.address), table.concat(parts, " -> "))
end

local Line = { __tostring = show }
local Telescope = {
	__tostring = function(self)
		local lines = {}
		for i, line in ipairs(self) do
			lines[i] = show(line)
		end
		return table.concat(lines, "\n")
	end,
}

-- target: a Session, a Process or a Thread of it, or nil for the current one.
function M.telescope(mem, target, addr, n)
	local session = target
	if target ~= nil and getmetatable(target) ~= "Session" then
		session = target.session
	end
	addr = check.address("mem.telescope: address", addr)
	n = n == nil and 8 or check.count("mem.telescope: n", n)
	local maps, list = mem.maps(), setmetatable({}, Telescope)
	for i = 1, n do
		local at = addr + (i - 1) * WORD
		local line = setmetatable({ address = at, value = mem.u64[at], chain = {} }, Line)
		local value, seen = line.value, {}
		while #line.chain < LONGEST and not seen[number.key(value)] do
			seen[number.key(value)] = true
			local link = describe(session, maps, mem, value)
			if not link then
				line.last = value
				break
			end
			line.chain[#line.chain + 1] = link
			local bytes = not link.text and mem.try_read(value, WORD)
			if not bytes or link.perms:find "x" then
				break
			end
			value = cast("const uint64_t *", bytes)[0] + 0ULL
		end
		list[i] = line
	end
	return list
end

-- Words of one piece that lie in [start, stop).
local function scan(list, at, bytes, start, stop)
	local words = cast("const uint64_t *", bytes)
	for i = 0, math.floor(#bytes / WORD) - 1 do
		if words[i] >= start and words[i] < stop then
			list[#list + 1] = { address = at + i * WORD, value = words[i] + 0ULL }
		end
	end
end

-- ranges_of: mem.lua's, which knows what a range may be.
function M.find_pointers(mem, ranges_of, goal, where)
	local goals
	if type(goal) == "table" or type(goal) == "string" then
		goals = ranges_of(mem, "mem.find_pointers", goal)
	else
		local addr = check.address("mem.find_pointers: range", goal)
		goals = { { start = addr, stop = addr + 1 } }
	end
	local list = {}
	for _, piece in ipairs(ranges_of(mem, "mem.find_pointers: where", where)) do
		local at = bit.band(piece.start + (WORD - 1), bit.bnot(WORD - 1ULL))
		while at < piece.stop do
			local len = piece.stop - at < PIECE and tonumber(piece.stop - at) or PIECE
			local bytes = mem.try_read(at, len)
			for _, range in ipairs(bytes and goals or {}) do
				scan(list, at, bytes, range.start, range.stop)
			end
			at = at + len
		end
	end
	table.sort(list, function(a, b) return a.address < b.address end)
	return list
end

return M
