/*
 * syscall_info - a system call of a stopped thread, read and changed in one of three ways.
 *
 * By registers (any kernel), by PTRACE_GET_SYSCALL_INFO (Linux 5.3: one request that says which kind of stop it is and
 * by which table the call was made; changes go word by word), by PTRACE_SET_SYSCALL_INFO (6.16: changes in one request
 * as well). All three give and take the same value.
 *
 * The thread stands at the entry or the exit of a call, or at the stop of a seccomp filter. The registers know neither
 * which of these it is nor, for certain, by which instruction the call was made: the caller says the former, and the
 * latter is what stands before rip, which another thread may have changed.
 */
#ifndef PH_OS_SYSCALL_INFO_H
#define PH_OS_SYSCALL_INFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum ph_os_call_way {
	PH_OS_CALL_BY_REGS,
	PH_OS_CALL_BY_GET,
	PH_OS_CALL_BY_SET,
};

enum ph_os_call_op {
	PH_OS_CALL_NONE,	/* at no call */
	PH_OS_CALL_ENTRY,
	PH_OS_CALL_EXIT,
	PH_OS_CALL_SECCOMP,
};

struct ph_os_call {
	enum ph_os_call_op op;
	uint32_t arch;			/* AUDIT_ARCH_… */
	uint64_t sp;
	uint64_t number, args[6];	/* ENTRY, SECCOMP */
	int64_t ret;			/* EXIT */
	uint32_t data;			/* SECCOMP: what the filter said */
};

/* What of it is to be written. */
#define PH_OS_CALL_NUMBER 1u
#define PH_OS_CALL_RET 2u
#define PH_OS_CALL_ARG(i) (4u << (i))
#define PH_OS_CALL_ARGS (63u * 4)

/* The best way that the kernel has, by a thread in any stop of ours. */
enum ph_os_call_way ph_os_call_best_way(pid_t tid);

/* expected: what the stop is, as far as the caller can tell. */
int ph_os_call_read(pid_t tid, enum ph_os_call_way way, enum ph_os_call_op expected, struct ph_os_call *ret);

/* changed: of *call, into registers that the caller writes. */
void ph_os_call_apply(const struct ph_os_call *call, unsigned int changed, struct user_regs_struct *regs);

/*
 * changed: of *call, whose op is as it was read. At an entry number -1 passes the call over, and ret is its result.
 * -ESRCH also when the thread was killed meanwhile and stands at its end.
 */
int ph_os_call_write(pid_t tid, enum ph_os_call_way way, const struct ph_os_call *call, unsigned int changed);

#endif
