-- spawn - the options of spawn{}: environment, descriptors, limits.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

ffi.cdef [[
extern char **environ;
int open(const char *path, int flags, ...);
int close(int fd);
int memfd_create(const char *name, unsigned int flags);
ssize_t write(int fd, const void *buf, size_t len);
int64_t lseek(int fd, int64_t offset, int whence);
char *strerror(int code);
]]

local C = ffi.C
local O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC = 0, 1, 0x40, 0x200, 0x80000
local MFD_CLOEXEC = 1

local M = {}

local options_known = {
	env = true, clear_env = true, cwd = true, argv0 = true, aslr = true, follow = true, limits = true,
	timeout = true, stdin = true, stdout = true, stderr = true,
}

-- bits/resource.h on x86_64
local resources = {
	cpu = 0, fsize = 1, data = 2, stack = 3, core = 4, rss = 5, nproc = 6, nofile = 7, memlock = 8, as = 9,
}

local function is_word(value)
	return type(value) == "string" or type(value) == "number" or number.is_wide(value)
end

local function environment(changes, clear)
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

local function open_stream(name, what)
	local reads = name == "stdin"
	if what == nil or what == "inherit" then
		return -1
	elseif what == "null" then
		return open_file("/dev/null", reads and O_RDONLY or O_WRONLY)
	elseif type(what) == "table" and type(what.file) == "string" then
		return open_file(what.file, reads and O_RDONLY or O_WRONLY + O_CREAT + O_TRUNC)
	elseif type(what) == "table" and type(what.data) == "string" and reads then
		return open_data(what.data)
	elseif what == "pipe" or what == "pty" then
		return nil, ("spawn: %s = \"%s\" is not in this version; \"inherit\", \"null\", {file = name}%s are"):format(
			name, what, reads and ", {data = text}" or "")
	end
	return nil, ("spawn: %s: \"inherit\", \"null\", {file = name}%s expected, got %s"):format(name,
		reads and " or {data = text}" or "", number.show(what))
end

local function close_all(fds)
	for i = 0, 2 do
		if fds[i] and fds[i] >= 0 then
			C.close(fds[i])
		end
	end
end

local function open_streams(options)
	local fds = {}
	for i, name in ipairs { "stdin", "stdout", "stderr" } do
		local fd, why = open_stream(name, options[name])
		if not fd then
			close_all(fds)
			check.fail("%s", why)
		end
		fds[i - 1] = fd
	end
	return fds
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
	request.stdio = open_streams(options)
	local ok, session = pcall(core.spawn, request)
	close_all(request.stdio)
	if not ok then
		error(session, 0)
	end
	return session, timeout
end

return M
