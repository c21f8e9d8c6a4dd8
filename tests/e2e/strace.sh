#!/bin/bash
# Our strace beside the machine's: line by line, on real command lines.
#
# What differs, and why:
#   - getppid, getpgrp and their like see another tracer, sysinfo, statfs and /proc/self/maps another moment, bind and
#     accept another port: normal() masks them
#   - between which of a thread's calls a signal comes is chance, for both (tests/lib/calls.lua)
#   - how often threads find a lock taken is chance, and how much of an arena is cut off for its alignment: tests of
#     threads leave futex and munmap out
#   - netlink messages, requests of devices, and the structures of bpf, perf_event_open, io_uring, keyctl and quotactl
#     are shown as bytes, numbers and addresses, where strace takes them apart: nothing here uses them
#   - calls of a 64-bit program by int 0x80 or x32's numbers: strace says that the program's mode changes, and decodes
#     them by the other table; ours are shown with the arch and raw arguments
#   - whether a shell that reads from $(...) hears of its child's end before it asks is chance: no such line here
#   - random names of temporary files, and random bytes that are read: masked in their test
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=120

strace=$TOP/scripts/strace.lua calls=$TOP/tests/lib/calls.lua
command -v strace >/dev/null || no_strace=1
here=$PWD

# What a command line finds. A test may add to it.
prepare() { :; }

fresh() {
	cd "$here" || exit 1
	rm -rf work && mkdir work && cd work || exit 1
	printf 'b\na\nc\na\n' >f
	mkdir -p d/e
	echo text >d/e/g
	prepare
}

# A test may mask more, as a sed script in $mask.
mask=''
normal() {
	sed -E -e 's/( time\(NULL\) += ).*/\1N/' -e 's/^([0-9]+ +(getppid|getpgrp|getpgid|getsid)\(.*= )[0-9]+$/\1N/' -e 's/(sysinfo\().*(\) +=)/\1\2/' \
		-e 's/f_(bfree|bavail|files|ffree)=[0-9]+/f_\1=N/g' -e 's/(sin6?_port=htons\()[0-9]{4,5}/\1N/g' \
		-e 's/"[0-9a-f]{12}-[^"]*"\.\.\./MAPS/' -e "$mask" "$1"
}

# same [OPTION...] -- PROGRAM [ARG...]: both print the same calls.
same() {
	[ -z "${no_strace-}" ] || skip "no strace"
	local options=() n theirs='' ours=''
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	ran="strace -f ${options[*]} $*" status=different
	here=$PWD
	# More than once: where threads wait for one another, both have more than one answer.
	for n in 1 2 3 4 5 6; do
		(fresh && env -i PATH=/usr/bin:/bin TZ=UTC HOME=/nowhere LC_ALL=C strace -f "${options[@]}" -o ../theirs "$@" </dev/null >../out 2>&1)
		(fresh && env -i PATH=/usr/bin:/bin TZ=UTC HOME=/nowhere LC_ALL=C "$PTRACEHOOK" "$strace" -f "${options[@]}" -o ../ours -- "$@" \
			</dev/null >../out 2>&1)
		[ -s ours ] || fail "nothing was traced" "$(cat out)"
		normal theirs >"theirs.$n"
		normal ours >"ours.$n"
		theirs+=,theirs.$n ours+=,ours.$n
		! luajit "$calls" compare "$theirs" "$ours" >difference || return 0
	done
	fail "$(cat difference)"
}

