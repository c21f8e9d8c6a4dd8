-- verbs - what acts on the target from the prompt: cont, pause, restart, ctx, dis, save, …

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local wait = core.load "wait"
local show = core.load "repl.show"
local track = core.load "repl.track"

local M = { globals = {} }

local repl = core.load "repl"

local function target()
	local session = core.current()
		or check.fail "there is no target: spawn{\"./program\"} or attach(pid) opens one"
	if session.ended then
		check.fail("process %d has ended, or was let go%s", session.pid,
			track.can_restart() and "; restart() starts it anew" or "")
	end
	return session
end

-- The session runs, hooks and all, until something ends that; milliseconds: or until then.
local function run_here(session, milliseconds)
	local kind, value, more = repl.prompt.run(session, milliseconds)
	while kind == "suspend" do
		repl.prompt.suspend()
		repl.prompt.continue(session.pid)
		kind, value, more = repl.prompt.run(session, milliseconds)
	end
	if kind == "reason" then
		repl.report(value)
	elseif kind == "failed" then
		repl.report_failure(value, more)
	elseif kind == "interrupt" then
		repl.set_running(false)
		repl.begin_line()
		repl.say "paused"
		repl.tell_place()
	end
	repl.told = true
	return kind, value
end

local cont_known = { bg = true }

function M.globals.cont(options)
	options = check.options("cont", options, cont_known)
	local background = check.boolean("cont: bg", options.bg)
	local session = target()
	if not repl.is_there() then
		session:run() -- for a script it is the same
	elseif repl.in_hook() then
		repl.leave(nil)
	elseif repl.prompt.is_spawned(session) and not background then
		run_here(session)
	else
		repl.set_running(true)
	end
end

function M.globals.pause()
	local session = target()
	if repl.is_running() then
		repl.set_running(false)
		if session.thread then
			session.thread:select()
		end
	end
	repl.tell_place()
end

function M.globals.ctx()
	local thread = core.thread() or (target() and nil)
	if not thread then
		check.fail "ctx: no thread is left to look at"
	end
	core.load("repl.context").print(thread, repl.registers_before(thread.tid))
end

-- Around where the thread stands, or n instructions from a place.
function M.globals.dis(where, n)
	local session = target()
	if where == nil then
		local thread = core.thread() or session.thread
		show.print(core.load("repl.context").code(thread, thread.regs.rip))
	else
		show.print(session:disasm(where, n))
	end
end

function M.globals.restart()
	if not repl.is_there() then
		check.fail "restart: only at the prompt: a script spawns its target itself"
	end
	local new = track.restart(repl)
	repl.set_running(false)
	M.adopt(new)
	repl.say("process %d stands at its first instruction", new.pid)
	repl.tell_place()
	repl.told = true
end

function M.globals.quit()
	if not repl.is_there() then
		check.fail "quit: only at the prompt: os.exit ends a script"
	end
	local session = repl.alive()
	if repl.in_hook() or not session or M.may_leave(session) then
		repl.has_quit = not repl.in_hook()
		repl.leave(nil)
	end
end

function M.globals.save(path)
	check.string("save: file", path)
	local file, why = io.open(path, "w")
	if not file then
		check.fail("save: %s", why)
	end
	local lines = {}
	for i = 1, #repl.lines - 1 do -- the last one is this
		local text = repl.lines[i]
		lines[i] = loadstring(text) and text or ("print(%s)"):format(text)
	end
	local ok, failed = file:write(table.concat(lines, "\n"), "\n")
	local closed, how = file:close()
	if not (ok and closed) then
		check.fail("save: %s: %s", path, tostring(failed or how))
	end
end

function M.globals.load_script(path, ...)
	return core.load("repl.reload").load(path, ...)
end

function M.globals.reload(path)
	return core.load("repl.reload").reload(path)
end

function M.globals.help(what)
	return core.load("repl.help").help(what)
