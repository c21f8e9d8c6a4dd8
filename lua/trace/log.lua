-- log - lines of a call log: what the stubs that scripts/trace.lua writes print with.
--
--     local log = require "trace.log"
--     log.enter("open(path=%s)", path)    a call, indented by how deep its thread is in others
--     log.leave("open = %s", ret)         its return
--
-- Each value is shown for people: text quoted, small numbers as such, addresses in hexadecimal. Coloured on a terminal.

local core = require "ptracehook.core"
local number = require "ptracehook.number"

local M = {}

local CUT = 120

local prompt = core.prompt()
local term = os.getenv "TERM"
local is_coloured = prompt.is_terminal(1) and not (os.getenv "NO_COLOR" or ""):find "." and term and term ~= "dumb"

local started = core.clock()
local depths, colours = {}, {}
local n_threads = 0

local palette = { 36, 33, 35, 32, 34, 31 }

local function colour_of(tid)
	if not colours[tid] then
		colours[tid] = palette[n_threads % #palette + 1]
		n_threads = n_threads + 1
	end
	return colours[tid]
end

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quote(text)
	local short = text:sub(1, CUT):gsub("[%c\"\\\127]", function(c)
		return escapes[c] or ("\\x%02x"):format(c:byte())
	end)
	return '"' .. short .. '"' .. (#text > CUT and "…" or "")
end

function M.show(value)
	if type(value) == "string" then
		return quote(value)
	elseif value == nil then
		return "NULL"
	elseif number.is_wide(value) and value >= 0x10000 and tostring(value):sub(1, 1) ~= "-" then
		return number.hex(value)
	end
	return tostring(value)
end

local function line(depth, format, ...)
	local values = {}
	for i = 1, select("#", ...) do
		values[i] = M.show((select(i, ...)))
	end
	local tid = core.tid()
	local head = ("%9.3f ms %6d "):format((core.clock() - started) * 1000, tid)
	if is_coloured then
		head = ("\27[%dm%s\27[0m"):format(colour_of(tid), head)
	end
	print(head .. ("| "):rep(depth) .. format:format(unpack(values)))
end

-- format: with a %s for each value.
function M.enter(format, ...)
	local tid = core.tid()
	local depth = depths[tid] or 0
	depths[tid] = depth + 1
	line(depth, format, ...)
end

function M.leave(format, ...)
	local tid = core.tid()
	local depth = math.max(0, (depths[tid] or 1) - 1)
	depths[tid] = depth
	line(depth, format, ...)
end

return M
