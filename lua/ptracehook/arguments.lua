-- arguments - what a function was given and what it gives, read and written by the types and places of a prototype
-- (prototype.lua) or of debug information (signature.lua).
--
-- Without either, arguments are six addresses and the result is rax. Of the thread that is current.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local regs, mem = core.load("regs").new(nil), core.load("mem").new(nil)
local words = core.load("regs").words

local function signed(value, size)
	if size == 8 then
		return number.i64(value)
	end
	local span = 2 ^ (size * 8)
	return value >= span / 2 and value - span or value
end

local masks = { [1] = 0xffULL, [2] = 0xffffULL, [4] = 0xffffffffULL }
local band = require("bit").band

local function whole(what, value)
	if what.size == 8 then
		return what.signed and number.i64(value) or value
	end
	value = tonumber(band(value, masks[what.size]))
	return what.signed and signed(value, what.size) or value
end

-- By kind of type: 64 bits, as a register or the stack has them, as a script sees them.
local shown = {
	int = whole,
	bool = function(_, value) return band(value, 0xffULL) ~= 0ULL end,
	pointer = function(_, value) return value end,
	string = function(_, value)
		if value == 0ULL then
			return nil
		end
		local text = mem.try_cstr(value)
		return text or value
	end,
	void = function() return nil end,
}

-- Bytes that stand in registers, eight in each.
local function bytes_in(parts)
	local scalar, list = core.load "scalar", {}
	for i, name in ipairs(parts) do
		list[i] = scalar.bytes_of(name:find "^xmm" and regs[name].u64[0] or regs[name], 8)
	end
	return table.concat(list)
end

-- A structure, an object of typed.lua: in the target's memory, or as it is in registers now.
local function read_object(what, parts, address)
	local process = core.process()
	if address then
		return core.load("typed").read(what.type, address, process.mem, process.pid)
	end
	return core.load("variables").read_bytes(what.type, bytes_in(parts), process.pid)
end

local function read_argument(argument)
	local what = argument.what
	if what.kind == "object" then
		return read_object(what, argument.parts, argument.stack and regs.rsp + argument.stack)
	elseif what.kind == "long double" then
		return core.load("scalar").float_of(mem.read(regs.rsp + argument.stack, 16), 16)
	elseif argument.vector then
		local lanes = regs[argument.vector]
		if what.kind == "float" then
			return lanes.f32[0]
		end
		return lanes.f64[0]
	elseif argument.stack then
		local at = regs.rsp + argument.stack
		if what.kind == "double" then
			return mem.f64[at]
		elseif what.kind == "float" then
			return mem.f32[at]
		end
		return shown[what.kind](what, mem.u64[at])
	end
	return shown[what.kind](what, regs[argument.register])
end

local RAX = core.register "rax" / 8

function M.read_result(what)
	if what == nil then
		return words()[RAX]
	elseif what.kind == "object" then
		return read_object(what, what.parts, not what.parts and regs.rax)
	elseif what.kind == "long double" then
		return regs.st0
	elseif what.kind == "double" then
		return regs.xmm0.f64[0]
	elseif what.kind == "float" then
		return regs.xmm0.f32[0]
	end
	return shown[what.kind](what, regs.rax)
end

function M.is_result(value)
	return type(value) == "number" or type(value) == "boolean" or number.is_wide(value)
end

local function write_vector(name, kind, value, title)
	value = number.is_wide(value) and tonumber(value) or value
	if type(value) ~= "number" then
		check.fail("%s: number expected, got %s", title, number.show(value))
	end
	regs[name][kind == "float" and "f32" or "f64"][0] = value
end

-- A whole number as a register takes it.
local function integer_of(value, title)
	if type(value) == "boolean" then
		return value and 1 or 0
	end
	return check.call(number.fit, value, 64, title, check.HERE)
end

local function refuse_object(what, title)
	if what and (what.kind == "object" or what.kind == "long double") then
		check.fail("%s: %s is more than one register holds: change it where it is (regs, mem)", title,
			what.kind == "object" and what.type.name or what.kind)
	end
end

function M.write_result(what, value, title)
	refuse_object(what, title)
	if what and (what.kind == "double" or what.kind == "float") then
		write_vector("xmm0", what.kind, value, title)
	else
		regs.rax = integer_of(value, title)
	end
end

local function write_argument(argument, index, value)
	local title = "original: argument " .. index
	refuse_object(argument.what, title)
	local kind = argument.what and argument.what.kind
	if argument.vector then
		write_vector(argument.vector, kind, value, title)
	elseif argument.register then
		regs[argument.register] = integer_of(value, title)
	elseif kind == "double" or kind == "float" then
		mem[kind == "float" and "f32" or "f64"][regs.rsp + argument.stack] = value
	else
		mem.u64[regs.rsp + argument.stack] = integer_of(value, title)
	end
end

local untyped = {}
for i, name in ipairs { "rdi", "rsi", "rdx", "rcx", "r8", "r9" } do
	untyped[i] = { register = name }
end

-- ---- Without types, where every nanosecond counts: the registers are kept, and made numbers when somebody looks

local FIRST = core.register "r9" / 8 -- struct user_regs_struct: r9 r8 rax rcx rdx rsi rdi
local kept_t = ffi.typeof "struct { uint64_t word[7]; }"
local KEPT = {}

