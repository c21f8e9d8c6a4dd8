-- trace: how calls are shown. The calls are made up: numbers, and a memory that is a table of strings.

local ffi = require "ffi"
local Call = require "trace.call"
local decode = require "trace.decode"
local flags = require "trace.flags"
local inject = require "trace.inject"
local printer = require "trace.printer"
local summary = require "trace.summary"
local text = require "trace.text"
local trace = require "trace"

-- A memory of pieces by address: what lies outside them cannot be read.
local function memory(pieces)
	local function read(at, n)
		at, n = tonumber(at), tonumber(n)
		for start, bytes in pairs(pieces) do
			if at >= start and at + n <= start + #bytes then
				return bytes:sub(at - start + 1, at - start + n)
			end
		end
	end
	local function cstr(at, max)
		at = tonumber(at)
		for start, bytes in pairs(pieces) do
			if at >= start and at < start + #bytes then
				local rest = bytes:sub(at - start + 1, at - start + max)
				local zero = rest:find("\0", 1, true)
				if zero or #rest == max then
					return zero and rest:sub(1, zero - 1) or rest
				end
			end
		end
	end
	return read, cstr
end

local function new_call(name, args, pieces, options)
	local read, cstr = memory(pieces or {})
	local words = {}
	for i = 1, 6 do
		words[i] = u64(args[i] or 0)
	end
	options = options or {}
	return Call.new {
		name = name, args = words, tid = 5, pid = 5, read = read, cstr = cstr, strings = options.strings or 32,
		paths = options.paths, path_of = options.path_of, sp = options.sp,
	}
end

-- The whole line of a call.
local function line(name, args, ret, pieces, options)
	local call = new_call(name, args, pieces, options)
	local words = name .. "(" .. decode.enter(call)
	decode.set_result(call, i64(ret))
	return words .. decode.leave(call) .. ") = " .. decode.result(call)
end

local function words32(...)
	local box = ffi.new("int32_t[?]", select("#", ...), ...)
	return ffi.string(box, ffi.sizeof(box))
end

local function words64(...)
	local parts = {}
	for i = 1, select("#", ...) do
		parts[i] = ffi.string(ffi.new("uint64_t[1]", (select(i, ...))), 8)
	end
	return table.concat(parts)
end

describe("text", function()
	it("is escaped as C does, octal as short as what follows allows", function()
		assert.equal([["a\"b\\c\n\t\v\f\r"]], text.quote "a\"b\\c\n\t\v\f\r")
		assert.equal([["\0\0001\08\377\1777"]], text.quote "\0\0001\0008\255\1277")
		assert.equal([[""]], text.quote "")
		assert.equal([["\x00\x61\xff"]], text.quote_hex "\0a\255")
		assert.equal([[a\74b\76]], text.angle "a<b>")
	end)
end)

describe("flags", function()
	it("are named in their order, with what has no name behind them", function()
		assert.equal("PROT_NONE", flags.bits("prot", 0))
		assert.equal("PROT_READ|PROT_EXEC", flags.bits("prot", 5))
		assert.equal("PROT_READ|0x40", flags.bits("prot", 0x41))
		assert.equal("0x40 /* PROT_??? */", flags.bits("prot", 0x40))
		assert.equal("0", flags.bits("msg", 0))
		assert.equal("CLONE_VM|CLONE_INTO_CGROUP", flags.bits("clone3", 0x200000100))
	end)

	it("of which one applies have a mark when it is unknown", function()
		assert.equal("SEEK_END", flags.choice("whence", 2))
		assert.equal("0x63 /* SEEK_??? */", flags.choice("whence", 99))
		assert.equal("0xffffffff /* SEEK_??? */", flags.choice("whence", -1))
	end)

	it("all parse, and no name stands twice in a set", function()
		local n = 0
		for _, row in pairs(require "trace.calls") do
			for set in row:gmatch ":([%a_][%w_]*)" do
				if not ({ int = 1, uint = 1, long = 1, size = 1, hex = 1, hex32 = 1, RLIM64_INFINITY = 1 })[set] then
					local seen = {}
					for name in flags.each(set) do
						assert.is_nil(seen[name], set .. " " .. name)
						seen[name] = true
						n = n + 1
					end
				end
			end
		end
		assert.is_true(n > 500)
	end)
end)

