#!/bin/bash
# lint - the checks that only read: luacheck over the Lua files, bash's parser over the scripts. Prints TAP.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

number=0
check() {
	local name=$1 words
	shift
	number=$((number + 1))
	if words=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' <<<"$words"
	fi
}

shell_scripts() {
	{ find .ci scripts tests -type f -name '*.sh'; grep -rlE '^#!/(usr/bin/env bash|bin/(ba)?sh)' .ci scripts tests; } | sort -u
}

parse() {
	local script words
	for script; do words+=$(bash -n "$script" 2>&1); done
	echo "$words"
	[ -z "$words" ]
}

mapfile -t scripts < <(shell_scripts)
check "luacheck finds nothing" luacheck -q --no-color lua scripts tests tests/layers core
check "every shell script parses" parse "${scripts[@]}"
echo "1..$number"
