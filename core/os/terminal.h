/*
 * terminal - pseudo-terminals, and the modes of terminals.
 */
#ifndef PH_OS_TERMINAL_H
#define PH_OS_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct ph_os_pty {
	unsigned short rows, columns;	/* 0: not known, as the kernel has it */
	bool raw;			/* bytes pass as they are, both ways */
	bool no_echo;			/* what is sent does not come back */
};

/* The two ends, neither a controlling terminal of ours. 0 or -errno. */
int ph_os_pty_open(const struct ph_os_pty *pty, int *ret_ours, int *ret_theirs);

/* The byte that means the end of file when it is read, seen from our end; -1: none does (raw), or this is no terminal. */
int ph_os_pty_end_byte(int fd);

/* Bytes of our own terminal pass as they are, until it is given its modes back. -ENOTTY: it is none. */
/* The one terminal becomes as large as the other; whoever runs on it is told (SIGWINCH). May be called by handlers. */
void ph_os_terminal_copy_size(int from, int to);

int ph_os_terminal_make_raw(int fd, struct termios *ret_before);
void ph_os_terminal_restore(int fd, const struct termios *before);

#endif