end

function M.globals.repl()
	if not core.in_run() then
		check.fail "repl: a hook is where it gives the prompt; here is one already, or there will be with -i"
	end
	return (core.load("repl").nested())
end

-- ---- Leaving

-- Ctrl-D once more is an answer too.
local function yes(question)
	local kind, text = repl.prompt.wait(question .. " (y or n) > ")
	return kind == "end" or kind == "line" and text:find "^%s*[yY]" ~= nil
end
M.yes = yes

-- Ctrl-D on a target that lives.
function M.may_leave(session)
	if not repl.is_terminal then
		return true
	elseif repl.prompt.is_spawned(session) then
		return yes(("kill process %d?"):format(session.pid))
	end
	repl.say("process %d is let go", session.pid)
	return true
end

-- The prompt has ended: what was piped lets its spawned target run to its end, the command line's if there is one.
function M.finish()
	if repl.is_terminal or repl.has_quit then
		return
	end
	repl.prompt.return_to_target()
	local session = repl.alive()
	if session and repl.prompt.is_spawned(session) then
		local kind, value, more = repl.prompt.run(session)
		if kind == "failed" then
			repl.report_failure(value, more)
		elseif kind == "reason" and value.kind == "stop" then
			repl.report(value)
		end
	end
end

-- ---- Sessions

-- Ctrl-C at a target that has the terminal comes as its SIGINT, from the kernel. It is kept from it; where we do not
-- get one as well, it stops it, too. Ctrl-Z that we get as well suspends us, with the target standing still.
local FROM_KERNEL = 0x80

local guarded = setmetatable({}, { __mode = "k" })

-- What the terminal sends to a target that shares it with us is ours.
function M.guard(session)
	if guarded[session] or not repl.prompt.is_terminal(0) then
		return
	end
	guarded[session] = true
	track.silently(function()
		core.on(session, "signal", { "SIGINT" }, function(_, sig)
			if sig.code == FROM_KERNEL and not repl.prompt.shares_group(session.pid) then
				return core.actions.STOP
			end
		end)
		core.on(session, "signal", { "SIGINT", "SIGTSTP" }, function(_, sig)
			if sig.code == FROM_KERNEL and (sig.name == "SIGINT" or repl.prompt.shares_group(session.pid)) then
				return core.actions.SUPPRESS
			end
		end)
	end)
end

function M.adopt(session)
	if not session or session.ended then
		return
	end
	repl.prompt.forget()
	M.guard(session)
	if repl.is_there() and not repl.in_hook() and not repl.prompt.is_spawned(session) then
		repl.set_running(true)
	end
	track.silently(function()
		core.on(session, "exec", nil, function(thread, path)
			show.print(("process %d runs %s now"):format(thread.process.pid, path))
		end)
		core.on(session, "exit", nil, function() track.note_end(session) end)
	end)
end

function M.prepare()
	track.on_open(M.adopt)
	M.adopt(core.current())
	-- A hook's locals are there for the last time when it names STOP to return it.
	local eval, frame = core.load "repl.eval", core.load "repl.frame"
	core.dynamic.STOP = function()
		if core.in_run() then
			eval.note_stop(frame.copy())
		end
		return core.actions.STOP
	end
	if rawget(_G, "STOP") == core.actions.STOP then
		rawset(_G, "STOP", nil)
	end
	-- While the target runs at the prompt, time passes for it too.
	local sleep = wait.sleep
	function wait.sleep(session, seconds)
		if session == nil and repl.is_running() and not core.in_run() and repl.alive() then
			seconds = check.seconds("sleep: seconds", seconds)
			local kind = run_here(repl.alive(), math.ceil(math.min(seconds, 1e9) * 1000))
			repl.prompt.driven() -- it goes on
			if kind == "interrupt" then
				check.fail "interrupted"
			end
			return nil
		end
		return sleep(session, seconds)
	end
end

return M
