/*
 * terminal - the one that we were started on: whose turn it is, ours or a target's.
 *
 * A target with a process group of its own gets the terminal while it runs in the foreground, in the modes that it left
 * it in; ours come back afterwards. What it is that reads or runs is others' business. Nothing here fails: a terminal
 * that is gone is left alone.
 */
#ifndef PH_BIND_TERMINAL_H
#define PH_BIND_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Our modes are those that it has now. False: standard input is no terminal. */
bool ph_terminal_open(void);

/* Targets had better have process groups of their own. */
bool ph_terminal_can_be_given(void);

/*
 * To this process's group, which we join meanwhile, so that Ctrl-C reaches us too; or to the group that had it when it was
 * taken back, while that one lives.
 */
void ph_terminal_give(pid_t pid);
void ph_terminal_take(void);
bool ph_terminal_is_given(void);

/* A new target: modes and groups of the last one are forgotten. */
void ph_terminal_forget(void);

/* As it was when we started; from a signal's handler too. */
void ph_terminal_restore(void);

#endif
