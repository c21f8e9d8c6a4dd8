#!/usr/bin/env ptracehook
-- redirect - opens of one path become opens of another.
--
-- Usage: ptracehook redirect [-a] [-v] PATH=OTHER... -- PROGRAM [ARG...]
--        ptracehook -p PID redirect [-a] [-v] PATH=OTHER...
--
--   PATH=OTHER  who opens PATH gets OTHER. Paths are as the program says them, or absolute; PATH of a folder, with a
--               slash at its end, means all that is in it
--   -a          every call that takes a path, not opens alone: stat, access, readlink, unlink, execve, ...
--   -v          say on standard error what was redirected
--
-- Sample output (ptracehook redirect -v /etc/passwd=/proc/sys/kernel/ostype -- cat /etc/passwd):
--
--   redirect: openat /etc/passwd -> /proc/sys/kernel/ostype
--   Linux

local calls = require "trace.calls"
local procfs = require "trace.procfs"

local function fail(status, message)
	io.stderr:write("redirect: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook redirect [-a] [-v] PATH=OTHER... -- PROGRAM")
end

local settings = { rules = {} }

local function parse(words)
	for _, word in ipairs(words) do
		local from, to = word:match "^([^=]+)=(.+)$"
		if word == "-a" or word == "-v" then
			settings[word:sub(2)] = true
		elseif word:find "^%-" then
			usage("there is no option " .. word)
		elseif not from then
			usage(word .. ": PATH=OTHER expected")
		else
			table.insert(settings.rules, { from = from, to = to, folder = from:sub(-1) == "/" })
		end
	end
	if not settings.rules[1] then
		usage "no path named"
	elseif not process then
		usage "no program named"
	end
end

parse(arg)

-- The calls with a path, and which arguments these are: what lua/trace/calls.lua calls path, behind a dirfd or not.
local OPENS = { open = true, openat = true, openat2 = true, creat = true }
local paths = {}
for name, kinds in pairs(calls) do
	local i, before = 0, nil
	for kind in kinds:gsub("%->.*", ""):gmatch "%S+" do
		i = i + 1
		if kind == "path" and SYS[name] and (OPENS[name] or settings.a) then
			paths[name] = paths[name] or {}
			table.insert(paths[name], { at = i, dirfd = before == "dirfd" and i - 1 or nil })
		end
		before = kind
	end
end

local AT_FDCWD = -100

-- The link of /proc to where a relative path starts.
local function folder_of(sc, place)
	local fd = place.dirfd and i32(sc.args[place.dirfd] % 2 ^ 32) or AT_FDCWD
	local pid = sc.thread.process.pid
	return fd == AT_FDCWD and ("/proc/%d/cwd"):format(pid) or ("/proc/%d/fd/%d"):format(pid, fd)
end

local function absolute(sc, place, path)
	if path:sub(1, 1) == "/" then
		return path
	end
	local folder = procfs.readlink(folder_of(sc, place))
	return folder and folder .. "/" .. path:gsub("^%./+", "") or path
end

local function other(rule, path)
	if rule.folder and path:sub(1, #rule.from) == rule.from then
		return rule.to .. path:sub(#rule.from + 1)
	end
	return path == rule.from and rule.to or nil
end

local function redirected(sc, place, path)
	for _, rule in ipairs(settings.rules) do
		local to = other(rule, path) or other(rule, absolute(sc, place, path))
		if to then
			return to
		end
	end
end

local names = {}
for name in pairs(paths) do
	names[#names + 1] = name
end

on("syscall", names, function(sc)
	if sc.arch == "i386" then
		return -- by int 0x80, whose pointers are too short for the place where a string is put
	end
	for _, place in ipairs(paths[sc.name]) do
		local path = sc:str(place.at)
		local to = path and redirected(sc, place, path)
		if to then
			sc:set_str(place.at, to)
			if settings.v then
				io.stderr:write(("redirect: %s %s -> %s\n"):format(sc.name, path, to))
			end
		end
	end
end)
