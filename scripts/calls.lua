#!/usr/bin/env ptracehook
-- calls - a tree of the calls of functions, with arguments, results and times.
--
-- Usage: ptracehook calls [OPTION...] GLOB... -- PROGRAM [ARG...]
--        ptracehook -p PID calls [OPTION...] GLOB...
--
--   GLOB         functions: main, 'parse_*', 'libssl*!SSL_*', '*' (all of the main program's); a name without * or ?
--                may come with a library
--   --not GLOB   but not these (repeatable)
--   --depth N    nothing that is nested deeper than N (default: no limit)
--   --args N     how many arguments to show, from 0 to 6 (default 3): nobody knows how many there really are
--   --no-time    no times
--
-- With ptracehook's -f, in children too. What points to readable text is shown as text. Times are those of the wall
-- clock, what tracing costs included. A call that longjmp or an exception ends is left out at its end; one that ends by
-- jumping to another function ends with that one.
--
-- Sample output (ptracehook calls --args 2 main check_byte -- ./crackme, that of scripts/crackme.c, given h00k):
--
--   main(1, 0x7ffca80a1458) {
--     check_byte("h00k", 0) = 1 <0.000061>
--     check_byte("h00k", 1) = 1 <0.000023>
--     check_byte("h00k", 2) = 1 <0.000014>
--     check_byte("h00k", 3) = 1 <0.000012>
--     check_byte("h00k", 4) = 0 <0.000012>
--   } main = 1 <0.000340>
--   Wrong.

local ffi = require "ffi"

local function fail(status, message)
	io.stderr:write("calls: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook calls [--not GLOB] [--depth N] [--args N] [--no-time] GLOB... -- PROGRAM")
end

local function parse(words)
	local settings = { globs = {}, excluded = {}, depth = math.huge, args = 3, times = true }
	local i = 1
	local function value(pattern, what)
		i = i + 1
		return (words[i] or ""):match(pattern) or usage(words[i - 1] .. ": " .. what .. " expected")
	end
	while words[i] do
		local word = words[i]
		if word == "--not" then
			table.insert(settings.excluded, value("^.+$", "a glob"))
		elseif word == "--depth" then
			settings.depth = tonumber(value("^[1-9]%d*$", "a number above 0"))
		elseif word == "--args" then
			settings.args = tonumber(value("^[0-6]$", "a number from 0 to 6"))
		elseif word == "--no-time" then
			settings.times = false
		elseif word:find "^%-%-" then
			usage("there is no option " .. word)
		else
			table.insert(settings.globs, word)
		end
		i = i + 1
	end
	if not settings.globs[1] then
		usage "no function named"
	end
	return settings
end

local settings = parse(arg)
if not process then
	usage "no program named"
end

local session = process.session

-- ---- Time

ffi.cdef [[
struct calls_time { long s, ns; };
int clock_gettime(int clock, struct calls_time *ret);
]]

local time = ffi.new "struct calls_time"

local function now()
	ffi.C.clock_gettime(1, time) -- CLOCK_MONOTONIC
	return tonumber(time.s) + tonumber(time.ns) / 1e9
end

-- ---- Values

-- Readable text at an address, quoted and cut; nil for anything else.
local function text_at(address)
	local text = address >= 0x1000 and mem.try_cstr(address, 41)
	if not text or #text < 2 or text:find "[^\9\10\13\32-\126\194-\244\128-\191]" then
		return nil
	end
	local short = text:sub(1, 40):gsub("[\"\\\9\10\13]", { ['"'] = '\\"', ["\\"] = "\\\\", ["\t"] = "\\t", ["\n"] = "\\n",
		["\r"] = "\\r" })
	return ('"%s"%s'):format(short, #text > 40 and "..." or "")
end

-- Small numbers, of 64 and of 32 bits, as such; text as text; the rest as addresses.
local function show(value)
	if value < 0x10000 then
		return tostring(value)
	elseif value >= -0x1000ULL then
		return tostring(i64(value))
	elseif value >= 0xfffff000ULL and value <= 0xffffffffULL then
		return tostring(i32(value - 0x100000000ULL))
	end
	return text_at(value) or hex(value)
end

local function arguments()
	local list = {}
	for i = 1, settings.args do
		list[i] = show(regs.arg[i])
	end
	return table.concat(list, ", ")
end

-- ---- Lines: a call that nothing is printed within is one line

local held -- the line of a call that was entered last, not printed yet: {text, frame, indent}
local many -- several threads were seen: lines name theirs

local function prefix(tid)
	return many and ("[%d] "):format(tid) or ""
end

local function release()
	if held then
		print(held.text .. " {")
		held.frame.is_open = true
		held = nil
	end
end

local first_tid
local function see_thread(tid)
	first_tid = first_tid or tid
	many = many or first_tid ~= tid
end

local function print_entry(frame, depth, tid)
	release()
	see_thread(tid)
	held = { text = prefix(tid) .. ("  "):rep(depth) .. ("%s(%s)"):format(frame.name, arguments()), frame = frame }
end

local function print_return(frame, depth, tid, result)
	local took = settings.times and (" <%.6f>"):format(now() - frame.entered) or ""
	if held and held.frame == frame then
		print(("%s = %s%s"):format(held.text, result, took))
		held = nil
		return
	end
	release()
	print(("%s%s} %s = %s%s"):format(prefix(tid), ("  "):rep(depth), frame.name, result, took))
end

-- A call whose end was not seen: longjmp, an exception, the end of its thread.
local function print_lost(frame, depth, tid)
	if held and held.frame == frame then
		print(held.text .. " ...")
		held = nil
	elseif frame.is_open then
		release()
		print(("%s%s} %s ..."):format(prefix(tid), ("  "):rep(depth), frame.name))
	end
end

-- ---- Returns: a breakpoint at each return address, and the frames of each thread
--
-- A frame is known by where its return address lies. The stack grows down, so a frame that lies below the one that is
-- entered, or returned from, has been left in some other way. One at the same place was ended by a jump to the new one
-- (a tail call), which returns for it.

local returns = { frames = {}, breakpoints = {} }

-- Far apart means on another stack: a coroutine's, a signal handler's.
local APART = 2 ^ 26

local function frames_of(thread)
	local frames = returns.frames[thread]
	if not frames then
		frames = {}
		returns.frames[thread] = frames
	end
	return frames
end

local function drop_passed(thread, frames, slot, keep_same)
	while #frames > 0 do
		local frame = frames[#frames]
		local passed = slot > frame.slot and slot - frame.slot < APART or slot == frame.slot and not keep_same(frame)
		if not passed then
			return
		end
		frames[#frames] = nil
		print_lost(frame, #frames, thread.tid)
	end
end

local function on_return(thread)
	local frames, slot = frames_of(thread), regs.rsp - 8
	drop_passed(thread, frames, slot, function(frame) return frame.back == regs.rip end)
	while #frames > 0 and frames[#frames].slot == slot do
		local frame = frames[#frames]
		frames[#frames] = nil
		print_return(frame, #frames, thread.tid, show(regs.rax))
	end
end

-- At a function's first instruction.
function returns.enter(thread, name)
	local frames, slot = frames_of(thread), regs.rsp
	local back = mem.u64[slot]
	drop_passed(thread, frames, slot, function(frame) return frame.back == back end)
	if #frames >= settings.depth then
		return
	end
	local frame = { name = name, slot = slot, back = back, entered = now() }
	frames[#frames + 1] = frame
	print_entry(frame, #frames - 1, thread.tid)
	if not returns.breakpoints[key(back)] then
		-- The first function of all has no caller.
		local ok, breakpoint = pcall(session.bp, session, back, on_return)
		returns.breakpoints[key(back)] = ok and breakpoint
	end
end

function returns.end_thread(thread)
	local frames = returns.frames[thread] or {}
	for depth = #frames, 1, -1 do
		print_lost(frames[depth], depth - 1, thread.tid)
	end
	returns.frames[thread] = nil
end

-- A fork's child goes on within the same calls.
function returns.copy(parent, child)
	for _, thread in ipairs(child:threads()) do
		local frames = frames_of(thread)
		for i, frame in ipairs(frames_of(parent)) do
			frames[i] = { name = frame.name, slot = frame.slot, back = frame.back, entered = frame.entered, is_open = true }
		end
	end
end

-- Another program: these addresses mean nothing in it.
function returns.forget(thread)
	returns.frames[thread] = nil
	for _, breakpoint in pairs(returns.breakpoints) do
		if breakpoint then
			breakpoint:remove()
		end
	end
	returns.breakpoints = {}
end

-- ---- Which functions

local taken = {} -- by address

-- A glob as a Lua pattern: names are matched as find_syms() matches them.
local function pattern_of(glob)
	return "^" .. glob:gsub("[%^%$%(%)%%%.%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

local function is_excluded(symbol)
	for _, glob in ipairs(settings.excluded) do
		if (glob:find("!", 1, true) and symbol.module .. "!" .. symbol.name or symbol.name):find(pattern_of(glob)) then
			return true
		end
	end
	return false
end

local function hook(where, name)
	return session:bp(where, function(thread) returns.enter(thread, name) end)
end

local function add_symbol(symbol)
	local address = key(symbol.address)
	if taken[address] then
		return
	end
	taken[address] = true
	-- Of an IFUNC the address is its resolver's; its name means what runs.
	hook(symbol.kind == "ifunc" and symbol.module .. "!" .. symbol.name or symbol.address, symbol.name)
end

-- Of two names of one function, the one that people use: puts, not _IO_puts.
local function is_better(name, than)
	return #name:match "^_*" < #than:match "^_*"
end

local function main_module()
	return session:modules()[1].name
end

local function add_glob(glob)
	local found, list = {}, {}
	for _, symbol in ipairs(session:find_syms(glob:find("!", 1, true) and glob or main_module() .. "!" .. glob)) do
		local at = key(symbol.address)
		if (symbol.kind == "function" or symbol.kind == "ifunc") and not is_excluded(symbol) then
			list[#list + 1] = not found[at] and at or nil
			found[at] = found[at] and not is_better(symbol.name, found[at].name) and found[at] or symbol
		end
	end
	for _, at in ipairs(list) do
		add_symbol(found[at])
	end
	return #list
end

local function is_glob(text)
	return text:find "[*?%[]" ~= nil
end

-- A name may wait for a library.
local function add_name(name)
	local known, address = pcall(session.find_sym, session, name)
	if known and address then
		if taken[key(address)] then
			return
		end
		taken[key(address)] = true
	end
	local ok, result = pcall(hook, name, name:match "[^!]*$")
	if not ok then
		fail(1, result.message or result)
	end
end

local library_globs = {}
for _, glob in ipairs(settings.globs) do
	if not is_glob(glob) then
		add_name(glob)
	elseif add_glob(glob) == 0 and not glob:find("!", 1, true) then
		fail(1, ("no function of %s matches '%s'"):format(main_module(), glob))
	end
	if is_glob(glob) and glob:find("!", 1, true) then
		table.insert(library_globs, glob)
	end
end
if library_globs[1] then
	on("load", function()
		for _, glob in ipairs(library_globs) do
			add_glob(glob)
		end
	end)
end

on("thread_exit", returns.end_thread)
on("fork", returns.copy)
on("exec", returns.forget)
on("exit", release)
