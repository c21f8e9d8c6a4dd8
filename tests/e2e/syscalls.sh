#!/bin/bash
# Hooks of system calls on real programs: what nobody hooks or follows runs as without us, also when it is let go.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

# What a folder's listing twice, by children of bash, prints.
two_listings='ls /usr; cat /etc/hostname; ls /usr | head -3; (ls /usr); echo "status $?"'

has_ended() {
	! pgrep -f -- "$1" >/dev/null
}

# No process has these words in its command line any more: what its keeper had has ended.
wait_for_end_of() {
	wait_until has_ended "$1"
}

expect_out() {
	grep -q -- "$1" stdout || fail "no '$1'"
}

test_children_that_nobody_follows_run_as_untraced_under_the_filter() {
	bash -c "$two_listings" >expected 2>&1
	run "$PTRACEHOOK" -o hits -e 'local n = 0
		on("syscall", "openat", function() n = n + 1 end)
		on("exit", function() print(n) end)' -- bash -c "$two_listings"
	expect_status 0
	expect_stderr ''
	cmp expected stdout || fail 'other output'
	strace -qq -o calls -e trace=openat bash -c "$two_listings" >/dev/null 2>&1
	[ "$(cat hits)" = "$(grep -c '^openat' calls)" ] || fail "$(cat hits) hits, but $(grep -c '^openat' calls) calls"
}

