/* plt: stubs of real programs have the names that objdump gives them; so have symbols without section headers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/relocation.h"
#include "image/symbols.h"
#include "test_image_build.h"

static const char source[] = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
			     "void *(*volatile keep)(size_t) = malloc;\n"
			     "int main(int argc, char **argv) { puts(argv[0]); free(keep(1)); free(keep);\n"
			     "return strcmp(argv[0], \"x\") + (int)strlen(argv[argc - 1]); }\n";

static const char *const builds[] = {
	"gcc -fno-builtin -o prog prog.c",
	"gcc -fno-builtin -Wl,-z,lazy -o prog prog.c",
	"gcc -fno-builtin -Wl,-z,now -fcf-protection=none -o prog prog.c",
	"gcc -fno-builtin -Wl,-z,lazy -fcf-protection=full -o prog prog.c",
	"gcc -fno-builtin -no-pie -fno-pie -Wl,-z,lazy -o prog prog.c",
};

static struct ph_elf *open_prog(void)
{
	struct ph_elf *elf;

	assert_int_equal(ph_elf_open(build_path("prog"), &elf, NULL), 0);
	return elf;
}

static void stubs_are_what_objdump_says(void **state)
{
	(void)state;
	assert_int_equal(build_write("prog.c", source, sizeof(source) - 1), 0);
	for (size_t i = 0; i < sizeof(builds) / sizeof(builds[0]); i++) {
		char line[256], name[200];
		unsigned long at;
		struct ph_elf *elf;
		struct ph_symbol symbol;
		int stubs = 0;
		FILE *listed;

		assert_int_equal(build_run("%s && objdump -d prog | grep '@plt>:$' >stubs", builds[i]), 0);
		elf = open_prog();
		listed = fopen(build_path("stubs"), "r");
		assert_non_null(listed);
		while (fgets(line, sizeof(line), listed)) {
			assert_int_equal(sscanf(line, "%lx <%199[^>]", &at, name), 2);
			if (ph_symbols_find(elf, name, &symbol) != 0 || symbol.vaddr != at)
				fail_msg("%s: %s is at 0x%lx, not 0x%lx", builds[i], name, at, (unsigned long)symbol.vaddr);
			assert_int_equal(ph_symbols_stub_at(elf, at + symbol.size - 1, &symbol), 0);
			*strrchr(name, '@') = '\0';
			assert_memory_equal(symbol.name, name, strlen(name));
			stubs++;
		}
		fclose(listed);
		assert_true(stubs >= 4);
		assert_int_equal(ph_symbols_find(elf, "nosuch@plt", &symbol), -ENOENT);
		assert_int_equal(ph_symbols_stub_at(elf, elf->entry, &symbol), -ENOENT);
		ph_elf_free(elf);
	}
}

/* The stub of an IFUNC has no name of its own: it is called like the resolver. */
static void stubs_of_a_static_program_are_called_like_what_they_lead_to(void **state)
{
	struct ph_symbol symbol, resolver;
	struct ph_elf *elf;
	ph_addr slot;

	(void)state;
	assert_int_equal(build_write("prog.c", source, sizeof(source) - 1), 0);
	assert_int_equal(build_run("gcc -fno-builtin -static -o prog prog.c"), 0);
	elf = open_prog();
	assert_int_equal(ph_symbols_find(elf, "strcmp", &resolver), 0);
	assert_int_equal(resolver.type, PH_SYMBOL_IFUNC);
	assert_int_equal(ph_symbols_find(elf, "strcmp@plt", &symbol), 0);
	assert_int_not_equal(symbol.vaddr, resolver.vaddr);
	assert_true(ph_relocation_resolved_slot(elf, resolver.vaddr, &slot));
	assert_non_null(ph_elf_segment_find(elf, slot));
	assert_false(ph_relocation_resolved_slot(elf, elf->entry, &slot));
	ph_elf_free(elf);
}

static void a_word_that_is_relocated_lies_in_the_file(void **state)
{
	struct ph_elf *elf;
	ph_addr at, value;

	(void)state;
	assert_int_equal(build_write("prog.c", source, sizeof(source) - 1), 0);
	assert_int_equal(build_run("gcc -o prog prog.c"), 0);
	elf = open_prog();
	assert_true(ph_relocation_own_word(elf, &at, &value));
	assert_non_null(ph_elf_segment_find(elf, at));
	assert_non_null(ph_elf_segment_find(elf, value));
	ph_elf_free(elf);
}

/* As the dynamic linker does it: by DT_SYMTAB and a hash table of either kind. */
static void names_are_found_without_section_headers(void **state)
{
	static const char library[] = "int visible(int n) { return n; }\nint other = 3;\n"
				      "__asm__(\".symver old_way,way@V1\\n.symver new_way,way@@V2\");\n"
				      "int old_way(void) { return 1; }\nint new_way(void) { return 2; }\n";
	static const char versions[] = "V1 { global: visible; other; way; local: *; };\nV2 { } V1;\n";
	static const char *const styles[] = { "sysv", "gnu", "both" };

	(void)state;
	assert_int_equal(build_write("lib.c", library, sizeof(library) - 1), 0);
	assert_int_equal(build_write("map", versions, sizeof(versions) - 1), 0);
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		static const char *const names[] = { "visible", "other", "way", "way@V1", "way@@V2", "old_way" };
		struct ph_elf *whole, *bare;
		struct ph_symbol want, got;

		assert_int_equal(build_run("gcc -shared -fPIC -Wl,--hash-style=%s -Wl,--version-script=map -o lib.so lib.c && "
					   "strip lib.so && cp lib.so bare.so && "
					   "printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=bare.so bs=1 seek=40 conv=notrunc status=none && "
					   "printf '\\0\\0\\0\\0' | dd of=bare.so bs=1 seek=60 conv=notrunc status=none", styles[i]), 0);
		assert_int_equal(ph_elf_open(build_path("lib.so"), &whole, NULL), 0);
		assert_int_equal(ph_elf_open(build_path("bare.so"), &bare, NULL), 0);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			int r = ph_symbols_find(whole, names[k], &want);

			assert_int_equal(ph_symbols_find(bare, names[k], &got), r);
			if (r == 0)
				assert_int_equal(got.vaddr, want.vaddr);
		}
		assert_int_equal(ph_symbols_find(bare, "visible", &want), 0);
		assert_int_equal(ph_symbols_at(bare, want.vaddr + 1, &got), 0);
		assert_string_equal(got.name, "visible");
		ph_elf_free(whole);
		ph_elf_free(bare);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stubs_are_what_objdump_says),
		cmocka_unit_test(stubs_of_a_static_program_are_called_like_what_they_lead_to),
		cmocka_unit_test(a_word_that_is_relocated_lies_in_the_file),
		cmocka_unit_test(names_are_found_without_section_headers),
	};

	return cmocka_run_group_tests(tests, build_begin, build_end);
}
