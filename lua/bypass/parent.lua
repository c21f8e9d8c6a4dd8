-- parent - a target's parent is whoever started ptracehook; ptracehook itself is nowhere to be found.

require("jit").off(true, true) -- see trace/decode.lua

local api = require "ptracehook"
local check = require "ptracehook.check"
local files = require "bypass.files"
local kernel = require "bypass.kernel"

local M = { options = { name = true } }

local AT_FDCWD = -100
local DIRENT_NAME = 19 -- struct linux_dirent64: ino, off, reclen, type, name (getdents64(2))

-- The place of a call's path, and of the descriptor that a relative one begins at.
local PATH_CALLS = {
	open = { 1 }, creat = { 1 }, stat = { 1 }, lstat = { 1 }, access = { 1 }, readlink = { 1 },
	chdir = { 1 }, statfs = { 1 },
	openat = { 2, 1 }, openat2 = { 2, 1 }, newfstatat = { 2, 1 }, statx = { 2, 1 }, faccessat = { 2, 1 },
	faccessat2 = { 2, 1 }, readlinkat = { 2, 1 },
}
local PROCESS_CALLS = {
	"kill", "tkill", "tgkill", "pidfd_open", "sched_getaffinity", "getpgid", "getsid", "getpriority",
}

local function names_of(calls)
	local names = {}
	for name in pairs(calls) do
		names[#names + 1] = name
	end
	return names
end

-- A path without doubled slashes and dots; links in it stay what they are.
local function normal(path)
	local parts = {}
	for part in path:gmatch "[^/]+" do
		if part == ".." then
			parts[#parts] = nil
		elseif part ~= "." then
			parts[#parts + 1] = part
		end
	end
	return "/" .. table.concat(parts, "/")
end

local function absolute(sc, place)
	local path = sc:str(place[1])
	if not path or path == "" or path:sub(1, 1) == "/" then
		return path and normal(path)
	end
	local from = place[2] and api.i32(sc.args[place[2]]) or AT_FDCWD
	local base = kernel.readlink(("/proc/%d/%s"):format(sc.thread.tid, from == AT_FDCWD and "cwd" or "fd/" .. from))
	return base and normal(base .. "/" .. path)
end

local function deny(part, ours)
	part:on("syscall", names_of(PATH_CALLS), { enter = function(sc)
		local path = absolute(sc, PATH_CALLS[sc.name])
		local id, rest = (path or ""):match "^/proc/(%d+)(.*)$"
		if id and tonumber(id) == ours and (rest == "" or rest:sub(1, 1) == "/") then
			part:note("%s of %s: there is no such process", sc.name, path)
			sc:skip(-api.E.ENOENT)
		end
	end })
	part:on("syscall", PROCESS_CALLS, { enter = function(sc)
		local place = sc.name == "getpriority" and 2 or 1
		if api.i32(sc.args[place]) == ours then
			part:note("%s: there is no such process", sc.name)
			sc:skip(-api.E.ESRCH)
		end
	end })
end

-- The records of a folder without the one of this name.
local function without(bytes, name)
	local kept, at = {}, 1
	while at + DIRENT_NAME <= #bytes do
		local low, high = bytes:byte(at + 16, at + 17)
		local size = low + high * 256
		if size == 0 then
			break
		end
		local entry = bytes:sub(at + DIRENT_NAME, at + size - 1):match "^%Z*"
		if entry ~= name then
			kept[#kept + 1] = bytes:sub(at, at + size - 1)
		end
		at = at + size
	end
	return table.concat(kept)
end

local function unlist(part, ours)
	local function leave(sc)
		local size = tonumber(sc.ret)
		if size <= 0 or kernel.path_of(sc.thread.tid, api.i32(sc.args[1])) ~= "/proc" then
			return
		end
		local bytes = sc:buf(2, size)
		local kept = bytes and without(bytes, tostring(ours))
		-- Nothing at all would be the end: an entry that is in every folder stands there instead.
		if kept == "" then
			kept = bytes:sub(1, DIRENT_NAME - 1) .. "." .. ("\0"):rep(#bytes - DIRENT_NAME)
		end
		if kept and kept ~= bytes then
			part:note "the list of processes"
			sc.thread.mem.write(sc.args[2], kept)
			sc.ret = #kept
		end
	end
	part:on("syscall", "getdents64", { leave = function(sc) pcall(leave, sc) end })
end

-- Who the parent is, where a file of /proc or getppid names us.
local function rename(part, ours)
	part:on("syscall", "getppid", { leave = function(sc)
		if sc.ret == ours then
			part:note("getppid gives %d", kernel.parent())
			sc.ret = kernel.parent()
		end
	end })
	for _, where in ipairs { "^/proc/%d+/", "^/proc/%d+/task/%d+/" } do
		files.rewrite(part, where .. "status$", { change = function(text)
			return (text:gsub("(\nPPid:%s*)(%d+)", function(head, id)
				return tonumber(id) == ours and head .. kernel.parent() or nil
			end))
		end })
		files.rewrite(part, where .. "stat$", { change = function(text)
			return (text:gsub("^(.*%) %a )(%d+)", function(head, id)
				return tonumber(id) == ours and head .. kernel.parent() or nil
			end))
		end })
	end
end

-- Its parent has this name.
local function disguise(part, name)
	local function is_parent(path)
		return tonumber(path:match "^/proc/(%d+)/") == kernel.parent()
	end
	local function rewrite(file, change)
		files.rewrite(part, "^/proc/%d+/" .. file .. "$", { change = function(text, _, path)
			return is_parent(path) and change(text) or nil
		end })
	end
	local word = name:gsub("%%", "%%%%")
	rewrite("comm", function() return name .. "\n" end)
	rewrite("cmdline", function() return name .. "\0" end)
	rewrite("status", function(text) return (text:gsub("^Name:%s*[^\n]*", "Name:\t" .. word)) end)
	rewrite("stat", function(text) return (text:gsub("^(%d+ )%(.*%)", "%1(" .. word .. ")")) end)
	part:on("syscall", { "readlink", "readlinkat" }, { leave = function(sc)
		local path = absolute(sc, PATH_CALLS[sc.name]) or ""
		local at = sc.name == "readlink" and 2 or 3
		if sc.ret < 0 or not path:find "^/proc/%d+/exe$" or not is_parent(path) then
			return
		end
		local bytes = ("/usr/bin/" .. name):sub(1, tonumber(sc.args[at + 1]))
		pcall(sc.thread.mem.write, sc.args[at], bytes)
		sc.ret = #bytes
	end })
end

function M.setup(part, options)
	local ours = kernel.pid
	if options.name ~= nil then
		local name = check.string("bypass.parent: name", options.name)
		if name == "" or #name > 15 or name:find "[/\n]" then
			check.fail "bypass.parent: name: a program's name of 1 to 15 characters expected"
		end
		disguise(part, name)
	end
	deny(part, ours)
	unlist(part, ours)
	rename(part, ours)
end

return M
