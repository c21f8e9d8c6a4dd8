#!/bin/bash
# The command line: options, SCRIPT, its arguments, PROGRAM; what is wrong usage.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# wrong_usage REGEX ARG...: status 2, one line that matches and names the way to the options.
wrong_usage() {
	run "$PTRACEHOOK" "${@:2}"
	expect_status 2
	expect_complaint "^ptracehook: $1.*ptracehook -h"
	expect_stdout ''
}

test_version() {
	local option
	for option in -V --version; do
		run "$PTRACEHOOK" $option
		expect_status 0
		expect_stdout 'ptracehook 0.1.0'
		expect_stderr ''
	done
}

test_help_goes_to_standard_output() {
	local option
	for option in -h --help; do
		run "$PTRACEHOOK" $option
		expect_status 0
		expect_stderr ''
		expect_stdout_like '^usage: ptracehook \[options\] \[SCRIPT \[ARG\.\.\.\]\] \[-- PROGRAM \[ARG\.\.\.\]\]$'
		for letter in p e l i f w o q v V h; do
			expect_stdout_like "^  -$letter "
		done
	done
}

test_unknown_options_are_wrong_usage() {
	wrong_usage "there is no option '-x'" -x
	wrong_usage "there is no option '-x'" -qx -e ''
	wrong_usage "there is no option '--frobnicate'" --frobnicate
	wrong_usage "there is no option '--help=yes'" --help=yes
}

test_missing_values_are_wrong_usage() {
	local option
	for option in -p -e -l -o; do
		wrong_usage "option $option needs a value" $option
		wrong_usage "option $option needs a value" -q $option
	done
}

test_a_pid_is_a_positive_number() {
	local pid
	for pid in abc 0 -1 12x '' 99999999999999999999 1.5 0x10; do
		wrong_usage "-p: a process id expected, got '$pid'" -p "$pid" -e ''
	done
}

test_nothing_to_do_is_wrong_usage() {
	wrong_usage "nothing to do"
	wrong_usage "nothing to do" -q
}

test_no_program_behind_the_dashes_is_wrong_usage() {
	wrong_usage "no program after --" -e '' --
	echo '' >script.lua
	wrong_usage "no program after --" script.lua --
}

test_a_program_and_a_pid_are_wrong_usage() {
	wrong_usage "-p PID and -- PROGRAM" -p $$ -e '' -- true
}

test_watching_needs_a_script() {
	wrong_usage "-w: no SCRIPT whose file could change" -w -e '' -- true
}

test_output_file_that_cannot_be_written() {
	run "$PTRACEHOOK" -o /no/such/folder/file -e 'print "never"' -- echo never
	expect_status 2
	expect_complaint '^ptracehook: -o /no/such/folder/file: No such file or directory'
	expect_stdout ''
}

test_chunks_run_in_order_and_before_the_script() {
	echo 'print("script", a, b)' >script.lua
	run "$PTRACEHOOK" -e 'a = 1 print("first")' -e 'b = a + 1 print("second", a)' script.lua
	expect_status 0
	expect_stdout $'first\nsecond\t1\nscript\t1\t2'
	expect_stderr ''
}

test_options_may_stand_together() {
	run "$PTRACEHOOK" -qe 'print "yes"' -qfe'print "too"' -- echo target
	expect_status 0
	expect_stdout $'yes\ntoo\ntarget'
}

test_dashes_as_a_chunk_are_a_comment() {
	run "$PTRACEHOOK" -e -- -- echo target
	expect_status 0
	expect_stdout 'target'
	echo 'print "script"' >script.lua
	run "$PTRACEHOOK" -e -- script.lua
	expect_status 0
	expect_stdout 'script'
}

test_libraries_are_required_first_and_named() {
	mkdir lua
	echo 'print("one loads", a) return { value = 1 }' >one.lua
	echo 'print("two loads", one.value) return { value = 2 }' >lua/two.lua
	echo 'print("script", one.value, two.value)' >script.lua
	run "$PTRACEHOOK" -e 'a = 1 print "chunk"' -l one -l two script.lua
	expect_status 0
	expect_stdout $'one loads\tnil\ntwo loads\t1\nchunk\nscript\t1\t2'
	run "$PTRACEHOOK" -l one
	expect_status 0
	expect_stdout $'one loads\tnil'
}

test_a_library_that_is_missing_is_an_error() {
	run "$PTRACEHOOK" -l no_such_library -e 'print "never"'
	expect_status 1
	expect_stdout ''
	expect_stderr_like "^ptracehook: .*module 'no_such_library' not found"
}

test_ptracehook_is_a_library() {
	run "$PTRACEHOOK" -e 'local p = require "ptracehook" assert(p.bp == bp and p.STOP == STOP and p.mem == mem) print(p.hex(255))'
	expect_status 0
	expect_stdout 0xff
}

