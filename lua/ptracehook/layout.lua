-- layout - what C types look like, and the numbers in copies of the target's memory.
--
-- ffi.typeinfo() tells (LuaJIT's lj_ctype.h has its encoding): the kind in bits 28 to 31, the child's id in the low 16.

local ffi = require "ffi"
local bit = require "bit"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local band, rshift = bit.band, bit.rshift
local cast, sizeof, typeof, typeinfo = ffi.cast, ffi.sizeof, number.typeof, ffi.typeinfo

local kinds = {
	[0] = "number", [1] = "struct", [2] = "pointer", [3] = "array", [5] = "enum", [6] = "function", [7] = "typedef",
	[8] = "attribute", [9] = "field", [10] = "bitfield",
}

local FLOATING, REFERENCE, COMPLEX_OR_VECTOR = 0x04000000, 0x00800000, 0x0c000000
local SUBTYPE = 3 -- of an attribute: a struct or union without a name

-- The type with this id behind its names and qualifiers: its info, and its kind.
local function resolve(id)
	local info = typeinfo(id)
	local kind = kinds[rshift(info.info, 28)]
	while kind == "typedef" or kind == "attribute" or kind == "pointer" and band(info.info, REFERENCE) ~= 0 do
		id = band(info.info, 0xffff)
		info = typeinfo(id)
		kind = kinds[rshift(info.info, 28)]
	end
	return info, kind, id
end
M.resolve = resolve

-- The names of a struct's or union's members, in their order; those of unnamed ones within are its own.
function M.names_of(info, names)
	names = names or {}
	while info.sib do
		info = typeinfo(info.sib)
		local kind, child = kinds[rshift(info.info, 28)], band(info.info, 0xffff)
		if (kind == "field" or kind == "bitfield") and info.name then
			names[#names + 1] = info.name
		elseif kind == "attribute" and band(rshift(info.info, 16), 0xff) == SUBTYPE then
			M.names_of(resolve(child), names)
		end
	end
	return names
end

-- What a text means, once it is known: LuaJIT has room for 65536 types, and makes a new one for every unnamed struct
-- that it reads.
local by_text = {}

local function parse(what, ctype)
	if type(ctype) ~= "string" and type(ctype) ~= "cdata" or number.is_wide(ctype) then
		check.fail("%s: C type expected (a name or an ffi.typeof), got %s", what, number.show(ctype))
	end
	local ok, result = pcall(typeof, ctype)
	if not ok then
		check.fail("%s: %s", what, (tostring(result):gsub("^[^%s]-:%d+: ", "")))
	end
	local known, size = pcall(sizeof, result)
	if not known or not size or size == 0 or band(typeinfo(tonumber(result)).info, 0xf0800000) == 0x20800000 then
		check.fail("%s: %s has no size of its own", what, tostring(result))
	end
	return result
end

-- The ctype of a C type's name or an ffi.typeof, which must have a size, and that size.
function M.ctype(what, ctype)
	local result = by_text[ctype]
	if not result then
		result = parse(what, ctype)
		if type(ctype) == "string" then
			by_text[ctype] = result
		end
	end
	return result, sizeof(result)
end

local arrays = {} -- by type id

-- ctype[?]
function M.array_of(ctype)
	local id = tonumber(ctype)
	arrays[id] = arrays[id] or typeof("$[?]", ctype)
	return arrays[id]
end

-- True for what ffi.new makes an object of, with a place in our memory; a number, a pointer or an enum is a value.
function M.is_aggregate(ctype)
	local info, kind = resolve(tonumber(ctype))
	return kind == "struct" or kind == "array" and band(info.info, COMPLEX_OR_VECTOR) == 0
end

-- LuaJIT keeps a double in eight bytes as it is, and takes negative NaNs with other bits than its own for values of
-- other kinds: a bad string, say, that crashes the collector. So those become its own in every copy.

local u8_p, u32_p = typeof "uint8_t *", typeof "uint32_t *"

local function scrub_f64(p)
	local words = cast(u32_p, p)
	local high, low = words[1], words[0]
	if high > 0xfff00000 or high == 0xfff00000 and low ~= 0 then
		words[0], words[1] = 0, 0xfff80000
	end
end

local function scrub_f32(p)
	local words = cast(u32_p, p)
	if words[0] > 0xff800000 then
		words[0] = 0xffc00000
	end
end

local scrubber_of

local function scrub_elements(scrub, stride, n)
	return function(p)
		for i = 0, n - 1 do
			scrub(p + i * stride)
		end
	end
end

local function scrub_members(members)
	return function(p)
		for i = 1, #members do
			members[i].scrub(p + members[i].offset)
		end
	end
end

local function members_of(info)
	local members = {}
	while info.sib do
		info = typeinfo(info.sib)
		local kind = kinds[rshift(info.info, 28)]
		-- An attribute among fields is an unnamed struct or union.
		local scrub = (kind == "field" or kind == "attribute") and scrubber_of(band(info.info, 0xffff))
		if scrub then
			members[#members + 1] = { offset = info.size or 0, scrub = scrub }
		end
	end
	return members
end

local function make_scrubber(id)
	local info, kind = resolve(id)
	if kind == "number" then
		return band(info.info, FLOATING) ~= 0 and (info.size == 8 and scrub_f64 or info.size == 4 and scrub_f32)
	elseif kind == "array" then
		local element = band(info.info, 0xffff)
		local scrub, stride = scrubber_of(element), typeinfo(element).size
		return scrub and info.size and scrub_elements(scrub, stride, info.size / stride)
	elseif kind == "struct" then
		local members = members_of(info)
		return #members > 0 and scrub_members(members)
	end
	return false
end

local scrubbers = {} -- by type id: a function of a pointer, or false

function scrubber_of(id)
	local scrub = scrubbers[id]
	if scrub == nil then
		scrub = make_scrubber(id) or false
		scrubbers[id] = scrub
	end
	return scrub
end

-- n objects of ctype, size bytes each, from p on.
function M.scrub(ctype, p, size, n)
	local scrub = scrubber_of(tonumber(ctype))
	if scrub then
		scrub_elements(scrub, size, n)(cast(u8_p, p))
	end
end

return M
