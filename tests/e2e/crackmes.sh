#!/bin/bash
# Crackmes of many kinds (tests/targets/crackmes), each solved by a script of 15 lines or fewer (tests/e2e/crackmes), and
# what they take is then given to them without us.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

solvers=$TOP/tests/e2e/crackmes

# solved NAME SECRET [ARG...]: by its script, which gets the program and ARG.
solved() {
	[ -x "$TARGETS/crackme_$1" ] || skip "crackme_$1 was not built"
	[ "$(wc -l <"$solvers/$1.lua")" -le 15 ] || fail "$1.lua has more than 15 lines"
	run "$PTRACEHOOK" "$solvers/$1.lua" "$TARGETS/crackme_$1" "${@:3}"
	expect_stderr_unlike '^[^o]|^oracle: [^"]' # but where it is, when that takes long
	expect_stdout "$2"
	expect_status 0
}

# accepted COMMAND...: it says yes without us, to its standard input or arguments.
accepted() {
	run "$@"
	expect_status 0
}

by_line() {
	solved "$1" "$2"
	accepted "$TARGETS/crackme_$1" <<<"$2"
}

by_argument() {
	solved "$1" "$2"
	accepted "$TARGETS/crackme_$1" "$2"
}

test_bytes_compared_until_one_is_wrong() { by_line early r3w1nd_m3; }
test_bytes_xored_and_rotated() { by_argument rotate Sp1n_and_sp1n; }
test_blocks_of_a_cipher() { by_line blocks 011010010011101011100101; }
test_strcmp() { by_line strcmp c0mpar3d_wh0le; }
test_a_function_for_each_character() { by_line functions 0n3_by_0n3; }
test_a_machine_of_its_own() { by_line vm VM_1ns1d3; }
test_debuggers_looked_for() { by_line antidebug n0_tr4ce; }
test_cxx() { by_line object cl4ss1fied; }
test_wrong_secrets_take_long() { by_argument delay t1me_1s_up; }
test_nothing_but_an_exit_status() { by_argument status 739; }

test_memcmp_of_a_file() {
	solved memcmp LIC-7d1f-90ac-42
	cat stdout >licence
	accepted "$TARGETS/crackme_memcmp" licence
}

test_threads_compare() {
	solved threads 4ll_at_0nce
	accepted env SECRET=4ll_at_0nce "$TARGETS/crackme_threads"
}

test_static_and_stripped() {
	solved stripped Sp1n_and_sp1n "$(awk '$1 == "mix" { print $2 }' "$TARGETS/crackme_stripped.syms")"
	accepted "$TARGETS/crackme_stripped" Sp1n_and_sp1n
}

e2e_main "$@"
