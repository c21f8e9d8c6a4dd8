#!/bin/bash
# The scripts that change what programs see of the system: redirect, faults, signals.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

redirect=$TOP/scripts/redirect.lua faults=$TOP/scripts/faults.lua signals=$TOP/scripts/signals.lua

# wrong_usage SCRIPT REGEX ARG...: the script's own usage: status 2, one line.
wrong_usage() {
	run "$PTRACEHOOK" "$1" "${@:3}"
	expect_status 2
	expect_complaint "^$(basename "$1" .lua): $2; usage: ptracehook $(basename "$1" .lua) "
	expect_stdout ''
}

files() {
	echo one >one
	echo another >another
	mkdir -p d/e
	echo inside >d/e/f
}

# ---- redirect

test_redirect_shows_another_file() {
	run "$PTRACEHOOK" "$redirect" /etc/passwd=/etc/hostname -- cat /etc/passwd
	expect_status 0
	expect_stdout "$(cat /etc/hostname)"
	expect_stderr ''
}

test_redirect_under_each_way_of_the_kernel() {
	local way
	files
	for way in regs get set; do
		run "$PTRACEHOOK" -e "policy { syscall_info = '$way' }" "$redirect" one=another -- cat one
		[[ $way != set || $status != 1 ]] || grep -q 'syscall_info' stderr || fail "no word of $way"
		[[ $way = set && $status = 1 ]] || expect_stdout another
	done
}

test_redirect_knows_relative_and_absolute_names() {
	files
	run "$PTRACEHOOK" "$redirect" -v "$PWD/one=another" -- cat one ./one "$PWD/one"
	expect_status 0
	expect_stdout $'another\nanother\nanother'
	[ "$(grep -c '^redirect: openat .*one -> another$' stderr)" = 3 ] || fail "not three remarks"
	run "$PTRACEHOOK" "$redirect" "$PWD/d/e/f=$PWD/one" -- /usr/bin/python3 -c '
import os
fd = os.open("d", os.O_RDONLY)
print(open(os.open("e/f", os.O_RDONLY, dir_fd=fd)).read(), end="")'
	expect_stdout one
}

test_redirect_takes_folders_and_several_rules() {
	files
	run "$PTRACEHOOK" "$redirect" /nowhere/=d/ one=another -- cat /nowhere/e/f one
	expect_status 0
	expect_stdout $'inside\nanother'
}

test_redirect_of_every_call_with_a_path() {
	files
	run "$PTRACEHOOK" "$redirect" /nowhere=one -- sh -c 'test -e /nowhere; echo $?; cat /nowhere'
	expect_stdout_like '^1$'
	run "$PTRACEHOOK" "$redirect" -a "/nowhere=$PWD/one" -- sh -c 'test -e /nowhere; echo $?; exec rm /nowhere'
	expect_status 0
	expect_stdout 0
	[ ! -e one ] || fail "the redirected file is still there"
}

test_redirect_follows_children_with_f() {
	files
	run "$PTRACEHOOK" -f "$redirect" one=another -- sh -c 'cat one; cat <one; cat $(echo one)'
	expect_stdout $'another\nanother\nanother'
	run "$PTRACEHOOK" "$redirect" one=another -- sh -c 'cat one; cat <one; true'
	expect_status 0
	expect_stdout_like '^one$'
}

test_redirect_to_a_longer_name_leaves_the_program_s_own_text_alone() {
	local long=d
	files
	for _ in 1 2 3 4 5 6 7 8; do long+=/.///////////////////////////////////////////////////////////; done
	run "$PTRACEHOOK" "$redirect" "x=$long/e/f" -- /usr/bin/python3 -c '
name = "x"
print(open(name).read(), end="")
print(name, open(name).name)'
	expect_status 0
	expect_stdout $'inside\nx x'
}

test_redirect_attached() {
	files
	mkfifo pipe
	exec 6<>pipe
	start sh -c 'while read -r name <&6; do read -r line <"$name"; done'
	target=$started
	launch "$PTRACEHOOK" -p "$target" "$redirect" -v "$PWD/one=another"
	wait_until sh -c "echo '$PWD/one' >&6; grep '^redirect: openat' stderr"
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_unharmed
}

test_redirect_names_wrong_arguments() {
	wrong_usage "$redirect" 'no path named' -- true
	wrong_usage "$redirect" 'no program named' a=b
	wrong_usage "$redirect" 'a: PATH=OTHER expected' a -- true
	wrong_usage "$redirect" 'a=: PATH=OTHER expected' a= -- true
	wrong_usage "$redirect" '=b: PATH=OTHER expected' =b -- true
	wrong_usage "$redirect" 'there is no option -x' -x a=b -- true
}

# ---- faults

test_faults_fail_a_call() {
	run "$PTRACEHOOK" "$faults" write@1=ENOSPC -- /bin/echo hello
	expect_status 1
	expect_stderr_like '^faults: write #1 of thread [0-9]+ fails: ENOSPC$'
	expect_stderr_like '^/bin/echo: write error: No space left on device$'
	expect_stdout ''
}

