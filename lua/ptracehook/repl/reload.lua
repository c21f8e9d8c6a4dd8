-- reload - scripts whose hooks are swapped for those of their new version, while the target runs.
--
-- The new version runs first, beside the old hooks; when it came to its end, those go, and when it failed, its own do.
-- What is to outlive it a script keeps in `state`.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local track = core.load "repl.track"

local M = {}

local scripts = {} -- path: {arguments}
local texts = {} -- path: what was in it when it was run last
local last

local function remember(path, arguments)
	scripts[path] = arguments
	last = path
end

local function text_of(path)
	local file = io.open(path, "rb")
	local text = file and file:read "*a"
	if file then
		file:close()
	end
	return text
end

-- The chunk's hooks in the old ones' place; or an error, and everything as it was.
local function swap(path)
	texts[path] = text_of(path)
	local fn, why = loadfile(path)
	if not fn then
		check.fail("%s", why)
	end
	local old, before = track.of_owner(path), track.count()
	local ok, failure = pcall(fn, unpack(scripts[path]))
	if not ok then
		track.remove(track.since(before))
		error(failure, 0)
	end
	track.remove(old)
	return #track.of_owner(path)
end

-- ---- Files that change

local folders = {} -- number of a watched folder: its name, with a "/"

local function on_written(number, name)
	local folder = folders[number]
	local path = folder and (scripts[folder .. name] and folder .. name or folder == "./" and scripts[name] and name)
	if not path or text_of(path) == texts[path] then
		return
	end
	local ok, n = pcall(swap, path)
	local words = ok and ("%s is reloaded: %d hooks"):format(path, n)
		or ("%s is not reloaded, what it was before stays: %s"):format(path, tostring(n))
	if ok and core.load("repl").is_there() then
		core.load("repl.show").print(words)
	elseif not ok or not core.verbosity() then
		io.stdout:flush()
		io.stderr:write("ptracehook: ", words, "\n")
		io.stderr:flush()
	end
end

local function watch(path)
	local folder = path:match "^(.*/)[^/]*$" or "./"
	folders[core.watch_folder(folder, on_written)] = folder
end

-- ---- For the prompt and scripts

function M.load(path, ...)
	check.string("load_script: file", path)
	track.start()
	remember(path, { ... })
	swap(path)
	if M.watches then
		watch(path)
	end
end

function M.reload(path)
	if path == nil then
		path = last or check.fail "reload: no script was loaded: load_script(file) loads one"
	end
	check.string("reload: file", path)
	if not scripts[path] then
		check.fail("reload: '%s' was not loaded: load_script does that", path)
	end
	swap(path)
end

-- The command line's script, which runs by itself.
function M.prepare(options, arguments)
	M.watches = options.watch
	if options.path then
		remember(options.path, arguments)
		texts[options.path] = text_of(options.path)
		if options.watch then
			watch(options.path)
		end
	end
end

return M
