/* client - the C API in 30 lines: makes calc(a, b) of a program return 42. client PROGRAM */
#include <ptracehook.h>
#include <stdio.h>
static struct ph_action answer(const struct ph_event *event, void *name)
{
	struct user_regs_struct regs;
	if (ph_thread_regs_get(event->thread, &regs, NULL) == 0)
		fprintf(stderr, "%s(%lld, %lld)\n", (const char *)name, regs.rdi, regs.rsi);
	return (struct ph_action){ .kind = PH_RETURN, .has_value = true, .value = 42 };
}

int main(int argc, char **argv)
{
	struct ph_spawn_options spawn = { .argv = argv + (argc > 1), .stdio = { -1, -1, -1 } };
	struct ph_breakpoint_options calc = { .where = "calc", .fn = answer, .user = "calc" };
	struct ph_tracer *tracer = NULL;
	struct ph_session *session = NULL;
	struct ph_breakpoint *breakpoint = NULL;
	struct ph_reason end;
	struct ph_err err = { 0 };
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_tracer_new(&tracer) < 0 || ph_session_spawn(tracer, &spawn, &session, &err) < 0 ||
	    ph_breakpoint_add(session, &calc, &breakpoint, &err) < 0 || ph_session_run(session, -1, &end, &err) < 0)
		fprintf(stderr, "client: %s\n", ph_err_message(&err, text, sizeof(text)));
	else
		fprintf(stderr, "exited: %d, code %d\n", end.kind == PH_REASON_EXIT, end.code);
	ph_breakpoint_unref(breakpoint), ph_session_unref(session), ph_tracer_free(tracer);
	return err.code != 0;
}
