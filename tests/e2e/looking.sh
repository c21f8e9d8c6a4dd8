#!/bin/bash
# The scripts that look: calls and coverage, as users call them.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

calls=$TOP/scripts/calls.lua coverage=$TOP/scripts/coverage.lua

has_symbols() {
	"$PTRACEHOOK" -e 'os.exit(find_syms and 0 or 1)' || skip 'this build has no find_syms()'
}

wrong_usage() {
	run "$PTRACEHOOK" "$1" "${@:3}"
	expect_status 2
	expect_complaint "^$(basename "$1" .lua): $2; usage: ptracehook $(basename "$1" .lua) "
	expect_stdout ''
}

# compile NAME [OPTION...]: from standard input
compile() {
	cat >"$1.c"
	gcc -g0 -o "$1" "$1.c" "${@:2}" || fail "$1 does not compile"
}

# ---- calls

compile_shapes() {
	compile shapes -O2 -pthread <<-'END'
		#include <pthread.h>
		#include <setjmp.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		#include <sys/wait.h>
		#define SEEN __attribute__((noipa))
		static jmp_buf out;
		SEEN int leaf(int x) { return x + 1; }
		SEEN int tail(int x) { return leaf(x * 2); }
		SEEN int fact(int n) { int r = n < 2 ? 1 : n * fact(n - 1); __asm__ volatile("" : "+r"(r)); return r; }
		SEEN void jumper(int n) { if (n == 0) longjmp(out, 7); jumper(n - 1); __asm__ volatile(""); }
		SEEN int catcher(void) { int r = setjmp(out); if (!r) jumper(2); return r; }
		SEEN const char *text(const char *s) { return s; }
		SEEN int minus(int x) { return -x; }
		SEEN void leave(int n) { exit(n); }
		static void *run(void *n) { fact((int)(long)n); return NULL; }
		int main(int argc, char **argv)
		{
			const char *what = argc > 1 ? argv[1] : "";
			pthread_t threads[3];
			if (!strcmp(what, "recurse")) fact(3);
			if (!strcmp(what, "tail")) tail(3), leaf(0);
			if (!strcmp(what, "jump")) catcher(), leaf(0), catcher(), leaf(1);
			if (!strcmp(what, "values")) text("two words"), minus(5);
			if (!strcmp(what, "leave")) leave(3);
			if (!strcmp(what, "fork")) {
				pid_t pid = fork();
				if (pid == 0) { fact(2); _exit(0); }
				waitpid(pid, NULL, 0);
				leaf(1);
			}
			if (!strcmp(what, "threads")) {
				for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, run, (void *)4);
				for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
			}
			return 0;
		}
	END
}

# tree EXPECTED ARG...: of shapes with these arguments, one argument shown, without times
tree() {
	run "$PTRACEHOOK" "$calls" --args 1 --no-time fact leaf tail jumper catcher text minus leave -- ./shapes "${@:2}"
	expect_stdout "$1"
}

test_calls_are_nested_with_arguments_and_results() {
	compile_shapes
	tree $'fact(3) {\n  fact(2) {\n    fact(1) = 1\n  } fact = 2\n} fact = 6' recurse
	expect_status 0
	tree $'text("two words") = "two words"\nminus(5) = -5' values
}

test_calls_times_are_shown() {
	compile_shapes
	run "$PTRACEHOOK" "$calls" --args 0 fact -- ./shapes recurse
	expect_stdout_like '^    fact\(\) = 1 <[0-9]+\.[0-9]{6}>$'
	expect_stdout_like '^} fact = 6 <[0-9]+\.[0-9]{6}>$'
}

test_calls_that_end_by_a_tail_call_return_with_it() {
	compile_shapes
	tree $'tail(3) {\n  leaf(6) = 7\n} tail = 7\nleaf(0) = 1' tail
}

