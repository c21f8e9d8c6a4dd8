-- ioctl - requests by name, and what terminals and sockets exchange.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, typeof = string.format, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr

local DIRECTIONS = { [0] = "_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE" }

-- "TCGETS"; one that means two things has both names, and one that has none is taken apart as <asm/ioctl.h> made it.
local function request(v)
	local name = flags.name("ioctl", v)
	return name and name:gsub("|", " or ") or format("_IOC(%s, %#x, %#x, %#x)", DIRECTIONS[math.floor(v / 2 ^ 30)],
		math.floor(v / 256) % 256, v % 256, math.floor(v / 65536) % 16384)
end

-- ---- Terminals

local termios_t = typeof "struct { uint32_t iflag, oflag, cflag, lflag; uint8_t line, cc[19]; }"
local SIZES = { [0] = "CS5", "CS6", "CS7", "CS8" }

local function joined(first, rest, set)
	return rest ~= 0 and first .. "|" .. flags.bits(set, rest) or first
end

local function output_flags(v)
	local delays = {}
	for _, part in ipairs { { 0x100, "NL", 1 }, { 0x200, "CR", 3 }, { 0x800, "TAB", 3 }, { 0x2000, "BS", 1 },
		{ 0x4000, "VT", 1 }, { 0x8000, "FF", 1 } } do
		local unit, name, most = part[1], part[2], part[3]
		local n = math.floor(v / unit) % (most + 1)
		v = v - n * unit
		delays[#delays + 1] = name .. format("%d", n)
	end
	return joined(table.concat(delays, "|"), v, "termios_oflag")
end

local function control_flags(v)
	local speed = flags.both(v, 0x100f)
	local size = math.floor(v / 16) % 4
	return joined(flags.choice("termios_speed", speed) .. "|" .. SIZES[size], v - speed - size * 16, "termios_cflag")
end

local function termios(call, v)
	return call:object(termios_t, v, function(t)
		return format("{c_iflag=%s, c_oflag=%s, c_cflag=%s, c_lflag=%s, ...}",
			flags.some("termios_iflag", t.iflag) or "",
			output_flags(t.oflag), control_flags(t.cflag), flags.some("termios_lflag", t.lflag) or "")
	end)
end

local winsize_t = typeof "struct { uint16_t row, col, x, y; }"

local function winsize(call, v)
	return call:object(winsize_t, v, function(w)
		return format("{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", w.row, w.col, w.x, w.y)
	end)
end

local function number(_, v) return format("%d", int(v)) end
local function pointed(call, v) return K.shared.pointed(call, v, "int") end
local function queue(_, v)
	return ({ [0] = "TCIFLUSH", "TCOFLUSH", "TCIOFLUSH" })[uint(v)] or format("%#x", uint(v))
end
local function flow(_, v)
	return ({ [0] = "TCOOFF", "TCOON", "TCIOFF", "TCION" })[uint(v)] or format("%#x", uint(v))
end

-- An interface: its name, and one of several things behind it.
local function ifreq(call, v)
	return "{ifr_name=" .. call:string(v, 15) .. "}"
end

local function pushed(call, v) return "[" .. call:string(v, 1) .. "]" end
local function fd(call, v) return call:fd(int(v)) end
local function at(_, v) return addr(v) end

local requests = {
	TCGETS = { out = termios }, ["SNDCTL_TMR_START|TCSETS"] = { enter = termios },
	["SNDCTL_TMR_STOP|TCSETSW"] = { enter = termios }, ["SNDCTL_TMR_CONTINUE|TCSETSF"] = { enter = termios },
	TCFLSH = { enter = queue }, TCXONC = { enter = flow }, TCSBRK = { enter = number },
	TCSBRKP = { enter = number }, TIOCGWINSZ = { out = winsize }, TIOCSWINSZ = { enter = winsize },
	TIOCGPGRP = { out = pointed }, TIOCSPGRP = { enter = pointed }, TIOCGSID = { out = pointed },
	TIOCOUTQ = { out = pointed }, TIOCGPTN = { out = pointed }, TIOCSPTLCK = { enter = pointed },
	TIOCSCTTY = { enter = number }, TIOCNOTTY = {}, TIOCEXCL = {}, TIOCNXCL = {}, TIOCSTI = { enter = pushed },
	TIOCGETD = { out = pointed }, TIOCSETD = { enter = pointed }, TIOCMGET = { out = pointed },
	TIOCPKT = { enter = pointed }, FIONREAD = { out = pointed }, FIONBIO = { enter = pointed },
	FIOASYNC = { enter = pointed }, FIOCLEX = {}, FIONCLEX = {}, FIGETBSZ = { out = pointed },
	["BTRFS_IOC_CLONE|FICLONE"] = { enter = fd }, SIOCATMARK = { out = pointed }, SIOCGIFCONF = { enter = at },
	SIOCGIFINDEX = { enter = ifreq }, SIOCGIFFLAGS = { enter = ifreq },
}
local unknown = { enter = function(_, v) return format("%#x", v) end }

local function how_of(v)
	return requests[flags.name("ioctl", uint(v))] or unknown
end

K.kind("ioctl", {
	enter = function(call, v, _, i)
		local words, how = request(uint(v)), how_of(v)
		call.more = how.out ~= nil
		return how.enter and words .. ", " .. how.enter(call, call.args[i + 1]) or words
	end,
	leave = function(call, v, _, i)
		local data = call.args[i + 1]
		return ", " .. (call.failed and addr(data) or how_of(v).out(call, data))
	end,
})
