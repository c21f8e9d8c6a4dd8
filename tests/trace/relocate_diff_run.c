/* Runs one instruction in a traced child that does nothing else. */
#define _GNU_SOURCE
#include "relocate_diff.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(2);
}

static void child_map(int fd, size_t offset, ph_addr at, size_t size, int prot)
{
	void *want = (void *)at;

	if (mmap(want, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)offset) != want)
		give_up("map the child's memory");
}

/*
 * AddressSanitizer keeps its shadow of low memory below 4 GiB: what an instruction at a random address wrote there, the
 * next run would find. Nothing of ours lies in the memory that it is the shadow of.
 */
static void child_unmap_low(void)
{
	static const struct {
		ph_addr start, end;
	} gaps[] = {
		{ 0x10000, ARENA_AT }, { ARENA_AT + ARENA_SIZE, HOME_AT }, { HOME_AT + PAGE, NEAR_AT },
		{ NEAR_AT + PAGE, 1ull << 32 },
	};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		if (syscall(SYS_munmap, gaps[i].start, gaps[i].end - gaps[i].start) < 0)
			give_up("unmap low memory");
}

static _Noreturn void child_run(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_map(fd, offsetof(struct arena, data), ARENA_AT, ARENA_SIZE, PROT_READ | PROT_WRITE);
	child_map(fd, offsetof(struct arena, home), HOME_AT, PAGE, PROT_READ | PROT_EXEC);
	child_map(fd, offsetof(struct arena, near), NEAR_AT, PAGE, PROT_READ | PROT_EXEC);
	child_map(fd, offsetof(struct arena, far), FAR_AT, PAGE, PROT_READ | PROT_EXEC);
	child_unmap_low();
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		give_up("be traced");
	raise(SIGSTOP);
	_exit(1);
}

static int wait_for_signal(struct subject *subject)
{
	int status;

	if (waitpid(subject->pid, &status, 0) != subject->pid)
		give_up("wait");
	if (!WIFSTOPPED(status)) {
		fprintf(stderr, "the child died, status %x\n", status);
		exit(2);
	}
	return WSTOPSIG(status);
}

void subject_start(struct subject *subject)
{
	int fd = memfd_create("arena", MFD_CLOEXEC);
	struct iovec iov = { .iov_base = (uint8_t[XSTATE_MAX]){ 0 }, .iov_len = XSTATE_MAX };

	if (fd < 0 || ftruncate(fd, sizeof(struct arena)) < 0)
		give_up("memfd");
	subject->arena = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (subject->arena == MAP_FAILED)
		give_up("map");
	subject->pid = fork();
	if (subject->pid < 0)
		give_up("fork");
	if (!subject->pid)
		child_run(fd);
	close(fd);
	if (wait_for_signal(subject) != SIGSTOP)
		give_up("first stop");
	if (ptrace(PTRACE_SETOPTIONS, subject->pid, 0, PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_GETREGSET, subject->pid, NT_X86_XSTATE, &iov) < 0)
		give_up("look at the child");
	subject->xstate_size = iov.iov_len;
}

void subject_stop(struct subject *subject)
{
	kill(subject->pid, SIGKILL);
	waitpid(subject->pid, NULL, 0);
	munmap(subject->arena, sizeof(*subject->arena));
}

void subject_set_regs(struct subject *subject, const struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SETREGS, subject->pid, 0, regs) < 0)
		give_up("set registers");
}

void subject_get_regs(struct subject *subject, struct user_regs_struct *ret)
{
	if (ptrace(PTRACE_GETREGS, subject->pid, 0, ret) < 0)
		give_up("get registers");
}

void subject_load(struct subject *subject, const struct outcome *from)
{
	struct iovec iov = { .iov_base = (void *)from->xstate, .iov_len = subject->xstate_size };

	memcpy(subject->arena->data, from->data, sizeof(from->data));
	if (ptrace(PTRACE_SETREGSET, subject->pid, NT_X86_XSTATE, &iov) < 0)
		give_up("set vector registers");
	subject_set_regs(subject, &from->regs);
}

void subject_run(struct subject *subject, struct outcome *ret)
{
	struct iovec iov = { .iov_base = ret->xstate, .iov_len = sizeof(ret->xstate) };
	siginfo_t info;

	if (ptrace(PTRACE_CONT, subject->pid, 0, 0) < 0)
		give_up("continue");
	ret->signal = wait_for_signal(subject);
	subject_get_regs(subject, &ret->regs);
	if (ptrace(PTRACE_GETSIGINFO, subject->pid, 0, &info) < 0 ||
	    ptrace(PTRACE_GETREGSET, subject->pid, NT_X86_XSTATE, &iov) < 0)
		give_up("look at the stop");
	ret->fault_at = ret->signal == SIGTRAP ? 0 : (ph_addr)info.si_addr;
	memcpy(ret->data, subject->arena->data, sizeof(ret->data));
}

int subject_step(struct subject *subject)
{
	if (ptrace(PTRACE_SINGLESTEP, subject->pid, 0, 0) < 0)
		give_up("step");
	return wait_for_signal(subject);
}
