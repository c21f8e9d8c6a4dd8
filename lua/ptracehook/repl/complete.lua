-- complete - what Tab offers: names, fields, registers, places inside the strings of bp() and the like, files.

local core = require "ptracehook.core"
local eval = core.load "repl.eval"

local M = {}

local MAX = 1000

-- What the strings that these functions take are.
local takes = {}
for kind, names in pairs {
	place = "bp hook replace sym find_sym find_syms run_to patch nop redirect call disasm insns dis original_bytes watch",
	file = "load_script reload save dofile loadfile open io.open spawn",
	event = "on", library = "require", help = "help",
} do
	for name in names:gmatch "%S+" do
		takes[name] = kind
	end
end

local events = {
	"syscall", "signal", "exec", "fork", "thread", "thread_exit", "exit", "load", "unload", "step",
}
local libraries = { "bypass", "coverage", "ffi", "bit", "jit", "oracle", "ptracehook", "trace" }
local keywords = {
	"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
	"repeat", "return", "then", "true", "until", "while",
}
-- Globals that are looked up when they are asked for.
local looked_up = {
	"thread", "process", "this", "original", "SIG", "E", "SYS", "state", "STOP", "lua_locals", "repl", "cont", "pause",
	"ctx", "dis", "restart", "quit", "save", "load_script", "reload", "help",
}

