#!/usr/bin/env ptracehook
-- faults - fails, delays or cuts short chosen system calls, to see how a program takes it.
--
-- Usage: ptracehook faults [-q] RULE... -- PROGRAM [ARG...]
--        ptracehook -p PID faults [-q] RULE...
--
--   CALL=ERROR         the call fails: openat=ENOENT
--   CALL~TIME          it waits first: write~50ms, connect~2s, read~100us
--   CALL:BYTES         it is asked for no more than these: write:1 is a short write, read:0 an end of file
--
--   CALL is a name, several joined by commas, or a class (%file, %net). Behind it @N chooses the N-th such call of the
--   program, @N+ all from that on, @N+S every S-th from that on, @N..M those from N to M; without it all are meant.
--   -q                 do not say on standard error what was done
--
-- Sample output (ptracehook faults write@1=ENOSPC -- /bin/echo hello):
--
--   faults: write #1 of thread 8311 fails: ENOSPC
--   /bin/echo: write error: No space left on device

local clock = require "trace.clock"
local inject = require "trace.inject"
local trace = require "trace"

local function fail(status, message)
	io.stderr:write("faults: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook faults [-q] CALL[@N]=ERROR|~TIME|:BYTES... -- PROGRAM")
end

-- Which argument says how many bytes are wanted.
local SIZES = {
	read = 3, write = 3, pread64 = 3, pwrite64 = 3, sendto = 3, recvfrom = 3, getrandom = 2, sendfile = 4, getdents64 = 3,
	copy_file_range = 5, splice = 5,
}

local quiet = false

local function say(sc, n, ...)
	if not quiet then
		io.stderr:write(("faults: %s #%d of thread %d %s\n"):format(sc.name, n, sc.thread.tid, (...):format(select(2, ...))))
	end
end

-- By what stands behind the calls: what a rule does to one of them.
local kinds = {}

kinds["="] = function(value)
	if type(E[value]) ~= "number" then
		usage(value .. ": there is no such error")
	end
	return function(sc, n)
		say(sc, n, "fails: %s", value)
		sc:skip(-E[value])
	end
end

kinds["~"] = function(value)
	local microseconds = inject.duration(value) or usage(value .. ": a time such as 50ms, 2s or 100us expected")
	return function(sc, n)
		say(sc, n, "waits %s", value)
		clock.wait(microseconds)
	end
end

kinds[":"] = function(value, calls)
	local bytes = tonumber(value:match "^%d+$") or usage(value .. ": a number of bytes expected")
	for _, name in ipairs(calls) do
		if not SIZES[name] then
			usage(name .. ": it cannot be cut short, having no size")
		end
	end
	return function(sc, n)
		local at = SIZES[sc.name]
		if sc.args[at] > bytes then
			say(sc, n, "is cut from %s bytes to %d", sc.args[at], bytes)
			sc.args[at] = bytes
		end
	end
end

local function parse(text)
	local spec, when, kind, value = text:match "^([^@=~:]+)@?([%d.+]*)([=~:])(.+)$"
	if not spec then
		usage(text .. ": CALL=ERROR, CALL~TIME or CALL:BYTES expected")
	end
	local calls, why = trace.try_calls(spec)
	local chosen = when ~= "" and inject.when(when) or when == "" and inject.ALWAYS
	if not calls then
		usage(why)
	elseif not chosen then
		usage(("%s: @N, @N+, @N+S or @N..M expected"):format(text))
	end
	return { calls = calls, when = chosen, act = kinds[kind](value, calls) }
end

local rules = {}
for _, word in ipairs(arg) do
	if word == "-q" then
		quiet = true
	elseif word:find "^%-" then
		usage("there is no option " .. word)
	else
		rules[#rules + 1] = parse(word)
	end
end
if not rules[1] then
	usage "no rule given"
elseif not process then
	usage "no program named"
end

for _, rule in ipairs(rules) do
	local count = 0
	on("syscall", rule.calls, function(sc)
		count = count + 1
		if inject.applies(rule.when, count) then
			rule.act(sc, count)
		end
	end)
end
