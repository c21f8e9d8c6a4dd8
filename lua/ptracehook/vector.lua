-- vector - a vector register as a value with lanes.
--
-- A vector knows its width and how to read and write its register's bytes, and nothing about registers: every access
-- to a lane goes through read() and write(), so it shows the register as it is now. Lanes count from 0.

local ffi = require "ffi"
local number = require "ptracehook.number"

local M = {}

local cast, copy, new, str, typeof = ffi.cast, ffi.copy, ffi.new, ffi.string, number.typeof

-- bits: of an integer lane; load: of a float
local lanes = {}
for name, row in pairs {
	u8 = { "uint8_t", 8 }, u16 = { "uint16_t", 16 }, u32 = { "uint32_t", 32 }, u64 = { "uint64_t", 64 },
	i8 = { "int8_t", 8 }, i16 = { "int16_t", 16 }, i32 = { "int32_t", 32 }, i64 = { "int64_t", 64 },
	f32 = { "float", nil, number.load_f32 }, f64 = { "double", nil, number.load_f64 },
} do
	lanes[name] = {
		name = name,
		size = ffi.sizeof(row[1]),
		bits = row[2],
		load = row[3],
		array = typeof(row[1] .. "[?]"),
		pointer = typeof(row[1] .. " *"),
		signed = name:sub(1, 1) == "i",
	}
end

local bytes_t = typeof "uint8_t[?]"

local Vector = { __metatable = false }
local STATE = {} -- the key of what a vector knows: width, read, write, its lanes by name

local function state(v)
	return type(v) == "table" and debug.getmetatable(v) == Vector and rawget(v, STATE) or nil
end

local function load(bytes, lane, at)
	local p = cast(lane.pointer, bytes)
	if lane.load then
		return (lane.load(p + at))
	end
	return p[at]
end

local function check_index(i, lane, width, level)
	local n = width / lane.size
	local at = type(i) == "number" and i
	if number.is_wide(i) and i >= 0 and i < n then
		at = tonumber(i)
	end
	if not at or at % 1 ~= 0 or at < 0 or at >= n then
		error(string.format("%s: the lanes are 0 to %d, got %s", lane.name, n - 1, number.show(i)), level + 1)
	end
	return at
end

local function lane_value(v, lane, level)
	if lane.bits then
		local n = number.fit(v, lane.bits, lane.name, level + 1)
		if lane.signed and type(n) == "number" and n >= 2 ^ (lane.bits - 1) then
			n = n - 2 ^ lane.bits -- a double that is no int32_t becomes -2^31
		end
		return n
	elseif type(v) == "number" then
		return v
	elseif number.is_wide(v) then
		return tonumber(v)
	end
	error(string.format("%s: number expected, got %s", lane.name, number.show(v)), level + 1)
end

-- Lanes that the table leaves out are zero.
local function from_lanes(width, lane, values, level)
	if type(values) ~= "table" then
		error(string.format("%s: a table of lanes expected, got %s", lane.name, number.show(values)), level + 1)
	end
	local array = new(lane.array, width / lane.size)
	local first = values[0] == nil and 1 or 0
	for i, v in pairs(values) do
		if type(i) ~= "number" then
			error(string.format("%s: the lanes have numbers, got %s", lane.name, number.show(i)), level + 1)
		end
		local at = check_index(i - first, lane, width, level + 1)
		array[at] = lane_value(v, lane, level + 1)
	end
	return str(array, width)
end

local function from_cdata(width, value, level)
	local size = ffi.sizeof(value)
	if size ~= width then
		error(string.format("vector: %d bytes expected, got %s bytes (%s)", width, size or "no",
			tostring(typeof(value))), level + 1)
	end
	local buffer = new(bytes_t, width)
	if number.is_pointer(value) or not pcall(copy, buffer, value, width) then -- cast() would take numbers as well
		error(string.format("vector: array or struct expected, got %s", number.show(value)), level + 1)
	end
	return str(buffer, width)
end

local function from_table(width, value, level)
	local v = state(value)
	if v then
		if v.width > width then
			error(string.format("vector: %d bytes do not fit in %d", v.width, width), level + 1)
		end
		return v.read() .. ("\0"):rep(width - v.width)
	end
	local name, values = next(value)
	if not lanes[name] or next(value, name) ~= nil then
		error("vector: a table with one kind of lanes expected, such as {f64 = {1.5, 2}}", level + 1)
	end
	return (from_lanes(width, lanes[name], values, level + 1))
end

