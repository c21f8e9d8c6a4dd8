-- oracle.progress - how far a search is: a line that changes on a terminal, a plain one now and then elsewhere.

local core = require "ptracehook.core"
local sys = require "oracle.sys"

local M = {}

local clock = core.clock
local OFTEN, SELDOM = 0.1, 10 -- seconds between two lines, on a terminal and elsewhere
local WIDTH = 20

-- As people write it: quotes around, what is not printable as \xNN.
function M.quote(text)
	return '"' .. text:gsub('[%c"\\\127-\255]', function(c)
		return (c == '"' or c == "\\") and "\\" .. c or ("\\x%02x"):format(c:byte())
	end) .. '"'
end

local function time(seconds)
	if seconds < 60 then
		return ("%d s"):format(seconds)
	elseif seconds < 3600 then
		return ("%d min %d s"):format(math.floor(seconds / 60), seconds % 60)
	end
	return ("%d h %d min"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
end

M.time = time

-- The line for a state: `count` candidates at the present position, `ahead` more of them at least behind it; nil when
-- neither is known.
function M.line(state, seconds, count, ahead)
	local words = { ("oracle: %s  %d tries, %d s"):format(M.quote(state.found), state.tries, seconds) }
	local rate = seconds > 0 and state.tries / seconds or 0
	if seconds >= 0.5 then
		words[#words + 1] = ("%.0f/s"):format(rate)
	end
	if count then
		local full = math.floor(WIDTH * state.at / count)
		words[#words + 1] = ("[%s%s]"):format(("#"):rep(full), ("."):rep(WIDTH - full))
		if rate > 0 and seconds >= 0.5 then
			words[#words + 1] = time((count - state.at + (ahead or 0)) / rate) .. " left"
		end
	end
	return table.concat(words, "  ")
end

-- kind: "bar", "plain", "none", or nil for what standard error is. Gives show(state, seconds, count, ahead), close().
function M.new(kind)
	kind = kind or (sys.C.isatty(2) == 1 and "bar" or "plain")
	if kind == "none" then
		return function() end, function() end
	end
	local bar = kind == "bar"
	local last, shown = bar and 0 or clock(), false
	local function show(state, seconds, count, ahead)
		local now = clock()
		-- What has just been found is shown on a terminal in any case.
		if now - last < (bar and OFTEN or SELDOM) and not (bar and count == nil) then
			return
		end
		last, shown = now, true
		local text = M.line(state, seconds, count, ahead)
		io.stderr:write(bar and "\r" .. text .. " \27[K" or text .. "\n")
	end
	local function close()
		if bar and shown then
			io.stderr:write "\r\27[K"
			shown = false
		end
	end
	return show, close
end

return M
