-- lua/meta annotates every public name, names nothing that is not there, and its examples run.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local core = require "ptracehook.core"
local ptracehook = require "ptracehook"
require "ptracehook.syscall" -- for its class to be there
require "ptracehook.snapshot" -- likewise

-- Every declaration of the meta files, by what it declares: "bp", "mem.read", "Breakpoint:remove", "class Thread",
-- "alias Where". Each has the text of its comment, its examples, its fields when it is a class, and where it stands.
local declared = {}

local function declare(name, comment, place, fields)
	assert(not declared[name], name .. " is declared twice: " .. place)
	local text, examples = {}, {}
	local example
	for _, line in ipairs(comment) do
		local words = line:match "^%-%-%- ?(.*)$"
		if line:find "^%-%-%-@" then
			words = nil
		end
		if words and words:find "^```lua" then
			example = {}
		elseif words and words:find "^```" then
			examples[#examples + 1] = table.concat(example, "\n")
			example = nil
		elseif example then
			example[#example + 1] = words
		elseif words and words ~= "" then
			text[#text + 1] = words
		end
	end
	declared[name] = {
		text = table.concat(text, "\n"), examples = examples, place = place, fields = fields or {},
	}
end

-- What the line behind a comment declares, or the comment itself, when it is a class or an alias.
local function read_block(comment, line, place)
	local fields, class, alias = {}, nil, nil
	for _, words in ipairs(comment) do
		class = class or words:match "^%-%-%-@class ([%w_]+)"
		alias = alias or words:match "^%-%-%-@alias ([%w_]+)"
		local field = words:match '^%-%-%-@field %["([%w_]+)"%]' or words:match "^%-%-%-@field ([%w_]+)"
		if field then
			fields[field] = words
		end
	end
	if class then
		declare("class " .. class, comment, place, fields)
	elseif alias then
		declare("alias " .. alias, comment, place)
	end
	local name = line:match "^function ([%w_.:]+)%(" or line:match "^([%w_.]+) = "
	if name then
		declare(name, comment, place)
	end
end

local function read_file(path)
	local comment, number = {}, 0
	for line in (support.read(path) .. "\n"):gmatch "([^\n]*)\n" do
		number = number + 1
		if line:find "^%-%-%-" and line ~= "---@meta" then
			comment[#comment + 1] = line
		else
			read_block(comment, line, ("%s:%d"):format(path, number))
			comment = {}
		end
	end
end

local list = io.popen(("ls '%slua/meta'"):format(root))
for name in list:lines() do
	read_file(root .. "lua/meta/" .. name)
	assert(core.load("meta." .. name:match "^(.*)%.lua$"), name .. " is not in lua/meson.build, for help()")
end
list:close()

local function upvalue(fn, wanted)
	for i = 1, 60 do
		local name, value = debug.getupvalue(fn, i)
		if name == wanted then
			return value
		end
	end
end

-- Every public name of the module, as it would be declared.
local function public_names()
	-- SIG and E are made when they are first asked for, what mem has and sessions can when that is first used.
	local names = { "thread", "process", "this", "original", "SIG", "E", "SYS", "print", "os.exit", "regs:all" }
	for _, name in ipairs {
		"repl", "cont", "pause", "ctx", "dis", "restart", "quit", "save", "load_script", "reload", "help", "state",
	} do
		assert(ptracehook[name], name)
		names[#names + 1] = ptracehook[name] ~= rawget(ptracehook, name) and name or nil
	end
	assert(ptracehook.SIG and ptracehook.E and ptracehook.SYS and ptracehook.mem.read and not ptracehook.process)
	for name in pairs(ptracehook) do
		names[#names + 1] = name
	end
	for name, value in pairs(ptracehook.mem) do
		if type(value) == "function" then
			names[#names + 1] = "mem." .. name
		end
	end
	for class, entry in pairs(core.classes) do
		for name in pairs(entry.methods) do
			names[#names + 1] = class .. ":" .. name
		end
	end
	for name in pairs(core.load("tube").methods) do
		names[#names + 1] = "Tube:" .. name
	end
	-- Our libraries, and what they give.
	for library, class in pairs { coverage = "Coverage", oracle = "OracleResult", trace = "Trace" } do
		for name, fn in pairs(require(library)) do
			names[#names + 1] = library .. "." .. name
			for method, value in pairs(type(fn) == "function" and upvalue(fn, class) or {}) do
				names[#names + 1] = type(value) == "function" and class .. ":" .. method or nil
			end
		end
	end
	for name in pairs(require "bypass") do
		names[#names + 1] = "bypass." .. name
	end
	names[#names + 1] = "Bypass:remove" -- the rest are the library's own
	table.sort(names)
	return names
end

local function missing(fields, wanted)
	local absent = {}
	for _, name in ipairs(wanted) do
		if not fields[name] then
			absent[#absent + 1] = name
		end
	end
	table.sort(absent)
	return absent
end

local function keys(t)
	local names = {}
	for name in pairs(t) do
		names[#names + 1] = name
	end
	return names
end

-- The options that a function knows, from what it says to one that it does not.
local function options_of(call)
	local ok, message = pcall(call, { zzzzzzzz = true })
	assert(not ok, "an option that does not exist was taken")
	local names = {}
	for name in tostring(message):match "there are (.*)$":gmatch "[%w_]+" do
		names[#names + 1] = name
	end
	return names
end

describe("the annotations", function()
	after_each(support.close)

	for _, name in ipairs(public_names()) do
		it("have " .. name, function()
			assert.truthy(declared[name], "nothing in lua/meta declares " .. name)
		end)
	end

	it("have words and an example for everything", function()
		for name, entry in pairs(declared) do
			assert.truthy(#entry.text > 0, ("%s (%s) has no words"):format(name, entry.place))
			assert.truthy(#entry.examples > 0, ("%s (%s) has no example"):format(name, entry.place))
		end
	end)

	it("have the fields of every class", function()
		for class, entry in pairs(core.classes) do
			assert.same({}, missing(declared["class " .. class].fields, keys(entry.getters)), class)
		end
	end)

	it("have no field or name that is not there", function()
		local public = {}
		for _, name in ipairs(public_names()) do
			public[name] = true
		end
		for name, entry in pairs(declared) do
			local class = name:match "^class (.*)$"
			if core.classes[class] then
				for field in pairs(entry.fields) do
					assert.truthy(core.classes[class].getters[field], ("%s.%s (%s)"):format(class, field, entry.place))
				end
			elseif not class and not name:find "^alias " then
				assert.truthy(public[name], ("%s (%s)"):format(name, entry.place))
			end
		end
	end)

	it("have every register, and only those", function()
		support.spawn { "calc_pie" }
		local fields = declared["class Registers"].fields
		local names = { "arg", "ret", "mxcsr" }
		for _, kind in ipairs { core.registers(), core.flags() } do
			for name in pairs(kind) do
				names[#names + 1] = name
			end
		end
		for stem, last in pairs { xmm = 31, ymm = 31, zmm = 31, k = 7, st = 7, dr = 7 } do
			for n = 0, last do
				names[#names + 1] = stem .. n
			end
		end
		assert.same({}, missing(fields, names))
		local known = {}
		for _, name in ipairs(names) do
			known[name] = true
		end
		assert.same({}, missing(known, keys(fields)))
		for name in pairs(fields) do
			local ok, message = pcall(function() return regs[name] end)
			assert.truthy(ok or message:find "this CPU has no register", name)
		end
	end)

	it("have every view of memory", function()
		local views = {}
		for name, value in pairs(ptracehook.mem) do
			if type(value) == "table" then
				views[#views + 1] = name
			end
		end
		assert.same({}, missing(declared["class Memory"].fields, views))
		assert.equal(#views, #keys(declared["class Memory"].fields))
	end)

	it("have every option, and only those", function()
		support.spawn { "calc_pie" }
		for class, call in pairs {
			BpOptions = function(options) bp("calc", CONTINUE, options) end,
			SpawnOptions = function(options) spawn(options) end,
			AttachOptions = function(options) attach(1, options) end,
			RunOptions = function(options) run(options) end,
			DetachOptions = function(options) detach(options) end,
			Policy = function(options) policy(options) end,
			FindOptions = function(options) mem.find("x", nil, options) end,
			InsnsOptions = function(options) insns("calc", 1, options) end,
			DisasmOptions = function(options) disasm("calc", 1, options) end,
			PatchOptions = function(options) patch("calc", "x", options) end,
			CallOptions = function(options) call("calc", options) end,
			AllocOptions = function(options) mem.alloc(1, "rw", options) end,
			TraceOptions = function(options) require("trace").start(options) end,
		} do
			local fields, options = declared["class " .. class].fields, options_of(call)
			assert.same({}, missing(fields, options), class)
			assert.equal(#options, #keys(fields), class)
		end
		local ok, message = pcall(spawn, { "true", limits = { zzzzzzzz = 1 } })
		assert.is_false(ok)
		for name in pairs(declared["class Limits"].fields) do
			assert.truthy(message:find(name, 1, true), name)
		end
	end)

	it("have every action, and every event", function()
		for name in pairs(core.actions) do
			assert.truthy(declared[name], name)
		end
		support.spawn { "calc_pie" }
		local ok, message = pcall(on, "zzzzzzzz", CONTINUE)
		assert.is_false(ok)
		local n = 0
		for event in message:match "the events are (.*)$":gsub(" and ", ", "):gmatch "[%w_]+" do
			assert.truthy(declared.on.text:find(('`"%s"`'):format(event), 1, true), event)
			n = n + 1
		end
		assert.equal(10, n)
	end)

	it("have the fields of reasons, signals, errors, mappings and stats", function()
		local s = support.spawn { "signals", "fault", "1" }
		local seen
		s:on("signal", function(_, sig)
			seen = sig
			return STOP
		end)
		local stop = s:run()
		local _, err = mem.try_read(8, 8)
		local rows = {
			{ "Signal", seen }, { "Reason", stop }, { "Error", err }, { "Mapping", mem.maps()[1] }, { "Stats", s:stats() },
			{ "Insn", insns("main", 1)[1] },
			{ "Module", modules()[1] }, { "Symbol", find_syms("main")[1] },
			{ "Reason", s:run() }, { "Reason", spawn({ "sh", "-c", "kill $$" }):run() },
		}
		for _, row in ipairs(rows) do
			assert.same({}, missing(declared["class " .. row[1]].fields, keys(row[2])), row[1])
		end
	end)
end)

describe("the example of", function()
	after_each(support.close)

	local names = keys(declared)
	table.sort(names)
	for _, name in ipairs(names) do
		for i, example in ipairs(declared[name].examples) do
			it(("%s runs (%d)"):format(name, i), function()
				local chunk = assert(loadstring(example, "=" .. declared[name].place))
				local environment = setmetatable({ print = function(...) return select("#", ...) end }, { __index = _G })
				setfenv(chunk, environment)
				local s = support.spawn { "calc_pie" }
				chunk()
				if not s.ended then
					s:run()
				end
			end)
		end
	end
end)
