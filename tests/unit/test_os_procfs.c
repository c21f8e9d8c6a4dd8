/* procfs: the parsers, on text as the kernel writes it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/procfs.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static void status_parser_reads_what_the_engine_asks(void **state)
{
	static const struct {
		const char *text;
		struct ph_os_status want;
	} rows[] = {
		{ "Name:\tbash\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nNgid:\t0\nPid:\t43\nPPid:\t1\n"
		  "TracerPid:\t7\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\nVmPeak:\t9 kB\nVmSize:\t9 kB\nKthread:\t0\n"
		  "SigIgn:\t0000000000000004\nSigCgt:\t8000000000000011\nSeccomp:\t2\n",
		  { "bash", 'S', .tgid = 42, .tracer = 7, .uid = 1000, .caught = 0x8000000000000011, .ignored = 4,
		    .seccomp = 2 } },
		/* Names may look like anything else. */
		{ "Name:\tState:\tZ Tgid:\t9\nState:\tR (running)\nTgid:\t42\nVmSize:\t9 kB\n",
		  { "State:\tZ Tgid:\t9", 'R', .tgid = 42 } },
		{ "Name:\ta b (c)\nState:\tt (tracing stop)\nTgid:\t42\nVmSize:\t9 kB\n", { "a b (c)", 't', .tgid = 42 } },
		{ "Name:\t\nState:\tR (running)\nTgid:\t42\nVmSize:\t9 kB\n", { "", 'R', .tgid = 42 } },
		/* A kernel thread: by its line, or before Linux 6.8 by what it lacks. */
		{ "Name:\tkthreadd\nState:\tS (sleeping)\nTgid:\t2\nUid:\t0\t0\t0\t0\nKthread:\t1\n",
		  { "kthreadd", 'S', .tgid = 2, .kthread = true } },
		{ "Name:\tkthreadd\nState:\tS (sleeping)\nTgid:\t2\nUid:\t0\t0\t0\t0\n",
		  { "kthreadd", 'S', .tgid = 2, .kthread = true } },
		/* A zombie has given its memory up. */
		{ "Name:\tgone\nState:\tZ (zombie)\nTgid:\t42\n", { "gone", 'Z', .tgid = 42 } },
		{ "Name:\tgone\nState:\tX (dead)\nTgid:\t42\n", { "gone", 'X', .tgid = 42 } },
		{ "Name:\tgone\nState:\tZ (zombie)\nTgid:\t42\nKthread:\t0\n", { "gone", 'Z', .tgid = 42 } },
		{ "Name:\tbig\nState:\tR (running)\nTgid:\t4194304\nUid:\t4294967294\t0\t0\t0\nVmSize:\t9 kB\n",
		  { "big", 'R', .tgid = 4194304, .uid = 4294967294 } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		const struct ph_os_status *want = &rows[i].want;
		struct ph_os_status got;

		assert_int_equal(ph_os_status_parse(rows[i].text, &got), 0);
		assert_string_equal(got.name, want->name);
		if (got.state != want->state || got.tgid != want->tgid || got.tracer != want->tracer ||
		    got.uid != want->uid || got.kthread != want->kthread || got.caught != want->caught ||
		    got.ignored != want->ignored || got.seccomp != want->seccomp)
			fail_msg("row %zu: state %c tgid %d tracer %d uid %u kthread %d", i, got.state, got.tgid,
				 got.tracer, got.uid, got.kthread);
	}
}

static void status_parser_refuses_what_is_no_status(void **state)
{
	static const char *const rows[] = { "", "\n", "Name:\tbash\n", "State:\tR (running)\n", "no such file", "Nam" };
	struct ph_os_status got;

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_int_equal(ph_os_status_parse(rows[i], &got), -EINVAL);
}

static void status_of_ourselves(void **state)
{
	struct ph_os_status got;

	(void)state;
	assert_int_equal(ph_os_status_read(getpid(), &got), 0);
	assert_int_equal(got.tgid, getpid());
	assert_int_equal(got.uid, getuid());
	assert_int_equal(got.state, 'R');
	assert_false(got.kthread);
	assert_int_equal(ph_os_status_read(0x7fffffff, &got), -ESRCH);
}

