-- help - the reference at the prompt: what lua/meta says of a name, with its examples.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local show = core.load "repl.show"

local M = {}

local files = {
	"session", "tube", "snapshot",
	"breakpoint", "action", "function", "event", "watch", "wait", "regs", "mem", "call", "patch", "number",
	"module", "source", "disasm", "thread", "repl", "error", "trace", "coverage", "oracle", "bypass", "standard",
}

local entries, order -- by name; and names in the order of the files

local function add(name, signature, comment)
	if not entries[name] then
		order[#order + 1] = name
	end
	entries[name] = { signature = signature, comment = comment }
end

local function read(text)
	local comment = {}
	for line in (text .. "\n"):gmatch "([^\n]*)\n" do
		if line:find "^%-%-%-" then
			comment[#comment + 1] = line
		else
			local name, parameters = line:match "^function ([%w_.:]+)(%b())"
			if name then
				add(name, name .. parameters, comment)
			elseif line:find "^[%w_.]+ = " then
				add(line:match "^[%w_.]+", line:match "^[%w_.]+", comment)
			end
			for _, words in ipairs(comment) do
				local class = words:match "^%-%-%-@class ([%w_]+)" or words:match "^%-%-%-@alias ([%w_]+)"
				if class then
					add(class, class, comment)
				end
			end
			comment = {}
		end
	end
end

local function load_all()
	if entries then
		return
	end
	entries, order = {}, {}
	for _, name in ipairs(files) do
		local ok, text = pcall(core.load, "meta." .. name)
		if ok then
			read(text)
		end
	end
end

-- Parameters and fields of a comment, in words.
local function annotation(line)
	local kind, rest = line:match "^%-%-%-@(%a+)%s*(.*)$"
	if kind == "param" then
		return "  " .. rest
	elseif kind == "return" then
		return "  -> " .. rest
	elseif kind == "field" then
		return "  ." .. rest:gsub('^%["([%w_]+)"%]', "%1")
	end
end

local function print_entry(name)
	local entry = entries[name]
	local notes = {}
	show.print(show.paint("name", entry.signature))
	for _, line in ipairs(entry.comment) do
		local note = annotation(line)
		if note then
			notes[#notes + 1] = note
		elseif not line:find "^%-%-%-@" and not line:find "^%-%-%- ?```" then
			show.print("  " .. line:gsub("^%-%-%- ?", ""))
		end
	end
	if #notes > 0 then
		show.print(table.concat(notes, "\n"))
	end
end

local function list(heading, names)
	if #names == 0 then
		return
	end
	table.sort(names)
	local lines, line = {}, "  " .. heading .. ":"
	for _, name in ipairs(names) do
		if #line + #name + 2 > 100 then
			lines[#lines + 1] = line
			line = "   "
		end
		line = line .. " " .. name
	end
	lines[#lines + 1] = line
	show.print(table.concat(lines, "\n"))
end

local function overview()
	local verbs, members, classes = {}, {}, {}
	for _, name in ipairs(order) do
		if name:find "^[%l_][%w_]*$" then
			verbs[#verbs + 1] = name
		elseif name:find "^%l" then
			members[#members + 1] = name
		elseif not name:find ":" and entries[name].signature:find "^%u%l" then
			classes[#classes + 1] = name
		end
	end
	show.print [[
What is typed is Lua; values are shown. help(name) or help "Class" says more: help(mem.find), help "Breakpoint".
At the prompt: c cont  s step  n step_over  fin finish  b PLACE  bt  ctx  dis  p EXPR  q quit; Enter repeats a step.
Ctrl-C pauses a running target, Ctrl-D leaves, Tab completes, Ctrl-R searches what was typed before.]]
	list("functions and values", verbs)
	list("in tables", members)
	list("classes", classes)
end

-- The name that a value of ours has in the reference.
local function name_of(value)
	for _, name in ipairs(order) do
		local at = name:find ":" == nil and _G or nil
		for part in name:gmatch "[^.]+" do
			at = type(at) == "table" and at[part] or nil
		end
		if at == value and at ~= nil then
			return name
		end
	end
	local meta = debug.getmetatable(value)
	local class = type(meta) == "table" and meta.__metatable
	return type(class) == "string" and entries[class] and class or nil
end

local function members_of(class)
	local names = {}
	for _, name in ipairs(order) do
		if name:find("^" .. class .. "[:.]") then
			names[#names + 1] = name
		end
	end
	return names
end

function M.help(what)
	load_all()
	if what == nil then
		return overview()
	end
	local name = type(what) == "string" and what or name_of(what)
	if not name then
		check.fail("help: nothing is known of this %s; help() lists what there is", type(what))
	elseif not entries[name] and entries["Session:" .. name] then
		name = "Session:" .. name
	elseif not entries[name] then
		local near = check.nearest(name, entries)
		local members = members_of(name)
		if #members > 0 then
			return list(name, members)
		end
		check.fail("help: there is no '%s'%s", name,
			near and "; did you mean '" .. near .. "'?" or "; help() lists what there is")
	end
	print_entry(name)
	list("with it", members_of(name))
end

function M.names()
	load_all()
	return order
end

-- For an error that names an unknown variable: what may have been meant, or nil.
function M.nearest_global(name)
	load_all()
	local known = {}
	for key in pairs(_G) do
		if type(key) == "string" then
			known[key] = true
		end
	end
	for _, key in ipairs(order) do
		known[key:match "^[%w_]+"] = true
	end
	known[name] = nil
	return check.nearest(name, known)
end

return M
