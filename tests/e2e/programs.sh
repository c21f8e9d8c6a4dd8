#!/bin/bash
# Real input: Debian's Python, stripped, static, PIE and non-PIE programs, threads; the two instrument examples.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# The interpreter itself, and not a version manager's wrapper script.
python() {
	[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
	python=$(realpath /usr/bin/python3)
	[ "$(head -c 4 "$python" | tail -c 3)" = ELF ] || fail "/usr/bin/python3 is no ELF program"
	[ "$(nm -D --defined-only "$python" | grep -c ' T PyUnicode_FromString$')" = 1 ] || skip "$python does not export PyUnicode_FromString"
}

test_strings_of_pythons_api() {
	python
	run "$PTRACEHOOK" -o hits -e 'bp("PyUnicode_FromString", function() print(mem.cstr(regs.rdi)) end)' -- \
		"$python" -c 'import sys; print(len(sys.argv)); sys.exit(7)' one two
	expect_status 7
	expect_stdout 3
	expect_stderr ''
	[ "$(wc -l <hits)" -gt 300 ] || fail "only $(wc -l <hits) hits"
	for word in maketrans __main__ sizeof_digit; do
		grep -qx "$word" hits || fail "no $word among the strings"
	done
	run "$PTRACEHOOK" -o again -e 'bp("PyUnicode_FromString", function() print(mem.cstr(regs.arg[1])) end)' -- \
		"$python" -c 'import sys; print(len(sys.argv)); sys.exit(7)' one two
	check "both runs see the same" cmp hits again
}

test_arguments_of_pythons_functions_are_changed() {
	python
	run "$PTRACEHOOK" -e 'bp("PyUnicode_FromString", function()
			if mem.cstr(regs.rdi) == "IEEE, little-endian" then regs.rdi = regs.rdi + #"IEEE, " end
		end)' -- "$python" -c 'print(float.__getformat__("double"))'
	expect_status 0
	expect_stdout little-endian
}

test_a_python_with_threads_and_children() {
	python
	run "$PTRACEHOOK" -o hits -e 'local n = 0
		bp("PyUnicode_FromString", function() n = n + 1 end) on("exit", function() print(n) end)' -- "$python" -c '
import threading, subprocess
results = []
def work(i):
    results.append(subprocess.run(["/bin/echo", str(i)], capture_output=True, text=True).stdout.strip())
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(results))'
	expect_status 0
	expect_stdout "['0', '1', '2', '3', '4', '5', '6', '7']"
	expect_stderr ''
	[ "$(cat hits)" -gt 300 ] || fail "only $(cat hits) hits"
}

test_attach_to_a_running_python() {
	python
	launch "$python" -u -c '
print("ready")
while True:
    float.__getformat__("double")'
	wait_for_line ready
	target=$started
	mv stdout target.out
	run "$PTRACEHOOK" -p "$target" -e 'bp("PyUnicode_FromString", function(_, b)
		if b.hits > 200 then return DETACH end
		print(mem.cstr(regs.rdi)) end)'
	expect_status 0
	[ "$(uniq -c stdout | sed 's/^ *//')" = '200 IEEE, little-endian' ] || fail "it saw: $(head -n 3 stdout)"
	expect_unharmed
}

test_other_real_programs_run_as_ever() {
	local words
	for words in 'ls /' 'bash -c "for i in 1 2 3; do (echo $i | cat); done; exit 3"' 'perl -e "print 6*7; exit 4"' \
		'sort -r /etc/passwd' 'gcc --version' 'find /proc/self/task -maxdepth 1 -name status' 'luajit -e "print(1)"'; do
		command -v "${words%% *}" >/dev/null || continue
		run bash -c "exec $words"
		local plain=$status
		mv stdout plain
		run bash -c "exec \"\$PTRACEHOOK\" -e 'bp(regs.rip, function() end)' -- $words"
		expect_status "$plain"
		check "$words: the same output" cmp plain stdout
		expect_stderr ''
	done
}

