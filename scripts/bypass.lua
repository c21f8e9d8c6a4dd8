#!/usr/bin/env ptracehook
-- bypass - forces what functions return, or jumps from one place to another.
--
-- Usage: ptracehook scripts/bypass.lua RULE... -- PROGRAM [ARG...]
--        ptracehook -p PID scripts/bypass.lua RULE...
--
--   PLACE=VALUE    the function at PLACE returns VALUE at once: is_licensed=1, check=0x10, +0x1139=-1
--   PLACE>PLACE    execution that reaches the first place goes on at the second: main+0x20>main+0x48
--
--   PLACE is a symbol, symbol+0x10, +0x1139 (the main program's own address) or 0x401139.
--
-- Sample output (ptracehook scripts/bypass.lua is_licensed=1 -- ./crackme):
--
--   bypass: is_licensed returns 1
--   …the program's own output…
--   bypass: is_licensed=1 applied 1 time

local function usage(message)
	io.stderr:write("bypass: ", message, "\nusage: ptracehook scripts/bypass.lua PLACE=VALUE | PLACE'>'PLACE ... -- PROGRAM\n")
	os.exit(2)
end

local function parse(rule)
	local place, value = rule:match "^([^=>]+)=(.+)$"
	if place then
		return place, RETURN(tonumber(value) or usage(rule .. ": a number expected behind =")), "returns " .. value
	end
	local from, to = rule:match "^([^=>]+)>(.+)$"
	if not from then
		usage(rule .. ": PLACE=VALUE or PLACE>PLACE expected")
	end
	return from, GOTO(to), "goes on at " .. to
end

if not arg[1] then
	usage "name a rule at least"
end

local applied = {}

for _, rule in ipairs(arg) do
	local place, action, what = parse(rule)
	applied[#applied + 1] = { rule = rule, breakpoint = bp(place, action) }
	print(("bypass: %s %s"):format(place, what))
end

on("exit", function()
	for _, one in ipairs(applied) do
		local hits = one.breakpoint.hits
		print(("bypass: %s applied %d time%s"):format(one.rule, hits, hits == 1 and "" or "s"))
	end
end)