-- The bytes that a whole vector of `width` bytes gets when `value` is assigned to it. value: a vector of that width
-- or less (the rest is zero), a string of `width` bytes, cdata of that size, a table of lanes ({f64 = {1.5, 2}},
-- from 1, or from 0 when it has a [0]; lanes left out are zero), or a whole number: the low 64 bits, the rest zero.
-- level: whose line an error names, as for error() in the caller; 2 by default.
function M.assign(width, value, level)
	level = level or 2
	local t = type(value)
	local bytes
	if t == "string" then
		if #value ~= width then
			error(string.format("vector: a string of %d bytes expected, got %d", width, #value), level + 1)
		end
		bytes = value
	elseif t == "number" and value % 1 ~= 0 then
		error(string.format("vector: whole number expected, got %s (a lane takes it: .f64[0] = %s)", number.show(value),
			number.show(value)), level + 1)
	elseif t == "number" or number.is_wide(value) then
		local low = new("uint64_t[1]", number.int(value, "vector", level + 1))
		bytes = str(low, 8) .. ("\0"):rep(width - 8)
	elseif t == "cdata" then
		bytes = from_cdata(width, value, level + 1)
	elseif t == "table" then
		bytes = from_table(width, value, level + 1)
	else
		error(string.format("vector: vector, string, cdata, table of lanes or whole number expected, got %s",
			number.show(value)), level + 1)
	end
	return bytes
end

-- A userdata, since LuaJIT asks a table's metatable for no length.
local function lanes_of(v, lane)
	local proxy = newproxy(true)
	local mt = getmetatable(proxy)
	mt.__metatable = false

	function mt.__index(_, i)
		local at = check_index(i, lane, v.width, 2)
		local bytes = v.read()
		return (load(bytes, lane, at))
	end

	function mt.__newindex(_, i, value)
		local at = check_index(i, lane, v.width, 2)
		local array = new(lane.array, v.width / lane.size)
		value = lane_value(value, lane, 2)
		copy(array, v.read(), v.width)
		array[at] = value
		v.write(str(array, v.width))
	end

	function mt.__len()
		return v.width / lane.size
	end

	function mt.__tostring()
		local bytes, out = v.read(), {}
		for i = 0, v.width / lane.size - 1 do
			out[i + 1] = tostring(load(bytes, lane, i))
		end
		return "{" .. table.concat(out, ", ") .. "}"
	end

	return proxy
end

local function no_field(name)
	error(string.format("vector: no field %s (only u8 u16 u32 u64 i8 i16 i32 i64 f32 f64, bytes, width)",
		type(name) == "string" and name or number.show(name)), 3)
end

function Vector:__index(name)
	local v = rawget(self, STATE)
	local lane = lanes[name]
	if lane then
		local proxy = v[name] or lanes_of(v, lane)
		v[name] = proxy
		return proxy
	elseif name == "bytes" then
		return (v.read())
	elseif name == "width" then
		return v.width
	end
	no_field(name)
end

function Vector:__newindex(name, value)
	local v = rawget(self, STATE)
	if lanes[name] then
		v.write(from_lanes(v.width, lanes[name], value, 2))
	elseif name == "bytes" then
		if type(value) ~= "string" then
			error(string.format("vector: a string of %d bytes expected, got %s", v.width, number.show(value)), 2)
		end
		v.write((M.assign(v.width, value, 2)))
	else
		no_field(name)
	end
end

function Vector.__eq(a, b)
	return rawget(a, STATE).read() == rawget(b, STATE).read()
end

function Vector:__tostring()
	local v = rawget(self, STATE)
	local bytes, out = v.read(), {}
	for i = 0, v.width / 8 - 1 do
		out[i + 1] = string.format("0x%016x", load(bytes, lanes.u64, i))
	end
	return "{" .. table.concat(out, ", ") .. "}"
end

-- An x87 register, ten bytes: sign and exponent over a mantissa whose leading 1 is written out.
function M.st_number(bytes)
	local w = cast(lanes.u16.pointer, bytes)
	local low, high = w[0] + w[1] * 0x10000, w[2] + w[3] * 0x10000
	local exponent, sign = w[4] % 0x8000, w[4] < 0x8000 and 1 or -1
	if exponent < 0x7fff then
		return sign * math.ldexp(high * 2 ^ 32 + low, math.max(exponent, 1) - 16383 - 63)
	elseif high % 0x80000000 == 0 and low == 0 then
		return sign * math.huge
	end
	return 0 / 0
end

function M.st_bytes(n, level)
	n = lane_value(n, lanes.f64, (level or 2) + 1)
	local w = new("uint16_t[5]")
	local sign = (n < 0 or n == 0 and 1 / n < 0) and 0x8000 or 0
	if n ~= n or n == math.huge or n == -math.huge then
		w[3], w[4] = n ~= n and 0xc000 or 0x8000, sign + 0x7fff
	elseif n ~= 0 then
		local m, exponent = math.frexp(math.abs(n))
		for i = 3, 0, -1 do
			m = m * 0x10000
			w[i] = math.floor(m)
			m = m - math.floor(m)
		end
		w[4] = sign + exponent + 16382
	else
		w[4] = sign
	end
	return str(w, 10)
end

-- width: in bytes, a multiple of 8. read() -> a string of that many bytes; write(string) stores them.
function M.new(width, read, write)
	return setmetatable({ [STATE] = { width = width, read = read, write = write } }, Vector)
end

return M
