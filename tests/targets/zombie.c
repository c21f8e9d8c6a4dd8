/*
 * zombie: a child that has ended and is not reaped until a byte, or the end, arrives on stdin.
 * Output: "zombie P" (the child's pid, once it is one), then "reaped", exit 0.
 */
#include <sys/wait.h>

#include "target.h"

int main(void)
{
	siginfo_t info;
	pid_t pid;
	char c;

	target_begin();
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT))
		return 3;
	printf("zombie %d\n", pid);
	if (read(0, &c, 1) < 0)
		return 3;
	waitpid(pid, NULL, 0);
	puts("reaped");
	return 0;
}
