-- trace - prints system calls, signals and ends of threads as strace does.
--
--	local trace = require "trace"
--	local t = trace.start { calls = "openat,%net", paths = true }
--	...
--	t:stop()
--
-- The calls that are known, and how their arguments are shown, is trace/calls.lua.

require("jit").off(true, true) -- see decode.lua

local core = require "ptracehook.core"
local api = require "ptracehook" -- not by its globals: a script may have variables of these names
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local Call = require "trace.call"
local classes = require "trace.classes"
local clock = require "trace.clock"
local decode = require "trace.decode"
local K = require "trace.kinds"
local printer = require "trace.printer"
local procfs = require "trace.procfs"
local summary = require "trace.summary"

local M = {}

local format = string.format

-- ---- Which calls

local function unknown(word, known)
	local near = check.nearest(word, known)
	return ("there is no system call %s%s"):format(word, near and "; did you mean " .. near .. "?" or "")
end

local function all_calls()
	local names = {}
	for name in pairs(api.SYS) do
		if type(name) == "string" then
			names[name] = true
		end
	end
	return names
end

-- The calls that a word means: a name, a number, %class, /pattern; nil, why not.
local function meant(word)
	local class = word:match "^%%(.+)$" or (not api.SYS[word] and classes.find(word) and word)
	if class then
		local text = classes.find(class)
		if not text then
			return nil, ("there is no class %s; there are %s"):format(word, table.concat(classes.names(), ", "))
		end
		local names = {}
		for name in text:gmatch "%S+" do
			if api.SYS[name] then
				names[#names + 1] = name
			end
		end
		return names
	elseif word:find "^%d+$" then
		local name = api.SYS[tonumber(word)]
		return name and { name } or nil, not name and ("there is no system call number %s"):format(word)
	elseif not api.SYS[word] or type(api.SYS[word]) ~= "number" then
		return nil, unknown(word, all_calls())
	end
	return { word }
end

-- The names that "openat,%net" means, sorted; "all" and "*" are every call, "none" is none, "!" in front of the list
-- turns it round, "?" in front of a word lets it mean nothing. nil, why not for what means nothing.
function M.try_calls(spec)
	check.string("trace.calls: spec", spec)
	local inverted, list = spec:match "^(!?)(.*)$"
	local found = {}
	if list == "all" or list == "*" then
		found = all_calls()
	elseif list ~= "none" then
		if list == "" then
			return nil, "no system call named"
		end
		for optional, word in list:gmatch "(%??)([^,]+)" do
			local names, why = meant(word)
			if not names and optional == "" then
				return nil, why
			end
			for _, name in ipairs(names or {}) do
				found[name] = true
			end
		end
	end
	local names = {}
	for name in pairs(inverted == "!" and all_calls() or found) do
		if inverted == "" or not found[name] then
			names[#names + 1] = name
		end
	end
	table.sort(names)
	return names
end

function M.calls(spec)
	local names, why = M.try_calls(spec)
	return names or check.fail("trace.calls: %s", why)
end

-- ---- Calls of the engine's as calls of decode.lua

local function read(at, n)
	return (api.mem.try_read(at, n))
end

local function cstr(at, max)
	return (api.mem.try_cstr(at, max))
end

local function call_of(sc, settings)
	local args = sc.args
	local call = Call.new {
		name = sc.name or decode.unnamed(sc.nr), args = { args[1], args[2], args[3], args[4], args[5], args[6] },
		pid = sc.thread.process.pid, read = read, cstr = cstr, strings = settings.strings, paths = settings.paths,
		path_of = procfs.path_of,
	}
	if sc.arch ~= "x86_64" then
		call.foreign, call.name = true, call.name .. "@" .. sc.arch
	end
	if call.name == "restart_syscall" then
		call.resuming = settings.last and settings.last[sc.thread.tid]
	end
	if call.name == "rt_sigreturn" then
		call.sp = api.regs.rsp
	end
	return call
end

local defaults = { strings = 32 }

-- A call as one line, from a leave hook; from an enter hook without its result.
function M.format(sc, options)
	local settings = options or defaults
	local call = call_of(sc, { strings = settings.strings or 32, paths = settings.paths })
	local words = call.name .. "(" .. decode.enter(call)
	local ret = sc.ret
	if ret == nil then
		return words .. ")"
	end
	decode.set_result(call, ret)
	return words .. decode.leave(call) .. ") = " .. decode.result(call)
end

-- ---- Traces

local Trace = {}
Trace.__index = Trace

local known = {
	calls = true, output = true, strings = true, paths = true, pids = true, time = true, spent = true, columns = true,
	summary = true, stack = true, signals = true, exits = true, remark = true, interrupted = true,
}
local TIMES = { clock = true, micro = true, unix = true, relative = true }
local PIDS = { always = true, auto = true, never = true }

local function one_of(what, value, set)
	if value ~= nil and not set[value] then
		local names = {}
		for name in pairs(set) do
			names[#names + 1] = '"' .. name .. '"'
		end
		table.sort(names)
		check.fail("trace.start: %s: one of %s expected, got %s", what, table.concat(names, ", "), number.show(value))
	end
	return value
end

local function writer(output)
	if output == nil then
		output = io.stderr
	end
	if check.is_callable(output) then
		return output
	elseif io.type(output) ~= "file" then
		check.fail("trace.start: output: an open file or a function expected, got %s", number.show(output))
	end
	return function(text)
		local ok, why = output:write(text)
		if not ok then
			check.fail("cannot write: %s", tostring(why))
		end
	end
end

local function names_of(calls)
	if type(calls) == "table" then
		calls = calls[1] and table.concat(calls, ",") or "none"
	end
	if calls == nil or calls == "*" or calls == "all" then
		return "*"
	end
	return M.calls(calls)
end

local function has(names, wanted)
	for _, name in ipairs(names) do
		if name == wanted then
			return true
		end
	end
	return false
end

-- The stack as lines: file, function and place in it, place in the file.
local function stack_of(thread)
	local maps, lines = api.mem.maps(), {}
	for _, frame in ipairs(thread:backtrace()) do
		local at = frame.address
		if not frame.inlined and not frame.jumped then
			local line = format(" > unexpected_backtracing_error [%#x]", at)
			for _, map in ipairs(maps) do
				if map.start <= at and at < map.stop then
					line = format(" > %s(%s) [%#x]", map.path, frame.symbol and format("%s+%#x", frame.symbol, frame.offset) or "",
						at - map.start + map.offset)
				end
			end
			lines[#lines + 1] = line
		end
	end
	return lines
end

-- The entry of a call that its thread left under another id: an exec makes its caller the leader.
local function take_exec(self, sc)
	local pid = sc.thread.process.pid
	for tid, call in pairs(self.pending) do
		if call.pid == pid and call.name == sc.name then
			self.pending[tid] = nil
			self.printer:gone(tid)
			return call
		end
	end
end

local function entered(self, sc)
	local tid = sc.thread.tid
	local call = call_of(sc, self.settings)
	self.pending[tid] = call
	if self.settings.stack then
		call.stack = stack_of(sc.thread) -- an exec leaves another
	end
	if self.printer then
		self.printer:enter(tid, call)
	else
		call.began = clock.seconds()
	end
end

local function left(self, sc)
	local tid = sc.thread.tid
	local call = self.pending[tid] or take_exec(self, sc)
	if not call then -- the call had begun before we came
		entered(self, sc)
		call = self.pending[tid]
	end
	self.pending[tid] = nil
	if call.name ~= "restart_syscall" then
		self.settings.last[tid] = call.name
	end
	decode.set_result(call, sc.ret)
	if self.counts then
		self.counts:add(call.name, call.failed, clock.seconds() - call.began)
	end
	if self.printer then
		self.printer:leave(tid, call, self.settings.remark and self.settings.remark(sc))
		for _, words in ipairs(call.stack or {}) do
			self.printer:below(words)
		end
	end
end

-- What a signal brings, as strace shows it: {si_signo=SIGTERM, si_code=SI_USER, si_pid=5, si_uid=0}
function M.siginfo(sig)
	return K.shared.siginfo(sig)
end

local function signal_words(sig)
	return format("--- %s %s ---", K.shared.signal(sig.number), M.siginfo(sig))
end

local function end_words(reason)
	if reason and reason.kind == "signal" then
		return "killed by " .. reason.signal .. (reason.core and " (core dumped)" or "")
	end
	return "exited with " .. (reason and reason.code or "?")
end

-- The thread whose exec ends this one, which is the leader: nobody tells it apart from an exit, but that it calls none.
local function exec_over(self, thread)
	local call = self.pending[thread.tid]
	if thread.tid ~= thread.process.pid or call and call.name:find "^exit" then
		return nil
	end
	for tid, other in pairs(self.pending) do
		if tid ~= thread.tid and other.pid == thread.process.pid and other.name:find "^execve" then
			return tid
		end
	end
end

local function add_events(self, add, options)
	local lines = self.printer
	local signals, exits = options.signals, options.exits
	add("thread_exit", function(thread, reason)
		local by = lines and exec_over(self, thread)
		if by then
			lines:superseded(thread.tid, by)
		elseif lines and exits ~= false then
			lines:ended(thread.tid, end_words(reason))
		elseif lines then
			lines:gone(thread.tid)
		end
		self.pending[thread.tid], self.settings.last[thread.tid] = nil, nil
	end)
	if not lines then
		return
	end
	if signals ~= false then
		add("signal", function(thread, sig)
			if type(signals) ~= "table" or signals[sig.name] then
				lines:line(thread.tid, signal_words(sig))
			end
		end)
	end
	add("thread", function(thread) lines:born(thread.tid) end)
	add("fork", function(_, child) lines:born(child.pid) end)
	for _, each in ipairs(api.threads()) do
		lines:born(each.tid)
	end
end

-- Starts printing what the current session's threads do; lua/meta/trace.lua says what the options are.
function M.start(options)
	options = check.options("trace.start", options, known)
	local settings = {
		strings = options.strings and check.count("trace.start: strings", options.strings) or 32,
		paths = check.boolean("trace.start: paths", options.paths),
		stack = check.boolean("trace.start: stack", options.stack), remark = options.remark, last = {},
	}
	local pids = one_of("pids", options.pids, PIDS) or "auto"
	local self = setmetatable({ settings = settings, pending = {}, handles = {}, write = writer(options.output) }, Trace)
	if options.summary then
		self.counts = summary.new()
	end
	if options.summary ~= "only" then
		self.printer = printer.new {
			write = self.write, columns = options.columns and check.count("trace.start: columns", options.columns),
			pids = pids ~= "never" and pids or nil, time = one_of("time", options.time, TIMES),
			spent = check.boolean("trace.start: spent", options.spent),
		}
	end
	if options.interrupted ~= nil then
		if not check.is_callable(options.interrupted) then
			check.fail("trace.start: interrupted: function expected, got %s", number.show(options.interrupted))
		end
		core.last_words(function() options.interrupted() end)
	end
	local filter = names_of(options.calls)
	self.execs = filter == "*" or has(filter, "execve")
	local function add(...)
		self.handles[#self.handles + 1] = api.on(...)
	end
	if filter == "*" or #filter > 0 then
		add("syscall", filter, {
			enter = function(sc) entered(self, sc) end,
			leave = function(sc) left(self, sc) end,
		})
	end
	add_events(self, add, options)
	return self
end

-- The call that started the program, when it stands at its first instruction: nobody has seen the call, but what it was
-- made with is on the stack.
function Trace:started()
	if not self.execs or not procfs.is_first_instruction(api.process.pid, api.mem, api.regs.rip) then
		return
	end
	if self.counts then
		self.counts:add("execve", false, 0)
	end
	if self.printer then
		local words = procfs.show_first_call(procfs.first_call(api.process.pid, api.mem, api.regs.rsp), self.settings.strings)
		self.printer:whole(api.thread.tid, "execve(" .. words, "0")
	end
end

-- Stops printing: hooks are taken out.
function Trace:stop()
	for _, handle in ipairs(self.handles) do
		pcall(handle.remove, handle) -- which raises when its session has ended
	end
	self.handles = {}
	if self.printer then
		self.printer:close()
	end
end

-- The counts so far, as the table that strace -c prints.
function Trace:summary()
	return self.counts and self.counts:text() or ""
end

return M
