-- show - values as a person wants to see them.

local ffi = require "ffi"
local core = require "ptracehook.core"
local number = require "ptracehook.number"

local M = {}

local DEPTH, ENTRIES, WIDTH, TEXT, BYTES, SHORT = 4, 60, 78, 400, 256, 8
local LOWEST_ADDRESS = 0x1000ULL

local codes = { number = "36", string = "32", keyword = "35", name = "1", dim = "2", changed = "1;31", error = "31" }

local prompt = core.prompt()

-- What the prompt itself has to say, on the terminal, wherever scripts print to; before there is one, as they do.
function M.print(text)
	if M.at_prompt then
		prompt.show(text .. "\n")
	else
		print(text)
	end
end

-- Escapes that colour text, or the text alone.
function M.paint(kind, text)
	if M.colour and codes[kind] then
		return ("\27[%sm%s\27[0m"):format(codes[kind], text)
	end
	return text
end
local paint = M.paint

-- "main+0x4" for an address that has a name, else nil.
function M.name_of(address)
	local session = core.current()
	if not session or address < LOWEST_ADDRESS then
		return nil
	end
	local ok, name = pcall(core.where, session, address)
	return ok and not name:find "^0x" and name or nil
end

function M.address(address)
	local name = M.name_of(address)
	return paint("number", number.hex(address)) .. (name and paint("dim", " <" .. name .. ">") or "")
end

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\""] = "\\\"", ["\\"] = "\\\\", ["\0"] = "\\0" }

-- The bytes of a UTF-8 character that begins with this one; 0: none does, or one that controls the terminal.
local function character_at(text, at)
	local character = text:match("^[\194-\223][\128-\191]", at) or text:match("^[\224-\239][\128-\191][\128-\191]", at)
		or text:match("^[\240-\244][\128-\191][\128-\191][\128-\191]", at)
	if not character or character:find "^\194[\128-\159]" or character:find "^\224[\128-\159]" or
		character:find "^\237[\160-\191]" or character:find "^\240[\128-\143]" or character:find "^\244[\144-\191]" then
		return 0
	end
	return #character
end

local function is_utf8_shown()
	local function set(name)
		local value = os.getenv(name)
		return value ~= "" and value or nil
	end
	return (set "LC_ALL" or set "LC_CTYPE" or set "LANG" or ""):upper():find "UTF%-?8" ~= nil
end

function M.quote(text)
	local has_utf8, kept = is_utf8_shown(), 0 -- up to there a character is as it is
	local quoted = text:gsub("([%c\"\\\127-\255])()", function(c, behind)
		if behind <= kept then
			return nil
		elseif has_utf8 and c >= "\194" then
			local n = character_at(text, behind - 1)
			if n > 0 then
				kept = behind - 1 + n
				return nil
			end
		end
		if c == "\0" and text:find("^%d", behind) then
			return "\\000"
		end
		return escapes[c] or ("\\x%02x"):format(c:byte())
	end)
	return '"' .. quoted .. '"'
end

