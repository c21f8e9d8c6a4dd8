#!/bin/bash
# Standard input, output and error: the target's are the caller's own, scripts share them in order, nobody takes them,
# they are closed.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# piped COMMAND TEXT: runs bash over TEXT, whose own status is that of the pipeline's first command.
piped() {
	run bash -c "$1; exit \"\${PIPESTATUS[0]}\""
}

test_standard_input_is_the_targets() {
	run "$PTRACEHOOK" -e 'bp("handle_line", function() end)' -- "$TARGETS/reader" <<<$'one\ntwo'
	expect_status 0
	expect_stdout $'got: one\ngot: two\nlines 2'
}

test_standard_output_and_error_stay_apart() {
	run "$PTRACEHOOK" -e 'io.stderr:write "script err\n" print "script out"' -- sh -c 'echo out; echo err >&2'
	expect_status 0
	expect_stdout $'script out\nout'
	expect_stderr $'script err\nerr'
}

test_the_target_sees_a_terminal_where_we_have_one() {
	command -v script >/dev/null || skip "no script(1)"
	run script -qec "$PTRACEHOOK -e '' -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo yes'" /dev/null </dev/null
	expect_status 0
	expect_stdout_like 'yes'
}

test_script_and_target_share_a_pipe_in_order() {
	run bash -c '"$PTRACEHOOK" -e "
		print [[chunk]]
		bp([[greet]], function(_, b) print([[hook ]] .. b.hits) io.write([[no newline ]]) end, { name = [[x]] })
		on([[exit]], function() print [[exit]] end)" -- "$TARGETS/strings" 2>&1 | grep -v xxx'
	expect_stdout "chunk
hook 1
no newline 1: hello, world
hook 2
no newline 2: hello, two words
hook 3
no newline 3: hello, 
hook 4
no newline 4: hello, grüß
hook 5
no newline 5: hello, tab	here
hook 6
exit"
}

test_what_was_printed_stands_before_the_error() {
	run bash -c '"$PTRACEHOOK" -e "print [[one]] bp([[calc]], function(_, b)
		print([[two ]] .. b.hits) if b.hits == 2 then io.write [[three]] error [[four]] end end)" \
		-- "$TARGETS/calc_pie" 2>&1 | head -n 5'
	expect_stdout 'one
two 1
calc(1, 2) = 3
two 2
threeptracehook: (command line):2: four'
}

test_what_a_spawned_program_prints_stands_behind_what_was_printed() {
	run bash -c '"$PTRACEHOOK" -e "io.write [[one ]] spawn{[[echo]], [[two]]}:run() io.write [[three ]]
		spawn{[[echo]], [[four]]}:run() print [[five]]" | cat'
	expect_stdout 'one two
three four
five'
}

test_output_goes_to_a_file() {
	run "$PTRACEHOOK" -o out -e 'print("print", 1) io.write("io.write\n") io.stdout:write("io.stdout\n")
		io.stderr:write("io.stderr\n") bp("calc", function() print("hook") end)' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 3'
	expect_stderr io.stderr
	[ "$(cat out)" = $'print\t1\nio.write\nio.stdout\nhook' ] || fail "out has: $(cat out)"
	# Anew each time.
	run "$PTRACEHOOK" -o out -e 'print "again"'
	[ "$(cat out)" = again ] || fail "out has: $(cat out)"
}

test_output_in_a_file_is_whole_however_it_ends() {
	run "$PTRACEHOOK" -o out -e 'io.write "text" os.exit(3)' -- "$TARGETS/calc_pie"
	expect_status 3
	[ "$(cat out)" = text ] || fail "os.exit: out has: $(cat out)"
	run "$PTRACEHOOK" -o out -e 'io.write "text" error "wrong"'
	expect_status 1
	[ "$(cat out)" = text ] || fail "error: out has: $(cat out)"
	run "$PTRACEHOOK" -o out -e 'bp("calc", function() io.write "text" return KILL end)' -- "$TARGETS/calc_pie"
	expect_status 137
	[ "$(cat out)" = text ] || fail "KILL: out has: $(cat out)"
}

test_output_to_a_full_disk_is_an_error() {
	run "$PTRACEHOOK" -o /dev/full -e 'print "text"'
	expect_status 1
	expect_complaint '^ptracehook: .*No space left on device'
	run "$PTRACEHOOK" -e 'print "text"' >/dev/full
	run bash -c '"$PTRACEHOOK" -e "print [[text]]" >/dev/full'
	expect_status 1
	expect_stderr_like '^ptracehook: .*No space left on device'
}

