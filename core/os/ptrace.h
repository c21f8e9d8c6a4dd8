/*
 * ptrace - thin wrappers: one request each, -errno on failure, no policy, no state.
 *
 * All but seize and interrupt need the thread in ptrace-stop of the calling thread; -ESRCH means that it is gone or
 * not stopped (ptrace(2)). cont, step, syscall and listen resume: only engine/dispatch.c and engine/alone.c may call
 * them, and a test greps for others.
 */
#ifndef PH_OS_PTRACE_H
#define PH_OS_PTRACE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

int ph_os_seize(pid_t tid, unsigned long options);
int ph_os_interrupt(pid_t tid);
int ph_os_set_options(pid_t tid, unsigned long options);
int ph_os_detach(pid_t tid, int sig);

int ph_os_cont(pid_t tid, int sig);
int ph_os_step(pid_t tid, int sig);
int ph_os_syscall(pid_t tid, int sig);
int ph_os_sysemu(pid_t tid, int sig);	/* to the next entry, whose call is not made */
int ph_os_listen(pid_t tid);

int ph_os_regs_read(pid_t tid, struct user_regs_struct *ret);
int ph_os_regs_write(pid_t tid, const struct user_regs_struct *regs);
int ph_os_rip_write(pid_t tid, uint64_t rip);

/* One general register, by its place in struct user_regs_struct. */
int ph_os_reg_write(pid_t tid, size_t offset, uint64_t value);

/* The XSAVE area, NT_X86_XSTATE: *len is the room on entry, what the kernel gave on return. */
int ph_os_xstate_read(pid_t tid, void *buf, size_t *len);
int ph_os_xstate_write(pid_t tid, const void *buf, size_t len);

int ph_os_siginfo_read(pid_t tid, siginfo_t *ret);
int ph_os_siginfo_write(pid_t tid, const siginfo_t *info);

/* The index-th signal that waits in the thread's own queue; 1: *ret is it, 0: there are fewer. Linux 3.10. */
int ph_os_siginfo_peek(pid_t tid, unsigned int index, siginfo_t *ret);

/* Which signals wait, in its own queue and its process's: bit n - 1 is signal n. */
int ph_os_signals_waiting(pid_t tid, uint64_t *ret);
int ph_os_sigmask_read(pid_t tid, uint64_t *ret);	/* since Linux 3.11 */
int ph_os_sigmask_write(pid_t tid, uint64_t mask);

/* The memory that the thread shares with the kernel by rseq(2), Linux 5.13; at is 0: none. */
struct ph_os_rseq {
	uint64_t at;
	uint32_t size, signature;
};

int ph_os_rseq_read(pid_t tid, struct ph_os_rseq *ret);
int ph_os_event_message(pid_t tid, unsigned long *ret);
int ph_os_word_write(pid_t tid, uint64_t addr, uint64_t word);
int ph_os_debug_reg_read(pid_t tid, unsigned int n, uint64_t *ret);
int ph_os_debug_reg_write(pid_t tid, unsigned int n, uint64_t value);

#endif