static void maps_parser_reads_every_kind_of_line(void **state)
{
	static const struct {
		const char *line;
		struct ph_map_entry want;
	} rows[] = {
		{ "555555554000-555555556000 r-xp 00001000 fe:00 1234                       /usr/bin/true",
		  { 0x555555554000, 0x555555556000, "r-xp", 0x1000, 1234, "/usr/bin/true" } },
		{ "7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0                          [vvar]",
		  { 0x7ffff7fc1000, 0x7ffff7fc5000, "r--p", 0, 0, "[vvar]" } },
		{ "7ffff7d80000-7ffff7d83000 rw-p 00000000 00:00 0 ",
		  { 0x7ffff7d80000, 0x7ffff7d83000, "rw-p", 0, 0, "" } },
		{ "00400000-00401000 ---s ffffffff000 00:05 99 /a path/with  spaces (deleted)",
		  { 0x400000, 0x401000, "---s", 0xffffffff000, 99, "/a path/with  spaces (deleted)" } },
		{ "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
		  { 0xffffffffff600000, 0xffffffffff601000, "--xp", 0, 0, "[vsyscall]" } },
		{ "1000-2000 rwxp 0 00:00 0 anon_inode:[x]", { 0x1000, 0x2000, "rwxp", 0, 0, "anon_inode:[x]" } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_maps maps;

		assert_int_equal(ph_os_maps_parse(strdup(rows[i].line), &maps), 0);
		assert_int_equal(maps.count, 1);
		if (maps.entries[0].start != rows[i].want.start || maps.entries[0].end != rows[i].want.end ||
		    maps.entries[0].offset != rows[i].want.offset || maps.entries[0].inode != rows[i].want.inode)
			fail_msg("row %zu: 0x%lx 0x%lx", i, maps.entries[0].start, maps.entries[0].end);
		assert_string_equal(maps.entries[0].perms, rows[i].want.perms);
		assert_string_equal(maps.entries[0].path, rows[i].want.path);
		ph_os_maps_fini(&maps);
	}
}

static void maps_parser_passes_over_rubbish(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} rows[] = {
		{ "", 0 },
		{ "\n\n", 0 },
		{ "nothing of the kind\n", 0 },
		{ "1000-2000\n", 0 },
		{ "1000-2000 rwxp 0 00:00 0 /a\nrubbish\n3000-4000 rwxp 0 00:00 0 /b\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_maps maps;

		assert_int_equal(ph_os_maps_parse(strdup(rows[i].text), &maps), 0);
		assert_int_equal(maps.count, rows[i].count);
		ph_os_maps_fini(&maps);
		ph_os_maps_fini(&maps);
	}
}

static void an_address_is_found_in_its_mapping_only(void **state)
{
	static const struct {
		ph_addr addr;
		const char *path;
	} rows[] = {
		{ 0xfff, NULL }, { 0x1000, "/a" }, { 0x1fff, "/a" }, { 0x2000, "/b" }, { 0x2fff, "/b" }, { 0x3000, NULL },
		{ 0x4fff, NULL }, { 0x5000, "" }, { UINT64_MAX, NULL },
	};
	struct ph_maps maps;

	(void)state;
	assert_int_equal(ph_os_maps_parse(strdup("1000-2000 rwxp 0 00:00 0 /a\n2000-3000 rwxp 0 00:00 0 /b\n"
						 "5000-6000 rwxp 0 00:00 0 \n"), &maps), 0);
	for (size_t i = 0; i < N_OF(rows); i++) {
		const struct ph_map_entry *entry = ph_os_maps_find(&maps, rows[i].addr);

		assert_int_equal(entry != NULL, rows[i].path != NULL);
		if (entry)
			assert_string_equal(entry->path, rows[i].path);
	}
	ph_os_maps_fini(&maps);
}

static void maps_of_ourselves(void **state)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;

	(void)state;
	assert_int_equal(ph_os_maps_read(getpid(), &maps), 0);
	entry = ph_os_maps_find(&maps, (uintptr_t)maps_of_ourselves);
	assert_non_null(entry);
	assert_int_equal(entry->perms[2], 'x');
	for (size_t i = 1; i < maps.count; i++)
		assert_true(maps.entries[i - 1].end <= maps.entries[i].start);
	ph_os_maps_fini(&maps);
	assert_int_equal(ph_os_maps_read(0x7fffffff, &maps), -ESRCH);
}

static int count_task(pid_t tid, void *user)
{
	*(int *)user += tid == getpid();
	return 0;
}

static int stop_at_once(pid_t tid, void *user)
{
	(void)tid;
	(void)user;
	return 7;
}

static void tasks_are_listed_until_an_answer(void **state)
{
	int mine = 0;

	(void)state;
	assert_int_equal(ph_os_tasks_each(getpid(), count_task, &mine), 0);
	assert_int_equal(mine, 1);
	assert_int_equal(ph_os_tasks_each(getpid(), stop_at_once, NULL), 7);
	assert_int_equal(ph_os_tasks_each(0x7fffffff, count_task, &mine), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_parser_reads_what_the_engine_asks),
		cmocka_unit_test(status_parser_refuses_what_is_no_status),
		cmocka_unit_test(status_of_ourselves),
		cmocka_unit_test(maps_parser_reads_every_kind_of_line),
		cmocka_unit_test(maps_parser_passes_over_rubbish),
		cmocka_unit_test(an_address_is_found_in_its_mapping_only),
		cmocka_unit_test(maps_of_ourselves),
		cmocka_unit_test(tasks_are_listed_until_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
