/* plan: what several callbacks of one stop want, as one decision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/plan.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

#define MOST 5

#define GO_1 { PH_GOTO, true, 1 }
#define GO_2 { PH_GOTO, true, 2 }
#define RET { .kind = PH_RETURN }
#define RET_7 { PH_RETURN, true, 7 }
#define SIG(n) { PH_SIGNAL, true, n }
#define DO(kind_) { .kind = (kind_) }

static void the_strongest_action_wins(void **state)
{
	static const struct {
		size_t n;
		struct ph_action actions[MOST];
		struct ph_plan plan;
	} rows[] = {
		{ 0, { DO(PH_CONTINUE) }, { 0 } },
		{ 1, { DO(PH_CONTINUE) }, { 0 } },
		{ 1, { DO(PH_REMOVE) }, { 0 } },
		{ 1, { DO(PH_KILL) }, { .kill = true } },
		{ 1, { DO(PH_DETACH) }, { .detach = true } },
		{ 1, { DO(PH_STOP) }, { .stop = true } },
		{ 1, { DO(PH_STEP) }, { .step = true } },
		{ 1, { DO(PH_FAIL) }, { .fail = true } },
		{ 1, { DO(PH_SUPPRESS) }, { .suppress = true } },
		{ 1, { SIG(10) }, { .signal = 10 } },
		{ 1, { DO(PH_SKIP) }, { .move = PH_SKIP } },
		{ 1, { RET }, { .move = PH_RETURN } },
		{ 1, { RET_7 }, { .move = PH_RETURN, .has_value = true, .value = 7 } },
		{ 1, { GO_1 }, { .move = PH_GOTO, .has_value = true, .value = 1 } },

		/* A weaker one takes nothing back, whatever the order. */
		{ 2, { DO(PH_KILL), DO(PH_CONTINUE) }, { .kill = true } },
		{ 2, { DO(PH_CONTINUE), DO(PH_KILL) }, { .kill = true } },
		{ 2, { DO(PH_STOP), DO(PH_REMOVE) }, { .stop = true } },
		{ 2, { GO_1, DO(PH_CONTINUE) }, { .move = PH_GOTO, .has_value = true, .value = 1 } },
		{ 2, { GO_1, DO(PH_STEP) }, { .step = true, .move = PH_GOTO, .has_value = true, .value = 1 } },

		/* The last move wins, with its value or without. */
		{ 2, { GO_1, GO_2 }, { .move = PH_GOTO, .has_value = true, .value = 2 } },
		{ 2, { GO_2, GO_1 }, { .move = PH_GOTO, .has_value = true, .value = 1 } },
		{ 2, { GO_1, DO(PH_SKIP) }, { .move = PH_SKIP } },
		{ 2, { RET_7, RET }, { .move = PH_RETURN } },
		{ 3, { DO(PH_SKIP), RET_7, GO_1 }, { .move = PH_GOTO, .has_value = true, .value = 1 } },

		/* Stop and a move both hold; a signal always applies, the last one. */
		{ 2, { DO(PH_STOP), GO_1 }, { .stop = true, .move = PH_GOTO, .has_value = true, .value = 1 } },
		{ 2, { GO_1, DO(PH_STOP) }, { .stop = true, .move = PH_GOTO, .has_value = true, .value = 1 } },
		{ 3, { SIG(10), DO(PH_KILL), SIG(12) }, { .kill = true, .signal = 12 } },
		{ 5, { DO(PH_KILL), DO(PH_DETACH), DO(PH_STOP), DO(PH_FAIL), DO(PH_SUPPRESS) },
		  { .kill = true, .detach = true, .stop = true, .fail = true, .suppress = true } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		const struct ph_plan *want = &rows[i].plan;
		struct ph_plan plan = { 0 };

		for (size_t k = 0; k < rows[i].n; k++)
			ph_plan_add(&plan, rows[i].actions[k]);
		if (plan.fail != want->fail || plan.kill != want->kill || plan.detach != want->detach ||
		    plan.stop != want->stop || plan.step != want->step || plan.suppress != want->suppress ||
		    plan.move != want->move || plan.has_value != want->has_value || plan.value != want->value ||
		    plan.signal != want->signal)
			fail_msg("row %zu", i);
	}
}

static void moves_only_where_an_instruction_is_pending(void **state)
{
	/*
	 * One letter an event, in the order of enum ph_event_kind: b(reakpoint) w(atch) W(atch_execute) i(nstruction) s(tep)
	 * g(signal) c(syscall) x(exec) f(ork) t(hread) d(thread_exit) e(xit) l(oad) u(nload)
	 */
	static const char letters[] = "bwWisgcxftdelu";
	static const struct {
		enum ph_action_kind kind;
		const char *at;
	} rows[] = {
		{ PH_CONTINUE, "bwWisgcxftdelu" },
		{ PH_STOP, "bwWisgcxftdelu" },
		{ PH_DETACH, "bwWisgcxftdelu" },
		{ PH_KILL, "bwWisgcxftdelu" },
		{ PH_REMOVE, "bwWisgcxftdelu" },
		{ PH_FAIL, "bwWisgcxftdelu" },
		{ PH_SIGNAL, "bwWisgcxftlu" },
		{ PH_SUPPRESS, "g" },
		{ PH_STEP, "bW" },
		{ PH_SKIP, "bWi" },
		{ PH_RETURN, "bWi" },
		{ PH_GOTO, "bWi" },
	};

	_Static_assert(sizeof(letters) == PH_EVENT_COUNT + 1, "a letter each");
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char at[PH_EVENT_COUNT + 1] = "";

		for (int event = 0, n = 0; event < PH_EVENT_COUNT; event++)
			if (ph_plan_allows((enum ph_event_kind)event, rows[i].kind))
				at[n++] = letters[event];
		assert_string_equal(at, rows[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_action_wins),
		cmocka_unit_test(moves_only_where_an_instruction_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
