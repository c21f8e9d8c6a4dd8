#include "os/syscall_info.h"

#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "os/fault.h"
#include "os/ptrace.h"
#include "os/raw.h"

/* linux/ptrace.h of 6.16; the C library's is older. */
#define GET_SYSCALL_INFO 0x420e
#define SET_SYSCALL_INFO 0x4212

struct info {
	uint8_t op, reserved;
	uint16_t flags;
	uint32_t arch;
	uint64_t ip, sp;
	union {
		struct {
			uint64_t number, args[6];
		} entry;
		struct {
			int64_t ret;
			uint8_t is_error;
		} exit;
		struct {
			uint64_t number, args[6];
			uint32_t data, reserved2;
		} seccomp;
	};
};

_Static_assert(offsetof(struct info, entry) == 24 && sizeof(struct info) == 88, "struct ptrace_syscall_info");

#define USER_CODE_32 0x23

static long get(pid_t tid, struct info *ret)
{
	ph_os_fault_now(tid);
	return ph_os_raw(SYS_ptrace, GET_SYSCALL_INFO, tid, sizeof(*ret), (long)ret);
}

static int request_set(pid_t tid, const struct info *info)
{
	ph_os_fault_now(tid);
	return (int)ph_os_raw(SYS_ptrace, SET_SYSCALL_INFO, tid, sizeof(*info), (long)info);
}

/*
 * The kernel takes what fits the stop where the thread stands now, anything else is EINVAL to it (kernel/ptrace.c of
 * 6.16, ptrace_set_syscall_info). A thread that SIGKILL took out of our stop stands at its end by then: it is gone.
 */
static int set(pid_t tid, const struct info *info)
{
	int r = request_set(tid, info);
	struct info now;
	long n;

	if (r != -EINVAL)
		return r;
	n = get(tid, &now);
	if (n < 0)
		return (int)n;
	return now.op == info->op ? r : -ESRCH;
}

enum ph_os_call_way ph_os_call_best_way(pid_t tid)
{
	static bool known;	/* it is the kernel's, not the thread's */
	static enum ph_os_call_way best;
	struct info info;
	int r;

	if (known)
		return best;
	if (get(tid, &info) < 0)
		return PH_OS_CALL_BY_REGS;
	/* Where it stands nothing can be set; a kernel that knows the request says so, an older one EIO. */
	info.op = PH_OS_CALL_NONE;
	r = request_set(tid, &info);
	best = r == -EIO ? PH_OS_CALL_BY_GET : PH_OS_CALL_BY_SET;
	known = r == -EIO || r == -EINVAL;
	return best;
}

static uint32_t arch_of(pid_t tid, const struct user_regs_struct *regs)
{
	long word;

	if (regs->cs == USER_CODE_32)
		return AUDIT_ARCH_I386;
	errno = 0;
	ph_os_fault_now(tid);
	word = ptrace(PTRACE_PEEKTEXT, tid, regs->rip - 2, NULL);
	return errno == 0 && (word & 0xffff) == 0x80cd ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
}

/* Of struct user_regs_struct, in bytes. */
static const struct {
	size_t args[6];
} places[] = {
	{ { offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),
	    offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, r10),
	    offsetof(struct user_regs_struct, r8), offsetof(struct user_regs_struct, r9) } },
	{ { offsetof(struct user_regs_struct, rbx), offsetof(struct user_regs_struct, rcx),
	    offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, rsi),
	    offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rbp) } },
};

static unsigned long long *word_at(struct user_regs_struct *regs, size_t offset)
{
	return (unsigned long long *)(void *)((char *)regs + offset);
}

static int read_by_regs(pid_t tid, enum ph_os_call_op expected, struct ph_os_call *ret)
{
	struct user_regs_struct regs;
	unsigned long message = 0;
	int r = ph_os_regs_read(tid, &regs);

	if (r < 0)
		return r;
	*ret = (struct ph_os_call){ .op = expected, .arch = arch_of(tid, &regs), .sp = regs.rsp };
	if (expected == PH_OS_CALL_EXIT) {
		ret->ret = (int64_t)regs.rax;
		return 0;
	}
	ret->number = regs.orig_rax & 0xffffffff;
	for (int i = 0; i < 6; i++) {
		ret->args[i] = *word_at(&regs, places[ret->arch == AUDIT_ARCH_I386].args[i]);
		if (ret->arch == AUDIT_ARCH_I386)
			ret->args[i] &= 0xffffffff;
	}
	if (expected == PH_OS_CALL_SECCOMP && ph_os_event_message(tid, &message) >= 0)
		ret->data = (uint32_t)message;
	return 0;
}

