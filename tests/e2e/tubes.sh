#!/bin/bash
# Tubes from outside: interactive() on a terminal and on pipes, broken pipes, interrupts while one waits.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# in_terminal SCRIPT: ptracehook runs the Lua text in a terminal of its own, with a shell behind it.
in_terminal() {
	command -v tmux >/dev/null || skip "no tmux"
	printf '%s\n' "$1" >script.lua
	cat >inner.sh <<-'END'
		#!/bin/bash
		"$PTRACEHOOK" script.lua
		echo "status $?"
		echo "modes $(stty -a | grep -o -- '-\?icanon')"
		exec cat
	END
	tmux -S "$PWD/tmux" -f /dev/null new-session -d -x 80 -y 24 "exec bash $PWD/inner.sh"
}

keys() {
	tmux -S "$PWD/tmux" send-keys "$@"
}

screen() {
	tmux -S "$PWD/tmux" capture-pane -p
}

shows() {
	wait_until eval "screen | grep -q -- '$1'"
}

leave_terminal() {
	screen >seen
	tmux -S "$PWD/tmux" kill-server 2>/dev/null
}

test_interactive_hands_the_terminal_to_a_pty() {
	in_terminal '
		local s = spawn { "/bin/sh", "-c", [[
			trap "echo caught" INT
			read x; echo "first $x"
			read x # ended by the signal
			stty -a | grep -o -- "-\?icanon"; read x; echo "then $x"; read x; exit 5]], pty = {} }
		s.io:send_line "sent"
		print(s.io:interactive())
		print(s:run().code)'
	shows 'first sent'
	keys 'by hand' C-c
	shows 'caught'
	keys 'again' Enter
	shows 'then again'
	shows '^icanon'
	keys C-d
	# Its modes are what they were.
	shows 'status 0'
	shows '^modes icanon'
	leave_terminal
	grep -q '^true' seen || fail "$(cat seen)"
	grep -q '^5' seen || fail "$(cat seen)"
}

test_interactive_on_a_pty_has_the_size_of_the_terminal() {
	in_terminal '
		local s = spawn { "/bin/bash", "-c", [[
			trap "stty size" WINCH
			stty size; echo ready; while read -t 0.1 x || [ $? -gt 128 ]; do :; done]], pty = {} }
		print(s.io:interactive())'
	shows '^ready'
	tmux -S "$PWD/tmux" resize-window -x 93 -y 31
	shows '^31 93'
	keys C-d
	shows 'status 0'
	leave_terminal
}

test_interactive_runs_hooks_and_ends_with_the_target() {
	in_terminal '
		local s = spawn { os.getenv "TARGETS" .. "/reader", stdin = "pipe", stdout = "pipe" }
		s:bp("handle_line", function() print("hook " .. mem.cstr(regs.rdi)) io.stdout:flush() end)
		print(s.io:interactive())'
	keys 'one' Enter
	shows 'hook one'
	shows 'got: one'
	keys 'two' Enter
	shows 'got: two'
	keys C-d
	shows 'lines 2'
	shows 'status 0'
	leave_terminal
}

test_interactive_gives_the_terminal_back_after_an_error() {
	in_terminal '
		local s = spawn { "/bin/sh", "-c", "read x; kill -USR1 $$; read x", pty = {} }
		s:on("signal", "SIGUSR1", function() error "in a hook" end)
		s.io:interactive()'
	keys Enter
	shows 'in a hook'
	shows 'status 1'
	shows '^modes icanon'
	leave_terminal
}

test_interactive_on_pipes_goes_to_the_end_of_what_is_typed() {
	cat >script.lua <<-'END'
		local s = spawn { os.getenv "TARGETS" .. "/reader", stdin = "pipe", stdout = "pipe" }
		print(s.io:interactive())
		print(s:run().kind)
	END
	run "$PTRACEHOOK" script.lua <<<$'one\ntwo'
	expect_status 0
	expect_stdout $'got: one\ngot: two\nlines 2\ntrue\nexit'
	run "$PTRACEHOOK" script.lua </dev/null
	expect_status 0
	expect_stdout $'lines 0\ntrue\nexit'
	# More than anybody wants to keep for a target that does not read.
	run bash -c 'yes | head -c 300000000 | "$PTRACEHOOK" -e "
		local s = spawn { [[sh]], [[-c]], [[read x; echo \$x; exec sleep 0.3]], stdin = [[pipe]], stdout = [[pipe]] }
		print(s.io:interactive())
		for line in io.lines [[/proc/self/status]] do
			if line:find [[^VmHWM]] and tonumber(line:match [[%d+]]) > 200000 then print(line) end
		end"'
	expect_stdout $'y\ntrue'
}

test_a_broken_pipe_never_kills_us() {
	run "$PTRACEHOOK" -e '
		local s = spawn { "true", stdin = "pipe", stdout = "pipe" }
		s:run()
		print(s.stdin:send(("x"):rep(1e6)))
		s = spawn { "sh", "-c", "exec <&-; read x", stdin = "pipe", stdout = "pipe" }
		print(s.stdin:send(("x"):rep(1e6)))
		print(s.stdin:write "x")'
	expect_status 0
	expect_stdout $'nil\teof\nnil\teof\nnil\tBroken pipe\t32'
	expect_stderr ''
}

test_ctrl_c_ends_a_wait() {
	local script
	for script in 's.io:recv_line()' 's.io:recv_all()' 's:detach() s.io:recv_line()' \
		'spawn({ "sleep", "60", stdin = "pipe" }).io:send(("x"):rep(1e6))' \
		's:bp("handle_line", function() s.io:recv(1, 100) end) s.io:send_line "x" s:run()'; do
		launch "$PTRACEHOOK" -e "s = spawn { os.getenv 'TARGETS' .. '/reader', stdin = 'pipe', stdout = 'pipe' }
			io.write 'ready\n' io.stdout:flush() $script"
		wait_for_line '^ready' stdout
		kill -INT "$started"
		wait_started
		[ "$status" = 130 ] || fail "$script: status $status"
	done
}

e2e_main "$@"