test_the_target_inherits_no_descriptors_of_ours() {
	run "$PTRACEHOOK" -o out -e 'io.open("/dev/null") bp(regs.rip, function() end) -- and the engine has its own' -- \
		ls /proc/self/fd 5>&-
	expect_status 0
	# ls itself opens the folder as the lowest one that is free. The harness keeps one open from 10 on.
	[ "$(awk '$1 < 10' stdout | tr '\n' ' ')" = '0 1 2 3 ' ] || fail "descriptors of the target: $(tr '\n' ' ' <stdout)"
	run ls /proc/self/fd
	mv stdout bare
	run "$PTRACEHOOK" -o out -e '' -- ls /proc/self/fd
	check "the same as without us" cmp bare stdout
}

# ---- Nobody reads

# Bounded by the harness's time limit: a script that goes on for ever fails.
floods() {
	local script
	for script; do
		printf '%s\n' "$script" >script.lua
		piped '"$PTRACEHOOK" script.lua | head -n 1'
		expect_status 1
		expect_stdout_like .
		head -n 1 stderr | grep -Eq 'cannot write standard output: Broken pipe$' ||
			fail "the first line of stderr does not say that standard output is broken"
		[ "$(grep -c '^ptracehook: ' stderr)" = 1 ] || fail "more than one complaint"
	done
}

test_a_script_that_floods_a_closed_output_by_print_ends() {
	floods 'while true do print "x" end' 'while true do print("x", 1) end' \
		'local n = 0 while true do n = n + 1 print(n) end' 'while true do print(("x"):rep(5000)) end' \
		'jit.off() while true do print "x" end'
}

test_a_script_that_floods_a_closed_output_by_io_write_ends() {
	floods 'while true do io.write("x\n") end' 'jit.off() while true do io.write("x\n") end'
}

test_a_script_that_floods_a_closed_output_by_a_files_write_ends() {
	floods 'while true do io.stdout:write("x\n", 1) end' 'jit.off() while true do io.stdout:write("x\n", 1) end'
}

test_a_hook_that_floods_a_closed_output_ends_the_run() {
	piped '"$PTRACEHOOK" -e "bp([[tick]], function() print [[hook]] end)" -- "$TARGETS/busy" | head -n 1'
	expect_status 1
	expect_stderr_like '^ptracehook: .*cannot write standard output: Broken pipe$'
}

test_an_attached_target_survives_a_script_that_floods_a_closed_output() {
	start_target busy 3
	run bash -c '"$PTRACEHOOK" -p "$1" -e "bp([[tick]], function() print [[hook]] end)" | head -n 1
		exit "${PIPESTATUS[0]}"' bash "$target"
	expect_status 1
	expect_stderr_like '^ptracehook: .*cannot write standard output: Broken pipe$'
	expect_unharmed
	expect_busy_goes_on
}

test_a_target_that_floods_a_closed_output_gets_its_sigpipe() {
	piped '"$PTRACEHOOK" -e "" -- "$TARGETS/spammer" sigpipe | head -n 1'
	expect_status 141
	expect_stdout 'line 1'
	expect_stderr ''
	piped '"$PTRACEHOOK" -e "bp([[spam]], function() end)" -- "$TARGETS/spammer" sigpipe | head -n 1'
	expect_status 141
	piped '"$PTRACEHOOK" -e "" -- "$TARGETS/spammer" | head -n 1'
	expect_status 0
	expect_stderr EPIPE
}

test_an_ignored_sigpipe_stays_ignored_in_the_target() {
	piped '(trap "" PIPE; exec "$PTRACEHOOK" -e "" -- "$TARGETS/spammer" sigpipe) | head -n 1'
	expect_status 0
	expect_stderr EPIPE
}

test_the_target_ignores_what_our_caller_did() {
	local look=(/bin/grep SigIgn: /proc/self/status)
	for chunk in '' 'spawn { "/bin/grep", "SigIgn:", "/proc/self/status" }:run()'; do
		[ -z "$chunk" ] || look=()
		run env --ignore-signal=USR2 --ignore-signal=RTMIN+6 "$PTRACEHOOK" -e "$chunk" ${look:+-- "${look[@]}"}
		expect_status 0
		expect_stdout 'SigIgn:	0000008000000800'
	done
}

