#!/bin/bash
# A breakpoint on every instruction of a real program: it does what it does untraced, and each instruction that it
# executes is one hit, as counted by single-stepping it.
. "$(dirname "$0")/../lib/e2e.sh"
limit=120

# sweep PROGRAM ARG...: standard input from the file input
sweep() {
	local program hits
	program=$(readlink -f "$(type -P "$1")")
	objdump -d "$program" | awk '/^ *[0-9a-f]+:\t/ { sub(":", "", $1); print $1 }' >addresses
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
	"$program" "${@:2}" <input >expected || fail "$program failed untraced"
	run "$PTRACEHOOK" sweep.lua -- "$program" "${@:2}" <input
	expect_status 0
	cmp expected stdout || fail "$program printed something else"
	"$TARGETS/step_count" "$program" "${@:2}" <input >stepped 2>steps || fail "$program failed when stepped"
	hits=$(cat hits)
	[ "steps $hits" = "$(cat steps)" ] || fail "$hits hits, but $(cat steps)"
	[ "$(cat cost)" -lt $((hits / 50)) ] || fail "$(cat cost) of $hits passes were stepped"
}

test_sha256sum_with_a_breakpoint_on_every_instruction() {
	seq 200 >input
	sweep sha256sum
}

test_gzip_with_a_breakpoint_on_every_instruction() {
	[ -n "${LONG-}" ] || skip 'a minute long: tests/run long'
	seq 100 >input
	sweep gzip -c
}

e2e_main "$@"
