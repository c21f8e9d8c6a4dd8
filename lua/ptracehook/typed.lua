-- typed - what is in a target's memory, by its type in debug information.
--
-- An object stands for a structure, a union or an array in the target, and keeps no copy: its fields and elements read
-- and write memory when they are asked for. A pointer is a value of its own (number.lua), which does the same with what
-- it leads to, and is its address to every other function. Scalars are plain values.

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local scalar = require "ptracehook.scalar"
local types = require "ptracehook.types"

local M = {}

local LOST = scalar.LOST

local cast, new, typeof = ffi.cast, ffi.new, ffi.typeof
local istype = ffi.istype
local i64_t, u64_t = typeof "int64_t", typeof "uint64_t"
local pointer_t = number.pointer_t
local band, lshift, rshift, bor, bnot = bit.band, bit.lshift, bit.rshift, bit.bor, bit.bnot
local fail = check.fail

-- Userdata has a length and an identity; what it stands for is kept beside it.
local data = setmetatable({}, { __mode = "k" }) -- object: {type, addr, mem, pid}
local prototype = newproxy(true)

local function make_object(t, addr, mem, pid)
	local object = newproxy(prototype)
	data[object] = { type = t, addr = addr, mem = mem, pid = pid }
	return object
end

local function is_aggregate(t)
	return t.kind == "struct" or t.kind == "union" or t.kind == "array" or t.kind == "other"
end

-- ---- Reading

-- Text ends at its zero byte, or where the array does.
local function text_of(bytes)
	return bytes:match "^%Z*"
end

local function read_bits(t, addr, mem, pid, at, bits)
	local n = math.ceil((at + bits) / 8)
	local bytes = mem.read(addr, n)
	if not bytes then
		return LOST
	end
	local value = rshift(scalar.whole_of(bytes, 8), at)
	if n == 9 then
		value = bor(value, lshift(cast(u64_t, bytes:byte(9)), 64 - at))
	end
	if bits < 64 then
		value = band(value, lshift(1ULL, bits) - 1)
	end
	return scalar.of(t, value, bits, pid)
end

local function read_value(t, addr, mem, pid)
	if t.kind == "array" and t.element.char and t.count > 0 then
		local bytes = mem.read(addr, t.count)
		return bytes and text_of(bytes) or LOST
	elseif is_aggregate(t) then
		return make_object(t, addr, mem, pid)
	elseif t.size == 0 or t.kind == "function" then
		fail("%s is nothing that can be read", t.name)
	end
	local bytes = mem.read(addr, t.size)
	if not bytes then
		return LOST
	elseif t.kind == "float" then
		return scalar.float_of(bytes, t.size)
	end
	return scalar.of(t, scalar.whole_of(bytes, t.size), nil, pid)
end

-- ---- Writing

local write_value

local function write_bits(t, addr, mem, at, bits, value, what)
	local n = math.ceil((at + bits) / 8)
	if n > 8 then
		fail("%s: a bit-field across nine bytes cannot be written", what)
	end
	local mask = bits < 64 and lshift(lshift(1ULL, bits) - 1, at) or bnot(0ULL)
	local before = scalar.whole_of(mem.read(addr, n), n)
	local wanted = lshift(cast(u64_t, scalar.whole_for(t, value, bits, what)), at)
	mem.write(addr, scalar.bytes_of(bor(band(before, bnot(mask)), band(wanted, mask)), n))
end

