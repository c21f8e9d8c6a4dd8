/*
 * call_loop seccomp|info NUMBER PROGRAM [ARG...]: how fast a C tracer sees calls of that number.
 *   seccomp   one stop a call, by a filter that the child puts in before it executes; one argument read
 *   info      two stops, at entry and exit, by the same filter and PTRACE_SYSCALL; both read by PTRACE_GET_SYSCALL_INFO
 * Output on stderr: "hits N".
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "tracer.h"

#define GET_SYSCALL_INFO 0x420e
#define FILTER_STOP (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)

struct info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp, nr, args[6], ret_data;
};

static void look(pid_t tid)
{
	struct info info;

	if (ptrace(GET_SYSCALL_INFO, tid, sizeof(info), &info) < 0)
		return;
	tracer_sum += info.op == 2 ? info.nr : info.args[0];
}

static pid_t start(unsigned int number, char **argv)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(insns) / sizeof(insns[0]), insns };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
			execv(argv[0], argv);
		_exit(127);
	}
	tracer_check(waitpid(pid, &status, 0), "waitpid");
	tracer_check(ptrace(PTRACE_SETOPTIONS, pid, NULL,
			    PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD |
				    PTRACE_O_TRACEEXEC),
		     "PTRACE_SETOPTIONS");
	return pid;
}

int main(int argc, char **argv)
{
	bool both = argc > 3 && strcmp(argv[1], "info") == 0;
	long hits = 0;
	int status;
	pid_t pid, tid;

	if (argc < 4)
		return 2;
	pid = start((unsigned int)atoi(argv[2]), argv + 3);
	tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == FILTER_STOP) {
			hits++;
			look(tid);
			ptrace(both ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, 0);
		} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			look(tid);
			ptrace(PTRACE_CONT, tid, NULL, 0);
		} else {
			ptrace(PTRACE_CONT, tid, NULL, tracer_signal(status));
		}
	}
	fprintf(stderr, "hits %ld\n", hits);
	return 0;
}
