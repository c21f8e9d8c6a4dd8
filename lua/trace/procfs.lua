-- procfs - what /proc tells about a target's descriptors, and how its program was started.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local text = require "trace.text"

local M = {}

local format = string.format

-- Under a name of our own: scripts may declare readlink as they like.
ffi.cdef [[ long ptracehook_readlink(const char *, char *, size_t) __asm__("readlink"); ]]

local buffer = ffi.new "char[4096]"

-- What a link says, or nil.
function M.readlink(path)
	local n = ffi.C.ptracehook_readlink(path, buffer, ffi.sizeof(buffer))
	return n >= 0 and ffi.string(buffer, n) or nil
end

-- What is shown behind a descriptor: </etc/passwd>; fd: a number, or "cwd". nil when it is none.
function M.path_of(pid, fd)
	local path = M.readlink(fd == "cwd" and format("/proc/%d/cwd", pid) or format("/proc/%d/fd/%d", pid, fd))
	if not path then
		return nil
	end
	local gone = path:match "^(/.*) %(deleted%)$"
	return gone and "<" .. text.angle(gone) .. ">(deleted)" or "<" .. text.angle(path) .. ">"
end

-- ---- The first call: its arguments lie at the top of the stack of a program that has not run yet

local AT_NULL, AT_EXECFN = 0, 31

local word_p = ffi.typeof "const uint64_t *"
local AT_BASE, AT_ENTRY, E_ENTRY = 7, 9, 24

-- Whether a program has not run yet: it stands at the entry of its interpreter, or at its own.
function M.is_first_instruction(pid, mem, rip)
	local file = io.open(format("/proc/%d/auxv", pid), "rb")
	local bytes = file and file:read "*a" or ""
	if file then
		file:close()
	end
	local words, base, entry = ffi.cast(word_p, bytes), 0ULL, 0ULL
	for i = 0, #bytes / 16 - 1 do
		if words[i * 2] == AT_BASE then
			base = words[i * 2 + 1]
		elseif words[i * 2] == AT_ENTRY then
			entry = words[i * 2 + 1]
		end
	end
	return rip == (base ~= 0 and base + mem.u64[base + E_ENTRY] or entry)
end

-- The words that a script was given: the kernel has put its interpreter, and perhaps an option of that, in front of its
-- path, which stands in the place of the first.
local function as_given(pid, path, argv)
	local file = path and io.open(path:sub(1, 1) == "/" and path or format("/proc/%d/cwd/%s", pid, path), "rb")
	local magic = file and file:read(2)
	if file then
		file:close()
	end
	for i = 2, magic == "#!" and #argv or 0 do
		if argv[i] == path then
			return { select(i, unpack(argv)) }
		end
	end
	return argv
end

-- {path, argv, envp, vars} of a program that stands at its first instruction.
function M.first_call(pid, mem, sp)
	local u64 = mem.u64
	local argc = u64[sp]
	local argv = {}
	for i = 1, tonumber(argc) do
		argv[i] = mem.cstr(u64[sp + i * 8])
	end
	local envp = sp + (argc + 2) * 8
	local vars = 0
	while u64[envp + vars * 8] ~= 0 do
		vars = vars + 1
	end
	local at, path = envp + (vars + 1) * 8, nil
	while u64[at] ~= AT_NULL do
		if u64[at] == AT_EXECFN then
			path = mem.cstr(u64[at + 8])
		end
		at = at + 16
	end
	return { path = path, argv = as_given(pid, path, argv), envp = envp, vars = vars }
end

local function shortened(bytes, limit)
	return #bytes > limit and text.quote(bytes:sub(1, limit)) .. "..." or text.quote(bytes)
end

-- "/bin/ls", ["ls"], 0x7ffd… /* 20 vars */
function M.show_first_call(call, limit)
	local parts = {}
	for i, word in ipairs(call.argv) do
		if i > limit then
			parts[i] = "..."
			break
		end
		parts[i] = shortened(word, limit)
	end
	return format("%s, [%s], %#x /* %d var%s */", text.quote(call.path or ""), table.concat(parts, ", "), call.envp,
		call.vars, call.vars == 1 and "" or "s")
end

return M
