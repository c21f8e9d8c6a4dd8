#!/bin/bash
# Bad input from scripts: one clear line that says what is wrong, status 1, no harm to the target. (Command lines:
# usage.sh; programs and processes: refusals.sh; names: names.sh; standard output: streams.sh; errors: status.sh.)
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# script_error REGEX CHUNK TARGET [ARG...]: the chunk fails with a first line like that.
script_error() {
	run "$PTRACEHOOK" -e "$2" -- "$TARGETS/$3" "${@:4}"
	expect_status 1
	head -n 1 stderr | grep -Eq "^ptracehook: \(command line\):[0-9]+: $1" || fail "the first line of stderr is not like: $1"
}

test_no_such_script() {
	local name
	for name in no-such-script no-such-script.lua ./no-such-script.lua /no/such/script.lua ''; do
		run "$PTRACEHOOK" "$name" -- "$TARGETS/calc_pie"
		expect_status 1
		expect_complaint "^ptracehook: no script '$name'"
		expect_stdout ''
	done
}

test_a_folder_is_no_script() {
	mkdir folder
	run "$PTRACEHOOK" ./folder -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint "^ptracehook: .*\./folder.*(Is a directory|is a folder)"
	expect_stdout ''
}

test_a_binary_is_no_script() {
	cp "$TARGETS/calc_pie" program
	run "$PTRACEHOOK" ./program -- "$TARGETS/calc_pie"
	expect_status 1
	expect_complaint '^ptracehook: \./program:1: '
	expect_stdout ''
	printf '\033LJ nonsense' >bytecode
	run "$PTRACEHOOK" ./bytecode
	expect_status 1
	expect_complaint '^ptracehook: .*bytecode'
	: >empty.lua
	run "$PTRACEHOOK" empty.lua -- "$TARGETS/exits" code 7
	expect_status 7
}

test_arguments_of_every_function() {
	cp "$TOP/tests/e2e/bad_arguments.lua" .
	run "$PTRACEHOOK" bad_arguments.lua -- "$TARGETS/calc_pie"
	expect_stderr ''
	expect_status 0
	expect_stdout $'calc(1, 2) = 3\ncalc(4, 5) = 9'
}

test_a_hook_that_returns_rubbish() {
	local rubbish
	for rubbish in '"text"' 1 true false '{}' 'function() end' '0ULL' 'STOP, 1' GOTO SIGNAL 'GOTO(0), nil'; do
		case $rubbish in
		# The first value counts.
		'STOP, 1' | 'GOTO(0), nil') continue ;;
		esac
		run "$PTRACEHOOK" -e "bp('calc', function() return $rubbish end)" -- "$TARGETS/calc_pie"
		expect_status 1
		expect_stdout ''
		head -n 1 stderr | grep -Eq '^ptracehook: .*a hook on breakpoint returned .*; it may return nothing or an action' ||
			fail "$rubbish: not told"
		head -n 1 stderr | grep -Eq '\(command line\):1' || fail "$rubbish: no place"
	done
	# Only the first value is looked at, as Lua's own callbacks do.
	run "$PTRACEHOOK" -e "bp('calc', function() return CONTINUE, 'more' end)" -- "$TARGETS/calc_pie" 1 2
	expect_status 0
}

test_an_action_where_it_makes_no_sense() {
	local action
	for action in SKIP RETURN 'RETURN(1)' 'GOTO(0)' STEP; do
		run "$PTRACEHOOK" -e "on('exit', function() return $action end)" -- "$TARGETS/calc_pie" 1 2
		expect_status 1
		head -n 1 stderr | grep -Eq '^ptracehook: .*a hook on exit returned' || fail "$action: not told"
		run "$PTRACEHOOK" -e "on('signal', function() return $action end)" -- "$TARGETS/exits" signal 10
		expect_status 1
		head -n 1 stderr | grep -Eq '^ptracehook: .*a hook on signal returned' || fail "$action: not told"
	done
	script_error '.*SUPPRESS' 'bp("calc", SUPPRESS)' calc_pie
	script_error '.*GOTO' 'bp("calc", GOTO)' calc_pie
}

test_return_in_the_middle_of_a_function() {
	# Valid at a function's entry only; elsewhere the stack's top is no return address.
	run "$PTRACEHOOK" -e 'bp("work_middle", RETURN(1))' -- "$TARGETS/threads8" 1 1
	[ "$status" != 0 ] || fail "status 0"
}

