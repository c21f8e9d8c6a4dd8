-- patch - the arguments of patch(), nop(), original_bytes() and asm.
--
-- Each function is given a session, the thread that it means, and the address of the place (session.lua).

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

-- ---- asm "text"

local asm_methods = {}
local asm_meta = { __metatable = "Asm", __index = asm_methods }
local texts = setmetatable({}, { __mode = "k" })

function asm_meta.__tostring(self)
	return ("asm %q"):format(texts[self])
end

local SOMEWHERE = 0x400000

-- Looked at now, so that what is wrong with it is said where it stands; made into bytes for the place where it goes.
function M.asm(text)
	check.string("asm: text", text)
	core.assemble(nil, text, SOMEWHERE)
	local self = setmetatable({}, asm_meta)
	texts[self] = text
	return self
end

-- The bytes for an address; names are the current session's.
function asm_methods.bytes(self, addr)
	if not texts[self] then
		check.fail("bytes: Asm expected, got %s; call methods with a colon", number.show(self))
	end
	return (core.assemble(core.current(), texts[self], check.address("bytes: address", addr)))
end

-- ---- Patches

local options_known = { keep = true }

local function check_bytes(session, what, addr, code)
	if texts[code] then
		return core.assemble(session, texts[code], addr)
	elseif type(code) ~= "string" then
		check.fail("%s: bytes or asm \"text\" expected, got %s", what, number.show(code))
	elseif code == "" then
		check.fail("%s: an empty string changes nothing", what)
	end
	return code
end

local function check_keep(what, options)
	return check.boolean(what .. ": keep", check.options(what, options, options_known).keep)
end

function M.patch(session, target, addr, code, options)
	local keep = check_keep("patch", options)
	return (core.patch(target, addr, check_bytes(session, "patch", addr, code), keep))
end

-- The bytes of n instructions.
local function length_of(target, what, addr, n)
	local size = 0
	for _, insn in ipairs(core.insns(target, what, addr, n, false, false)) do
		if insn.text == "(bad)" then
			check.fail("%s: no instruction at %s", what, number.hex(insn.address))
		end
		size = size + insn.size
	end
	return size
end

function M.nop(_, target, addr, n, options)
	if type(n) == "table" and options == nil then
		n, options = nil, n
	end
	n = n == nil and 1 or check.count("nop: n", n)
	if n == 0 then
		check.fail "nop: n: one instruction or more expected, got 0"
	end
	local keep = check_keep("nop", options)
	core.check_beginning(target, "nop", addr)
	return (core.patch(target, addr, ("\x90"):rep(length_of(target, "nop", addr, n)), keep))
end

function M.redirect(_, target, addr, to, options)
	return core.redirect(target, addr, to, check_keep("redirect", options))
end

function M.original_bytes(_, target, addr, n)
	if n ~= nil then
		n = check.size("original_bytes: n", n)
	else
		n = core.patched(target, addr) or length_of(target, "original_bytes", addr, 1)
	end
	return (core.original(target, addr, n))
end

return M
