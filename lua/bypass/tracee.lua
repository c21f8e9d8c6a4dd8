-- tracee - a thread that another one of the program's believes to trace: what its requests read and write.
--
-- The thread stands still in a hook of ours meanwhile (ptrace.lua). Debug registers are kept, and never reach the CPU:
-- who asks for them finds what a thread has that nobody debugs.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"
local api = require "ptracehook"

local M = {}

-- struct user_regs_struct (sys/user.h)
local REGS = {
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
	"rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
}
local REGS_SIZE = #REGS * 8
local DEBUG_REGS, USER_SIZE = 848, 912 -- offsetof(struct user, u_debugreg), sizeof(struct user)
local DEBUG_STATUS, TRIGGERED = DEBUG_REGS + 6 * 8, 0xe00fULL -- DR6, and its bits that tell of something
local SIGINFO_SIZE, NT_PRSTATUS = 128, 1

local box = ffi.new "uint64_t[1]"

local function word(value)
	box[0] = value
	return ffi.string(box, 8)
end

local function regs_of(link)
	local words = {}
	for i, name in ipairs(REGS) do
		words[i] = word(link.thread.regs[name])
	end
	return table.concat(words)
end

local function set_regs(link, bytes)
	local words = ffi.cast("const uint64_t *", bytes)
	local regs = link.thread.regs
	for i, name in ipairs(REGS) do
		if i * 8 <= #bytes and regs[name] ~= words[i - 1] then
			regs[name] = words[i - 1]
		end
	end
end

local function user_word(link, offset)
	if offset < REGS_SIZE then
		return link.thread.regs[REGS[offset / 8 + 1]]
	end
	if offset == DEBUG_STATUS and not link.debug[offset] then
		-- Kernels show the bits that are always set, or not; what triggered for us is nobody's business.
		return bit.band(link.thread.regs.dr6, bit.bnot(TRIGGERED))
	end
	return link.debug[offset] or 0
end

local function set_user_word(link, offset, value)
	if offset < REGS_SIZE then
		link.thread.regs[REGS[offset / 8 + 1]] = value
	elseif offset >= DEBUG_REGS then
		link.debug[offset] = value
	end
end

-- A place in struct user that the kernel knows, or nil.
local function user_offset(addr)
	local offset = addr < USER_SIZE and tonumber(addr)
	return offset and offset % 8 == 0 and offset or nil
end

-- The first words of siginfo_t: signal, error, code.
local function siginfo_of(link)
	local head = ffi.new("int32_t[3]", link.signal or 0, 0, link.code or 0)
	return ffi.string(head, 12) .. ("\0"):rep(SIGINFO_SIZE - 12)
end

local function regset(sc)
	if sc.args[3] ~= NT_PRSTATUS then
		return nil
	end
	local mem, at = sc.thread.mem, sc.args[4]
	return mem.u64[at], math.min(tonumber(mem.u64[at + 8]), REGS_SIZE), at
end

local function peek(link, sc)
	sc.thread.mem.u64[sc.args[4]] = link.thread.mem.u64[sc.args[3]]
end

local function poke(link, sc)
	link.thread.mem.u64[sc.args[3]] = sc.args[4]
end

-- By request (sys/ptrace.h): of a stopped one, for its tracer. What they return is the answer, 0 unless said; memory
-- that is not there is EFAULT or EIO.
M.requests = {
	[1] = peek, [2] = peek, [4] = poke, [5] = poke, -- PEEKTEXT, PEEKDATA, POKETEXT, POKEDATA
	[3] = function(link, sc) -- PEEKUSER
		local offset = user_offset(sc.args[3])
		if not offset then
			return -api.E.EIO
		end
		sc.thread.mem.u64[sc.args[4]] = user_word(link, offset)
	end,
	[6] = function(link, sc) -- POKEUSER
		local offset = user_offset(sc.args[3])
		if not offset then
			return -api.E.EIO
		end
		set_user_word(link, offset, sc.args[4])
	end,
	[12] = function(link, sc) sc.thread.mem.write(sc.args[4], regs_of(link)) end, -- GETREGS
	[13] = function(link, sc) set_regs(link, sc.thread.mem.read(sc.args[4], REGS_SIZE)) end, -- SETREGS
	[0x4200] = function() end, -- SETOPTIONS
	[0x4201] = function(_, sc) sc.thread.mem.u64[sc.args[4]] = 0 end, -- GETEVENTMSG
	[0x4202] = function(link, sc) -- GETSIGINFO
		if not link.signal then
			return -api.E.EINVAL
		end
		sc.thread.mem.write(sc.args[4], siginfo_of(link))
	end,
	[0x4203] = function() end, -- SETSIGINFO
	[0x4204] = function(link, sc) -- GETREGSET
		local to, size, at = regset(sc)
		if not to then
			return -api.E.EINVAL
		end
		sc.thread.mem.write(to, regs_of(link):sub(1, size))
		sc.thread.mem.u64[at + 8] = size
	end,
	[0x4205] = function(link, sc) -- SETREGSET
		local from, size = regset(sc)
		if not from then
			return -api.E.EINVAL
		end
		set_regs(link, sc.thread.mem.read(from, size))
	end,
}

function M.new(thread, tracer)
	return { thread = thread, tid = thread.tid, tracer = tracer, debug = {}, stopped = false }
end

return M
