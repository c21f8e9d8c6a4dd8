-- oracle.state - a search's state in a file: JSON, replaced in one step, so that there is always a whole one.

local check = require "ptracehook.check"
local json = require "dkjson"
local sys = require "oracle.sys"

local M = {}

local VERSION = 1
local LARGEST = 2 ^ 26 -- bytes of a state, many times what one needs

-- Any bytes as text that JSON can hold: each byte becomes the character of its number.
local function widen(text)
	return (text:gsub("[\128-\255]", function(c)
		local code = c:byte()
		return string.char(0xc0 + math.floor(code / 64), 0x80 + code % 64)
	end))
end

local function narrow(text)
	return (text:gsub("([\194\195])([\128-\191])", function(a, b)
		return string.char((a:byte() - 0xc0) * 64 + b:byte() - 0x80)
	end))
end

local function map(value, text)
	if type(value) == "string" then
		return text(value)
	elseif type(value) ~= "table" then
		return value
	end
	local copy = {}
	for k, v in pairs(value) do
		copy[type(k) == "string" and text(k) or k] = map(v, text)
	end
	return copy
end

-- A table of plain data as JSON. Bytes above 127 are the characters U+0080 to U+00FF.
function M.encode(value)
	return json.encode(map(value, widen))
end

local function fail(path, why)
	check.fail("oracle: state file %s: %s", path, why)
end

function M.save(path, about, state)
	local text = M.encode { version = VERSION, about = about, state = state } .. "\n"
	local new = path .. ".new"
	local file, why = io.open(new, "wb")
	if not file then
		fail(path, why)
	end
	local written, failed = file:write(text)
	local closed, late = file:close()
	if not written or not closed then
		os.remove(new)
		fail(path, failed or late)
	end
	if sys.C.rename(new, path) ~= 0 then
		local cause = sys.why()
		os.remove(new)
		fail(path, cause)
	end
end

-- The state of a search about the same; nil when there is none yet.
function M.load(path, about)
	local file = io.open(path, "rb")
	if not file then
		return nil
	end
	local text = file:read(LARGEST) or ""
	file:close()
	local saved, _, why = json.decode(text)
	if type(saved) ~= "table" or saved.version ~= VERSION or type(saved.state) ~= "table" then
		fail(path, "this is no state of an oracle" .. (why and " (" .. why .. ")" or "") .. "; remove it to begin anew")
	elseif narrow(tostring(saved.about)) ~= about then
		fail(path, "it belongs to another search (" .. narrow(tostring(saved.about)) .. "); remove it to begin anew")
	end
	return map(saved.state, narrow)
end

return M
