#!/bin/bash
# A breakpoint on every instruction of a real program: it does what it does untraced, and each instruction that it
# executes is one hit, as counted by single-stepping it.
. "$(dirname "$0")/../lib/e2e.sh"
limit=${LONG+1200}
limit=${limit:-120}

# sweep PROGRAM ARG...: standard input from the file input
sweep() {
	program=$(readlink -f "$(type -P "$1")")
	addresses_of "$program"
	compare_with_steps -- "${@:2}"
}

# sweep_function NAME PROGRAM ARG...: of the program one function, which its dynamic symbols name
sweep_function() {
	local address size
	program=$(readlink -f "$(type -P "$2")")
	read -r address size < <(nm -D -S "$program" | awk -v name="$1" '$4 == name { print "0x" $1, "0x" $2 }')
	[ -n "${size-}" ] || skip "$program has no symbol $1"
	addresses_of "$program" --start-address="$address" --stop-address=$((address + size))
	compare_with_steps -r $((address - $(text_shift "$program"))),$((size)) -- "${@:3}"
}

addresses_of() {
	objdump -d "${@:2}" "$1" | awk '/^ *[0-9a-f]+:\t/ { sub(":", "", $1); print $1 }' >addresses
}

# By how much addresses in the text are more than offsets in the file.
text_shift() {
	local address offset
	read -r address offset < <(readelf -lW "$1" | awk '$1 == "LOAD" && $8 == "E" { print $3, $2 }')
	echo $((address - offset))
}

# compare_with_steps [OPTION...] -- ARG...: of $program, with a breakpoint at each of addresses; options for step_count
compare_with_steps() {
	local hits wanted=0 options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	cat >sweep.lua <<-'END'
		local all = {}
		for address in io.lines "addresses" do
			all[#all + 1] = bp("+0x" .. address, CONTINUE)
		end
		on("exit", function()
			local hits = 0
			for _, one in ipairs(all) do
				hits = hits + one.hits
			end
			local cost = process.session:stats()
			io.open("hits", "w"):write(hits, "\n")
			io.open("cost", "w"):write(cost.single_steps, "\n")
		end)
	END
	"$program" "$@" <input >expected 2>expected_errors || wanted=$?
	run "$PTRACEHOOK" sweep.lua -- "$program" "$@" <input
	expect_status "$wanted"
	cmp expected_errors stderr || fail "$program printed other errors"
	cmp expected stdout || fail "$program printed something else"
	"$TARGETS/step_count" "${options[@]}" "$program" "$@" <input >stepped 2>steps || [ $? = "$wanted" ] ||
		fail "$program failed when stepped"
	hits=$(cat hits)
	[ "steps $hits" = "$(tail -n 1 steps)" ] || fail "$hits hits, but $(tail -n 1 steps)"
	[ "$(cat cost)" -lt $((hits / 50)) ] || fail "$(cat cost) of $hits passes were stepped"
}

test_sha256sum_with_a_breakpoint_on_every_instruction() {
	seq 200 >input
	sweep sha256sum
}

test_gzip_with_a_breakpoint_on_every_instruction() {
	seq 100 >input
	sweep gzip -c
}

test_the_sqlite_shell_with_a_breakpoint_on_every_instruction() {
	type -P sqlite3 >/dev/null || skip 'no sqlite3'
	cat >input <<-'END'
		create table t(name text, n integer);
		insert into t values ('one', 1), ('two', 2), ('three', 3);
		.mode column
		.headers on
		select name, n * n as square from t order by name;
		.dump t
		select no_such_column from t;
	END
	sweep sqlite3 -batch -init /dev/null :memory:
}

test_the_eval_loop_of_python_with_a_breakpoint_on_every_instruction() {
	[ -n "${LONG-}" ] || skip 'two minutes long: tests/run long'
	: >input
	sweep_function _PyEval_EvalFrameDefault /usr/bin/python3 -I -S -c 'print(sum(i * i for i in range(9)))'
}

e2e_main "$@"
