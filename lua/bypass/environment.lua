-- environment - variables that debuggers leave behind, taken out before the program looks: its copy at the top of the
-- stack when it has not run yet, and what /proc/PID/environ says.
--
-- LD_PRELOAD and LD_AUDIT have their effect first: they go when the dynamic linker is done, before the program begins.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local files = require "bypass.files"
local kernel = require "bypass.kernel"

local M = { options = { remove = true } }

local AT_BASE, AT_ENTRY, AT_EXECFN = 7, 9, 31

-- gdb sets the first two for its targets.
local AT_ONCE = { LINES = true, COLUMNS = true }
local LATER = { LD_PRELOAD = true, LD_AUDIT = true }

local function name_of(variable)
	return variable:match "^[^=]*"
end

-- What shells put into _ is the program that they start: ours.
local function is_ours(part, variable)
	local name, value = variable:match "^([^=]*)=(.*)$"
	return name == "_" and value ~= part.program and (value == kernel.readlink "/proc/self/exe" or
		value:match "[^/]+$" == "ptracehook") or name ~= nil and name:find "^PTRACEHOOK" ~= nil
end

-- The variable as the program is to find it; nil: not at all.
local function mended(part, variable, names)
	if names[name_of(variable)] then
		return nil
	elseif is_ours(part, variable) then
		return variable:sub(1, 2) == "_=" and "_=" .. part.program or nil
	end
	return variable
end

-- The array of pointers behind argc and argv, and the pointers in it.
local function environment_of(mem, sp)
	local u64, list = mem.u64, {}
	local at = sp + (u64[sp] + 2) * 8
	for i = 1, 100000 do
		local pointer = u64[at + (i - 1) * 8]
		if pointer == 0 then
			break
		end
		list[i] = pointer
	end
	return at, list
end

-- The pointers that are to stay; one whose value changes is written over, or, where it is too long, goes as well.
local function mend(part, mem, list, names)
	local kept = {}
	for _, pointer in ipairs(list) do
		local variable = mem.cstr(pointer)
		local new = mended(part, variable, names)
		if new and new ~= variable and #new <= #variable then
			mem.write(pointer, new .. ("\0"):rep(#variable - #new))
		elseif new ~= variable then
			new = nil
		end
		if new ~= variable then
			part:note("%s", name_of(variable))
		end
		kept[#kept + 1] = new and pointer or nil
	end
	return kept
end

local function words_of(pointers)
	local words = ffi.new("uint64_t[?]", #pointers + 1)
	for i, pointer in ipairs(pointers) do
		words[i - 1] = pointer
	end
	return ffi.string(words, #pointers * 8)
end

-- The auxiliary vector, whole.
local function auxiliary_at(mem, at)
	local n = 0
	while mem.u64[at + n] ~= 0 do
		n = n + 16
	end
	return mem.read(at, n + 16)
end

-- Nobody has looked at the stack yet: what lies in front of the auxiliary vector moves up to it, and, since rsp is
-- even, that moves down by a word where an odd number of variables went (System V ABI, 3.4.1).
local function clean_new(part, thread)
	local mem, sp = thread.mem, thread.regs.rsp
	local at, list = environment_of(mem, sp)
	local kept = mend(part, mem, list, part.at_once)
	local gone = #list - #kept
	if gone == 0 then
		return
	end
	local head, auxiliary = mem.read(sp, tonumber(at - sp)), auxiliary_at(mem, at + (#list + 1) * 8)
	local to = sp + math.floor(gone / 2) * 16
	mem.write(to, head .. words_of(kept) .. ("\0"):rep(8) .. auxiliary)
	thread.regs.rsp = to
end

-- The dynamic linker has looked, and knows where things lie: others stand twice in the place of what goes.
local function clean_begun(part, thread)
	local mem = thread.mem
	local at, list = environment_of(mem, thread.regs.rsp)
	local kept = mend(part, mem, list, part.all)
	local gone = #list - #kept
	if gone > 0 and #kept == 0 then
		mem.write(list[1], "LANG=C\0")
		kept[1] = list[1]
	end
	for i = #kept + 1, #list do
		kept[i] = kept[1]
	end
	mem.write(at, words_of(kept))
end

local function has_later(mem, sp)
	local _, list = environment_of(mem, sp)
	for _, pointer in ipairs(list) do
		if LATER[name_of(mem.cstr(pointer))] then
			return true
		end
	end
	return false
end

local function begin(part, thread)
	local process, mem = thread.process, thread.mem
	local entry, linker = kernel.auxiliary(process.pid, AT_ENTRY), kernel.auxiliary(process.pid, AT_BASE)
	part.program = mem.cstr(kernel.auxiliary(process.pid, AT_EXECFN) or mem.u64[thread.regs.rsp + 8])
	clean_new(part, thread)
	if not entry or not has_later(mem, thread.regs.rsp) then
		return
	elseif linker == nil or linker == 0 then
		clean_begun(part, thread)
		return
	end
	local point
	point = part.session:bp(entry, function(stopped)
		if stopped.process == process then
			clean_begun(part, stopped)
			point:remove()
		end
	end, { hardware = false })
end

local function check_names(names)
	if names ~= nil and type(names) ~= "table" then
		check.fail("bypass.environment: remove: a list of names expected, got %s", number.show(names))
	end
	for _, name in ipairs(names or {}) do
		check.string("bypass.environment: remove: name", name)
	end
	return names or {}
end

function M.setup(part, options)
	part.at_once, part.all = {}, {}
	for _, name in ipairs(check_names(options.remove)) do
		part.at_once[name] = true
	end
	for name in pairs(AT_ONCE) do
		part.at_once[name] = true
	end
	for _, names in ipairs { part.at_once, LATER } do
		for name in pairs(names) do
			part.all[name] = true
		end
	end
	if kernel.is_new(part.session.process) then
		begin(part, part.session.thread)
	end
	part.program = part.program or part.session.process.path
	files.rewrite(part, "^/proc/%d+/environ$", { change = function(text, _, path)
		if not kernel.is_traced_by_us(path:match "%d+") then
			return nil
		end
		return (text:gsub("(%Z*)%z", function(variable)
			local new = variable ~= "" and mended(part, variable, part.all)
			return new and new .. "\0" or ""
		end))
	end })
	part:on("exec", nil, function(thread) begin(part, thread) end)
end

return M
