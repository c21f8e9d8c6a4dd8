-- mem - memory of a target. The hot part is C (core/bind/mem.c); this is the rest.

local ffi = require "ffi"
local core = require "ptracehook.core"
local number = require "ptracehook.number"

local M = {}

local function ctype_of(what, ctype)
	if type(ctype) ~= "string" and type(ctype) ~= "cdata" then
		error(what .. ": C type expected (a name or an ffi.typeof), got " .. number.show(ctype), 3)
	end
	local ok, result = pcall(ffi.typeof, ctype)
	if not ok then
		error(what .. ": " .. tostring(result):gsub("^.-:%d+: ", ""), 3)
	end
	return result
end

local function add_objects(mem)
	function mem.struct(ctype, addr)
		local object = ffi.new(ctype_of("mem.struct", ctype))
		local bytes = mem.read(addr, ffi.sizeof(object))
		ffi.copy(object, bytes, #bytes)
		return object
	end

	function mem.array(ctype, addr, n)
		local element = ctype_of("mem.array", ctype)
		local count = number.count(n, "mem.array: n")
		local bytes = mem.read(addr, ffi.sizeof(element) * count)
		local object = ffi.new(ffi.typeof("$[?]", element), count)
		ffi.copy(object, bytes, #bytes)
		return object
	end

	function mem.put(addr, object)
		if type(object) ~= "cdata" then
			error("mem.put: cdata expected, got " .. number.show(object), 2)
		end
		local size = ffi.sizeof(object)
		-- A number is no place in our memory; a boxed copy of it is.
		local box = core.is_wide(object) and ffi.new(ffi.typeof("$[1]", ffi.typeof(object)), object) or object
		mem.write(addr, ffi.string(ffi.cast("const char *", box), size))
	end
end

-- Readable memory as ranges: neighbours are one, since what is looked for may lie across their border.
local function merge(ranges)
	local merged = {}
	for _, range in ipairs(ranges) do
		local last = merged[#merged]
		if last and last.stop == range.start then
			last.stop = range.stop
		else
			merged[#merged + 1] = { start = range.start, stop = range.stop }
		end
	end
	return merged
end

local function is_named(entry, name)
	local file = entry.path:match "([^/]+)$"
	if not file then
		return false
	end
	local rest = file:sub(1, #name) == name and file:sub(#name + 1)
	return entry.path == name or rest and (rest == "" or rest:find "^[.-]") ~= nil
end

local function ranges_of(mem, range)
	local found = {}
	if range == nil or type(range) == "string" then
		for _, entry in ipairs(mem.maps()) do
			-- The kernel's own pages ([vvar]) answer no reads.
			if entry.perms:sub(1, 1) == "r" and not entry.path:find("^%[vvar") and (not range or is_named(entry, range)) then
				found[#found + 1] = entry
			end
		end
		if range and #found == 0 then
			error("mem.find: nothing readable belongs to a module " .. number.show(range), 3)
		end
		return merge(found)
	elseif type(range) == "table" then
		local start, stop = range.start or range[1], range.stop or range[2]
		return { { start = number.addr(start, "mem.find: start", 4), stop = number.addr(stop, "mem.find: stop", 4) } }
	end
	error("mem.find: range: {start, stop}, an entry of mem.maps() or a module's name expected, got "
		.. number.show(range), 3)
end

local function search(mem, all, pattern, range, options)
	if type(range) == "table" and range.text ~= nil then
		range, options = nil, range
	end
	if type(pattern) ~= "string" or pattern == "" then
		error("mem.find: pattern: a string that is not empty expected, got " .. number.show(pattern), 3)
	end
	local bytes, mask
	if not (options and options.text) then
		bytes, mask = core.pattern(pattern)
	end
	local results = {}
	for _, piece in ipairs(ranges_of(mem, range)) do
		local found = mem.search(bytes or pattern, mask, piece.start, piece.stop, all)
		if found ~= nil and not all then
			return found
		end
		for _, at in ipairs(found or {}) do
			results[#results + 1] = at
		end
	end
	return all and results or nil
end

local function hexdump(mem, addr, n)
	local start = number.addr(addr, "hexdump: address", 3)
	local bytes = mem.read(start, number.size(n, "hexdump: n", 3))
	local lines = {}
	for at = 1, #bytes, 16 do
		local piece = bytes:sub(at, at + 15)
		local hex = piece:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
		local left, right = hex:sub(1, 24), hex:sub(25)
		lines[#lines + 1] = ("%016x  %-24s %-24s |%s|"):format(start + (at - 1), left, right,
			(piece:gsub("[^\32-\126]", ".")))
	end
	return table.concat(lines, "\n")
end

-- target: a Thread, Process or Session; nil: what the globals mean.
function M.new(target)
	local mem = core.mem(target)
	add_objects(mem)
	mem.find = function(...) return search(mem, false, ...) end
	mem.find_all = function(...) return search(mem, true, ...) end
	mem.hexdump = function(...) return hexdump(mem, ...) end
	return mem
end

return M