test_a_spawned_target_gets_its_sigpipe_too() {
	piped '"$PTRACEHOOK" -e "print(spawn{os.getenv [[TARGETS]] .. [[/spammer]], [[sigpipe]],
		stderr = [[null]]}:run().signal == [[SIGPIPE]] and [[]] or os.exit(9))" 2>&1 | head -n 1'
	expect_status 1
}

test_a_broken_standard_error_changes_nothing() {
	run bash -c '{ "$PTRACEHOOK" -e "for i = 1, 1e5 do io.stderr:write [[x]] end" -- "$TARGETS/exits" code 7
		echo "$?" >status; } 2>&1 >/dev/null | true'
	[ "$(cat status)" = 7 ] || fail "status $(cat status)"
	run bash -c '{ "$PTRACEHOOK" -e "error [[wrong]]" -- "$TARGETS/exits" code 7
		echo "$?" >status; } 2>&1 >/dev/null | true'
	[ "$(cat status)" = 1 ] || fail "status $(cat status)"
}

# ---- Closed ones

test_closed_descriptors_are_no_harm() {
	local closed
	for closed in '<&-' '>&-' '2>&-' '<&- >&-' '>&- 2>&-' '<&- >&- 2>&-'; do
		run bash -c "\"\$PTRACEHOOK\" -e 'print [[chunk]] io.stderr:write [[err]]
			bp([[calc]], function() print(regs.edi) end)' -o out -- \"\$TARGETS/calc_pie\" 1 2 $closed"
		expect_status 0
		[ "$(cat out)" = $'chunk\n1' ] || fail "$closed: out has: $(cat out)"
		run bash -c "\"\$PTRACEHOOK\" -e 'print [[chunk]] bp([[calc]], function() print(regs.edi) end)' -- \
			\"\$TARGETS/exits\" code 7 $closed"
		expect_status 7
		run bash -c "\"\$PTRACEHOOK\" -e 'error [[wrong]]' -- \"\$TARGETS/exits\" code 7 $closed"
		expect_status 1
		run bash -c "\"\$PTRACEHOOK\" -e '' -- no-such-program $closed"
		expect_status 127
		run bash -c "\"\$PTRACEHOOK\" -x $closed"
		expect_status 2
		run bash -c "\"\$PTRACEHOOK\" -V $closed"
		expect_status 0
	done
}

test_a_closed_descriptor_is_not_replaced_by_one_of_ours() {
	local closed
	for closed in '<&-' '2>&-' '<&- 2>&-'; do
		run bash -c "\"\$PTRACEHOOK\" -o out -e 'bp(regs.rip, function() end)' -- \
			readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 </dev/null $closed"
		[ "$(grep -vc -e '^/dev/null$' -e '/stdout$' -e '/stderr$' stdout)" = 0 ] || fail "$closed: $(cat stdout)"
	done
}

test_a_script_cannot_close_what_it_did_not_open() {
	run "$PTRACEHOOK" -e 'io.stdout:close() io.close() print "still there"' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout $'still there\ncalc(1, 2) = 3'
	run "$PTRACEHOOK" -e 'io.output("other") print "print" io.write "write" io.close() print "print"' -- \
		"$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout $'print\nprint\ncalc(1, 2) = 3'
	[ "$(cat other)" = write ] || fail "other has: $(cat other)"
}

test_a_script_that_closes_descriptor_1_under_us_is_told() {
	run "$PTRACEHOOK" -e 'local ffi = require "ffi" ffi.cdef "int close(int);" ffi.C.close(1) print "x"' -- \
		"$TARGETS/exits" code 7
	expect_status 1
	expect_stderr_like '^ptracehook: .*cannot write standard output: Bad file descriptor'
}

test_scripts_children_run_beside_a_target() {
	run "$PTRACEHOOK" -e 'bp("calc", function()
			local pipe = io.popen "echo from popen; exit 3"
			print(pipe:read "*l") print(pipe:close())
			os.execute "echo from execute"
		end)' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^from popen$'
	expect_stdout_like '^from execute$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
	expect_stderr ''
}

test_output_that_a_snapshot_opens_again_goes_on_where_it_is() {
	{
		echo before
		"$PTRACEHOOK" -e 'run_to "main" local snap = snapshot() call("close", 1) snap:restore() run()' -- "$TARGETS/calc_pie" 1 2
	} >all
	[ "$(cat all)" = $'before\ncalc(1, 2) = 3' ] || fail "all has: $(cat all)"
}

e2e_main "$@"
