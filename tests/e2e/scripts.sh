#!/bin/bash
# The scripts for users, as users call them.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

dump=$TOP/scripts/dump.lua bypass=$TOP/scripts/bypass.lua oracle=$TOP/scripts/oracle.lua

# wrong_usage SCRIPT REGEX ARG...: the script's own usage: status 2, one line.
wrong_usage() {
	run "$PTRACEHOOK" "$1" "${@:3}"
	expect_status 2
	expect_complaint "^$(basename "$1" .lua): $2; usage: ptracehook $(basename "$1" .lua) "
	expect_stdout ''
}

test_each_header_has_purpose_usage_and_sample() {
	local script
	for script in "$TOP"/scripts/*.lua; do
		[ "$(head -n 1 "$script")" = '#!/usr/bin/env ptracehook' ] || fail "$script: no #! line"
		grep -Eq "^-- $(basename "$script" .lua) - ." "$script" || fail "$script: no purpose"
		grep -Eq '^-- Usage: ptracehook ' "$script" || fail "$script: no usage"
		grep -Eq '^-- Sample output \(ptracehook ' "$script" || fail "$script: no sample output"
	done
}

# ---- dump

test_dump_shows_registers_strings_and_memory() {
	run "$PTRACEHOOK" "$dump" greet -- "$TARGETS/strings"
	expect_status 0
	expect_stderr ''
	local n
	for n in 1 2 3 4 5 6; do
		expect_stdout_like "^== greet #$n, thread [0-9]+$"
		expect_stdout_like "^$n: hello, "
		expect_stdout_like "rsi     0x000000000000000$n "
	done
	expect_stdout_like '^rax +0x[0-9a-f]{16}  rbx '
	expect_stdout_like '^rip +0x[0-9a-f]{16}  rflags +0x[0-9a-f]{16}  fs_base 0x[0-9a-f]{16}  gs_base '
	expect_stdout_like '^rdi -> "world"$'
	expect_stdout_like '^rdi -> "two words"$'
	expect_stdout_like '^rdi -> "grüß"$'
	expect_stdout_like '^rdi -> "tab\\there"$'
	expect_stdout_like "^rdi -> \"x{80}\"\.\.\.$"
	expect_stdout_like '^[0-9a-f]{16}  77 6f 72 6c 64 00 .*\|world\.'
}

test_dump_takes_every_kind_of_place() {
	local place offset
	offset=0x$(nm "$TARGETS/calc_pie" | awk '$3 == "calc_add" { print $1 }')
	for place in calc calc+3 "+$offset" 'calc_pie!calc'; do
		run "$PTRACEHOOK" "$dump" "$place" -- "$TARGETS/calc_pie" 1 2
		expect_status 0
		grep -qF "== $place #1, thread " stdout || fail "$place is not shown"
	done
	place=$(awk '$1 == "calc" { print $2 }' "$TARGETS/calc_stripped.syms")
	run "$PTRACEHOOK" "$dump" "$place" -- "$TARGETS/calc_stripped" 1 2
	expect_status 0
	expect_stdout_like "^== $place #1, thread "
	run "$PTRACEHOOK" "$dump" calc calc_add -- "$TARGETS/calc_pie"
	expect_stdout_like '^== calc #2, '
	expect_stdout_like '^== calc_add #2, '
}

test_dump_limits_bytes_and_hits() {
	run "$PTRACEHOOK" "$dump" --max 2 --bytes 16 greet -- "$TARGETS/strings"
	expect_status 0
	[ "$(grep -c '^== greet' stdout)" = 2 ] || fail "not two hits shown"
	expect_stdout_like '^6: hello, x+$'
	[ "$(grep -A 2 '^rdi -> "world"' stdout | grep -Ec '^[0-9a-f]{16}  ')" = 1 ] || fail "not one line of 16 bytes"
	run "$PTRACEHOOK" "$dump" --max 1 --bytes 0 greet -- "$TARGETS/strings"
	expect_stdout_like '^rdi -> "world"$'
	expect_stdout_unlike '^[0-9a-f]{16}  '
	run "$PTRACEHOOK" "$dump" --max 1 --bytes 100000000 greet -- "$TARGETS/strings"
	expect_status 0
	expect_stdout_like '^rdi -> "world"$'
}

test_dump_follows_the_stack() {
	run "$PTRACEHOOK" "$dump" --max 1 --bytes 0 --stack 3 greet -- "$TARGETS/strings"
	expect_status 0
	[ "$(sed '1,/^stack:$/d' stdout | grep -Ec '^0x[0-9a-f]+: 0x')" = 3 ] || fail "not three words of the stack"
	expect_stdout_like '^0x[0-9a-f]+: 0x[0-9a-f]+ \((main|strings!main)\+0x[0-9a-f]+\)'
	# No further than the stack goes.
	run "$PTRACEHOOK" "$dump" --max 1 --bytes 0 --stack 100000 greet -- "$TARGETS/strings"
	expect_status 0
	expect_stdout_like '^0x[0-9a-f]+: .*strings'
	wrong_usage "$dump" '--stack: a number expected' --stack x greet -- "$TARGETS/strings"
}

test_dump_shows_memory_up_to_the_end_of_a_mapping() {
	run "$PTRACEHOOK" "$dump" --bytes 64 calc -- "$TARGETS/calc_pie" 0 0
	expect_status 0
	expect_stdout_unlike '^rdi ->'
	# The last eight bytes of the stack.
	run "$PTRACEHOOK" -e 'for _, map in ipairs(mem.maps()) do
			if map.path == "[stack]" then bp("calc", function() regs.rdi = map.stop - 8 end) end
		end' "$dump" --bytes 64 calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^rdi -> ?'
	[ "$(grep -A 1 '^rdi ->' stdout | tail -n 1 | grep -Eo ' [0-9a-f]{2}\b' | wc -l)" = 8 ] || fail "not eight bytes"
}

test_dump_attached() {
	start_target busy 3
	launch "$PTRACEHOOK" -p "$target" "$dump" --max 3 tick
	wait_for_line '^== tick #3'
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_unharmed
	expect_busy_goes_on
}

test_dump_names_wrong_arguments() {
	wrong_usage "$dump" 'no place named' -- "$TARGETS/calc_pie"
	wrong_usage "$dump" 'no program named' calc
	wrong_usage "$dump" 'there is no option --byte' --byte 5 calc -- "$TARGETS/calc_pie"
	wrong_usage "$dump" '--bytes: a number expected' --bytes x calc -- "$TARGETS/calc_pie"
	wrong_usage "$dump" '--bytes: a number expected' --bytes -1 calc -- "$TARGETS/calc_pie"
	wrong_usage "$dump" '--max: a number expected' --max 1.5 calc -- "$TARGETS/calc_pie"
	wrong_usage "$dump" '--max: a number expected' --max
	run "$PTRACEHOOK" "$dump" calk -- "$TARGETS/calc_static"
	expect_status 1
	expect_complaint "^dump: .*'calk'.*did you mean 'calc'\?"
	run "$PTRACEHOOK" "$dump" 0x10 -- "$TARGETS/calc_static"
	expect_status 1
	expect_complaint '^dump: .*0x10 is not mapped'
	run "$PTRACEHOOK" "$dump" calk -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 3'
	expect_complaint "'calk' never appeared"
}

# ---- bypass

test_bypass_forces_results() {
	run "$PTRACEHOOK" "$bypass" check=1 -- "$TARGETS/crackme" <<<nonsense
	expect_status 0
	expect_stdout 'bypass: check returns 1
Correct!
bypass: check=1 applied 1 time'
	expect_stderr ''
	local value
	for value in 42:42 -1:-1 0x7f:127 0xffffffffffffffff:-1 0x8000000000000000:-9223372036854775808 \
		18446744073709551615:-1 -0x10:-16; do
		run "$PTRACEHOOK" -o out "$bypass" "calc=${value%:*}" -- "$TARGETS/calc_pie"
		expect_status 0
		expect_stdout "calc(1, 2) = ${value#*:}
calc(4, 5) = ${value#*:}"
		grep -q "applied 2 times$" out || fail "it does not say how often"
	done
}

test_bypass_jumps() {
	local offset
	# Over the first instruction: rax is what it was.
	run "$PTRACEHOOK" -o out -e 'bp("calc", function() regs.rax = 100 end)' "$bypass" 'calc>calc_add' -- \
		"$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 102'
	offset=0x$(nm "$TARGETS/crackme" | awk '$3 == "right" { print $1 }')
	run "$PTRACEHOOK" "$bypass" "wrong>+$offset" -- "$TARGETS/crackme" <<<nonsense
	expect_status 0
	expect_stdout_like '^Correct!$'
}

test_bypass_takes_several_rules() {
	run "$PTRACEHOOK" "$bypass" check=0 'wrong>right' never_called=1 -- "$TARGETS/crackme" <<<'Pt4c3_m3!'
	expect_status 0
	expect_stdout 'bypass: check returns 0
bypass: wrong goes on at right
bypass: never_called returns 1
Correct!
bypass: check=0 applied 1 time
bypass: wrong>right applied 1 time
bypass: never_called=1 applied 0 times'
	expect_complaint "'never_called' never appeared"
}

test_bypass_names_wrong_arguments() {
	wrong_usage "$bypass" 'no rule given' -- "$TARGETS/calc_pie"
	wrong_usage "$bypass" 'no program named' calc=1
	local rule
	for rule in calc calc= =1 '>' 'calc>' '>calc' 'a=b=1' ''; do
		wrong_usage "$bypass" "$rule: PLACE=VALUE or PLACE>PLACE expected" calc=1 "$rule" -- "$TARGETS/calc_pie"
	done
	for rule in calc=x calc=1.5 calc=0x calc=1e3 calc=0x10000000000000000 calc=99999999999999999999; do
		wrong_usage "$bypass" "$rule: a whole number expected behind =" "$rule" -- "$TARGETS/calc_pie"
	done
	run "$PTRACEHOOK" "$bypass" calk=1 -- "$TARGETS/calc_static"
	expect_status 1
	expect_complaint "^bypass: calk=1: .*'calk'.*did you mean 'calc'\?"
	run "$PTRACEHOOK" "$bypass" 'calc>calk' -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint "^bypass: calc>calk: .*'calk'.*did you mean 'calc'\?"
}

# ---- oracle

# A few candidates, so that a search is short.
few='!345Pcmt_ab'

# finds SECRET ARG...
finds() {
	run "$PTRACEHOOK" "$oracle" "${@:2}"
	expect_stderr ''
	expect_status 0
	expect_stdout_like "^oracle: found \"$1\" in [0-9]+ tries, [0-9]+ s$"
}

# stuck_after TEXT REGEX ARG...
stuck_after() {
	run "$PTRACEHOOK" "$oracle" "${@:3}"
	expect_status 1
	expect_complaint "^oracle: stuck after \"$1\": $2 \([0-9]+ tries\)$"
	expect_stdout ''
}

test_oracle_on_standard_input() {
	finds 'Pt4c3_m3!' --place check_byte --length 9 --alphabet "$few" "$TARGETS/crackme"
	finds 'Pt4c3_m3!' --place check_byte --alphabet "$few" "$TARGETS/crackme"
	finds 'Pt4c3_m3!' --place check_byte --alphabet "$few" -- "$TARGETS/crackme"
}

test_oracle_on_an_argument() {
	finds 'Pt4c3_m3!' --place check_byte --input argv --length 9 --alphabet "$few" "$TARGETS/crackme_argv"
	finds 'Pt4c3_m3!' --place check_byte --input argv --alphabet "$few" "$TARGETS/crackme_argv"
	finds 'Pt4c3_m3!' --place check_byte --input argv --alphabet "$few" "$TARGETS/crackme_argv" @@
	finds '4c3_m3!' --place check_byte --input argv --alphabet "$few" "$TARGETS/crackme_argv" Pt@@
	finds 'Pt4c3_m3!' --place check_byte --input argv --alphabet "$few%@" -- "$TARGETS/crackme_argv"
}

test_oracle_with_all_printable_characters() {
	finds 'Pt4c3_m3!' --place check_byte --prefix Pt4c3_m "$TARGETS/crackme"
}

test_oracle_goes_on_from_a_prefix() {
	finds 'Pt4c3_m3!' --place check_byte --prefix Pt4c3_ --alphabet "$few" "$TARGETS/crackme"
	finds 'Pt4c3_m3!' --place check_byte --prefix Pt4c3_m3 --length 9 --alphabet "$few" "$TARGETS/crackme"
}

test_oracle_by_a_place_that_only_the_secret_reaches() {
	# Both ways end alike here, so the exit status tells nothing.
	cat >alike.c <<-'END'
		#include <stdio.h>
		#include <string.h>
		__attribute__((noipa)) int check_byte(char a, char b) { return a == b; }
		__attribute__((noipa)) void right(void) { puts("yes"); }
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			line[strcspn(line, "\n")] = 0;
			for (int i = 0; i < 3; i++)
				if (!check_byte(line[i], "abc"[i])) return 0;
			if (strlen(line) == 3) right();
			return 0;
		}
	END
	gcc -O1 -o alike alike.c || fail "it does not compile"
	finds abc --place check_byte --done right --alphabet abcde ./alike
	finds abc --place check_byte --done right --length 3 --alphabet abcde ./alike
	stuck_after ab 'no candidate stands out: all 5 score 3' --place check_byte --alphabet abcde ./alike
}

test_oracle_says_where_it_is_stuck() {
	# Without the 3.
	stuck_after Pt4c 'no candidate stands out: all 8 score 5' --place check_byte --alphabet '!45Pcmt_' "$TARGETS/crackme"
	stuck_after Pt4c 'no candidate stands out: all 8 score 5' --place check_byte --length 9 --alphabet '!45Pcmt_' "$TARGETS/crackme"
	# Without the first, and without the last.
	stuck_after '' 'no candidate stands out: all 8 score 1' --place check_byte --alphabet '!345cmt_' "$TARGETS/crackme"
	stuck_after Pt4c3_m3 'no candidate stands out: all 8 score 9' --place check_byte --alphabet '345Pcmt_' "$TARGETS/crackme"
	stuck_after Pt4c3_m3 'no candidate stands out: all 8 score 9' --place check_byte --length 9 --alphabet '345Pcmt_' "$TARGETS/crackme"
	# At a place that tells nothing, and one that is never reached.
	stuck_after '' 'no candidate stands out: all 4 score 1' --place main --alphabet abcd "$TARGETS/crackme"
	stuck_after '' 'right is never passed' --place right --alphabet abcd "$TARGETS/crackme"
}

test_oracle_says_which_candidates_do_alike() {
	cat >case.c <<-'END'
		#include <ctype.h>
		#include <stdio.h>
		__attribute__((noipa)) int check_byte(int a, int b) { return tolower(a) == b; }
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			for (int i = 0; i < 3; i++)
				if (!check_byte(line[i], "ab1"[i])) return 1;
			return 0;
		}
	END
	gcc -O1 -o case case.c || fail "it does not compile"
	stuck_after '' '"A" and "a" do alike, with the score 2' --place check_byte --alphabet ABCabc123 ./case
	finds ab1 --place check_byte --length 3 --alphabet abc123 ./case
}

# Wrong characters that end the check early must not make an ordinary wrong one stand out.
test_oracle_is_not_misled_by_characters_that_are_refused() {
	cat >digits.c <<-'END'
		#include <ctype.h>
		#include <stdio.h>
		#include <string.h>
		__attribute__((noipa)) int check_byte(int a, int b) { return a == b; }
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			line[strcspn(line, "\n")] = 0;
			for (char *at = line; *at; at++)
				if (!isdigit(*at)) return 2;
			for (int i = 0; i < 4; i++)
				if (!check_byte(line[i], "4071"[i])) return 1;
			return line[4] != 0;
		}
	END
	gcc -O1 -o digits digits.c || fail "it does not compile"
	finds 4071 --place check_byte --alphabet '!abcd0123456789' ./digits
	finds 4071 --place check_byte --alphabet '!abcd0123456789' --length 4 --pad 0 ./digits
	stuck_after 4 'no candidate stands out: 9 of 14 score 2, the others less' --place check_byte --alphabet '!abcd123456789' ./digits
}

test_oracle_ends_runs_that_hang() {
	cat >hang.c <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		__attribute__((noipa)) int check_byte(int a, int b) { return a == b; }
		int main(void)
		{
			char line[64] = "";
			if (!fgets(line, sizeof(line), stdin)) return 1;
			for (int i = 0; i < 3; i++)
				if (!check_byte(line[i], "ab\n"[i]))
					for (;;) pause();
			return 0;
		}
	END
	gcc -O1 -o hang hang.c || fail "it does not compile"
	finds ab --place check_byte --alphabet abc --timeout 0.2 ./hang
	finds ab --place check_byte --alphabet abc --timeout 0.2 --length 2 ./hang
}

test_oracle_shows_its_progress_on_a_terminal_only() {
	run "$PTRACEHOOK" "$oracle" --place check_byte --alphabet "$few" "$TARGETS/crackme"
	expect_stderr ''
	run script -qec "$PTRACEHOOK $oracle --place check_byte --alphabet '$few' $TARGETS/crackme" /dev/null </dev/null
	expect_status 0
	tr '\r' '\n' <stdout >lines
	grep -Eq '^oracle: "Pt4"  [0-9]+ tries, [0-9]+ s ' lines || fail "no progress shown"
	grep -Eq 'oracle: found "Pt4c3_m3!"' lines || fail "no result shown"
	# Only standard error matters.
	run script -qec "$PTRACEHOOK $oracle --place check_byte --alphabet '$few' $TARGETS/crackme 2>err" /dev/null </dev/null
	[ ! -s err ] || fail "progress is shown in a file"
}

test_oracle_names_wrong_arguments() {
	wrong_usage "$oracle" '--place is missing' "$TARGETS/crackme"
	wrong_usage "$oracle" 'no program named' --place check_byte
	wrong_usage "$oracle" 'there is no option --places' --places check_byte "$TARGETS/crackme"
	wrong_usage "$oracle" '--place: a value expected' --place
	wrong_usage "$oracle" '--input: stdin, argv, file, env:NAME or memory expected' --place x --input tty "$TARGETS/crackme"
	local value
	for value in x 0 -1 1.5 nan inf; do
		wrong_usage "$oracle" '--length: a whole number .* expected' --place x --length "$value" "$TARGETS/crackme"
	done
	wrong_usage "$oracle" '--length: a whole number above the length of --prefix expected' --place x --length 2 --prefix ab \
		"$TARGETS/crackme"
	for value in x 0 -1; do
		wrong_usage "$oracle" '--timeout: a number of seconds expected' --place x --timeout "$value" "$TARGETS/crackme"
	done
	wrong_usage "$oracle" '--alphabet: two characters at least expected' --place x --alphabet '' "$TARGETS/crackme"
	wrong_usage "$oracle" '--alphabet: two characters at least expected' --place x --alphabet aa "$TARGETS/crackme"
	wrong_usage "$oracle" '--pad: one character expected' --place x --pad ab "$TARGETS/crackme"
}

test_oracle_says_what_cannot_be_run_or_found() {
	run "$PTRACEHOOK" "$oracle" --place check_byte ./no-such-program
	expect_status 1
	expect_complaint '^oracle: .*no-such-program: no such program'
	run "$PTRACEHOOK" "$oracle" --place chek "$TARGETS/calc_static"
	expect_status 1
	expect_complaint "^oracle: .*'chek'"
	run "$PTRACEHOOK" -q "$oracle" --place chek_byte "$TARGETS/crackme"
	expect_status 1
	expect_complaint "^oracle: there is no 'chek_byte' in .*/crackme"
}

