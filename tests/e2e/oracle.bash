# shellcheck shell=bash
# oracle - what the files about the oracle share, on top of tests/lib/e2e.sh.

oracle=$TOP/scripts/oracle.lua

# finds SECRET ARG...: scripts/oracle.lua does.
finds() {
	run "$PTRACEHOOK" "$oracle" "${@:2}"
	expect_stderr ''
	expect_status 0
	expect_stdout_like "^oracle: found \"$1\" in [0-9]+ tries, [0-9]+ s$"
}

# says STATUS REGEX ARG...: it fails, with one line.
says() {
	run "$PTRACEHOOK" -q "$oracle" "${@:3}"
	expect_status "$1"
	expect_complaint "^oracle: $2"
	expect_stdout ''
}

# lua CHUNK: with oracle at hand, and no progress unless it says so.
lua() {
	run "$PTRACEHOOK" -e 'oracle = require "oracle"' -e "$1"
}