local function write_array(t, addr, mem, value, what)
	if t.element.char and type(value) == "string" then
		if #value > t.count then
			fail("%s: %d characters do not fit in %s", what, #value, t.name)
		end
		mem.write(addr, value .. (#value < t.count and "\0" or ""))
		return
	elseif type(value) ~= "table" then
		fail("%s: %s expected, got %s", what, t.element.char and "string" or "a list", number.show(value))
	elseif #value > t.count then
		fail("%s: %d elements do not fit in %s", what, #value, t.name)
	end
	for i, element in ipairs(value) do
		write_value(t.element, addr + (i - 1) * t.element.size, mem, element, ("%s[%d]"):format(what, i - 1))
	end
end

local function field_of(t, name)
	local fields = types.fields(t)
	local field = type(name) == "string" and fields[name]
	if field then
		return field
	elseif t.incomplete then
		fail("%s is only declared: no debug information says what is in it", t.name)
	end
	local near = type(name) == "string" and check.nearest(name, fields)
	fail("%s has no field %s%s", t.name, type(name) == "string" and "'" .. name .. "'" or number.show(name),
		near and "; did you mean '" .. near .. "'?" or "")
end

local function write_field(t, addr, mem, name, value)
	local field = field_of(t, name)
	local what = t.name .. "." .. name
	if field.bits then
		write_bits(field.type, addr + field.offset, mem, field.bit, field.bits, value, what)
	else
		write_value(field.type, addr + field.offset, mem, value, what)
	end
end

local function write_struct(t, addr, mem, value, what)
	local from = data[value]
	if from and from.type.name == t.name and from.type.size == t.size then
		mem.write(addr, from.mem.read(from.addr, t.size))
		return
	elseif type(value) ~= "table" then
		fail("%s: %s or a table of its fields expected, got %s", what, t.name, from and from.type.name or number.show(value))
	end
	for name, field in pairs(value) do
		write_field(t, addr, mem, name, field)
	end
end

function write_value(t, addr, mem, value, what)
	if t.kind == "array" then
		write_array(t, addr, mem, value, what)
	elseif t.kind == "struct" or t.kind == "union" then
		write_struct(t, addr, mem, value, what)
	elseif t.kind == "other" or t.size == 0 or t.kind == "function" then
		fail("%s: %s is nothing that can be written", what, t.name)
	elseif t.kind == "float" then
		mem.write(addr, scalar.float_bytes(t, value, what))
	else
		mem.write(addr, scalar.bytes_of(cast(u64_t, scalar.whole_for(t, value, t.size * 8, what)), t.size))
	end
end

-- ---- Elements

-- A whole number in place of an index, or nil.
local function index_of(k)
	if type(k) == "cdata" then
		k = number.plain(k)
		k = k and tonumber(istype(u64_t, k) and cast(i64_t, k) or k)
	end
	return type(k) == "number" and k % 1 == 0 and k or nil
end

local function check_index(t, k)
	local i = index_of(k)
	if not i then
		fail("%s has elements by number, from 0, got %s", t.name, number.show(k))
	elseif i < 0 or t.count > 0 and i >= t.count then
		fail("%s has elements 0 to %d, got %d", t.name, t.count - 1, i)
	end
	return i
end

local methods = getmetatable(prototype)

function methods.__index(object, k)
	local d = data[object]
	local t = d.type
	if k == "&" then
		return d.addr
	elseif t.kind == "array" then
		return (read_value(t.element, d.addr + check_index(t, k) * t.element.size, d.mem, d.pid))
	elseif t.kind == "other" then
		fail("%s has no fields that we know", t.name)
	end
	local field = field_of(t, k)
	if field.bits then
		return (read_bits(field.type, d.addr + field.offset, d.mem, d.pid, field.bit, field.bits))
	end
	return (read_value(field.type, d.addr + field.offset, d.mem, d.pid))
end

function methods.__newindex(object, k, value)
	local d = data[object]
	local t = d.type
	if t.kind == "array" then
		local i = check_index(t, k)
		write_value(t.element, d.addr + i * t.element.size, d.mem, value, ("%s element %d"):format(t.name, i))
	elseif t.kind == "other" then
		fail("%s has no fields that we know", t.name)
	else
		write_field(t, d.addr, d.mem, k, value)
	end
end

function methods.__len(object)
	local d = data[object]
	return d.type.kind == "array" and d.type.count or d.type.size
end

function methods.__eq(a, b)
	local x, y = data[a], data[b]
	return x.addr == y.addr and x.pid == y.pid and x.mem == y.mem and x.type.name == y.type.name
end

-- ---- Showing

local ELEMENTS, DEPTH, WIDTH = 200, 8, 100
local show_value

-- On one line while it fits.
local function braces(parts, indent)
	local line = "{" .. table.concat(parts, ", ") .. "}"
	if #line + #indent <= WIDTH and not line:find("\n", 1, true) then
		return line
	end
	return "{\n" .. indent .. "  " .. table.concat(parts, ",\n" .. indent .. "  ") .. "\n" .. indent .. "}"
end

local function show_array(t, addr, mem, pid, indent, depth)
	local parts = {}
	for i = 0, math.min(t.count, ELEMENTS) - 1 do
		parts[#parts + 1] = show_value(t.element, addr + i * t.element.size, mem, pid, indent .. "  ", depth + 1)
	end
	if t.count > ELEMENTS then
		parts[#parts + 1] = "..."
	end
	return braces(parts, indent)
end

local function show_struct(t, addr, mem, pid, indent, depth)
	local parts = {}
	local _, order = types.fields(t)
	for _, field in ipairs(order) do
		local at = addr + field.offset
		local text
		if field.bits then
			text = tostring(read_bits(field.type, at, mem, pid, field.bit, field.bits))
		else
			text = show_value(field.type, at, mem, pid, indent .. "  ", depth + 1)
		end
		parts[#parts + 1] = field.name ~= "" and (field.base and "<%s> = %s" or "%s = %s"):format(field.name, text) or text
	end
	return braces(parts, indent)
end

local function show_bytes(t, addr, mem)
	local bytes = mem.read(addr, math.min(t.size, 64))
	return bytes and "<" .. bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end) .. ">" or LOST
end

local function show_known(t, addr, mem, pid, indent, depth)
	if t.kind == "array" and not (t.element.char and t.count > 0) then
		return show_array(t, addr, mem, pid, indent, depth)
	elseif t.kind == "struct" or t.kind == "union" then
		return show_struct(t, addr, mem, pid, indent, depth)
	elseif t.kind == "other" then
		return show_bytes(t, addr, mem)
	end
	local value = read_value(t, addr, mem, pid)
	if t.char and value >= 32 and value < 127 then
		return ("%d '%c'"):format(value, value)
	end
	return type(value) == "string" and value ~= LOST and t.kind == "array" and scalar.quote(value) or tostring(value)
end

-- One place that cannot be read does not hide the others.
function show_value(t, addr, mem, pid, indent, depth)
	if depth > DEPTH then
		return "{...}"
	end
	local ok, text = pcall(show_known, t, addr, mem, pid, indent, depth)
	return ok and text or "<cannot be read>"
end

function methods.__tostring(object)
	local d = data[object]
	return (show_value(d.type, d.addr, d.mem, d.pid, "", 0))
end

-- ---- Pointers

local function mem_of(pid)
	return core.process_by_pid(pid).mem
end

local function place_of(p)
	return core.where(core.process_by_pid(p.ptracehook_pid).session, p.ptracehook_address)
end

local function target_type(p)
	return types.behind(p.ptracehook_pid, p.ptracehook_serial, tonumber(p.ptracehook_ref), p.ptracehook_stars)
end

local function check_followed(p, t)
	if p.ptracehook_address == 0 then
		fail("a NULL pointer to %s leads nowhere", t.name)
	elseif t.kind == "void" or t.kind == "function" then
		fail("what a pointer to %s leads to cannot be read or written", t.name)
	end
end

local pointer = {}

-- A field of the structure that it leads to, or the n-th of those that stand there.
local function locate(p, k)
	local t = target_type(p)
	check_followed(p, t)
	local i = index_of(k)
	if not i and (type(k) ~= "string" or t.kind ~= "struct" and t.kind ~= "union") then
		fail("a pointer to %s leads to elements by number, from 0, got %s", t.name, number.show(k))
	elseif i and t.size == 0 then
		fail("nobody knows how large %s is", t.name)
	end
	return t, i
end

function pointer.__index(p, k)
	local t, i = locate(p, k)
	local mem = mem_of(p.ptracehook_pid)
	if i then
		return (read_value(t, p.ptracehook_address + i * t.size, mem, p.ptracehook_pid))
	end
	return make_object(t, p.ptracehook_address, mem, p.ptracehook_pid)[k]
end

function pointer.__newindex(p, k, value)
	local t, i = locate(p, k)
	local mem = mem_of(p.ptracehook_pid)
	if i then
		write_value(t, p.ptracehook_address + i * t.size, mem, value, ("%s element %d"):format(t.name, i))
	else
		write_field(t, p.ptracehook_address, mem, k, value)
	end
end

-- Its address, or that of whatever is compared with it.
local function address_of(x)
	if istype(pointer_t, x) then
		return x.ptracehook_address
	elseif x == nil then
		return 0ULL
	end
	return x
end

function pointer.__eq(a, b)
	local x, y = address_of(a), address_of(b)
	return (type(x) == "number" or type(x) == "cdata") and (type(y) == "number" or type(y) == "cdata") and x == y
end

function pointer.__lt(a, b)
	return address_of(a) < address_of(b)
end

function pointer.__le(a, b)
	return address_of(a) <= address_of(b)
end

local function size_behind(p)
	local t = target_type(p)
	return t.size > 0 and t.size or 1
end

local function moved(p, n)
	local copied = new(pointer_t, p)
	copied.ptracehook_address = p.ptracehook_address + n * size_behind(p)
	return copied
end

-- As in C: by elements, and those between two pointers.
function pointer.__add(a, b)
	if istype(pointer_t, a) then
		return moved(a, b)
	end
	return moved(b, a)
end

function pointer.__sub(a, b)
	if not istype(pointer_t, a) then
		fail "a pointer cannot be taken from a number"
	elseif istype(pointer_t, b) then
		return tonumber(cast(i64_t, a.ptracehook_address - b.ptracehook_address)) / size_behind(a)
	end
	return moved(a, -b)
end

function pointer.__concat(a, b)
	return tostring(a) .. tostring(b)
end

function pointer.__tostring(p)
	local ok, t = pcall(target_type, p)
	if not ok then
		return number.hex(p)
	end
	local text = ("(%s%s) %s"):format(t.name, t.name:find "%*$" and "*" or " *", number.hex(p))
	if p.ptracehook_address == 0 then
		return text
	elseif t.kind == "function" then
		local named, where = pcall(place_of, p)
		return named and text .. " <" .. where .. ">" or text
	elseif not t.char then
		return text
	end
	local known, mem = pcall(mem_of, p.ptracehook_pid)
	local words = known and mem.try_read(p.ptracehook_address, 1) and (mem.try_cstr(p.ptracehook_address, 200))
	return words and text .. " " .. scalar.quote(words) or text
end

ffi.metatype(pointer_t, pointer)

-- ---- For scripts

-- mem.as: an object, or the value of a scalar.
function M.as(target, text, addr)
	addr = check.address("mem.as: address", addr)
	local t = types.find(target, "mem.as", text)
	local process = core.process_of(target)
	if t.incomplete then
		fail("mem.as: %s is only declared: no debug information says what is in it", t.name)
	end
	return (read_value(t, addr, process.mem, process.pid))
end

M.read = read_value

return M
