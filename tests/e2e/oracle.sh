#!/bin/bash
# The library oracle, and scripts/oracle.lua where it is more than that: inputs, scores, several processes, states, and
# what goes wrong. Crackmes are in crackmes.sh, the search itself in tests/lua/oracle_search_spec.lua.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/oracle.bash"
limit=60

rotate=$TARGETS/crackme_rotate
few='S1p_nads' # of which crackme_rotate's secret is made

# ---- Inputs

test_a_file_that_is_named_among_the_arguments() {
	cat >lines.c <<-'END'
		#include <stdio.h>
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		int main(int argc, char **argv)
		{
			FILE *f = fopen(argc > 2 ? argv[2] : "key", "r");
			if (!f) return 9;
			for (int i = 0; i < 4; i++)
				if (!same(getc(f), "4071"[i])) return 1;
			return getc(f) != EOF;
		}
	END
	gcc -O1 -o lines lines.c || fail "it does not compile"
	finds 4071 --place same --input file --alphabet 01234567 ./lines -f @@
	finds 4071 --place same --input file --alphabet 01234567 ./lines -f
	finds 4071 --place same --input file --file key --alphabet 01234567 ./lines
	[ -e key ] || fail "the file is not there"
	says 1 'input: /no/dir/key: No such file or directory$' --place same --input file --file /no/dir/key ./lines
}

test_a_variable() {
	finds 4ll_at_0nce --place agree --input env:SECRET --alphabet 04_aclnet "$TARGETS/crackme_threads"
}

test_a_known_end() {
	finds Sp1n_and_sp1n --place mix --input argv --suffix sp1n --prefix Sp1n --length 13 --alphabet _adn "$rotate"
	# The newline of a line is no part of it.
	finds 'Pt4c3_m3!' --place check_byte --prefix Pt4c3 --suffix $'!\n' --length 9 --alphabet _m3 "$TARGETS/crackme"
	finds 'Pt4c3_m3!' --place check_byte --prefix Pt4c3_m --suffix $'\n' --length 9 --alphabet '3!a' "$TARGETS/crackme"
}

test_a_length_that_is_looked_for() {
	cat >long.c <<-'END'
		#include <string.h>
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		int main(int argc, char **argv)
		{
			if (argc != 2 || strlen(argv[1]) != 5) return 1;
			for (int i = 0; i < 5; i++)
				if (!same(argv[1][i], "31415"[i])) return 1;
			return 0;
		}
	END
	gcc -O1 -fno-builtin -o long long.c || fail "it does not compile"
	finds 31415 --place same --input argv --length 1-9 --alphabet 12345 ./long
	says 1 'stuck after "": no length stands out: no candidate stands out: all 4 score 0' --place same --input argv \
		--length 6-9 --alphabet 12345 ./long
	says 1 'stuck after "": same is never passed' --place same --input argv --length 6 --alphabet 12345 ./long
}

test_from_the_end() {
	cat >back.c <<-'END'
		__attribute__((noipa)) int same(int a, int b) { return a == b; }
		int main(int argc, char **argv)
		{
			for (int i = 4; argc == 2 && i >= 0; i--)
				if (!same(argv[1][i], "27182"[i])) return 1;
			return 0;
		}
	END
	gcc -O1 -o back back.c || fail "it does not compile"
	finds 27182 --place same --input argv --length 5 --backward --alphabet 1278 ./back
	finds 27182 --place same --input argv --length 5 --backward --alphabet 1278 --suffix 82 ./back
	says 1 'stuck after "82": no candidate stands out: all 3 score 3 ' --place same --input argv --length 5 --backward \
		--alphabet 278 ./back
}

# ---- Scores

