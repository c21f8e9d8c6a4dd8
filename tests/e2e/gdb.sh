#!/bin/bash
# gdb(): GDB finds the target where it stands, without a byte of ours, and whatever it does there, the session goes on
# from there or knows how the target ended.
. "$(dirname "$0")/../lib/e2e.sh"
. "$TOP/tests/e2e/common.bash"

# needs_gdb: defines, for scripts, batch(command, …): GDB runs these and leaves; what came of it is printed.
needs_gdb() {
	type -P gdb >/dev/null || skip 'no gdb'
	cat >batch.lua <<-'END'
		function tell(found)
			local reason = found.reason
			io.stdout:write(("moved=%s replaced=%s born=%d gone=%d end=%s\n"):format(tostring(found.moved),
				tostring(found.replaced), found.born, found.gone,
				reason and reason.kind .. " " .. tostring(reason.code or reason.signal) or "none"))
			io.stdout:flush()
			return found
		end
		function arguments(...)
			local args = { "-nx", "-batch" }
			for _, command in ipairs { ... } do
				args[#args + 1] = "-ex"
				args[#args + 1] = command
			end
			return { args = args }
		end
		function batch(...) return tell(gdb(arguments(...))) end
		function show(reason) print("run: " .. reason.kind .. " " .. tostring(reason.code or reason.signal)) end
	END
}

# hooked SCRIPT PROGRAM [ARG...]
hooked() { run "$PTRACEHOOK" -e 'dofile "batch.lua"' -e "$1" -- "${@:2}"; }

UNTOUCHED='^moved=false replaced=false born=0 gone=0 end=none$'

# ---- Where it stands

test_in_a_hook() {
	needs_gdb
	hooked 'bp("calc", function(_, b)
		if b.hits ~= 2 then return end
		print("at", hex(regs.rip))
		batch("p/x $pc", "x/1xb $pc", "bt 2")
		print("still at", hex(regs.rip))
	end)
	bp("calc_add", function(_, b) print("add", b.hits) end)
	show(run())' "$TARGETS/calc_pie" 1 2 4 5 6 7
	expect_status 0
	at=$(sed -n 's/^at\t//p' stdout)
	grep -qF "= $at" stdout || fail 'GDB finds it elsewhere'
	grep -qF "<calc>:	0x48" stdout || fail 'GDB finds a byte of ours'
	expect_stdout_like '^#0  calc'
	expect_stdout_like "$UNTOUCHED"
	grep -qxF "still at	$at" stdout || fail 'moved'
	expect_stdout_like '^add	3$'
	expect_stdout_like '^calc\(6, 7\) = 13$'
	expect_stdout_like '^run: exit 0$'
}

test_outside_of_hooks() {
	needs_gdb
	hooked 'batch("p/x $pc")
	local at = hex(regs.rip)
	bp("calc", STOP)
	assert(run().kind == "stop")
	batch("p $rdi", "bt 1")
	assert(process.session.thread:gdb(arguments("p $rsi")).moved == false)
	print(at, hex(regs.rip) == hex(sym "calc"))
	assert(run().kind == "stop")
	show(run())' "$TARGETS/calc_pie"
	expect_status 0
	at=$(awk -F'\t' '$2 == "true" { print $1 }' stdout)
	grep -qxF "\$1 = $at" stdout || fail 'GDB finds it elsewhere'
	[ "$(grep -Ec "$UNTOUCHED" stdout)" = 2 ] || fail 'not untouched'
	expect_stdout_like '^\$1 = 2$'
	expect_stdout_like '^run: exit 0$'
}

test_begins_at_the_thread_of_the_hook() {
	needs_gdb
	start_target busy 3
	run "$PTRACEHOOK" -p "$target" -e 'dofile "batch.lua"' -e '
		bp("tick", function(t)
			if t.tid == process.pid then return end
			print("tid " .. t.tid)
			batch("thread", "info threads")
			return REMOVE
		end)
		run{timeout = 1}
		for _, t in ipairs(process:threads()) do
			if t.tid ~= process.pid then print("other " .. t.tid) tell(gdb(t, arguments("thread"))) break end
		end'
	expect_status 0
	grep -q "Current thread is .*(LWP $(sed -n 's/^tid //p' stdout))" stdout || fail 'another thread'
	grep -q "Current thread is .*(LWP $(sed -n 's/^other //p' stdout))" stdout || fail 'another thread'
	[ "$(grep -c '^[* ] *[0-9]* *Thread 0x' stdout)" = 3 ] || fail 'not three threads'
	[ "$(grep -Ec "$UNTOUCHED" stdout)" = 2 ] || fail 'not untouched'
	expect_unharmed
	expect_busy_goes_on
}

test_hits_are_exact_with_threads() {
	needs_gdb
	hooked 'local n = 0
	bp("work", function(_, b)
		n = n + 1
		if n % 700 == 1 then batch "p 1" end
	end)
	show(run())
	print("hits " .. n)' "$TARGETS/threads8" 4 700
	expect_status 0
	expect_stdout_like '^calls 2800$'
	expect_stdout_like '^hits 2800$'
	[ "$(grep -Ec "$UNTOUCHED" stdout)" = 4 ] || fail 'not untouched'
}

test_hooks_that_wait_wait_on() {
	needs_gdb
	hooked 'hook("calc", { leave = function(ret) print("left", ret) end })
	bp("calc_add", function(_, b)
		if b.hits == 1 then batch "p 1" end
		assert(finish())
		print("finished", regs.rax)
	end)
	watch("+0", { len = 4, access = "rw" }, function() end)
	show(run())' "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^left	3$'
	expect_stdout_like '^finished	3$'
	expect_stdout_like '^finished	9$'
	expect_stdout_like '^run: exit 0$'
}

# ---- What GDB does to it

test_gdb_changes_registers() {
	needs_gdb
	hooked 'bp("calc", function(_, b) if b.hits == 2 then batch "set var $rdi = 7" print(regs.rdi) end end)
	show(run())' "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^moved=true replaced=false born=0 gone=0 end=none$'
	expect_stdout_like '^7$'
	expect_stdout_like '^calc\(4, 5\) = 12$'
}

test_gdb_moves_it_on() {
	needs_gdb
	hooked 'local adds = 0
	bp("calc_add", function() adds = adds + 1 end)
	bp("calc", function(_, b) if b.hits == 1 then batch "finish" print(where(regs.rip)) end end)
	show(run())
	print("adds " .. adds)' "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^moved=true replaced=false born=0 gone=0 end=none$'
	expect_stdout_like '^show\+0x'
	expect_stdout_like '^adds 1$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
	expect_stdout_like '^run: exit 0$'
}

test_gdb_changes_code_under_a_breakpoint() {
	needs_gdb
	# The addition becomes a subtraction.
	hooked 'local hits = 0
	bp("calc_add", function() hits = hits + 1 end)
	bp("calc", function(_, b) if b.hits == 2 then batch "set var *((char *) calc_add + 1) = 0x29" end end)
	show(run())
	print("hits " .. hits)' "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^calc\(1, 2\) = 3$'
	expect_stdout_like '^calc\(4, 5\) = -1$'
	expect_stdout_like '^hits 2$'
}

test_killed_in_gdb() {
	needs_gdb
	hooked 'on("exit", function(_, reason) print("on exit", reason.signal) end)
	bp("calc", function() batch "kill" end)
	show(run())' "$TARGETS/calc_pie"
	expect_status 137
	expect_stdout_like '^moved=.* end=signal SIGKILL$'
	expect_stdout_like '^on exit	SIGKILL$'
	expect_stdout_like '^run: signal SIGKILL$'
	hooked 'on("exit", function(_, reason) print("on exit", reason.signal) end)
	batch "kill"
	show(run())' "$TARGETS/calc_pie"
	expect_status 137
	expect_stdout_like '^on exit	SIGKILL$'
	expect_stdout_like '^run: signal SIGKILL$'
}

test_ended_in_gdb() {
	needs_gdb
	for when in 'bp("main", function() batch "continue" end)' 'batch "continue"'; do
		hooked "$when show(run())" "$TARGETS/exits" code 5
		expect_status 5
		expect_stdout_like '^moved=.* end=exit 5$'
		expect_stdout_like '^run: exit 5$'
	done
}

test_attached_and_ended_in_gdb() {
	needs_gdb
	start_target busy 1
	run "$PTRACEHOOK" -p "$target" -e 'dofile "batch.lua"' -e 'batch "kill" show(run())'
	expect_status 137
	expect_stdout_like '^moved=.* end=signal SIGKILL$'
	expect_stdout_like '^run: signal SIGKILL$'
}

test_exec_in_gdb() {
	needs_gdb
	hooked 'bp("main", function(_, b) print("main", b.hits) end)
	bp("marker", function() batch("catch exec", "continue") end, { once = true })
	show(run())' "$TARGETS/execer" self 2
	expect_status 0
	expect_stdout_like '^moved=true replaced=true born=0 gone=0 end=none$'
	expect_stdout_like '^main	3$'
	expect_stdout_like '^run: exit 0$'
}

test_gdb_is_killed() {
	needs_gdb
	# By its own command, with a breakpoint of its own that is not in memory while it stands.
	hooked 'bp("calc", function(_, b) if b.hits == 1 then tell(gdb { args = { "-nx", "-ex", "shell kill -KILL $PPID" } }) end end)
	show(run())' "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like "$UNTOUCHED"
	expect_stdout_like '^calc\(4, 5\) = 9$'
}

# ---- Signals and system calls

test_a_crash_is_looked_at() {
	needs_gdb
	hooked 'bp("done", function() end)
	on("signal", "SEGV", function() batch "p/x $pc" print("at " .. hex(regs.rip)) end)
	show(run())' "$TARGETS/again" crash
	expect_status 139
	at=$(sed -n 's/^at //p' stdout)
	[ -n "$at" ] || fail 'no crash'
	grep -qxF "\$1 = $at" stdout || fail 'GDB finds it elsewhere'
	expect_stdout_like "$UNTOUCHED"
	expect_stdout_like '^run: signal SIGSEGV$'
}

test_signals_that_wait_come_afterwards() {
	needs_gdb
	start_target busy 3
	run "$PTRACEHOOK" -p "$target" -e 'dofile "batch.lua"' -e '
		on("signal", function(_, sig) print("signal " .. sig.name) return SUPPRESS end)
		run{timeout = 0.05}
		os.execute("kill -HUP " .. process.pid)
		os.execute("kill -USR1 " .. process.pid)
		batch "info threads"
		print "back"
		run{timeout = 0.2}'
	expect_status 0
	expect_stdout_like "$UNTOUCHED"
	[ "$(grep -A9 '^back$' stdout | grep -c '^signal SIG\(HUP\|USR1\)$')" = 2 ] || fail 'signals'
	expect_stdout_unlike 'SIGSTOP|SIGCONT'
	expect_unharmed
	expect_busy_goes_on
}

test_a_target_that_was_stopped_stays_stopped() {
	needs_gdb
	start_target busy 2
	kill -STOP "$target"
	wait_until grep -q '^State:.T (stopped)' "/proc/$target/status"
	run "$PTRACEHOOK" -p "$target" -e 'dofile "batch.lua"' -e 'batch "p 1" run{timeout = 0.1}'
	expect_status 0
	expect_stdout_like "$UNTOUCHED"
	wait_until grep -q '^State:.T (stopped)' "/proc/$target/status"
	kill -CONT "$target"
	expect_unharmed
	expect_busy_goes_on
}

# GDB finds it before the instruction that makes the call, which is made when hooks are done.
test_at_the_entry_of_a_call() {
	needs_gdb
	hooked 'policy{seccomp = "off"}
	on("syscall", "write", function(sc)
		gdb(arguments("p/x *(unsigned short *)$rip", "p $rax == " .. SYS.write))
		print(sc.name)
	end)
	show(run())' "$TARGETS/calc_pie"
	expect_status 0
	[ "$(grep -c '^\$1 = 0x50f$' stdout)" = 2 ] || fail "GDB does not find it at syscall"
	[ "$(grep -c '^\$2 = 1$' stdout)" = 2 ] || fail "GDB does not find it before the call"
	[ "$(grep -c '^write$' stdout)" = 2 ] || fail "the call is told more than once"
	expect_stdout_like '^calc\(4, 5\) = 9$'
	expect_stdout_like '^run: exit 0$'
}

# Calls that nobody looks at in GDB are made as ever, and watched by hooks afterwards.
test_with_our_filter() {
	needs_gdb
	hooked 'local writes = 0
	on("syscall", "write", { leave = function() writes = writes + 1 if writes == 1 then batch "p $rax" end end })
	bp("calc", function(_, b) if b.hits == 2 then batch "p $rdi" end end)
	show(run())
	print("writes " .. writes)' "$TARGETS/calc_pie"
	expect_status 0
	[ "$(grep -Ec "$UNTOUCHED" stdout)" = 2 ] || fail 'not untouched'
	[ "$(grep -c '^calc(' stdout)" = 2 ] || fail 'a write was lost'
	grep -q '^writes [2-9]' stdout || fail 'hooks miss calls'
	expect_stderr_like 'ptracehook: gdb: system calls that hooks are on fail with ENOSYS when GDB lets the target run; policy'
}

# ---- When it cannot be

test_without_gdb() {
	mkdir none
	run env PATH="$PWD/none" "$PTRACEHOOK" -e 'bp("calc", function(_, b)
		if b.hits == 1 then print(pcall(gdb)) end
	end)' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^false	.*gdb: no GDB in \$PATH: install it \(the package gdb\)'
	expect_stdout_like '^calc\(4, 5\) = 9$'
	expect_stderr ''
}

