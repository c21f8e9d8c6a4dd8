-- files - what a target reads from files of the kernel's: texts and bytes of ours in the place of what is there.
--
-- The descriptor stays the program's own, of the very file that it opened by whatever path: each read is looked at
-- when it returns, and the bytes in the program's buffer are replaced. So duplicates, children, seeks, small pieces
-- and files that were open before are right by themselves.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"
local api = require "ptracehook"
local core = require "ptracehook.core"
local kernel = require "bypass.kernel"
local part = require "bypass.part"

local calm, shared = part.calm, part.shared

local M = {}

local READS = { "read", "pread64", "readv", "preadv", "preadv2" }
-- These would hand the kernel's text on unseen; programs read it instead when they fail.
local COPIES = { "sendfile", "splice", "copy_file_range" }
local KEPT_MAX = 64

local VECTOR = { readv = true, preadv = true, preadv2 = true }
local AT_OFFSET = { pread64 = true, preadv = true, preadv2 = true }

local tonumber = tonumber

-- The pieces of memory that a read fills: {address, size}. What went away meanwhile is the program's own trouble.
local function buffers_of(sc, mem)
	if not VECTOR[sc.name] then
		return { { sc.args[2], tonumber(sc.args[3]) } }
	end
	local list, at = {}, sc.args[2]
	for i = 1, math.min(tonumber(sc.args[3]), 1024) do
		local bytes = mem.try_read(at, 16)
		if not bytes then
			break
		end
		local words = ffi.cast("const uint64_t *", bytes)
		list[i] = { words[0], tonumber(words[1]) }
		at = at + 16
	end
	return list
end

local function fill(mem, buffers, bytes)
	local done = 0
	for _, buffer in ipairs(buffers) do
		local piece = bytes:sub(done + 1, done + buffer[2])
		if piece == "" or not pcall(mem.write, buffer[1], piece) then
			break
		end
		done = done + #piece
	end
end

local function room_in(buffers)
	local sum = 0
	for _, buffer in ipairs(buffers) do
		sum = sum + buffer[2]
	end
	return sum
end

-- Where the read began, and whether the descriptor's position has moved by it.
local function start_of(sc, fd)
	local name = sc.name
	if AT_OFFSET[name] and not (name == "preadv2" and sc.args[4] == -1) then
		return tonumber(sc.args[4]), false
	end
	local position = kernel.position(sc.thread.tid, fd)
	return position and position - tonumber(sc.ret), true
end

-- The text as all that have a word in it want it; nil: as it is. About a thread of ours it is never that: it may have
-- changed since the kernel wrote it down.
local function render(rules, thread, path)
	local text = kernel.read(path)
	local changed = kernel.is_traced_by_us(kernel.owner(path))
	for _, rule in ipairs(rules) do
		local new = text and rule.change(text, thread, path)
		if new then
			changed, text = changed or new ~= text, new
		end
	end
	return changed and text or nil
end

-- Reads from the middle go on with the text that the first read began with: it may have changed since.
local function text_of(self, rules, thread, path, start)
	local id = ("%d %s"):format(thread.process.pid, path)
	if start > 0 and self.kept[id] then
		return self.kept[id]
	end
	local text = render(rules, thread, path)
	if text and not self.kept[id] then
		self.n_kept = self.n_kept + 1
		if self.n_kept > KEPT_MAX then
			self.kept, self.n_kept = {}, 1
		end
	end
	self.kept[id] = text
	return text
end

local function seek(thread, fd, to)
	local ok, answer = pcall(core.syscall, thread, api.SYS.lseek, fd, to, 0)
	return ok and answer >= 0
end

-- The program has read sc.ret bytes of the kernel's text; it gets as many of ours. More only where the descriptor's
-- position can be made to fit.
local function give_text(self, sc, rules, fd, path)
	local mem, ret = sc.thread.mem, tonumber(sc.ret)
	local start, moves = start_of(sc, fd)
	local text = start and text_of(self, rules, sc.thread, path, start)
	local owner = kernel.owner(path)
	-- Whose file it is has ended since: it stood in a tracing stop, maybe, when the kernel wrote this down.
	if owner and not kernel.status(owner, "State") then
		sc.ret = -api.E.ESRCH
		return
	elseif not text then
		return
	end
	local buffers = buffers_of(sc, mem)
	local bytes = text:sub(start + 1, start + room_in(buffers))
	if #bytes > ret and moves and not seek(sc.thread, fd, start + #bytes) then
		bytes = bytes:sub(1, ret)
	end
	fill(mem, buffers, bytes)
	sc.ret = #bytes
end

-- Those that have a word in what this file says.
local function rules_for(self, path)
	local first, found = path:sub(1, 5), nil
	if first ~= "/proc" and first ~= "/dev/" then
		return nil
	end
	for _, rule in ipairs(self.rules) do
		if not rule.part.removed and path:find(rule.pattern) then
			found = found or {}
			found[#found + 1] = rule
		end
	end
	return found
end

local function look(self, sc, argument)
	local fd = api.i32(sc.args[argument])
	local path = kernel.path_of(sc.thread.tid, fd)
	return path and rules_for(self, path), fd, path
end

local function on_read(self, sc)
	if sc.ret < 0 or sc.arch ~= "x86_64" and sc.name ~= "read" then
		return
	end
	local rules, fd, path = look(self, sc, 1)
	if not rules then
		return
	end
	if rules[1].bytes then
		local buffers = buffers_of(sc, sc.thread.mem)
		fill(sc.thread.mem, buffers, rules[1].bytes(tonumber(sc.ret), sc.thread))
	else
		give_text(self, sc, rules, fd, path)
	end
end

-- A copy without a read of the program's would show what is there.
local function on_copy(self, sc)
	if look(self, sc, sc.name == "sendfile" and 2 or 1) then
		sc:skip(-api.E.EINVAL)
	end
end

local function start(session)
	local self = { rules = {}, kept = {}, n_kept = 0 }
	session:on("syscall", READS, { leave = calm(function(sc) on_read(self, sc) end) })
	session:on("syscall", COPIES, { enter = calm(function(sc) on_copy(self, sc) end) })
	return self
end

-- Files of /proc or /dev whose path has the pattern in it, while `of` is at work. rule.change(text, thread, path)
-- gives what a thread is to find there in the place of the text, or nil; rule.bytes(n, thread) the next n bytes of an
-- endless one.
function M.rewrite(of, pattern, rule)
	local common = shared(of.session)
	common.files = common.files or start(of.session)
	rule.part, rule.pattern = of, pattern
	table.insert(common.files.rules, rule)
end

return M
