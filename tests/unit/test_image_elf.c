/* elf: kinds by the first bytes, facts of real programs, files that do not hold together. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/elf.h"
#include "test_image_build.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char source[] = "int main(void) { return 0; }\n";
static const char start[] = "_start: xor %edi, %edi; mov $60, %eax; syscall\n.globl _start\n";

static int build_programs(void **state)
{
	return build_begin(state) || build_write("main.c", source, sizeof(source) - 1) ||
	       build_write("start.s", start, sizeof(start) - 1) || build_run("cc -o pie -pie -fPIE main.c") ||
	       build_run("cc -o fixed -no-pie -Wl,--build-id=none main.c") ||
	       build_run("cc -o static -static -nostdlib -Wl,--build-id=0x0123456789abcdef start.s") ||
	       build_run("cc -o static-pie -static-pie -nostdlib start.s") ||
	       build_run("cc -o libshared.so -shared -fPIC -Wl,-soname,libother.so.7 main.c") ||
	       build_run("cc -c -o main.o main.c") || build_run("cp pie stripped && strip stripped") ||
	       build_run("printf '#!/bin/sh\\n' >script");
}

static struct ph_elf *open_program(const char *path)
{
	char message[PH_ERR_MESSAGE_MAX];
	struct ph_elf *elf;
	struct ph_err err;

	if (ph_elf_open(path, &elf, &err) < 0)
		fail_msg("%s", ph_err_message(&err, message, sizeof(message)));
	return elf;
}

static void tells_the_kind_by_the_first_bytes(void **state)
{
	static const struct {
		const char *head;
		uint8_t class, data;
		uint16_t machine;
		enum ph_elf_kind kind;
		const char *name;
	} rows[] = {
		{ ELFMAG, ELFCLASS64, ELFDATA2LSB, EM_X86_64, PH_ELF_X86_64, "x86_64" },
		{ ELFMAG, ELFCLASS32, ELFDATA2LSB, EM_X86_64, PH_ELF_I386, "x32" },
		{ ELFMAG, ELFCLASS32, ELFDATA2LSB, EM_386, PH_ELF_I386, "i386" },
		{ ELFMAG, ELFCLASS64, ELFDATA2LSB, EM_AARCH64, PH_ELF_FOREIGN, "aarch64" },
		{ ELFMAG, ELFCLASS64, ELFDATA2MSB, EM_S390, PH_ELF_FOREIGN, "s390" },
		{ ELFMAG, ELFCLASS64, ELFDATA2MSB, EM_X86_64, PH_ELF_FOREIGN, "x86_64" },
		{ ELFMAG, ELFCLASS64, ELFDATA2LSB, 0xfe00, PH_ELF_FOREIGN, "an unknown machine" },
		{ ELFMAG, 3, ELFDATA2LSB, EM_X86_64, PH_ELF_NOT, "no machine" },
		{ ELFMAG, ELFCLASS64, 0, EM_X86_64, PH_ELF_NOT, "no machine" },
		{ "#!/b", 0, 0, 0, PH_ELF_SCRIPT, "no machine" },
		{ "MZ\220", ELFCLASS64, ELFDATA2LSB, EM_X86_64, PH_ELF_NOT, "no machine" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint8_t head[PH_ELF_HEAD_LEN] = { 0 };
		bool is_big = rows[i].data == ELFDATA2MSB;

		memcpy(head, rows[i].head, SELFMAG);
		head[EI_CLASS] = rows[i].class;
		head[EI_DATA] = rows[i].data;
		head[18 + is_big] = (uint8_t)rows[i].machine;
		head[18 + !is_big] = (uint8_t)(rows[i].machine >> 8);
		assert_int_equal(ph_elf_kind(head, sizeof(head)), rows[i].kind);
		assert_int_equal(ph_elf_kind(head, 20), rows[i].kind);
		assert_string_equal(ph_elf_machine_name(head, sizeof(head)), rows[i].name);
	}
	assert_int_equal(ph_elf_kind(ELFMAG, 4), PH_ELF_NOT);
	assert_int_equal(ph_elf_kind("", 0), PH_ELF_NOT);
	assert_int_equal(ph_elf_kind("#!", 2), PH_ELF_SCRIPT);
}

static void states_the_facts_of_each_sort_of_program(void **state)
{
	static const struct {
		const char *name;
		bool is_pie, has_interp, is_dynamic, can_load;
		const char *soname;
	} rows[] = {
		{ "pie", true, true, true, true, "" },
		{ "stripped", true, true, true, true, "" },
		{ "fixed", false, true, true, true, "" },
		{ "static", false, false, false, false, "" },
		{ "static-pie", true, false, true, false, "" },
		{ "libshared.so", true, false, true, true, "libother.so.7" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_elf *elf = open_program(build_path(rows[i].name));

		assert_int_equal(elf->is_pie, rows[i].is_pie);
		assert_int_equal(elf->has_interp, rows[i].has_interp);
		assert_int_equal(elf->is_dynamic, rows[i].is_dynamic);
		assert_int_equal(elf->can_load, rows[i].can_load);
		assert_string_equal(elf->soname, rows[i].soname);
		assert_int_equal(elf->low, elf->is_pie ? 0 : 0x400000);
		assert_true(elf->n_segments > 0);
		if (i < 5)
			assert_non_null(ph_elf_segment_find(elf, elf->entry));
		ph_elf_free(elf);
	}
}

static void reads_the_build_id(void **state)
{
	static const uint8_t id[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct ph_elf *elf = open_program(build_path("static"));

	(void)state;
	assert_int_equal(elf->build_id_len, sizeof(id));
	assert_memory_equal(elf->build_id, id, sizeof(id));
	ph_elf_free(elf);
	elf = open_program(build_path("fixed"));
	assert_int_equal(elf->build_id_len, 0);
	ph_elf_free(elf);
}

static void segments_ascend_and_hold_what_lies_between_their_ends(void **state)
{
	struct ph_elf *elf = open_program("/proc/self/exe");

	(void)state;
	for (size_t i = 0; i < elf->n_segments; i++) {
		const struct ph_elf_segment *segment = &elf->segments[i];

		assert_ptr_equal(ph_elf_segment_find(elf, segment->vaddr), segment);
		assert_ptr_equal(ph_elf_segment_find(elf, segment->vaddr + segment->memsz - 1), segment);
		assert_ptr_not_equal(ph_elf_segment_find(elf, segment->vaddr + segment->memsz), segment);
		assert_true(i == 0 || segment->vaddr > elf->segments[i - 1].vaddr);
		assert_true(segment->vaddr >= elf->low && segment->vaddr + segment->memsz <= elf->high);
	}
	assert_null(ph_elf_segment_find(elf, elf->high));
	assert_null(ph_elf_segment_find(elf, UINT64_MAX));
	assert_true(ph_elf_segment_find(elf, elf->entry)->flags & PF_X);
	/* Our own: the kernel put the entry where it is by the same addresses. */
	assert_int_equal((getauxval(AT_ENTRY) - elf->entry) % 4096, 0);
	ph_elf_free(elf);
}

