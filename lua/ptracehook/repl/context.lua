-- context - where a thread stands: what ctx() prints.

local core = require "ptracehook.core"
local show = core.load "repl.show"

local mem = require("ptracehook").mem -- of the thread that the globals mean, which is the one that is looked at

local M = {}

local STACK, BEFORE, AFTER, LINES = 8, 3, 6, 2

local function heading(text)
	return show.paint("dim", ("── %s %s"):format(text, ("─"):rep(math.max(2, 60 - #text))))
end

-- Instructions in front of where it stands can be decoded from its function's beginning only.
local function insns_before(thread, rip)
	local name = core.name(thread, rip)
	local digits = name and name:match "%+0x(%x+)$"
	local offset = digits and tonumber(digits, 16)
	if not offset or offset > 4096 then
		return {}
	end
	local ok, list = pcall(thread.insns, thread, rip + -offset, math.min(offset, 1000))
	local before = {}
	for _, insn in ipairs(ok and list or {}) do
		if insn.address >= rip then
			return insn.address == rip and before or {}
		end
		before[#before + 1] = insn
		if #before > BEFORE then
			table.remove(before, 1)
		end
	end
	return {}
end

function M.code(thread, rip)
	local before = insns_before(thread, rip)
	local from = before[1] and before[1].address or rip
	return thread:disasm(from, #before + AFTER)
end

local function read_lines(path, from, to)
	local file = io.open(path, "r")
	if not file then
		return nil
	end
	local list, n = {}, 0
	for line in file:lines() do
		n = n + 1
		if n > to then
			break
		elseif n >= from then
			list[#list + 1] = { n, line }
		end
	end
	file:close()
	return #list > 0 and list or nil
end

-- The line of source where an address belongs to, or nil.
function M.source(address)
	local ok, file, n = pcall(core.line, nil, address)
	if ok and file then
		return file, n
	end
end

local function source(address)
	local file, n = M.source(address)
	if not file then
		return nil
	end
	local text = { heading(("%s:%d"):format(file, n)) }
	local ok, path = pcall(core.source_path, nil, address)
	for _, row in ipairs(ok and path and read_lines(path, n - LINES, n + LINES) or {}) do
		local line = ("%s%5d  %s"):format(row[1] == n and "=>" or "  ", row[1], row[2])
		text[#text + 1] = row[1] == n and show.paint("name", line) or line
	end
	return table.concat(text, "\n")
end

local function stack(thread)
	local ok, list = pcall(mem.telescope, thread.regs.rsp, STACK)
	return ok and tostring(list) or "(not readable)"
end

-- One line: what will run next.
function M.next_line(thread)
	local ok, insn = pcall(function() return thread:insns(thread.regs.rip, 1)[1] end)
	local rip = thread.regs.rip
	local file, n = M.source(rip)
	return ("=> %s  %s%s"):format(show.address(rip), ok and insn and insn.text or "(not readable)",
		file and show.paint("dim", ("   %s:%d"):format(file, n)) or "")
end

-- before: the registers at the stop before this one, or nil.
function M.print(thread, before)
	local rip = thread.regs.rip
	show.print(heading(("registers of thread %d"):format(thread.tid)))
	show.print(table.concat(show.registers(thread.regs:all(), before), "\n"))
	show.print(heading "code")
	local ok, text = pcall(M.code, thread, rip)
	show.print(ok and text or tostring(text))
	text = source(rip)
	if text then
		show.print(text)
	end
	show.print(heading "stack")
	show.print(stack(thread))
end

return M
