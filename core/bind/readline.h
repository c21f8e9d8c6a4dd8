/*
 * readline - GNU Readline, for prompts on a terminal.
 *
 * Loaded when the first prompt comes, so that no script's start pays for it. Driven by its callback interface: whoever
 * waits feeds it what was typed (prompt.c). Knows neither Lua nor targets, and leaves signals alone.
 */
#ifndef PH_BIND_READLINE_H
#define PH_BIND_READLINE_H

#include <stdbool.h>
#include <stdio.h>

struct ph_readline_host {
	FILE *out;
	int (*next)(void);		/* a byte that was typed, or EOF; may wait */
	bool (*has_next)(void);		/* without waiting */
	bool (*has_much)(void);		/* was typed: a paste, of which only the end is worth drawing */
	/* line: owned by the callee, NULL at the end of input */
	void (*entered)(char *line);
	/* An owned, NULL-terminated list of owned strings, what they have in common first; NULL: none. */
	char **(*complete)(const char *line, int start, int end);
	/* The characters that a word to complete does not go past; in a string its quote alone. */
	const char *(*breaks)(const char *line, int point);
};

/* 0, or -ENOENT: it is not installed; the reason is dlerror(3)'s. */
int ph_readline_open(const struct ph_readline_host *host);

/* What $TERM is to be taken for; kept by the caller. Before the first line. */
void ph_readline_set_terminal(const char *name);

/* A new line begins with this prompt; or the line that is being typed gets it. */
void ph_readline_show(const char *prompt);
bool ph_readline_is_shown(void);

/* What was typed so far vanishes from the screen, for others to write, and comes back. */
void ph_readline_hide(void);
void ph_readline_redraw(void);
void ph_readline_resize(void);

/* The line is given up, with a mark behind it; the terminal is as it was before. */
void ph_readline_end(const char *mark);

/* One byte of host->next. */
void ph_readline_feed(void);

/* History: what can be recalled, and searched backwards. 0 or -errno. */
void ph_readline_remember(const char *entry);
int ph_readline_history_read(const char *path, int max);
int ph_readline_history_append(const char *path, int n);

#endif
