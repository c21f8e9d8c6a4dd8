-- file - opening, looking at, and moving what is in files.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local bit = require "bit"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"
local text = require "trace.text"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr
local mode, device = K.shared.mode, K.shared.device

-- ---- open

local O_CREAT, O_TMPFILE = 0x40, 0x410000

local function open_flags(v)
	local access, rest = v % 4, v - v % 4
	local some = rest ~= 0 and flags.some("open", rest)
	return flags.name("access_mode", access) .. (some and "|" .. some:gsub(" /%*.*", "") or "")
end
K.shared.open_flags = open_flags

-- The flags, and the mode when a file may be made.
K.enter("open", function(call, v, _, i)
	v = uint(v)
	local words = open_flags(v)
	if flags.both(v, O_CREAT) ~= 0 or flags.both(v, O_TMPFILE) == O_TMPFILE then
		words = words .. format(", %#03o", uint(call.args[i + 1]) % 65536)
	end
	return words
end)

local mq_attr_t = typeof "struct { int64_t flags, maxmsg, msgsize, curmsgs; }"

-- The same of a message queue, with what it is to be like.
K.enter("mq_open", function(call, v, _, i)
	local words = open_flags(uint(v))
	if flags.both(uint(v), O_CREAT) == 0 then
		return words
	end
	words = words .. format(", %#03o, ", uint(call.args[i + 1]) % 65536)
	return words .. call:object(mq_attr_t, call.args[i + 2], function(a)
		return format("{mq_flags=%s, mq_maxmsg=%d, mq_msgsize=%d, mq_curmsgs=%d}", open_flags(tonumber(a.flags) % 2 ^ 32),
			a.maxmsg, a.msgsize, a.curmsgs)
	end)
end)

local PRIORITY = 0x7fff

K.enter("swap", function(_, v)
	v = uint(v)
	local priority = flags.both(v, PRIORITY)
	return flags.bits("swap", v - priority) .. (flags.both(v, 0x8000) ~= 0 and format("|%d", priority) or "")
end)

K.enter("fanotify_init", function(_, v)
	v = uint(v)
	local class = flags.both(v, 0xc)
	local rest = v - class
	return flags.choice("fanotify_class", class) .. (rest ~= 0 and "|" .. flags.bits("fanotify_init", rest) or "")
end)

K.enter("open_flags", function(_, v) return open_flags(uint(v)) end)

K.enter("device", function(_, v) return device(K.shared.split_device(v)) end)

local open_how_t = typeof "struct { uint64_t flags, mode, resolve; }"

K.enter("open_how", function(call, v)
	return call:object(open_how_t, v, function(how)
		local words = "{flags=" .. open_flags(tonumber(how.flags))
		if how.mode ~= 0 or flags.both(tonumber(how.flags), O_CREAT) ~= 0 then
			words = words .. format(", mode=%#03o", how.mode)
		end
		return words .. ", resolve=" .. flags.bits("openat2_resolve", tonumber(how.resolve)) .. "}"
	end)
end)

-- ---- stat

local stat_t = typeof [[struct {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	uint64_t times[6];
	int64_t unused[3];
}]]

local function is_device(m)
	local kind = flags.both(m, 0xf000)
	return kind == 0x2000 or kind == 0x6000
end

function K.shared.split_device(d)
	d = tonumber(d)
	return math.floor(d / 256) % 4096, d % 256 + math.floor(d / 2 ^ 20) % 4096 * 256
end

K.filled("stat", function(call, v)
	return call:object(stat_t, v, function(st)
		return format("{st_mode=%s, %s, ...}", mode(st.mode), is_device(st.mode)
			and "st_rdev=" .. device(K.shared.split_device(st.rdev)) or format("st_size=%d", st.size))
	end)
end)

-- The mode of a new node, and for a device its numbers.
K.enter("node", function(call, v, _, i)
	v = uint(v)
	return mode(v) .. (is_device(v) and ", " .. device(K.shared.split_device(call.args[i + 1])) or "")
end)

local statx_t = typeof [[struct {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	uint64_t times[8];
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
}]]

K.filled("statx", function(call, v)
	return call:object(statx_t, v, function(st)
		return format("{stx_mask=%s, stx_attributes=%s, stx_mode=%s, %s, ...}", flags.bits("statx_mask", st.mask),
			flags.bits("statx_attr", tonumber(st.attributes)), mode(st.mode),
			format("stx_size=%u", st.size))
	end)
end)

K.enter("statx_flags", function(_, v)
	v = uint(v)
	local sync = flags.both(v, 0x6000)
	local rest = v - sync
	return flags.choice("statx_sync", sync) .. (rest ~= 0 and "|" .. flags.bits("statx_flags", rest) or "")
end)

