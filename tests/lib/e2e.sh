# shellcheck shell=bash
# e2e - end-to-end tests as bash functions. A file in tests/e2e is
#
#	#!/bin/bash
#	. "$(dirname "$0")/../lib/e2e.sh"
#
#	test_status_is_the_targets() {
#		run "$PTRACEHOOK" -e '' -- sh -c 'exit 7'
#		expect_status 7
#		expect_stderr ''
#	}
#
#	e2e_main "$@"
#
# Each function whose name begins with test_ is a test, in the order of the file. It runs in a bash of its own, in an
# empty folder of its own ($PWD), under tests/lib/supervise.lua: after $limit seconds (60; set it at the top of the
# file; three times that in the asan build), on a process left behind or a sanitizer's report it fails. The first
# expectation that does not hold ends it. In the environment: PTRACEHOOK (the program), TARGETS (the built test
# targets), BUILD (asan or release), TOP (the tree), MESON_BUILD (the build folder).
#
# Alone, by hand: tests/run tests/e2e/FILE.sh, or with the environment set: bash tests/e2e/FILE.sh [REGEX].

set -uo pipefail

: "${TOP:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${BUILD:=release}" "${MESON_BUILD:=$TOP/build/$BUILD}"
: "${PTRACEHOOK:=$MESON_BUILD/ptracehook}" "${TARGETS:=$TOP/build/targets}"
export TOP BUILD MESON_BUILD PTRACEHOOK TARGETS
limit=60

# What a test says

# run CMD...: runs it, with the caller's stdin (/dev/null unless redirected); leaves status, and the files stdout and
# stderr in the folder.
run() {
	ran="$*"
	status='none yet'
	if "$@" >stdout 2>stderr; then status=0; else status=$?; fi
}

# start CMD...: the same in the background; its pid is $started. wait_started waits for it and sets status. Whatever
# was started is killed when the test ends. (Bash makes its background jobs ignore SIGINT; here they do not.)
start() {
	ran="$*"
	status='none yet'
	env --default-signal=INT,QUIT "$@" >stdout 2>stderr &
	started=$!
	e2e_started+=("$started")
}

wait_started() {
	status=0
	wait "$started" || status=$?
}

# A TCP port on loopback that nobody has: the kernel's choice, not soon given to another.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_until CMD...: until it succeeds; the test's time limit bounds it.
wait_until() {
	until "$@" >/dev/null 2>&1; do
		read -rt 0.02 <>/dev/fd/"$e2e_never" || true
	done
}

fail() {
	{
		printf '%s\n' "$@"
		[ -z "${ran-}" ] || printf 'ran: %s\nstatus: %s\n' "$ran" "$status"
		for file in stdout stderr; do
			[ -s "$file" ] && { echo "$file:"; head -c 4000 "$file" | sed 's/^/  /'; }
		done
	} >&2
	exit 1
}

skip() {
	printf '%s\n' "$*" >"$e2e_skip"
	exit 0
}

# check WORDS CMD...: CMD succeeds, or the test fails with these words.
check() {
	local words=$1
	shift
	"$@" || fail "$words: not so: $*"
}

expect_status() {
	[ "$status" = "$1" ] || fail "expected status $1, got $status"
}

# The whole text; one newline at its end is not counted.
expect_stdout() { e2e_same stdout "$1"; }
expect_stderr() { e2e_same stderr "$1"; }

# Some line matches the extended regular expression.
expect_stdout_like() { grep -Eq -- "$1" stdout || fail "stdout has no line like: $1"; }
expect_stderr_like() { grep -Eq -- "$1" stderr || fail "stderr has no line like: $1"; }
expect_stdout_unlike() { ! grep -Eq -- "$1" stdout || fail "stdout has a line like: $1"; }
expect_stderr_unlike() { ! grep -Eq -- "$1" stderr || fail "stderr has a line like: $1"; }

# Exactly one line on stderr, and it matches.
expect_complaint() {
	[ "$(wc -l <stderr)" = 1 ] || fail "expected one line on stderr, got $(wc -l <stderr)"
	expect_stderr_like "$1"
}

is_dead() {
	! is_alive "$1"
}

is_alive() {
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	[ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

tracer_of() { awk '$1 == "TracerPid:" { print $2 }' "/proc/$1/status"; }

# The program's code in memory equals its file: nothing of ours was left in it.
expect_text_intact() {
	local pid=$1
	is_alive "$pid" || fail "process $pid is gone"
	python3 "$TOP/tests/lib/text.py" "$pid" || fail "the text of process $pid differs from its file"
}

# The harness

e2e_same() {
	[ "$(cat "$1")" = "$2" ] || fail "expected on $1:" "  ${2//$'\n'/$'\n'  }"
}

e2e_cleanup() {
	local pid
	for pid in "${e2e_started[@]}"; do
		kill -KILL "$pid" 2>/dev/null
		kill -CONT "$pid" 2>/dev/null
	done
	wait
} 2>/dev/null

e2e_one() {
	e2e_started=()
	exec {e2e_never}<> <(:)
	cd "$TMPDIR" || exit 1
	mkdir here && cd here || exit 1
	trap e2e_cleanup EXIT
	trap 'fail "out of time"' TERM
	"$1"
}

# The tests in the order of the file.
e2e_tests() {
	shopt -s extdebug
	declare -F | awk '$3 ~ /^test_/ { print $3 }' | while read -r name; do declare -F "$name"; done |
		sort -k2n | awk '{ print $1 }'
}

e2e_main() {
	if [ "${1-}" = --one ]; then
		e2e_skip=$3
		e2e_one "$2"
		exit
	fi
	local file tests name n=0 failed=0 code work
	file=$(realpath "$0")
	mapfile -t tests < <(e2e_tests | grep -Ee "${1-}")
	[ "$BUILD" = asan ] && limit=$((limit * 3))
	work=$(mktemp -d)
	echo "1..${#tests[@]}"
	for name in "${tests[@]}"; do
		n=$((n + 1)) code=0
		rm -f "$work/skip"
		luajit "$TOP/tests/lib/supervise.lua" "$limit" bash "$file" --one "$name" "$work/skip" \
			>"$work/log" 2>&1 </dev/null || code=$?
		name=${name#test_}
		grep -q ': command not found$' "$work/log" && code=127
		if [ "$code" != 0 ]; then
			failed=1
			echo "not ok $n - $name"
			tail -n 60 "$work/log" | sed 's/^/# /'
			echo "# (exit status of the test: $code)"
		elif [ -e "$work/skip" ]; then
			echo "ok $n - $name # SKIP $(cat "$work/skip")"
		else
			echo "ok $n - $name"
		fi
	done
	rm -rf "$work"
	exit $failed
}