test_arg_is_as_in_lua() {
	cat >script.lua <<-'END'
		print(#arg, arg[0], arg[1], arg[2], select("#", ...), ...)
		local first = 0
		while arg[first - 1] do first = first - 1 end
		print(first, arg[first], arg[first + 1], arg[first + 2])
	END
	run "$PTRACEHOOK" -e 'print("chunk", arg[1])' script.lua one 'two words' -- echo target
	expect_status 0
	expect_stdout "chunk	one
2	script.lua	one	two words	2	one	two words
-3	$PTRACEHOOK	-e	print(\"chunk\", arg[1])
target"
	run "$PTRACEHOOK" script.lua
	expect_stdout "0	script.lua	nil	nil	0
-1	$PTRACEHOOK	script.lua	nil"
}

# Lua 5.4's way; in 5.1 there is no arg then.
test_arg_without_a_script_is_the_command_line() {
	run "$PTRACEHOOK" -q -e 'print(#arg, arg[0], arg[1], arg[2])' -- echo target
	expect_status 0
	expect_stdout "3	$PTRACEHOOK	-q	-e
target"
}

test_arguments_that_look_like_options_are_the_scripts() {
	echo 'print(...)' >script.lua
	run "$PTRACEHOOK" script.lua -x --length 5 -p 1 -e -V - '' -- echo -n -e a -- b
	expect_status 0
	expect_stdout $'-x\t--length\t5\t-p\t1\t-e\t-V\t-\t\na -- b'
	expect_stderr ''
}

test_program_alone_runs_with_a_chunk() {
	run "$PTRACEHOOK" -e 'print "chunk"' -- echo 'two  words' ''
	expect_status 0
	expect_stdout $'chunk\ntwo  words '
	expect_stderr ''
}

test_a_program_is_looked_up_in_path_as_the_shell_does() {
	mkdir bin
	printf '#!/bin/sh\necho "mine: $0"\n' >bin/own-program
	chmod +x bin/own-program
	run env PATH="$PWD/bin:$PATH" "$PTRACEHOOK" -e '' -- own-program
	expect_status 0
	expect_stdout "mine: $PWD/bin/own-program"
	run "$PTRACEHOOK" -e '' -- bin/own-program
	expect_status 0
	expect_stdout "mine: bin/own-program"
}

test_the_chunk_runs_at_the_first_instruction() {
	local entry
	entry=$(readelf -h "$TARGETS/calc_static" | awk '/Entry point/ { print $4 }')
	run "$PTRACEHOOK" -e 'print(hex(regs.rip))' -- "$TARGETS/calc_static" 1 2
	expect_status 0
	expect_stdout "$entry
calc(1, 2) = 3"
	# Of a dynamic program that is the dynamic linker's.
	run "$PTRACEHOOK" -e 'for _, map in ipairs(mem.maps()) do
		if regs.rip >= map.start and regs.rip < map.stop then print(map.path) end
	end' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout "$(realpath "$(readelf -l "$TARGETS/calc_pie" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')")
calc(1, 2) = 3"
}

test_attached_the_chunk_runs_while_the_target_is_stopped() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e '
		local before = regs.rip
		for line in io.lines("/proc/" .. process.pid .. "/status") do
			if line:find "^State" then print(line:match "%a", line:match "\t(%a)") end
		end
		assert(regs.rip == before and process.pid == thread.tid)
		detach()'
	expect_status 0
	expect_stdout $'S\tt'
	expect_unharmed
}

test_verbose_tells_what_becomes_of_the_target() {
	run "$PTRACEHOOK" -v -e 'print(process.pid)' -- "$TARGETS/exits" code 7
	expect_status 7
	expect_stderr "ptracehook: process $(cat stdout) spawned
ptracehook: process $(cat stdout) ended with status 7"
	run "$PTRACEHOOK" -v -e 'print(process.pid)' -- "$TARGETS/exits" segv
	expect_stderr_like "^ptracehook: process $(cat stdout) was killed by SIGSEGV$"
	run "$PTRACEHOOK" -v -e 'print(process.pid) bp("calc", STOP)' -- "$TARGETS/calc_pie"
	expect_stderr_like "^ptracehook: process $(cat stdout) is killed by us$"
	start_target sleeper
	run "$PTRACEHOOK" -v -p "$target" -e 'detach()'
	expect_stderr "ptracehook: process $target attached
ptracehook: process $target is let go"
}

test_no_target_is_needed() {
	run "$PTRACEHOOK" -e 'print(6 * 7)'
	expect_status 0
	expect_stdout 42
	run "$PTRACEHOOK" -e 'print(regs.rip)'
	expect_status 1
	expect_stderr_like '^ptracehook: \(command line\):1: there is no target: name a program or -p PID'
}

test_follow_takes_children_along() {
	local script='local seen = {} bp("marker", function(thread) print(mem.cstr(regs.rdi)) end)'
	run "$PTRACEHOOK" -e "$script" -o hits -- "$TARGETS/forker" fork
	expect_status 0
	expect_stdout 'fork: exit 3'
	check "without -f the child is not hooked" [ "$(sort hits)" = parent ]
	run "$PTRACEHOOK" -f -e "$script" -o hits -- "$TARGETS/forker" fork
	expect_status 0
	expect_stdout 'fork: exit 3'
	check "with -f it is" [ "$(sort hits | tr '\n' ' ')" = 'child parent ' ]
}

e2e_main "$@"
