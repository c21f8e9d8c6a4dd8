-- mem - memory of a target. The hot part is C (core/bind/mem.c); this is the rest.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local peek = require "ptracehook.peek"

local M = {}

local cast, copy, new, sizeof, str, typeof = ffi.cast, ffi.copy, ffi.new, ffi.sizeof, ffi.string, number.typeof
local u8_p = typeof "uint8_t *"
local layout = setmetatable({}, { __index = function(_, name) return core.load("layout")[name] end })
local MOST = 2 ^ 31 - 2 ^ 16 -- the largest object that LuaJIT makes

-- n objects of ctype from the target, in an array of ours.
local function copy_in(mem, ctype, size, addr, n)
	local bytes = mem.read(addr, size * n)
	local box = new(layout.array_of(ctype), n)
	copy(cast(u8_p, box), bytes, #bytes)
	layout.scrub(ctype, box, size, n)
	return box
end

local function add_objects(mem)
	function mem.struct(ctype, addr)
		local size
		addr = check.address("mem.struct: address", addr)
		ctype, size = layout.ctype("mem.struct", ctype)
		local box = copy_in(mem, ctype, size, addr, 1)
		if not layout.is_aggregate(ctype) then
			return box[0]
		end
		-- box[0] is only a reference into the box.
		local object = new(ctype)
		copy(cast(u8_p, object), cast(u8_p, box), size)
		return object
	end

	function mem.array(ctype, addr, n)
		local size
		ctype, size = layout.ctype("mem.array", ctype)
		addr, n = check.address("mem.array: address", addr), check.count("mem.array: n", n)
		if size * n > MOST then
			check.fail("mem.array: %s elements of %d bytes are more than an array can hold (2 GiB)", number.show(n), size)
		end
		return copy_in(mem, ctype, size, addr, n)
	end

	function mem.put(addr, object)
		addr = check.address("mem.put: address", addr)
		if type(object) ~= "cdata" or tostring(object):find "^ctype<" then
			check.fail("mem.put: cdata expected, got %s", number.show(object))
		end
		local size, ctype = sizeof(object), typeof(object)
		-- A number or a pointer is no place in our memory; a boxed copy of it is.
		if not layout.is_aggregate(ctype) then
			object = new(layout.array_of(ctype), 1, object)
		end
		mem.write(addr, str(cast(u8_p, object), size))
	end
end

-- Readable memory as ranges: neighbours are one, since what is looked for may lie across their border.
local function merge(ranges)
	local merged = {}
	for _, range in ipairs(ranges) do
		local last = merged[#merged]
		if last and last.stop == range.start then
			last.stop = range.stop
		else
			merged[#merged + 1] = { start = range.start, stop = range.stop }
		end
	end
	return merged
end

local function is_named(entry, name)
	local file = entry.path:match "([^/]+)$"
	if not file then
		return false
	end
	local rest = file:sub(1, #name) == name and file:sub(#name + 1)
	return entry.path == name or rest and (rest == "" or rest:find "^[.-]") ~= nil
end

-- The kernel's own pages ([vvar]) answer no reads.
local function is_readable(entry)
	return entry.perms:sub(1, 1) == "r" and not entry.path:find "^%[vvar"
end

-- A half-open range as the pieces of it that are mapped: what is looked for lies in a sea of holes.
local function pieces_of(mem, what, range)
	local start, stop = range.start or range[1], range.stop or range[2]
	if start == nil or stop == nil then
		check.fail("%s: range: {start, stop}, an entry of mem.maps() or a module's name expected", what)
	end
	start, stop = check.address(what .. ": start", start), check.address(what .. ": stop", stop)
	if stop < start then
		check.fail("%s: range: it stops (%s) before it starts (%s)", what, number.hex(stop), number.hex(start))
	end
	local found = {}
	for _, entry in ipairs(mem.maps()) do
		if is_readable(entry) and entry.start < stop and start < entry.stop then
			found[#found + 1] = {
				start = entry.start < start and start or entry.start, stop = stop < entry.stop and stop or entry.stop,
			}
		end
	end
	return merge(found)
end

local function ranges_of(mem, what, range)
	if type(range) == "table" then
		return pieces_of(mem, what, range)
	elseif range ~= nil and type(range) ~= "string" then
		check.fail("%s: range: {start, stop}, an entry of mem.maps() or a module's name expected, got %s", what,
			number.show(range))
	end
	local found = {}
	for _, entry in ipairs(mem.maps()) do
		if is_readable(entry) and (not range or is_named(entry, range)) then
			found[#found + 1] = entry
		end
	end
	if range and #found == 0 then
		check.fail("%s: range: nothing readable belongs to a module %s", what, number.show(range))
	end
	return merge(found)
end

local find_known = { text = true }

local function search(mem, find_in, all, pattern, range, options)
	local what = all and "mem.find_all" or "mem.find"
	if type(range) == "table" and options == nil and range.text ~= nil then
		range, options = nil, range
	end
	if type(pattern) ~= "string" or pattern == "" then
		check.fail("%s: pattern: a string that is not empty expected, got %s", what, number.show(pattern))
	end
	options = check.options(what, options, find_known)
	local bytes, mask
	if not check.boolean(what .. ": text", options.text) then
		bytes, mask = core.pattern(pattern)
	end
	local results = {}
	for _, piece in ipairs(ranges_of(mem, what, range)) do
		local found = find_in(bytes or pattern, mask, piece.start, piece.stop, all)
		if found ~= nil and not all then
			return found
		end
		for _, at in ipairs(found or {}) do
			results[#results + 1] = at
		end
	end
	return all and results or nil
end

local function hexdump(mem, addr, n)
	local start = check.address("hexdump: address", addr)
	local bytes = mem.read(start, check.size("hexdump: n", n))
	local lines = {}
	for at = 1, #bytes, 16 do
		local piece = bytes:sub(at, at + 15)
		local hex = piece:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
		local left, right = hex:sub(1, 24), hex:sub(25)
		lines[#lines + 1] = ("%016x  %-24s %-24s |%s|"):format(start + (at - 1), left, right,
			(piece:gsub("[^\32-\126]", ".")))
	end
	return table.concat(lines, "\n")
end

-- target: a Thread, Process or Session; nil: what the globals mean. self: the table to be it, if there is one.
function M.new(target, self)
	local mem = core.mem(target)
	local find_in = mem.search
	mem.search = nil
	if target == nil then
		peek.add(mem)
	end
	add_objects(mem)
	mem.find = function(...) return search(mem, find_in, false, ...) end
	mem.find_all = function(...) return search(mem, find_in, true, ...) end
	mem.hexdump = function(...) return hexdump(mem, ...) end
	-- Loaded by scripts that use them.
	mem.telescope = function(...) return core.load("pointers").telescope(mem, target, ...) end
	mem.find_pointers = function(...) return core.load("pointers").find_pointers(mem, ranges_of, ...) end
	mem.as = function(ctype, addr) return (require("ptracehook.typed").as(target, ctype, addr)) end
	for _, name in ipairs { "alloc", "free", "protect" } do
		mem[name] = function(...)
			require("ptracehook.call").add_memory(mem, target)
			return mem[name](...)
		end
	end
	if not self then
		return mem
	end
	for name, part in pairs(mem) do
		self[name] = part
	end
	return self
end

return M