test_children_that_are_followed_are_hooked() {
	run "$PTRACEHOOK" -f -o hits -e 'local seen = {}
		on("syscall", "execve", {leave = function(sc) if sc.ret == 0 then seen[#seen + 1] = process.path:match "[^/]+$" end end})
		on("exit", function(p) if p.pid == p.session.pid then print(table.concat(seen, " ")) end end)' \
		-- bash -c '/bin/true; /bin/ls / >/dev/null; (exec /bin/true)'
	expect_status 0
	[ "$(cat hits)" = 'true ls true' ] || fail "$(cat hits)"
}

test_a_target_let_go_among_its_calls_lives_on() {
	local at
	bash -c "$two_listings" >expected 2>&1
	for at in 1 2 3 5 8 13 20; do
		cat >detach.lua <<-END
			local n = 0
			on("syscall", {"openat", "read", "write", "wait4", "clone", "clone3", "vfork"}, function()
				n = n + 1
				if n == $at then return DETACH end
			end)
		END
		rm -f finished
		run "$PTRACEHOOK" detach.lua -- bash -c "{ $two_listings; } 2>&1; echo >finished # keep-$at"
		expect_status 0
		expect_stderr ''
		wait_until test -e finished
		wait_for_end_of "keep-$at"
		cmp expected stdout || fail "let go at call $at"
	done
}

test_a_target_let_go_in_a_leave_hook_with_many_processes() {
	run "$PTRACEHOOK" -f -e 'local n = 0
		on("syscall", "*", {leave = function() n = n + 1 if n == 700 then return DETACH end end})' \
		-- bash -c 'for i in 1 2 3 4 5 6; do (for k in 1 2 3; do /bin/true || echo bad; done; echo "$i") & done
			wait; echo >finished # keep-many'
	expect_status 0
	wait_until test -e finished
	wait_for_end_of keep-many
	[ "$(sort stdout | tr '\n' ' ')" = '1 2 3 4 5 6 ' ] || fail 'other output'
}

test_a_blocked_target_let_go_stays_blocked_and_works() {
	mkfifo input
	exec 5<>input
	run "$PTRACEHOOK" -e 'on("syscall", "read", function() end)
		run{timeout = 0.2}
		detach()' -- "$TARGETS/calls" block <input
	expect_status 0
	expect_out 'ready'
	printf 'x' >&5
	wait_until grep -q 'read 1' stdout
	exec 5>&-
	wait_for_end_of "$TARGETS/calls block"
}

test_a_stopped_target_let_go_stays_stopped_until_it_is_continued() {
	local pid
	mkfifo input
	exec 5<>input
	run "$PTRACEHOOK" -e 'on("syscall", "read", function() end)
		run{timeout = 0.2}
		print(process.pid)
		detach{stopped = true}' -- "$TARGETS/calls" block <input
	expect_status 0
	pid=$(sed -n 's/^pid //p' stdout)
	wait_until grep -q '^State:.[tT]' "/proc/$pid/status"
	printf 'x' >&5
	wait_until grep -q '^State:.[tT]' "/proc/$pid/status"
	! grep -q 'read 1' stdout || fail 'it was not stopped'
	kill -CONT "$pid"
	wait_until grep -q 'read 1' stdout
	exec 5>&-
	wait_for_end_of "$TARGETS/calls block"
}

test_signals_of_a_target_let_go_arrive_with_their_siginfo() {
	run "$PTRACEHOOK" -e 'on("syscall", "rt_sigqueueinfo", function() end)
		local n = 0
		on("signal", function() n = n + 1 if n == 3 then return DETACH end end)' -- "$TARGETS/signals" rt 32
	expect_status 0
	wait_until grep -q '^rt' stdout
	wait_for_end_of "$TARGETS/signals rt"
	"$TARGETS/signals" rt 32 >expected
	cmp expected stdout || fail 'other signals'
}

test_without_privileges_the_filter_costs_those_that_could_be_gained() {
	local as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	type -P setpriv >/dev/null && "${as[@]}" /bin/true 2>/dev/null || skip 'cannot become somebody else'
	cp "$PTRACEHOOK" ./ptracehook && chmod 755 ptracehook . || fail 'cannot copy'
	"${as[@]}" "$PWD/ptracehook" -e '' -- /bin/true 2>/dev/null || skip 'nobody cannot run it here'
	run "${as[@]}" "$PWD/ptracehook" -e 'on("syscall", "getuid", function(sc) sc:skip(7) end)
		on("exit", function() io.stderr:write(stats().stops < 60 and "filtered\n" or "every call\n") end)' \
		-- sh -c 'id -u; grep NoNewPrivs /proc/self/status'
	expect_status 0
	expect_stderr 'filtered'
	expect_out 'NoNewPrivs:.1'
	run "${as[@]}" "$PWD/ptracehook" -e 'policy{seccomp = "off"} on("syscall", "getuid", function(sc) end)' \
		-- grep NoNewPrivs /proc/self/status
	expect_out 'NoNewPrivs:.0'
}

test_children_that_may_not_be_read_run_under_the_filter() {
	local as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	type -P setpriv >/dev/null && "${as[@]}" /bin/true 2>/dev/null || skip 'cannot become somebody else'
	cp "$PTRACEHOOK" ./ptracehook && cp /bin/bash ./secret && chmod 755 ptracehook . && chmod 711 secret || fail 'cannot copy'
	"${as[@]}" "$PWD/ptracehook" -e '' -- /bin/true 2>/dev/null || skip 'nobody cannot run it here'
	run "${as[@]}" "$PWD/ptracehook" -e 'on("syscall", "openat", function() end)' \
		-- sh -c './secret -c "/bin/echo one; (/bin/echo two)"; echo three'
	expect_status 0
	expect_stdout 'one
two
three'
}

test_the_redirect_in_three_lines() {
	for way in regs get set; do
		run "$PTRACEHOOK" -e "policy{syscall_info = '$way'}" -e 'on("syscall", "openat", function(sc)
			if sc:str(2) == "/etc/passwd" then sc:set_str(2, "/etc/hostname") end
		end)' -- cat /etc/passwd
		expect_status 0
		cmp stdout /etc/hostname || fail "by $way"
	done
}

test_a_real_program_under_every_call_hooked_prints_the_same() {
	local command
	for command in 'sha256sum /usr/bin/env' 'sort -R --random-source=/dev/zero /etc/passwd' 'find /usr/share/doc -maxdepth 1' \
		'python3 -c "import threading,subprocess;print(subprocess.run([\"ls\",\"/\"],capture_output=True).stdout)"'; do
		eval "$command" >expected 2>&1
		for options in 'follow = true' 'seccomp = "off", follow = true' 'follow = false'; do
			run sh -c "exec \"\$0\" -e 'policy{$options} on(\"syscall\", {enter = function(sc) local _ = sc.args[1] end, leave = function(sc) local _ = sc.ret end})' -- $command 2>&1" "$PTRACEHOOK"
			expect_status 0
			cmp expected stdout || fail "$command with $options"
		done
	done
}

e2e_main "$@"