static void write_machine(const char *name, uint16_t machine)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_machine = machine,
	};

	assert_int_equal(build_write(name, &header, sizeof(header)), 0);
}

static void refuses_what_is_no_program(void **state)
{
	static const struct {
		const char *name;
		int code;
		const char *says;
	} rows[] = {
		{ "absent", -ENOENT, "No such file or directory" },
		{ ".", -ENOEXEC, "not a regular file" },
		{ "fifo", -ENOEXEC, "not a regular file" },
		{ "script", -ENOEXEC, "a script, not an ELF file" },
		{ "main.c", -ENOEXEC, "not an ELF file" },
		{ "empty", -ENOEXEC, "not an ELF file" },
		{ "main.o", -ENOEXEC, "neither a program nor a library" },
		{ "foreign", -ENOEXEC, "another machine (aarch64)" },
		{ "i386", -ENOEXEC, "a 32-bit ELF file" },
	};

	(void)state;
	assert_int_equal(mkfifo(build_path("fifo"), 0600), 0);
	assert_int_equal(build_write("empty", "", 0), 0);
	write_machine("foreign", EM_AARCH64);
	write_machine("i386", EM_386);
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_elf *elf = NULL;
		struct ph_err err;

		assert_int_equal(ph_elf_open(build_path(rows[i].name), &elf, &err), rows[i].code);
		assert_int_equal(ph_elf_open(build_path(rows[i].name), &elf, NULL), rows[i].code);
		assert_null(elf);
		if (!strstr(err.detail, rows[i].says) || !strstr(err.detail, rows[i].name))
			fail_msg("%s: \"%s\"", rows[i].name, err.detail);
	}
}