local statfs_t = typeof [[struct {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	uint64_t namelen, frsize, flags, spare[4];
}]]

K.filled("statfs", function(call, v)
	return call:object(statfs_t, v, function(fs)
		local kind = tonumber(fs.type)
		local words = format("{f_type=%s, f_bsize=%u, f_blocks=%u, f_bfree=%u, f_bavail=%u, f_files=%u, f_ffree=%u, "
			.. "f_fsid={val=[%s, %s]}, f_namelen=%u, f_frsize=%u", flags.name("fsmagic", kind) or format("%#x", kind),
			fs.bsize, fs.blocks, fs.bfree, fs.bavail, fs.files, fs.ffree, format("%#x", fs.fsid[0] % 2 ^ 32),
			format("%#x", fs.fsid[1] % 2 ^ 32), fs.namelen, fs.frsize)
		return words .. ", f_flags=" .. flags.bits("st_flags", tonumber(fs.flags)) .. "}"
	end)
end)

-- ---- Directories

local function entries(bytes, at_length)
	local at, n = 1, 0
	while at + at_length + 1 <= #bytes do
		local length = bytes:byte(at + at_length) + bytes:byte(at + at_length + 1) * 256
		if length == 0 then
			break
		end
		at, n = at + length, n + 1
	end
	return n
end

K.filled("dirents", function(call, v)
	if call.ret == 0 then
		return addr(v) .. " /* 0 entries */"
	end
	local bytes = call.read(v, tonumber(call.ret))
	if not bytes then
		return addr(v)
	end
	local n = entries(bytes, 16)
	return format("%#x /* %d entr%s */", v, n, n == 1 and "y" or "ies")
end)

-- ---- Vectors

local iovec_t = typeof "struct { uint64_t base, len; }"

-- left: how many bytes are in them; nil: as many as they have room for.
local function iovec(call, at, n, left)
	return call:array(iovec_t, at, n, function(iov)
		local used = iov.len
		if left then
			used = left < used and left or used
			left = left - used
		end
		return format("{iov_base=%s, iov_len=%u}", call:buffer(iov.base, used), iov.len)
	end)
end
K.shared.iovec = iovec

K.enter("iov", function(call, v, _, i) return iovec(call, v, int(call.args[i + 1])) end)

local function iov_addresses(call, v, n)
	return call:array(iovec_t, v, n, function(iov)
		return format("{iov_base=%s, iov_len=%u}", addr(iov.base), iov.len)
	end)
end

K.leave("iov_filled", function(call, v, _, i)
	local n = int(call.args[i + 1])
	return call.failed and iov_addresses(call, v, n) or iovec(call, v, n, ffi.cast("uint64_t", call.ret))
end)

K.enter("iov_addresses", function(call, v, _, i) return iov_addresses(call, v, int(call.args[i + 1])) end)

-- ---- fcntl

local flock_t = typeof "struct { int16_t type, whence; int32_t pad; int64_t start, len; int32_t pid; }"
local owner_t = typeof "struct { int32_t type, pid; }"

local function lock(call, v, with_pid)
	return call:object(flock_t, v, function(l)
		return format("{l_type=%s, l_whence=%s, l_start=%d, l_len=%d%s}", flags.choice("lock_type", l.type),
			flags.choice("whence", l.whence), l.start, l.len, with_pid and format(", l_pid=%d", l.pid) or "")
	end)
end

local function owner(call, v)
	return call:object(owner_t, v, function(o)
		return format("{type=%s, pid=%d}", flags.choice("owner", o.type), o.pid)
	end)
end

local function shown_as(shows)
	return { after = function(call) call.shows = shows end }
end

local function note(set)
	return {
		after = function(call)
			if not call.failed then
				call.shows = "hex"
				local value = tonumber(call.ret)
				local words
				if set == "open" then
					words = open_flags(value)
				elseif value ~= 0 then
					words = flags.bits(set, value)
				end
				call.note = words and "flags " .. words
			end
		end,
	}
end

local number = { enter = function(_, v) return format("%d", C.long(v)) end }

