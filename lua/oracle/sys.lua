-- oracle.sys - the few system calls that an oracle makes for itself: files in memory, worker processes.

local ffi = require "ffi"

ffi.cdef [[
typedef struct { int fd; short events, revents; } oracle_pollfd;
int memfd_create(const char *name, unsigned int flags);
int open(const char *path, int flags, ...);
int close(int fd);
ssize_t read(int fd, void *buf, size_t len);
ssize_t write(int fd, const void *buf, size_t len);
ssize_t pread(int fd, void *buf, size_t len, int64_t offset);
ssize_t pwrite(int fd, const void *buf, size_t len, int64_t offset);
int ftruncate(int fd, int64_t len);
int64_t lseek(int fd, int64_t offset, int whence);
int fsync(int fd);
int rename(const char *from, const char *to);
int unlink(const char *path);
int isatty(int fd);
int getpid(void);
int getppid(void);
int fork(void);
void _exit(int status);
int kill(int pid, int sig);
int waitpid(int pid, int *status, int options);
int prctl(int option, ...);
int socketpair(int domain, int type, int protocol, int fds[2]);
int poll(oracle_pollfd *fds, unsigned long n, int timeout);
void (*signal(int sig, void (*handler)(int)))(int);
char *strerror(int code);
]]

local C = ffi.C
local M = { C = C, EINTR = 4 }

function M.why()
	return ffi.string(C.strerror(ffi.errno()))
end

-- ---- A file that the target reads its guess from, or writes its output to

local File = {}
File.__index = File

local O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC, MFD_CLOEXEC = 2, 0x40, 0x200, 0x80000, 1
local SEEK_END = 2

-- At `path`, or in memory. nil, why when it cannot be made.
function M.file(path)
	local fd
	if path then
		fd = C.open(path, O_RDWR + O_CREAT + O_TRUNC + O_CLOEXEC, ffi.cast("int", 438)) -- 0666
	else
		fd = C.memfd_create("oracle", MFD_CLOEXEC)
	end
	if fd < 0 then
		return nil, M.why()
	end
	-- The target opens it by a name of its own: the position is not ours.
	return setmetatable({ fd = fd, size = 0, path = path or ("/proc/%d/fd/%d"):format(C.getpid(), fd) }, File)
end

-- What it holds from now on.
function File:set(text)
	local size = #text
	if tonumber(C.pwrite(self.fd, text, size, 0)) ~= size then
		return nil, M.why()
	end
	if size ~= self.size and C.ftruncate(self.fd, size) == 0 then
		self.size = size
	end
	return true
end

-- Emptied, for a target that writes from its beginning.
function File:clear()
	C.ftruncate(self.fd, 0)
	self.size = 0
end

-- The first `limit` bytes of what it holds.
function File:get(limit)
	local size = math.min(tonumber(C.lseek(self.fd, 0, SEEK_END)), limit)
	if size <= 0 then
		return ""
	end
	local buf = ffi.new("char[?]", size)
	local got = tonumber(C.pread(self.fd, buf, size, 0))
	return ffi.string(buf, math.max(got, 0))
end

function File:close()
	if self.fd >= 0 then
		C.close(self.fd)
		self.fd = -1
	end
end

return M
