#!/bin/bash
# Oracles that go back to a snapshot for each guess: inputs, what ends a run, and programs that do not take it well.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/oracle.bash"
limit=60

# made NAME: a program of the source on standard input.
made() {
	gcc -O1 -o "$1" -x c - || fail "it does not compile"
}

# ---- Inputs

test_a_buffer_in_memory() {
	finds 'Pt4c3_m3!' --place check_byte --snapshot check --input memory "$TARGETS/crackme"
	finds 'Pt4c3_m3!' --place check_byte --snapshot check --input memory --length 9 --eager "$TARGETS/crackme"
	finds r3w1nd_m3 --score blocks:check --snapshot check --input memory "$TARGETS/crackme_early"
	finds 0n3_by_0n3 --score depth:check --snapshot check --input memory --buffer rdi "$TARGETS/crackme_functions"
	finds r3w1nd_m3 --score instructions:check --snapshot check --input memory --alphabet 13_dmnrw "$TARGETS/crackme_early"
}

test_standard_input_and_files() {
	finds 'Pt4c3_m3!' --place check_byte --snapshot main "$TARGETS/crackme"
	finds VM_1ns1d3 --place fetch --snapshot main --alphabet 13VM_dns "$TARGETS/crackme_vm"
	made lines <<-'END'
		#include <stdio.h>
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		int main(int argc, char **argv)
		{
			FILE *f = fopen(argv[argc - 1], "r");
			if (!f) return 9;
			for (int i = 0; i < 4; i++)
				if (!same(getc(f), "4071"[i])) return 1;
			return getc(f) != EOF;
		}
	END
	finds 4071 --place same --snapshot main --input file --alphabet 01234567 ./lines
}

test_a_buffer_that_a_function_finds() {
	lua "local pins = {}
		for pin = 0, 999 do pins[#pins + 1] = ('%03d'):format(pin) end
		local r = oracle.search { program = { '$TARGETS/crackme_status', '000' }, candidates = pins, snapshot = 'main',
			input = 'memory', buffer = function(s) return s.mem.u64[s:threads()[1].regs.rsi + 8] end }
		print(r.found, r.complete, r.tries, r.method)"
	expect_stderr ''
	expect_stdout '739	true	1000	snapshot'
}

test_several_processes_with_a_snapshot_each() {
	finds 'Pt4c3_m3!' --place check_byte --snapshot check --input memory --jobs 2 "$TARGETS/crackme"
}

# ---- What ends a run

test_the_end_of_the_program_tells() {
	lua "local seen = {}
		local r = oracle.bytes { program = '$TARGETS/crackme', score = 'check_byte', snapshot = 'check', input = 'memory',
			length = 9, stop = 'end',
			done = function(run)
				seen[run.kind .. ' ' .. run.code .. ' ' .. run.output] = true
				return run.output == 'Correct!\n'
			end }
		print(r.found, r.complete)
		assert(seen['exit 1 Wrong.\n'] and seen['exit 0 Correct!\n'])"
	expect_stderr ''
	expect_stdout 'Pt4c3_m3!	true'
	finds 'Pt4c3_m3!' --place check_byte --snapshot check --input memory --stop wrong --done right "$TARGETS/crackme"
}

test_a_return_tells() {
	lua "local rets = {}
		local r = oracle.search { program = '$TARGETS/crackme', candidates = { 'no', 'Pt4c3_m3!', 'neither' },
			snapshot = 'check', input = 'memory', done = function(run)
				rets[#rets + 1] = run.kind .. ' ' .. run.code
				return run.code == 1
			end }
		print(r.found, r.tries, table.concat(rets, ', '))"
	expect_stderr ''
	expect_stdout 'Pt4c3_m3!	2	return 0, return 1'
}

# A signal that nothing handles is an end; one that is handled is not.
test_crashes() {
	made crash <<-'END'
		#include <stdio.h>
		#include <string.h>
		__attribute__((noipa)) void reach(void) {}
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			for (int i = 0; i < 3; i++) {
				if (line[i] != "abc"[i]) *(volatile int *)0 = 1;
				reach();
			}
			return 0;
		}
	END
	finds abc --place reach --snapshot main --alphabet abcd --length 3 ./crash
	made caught <<-'END'
		#include <setjmp.h>
		#include <signal.h>
		#include <stdio.h>
		static sigjmp_buf back;
		__attribute__((noipa)) void reach(void) {}
		__attribute__((noipa)) void start(void) {}
		static void handle(int sig) { (void)sig; siglongjmp(back, 1); }
		int main(void)
		{
			char line[64] = "";
			signal(SIGSEGV, handle);
			start();
			if (!fgets(line, sizeof(line), stdin)) return 1;
			if (sigsetjmp(back, 1)) return 7;
			for (int i = 0; i < 3; i++) {
				if (line[i] != "abc"[i]) *(volatile int *)0 = 1;
				reach();
			}
			return 0;
		}
	END
	lua "local codes = {}
		local r = oracle.bytes { program = './caught', score = 'reach', snapshot = 'start', stop = 'end', alphabet = 'abcd',
			length = 3, done = function(run) codes[run.kind .. run.code] = true end }
		print(r.found, codes.exit7, codes.exit0)"
	expect_stderr ''
	expect_stdout 'abc	true	true'
}

test_hangs() {
	made hang <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		__attribute__((noipa)) int check_byte(int a, int b) { return a == b; }
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			for (int i = 0; i < 3; i++)
				if (!check_byte(line[i], "ab\n"[i]))
					for (;;) ;
			return 0;
		}
	END
	finds ab --place check_byte --alphabet abc --timeout 0.1 --snapshot main ./hang
}