local function keys_of(t)
	local list = {}
	for key in next, t do
		if type(key) == "string" then
			list[#list + 1] = key
		end
	end
	return list
end

-- ---- Kinds of candidates, as lists of whole words

local kinds = {}

function kinds.place(text)
	local session = core.current()
	if not session or session.ended then
		return {}
	end
	local ok, list = pcall(core.complete_place, session, text, MAX)
	return ok and list or {}
end

function kinds.file(text)
	local folder, begun = text:match "^(.*/)([^/]*)$"
	folder, begun = folder or "", begun or text
	local list = {}
	for name, is_folder in pairs(core.prompt().files(folder == "" and "." or folder) or {}) do
		if name:sub(1, #begun) == begun and (begun ~= "" or name:sub(1, 1) ~= ".") then
			list[#list + 1] = folder .. name .. (is_folder and "/" or "")
		end
	end
	return list
end

function kinds.event() return events end
function kinds.help() return core.load("repl.help").names() end

-- Those that are installed, and what the folders of the search path hold.
function kinds.library(text)
	local list = { unpack(libraries) }
	local folder = text:match "^(.*%.)[^.]*$" or ""
	for before, after in package.path:gmatch "([^;?]*)%?([^;?]*)" do
		for name, is_folder in pairs(core.prompt().files(before .. folder:gsub("%.", "/")) or {}) do
			local module = is_folder and name .. "." or name:sub(-#after) == after and name:sub(1, -#after - 1)
			if module and name:sub(1, 1) ~= "." then
				list[#list + 1] = folder .. module
			end
		end
	end
	return list
end

-- Behind on("syscall", and on("signal",: what there is to be filtered by.
function kinds.syscall() return keys_of(_G.SYS) end
function kinds.signal() return keys_of(_G.SIG) end

local function add_keys(list, t, before)
	for key in next, t do
		if type(key) == "string" and key:find "^[%a_][%w_]*$" then
			list[#list + 1] = before .. key
		end
	end
end

local function register_names(before)
	local list = {}
	for _, kind in ipairs { core.registers(), core.flags() } do
		add_keys(list, kind, before)
	end
	for stem, last in pairs { xmm = 15, ymm = 15, zmm = 31, k = 7, st = 7, dr = 7 } do
		for n = 0, last do
			list[#list + 1] = before .. stem .. n
		end
	end
	for _, name in ipairs { "arg", "ret", "mxcsr", "all", "pc", "sp" } do
		list[#list + 1] = before .. name
	end
	return list
end

-- Fields and, behind a colon, methods of a value.
local function members(value, before, by_colon)
	local list = {}
	local meta = debug.getmetatable(value)
	local class = type(meta) == "table" and type(meta.__metatable) == "string" and core.classes[meta.__metatable]
	if class then
		add_keys(list, class.methods, before)
		if not by_colon then
			add_keys(list, class.getters, before)
		end
	elseif value == _G.regs or type(value) == "table" and tostring(value) == "regs" then
		return register_names(before)
	elseif type(value) == "table" then
		local _ = value == _G.mem and value.read -- it is filled when it is first used
		add_keys(list, value, before)
	end
	local index = type(meta) == "table" and meta.__index
	if type(index) == "table" then
		add_keys(list, index, before)
	elseif type(value) == "string" then
		add_keys(list, string, before)
	end
	return list
end

local function lanes(before)
	local list = {}
	for name in ("u8 u16 u32 u64 i8 i16 i32 i64 f32 f64"):gmatch "%S+" do
		list[#list + 1] = before .. name
	end
	return list
end

-- What a chain of names means now, without calling anything but fields of ours.
local function value_of(chain)
	local value
	for name in chain:gmatch "[^.:]+" do
		local ok, next_value
		if value == nil then
			ok, next_value = true, eval.environment[name]
		else
			ok, next_value = pcall(function() return value[name] end)
		end
		if not ok or next_value == nil then
			return nil
		end
		value = next_value
	end
	return value
end

local function names(text)
	local chain, mark = text:match "^([%a_][%w_.:]*)([.:])[%w_]*$"
	if chain and chain:find "%f[%w][xyz]mm%d+$" then
		return lanes(chain .. mark)
	elseif chain then
		local value = value_of(chain)
		return value ~= nil and members(value, chain .. mark, mark == ":") or {}
	end
	local list = {}
	add_keys(list, _G, "")
	for _, more in ipairs { looked_up, keywords } do
		for _, name in ipairs(more) do
			list[#list + 1] = name
		end
	end
	if eval.frame then
		add_keys(list, eval.frame.all(), "")
	end
	return list
end

-- ---- Tab

local function in_string(text)
	local quote, escaped
	for c in text:gmatch "[\"'\\]" do
		if escaped then
			escaped = false
		elseif c == "\\" then
			escaped = quote ~= nil
		elseif not quote then
			quote = c
		elseif quote == c then
			quote = nil
		end
	end
	return quote ~= nil
end

-- What kind of word the cursor is in: by the string that it is in, or the prompt's own words.
local function kind_of(before)
	if before:find "[\"']$" and not in_string(before) then
		return nil
	end
	local filtered = before:match "%f[%w_]on%s*%(%s*[\"'](%l+)[\"']%s*,%s*{?[^()]*[\"']$"
	if filtered == "syscall" or filtered == "signal" then
		return filtered
	end
	local called, quote = before:match "([%a_][%w_.:]*)%s*%(?%s*([\"'])$"
	if called then
		return takes[called] or takes[called:match "[%w_]+$"] or "file"
	elseif quote or before:find "[\"']$" then
		return "file"
	elseif before:find "^%s*b%s+$" or before:find "^%s*dis%s+$" then
		return "place"
	elseif before:find "^%s*h%s+$" or before:find "^%s*help%s+$" then
		return nil
	end
end

local function common_prefix(list)
	local common = list[1]
	for i = 2, #list do
		local n = 0
		while n < #common and common:byte(n + 1) == list[i]:byte(n + 1) do
			n = n + 1
		end
		common = common:sub(1, n)
	end
	return common
end

-- line: up to the cursor; start: how much of it is before the word. Gives what all have in common, then each; or nil.
function M.complete(line, start)
	local text = line:sub(start + 1)
	local kind = kind_of(line:sub(1, start))
	local list, seen = {}, {}
	for _, name in ipairs(kind and kinds[kind](text) or not kind and names(text) or {}) do
		if not seen[name] and name:sub(1, #text) == text then
			seen[name] = true
			list[#list + 1] = name
		end
	end
	if #list == 0 then
		return nil
	end
	table.sort(list)
	if #list > 1 then
		table.insert(list, 1, common_prefix(list))
	end
	return list
end

return M