test_faults_fail_the_nth_call() {
	files
	local n
	for n in 1 2 3; do
		run "$PTRACEHOOK" "$faults" "openat@$n=EACCES" -- env -i LC_ALL=C cat one
		[ "$(grep -c "^faults: openat #$n of" stderr)" = 1 ] || fail "not one remark about #$n"
	done
	cat >count.py <<-'END'
		import os
		for i in range(1, 5):
		    try: os.write(1, b"%d\n" % i)
		    except OSError: pass
	END
	run "$PTRACEHOOK" "$faults" -q write@2..3=EIO -- /usr/bin/python3 count.py
	expect_stdout $'1\n4'
	expect_stderr_unlike '^faults:'
	run "$PTRACEHOOK" "$faults" -q write@2+2=EIO -- /usr/bin/python3 count.py
	expect_stdout $'1\n3'
}

test_faults_cut_calls_short() {
	files
	run "$PTRACEHOOK" "$faults" write:2 -- dd if=one status=none
	expect_status 0
	expect_stdout one
	expect_stderr_like '^faults: write #1 of thread [0-9]+ is cut from 4 bytes to 2$'
	run "$PTRACEHOOK" "$faults" -q read@1+:0 -- dd if=one status=none
	expect_stdout ''
}

test_faults_delay_calls() {
	local before after
	before=$(date +%s%N)
	run "$PTRACEHOOK" "$faults" 'write~200ms' -- /bin/echo late
	after=$(date +%s%N)
	expect_stdout late
	expect_stderr_like '^faults: write #1 of thread [0-9]+ waits 200ms$'
	[ $((after - before)) -ge 200000000 ] || fail "it took $(((after - before) / 1000000)) ms"
}

test_faults_reach_children_with_f() {
	files
	run "$PTRACEHOOK" -f "$faults" -q openat@40+=EMFILE -- sh -c 'cat one; cat one; cat one; cat one; cat one; cat one; cat one'
	[ "$status" != 0 ] || fail "nothing failed"
}

test_faults_name_wrong_arguments() {
	wrong_usage "$faults" 'no rule given' -- true
	wrong_usage "$faults" 'no program named' write=EIO
	wrong_usage "$faults" 'write: CALL=ERROR, CALL~TIME or CALL:BYTES expected' write -- true
	wrong_usage "$faults" 'EFOO: there is no such error' write=EFOO -- true
	wrong_usage "$faults" 'there is no system call writ; did you mean write\?' writ=EIO -- true
	wrong_usage "$faults" 'write@0=EIO: @N, @N\+, @N\+S or @N..M expected' write@0=EIO -- true
	wrong_usage "$faults" 'soon: a time such as 50ms, 2s or 100us expected' 'write~soon' -- true
	wrong_usage "$faults" 'few: a number of bytes expected' write:few -- true
	wrong_usage "$faults" 'openat: it cannot be cut short, having no size' openat:5 -- true
	wrong_usage "$faults" 'there is no option -x' -x write=EIO -- true
}

# ---- signals

test_signals_shows_what_they_bring() {
	run "$PTRACEHOOK" "$signals" -- sh -c 'kill -USR1 $$'
	expect_status 138
	expect_stdout_like '^[0-9]+ SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_USER, si_pid=[0-9]+, si_uid=[0-9]+\}$'
	expect_stdout_like '^[0-9]+ killed by SIGUSR1$'
	run "$PTRACEHOOK" "$signals" -- "$TARGETS/signals" fault 2
	expect_status 0
	expect_stdout_like '^[0-9]+ SIGSEGV \{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x1000\}$'
	run "$PTRACEHOOK" "$signals" -- "$TARGETS/signals" rt 2
	expect_stdout_like 'si_code=SI_QUEUE, si_pid=[0-9]+, si_uid=[0-9]+, si_int=1000, si_ptr=0x3e8'
	run "$PTRACEHOOK" "$signals" -- sh -c 'true & wait $!'
	expect_stdout_like 'SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=[0-9]+, si_uid=[0-9]+, si_status=0, si_utime=[0-9]+, si_stime=[0-9]+\}'
}

test_signals_come_in_the_order_of_their_delivery() {
	run "$PTRACEHOOK" "$signals" -- /usr/bin/python3 -c '
import os, signal
numbers = [signal.SIGUSR2, signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGHUP]
for n in numbers: signal.signal(n, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for n in numbers: os.kill(os.getpid(), n)
signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)'
	expect_status 0
	[ "$(awk '{ print $2 }' stdout | tr '\n' ' ')" = 'SIGHUP SIGUSR1 SIGUSR2 SIGRTMIN+1 ' ] || fail "another order: $(cat stdout)"
}

test_signals_of_some_kinds_and_none_delivered() {
	run "$PTRACEHOOK" "$signals" -n usr1 12 -- sh -c 'kill -USR1 $$; kill -USR2 $$; kill -WINCH $$; echo lives'
	expect_status 0
	expect_stdout_like '^[0-9]+ SIGUSR1 '
	expect_stdout_like '^[0-9]+ SIGUSR2 '
	expect_stdout_unlike SIGWINCH
	expect_stdout_like '^lives$'
}

test_signals_names_wrong_arguments() {
	wrong_usage "$signals" 'no program named' usr1
	wrong_usage "$signals" 'there is no signal foo' foo -- true
	wrong_usage "$signals" 'there is no signal 99' 99 -- true
	wrong_usage "$signals" 'there is no option -x' -x -- true
}

e2e_main "$@"