test_a_gdb_that_is_no_program() {
	mkdir bin
	echo nothing >bin/gdb
	chmod +x bin/gdb
	run env PATH="$PWD/bin" "$PTRACEHOOK" -e 'bp("calc", function(_, b)
		if b.hits == 1 then print(pcall(gdb)) end
	end)' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^false	.*gdb: Exec format error'
	expect_stdout_like '^calc\(4, 5\) = 9$'
}

test_wrong_arguments() {
	run "$PTRACEHOOK" -e 'print(pcall(gdb, 5))
		print(pcall(gdb, { arg = {} }))
		print(pcall(gdb, { args = "-batch" }))
		print(pcall(gdb, { args = { 5 } }))
		kill()
		print(pcall(gdb))' -- "$TARGETS/calc_pie"
	expect_stdout_like '^false	.*gdb: thread: Thread expected, got 5$'
	expect_stdout_like "^false	.*gdb: there is no option 'arg'; did you mean 'args'\?$"
	expect_stdout_like '^false	.*gdb: args: table expected, got .*-batch'
	expect_stdout_like '^false	.*gdb: args: 1: string expected, got 5$'
	expect_stdout_like '^false	.*gdb: the session has ended'
}

# Asked to end while GDB is there: so is GDB, and targets are what they would be otherwise.
test_terminated_meanwhile() {
	needs_gdb
	start_target busy 2
	mkfifo never
	launch "$PTRACEHOOK" -p "$target" -e 'dofile "batch.lua"' -e 'batch("shell touch there; exec cat never")'
	wait_until [ -e there ]
	kill -TERM "$started"
	exec 7>never 7>&-
	wait_started
	expect_status 143
	expect_unharmed
	expect_busy_goes_on
	rm there
	launch "$PTRACEHOOK" -e 'dofile "batch.lua"' -e 'print(process.pid) io.flush() batch("shell touch there; exec cat never")' -- "$TARGETS/busy"
	wait_until [ -e there ]
	kill -TERM "$started"
	exec 7>never 7>&-
	wait_started
	expect_status 143
	is_dead "$(head -n 1 stdout)" || fail 'the target lives'
}

