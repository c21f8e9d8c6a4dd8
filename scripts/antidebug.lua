#!/usr/bin/env ptracehook
-- antidebug - runs a program that looks for debuggers, and has it find none.
--
-- Usage: ptracehook antidebug [OPTION]... -- PROGRAM [ARG...]
--        ptracehook -p PID antidebug [OPTION]...
--
--   --only LIST         these techniques and no others, joined by commas: ptrace, status, parent, environment, prctl,
--                       timing, checksums, descriptors
--   --not LIST          all but these (and descriptors, which closes 3 and above, unless --only names it)
--   --log               says on standard error what the program asked for, each thing once
--   --parent NAME       its parent is called that
--   --time SECONDS      it is that many seconds past 1970
--   --rate N            time passes N times as fast
--   --skip-sleep        sleeps are over at once, by its clocks as late as they should be
--   --random SEED       random bytes are the same in every run
--   --pid N             getpid gives N
--   --return PLACE=N    the function at PLACE returns N at once
--
-- Sample output (ptracehook antidebug --log -- sh -c 'grep TracerPid /proc/self/status; cat /proc/$PPID/comm'):
--
--   antidebug: environment: _
--   antidebug: timing: rdtsc
--   antidebug: parent: getppid gives 4121
--   antidebug: status: /proc/4125/status hides the tracer
--   TracerPid:	0
--   bash

local bypass = require "bypass"

local function fail(status, message)
	io.stderr:write("antidebug: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook antidebug [--only LIST] [--not LIST] [--log] [OPTION]... -- PROGRAM")
end

local techniques = { descriptors = true }
for _, name in ipairs(bypass.techniques()) do
	techniques[name] = true
end

local function list(text)
	local names = {}
	for name in text:gmatch "[^,]+" do
		if not techniques[name] then
			usage("there is no technique " .. name)
		end
		names[name] = true
	end
	if not next(names) then
		usage "no technique named"
	end
	return names
end

local function amount(text, option)
	local n = text:find "^[%d.]+$" and tonumber(text)
	return n or usage(("--%s: a number expected, got %s"):format(option, text))
end

local function whole(text, option)
	local digits = text:match "^%-?%d+$" or text:match "^%-?0x%x+$"
	local chunk = digits and loadstring("return " .. digits .. "ULL")
	return chunk and chunk() or usage(("--%s: a whole number expected, got %s"):format(option, text))
end

local function rule(text)
	local place, value = text:match "^([^=]+)=([^=]+)$"
	if not place then
		usage(("--return: PLACE=VALUE expected, got %s"):format(text))
	end
	return { place = place, value = whole(value, "return") }
end

local function text(value) return value end

local takes = {
	only = list, ["not"] = list, parent = text, time = amount, rate = amount, random = whole, pid = amount,
	["return"] = rule,
}
local flags = { log = true, ["skip-sleep"] = true }

local given, returns = {}, {}
local i = 1
while arg[i] do
	local name = arg[i]:match "^%-%-(.+)$"
	if not name or not takes[name] and not flags[name] then
		usage("there is no option " .. arg[i])
	elseif flags[name] then
		given[name] = true
	else
		i = i + 1
		local value = takes[name](arg[i] or usage("--" .. name .. ": nothing behind it"), name)
		if name == "return" then
			returns[#returns + 1] = value
		else
			given[name] = value
		end
	end
	i = i + 1
end

if not process then
	usage "no program named"
elseif given.only and given["not"] then
	usage "--only and --not exclude each other"
end

local told = {}
local log = given.log and function(words)
	if not told[words] then
		told[words] = true
		io.stderr:write("antidebug: ", words, "\n")
	end
end or nil

local function wanted(name)
	if given.only then
		return given.only[name] or false
	end
	return name ~= "descriptors" and not (given["not"] or {})[name]
end

local options = { log = log }
for name in pairs(techniques) do
	options[name] = wanted(name)
end
if options.parent and given.parent then
	options.parent = { name = given.parent }
end

local function start()
	bypass.all(options)
	if given.time or given.rate or given["skip-sleep"] then
		bypass.time { at = given.time, rate = given.rate, skip_sleep = given["skip-sleep"], log = log }
	end
	if given.random then
		bypass.random(given.random, { log = log })
	end
	if given.pid then
		bypass.pid(given.pid, { log = log })
	end
	for _, one in ipairs(returns) do
		bypass.returns(one.place, one.value, { log = log })
	end
end

local ok, why = pcall(start)
if not ok then
	fail(1, type(why) == "table" and why.message or tostring(why))
end