test_a_program_that_makes_every_kind_of_call() { same -- "$TARGETS/allcalls"; }
test_a_program_that_makes_every_kind_of_call_with_paths() {
	mask='s|work/#[0-9]+>|work/#N>|' # a file without a name shows its inode number
	same -y -- "$TARGETS/allcalls"
}
test_a_program_that_makes_every_kind_of_call_with_long_strings() { same -s 200 -- "$TARGETS/allcalls"; }
test_ls() { same -- ls -la; }
test_ls_with_paths() { same -y -- ls -laR .; }
test_cat() { same -- cat f; }
test_bash_pipeline() { same -- bash -c 'sort f | uniq | wc -l'; }
test_bash_loop() { same -- bash -c 'for i in 1 2 3; do echo $i >>out; done; read -r a <out; echo "$a"; (exit 4); echo $?'; }
test_bash_background() { same -- bash -c 'cat f >one & cat d/e/g >two & wait; exit 3'; }
test_a_script() {
	prepare() { printf '#!/usr/bin/env -S dash -e\necho "$0" "$@"\n' >s && chmod +x s; }
	mask='s/^([0-9]+ +execve\("\.\/s", \[)"[^"]*"/\1ARGV0/' # what it was called by is lost when it starts
	same -- ./s one two
}
test_dash_trap() { same -- dash -c 'trap "echo caught" USR1; kill -USR1 $$; kill -TERM $$'; }
test_python() { same -- /usr/bin/python3 -c 'import json, os; print(json.dumps({"cwd": os.getcwd()}))'; }
test_python_threads() {
	# All stay until the last is born: join() returns before a thread is gone, and whether the next one gets its stack
	# would be a matter of luck.
	same -e 'trace=!futex,munmap' -- /usr/bin/python3 -c 'import threading
go = threading.Event()
def work(opened): open("f").close(); opened.set(); go.wait()
threads = []
for _ in range(3):
	opened = threading.Event()
	threads.append(threading.Thread(target=work, args=(opened,))); threads[-1].start(); opened.wait()
go.set()
for t in threads: t.join()'
}
test_python_subprocess() { same -- /usr/bin/python3 -c 'import subprocess; print(subprocess.run(["cat", "f"]).returncode)'; }
test_exec_from_a_thread() { same -e trace=execve,exit_group,clone,clone3,write -- "$TARGETS/execer" thread 2; }
test_find() { same -- find . -type f -name 'g*'; }
test_grep() { same -- grep -rn text .; }
test_tar() { same -- tar -cf /dev/null f d; }
test_sed() { same -- sed -n 's/a/b/p' f; }
test_awk() { same -- awk '{ n += length($0) } END { print n }' f; }
test_perl() {
	mask='s/(read\([0-9], )".*(, 4\) += 4$)/\1RANDOM\2/' # from /dev/urandom
	same -- perl -e 'opendir my $d, "."; print scalar readdir $d; printf "%s\n", join ",", sort map { -s $_ } glob "*"'
}
test_make() {
	prepare() { printf 'all: f\n\tcat f\n\t@echo done\n' >Makefile; }
	same -- make
}
test_gcc() {
	prepare() { echo 'int main(void) { return 0; }' >m.c; }
	mask='s|/tmp/cc[A-Za-z0-9]{6}|/tmp/ccXXXXXX|g' # names of temporary files
	same -e trace=%file,%process,close -- gcc -c m.c -o m.o
}
test_cp_mv_ln_rm() { same -- sh -c 'cp f f2; mv f2 f3; ln f3 f4; ln -s f4 f5; rm -r f3 f4 f5 d; ls'; }
test_dd() { same -- dd if=/dev/zero of=z bs=4096 count=3 status=none; }
test_stat_df_id() { same -- sh -c 'stat f; df . >/dev/null; id; uname -a'; }
test_xargs() { same -- sh -c 'echo f d/e/g | xargs -n 1 cat'; }
test_sqlite3() {
	prepare() { sqlite3 t.db 'create table t (a, b); insert into t values (1, "x"), (2, "y")'; }
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	same -- sqlite3 t.db 'select a + 1, b from t order by b'
}
test_git_status() {
	command -v git >/dev/null || skip "no git"
	prepare() { git init -q . && git add f && GIT_COMMITTER_DATE=2000-01-01T00:00:00Z git -c user.name=n -c user.email=e commit -qm m --date=2000-01-01T00:00:00Z; }
	export HOME=/nowhere
	same -- git log --oneline --stat
}
test_git_init() {
	command -v git >/dev/null || skip "no git"
	mask='s|\.git/t[A-Za-z0-9]{6}"|.git/tXXXXXX"|g' # a probe for symbolic links has a random name
	same -- git init -q repo
}
test_timeout_kills() { same -- timeout -s KILL 0.2 sleep 5; }
test_terminal() { same -e trace=ioctl,%file,%process -- script -qc 'stty -a; stty raw; tty' /dev/null; }

# serve: a server that answers every request alike, at $port until the test ends.
serve() {
	start /usr/bin/python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
	c = s.accept()[0]
	data = b""
	while b"\r\n\r\n" not in data: data += c.recv(4096)
	c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	c.close()'
	wait_until grep -q . stdout
	port=$(cat stdout)
}

test_curl() {
	command -v curl >/dev/null || skip "no curl"
	serve
	same -e trace=%net,%file,close -- curl -s "http://127.0.0.1:$port/x"
}

test_wget() {
	command -v wget >/dev/null || skip "no wget"
	serve
	same -e trace=%net,%file,close,read,write -- wget -q -O - "http://127.0.0.1:$port/x"
}

