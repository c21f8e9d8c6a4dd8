#!/usr/bin/env ptracehook
-- bypass - forces what functions return, or jumps from one place to another.
--
-- Usage: ptracehook bypass RULE... -- PROGRAM [ARG...]
--        ptracehook -p PID bypass RULE...
--
--   PLACE=VALUE    the function at PLACE returns VALUE at once: is_licensed=1, check=0x10, +0x1139=-1
--   PLACE>PLACE    execution that reaches the first place goes on at the second: 'main+0x20>main+0x48'
--
--   PLACE is a symbol, symbol+0x10, +0x1139 (the main program's own address) or 0x401139.
--
-- Sample output (ptracehook bypass is_licensed=1 -- ./crackme, the one in scripts/crackme.c, given its secret):
--
--   bypass: is_licensed returns 1
--   Correct!
--   Welcome.
--   bypass: is_licensed=1 applied 1 time

local function fail(status, message)
	io.stderr:write("bypass: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook bypass PLACE=VALUE | 'PLACE>PLACE' ... -- PROGRAM")
end

-- All 64 bits of it, which tonumber would round.
local function integer(text)
	local digits = text:match "^%-?%d+$" or text:match "^%-?0x%x+$"
	local chunk = digits and loadstring("return " .. digits .. "ULL")
	return chunk and chunk()
end

-- What a rule says: its place, a function that makes its action (a name in it is looked up then), in words.
local function parse(text)
	local place, value = text:match "^([^=>]+)=([^=>]+)$"
	if place then
		local result = integer(value) or usage(text .. ": a whole number expected behind =")
		return { text = text, place = place, action = function() return RETURN(result) end, words = "returns " .. value }
	end
	local from, to = text:match "^([^=>]+)>([^=>]+)$"
	if from then
		return { text = text, place = from, action = function() return GOTO(to) end, words = "goes on at " .. to }
	end
	usage(text .. ": PLACE=VALUE or PLACE>PLACE expected")
end

if not arg[1] then
	usage "no rule given"
elseif not process then
	usage "no program named"
end

local rules = {}
for i, text in ipairs(arg) do
	rules[i] = parse(text)
end

for _, rule in ipairs(rules) do
	local ok, result = pcall(function() return bp(rule.place, rule.action()) end)
	if not ok then
		fail(1, rule.text .. ": " .. (result.message or result))
	end
	rule.breakpoint = result
	print(("bypass: %s %s"):format(rule.place, rule.words))
end

on("exit", function()
	for _, rule in ipairs(rules) do
		local hits = rule.breakpoint.hits
		print(("bypass: %s applied %d time%s"):format(rule.text, hits, hits == 1 and "" or "s"))
	end
end)
