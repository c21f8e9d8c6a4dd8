#!/bin/bash
# Exit statuses: the target's own, os.exit, errors in scripts, what STOP and DETACH leave.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# error_of REGEX [MORE...]: status 1; the first line of stderr matches, and a traceback follows.
expect_script_error() {
	expect_status 1
	head -n 1 stderr >first
	grep -Eq -- "$1" first || fail "the first line of stderr is not like: $1"
}

expect_traceback() {
	[ "$(sed -n 2p stderr)" = 'stack traceback:' ] || fail "no traceback"
	grep -Eq -- "$1" <(sed 1,2d stderr) || fail "the traceback has no line like: $1"
}

test_status_is_the_targets() {
	local code
	for code in 0 1 7 255; do
		run "$PTRACEHOOK" -e '' -- "$TARGETS/exits" code $code
		expect_status $code
		expect_stdout ''
		expect_stderr ''
	done
	run "$PTRACEHOOK" -e '' -- "$TARGETS/exits" exit_thread
	expect_status 5
	run "$PTRACEHOOK" -e '' -- "$TARGETS/exits" main_thread_exit
	expect_status 6
	expect_stdout alone
}

test_a_killed_target_gives_128_and_the_signal() {
	local how
	for how in 'kill:137' 'abort:134' 'segv:139' 'ill:132' 'fpe:136' 'signal 15:143' 'signal 10:138' 'signal 64:192' \
		'thread_signal 12:140'; do
		# shellcheck disable=SC2086 # words
		run "$PTRACEHOOK" -e '' -- "$TARGETS/exits" ${how%:*}
		expect_status "${how#*:}"
		expect_stderr ''
	done
}

test_status_is_the_targets_when_the_script_ran_it() {
	run "$PTRACEHOOK" -e 'local reason = run() print(reason.kind, reason.code)' -- "$TARGETS/exits" code 9
	expect_status 9
	expect_stdout $'exit\t9'
	run "$PTRACEHOOK" -e 'local reason = run() print(reason.kind, reason.signal)' -- "$TARGETS/exits" segv
	expect_status 139
	expect_stdout $'signal\tSIGSEGV'
}

test_after_the_end_comes_the_end_again() {
	run "$PTRACEHOOK" -e 'run() local reason = run() print(reason.kind, reason.code)' -- "$TARGETS/exits" code 9
	expect_status 9
	expect_stdout $'exit\t9'
}

test_a_script_that_spawns_for_itself_gives_0() {
	run "$PTRACEHOOK" -e 'print(spawn{os.getenv "TARGETS" .. "/exits", "code", 9}:run().code)'
	expect_status 0
	expect_stdout 9
	run "$PTRACEHOOK" -e 'spawn{os.getenv "TARGETS" .. "/exits", "kill"}:run()'
	expect_status 0
	# Beside a target of the command line, that one counts.
	run "$PTRACEHOOK" -e 'local first = process.session
		spawn{os.getenv "TARGETS" .. "/exits", "code", 9}:run() first:run()' -- "$TARGETS/exits" code 4
	expect_status 4
	# It still runs when the script did not drive it.
	run "$PTRACEHOOK" -e 'spawn{os.getenv "TARGETS" .. "/exits", "code", 9}:run()' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 3'
}

test_os_exit_wins() {
	run "$PTRACEHOOK" -e 'os.exit(3)' -- "$TARGETS/calc_pie"
	expect_status 3
	expect_stdout ''
	expect_stderr ''
	run "$PTRACEHOOK" -e 'run() os.exit(3)' -- "$TARGETS/exits" code 9
	expect_status 3
	run "$PTRACEHOOK" -e 'pcall(os.exit, 4)'
	expect_status 4
	run "$PTRACEHOOK" -e 'coroutine.wrap(function() os.exit(5) end)()'
	expect_status 5
}

test_os_exit_in_a_hook_wins() {
	run "$PTRACEHOOK" -e 'bp("calc", function() print("hook") os.exit(3) end)' -- "$TARGETS/calc_pie"
	expect_status 3
	expect_stdout hook
	expect_stderr ''
	run "$PTRACEHOOK" -e 'on("exit", function(_, reason) os.exit(reason.code + 1) end)' -- "$TARGETS/exits" code 9
	expect_status 10
	run "$PTRACEHOOK" -e 'on("signal", "SEGV", function() os.exit(11) end)' -- "$TARGETS/exits" segv
	expect_status 11
	run "$PTRACEHOOK" -e 'bp("work", function() os.exit(12) end)' -- "$TARGETS/threads8"
	expect_status 12
}