test_scores() {
	local early=$TARGETS/crackme_early
	finds r3w1nd_m3 --score blocks:check --alphabet 13_dmnrw "$early"
	finds r3w1nd_m3 --score instructions:check --alphabet 13_dmnrw "$early"
	finds 0n3_by_0n3 --score depth:check --alphabet 03_bny "$TARGETS/crackme_functions"
	finds Sp1n_and_sp1n --score output:Correct --prefix Sp1n_and_sp1 --input argv --length 13 "$rotate"
	finds Sp1n_and_sp1n --words <(printf 'no\nSp1n_and_sp1n\nneither\n') --input argv "$rotate"
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/bash' 'n=0; while [ "${1:n:1}" = "$(cut -c $((n + 1)) <<<4071)" ] && [ $n -lt 4 ]; do n=$((n + 1)); done' \
		'exit $n' >counts
	chmod +x counts
	finds 4071 --score status --length 4 --alphabet 0147 --input argv ./counts
	says 1 'score: blocks: the size of .* is not known; give \{from, to\}' --score blocks:check+1 "$early"
	says 1 "sym: .*'chek'" --score blocks:chek "$early"
}

test_scores_of_ones_own() {
	lua "local r = oracle.bytes { program = { '$rotate' }, input = 'argv', alphabet = '$few', jobs = 2,
			setup = function(s)
				n = 0
				s:bp('mix', function() n = n + 1 end)
			end,
			score = function(run)
				assert(run.session.ended and run.kind == 'exit' and run.code == (run.output == 'Correct!\n' and 0 or 1))
				return n
			end,
			done = function(run) return run.output:find 'Correct' end }
		print(r.found, r.complete, r.why, #r.scores, r.tries)"
	expect_stderr ''
	expect_stdout_like "^Sp1n_and_sp1n	true	nil	13	[0-9]+$"
}

test_noise_is_evened_out() {
	# Two of five runs count something else.
	lua "local n, r = 0, nil
		r = oracle.bytes { program = '$rotate', input = 'argv', alphabet = '$few', repeats = 5, progress = 'none',
			setup = function(s)
				hits = s:bp('mix', CONTINUE)
			end,
			score = function()
				n = n + 1
				return n % 5 < 2 and n % 7 or hits.hits + 10
			end }
		print(r.found, r.complete)"
	expect_stdout 'Sp1n_and_sp1n	true'
}

# ---- Several processes

test_several_processes() {
	finds Sp1n_and_sp1n --place mix --input argv --jobs 3 --alphabet "$few" "$rotate"
	says 1 "there is no 'mixx' in .*/crackme_rotate$" --place mixx --input argv --jobs 2 "$rotate"
	says 1 'execute: ./none: no such program' --place mix --input argv --jobs 2 ./none
	lua "oracle.bytes { program = '$rotate', jobs = 2, score = function() error 'of the script' end }"
	expect_status 1
	expect_stderr_like ':1: of the script$'
	lua "oracle.bytes { program = '$rotate', jobs = 2, setup = function() os.exit(3) end }"
	expect_status 1
	expect_stderr_like 'os.exit was called in a worker'
}

# What the script has open is not the workers' to touch.
test_workers_leave_the_scripts_own_target_alone() {
	lua "local s = spawn { '$TARGETS/calc_pie', '1', '2' }
		local b = s:bp('calc', CONTINUE)
		print(oracle.bytes { program = '$rotate', input = 'argv', score = 'mix', alphabet = '$few', jobs = 2 }.found)
		print(s:run().code, b.hits)"
	expect_stderr ''
	expect_stdout 'Sp1n_and_sp1n
calc(1, 2) = 3
0	1'
}

worker_of() { pgrep -P "$1" ptracehook | head -n 1; }

test_a_worker_that_is_killed() {
	launch "$PTRACEHOOK" "$oracle" --place main --jobs 2 --timeout 50 "$TARGETS/sleeper"
	wait_until worker_of "$started"
	kill -KILL "$(worker_of "$started")"
	wait_started
	expect_status 1
	expect_stderr_like '^oracle: jobs: worker [0-9]+ has ended unexpectedly$'
}

