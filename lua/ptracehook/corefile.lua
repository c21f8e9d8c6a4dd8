-- corefile - a core dump of a running process, as the kernel would write it (elf(5), core(5)), without our breakpoints.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"

local M = {}

local PAGE, PIECE = 4096, 1024 * 1024
local NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV, NT_FILE, NT_X86_XSTATE = 1, 2, 3, 6, 0x46494c45, 0x202
local FXSAVE = 512 -- bytes that an XSAVE area begins with

local function u16(value)
	return ffi.string(ffi.new("uint16_t[1]", value), 2)
end

local function u32(value)
	return ffi.string(ffi.new("uint32_t[1]", value), 4)
end

local function u64(value)
	return ffi.string(ffi.new("uint64_t[1]", value), 8)
end

local function padded(bytes, to)
	return bytes .. ("\0"):rep(-#bytes % to)
end

local function note(kind, bytes)
	return u32(5) .. u32(#bytes) .. u32(kind) .. "CORE\0\0\0\0" .. padded(bytes, 4)
end

-- struct user_regs_struct
local names = {
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
	"rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
}

-- struct elf_prstatus, but for times and signals: nobody died.
local function status_of(thread, pid)
	local regs, words = thread.regs, {}
	for i, name in ipairs(names) do
		words[i] = u64(regs[name])
	end
	return ("\0"):rep(32) .. u32(thread.tid) .. u32(0) .. u32(pid) .. u32(pid) .. ("\0"):rep(64) .. table.concat(words) ..
		u32(1) .. u32(0)
end

local function read_file(path)
	local file = io.open(path, "rb")
	local bytes = file and file:read "*a" or ""
	if file then
		file:close()
	end
	return bytes
end

-- struct elf_prpsinfo: what GDB names the program by.
local function info_of(pid)
	local name = read_file(("/proc/%d/comm"):format(pid)):gsub("\n$", ""):sub(1, 15)
	local args = read_file(("/proc/%d/cmdline"):format(pid)):gsub("%z$", ""):gsub("%z", " "):sub(1, 79)
	return ("\0"):rep(24) .. u32(pid) .. ("\0"):rep(12) .. name .. ("\0"):rep(16 - #name) .. args .. ("\0"):rep(80 - #args)
end

local function files_of(maps)
	local ranges, paths = {}, {}
	for _, map in ipairs(maps) do
		if map.path:sub(1, 1) == "/" then
			ranges[#ranges + 1] = u64(map.start) .. u64(map.stop) .. u64(map.offset / PAGE)
			paths[#paths + 1] = map.path .. "\0"
		end
	end
	return u64(#ranges) .. u64(PAGE) .. table.concat(ranges) .. table.concat(paths)
end

local function notes_of(session, first, maps)
	local pid, list = session.pid, {}
	local function add(thread)
		list[#list + 1] = note(NT_PRSTATUS, status_of(thread, pid))
		if thread == first then
			list[#list + 1] = note(NT_PRPSINFO, info_of(pid))
			list[#list + 1] = note(NT_AUXV, read_file(("/proc/%d/auxv"):format(pid)))
			list[#list + 1] = note(NT_FILE, files_of(maps))
		end
		local area = core.xstate(thread)
		list[#list + 1] = note(NT_FPREGSET, area:sub(1, FXSAVE))
		-- Of another name: "LINUX".
		list[#list + 1] = u32(6) .. u32(#area) .. u32(NT_X86_XSTATE) .. "LINUX\0\0\0" .. padded(area, 4)
	end
	-- GDB begins with the first.
	add(first)
	for _, thread in ipairs(first.process:threads()) do
		if thread ~= first then
			add(thread)
		end
	end
	return table.concat(list)
end

local PF = { r = 4, w = 2, x = 1 }

local function program_header(kind, flags, offset, addr, file_size, size, align)
	return u32(kind) .. u32(flags) .. u64(offset) .. u64(addr) .. u64(0) .. u64(file_size) .. u64(size) .. u64(align)
end

local function elf_header(n)
	return "\127ELF\2\1\1" .. ("\0"):rep(9) .. u16(4) .. u16(62) .. u32(1) .. u64(0) .. u64(64) .. u64(0) .. u32(0) ..
		u16(64) .. u16(56) .. u16(n) .. u16(0) .. u16(0) .. u16(0)
end

-- Page by page where something is missing in between (a file that is shorter than its mapping).
local function read_piece(mem, at, len)
	local bytes = mem.try_read(at, len)
	if bytes or len == PAGE then
		return bytes or ("\0"):rep(len)
	end
	local parts = {}
	for page = 0, len - 1, PAGE do
		parts[#parts + 1] = mem.try_read(at + page, PAGE) or ("\0"):rep(PAGE)
	end
	return table.concat(parts)
end

local function is_dumped(map)
	return map.perms:find "r" and not map.path:find "^%[v[vs]"
end

local function write_all(write, session, thread)
	local mem, maps = thread.process.mem, thread.process.mem.maps()
	local notes = notes_of(session, thread, maps)
	local dumped = {}
	for _, map in ipairs(maps) do
		if is_dumped(map) then
			dumped[#dumped + 1] = map
		end
	end
	local offset = 64 + 56 * (#dumped + 1)
	local headers = { program_header(4, 0, offset, 0, #notes, 0, 4) }
	offset = math.ceil((offset + #notes) / PAGE) * PAGE
	local from = offset
	for _, map in ipairs(dumped) do
		local flags, size = 0, tonumber(map.stop - map.start)
		for letter, bit in pairs(PF) do
			flags = flags + (map.perms:find(letter) and bit or 0)
		end
		headers[#headers + 1] = program_header(1, flags, offset, map.start, size, size, PAGE)
		offset = offset + size
	end
	local head = elf_header(#headers) .. table.concat(headers) .. notes
	write(head .. ("\0"):rep(from - #head))
	for _, map in ipairs(dumped) do
		local at = map.start
		while at < map.stop do
			local len = math.min(PIECE, tonumber(map.stop - at))
			write(read_piece(mem, at, len))
			at = at + len
		end
	end
end

function M.write(session, thread, path)
	check.string("core: file", path)
	if not thread then
		check.fail "core: the session has ended: its target is gone or was let go"
	end
	local file, why = io.open(path, "wb")
	if not file then
		check.fail("core: %s", tostring(why))
	end
	core.hold(session)
	local ok, err = pcall(write_all, function(bytes)
		local done, why_not = file:write(bytes)
		if not done then
			check.fail("core: %s: %s", path, tostring(why_not))
		end
	end, session, thread)
	local closed, why_closed = file:close()
	if not ok then
		error(err, 0)
	elseif not closed then
		check.fail("core: %s: %s", path, tostring(why_closed))
	end
end

return M