describe("the table of calls", function()
	local calls = require "trace.calls"

	-- Anything that may be compiled is: what is not fit for that shows itself sooner.
	setup(function() jit.opt.start("hotloop=3", "hotexit=2") end)
	teardown(function() jit.opt.start("hotloop=56", "hotexit=10") end)

	it("knows every call of x86-64", function()
		for name in pairs(SYS) do
			if type(name) == "string" then
				assert.truthy(decode.knows(name), name)
			end
		end
	end)

	it("shows each of them with any arguments", function()
		for name in pairs(calls) do
			for _, value in ipairs { 0, 1, 8, -1, 2 ^ 40 } do
				for _, ret in ipairs { 0, 1, 5, -1, -2, -512 } do
					local words = line(name, { value, value, value, value, value, value }, ret)
					assert.truthy(words:find("^[%w_]+%(.*%) = .+$"), words)
				end
			end
		end
	end)

	it("shows each of them with memory that is garbage", function()
		local garbage = ("\255\1\0\128\254"):rep(3000)
		for name in pairs(calls) do
			for shift = 0, 4 do
				local at = 0x10000 + shift
				assert.truthy(line(name, { at, at, at, at, at, at }, 4, { [0x10000] = garbage }))
				assert.truthy(line(name, { 3, at, 8, at, 8, at }, 2, { [0x10000] = ("\0\3"):rep(8000) }))
			end
		end
	end)

	it("types the arguments of at least 150", function()
		local n = 0
		for _, row in pairs(calls) do
			if row:gsub("%->.*", ""):gsub("%f[%w]hex%f[%W]", ""):find "%a" then
				n = n + 1
			end
		end
		assert.is_true(n >= 150, n)
	end)
end)

