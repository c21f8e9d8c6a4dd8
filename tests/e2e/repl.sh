#!/bin/bash
# The prompt without a terminal: commands are read and run in order.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

export HOME=/nonexistent
unset XDG_STATE_HOME XDG_CONFIG_HOME

# commands LINE... -- ARG...: what the prompt is told, and its command line.
commands() {
	local lines=()
	while [ "$1" != -- ]; do
		lines+=("$1")
		shift
	done
	shift
	printf '%s\n' "${lines[@]}" >commands
	run "$PTRACEHOOK" "$@" <commands
}

test_expressions_are_shown_and_statements_run() {
	commands '1 + 1' 'x = 5' 'x' '"a\n\0\200b"' 'nil' 'x, x + 1' 'return 7' '-- nothing' -- -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stderr ''
	sed -n '2,8p' stdout >shown
	printf '%s\n' 2 5 '"a\n\0\xc8b"' nil 5 6 7 >wanted
	check "what is shown" diff wanted shown
}

test_results_are_kept_by_number() {
	commands '10' '20' '_ + _1' '_3 * 2' -- -- "$TARGETS/calc_pie"
	expect_status 0
	check "sums" [ "$(sed -n 4,5p stdout)" = $'30\n60' ]
}

test_a_chunk_may_have_several_lines() {
	commands 'for i = 1, 2 do' '  print(i)' 'end' 't = {' '1,' '}' '#t' -- -- "$TARGETS/calc_pie"
	expect_status 0
	check "lines" [ "$(sed -n 2,4p stdout)" = $'1\n2\n1' ]
}

test_the_first_error_ends_it_with_status_1() {
	commands 'print "before"' '' 'error "boo"' 'print "behind"' -- -- "$TARGETS/calc_pie" 1 2
	expect_status 1
	expect_stdout_like '^before$'
	expect_stdout_unlike 'behind|calc'
	expect_stderr_like '^ptracehook: stdin:3: boo$'
	expect_stderr_like 'stack traceback'
}

test_with_i_errors_are_told_and_it_goes_on() {
	commands 'error "boo"' 'nosuch()' '1 +' 'x )' 'print "behind"' -- -i -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stderr_like 'stdin:1: boo'
	expect_stderr_like "stdin:2: attempt to call global 'nosuch'"
	expect_stdout_like '^behind$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
}

test_an_unfinished_chunk_at_the_end_is_an_error() {
	commands 'for i = 1, 2 do' -- -- "$TARGETS/calc_pie"
	expect_status 1
	expect_stderr_like "'end' expected near '<eof>'"
}

test_a_spawned_target_runs_to_its_end_and_gives_the_status() {
	commands '1' -- -- sh -c 'exit 7'
	expect_status 7
}

test_the_target_of_the_command_line_runs_to_its_end_though_another_is_current() {
	commands 's2 = spawn { "true" }' 's2:run()' -- -- "$TARGETS/exits" code 4
	expect_status 4
	expect_stderr ''
	commands 's2 = spawn { "sleep", "100" }' 's2.pid' -- -- "$TARGETS/exits" code 4
	expect_status 4
	check "the other is closed" [ ! -e "/proc/$(grep -Eo '^[0-9]+$' stdout)" ]
	commands 'c' 's2 = spawn { "sh", "-c", "echo not run; exit 5" }' -- -- "$TARGETS/exits" code 4
	expect_status 4
	expect_stdout_unlike '^not run$'
}

test_without_one_on_the_command_line_the_current_session_runs_to_its_end() {
	commands 's2 = spawn { "sh", "-c", "echo has run" }' -- -i
	expect_status 0
	expect_stdout_like '^has run$'
}

test_a_spawned_target_does_not_read_the_commands() {
	commands 'c' 'print "still here"' -- -- cat
	expect_status 0
	expect_stdout_like '^still here$'
	expect_stdout_unlike '^print'
}

