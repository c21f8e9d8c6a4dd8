-- disasm - instructions of a target as text: what insns() and disasm() do beside decoding (core/bind/disasm.c).

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local options_known = {
	insns = { syntax = true, symbols = true }, disasm = { syntax = true, symbols = true, bytes = true },
}

-- A place by its name, an address, or where the thread stands.
local function check_where(target, what, where, resolve)
	if where == nil then
		return target.regs.rip
	elseif type(where) == "string" then
		return resolve(what, check.string(what .. ": where", where))
	end
	return check.address(what .. ": where", where)
end

local function list(target, what, where, n, options, resolve)
	options = check.options(what, options, options_known[what])
	local syntax = options.syntax
	if syntax ~= nil and syntax ~= "intel" and syntax ~= "att" then
		check.fail("%s: syntax: \"intel\" or \"att\" expected, got %s", what, number.show(syntax))
	end
	local symbols = check.boolean(what .. ": symbols", options.symbols) ~= false
	local addr = check_where(target, what, where, resolve)
	n = n == nil and 10 or check.count(what .. ": n", n)
	return core.insns(target, what, addr, n, syntax == "att", symbols), symbols
end

-- target: a Session, Thread or Process. resolve(what, name): the address of a place's name, or an error.
function M.insns(target, where, n, options, resolve)
	return (list(target, "insns", where, n, options, resolve))
end

local function breakpoints_of(session)
	local set = {}
	for _, breakpoint in ipairs(core.bps(session)) do
		for _, address in ipairs(breakpoint.enabled and breakpoint.addresses or {}) do
			set[number.key(address)] = true
		end
	end
	return set
end

local function pad(lines, column)
	local width = 0
	for _, line in ipairs(lines) do
		width = math.max(width, #line[column])
	end
	for _, line in ipairs(lines) do
		line[column] = line[column] .. (" "):rep(width - #line[column])
	end
end

-- Where the thread stands, when that can be said: others may run.
local function position(target)
	local ok, rip = pcall(function() return target.regs.rip end)
	return ok and rip or nil
end

function M.disasm(target, session, where, n, options, resolve)
	local insns, symbols = list(target, "disasm", where, n, options, resolve)
	local show_bytes = check.boolean("disasm: bytes", options and options.bytes)
	local breakpoints, here = breakpoints_of(session), position(target)
	local lines = {}
	for i, insn in ipairs(insns) do
		local address, name = insn.address, symbols and core.name(target, insn.address)
		local bytes = show_bytes and target.mem.read(address, insn.size):gsub(".", function(c)
			return ("%02x "):format(c:byte())
		end)
		lines[i] = {
			(breakpoints[number.key(address)] and "*" or " ") .. (address == here and "=> " or "   "),
			number.hex(address), name and " <" .. name .. ">" or "", bytes and "  " .. bytes or "", insn.text,
		}
	end
	for column = 2, 4 do
		pad(lines, column)
	end
	for i, line in ipairs(lines) do
		lines[i] = ("%s%s%s%s  %s"):format(unpack(line))
	end
	return table.concat(lines, "\n")
end

return M
