#!/bin/bash
# detach{stopped = true}: the target stands where it stood, whole, for whoever attaches next, or until a SIGCONT.
. "$(dirname "$0")/../lib/e2e.sh"
. "$TOP/tests/e2e/common.bash"

stopped() { [ "$(awk '{ print $3 }' "/proc/$1/task/"*/stat | sort -u)" = T ]; }

test_detached_where_it_stands() {
	type -P gdb >/dev/null || skip 'no gdb'
	run "$PTRACEHOOK" -e 'bp("calc", function() print("pid", process.pid, hex(regs.rip)) detach{stopped = true} end)' -- "$TARGETS/calc_pie"
	expect_status 0
	read -r _ target at < <(grep '^pid' stdout)
	e2e_started+=("$target")
	wait_until stopped "$target"
	[ "$(tracer_of "$target")" = 0 ] || fail 'still traced'
	expect_text_intact "$target"
	gdb -nx -q -batch -p "$target" -ex 'p/x $pc' -ex 'p $rdi' >said 2>&1
	grep -qxF "\$1 = $at" said || fail "not at $at" "$(cat said)"
	grep -qxF "\$2 = 1" said || fail 'not before the call' "$(cat said)"
	wait_until stopped "$target"
	kill -CONT "$target"
	wait_until grep -qF 'calc(4, 5) = 9' stdout
	wait_until is_dead "$target"
}

test_every_thread_is_left_where_it_stands() {
	start_target busy 4
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 100 then detach{stopped = true} end end) run()'
	expect_status 0
	wait_until stopped "$target"
	expect_text_intact "$target"
	kill -CONT "$target"
	expect_unharmed
	expect_busy_goes_on
}

# In the middle of vfork the parent stops when its child has gone its way.
test_a_child_of_vfork_goes_its_way() {
	run "$PTRACEHOOK" -f -e 'on("fork", function() print("pid", process.pid) detach{stopped = true} end)' -- "$TARGETS/forker" vfork
	expect_status 0
	target=$(awk '$1 == "pid" { print $2 }' stdout)
	e2e_started+=("$target")
	wait_until stopped "$target"
	expect_text_intact "$target"
	kill -CONT "$target"
	wait_until grep -q '^vfork: exit 3$' stdout
	wait_until is_dead "$target"
}

# Parent and child are one session's; an unfollowed child is nobody's.
test_followed_children_are_left_stopped_too() {
	for follow in true false; do
		run "$PTRACEHOOK" -e 'on("fork", function(_, child) print("pids", process.pid, child.pid) detach{stopped = true} end)
			policy{follow = '$follow'}' -- "$TARGETS/forker" fork
		expect_status 0
		read -r _ target child < <(grep '^pids' stdout)
		e2e_started+=("$target" "$child")
		wait_until stopped "$target"
		if [ $follow = true ]; then
			wait_until stopped "$child"
			expect_text_intact "$child"
			kill -CONT "$child"
		fi
		expect_text_intact "$target"
		kill -CONT "$target"
		wait_until grep -q '^fork: exit 3$' stdout
		wait_until is_dead "$target"
	done
}

test_without_exitkill_a_target_that_has_not_run_yet_outlives_us() {
	{ "$PTRACEHOOK" -e 'policy { exitkill = false } os.execute "kill -9 $PPID"' -- sh -c 'echo alive'; } >out 2>/dev/null
	wait_until grep -q alive out
}

e2e_main "$@"
