#!/bin/bash
# args() and locals() against GDB: the same numbers, and the same "optimized out", at every instruction of functions.
. "$(dirname "$0")/../lib/e2e.sh"
limit=120

# same_values TARGET FUNCTION...: on their first pass
same_values() {
	local program=$TARGETS/$1
	shift
	objdump -d --no-show-raw-insn "$program" | awk -v names=" $* " '
		/^[0-9a-f]+ </ { name = substr($2, 2, length($2) - 3); inside = index(names, " " name " ") }
		inside && /^ +[0-9a-f]+:/ { sub(":", "", $1); print $1 }' >addresses
	[ "$(wc -l <addresses)" -gt 5 ] || fail "no code of $*"
	run "$PTRACEHOOK" "$TOP/tests/lib/our_values.lua" "$program"
	expect_status 0
	# Without ASLR, position-independent programs are loaded there.
	BASE=0x555555554000 run gdb -batch -nx -x "$TOP/tests/lib/gdb_values.py" "$program"
	run python3 "$TOP/tests/lib/same_values.py" ours theirs
	expect_status 0
}

test_values_as_gdb_where_calls_are_inlined() { same_values layers one two down leaf main; }
test_values_as_gdb_in_optimised_code() { same_values layers_fast one two down main; }
test_values_as_gdb_of_many_parameters() { same_values typed typed_many typed_value; }
test_values_as_gdb_of_many_parameters_by_dwarf_4() { same_values typed_fast typed_many typed_value; }

e2e_main "$@"
