-- history - what was typed, kept in $XDG_STATE_HOME/ptracehook/history.

local ffi = require "ffi"

ffi.cdef [[
int mkdir(const char *path, unsigned int mode);
]]

local M = {}

local MAX = 5000

local function folder()
	local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
	if state and state:find "^/" then
		return state .. "/ptracehook"
	end
	return home and home ~= "" and home .. "/.local/state/ptracehook" or nil
end

local function make_folders(path)
	for at in path:gmatch "()/" do
		if at > 1 then
			ffi.C.mkdir(path:sub(1, at - 1), 448) -- 0700
		end
	end
	ffi.C.mkdir(path, 448)
end

-- An empty file that nobody else reads, where there is none.
local function make_file(path)
	local file = io.open(path, "r") or io.open(path, "a")
	if file then
		file:close()
	end
end

-- repl.remember(text) from here on.
function M.open(repl)
	local prompt, path, is_told = repl.prompt, nil, false
	local function complain(why)
		if why and not is_told then
			is_told = true
			repl.report_error(("the history cannot be kept in %s: %s"):format(path, why))
		end
	end
	local in_folder = repl.is_terminal and folder()
	if in_folder then
		path = in_folder .. "/history"
		make_folders(in_folder)
		make_file(path)
		complain(select(2, prompt.history(path, MAX)))
	end
	local last
	function repl.remember(text)
		if text == last or not repl.is_terminal then
			return
		end
		last = text
		complain(select(2, prompt.remember(text, not is_told and path or nil)))
	end
end

return M