describe("a call", function()
	local pieces = {
		[0x1000] = "/etc/passwd\0" .. ("x"):rep(100) .. "\0", [0x3000] = "\1\2abc",
		[0x4000] = words64(0x1000, 5, 0x100c, 40), [0x5000] = words64(0x1000, 0x100c, 0), [0x6000] = words32(3, 4),
	}

	local rows = {
		{ 'openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3', "openat", { -100, 0x1000, 0x80000 }, 3 },
		{ 'openat(7, "/etc/passwd", O_RDWR|O_CREAT, 0644) = -1 ENOENT (No such file or directory)', "openat",
			{ 7, 0x1000, 0x42, 420 }, -2 },
		{ "open(0x10, O_ACCMODE) = -1 EFAULT (Bad address)", "open", { 0x10, 3 }, -14 },
		{ "open(NULL, O_RDONLY) = -1 EFAULT (Bad address)", "open", { 0, 0 }, -14 },
		{ [[read(3, "\1\2abc", 5) = 5]], "read", { 3, 0x3000, 5 }, 5 },
		{ [[read(3, "", 5) = 0]], "read", { 3, 0x3000, 5 }, 0 },
		{ "read(3, 0x3000, 5) = -1 EAGAIN (Resource temporarily unavailable)", "read", { 3, 0x3000, 5 }, -11 },
		{ "read(0, 0x3000, 5) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", "read", { 0, 0x3000, 5 }, -512 },
		{ 'write(1, "' .. ("x"):rep(32) .. '"..., 40) = 40', "write", { 1, 0x100c, 40 }, 40 },
		{ "write(1, 0x10, 3) = -1 EFAULT (Bad address)", "write", { 1, 0x10, 3 }, -14 },
		{ 'writev(1, [{iov_base="/etc/", iov_len=5}, {iov_base="' .. ("x"):rep(32) .. '"..., iov_len=40}], 2) = 45',
			"writev", { 1, 0x4000, 2 }, 45 },
		{ 'readv(1, [{iov_base="/e", iov_len=5}, {iov_base="", iov_len=40}], 2) = 2', "readv", { 1, 0x4000, 2 }, 2 },
		{ 'execve("/etc/passwd", ["/etc/passwd", "' .. ("x"):rep(32) .. '"...], 0x5000 /* 2 vars */) = 0', "execve",
			{ 0x1000, 0x5000, 0x5000 }, 0 },
		{ "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000", "mmap",
			{ 0, 4096, 1, 0x22, -1, 0 }, 0x7f0000000000 },
		{ "pipe([3, 4]) = 0", "pipe", { 0x6000 }, 0 },
		{ "lseek(3, -1, SEEK_END) = 9", "lseek", { 3, -1, 2 }, 9 },
		{ "kill(-1, SIGRT_2) = 0", "kill", { -1, 34 }, 0 },
		{ "umask(022) = 027", "umask", { 18 }, 23 },
		{ "exit_group(3) = ?", "exit_group", { 3 }, 0 },
		{ "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG, NULL) = 7", "wait4", { -1, 0x7000, 1, 0 }, 7,
			{ [0x7000] = words32(0x300) } },
		{ "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}], 0, NULL) = 7", "wait4",
			{ -1, 0x7000, 0, 0 }, 7, { [0x7000] = words32(0x8b) } },
		{ 'connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0', "connect",
			{ 3, 0x7000, 16 }, 0, { [0x7000] = "\2\0\0\80\127\0\0\1" .. ("\0"):rep(8) } },
		{ 'connect(3, {sa_family=AF_UNIX, sun_path=@"abc"}, 6) = 0', "connect", { 3, 0x7000, 6 }, 0,
			{ [0x7000] = "\1\0\0abc" } },
		{ 'connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "fe80::1:0:0:2", '
			.. "&sin6_addr), sin6_scope_id=2}, 28) = 0", "connect", { 3, 0x7000, 28 }, 0,
			{ [0x7000] = "\10\0\0\80\0\0\0\0\254\128\0\0\0\0\0\0\0\1\0\0\0\0\0\2" .. words32(2) } },
		{ "futex(0x9000, FUTEX_WAIT_PRIVATE, 2, {tv_sec=1, tv_nsec=5}) = -1 ETIMEDOUT (Connection timed out)", "futex",
			{ 0x9000, 128, 2, 0x7000 }, -110, { [0x7000] = words64(1, 5) } },
		{ "nanosleep({tv_sec=1, tv_nsec=5}, {tv_sec=0, tv_nsec=9}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)",
			"nanosleep", { 0x7000, 0x8000 }, -516, { [0x7000] = words64(1, 5), [0x8000] = words64(0, 9) } },
		{ "rt_sigprocmask(SIG_BLOCK, ~[TERM RT_1], NULL, 8) = 0", "rt_sigprocmask", { 0, 0x7000, 0, 8 }, 0,
			{ [0x7000] = words64(0xfffffffeffffbfffULL) } },
		{ "poll([{fd=3, events=POLLIN}, {fd=-1}], 2, -1) = 1 ([{fd=3, revents=POLLIN|POLLHUP}])", "poll",
			{ 0x7000, 2, -1 }, 1, { [0x7000] = words32(3, 0x110001, -1, 4) } },
		{ "poll(NULL, 0, 5) = 0 (Timeout)", "poll", { 0, 0, 5 }, 0 },
		{ "fcntl(3, F_GETFL) = 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)", "fcntl", { 3, 3 }, 0x8402 },
		{ "ioctl(0, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0", "ioctl", { 0, 0x5413, 0x7000 }, 0,
			{ [0x7000] = words32(24 + 80 * 65536, 0) } },
		{ "ioctl(0, _IOC(_IOC_READ, 0x99, 0x1, 0x8), 0x5) = -1 ENOTTY (Inappropriate ioctl for device)", "ioctl",
			{ 0, 0x80089901, 5 }, -25 },
		{ "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x9000) = 9",
			"clone", { 0x1200011, 0, 0, 0x9000 }, 9 },
		{ "syscall_0x3e7(0x1, 0x2, 0, 0, 0, 0xffffffffffffffff) = -1 ENOSYS (Function not implemented)", "syscall_0x3e7",
			{ 1, 2, 0, 0, 0, -1 }, -38 },
		{ "rt_sigreturn({mask=[INT]}) = 4", "rt_sigreturn", {}, 4, { [0x8000] = ("\0"):rep(296) .. words64(2) },
			{ sp = 0x8000ULL } },
	}
	for _, row in ipairs(rows) do
		it("is shown as " .. row[1]:sub(1, 70), function()
			assert.equal(row[1], line(row[2], row[3], row[4], row[5] or pieces, row[6]))
		end)
	end

	it("by another table than x86-64's is shown raw", function()
		local call = new_call("open@i386", { 0x1000, 0, 5 }, pieces)
		call.foreign = true
		assert.equal("0x1000, 0, 0x5, 0, 0, 0", decode.enter(call))
		decode.set_result(call, -2LL)
		assert.equal("", decode.leave(call))
		assert.equal("-1 ENOENT (No such file or directory)", decode.result(call))
	end)

	it("comes in two pieces where the kernel fills something in", function()
		local call = new_call("read", { 3, 0x3000, 5 }, pieces)
		assert.equal("3, ", decode.enter(call))
		assert.is_false(decode.is_whole(call))
		decode.set_result(call, 5LL)
		assert.equal([["\1\2abc", 5]], decode.leave(call))
	end)

	it("shows as much of strings as is asked for", function()
		assert.equal([[write(1, "/e"..., 5) = 5]], line("write", { 1, 0x1000, 5 }, 5, pieces, { strings = 2 }))
		assert.equal([[write(1, ""..., 5) = 5]], line("write", { 1, 0x1000, 5 }, 5, pieces, { strings = 0 }))
	end)

	it("shows paths of descriptors when asked to", function()
		local options = { paths = true, path_of = function(_, fd) return fd == "cwd" and "</root>" or "</f" .. fd .. ">" end }
		assert.equal('openat(AT_FDCWD</root>, "/etc/passwd", O_RDONLY) = 3</f3>',
			line("openat", { -100, 0x1000 }, 3, pieces, options))
	end)
end)

