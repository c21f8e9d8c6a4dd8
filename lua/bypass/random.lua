-- random - bytes that are the same in every run: getrandom, /dev/urandom and /dev/random, and AT_RANDOM of a program
-- that has not run yet, which its C library takes for stack guards and the like.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"
local api = require "ptracehook"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local files = require "bypass.files"
local kernel = require "bypass.kernel"

local M = {}

local AT_RANDOM = 25
local LARGEST = 2 ^ 20 -- bytes at once: what a program asks for may be nonsense

local bxor, rshift = bit.bxor, bit.rshift
local box = ffi.new "uint64_t[1]"

-- SplitMix64.
local function next_word(stream)
	stream.state = stream.state + 0x9e3779b97f4a7c15ULL
	local z = stream.state
	z = bxor(z, rshift(z, 30)) * 0xbf58476d1ce4e5b9ULL
	z = bxor(z, rshift(z, 27)) * 0x94d049bb133111ebULL
	box[0] = bxor(z, rshift(z, 31))
	return ffi.string(box, 8)
end

-- Each process has a stream of its own, so that what others do in which order changes nothing: begun with its program,
-- and at a fork the child's goes on as the parent's does.
local function stream_of(part, process)
	local stream = part.streams[process.pid]
	if not stream then
		stream = { state = part.seed, rest = "" }
		part.streams[process.pid] = stream
	end
	return stream
end

local function bytes_for(part, process, n)
	local stream = stream_of(part, process)
	local words = { stream.rest }
	for i = 2, math.ceil((n - #stream.rest) / 8) + 1 do
		words[i] = next_word(stream)
	end
	local bytes = table.concat(words)
	stream.rest = bytes:sub(n + 1)
	return bytes:sub(1, n)
end

local function on_getrandom(part, sc)
	local n = tonumber(sc.ret)
	local at = sc.args[1]
	part:note("getrandom of %d bytes", n)
	while n > 0 do
		local piece = math.min(n, LARGEST)
		if not pcall(sc.thread.mem.write, at, bytes_for(part, sc.thread.process, piece)) then
			return
		end
		at, n = at + piece, n - piece
	end
end

-- The vDSO's getrandom makes bytes of its own in the program's memory: it says that it cannot.
local function patch_vdso(part, process)
	local base = kernel.vdso(process.pid)
	if base and part.offset then
		part.patch = part.session:patch(base + part.offset, api.asm(("mov eax, %d; ret"):format(-api.E.ENOSYS)))
	end
end

local function begin(part, process)
	local at = kernel.auxiliary(process.pid, AT_RANDOM)
	part.streams[process.pid] = nil
	patch_vdso(part, process)
	if at then
		pcall(process.mem.write, at, bytes_for(part, process, 16))
	end
end

local function fork(part, thread, child)
	local stream = stream_of(part, thread.process)
	part.streams[child.pid] = { state = stream.state, rest = stream.rest }
end

function M.setup(part, seed)
	local ok, whole = pcall(number.u64, seed == nil and 0 or seed)
	if not ok then
		check.fail("bypass.random: seed: a whole number expected, got %s", number.show(seed))
	end
	local session = part.session
	local base, at = kernel.vdso(session.pid), session:find_sym "[vdso]!__vdso_getrandom"
	part.seed, part.streams, part.offset = whole, {}, base and at and at - base
	part:on("syscall", "getrandom", { leave = function(sc)
		if sc.ret > 0 then
			on_getrandom(part, sc)
		end
	end })
	files.rewrite(part, "^/dev/u?random$", { bytes = function(n, thread)
		part:note("read of %d random bytes", n)
		return bytes_for(part, thread.process, n)
	end })
	if kernel.is_new(session.process) then
		begin(part, session.process)
	else
		patch_vdso(part, session.process)
	end
	part:on("exec", nil, function(thread) begin(part, thread.process) end)
	part:on("fork", nil, function(thread, child) fork(part, thread, child) end)
	part:undo(function()
		if part.patch and part.patch.active then
			part.patch:restore()
		end
	end)
end

return M
