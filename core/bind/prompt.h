/*
 * prompt - where the REPL's lines come from, and what is on the screen meanwhile.
 *
 * On a terminal lines are edited with Readline while a session runs; what hooks print then goes above the line that is
 * being typed, which is drawn again when they are quiet for a moment. Otherwise lines are read as they come. What lines
 * mean is the business of lua/ptracehook/repl.
 */
#ifndef PH_BIND_PROMPT_H
#define PH_BIND_PROMPT_H

#include <stdbool.h>

/* Before Lua takes standard output and standard error: on a terminal they go around the prompt. */
void ph_prompt_wrap_output(void);

/* Ctrl-C, Ctrl-Z and a resized window are the prompt's: from its first wait on. */
bool ph_prompt_is_open(void);

/* The terminal as we found it. */
void ph_prompt_close(void);

#endif
