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
	gcc -O1 -g -o crackme "$TOP/scripts/crackme.c" || fail "scripts/crackme.c does not compile"
	same_as_its_sample oracle --place check_byte --length 12 --alphabet '0_3chkptu' ./crackme
	same_as_its_sample bypass is_licensed=1 -- ./crackme <<<h00k_th3_cpu
	same_as_its_sample antidebug --log -- sh -c 'grep TracerPid /proc/self/status; cat /proc/$PPID/comm'
	same_as_its_sample calls --args 2 main check_byte -- ./crackme <<<h00k
	same_as_its_sample faults write@1=ENOSPC -- /bin/echo hello
	same_as_its_sample redirect -v /etc/passwd=/proc/sys/kernel/ostype -- cat /etc/passwd
	same_as_its_sample signals -- sh -c 'kill -USR1 $$'
	same_as_its_sample strace -e trace=openat,read,close -- cat /proc/sys/kernel/ostype
	same_as_its_sample trace check_byte is_licensed -- ./crackme <<<h00k
}

# Runs a script as its header says, and compares what it and its program print, as far as the sample goes back from the
# end: an address, a time and a long number (a PID, a size) differ from one run to the next.
same_as_its_sample() {
	local script=$1
	shift
	sample_of "$script" >sample
	check "$script has a sample" [ -s sample ]
	# A pipe, as cat copies from one file to another without reading.
	"$PTRACEHOOK" "$TOP/scripts/$script.lua" "$@" 2>&1 | tail -n "$(wc -l <sample)" >printed
	diff <(what_stays <sample) <(what_stays <printed) >differences || fail "$script's sample differs: $(cat differences)"
}

sample_of() { sed -n '/^-- Sample output (/,/^$/p' "$TOP/scripts/$1.lua" | sed -n 's/^--   //p'; }

what_stays() {
	sed -E 's/\<0x[0-9a-f]+/N/g; s/[0-9]+ tries, [0-9]+ s/N tries, N s/; s/ *[0-9]+(\.[0-9]+|[0-9]{2,})/ N/g'
}

# Where what stands in them hangs on the compiler, only the shape: which lines, in which columns.
test_the_samples_of_compiled_code_have_the_shape_of_what_comes_out() {
	gcc -O1 -o crackme "$TOP/scripts/crackme.c" || fail "scripts/crackme.c does not compile"
	run "$PTRACEHOOK" "$TOP/scripts/coverage.lua" --blocks --only '[cm]*' -- ./crackme <<<h00k
	expect_status 1
	same_shape coverage 4
	run "$PTRACEHOOK" "$TOP/scripts/dump.lua" --max 1 greet -- "$TARGETS/strings"
	expect_status 0
	same_shape dump 8
}

same_shape() {
	diff <(sample_of "$1" | head -n "$2" | shape) <(head -n "$2" stdout | shape) >differences ||
		fail "$1's sample has another shape: $(cat differences)"
}

shape() { tr -s '0-9a-f' '#' | sed 's/##*/#/g; s/  */ /g'; }

e2e_main "$@"
