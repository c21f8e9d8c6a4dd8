/* flow: which bytes of a function are no instruction's first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "x86/flow.h"

/* A letter for each byte of the code: '.' where it may begin, or the index of what it lies inside of. */
static void assert_flow(const char *code, size_t len, const char *expected)
{
	char text[64] = "";

	for (size_t i = 0; i < len; i++) {
		size_t begin = SIZE_MAX;

		if (!ph_flow_is_inside((const uint8_t *)code, len, i, &begin)) {
			assert_int_equal(begin, SIZE_MAX);
			text[i] = '.';
		} else {
			text[i] = (char)('0' + begin);
		}
	}
	assert_string_equal(text, expected);
}

#define ASSERT_FLOW(code, expected) assert_flow(code, sizeof(code) - 1, expected)

static void bytes_in_a_straight_line(void **state)
{
	(void)state;
	ASSERT_FLOW("\x48\x8d\x07\x48\x01\xf0\xc3", ".00.33.");	/* lea rax, [rdi]; add rax, rsi; ret */
	ASSERT_FLOW("\xe8\x00\x10\x00\x00\x90\xc3", ".0000..");	/* call; nop; ret */
}

static void data_behind_the_end_is_not_known(void **state)
{
	(void)state;
	ASSERT_FLOW("\xc3\x48\x8d\x07", "....");		/* ret; … */
	ASSERT_FLOW("\xff\xe0\x48\x8d\x07", ".0...");		/* jmp rax; … */
	ASSERT_FLOW("\xeb\x02\x48\x8d\xb0\x01\xc3", ".0...4.");	/* jmp 4; …; 4: mov al, 1; ret */
}

static void both_ways_of_a_jump_are_followed(void **state)
{
	(void)state;
	ASSERT_FLOW("\x74\x02\xb0\x01\xc3", ".0.2.");		/* je 4; mov al, 1; ret */
	ASSERT_FLOW("\xb0\x01\x75\xfc\xc3", ".0.2.");		/* mov al, 1; jne 0; ret */
}

/* glibc jumps over lock prefixes so; obfuscated code into immediates. */
static void bytes_that_are_instructions_both_ways_are_a_beginning(void **state)
{
	(void)state;
	ASSERT_FLOW("\x74\x01\xf0\x0f\xc1\x07\xc3", ".0..33.");	/* je 3; lock 3: xadd [rdi], eax; ret */
}

static void what_is_no_instruction_ends_it(void **state)
{
	(void)state;
	ASSERT_FLOW("\x90\x06\x48\x8d\x07", ".....");
	ASSERT_FLOW("\x90\x48\x8d", "...");			/* cut short */
	ASSERT_FLOW("", "");
}

/* The place behind the first instruction, of one byte. */
static void only_a_straight_way_leads_behind_a_push(void **state)
{
#define ROW(code, expected) { code, sizeof(code) - 1, expected }
	static const struct {
		const char *code;
		size_t len;
		bool expected;
	} rows[] = {
		ROW("\x55\x48\x89\xe5\x5d\xc3", true),		/* push rbp; mov rbp, rsp; pop rbp; ret */
		ROW("\x50\xe8\x00\x10\x00\x00\x59\xc3", true),	/* push rax; call away; pop rcx; ret */
		ROW("\x55\x90\x75\xfe\x5d\xc3", true),		/* push rbp; nop; 2: jne 2 … */
		ROW("\x50\xff\xd0\x59\xc3", true),			/* push rax; call rax; pop rcx; ret */
		ROW("\x55\x90\x75\xfe", true),
		ROW("\x55\x90\x90\x75\xfc\x5d\xc3", false),	/* push rbp; 1: nop; nop; jne 1 */
		ROW("\x50\x90\xeb\xfd", false),			/* push rax; 1: nop; jmp 1 */
		ROW("\x55\x90\xe2\xfd\xc3", false),		/* … loop 1 */
		ROW("\x55\x90\xe8\xfa\xff\xff\xff\xc3", false),	/* … call 1 */
		ROW("\x55\x5d\xe9\x00\x10\x00\x00", false),	/* a jump away may come back from there */
		ROW("\x55\x5d\xff\xe0", false),			/* … and an indirect one goes anywhere */
		ROW("\x55\xff\x24\xc5\x00\x00\x00\x00", false),
		ROW("\x55\x90\x06\xc3", false),			/* no instruction: what follows is not known */
		ROW("\x55\x48\x89", false),				/* cut short */
		ROW("\x48\x89\xe5\xc3", false),			/* none begins there */
		ROW("\x55", false),
		ROW("", false),
	};
#undef ROW

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ph_flow_is_passed_only((const uint8_t *)rows[i].code, rows[i].len, 1) != rows[i].expected)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_a_straight_line),
		cmocka_unit_test(data_behind_the_end_is_not_known),
		cmocka_unit_test(both_ways_of_a_jump_are_followed),
		cmocka_unit_test(bytes_that_are_instructions_both_ways_are_a_beginning),
		cmocka_unit_test(what_is_no_instruction_ends_it),
		cmocka_unit_test(only_a_straight_way_leads_behind_a_push),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
