-- call - one system call on its way to a line: its numbers, and what is read for it out of the target.
--
-- Reading goes through two functions that the maker of the call gives (`read(addr, n)` and `cstr(addr, max)`, nil where
-- memory is not mapped), so everything below works on values alone. What cannot be read is shown as its address.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local text = require "trace.text"

local M = {}

local cast, copy, sizeof, typeof = ffi.cast, ffi.copy, ffi.sizeof, ffi.typeof
local format, tonumber = string.format, tonumber

local i32_t, u32_t, i64_t = typeof "int32_t", typeof "uint32_t", typeof "int64_t"
local PATH_MAX = 4096

local Call = {}
Call.__index = Call

-- Numbers out of uint64_t registers.
function M.int(v) return tonumber(cast(i32_t, v)) end
function M.uint(v) return tonumber(cast(u32_t, v)) end
function M.long(v) return cast(i64_t, v) end

function M.hex(v)
	return format("%#x", v)
end

-- An address: NULL, 0x….
function M.addr(v)
	return v == 0 and "NULL" or format("%#x", v)
end
local addr = M.addr

-- fields: name, args (of uint64_t, from 1), tid, pid, read, cstr, and what is shown how: strings (how many bytes),
-- paths (of descriptors), path_of(pid, fd).
function M.new(fields)
	fields.saved = {}
	return setmetatable(fields, Call)
end

-- ---- What an address stands for

-- n bytes, "..." when the limit cuts them; more: there are more in any case.
function Call:buffer(at, n, quote)
	if at == 0 then
		return "NULL"
	end
	n = tonumber(n)
	local limit = self.strings
	local bytes = self.read(at, n < limit and n or limit)
	if not bytes then
		return addr(at)
	end
	return (quote or text.quote)(bytes) .. (n > limit and "..." or "")
end

local function string_of(self, at, limit)
	if at == 0 then
		return "NULL"
	end
	local bytes = self.cstr(at, limit + 1)
	if not bytes then
		return addr(at)
	elseif #bytes > limit then
		return text.quote(bytes:sub(1, limit)) .. "..."
	end
	return text.quote(bytes)
end

function Call:string(at, limit)
	return string_of(self, at, limit or self.strings)
end

-- Paths are never cut short.
function Call:path(at)
	return string_of(self, at, PATH_MAX - 1)
end

-- A struct of ours with the target's bytes in it, or nil.
function Call:struct(ctype, at)
	local bytes = at ~= 0 and self.read(at, sizeof(ctype))
	if not bytes then
		return nil
	end
	local object = ctype()
	copy(object, bytes, #bytes)
	return object
end

-- show(struct) for what is at an address; the address itself where that cannot be read.
function Call:object(ctype, at, show, ...)
	local object = self:struct(ctype, at)
	return object and show(object, ...) or addr(at)
end

-- [a, b, c] of n structs at an address; the ones behind the limit, or that cannot be read, are dots.
function Call:array(ctype, at, n, show)
	if at == 0 then
		return "NULL"
	elseif n == 0 then
		return "[]"
	end
	local size, parts = sizeof(ctype), {}
	for i = 1, tonumber(n) do
		if i > self.strings then
			parts[i] = "..."
			break
		end
		local object = self:struct(ctype, at + (i - 1) * size)
		if not object then
			if i == 1 then
				return addr(at)
			end
			parts[i] = "... /* " .. addr(at + (i - 1) * size) .. " */"
			break
		end
		parts[i] = show(object, i)
	end
	return "[" .. table.concat(parts, ", ") .. "]"
end

local int_box = typeof "struct { int32_t value; }"
local uint_box = typeof "struct { uint32_t value; }"
local long_box = typeof "struct { int64_t value; }"
local word_box = typeof "struct { uint64_t value; }"
M.int_box, M.uint_box, M.long_box, M.word_box = int_box, uint_box, long_box, word_box

-- The number behind a pointer, or nil.
function Call:int_at(at)
	local box = self:struct(int_box, at)
	return box and box.value
end

function Call:word_at(at)
	local box = self:struct(word_box, at)
	return box and box.value
end

-- ---- Descriptors

local AT_FDCWD = -100

-- "3", or with paths "3</etc/passwd>".
function Call:fd(n)
	local path = self.paths and n >= 0 and self.path_of(self.pid, n)
	return path and format("%d%s", n, path) or format("%d", n)
end

function Call:dirfd(n)
	if n ~= AT_FDCWD then
		return self:fd(n)
	end
	local path = self.paths and self.path_of(self.pid, "cwd")
	return path and "AT_FDCWD" .. path or "AT_FDCWD"
end

return M
