-- session - what a Session can do, and the same as globals that act on the current one.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local wait = require "ptracehook.wait"

local M = { globals = {} }

-- The function of a module of ours, which is loaded when it is first called.
local function of(module, name)
	return function(...)
		return core.load(module)[name](...)
	end
end

local classes = core.classes
local methods = classes.Session.methods

-- A view belongs to one object: made when first asked for and kept in the userdata's environment, so that the two,
-- which refer to each other, are collected together. (A weak table would keep both for ever.)
local OWN = {}

local function own_table(object)
	local own = debug.getfenv(object)
	if own[OWN] == nil then
		own = { [OWN] = true }
		debug.setfenv(object, own)
	end
	return own
end

M.own = own_table

for _, name in ipairs { "io", "stdin", "stdout", "stderr" } do
	classes.Session.getters[name] = function(self)
		local own = own_table(self)
		own[name] = own[name] or core.load("tube").of(self, name)
		return own[name]
	end
end

for _, class in ipairs { "Session", "Thread", "Process" } do
	for name, make in pairs { regs = of("regs", "new"), mem = of("mem", "new") } do
		classes[class].getters[name] = function(self)
			local own = own_table(self)
			if not own[name] then
				own[name] = make(self)
			end
			return own[name]
		end
	end
end

-- Asked for below, of no use to scripts.
local run_ms, let_go, set_policy, resolve = methods.run_ms, methods.let_go, methods.set_policy, methods.resolve
methods.run_ms, methods.let_go, methods.set_policy, methods.resolve = nil, nil, nil, nil

local deadlines = setmetatable({}, { __mode = "k" })

function M.globals.spawn(options)
	local session, timeout = core.load("spawn").spawn(options)
	deadlines[session] = timeout and core.clock() + timeout
	return session
end

local attach_known = { follow = true }

function M.globals.attach(pid, options)
	options = check.options("attach", options, attach_known)
	return (core.attach(pid, check.boolean("attach: follow", options.follow)))
end

-- Milliseconds that spawn's timeout leaves, for verbs that run the session.
function wait.limit(session)
	local deadline = deadlines[session]
	return deadline and math.ceil(math.max(0, deadline - core.clock()) * 1000)
end

local run_known = { timeout = true }
local LONG = 1e9 -- seconds: as good as no limit, and fits the engine's clock

-- Milliseconds, rounded up: a short limit is not none. nil: as good as none.
local function milliseconds(seconds)
	return seconds and seconds < LONG and math.ceil(seconds * 1000) or nil
end

-- Seconds that are left of a limit, or of spawn's timeout.
local function left(limit, session)
	local deadline = deadlines[session]
	return deadline and math.min(limit or math.huge, math.max(0, deadline - core.clock())) or limit
end

local function run(self, options)
	options = check.options("run", options, run_known)
	return (run_ms(self, milliseconds(left(check.seconds("run: timeout", options.timeout), self))))
end

