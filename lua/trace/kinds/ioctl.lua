-- ioctl - requests by name, and what terminals and sockets exchange.

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, typeof = string.format, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr

local DIRECTIONS = { [0] = "_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE" }

-- A request that has no name, taken apart as <asm/ioctl.h> made it.
local function request(v)
	return flags.name("ioctl", v) or format("_IOC(%s, %#x, %#x, %#x)", DIRECTIONS[math.floor(v / 2 ^ 30)],
		math.floor(v / 256) % 256, v % 256, math.floor(v / 65536) % 16384)
end

-- ---- Terminals

local termios_t = typeof "struct { uint32_t iflag, oflag, cflag, lflag; uint8_t line, cc[19]; }"
local SPEEDS = { [0] = 0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 }
local MORE_SPEEDS = { 57600, 115200, 230400, 460800, 500000, 576000, 921600 }

local function termios(call, v)
	return call:object(termios_t, v, function(t)
		local speed = t.cflag % 16
		local extended = flags.both(t.cflag, 0x1000) ~= 0
		local words = { "{B" .. (extended and MORE_SPEEDS[speed] or SPEEDS[speed] or "???") }
		local function word(value, mask, name)
			words[#words + 1] = (flags.both(value, mask) ~= 0 and "" or "-") .. name
		end
		word(t.oflag, 1, "opost")
		word(t.lflag, 1, "isig")
		word(t.lflag, 2, "icanon")
		word(t.lflag, 8, "echo")
		words[#words + 1] = "..."
		return table.concat(words, " ") .. "}"
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
	TCGETS = { out = termios }, TCSETS = { enter = termios }, TCSETSW = { enter = termios }, TCSETSF = { enter = termios },
	TCFLSH = { enter = queue }, TCXONC = { enter = flow }, TCSBRK = { enter = number }, TCSBRKP = { enter = number },
	TIOCGWINSZ = { out = winsize }, TIOCSWINSZ = { enter = winsize }, TIOCGPGRP = { out = pointed },
	TIOCSPGRP = { enter = pointed }, TIOCGSID = { out = pointed }, TIOCOUTQ = { out = pointed },
	TIOCGPTN = { out = pointed }, TIOCSPTLCK = { enter = pointed }, TIOCSCTTY = { enter = number }, TIOCNOTTY = {},
	TIOCEXCL = {}, TIOCNXCL = {}, TIOCSTI = { enter = pushed }, TIOCGETD = { out = pointed }, TIOCSETD = { enter = pointed },
	TIOCMGET = { out = pointed }, TIOCPKT = { enter = pointed }, FIONREAD = { out = pointed }, FIONBIO = { enter = pointed },
	FIOASYNC = { enter = pointed }, FIOCLEX = {}, FIONCLEX = {}, FIGETBSZ = { out = pointed }, FICLONE = { enter = fd },
	SIOCATMARK = { out = pointed }, SIOCGIFCONF = { enter = at }, SIOCGIFINDEX = { enter = ifreq },
	SIOCGIFFLAGS = { enter = ifreq },
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