test_goto_where_nothing_is_mapped_is_the_targets_fault() {
	run "$PTRACEHOOK" -e 'bp("calc", function() return GOTO(16) end)' -- "$TARGETS/calc_pie"
	expect_status 139
	expect_stderr ''
}

test_removing_twice() {
	run "$PTRACEHOOK" -e '
		local function both(name, object)
			object:remove()
			for _, verb in ipairs { "remove", "enable", "disable" } do
				local ok, err = pcall(function() object[verb](object) end)
				print(name, verb, ok, (tostring(err):gsub("^.-:%d+: ", "")))
				assert(tostring(err):find "^%(command line%):%d+: ")
			end
		end
		local b = bp("calc", function() print "never" end)
		both("breakpoint", b)
		print(b.enabled, b.hits, tostring(b))
		both("handle", on("exit", function() print "never" end))' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^breakpoint	remove	false	.*removed'
	expect_stdout_like '^breakpoint	enable	false	.*removed'
	expect_stdout_like '^breakpoint	disable	false	.*removed'
	expect_stdout_like '^handle	remove	false	.*removed'
	expect_stdout_like '^false	0	Breakpoint 1 at calc \(0 hits, removed\)'
	expect_stdout_unlike never
}

test_a_hook_that_removes_itself_twice() {
	script_error '.*removed' 'bp("calc", function(_, b) b:remove() b:remove() end)' calc_pie
	run "$PTRACEHOOK" -e 'bp("calc", function(_, b) print(b.hits) b:remove() return REMOVE end)' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'1\ncalc(1, 2) = 3\ncalc(4, 5) = 9'
	expect_stderr ''
}

