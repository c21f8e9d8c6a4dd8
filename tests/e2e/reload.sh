#!/bin/bash
# Scripts whose hooks are swapped for their new version's: load_script, reload, -w.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

export HOME=/nonexistent
unset XDG_STATE_HOME XDG_CONFIG_HOME

# version N: a script that says which it is at its first hit, and how many breakpoints there are.
version() {
	cat >new.lua <<-END
		state.loads = (state.loads or 0) + 1
		bp("tick", function(_, b)
			if b.hits == 1 then print("version $1", state.loads, #bps()) io.stdout:flush() end
		end)
	END
	mv new.lua script.lua
}

test_w_reloads_when_the_file_changes_while_the_target_runs() {
	start_target busy 4
	version 1
	launch "$PTRACEHOOK" -w -p "$target" script.lua
	wait_for_line $'^version 1\t1\t1$'
	version 2
	wait_for_line $'^version 2\t2\t1$'
	# What is wrong leaves the old one, and nothing of its own.
	echo 'this is no Lua' >script.lua
	wait_for_line 'script.lua is not reloaded.*expected near' stderr
	echo 'bp("tick", CONTINUE) error "broken"' >script.lua
	wait_for_line 'script.lua is not reloaded.*broken' stderr
	version 3
	wait_for_line $'^version 3\t3\t1$'
	kill -INT "$started"
	wait_started
	expect_status 130
	expect_unharmed
	expect_busy_goes_on
}

test_w_works_for_a_script_with_arguments_in_another_folder() {
	start_target busy 1
	mkdir elsewhere
	echo 'print("one", ...) io.stdout:flush()' >elsewhere/script.lua
	launch "$PTRACEHOOK" -w -p "$target" elsewhere/script.lua a b
	wait_for_line $'^one\ta\tb$'
	echo 'print("two", ...) io.stdout:flush()' >elsewhere/script.lua
	wait_for_line $'^two\ta\tb$'
	kill -TERM "$started"
	wait_started
	expect_status 143
	expect_unharmed
}

test_load_script_and_reload_at_the_prompt() {
	start_target busy 2
	version 1
	launch_with_input "$PTRACEHOOK" -i -p "$target"
	echo 'load_script "script.lua"' >&5
	wait_for_line $'^version 1\t1\t1$'
	version 2
	echo 'reload()' >&5
	wait_for_line $'^version 2\t2\t1$'
	echo 'print("there are " .. #bps())' >&5
	wait_for_line '^there are 1$'
	echo 'error "x"' >script.lua
	echo 'reload() ' >&5
	wait_for_line 'script.lua:1: x' stderr
	echo 'print("still " .. #bps())' >&5
	wait_for_line '^still 1$'
	exec 5>&-
	wait_started
	expect_status 0
	expect_unharmed
}

test_w_watches_what_is_loaded_at_the_prompt() {
	start_target busy 1
	version 1
	launch_with_input "$PTRACEHOOK" -w -i -p "$target"
	echo 'load_script "script.lua"' >&5
	wait_for_line $'^version 1\t1\t1$'
	version 2
	wait_for_line $'^version 2\t2\t1$'
	wait_for_line '^script.lua is reloaded: 1 hooks$'
	exec 5>&-
	wait_started
	expect_status 0
	expect_unharmed
}

test_every_kind_of_hook_is_swapped() {
	cat >script.lua <<-'END'
		bp("calc", CONTINUE)
		on("syscall", "write", CONTINUE)
		on("signal", CONTINUE)
		watch(regs.rsp - 64, { len = 8 }, CONTINUE)
		hook("show", { enter = function() end })
		patch("calc+0", original_bytes("calc"))
		state.loads = (state.loads or 0) + 1
	END
	printf '%s\n' 'run_to "main"' 'load_script "script.lua"' '#bps()' 'for i = 1, 20 do reload() end' '#bps()' 'state.loads' \
		>commands
	run "$PTRACEHOOK" -- "$TARGETS/calc_pie" 1 2 <commands
	expect_status 0
	expect_stderr ''
	check "two, two, twenty-one" [ "$(grep -Ex '2|21' stdout | tr '\n' ' ')" = '2 2 21 ' ]
	expect_stdout_like '^calc\(1, 2\) = 3$'
}

test_hooks_that_a_hook_adds_belong_to_its_script() {
	cat >script.lua <<-'END'
		bp("main", function() bp("calc", CONTINUE) end)
	END
	printf '%s\n' 'load_script "script.lua"' 'run_to "show"' '#bps()' 'reload()' '#bps()' >commands
	run "$PTRACEHOOK" -- "$TARGETS/calc_pie" 1 2 <commands
	expect_stderr ''
	check "two, then one" [ "$(grep -Ex '1|2' stdout | tr '\n' ' ')" = '2 1 ' ]
}

test_what_is_wrong_says_so() {
	printf '%s\n' 'reload()' 'load_script "none.lua"' 'reload "other.lua"' 'load_script()' >commands
	run "$PTRACEHOOK" -i <commands
	expect_stderr_like 'reload: no script was loaded'
	expect_stderr_like 'cannot open none.lua'
	expect_stderr_like "reload: 'other.lua' was not loaded"
	expect_stderr_like 'load_script: file: string expected'
}

e2e_main "$@"
