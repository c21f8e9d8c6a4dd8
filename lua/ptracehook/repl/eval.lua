-- eval - a line of the prompt's: Lua, or one of the words that stand for it.

local core = require "ptracehook.core"

local M = { frame = nil }

local ours = require "ptracehook"

local NAME = "=stdin"

-- What was typed sees the locals of the hook that the prompt stands in, and else the globals.
local environment = setmetatable({}, {
	__index = function(_, name)
		if M.frame then
			if name == "lua_locals" then
				return M.frame.all()
			end
			local found, value = M.frame.get(name)
			if found then
				return value
			end
		elseif name == "lua_locals" then
			return {}
		end
		return _G[name]
	end,
	__newindex = function(_, name, value)
		if not (M.frame and M.frame.set(name, value)) then
			_G[name] = value
		end
	end,
})
M.environment = environment

-- Whether a word is taken by a variable, so that it means that.
function M.is_variable(name)
	if M.frame and M.frame.get(name) then
		return true
	end
	local value = _G[name]
	return value ~= nil and value ~= ours[name] -- our own verbs are what words stand for
end

local function finish(fn)
	if M.frame then
		setfenv(fn, environment)
	end
	return fn
end

-- The chunk, and how many of the values it gives come first and are not meant; or nil, why, and whether more lines
-- could make it one. line: the number of the text's first.
function M.compile(text, line)
	local above = ("\n"):rep((line or 1) - 1)
	local fn, not_expression = loadstring(above .. "return nil, " .. text, NAME) -- no tail call: errors have their place
	if fn then
		return finish(fn), 1
	end
	local why
	fn, why = loadstring(above .. text, NAME)
	if fn then
		return finish(fn), 0
	end
	return nil, why, why:find "'<eof>'$" ~= nil or not_expression:find "'<eof>'$" ~= nil
end

-- `p EXPR` and the like: what it stands for in Lua. words: {name = function(rest) -> chunk's text or nil}.
function M.word(text, words)
	local name, rest = text:match "^%s*([%a_?][%w_]*)%s*(.-)%s*$"
	local stands_for = name and words[name]
	if not stands_for or M.is_variable(name) or rest:find "^[=.:%[,]" and not rest:find "^==" then
		return nil
	elseif rest:find "^%(" and name ~= "p" then
		return nil
	end
	return stands_for(rest)
end

local function is_nobodys(line)
	return line:find "%[C%]" or line:find "^%s*%[builtin" or line == "stack traceback:" or line == ""
end

-- A traceback without the prompt's own functions.
function M.traceback(message)
	local text = type(message) == "string" and message
		or type(message) == "table" and debug.getmetatable(message) and debug.getmetatable(message).__tostring
		and tostring(message) or ("(error object is a %s value)"):format(type(message))
	local lines = {}
	for line in (debug.traceback("", 2) .. "\n"):gmatch "([^\n]*)\n" do
		if line:find "repl[%w_/]*%.lua" or line:find "%[C%]: in function 'xpcall'" then
			break
		end
		lines[#lines + 1] = line
	end
	while #lines > 0 and is_nobodys(lines[#lines]) do
		lines[#lines] = nil
	end
	return { text = text, trace = table.concat(lines, "\n"):gsub("^\n", ""), value = message }
end

-- true and the results as {n = …}; or false and {text, trace}.
local function pack(skipped, ok, ...)
	if not ok then
		return false, (...)
	end
	return true, { n = math.max(0, select("#", ...) - skipped), select(skipped + 1, ...) }
end

function M.run(fn, skipped)
	return pack(skipped, xpcall(fn, M.traceback))
end

-- ---- Where STOP was said

-- A hook that returns STOP names it first: then its locals are still there to be copied.
M.copied, M.copied_tid = nil, nil

function M.note_stop(copy)
	M.copied, M.copied_tid = copy, core.tid()
end

return M
