-- repl - the prompt: lines are read, run, and what they give is shown; the target runs while one types.
--
-- Each line runs while every thread of the session stands still, and those that ran go on behind it: so everything
-- works at the prompt as it does outside of hooks. verbs.lua has what acts on a target, words.lua what stands for Lua.

local core = require "ptracehook.core"
local eval = core.load "repl.eval"
local frame = core.load "repl.frame"
local show = core.load "repl.show"
local track = core.load "repl.track"

local prompt = core.prompt()

local M = {
	results = 0,
	lines = {}, -- of this session's input, for save()
	line_number = 0,
	prompt = prompt,
}

local verbs, words -- loaded behind us: they use us

local main_loop -- the outermost prompt is there
local leaving -- {action}: the innermost prompt is to end
local depth = 0 -- of prompts in hooks

local function say(...)
	show.print(show.paint("dim", string.format(...)))
end
M.say = say

-- Behind the ^C that the terminal shows, or whatever a target left half written.
function M.begin_line()
	if M.is_terminal then
		show.print ""
	end
end

local function report_error(text, trace)
	io.stdout:flush()
	local shown = "ptracehook: " .. text .. (trace and trace ~= "" and "\n" .. trace or "")
	-- The newline last: what is drawn behind it is at a line's beginning.
	io.stderr:write(show.paint("error", shown), "\n")
	io.stderr:flush()
end
M.report_error = report_error

-- ---- Where the target is

local runs = setmetatable({}, { __mode = "k" }) -- sessions whose threads run while one types

function M.is_running()
	return runs[core.current()] or false
end

function M.set_running(yes)
	local session = core.current()
	if session then
		runs[session] = yes or nil
	end
end

local told_still

-- One session is served, the current one: whoever made another current is to know.
local function tell_still()
	local session = core.current()
	for other in pairs(runs) do
		if other ~= session and not other.ended and told_still ~= other then
			told_still = other
			M.say("process %d stands still until it is current again: thread:select() of one of its threads", other.pid)
		end
	end
	if told_still == session then
		told_still = nil
	end
end

local function alive()
	local session = core.current()
	return session and not session.ended and session or nil
end
M.alive = alive

-- Registers of the stops before and now, for what changed to be marked.
local stops = {}

