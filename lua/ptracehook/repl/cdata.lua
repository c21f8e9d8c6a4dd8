-- cdata - what a C value of LuaJIT's is made of, for it to be shown.

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local layout = core.load "layout"

local M = {}

local COMPLEX_OR_VECTOR, BOOL = 0x0c000000, 0x08000000

local function child(info)
	return layout.resolve(bit.band(info.info, 0xffff))
end

-- "struct" and the names of its members; "array" and how many it has; "bytes" and them as a string; "pointer" and the
-- address; "enum" and the number; or nil for what says best itself what it is.
function M.parts(value)
	local info, kind = layout.resolve(tonumber(ffi.typeof(value)))
	if kind == "struct" then
		return kind, layout.names_of(info)
	elseif kind == "enum" then
		return kind, tonumber(value)
	elseif kind == "pointer" and select(2, child(info)) ~= "function" then
		return kind, ffi.cast("uint64_t", ffi.cast("uintptr_t", value))
	elseif kind ~= "array" or bit.band(info.info, COMPLEX_OR_VECTOR) ~= 0 then
		return nil
	end
	local element, of = child(info)
	if of == "number" and element.size == 1 and bit.band(element.info, BOOL) == 0 then
		return "bytes", ffi.string(ffi.cast("const char *", value), ffi.sizeof(value))
	end
	return kind, (element.size or 0) > 0 and ffi.sizeof(value) / element.size or 0
end

return M
