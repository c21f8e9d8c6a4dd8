/*
 * foreground - another program run on our terminal, as a shell runs one, and waited for.
 *
 * On a terminal it has a process group of its own: Ctrl-C is for it, or for the group that it gives the terminal to, and
 * never for us. There is no job control: a program that stops itself goes on at once.
 */
#ifndef PH_OS_FOREGROUND_H
#define PH_OS_FOREGROUND_H

#include <signal.h>
#include <sys/types.h>

struct ph_os_foreground {
	const char *path;			/* no search */
	char *const *argv;
	sigset_t blocked;			/* its signal mask */
	const volatile sig_atomic_t *interrupt;	/* or NULL; nonzero: it is asked to end, by SIGTERM, and then made to */
};

/* Until it has ended: its wait status, or -errno when it could not be started. */
int ph_os_foreground_run(const struct ph_os_foreground *program, int *ret_status);

#endif