-- By command: how the third argument is shown.
local commands = {
	F_DUPFD = { enter = number.enter, after = shown_as("fd").after },
	F_DUPFD_CLOEXEC = { enter = number.enter, after = shown_as("fd").after },
	F_GETFD = note "fd_flags", F_GETFL = note "open",
	F_SETFD = { enter = function(_, v) return flags.bits("fd_flags", uint(v)) end },
	F_SETFL = { enter = function(_, v) return open_flags(uint(v)) end },
	F_SETLK = { enter = lock }, F_SETLKW = { enter = lock }, F_OFD_SETLK = { enter = lock },
	F_OFD_SETLKW = { enter = lock },
	F_GETLK = { leave = function(call, v) return lock(call, v, true) end },
	F_OFD_GETLK = { leave = function(call, v) return lock(call, v, true) end },
	F_SETOWN = { enter = function(_, v) return format("%d", int(v)) end }, F_GETOWN = {},
	F_SETSIG = { enter = function(_, v) return K.shared.signal(int(v)) end },
	F_GETSIG = {
		after = function(call)
			call.note = not call.failed and call.ret ~= 0 and K.shared.signal(tonumber(call.ret)) or nil
		end,
	},
	F_SETOWN_EX = { enter = owner }, F_GETOWN_EX = { leave = owner },
	F_SETLEASE = { enter = function(_, v) return flags.choice("lock_type", uint(v)) end },
	F_GETLEASE = {
		after = function(call)
			call.shows, call.note = "hex", not call.failed and flags.name("lock_type", tonumber(call.ret)) or nil
		end,
	},
	F_SETPIPE_SZ = { enter = function(_, v) return format("%u", v) end }, F_GETPIPE_SZ = {},
	F_ADD_SEALS = { enter = function(_, v) return flags.bits("seals", uint(v)) end },
	F_GET_SEALS = {
		after = function(call)
			if not call.failed then
				call.shows = "hex"
				call.note = call.ret ~= 0 and "seals " .. flags.bits("seals", tonumber(call.ret)) or nil
			end
		end,
	},
}
local unknown = { enter = function(_, v) return format("%#x", v) end }

local function command(v)
	return commands[flags.name("fcntl", uint(v))] or unknown
end

K.kind("fcntl", {
	enter = function(call, v, _, i)
		local words, how = flags.choice("fcntl", uint(v)), command(v)
		if how.enter then
			words = words .. ", " .. how.enter(call, call.args[i + 1])
		end
		call.more = how.leave ~= nil
		return words
	end,
	leave = function(call, v, _, i)
		local at = call.args[i + 1]
		return ", " .. (call.failed and addr(at) or command(v).leave(call, at))
	end,
	after = function(call, v, ...)
		local after = command(v).after
		if after then
			after(call, v, ...)
		end
	end,
})

-- ---- Offsets that a copy reads and moves on: [0] => [12]

K.kind("moved", {
	enter = function(call, v, _, i)
		if v == 0 then
			return "NULL"
		end
		local box = call:struct(C.long_box, v)
		call.saved[i] = box and box.value
		return box and format("[%d]", box.value) or addr(v)
	end,
})

-- sendfile: the offset as it was and as it is.
K.kind("offset", {
	save = function(call, v, _, i)
		local box = call:struct(C.long_box, v)
		call.saved[i] = box and box.value
	end,
	leave = function(call, v, _, i)
		local before, box = call.saved[i], call:struct(C.long_box, v)
		if not before then
			return addr(v)
		elseif call.failed or not box or box.value == before then
			return format("[%d]", before)
		end
		return format("[%d] => [%d]", before, box.value)
	end,
})

-- ---- Attributes

K.enter("xattr_value", function(call, v, _, i) return call:buffer(v, call.args[i + 1]) end)

K.filled("xattr_filled", function(call, v, _, i)
	return call.args[i + 1] == 0 and addr(v) or call:buffer(v, call.ret)
end)

local handle_t = typeof "struct { uint32_t bytes; int32_t type; }"

K.kind("handle", {
	save = function(call, v, _, i)
		local handle = call:struct(handle_t, v)
		call.saved[i] = handle and handle.bytes
	end,
	leave = function(call, v, _, i)
		local before, handle = call.saved[i], call:struct(handle_t, v)
		if not before or not handle then
			return addr(v)
		end
		local words = format("{handle_bytes=%u", before)
		if handle.bytes ~= before then
			words = words .. format(" => %u", handle.bytes)
		end
		if not call.failed then
			local bytes = call.read(v + 8, bit.band(handle.bytes, 127))
			words = words .. format(", handle_type=%#x, f_handle=%s", handle.type, bytes
				and "0x" .. bytes:gsub(".", function(char) return format("%02x", char:byte()) end) or "???")
		end
		return words .. "}"
	end,
})

K.enter("mount_flags", function(_, v)
	local value = tonumber(v)
	local magic = math.floor(value / 65536) == 0xc0ed
	if magic then
		value = value % 65536
	end
	local words = (value ~= 0 or not magic) and flags.bits("mount", value) or nil
	return magic and "MS_MGC_VAL" .. (words and "|" .. words or "") or words
end)

K.enter("mount_data", function(call, v) return call:string(v) end)
K.enter("text_hex", function(call, v, n) return call:buffer(v, call.args[tonumber(n)], text.quote_hex) end)
