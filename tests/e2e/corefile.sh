#!/bin/bash
# core(file): what GDB finds in the dump is what the process had, and the process goes on.
. "$(dirname "$0")/../lib/e2e.sh"
. "$TOP/tests/e2e/common.bash"

# in_gdb PROGRAM COMMAND...: what GDB says of ./dump
in_gdb() {
	local program=$1 command commands=()
	shift
	type -P gdb >/dev/null || skip 'no gdb'
	for command; do commands+=(-ex "$command"); done
	gdb -nx -batch "${commands[@]}" "$program" dump >said 2>&1
}

expect_said() { grep -qF -- "$1" said || fail "GDB does not say: $1" "$(cat said)"; }

test_shows_registers_memory_and_frames() {
	run "$PTRACEHOOK" -e 'bp("calc", function(_, b)
		if b.hits == 2 then core "dump" print(hex(regs.rip), hex(regs.rsp), hex(mem.u64[regs.rsp])) end
	end)' -- "$TARGETS/calc_pie"
	expect_status 0
	grep -q 'calc(4, 5) = 9' stdout || fail 'it did not go on'
	read -r rip rsp word < <(grep 0x stdout)
	# shellcheck disable=SC2016 # GDB's
	in_gdb "$TARGETS/calc_pie" 'p/x $rip' 'p/x $rsp' 'p/x *(unsigned long *)$rsp' 'x/1xb $rip' 'p $rdi' 'bt 2' 'info sharedlibrary'
	expect_said "= $rip"
	expect_said "= $rsp"
	expect_said "= $word"
	expect_said '<calc>:	0x48' # and not our int3
	expect_said '#0  calc'
	expect_said 'libc.so.6'
}

test_has_every_thread() {
	run "$PTRACEHOOK" -e 'bp("done", function() core "dump" end)' -- "$TARGETS/again" threads
	expect_status 0
	grep -q counted stdout || fail 'it did not go on'
	in_gdb "$TARGETS/again" 'info threads' 'bt 1' 'p counts[3] > 0'
	expect_said '#0  done'
	expect_said '= 1'
	[ "$(grep -c '^[* ] *[0-9]* *Thread 0x' said)" = 5 ] || fail 'not five threads' "$(cat said)"
}

test_says_why_it_cannot_be_written() {
	run "$PTRACEHOOK" -e 'print(pcall(core, "/dev/full"))
		print(pcall(core, "/nowhere/dump"))
		print(pcall(core))' -- "$TARGETS/calc_pie"
	expect_status 0
	grep -q 'core: /dev/full: No space left on device' stdout || fail "$(cat stdout)"
	grep -q 'core: /nowhere/dump: No such file or directory' stdout || fail "$(cat stdout)"
	grep -q 'core: file: string expected, got nil' stdout || fail "$(cat stdout)"
}

e2e_main "$@"