# Four servers answer four clients, all of them threads under the tracer. They share their descriptors, so the numbers
# are chance.
test_a_threaded_server_under_load() {
	mask='/clone3/!{ s/^([0-9]+ +(<\.\.\. )?[a-z0-9]+)\([0-9]+/\1(N/; s/= [0-9]+$/= N/ }'
	same -e trace=%net,close,clone3 -- /usr/bin/python3 -c '
import socket, threading
def serve(s):
	for _ in range(100):
		c = s.accept()[0]; c.recv(100); c.sendall(b"answer"); c.close()
def ask(s):
	for _ in range(100):
		c = socket.socket(); c.connect(s.getsockname()); c.sendall(b"question"); c.recv(100); c.close()
servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
threads = [threading.Thread(target=f, args=(s,)) for s in servers for f in (serve, ask)]
for t in threads: t.start()
for t in threads: t.join()'
}


# ---- Fault injection: what the program makes of it, and what is printed, is the same

# same_injected SET:… -- PROGRAM [ARG...]: with -e inject=, traced calls of that SET alone.
same_injected() {
	[ -z "${no_strace-}" ] || skip "no strace"
	local inject=$1 traced=${1%%:*} status1=0 status2=0
	shift 2
	ran="inject=$inject $*" status=different
	here=$PWD
	(fresh && exec env -i PATH=/usr/bin:/bin LC_ALL=C strace -f -o ../theirs -e "trace=$traced,clone,vfork" -e "inject=$inject" "$@" \
		</dev/null >../out1 2>&1) || status1=$?
	(fresh && exec env -i PATH=/usr/bin:/bin LC_ALL=C "$PTRACEHOOK" "$strace" -f -o ../ours -e "trace=$traced,clone,vfork" \
		-e "inject=$inject" -- "$@" </dev/null >../out2 2>&1) || status2=$?
	[ "$status1" = "$status2" ] || fail "status $status1 under strace, $status2 under ours" "$(cat out1)" "$(cat out2)"
	cmp out1 out2 || fail "under strace it prints:" "$(cat out1)" "and under ours:" "$(cat out2)"
	grep -Eq 'INJECTED|DELAYED' theirs || fail "nothing was injected" "$(cat theirs)"
	normal theirs >theirs.n
	normal ours >ours.n
	luajit "$calls" compare theirs.n ours.n >difference || fail "$(cat difference)"
}

test_inject_error_into_the_third_open() { same_injected openat:error=ENOENT:when=3 -- cat f; }
test_inject_error_into_every_open_from_the_third() { same_injected openat:error=EACCES:when=3+ -- cat f f; }
test_inject_error_into_every_second_read() { same_injected read:error=EINTR:when=2+2 -- dash -c 'while read -r l; do echo "$l"; done <f'; }
test_inject_error_into_a_range() { same_injected close:error=EIO:when=2..4 -- cat f; }
test_inject_enosys_by_default() { same_injected getrandom:error=ENOSYS -- ls; }
test_inject_write_error() { same_injected write:error=ENOSPC -- sh -c 'echo one; echo two'; }
test_inject_result() { same_injected getppid:retval=4242 -- sh -c 'echo $PPID'; }
test_inject_results_that_are_wrong() { same_injected getuid,geteuid,getgid,getegid:retval=7 -- id; }
test_inject_short_results() { same_injected write:retval=1:when=1 -- dd if=f status=none; }
test_inject_large_result() { same_injected mmap:error=ENOMEM:when=4 -- cat f; }
# The child lives until the shell has gone: its end comes neither before nor after the call by chance.
test_inject_into_children() {
	prepare() { mkfifo p; }
	same_injected wait4:error=ECHILD:when=1 -- sh -c 'exec 3<>p; cat <p 3>&-; echo $?'
}
test_inject_fork_error() { same_injected vfork:error=EAGAIN -- dash -c 'cat f; echo $?'; }
test_inject_delay() { same_injected openat:delay_enter=20000:when=2 -- cat f; }
test_inject_error_and_delay() { same_injected openat:error=EPERM:delay_exit=10000:when=3 -- cat f; }
test_inject_exec_error() { same_injected execve:error=E2BIG:when=1 -- dash -c 'exec cat f'; }

# A signal that is injected is the kernel's for strace, and ours by tgkill or the like: its siginfo differs.
test_inject_signal() {
	[ -z "${no_strace-}" ] || skip "no strace"
	local words
	for words in getppid:signal=USR1 getppid:signal=TERM:retval=5; do
		run strace -e trace=getppid -e signal=none -e "inject=$words" dash -c 'echo "$PPID"; echo lives'
		cp stdout theirs.out
		theirs=$status
		run "$PTRACEHOOK" "$strace" -e trace=getppid -e signal=none -e "inject=$words" -- dash -c 'echo "$PPID"; echo lives'
		expect_status "$theirs"
		check "the same is printed" cmp stdout theirs.out
	done
}

