#include "bind/readline.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
#define LIBRARY "libreadline.so." TEXT_OF(RL_VERSION_MAJOR)

/* The library's own declarations, reached through pointers: nothing of it is linked. */
#define FUNCTIONS(X) \
	X(rl_callback_handler_install) X(rl_callback_handler_remove) X(rl_callback_read_char) \
	X(rl_clear_visible_line) X(rl_initialize) X(rl_on_new_line) X(rl_prep_terminal) X(rl_redisplay) \
	X(rl_reset_screen_size) X(rl_resize_terminal) X(rl_set_prompt) X(rl_variable_bind) X(add_history) \
	X(append_history) X(history_truncate_file) X(read_history) X(stifle_history) X(using_history)
#define VARIABLES(X) \
	X(rl_attempted_completion_function) X(rl_attempted_completion_over) X(rl_basic_quote_characters) \
	X(rl_catch_signals) X(rl_catch_sigwinch) X(rl_completion_append_character) \
	X(rl_completion_suppress_append) X(rl_completion_word_break_hook) X(rl_getc_function) \
	X(rl_input_available_hook) X(rl_line_buffer) X(rl_outstream) X(rl_point) X(rl_prep_term_function) \
	X(rl_readline_name) X(rl_redisplay_function) X(rl_terminal_name) X(history_comment_char) \
	X(history_multiline_entries) X(history_write_timestamps)

static struct {
#define POINTER(name) __typeof__(name) *name;
	FUNCTIONS(POINTER)
	VARIABLES(POINTER)
#undef POINTER
} lib;

static struct ph_readline_host host;
static bool is_shown, is_hidden;
static char quote;	/* that began the string in which something is completed; NUL: in none */

static int load(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return -ENOENT;
#define FIND(name)                                           \
	*(void **)&lib.name = dlsym(handle, #name);          \
	if (!lib.name)                                       \
		return -ENOENT;
	FUNCTIONS(FIND)
	VARIABLES(FIND)
#undef FIND
	return 0;
}

static int next_byte(FILE *unused)
{
	(void)unused;
	return host.next();
}

static int has_next(void)
{
	return host.has_next();
}

/* Each state of a pasted megabyte would take for ever. */
static void redisplay(void)
{
	if (!host.has_much() && !is_hidden)
		lib.rl_redisplay();
}

/* Enter stays a newline: one that is typed ahead may be the target's, which reads whole lines. */
static void prepare_terminal(int meta)
{
	struct termios modes;

	lib.rl_prep_terminal(meta);
	if (tcgetattr(STDIN_FILENO, &modes) == 0) {
		modes.c_iflag |= ICRNL;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
	}
}

static void entered(char *line)
{
	lib.rl_callback_handler_remove();
	is_shown = false;
	host.entered(line);
}

static char **complete(const char *text, int start, int end)
{
	char **list;

	(void)text;
	/* Never file names of its own accord. */
	*lib.rl_attempted_completion_over = 1;
	list = host.complete(*lib.rl_line_buffer, start, end);
	/* A string is closed, unless more is to come in it. */
	*lib.rl_completion_append_character = quote;
	*lib.rl_completion_suppress_append = !quote || !list || !*list[0] || strchr(":!/", list[0][strlen(list[0]) - 1]);
	return list;
}

static char *breaks(void)
{
	const char *list = host.breaks(*lib.rl_line_buffer, *lib.rl_point);

	quote = list[1] ? '\0' : list[0];
	return (char *)(uintptr_t)list;
}

int ph_readline_open(const struct ph_readline_host *new_host)
{
	int r = load();

	if (r < 0)
		return r;
	host = *new_host;
	*lib.rl_readline_name = "ptracehook";
	*lib.rl_outstream = host.out;
	*lib.rl_basic_quote_characters = "";
	*lib.rl_catch_signals = 0;
	*lib.rl_catch_sigwinch = 0;
	*lib.rl_getc_function = next_byte;
	*lib.rl_input_available_hook = has_next;
	*lib.rl_attempted_completion_function = complete;
	*lib.rl_completion_word_break_hook = breaks;
	*lib.rl_prep_term_function = prepare_terminal;
	lib.rl_variable_bind("completion-query-items", "200");
	/* Nor does it end a search alone, as a newline does otherwise. */
	lib.rl_variable_bind("isearch-terminators", "\033");
	lib.using_history();
	*lib.history_comment_char = '#';
	*lib.history_write_timestamps = 1;
	*lib.history_multiline_entries = 1;
	return 0;
}

void ph_readline_set_terminal(const char *name)
{
	*lib.rl_terminal_name = name;
}

void ph_readline_show(const char *prompt)
{
	if (!is_shown) {
		/* It asks what the terminal can do only as long as nobody else draws. */
		lib.rl_initialize();
		*lib.rl_redisplay_function = redisplay;
		is_shown = true;
		is_hidden = false;
		lib.rl_callback_handler_install(prompt, entered);
		return;
	}
	if (!is_hidden)
		lib.rl_clear_visible_line();
	lib.rl_set_prompt(prompt);
	is_hidden = true;
	ph_readline_redraw();
}

bool ph_readline_is_shown(void)
{
	return is_shown;
}

void ph_readline_hide(void)
{
	if (!is_shown || is_hidden)
		return;
	lib.rl_clear_visible_line();
	fflush(host.out);
	is_hidden = true;
}

void ph_readline_redraw(void)
{
	if (!is_shown || !is_hidden)
		return;
	is_hidden = false;
	lib.rl_on_new_line();
	lib.rl_redisplay();
}

void ph_readline_resize(void)
{
	if (!is_shown)
		return;
	if (is_hidden) {
		lib.rl_reset_screen_size();
		return;
	}
	/* It draws over the old line only as long as nobody else draws: what is there would stay, with another behind it. */
	*lib.rl_redisplay_function = lib.rl_redisplay;
	lib.rl_resize_terminal();
	*lib.rl_redisplay_function = redisplay;
}

void ph_readline_end(const char *mark)
{
	if (!is_shown)
		return;
	is_shown = false;
	if (!is_hidden)
		fprintf(host.out, "%s\n", mark);
	fflush(host.out);
	lib.rl_callback_handler_remove();
}

void ph_readline_feed(void)
{
	ph_readline_redraw();
	lib.rl_callback_read_char();
}

void ph_readline_remember(const char *entry)
{
	lib.add_history(entry);
}

int ph_readline_history_read(const char *path, int max)
{
	int r;

	lib.stifle_history(max);
	r = lib.read_history(path);
	if (r == ENOENT)
		return 0;
	if (r == 0)
		lib.history_truncate_file(path, max);
	return -r;
}

int ph_readline_history_append(const char *path, int n)
{
	return -lib.append_history(n, path);
}
