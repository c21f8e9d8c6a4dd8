/* err: one failure as a value, and the sentence that it becomes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *message_of(const struct ph_err *err)
{
	static char text[PH_ERR_MESSAGE_MAX];

	return ph_err_message(err, text, sizeof(text));
}

static void message_says_what_is_known(void **state)
{
	static const struct {
		struct ph_err err;
		const char *message;
	} rows[] = {
		{ { .code = -EIO, .op = "read memory" }, "read memory: Input/output error" },
		{ { .code = -EIO, .op = "read memory", .tid = 42 }, "read memory in thread 42: Input/output error" },
		{ { .code = -EIO, .op = "write memory", .tid = 42, .has_addr = true, .addr = 0x401000 },
		  "write memory at 0x401000 in thread 42: Input/output error" },
		{ { .code = -EIO, .op = "write memory", .has_addr = true }, "write memory at 0x0: Input/output error" },
		{ { .code = -EIO, .op = "read memory", .has_addr = true, .addr = UINT64_MAX },
		  "read memory at 0xffffffffffffffff: Input/output error" },
		{ { .code = -ENOENT, .op = "find symbol", .detail = "no symbol 'x'" }, "find symbol: no symbol 'x'" },
		{ { .code = -EIO, .op = "write memory", .tid = 42, .trail = "insert breakpoint: " },
		  "insert breakpoint: write memory in thread 42: Input/output error" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_string_equal(message_of(&rows[i].err), rows[i].message);
}

static void every_setter_returns_the_code(void **state)
{
	struct ph_err err;

	(void)state;
	for (int known = 0; known < 2; known++) {
		struct ph_err *to = known ? &err : NULL;

		assert_int_equal(ph_err_set(to, -EIO, "a"), -EIO);
		assert_int_equal(ph_err_set_in(to, -ESRCH, "a", 1), -ESRCH);
		assert_int_equal(ph_err_set_at(to, -EFAULT, "a", 1, 2), -EFAULT);
		assert_int_equal(ph_err_say(to, -EINVAL, "a", "%d", 1), -EINVAL);
		assert_int_equal(ph_err_because(to, -EPERM, PH_CAUSE_TRACE), -EPERM);
		assert_int_equal(ph_err_wrap(to, -EPERM, "b"), -EPERM);
	}
}

static void setting_forgets_what_was_there(void **state)
{
	struct ph_err err;

	(void)state;
	ph_err_set_at(&err, -EIO, "read memory", 42, 0x1000);
	err.done = 7;
	ph_err_because(&err, -EIO, PH_CAUSE_EXEC);
	ph_err_wrap(&err, -EIO, "outer");
	ph_err_set(&err, -ENOMEM, "fork");
	assert_string_equal(message_of(&err), "fork: Cannot allocate memory");
	assert_int_equal(err.cause, PH_CAUSE_OTHER);
	assert_int_equal(err.done, 0);
}

static void wrapping_puts_the_outermost_caller_first_and_keeps_the_rest(void **state)
{
	struct ph_err err;

	(void)state;
	ph_err_set_at(&err, -EIO, "write memory", 42, 0x401000);
	err.done = 3;
	ph_err_because(&err, -EIO, PH_CAUSE_TRACE);
	ph_err_wrap(&err, -EIO, "insert breakpoint");
	ph_err_wrap(&err, -EIO, "bp");
	assert_string_equal(message_of(&err),
			    "bp: insert breakpoint: write memory at 0x401000 in thread 42: Input/output error");
	assert_int_equal(err.tid, 42);
	assert_int_equal(err.addr, 0x401000);
	assert_int_equal(err.done, 3);
	assert_int_equal(err.cause, PH_CAUSE_TRACE);
}

static void long_words_are_cut_not_overrun(void **state)
{
	char word[1000], small[8];
	struct ph_err err;

	(void)state;
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	ph_err_say(&err, -EIO, word, "%s", word);
	assert_int_equal(strlen(err.op), sizeof(err.op) - 1);
	assert_int_equal(strlen(err.detail), sizeof(err.detail) - 1);
	for (int i = 0; i < 10; i++)
		ph_err_wrap(&err, -EIO, word);
	assert_int_equal(strlen(err.trail), sizeof(err.trail) - 1);
	assert_int_equal(strlen(message_of(&err)), sizeof(err.trail) - 1 + sizeof(err.op) - 1 + 2 +
						       sizeof(err.detail) - 1);
	assert_ptr_equal(ph_err_message(&err, small, sizeof(small)), small);
	assert_string_equal(small, "wwwwwww");
}

static void errno_has_a_name(void **state)
{
	static const struct {
		int code;
		const char *name;
	} rows[] = {
		{ EIO, "EIO" },
		{ -EIO, "EIO" },
		{ -ESRCH, "ESRCH" },
		{ 4000, "E4000" },
		{ -4000, "E4000" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_string_equal(ph_errno_name(rows[i].code), rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_says_what_is_known),
		cmocka_unit_test(every_setter_returns_the_code),
		cmocka_unit_test(setting_forgets_what_was_there),
		cmocka_unit_test(wrapping_puts_the_outermost_caller_first_and_keeps_the_rest),
		cmocka_unit_test(long_words_are_cut_not_overrun),
		cmocka_unit_test(errno_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