test_stepping_words() {
	commands 'b calc' 'c' 's' 'regs.rip - sym "calc"' 'n' 'bt' 'fin' 'p regs.rax' 'dis' 'ctx' 'b' 'c' -- \
		-- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^Breakpoint 1 at calc \(0 hits\)$'
	expect_stdout_like '^thread [0-9]+ stopped: Breakpoint 1 at calc \(1 hits\)$'
	expect_stdout_like '^=> 0x[0-9a-f]+ <calc>  lea rax, \[rdi\]'
	expect_stdout_like '^=> 0x[0-9a-f]+ <calc\+0x3>  add rax, rsi'
	expect_stdout_like '^0x3$'
	expect_stdout_like '^#0 .* calc\+0x6 at '
	expect_stdout_like '^\*rsp +0x'
	expect_stdout_like '^ *=> 0x[0-9a-f]+ <show\+0x[0-9a-f]+>'
	expect_stdout_like '^── stack'
	expect_stdout_like '^process [0-9]+ ended with status 0$'
	expect_stderr ''
}

test_b_takes_an_address_as_gdb_writes_it() {
	local address
	address=$(nm "$TARGETS/calc_static" | sed -n 's/ T calc$//p')
	commands "b *0x$address" "b 0x$address" -- -- "$TARGETS/calc_static" 1 2
	check "two breakpoints" [ "$(grep -Ec "^Breakpoint [12] at (calc|0x0*${address#"${address%%[!0]*}"})" stdout)" = 2 ]
}

test_dis_takes_a_number_too() {
	commands 'dis main 2' 'dis calc' -- -- "$TARGETS/calc_static" 1 2
	expect_status 0
	check "two instructions" [ "$(grep -c ' <main' stdout)" = 2 ]
	check "ten" [ "$(sed '/<main/d; 1d' stdout | grep -c '^ ')" = 10 ]
}

test_a_word_is_a_variable_when_there_is_one() {
	commands 'c = 5' 'c' 's = 6 n = 7' 's' 'p = 8' 'p' -- -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^5$'
	expect_stdout_like '^6$'
	expect_stdout_like '^8$'
}

test_addresses_are_hex_with_their_symbol() {
	commands 'run_to "main"' 'regs.rip' 'sym "calc" + 4' '42ULL' 'i64(-5)' '{regs.rip}' -- -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^0x[0-9a-f]+ <main>$'
	expect_stdout_like '^0x[0-9a-f]+ <calc\+0x4>$'
	expect_stdout_like '^0x2a$'
	expect_stdout_like '^-5$'
	expect_stdout_like '^\{ 0x[0-9a-f]+ <main> \}$'
}

test_tables_are_indented_and_cut() {
	commands 't = {1, {2, {3}}, name = "x"}' 't' 't.self = t' 't' 'u = {} for i = 1, 1000 do u[i] = i end' 'u' \
		'("x"):rep(100000)' '("\1\2\3\4"):rep(1000)' 'function f() end' 'f' -- -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^\{ 1, \{ 2, \{ 3 \} \}, name = "x" \}$'
	expect_stdout_like 'self = <above>'
	expect_stdout_like '… 940 more'
	expect_stdout_like '… 100000 bytes in all'
	expect_stdout_like '^0000  01 02 03 04 .*\|'
	expect_stdout_like '^function at stdin:9$'
	check "no line of a megabyte" [ "$(wc -c <stdout)" -lt 20000 ]
}

test_text_is_shown_as_the_locale_has_it() {
	local text='"é 漢 \195 \194\155 \237\160\128 \r"'
	LC_ALL=C.UTF-8 commands "$text" -- -- "$TARGETS/calc_static"
	check "characters" [ "$(sed -n 2p stdout)" = '"é 漢 \xc3 \xc2\x9b \xed\xa0\x80 \r"' ]
	LC_ALL=C commands "$text" -- -- "$TARGETS/calc_static"
	check "bytes" [ "$(sed -n 2p stdout)" = '"\xc3\xa9 \xe6\xbc\xa2 \xc3 \xc2\x9b \xed\xa0\x80 \r"' ]
}

test_structs_are_shown_by_their_members() {
	commands 'ffi = require "ffi"' 'ffi.new("struct { int a; unsigned low : 3; struct { uint64_t q; } inner; union { int u; float f; }; }", 5, 6)' \
		'ffi.new("int[3]", 1, 2, 3)' 'mem.array("char", regs.rip, 3)' \
		'ffi.new("struct { char s[8]; bool yes; char *to; int64_t i; }", "hey", true, ffi.cast("char *", sym "main"), -5)' \
		'ffi.new("uint16_t[100]")' 'ffi.new("enum { ONE = 1 }", 1)' 'ffi.typeof "int"' 'ffi.new("struct {}")' \
		'{ ffi.new("struct { int x, y; }", 1, 2), "abc" }' 'regs.arg' -- -- "$TARGETS/calc_static"
	expect_status 0
	expect_stdout_like '^\{ a = 5, low = 6, inner = \{ q = 0x0 \}, u = 0, f = 0 \}$'
	expect_stdout_like '^\{ 1, 2, 3 \}$'
	expect_stdout_like '^\{ s = "hey", yes = true, to = \(char \*\) 0x[0-9a-f]+ <main>, i = -5 \}$'
	expect_stdout_like '… 40 more'
	expect_stdout_like '^1$'
	expect_stdout_like '^ctype<int>$'
	expect_stdout_like '^\{\}$'
	expect_stdout_like '^\{ \{ x = 1, y = 2 \}, "abc" \}$'
	expect_stdout_like '^\{ (0x[0-9a-f]+[^,]*, ){5}0x[0-9a-f]+.* \}$'
}

test_no_variables_are_shown_as_none() {
	commands 'run_to "main"' 'run_to "show"' 'locals()' -- -- "$TARGETS/calc_static" 1 2
	expect_stdout_like '^\{\}$'
}

test_the_source_is_shown_from_where_it_was_compiled() {
	mkdir sources
	printf '%s\n' 'int main(void)' '{' '	return 42; /* the answer */' '}' >sources/answer.c
	(cd sources && gcc -g -O0 -o ../answer answer.c) || fail "cannot be compiled"
	commands 'run_to "answer.c:3"' 'ctx' -- -- ./answer
	expect_status 42
	expect_stdout_like '^── answer.c:3 ─'
	expect_stdout_like '^=> +3  .*the answer'
	# Debug information may name what never ends.
	rm sources/answer.c
	mkfifo sources/answer.c
	commands 'run_to "answer.c:3"' 'ctx' -- -- ./answer
	expect_status 42
	expect_stdout_unlike 'the answer'
}

test_nothing_coloured_without_a_terminal() {
	commands '1' 'regs' 'ctx' 'error "x"' -- -i -- "$TARGETS/calc_pie"
	check "no escape" not grep -q $'\033' stdout stderr
}

test_an_attached_target_runs_between_the_lines_and_is_let_go() {
	start_target busy 3
	commands 'n = 0' 'bp("tick", function() n = n + 1 end)' \
		'for i = 1, 1000 do sleep(0.01) if n > 10 then break end end' 'n > 10' 'pause()' 'p regs.rip' -- -p "$target"
	expect_status 0
	expect_stdout_like '^true$'
	expect_stdout_like '^=> 0x'
	expect_stderr ''
	expect_unharmed
	expect_busy_goes_on
}

test_hooks_that_stop_leave_their_locals() {
	commands 'bp("calc", function(thread) local secret = 42 return STOP end)' 'c' 'secret' 'secret = 43' 'secret' \
		'lua_locals.secret' -- -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	check "read and written" [ "$(grep -E '^4[23]$' stdout)" = $'42\n43\n43' ]
}

test_they_are_there_whatever_ran_the_target() {
	commands 'bp("calc", function() local secret = 42 return STOP end)' 'run().kind' 'secret' 's' 'secret' \
		'bp("show", function() local mine = 7 error "boo" end)' 'run()' 'mine' -- -i -- "$TARGETS/calc_pie" 1 2 3 4
	expect_stdout_like '^42$'
	expect_stdout_like '^nil$'
	expect_stdout_like '^7$'
	expect_stderr_like 'boo'
}

test_detach_is_told() {
	start_target busy 1
	commands 'detach()' 'p regs.rip' 'c' -- -i -p "$target"
	expect_status 0
	expect_stderr_like 'c.*ended, or was let go'
	expect_unharmed
}

test_hooks_that_fail_leave_theirs() {
	commands 'bp("calc", function() local secret = 42 error "boo" end)' 'c' 'secret' 'c' -- -i -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stderr_like 'error in a hook: stdin:1: boo'
	expect_stdout_like '^42$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
}

test_repl_in_a_hook_reaches_locals_and_gives_the_action() {
	cat >script.lua <<-'END'
		bp("calc", function()
			local mine, other = 1, 2
			local function inner() return mine end
			local action = repl()
			print("mine", mine, inner(), other)
			return action
		end)
	END
	printf '%s\n' 'mine' 'mine = 5' 'lua_locals.other' 's' 'regs.rip - sym "calc"' 'return RETURN(9)' >commands
	run "$PTRACEHOOK" script.lua -- "$TARGETS/calc_pie" 1 2 <commands
	# The commands are the target's too, but it reads none.
	expect_status 0
	expect_stdout_like '^0x3$'
	expect_stdout_like $'^mine\t5\t5\t2$'
}

test_repl_left_otherwise_continues() {
	commands 'bp("calc", function() local a = repl() print(a, a == CONTINUE) return a end)' 'c' '1 + 1' 'c' -- \
		-- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like $'^CONTINUE\ttrue$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
}

test_after_a_script_with_i() {
	echo 'bp("calc", STOP) x = 11' >script.lua
	commands 'x' 'c' 'p regs.rdi' -- -i script.lua -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^11$'
	expect_stdout_like '^0x1$'
	expect_stdout_like '^calc\(1, 2\) = 3$'
}

test_a_script_that_fails_leads_to_the_prompt_too() {
	commands 'print "here"' -- -i -e 'error "boo"' -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stderr_like 'boo'
	expect_stdout_like '^here$'
}

test_without_a_target() {
	commands '1 + 1' 'spawn{"true"}:run().code' 'p regs.rip' -- -i
	expect_status 0
	expect_stdout_like '^2$'
	expect_stdout_like '^0$'
}

test_restart_spawns_anew_with_the_hooks() {
	commands 'n = 0 b = bp("calc", function() n = n + 1 end)' 'gone = bp("show", STOP)' 'gone:remove()' 'c' 'n' 'restart()' \
		'c' 'n' -- -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stderr ''
	check "counts" [ "$(grep -Ec '^1$|^2$' stdout)" = 2 ]
	check "it ran twice" [ "$(grep -c '^calc(1, 2) = 3$' stdout)" = 2 ]
}

test_restart_while_it_lives() {
	commands 'b calc' 'c' 'restart()' 'c' 'b' -- -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	check "stopped twice" [ "$(grep -c 'stopped: Breakpoint' stdout)" = 2 ]
}

test_save_writes_a_script() {
	commands 'x = 3' 'x + 1' 'b calc' 'save "saved.lua"' -- -- "$TARGETS/calc_pie"
	expect_status 0
	check "saved" [ "$(cat saved.lua)" = $'x = 3\nprint(x + 1)\nbp("calc", STOP)' ]
	run "$PTRACEHOOK" saved.lua -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^4$'
}

test_quit_kills_a_spawned_target() {
	commands 'q' 'print "behind"' -- -- "$TARGETS/sleeper"
	expect_status 0
	expect_stdout_unlike 'behind'
}

test_the_end_of_the_target_is_told() {
	commands 'kill()' 'p regs.rip' -- -i -- "$TARGETS/sleeper"
	expect_stderr_like 'ended'
	commands 'c' 'c' -- -i -- sh -c 'kill -SEGV $$'
	expect_status 139
	expect_stdout_like 'was killed by SIGSEGV'
	expect_stderr_like 'restart\(\) starts it anew'
}

test_lines_of_a_megabyte_and_bytes_that_are_no_text() {
	{
		printf 'x = "%s"\n' "$(head -c 1000000 /dev/zero | tr '\0' a)"
		printf '#x\n'
		printf 'y = "\377\376"\n#y\n'
		printf '\377\376\n'
		printf 'print "end"'
	} >commands
	run "$PTRACEHOOK" -i -- "$TARGETS/calc_pie" <commands
	expect_status 0
	expect_stdout_like '^1000000$'
	expect_stdout_like '^2$'
	expect_stdout_like '^end$'
}

test_init_files_are_read_but_not_from_others_folders() {
	mkdir -p config/ptracehook here
	echo 'from_config = 1' >config/ptracehook/init.lua
	echo 'from_here = 2' >here/.ptracehook.lua
	cd here || exit
	XDG_CONFIG_HOME=$OLDPWD/config commands 'from_config' 'from_here' -- -- "$TARGETS/calc_pie"
	expect_status 0
	check "both" [ "$(sed -n 2,3p stdout)" = $'1\n2' ]
	chmod 777 .
	commands 'from_here' -- -- "$TARGETS/calc_pie"
	expect_stdout_like '^nil$'
	expect_stderr_like '.ptracehook.lua is not read: its folder may be written to by others'
	chmod 755 .
	echo 'error "broken"' >.ptracehook.lua
	commands '1' -- -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^1$'
	expect_stderr_like 'broken'
}

test_help_shows_the_reference() {
	commands 'help()' 'help(mem.find)' 'h finish' 'help "Breakpoint"' 'b = bp("calc", STOP)' 'help(b)' 'help "mem.fnd"' \
		'spwan{}' -- -i -- "$TARGETS/calc_pie"
	expect_stdout_like 'functions and values: .*bp'
	expect_stdout_like '^mem.find\(pattern, range, options\)$'
	expect_stdout_like '^finish\(\)$'
	check "twice" [ "$(grep -c 'with it: Breakpoint:disable' stdout)" = 2 ]
	expect_stderr_like "there is no 'mem.fnd'; did you mean 'mem.find'\?"
	expect_stderr_like "global 'spwan' \(a nil value\); did you mean 'spawn'\?"
}

test_every_name_of_the_reference_is_in_help() {
	local name
	{ echo 'for _, name in ipairs {'; sed -n 's/^function \([a-z_.0-9]*\)(.*/"\1",/p' "$TOP"/lua/meta/*.lua; echo '} do help(name) end'
	} | tr '\n' ' ' >commands
	run "$PTRACEHOOK" -i <commands
	expect_status 0
	expect_stderr ''
}

test_what_scripts_print_goes_where_o_says() {
	commands 'print "for the file"' '"for the terminal"' -- -o out -- "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout_like '^"for the terminal"$'
	expect_stdout_unlike 'for the file'
	check "in the file" grep -qx 'for the file' out
}

test_the_prompt_costs_a_script_nothing() {
	echo 'for name in pairs(package.loaded) do if name:find "repl" then print(name) end end' >script.lua
	run "$PTRACEHOOK" script.lua
	expect_stdout ''
	check "no readline in the program" not grep -q libreadline <(ldd "$PTRACEHOOK")
}

e2e_main "$@"
