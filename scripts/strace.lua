#!/usr/bin/env ptracehook
-- strace - prints the system calls and signals of a program, with strace(1)'s options and in its words.
--
-- Usage: ptracehook strace [OPTION...] -- PROGRAM [ARG...]
--        ptracehook strace [OPTION...] -p PID
--
--   -f             follow children as well; threads always are followed
--   -e trace=SET   only these calls, joined by commas: names, %file, %desc, %net, %process, %signal, %memory, %ipc,
--                  %clock, %creds, %stat, ...; with ! in front all but them
--   -e signal=SET  only these signals; none
--   -e inject=SET:error=ENOENT:retval=N:signal=SIG:delay_enter=US:delay_exit=US:when=FIRST..LAST
--                  tamper with these calls, from the FIRST of a thread on; -e fault=SET alone is error=ENOSYS
--   -y             paths of descriptors: 3</etc/passwd>
--   -k             the stack below each call
--   -s N           show N bytes of strings (default 32)
--   -t -tt -ttt -r time of day, with microseconds, in seconds since 1970, since the line before
--   -T             how long each call took
--   -c  -C         count: only, or beside the lines
--   -a N           the column where results stand (default 40)
--   -o FILE        lines go to FILE, not to standard error
--   -q             nothing about the ends of processes with -qq
--   -p PID         attach
--
-- Sample output (ptracehook strace -e trace=openat,read,close -- cat /proc/sys/kernel/ostype, its last lines):
--
--   openat(AT_FDCWD, "/proc/sys/kernel/ostype", O_RDONLY) = 3
--   read(3, "Linux\n", 131072)              = 6
--   Linux
--   read(3, "", 131072)                     = 0
--   close(3)                                = 0
--   close(1)                                = 0
--   close(2)                                = 0
--   +++ exited with 0 +++

local inject = require "trace.inject"
local trace = require "trace"

local function fail(status, message)
	io.stderr:write("strace: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook strace [-f] [-e trace=SET] [OPTION...] -- PROGRAM, or -p PID")
end

-- ---- Options

local settings = { options = {}, rules = {}, quiet = 0, times = 0 }
local options = settings.options

local function whole(name, value)
	return tonumber(value:match "^%d+$") or usage(("%s: a whole number expected, got '%s'"):format(name, value))
end

local qualifiers = {}

local function expanded(spec)
	local names, why = trace.try_calls(spec)
	return names or usage(why)
end

function qualifiers.trace(value)
	options.calls = expanded(value)
end

local function signal_name(word)
	local name = SIG[word] and word or SIG["SIG" .. word] and "SIG" .. word or SIG[tonumber(word)]
	return name or usage("there is no signal " .. word)
end

function qualifiers.signal(value)
	local inverted, list = value:match "^(!?)(.*)$"
	local set = {}
	if list == "all" then
		set = setmetatable({}, { __index = function() return inverted == "" end })
	elseif list ~= "none" then
		for word in list:gmatch "[^,]+" do
			set[signal_name(word)] = true
		end
		if inverted == "!" then
			local others = set
			set = setmetatable({}, { __index = function(_, name) return not others[name] end })
		end
	end
	options.signals = list ~= "none" and set or false
end

local function add_rule(value, fault)
	local rule, why = inject.parse(value, fault)
	if not rule then
		usage(why)
	end
	rule.calls = expanded(rule.spec)
	table.insert(settings.rules, rule)
end

function qualifiers.inject(value) add_rule(value, false) end
function qualifiers.fault(value) add_rule(value, true) end
qualifiers.t, qualifiers.s = qualifiers.trace, qualifiers.signal

local function qualify(text)
	local name, value = text:match "^(%a+)=(.*)$"
	if not name then
		name, value = "trace", text
	end
	if not qualifiers[name] then
		usage(("-e %s=: there are trace, signal, inject and fault"):format(name))
	end
	qualifiers[name](value)
end

local flags = {
	f = function() settings.follow = true end,
	y = function() options.paths = true end,
	k = function() options.stack = true end,
	T = function() options.spent = true end,
	t = function() settings.times = settings.times + 1 end,
	r = function() options.time = "relative" end,
	c = function() options.summary = "only" end,
	C = function() options.summary = true end,
	q = function() settings.quiet = settings.quiet + 1 end,
}

local with_value = {
	e = qualify,
	s = function(value) options.strings = whole("-s", value) end,
	a = function(value) options.columns = whole("-a", value) end,
	o = function(value) settings.file = value end,
	p = function(value) settings.pid = whole("-p", value) end,
}

local function parse(words)
	local i = 1
	while words[i] do
		local word = words[i]
		local letters = word:match "^%-(.+)$" or usage(("'%s': PROGRAM stands behind --"):format(word))
		while letters ~= "" do
			local letter, rest = letters:sub(1, 1), letters:sub(2)
			if flags[letter] then
				flags[letter]()
				letters = rest
			elseif with_value[letter] then
				if rest == "" then
					i = i + 1
					rest = words[i] or usage(("-%s: a value expected"):format(letter))
				end
				with_value[letter](rest)
				letters = ""
			else
				usage("there is no option -" .. letter)
			end
		end
		i = i + 1
	end
end

local TIMES = { "clock", "micro", "unix" }

-- ---- What is traced

local function open_target()
	if settings.pid then
		local ok, err = pcall(attach, settings.pid, { follow = settings.follow })
		if not ok then
			fail(3, tostring(err.message or err))
		end
	elseif not process then
		usage "no program named"
	elseif settings.follow then
		policy { follow = true }
	end
end

local function open_output()
	if settings.file then
		local file, why = io.open(settings.file, "w")
		if not file then
			fail(1, "cannot write " .. why)
		end
		file:setvbuf "no" -- so that a call that blocks is seen
		options.output = file
	end
	options.pids = settings.follow and (settings.file and "always" or "auto") or settings.file and "never" or "auto"
end

-- ---- The run

parse(arg)
options.time = TIMES[settings.times] or options.time
options.exits = settings.quiet < 2
if process and settings.pid then
	usage "-p and a program"
end
open_target()
open_output()
for _, rule in ipairs(settings.rules) do
	inject.add(rule, rule.calls)
end
if settings.rules[1] then
	options.remark = inject.remark
end

local tracing

local function finish()
	tracing:stop()
	if options.summary then
		(options.output or io.stderr):write(tracing:summary())
	end
end

options.interrupted = finish
tracing = trace.start(options)
tracing:started()
run()
finish()
