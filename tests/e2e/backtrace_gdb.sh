#!/bin/bash
# Backtraces against GDB's: the same names of functions, at random instructions of programs with and without debug
# information, and in every thread of threaded ones at random moments. LONG=1 makes more stops.
. "$(dirname "$0")/../lib/e2e.sh"
. "$TOP/tests/e2e/common.bash"
limit=240

# same_stops MOST PROGRAM ARG...: at up to MOST random instructions; what is compared is the first time at each
same_stops() {
	local most=$1 program entry words
	program=$(readlink -f "$(type -P "$2")") || skip "no $2"
	shift 2
	seq 300 >input
	entry=$(readelf -h "$program" | awk '/Entry point/ { print $NF }')
	run "$PTRACEHOOK" "$TOP/tests/lib/our_stops.lua" 3000 "${SEED-7}" "$most" "$entry" "$program" "$@"
	expect_status 0
	words=$(printf '%q ' "$@")
	STOPS_ARGS=$words run gdb -batch -nx -x "$TOP/tests/lib/gdb_stops.py" "$program"
	[ "$(wc -l <hit)" -ge 15 ] || fail "only $(wc -l <hit) stops"
	[ "$(wc -l <hit)" = "$(wc -l <theirs)" ] || fail "GDB stopped $(wc -l <theirs) times of $(wc -l <hit)"
	run python3 "$TOP/tests/lib/same_names.py" ours theirs
	expect_status 0
}

# same_threads COUNT PROGRAM ARG...: every thread, at COUNT moments
same_threads() {
	local count=$1 pid i
	shift
	"$@" </dev/urandom >/dev/null 2>&1 &
	pid=$!
	e2e_started+=("$pid")
	wait_until has_threads "$pid" 3
	for ((i = 0; i < count; i++)); do
		read -rt "0.0$((RANDOM % 90 + 10))" <>/dev/fd/"$e2e_never" || true
		kill -STOP "$pid"
		run "$PTRACEHOOK" "$TOP/tests/lib/our_threads.lua" "$pid"
		expect_status 0
		run gdb -batch -nx -p "$pid" -x "$TOP/tests/lib/gdb_threads.py"
		run python3 "$TOP/tests/lib/same_names.py" ours theirs
		expect_status 0
		kill -CONT "$pid"
	done
	kill -KILL "$pid"
}

has_threads() { [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l)" -ge "$2" ]; }

moments() { [ -n "${LONG-}" ] && echo 20 || echo 2; }
stops() { [ -n "${LONG-}" ] && echo 400 || echo 40; }

test_names_as_gdb_in_a_program_with_debug_information() { same_stops "$(stops)" "$TARGETS/typed"; }
test_names_as_gdb_in_an_optimised_program_with_debug_information() { same_stops "$(stops)" "$TARGETS/layers_fast"; }
test_names_as_gdb_in_a_program_of_cxx() { same_stops "$(stops)" "$TARGETS/classes"; }
test_names_as_gdb_without_debug_information() { same_stops "$(stops)" sort input; }
test_names_as_gdb_in_a_database() {
	same_stops "$(stops)" sqlite3 :memory: 'create table t(a); insert into t values(1),(2); select sum(a) from t;'
}
# Perl's hashes have another order in each run otherwise, and an address is reached by another way first.
test_names_as_gdb_in_an_interpreter() {
	export PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
	same_stops "$(stops)" perl -e 'print join(",", map { $_ * 2 } 1 .. 9)'
}
test_names_as_gdb_in_threads_with_debug_information() { same_threads "$(moments)" "$TARGETS/busy" 3; }
test_names_as_gdb_in_threads_without_debug_information() {
	strip -o busy_stripped "$TARGETS/busy"
	same_threads "$(moments)" ./busy_stripped 3
}
test_names_as_gdb_in_threads_of_a_compressor() {
	type -P xz >/dev/null || skip 'no xz'
	same_threads "$(moments)" xz -T3 -c
}

e2e_main "$@"
