#include "os/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "os/fault.h"
#include "os/raw.h"

#define GET_RSEQ_CONFIGURATION 0x420f	/* linux/ptrace.h */

static int request(enum __ptrace_request what, pid_t tid, uintptr_t addr, const void *data)
{
	ph_os_fault_now(tid);
	return (int)ph_os_raw(SYS_ptrace, (long)what, tid, (long)addr, (long)(uintptr_t)data);
}

static const void *as_data(unsigned long n)
{
	return (const void *)(uintptr_t)n;
}

int ph_os_seize(pid_t tid, unsigned long options)
{
	return request(PTRACE_SEIZE, tid, 0, as_data(options));
}

int ph_os_interrupt(pid_t tid)
{
	return request(PTRACE_INTERRUPT, tid, 0, NULL);
}

int ph_os_set_options(pid_t tid, unsigned long options)
{
	return request(PTRACE_SETOPTIONS, tid, 0, as_data(options));
}

int ph_os_detach(pid_t tid, int sig)
{
	return request(PTRACE_DETACH, tid, 0, as_data((unsigned long)sig));
}

int ph_os_cont(pid_t tid, int sig)
{
	return request(PTRACE_CONT, tid, 0, as_data((unsigned long)sig));
}

int ph_os_step(pid_t tid, int sig)
{
	return request(PTRACE_SINGLESTEP, tid, 0, as_data((unsigned long)sig));
}

int ph_os_syscall(pid_t tid, int sig)
{
	return request(PTRACE_SYSCALL, tid, 0, as_data((unsigned long)sig));
}

int ph_os_sysemu(pid_t tid, int sig)
{
	return request(PTRACE_SYSEMU, tid, 0, as_data((unsigned long)sig));
}

int ph_os_listen(pid_t tid)
{
	return request(PTRACE_LISTEN, tid, 0, NULL);
}

int ph_os_regs_read(pid_t tid, struct user_regs_struct *ret)
{
	return request(PTRACE_GETREGS, tid, 0, ret);
}

int ph_os_regs_write(pid_t tid, const struct user_regs_struct *regs)
{
	return request(PTRACE_SETREGS, tid, 0, regs);
}

int ph_os_rip_write(pid_t tid, uint64_t rip)
{
	return request(PTRACE_POKEUSER, tid, offsetof(struct user, regs.rip), as_data(rip));
}

int ph_os_reg_write(pid_t tid, size_t offset, uint64_t value)
{
	return request(PTRACE_POKEUSER, tid, offsetof(struct user, regs) + offset, as_data(value));
}

int ph_os_xstate_read(pid_t tid, void *buf, size_t *len)
{
	struct iovec room = { buf, *len };
	int r = request(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &room);

	if (r >= 0)
		*len = room.iov_len;
	return r;
}

int ph_os_xstate_write(pid_t tid, const void *buf, size_t len)
{
	struct iovec room = { (void *)(uintptr_t)buf, len };

	return request(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &room);
}

int ph_os_siginfo_read(pid_t tid, siginfo_t *ret)
{
	return request(PTRACE_GETSIGINFO, tid, 0, ret);
}

int ph_os_siginfo_write(pid_t tid, const siginfo_t *info)
{
	return request(PTRACE_SETSIGINFO, tid, 0, info);
}

int ph_os_siginfo_peek(pid_t tid, unsigned int index, siginfo_t *ret)
{
	struct __ptrace_peeksiginfo_args args = { .off = index, .nr = 1 };
	long n;

	ph_os_fault_now(tid);
	n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, ret);
	return n < 0 ? -errno : (int)n;
}

int ph_os_signals_waiting(pid_t tid, uint64_t *ret)
{
	static const uint32_t queues[] = { 0, PTRACE_PEEKSIGINFO_SHARED };

	*ret = 0;
	for (int i = 0; i < 2; i++) {
		struct __ptrace_peeksiginfo_args args = { .flags = queues[i], .nr = 8 };
		siginfo_t infos[8];
		long n;

		do {
			ph_os_fault_now(tid);
			n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, infos);
			if (n < 0)
				return -errno;
			for (long k = 0; k < n; k++)
				*ret |= 1ull << (infos[k].si_signo - 1);
			args.off += (uint64_t)n;
		} while (n == 8);
	}
	return 0;
}

int ph_os_sigmask_read(pid_t tid, uint64_t *ret)
{
	return request(PTRACE_GETSIGMASK, tid, sizeof(*ret), ret);
}

int ph_os_sigmask_write(pid_t tid, uint64_t mask)
{
	return request(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
}

int ph_os_rseq_read(pid_t tid, struct ph_os_rseq *ret)
{
	struct {
		uint64_t at;
		uint32_t size, signature, flags, pad;
	} configuration = { 0 };	/* struct __ptrace_rseq_configuration */
	int r = request((enum __ptrace_request)GET_RSEQ_CONFIGURATION, tid, sizeof(configuration), &configuration);

	if (r < 0)
		return r;
	*ret = (struct ph_os_rseq){ configuration.at, configuration.size, configuration.signature };
	return 0;
}

int ph_os_event_message(pid_t tid, unsigned long *ret)
{
	return request(PTRACE_GETEVENTMSG, tid, 0, ret);
}

int ph_os_word_write(pid_t tid, uint64_t addr, uint64_t word)
{
	return request(PTRACE_POKEDATA, tid, addr, as_data(word));
}

int ph_os_debug_reg_read(pid_t tid, unsigned int n, uint64_t *ret)
{
	long word;

	ph_os_fault_now(tid);
	errno = 0;
	word = ptrace(PTRACE_PEEKUSER, tid, offsetof(struct user, u_debugreg) + n * sizeof(uint64_t), NULL);
	if (word == -1 && errno)
		return -errno;
	*ret = (uint64_t)word;
	return 0;
}

int ph_os_debug_reg_write(pid_t tid, unsigned int n, uint64_t value)
{
	return request(PTRACE_POKEUSER, tid, offsetof(struct user, u_debugreg) + n * sizeof(uint64_t), as_data(value));
}
