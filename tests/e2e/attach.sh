#!/bin/bash
# Attaching to processes that run, sleep or are stopped: they live on, unharmed, whatever they were doing.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# The target's own verdict, once it has ended.
target_status() {
	status=0
	wait "$target" || status=$?
}

test_a_busy_program() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 1000 then return DETACH end end)'
	expect_status 0
	expect_stdout ''
	expect_stderr ''
	expect_unharmed
	expect_busy_goes_on
	kill -USR1 "$target"
	target_status
	expect_status 7
}

test_a_busy_program_of_many_threads() {
	start_target busy 8
	run "$PTRACEHOOK" -p "$target" -e 'print(#threads())
		local seen, n = {}, 0
		bp("tick", function(thread)
			if not seen[thread.tid] then seen[thread.tid] = true n = n + 1 end
			if n == 8 then return DETACH end
		end)'
	expect_status 0
	expect_stdout 8
	expect_unharmed
	expect_busy_goes_on
	kill -USR1 "$target"
	target_status
	expect_status 7
}

test_a_sleeping_program_in_every_call() {
	local how
	for how in pause nanosleep poll futex; do
		start_target sleeper $how
		run "$PTRACEHOOK" -p "$target" -e 'local at = regs.rip bp("main", function() end) run{timeout = 0.01} detach()'
		expect_status 0
		expect_stderr ''
		expect_unharmed
		wait_until grep -q '^State:.S' "/proc/$target/status"
		kill -TERM "$target"
		target_status
		expect_status 0
		[ "$(tail -n 1 target.out)" = bye ] || fail "$how: $(cat target.out)"
	done
}

test_a_program_that_waits_for_input() {
	launch_with_input "$TARGETS/reader"
	target=$started
	printf 'one\n' >&5
	wait_for_line '^got: one'
	mv stdout target.out
	launch "$PTRACEHOOK" -p "$target" -e 'bp("handle_line", function() print(mem.cstr(regs.rdi)) return DETACH end)
		print "ready" io.flush()'
	wait_for_line ready
	printf 'two\nthree\n' >&5
	wait_started
	expect_status 0
	expect_stdout $'ready\ntwo'
	expect_unharmed
	exec 5>&-
	target_status
	expect_status 0
	[ "$(cat target.out)" = $'got: one\ngot: two\ngot: three\nlines 3' ] || fail "target: $(cat target.out)"
}

test_many_blocked_threads() {
	launch_with_input "$TARGETS/parked" 64
	target=$started
	wait_for_line ready
	mv stdout target.out
	run "$PTRACEHOOK" -p "$target" -e 'print(#threads()) detach()'
	expect_status 0
	expect_stdout 64
	expect_unharmed
	exec 5>&-
	target_status
	expect_status 0
	[ "$(tail -n 1 target.out)" = bye ] || fail "target: $(cat target.out)"
}

test_a_stopped_process_stays_stopped() {
	start_target busy 3
	kill -STOP "$target"
	wait_until grep -q '^State:.T' "/proc/$target/status"
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() end) print(#threads(), process.pid) detach()'
	expect_status 0
	expect_stdout "3	$target"
	# Its threads go back into their stop by themselves (ptrace(2), PTRACE_DETACH).
	wait_until grep -q '^State:.T (stopped)' "/proc/$target/status"
	[ "$(tracer_of "$target")" = 0 ] || fail "still traced"
	expect_text_intact "$target"
	kill -CONT "$target"
	expect_busy_goes_on
}

test_a_stopped_process_may_be_run_and_continued() {
	start_target busy 3
	kill -STOP "$target"
	wait_until grep -q '^State:.T' "/proc/$target/status"
	launch "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 50 then print "hit" return DETACH end end)
		print "ready" io.flush()'
	wait_for_line ready
	wait_until grep -q '^State:.[tT]' "/proc/$target/status"
	expect_stdout_unlike hit
	kill -CONT "$target"
	wait_started
	expect_status 0
	expect_stdout $'ready\nhit'
	expect_unharmed
	expect_busy_goes_on
}

test_by_the_id_of_a_thread() {
	start_target busy 3
	local tid
	for tid in "/proc/$target/task"/*; do
		run "$PTRACEHOOK" -p "${tid##*/}" -e 'print(process.pid) detach()'
		expect_status 0
		expect_stdout "$target"
	done
}

test_again_and_again() {
	local i
	start_target busy 4
	for i in 1 2 3 4 5 6; do
		run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 20 then return STOP end end)'
		expect_status 0
		expect_text_intact "$target"
	done
	expect_unharmed
	expect_busy_goes_on
}

test_a_target_that_ends_gives_its_status() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() return SIGNAL "USR1" end, { once = true })'
	expect_status 7
	target_status
	expect_status 7
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() return SIGNAL "SEGV" end, { once = true })'
	expect_status 139
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", KILL)'
	expect_status 137
}

test_a_child_of_its_own_is_reaped_by_its_parent() {
	# sh waits for busy, and gets its status, whoever traced it.
	launch sh -c '"$TARGETS/busy"; echo "status $?"'
	wait_for_line ready
	target=$(sed -n 's/^pid //p' stdout)
	mv stdout target.out
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() return SIGNAL "USR1" end, { once = true })'
	expect_status 7
	wait_until grep -q '^status 7$' target.out
}

test_a_static_program_at_its_first_instruction() {
	# A first tracer spawns it and leaves it stopped there for the second.
	run "$PTRACEHOOK" -e 'print(process.pid) detach{stopped = true}' -- "$TARGETS/calc_static" 1 2
	expect_status 0
	target=$(head -n 1 stdout)
	mv stdout target.out
	grep -q '^State:.T (stopped)' "/proc/$target/status" || fail "it is not stopped"
	launch "$PTRACEHOOK" -p "$target" -e 'bp("calc", RETURN(42)) print "ready" io.flush()'
	wait_for_line ready
	kill -CONT "$target"
	wait_started
	expect_status 0
	[ "$(tail -n 1 target.out)" = 'calc(1, 2) = 42' ] || fail "target: $(cat target.out)"
}

e2e_main "$@"
