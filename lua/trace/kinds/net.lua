-- net - sockets: addresses, options, messages.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local bit = require "bit"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"
local text = require "trace.text"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr

local AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

-- ---- Addresses

local function word16(bytes, at)
	local high, low = bytes:byte(at, at + 1)
	return high * 256 + low
end

local function word32(bytes, at)
	local a, b, c, d = bytes:byte(at, at + 3)
	return a + b * 256 + c * 65536 + d * 2 ^ 24
end

local function inet(bytes, at)
	return format("%d.%d.%d.%d", bytes:byte(at, at + 3))
end

-- As inet_ntop(3): the longest run of two or more zeros is "::", an embedded IPv4 address stays one.
local function inet6(bytes)
	local words = {}
	for i = 0, 7 do
		words[i] = word16(bytes, 1 + i * 2)
	end
	local best, best_length, at = nil, 1, 0
	while at < 8 do
		local stop = at
		while stop < 8 and words[stop] == 0 do
			stop = stop + 1
		end
		if stop - at > best_length then
			best, best_length = at, stop - at
		end
		at = stop + 1
	end
	if best == 0 and (best_length == 6 or best_length == 5 and words[5] == 0xffff) then
		return (best_length == 6 and "::" or "::ffff:") .. inet(bytes, 13)
	end
	local parts, i = {}, 0
	while i < 8 do
		if i == best then
			parts[#parts + 1] = i == 0 and "::" or ":"
			i = i + best_length
		else
			parts[#parts + 1] = format("%x", words[i]) .. (i < 7 and ":" or "")
			i = i + 1
		end
	end
	return table.concat(parts)
end
K.shared.inet6 = inet6

local families = {}

families[AF_UNIX] = function(bytes)
	local path = bytes:sub(3)
	if path:sub(1, 1) == "\0" then
		return "sun_path=@" .. text.quote(path:sub(2))
	end
	return "sun_path=" .. text.quote(path:match "^%Z*")
end

families[AF_INET] = function(bytes)
	return #bytes >= 16 and format('sin_port=htons(%d), sin_addr=inet_addr("%s")', word16(bytes, 3), inet(bytes, 5))
end

families[AF_INET6] = function(bytes)
	if #bytes < 24 then
		return nil
	end
	local words = format('sin6_port=htons(%d), sin6_flowinfo=htonl(%d), inet_pton(AF_INET6, "%s", &sin6_addr)',
		word16(bytes, 3), word16(bytes, 5) * 65536 + word16(bytes, 7), inet6(bytes:sub(9, 24)))
	return #bytes < 28 and words or words .. format(", sin6_scope_id=%u", word32(bytes, 25))
end

families[AF_NETLINK] = function(bytes)
	return #bytes >= 12 and format("nl_pid=%u, nl_groups=%08x", word32(bytes, 5), word32(bytes, 9))
end

local function sockaddr(call, at, length)
	if at == 0 then
		return "NULL"
	elseif length < 2 then
		return addr(at)
	end
	local bytes = call.read(at, length < 128 and length or 128)
	if not bytes then
		return addr(at)
	end
	local family = bytes:byte(1) + bytes:byte(2) * 256
	local show = families[family]
	local name = "{sa_family=" .. flags.choice("af", family)
	if #bytes == 2 then
		return name .. "}"
	end
	return name .. ", " .. (show and show(bytes) or "sa_data=" .. text.quote(bytes:sub(3))) .. "}"
end

-- Its length is the next argument.
K.enter("sockaddr", function(call, v, _, i) return sockaddr(call, v, int(call.args[i + 1])) end)

-- Filled in; its length is behind the next argument, which said how much room there was.
K.kind("sockaddr_out", {
	save = function(call, _, _, i) call.saved[i] = call:int_at(call.args[i + 1]) end,
	leave = function(call, v, _, i)
		local room, length = call.saved[i], call:int_at(call.args[i + 1])
		if call.failed or not room or not length then
			return addr(v)
		end
		return sockaddr(call, v, math.min(room, length))
	end,
})

-- ---- socket

K.enter("sock_type", function(_, v)
	v = uint(v)
	local kind = v % 16
	local rest = v - kind
	return flags.choice("sock_type", kind) .. (rest ~= 0 and "|" .. flags.bits("sock_flags", rest) or "")
end)

K.enter("sock_protocol", function(call, v)
	local family = uint(call.args[1])
	if family == AF_INET or family == AF_INET6 then
		return flags.choice("ipproto", uint(v))
	elseif family == AF_NETLINK then
		return flags.choice("netlink", uint(v))
	end
	return format("%u", uint(v))
end)

-- ---- Options

local SOL_SOCKET = 1
local levels = { [0] = "sol_ip", [SOL_SOCKET] = "so", [6] = "sol_tcp", [41] = "sol_ipv6", [270] = "sol_netlink" }

K.enter("sockopt", function(call, v, _, i)
	local set = levels[uint(call.args[i - 1])]
	return set and flags.choice(set, uint(v)) or format("%u", uint(v))
end)

local linger_t = typeof "struct { int32_t onoff, linger; }"
local ucred_t = typeof "struct { int32_t pid; uint32_t uid, gid; }"
local pair_t = typeof "struct { int64_t a, b; }"

local by_name = {
	SO_LINGER = function(call, v)
		return call:object(linger_t, v, function(l) return format("{l_onoff=%d, l_linger=%d}", l.onoff, l.linger) end)
	end,
	SO_PEERCRED = function(call, v)
		return call:object(ucred_t, v, function(c) return format("{pid=%d, uid=%u, gid=%u}", c.pid, c.uid, c.gid) end)
	end,
	SO_RCVTIMEO_OLD = function(call, v)
		return call:object(pair_t, v, function(t) return K.shared.timeval(t) end)
	end,
	SO_BINDTODEVICE = function(call, v, length) return call:buffer(v, length) end,
	TCP_CONGESTION = function(call, v, length) return call:buffer(v, length) end,
}
by_name.SO_SNDTIMEO_OLD = by_name.SO_RCVTIMEO_OLD
by_name.TCP_ULP = by_name.TCP_CONGESTION

local sizes = { SO_LINGER = 8, SO_PEERCRED = 12, SO_RCVTIMEO_OLD = 16, SO_SNDTIMEO_OLD = 16 }

local function option(call, v, i, length)
	local set = levels[uint(call.args[i - 2])]
	local name = set and flags.name(set, uint(call.args[i - 1]))
	local show = by_name[name]
	if v == 0 then
		return "NULL"
	elseif show and length >= (sizes[name] or 0) then
		return show(call, v, length)
	elseif length == 4 then
		return K.shared.pointed(call, v, "int")
	end
	return call:buffer(v, math.max(length, 0))
end

K.enter("optval", function(call, v, _, i)
	local length = int(call.args[i + 1])
	local level, name = levels[uint(call.args[i - 2])], flags.name("so", uint(call.args[i - 1]))
	if level == "so" and sizes[name] == 16 then
		return call:buffer(v, length) -- times are numbers only on their way out
	end
	return option(call, v, i, length)
end)

K.filled("optval_out", function(call, v, _, i)
	local length = call:int_at(call.args[i + 1])
	return length and option(call, v, i, length) or addr(v)
end)

-- ---- Messages

local msghdr_t = typeof [[struct {
	uint64_t name;
	uint32_t namelen, pad;
	uint64_t iov, iovlen, control, controllen;
	uint32_t flags, pad2;
}]]
local cmsghdr_t = typeof "struct { uint64_t len; int32_t level, type; }"
local HEADER = 16
local MANY = 1024 -- messages or descriptors: more than the kernel takes

local function cmsg_data(call, header, at)
	local length = tonumber(header.len) - HEADER
	if header.level == SOL_SOCKET and header.type == 1 then -- SCM_RIGHTS
		local parts = {}
		for i = 0, math.min(math.floor(length / 4), MANY) - 1 do
			local n = call:int_at(at + HEADER + i * 4)
			if not n then
				return addr(at + HEADER)
			end
			parts[#parts + 1] = call:fd(n)
		end
		return "[" .. table.concat(parts, ", ") .. "]"
	elseif header.level == SOL_SOCKET and header.type == 2 and length >= 12 then -- SCM_CREDENTIALS
		return by_name.SO_PEERCRED(call, at + HEADER)
	end
	return call:buffer(at + HEADER, length)
end

local function control(call, at, length)
	if at == 0 or length < HEADER then
		return addr(at)
	end
	local parts, stop = {}, at + length
	while stop - at >= HEADER and #parts < MANY do
		local header = call:struct(cmsghdr_t, at)
		if not header then
			if #parts == 0 then
				return addr(at)
			end
			break
		end
		local words = format("{cmsg_len=%u, cmsg_level=%s, cmsg_type=%s", header.len,
			flags.choice("sol", header.level % 2 ^ 32),
			header.level == SOL_SOCKET and flags.choice("scm", header.type % 2 ^ 32) or format("%#x", header.type % 2 ^ 32))
		local fits = header.len <= stop - at
		if header.len > HEADER and fits then
			words = words .. ", cmsg_data=" .. cmsg_data(call, header, at)
		end
		parts[#parts + 1] = words .. "}"
		if header.len < HEADER or not fits then
			break
		end
		at = at + bit.band(header.len + 7, -8)
	end
	return "[" .. table.concat(parts, ", ") .. "]"
end

-- left: how many bytes were received; nil for what is being sent. room: what there was for the name.
local function msghdr(call, m, left, room)
	local words = { "{msg_name=" }
	local namelen = m.namelen
	if left and room and m.namelen > room then
		words[2] = sockaddr(call, m.name, room)
	else
		words[2] = m.namelen == 0 and left and addr(m.name) or sockaddr(call, m.name, m.namelen)
	end
	local shown = format("%d", namelen)
	if left and room and room ~= namelen then
		shown = format("%d => %d", room, namelen)
	end
	words[3] = format(", msg_namelen=%s, msg_iov=%s, msg_iovlen=%u", shown,
		K.shared.iovec(call, m.iov, m.iovlen, left), m.iovlen)
	if m.controllen > 0 then
		words[4] = ", msg_control=" .. control(call, m.control, m.controllen)
	end
	words[#words + 1] = format(", msg_controllen=%u, msg_flags=%s}", m.controllen, flags.bits("msg", m.flags))
	return table.concat(words)
end

K.enter("msghdr", function(call, v)
	return call:object(msghdr_t, v, function(m) return msghdr(call, m) end)
end)

K.kind("msghdr_out", {
	save = function(call, v, _, i)
		local m = call:struct(msghdr_t, v)
		call.saved[i] = m and m.namelen
	end,
	leave = function(call, v, _, i)
		local room = call.saved[i]
		if call.failed then
			return room and format("{msg_namelen=%d}", room) or addr(v)
		end
		return call:object(msghdr_t, v, function(m) return msghdr(call, m, ffi.cast("uint64_t", call.ret), room) end)
	end,
})

local mmsghdr_t = typeof [[struct {
	struct { uint64_t name; uint32_t namelen, pad; uint64_t iov, iovlen, control, controllen; uint32_t flags, pad2; } hdr;
	uint32_t len, pad;
}]]

local function messages(call, v, n, received)
	return call:array(mmsghdr_t, v, n, function(m)
		local words = "{msg_hdr=" .. msghdr(call, m.hdr, received and m.len + 0ULL, received and m.hdr.namelen)
		return words .. (call.ret and not call.failed and format(", msg_len=%u}", m.len) or "}")
	end)
end

K.kind("mmsghdrs", {
	leave = function(call, v, _, i)
		return messages(call, v, call.failed and uint(call.args[i + 1]) or tonumber(call.ret), false)
	end,
})

K.filled("mmsghdrs_out", function(call, v) return messages(call, v, tonumber(call.ret), true) end)
