/* call: entry and exit of system calls never get out of step, whatever stops come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/call.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

#define ENTRY PH_CALL_STOP_ENTRY
#define EXIT PH_CALL_STOP_EXIT
#define AGAIN PH_CALL_STOP_AGAIN
#define OTHER PH_CALL_STOP_OTHER

/* A stop, what it is to the call, and how the thread goes on. */
struct step {
	enum ph_stop_kind kind;
	enum ph_call_stop is;
	bool by_syscall;
};

static const struct {
	const char *name;
	struct step steps[10];
	size_t count;
} rows[] = {
	{ "every call stops twice", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_SYSCALL, EXIT, true },
				      { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_SYSCALL, EXIT, true } }, 4 },
	{ "a filter's stop alone", { { PH_STOP_SECCOMP, ENTRY, false }, { PH_STOP_SECCOMP, ENTRY, false } }, 2 },
	{ "a filter's stop, and the exit", { { PH_STOP_SECCOMP, ENTRY, true }, { PH_STOP_SYSCALL, EXIT, false },
					     { PH_STOP_SECCOMP, ENTRY, false } }, 3 },
	{ "both mechanisms", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_SECCOMP, AGAIN, true },
			       { PH_STOP_SYSCALL, EXIT, true }, { PH_STOP_SYSCALL, ENTRY, true } }, 4 },
	{ "fork in the parent", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_FORK, OTHER, true },
				  { PH_STOP_SYSCALL, EXIT, true } }, 3 },
	{ "vfork in the parent", { { PH_STOP_SECCOMP, ENTRY, true }, { PH_STOP_VFORK, OTHER, true },
				   { PH_STOP_VFORK_DONE, OTHER, true }, { PH_STOP_SYSCALL, EXIT, true } }, 4 },
	{ "the child of any", { { PH_STOP_INTERRUPT, OTHER, true }, { PH_STOP_SYSCALL, ENTRY, true },
				{ PH_STOP_SYSCALL, EXIT, true } }, 3 },
	{ "exec", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_EXEC, OTHER, true }, { PH_STOP_SYSCALL, EXIT, true },
		    { PH_STOP_SYSCALL, ENTRY, true } }, 4 },
	{ "exit_group", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_EXITING, OTHER, true },
			  { PH_STOP_EXITED, OTHER, false } }, 3 },
	{ "a signal behind an interrupted call", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_SYSCALL, EXIT, true },
						   { PH_STOP_SIGNAL, OTHER, true }, { PH_STOP_SYSCALL, ENTRY, true },
						   { PH_STOP_SYSCALL, EXIT, true } }, 5 },
	{ "hooked in the middle of a blocked call", { { PH_STOP_INTERRUPT, OTHER, true }, { PH_STOP_SYSCALL, ENTRY, true },
						      { PH_STOP_SYSCALL, EXIT, true } }, 3 },
	{ "the last hook taken out at an entry", { { PH_STOP_SYSCALL, ENTRY, false }, { PH_STOP_INTERRUPT, OTHER, true },
						   { PH_STOP_SYSCALL, ENTRY, true } }, 3 },
	{ "taken out, and at once another", { { PH_STOP_SYSCALL, ENTRY, false }, { PH_STOP_SECCOMP, ENTRY, true },
					      { PH_STOP_SYSCALL, EXIT, true } }, 3 },
	{ "a trap in between without an exit", { { PH_STOP_SYSCALL, ENTRY, true }, { PH_STOP_TRAP, OTHER, true },
						 { PH_STOP_SYSCALL, ENTRY, true } }, 3 },
	{ "a group stop", { { PH_STOP_SYSCALL, EXIT, true }, { PH_STOP_GROUP, OTHER, false },
			    { PH_STOP_INTERRUPT, OTHER, true }, { PH_STOP_SYSCALL, ENTRY, true } }, 4 },
};

static void entry_and_exit_stay_in_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		/* The one that begins with an exit stands in a call. */
		struct ph_call call = { .in = rows[i].steps[0].is == EXIT };

		for (size_t k = 0; k < rows[i].count; k++) {
			const struct step *step = &rows[i].steps[k];

			ph_call_note(&call, step->kind);
			if (call.stop != step->is)
				fail_msg("%s: stop %zu is %d, not %d", rows[i].name, k, call.stop, step->is);
			ph_call_resumed(&call, step->by_syscall ? PH_CALL_BY_SYSCALL : PH_CALL_UNSEEN);
		}
	}
}

static void an_emulated_call_has_no_exit(void **state)
{
	struct ph_call call = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		ph_call_note(&call, PH_STOP_SYSCALL);
		assert_int_equal(call.stop, PH_CALL_STOP_ENTRY);
		ph_call_resumed(&call, PH_CALL_BY_SYSEMU);
		assert_true(call.emulated);
	}
	/* A signal in between is no entry, and whoever goes on from it otherwise has its calls made. */
	ph_call_note(&call, PH_STOP_SIGNAL);
	ph_call_resumed(&call, PH_CALL_BY_SYSCALL);
	assert_false(call.emulated);
	ph_call_note(&call, PH_STOP_SYSCALL);
	assert_int_equal(call.stop, PH_CALL_STOP_ENTRY);
}

static void what_hooks_saw_is_forgotten_with_the_call(void **state)
{
	struct ph_call call = { 0 };

	(void)state;
	ph_call_note(&call, PH_STOP_SECCOMP);
	call.told = call.wants_exit = true;
	call.view.phase = PH_CALL_ENTER;
	ph_call_resumed(&call, PH_CALL_BY_SYSCALL);
	assert_true(call.told && call.wants_exit && call.in);
	assert_int_equal(call.view.phase, PH_CALL_OVER);
	ph_call_note(&call, PH_STOP_SYSCALL);
	ph_call_resumed(&call, PH_CALL_UNSEEN);
	assert_false(call.told || call.wants_exit || call.in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_and_exit_stay_in_step),
		cmocka_unit_test(an_emulated_call_has_no_exit),
		cmocka_unit_test(what_hooks_saw_is_forgotten_with_the_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
