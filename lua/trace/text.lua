-- text - bytes as C strings, numbers as C writes them.

require("jit").off(true, true) -- see decode.lua

local M = {}

local byte, format = string.byte, string.format

local short = {
	["\t"] = "\\t", ["\n"] = "\\n", ["\v"] = "\\v", ["\f"] = "\\f", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\",
}

-- "..." around it; what is not printable in octal, as short as what follows allows.
function M.quote(bytes)
	return '"' .. M.escape(bytes) .. '"'
end

function M.escape(bytes)
	return (bytes:gsub('([%z\1-\31"\\\127-\255])()', function(char, behind)
		local word = short[char]
		if word then
			return word
		end
		local next = byte(bytes, behind)
		return format(next and next >= 48 and next <= 55 and "\\%03o" or "\\%o", byte(char))
	end))
end

-- The same with every byte in hexadecimal.
function M.quote_hex(bytes)
	return '"' .. bytes:gsub(".", function(char) return format("\\x%02x", byte(char)) end):gsub("%z", "\\x00") .. '"'
end

-- A path as it stands between < and >.
function M.angle(path)
	return (M.escape(path):gsub("[<>]", { ["<"] = "\\74", [">"] = "\\76" }))
end

return M
