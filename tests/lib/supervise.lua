-- supervise - one test, bounded: no time without end, no process left behind, no sanitizer report unseen.
--
-- luajit supervise.lua SECONDS COMMAND [ARG...]
--
-- Exit status: the command's (128+N for signal N); 124 out of time; 97 it left processes behind; 98 a sanitizer
-- reported. What is left is named on stderr and killed. The command gets a folder of its own as TMPDIR, removed at the
-- end, and default handlers for every signal, also when ours are ignored.

local ffi = require "ffi"

ffi.cdef [[
typedef struct { unsigned long bits[16]; } sigset_t;
struct timespec { long sec, nsec; };
int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int getpid(void);
int fork(void);
int execvp(const char *file, const char **argv);
void _exit(int status);
int waitpid(int pid, int *status, int options);
int kill(int pid, int sig);
int poll(void *fds, unsigned long n, int timeout);
int sigemptyset(sigset_t *set);
int sigaddset(sigset_t *set, int sig);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sigtimedwait(const sigset_t *set, void *info, const struct timespec *timeout);
void (*signal(int sig, void (*handler)(int)))(int);
int setenv(const char *name, const char *value, int overwrite);
char *mkdtemp(char *template);
]]

local C = ffi.C
local PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, WNOHANG, WALL = 1, 36, 1, 0x40000000
local SIGKILL, SIGTERM, SIGCHLD, SIG_SETMASK, SIG_BLOCK = 9, 15, 17, 2, 0
local GRACE_MS, STEP_MS = 2000, 10 -- how long what is ending may take
local OUT_OF_TIME, LEFT_BEHIND, REPORTED = 124, 97, 98

local seconds = assert(tonumber(arg[1]), "usage: supervise.lua SECONDS COMMAND...")

local function complain(...)
	io.stderr:write("supervise: ", string.format(...), "\n")
end

local function read(path)
	local file = io.open(path, "rb")
	local text = file and file:read "*a"
	if file then file:close() end
	return text
end

local function start()
	local argv = ffi.new("const char *[?]", #arg)
	for i = 2, #arg do argv[i - 2] = arg[i] end
	local none = ffi.new "sigset_t"
	C.sigemptyset(none)
	local pid = C.fork()
	if pid == 0 then
		C.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
		for sig = 1, 31 do C.signal(sig, nil) end
		C.sigprocmask(SIG_SETMASK, none, nil)
		C.execvp(arg[2], argv)
		C._exit(127)
	end
	return pid
end

-- Reaps whatever has ended; the status of pid if that is among it, and whether any child is left.
local function reap(pid)
	local status, found = ffi.new "int[1]", nil
	while true do
		local ended = C.waitpid(-1, status, WNOHANG + WALL)
		if ended == pid then found = status[0] end
		if ended <= 0 then return found, ended == 0 end
	end
end

local function await(pid)
	local chld = ffi.new "sigset_t"
	C.sigemptyset(chld)
	C.sigaddset(chld, SIGCHLD)
	local deadline = os.time() + seconds
	while true do
		local status = reap(pid)
		if status then return status end
		if os.time() > deadline then return nil end
		C.sigtimedwait(chld, nil, ffi.new("struct timespec", 1, 0))
	end
end

local function children(pid)
	local list = {}
	for child in (read(("/proc/%s/task/%s/children"):format(pid, pid)) or ""):gmatch "%d+" do
		local command = (read("/proc/" .. child .. "/cmdline") or ""):gsub("%z", " ")
		local state = (read("/proc/" .. child .. "/stat") or ""):match ".*%) (%a)"
		list[#list + 1] = { pid = tonumber(child), text = ("%s (%s) %s"):format(child, state or "?", command) }
	end
	return list
end

-- What runs when the time is over, so that one sees what it hung on; each is asked to end, the innermost first.
local function interrupt(pid, indent)
	for _, child in ipairs(children(pid)) do
		complain("%sstill there: %s", indent, child.text)
		interrupt(child.pid, indent .. "  ")
		C.kill(child.pid, SIGTERM)
	end
end

-- Those that end by themselves within the grace period (killed with their tracer, say) are no leftovers.
local function sweep(pid, grace)
	local found = false
	for _ = 1, grace / STEP_MS do
		local _, left = reap(pid)
		if not left then return found end
		C.poll(nil, 0, STEP_MS)
	end
	for _ = 1, GRACE_MS / STEP_MS do
		local _, left = reap(pid)
		if not left then return found end
		for _, child in ipairs(children(C.getpid())) do
			if not found then complain("left behind: %s", child.text) end
			C.kill(child.pid, SIGKILL)
		end
		found = true
		C.poll(nil, 0, STEP_MS)
	end
	complain "something survives SIGKILL"
	return true
end

local function reports(dir)
	local list = io.popen("cat " .. dir .. "/sanitizer.* 2>/dev/null")
	local text = list:read "*a"
	list:close()
	io.stderr:write(text)
	return text ~= ""
end

C.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
local block = ffi.new "sigset_t"
C.sigemptyset(block)
C.sigaddset(block, SIGCHLD)
C.sigprocmask(SIG_BLOCK, block, nil)

local template = (os.getenv "TMPDIR" or "/tmp") .. "/ptracehook-test.XXXXXX"
local dir = ffi.string(assert(C.mkdtemp(ffi.cast("char *", ffi.new("char[?]", #template + 1, template)))))
C.setenv("TMPDIR", dir, 1)
for _, name in ipairs { "ASAN_OPTIONS", "UBSAN_OPTIONS" } do
	local options = os.getenv(name)
	C.setenv(name, (options and options .. ":" or "") .. "log_path=" .. dir .. "/sanitizer", 1)
end

local pid = start()
local status = await(pid)
local code
if not status then
	complain("out of time: %d seconds", seconds)
	interrupt(C.getpid(), "")
	code = OUT_OF_TIME
elseif status % 128 ~= 0 then
	code = 128 + status % 128
else
	code = math.floor(status / 256) % 256
end
if sweep(pid, GRACE_MS) and status then code = LEFT_BEHIND end
if reports(dir) then code = REPORTED end
os.execute("rm -rf " .. dir)
os.exit(code)
