#!/bin/bash
# selftest - the harness itself: each way in which a test can go wrong makes it fail. Prints TAP.
set -uo pipefail
TOP=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/sample.sh" <<END
#!/bin/bash
. "$TOP/tests/lib/e2e.sh"
limit=1
END
cat >>"$work/sample.sh" <<'END'
test_pass() { run sh -c 'cat; echo no >&2; exit 3' <<<yes; expect_status 3; expect_stdout yes; expect_stderr no; }
test_pass_interrupt() { start cat /dev/zero; wait_until grep -qx cat "/proc/$started/comm"; kill -INT "$started"; wait_started; expect_status 130; }
test_pass_started_is_killed() { start cat /dev/zero; wait_until is_alive "$started"; }
test_pass_complaint() { run sh -c 'echo "sh: one" >&2'; expect_complaint '^sh: '; }
test_skip() { skip "because"; }
test_fail_status() { run false; expect_status 0; }
test_fail_stdout() { run echo yes; expect_stdout no; }
test_fail_stderr_like() { run sh -c 'echo yes >&2'; expect_stderr_like no; }
test_fail_complaint() { run sh -c 'echo one >&2; echo two >&2'; expect_complaint one; }
test_fail_check() { check "one is two" [ 1 = 2 ]; }
test_fail_out_of_time() { wait_until false; }
test_fail_left_behind() { run sh -c 'sleep 60 & exit 0'; expect_status 0; }
test_fail_no_such_command() { no_such_command; true; }
test_fail_sanitizer_reports() { echo report >"$TMPDIR/sanitizer.1"; }
e2e_main "$@"
END

BUILD=release bash "$work/sample.sh" >"$work/tap"
number=0
result() {
	number=$((number + 1))
	[ "$1" = 0 ] && echo "ok $number - $2" || { echo "not ok $number - $2"; sed 's/^/# /' "$work/tap"; }
}

for name in pass pass_interrupt pass_started_is_killed pass_complaint; do
	grep -Eq "^ok [0-9]+ - $name\$" "$work/tap"
	result $? "the harness lets $name pass"
done
grep -Eq '^ok [0-9]+ - skip # SKIP because$' "$work/tap"
result $? "the harness says why a test was skipped"
for name in status stdout stderr_like complaint check out_of_time left_behind no_such_command sanitizer_reports; do
	grep -Eq "^not ok [0-9]+ - fail_$name\$" "$work/tap"
	result $? "the harness sees $name"
done

# A program that dies half way, or leaves results out, has failed.
(
	. "$TOP/tests/lib/report.sh"
	printf '1..3\nok 1 - a\nok 2 - b\n' >"$work/short"
	report_tap short "$work/short" 0 /dev/null >/dev/null
	printf '1..1\nok 1 - a\n' >"$work/dies"
	report_tap dies "$work/dies" 139 /dev/null >/dev/null
	: >"$work/none"
	report_tap none "$work/none" 0 /dev/null >/dev/null
	[ "$passed $failed $skipped" = "3 3 0" ]
)
result $? "a program that dies or is short of results fails"
echo "1..$number"
