#!/bin/bash
# Eight programs that look for debuggers, in every way that we know: untraced they find none, with scripts/antidebug.lua
# neither, and without it they find us.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=90

antidebug=$TOP/scripts/antidebug.lua

# What debuggers leave behind, and breakpoints in the functions that the programs watch: hooks that take their time.
left=(env _=/usr/bin/ptracehook LINES=24 COLUMNS=80)
slow='on("syscall", "getsid", CONTINUE)
for _, name in ipairs { "held", "timed", "one", "two", "three", "four" } do
	if find_sym(name) then
		bp(name, function() sleep(0.15) end)
	end
end'

# The checks that say "traced", sorted, joined by commas.
traced() { sed -n 's/: traced$//p' stdout | sort | paste -sd, ; }
fine() { sed -n 's/: ok$//p' stdout | sort | paste -sd, ; }

# looks_untraced NAME: with breakpoints too.
looks_untraced() {
	local program
	for program in "$TARGETS/antidebug_$1" "$TARGETS/antidebug_$1_static"; do
		run "${left[@]}" LD_PRELOAD="${preload-}" "$PTRACEHOOK" "$antidebug" "${@:2}" -- "$program"
		[ "$status" = 0 ] || fail "$program finds: $(traced)"
		run "${left[@]}" LD_PRELOAD="${preload-}" "$PTRACEHOOK" -e "$slow" "$antidebug" "${@:2}" -- "$program"
		[ "$status" = 0 ] || fail "$program finds, with breakpoints: $(traced)"
		[ "$(grep -c ': ok$' stdout)" -ge 5 ] || fail "$program makes fewer than five checks"
		expect_stderr ''
		run "$program" 7<&-
		[ "$status" = 0 ] || fail "$program finds, without us: $(traced)"
	done
}

# finds_us NAME [UNSEEN...]: without the script all checks say "traced" but these, joined by commas.
finds_us() {
	local program
	for program in "$TARGETS/antidebug_$1" "$TARGETS/antidebug_$1_static"; do
		run "${left[@]}" LD_PRELOAD="${preload-}" "$PTRACEHOOK" -f -e "$slow" -- "$program"
		[ "$(fine)" = "${2-}" ] || fail "$program does not find: $(fine)"
	done
}

test_ptrace_answers_as_without_a_tracer() { looks_untraced ptrace; }
test_ptrace_finds_us() { finds_us ptrace; }

test_status_hides_the_tracer() { looks_untraced status; }
test_status_finds_us() { finds_us status; }

test_parent_is_the_shell() { looks_untraced parent; }

# The leader of the session is somebody else anyway.
test_parent_finds_us() { finds_us parent session; }

test_timing_is_as_without_stops() { looks_untraced timing; }

# The last four find a clock that is wrong, which without the script it is not.
test_timing_finds_us() { finds_us timing moment,pair,sleep,waits; }

test_traps_are_the_programs_own() { looks_untraced traps; }

# Traps of a program's own reach it without any script.
test_traps_do_not_find_us() { finds_us traps 'blocked,icebp,ignored,int 3,int3,kill,raise,step'; }

test_checksum_meets_no_byte_of_ours() { looks_untraced checksum; }
test_checksum_finds_us() { finds_us checksum; }

# Into ptracehook as well, where a sanitizer would rather be the first.
preload_libm() {
	preload=libm.so.6
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0
}

test_environment_is_clean() {
	preload_libm
	looks_untraced environment --only environment,prctl,status,descriptors 7</dev/null
}

# PR_SET_PTRACER and PR_SET_DUMPABLE do what they do; the latter is what we cannot live with when we are not root.
test_environment_finds_us() {
	preload_libm
	finds_us environment dumpable,ptracer 7</dev/null
}

test_watchdog_keeps_others_away_but_not_us() { looks_untraced watchdog; }

# int3 and the counter, which nothing slows down here, are as without us; its tracer is its parent indeed.
test_watchdog_finds_us() { finds_us watchdog 'int3,parent is tracer,rdtsc'; }

