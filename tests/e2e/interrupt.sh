#!/bin/bash
# SIGINT, SIGTERM and SIGHUP end us with 130, 143 and 129 wherever the script is, spawned targets killed, attached ones
# unharmed.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

signals='INT:130 TERM:143 HUP:129'

# interrupted_with SIGNAL:STATUS: what was launched gets it once it has printed "ready", and ends with that status.
# Nothing is said, but where a script could not be ended by itself, which is one line.
interrupted_with() {
	wait_for_line '^ready'
	kill -"${1%:*}" "$started"
	wait_started
	expect_status "${1#*:}"
	sed -i '/^ptracehook: interrupted: the script did not end by itself$/d' stderr
	expect_stderr ''
}

# spawned SIGNALS SCRIPT [ARG...]: SCRIPT prints a spawned target's pid as "target PID".
spawned() {
	local signal
	printf '%s\n' "$2" >script.lua
	for signal in $1; do
		launch "$PTRACEHOOK" script.lua "${@:3}"
		interrupted_with "$signal"
		target=$(sed -n 's/^target //p' stdout)
		# The kernel kills it as we end, and its end takes a moment.
		[ -z "$target" ] || wait_until is_dead "$target"
	done
}

attached() {
	local signal
	printf '%s\n' "$2" >script.lua
	start_target busy 3
	for signal in $1; do
		launch "$PTRACEHOOK" -p "$target" script.lua
		interrupted_with "$signal"
		expect_unharmed
		expect_busy_goes_on
	done
}

# With a target of the command line, one of the script's own, one that runs already: a signal each, in turn; with all
# as the last word, each with every signal.
each_way() {
	local turn=($signals)
	[ "${2-}" != all ] || turn=("$signals" "$signals" "$signals")
	spawned "${turn[0]}" "print('target ' .. process.pid) $1" -- "$TARGETS/busy"
	spawned "${turn[1]}" "spawn{os.getenv 'TARGETS' .. '/busy'} print('target ' .. process.pid) $1"
	attached "${turn[2]}" "$1"
}

say='io.write "ready\n" io.flush()'
# Says so once a trace is compiled, that is, from then on the loop runs in machine code.
say_compiled='local said = false
	jit.opt.start("hotloop=2")
	jit.attach(function(what)
		if what == "stop" and not said then said = true io.write "ready\n" io.flush() end
	end, "trace")'

test_while_the_target_runs() {
	spawned "$signals" 'bp("tick", function() end, { once = true })
		on("signal", "USR2", function() print("target " .. process.pid) print "ready" end)
		bp("tick", function() return SIGNAL "USR2" end, { once = true })' -- "$TARGETS/busy"
	attached "$signals" 'bp("tick", function() print "ready" end, { once = true })'
}

test_while_the_target_sleeps() {
	spawned "$signals" 'print("target " .. process.pid)' -- "$TARGETS/sleeper" nanosleep
	spawned "$signals" 'print("target " .. process.pid) run()' -- "$TARGETS/sleeper" futex
	spawned "$signals" 'print("target " .. process.pid) pcall(run) print "never" run()' -- "$TARGETS/sleeper" poll
	expect_stdout_unlike never
}

test_while_hooks_run_all_the_time() {
	each_way 'local n = 0
		bp("tick", function() n = n + 1 if n == 100 then io.write "ready\n" end end) run()' all
}

test_while_a_time_limit_is_far_off() {
	spawned "$signals" 'on("syscall", "clock_nanosleep", function() print("target " .. process.pid) print "ready" end)
		run{timeout = 60}' -- "$TARGETS/sleeper" nanosleep
	each_way 'local n = 0 bp("tick", function() n = n + 1 if n == 100 then io.write "ready\n" end end) run{timeout = 60}'
	each_way "bp('tick', function() $say_compiled local n = 0 while true do n = n + 1 end end) run{timeout = 60}"
}

test_in_a_plain_loop() {
	each_way "jit.off() $say while true do end"
}

test_in_a_compiled_loop() {
	each_way "$say_compiled local n = 0 while true do n = n + 1 end" all
}

test_in_a_compiled_loop_over_a_call() {
	each_way "$say_compiled local n = 0 while true do n = math.floor(n) + #tostring(n) end"
}

test_in_a_compiled_loop_over_our_own_functions() {
	each_way "$say_compiled local n = 0 while true do n = n + num(u64(1)) end"
}

test_in_a_loop_that_catches_errors() {
	each_way "$say while true do pcall(function() while true do end end) end"
	each_way "$say_compiled local function f(n) if n > 10 then error(n) end return n end
		local n = 0 while true do n = n + 1 pcall(f, n % 9) end"
}

test_in_a_loop_inside_a_coroutine() {
	each_way "coroutine.wrap(function() $say while true do end end)()"
}

test_in_an_endless_recursion_through_pcall() {
	each_way "$say local function f() pcall(f) pcall(f) end while true do f() end"
}

test_in_a_hook() {
	each_way "bp('tick', function() $say while true do end end) run()"
}

test_in_a_hook_in_a_compiled_loop() {
	each_way "bp('tick', function() $say_compiled local n = 0 while true do n = n + 1 end end) run()"
}

test_in_a_hook_that_catches_errors() {
	each_way "bp('tick', function() $say while true do pcall(function() while true do end end) end end) run()"
}

test_in_a_hook_while_errors_are_only_reported() {
	each_way "policy{errors = 'report'} bp('tick', function() $say while true do end end) run()"
}

test_in_a_long_function_of_the_library() {
	each_way "$say while true do local s = ('x'):rep(1e7) end"
	each_way "local s = ('x'):rep(5e4) $say while true do s:gsub('.-.-.-b', '') end"
	each_way "local s = ('x'):rep(1e5) $say s:find(('.-'):rep(30) .. 'b')"
}

