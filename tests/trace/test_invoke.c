/* invoke, patching: functions called and bytes changed in callbacks, while eight threads come by. */
#include "fixture.h"

/* work(i) of eight threads; its entry, and work_middle in its middle, run once a call (tests/targets/work.h). */

struct doing {
	ph_addr work;
	uint64_t hits, calls, failures;
	struct ph_patch *patch;
};

static struct ph_action call_again(const struct ph_event *event, void *user)
{
	static const struct ph_call_options options = { .timeout_ms = 20000, .no_hooks = true };
	struct doing *doing = user;
	struct ph_argument argument = { .kind = PH_ARGUMENT_INTEGER };
	struct user_regs_struct before, after;
	struct ph_call_result first, second;

	doing->hits++;
	doing->failures += ph_thread_regs_get(event->thread, &before, NULL) < 0;
	argument.value = before.rdi;
	doing->failures += ph_thread_call(event->thread, doing->work, &argument, 1, &options, &first, NULL) < 0;
	doing->failures += ph_thread_call(event->thread, doing->work, &argument, 1, &options, &second, NULL) < 0;
	doing->calls += 2;
	doing->failures += first.rax != second.rax;
	doing->failures += ph_thread_regs_get(event->thread, &after, NULL) < 0;
	doing->failures += memcmp(&before, &after, sizeof(before)) != 0;
	return ACTION(PH_CONTINUE);
}

static void calls_in_callbacks_of_eight_threads(void **state)
{
	long calls = fixture_size(500, 60);
	char line[64], output[64];
	struct doing doing = { 0 };
	struct target target;

	(void)state;
	snprintf(line, sizeof(line), "threads8 8 %ld", calls);
	snprintf(output, sizeof(output), "calls %ld\n", 8 * calls);
	target = target_spawn(line, false);
	doing.work = address_of(target.session, "work");
	add_at(target.session, "work_middle", call_again, &doing);
	target_expect_exit(&target, 0, output);
	assert_int_equal(doing.failures, 0);
	assert_int_equal(doing.hits, 8 * calls);
	target_close(&target);
}

/* The bytes that are there already: what changes is that they are written, under the threads' feet. */
static struct ph_action patch_and_restore(const struct ph_event *event, void *user)
{
	struct ph_process *process = ph_thread_process(event->thread);
	struct doing *doing = user;
	uint8_t bytes[16];

	if (doing->hits++ % 4)
		return ACTION(PH_CONTINUE);
	doing->failures += ph_process_read_original(process, doing->work, bytes, sizeof(bytes), NULL) < 0;
	if (doing->patch) {
		doing->failures += ph_patch_restore(doing->patch, NULL) < 0;
		ph_patch_unref(doing->patch);
		doing->patch = NULL;
	} else {
		doing->failures += ph_patch_add(process, doing->work, bytes, sizeof(bytes), false, &doing->patch, NULL) < 0;
	}
	return ACTION(PH_CONTINUE);
}

static void patches_by_callbacks_while_eight_threads_run(void **state)
{
	long calls = fixture_size(1000, 100);
	char line[64], output[64];
	struct doing doing = { 0 };
	uint64_t others = 0;
	struct target target;

	(void)state;
	snprintf(line, sizeof(line), "threads8 8 %ld", calls);
	snprintf(output, sizeof(output), "calls %ld\n", 8 * calls);
	target = target_spawn(line, false);
	doing.work = address_of(target.session, "work");
	add_at(target.session, "work", patch_and_restore, &doing);
	add_at(target.session, "work_middle", count_hit, &others);
	target_expect_exit(&target, 0, output);
	ph_patch_unref(doing.patch);
	assert_int_equal(doing.failures, 0);
	assert_int_equal(doing.hits, 8 * calls);
	assert_int_equal(others, 8 * calls);
	target_close(&target);
}

static void the_text_is_whole_after_detaching(void **state)
{
	struct outsider outsider = outsider_start("parked 4");
	struct ph_session *session;
	struct ph_patch *patches[3];
	uint64_t counter = 0;
	ph_addr main;

	(void)state;
	outsider_await(&outsider, "ready");
	session = attach_to(outsider.pid);
	main = address_of(session, "main");
	for (int i = 0; i < 3; i++)
		assert_int_equal(ph_patch_add(ph_session_process(session), main + (ph_addr)i, "\x90\x90\x90", 3, false, &patches[i],
					      NULL), 0);
	add_at(session, "main", count_hit, &counter);
	assert_int_equal(ph_patch_restore(patches[1], NULL), 0);
	assert_int_equal(ph_session_detach(session, false, NULL), 0);
	expect_text_of_file(outsider.pid);
	for (int i = 0; i < 3; i++) {
		assert_true(ph_patch_restore(patches[i], NULL) < 0);
		ph_patch_unref(patches[i]);
	}
	ph_session_unref(session);
	kill(outsider.pid, SIGKILL);
	outsider_end(&outsider, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(calls_in_callbacks_of_eight_threads),
		BOUNDED(patches_by_callbacks_while_eight_threads_run),
		BOUNDED(the_text_is_whole_after_detaching),
	};

	return RUN_TESTS(argc, argv, tests);
}