test_oracle_beside_an_attached_target_leaves_that_alone() {
	start_target busy
	cp "$TARGETS/crackme" .
	run "$PTRACEHOOK" -p "$target" "$oracle" --place check_byte --length 9 --prefix Pt4c3_m --alphabet '3!a' ./crackme
	expect_status 0
	expect_stdout_like 'found "Pt4c3_m3!"'
	expect_unharmed
}

test_oracle_interrupted() {
	launch "$PTRACEHOOK" "$oracle" --place main --timeout 60 "$TARGETS/sleeper"
	wait_until pgrep -P "$started"
	kill -INT "$started"
	wait_started
	expect_status 130
}

test_trace_writes_stubs_and_logs_calls() {
	gcc -g -O1 -o crackme "$TOP/scripts/crackme.c"
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" check_byte is_licensed 'libc!fgets' -- ./crackme <<<h00
	expect_status 1
	expect_stderr ''
	expect_stdout_like '^ +[0-9.]+ ms +[0-9]+ check_byte\(guess="h00", i=0\)$'
	expect_stdout_like ' check_byte = true$'
	expect_stdout_like ' fgets\('
	expect_stdout_unlike 'reloaded'
	check "a file each" [ -s traced/crackme/check_byte.lua -a -s traced/crackme/is_licensed.lua -a -s traced/libc.so.6/fgets.lua ]
}