test_os_exit_takes_what_luas_takes() {
	local pair
	for pair in ':0' 'true:0' 'false:1' '0:0' '255:255' '256:0' '-1:255' '7ULL:7'; do
		run "$PTRACEHOOK" -e "os.exit(${pair%:*})" -- "$TARGETS/exits" code 9
		expect_status "${pair#*:}"
		expect_stderr ''
	done
	run "$PTRACEHOOK" -e 'os.exit("three")'
	expect_script_error '^ptracehook: \(command line\):1: os.exit: .*"?three'
	run "$PTRACEHOOK" -e 'os.exit(1.5)'
	expect_script_error '^ptracehook: \(command line\):1: os.exit: '
}

test_os_exit_leaves_an_attached_target_unharmed() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 10 then os.exit(3) end end)'
	expect_status 3
	expect_stderr ''
	expect_unharmed
	expect_busy_goes_on
}

test_an_error_in_the_chunk() {
	printf '\n\nlocal function inner() error("this is wrong") end\nlocal function outer() inner() end\nouter()\n' >script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error '^ptracehook: script\.lua:3: this is wrong$'
	expect_traceback "script\.lua:3: in function 'inner'"
	expect_traceback 'script\.lua:5: in main chunk'
	expect_stdout ''
	run "$PTRACEHOOK" -e 'print "before"
		local x = nil + 1' -- "$TARGETS/calc_pie"
	expect_script_error '^ptracehook: \(command line\):2: attempt to perform arithmetic on a nil value$'
	expect_traceback '\(command line\):2: in main chunk'
	expect_stdout before
}

test_errors_of_any_kind_are_told() {
	run "$PTRACEHOOK" -e 'error({ code = 1 })'
	expect_script_error '^ptracehook: \(error object is a table value\)$'
	run "$PTRACEHOOK" -e 'error(setmetatable({}, { __tostring = function() return "in its own words" end }))'
	expect_script_error '^ptracehook: in its own words$'
	run "$PTRACEHOOK" -e 'error(nil)'
	expect_script_error '^ptracehook: '
	run "$PTRACEHOOK" -e 'error(setmetatable({}, { __tostring = function() error "twice" end }))'
	expect_script_error '^ptracehook: '
	run "$PTRACEHOOK" -e 'local function f() return f() + 1 end f()'
	expect_script_error '^ptracehook: .*stack overflow'
}

test_out_of_memory_is_an_error() {
	[ "$BUILD" = release ] || skip "AddressSanitizer needs more address space than a limit leaves"
	ulimit -v 1000000
	run "$PTRACEHOOK" -e 'local t = {} while true do t[#t + 1] = ("x"):rep(1e7) .. #t end'
	expect_script_error '^ptracehook: not enough memory'
}

test_a_verbs_error_has_the_scripts_line() {
	printf '\n\nprint(mem.u32[8])\n' >script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error '^ptracehook: script\.lua:3: .*0x8'
	expect_traceback 'script\.lua:3: in main chunk'
}

test_an_error_in_a_hook_ends_the_run() {
	printf '\nbp("calc", function()\n\terror("in the hook")\nend)\nrun()\nprint("never")\n' >script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error '^ptracehook: script\.lua:3: in the hook$'
	expect_traceback 'script\.lua:3: in function'
	expect_stdout ''
	# The same when the command line drives.
	sed -i 5,6d script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error '^ptracehook: script\.lua:3: in the hook$'
	expect_traceback 'script\.lua:3: in function'
	expect_stdout ''
}

test_an_error_in_a_hook_may_be_caught() {
	run "$PTRACEHOOK" -e 'bp("calc", function() error("in the hook") end)
		print(pcall(run))' -- "$TARGETS/calc_pie"
	expect_stdout_like $'^false\t\(command line\):1: in the hook$'
	expect_stdout_unlike calc
}

test_an_error_in_a_hook_detaches_an_attached_target() {
	start_target busy 3
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 10 then error("in the hook") end end)'
	expect_script_error '^ptracehook: \(command line\):1: in the hook$'
	expect_unharmed
	expect_busy_goes_on
}

test_an_error_in_the_chunk_detaches_an_attached_target() {
	start_target busy 3
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() end) error "wrong"'
	expect_script_error '^ptracehook: \(command line\):1: wrong$'
	expect_unharmed
	expect_busy_goes_on
}

test_reported_errors_let_the_run_go_on() {
	run "$PTRACEHOOK" -e 'policy{errors = "report"} bp("calc", function() error("in the hook") end)' -- \
		"$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'calc(1, 2) = 3\ncalc(4, 5) = 9'
	[ "$(grep -c '^ptracehook: error in a hook: (command line):1: in the hook$' stderr)" = 2 ] || fail "not told twice"
}