# Each line of the output: what was used after the end, and what was said.
test_things_used_after_the_end() {
	run "$PTRACEHOOK" -e '
		local s = process.session
		local t, p, view = thread, process, regs
		local b = s:bp("calc", function() end)
		local h = s:on("exit", function() end)
		local vector, own, memory = regs.xmm0, t.regs, t.mem
		local at = regs.rsp
		s:run()
		local function used(what, fn, ...)
			local ok, err = pcall(fn, ...)
			print(what, ok, (tostring(err):gsub("\n.*", "")))
		end
		used("session.run", function() return s:run().kind end)
		used("session.bp", function() s:bp("calc", STOP) end)
		used("session.on", function() s:on("exit", STOP) end)
		used("session.kill", function() s:kill() end)
		used("session.detach", function() s:detach() end)
		used("session.threads", function() return #s:threads() end)
		used("session.sym", function() return s:sym "calc" end)
		used("session.policy", function() s:policy{follow = true} end)
		used("session.tostring", function() return tostring(s) end)
		used("bp", function() bp("calc", STOP) end)
		used("thread.tid", function() return t.tid end)
		used("thread.state", function() return t.state end)
		used("thread.process", function() return t.process.pid == p.pid end)
		used("thread.regs", function() return t.regs.rax end)
		used("regs view", function() return own.rax end)
		used("regs view write", function() own.rax = 1 end)
		used("regs view all", function() return own:all() end)
		used("regs", function() return regs.rax end)
		used("old regs", function() return view.eax end)
		used("vector", function() return vector.u8[0] end)
		used("vector write", function() vector.u8[0] = 1 end)
		used("thread.mem", function() return memory.u8[at] end)
		used("mem", function() return mem.u8[at] end)
		used("mem write", function() mem.u8[at] = 1 end)
		used("mem.maps", function() return mem.maps() end)
		used("mem.find", function() return mem.find "x" end)
		used("process.pid", function() return p.pid == s.pid end)
		used("process.path", function() return p.path end)
		used("process.threads", function() return #p:threads() end)
		used("breakpoint.hits", function() return b.hits end)
		used("breakpoint.enable", function() b:enable() end)
		used("breakpoint.remove", function() b:remove() end)
		used("handle.remove", function() h:remove() end)' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stderr ''
	local what
	for what in session.bp session.on session.kill session.detach session.sym session.policy bp thread.regs 'regs view' \
		'regs view write' 'regs view all' regs 'old regs' vector 'vector write' thread.mem mem 'mem write' mem.maps mem.find \
		breakpoint.enable breakpoint.remove handle.remove; do
		grep -Eq "^$what	false	\(command line\):[0-9]+: .*(ended|gone|let go|removed)" stdout ||
			fail "after the end, $what says: $(grep "^$what	" stdout)"
	done
	expect_stdout_like '^session.run	true	exit$'
	expect_stdout_like '^session.threads	true	0$'
	expect_stdout_like '^session.tostring	true	Session [0-9]+ \(ended\)$'
	expect_stdout_like '^thread.tid	true	[0-9]+$'
	expect_stdout_like '^thread.state	true	ended$'
	expect_stdout_like '^thread.process	true	true$'
	expect_stdout_like '^process.pid	true	true$'
	expect_stdout_like '^breakpoint.hits	true	2$'
}

test_registers_kept_over_a_stop_do_not_lie() {
	# What a hook kept of its thread means that thread as it is now.
	run "$PTRACEHOOK" -e 'local kept
		bp("calc", function(thread) if kept then print(kept.edi, regs.edi) end kept = thread.regs end)' -- \
		"$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'calc(1, 2) = 3\n4\t4\ncalc(4, 5) = 9'
}

test_another_threads_registers_while_it_runs() {
	run "$PTRACEHOOK" -o out -e 'local other
		bp("work", function(thread)
			if not other then other = thread
			elseif thread.tid ~= other.tid and other.state == "running" then
				local ok, err = pcall(function() return other.regs.rax end)
				print(ok, err) return KILL
			end
		end)' -- "$TARGETS/threads8" 2 100000
	grep -Eq '^false	\(command line\):[0-9]+: .*(running|stopped)' out || fail "out has: $(cat out)"
}

test_reading_across_the_end_of_a_mapping() {
	# edge: a string that ends with its mapping; hole: nothing there.
	run "$PTRACEHOOK" -e 'bp("mem_here", function()
			local map
			for _, one in ipairs(mem.maps()) do
				local following = false
				for _, other in ipairs(mem.maps()) do following = following or other.start == one.stop end
				if one.perms:find "^r" and not following and one.path == "" then map = one end
			end
			local ok, err = pcall(mem.read, map.stop - 16, 64)
			print(ok, err.name, err.addr == map.stop, err.done, err.op ~= nil)
			print((tostring(err):gsub("0x%x+", "ADDRESS")))
			print(#mem.read(map.stop - 16, 16), pcall(mem.read, map.stop, 0))
			local ok, err = pcall(mem.write, map.stop - 8, ("x"):rep(32))
			print(ok, err.addr == map.stop, err.done)
			local ok, err = pcall(function() return mem.u64[map.stop - 4] end)
			print(ok, err.addr == map.stop, err.done)
		end)' -- "$TARGETS/mem"
	expect_stdout_like $'^false\t(EIO|EFAULT)\ttrue\t16\ttrue$'
	expect_stdout_like $'^16\ttrue'
	expect_stdout_like $'^false\ttrue\t8$'
	expect_stdout_like $'^false\ttrue\t4$'
	expect_stdout_like 'ADDRESS'
}

test_errors_of_verbs_are_tables() {
	run "$PTRACEHOOK" -e 'local ok, err = pcall(mem.read, 16, 4)
		print(ok, type(err), err.op, err.errno, err.name, err.tid == thread.tid, err.addr, err.done)
		print(err.message)
		print(tostring(err) == "(command line):1: " .. err.message or tostring(err))
		kill()' -- "$TARGETS/calc_pie"
	expect_stdout_like $'^false\ttable\t[a-z ]+\t(5|14)\t(EIO|EFAULT)\ttrue\t16\t0$'
	expect_stdout_like '0x10'
}

test_a_hook_cannot_run_its_own_target() {
	script_error '.*run: the session is running already: a hook cannot run its own target' \
		'bp("calc", function() run() end)' calc_pie
}

test_scripts_that_break_their_own_world() {
	run "$PTRACEHOOK" -e 'print = nil bp = 7 regs = nil STOP = "x" setmetatable(_G, nil)' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 3'
	run "$PTRACEHOOK" -e 'require = nil package.loaded["ptracehook.main"] = nil package.loaders = {}' -- "$TARGETS/calc_pie" 1 2
	[ "$status" = 0 ] || [ "$status" = 1 ] || fail "status $status"
	run "$PTRACEHOOK" -e 'debug.getregistry()["ptracehook.open"] = nil debug.sethook(function() end, "l")
		collectgarbage() collectgarbage()' -- "$TARGETS/calc_pie" 1 2
	[ "$status" -lt 128 ] || fail "status $status"
}

e2e_main "$@"