# ---- Programs that do not take it well

test_a_place_where_it_never_comes() {
	says 1 "$TARGETS/crackme never came to right, where its snapshot was to be taken: it ended with exit status 1$" \
		--place check_byte --snapshot right "$TARGETS/crackme"
	says 1 "/bin/cat never came to exit_group_no, where its snapshot was to be taken: it ended with exit status 0$" \
		--score output --snapshot exit_group_no /bin/cat
	says 1 '/bin/sleep never came to nowhere, .*: it ran out of time$' \
		--score output --snapshot nowhere --timeout 0.2 --input file --file x /bin/sleep 50
}

# Its child is let run; the program itself is put back, and started anew when that cannot be.
test_programs_that_fork_or_exec_behind_the_snapshot() {
	made forks <<-'END'
		#include <stdio.h>
		#include <sys/wait.h>
		#include <unistd.h>
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		int main(int argc, char **argv)
		{
			char line[64] = "";
			int n = 0;
			if (!fgets(line, sizeof(line), stdin)) return 1;
			while (n < 4 && same(line[n], "abc\n"[n])) n++;
			if (argc > 1) execl("/bin/true", "true", (char *)0);
			if (fork() == 0) _exit(0);
			wait(0);
			return n != 4;
		}
	END
	finds abc --place same --snapshot main --alphabet abcd ./forks
	run "$PTRACEHOOK" "$oracle" --place same --snapshot main --alphabet abcd --length 3 ./forks exec
	expect_status 0
	expect_stdout_like '^oracle: found "abc" '
	expect_complaint '^oracle: ./forks is started anew for each guess, since it cannot be put back: '
}

test_programs_that_close_their_input() {
	made closes <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		__attribute__((noipa)) void start(void) {}
		int main(void)
		{
			char line[64] = "";
			start();
			if (read(0, line, sizeof(line) - 1) <= 0) return 9;
			close(0);
			for (int i = 0; i < 3; i++)
				if (!same(line[i], "abc"[i])) return 1;
			return 0;
		}
	END
	run "$PTRACEHOOK" "$oracle" --place same --snapshot start --stop end --alphabet abcd ./closes
	expect_status 0
	expect_stdout_like '^oracle: found "abc" '
}

test_nothing_is_left_running() {
	launch "$PTRACEHOOK" "$oracle" --place main --snapshot main --jobs 2 --timeout 50 "$TARGETS/sleeper"
	wait_until pgrep -P "$started"
	local workers
	workers=$(pgrep -P "$started")
	kill -TERM "$started"
	wait_started
	expect_status 143
	for worker in $workers; do wait_until is_dead "$worker"; done
}

e2e_main "$@"