-- UTF-8 is text too.
local function is_binary(text)
	local _, odd = text:sub(1, BYTES):gsub("[%z\1-\8\11\12\14-\31\127]", "")
	local _, high = text:sub(1, BYTES):gsub("[\128-\255]", "")
	local _, runes = text:sub(1, BYTES):gsub("[\194-\244][\128-\191]+", "")
	odd = odd + (runes == 0 and high or 0)
	return odd * 4 > math.min(#text, BYTES)
end

local function dump(text)
	local lines = {}
	for at = 1, math.min(#text, BYTES), 16 do
		local row = text:sub(at, at + 15)
		local hex = row:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
		lines[#lines + 1] = ("%04x  %-48s |%s|"):format(at - 1, hex, (row:gsub("[^ -~]", ".")))
	end
	if #text > BYTES then
		lines[#lines + 1] = ("… %d bytes in all"):format(#text)
	end
	return table.concat(lines, "\n")
end

local function show_string(text, nested)
	if not nested and text:find "\n[^%z]" and not text:find "[%z\1-\8\11-\31\127]" then
		return text -- several lines were made to be read
	elseif not nested and #text >= SHORT and is_binary(text) then
		return dump(text)
	elseif #text > TEXT then
		return paint("string", M.quote(text:sub(1, TEXT))) .. (" … %d bytes in all"):format(#text)
	end
	return paint("string", M.quote(text))
end

local function show_function(fn)
	local info = debug.getinfo(fn, "S")
	return info.what == "C" and tostring(fn) or ("function at %s:%d"):format(info.short_src, info.linedefined)
end

local function order(a, b)
	local ta, tb = type(a), type(b)
	if ta == tb and (ta == "number" or ta == "string") then
		return a < b
	end
	return ta ~= tb and ta < tb or ta == tb and tostring(a) < tostring(b)
end

local show

local function show_key(key)
	if type(key) == "string" and key:find "^[%a_][%w_]*$" then
		return paint("name", key)
	end
	return "[" .. show(key, 1, {}) .. "]"
end

local function plain_length(text)
	return #text:gsub("\27%[[%d;]*m", "")
end

-- Short values beside each other, as many as a line takes.
local function filled(parts, width)
	local lines, line, used = {}, {}, 0
	for _, part in ipairs(parts) do
		local length = plain_length(part) + 2
		if used > 0 and used + length > width then
			lines[#lines + 1] = table.concat(line, ", ")
			line, used = {}, 0
		end
		line[#line + 1] = part
		used = used + length
	end
	lines[#lines + 1] = table.concat(line, ", ")
	return lines
end

-- Values between braces, on one line when they have room there.
local function laid_out(parts, are_named, depth)
	local width, several = 0, false
	for _, text in ipairs(parts) do
		width = width + plain_length(text) + 2
		several = several or text:find("\n", 1, true) ~= nil
	end
	if not several and width + 2 * depth <= WIDTH then
		return "{ " .. table.concat(parts, ", ") .. " }"
	end
	local indent = ("  "):rep(depth + 1)
	if not are_named and not several then
		parts = filled(parts, WIDTH - 2 * depth)
	end
	return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

local function show_table(t, depth, above)
	if above[t] then
		return "<above>"
	elseif next(t) == nil then
		return "{}"
	elseif depth > DEPTH then
		return "{…}"
	end
	above[t] = true
	local parts, n = {}, #t
	local function add(text)
		parts[#parts + 1] = text
	end
	for i = 1, math.min(n, ENTRIES) do
		add(show(t[i], depth + 1, above))
	end
	local keys = {}
	for key in next, t do
		if not (type(key) == "number" and key >= 1 and key <= n and key % 1 == 0) then
			keys[#keys + 1] = key
		end
	end
	table.sort(keys, order)
	local room = ENTRIES - #parts
	for i = 1, math.min(#keys, room) do
		add(("%s = %s"):format(show_key(keys[i]), show(rawget(t, keys[i]), depth + 1, above)))
	end
	above[t] = nil
	local left = n + #keys - #parts
	if left > 0 then
		add(("… %d more"):format(left))
	end
	return laid_out(parts, #keys > 0, depth)
end

-- Structs and arrays of C's, by the names and in the order of their members.
local function show_members(value, names, n, depth, above)
	if n == 0 then
		return "{}"
	elseif depth > DEPTH then
		return "{…}"
	end
	local parts = {}
	for i = 1, math.min(n, ENTRIES) do
		local member = show(value[names and names[i] or i - 1], depth + 1, above)
		parts[i] = names and ("%s = %s"):format(paint("name", names[i]), member) or member
	end
	if n > ENTRIES then
		parts[#parts + 1] = ("… %d more"):format(n - ENTRIES)
	end
	return laid_out(parts, names ~= nil, depth)
end

local function show_cdata(value, depth, above)
	if number.is_wide(value) then
		if ffi.istype("int64_t", value) then
			return paint("number", tostring(value))
		end
		return M.address(value)
	end
	local text = tostring(value)
	if not text:find "^cdata<" then
		return text -- a type, or what its metatype makes of it
	end
	local kind, what = core.load("repl.cdata").parts(value)
	if kind == "struct" then
		return show_members(value, what, #what, depth, above)
	elseif kind == "array" then
		return show_members(value, nil, what, depth, above)
	elseif kind == "bytes" then
		return show_string(depth > 0 and what:gsub("%z+$", "") or what, depth > 0)
	elseif kind == "pointer" then
		return ("(%s) %s"):format(text:match "^cdata<(.-)>" or "void *", M.address(what))
	elseif kind == "enum" then
		return paint("number", tostring(what))
	end
	return text
end

-- Registers of the thread that the prompt is about, what changed since it stopped last marked.
function M.registers(values, before)
	local names = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		"r15", "rip", "rflags" }
	local lines = {}
	for _, name in ipairs(names) do
		local changed = before and before[name] ~= nil and before[name] ~= values[name]
		local text = ("%s%-7s"):format(changed and "*" or " ", name)
		lines[#lines + 1] = (changed and paint("changed", text) or text) .. M.address(values[name])
	end
	return lines
end

local shown_by_name = { mem = true, regs = true }

function show(value, depth, above)
	local kind = type(value)
	if kind == "string" then
		return show_string(value, depth > 0)
	elseif kind == "cdata" then
		return show_cdata(value, depth, above)
	elseif kind == "number" then
		return paint("number", number.show(value))
	elseif kind == "nil" or kind == "boolean" then
		return paint("keyword", tostring(value))
	elseif kind == "function" then
		return show_function(value)
	elseif kind == "table" then
		local meta = debug.getmetatable(value)
		if M.special and M.special(value) then
			return M.special(value)
		elseif meta and (meta.__tostring or shown_by_name[value]) then
			local text = tostring(value)
			return text ~= "" and text or "{}" -- locals() where there are none
		end
		return show_table(value, depth, above)
	end
	return tostring(value)
end

-- The value as text, of several lines where it needs them. What a script's __tostring does wrong is shown in its place.
function M.show(value)
	local ok, text = pcall(show, value, 0, {})
	if not ok then
		return ("<%s that cannot be shown: %s>"):format(type(value), tostring(text))
	end
	return text
end

return M
