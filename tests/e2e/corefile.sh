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

# by_thread FILE: what `thread apply all` says, each line behind its thread's number, by that; the words of attaching and of
# loading a dump left out.
by_thread() {
	awk '/^Thread [0-9]+ \(.*LWP [0-9]+\)/ { match($0, /LWP [0-9]+/); lwp = substr($0, RSTART + 4, RLENGTH - 4); next }
		/^\[Inferior/ { lwp = "" }
		# GDB 13 does not know how much state a CPU with AMX has, of dumps that the kernel writes neither.
		/^warning: Unexpected size of section/ { next }
		/^\$[0-9]+ = / { lwp = "value"; sub(/^\$[0-9]+/, "") }
		lwp && NF { print lwp "\t" $0 }' "$1" | sort -s -k1,1
}

# What GDB says of the process itself and of its dump, taken at the same moment, is the same.
test_is_what_gdb_finds_in_the_process() {
	type -P gdb >/dev/null || skip 'no gdb'
	cat >commands <<-'END'
		set width 0
		thread apply all backtrace
		thread apply all info registers
		thread apply all p $xmm0
		thread apply all p *(long (*)[64]) $rsp
		p counts
		p report
		p *environ
	END
	run "$PTRACEHOOK" -e 'bp("done", function() core "dump" gdb { args = { "-nx", "-batch", "-x", "commands" } } end)' -- \
		"$TARGETS/again" threads
	expect_status 0
	gdb -nx -batch -x commands "$TARGETS/again" dump >said 2>&1
	by_thread stdout >live
	by_thread said >dumped
	[ "$(grep -c '#0 ' live)" = 5 ] || fail 'not five threads'
	[ "$(grep -c 'rip ' live)" = 5 ] || fail 'no registers'
	diff live dumped >differences || fail "$(cat differences)"
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
