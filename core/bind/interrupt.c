#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/terminal.h"
#include "engine/close.h"

/*
 * Three ways to end a script, each for where it is:
 *	in the engine	run() and waits see ph_bind.interrupted and return -EINTR
 *	in Lua		a debug hook raises at the next instruction
 *	elsewhere	code that the JIT compiled runs no debug hooks, and neither do C functions of libraries; after
 *			PATIENCE ticks everything is ended from the signal handler itself
 * Where a prompt is, SIGINT leads there (ph_bind_interrupt_clear), and only pressing it PRESSES times ends everything.
 * The timer also closes the gap between looking at the flag and going to sleep in a wait: it interrupts again.
 */
#define TICK_US 20000
#define PATIENCE 15
#define PRESSES 3
#define HOOK_PATIENCE 5

#define NOBODY_READS "cannot write standard output: Broken pipe"

static volatile sig_atomic_t ticks;
static volatile sig_atomic_t presses;	/* of Ctrl-C, for one thing */

static bool leads_to_prompt(void)
{
	return ph_bind.soft_interrupt && (ph_bind.interrupted == SIGINT || ph_bind.interrupted == SIGTSTP);
}

static void raise_interrupted(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	/* Once: what the prompt does with the error is not to be interrupted. */
	if (leads_to_prompt())
		lua_sethook(L, NULL, 0, 0);
	luaL_error(L, ph_bind.interrupted == SIGPIPE ? NOBODY_READS : "interrupted");
}

/* As luajit(1) does it: safe in a handler, it changes how the next instruction is dispatched. */
static void raise_soon(void)
{
	if (ph_bind.L)
		lua_sethook(ph_bind.L, raise_interrupted, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void interrupt(int sig)
{
	struct itimerval often = { { 0, TICK_US }, { 0, TICK_US } };

	ph_bind.interrupted = sig;
	ticks = 0;
	/* A prompt's Ctrl-C is not meant for a hook that happens to be at work, or comes next, unless it stays there. */
	if (!leads_to_prompt() || (ph_bind.depth == 0 && !ph_bind.busy))
		raise_soon();
	setitimer(ITIMER_REAL, &often, NULL);
}

void ph_bind_interrupt_wait(int sig)
{
	struct itimerval often = { { 0, TICK_US }, { 0, TICK_US } };

	ph_bind.interrupted = sig;
	ticks = 0;
	setitimer(ITIMER_REAL, &often, NULL);
}

static void on_signal(int sig)
{
	presses++;
	interrupt(sig);
}

/*
 * A script that prints where nobody reads is ended, as SIGPIPE ends lua(1); but with its targets let go or ended. A
 * compiled loop does not even look at what io.write returns. Other pipes of its own are the script's business.
 */
static void on_pipe(int sig)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	int saved = errno;

	if (!ph_bind.interrupted && !ph_bind.own_stdout && !ph_bind.flushing && poll(&out, 1, 0) == 1 && (out.revents & POLLERR))
		interrupt(sig);
	errno = saved;
}

static void say(const char *text)
{
	size_t len = strlen(text);

	/* Nothing is left to do about a standard error that is broken too. */
	if (write(STDERR_FILENO, text, len) != (ssize_t)len)
		ticks = PATIENCE;
}

static void on_tick(int sig)
{
	(void)sig;
	if (!ph_bind.interrupted)
		return;
	if (++ticks == HOOK_PATIENCE && leads_to_prompt() && ph_bind.depth > 0)
		raise_soon();
	if (ticks < PATIENCE || ph_bind.busy || (leads_to_prompt() && presses < PRESSES))
		return;
	if (!ph_bind.tracer)
		_exit(ph_bind_interrupt_status());
	if (ph_bind.interrupted == SIGPIPE)
		say("ptracehook: " NOBODY_READS "\n");
	else
		say("ptracehook: interrupted: the script did not end by itself\n");
	ph_tracer_abandon(ph_bind.tracer);
	ph_terminal_restore();
	_exit(ph_bind_interrupt_status());
}

void ph_bind_interrupt_clear(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	setitimer(ITIMER_REAL, &never, NULL);
	ph_bind.interrupted = 0;
	presses = 0;
	if (ph_bind.L)
		lua_sethook(ph_bind.L, NULL, 0, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int ph_bind_interrupt_status(void)
{
	return ph_bind.interrupted == SIGPIPE ? 1 : 128 + ph_bind.interrupted;
}

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

void ph_bind_interrupt_uninstall(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction act;

	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN);
	for (size_t i = 0; i < N_ENDS; i++)
		if (sigaction(ends[i], NULL, &act) == 0 && act.sa_handler == on_signal)
			signal(ends[i], SIG_DFL);
}

void ph_bind_interrupt_install(void)
{
	struct sigaction soft = { .sa_handler = on_signal }, tick = { .sa_handler = on_tick }, before;
	struct sigaction broken = { .sa_handler = on_pipe };

	sigfillset(&soft.sa_mask);
	sigfillset(&tick.sa_mask);
	sigaction(SIGALRM, &tick, NULL);
	broken.sa_mask = soft.sa_mask;
	sigaction(SIGPIPE, &broken, NULL);
	for (size_t i = 0; i < N_ENDS; i++) {
		sigaction(ends[i], NULL, &before);
		/* nohup(1) means it; a shell that starts us in the background ignores SIGINT without being asked. */
		if (ends[i] != SIGHUP || before.sa_handler != SIG_IGN)
			sigaction(ends[i], &soft, NULL);
	}
}

/* registry: a function that an interrupted script's library wants called before the end: a table half counted, say. */
static int last_words_ref = LUA_NOREF;

static int l_last_words(lua_State *L)	/* core.last_words(fn) */
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_unref(L, LUA_REGISTRYINDEX, last_words_ref);
	lua_settop(L, 1);
	last_words_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

void ph_bind_open_last_words(lua_State *L)
{
	lua_pushcfunction(L, l_last_words);
	lua_setfield(L, -2, "last_words");
}

/* With as much patience as the script had. What goes wrong in them is lost: the end was asked for. */
void ph_bind_last_words(void)
{
	lua_State *L = ph_bind.L;

	if (!L || last_words_ref == LUA_NOREF || ph_bind.interrupted == SIGPIPE)
		return;
	lua_sethook(L, NULL, 0, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, last_words_ref);
	ticks = 0;
	ph_bind_call(L, 0, 0);
}

void ph_bind_exit(int status)
{
	if (ph_bind.depth == 0 && ph_bind.tracer) {
		ph_bind_close(&ph_bind);
		exit(status);
	}
	/*
	 * The engine is on the stack below us, so it is not asked to finish what it was doing; nor is exit(3). In a
	 * finaliser of Lua's end there is no engine any more.
	 */
	ph_bind.busy++;
	fflush(NULL);
	if (ph_bind.tracer)
		ph_tracer_abandon(ph_bind.tracer);
	ph_terminal_restore();
	_exit(status);
}