local function unpack_kept(word)
	return word[6], word[5], word[4], word[3], word[1], word[0]
end

local Call = {
	__index = function(this, name)
		local kept = name == "args" and rawget(this, KEPT)
		if kept then
			local args = { unpack_kept(kept.word) }
			rawset(this, "args", args)
			rawset(this, KEPT, nil)
			return args
		end
	end,
}

local new, copy = ffi.new, ffi.copy

-- `this` of a call whose arguments have no types, and what has them.
function M.untyped_call(depth)
	local kept = new(kept_t)
	copy(kept, words() + FIRST, 56)
	return setmetatable({ depth = depth, caller = false, [KEPT] = kept }, Call), kept.word
end

-- fn with as many of them as it has parameters.
local calls = {
	[0] = function(fn) return fn() end,
	function(fn, word) return fn(word[6]) end,
	function(fn, word) return fn(word[6], word[5]) end,
	function(fn, word) return fn(word[6], word[5], word[4]) end,
	function(fn, word) return fn(word[6], word[5], word[4], word[3]) end,
	function(fn, word) return fn(word[6], word[5], word[4], word[3], word[1]) end,
	function(fn, word) return fn(unpack_kept(word)) end,
}

-- (fn, what untyped_call gave) -> what fn returns
function M.caller_of(fn)
	local info = type(fn) == "function" and debug.getinfo(fn, "u")
	return calls[info and info.nparams and not info.isvararg and math.min(info.nparams, 6) or 6]
end

-- The registers that have further arguments of a function that takes any number of them.
local function add_rest(list, n, proto)
	for i = proto.rest, #untyped do
		n = n + 1
		list[n] = regs[untyped[i].register]
	end
	return list, n
end

-- The arguments as a list, and by their names; and how many.
function M.read(proto)
	if not proto then
		return { regs.rdi, regs.rsi, regs.rdx, regs.rcx, regs.r8, regs.r9 }, 6
	end
	local list = {}
	for i, argument in ipairs(proto.arguments) do
		local value = read_argument(argument)
		list[i] = value
		if argument.name then
			list[argument.name] = value
		end
	end
	if proto.rest then
		return add_rest(list, #proto.arguments, proto)
	end
	return list, #proto.arguments
end

-- What a function finds when it is entered, and may have changed when it has returned; al: see `...` in the ABI.
function M.keep(proto)
	local kept = { words = { rax = regs.rax }, vectors = {}, stack = {} }
	for _, place in ipairs(untyped) do
		kept.words[place.register] = regs[place.register]
	end
	for _, argument in ipairs(proto and proto.arguments or {}) do
		if argument.stack then
			kept.stack[argument.stack] = mem.u64[regs.rsp + argument.stack]
		end
		for _, name in ipairs(argument.parts or { argument.vector }) do
			if name:find "^xmm" then
				kept.vectors[name] = regs[name].u64[0]
			end
		end
	end
	return kept
end

-- rsp is as it was then.
function M.put_back(kept)
	for name, value in pairs(kept.words) do
		regs[name] = value
	end
	for name, value in pairs(kept.vectors) do
		regs[name].u64[0] = value
	end
	for offset, value in pairs(kept.stack) do
		mem.u64[regs.rsp + offset] = value
	end
end

-- The texts among what M.read read: {[index] = {text, where it is}}; nil: none.
function M.texts(proto, args)
	local texts
	for i, argument in ipairs(proto and proto.arguments or {}) do
		if argument.what.kind == "string" and type(args[i]) == "string" then
			texts = texts or {}
			texts[i] = { args[i], argument.stack and mem.u64[regs.rsp + argument.stack] or regs[argument.register] }
		end
	end
	return texts
end

local function takes_text(argument)
	local kind = argument.what and argument.what.kind
	return kind == nil or kind == "string" or kind == "pointer"
end

-- All of them into memory that is mapped for it: on the stack, the function would overwrite them. Gives its address.
local function place_texts(list)
	local block, size = {}, 0
	for i, entry in ipairs(list) do
		block[i] = entry.text .. "\0"
		entry.offset, size = size, size + #block[i]
	end
	-- keep: a target that is let go meanwhile goes on reading them.
	local address = mem.alloc(size, { keep = true })
	mem.write(address, table.concat(block))
	for _, entry in ipairs(list) do
		write_argument(entry.argument, entry.index, address + entry.offset)
	end
	return address
end

-- Into the places of the arguments, those that are not nil. A text of `texts` is where it was; others are copied: gives
-- the memory then, to be freed when the call has left.
function M.write(proto, texts, ...)
	local places = proto and proto.arguments or untyped
	local n_places = #places + (proto and proto.rest and #untyped - proto.rest + 1 or 0)
	local copies
	for i = 1, select("#", ...) do
		local value, known = select(i, ...), texts and texts[i]
		local argument = places[i] or i <= n_places and untyped[proto.rest + i - #places - 1]
		if not argument then
			check.fail("original: %d arguments at most, got %d", n_places, select("#", ...))
		elseif known and value == known[1] then
			write_argument(argument, i, known[2])
		elseif type(value) == "string" and takes_text(argument) then
			copies = copies or {}
			copies[#copies + 1] = { text = value, argument = argument, index = i }
		elseif value ~= nil then
			write_argument(argument, i, value)
		end
	end
	return copies and place_texts(copies)
end

return M
