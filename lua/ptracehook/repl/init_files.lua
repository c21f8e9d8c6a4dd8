-- init_files - .ptracehook.lua here, and $XDG_CONFIG_HOME/ptracehook/init.lua.
--
-- Never from a folder that others may write to, without asking: what is in them is run.

local M = {}

local function config_file()
	local config, home = os.getenv "XDG_CONFIG_HOME", os.getenv "HOME"
	if config and config:find "^/" then
		return config .. "/ptracehook/init.lua"
	end
	return home and home ~= "" and home .. "/.config/ptracehook/init.lua" or nil
end

local function may_run(repl, path)
	local why = repl.prompt.unsafe(path)
	if not why then
		return true
	elseif not repl.is_terminal then
		repl.report_error(("%s is not read: %s"):format(path, why))
		return false
	end
	return require("ptracehook.core").load("repl.verbs").yes(("%s: %s; run it?"):format(path, why))
end

local function run(repl, path)
	local file = path and io.open(path, "r")
	if not file then
		return
	end
	file:close()
	if not may_run(repl, path) then
		return
	end
	local fn, why = loadfile(path)
	local ok = fn ~= nil
	if fn then
		ok, why = pcall(fn)
	end
	if not ok then
		repl.report_error(("%s, which is read at the start: %s"):format(path, tostring(why)))
	end
end

function M.run(repl)
	run(repl, config_file())
	run(repl, ".ptracehook.lua")
end

return M
