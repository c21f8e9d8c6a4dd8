#!/bin/bash
# Our strace beside the machine's: line by line, on real command lines.
#
# What differs, and why:
#   - getppid, getpgrp and their like see another tracer, sysinfo, statfs and /proc/self/maps another moment, bind and
#     accept another port: normal() masks them
#   - between which of a thread's calls a signal comes is chance, for both (tests/lib/calls.lua)
#   - how often threads find a lock taken is chance: tests of threads leave futex out
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
	sed -E -e 's/^([0-9]+ +(getppid|getpgrp|getpgid|getsid)\(.*= )[0-9]+$/\1N/' -e 's/(sysinfo\().*(\) +=)/\1\2/' \
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
test_bash_loop() { same -- bash -c 'for i in 1 2 3; do echo $i >>out; done; read -r a <out; echo "$a" $(cat f)'; }
test_bash_background() { same -- bash -c 'cat f >one & cat d/e/g >two & wait; exit 3'; }
test_dash_trap() { same -- dash -c 'trap "echo caught" USR1; kill -USR1 $$; kill -TERM $$'; }
test_python() { same -- /usr/bin/python3 -c 'import json, os; print(json.dumps({"cwd": os.getcwd()}))'; }
test_python_threads() {
	same -e 'trace=!futex' -- /usr/bin/python3 -c 'import threading
for _ in range(3):
	t = threading.Thread(target=open, args=("f",)); t.start(); t.join()'
}
test_python_subprocess() { same -- /usr/bin/python3 -c 'import subprocess; print(subprocess.run(["cat", "f"]).returncode)'; }
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

e2e_main "$@"
