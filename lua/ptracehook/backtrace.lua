-- backtrace - frames of a stopped thread, and the lines of source that addresses belong to.

local core = require "ptracehook.core"
local number = require "ptracehook.number"

local M = {}

-- Where a frame stands, as where() writes it: what is in the program itself needs no module.
local function place_of(frame)
	local module = frame.module and not frame.main and frame.module .. "!" or ""
	if frame.signal then
		return "<signal handler called>"
	elseif not frame.symbol then
		return frame.module and ("%s+0x%x"):format(frame.module, frame.offset) or "??"
	elseif frame.offset == 0 or frame.inlined then
		return module .. frame.symbol
	end
	return ("%s%s+0x%x"):format(module, frame.symbol, frame.offset)
end

local function show(index, frame)
	local source = frame.file and (" at %s:%d"):format(frame.file, frame.line) or ""
	return ("#%-3d %s %s%s%s"):format(index, number.hex(frame.address), place_of(frame), source,
		frame.inlined and " (inlined)" or frame.jumped and " (jumped)" or "")
end

-- target: a Session, a Thread, or nil for what the globals mean; thread: the Thread that is asked about, or nil.
function M.read(target, thread)
	return (core.backtrace(target, thread))
end

function M.print(target, thread)
	local lines = {}
	for i, frame in ipairs(M.read(target, thread)) do
		lines[i] = show(i - 1, frame)
	end
	print(table.concat(lines, "\n"))
end

return M