-- What a printer writes, when told what happened.
local function printed(options, tell)
	local parts = {}
	options.write = function(words) parts[#parts + 1] = words end
	tell(printer.new(options))
	return table.concat(parts)
end

describe("the printer", function()
	local function ended(call, ret)
		decode.set_result(call, i64(ret))
		return call
	end

	it("puts results in their column", function()
		assert.equal("getpid()                                = 5\n", printed({}, function(p)
			local call = new_call("getpid", {})
			p:enter(5, call)
			p:leave(5, ended(call, 5))
		end))
		assert.equal("getpid()   = 5 (INJECTED)\n", printed({ columns = 11 }, function(p)
			local call = new_call("getpid", {})
			p:enter(5, call)
			p:leave(5, ended(call, 5), "(INJECTED)")
		end))
	end)

	it("cuts a call when another thread speaks, and takes it up again", function()
		assert.equal(table.concat({
			"5     read(3,  <unfinished ...>",
			"6     getpid()                          = 6",
			'5     <... read resumed>"", 5)          = 0',
			"",
		}, "\n"), printed({ pids = "always" }, function(p)
			local one, two = new_call("read", { 3, 0, 5 }, { [0] = "" }), new_call("getpid", {})
			one.args[2] = 0x1000ULL
			one.read = function() return "" end
			p:enter(5, one)
			p:enter(6, two)
			p:leave(6, ended(two, 6))
			p:leave(5, ended(one, 0))
		end))
	end)

	it("says whose a line is once there are several threads", function()
		assert.equal("--- A ---\n[pid     5] --- B ---\n--- C ---\n", printed({ pids = "auto" }, function(p)
			p:born(5)
			p:line(5, "--- A ---")
			p:born(6)
			p:line(5, "--- B ---")
			p:gone(6)
			p:line(5, "--- C ---")
		end))
	end)

	it("ends the call of a thread that ends inside it", function()
		assert.equal("exit_group(3)                           = ?\n+++ exited with 3 +++\n", printed({}, function(p)
			p:enter(5, new_call("exit_group", { 3 }))
			p:ended(5, "exited with 3")
		end))
		assert.equal("read(0,  <unfinished ...>)              = ?\n+++ killed by SIGKILL +++\n", printed({}, function(p)
			p:enter(5, new_call("read", { 0, 0x10, 5 }))
			p:ended(5, "killed by SIGKILL")
		end))
	end)

	it("stamps lines with the time", function()
		local say = function(p) p:line(5, "x") end
		assert.truthy(printed({ time = "clock" }, say):find "^%d%d:%d%d:%d%d x\n$")
		assert.truthy(printed({ time = "micro" }, say):find "^%d%d:%d%d:%d%d%.%d%d%d%d%d%d x\n$")
		assert.truthy(printed({ time = "unix" }, say):find "^%d+%.%d%d%d%d%d%d x\n$")
		assert.equal("     0.000000 x\n", printed({ time = "relative" }, say))
	end)
end)

describe("the summary", function()
	it("counts calls, errors and time, the most expensive first", function()
		local s = summary.new()
		s:add("read", false, 0.001)
		s:add("read", true, 0.001)
		s:add("openat", false, 0.006)
		assert.equal(table.concat({
			"% time     seconds  usecs/call     calls    errors syscall",
			"------ ----------- ----------- --------- --------- ----------------",
			" 75.00    0.006000        6000         1           openat",
			" 25.00    0.002000        1000         2         1 read",
			"------ ----------- ----------- --------- --------- ----------------",
			"100.00    0.008000        2666         3         1 total",
			"",
		}, "\n"), s:text())
	end)

	it("of nothing divides by nothing", function()
		assert.truthy(summary.new():text():find "total\n$")
	end)
end)

describe("trace.calls", function()
	it("knows names, numbers, classes, all, none and negation", function()
		assert.same({ "openat", "read" }, trace.calls "read,openat")
		assert.same({ "read" }, trace.calls "0")
		assert.same({}, trace.calls "none")
		local net = trace.calls "%net"
		assert.same(net, trace.calls "%network")
		assert.equal("accept", net[1])
		local all = trace.calls "all"
		assert.equal(#all - 1, #trace.calls "!read")
		assert.same({ "read" }, trace.calls "?nothing,read")
	end)

	it("has only calls that exist in its classes", function()
		local classes = require "trace.classes"
		for _, name in ipairs(classes.names()) do
			for call in classes.find(name:sub(2)):gmatch "%S+" do
				assert.truthy(decode.knows(call), name .. " " .. call)
			end
		end
	end)

	it("names what is unknown, and the nearest", function()
		for spec, words in pairs {
			opanat = "there is no system call opanat; did you mean openat?", ["%nett"] = "there is no class %nett; there are ",
			["999999"] = "there is no system call number 999999", [""] = "no system call named",
		} do
			local names, why = trace.try_calls(spec)
			assert.is_nil(names)
			assert.equal(words, why:sub(1, #words))
		end
		assert.has_error(function() trace.calls(5) end)
	end)
end)

describe("injection", function()
	it("chooses calls by their number", function()
		for spec, wanted in pairs {
			["3"] = "3", ["3+"] = "345678", ["3+2"] = "357", ["3..5"] = "345", ["2..6+2"] = "246", ["1"] = "1",
		} do
			local when, chosen = inject.when(spec), ""
			for n = 1, 8 do
				chosen = chosen .. (inject.applies(when, n) and n or "")
			end
			assert.equal(wanted, chosen, spec)
		end
		for _, bad in ipairs { "", "0", "x", "3..", "5..3", "3+0", "3.5", "-1", "+", "3-5" } do
			assert.is_nil(inject.when(bad), bad)
		end
	end)

	it("reads what is to happen", function()
		local rule = inject.parse "openat,%net:error=ENOENT:when=2+:delay_exit=5ms"
		assert.equal("openat,%net", rule.spec)
		assert.equal(-2, rule.ret)
		assert.equal(5000, rule.delay_exit)
		assert.equal(2, rule.when.first)
		assert.equal(-38, inject.parse("close", true).ret)
		assert.equal(0xffffffffffffLL, inject.parse("close:retval=0xffffffffffff").ret)
		assert.equal(SIG.SIGTERM, inject.parse("close:signal=TERM").signal)
	end)

	it("names what it cannot read", function()
		for spec, words in pairs {
			["close"] = "does not say what happens", ["close:error=EFOO"] = "error=EFOO: an error such as ENOENT",
			["close:error=4096"] = "1 to 4095", ["close:retval=1.5"] = "a whole number", ["close:signal=FOO"] = "no such signal",
			["close:when=0:error=EIO"] = "when=0: FIRST", ["close:fun=1"] = "fun=1: there are error=",
			["close:delay_enter=x"] = "delay_enter=x: microseconds",
		} do
			local rule, why = inject.parse(spec)
			assert.is_nil(rule)
			assert.truthy(why:find(words, 1, true), why)
		end
	end)
end)
