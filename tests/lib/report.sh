# shellcheck shell=bash
# report - counts and prints results; reads them as TAP from cmocka, busted and e2e.sh.

passed=0 failed=0 skipped=0

report_pass() { passed=$((passed + 1)); echo "PASS $1"; }
report_fail() { failed=$((failed + 1)); echo "FAIL $1"; }
report_skip() { skipped=$((skipped + 1)); echo "SKIP $1: ${2:-no reason given}"; }

# The last words of a log, indented.
report_log() {
	[ ! -s "$1" ] || tail -n "${2:-40}" "$1" | sed 's/^/     | /'
}

# report_tap NAME TAP STATUS LOG: the results in file TAP of a program that ended with STATUS and wrote LOG on the side.
# A program that dies, or gives fewer results than it planned, has failed, whatever it said until then.
report_tap() {
	local name=$1 tap=$2 status=$3 log=$4 line comment='' seen=0 planned=0 failed_before=$failed
	while IFS= read -r line; do
		if [[ $line =~ ^(not )?ok\ [0-9]+(\ -)?\ ?(.*)$ ]]; then
			local result=${BASH_REMATCH[1]} text=${BASH_REMATCH[3]}
			seen=$((seen + 1))
			if [[ $text =~ ^(.*)#\ SKIP\ ?(.*)$ ]]; then
				# cmocka says "# SKIP test", and the reason in a comment above.
				if [ -n "${BASH_REMATCH[1]}" ]; then
					report_skip "$name: ${BASH_REMATCH[1]% }" "${BASH_REMATCH[2]}"
				else
					report_skip "$name: ${BASH_REMATCH[2]}" "${comment#\# }"
				fi
			elif [ -n "$result" ]; then
				report_fail "$name: $text"
			else
				report_pass "$name: $text"
			fi
			comment=
		elif [[ $line =~ ^1\.\.([0-9]+)$ ]]; then
			planned=$((planned + BASH_REMATCH[1]))
		elif [[ $line == \#* ]]; then
			comment=$line
		fi
	done <"$tap"

	if [ "$seen" != "$planned" ]; then
		report_fail "$name: $planned tests planned, $seen results, exit status $status"
	elif [ "$seen" = 0 ]; then
		report_fail "$name: no tests, exit status $status"
	elif [ "$status" != 0 ] && [ "$failed" = "$failed_before" ]; then
		report_fail "$name: exit status $status"
	fi
	if [ "$failed" != "$failed_before" ]; then
		grep -E '^(not ok|#)' "$tap" | tail -n 200 | sed 's/^/     | /'
		report_log "$log"
	fi
}

report_summary() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ $((passed + skipped)) != 0 ]
}