local function note_stop(thread)
	local ok, values = pcall(function() return thread.regs:all() end)
	if not ok then
		return
	end
	local now = stops[#stops]
	if now and now.tid == thread.tid and now.values.rip == values.rip and now.values.rsp == values.rsp then
		now.values = values
		return
	end
	stops[#stops + 1] = { tid = thread.tid, values = values }
	if #stops > 2 then
		table.remove(stops, 1)
	end
end

function M.registers_before(tid)
	local before = stops[#stops - 1]
	return before and before.tid == tid and before.values or nil
end

local function place_of(thread)
	local ok, place = pcall(function()
		return core.where(thread.session, thread.regs.rip)
	end)
	return ok and place or nil
end

local function prompt_text()
	local session = core.current()
	if not session then
		return "> "
	elseif session.ended then
		return ("[%d %s]> "):format(session.pid, session:run().kind == "detach" and "let go" or "ended")
	elseif M.is_running() and depth == 0 then
		return ("[%d running]> "):format(session.pid)
	end
	local thread = core.thread()
	local place = thread and place_of(thread)
	return ("[%d stopped%s]> "):format(session.pid, place and " " .. place or "")
end

-- What will run next.
function M.tell_place()
	local thread = core.thread()
	if not thread or not pcall(function() return thread.regs.rip end) then
		return
	end
	note_stop(thread)
	local ok, line = pcall(core.load("repl.context").next_line, thread)
	show.print(ok and line or tostring(line))
end

-- The locals of the hook that stopped a thread.
local function left_by_stop(tid)
	return eval.copied and eval.copied_tid == tid and eval.copied or nil
end

local tell = {
	exit = function(reason, pid) say("process %d ended with status %d", pid, reason.code) end,
	signal = function(reason, pid)
		say("process %d was killed by %s%s", pid, reason.signal, reason.core and ", and left a core dump" or "")
	end,
	detach = function(_, pid) say("process %d is let go", pid) end,
	stop = function(reason)
		if reason.event == "signal" then
			M.begin_line()
		end
		local what = reason.breakpoint and tostring(reason.breakpoint) or reason.watch and tostring(reason.watch)
			or "event " .. tostring(reason.event)
		say("thread %d stopped: %s", reason.thread and reason.thread.tid or 0,
			reason.event == "signal" and "interrupted, or at a signal" or what)
		eval.frame = reason.thread and left_by_stop(reason.thread.tid)
		eval.copied = nil
		M.tell_place()
	end,
}

-- The run is over.
function M.report(reason)
	if reason.kind == "timeout" then
		return
	end
	M.set_running(false)
	eval.frame = nil
	tell[reason.kind](reason, core.current() and core.current().pid or 0)
	if reason.kind ~= "stop" and M.is_terminal and track.can_restart() then
		say "restart() starts it anew, with the hooks in place"
	end
end

-- A hook has failed: its locals are there to be looked at.
function M.report_failure(message, trace)
	M.set_running(false)
	prompt.interrupted() -- that may be why
	report_error("error in a hook: " .. tostring(message), trace)
	eval.frame, M.failed_frame = M.failed_frame, nil
	M.tell_place()
end

-- ---- One line

local function remember_results(results)
	for i = 1, results.n do
		M.results = M.results + 1
		_G["_" .. M.results] = results[i]
	end
	if results.n > 0 then
		_G._ = results[1]
	end
end

local function print_results(results, moved)
	if moved and results.n == 1 and results[1] == true then
		return -- step() and the like: the place says it
	end
	for i = 1, results.n do
		show.print(show.show(results[i]))
	end
end

-- Code that the JIT compiler made cannot be interrupted, so that what is typed on a terminal is not compiled.
local function interruptible(fn, skipped)
	if not M.is_terminal then
		return eval.run(fn, skipped)
	end
	local jit = require "jit"
	jit.off()
	jit.flush()
	local ok, results = eval.run(fn, skipped)
	jit.on()
	return ok, results
end

-- "attempt to call global 'brp' (a nil value)": what was meant.
local function with_suggestion(text)
	local name = text:match "global '([%w_]+)' %(a nil value%)"
	local near = name and core.load("repl.help").nearest_global(name)
	return near and ("%s; did you mean '%s'?"):format(text, near) or text
end

local function fails(failure)
	report_error(with_suggestion(failure.text), failure.trace)
	if not M.is_terminal and not M.goes_on then
		core.exit(1)
	end
end

local function is_return(text)
	return depth > 0 and text:find "^%s*return%f[^%w_]" ~= nil
end

-- Where the thread is that the globals mean, for what moves it to be noticed.
local function position()
	local thread = core.thread()
	local ok, rip = pcall(function() return thread.regs.rip end)
	return ok and ("%d:%s"):format(thread.tid, rip) or nil
end

local function run_chunk(fn, skipped, text)
	local session, thread, before = core.current(), core.thread(), position()
	prompt.driven() -- forget about the last line's
	eval.copied, M.failed_frame = nil, nil
	local ok, results = interruptible(fn, skipped)
	prompt.interrupted()
	io.stdout:flush()
	local moved = prompt.driven()
	if moved and M.is_running() and depth == 0 then
		M.set_running(false)
	end
	if moved and not M.told and depth == 0 then
		eval.frame = M.failed_frame or left_by_stop(core.tid())
	end
	moved = moved or depth > 0 and position() ~= before
	if not ok then
		fails(results)
	elseif is_return(text) then
		leaving = { results[1] }
		return
	else
		remember_results(results)
		print_results(results, moved)
	end
	local now = alive()
	if moved and not M.told and now then
		M.tell_place()
	elseif session and session.ended and thread and not M.told and session == core.current() and moved then
		M.report(session:run())
	end
	M.told = false
	if M.is_running() and not now then
		M.set_running(false)
	end
end

local pending -- lines of a chunk that is not whole yet

-- The line, or with those before it the chunk, that was typed.
local take
function take(text)
	if pending then
		text = pending .. "\n" .. text
	end
	local word = not pending and eval.word(text, words.list)
	local first = M.line_number - select(2, text:gsub("\n", ""))
	local fn, more, is_part = eval.compile(word or text, not M.is_terminal and first or 1)
	if not fn and is_part then
		pending = text
		return
	elseif not fn and not pending and text:find "\n[^\n]" then
		-- Several lines pasted at once that are no chunk together.
		for line in text:gmatch "[^\n]+" do
			take(line)
			if leaving then
				break
			end
		end
		return
	end
	pending = nil
	if text:find "%S" then
		M.remember(text)
	end
	if not fn then
		fails { text = more, trace = "" }
		return
	end
	M.lines[#M.lines + 1] = word or text
	run_chunk(fn, more, text)
end

-- ---- The loop

-- Ctrl-D, or the end of a pipe.
local function at_end()
	pending = nil
	local session = alive()
	if depth > 0 then
		leaving = { nil }
	elseif not session or verbs.may_leave(session) then
		leaving = {}
	end
end

local last_step -- what Enter repeats

local handle = {
	line = function(text)
		M.line_number = M.line_number + 1
		if text:find "^%s*$" and not pending then
			if last_step and M.is_terminal then
				take(last_step)
			end
			return
		end
		last_step = not pending and words.steps[text:match "^%s*(%a*)"] and text or nil
		take(text)
	end,
	["end"] = function()
		if M.is_terminal then
			show.print ""
			if pending then
				pending = nil -- Ctrl-D leaves the chunk that is not whole, and no target
				return
			end
		elseif pending then
			local text = pending
			pending = nil
			fails { text = select(2, eval.compile(text, 1)), trace = "" }
		end
		at_end()
	end,
	interrupt = function()
		pending = nil
		if M.is_running() and depth == 0 then
			M.set_running(false)
			say "paused"
			M.tell_place()
		end
	end,
	suspend = function()
		prompt.suspend()
	end,
	reason = function(reason) M.report(reason) end,
	failed = function(message, trace) M.report_failure(message, trace) end,
	changed = function() M.on_changed() end,
}

local function turn()
	tell_still()
	local text = not M.is_terminal and "" or pending and ">> " or prompt_text()
	local kind, value, more = prompt.wait(text, depth == 0 and M.is_running() and alive() or nil)
	handle[kind](value, more)
end

local function loop()
	leaving = nil
	while not leaving do
		local ok, why = pcall(turn)
		local was_interrupted, ends = prompt.interrupted()
		if not ok and (ends or not M.is_terminal) then
			error(why, 0)
		elseif not ok then
			-- Ctrl-C between two lines of ours, or a mistake of ours: the prompt stays.
			pending = nil
			report_error(was_interrupted and "interrupted" or tostring(why))
		end
	end
	local action = leaving[1]
	leaving = nil
	return action
end

function M.leave(action)
	leaving = { action }
end

function M.is_there()
	return main_loop or depth > 0
end

function M.in_hook()
	return depth > 0
end

-- repl(), in a hook: gives the action that `return` names.
function M.nested()
	M.open()
	local session = core.current()
	local before, before_frame = pending, eval.frame
	pending, eval.frame = nil, frame.live()
	depth = depth + 1
	prompt.lead(true)
	if session then
		verbs.guard(session)
		M.tell_place()
	end
	local ok, action = pcall(loop)
	depth = depth - 1
	prompt.lead(main_loop)
	pending, eval.frame = before, before_frame
	if not ok then
		error(action, 0)
	end
	return action == nil and core.actions.CONTINUE or action
end

-- What its entries do not show, since they are made when they are asked for.
local function show_special(value)
	if value == _G.regs then
		return table.concat(show.registers(value:all(), core.thread() and M.registers_before(core.thread().tid)), "\n")
	elseif value == _G.regs.arg then
		local list = {}
		for i = 1, 6 do
			list[i] = value[i]
		end
		return show.show(list)
	end
end

local is_open

-- Once: everything that a prompt needs.
function M.open()
	if is_open then
		return
	end
	is_open, show.at_prompt = true, true
	verbs, words = core.load "repl.verbs", core.load "repl.words"
	local term = os.getenv "TERM"
	M.is_terminal = prompt.open(core.load("repl.terminfo").stand_in(term))
	show.colour = prompt.is_terminal(1) and not (os.getenv "NO_COLOR" or ""):find "." and term ~= "dumb" and term ~= nil
	show.special = show_special
	core.load("repl.history").open(M)
	if M.is_terminal then
		prompt.on_complete(function(line, start)
			return core.load("repl.complete").complete(line, start)
		end)
	end
end

-- A hook is called through this, so that its locals are there when it fails.
local function on_failure(message)
	M.failed_frame = frame.copy()
	core.keep_trace(message, debug.traceback("", 2):gsub("^\n", ""))
	return message
end

local function pass(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

function M.guard(fn, ...)
	return pass(xpcall(fn, on_failure, ...))
end

-- Before the scripts of the command line run: what they do is remembered, for restart() and reload().
function M.prepare(options)
	M.options = options
	M.goes_on = options.interactive
	core.guard(M.guard)
	track.start()
	track.started_as(core.current(), options.program)
	core.load("repl.verbs").prepare()
	core.load("repl.reload").prepare(options, { unpack(_G.arg or {}) })
end

-- The prompt that the command line asked for.
function M.main()
	main_loop = true
	M.open()
	prompt.lead(true)
	core.load("repl.init_files").run(M)
	local session = alive()
	if session and not prompt.is_spawned(session) then
		M.set_running(true)
	elseif session then
		M.tell_place()
	end
	while true do
		local ok, why = pcall(loop)
		if ok then
			break
		elseif not prompt.interrupted() then
			error(why, 0)
		end
	end
	verbs.finish()
	prompt.lead(false)
	main_loop = false
end

return M
