-- stubs - one small hook file for each function that some globs mean: yours to edit, reloaded when saved.
--
-- What scripts/trace.lua is made of. Files are FOLDER/MODULE/FUNCTION.lua, written once, kept for ever.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

pcall(ffi.cdef, "int mkdir(const char *path, unsigned int mode);")

local M = {}

local MOST = 500

local template = [[
-- %s of %s: written by trace.lua, yours to edit. When it is saved, it is reloaded, while the target runs.
local log = require "trace.log"

hook(%q, {
	proto = %s, -- a C prototype; true: debug information says it; nil: nobody does
	enter = function(%s)
		log.enter(%q%s)
	end,
	leave = function(ret)
		log.leave(%q, ret)
	end,
	unwound = function()
		log.leave(%q)
	end,
})
]]

-- Names that Lua can have for parameters.
local function parameter_names(arguments)
	local names = {}
	for i, argument in ipairs(arguments) do
		local name = argument.name
		names[i] = name and name:find "^[%a_][%w_]*$" and loadstring("local " .. name) and name or "a" .. i
	end
	return names
end

-- What is known of the function, as hook's proto, and the names of its parameters.
local function typing(session, symbol)
	local from_debug = core.load("signature").of(session, symbol.address, true)
	if from_debug then
		return "true", parameter_names(from_debug.arguments)
	end
	local text = require("trace.prototypes")[symbol.name:match "^_*([%w_]+)"]
	if not text or symbol.module and not symbol.module:find "^lib[cm]%f[^%w]" then
		return "nil", { "a1", "a2", "a3", "a4" }
	end
	local proto = assert(core.load("prototype").parse(text))
	return ("%q"):format(text:gsub("%s*[%w_]+%(", " (", 1)), parameter_names(proto.arguments)
end

local function text_of(session, symbol)
	local proto, names = typing(session, symbol)
	local shown = {}
	for i, name in ipairs(names) do
		shown[i] = name .. "=%s"
	end
	return template:format(symbol.name, symbol.module, symbol.module .. "!" .. symbol.name,
		proto, table.concat(names, ", "),
		("%s(%s)"):format(symbol.name, table.concat(shown, ", ")), #names > 0 and ", " .. table.concat(names, ", ") or "",
		symbol.name .. " = %s", symbol.name .. " was left by longjmp or an exception")
end

local function exists(path)
	local file = io.open(path, "r")
	if file then
		file:close()
	end
	return file ~= nil
end

local function make_folder(path)
	for at in (path .. "/"):gmatch "()/" do
		if at > 1 then
			ffi.C.mkdir(path:sub(1, at - 1), 493) -- 0755
		end
	end
end

local function file_name(name)
	return (name:gsub("[^%w_.@+-]", "_"):sub(1, 150))
end

local Stubs = {}
Stubs.__index = Stubs

-- Writes and loads what a symbol has not got yet.
function Stubs:add(symbol)
	local folder = self.folder .. "/" .. file_name(symbol.module)
	local path = folder .. "/" .. file_name(symbol.name) .. ".lua"
	local key = number.key(symbol.address)
	if self.paths[path] or self.addresses[key] or symbol.kind ~= "function" and symbol.kind ~= "ifunc" then
		return
	elseif self.n == MOST then
		self.left_out = self.left_out + 1
		return
	end
	self.paths[path], self.addresses[key] = true, true
	if not exists(path) then
		make_folder(folder)
		local file, why = io.open(path, "w")
		if not file then
			check.fail("trace: %s", why)
		end
		file:write(text_of(self.session, symbol))
		file:close()
		self.written = self.written + 1
	end
	local ok, why = pcall(core.load("repl.reload").load, path)
	if ok then
		self.n = self.n + 1
	else
		io.stderr:write(("trace: %s: %s\n"):format(path, tostring(why)))
	end
end

-- Of several names of one function, the plainest.
local function by_name(a, b)
	return #a.name ~= #b.name and #a.name < #b.name or #a.name == #b.name and a.name < b.name
end

-- What is loaded by now, of all globs.
function Stubs:scan()
	for _, glob in ipairs(self.globs) do
		local ok, list = pcall(core.find_syms, self.session, glob)
		list = ok and list or {}
		table.sort(list, by_name)
		for _, symbol in ipairs(list) do
			self:add(symbol)
		end
	end
end

-- session: a Session; globs: {"libc!open*", …}. What libraries bring later is added when they come.
function M.start(session, globs, folder)
	core.load("repl.reload").watches = true
	local self = setmetatable({
		session = session, globs = globs, folder = folder, paths = {}, addresses = {}, n = 0, written = 0, left_out = 0,
	}, Stubs)
	self:scan()
	session:on("load", function() self:scan() end)
	return self
end

return M