# ---- Classes and options

# To strace, a call whose number nobody knows is in every class.
test_classes_mean_the_same_calls() {
	local class
	mask='/syscall_0x/d'
	for class in file desc memory process signal network ipc clock creds fstat statfs; do
		same -e "trace=%$class,clone,vfork" -- "$TARGETS/allcalls"
	done
}

test_negated_list() { same -e 'trace=!mmap,read,%file' -- cat f; }
test_some_signals() { same -e trace=none -e signal=USR1 -- dash -c 'trap : USR1 USR2; kill -USR1 $$; kill -USR2 $$'; }

# The lines alike, but for numbers.
shape() { sed -E 's/[0-9]+/N/g; s/N\.N/N/g; s/ +/ /g' "$1"; }

test_times_of_day_and_of_calls_have_strace_s_form() {
	[ -z "${no_strace-}" ] || skip "no strace"
	local option
	for option in -t -tt -ttt -r -T '-t -T' -a12; do
		# shellcheck disable=SC2086 # words
		run strace $option -o theirs -e trace=openat,close true
		# shellcheck disable=SC2086
		run "$PTRACEHOOK" "$strace" $option -o ours -e trace=openat,close -- true
		expect_status 0
		shape theirs >one
		shape ours >two
		check "$option looks alike: $(diff one two | head -n 4)" cmp one two
	done
}

test_summary_has_strace_s_form() {
	[ -z "${no_strace-}" ] || skip "no strace"
	run strace -c -o theirs cat "$strace"
	run "$PTRACEHOOK" "$strace" -c -o ours -- cat "$strace"
	expect_status 0
	# Calls and errors by name; the time that is measured is another (theirs the system's, ours the clock's).
	awk 'NR > 2 && $1 ~ /^[0-9.]+$/ { print $NF, $4, NF == 6 ? $5 : 0 }' theirs | sort >one
	awk 'NR > 2 && $1 ~ /^[0-9.]+$/ { print $NF, $4, NF == 6 ? $5 : 0 }' ours | sort >two
	check "the counts are the same: $(diff one two)" cmp one two
	check "the heads are the same" cmp <(head -n 2 theirs) <(head -n 2 ours)
	run "$PTRACEHOOK" "$strace" -C -e trace=close -- true
	expect_stderr_like '^close\(3\) += 0$'
	expect_stderr_like '^100.00 .* total$'
}

# Which names functions have depends on the debug files that each of them reads; where they are does not.
test_stacks_below_calls() {
	[ -z "${no_strace-}" ] || skip "no strace"
	run strace -k -e trace=write -o theirs /bin/echo hello
	run "$PTRACEHOOK" "$strace" -k -e trace=write -o ours -- /bin/echo hello
	expect_status 0
	sed 's/([^)]*)//' theirs >one
	sed 's/([^)]*)//' ours >two
	check "the stacks are the same: $(diff theirs ours)" cmp one two
	grep -Eq '^ > /.*libc\.so\.6\(.*write\+0x[0-9a-f]+\) \[0x[0-9a-f]+\]$' ours || fail "$(cat ours)"
}

test_threads_are_named_on_standard_error() {
	run "$PTRACEHOOK" "$strace" -f -e trace=exit_group -- sh -c 'true & wait; sh -c "exit 3"'
	expect_status 3
	expect_stderr_like '^\[pid +[0-9]+\] exit_group\(0\) += \?$'
	expect_stderr_like '^\+\+\+ exited with 3 \+\+\+$'
}

test_without_f_children_are_not_there() {
	run "$PTRACEHOOK" "$strace" -e trace=openat,execve -- sh -c 'cat /etc/hostname >out; exit 4'
	expect_status 4
	expect_stderr_unlike 'hostname".*O_RDONLY\)'
	expect_stderr_unlike '/cat"'
	[ -s out ] || fail "the child has written nothing"
}

test_attached() {
	start_target busy 3
	launch "$PTRACEHOOK" "$strace" -p "$target" -e trace=write
	wait_until sh -c "kill -USR2 $target; grep -Eq '^(\[pid +[0-9]+\] )?write\(1, \"counter' stderr"
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_unharmed
	expect_busy_goes_on
}

test_attached_to_several_threads_lines_say_whose_they_are() {
	start_target busy 3
	launch "$PTRACEHOOK" "$strace" -p "$target" -e trace=write
	wait_until sh -c "kill -USR2 $target; grep -Eq '^\[pid +[0-9]+\] write\(1, \"counter' stderr"
	kill -INT "$started"
	wait_started
	expect_unharmed
}