test_interrupted_with_workers() {
	launch "$PTRACEHOOK" "$oracle" --place main --jobs 2 --timeout 50 "$TARGETS/sleeper"
	wait_until worker_of "$started"
	local worker
	worker=$(worker_of "$started")
	wait_until pgrep -P "$worker"
	kill -INT "$started"
	wait_started
	expect_status 130
	wait_until is_dead "$worker"
}

test_shards_have_all_of_it_together() {
	local k found=0
	for i in {0..9}{0..9}{0..9}; do echo "$i"; done >pins
	for k in 1 2 3 4; do
		run "$PTRACEHOOK" "$oracle" --words pins --input argv --shard $k/4 "$TARGETS/crackme_status"
		[ "$status" = 0 ] || continue
		found=$((found + 1))
		expect_stdout_like '^oracle: found "739" in 250 tries'
	done
	[ $found = 1 ] || fail "found by $found shards"
	# Byte by byte: the shard whose first byte it is goes on, the others are stuck at once.
	finds Sp1n_and_sp1n --place mix --input argv --shard 1/3 --alphabet "$few" "$rotate"
	says 1 'stuck after "": no candidate stands out: all 3 score 1 \(4 tries\)' --place mix --input argv --shard 2/3 \
		--alphabet "$few" "$rotate"
}

# ---- States

is_under_way() { grep -q '"found":"Sp' state; }

test_a_search_goes_on_where_it_was() {
	local alphabet='abcdefghijklmnopqrstuvwxyzS0123456789_' tries
	launch "$PTRACEHOOK" "$oracle" --state state --place mix --input argv --alphabet "$alphabet" "$rotate"
	wait_until is_under_way
	kill -INT "$started"
	wait_started
	[ "$status" = 130 ] || [ "$status" = 0 ] || fail "it ended with $status"
	tries=$(python3 -c 'import json; print(json.load(open("state"))["state"]["tries"])')
	[ "$tries" -gt 38 ] || fail "not much was saved: $tries tries"
	python3 -c 'import json; s = json.load(open("state"))["state"]; assert s.get("scan", {"tries": s["at"]})["tries"] == s["at"], s' ||
		fail "it is not of one moment"
	finds Sp1n_and_sp1n --state state --place mix --input argv --alphabet "$alphabet" "$rotate"
	grep -q 'in 532 tries' stdout || fail "runs were lost or repeated"
	# And once more there is nothing left to do.
	finds Sp1n_and_sp1n --state state --place mix --input argv --alphabet "$alphabet" "$rotate"
	grep -q 'in 532 tries' stdout || fail "it began anew"
	[ ! -e state.new ] || fail "a file was left behind"
}

test_states_that_are_none() {
	local args=(--state state --place mix --input argv --alphabet "$few" "$rotate")
	finds Sp1n_and_sp1n "${args[@]}"
	says 1 'state file state: it belongs to another search .*; remove it to begin anew$' --prefix S "${args[@]}"
	echo nonsense >state
	says 1 'state file state: this is no state of an oracle .*; remove it to begin anew$' "${args[@]}"
	says 1 'state file /no/dir/state: .*No such file or directory$' --state /no/dir/state --place mix "$rotate"
	says 1 'state file /dev/full: this is no state' --state /dev/full --place mix "$rotate"
}

test_a_full_disk() {
	mkdir disk
	unshare -rm true 2>/dev/null || skip "no mount namespaces here"
	# shellcheck disable=SC2016
	run unshare -rm sh -c 'mount -t tmpfs -o size=8k tmpfs disk && head -c 4096 /dev/zero >disk/zeros &&
			"$@"; code=$?; ls disk; exit $code' sh "$PTRACEHOOK" "$oracle" --state disk/state --place mix --input argv \
		--alphabet "$few" --words <(for i in {1..300}; do echo "a-rather-long-candidate-$i"; done) "$rotate"
	[ "$status" != 32 ] || skip "cannot mount here"
	expect_status 1
	expect_complaint '^oracle: state file disk/state: No space left on device$'
	expect_stdout_unlike 'state.new'
}