test_an_error_in_a_nested_require() {
	echo 'require "middle"' >script.lua
	printf '\nlocal inner = require "inner"\nreturn inner\n' >middle.lua
	printf '\n\nlocal x = nil .. "x"\n' >inner.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error "^ptracehook: (\./)?inner\.lua:3: attempt to concatenate a nil value"
	expect_traceback 'inner\.lua:3: in main chunk'
	expect_traceback 'middle\.lua:2: in main chunk'
	expect_traceback 'script\.lua:1: in main chunk'
	expect_stdout ''
	printf 'x = = 1\n' >inner.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_status 1
	expect_stderr_like "inner\.lua:1: unexpected symbol near '='"
	expect_stderr_like 'middle\.lua:2: in main chunk'
	echo 'require "outer"' >script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_script_error "script\.lua:1: module 'outer' not found:"
}

test_a_syntax_error() {
	printf 'print "never"\nfor do\n' >script.lua
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint "^ptracehook: script\.lua:2: '?<name>'? expected near 'do'$"
	expect_stdout ''
	run "$PTRACEHOOK" -e 'x = = 1' -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint "^ptracehook: \(command line\):1: unexpected symbol near '='$"
	expect_stdout ''
}

test_a_target_that_the_script_left_alone_runs_to_its_end() {
	run "$PTRACEHOOK" -e 'policy{}' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'calc(1, 2) = 3\ncalc(4, 5) = 9'
}

test_stop_at_the_end_kills_a_spawned_target_and_gives_0() {
	run "$PTRACEHOOK" -e 'bp("calc", function() print(process.pid) return STOP end)' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stderr ''
	expect_stdout_like '^[0-9]+$'
	expect_stdout_unlike calc
	! is_alive "$(head -n 1 stdout)" || fail "the target lives"
}

test_stop_at_the_end_detaches_an_attached_target_and_gives_0() {
	start_target busy 4
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", STOP)'
	expect_status 0
	expect_stdout ''
	expect_stderr ''
	expect_unharmed
	expect_busy_goes_on
}

test_a_target_that_the_script_drove_is_closed_where_it_stands() {
	run "$PTRACEHOOK" -e 'bp("calc", STOP) local reason = run() print(reason.kind, reason.event, reason.breakpoint.where)' \
		-- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'stop\tbreakpoint\tcalc'
	run "$PTRACEHOOK" -e 'print(run{timeout = 0.05}.kind)' -- "$TARGETS/sleeper"
	expect_status 0
	expect_stdout_like '^timeout$'
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() end) print(run{timeout = 0.05}.kind)'
	expect_status 0
	expect_stdout timeout
	expect_unharmed
	expect_busy_goes_on
}

test_stop_lets_the_run_be_resumed() {
	run "$PTRACEHOOK" -e 'bp("calc", STOP) for i = 1, 2 do print(run().kind, regs.edi) end print(run().code)' -- \
		"$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'stop\t1\ncalc(1, 2) = 3\nstop\t4\ncalc(4, 5) = 9\n0'
}

test_kill_gives_137() {
	run "$PTRACEHOOK" -e 'bp("calc", KILL)' -- "$TARGETS/calc_pie"
	expect_status 137
	expect_stdout ''
	expect_stderr ''
	run "$PTRACEHOOK" -e 'kill()' -- "$TARGETS/calc_pie"
	expect_status 137
	expect_stdout ''
}

# Its input comes through a pipe, so that it can be watched after we are gone.
test_detach_gives_0_and_the_target_lives_on() {
	launch_with_input "$PTRACEHOOK" -e 'print(process.pid) bp("poked", DETACH)' -- "$TARGETS/selfcheck"
	wait_for_line '^sum'
	target=$(head -n 1 stdout)
	printf x >&5
	wait_started
	expect_status 0
	expect_stderr ''
	expect_unharmed
	printf yy >&5
	exec 5>&-
	wait_for_line '^(same|different)$'
	# The first sum saw the trap, the others are those of the file.
	[ "$(grep -c '^sum' stdout)" = 4 ] || fail "not four sums"
	[ "$(grep '^sum' stdout | sed 1d | sort -u | wc -l)" = 1 ] || fail "sums differ after the detach"
}

test_detach_from_the_chunk_gives_0() {
	launch_with_input "$PTRACEHOOK" -e 'bp("poked", function() print "never" end) print(process.pid) detach()' -- \
		"$TARGETS/selfcheck"
	wait_started
	expect_status 0
	target=$(head -n 1 stdout)
	expect_unharmed
	printf x >&5
	exec 5>&-
	wait_for_line '^same$'
	expect_stdout_unlike never
}

test_detached_and_stopped() {
	start_target busy 3
	run "$PTRACEHOOK" -p "$target" -e 'bp("tick", function() end) run{timeout = 0.02} detach{stopped = true}'
	expect_status 0
	# Each thread takes the signal, or the stop it was in, up again by itself.
	wait_until grep -q '^State:.T (stopped)' "/proc/$target/status"
	expect_text_intact "$target"
	[ "$(tracer_of "$target")" = 0 ] || fail "still traced"
	kill -CONT "$target"
	expect_busy_goes_on
}

e2e_main "$@"