int ph_os_call_read(pid_t tid, enum ph_os_call_way way, enum ph_os_call_op expected, struct ph_os_call *ret)
{
	struct info info;
	long n;

	if (way == PH_OS_CALL_BY_REGS)
		return read_by_regs(tid, expected, ret);
	n = get(tid, &info);
	if (n < 0)
		return (int)n;
	*ret = (struct ph_os_call){ .op = (enum ph_os_call_op)info.op, .arch = info.arch, .sp = info.sp };
	switch (ret->op) {
	case PH_OS_CALL_SECCOMP:
		ret->data = info.seccomp.data;
		__attribute__((fallthrough));
	case PH_OS_CALL_ENTRY:
		ret->number = info.entry.number & 0xffffffff;
		for (int i = 0; i < 6; i++)
			ret->args[i] = info.entry.args[i];
		break;
	case PH_OS_CALL_EXIT:
		ret->ret = info.exit.ret;
		break;
	case PH_OS_CALL_NONE:
		break;
	}
	return 0;
}

/* The words that differ, one request each. */
static int write_words(pid_t tid, const struct ph_os_call *call, unsigned int changed)
{
	const size_t *args = places[call->arch == AUDIT_ARCH_I386].args;
	int r = 0;

	if (changed & PH_OS_CALL_NUMBER)
		r = ph_os_reg_write(tid, offsetof(struct user_regs_struct, orig_rax),
				    (uint64_t)(int64_t)(int32_t)call->number);
	for (int i = 0; r >= 0 && i < 6; i++)
		if (changed & PH_OS_CALL_ARG(i))
			r = ph_os_reg_write(tid, args[i], call->args[i]);
	if (r >= 0 && (changed & PH_OS_CALL_RET))
		r = ph_os_reg_write(tid, offsetof(struct user_regs_struct, rax), (uint64_t)call->ret);
	return r;
}

void ph_os_call_apply(const struct ph_os_call *call, unsigned int changed, struct user_regs_struct *regs)
{
	const size_t *args = places[call->arch == AUDIT_ARCH_I386].args;

	if (changed & PH_OS_CALL_NUMBER)
		regs->orig_rax = (uint64_t)(int64_t)(int32_t)call->number;
	for (int i = 0; i < 6; i++)
		if (changed & PH_OS_CALL_ARG(i))
			*word_at(regs, args[i]) = call->args[i];
	if (changed & PH_OS_CALL_RET)
		regs->rax = (uint64_t)call->ret;
}

static int write_by_regs(pid_t tid, const struct ph_os_call *call, unsigned int changed)
{
	struct user_regs_struct regs;
	int r = ph_os_regs_read(tid, &regs);

	if (r < 0)
		return r;
	ph_os_call_apply(call, changed, &regs);
	return ph_os_regs_write(tid, &regs);
}

static int write_by_set(pid_t tid, const struct ph_os_call *call, unsigned int changed)
{
	struct info info = { .op = (uint8_t)call->op, .arch = call->arch };
	bool passed_over = (int32_t)call->number == -1;
	int r;

	if (call->op == PH_OS_CALL_EXIT) {
		info.exit.ret = call->ret;
		info.exit.is_error = call->ret < 0 && call->ret >= -4095;
		return set(tid, &info);
	}
	info.entry.number = (uint64_t)(int64_t)(int32_t)call->number;
	for (int i = 0; i < 6; i++)
		info.entry.args[i] = call->args[i];
	r = set(tid, &info);
	/* The result of a call that is not made is no part of the request, nor are arguments beside number -1. */
	if (r >= 0 && passed_over)
		r = write_words(tid, call, changed & ~PH_OS_CALL_NUMBER);
	return r;
}

int ph_os_call_write(pid_t tid, enum ph_os_call_way way, const struct ph_os_call *call, unsigned int changed)
{
	if (!changed)
		return 0;
	switch (way) {
	case PH_OS_CALL_BY_REGS:
		return write_by_regs(tid, call, changed);
	case PH_OS_CALL_BY_GET:
		return write_words(tid, call, changed);
	case PH_OS_CALL_BY_SET:
		return write_by_set(tid, call, changed);
	}
	return -EINVAL;
}
