#!/usr/bin/env ptracehook
-- signals - prints the signals that a program gets, with what they bring.
--
-- Usage: ptracehook signals [-n] [SIGNAL...] -- PROGRAM [ARG...]
--        ptracehook -p PID signals [-n] [SIGNAL...]
--
--   SIGNAL  only these, by name or number: SIGSEGV, usr1, 17
--   -n      print them, but do not deliver them
--
-- Sample output (ptracehook signals -- sh -c 'kill -USR1 $$'):
--
--   7021 SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=7021, si_uid=0}
--   7021 killed by SIGUSR1

local trace = require "trace"

local function usage(message)
	io.stderr:write("signals: ", message, "; usage: ptracehook signals [-n] [SIGNAL...] -- PROGRAM\n")
	os.exit(2)
end

local suppress = false
local names = {}
for _, word in ipairs(arg) do
	local upper = word:upper()
	if word == "-n" then
		suppress = true
	elseif word:find "^%-" then
		usage("there is no option " .. word)
	elseif SIG[upper] or SIG["SIG" .. upper] or SIG[tonumber(word)] then
		names[#names + 1] = tonumber(word) or upper
	else
		usage("there is no signal " .. word)
	end
end
if not process then
	usage "no program named"
end

local function show(thread, signal)
	print(("%d %s %s"):format(thread.tid, signal.name, trace.siginfo(signal)))
	return suppress and SUPPRESS or CONTINUE
end

if names[1] then
	on("signal", names, show)
else
	on("signal", show)
end

on("exit", function(ended, reason)
	if reason.kind == "signal" then
		print(("%d killed by %s%s"):format(ended.pid, reason.signal, reason.core and " (core dumped)" or ""))
	end
end)
