-- inject - calls that are made to fail, return something else, wait, or bring a signal: strace's -e inject.
--
--	SET:error=ENOENT:retval=N:signal=SIG:delay_enter=MICROSECONDS:delay_exit=MICROSECONDS:when=FIRST..LAST+STEP
--
-- Each thread counts for itself. Knows no option letters: it is given the words, and adds the hooks.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local api = require "ptracehook"
local clock = require "trace.clock"

local M = {}

local UNITS = { us = 1, ms = 1000, s = 1000000, ns = 0.001 }

-- Microseconds of "50", "50us", "5ms", "2s"; nil of anything else.
function M.duration(text)
	local digits, unit = text:match "^(%d+)(%a*)$"
	local scale = digits and (unit == "" and 1 or UNITS[unit])
	return scale and math.ceil(tonumber(digits) * scale)
end

M.ALWAYS = { first = 1, last = math.huge, step = 1 }

-- {first, last, step} of "3", "3+", "3+2", "3..7", "3..7+2", "3..+"; nil for what is none of them.
function M.when(text)
	local first, dots, last, plus, step = text:match "^(%d+)(%.?%.?)(%d*)(%+?)(%d*)$"
	first, last, step = tonumber(first), tonumber(last), tonumber(step)
	if not first or first < 1 or (dots ~= "" and dots ~= "..") or (dots == "") ~= (last == nil)
		or last and last < first or step == 0 or step and plus == "" then
		return nil
	end
	if plus == "" then
		return { first = first, last = last or first, step = 1 }
	end
	return { first = first, last = last or math.huge, step = step or 1 }
end

-- Whether the n-th call is one of them.
function M.applies(when, n)
	return n >= when.first and n <= when.last and (n - when.first) % when.step == 0
end

local parsers = {}

function parsers.error(rule, value)
	local code = tonumber(value) or api.E[value]
	if type(code) ~= "number" or code < 1 or code > 4095 or code % 1 ~= 0 then
		return "error=" .. value .. ": an error such as ENOENT, or a number from 1 to 4095, expected"
	end
	rule.ret = -code
end

function parsers.retval(rule, value)
	local digits = value:match "^%-?0x%x+$" or value:match "^%-?%d+$"
	local chunk = digits and loadstring("return " .. digits .. "LL")
	if not chunk then
		return "retval=" .. value .. ": a whole number expected"
	end
	rule.ret = chunk()
end

function parsers.signal(rule, value)
	local number = tonumber(value) or api.SIG[value] or api.SIG["SIG" .. value]
	if type(number) ~= "number" or not api.SIG[number] then
		return "signal=" .. value .. ": there is no such signal"
	end
	rule.signal = number
end

local function waiting(field)
	return function(rule, value)
		rule[field] = M.duration(value)
		return not rule[field] and field .. "=" .. value .. ": microseconds, or a number with a unit as 5ms, expected" or nil
	end
end
parsers.delay_enter, parsers.delay_exit = waiting "delay_enter", waiting "delay_exit"

function parsers.when(rule, value)
	rule.when = M.when(value)
	return not rule.when and "when=" .. value .. ": FIRST, FIRST+, FIRST+STEP or FIRST..LAST expected" or nil
end

-- {spec, ret, signal, delay_enter, delay_exit, when} of a text; nil and why not. fault: an error is meant when nothing
-- says what happens (strace's -e fault).
function M.parse(text, fault)
	local words = {}
	for word in (text .. ":"):gmatch "([^:]*):" do
		words[#words + 1] = word
	end
	local rule = { spec = table.remove(words, 1), when = M.ALWAYS }
	for _, word in ipairs(words) do
		local name, value = word:match "^([%w_]+)=(.+)$"
		if not parsers[name] then
			return nil, ("%s: there are error=, retval=, signal=, delay_enter=, delay_exit= and when="):format(word)
		end
		local why = parsers[name](rule, value)
		if why then
			return nil, why
		end
	end
	if fault and rule.ret == nil then
		rule.ret = -api.E.ENOSYS
	end
	if rule.ret == nil and not rule.signal and not rule.delay_enter and not rule.delay_exit then
		return nil, text .. ": it does not say what happens: error=, retval=, signal=, delay_enter= or delay_exit="
	end
	return rule
end

-- ---- Hooks

-- What happened to calls that are under way, by thread: the words behind their results.
local under_way = {}

local function wait(microseconds)
	if microseconds then
		clock.wait(microseconds)
	end
end

-- Adds the hooks of a rule; calls: the names that its spec means. To be called before hooks that print are added, which
-- then see what was done.
function M.add(rule, calls)
	local counts = {} -- by thread
	local function enter(sc)
		local tid = sc.thread.tid
		counts[tid] = (counts[tid] or 0) + 1
		if not M.applies(rule.when, counts[tid]) then
			under_way[tid] = nil
			return nil
		end
		wait(rule.delay_enter)
		if rule.ret ~= nil then
			sc:skip(ffi.cast("int64_t", rule.ret))
		end
		under_way[tid] = {
			rule = rule,
			words = (rule.ret ~= nil and "(INJECTED)" or "")
				.. ((rule.delay_enter or rule.delay_exit) and (rule.ret ~= nil and " (DELAYED)" or "(DELAYED)") or ""),
		}
		return rule.signal and api.SIGNAL(rule.signal) or nil
	end
	local function leave(sc)
		local now = under_way[sc.thread.tid]
		if now and now.rule == rule then
			wait(rule.delay_exit)
		end
	end
	api.on("syscall", calls, { enter = enter, leave = rule.delay_exit and leave or nil })
	api.on("thread_exit", function(thread) counts[thread.tid] = nil end) -- its id may come again
end

-- "(INJECTED)" for the call that a thread leaves, or nil.
function M.remark(sc)
	local tid = sc.thread.tid
	local now = under_way[tid]
	under_way[tid] = nil
	return now and now.words ~= "" and now.words or nil
end

return M
