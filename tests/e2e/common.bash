# shellcheck shell=bash
# common - what several files in tests/e2e share, on top of tests/lib/e2e.sh.

# Debian's own programs, and not the wrappers of a version manager in front of them.
PATH=/usr/bin:$PATH

# As start does, with no output of an earlier command in the way.
launch() {
	rm -f stdout stderr
	start "$@"
}

# start_target NAME [ARG...]: one of the targets, running in the background and ready. Its pid is $target, its output
# goes to target.out and target.err.
start_target() {
	launch "$TARGETS/$1" "${@:2}"
	target=$started
	wait_until grep -q '^ready$' stdout
	mv stdout target.out
	mv stderr target.err
}

# The target was let go: nobody traces it, it runs, its code is its file's.
expect_unharmed() {
	is_alive "$target" || fail "process $target is gone"
	[ "$(tracer_of "$target")" = 0 ] || fail "process $target is still traced by $(tracer_of "$target")"
	case $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$target/status") in
	[tT]) fail "process $target is stopped" ;;
	esac
	expect_text_intact "$target"
}

# busy's counter grows, so all its code runs.
expect_busy_goes_on() {
	local first last
	first=$(next_counter)
	last=$(next_counter)
	[ "$last" -gt "$first" ] || fail "process $target does not go on: counter $first, then $last"
}

next_counter() {
	local before
	before=$(wc -l <target.out)
	kill -USR2 "$target"
	wait_until sh -c "[ \"\$(wc -l <target.out)\" -gt $before ]"
	sed -n '$s/^counter //p' target.out
}

# launch_with_input CMD...: as launch does, reading what is written to descriptor 5, until that is closed.
launch_with_input() {
	[ -e input ] || mkfifo input
	exec 5<>input
	launch sh -c 'exec "$@" <input' sh "$@" 5>&-
}

# wait_for_line REGEX [FILE]: the started command has written it.
wait_for_line() {
	wait_until grep -Eq -- "$1" "${2-stdout}"
}

not() { ! "$@"; }

# is_program PID PATH: it has got as far as executing that.
is_program() { [ "$(readlink "/proc/$1/exe")" = "$2" ]; }

# as_nobody COMMAND...: without root's rights; skips the test where we have none to give up.
as_nobody() {
	[ "$(id -u)" = 0 ] || skip "needs root, to become another user"
	chmod 711 "$TMPDIR"
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
}
