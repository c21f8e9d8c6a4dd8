-- spawn - the options of spawn{}: environment, descriptors, limits. What talks to the target through them: tube.lua.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

ffi.cdef [[
extern char **environ;
int open(const char *path, int flags, ...);
int close(int fd);
int pipe2(int fds[2], int flags);
int memfd_create(const char *name, unsigned int flags);
ssize_t write(int fd, const void *buf, size_t len);
int64_t lseek(int fd, int64_t offset, int whence);
int isatty(int fd);
char *strerror(int code);
]]

local C = ffi.C
local O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_NOCTTY, O_TRUNC, O_CLOEXEC = 0, 1, 2, 0x40, 0x100, 0x200, 0x80000
local MFD_CLOEXEC = 1

local M = {}

local options_known = {
	env = true, clear_env = true, cwd = true, argv0 = true, aslr = true, follow = true, limits = true,
	timeout = true, stdin = true, stdout = true, stderr = true, pty = true, tty = true, log = true,
}

-- bits/resource.h on x86_64
local resources = {
	cpu = 0, fsize = 1, data = 2, stack = 3, core = 4, rss = 5, nproc = 6, nofile = 7, memlock = 8, as = 9,
}

local function is_word(value)
	return type(value) == "string" or type(value) == "number" or number.is_wide(value)
end