# ---- On a terminal

screen() { tmux -S "$PWD/tmux" capture-pane -p; }
keys() { tmux -S "$PWD/tmux" send-keys "$@"; }
screen_has() { screen | grep -Eq -- "$1"; }
screen_has_twice() { [ "$(screen | grep -Ec -- "$1")" = 2 ]; }

test_on_a_terminal() {
	needs_gdb
	type -P tmux >/dev/null || skip 'no tmux'
	cat >inner.sh <<-'END'
		"$PTRACEHOOK" -e 'bp("libc!read", function(_, b)
			if b.hits > 1 then return end
			local found = gdb { args = { "-nx" } }
			print("back", found.moved, found.reason)
		end)' -- cat
		echo "status $?"
		read -r line
		echo "read $line"
		exec cat
	END
	tmux -S "$PWD/tmux" -f /dev/null new-session -d -x 100 -y 60 "exec bash $PWD/inner.sh"
	wait_until screen_has '^\(gdb\) *$'
	keys C-c
	wait_until screen_has '^\(gdb\) Quit'
	# GDB has no shell to stop for.
	keys C-z
	keys 'bt 1' Enter
	wait_until screen_has '^#0 .*read'
	keys 'continue' Enter
	wait_until screen_has '^Continuing'
	keys 'typed to cat' Enter
	wait_until screen_has_twice '^typed to cat'
	until screen_has 'received signal SIGINT'; do keys C-c; read -rt 0.2 <>/dev/fd/"$e2e_never"; done
	keys 'signal 0' Enter
	wait_until screen_has 'Continuing with no signal'
	keys 'again' Enter
	until screen_has '^again.*' && [ "$(screen | grep -c 'received signal SIGINT')" -ge 2 ]; do
		keys C-c
		read -rt 0.2 <>/dev/fd/"$e2e_never"
	done
	keys 'queue-signal 0' Enter 'quit' Enter
	wait_until screen_has 'Quit anyway'
	keys 'y' Enter
	wait_until screen_has '^back.*true.*nil'
	keys 'third' Enter
	wait_until screen_has_twice '^third'
	keys C-d
	wait_until screen_has '^status 0$'
	keys 'ours again' Enter
	wait_until screen_has '^read ours again$'
	tmux -S "$PWD/tmux" kill-server 2>/dev/null
}

e2e_main "$@"