test_interrupted_it_ends_its_line_and_prints_its_counts() {
	mkfifo pipe
	exec 6<>pipe
	start sh -c 'read -r line <&6'
	target=$started
	wait_until in_call "$target" 0 # read
	launch "$PTRACEHOOK" "$strace" -C -p "$target"
	wait_for_line '^read\(' stderr
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_stderr_like '^read\(0,  <unfinished \.\.\.> <detached \.\.\.>$|^read\(0,  <detached \.\.\.>$'
	expect_stderr_like '^100\.00 .* total$'
	expect_unharmed
}

test_a_call_that_blocks_is_seen_in_the_file() {
	mkfifo pipe
	exec 6<>pipe
	start sh -c 'read -r line <&6; exit 3'
	target=$started
	wait_until in_call "$target" 0 # read
	launch "$PTRACEHOOK" "$strace" -o out -p "$target"
	wait_for_line '^read\(0, $' out
	echo >&6
	wait_started
	grep -Eq '^\+\+\+ exited with 3 \+\+\+$' out || fail "$(cat out)"
}

test_a_script_s_variables_are_not_in_its_way() {
	run "$PTRACEHOOK" -e 'mem, regs, E, SYS, on, threads, thread = 1, 2, 3, 4, 5, 6, 7' \
		-e 'require("trace").start { calls = "write,access,execve" }:started()' -- /bin/echo hello
	expect_status 0
	expect_stderr_like '^execve\("/bin/echo", \["/bin/echo", "hello"\], '
	expect_stderr_like '^access\(.* = -1 ENOENT \(No such file or directory\)$'
}

test_nothing_of_trace_is_loaded_unless_asked_for() {
	run "$PTRACEHOOK" -e 'for name in pairs(package.loaded) do assert(not name:find "^trace", name) end' -- true
	expect_status 0
}

# in_call PID NUMBER: its main thread is blocked in that system call.
in_call() { [ "$(awk '{ print $1 }' "/proc/$1/syscall")" = "$2" ]; }

test_attached_in_the_middle_of_a_call() {
	mkfifo pipe
	start sh -c 'read -r line <pipe; exit 3'
	target=$started
	exec 6<>pipe
	wait_until in_call "$target" 0 # read
	launch "$PTRACEHOOK" "$strace" -p "$target"
	wait_for_line '^read\(0, $|^read\(0, ' stderr
	echo hello >&6
	wait_started
	expect_status 0
	expect_stderr_like '^read\(0, "h", 1\) += 1$'
	expect_stderr_like '^\+\+\+ exited with 3 \+\+\+$'
}

# ---- Bad input

# wrong REGEX ARG...: strace's usage in one line, status 2.
wrong() {
	run "$PTRACEHOOK" "$strace" "${@:2}"
	expect_status 2
	expect_complaint "^strace: $1; usage: ptracehook strace "
	expect_stdout ''
}

test_wrong_arguments_are_one_line() {
	wrong 'no program named'
	wrong 'there is no option -x' -x -- true
	wrong 'there is no option -x' -fx -- true
	wrong "'true': PROGRAM stands behind --" true
	wrong '-s: a whole number expected, got .x.' -s x -- true
	wrong '-s: a value expected' -s
	wrong '-p: a whole number expected, got .-1.' -p -1
	wrong '-p and a program' -p 1 -- true
	wrong 'there is no system call opanat; did you mean openat\?' -e opanat -- true
	wrong 'there is no system call opanat; did you mean openat\?' -e trace=read,opanat -- true
	wrong 'there is no class %nett; there are .*%network.*' -e %nett -- true
	wrong 'there is no system call number 99999' -e 99999 -- true
	wrong 'no system call named' -e trace= -- true
	wrong 'there is no signal FOO' -e signal=FOO -- true
	wrong '-e fun=: there are trace, signal, inject and fault' -e fun=1 -- true
	wrong 'close: it does not say what happens: .*' -e inject=close -- true
	wrong 'error=EFOO: an error such as ENOENT, .*' -e inject=close:error=EFOO -- true
	wrong 'when=0: FIRST, .*' -e inject=close:error=EIO:when=0 -- true
	wrong 'there is no system call klose; did you mean close\?' -e fault=klose -- true
	run "$PTRACEHOOK" "$strace" -p 4194300
	expect_status 3
	expect_complaint '^strace: .*4194300'
	run "$PTRACEHOOK" "$strace" -o /nowhere/file -- true
	expect_status 1
	expect_complaint '^strace: cannot write /nowhere/file: No such file'
}

e2e_main "$@"