# ---- The script

test_script_takes_techniques_by_name() {
	run "$PTRACEHOOK" "$antidebug" --only status -- "$TARGETS/antidebug_status"
	expect_status 0
	run "$PTRACEHOOK" "$antidebug" --not status -- "$TARGETS/antidebug_status"
	expect_status 1
	expect_stdout_like '^stdio: traced$'
}

test_script_says_what_was_asked_for() {
	run "$PTRACEHOOK" "$antidebug" --log -- "$TARGETS/antidebug_ptrace"
	expect_status 0
	expect_stderr_like '^antidebug: ptrace: PTRACE_TRACEME: 0$'
	expect_stderr_like '^antidebug: ptrace: PTRACE_TRACEME again: EPERM$'
	expect_stderr_like '^antidebug: ptrace: PTRACE_ATTACH to [0-9]+: 0$'
}

test_script_fakes_time_random_and_pid() {
	run "$PTRACEHOOK" "$antidebug" --time 1000000000 --skip-sleep --random 7 --pid 4242 --parent zsh -- \
		sh -c 'date -u +%FT%T; sleep 3600; date -u +%FT%T; head -c 4 /dev/urandom | od -An -tx1; echo $$; cat /proc/$PPID/comm'
	expect_status 0
	expect_stderr ''
	[ "$(sed -n 1p stdout)" = 2001-09-09T01:46:40 ] || fail "wrong time"
	[ "$(sed -n 2p stdout)" = 2001-09-09T02:46:40 ] || fail "wrong time after a sleep"
	[ "$(sed -n 4p stdout)" = 4242 ] || fail "wrong pid"
	[ "$(sed -n 5p stdout)" = zsh ] || fail "wrong parent"
	cp stdout first
	run "$PTRACEHOOK" "$antidebug" --random 7 -- sh -c 'true; head -c 4 /dev/urandom | od -An -tx1'
	[ "$(cat stdout)" = "$(sed -n 3p first)" ] || fail "random bytes differ from run to run"
}

test_script_forces_results() {
	run "$PTRACEHOOK" "$antidebug" --return calc=99 --return calc_add=1 -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^calc\(1, 2\) = 99$'
}

test_script_names_wrong_arguments() {
	local wrong
	for wrong in '--bad' '--only' '--only x' '--time soon' '--pid x' '--return calc' '--return calc=x' '--only ptrace --not status'; do
		# shellcheck disable=SC2086 # words
		run "$PTRACEHOOK" "$antidebug" $wrong -- "$TARGETS/calc_pie"
		expect_status 2
		expect_complaint '^antidebug: .*; usage: ptracehook antidebug '
	done
	run "$PTRACEHOOK" "$antidebug"
	expect_status 2
	expect_complaint '^antidebug: no program named; usage: '
	run "$PTRACEHOOK" "$antidebug" --return calk=1 -- "$TARGETS/calc_static"
	expect_status 1
	expect_complaint "^antidebug: .*'calk'.*did you mean 'calc'\?"
}

test_script_lets_an_attached_target_go_whole() {
	start_target busy 3
	launch "$PTRACEHOOK" -p "$target" -e 'on("signal", "SIGUSR1", function() return SUPPRESS end)' "$antidebug"
	wait_until sh -c "[ \$(awk '/^TracerPid/ { print \$2 }' /proc/$target/status) != 0 ]"
	expect_busy_goes_on
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_stderr ''
	expect_unharmed
	expect_busy_goes_on
}

# Its place comes when libc has been loaded, and no script waits for an error any more.
test_a_breakpoint_that_finds_no_debug_register_is_named() {
	run "$PTRACEHOOK" -e 'require("bypass").checksums() for _, name in ipairs { "main", "calc", "puts", "malloc", "free" } do
		bp(name, CONTINUE) end' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_complaint "^ptracehook: breakpoint 5 at 'free' stays out: .*held by breakpoint 1 at 'main', .*protection keys$"
}

e2e_main "$@"
