/* refusal: why a process cannot be traced, and what to do, from facts that no kernel has to be asked for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/launch.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/* A process that is there; we are the user 1000. */
#define FACTS(scope, user) .code = -EPERM, .pid = 42, .exists = true, .yama_scope = (scope), .uid = (user), .our_uid = 1000
#define NO_YAMA -1
#define OURS 1000

static void names_the_reason_and_the_way_out(void **state)
{
	static const struct {
		struct ph_refusal refusal;
		const char *message;
	} rows[] = {
		{ { FACTS(NO_YAMA, OURS), .is_self = true }, "attach: process 42 is ptracehook itself; name another one" },
		{ { .code = -ESRCH, .pid = 42 }, "attach: no process has the id 42; ps -e lists them" },
		{ { .code = -ESRCH, .pid = -1 }, "attach: no process has the id -1; ps -e lists them" },
		{ { FACTS(NO_YAMA, OURS), .is_kthread = true },
		  "attach: process 42 is a kernel thread, which has no program to trace" },
		{ { FACTS(NO_YAMA, OURS), .is_zombie = true },
		  "attach: process 42 is a zombie: it has ended, and its parent has not reaped it yet" },
		{ { FACTS(NO_YAMA, OURS), .tracer = 7, .tracer_name = "gdb" },
		  "attach: process 42 is traced by process 7 (gdb) already; end or detach that one first" },
		{ { FACTS(3, OURS) },
		  "attach: process 42: kernel.yama.ptrace_scope is 3, nobody may attach until the next boot; spawn the "
		  "program instead, or boot with a lower value" },
		{ { FACTS(2, OURS) },
		  "attach: process 42: kernel.yama.ptrace_scope is 2, only CAP_SYS_PTRACE may attach; run as root (sudo)" },
		{ { FACTS(1, OURS) },
		  "attach: process 42: kernel.yama.ptrace_scope is 1, only a parent may attach; run as root (sudo), set it "
		  "to 0 (sysctl kernel.yama.ptrace_scope=0), or spawn the program instead" },
		{ { FACTS(NO_YAMA, 0) },
		  "attach: process 42 belongs to another user (uid 0, ours is 1000); run as that user or as root (sudo)" },
		{ { FACTS(NO_YAMA, OURS) },
		  "attach: process 42 may not be traced by us (set-user-id, not dumpable, or in another user namespace) "
		  "without CAP_SYS_PTRACE; run as root (sudo)" },
		{ { FACTS(0, OURS) },
		  "attach: process 42 may not be traced by us (set-user-id, not dumpable, or in another user namespace) "
		  "without CAP_SYS_PTRACE; run as root (sudo)" },
		{ { FACTS(NO_YAMA, OURS), .can_ptrace = true },
		  "attach: process 42 is protected by the kernel or a security module; dmesg may say which" },
		{ { .code = -EIO, .pid = 42, .exists = true, .yama_scope = -1 },
		  "attach in thread 42: Input/output error" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char text[PH_ERR_MESSAGE_MAX];
		struct ph_err err;

		assert_int_equal(ph_refusal_explain(&rows[i].refusal, &err), rows[i].refusal.code);
		assert_int_equal(err.code, rows[i].refusal.code);
		assert_int_equal(err.cause, PH_CAUSE_TRACE);
		assert_string_equal(ph_err_message(&err, text, sizeof(text)), rows[i].message);
	}
	assert_int_equal(ph_refusal_explain(&rows[0].refusal, NULL), -EPERM);
}

/* Of several reasons the one that would still hold if the others were mended. */
static void the_more_final_reason_is_named(void **state)
{
	static const struct {
		struct ph_refusal refusal;
		const char *words;
	} rows[] = {
		{ { FACTS(1, OURS), .is_zombie = true, .tracer = 7, .tracer_name = "gdb" }, "zombie" },
		{ { FACTS(NO_YAMA, 0), .is_kthread = true }, "kernel thread" },
		{ { FACTS(3, 0), .tracer = 7, .tracer_name = "gdb" }, "(gdb)" },
		{ { FACTS(3, 0) }, "scope is 3" },
		{ { FACTS(3, OURS), .can_ptrace = true }, "scope is 3" },	/* not even root */
		{ { FACTS(2, 0) }, "scope is 2" },
		{ { FACTS(2, OURS), .can_ptrace = true }, "security module" },
		{ { FACTS(1, 0) }, "another user" },
		{ { FACTS(1, OURS), .can_ptrace = true }, "security module" },
		{ { FACTS(NO_YAMA, 0), .can_ptrace = true }, "security module" },
		{ { .code = -EACCES, .pid = 42, .exists = true, .yama_scope = -1 }, "may not be traced by us" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_err err;

		ph_refusal_explain(&rows[i].refusal, &err);
		if (!strstr(err.detail, rows[i].words))
			fail_msg("row %zu: %s", i, err.detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_reason_and_the_way_out),
		cmocka_unit_test(the_more_final_reason_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