# ---- Results

test_the_result_as_json() {
	run "$PTRACEHOOK" "$oracle" --place mix --input argv --alphabet "$few" --json "$rotate"
	expect_status 0
	python3 - <<-'END' || fail "the JSON is not right"
		import json
		r = json.load(open("stdout"))
		assert r["found"] == "Sp1n_and_sp1n" and r["complete"] is True and r["tries"] == 14 * 8 and r["method"] == "spawn"
		assert r["scores"] == list(range(2, 14)) + [13] and r["jobs"] == 1 and "why" not in r, r
	END
	run "$PTRACEHOOK" "$oracle" --place mix --input argv --alphabet "Spn" --json "$rotate"
	expect_status 1
	python3 - <<-'END' || fail "the JSON is not right"
		import json
		r = json.load(open("stdout"))
		assert r["found"] == "Sp" and r["complete"] is False, r
		assert r["why"] == "no candidate stands out: all 3 score 3" and r["stuck"] == [["S", 3], ["p", 3], ["n", 3]], r
	END
}

test_progress_is_shown_as_asked_for() {
	run "$PTRACEHOOK" "$oracle" --place mix --input argv --alphabet "$few" --progress bar "$rotate"
	expect_status 0
	tr '\r' '\n' <stderr | grep -Eq '^oracle: "Sp1n"  [0-9]+ tries, ' || fail "no bar where it was asked for"
	run script -qec "$PTRACEHOOK $oracle --place mix --input argv --alphabet $few --progress none $rotate" /dev/null </dev/null
	expect_stdout_unlike 'tries, [0-9]+ s  '
	expect_stdout_like '^oracle: found "Sp1n_and_sp1n"'
}

# ---- Wrong options

test_wrong_options() {
	local program="program = '$rotate'"
	while IFS='|' read -r options words; do
		lua "oracle.bytes { $options }"
		expect_status 1
		expect_stderr_like "^ptracehook: \(command line\):1: oracle.bytes: $words"
	done <<-END
		score = 'mix'|program: \{"./program", "argument", …\} expected, got nil
		$program, sccore = 'mix'|there is no option 'sccore'; did you mean 'score'\?
		$program, input = 'tty'|input: one of "argv", .*"stdin" expected, got the string "tty"
		$program, input = 'memory'|input = "memory" needs snapshot = PLACE
		$program, input = 'argv', snapshot = 'main'|input = "argv" is fixed when the program starts
		$program, input = 'env'|input = "env" needs variable = "NAME"
		$program, length = 0|length: a whole number, 1 or more, expected, got 0
		$program, length = 2, prefix = 'abc'|length: 2 is less than the prefix
		$program, alphabet = ''|alphabet: characters expected
		$program, pad = 'ab'|pad: one character expected
		$program, jobs = 0|jobs: a whole number, 1 or more, expected
		$program, shard = '3/2'|shard: "K/N", K from 1 to N, expected
		$program, ties = 'toss'|ties: one of "first", "follow", "stop" expected
		$program, timeout = 0|timeout: a number of seconds above 0
		$program, input = 'argv', alphabet = oracle.alphabets.any|alphabet: input = "argv" cannot hold a zero byte
	END
	lua "oracle.bytes { $program, score = { hit = 'mix' } }"
	expect_stderr_like 'oracle: score: \{KIND = OF WHAT\} expected, KIND one of blocks, depth, hits, '
	lua "oracle.blocks { $program, n = 8, length = 12 }"
	expect_stderr_like 'length: 12 bytes are no whole number of blocks of 8'
	lua "oracle.search { $program }"
	expect_stderr_like 'candidates: a list or an iterator expected, got nil'
}

e2e_main "$@"
