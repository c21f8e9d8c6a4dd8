/*
 * allcalls: makes some 350 kinds of system calls, good and bad ones, with arguments of every kind that lua/trace knows,
 * in an order that is always the same; then exits with 0. Works in the current folder, which it leaves as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "target.h"

#define NOWHERE ((void *)8)	/* an address that is not mapped */
#define call(name, ...) syscall(SYS_##name __VA_OPT__(,) __VA_ARGS__)

static char big[4096];

static void files(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0640, .resolve = RESOLVE_NO_SYMLINKS };
	struct stat st;
	struct statx stx;
	struct statfs fs;
	struct { uint32_t bytes; int type; char room[128]; } handle = { .bytes = 128 };
	int fd = (int)call(open, "file", O_RDWR | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND, 0644), mount_id;
	int two = (int)call(openat, AT_FDCWD, "file", O_RDONLY | O_NONBLOCK | O_SYNC | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);

	call(openat, AT_FDCWD, ".", O_WRONLY | O_TMPFILE, 0600);
	call(openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY);
	call(openat, AT_FDCWD, NOWHERE, O_RDWR | O_DIRECT | O_ASYNC | O_DSYNC);
	call(openat, -5, "relative", 0x80000003 | O_LARGEFILE);
	call(openat2, AT_FDCWD, "file", &how, sizeof(how));
	call(openat2, AT_FDCWD, "file", NOWHERE, 24);
	call(open, NULL, O_RDONLY);
	call(creat, "created", 0600);
	call(write, fd, "text \"with\" \\ and\n\t\r\v\f\001\0010\377\0", 29);
	call(write, fd, "0123456789012345678901234567890", 31);
	call(write, fd, "01234567890123456789012345678901", 32);
	call(write, fd, "012345678901234567890123456789012", 33);
	call(write, fd, NOWHERE, 5);
	call(write, -1, "x", 1);
	call(pwrite64, fd, "at", 2, 100);
	call(read, two, big, 10);
	call(read, two, big, 100);
	call(read, two, NOWHERE, 10);
	call(read, 99, big, 10);
	call(pread64, two, big, 4, 3);
	call(pread64, two, big, 4, -1);
	call(lseek, fd, 0, SEEK_SET);
	call(lseek, fd, -1, SEEK_END);
	call(lseek, fd, 5, SEEK_DATA);
	call(lseek, fd, 1, 77);
	struct iovec iov[3] = { { big, 3 }, { big + 100, 5 }, { NULL, 0 } }, bad = { NOWHERE, 4 };
	call(readv, two, iov, 3);
	call(preadv, two, iov, 2, 1, 0);
	call(writev, fd, iov, 3);
	call(writev, fd, &bad, 1);
	call(writev, fd, NOWHERE, 2);
	call(pwritev, fd, iov, 2, 7, 0);
	call(preadv2, two, iov, 2, 0, 0, 0);
	call(pwritev2, fd, iov, 1, 0, 0, 2);
	call(stat, "file", &st);
	call(stat, "/dev/null", &st);
	call(stat, ".", &st);
	call(stat, "none", &st);
	call(lstat, "file", &st);
	call(fstat, fd, &st);
	call(fstat, 77, &st);
	call(newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH);
	call(newfstatat, AT_FDCWD, "file", &st, AT_SYMLINK_NOFOLLOW);
	call(newfstatat, AT_FDCWD, "file", NOWHERE, 0);
	call(newfstatat, AT_FDCWD, "file", &st, 0x80000);
	call(statx, AT_FDCWD, "file", AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, &stx);
	call(statx, AT_FDCWD, "/dev/null", AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, STATX_MODE | STATX_SIZE, &stx);
	call(statx, AT_FDCWD, "nothing", 0, 0x20000000, &stx);
	call(statfs, "/proc", &fs);
	call(statfs, "nothing", &fs);
	call(fstatfs, 88, &fs);
	call(access, "file", R_OK | W_OK);
	call(access, "file", F_OK);
	call(access, "file", 8);
	call(faccessat, AT_FDCWD, "file", X_OK);
	call(faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS);
	call(truncate, "file", 50);
	call(ftruncate, fd, 20);
	call(ftruncate, fd, -1);
	call(fallocate, fd, FALLOC_FL_KEEP_SIZE, 0, 4096);
	call(fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 10);
	call(fadvise64, fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	call(readahead, fd, 0, 10);
	call(sync_file_range, fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	call(fsync, fd);
	call(fdatasync, -1);
	call(syncfs, -1);
	call(dup, fd);
	call(dup2, fd, 30);
	call(dup3, fd, 31, O_CLOEXEC);
	call(flock, fd, LOCK_EX | LOCK_NB);
	call(flock, fd, LOCK_UN);
	call(sendfile, fd, two, NULL, 3);
	call(lseek, two, 0, SEEK_SET);
	off_t offset = 2;
	call(sendfile, 30, two, &offset, 3);
	call(sendfile, 30, two, &offset, 0);
	call(sendfile, 30, -1, NOWHERE, 3);
	call(copy_file_range, two, NULL, fd, NULL, 3, 0);
	call(copy_file_range, two, &offset, fd, NULL, 3, 0);
	call(chmod, "file", 04755);
	call(fchmod, fd, 0);
	call(fchmodat, AT_FDCWD, "file", 0644);
	call(chown, "file", -1, -1);
	call(fchown, -1, 0, 1);
	call(lchown, "none", 5, -1);
	call(fchownat, AT_FDCWD, "none", 0, 0, AT_SYMLINK_NOFOLLOW);
	call(umask, 027);
	call(umask, 022);
	call(link, "file", "hard");
	call(linkat, AT_FDCWD, "file", AT_FDCWD, "hard2", AT_SYMLINK_FOLLOW);
	call(symlink, "file", "soft");
	call(symlinkat, "file", AT_FDCWD, "soft2");
	call(readlink, "soft", big, sizeof(big));
	call(readlink, "soft", big, 2);
	call(readlink, "file", big, sizeof(big));
	call(readlinkat, AT_FDCWD, "soft2", big, sizeof(big));
	call(rename, "hard", "harder");
	call(renameat, AT_FDCWD, "harder", AT_FDCWD, "hard");
	call(renameat2, AT_FDCWD, "hard", AT_FDCWD, "hard2", RENAME_NOREPLACE);
	call(mkdir, "dir", 0755);
	call(mkdirat, AT_FDCWD, "dir", 01777);
	call(mknod, "fifo", S_IFIFO | 0644, 0);
	call(mknodat, AT_FDCWD, "fifo", S_IFIFO | 0644, 0);
	call(mknod, "dir/none/null", S_IFCHR | 0666, 0x103);
	call(chdir, "dir");
	call(getcwd, big, 1);
	call(chdir, "..");
	call(fchdir, -1);
	int dir = (int)call(open, "dir", O_RDONLY | O_DIRECTORY);
	call(getdents64, dir, big, sizeof(big));
	call(getdents64, dir, big, sizeof(big));
	call(getdents64, -1, big, sizeof(big));
	call(getdents, dir, big, sizeof(big));
	call(close, dir);
	call(close, dir);
	call(rmdir, "dir");
	struct timespec times[2] = { { 1, 0 }, { 1600000000, 123456789 } }, now[2] = { { 0, UTIME_NOW }, { 5, UTIME_OMIT } };
	call(utimensat, AT_FDCWD, "file", times, 0);
	call(utimensat, AT_FDCWD, "file", now, AT_SYMLINK_NOFOLLOW);
	call(utimensat, AT_FDCWD, "file", NULL, 0);
	struct timeval usec[2] = { { 1, 0 }, { 2, 500 } };
	call(utimes, "file", usec);
	call(futimesat, AT_FDCWD, "file", usec);
	struct utimbuf buf = { 1, 2 };
	call(utime, "file", &buf);
	call(setxattr, "file", "user.name", "value", 5, XATTR_CREATE);
	call(getxattr, "file", "user.name", big, sizeof(big));
	call(getxattr, "file", "user.none", big, sizeof(big));
	call(fgetxattr, -1, "user.name", NULL, 0);
	call(listxattr, "none", big, sizeof(big));
	call(removexattr, "file", "user.name");
	call(lsetxattr, "none", "user.name", "v", 1, 0);
	call(name_to_handle_at, AT_FDCWD, "none", &handle, &mount_id, 0);
	call(unlink, "hard");
	call(unlinkat, AT_FDCWD, "hard2", 0);
	call(unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR);
	call(unlink, "soft");
	call(unlink, "soft2");
	call(unlink, "fifo");
	call(unlink, "created");
	call(unlink, "file");
	call(unlink, "file");
	call(mount, "none", "/nowhere", "tmpfs", MS_RDONLY | MS_NOSUID, "size=1");
	call(umount2, "/nowhere", MNT_DETACH | UMOUNT_NOFOLLOW);
	call(chroot, "/nowhere");
	call(pivot_root, "/nowhere", "/nowhere2");
	call(swapoff, "/nowhere");
	call(close_range, 40, 50, 0);
	call(memfd_create, "name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	call(inotify_init1, IN_CLOEXEC);
	call(inotify_add_watch, -1, "file", IN_CREATE | IN_DELETE | IN_ONLYDIR);
	call(inotify_rm_watch, -1, 1);
	close(two);
}

static void fcntls(void)
{
	int fd = (int)call(memfd_create, "f", MFD_ALLOW_SEALING);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5 };

	call(fcntl, fd, F_DUPFD, 50);
	call(fcntl, fd, F_DUPFD_CLOEXEC, 60);
	call(fcntl, fd, F_GETFD);
	call(fcntl, 60, F_GETFD);
	call(fcntl, fd, F_SETFD, FD_CLOEXEC);
	call(fcntl, fd, F_GETFL);
	call(fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK | O_APPEND);
	call(fcntl, fd, F_SETLK, &lock);
	call(fcntl, fd, F_GETLK, &lock);
	call(fcntl, fd, F_GETLK, NOWHERE);
	call(fcntl, fd, F_SETOWN, 1);
	call(fcntl, fd, F_GETOWN);
	call(fcntl, fd, F_SETSIG, SIGUSR1);
	call(fcntl, fd, F_GETSIG);
	call(fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	call(fcntl, fd, F_GET_SEALS);
	call(fcntl, fd, F_GETLEASE);
	call(fcntl, fd, F_SETLEASE, F_RDLCK);
	call(fcntl, 99, F_GETFL);
	call(fcntl, fd, 999, 5);
	call(fcntl, fd, F_GETPIPE_SZ);
}

static void memory(void)
{
	char *at = (char *)call(mmap, NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char residency[4];

	call(mmap, NULL, 0, PROT_NONE, MAP_SHARED, -1, 0);
	call(mmap, NULL, 4096, PROT_READ | 0x40, MAP_SHARED | MAP_HUGETLB | (21 << 26), -1, 4096);
	call(mmap, at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	call(mprotect, at, 4096, PROT_READ | PROT_EXEC);
	call(mprotect, at, 4096, PROT_NONE);
	call(mprotect, at, 4096, PROT_READ | PROT_WRITE | PROT_GROWSDOWN);
	call(madvise, at, 4096, MADV_DONTNEED);
	call(madvise, at, 4096, 999);
	call(mincore, at, 16384, residency);
	call(mincore, 5, 16384, residency);
	call(mlock, at, 0);
	call(munlock, at, 0);
	call(mlock2, at, 0, MLOCK_ONFAULT);
	call(mlockall, 0);
	call(munlockall);
	call(msync, at, 4096, MS_SYNC);
	call(mremap, at, 16384, 8192, MREMAP_MAYMOVE);
	call(mremap, at, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, at + 65536);
	call(munmap, at, 8192);
	call(munmap, 1, 4096);
	call(brk, NULL);
	call(membarrier, 0, 0, 0);
	call(pkey_alloc, 1, 0);
	call(process_madvise, -1, NULL, 0, MADV_COLD, 0);
	call(shmget, 0x4321, 4096, IPC_EXCL | 0600);
	call(shmget, 0x1234, 4096, 0);
	call(shmat, -1, NULL, SHM_RDONLY);
	call(shmdt, NOWHERE);
	call(shmctl, -1, IPC_RMID, NULL);
	call(semget, IPC_PRIVATE, 0, 0600 | IPC_CREAT);
	call(semop, -1, NULL, 0);
	call(msgget, 0x77, 0600);
	call(msgsnd, -1, NOWHERE, 5, IPC_NOWAIT);
	call(process_vm_readv, -1, NULL, 0, NULL, 0, 0);
}

static void sockets(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov[2] = { { "hello", 5 }, { "world", 5 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *cmsg;
	struct timeval tv = { 5, 250 };
	struct linger linger = { 1, 3 };
	int pair[2], one = 1, value;
	socklen_t length;

	int server = (int)call(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_IP);
	call(socket, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP);
	call(socket, AF_UNIX, SOCK_SEQPACKET, 0);
	int netlink = (int)call(socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	call(socket, 77, 99, 5);
	call(bind, netlink, &nl, sizeof(nl));
	call(bind, server, &in, sizeof(in));
	call(bind, server, &un, sizeof(un));
	call(bind, server, &un, 2);
	call(bind, server, NOWHERE, 16);
	call(connect, -1, &in6, sizeof(in6));
	call(connect, -1, "\001\000\000abstract", 11);
	call(connect, -1, "\005\000abc", 5);
	call(listen, server, 5);
	length = sizeof(in);
	call(getsockname, server, &in, &length);
	length = 128;
	call(getsockname, server, &in6, &length);
	call(getpeername, server, &in, &length);
	call(getsockname, -1, &in, NOWHERE);
	int client = (int)call(socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	call(connect, client, &in, sizeof(in));
	length = 128;
	int peer = (int)call(accept4, server, big, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	call(accept, -1, NULL, NULL);
	call(setsockopt, client, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	call(setsockopt, client, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	call(setsockopt, client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	call(setsockopt, client, SOL_TCP, TCP_NODELAY, &one, 4);
	call(setsockopt, client, SOL_IP, IP_TOS, &one, 4);
	call(setsockopt, client, 0x999, 5, "abcdef", 6);
	length = 4;
	call(getsockopt, client, SOL_SOCKET, SO_ERROR, &value, &length);
	call(getsockopt, client, SOL_SOCKET, SO_TYPE, &value, &length);
	length = 16;
	call(getsockopt, client, SOL_SOCKET, SO_LINGER, big, &length);
	call(getsockopt, -1, SOL_SOCKET, SO_ERROR, &value, &length);
	call(sendto, client, "request", 7, MSG_NOSIGNAL, NULL, 0);
	call(sendto, -1, "request", 7, MSG_DONTWAIT | MSG_MORE, &in6, sizeof(in6));
	call(recvfrom, peer, big, 100, 0, NULL, NULL);
	call(recvfrom, peer, big, 100, MSG_PEEK, NULL, NULL);
	call(sendmsg, client, &msg, MSG_NOSIGNAL);
	iov[0].iov_base = big, iov[1].iov_base = big + 100;
	call(recvmsg, peer, &msg, 0);
	call(recvmsg, peer, &msg, 0);
	call(recvmsg, peer, NOWHERE, 0);
	call(shutdown, client, SHUT_WR);
	call(shutdown, -1, 7);
	call(socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
	call(socketpair, AF_INET, SOCK_STREAM, 0, big);
	msg.msg_control = control, msg.msg_controllen = sizeof(control);
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET, cmsg->cmsg_type = SCM_RIGHTS, cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &server, sizeof(int));
	call(sendmsg, pair[0], &msg, 0);
	call(recvmsg, pair[1], &msg, MSG_CMSG_CLOEXEC);
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 2 } } };
	call(sendmmsg, pair[0], many, 2, 0);
	call(recvmmsg, pair[1], many, 2, MSG_DONTWAIT, NULL);
	call(recvmmsg, -1, many, 2, 0, NULL);
	call(ioctl, peer, FIONREAD, &value);
	call(ioctl, peer, FIONBIO, &one);
}

static void waiting(void)
{
	int pipes[2], value;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data = { .u64 = 7 } }, events[4];
	struct itimerspec spec = { { 0, 0 }, { 100, 5 } }, before;
	struct timespec brief = { 0, 1000 };
	struct timeval tv = { 0, 500 };
	fd_set in, out;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	call(pipe, pipes);
	call(pipe2, pipes, O_CLOEXEC | O_NONBLOCK);
	call(pipe2, NOWHERE, 0);
	struct pollfd fds[2] = { { pipes[0], POLLIN, 0 }, { -1, POLLOUT, 0 } };
	call(poll, fds, 2, 0);
	call(poll, NULL, 0, 1);
	call(poll, NOWHERE, 1, 0);
	call(write, pipes[1], "x", 1);
	call(poll, fds, 1, -1);
	call(ppoll, fds, 1, &brief, &mask, 8);
	call(ppoll, fds, 1, NULL, NULL, 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(pipes[0], &in);
	FD_SET(pipes[1], &out);
	call(select, pipes[1] + 1, &in, &out, NULL, &tv);
	FD_ZERO(&in);
	call(select, 1, &in, NULL, NULL, &tv);
	call(select, 0, NULL, NULL, NULL, &tv);
	call(pselect6, pipes[1] + 1, NULL, &out, NULL, NULL, NULL);
	call(read, pipes[0], big, 5);
	call(read, pipes[0], big, 5);
	int ep = (int)call(epoll_create1, EPOLL_CLOEXEC);
	call(epoll_create, 1);
	call(epoll_ctl, ep, EPOLL_CTL_ADD, pipes[0], &event);
	call(epoll_ctl, ep, EPOLL_CTL_MOD, pipes[0], &event);
	call(epoll_wait, ep, events, 4, 0);
	call(write, pipes[1], "x", 1);
	call(epoll_wait, ep, events, 4, -1);
	call(epoll_pwait, ep, events, 4, 0, NULL, 8);
	call(epoll_ctl, ep, EPOLL_CTL_DEL, pipes[0], NULL);
	call(epoll_wait, -1, events, 4, 0);
	call(eventfd2, 3, EFD_NONBLOCK | EFD_SEMAPHORE);
	call(eventfd, 0);
	call(signalfd4, -1, &mask, 8, SFD_CLOEXEC);
	int timer = (int)call(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
	call(timerfd_settime, timer, 0, &spec, &before);
	call(timerfd_settime, timer, TFD_TIMER_ABSTIME, NOWHERE, NULL);
	call(timerfd_gettime, -1, &before);
	call(ioctl, pipes[0], FIONREAD, &value);
	call(ioctl, pipes[0], TCGETS, big);
	call(ioctl, pipes[0], TIOCGWINSZ, big);
	call(ioctl, pipes[0], 0xc0107ff2, 5);
	call(ioctl, pipes[0], FIOCLEX);
	call(splice, pipes[0], NULL, -1, NULL, 5, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	call(tee, pipes[0], -1, 5, 0);
	call(vmsplice, -1, NULL, 0, 0);
}

static void nothing(int number) { (void)number; }

static void signals(void)
{
	struct sigaction action = { .sa_handler = nothing };
	sigset_t set, full;
	siginfo_t info;
	struct timespec none = { 0, 0 };
	stack_t stack = { .ss_flags = SS_DISABLE }, old;

	action.sa_flags = SA_RESTART | SA_NODEFER;
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGRTMIN + 1);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR1, NULL, &action);
	sigaction(SIGRTMIN, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_DFL);
	call(rt_sigaction, 99, NULL, NULL, 8);
	sigfillset(&full);
	sigdelset(&full, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMAX);
	call(rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
	call(rt_sigprocmask, SIG_SETMASK, &set, &full, 8);
	call(rt_sigprocmask, 7, &full, NULL, 8);
	call(rt_sigprocmask, SIG_UNBLOCK, NOWHERE, NULL, 8);
	call(kill, getpid(), SIGUSR1);
	call(kill, getpid(), 0);
	call(kill, 1 << 30, SIGTERM);
	call(tgkill, getpid(), gettid(), SIGUSR1);
	call(tkill, 1 << 30, SIGKILL);
	union sigval value = { .sival_int = 5 };
	sigqueue(getpid(), SIGUSR1, value);
	call(kill, getpid(), SIGUSR2);
	call(rt_sigpending, &set, 8);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	call(rt_sigtimedwait, &set, &info, &none, 8);
	call(rt_sigtimedwait, &set, &info, &none, 8);
	call(sigaltstack, &stack, &old);
	call(sigaltstack, NULL, NULL);
	call(rt_sigprocmask, SIG_SETMASK, &full, NULL, 8);
}

static void processes(void)
{
	struct rlimit limit;
	struct rusage usage;
	struct tms tms;
	struct sysinfo sysinfo;
	struct utsname names;
	struct sched_param param;
	uid_t a, b, c;
	gid_t groups[64];
	cpu_set_t cpus;
	unsigned int cpu;
	int status, value;
	siginfo_t info;
	pid_t pid;
	uint32_t word = 1;
	struct timespec none = { 0, 1000 };

	call(getpid);
	call(gettid);
	call(getpgid, 1 << 30);
	call(getsid, 1 << 30);
	call(setpgid, -1, 5);
	call(getuid);
	call(geteuid);
	call(getgid);
	call(getegid);
	call(setuid, -1);
	call(setresuid, -1, -1, -1);
	call(getresuid, &a, &b, &c);
	call(getresgid, &a, &b, &c);
	call(getgroups, 0, NULL);
	call(getgroups, 64, groups);
	call(getrlimit, RLIMIT_NOFILE, &limit);
	call(getrlimit, RLIMIT_CORE, &limit);
	call(setrlimit, 99, &limit);
	call(prlimit64, 0, RLIMIT_AS, NULL, &limit);
	limit.rlim_cur = 5000;
	call(prlimit64, 1 << 30, RLIMIT_FSIZE, &limit, NULL);
	call(getrusage, 55, &usage);
	call(getrusage, RUSAGE_CHILDREN, &usage);
	(void)tms, (void)sysinfo;
	call(uname, &names);
	call(uname, NOWHERE);
	call(getpriority, PRIO_PROCESS, 0);
	call(setpriority, PRIO_USER, -1, 5);
	call(sched_yield);
	call(sched_getscheduler, 0);
	call(sched_getparam, 0, &param);
	call(sched_setscheduler, -1, SCHED_FIFO, &param);
	call(sched_get_priority_max, SCHED_RR);
	call(sched_get_priority_min, SCHED_OTHER);
	call(sched_getaffinity, 0, sizeof(cpus), &cpus);
	call(sched_setaffinity, -1, 8, &cpus);
	call(ioprio_get, 1, 0);
	call(getcpu, NOWHERE, NULL, NULL);
	(void)cpu;
	call(prctl, PR_SET_NAME, "a name that is too long");
	call(prctl, PR_GET_NAME, big);
	call(prctl, PR_SET_PDEATHSIG, 0);
	call(prctl, PR_GET_PDEATHSIG, &value);
	call(prctl, PR_GET_DUMPABLE);
	call(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
	call(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	call(prctl, PR_CAPBSET_READ, 21);
	call(prctl, PR_SET_KEEPCAPS, 0);
	call(prctl, 0x12345, 1, 2, 3, 4);
	call(prctl, PR_GET_TIMERSLACK);
	call(personality, 0xffffffff);
	call(set_robust_list, NULL, 24);
	call(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	call(futex, &word, FUTEX_WAIT, 2, NULL);
	call(futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &none);
	call(futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 2, NULL, NULL, -1);
	call(futex, &word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 2, &word, 1);
	call(futex, &word, FUTEX_WAKE_OP, 1, 1, &word, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 5));
	call(futex, &word, 99, 1, 2, 3, 4);
	call(unshare, 0);
	call(setns, -1, CLONE_NEWNET);
	call(getrandom, big, 4, GRND_NONBLOCK);
	call(getrandom, NOWHERE, 4, 0);
	call(seccomp, 2, 0, &word);
	call(arch_prctl, 0x1003, big);
	call(kcmp, 1 << 30, 1, 0, 0, 0);
	call(pidfd_open, 1 << 30, 0);
	call(pidfd_send_signal, -1, SIGTERM, NULL, 0);
	call(ptrace, 16, 1 << 30, 0, 0);
	call(capget, "\x22\x05\x08\x20\0\0\0\0", big);
	call(reboot, 1, 2, 3, NULL);
	call(bpf, 99, NULL, 0);
	call(io_uring_setup, 0, NULL);
	call(delete_module, "nothing", O_NONBLOCK);
	call(add_key, "user", NULL, NULL, 0, -1);
	call(keyctl, 99, 0, 0, 0, 0);
	/* Whether SIGCHLD comes before the end of the wait or behind it would be chance. */
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	call(rt_sigprocmask, SIG_BLOCK, &child, NULL, 8);
	pid = fork();
	if (pid == 0)
		call(exit_group, 5);
	call(wait4, pid, &status, 0, NULL);
	pid = fork();
	if (pid == 0)
		call(kill, getpid(), SIGKILL);
	call(waitid, P_PID, pid, &info, WEXITED, NULL);
	call(wait4, -1, &status, WNOHANG, NULL);
	pid = vfork();
	if (pid == 0) {
		call(execve, "/nowhere", (char *[]){ "nowhere", "-x", NULL }, (char *[]){ "A=B", NULL });
		call(execveat, AT_FDCWD, NOWHERE, NULL, NULL, AT_EMPTY_PATH);
		_exit(3);
	}
	call(wait4, pid, &status, WUNTRACED, &usage);
}

static void clocks(void)
{
	struct timespec brief = { 0, 1 }, ts;
	struct timeval tv;
	struct itimerval interval = { { 0, 0 }, { 50, 5 } }, old;
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec spec = { { 1, 2 }, { 100, 5 } };
	int timer;

	call(nanosleep, &brief, NULL);
	call(nanosleep, &brief, &ts);
	call(nanosleep, NOWHERE, NULL);
	call(clock_nanosleep, CLOCK_MONOTONIC, 0, &brief, &ts);
	call(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &brief, NULL);
	call(clock_gettime, CLOCK_REALTIME, &ts);
	call(clock_gettime, 99, &ts);
	call(clock_getres, CLOCK_MONOTONIC, &ts);
	call(clock_gettime, -6, &ts);
	call(gettimeofday, &tv, NULL);
	call(setitimer, ITIMER_PROF, &interval, &old);
	call(getitimer, ITIMER_VIRTUAL, &old);
	interval.it_value = (struct timeval){ 0, 0 };
	call(setitimer, ITIMER_PROF, &interval, NULL);
	call(timer_create, CLOCK_MONOTONIC, &event, &timer);
	call(timer_settime, timer, 0, &spec, NULL);
	call(timer_getoverrun, timer);
	call(timer_delete, timer);
}

/* What programs seldom do; with arguments that the kernel takes offence at, where it would do something. */
static void rare(void)
{
	struct sched_attr_like {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = 48 };
	struct iovec iov = { big, 4 };
	struct timespec brief = { 0, 1 };
	struct itimerspec spec;
	struct sembuf_like { unsigned short num; short op, flg; } op = { 0, -1, IPC_NOWAIT };
	union sigval value = { .sival_int = 7 };
	siginfo_t info = { .si_signo = SIGWINCH, .si_code = SI_QUEUE, .si_value = value };
	long words[4] = { 0 };
	gid_t gid = 5;
	stack_t stack;
	void *head;
	size_t length;

	call(acct, "/nowhere/file");
	call(adjtimex, NOWHERE);
	call(clock_adjtime, 99, NOWHERE);
	call(clock_settime, 99, &brief);
	call(settimeofday, NOWHERE, NULL);
	call(time, NULL);
	call(capset, NOWHERE, NOWHERE);
	call(epoll_pwait2, -1, big, 3, &brief, NULL, 8);
	call(fanotify_mark, -1, 1, 1, AT_FDCWD, "file");
	call(fgetxattr, -1, "user.a", big, 10);
	call(flistxattr, -1, big, 10);
	call(fremovexattr, -1, "user.a");
	call(fsetxattr, -1, "user.a", "value", 5, XATTR_REPLACE);
	call(lgetxattr, "nothing", "user.a", big, 10);
	call(llistxattr, "nothing", big, 10);
	call(lremovexattr, "nothing", "user.a");
	call(listxattr, ".", NULL, 0);
	call(fsopen, NOWHERE, 0);
	call(fsmount, -1, 0, 0);
	call(fspick, AT_FDCWD, "nothing", 0);
	call(open_tree, AT_FDCWD, "nothing", 0);
	call(move_mount, -1, "a", -1, "b", 0);
	call(mount_setattr, AT_FDCWD, "nothing", 0, NULL, 0);
	call(finit_module, -1, "", 0);
	call(init_module, NOWHERE, 5, "args");
	call(get_mempolicy, NULL, NULL, 0, NULL, 0);
	call(get_mempolicy, big, big + 64, 1025, NULL, 0);
	call(set_mempolicy, 0x8002, big + 64, 65);
	call(set_mempolicy, 0, NULL, 0);
	call(set_mempolicy, 99, NULL, 0);
	call(mbind, NULL, 0, 99, NULL, 0, 0);
	call(migrate_pages, 1 << 30, 0, NULL, NULL);
	call(move_pages, 1 << 30, 0, NULL, NULL, NULL, 0);
	call(get_robust_list, 0, &head, &length);
	call(io_setup, 0, words);
	call(io_destroy, 0x1234);
	call(io_submit, 0x1234, 1, NULL);
	call(io_cancel, 0x1234, NULL, NULL);
	call(io_getevents, 0x1234, 1, 1, NULL, NULL);
	call(io_uring_enter, -1, 1, 0, 0, NULL, 0);
	call(io_uring_register, -1, 99, NULL, 0);
	call(ioperm, 0x80, 1, 0);
	call(iopl, 0);
	call(ioprio_set, 1, 0, 2 << 13 | 4);
	call(ioprio_get, 99, 0);
	call(kexec_load, 0, 99, NULL, 0);
	call(landlock_create_ruleset, NULL, 0, 1);
	call(landlock_add_rule, -1, 1, NULL, 0);
	call(landlock_restrict_self, -1, 0);
	call(mq_open, "/no/such/queue", O_RDWR);
	call(mq_unlink, "nothing");
	call(mq_timedsend, -1, "message", 7, 3, NULL);
	call(mq_timedreceive, -1, big, 10, NULL, NULL);
	call(mq_getsetattr, -1, NULL, NULL);
	call(mq_notify, -1, NULL);
	call(msgctl, -1, IPC_RMID, NULL);
	call(msgrcv, -1, NOWHERE, 5, 3, MSG_NOERROR);
	call(semtimedop, -1, &op, 1, &brief);
	call(semop, -1, &op, 1);
	call(semctl, -1, 0, IPC_RMID, 0);
	call(shmctl, -1, IPC_STAT, NOWHERE);
	call(open_by_handle_at, -1, NOWHERE, O_RDONLY);
	call(perf_event_open, NOWHERE, 0, -1, -1, 0);
	call(pidfd_getfd, -1, 1, 0);
	call(pkey_free, 99);
	call(pkey_mprotect, 1, 4096, PROT_READ, -1);
	call(process_mrelease, -1, 0);
	call(process_vm_readv, getpid(), &iov, 1, &iov, 1, 0);
	call(process_vm_writev, -1, &iov, 1, &iov, 1, 0);
	call(remap_file_pages, 1, 4096, 0, 0, 0);
	call(request_key, "user", "no such key", NULL, 0);
	call(rseq, 5, 32, 1, 6);
	call(rt_sigsuspend, NOWHERE, 8);
	call(rt_sigqueueinfo, getpid(), SIGWINCH, &info);
	call(rt_tgsigqueueinfo, getpid(), gettid(), SIGWINCH, &info);
	call(sched_getattr, 0, &attr, sizeof(attr), 0);
	call(sched_setattr, -1, &attr, 0);
	call(sched_setparam, -1, words);
	call(sched_rr_get_interval, -1, &brief);
	call(set_tid_address, NULL);
	call(setfsuid, -1);
	call(setfsgid, -1);
	call(setreuid, -1, -1);
	call(setregid, -1, -1);
	call(setresgid, -1, -1, -1);
	call(setgid, -1);
	call(setgroups, 1 << 20, &gid);
	call(sethostname, NOWHERE, 3);
	call(setdomainname, NOWHERE, 3);
	call(setpriority, PRIO_PROCESS, 1 << 30, 5);
	call(swapon, "/nowhere/swap", 0x8000);
	call(sysfs, 99, 0, 0);
	call(syslog, 99, big, 5);
	call(timer_gettime, 12345, &spec);
	call(ustat, -1, NOWHERE);
	call(userfaultfd, 99);
	call(signalfd, -1, words, 8);
	call(sigaltstack, NULL, &stack);
	call(lookup_dcookie, 0, big, 5);
	call(mq_open, "queue", O_RDWR | O_CREAT | O_EXCL, 0600, NOWHERE);
	call(setgroups, 1 << 30, &gid);
	call(fanotify_init, 99, 0);
	call(syslog, 10, NULL, 0);
	call(readv, -1, &iov, 1);
	call(swapon, "/nowhere/swap", 0x18003);
	call(personality, 0xffffffff);
	call(times, NOWHERE);
	call(alarm, 60);
	call(clone3, NOWHERE, 88);
	call(clone, CLONE_THREAD, NULL, NULL, NULL, 0);
	call(preadv2, -1, &iov, 1, -1, -1, 1);
	call(renameat2, AT_FDCWD, "nothing", AT_FDCWD, "nowhere", RENAME_EXCHANGE | RENAME_WHITEOUT);
	call(statx, AT_FDCWD, NOWHERE, AT_EMPTY_PATH, STATX_ALL, NOWHERE);
	call(kcmp, -1, -1, 5, 1, 2);
	call(ptrace, 7, 1 << 30, 0, SIGTERM);
	call(ptrace, 0x4206, 1 << 30, 0, 0);
	call(fcntl, 0, F_OFD_SETLK, NOWHERE);
	call(fcntl, 0, F_SETOWN_EX, NOWHERE);
	call(prctl, PR_SET_SECCOMP, 2, NOWHERE);
	call(prctl, PR_CAPBSET_DROP, 99);
	call(prctl, PR_SET_DUMPABLE, 9);
	call(seccomp, 1, 0, NOWHERE);
	call(futex, words, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL);
	call(futex, words, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG);
	call(futex, words, FUTEX_WAIT_REQUEUE_PI, 5, &brief, words);
	call(futex, words, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3);
}

int main(void)
{
	target_begin();
	files();
	fcntls();
	memory();
	sockets();
	waiting();
	signals();
	processes();
	clocks();
	rare();
	syscall(999, 1L, 2L, 3L, 4L, 5L, 6L);
	return 0;
}