-- Each until it has ended or stopped, or its own time is up; puts the reasons where the sessions are.
local function run_all(sessions, deadline, reasons)
	local least
	local index, list = {}, {}
	for i, session in pairs(sessions) do
		index[#index + 1], list[#list + 1] = i, session
		least = left(least, session)
	end
	local limit = deadline and math.max(0, deadline - core.clock())
	local is_whole = not least or limit and limit <= least
	for k, reason in ipairs(core.run_several(list, milliseconds(is_whole and limit or least))) do
		local i = index[k]
		reasons[i] = reason
		if reason.kind ~= "timeout" or is_whole or left(nil, sessions[i]) == 0 then
			sessions[i] = nil
		end
	end
	if next(sessions) ~= nil then
		run_all(sessions, deadline, reasons)
	end
	return reasons
end

-- run{s1, s2, …, timeout = s}
local function run_several(options)
	check.options("run", options, run_known, true)
	local sessions, n = {}, 0
	for i in pairs(options) do
		n = type(i) == "number" and math.max(n, i) or n
	end
	for i = 1, n do
		if getmetatable(options[i]) ~= "Session" then
			check.fail("run: session %d: Session expected, got %s", i, number.show(options[i]))
		end
		sessions[i] = options[i]
	end
	local limit = check.seconds("run: timeout", options.timeout)
	return (run_all(sessions, limit and core.clock() + limit, {}))
end

local policy_known = {
	errors = true, exitkill = true, follow = true, cpu = true, debug_root = true, seccomp = true,
	syscall_info = true, untraced = true, hardware = true, snapshots = true, unsafe_syscalls = true,
}
local ways = { auto = 0, regs = 1, get = 2, set = 3 } -- enum ph_syscall_info

-- The value must be one of the words, or nil.
local function word(what, value, words)
	if value == nil or type(value) == "string" and words[value] ~= nil then
		return words[value]
	end
	local names = {}
	for name in pairs(words) do
		names[#names + 1] = ("%q"):format(name)
	end
	table.sort(names)
	check.fail("%s: %s or %s expected, got %s", what, table.concat(names, ", ", 1, #names - 1), names[#names],
		number.show(value))
end

local cpu_words = { auto = -1, off = -2 } -- PH_CPU_AUTO, PH_CPU_OFF

local function check_cpu(value)
	if value == nil or cpu_words[value] then
		return cpu_words[value]
	end
	local ok, cpu = pcall(number.count, value, "cpu")
	if not ok or cpu >= 2 ^ 31 then
		check.fail("policy: cpu: \"auto\", \"off\" or the number of a CPU expected, got %s", number.show(value))
	end
	return cpu
end

-- self: nil when there is no session yet.
local function policy(self, settings)
	settings = check.options("policy", settings, policy_known)
	local report = word("policy: errors", settings.errors, { ["end"] = false, report = true })
	local given = {
		exitkill = check.boolean("policy: exitkill", settings.exitkill),
		follow = check.boolean("policy: follow", settings.follow),
		hardware = check.boolean("policy: hardware", settings.hardware),
		no_seccomp = word("policy: seccomp", settings.seccomp, { auto = false, off = true }),
		strip_untraced = word("policy: untraced", settings.untraced, { keep = false, strip = true }),
		syscall_info = word("policy: syscall_info", settings.syscall_info, ways),
		cpu = check_cpu(settings.cpu),
	}
	if next(given) ~= nil then
		set_policy(self, given)
	end
	local compares = word("policy: snapshots", settings.snapshots, { auto = false, compare = true })
	if compares ~= nil then
		core.load("snapshot").compares = compares
	end
	local reports = word("policy: unsafe_syscalls", settings.unsafe_syscalls, { allow = false, report = true })
	if reports ~= nil then
		core.load("snapshot").reports = reports
	end
	if settings.debug_root ~= nil then
		core.debug_root(check.string("policy: debug_root", settings.debug_root))
	end
	if report ~= nil then
		core.report_errors(report)
	end
end

local function on(self, event, filter, fn)
	if fn == nil then
		filter, fn = nil, filter
	end
	check.string("on: event", event)
	if event == "syscall" then
		return core.load("syscall").on(self, filter, fn)
	end
	if not check.is_callable(fn) and not core.is_action(fn) then
		check.fail("on: function or action expected as the last argument, got %s", number.show(fn))
	end
	if filter ~= nil then
		if event ~= "signal" then
			check.fail("on: \"%s\" takes no filter", event)
		end
		if type(filter) ~= "table" then
			filter = { filter }
		end
	end
	return (core.on(self, event, filter, fn))
end

local detach_known = { stopped = true }

local function detach(self, options)
	options = check.options("detach", options, detach_known)
	let_go(self, check.boolean("detach: stopped", options.stopped))
end

local function threads(self)
	local list = {}
	for _, process in ipairs(self:processes()) do
		for _, thread in ipairs(process:threads()) do
			list[#list + 1] = thread
		end
	end
	return list
end

local function find_sym(self, name)
	local address = resolve(self, check.string("find_sym: name", name), "find_sym")
	return address
end

local function address_of(self, what, name)
	local address, why = resolve(self, name, what)
	if not address then
		check.fail("%s: %s", what, why)
	end
	return address
end

local function sym(self, name)
	return (address_of(self, "sym", check.string("sym: name", name)))
end

local function find_syms(self, glob)
	return (core.find_syms(self, check.string("find_syms: glob", glob)))
end

local function name_of(self, addr)
	return (core.where(self, check.address("where: address", addr)))
end

local function watch(self, where, options, fn)
	return require("ptracehook.watch").add(self, where, options, fn, function(name)
		return address_of(self, "watch", name)
	end)
end

local function steps(self, fn, options)
	return require("ptracehook.watch").steps(self, fn, options, function(name)
		return address_of(self, "steps", name)
	end)
end

local function hexdump(self, addr, n)
	return (self.mem.hexdump(addr, n))
end

-- What insns and disasm mean by this session: the thread whose event is being handled, if it is one of its own.
local function looked_at(self)
	local thread = core.thread()
	return thread and thread.session == self and thread or self
end

local function insns(self, where, n, options, target)
	return core.load("disasm").insns(target or looked_at(self), where, n, options, function(what, name)
		return address_of(self, what, name)
	end)
end

local function disasm(self, where, n, options, target)
	target = target or looked_at(self)
	return core.load("disasm").disasm(target, self, where, n, options, function(what, name)
		return address_of(self, what, name)
	end)
end

for name, look in pairs { insns = insns, disasm = disasm } do
	classes.Thread.methods[name] = function(self, where, n, options)
		if getmetatable(self) ~= "Thread" then
			check.fail("%s: Thread expected, got %s; call methods with a colon", name, number.show(self))
		end
		return look(self.session, where, n, options, self)
	end
end

-- Each is a method of Session and, with the current one in self's place, a global.
local shared = {
	bp = of("breakpoint", "add"), bps = core.bps, on = on, run = run, detach = detach, kill = methods.kill,
	threads = threads, watch = watch, steps = steps,
	sym = sym, find_sym = find_sym, find_syms = find_syms, where = name_of, modules = core.modules,
	hexdump = hexdump, stats = methods.stats,
	hook = of("hook", "hook"), replace = of("hook", "replace"),
	step = wait.step, step_over = wait.step_over, finish = wait.finish, run_to = wait.run_to,
	insns = function(self, where, n, options) return insns(self, where, n, options) end,
	disasm = function(self, where, n, options) return disasm(self, where, n, options) end,
	core = function(self, file)
		local target = looked_at(self)
		core.load("corefile").write(self, target == self and self.thread or target, file)
	end,
	gdb = function(self, thread, options)
		if type(thread) == "table" and options == nil then
			thread, options = nil, thread
		end
		thread = thread or looked_at(self)
		if thread == self then
			thread = self.thread
		end
		return core.load("gdb").run(thread, options)
	end,
	snapshot = function(self) return core.load("snapshot").take(looked_at(self)) end,
}

-- What changes code, or runs it: given the thread that it means and how places are found there.
local function place_of(self, what, where)
	if type(where) == "string" and where ~= "" then
		return address_of(self, what, check.string(what .. ": where", where))
	end
	return (check.address(what .. ": where", where))
end

for name, module in pairs { patch = "patch", nop = "patch", original_bytes = "patch", call = "call" } do
	shared[name] = function(self, where, ...)
		return require("ptracehook." .. module)[name](self, looked_at(self), place_of(self, name, where), ...)
	end
end

function shared.redirect(self, where, to, options)
	local place, goal = place_of(self, "redirect", where), place_of(self, "redirect: to", to)
	return require("ptracehook.patch").redirect(self, looked_at(self), place, goal, options)
end

M.globals.load_snapshot = of("snapshot", "load")
M.globals.asm, M.globals.f64 = of("patch", "asm"), of("call", "f64")

local function current()
	return core.current()
		or check.fail "there is no target: name a program or -p PID on the command line, or call spawn or attach first"
end

for name, fn in pairs(shared) do
	methods[name] = function(self, ...)
		return fn(core.self(self, name), ...)
	end
	M.globals[name] = function(...)
		return fn(current(), ...)
	end
end

local run_current = M.globals.run

function M.globals.run(options)
	if type(options) == "table" then
		for name in pairs(options) do
			if type(name) ~= "string" then
				return run_several(options)
			end
		end
	end
	return run_current(options)
end

local function syscalls(target_of)
	return require("ptracehook.call").syscalls(target_of)
end

classes.Session.getters.syscall = function(self)
	local own = own_table(self)
	own.syscall = own.syscall or syscalls(function() return looked_at(self) end)
	return own.syscall
end

M.globals.syscall = setmetatable({}, {
	__index = function(_, name)
		return syscalls(function() return looked_at(current()) end)[name]
	end,
	__newindex = function(_, name, value) syscalls()[name] = value end,
})

-- Of the thread whose event is being handled, which the global functions mean, or of a session's.
local asked = {
	backtrace = of("backtrace", "read"), bt = of("backtrace", "print"), line = core.line,
	args = of("variables", "args"), locals = of("variables", "locals"),
}

for name, fn in pairs(asked) do
	M.globals[name] = function(...)
		return fn(nil, ...)
	end
	methods[name] = function(self, ...)
		return fn(core.self(self, name), ...)
	end
end

function classes.Thread.methods.backtrace(self)
	return (asked.backtrace(self))
end

function classes.Thread.methods.gdb(self, options)
	return core.load("gdb").run(self, options)
end

for _, name in ipairs { "step", "step_over", "finish", "run_to" } do
	local verb = wait[name]
	classes.Thread.methods[name] = function(self, ...)
		if getmetatable(self) ~= "Thread" then
			check.fail("%s: Thread expected, got %s; call methods with a colon", name, number.show(self))
		end
		return verb(self, ...)
	end
end

function methods.sleep(self, seconds)
	wait.sleep(core.self(self, "sleep"), seconds)
end

function M.globals.sleep(seconds)
	wait.sleep(nil, seconds)
end

function methods.policy(self, settings)
	policy(core.self(self, "policy"), settings)
end

function M.globals.policy(settings)
	policy(nil, settings)
end

return M