test_in_a_long_function_of_the_library_in_a_hook() {
	each_way "local s = ('x'):rep(1e5) bp('tick', function() $say s:find(('.-'):rep(30) .. 'b') end) run()"
}

test_while_the_script_reads_its_input() {
	mkfifo silent
	exec 5<>silent
	each_way "local file = io.open 'silent' $say while true do file:read '*l' end"
}

test_while_the_script_waits_for_a_command() {
	local signal
	mkfifo silent
	exec 5<>silent
	for signal in $signals; do
		launch "$PTRACEHOOK" -e "local pipe = io.popen 'read line <silent' $say while true do pipe:read '*a' end" -- \
			"$TARGETS/busy"
		wait_for_line '^ready'
		kill -"${signal%:*}" "$started"
		wait_started
		expect_status "${signal#*:}"
		echo >&5
	done
}

test_while_memory_is_searched() {
	each_way "$say while true do mem.find 'not to be found anywhere' end"
}

test_while_sessions_come_and_go() {
	spawned "$signals" "local n = 0 while true do
		spawn{os.getenv 'TARGETS' .. '/calc_pie', stdout = 'null'}:run() n = n + 1
		if n == 5 then print 'ready' io.flush() end end"
	attached "$signals" "local pid, n = process.pid, 0
		while true do
			n = n + 1 detach() attach(pid) bp('tick', function() end) run{timeout = 0.001}
			if n == 5 then print 'ready' io.flush() end
		end"
}

test_in_the_hook_of_the_exit() {
	spawned "$signals" "on('exit', function() $say while true do end end)" -- "$TARGETS/calc_pie"
}

test_with_many_threads_in_the_middle_of_passes() {
	spawned "$signals" "print('target ' .. process.pid) bp('tick', function(_, b) if b.hits == 500 then print 'ready' end end)
		bp('tick', function() end)" -- "$TARGETS/busy" 8
	start_target busy 8
	local signal
	for signal in $signals; do
		launch "$PTRACEHOOK" -p "$target" -e "bp('tick', function(_, b) if b.hits == 500 then print 'ready' end end)"
		wait_for_line '^ready'
		kill -"${signal%:*}" "$started"
		wait_started
		expect_status "${signal#*:}"
		expect_unharmed
		expect_busy_goes_on
	done
}

test_more_signals_while_it_ends() {
	local i
	start_target busy 3
	for i in 1 2 3; do
		launch "$PTRACEHOOK" -p "$target" -e "bp('tick', function() end) $say while true do end"
		wait_for_line '^ready'
		kill -INT "$started"
		kill -TERM "$started" 2>/dev/null
		kill -HUP "$started" 2>/dev/null
		wait_started
		[[ $status =~ ^(129|130|143)$ ]] || fail "status $status"
		expect_unharmed
		expect_busy_goes_on
	done
}

test_output_until_then_is_not_lost() {
	launch "$PTRACEHOOK" -o out -e "print 'first' io.write 'second' $say while true do end"
	wait_until grep -q ready out
	kill -TERM "$started"
	wait_started
	expect_status 143
	[ "$(cat out)" = $'first\nsecondready' ] || fail "out has: $(cat out)"
}

test_the_exit_status_of_a_script_does_not_hide_it() {
	launch "$PTRACEHOOK" -e "$say pcall(function() while true do end end) while true do pcall(os.exit, 0) end"
	wait_for_line ready
	kill -INT "$started"
	wait_started
	[[ $status =~ ^(0|130)$ ]] || fail "status $status"
}

test_an_ignored_hangup_stays_ignored() {
	launch env --ignore-signal=HUP "$PTRACEHOOK" -e "$say" -- "$TARGETS/sleeper"
	wait_for_line '^pid'
	kill -HUP "$started"
	kill -TERM "$started"
	wait_started
	expect_status 143
}

test_signals_during_start_leave_nothing_behind() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		launch "$PTRACEHOOK" -e '' -- "$TARGETS/sleeper"
		wait_until is_program "$started" "$(realpath "$PTRACEHOOK")"
		kill -TERM "$started"
		wait_started
		expect_status 143
	done
}

test_our_own_death_by_force_takes_a_spawned_target_along() {
	launch "$PTRACEHOOK" -e 'print("target " .. process.pid) bp("tick", function() end)' -- "$TARGETS/busy"
	wait_for_line '^ready'
	target=$(sed -n 's/^target //p' stdout)
	kill -KILL "$started"
	wait_started
	expect_status 137
	wait_until not is_alive "$target"
}


# On a terminal, Ctrl-C reaches the target as well: it may handle it, or not.
test_ctrl_c_on_a_terminal() {
	command -v tmux >/dev/null || skip "no tmux"
	cat >inner.sh <<-'END'
		#!/bin/bash
		trap '' INT
		bash -c 'trap - INT; exec "$PTRACEHOOK" -e "print(process.pid) bp([[tick]], function() end)" -- "$TARGETS/busy" >out 2>err'
		echo "$?" >status.new
		mv status.new status
	END
	tmux -S "$PWD/tmux" -f /dev/null new-session -d -x 80 -y 24 "exec bash $PWD/inner.sh"
	wait_for_line '^ready' out
	tmux -S "$PWD/tmux" send-keys C-c
	wait_until [ -s status ]
	tmux -S "$PWD/tmux" kill-server 2>/dev/null
	[ "$(cat status)" = 130 ] || fail "status $(cat status)" "$(cat err)"
	! is_alive "$(head -n 1 out)" || fail "the target lives"
}

e2e_main "$@"
