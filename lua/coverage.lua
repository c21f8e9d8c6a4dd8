-- coverage - which functions or basic blocks of a module ran: require "coverage".
--
-- Each function or block gets a breakpoint, which is taken out after its first hit: what has run once costs nothing any
-- more. Blocks are found by disassembling the functions from end to end; a function whose bytes do not all decode is
-- one block, since a breakpoint in the midst of data would change it. An exec ends the coverage.

local check = require "ptracehook.check"
local number = require "ptracehook.number"
local core = require "ptracehook.core"
local basic_blocks = require "coverage.blocks"

local M = {}

local Coverage = {}
Coverage.__index = Coverage

local function base_name(path)
	return path:match "([^/]+)$" or path
end

-- libc, libc.so and libc.so.6 mean libc.so.6, as in places.
local function is_named(module, name)
	local file = module.name
	local rest = file:sub(1, #name) == name and file:sub(#name + 1)
	return module.path == name or rest and (rest == "" or rest:find "^[.-]") ~= nil
end

local function find_module(session, name)
	for i, module in ipairs(session:modules()) do
		if name == nil and i == 1 or name ~= nil and is_named(module, name) then
			return module
		end
	end
end

-- Code lies where it can be executed: [start, stop) pairs within the module.
local function code_of(session, module)
	local pieces = {}
	for _, entry in ipairs(session.mem.maps()) do
		if entry.perms:find("x", 1, true) and entry.start < module.base + module.size and module.base < entry.stop then
			pieces[#pieces + 1] = entry
		end
	end
	return pieces
end

local function piece_with(pieces, address)
	for _, piece in ipairs(pieces) do
		if address >= piece.start and address < piece.stop then
			return piece
		end
	end
end

-- Of two names of one function, the one that people use: puts, not _IO_puts.
local function is_better(name, than)
	local a, b = name:match "^_*", than:match "^_*"
	if #a ~= #b then
		return #a < #b
	end
	return #name < #than or #name == #than and name < than
end

-- The functions of a module by address, aliases left out: {name, address, size}. One of unknown size ends where the
-- next begins; none reaches into the next.
local function functions_of(session, module, glob)
	local pieces, list = code_of(session, module), {}
	for _, symbol in ipairs(session:find_syms(module.name .. "!" .. glob)) do
		if symbol.kind == "function" and piece_with(pieces, symbol.address) then
			list[#list + 1] = symbol
		end
	end
	table.sort(list, function(a, b) return a.address < b.address end)
	local functions = {}
	for _, symbol in ipairs(list) do
		local last = functions[#functions]
		if not last or last.address ~= symbol.address then
			functions[#functions + 1] = { name = symbol.name, address = symbol.address, size = symbol.size }
		else
			last.size = math.max(last.size, symbol.size)
			last.name = is_better(symbol.name, last.name) and symbol.name or last.name
		end
	end
	for i, fn in ipairs(functions) do
		local stop = functions[i + 1] and functions[i + 1].address or piece_with(pieces, fn.address).stop
		if fn.size == 0 or fn.address + fn.size > stop then
			fn.size = tonumber(stop - fn.address)
		end
	end
	return functions
end

-- ---- Starting and stopping

local function add_points(self)
	for _, fn in ipairs(self.functions) do
		local blocks = self.blocks and basic_blocks.of(self.session, fn) or { { offset = 0, size = fn.size } }
		fn.points = {}
		for i, block in ipairs(blocks) do
			local address = fn.address + block.offset
			fn.points[i] = {
				address = address, size = block.size, breakpoint = self.session:bp(address, CONTINUE, { once = true }),
			}
		end
	end
end

local function instrument(self, module)
	self.module = module
	self.functions = functions_of(self.session, module, self.glob)
	if #self.functions == 0 then
		local what = self.glob == "*" and "no function symbols; is it stripped?" or "no function '" .. self.glob .. "'"
		check.fail("coverage: %s has %s", module.name, what)
	end
	local ok, why = pcall(add_points, self)
	if not ok then
		self:stop()
		error(why, 0)
	end
	self.on_exec = self.session:on("exec", function() self:stop() end)
end

local options_known = { module = true, functions = true, blocks = true, session = true }

-- options: module (its name, as in places; default: the main program; one that is not loaded yet is waited for),
-- functions (a glob; default "*"), blocks (true: basic blocks; default: functions), session (default: the current one).
function M.start(options)
	options = check.options("coverage.start", options, options_known)
	local session = options.session or core.current()
	if getmetatable(session) ~= "Session" then
		check.fail("coverage.start: there is no target, or session is %s", number.show(options.session))
	end
	local self = setmetatable({
		session = session,
		blocks = check.boolean("coverage.start: blocks", options.blocks) or false,
		glob = options.functions ~= nil and check.string("coverage.start: functions", options.functions) or "*",
		wanted = options.module ~= nil and check.string("coverage.start: module", options.module) or nil,
		functions = {},
	}, Coverage)
	local module = find_module(session, self.wanted)
	if module then
		instrument(self, module)
		return self
	end
	self.on_load = session:on("load", function(loaded)
		if is_named(loaded, self.wanted) then
			self.on_load:remove()
			self.on_load = nil
			instrument(self, loaded)
		end
	end)
	return self
end

-- What has not run is not watched any more; what has stays known.
function Coverage:stop()
	for _, name in ipairs { "on_load", "on_exec" } do
		if self[name] and not self.session.ended then
			self[name]:remove()
		end
		self[name] = nil
	end
	for _, fn in ipairs(self.functions) do
		for _, point in ipairs(fn.points or {}) do
			point.ran = point.ran or point.breakpoint.hits > 0
			if not point.ran and not self.session.ended then
				point.breakpoint:remove()
			end
		end
	end
end

-- ---- Results

local function has_run(point)
	return point.ran or point.breakpoint.hits > 0
end

-- The functions: {name, address, size, ran, total}, the last two counts of blocks (of 1 in all without blocks).
function Coverage:list()
	local list = {}
	for i, fn in ipairs(self.functions) do
		local ran = 0
		for _, point in ipairs(fn.points or {}) do
			ran = ran + (has_run(point) and 1 or 0)
		end
		list[i] = { name = fn.name, address = fn.address, size = fn.size, ran = ran, total = #(fn.points or {}) }
	end
	return list
end

-- Counts: {functions, functions_ran, blocks, blocks_ran}; a function ran when any of its blocks did.
function Coverage:summary()
	local sum = { functions = 0, functions_ran = 0, blocks = 0, blocks_ran = 0 }
	for _, fn in ipairs(self:list()) do
		sum.functions = sum.functions + 1
		sum.functions_ran = sum.functions_ran + (fn.ran > 0 and 1 or 0)
		sum.blocks = sum.blocks + fn.total
		sum.blocks_ran = sum.blocks_ran + fn.ran
	end
	return sum
end

local function share(n, of)
	return ("%d of %d (%.1f%%)"):format(n, of, of > 0 and 100 * n / of or 0)
end

-- The summary as text, with a line for each function that ran; missed: for each that did not, or not whole.
function Coverage:report(missed)
	if not self.module then
		return ("%s was never loaded"):format(self.wanted)
	end
	local sum, lines = self:summary(), {}
	lines[1] = ("%s: functions: %s"):format(self.module.name, share(sum.functions_ran, sum.functions))
	if self.blocks then
		lines[1] = lines[1] .. ", blocks: " .. share(sum.blocks_ran, sum.blocks)
	end
	for _, fn in ipairs(self:list()) do
		local shown = fn.ran > 0
		if missed then
			shown = fn.ran < fn.total
		end
		if shown then
			local counts = self.blocks and ("%5d/%-5d "):format(fn.ran, fn.total) or ""
			lines[#lines + 1] = ("  0x%08x  %s%s"):format(fn.address - self.module.base, counts, fn.name)
		end
	end
	return table.concat(lines, "\n")
end

local function u16(n)
	return string.char(n % 256, math.floor(n / 256) % 256)
end

local function u32(n)
	return u16(n % 65536) .. u16(math.floor(n / 65536))
end

-- What ran, as a drcov file of version 2, which coverage plug-ins of disassemblers load (Lighthouse, Cartographer, …):
-- a table of modules, and for each block its offset in its module, its size and the module's number. Without blocks
-- each function that was entered counts whole.
function Coverage:drcov()
	local entries = {}
	for _, fn in ipairs(self.functions) do
		for _, point in ipairs(fn.points or {}) do
			local offset, size = tonumber(point.address - self.module.base), has_run(point) and point.size or 0
			while size > 0 do
				local piece = math.min(size, 0xffff)
				entries[#entries + 1] = u32(offset) .. u16(piece) .. u16(0)
				offset, size = offset + piece, size - piece
			end
		end
	end
	local head = { "DRCOV VERSION: 2", "DRCOV FLAVOR: ptracehook" }
	if self.module then
		head[#head + 1] = "Module Table: version 2, count 1"
		head[#head + 1] = "Columns: id, base, end, entry, path"
		head[#head + 1] = ("%3d, 0x%016x, 0x%016x, 0x%016x, %s"):format(0, self.module.base,
			self.module.base + self.module.size, 0, self.module.path)
	else
		head[#head + 1] = "Module Table: version 2, count 0"
		head[#head + 1] = "Columns: id, base, end, entry, path"
	end
	head[#head + 1] = ("BB Table: %d bbs\n"):format(#entries)
	return table.concat(head, "\n") .. table.concat(entries)
end

-- drcov() into a file.
function Coverage:write(path)
	local file, why = io.open(check.string("coverage: write", path), "wb")
	if not file then
		check.fail("coverage: %s", why)
	end
	local done, failed = file:write(self:drcov())
	local closed, late = file:close()
	if not done or not closed then
		check.fail("coverage: %s: %s", base_name(path), failed or late)
	end
end

return M