local function environment(changes, clear)
	if changes == nil and not clear then
		return nil -- ours
	end
	local values, order = {}, {}
	local function set(name, value)
		if values[name] == nil then
			order[#order + 1] = name
		end
		values[name] = value
	end
	local at = 0
	while not clear and C.environ[at] ~= nil do
		local name, value = ffi.string(C.environ[at]):match "^([^=]*)=(.*)$"
		if name then
			set(name, value)
		end
		at = at + 1
	end
	for name, value in pairs(check.table("spawn: env", changes) or {}) do
		if type(name) ~= "string" or name == "" or name:find "[=%z]" then
			check.fail("spawn: env: a name without '=' expected, got %s", number.show(name))
		end
		if value ~= false and not is_word(value) then
			check.fail("spawn: env.%s: a string, or false to take it out, expected, got %s", name, number.show(value))
		end
		set(name, value and check.string("spawn: env." .. name, tostring(value)))
	end
	local list = {}
	for _, name in ipairs(order) do
		if values[name] then
			list[#list + 1] = name .. "=" .. values[name]
		end
	end
	return list
end

local function os_error(what)
	return ("spawn: %s: %s"):format(what, ffi.string(C.strerror(ffi.errno())))
end

local function open_file(path, flags)
	local fd = C.open(path, flags + O_CLOEXEC, ffi.cast("int", 438)) -- 0666
	return fd >= 0 and fd or nil, fd < 0 and os_error(path) or nil
end

-- The target reads it to its end, however much that is, without anybody feeding it.
local function open_data(data)
	local fd = C.memfd_create("stdin", MFD_CLOEXEC)
	if fd < 0 then
		return nil, os_error "stdin"
	end
	local at = 0
	while at < #data do
		local n = tonumber(C.write(fd, ffi.cast("const char *", data) + at, #data - at))
		if n < 0 then
			local why = os_error "stdin"
			C.close(fd)
			return nil, why
		end
		at = at + n
	end
	C.lseek(fd, 0, 0)
	return fd
end

-- Descriptors of one spawn: theirs, [0] to [2], -1: ours as they are; ours, a list of {mask, fd, reads, writes}: the
-- other ends of pipes and the pty; opened, a set of all.
local Streams = {}
Streams.__index = Streams

local pair = ffi.new "int[2]"

function Streams:add(fd)
	self.opened[fd] = true
	return fd
end

function Streams:pipe(bit, reads)
	if C.pipe2(pair, O_CLOEXEC) < 0 then
		return nil, os_error "pipe"
	end
	local out, into = self:add(pair[0]), self:add(pair[1])
	self.ours[#self.ours + 1] = { bit, reads and into or out, not reads, reads }
	return reads and out or into
end

-- One for all that say "pty".
function Streams:pty(bit)
	if not self.terminal then
		local set = self.pty_options
		local ours, theirs = core.streams().pty(set.rows or 24, set.columns or 80, set.raw == true, set.echo == false)
		if not ours then
			return nil, "spawn: pty: " .. theirs
		end
		self.terminal = { 0, self:add(ours), true, true, theirs = self:add(theirs) }
		self.ours[#self.ours + 1] = self.terminal
	end
	self.terminal[1] = self.terminal[1] + bit
	return self.terminal.theirs
end

function Streams:close()
	for fd in pairs(self.opened) do
		C.close(fd)
	end
end

local pty_known = { rows = true, columns = true, raw = true, echo = true }

local function pty_options(options)
	local set = check.options("spawn: pty", options, pty_known)
	for _, name in ipairs { "rows", "columns" } do
		if set[name] ~= nil and check.count("spawn: pty." .. name, set[name]) > 65535 then
			check.fail("spawn: pty.%s: at most 65535, got %s", name, number.show(set[name]))
		end
	end
	check.boolean("spawn: pty.raw", set.raw)
	check.boolean("spawn: pty.echo", set.echo)
	return set
end

function Streams:open(name, what, bit)
	local reads = name == "stdin"
	local fd, why
	if what == nil or what == "inherit" then
		return -1
	elseif what == "null" then
		fd, why = open_file("/dev/null", reads and O_RDONLY or O_WRONLY)
	elseif what == "pipe" then
		return self:pipe(bit, reads)
	elseif what == "pty" then
		return self:pty(bit)
	elseif what == "stdout" and name == "stderr" then
		return self.theirs[1] >= 0 and self.theirs[1] or 1
	elseif type(what) == "table" and type(what.file) == "string" then
		fd, why = open_file(what.file, reads and O_RDONLY or O_WRONLY + O_CREAT + O_TRUNC)
	elseif type(what) == "table" and type(what.data) == "string" and reads then
		fd, why = open_data(what.data)
	else
		return nil, ("spawn: %s: \"inherit\", \"pipe\", \"pty\", \"null\", %s{file = name}%s expected, got %s"):format(
			name, name == "stderr" and "\"stdout\", " or "", reads and " or {data = text}" or "", number.show(what))
	end
	return fd and self:add(fd), why
end

local names = { "stdin", "stdout", "stderr" }

-- Somebody else's terminal, which whatever is not said otherwise is.
function Streams:other_terminal(path)
	local fd, why = open_file(check.string("spawn: tty", path), O_RDWR + O_NOCTTY)
	if fd and C.isatty(self:add(fd)) == 0 then
		return nil, ("spawn: tty: %s is no terminal: the path that tty(1) prints there expected"):format(path)
	end
	self.tty = fd
	return fd, why
end

-- What streams are that the options do not name.
local function default_of(streams, options)
	if options.tty ~= nil then
		if options.pty ~= nil then
			check.fail "spawn: tty and pty: one terminal, either somebody's or one of its own, expected"
		end
		return streams:other_terminal(options.tty)
	elseif options.pty == nil then
		return -1
	end
	for _, name in ipairs(names) do
		if options[name] == "pty" then
			return -1
		end
	end
	return "pty"
end

local function open_streams(options)
	local streams = setmetatable({ theirs = {}, ours = {}, opened = {} }, Streams)
	streams.pty_options = pty_options(options.pty)
	local default, why = default_of(streams, options)
	if not default then
		streams:close()
		check.fail("%s", why)
	end
	for i, name in ipairs(names) do
		local what, fd = options[name], default
		if what ~= nil or type(default) == "string" then
			fd, why = streams:open(name, what or default, 2 ^ (i - 1))
		end
		if not fd then
			streams:close()
			check.fail("%s", why)
		end
		streams.theirs[i - 1] = fd
	end
	return streams
end

-- The target has its ends; ours become the session's.
local function hand_over(session, streams)
	for _, row in ipairs(streams.ours) do
		local ok, why = core.streams().open(session, unpack(row))
		if not ok then
			session:close()
			error("spawn: " .. why, 0)
		end
		streams.opened[row[2]] = nil
	end
end

local function check_limits(limits)
	local list = {}
	for name, value in pairs(check.table("spawn: limits", limits) or {}) do
		if not resources[name] then
			check.fail("spawn: limits: there is no '%s'; cpu (seconds), as, data, stack, core, fsize, rss, memlock (bytes), " ..
				"nofile, nproc are", tostring(name))
		end
		list[#list + 1] = { resources[name], check.size("spawn: limits." .. name, value) }
	end
	return list
end

local function check_argv(options)
	local argv, n = {}, 0
	for i in pairs(options) do
		if type(i) == "number" then
			n = math.max(n, i)
		end
	end
	for i = 1, n do
		local word = options[i]
		argv[i] = check.string(("spawn: argument %d"):format(i - 1), is_word(word) and tostring(word) or word)
	end
	if n == 0 then
		check.fail "spawn: no program: spawn{\"./program\", \"argument\", …} expected"
	end
	return argv
end

-- {"prog", "arg", …, options} as the core takes it, and the time limit.
function M.spawn(options)
	if type(options) == "string" then
		options = { options }
	elseif options == nil then
		check.fail "spawn: no program: spawn{\"./program\", \"argument\", …} expected"
	end
	check.options("spawn", options, options_known, true)
	local argv = check_argv(options)
	local request = {
		path = argv[1],
		argv = argv,
		env = environment(options.env, check.boolean("spawn: clear_env", options.clear_env)),
		cwd = options.cwd ~= nil and check.string("spawn: cwd", options.cwd) or nil,
		no_aslr = check.boolean("spawn: aslr", options.aslr) == false,
		follow = check.boolean("spawn: follow", options.follow),
		limits = check_limits(options.limits),
	}
	local timeout = check.seconds("spawn: timeout", options.timeout)
	if options.argv0 ~= nil then
		argv[1] = check.string("spawn: argv0", options.argv0)
	end
	local log = options.log ~= nil and core.load("tube").check_log("spawn: log", options.log)
	local streams = open_streams(options)
	request.stdio = streams.theirs
	request.new_session = streams.terminal ~= nil or streams.tty ~= nil
	local ok, session = pcall(core.spawn, request)
	if ok and streams.ours[1] then
		local why
		ok, why = pcall(hand_over, session, streams)
		session = ok and session or why
	end
	streams:close()
	if not ok then
		error(session, 0)
	end
	if log then
		core.load("tube").set_log(session, log)
	end
	return session, timeout
end

return M
