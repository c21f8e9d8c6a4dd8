-- unsafe - system calls that no snapshot undoes, told when the target makes them: policy{unsafe_syscalls = "report"}.

local bit = require "bit"

local M = {}

-- What others keep: processes, files, the network, the kernel. In brackets: what comes first of the arguments is shown.
local always = [[
	sendto() sendmsg() sendmmsg() recvfrom() recvmsg() connect() accept() accept4() bind() listen() shutdown()
	fork vfork execve execveat kill() tkill() tgkill() rt_sigqueueinfo() wait4 waitid
	rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link linkat symlink symlinkat mknod mknodat
	truncate ftruncate() fallocate() chmod fchmod() fchmodat chown fchown() lchown fchownat utimensat setxattr
	removexattr mount umount2 write() writev() pwrite64() pwritev() sendfile() creat
	rt_sigaction() setitimer() alarm timer_create timer_settime timer_delete timerfd_settime()
	setuid setgid setresuid setresgid setsid setpgid chdir fchdir() chroot umask prlimit64 setrlimit prctl()
	shmat shmdt shmctl msgsnd msgrcv semop ptrace process_vm_writev io_uring_enter() io_submit
]]

local O_CREAT, O_TRUNC, CLONE_THREAD = 0x40, 0x200, 0x10000

-- Unsafe by what they are given: the argument, and bits of it that make it so.
local by_flags = { open = { 2, O_CREAT + O_TRUNC }, openat = { 3, O_CREAT + O_TRUNC } }

local function number_of(word)
	return tonumber(bit.band(word, 0xffffffffULL))
end

local function is_unsafe(sc)
	local flags = by_flags[sc.name]
	if flags then
		return bit.band(number_of(sc.args[flags[1]]), flags[2]) ~= 0
	end
	return sc.name ~= "clone" or bit.band(number_of(sc.args[1]), CLONE_THREAD) == 0
end

local shows, names = {}, { "open", "openat", "clone" }
for name, brackets in always:gmatch "([%w_]+)(%(?)" do
	names[#names + 1] = name
	shows[name] = brackets ~= ""
end

local watched = setmetatable({}, { __mode = "k" })

-- Each call once, from the first snapshot on.
function M.watch(session)
	if watched[session] then
		return
	end
	watched[session] = true
	local told = {}
	session:on("syscall", names, function(sc)
		local what = shows[sc.name] and ("%s(%d)"):format(sc.name, number_of(sc.args[1])) or sc.name
		if not told[what] and is_unsafe(sc) then
			told[what] = true
			io.stderr:write(("ptracehook: thread %d calls %s, which a snapshot does not undo\n"):format(sc.thread.tid, what))
		end
	end)
end

return M
