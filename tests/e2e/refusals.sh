#!/bin/bash
# What cannot be traced (3), cannot be executed (126) or is not there (127): one line that says why, no harm done.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# refused REGEX [PTRACEHOOK-ARG...]: status 3, one line.
refused() {
	run "$PTRACEHOOK" -e 'print "never"' "${@:2}"
	expect_status 3
	expect_complaint "^ptracehook: $1"
	expect_stdout ''
}

# not_run STATUS REGEX PROGRAM [ARG...]
not_run() {
	run "$PTRACEHOOK" -e 'print "never"' -- "${@:3}"
	expect_status "$1"
	expect_complaint "^ptracehook: $2"
	expect_stdout ''
}

# ---- 3

test_no_such_process() {
	start true
	wait_started
	refused "attach: no process has the id $started; ps -e lists them" -p "$started"
	refused 'attach: no process has the id 2147483647' -p 2147483647
}

test_ourselves() {
	run bash -c 'exec "$PTRACEHOOK" -p $$ -e ""'
	expect_status 3
	expect_complaint '^ptracehook: attach: process [0-9]+ is ptracehook itself; name another one'
}

test_a_zombie() {
	launch_with_input "$TARGETS/zombie"
	wait_for_line '^zombie'
	local pid
	pid=$(sed -n 's/^zombie //p' stdout)
	refused "attach: process $pid is a zombie: it has ended, and its parent has not reaped it yet" -p "$pid"
}

test_a_kernel_thread() {
	local pid
	# Flag PF_KTHREAD in /proc/PID/stat.
	pid=$(awk '{ sub(/.*\) /, ""); if (int($7 / 2097152) % 2) { split(FILENAME, part, "/"); print part[3]; exit } }' \
		/proc/[0-9]*/stat 2>/dev/null)
	[ -n "$pid" ] || skip "no kernel threads to be seen here"
	refused "attach: process $pid is a kernel thread, which has no program to trace" -p "$pid"
}

test_traced_by_strace() {
	command -v strace >/dev/null || skip "no strace"
	start_target busy
	local target_pid=$target tracer
	launch strace -o /dev/null -p "$target"
	wait_until [ -e "/proc/$target_pid/status" ]
	wait_until is_traced "$target_pid"
	tracer=$(tracer_of "$target_pid")
	refused "attach: process $target_pid is traced by process $tracer \(strace\) already; end or detach that one first" \
		-p "$target_pid"
	[ "$(tracer_of "$target_pid")" = "$tracer" ] || fail "strace has lost it"
	kill -INT "$tracer"
	wait_started
	expect_unharmed
}

is_traced() { [ "$(tracer_of "$1")" != 0 ]; }

test_traced_by_another_of_us() {
	start_target busy
	launch "$PTRACEHOOK" -p "$target" -e 'bp("tick", function(_, b) if b.hits == 5 then print "ready" end end)'
	wait_for_line ready
	local other=$started
	refused "attach: process $target is traced by process $other \(ptracehook\) already" -p "$target"
	kill -INT "$other"
	wait_started
	expect_status 130
	expect_unharmed
	expect_busy_goes_on
}

test_a_process_of_ours_cannot_be_attached_twice() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'local ok, err = pcall(attach, process.pid) print(ok, err) detach()'
	expect_stdout_like "^false	.*process $target is traced by process [0-9]+ \(ptracehook\) already"
}

test_a_32_bit_program() {
	refused 'trace: .*/hello32 is a 32-bit program; ptracehook traces 64-bit programs only' -- "$TARGETS/hello32"
}