test_calls_that_longjmp_ends_do_not_confuse_what_follows() {
	compile_shapes
	local jump='{
    jumper(1) {
      jumper(0) ...
    } jumper ...
  } jumper ...
} catcher = 7'
	run "$PTRACEHOOK" "$calls" --args 1 --no-time leaf jumper catcher -- ./shapes jump
	sed -i 's/catcher([^)]*)/catcher()/' stdout
	expect_stdout "catcher() {
  jumper(2) $jump
leaf(0) = 1
catcher() {
  jumper(2) $jump
leaf(1) = 2"
}

test_calls_that_exit_ends() {
	compile_shapes
	tree 'leave(3) ...' leave
	expect_status 3
}

test_calls_of_threads_are_trees_of_their_own() {
	compile_shapes
	run "$PTRACEHOOK" "$calls" --args 1 --no-time main fact -- ./shapes threads
	expect_status 0
	local tid n=0
	for tid in $(sed -n 's/^\[\([0-9]*\)\] *fact.*/\1/p' stdout | sort -u); do
		[ "$(sed -n "s/^\[$tid\].* = //p" stdout | tr '\n' ' ')" = '1 2 6 24 ' ] || fail "thread $tid:" "$(cat stdout)"
		n=$((n + 1))
	done
	check "three threads" [ $n = 3 ]
}

test_calls_in_children_are_followed_when_asked_for() {
	compile_shapes
	tree 'leaf(1) = 2' fork
	run "$PTRACEHOOK" -f "$calls" --args 1 --no-time main fact leaf -- ./shapes fork
	expect_status 0
	expect_stdout_like '^\[[0-9]+\]   fact\(2\) \{$'
	expect_stdout_like '^\[[0-9]+\]   } fact = 2$'
	expect_stdout_like '^\[[0-9]+\]   leaf\(1\) = 2$'
	expect_stdout_like '^\[[0-9]+\] } main = 0$'
}

test_calls_by_globs_and_filters() {
	has_symbols
	compile_shapes
	run "$PTRACEHOOK" "$calls" --args 1 --no-time 'f?ct' 'l*f' -- ./shapes tail
	expect_stdout $'leaf(6) = 7\nleaf(0) = 1'
	run "$PTRACEHOOK" "$calls" --args 1 --no-time '*a*' --not main --not '_*' --not 'f*' --not '*tm_clones' -- ./shapes tail
	expect_stdout $'tail(3) {\n  leaf(6) = 7\n} tail = 7\nleaf(0) = 1'
	run "$PTRACEHOOK" "$calls" --args 1 --no-time --depth 2 fact -- ./shapes recurse
	expect_stdout $'fact(3) {\n  fact(2) = 2\n} fact = 6'
	run "$PTRACEHOOK" "$calls" 'no_such_*' -- ./shapes
	expect_status 1
	expect_complaint "^calls: no function of shapes matches 'no_such_\*'$"
}

test_calls_of_a_library() {
	has_symbols
	compile says <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		int main(void) { puts("said"); return abs(atoi("-3")) - 3; }
	END
	run "$PTRACEHOOK" "$calls" --args 1 --no-time 'libc*!put?' 'libc!atoi' -- ./says
	expect_status 0
	expect_stdout_like '^puts\("said"\) = 5$'
	expect_stdout_like '^atoi\("-3"\) = -3$'
}

test_calls_names_wrong_arguments() {
	wrong_usage "$calls" 'no function named' -- "$TARGETS/calc_pie"
	wrong_usage "$calls" 'no program named' main
	wrong_usage "$calls" 'there is no option --deep' --deep 3 main -- "$TARGETS/calc_pie"
	local value
	for value in 0 x -1 1.5 ''; do
		wrong_usage "$calls" '--depth: a number above 0 expected' --depth "$value" main -- "$TARGETS/calc_pie"
	done
	wrong_usage "$calls" '--args: a number from 0 to 6 expected' --args 7 main -- "$TARGETS/calc_pie"
	wrong_usage "$calls" '--not: a glob expected' main --not -- "$TARGETS/calc_pie"
	run "$PTRACEHOOK" "$calls" chek -- "$TARGETS/calc_static"
	expect_status 1
	expect_complaint "^calls: .*'chek'"
}

# ---- Both

# same_shape SCRIPT: what it prints for the program of its sample, whatever the addresses and times are.
same_shape() {
	sed -n '/^-- Sample output (/,/^$/s/^--   //p' "$1" | sed 's/0x[0-9a-f]*/0x#/g; s/<[0-9.]*>/<#>/' >expected
	sed 's/0x[0-9a-f]*/0x#/g; s/<[0-9.]*>/<#>/' stdout >got
	diff expected got >differences || fail "the sample in $(basename "$1") differs:" "$(cat differences)"
}

test_the_samples_are_what_comes_out() {
	gcc -O1 -o crackme "$TOP/scripts/crackme.c" || fail "scripts/crackme.c does not compile"
	run "$PTRACEHOOK" "$calls" --args 2 main check_byte -- ./crackme <<<h00k
	same_shape "$calls"
	has_symbols
	run "$PTRACEHOOK" "$coverage" --blocks --only '[cm]*' -- ./crackme <<<h00k
	same_shape "$coverage"
}

# ---- coverage

# A label in each branch: nm knows where they are.
compile_branches() {
	compile branches -O1 <<-'END'
		#define SEEN __attribute__((noipa))
		#define HERE(name) __asm__ volatile(".globl " #name "\n" #name ":")
		int sink;
		SEEN void never(void) { sink = 3; }
		SEEN void choose(int n)
		{
			if (n > 1) { sink = 1; HERE(many); sink = 2; }
			else { sink = 4; HERE(few); sink = 5; }
			for (int i = 0; i < n; i++) { HERE(body); sink += i; }
		}
		int main(int argc, char **argv) { (void)argv; choose(argc); return 6; }
	END
}

# covers FILE OFFSET: true when a block of the drcov file holds it
covers() {
	python3 - "$1" "$2" <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		head, tail = data.split(b"BB Table: ", 1)
		count, blocks = tail.split(b" bbs\n", 1)
		lines = head.decode().splitlines()
		assert lines[0] == "DRCOV VERSION: 2" and lines[1].startswith("DRCOV FLAVOR: "), lines
		assert lines[2] == "Module Table: version 2, count 1", lines
		columns = [word.strip() for word in lines[3].split(":", 1)[1].split(",")]
		module = dict(zip(columns, [word.strip() for word in lines[4].split(",")]))
		assert int(module["id"]) == 0 and module["path"].endswith("/branches"), module
		size = int(module["end"], 16) - int(module["base"], 16)
		assert len(blocks) == 8 * int(count), (len(blocks), count)
		found = list(struct.iter_unpack("<IHH", blocks))
		assert all(n > 0 and start + n <= size and number == 0 for start, n, number in found), found
		sys.exit(not any(start <= int(sys.argv[2], 16) < start + n for start, n, _ in found))
	END
}

offset_of() { nm branches | awk -v name="$1" '$3 == name { print $1 }'; }

test_coverage_tells_the_functions_that_ran() {
	has_symbols
	compile_branches
	run "$PTRACEHOOK" "$coverage" --only '[cmn]*' -- ./branches
	expect_status 6
	expect_stdout_like '^branches: functions: 2 of 3 \(66\.7%\)$'
	expect_stdout_like "^  0x0*$(offset_of choose | sed 's/^0*//')  choose$"
	expect_stdout_like '^  0x[0-9a-f]{8}  main$'
	check "never is not there" [ "$(grep -c never stdout)" = 0 ]
	run "$PTRACEHOOK" "$coverage" --only '[cmn]*' --missed -- ./branches
	expect_stdout_like '^  0x[0-9a-f]{8}  never$'
	check "main is not there" [ "$(grep -c main stdout)" = 0 ]
}

test_coverage_of_blocks_as_a_drcov_file() {
	has_symbols
	[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
	compile_branches
	local name
	run "$PTRACEHOOK" "$coverage" --blocks --output few.drcov -- ./branches
	expect_status 6
	for name in main choose few body; do
		check "$name ran" covers few.drcov "$(offset_of $name)"
	done
	for name in many never; do
		check "$name did not" not covers few.drcov "$(offset_of $name)"
	done
	run "$PTRACEHOOK" "$coverage" --blocks --output many.drcov -- ./branches 2 3
	expect_status 6
	for name in main choose many body; do
		check "$name ran" covers many.drcov "$(offset_of $name)"
	done
	for name in few never; do
		check "$name did not" not covers many.drcov "$(offset_of $name)"
	done
	# Functions count whole.
	run "$PTRACEHOOK" "$coverage" --output functions.drcov -- ./branches
	check "choose counts whole" covers functions.drcov "$(offset_of many)"
	check "never does not" not covers functions.drcov "$(offset_of never)"
}

test_coverage_of_libraries() {
	has_symbols
	run "$PTRACEHOOK" "$coverage" --module libc --only 'put*' -- "$TARGETS/strings"
	expect_status 0
	expect_stdout_like '^libc\.so\.6: functions: [0-9]+ of [0-9]+ '
	compile opens <<-'END'
		#include <dlfcn.h>
		int main(void)
		{
			void *library = dlopen("./libgiven.so", RTLD_NOW);
			int (*given)(void) = library ? (int (*)(void))dlsym(library, "given") : 0;
			return given ? given() : 99;
		}
	END
	printf 'int given(void) { return 4; }\nint kept(void) { return 5; }\n' | compile libgiven.so -shared -fPIC
	run "$PTRACEHOOK" "$coverage" --module libgiven --only '[gk]*' -- ./opens
	expect_status 4
	expect_stdout_like '^libgiven\.so: functions: 1 of 2 \(50\.0%\)$'
	expect_stdout_like '  given$'
	run "$PTRACEHOOK" "$coverage" --module libnever -- ./opens
	expect_status 4
	expect_stdout 'libnever was never loaded'
}

test_coverage_leaves_an_attached_program_as_it_was() {
	has_symbols
	start_target busy
	run "$PTRACEHOOK" -p "$target" "$coverage" --blocks --seconds 0.2
	expect_status 0
	expect_stdout_like '^busy: functions: [1-9]'
	expect_unharmed
}

test_coverage_of_every_block_of_a_real_program_changes_nothing() {
	has_symbols
	printf 'for i in 1 2 3; do echo "$i" | tr 1-3 a-c; done; exit 7\n' >words.sh
	run "$PTRACEHOOK" -o report "$coverage" --blocks -- /bin/bash words.sh
	expect_status 7
	expect_stdout $'a\nb\nc'
	grep -Eq '^bash: functions: [0-9]+ of [0-9]{3,} .* blocks: [0-9]{3,} of [0-9]{4,} ' report || fail "$(head report)"
}

test_coverage_names_wrong_arguments() {
	wrong_usage "$coverage" 'no program named'
	wrong_usage "$coverage" 'there is no option --block' --block -- "$TARGETS/calc_pie"
	wrong_usage "$coverage" 'what is meant by main' main -- "$TARGETS/calc_pie"
	wrong_usage "$coverage" '--functions and --blocks: one of them' --functions --blocks -- "$TARGETS/calc_pie"
	wrong_usage "$coverage" '--module: a value expected' --module -- "$TARGETS/calc_pie"
	local value
	for value in x 0 -1 inf nan; do
		wrong_usage "$coverage" '--seconds: a number above 0 expected' --seconds "$value" -- "$TARGETS/calc_pie"
	done
	run "$PTRACEHOOK" "$coverage" --output no/such/folder -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint '^coverage: no/such/folder: No such file or directory$'
}

test_coverage_says_what_cannot_be_found() {
	has_symbols
	run "$PTRACEHOOK" "$coverage" --only 'no_such_*' -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint "^coverage: calc_pie has no function 'no_such_\*'$"
	run "$PTRACEHOOK" "$coverage" -- "$TARGETS/calc_stripped"
	expect_status 1
	expect_complaint '^coverage: calc_stripped has no function symbols; is it stripped\?$'
}

e2e_main "$@"
