#!/bin/bash
# README.md and HACKING.md say what is so: their commands work as shown, the files they name are there.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

# Runs what an indented "$ " line of a file says, with the "> " lines that go on, in this shell; what follows up to the
# next one or an empty line is what it prints, "…" standing for anything.
run_examples() {
	local line command='' expected='' count=0
	while IFS= read -r line; do
		case $line in
		'    $ '*)
			run_example
			command=${line#????\$ }
			;;
		'    > '*) command+=$'\n'${line#????> } ;;
		'    '*) [ -z "$command" ] || expected+=${line#????}$'\n' ;;
		*) run_example ;;
		esac
	done < <(cat "$1"; echo)
	[ "$count" -gt 0 ] || fail "$1 has no examples"
}

run_example() {
	[ -n "$command" ] || return 0
	ran=$command status=0
	eval "$command" >stdout 2>stderr || status=$?
	# Where a search takes longer than ten seconds, as under sanitizers, it says how far it is.
	sed -i '/^oracle: ".*"  [0-9]* tries, [0-9]* s/d' stderr
	if [[ $command == *'&' ]]; then
		# The examples need it, by $!, until they kill it; no process substitution may come between.
		e2e_started+=("$!")
		wait_until is_under_way "$!"
	fi
	printf '%s' "$expected" | sed 's/[][\\.*^$+?(){}|]/\\&/g; s/…/.*/g; s/^/^/; s/$/$/' >wanted
	[ -z "$expected" ] || [ "$(wc -l <wanted)" = "$(cat stdout stderr | wc -l)" ] || fail "expected:" "$expected"
	cat stdout stderr | while IFS= read -r got; do
		want=$(sed -n 1p wanted)
		sed -i 1d wanted
		[ -z "$expected" ] || grep -Eq -- "$want" <<<"$got" || fail "it prints: $got" "and not: $want"
	done || exit 1
	count=$((count + 1)) command='' expected=''
}

# It has used a tenth of a second of the CPU: whatever it began with is over.
is_under_way() { [ "$(awk '{ print $14 }' "/proc/$1/stat")" -ge 10 ]; }

test_the_commands_of_readme_work_as_shown() {
	[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
	mkdir bin
	ln -s "$PTRACEHOOK" bin/ptracehook
	ln -s "$TOP/scripts" scripts
	PATH=$PWD/bin:$PATH
	run_examples "$TOP/README.md"
}

test_the_guide_through_a_crackme_works_as_shown() {
	mkdir bin
	ln -s "$PTRACEHOOK" bin/ptracehook
	ln -s "$TOP/scripts" scripts
	PATH=$PWD/bin:$PATH
	run_examples "$TOP/scripts/README.md"
}

test_the_two_commands_are_there() {
	local command
	for command in scripts/demo tests/run; do
		grep -q "^    \./$command " "$TOP/README.md" || fail "README.md does not name $command"
		check "it can be executed" [ -x "$TOP/$command" ]
	done
}

test_readme_lists_every_script() {
	local script
	for script in "$TOP"/scripts/*.lua; do
		grep -q "^| \`scripts/$(basename "$script") " "$TOP/README.md" || fail "README.md does not list $script"
	done
}

# Paths as HACKING.md writes them: from the top, from core/, or from lua/ptracehook.
test_the_files_that_are_named_are_there() {
	local doc path
	for doc in README.md HACKING.md; do
		while read -r path; do
			case $path in
			*NAME* | /* | kernel/* | arch/* | lua.h | .ptracehook.lua) continue ;; # the last are others'
			esac
			[ -e "$TOP/$path" ] || [ -e "$TOP/core/$path" ] || [ -e "$TOP/lua/ptracehook/$path" ] ||
				fail "$doc names $path, which is not there"
		done < <(grep -oE '[A-Za-z0-9_/.-]+\.(c|h|lua|md|sh|S)\b' "$TOP/$doc" | sort -u)
	done
}

test_the_samples_in_the_scripts_are_what_comes_out() {
	local script
	for script in oracle bypass; do
		sed -n '/^-- Sample output (/,/^$/p' "$TOP/scripts/$script.lua" | sed -n 's/^--   //p' >"$script.sample"
	done
	gcc -O1 -o crackme "$TOP/scripts/crackme.c" || fail "scripts/crackme.c does not compile"
	run "$PTRACEHOOK" "$TOP/scripts/oracle.lua" --place check_byte --length 12 --alphabet '0_3chkptu' ./crackme
	expect_status 0
	same_but_for_numbers oracle.sample
	run "$PTRACEHOOK" "$TOP/scripts/bypass.lua" is_licensed=1 -- ./crackme <<<h00k_th3_cpu
	expect_status 0
	same_but_for_numbers bypass.sample
	sed -n '/^-- Sample output (/,/^$/p' "$TOP/scripts/dump.lua" | sed -n 's/^--   //p' >dump.sample
	run "$PTRACEHOOK" "$TOP/scripts/dump.lua" --max 1 greet -- "$TARGETS/strings"
	expect_status 0
	# The shape: which registers, in which columns; what other arguments point to differs from one libc to the next.
	head -n 8 dump.sample | tr -s '0-9a-f' '#' >expected
	head -n 8 stdout | tr -s '0-9a-f' '#' >got
	check "dump's sample has its shape" cmp <(sed 's/##*/#/g' expected) <(sed 's/##*/#/g' got)
}

same_but_for_numbers() {
	diff <(sed 's/[0-9][0-9]* tries, [0-9]* s/N tries, N s/' "$1") <(sed 's/[0-9][0-9]* tries, [0-9]* s/N tries, N s/' stdout) \
		>differences || fail "$1 differs: $(cat differences)"
}

e2e_main "$@"