static size_t read_whole(const char *path, uint8_t *buf, size_t len)
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(buf, 1, len, file);
	fclose(file);
	assert_true(n < len);
	return n;
}

/* 0, or the error, of a file with these bytes. */
static int open_bytes(const void *bytes, size_t len)
{
	int r, fd = memfd_create("program", MFD_CLOEXEC);
	struct ph_elf *elf;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	r = ph_elf_open_fd(fd, "program", &elf, NULL);
	if (r < 0)
		close(fd);
	else
		ph_elf_free(elf);
	return r;
}

static void a_file_cut_short_anywhere_is_an_error_or_opens(void **state)
{
	static uint8_t bytes[65536];
	size_t len = read_whole(build_path("pie"), bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(open_bytes(bytes, len), 0);
	for (size_t cut = 0; cut < len; cut += cut < 2048 ? 1 : 97) {
		int r = open_bytes(bytes, cut);

		assert_true(r == 0 || r == -ENOEXEC);
		if (cut < sizeof(Elf64_Ehdr))
			assert_int_equal(r, -ENOEXEC);
	}
}

static void hostile_headers_are_errors(void **state)
{
	static uint8_t bytes[65536], copy[65536];
	size_t len = read_whole(build_path("static"), bytes, sizeof(bytes));
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)copy;
	Elf64_Phdr *phdr = (Elf64_Phdr *)(void *)(copy + sizeof(*header));

	(void)state;
	memcpy(copy, bytes, len);
	header->e_phoff = UINT64_MAX - 8;
	assert_int_equal(open_bytes(copy, len), -ENOEXEC);
	memcpy(copy, bytes, len);
	header->e_phnum = 0;
	assert_int_equal(open_bytes(copy, len), -ENOEXEC);
	memcpy(copy, bytes, len);
	for (size_t i = 0; i < header->e_phnum; i++)
		phdr[i].p_type = PT_NULL;
	assert_int_equal(open_bytes(copy, len), -ENOEXEC);
	memcpy(copy, bytes, len);
	for (size_t i = 0; i < header->e_phnum; i++)
		phdr[i].p_memsz = UINT64_MAX;
	assert_int_equal(open_bytes(copy, len), -ENOEXEC);
	memcpy(copy, bytes, len);
	header->e_type = ET_CORE;
	assert_int_equal(open_bytes(copy, len), -ENOEXEC);
	memcpy(copy, bytes, len);
	header->e_shoff = UINT64_MAX;
	header->e_shnum = UINT16_MAX;
	open_bytes(copy, len);
}

static void descriptors_go_with_the_file(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	for (unsigned i = 0; i < 100; i++) {
		struct ph_elf *elf;

		ph_elf_free(open_program(build_path("pie")));
		assert_int_equal(ph_elf_open(build_path("script"), &elf, NULL), -ENOEXEC);
	}
	ph_elf_free(NULL);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void real_programs_open(void **state)
{
	static const char *const paths[] = {
		"/bin/true", "/bin/sh", "/usr/bin/python3", "/lib64/ld-linux-x86-64.so.2",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(paths); i++) {
		struct ph_elf *elf;

		if (access(paths[i], R_OK) < 0)
			continue;
		elf = open_program(paths[i]);
		assert_true(elf->can_load);
		assert_true(elf->build_id_len > 0);
		ph_elf_free(elf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_kind_by_the_first_bytes),
		cmocka_unit_test(states_the_facts_of_each_sort_of_program),
		cmocka_unit_test(reads_the_build_id),
		cmocka_unit_test(segments_ascend_and_hold_what_lies_between_their_ends),
		cmocka_unit_test(refuses_what_is_no_program),
		cmocka_unit_test(a_file_cut_short_anywhere_is_an_error_or_opens),
		cmocka_unit_test(hostile_headers_are_errors),
		cmocka_unit_test(descriptors_go_with_the_file),
		cmocka_unit_test(real_programs_open),
	};

	return cmocka_run_group_tests_name("image/elf", tests, build_programs, build_end);
}