# hello32 with an endless loop at its entry (jmp to itself).
test_a_32_bit_process() {
	cp "$TARGETS/hello32" loop32
	local offset
	offset=$(python3 -c '
import struct
data = open("loop32", "rb").read()
entry, phoff = struct.unpack_from("<II", data, 24)
for i in range(struct.unpack_from("<H", data, 44)[0]):
    kind, off, vaddr, _, size = struct.unpack_from("<IIIII", data, phoff + 32 * i)
    if kind == 1 and vaddr <= entry < vaddr + size:
        print(entry - vaddr + off)')
	printf '\xeb\xfe' | dd of=loop32 bs=1 seek="$offset" conv=notrunc 2>/dev/null
	start ./loop32
	wait_until is_program "$started" "$PWD/loop32"
	refused "trace: process $started runs a 32-bit program; ptracehook traces 64-bit programs only" -p "$started"
	target=$started
	is_alive "$target" || fail "it is gone"
	[ "$(tracer_of "$target")" = 0 ] || fail "still traced"
	wait_until grep -q '^State:.R' "/proc/$target/status"
}

test_a_script_with_a_32_bit_interpreter() {
	printf '#!%s/hello32\n' "$TARGETS" >script
	chmod +x script
	refused 'trace: .*32-bit program' -- ./script
}

test_another_users_process() {
	start_target busy
	as_nobody "$PTRACEHOOK" -V >/dev/null || skip "nobody cannot execute $PTRACEHOOK"
	ran=as_nobody status=0
	as_nobody "$PTRACEHOOK" -p "$target" -e '' >stdout 2>stderr || status=$?
	expect_status 3
	expect_complaint "^ptracehook: attach: process $target (belongs to another user \(uid 0, ours is 65534\)|: kernel\.yama).*root \(sudo\)"
	expect_unharmed
}

test_a_process_that_hides_from_its_own_user() {
	as_nobody "$PTRACEHOOK" -V >/dev/null || skip "nobody cannot execute $PTRACEHOOK"
	# PR_SET_DUMPABLE 0, as ssh-agent does: only CAP_SYS_PTRACE may trace it then (ptrace(2)).
	launch setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all luajit -e '
		local ffi = require "ffi"
		ffi.cdef "int prctl(int, unsigned long); int pause(void);"
		assert(ffi.C.prctl(4, 0) == 0)
		io.write "ready\n" io.flush()
		ffi.C.pause()'
	wait_for_line ready
	target=$started
	mv stdout target.out
	ran=as_nobody status=0
	as_nobody "$PTRACEHOOK" -p "$target" -e '' >stdout 2>stderr || status=$?
	expect_status 3
	expect_complaint "^ptracehook: attach: process $target .*(CAP_SYS_PTRACE|yama).*root \(sudo\)"
	is_alive "$target" || fail "it is gone"
}

test_yama_restricts_attaching_to_children() {
	local scope=/proc/sys/kernel/yama/ptrace_scope
	[ -r $scope ] || skip "this kernel has no Yama"
	[ "$(cat $scope)" = 1 ] || skip "ptrace_scope is $(cat $scope), not 1"
	as_nobody "$PTRACEHOOK" -V >/dev/null || skip "nobody cannot execute $PTRACEHOOK"
	launch setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$TARGETS/busy"
	wait_for_line ready
	target=$started
	ran=as_nobody status=0
	as_nobody "$PTRACEHOOK" -p "$target" -e '' >stdout 2>stderr || status=$?
	expect_status 3
	expect_complaint "^ptracehook: attach: process $target: kernel\.yama\.ptrace_scope is 1"
}

test_what_a_script_attaches_to_itself_is_an_error_in_the_script() {
	run "$PTRACEHOOK" -e 'attach(2147483647)'
	expect_status 1
	expect_stderr_like '^ptracehook: \(command line\):1: attach: no process has the id 2147483647'
	run "$PTRACEHOOK" -e 'local ok, err = pcall(attach, 2147483647) print(ok, err.name, err.errno, err.op)'
	expect_status 0
	expect_stdout $'false\tESRCH\t3\tattach'
}

# ---- 126

test_a_file_without_the_right_to_execute() {
	not_run 126 'execute: .*/notexec: not executable \(permission denied\)' "$TARGETS/notexec"
	mkdir bin
	cp "$TARGETS/notexec" bin/
	PATH=$PWD/bin:$PATH not_run 126 'execute: notexec: found in \$PATH, but not executable' notexec
}

test_a_folder() {
	mkdir folder
	not_run 126 'execute: \./folder: .*' ./folder
	not_run 126 'execute: /: .*' /
}

test_a_program_for_another_machine() {
	not_run 126 'execute: .*/foreign is a program for another machine \((aarch64|AArch64)\)' "$TARGETS/foreign"
}

test_files_that_are_no_programs() {
	local name
	for name in empty noshebang truncated; do
		not_run 126 "execute: .*/$name: " "$TARGETS/$name"
	done
	not_run 126 'execute: .*/noshebang: not a program: neither ELF nor a script that begins with #!' "$TARGETS/noshebang"
}

test_links_in_a_circle() {
	ln -s circle circle
	not_run 126 'execute: \./circle: Too many levels of symbolic links' ./circle
}

# ---- 127

test_no_such_program() {
	not_run 127 'execute: no-such-program: no such program in \$PATH' no-such-program
	not_run 127 'execute: \./no-such-program: no such program' ./no-such-program
	not_run 127 'execute: /no/such/folder/program: no such program' /no/such/folder/program
	not_run 127 'execute: "": ' ''
	ln -s nowhere dangling
	not_run 127 'execute: \./dangling: ' ./dangling
}

test_a_program_of_this_folder_needs_its_dot() {
	cp "$TARGETS/script.sh" own-script
	not_run 127 'execute: own-script: no such program in \$PATH; \./name means one in this folder' own-script
}

test_an_interpreter_that_does_not_exist() {
	not_run 127 'execute: .*/badscript: its interpreter \(after #!, or the dynamic linker\) does not exist' "$TARGETS/badscript"
	printf 'int main(void) { return 0; }\n' >main.c
	gcc -o nolinker main.c -Wl,--dynamic-linker=/no/such/ld.so
	not_run 127 'execute: \./nolinker: its interpreter' ./nolinker
}

# ---- What does run

test_a_script_runs_its_interpreter() {
	run "$PTRACEHOOK" -e 'print(process.path)' -- "$TARGETS/script.sh" one 'two words'
	expect_status 5
	expect_stdout "$(realpath /bin/sh)
script: one two words"
	expect_stderr ''
}

test_a_script_of_a_script_runs_too() {
	printf '#!%s\n' "$TARGETS/script.sh" >outer
	chmod +x outer
	run "$PTRACEHOOK" -e '' -- ./outer one
	expect_status 5
	expect_stdout 'script: ./outer one'
}

test_a_script_that_execs_a_program_is_followed_into_it() {
	printf '#!/bin/sh\nexec "$TARGETS/calc_pie" "$@"\n' >outer
	chmod +x outer
	run "$PTRACEHOOK" -e 'bp("calc", RETURN(42))' -- ./outer 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 42'
	expect_stderr ''
}

test_programs_of_every_linkage_run() {
	local name
	for name in pie nopie static static_pie stripped musl musl_static; do
		[ -e "$TARGETS/calc_$name" ] || continue
		run "$PTRACEHOOK" -e '' -- "$TARGETS/calc_$name"
		expect_status 0
		expect_stdout $'calc(1, 2) = 3\ncalc(4, 5) = 9'
		expect_stderr ''
	done
}

e2e_main "$@"