test_a_stripped_static_program_by_address() {
	local calc add
	calc=$(awk '$1 == "calc" { print $2 }' "$TARGETS/calc_stripped.syms")
	add=$(awk '$1 == "calc_add" { print $2 }' "$TARGETS/calc_stripped.syms")
	[ -z "$(nm "$TARGETS/calc_stripped" 2>/dev/null)" ] || fail "calc_stripped has symbols"
	run "$PTRACEHOOK" -e "bp($calc, function() print(regs.edi, regs.esi) end) bp('$add', function() regs.rsi = 40 end)" \
		-- "$TARGETS/calc_stripped"
	expect_status 0
	expect_stdout $'1\t2\ncalc(1, 2) = 41\n4\t5\ncalc(4, 5) = 44'
	expect_stderr ''
}

test_every_linkage_is_hooked_alike() {
	local name
	for name in pie nopie static static_pie musl musl_static; do
		[ -e "$TARGETS/calc_$name" ] || continue
		run "$PTRACEHOOK" -e 'bp("calc_add", function(_, b) print(b.hits, regs.eax, regs.esi) regs.rsi = 10 end)' -- \
			"$TARGETS/calc_$name"
		expect_status 0
		expect_stdout $'1\t1\t2\ncalc(1, 2) = 11\n2\t4\t5\ncalc(4, 5) = 14'
		expect_stderr ''
	done
}

test_without_aslr_as_well() {
	run "$PTRACEHOOK" -e 'local s = spawn{os.getenv "TARGETS" .. "/calc_pie", "1", "2", aslr = false}
		s:bp("calc", function() print(hex(regs.rip - sym "calc"), regs.edi) end) s:run()'
	expect_status 0
	expect_stdout $'0x0\t1\ncalc(1, 2) = 3'
}

# The two examples of the seeds.
test_instrument_in_execute_mode() {
	local name
	for name in pie nopie static; do
		# The original instruction, add rax, rsi, runs after the hook: 1 + 41.
		run "$PTRACEHOOK" -e 'bp("calc_add", function() regs.rsi = 41 end)' -- "$TARGETS/calc_$name" 1 2
		expect_status 0
		expect_stdout 'calc(1, 2) = 42'
		expect_stderr ''
	done
}

test_instrument_in_skip_mode() {
	local name
	for name in pie nopie static; do
		# It does not run, so what the hook leaves in rax is the result.
		run "$PTRACEHOOK" -e 'bp("calc_add", function() regs.rax = 99 end, { mode = "skip" })' -- \
			"$TARGETS/calc_$name" 4 5
		expect_status 0
		expect_stdout 'calc(4, 5) = 99'
		expect_stderr ''
	done
}

test_eight_threads_each_hit_is_seen_once() {
	run "$PTRACEHOOK" -o hits -e 'local per = {}
		local entry = bp("work", function(thread) per[thread.tid] = (per[thread.tid] or 0) + 1 end)
		local middle = bp("work_middle", function() end)
		on("exit", function()
			local n = 0
			for _, count in pairs(per) do n = n + 1 assert(count == 300, count) end
			print(n, entry.hits, middle.hits)
		end)' -- "$TARGETS/threads8" 8 300
	expect_status 0
	expect_stdout 'calls 2400'
	expect_stderr ''
	[ "$(cat hits)" = $'8\t2400\t2400' ] || fail "hits: $(cat hits)"
}

test_threads_that_come_and_go() {
	run "$PTRACEHOOK" -o hits -e 'local b = bp("work", function() end) on("exit", function() print(b.hits) end)' -- \
		"$TARGETS/threadstorm" 300
	expect_status 0
	expect_stdout 'threads 300'
	[ "$(cat hits)" = 300 ] || fail "hits: $(cat hits)"
}

test_programs_that_write_code_or_look_at_themselves_run() {
	run "$PTRACEHOOK" -e 'bp("jit_here", function() end)' -- "$TARGETS/jit" 50
	expect_status 0
	expect_stdout_like '^rounds 50$'
	run "$PTRACEHOOK" -e '' -- "$TARGETS/selfcheck" </dev/null
	expect_status 0
	expect_stdout_like '^same$'
}

e2e_main "$@"