test_trace_keeps_what_was_edited() {
	mkdir -p traced/calc_pie
	echo 'hook("calc", {leave = function(ret) print("mine", ret) end})' >traced/calc_pie/calc.lua
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like $'^mine\t3$'
}

test_trace_reloads_a_stub_while_the_target_runs() {
	start_target busy 2
	launch "$PTRACEHOOK" -p "$target" "$TOP/scripts/trace.lua" tick
	wait_for_line ' tick\('
	echo 'local n = 0 hook("tick", {enter = function() n = n + 1 if n == 1 then print "edited" io.stdout:flush() end end})' \
		>new
	mv new traced/busy/tick.lua
	wait_for_line '^edited$'
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_unharmed
	expect_busy_goes_on
}

test_trace_knows_the_c_librarys_prototypes() {
	command -v musl-gcc >/dev/null || skip "no musl-gcc"
	cat >opens.c <<-'END'
		#include <stdlib.h>
		int main(void) { return getenv("NO_SUCH_VARIABLE") != NULL; }
	END
	musl-gcc -o opens opens.c || fail "cannot be compiled"
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" 'libc!getenv' 'opens!main' -- ./opens
	expect_status 0
	expect_stdout_like ' getenv\(name="NO_SUCH_VARIABLE"\)$'
	expect_stdout_like ' getenv = NULL$'
}

test_trace_says_what_is_wrong() {
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" -- true
	expect_status 2
	expect_complaint '^trace: no function named; usage: '
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" --nosuch main -- true
	expect_status 2
	run "$PTRACEHOOK" "$TOP/scripts/trace.lua" nosuchfunction -- "$TARGETS/calc_pie"
	expect_complaint '^trace: no function is called nosuchfunction$'
}

e2e_main "$@"
