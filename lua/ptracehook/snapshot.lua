-- snapshot - a process at one moment, put back to it, compared, and written to a file.
--
-- The engine does the first (core/engine/snapshot.h). A file is a line of text for each mapping, and the pages that
-- somebody had written, one piece after another; what is read from it looks like the snapshot that it was.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {
	compares = false, -- policy{snapshots = "compare"}
	reports = false, -- policy{unsafe_syscalls = "report"}
}

local PAGE = 4096
local loaded = package.loaded

local class = core.classes.Snapshot
local methods, getters = class.methods, class.getters
local restore = methods.restore

-- struct user_regs_struct
local register_names = {
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
	"rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
}

local function parse_registers(bytes)
	local words, list = ffi.cast("const uint64_t *", bytes), {}
	for i, name in ipairs(register_names) do
		list[name] = words[i - 1]
	end
	return list
end

-- Sixteen digits at most.
local function address(text)
	text = ("0"):rep(16 - #text) .. text
	return tonumber(text:sub(1, 8), 16) * 0x100000000ULL + tonumber(text:sub(9), 16)
end

local function parse_maps(text)
	local list = {}
	for start, stop, perms, offset, path in text:gmatch "(%x+)%-(%x+) (%S+) (%x+) ([^\n]*)\n" do
		list[#list + 1] = { start = address(start), stop = address(stop), perms = perms, offset = address(offset),
			path = path }
	end
	return list
end

function getters.regs(self)
	return parse_registers(core.snapshot_regs(self))
end

function getters.maps(self)
	return parse_maps(core.snapshot_maps(self))
end

-- ---- Taking, and back

-- By snapshot: what hook.lua counted then.
local depths = setmetatable({}, { __mode = "k" })

function M.take(target)
	local snap = core.snapshot(target, M.compares)
	local hook = loaded["ptracehook.hook"]
	depths[snap] = hook and hook.keep_depths()
	if M.reports then
		core.load("unsafe").watch(snap.session)
	end
	return snap
end

function methods.restore(self)
	restore(self)
	local hook = loaded["ptracehook.hook"]
	if hook then
		hook.restore_depths(depths[self])
	end
end

-- ---- Comparing

-- Each piece of one page that is not the same, in words of eight bytes: these change whole more often than not.
local function differences(list, at, a, b)
	local x, y = ffi.cast("const uint64_t *", a), ffi.cast("const uint64_t *", b)
	local last = list[#list]
	for i = 0, #a / 8 - 1 do
		if x[i] ~= y[i] then
			local start = at + i * 8
			if last and last.stop == start then
				last.stop = start + 8
			else
				last = { start = start, stop = start + 8 }
				list[#list + 1] = last
			end
		end
	end
end

local function try_read(read, at)
	local ok, bytes = pcall(read, at, PAGE)
	return ok and bytes or nil
end

-- The numbers of CPUs that the kernel tells threads (rseq(2)) are no change of the program's.
local function without_kernel(list, ...)
	for _, snap in ipairs { ... } do
		for _, area in ipairs(getmetatable(snap) == "Snapshot" and core.snapshot_kernel(snap) or {}) do
			for i = #list, 1, -1 do
				local range = list[i]
				if range.start < area.stop and area.start < range.stop then
					table.remove(list, i)
					if range.stop > area.stop then
						table.insert(list, i, { start = area.stop, stop = range.stop })
					end
					if range.start < area.start then
						table.insert(list, i, { start = range.start, stop = area.start })
					end
				end
			end
		end
	end
	return list
end

local function compare(pieces, read_before, read_now)
	local list = {}
	for _, piece in ipairs(pieces) do
		local at = piece.start
		while at < piece.stop do
			local before, now = try_read(read_before, at), try_read(read_now, at)
			if before and now then
				if before ~= now then
					differences(list, at, before, now)
				end
			elseif before or now then
				local last = list[#list]
				if last and last.stop == at then
					last.stop = at + PAGE
				else
					list[#list + 1] = { start = at, stop = at + PAGE }
				end
			end
			at = at + PAGE
		end
	end
	return list
end

-- Where either has something, in order, without overlaps. Nothing beside nothing needs no look.
local function united(a, b)
	local all, list = {}, {}
	for _, ranges in ipairs { a, b } do
		for _, range in ipairs(ranges) do
			if not range.zero then
				all[#all + 1] = range
			end
		end
	end
	table.sort(all, function(x, y) return x.start < y.start end)
	for _, range in ipairs(all) do
		local last = list[#list]
		if last and range.start <= last.stop then
			last.stop = range.stop > last.stop and range.stop or last.stop
		else
			list[#list + 1] = { start = range.start, stop = range.stop }
		end
	end
	return list
end

local function reader(snap)
	return function(at, n) return snap:read(at, n) end
end

local function is_snapshot(value)
	return getmetatable(value) == "Snapshot" or getmetatable(value) == "SavedSnapshot"
end

local function diff(self, other)
	if not is_snapshot(other) then
		check.fail("diff: Snapshot or SavedSnapshot expected, got %s", number.show(other))
	end
	return without_kernel(compare(united(self:ranges(), other:ranges()), reader(self), reader(other)), self, other)
end

-- Without another: what has changed until now.
function methods.diff(self, other)
	if other ~= nil then
		return diff(self, other)
	end
	local mem = self.session.mem
	return without_kernel(compare(self:changed(), reader(self), mem.read), self)
end

-- ---- Files

local MAGIC = "ptracehook snapshot 1\n"

local function write(file, path, ...)
	local ok, why = file:write(...)
	if not ok then
		check.fail("save: %s: %s", path, tostring(why))
	end
end

local PIECE = 1024 * 1024

local function save(self, path)
	check.string("save: file", path)
	local file, why = io.open(path, "wb")
	if not file then
		check.fail("save: %s", tostring(why))
	end
	local ok, err = pcall(function()
		local regs, words = self.regs, ffi.new("uint64_t[?]", #register_names)
		for i, name in ipairs(register_names) do
			words[i - 1] = regs[name]
		end
		local text = {}
		for _, map in ipairs(self.maps) do
			text[#text + 1] = ("%s-%s %s %s %s\n"):format(number.hex(map.start):sub(3), number.hex(map.stop):sub(3), map.perms,
				number.hex(map.offset):sub(3), map.path)
		end
		text = table.concat(text)
		write(file, path, MAGIC, ("pid %d regs %d maps %d\n"):format(self.pid, ffi.sizeof(words), #text),
			ffi.string(words, ffi.sizeof(words)), text)
		for _, range in ipairs(self:ranges()) do
			if range.zero then
				write(file, path, ("zero %s %s\n"):format(number.hex(range.start), number.hex(range.stop)))
			else
				write(file, path, ("bytes %s %s\n"):format(number.hex(range.start), number.hex(range.stop)))
				local at = range.start
				while at < range.stop do
					local n = math.min(PIECE, tonumber(range.stop - at))
					write(file, path, self:read(at, n))
					at = at + n
				end
			end
		end
		write(file, path, "end\n")
	end)
	local closed, why_not = file:close()
	if ok and not closed then
		check.fail("save: %s: %s", path, tostring(why_not))
	elseif not ok then
		error(err, 0)
	end
end
methods.save = save

local Saved = { __metatable = "SavedSnapshot" }
local saved_methods = { diff = diff, save = save }

function Saved.__index(_, name)
	return saved_methods[name]
end

function Saved.__newindex(_, name)
	check.fail("SavedSnapshot has no field '%s' that can be set", tostring(name))
end

function Saved.__tostring(self)
	return ("SavedSnapshot of process %d at %s"):format(self.pid, number.hex(self.regs.rip))
end

function saved_methods.ranges(self)
	local list = {}
	for i, range in ipairs(self.pieces) do
		list[i] = { start = range.start, stop = range.stop, zero = range.at == nil }
	end
	return list
end

-- The piece that addr lies in, by halves.
local function piece_at(pieces, addr)
	local low, high = 1, #pieces
	while low <= high do
		local middle = math.floor((low + high) / 2)
		if pieces[middle].stop <= addr then
			low = middle + 1
		elseif pieces[middle].start > addr then
			high = middle - 1
		else
			return pieces[middle]
		end
	end
end

function saved_methods.read(self, addr, n)
	addr, n = check.address("read: address", addr), check.count("read: length", n)
	local parts = {}
	while n > 0 do
		local piece = piece_at(self.pieces, addr)
		if not piece then
			check.fail("read: %s is not in the snapshot", number.hex(addr))
		end
		local len = math.min(n, tonumber(piece.stop - addr))
		if piece.at then
			self.file:seek("set", piece.at + tonumber(addr - piece.start))
			parts[#parts + 1] = self.file:read(len)
		else
			parts[#parts + 1] = ("\0"):rep(len)
		end
		addr, n = addr + len, n - len
	end
	return table.concat(parts)
end

local function broken(path)
	check.fail("load_snapshot: %s is no snapshot, or was cut off", path)
end

function M.load(path)
	check.string("load_snapshot: file", path)
	local file, why = io.open(path, "rb")
	if not file then
		check.fail("load_snapshot: %s", tostring(why))
	end
	local size = file:seek "end"
	file:seek "set"
	if file:read(#MAGIC) ~= MAGIC then
		broken(path)
	end
	local pid, n_regs, n_maps = (file:read "*l" or ""):match "^pid (%d+) regs (%d+) maps (%d+)$"
	if not pid or tonumber(n_regs) ~= #register_names * 8 or tonumber(n_maps) > size then
		broken(path)
	end
	local words = file:read(tonumber(n_regs))
	local text = file:read(tonumber(n_maps))
	if not words or #words ~= tonumber(n_regs) or (text or "") == "" then
		broken(path)
	end
	local pieces, line = {}, file:read "*l"
	while line ~= "end" do
		local kind, start, stop = (line or ""):match "^(%a+) 0x(%x+) 0x(%x+)$"
		if (kind ~= "zero" and kind ~= "bytes") or #start > 16 or #stop > 16 then
			broken(path)
		end
		local piece = { start = address(start), stop = address(stop) }
		if piece.stop <= piece.start or pieces[1] and piece.start < pieces[#pieces].stop then
			broken(path)
		end
		if kind == "bytes" then
			piece.at = file:seek()
			if tonumber(piece.stop - piece.start) > size - piece.at then
				broken(path)
			end
			file:seek("set", piece.at + tonumber(piece.stop - piece.start))
		end
		pieces[#pieces + 1] = piece
		line = file:read "*l"
	end
	return setmetatable({ pid = tonumber(pid), regs = parse_registers(words), maps = parse_maps(text), pieces = pieces,
		file = file }, Saved)
end

return M
