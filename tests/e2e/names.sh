#!/bin/bash
# Places that do not exist: an error at once where nothing can bring them, pending where a library may; the nearest
# spelling either way.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"

# error_at_once TARGET PLACE REGEX
error_at_once() {
	run "$PTRACEHOOK" -e "print 'before' bp('$2', function() end) print 'never'" -- "$TARGETS/$1"
	expect_status 1
	expect_stdout before
	head -n 1 stderr | grep -Eq "^ptracehook: \(command line\):1: $3" || fail "the first line of stderr is not like: $3"
}

# pending TARGET PLACE REGEX: the target runs as ever, and the name is told at the end.
pending() {
	run "$PTRACEHOOK" -e "local b = bp('$2', function() print 'never' end) print(b.pending, b.address, b.hits)" -- \
		"$TARGETS/$1" 1 2
	expect_status 0
	expect_stdout $'true\tnil\t0\ncalc(1, 2) = 3'
	expect_complaint "^ptracehook: breakpoint 1: '$2' never appeared in the target$3"
}

test_a_name_that_a_static_program_lacks() {
	local target
	for target in calc_static calc_musl_static; do
		[ -e "$TARGETS/$target" ] || continue
		error_at_once $target calk ".*calk.*did you mean '?calc'?"
		error_at_once $target calc_ad ".*calc_ad.*did you mean '?calc_add'?"
		error_at_once $target mian+4 ".*mian.*did you mean '?main'?"
		error_at_once $target nothing_is_called_like_this ".*nothing_is_called_like_this"
		expect_stderr_unlike 'did you mean'
	done
}

test_a_name_that_a_static_pie_lacks() {
	error_at_once calc_static_pie calk ".*calk.*did you mean '?calc'?"
}

test_a_name_that_a_stripped_program_lacks() {
	error_at_once calc_stripped calc '.*calc'
	expect_stderr_like 'symbol'
}

test_a_name_of_the_main_program_that_it_lacks() {
	error_at_once calc_pie 'calc_pie!calk' ".*calk.*did you mean '?calc'?"
	error_at_once calc_nopie 'calc_nopie!calk+0x10' ".*calk.*did you mean '?calc'?"
	error_at_once calc_static 'calc_static!calk' ".*calk.*did you mean '?calc'?"
}

test_a_name_that_a_library_may_bring() {
	pending calc_pie calk "; did you mean 'calc'\?$"
	pending calc_nopie calc_ad "; did you mean 'calc_add'\?$"
	pending calc_pie nothing_is_called_like_this '$'
	pending calc_pie 'libnone.so!calc' ''
}

test_a_pending_names_remark_can_be_silenced() {
	run "$PTRACEHOOK" -q -e 'bp("calk", function() end)' -- "$TARGETS/exits" code 7
	expect_status 7
	expect_stderr ''
}

test_the_status_stays_whatever_it_is() {
	run "$PTRACEHOOK" -e 'bp("calk", function() end)' -- "$TARGETS/exits" code 7
	expect_status 7
	expect_complaint "'calk' never appeared"
	run "$PTRACEHOOK" -e 'bp("calk", function() end)' -- "$TARGETS/exits" segv
	expect_status 139
	expect_complaint "'calk' never appeared"
	run "$PTRACEHOOK" -e 'bp("calk", function() end) bp("main", STOP)' -- "$TARGETS/exits" code 7
	expect_status 0
	expect_complaint "'calk' never appeared"
	run "$PTRACEHOOK" -e 'bp("calk", function() end) bp("main", DETACH)' -- "$TARGETS/exits" code 7
	expect_status 0
	expect_complaint "'calk' never appeared"
}

test_each_pending_name_is_told_once() {
	run "$PTRACEHOOK" -e 'bp("one_name", STOP) bp("calc", STOP) bp("other_name", STOP)
		local gone = bp("removed_name", STOP) gone:remove()
		run() run() run() run()' -- "$TARGETS/calc_pie"
	expect_status 0
	[ "$(wc -l <stderr)" = 2 ] || fail "not two lines"
	expect_stderr_like "^ptracehook: breakpoint 1: 'one_name' never appeared"
	expect_stderr_like "^ptracehook: breakpoint 3: 'other_name' never appeared"
}

test_pending_names_of_an_attached_target() {
	start_target busy
	run "$PTRACEHOOK" -p "$target" -e 'bp("tik", function() end) bp("tick", STOP)'
	expect_status 0
	expect_complaint "^ptracehook: breakpoint 1: 'tik' never appeared in the target; did you mean 'tick'\?"
	expect_unharmed
}

test_pending_names_of_a_script_that_spawns_for_itself() {
	run "$PTRACEHOOK" -e 'for i = 1, 2 do
			local s = spawn{os.getenv "TARGETS" .. "/calc_pie", stdout = "null"}
			s:bp("calk", function() end) s:run()
		end'
	expect_status 0
	[ "$(grep -c "'calk' never appeared in the target; did you mean 'calc'?" stderr)" = 2 ] || fail "not told for each"
}

test_a_name_that_another_image_has() {
	printf '#!/bin/sh\nexec "$TARGETS/calc_pie" "$@"\n' >outer
	chmod +x outer
	run "$PTRACEHOOK" -e 'local b = bp("calc", function() print(regs.edi) end) print(b.pending)
		on("exec", function() print(b.pending) end)' -- ./outer 1 2
	expect_status 0
	expect_stdout $'true\nfalse\n1\ncalc(1, 2) = 3'
	expect_stderr ''
}

test_find_sym_gives_nil_and_sym_raises() {
	run "$PTRACEHOOK" -e 'print(find_sym "calk", sym "calc" == find_sym "calc") print(pcall(sym, "calk"))' -- \
		"$TARGETS/calc_static" 1 2
	expect_status 0
	head -n 1 stdout | grep -qx $'nil\ttrue' || fail "first line"
	expect_stdout_like "^false	.*calk.*did you mean '?calc'?"
}

test_an_address_that_is_not_mapped() {
	local where
	for where in 0 16 0x7ffffffff000 '"0x10"' '"main+0x10000000"'; do
		run "$PTRACEHOOK" -e "bp($where, function() end)" -- "$TARGETS/calc_static"
		expect_status 1
		expect_stdout ''
		expect_stderr_like '^ptracehook: \(command line\):1: .*(0x|not mapped)'
	done
	run "$PTRACEHOOK" -e 'bp(0x10, function() end)' -- "$TARGETS/calc_static"
	head -n 1 stderr | grep -Eq '0x10.*not mapped' || fail "it does not say that 0x10 is not mapped"
	head -n 1 stderr | grep -q 'pending' || fail "it does not say what to do ({pending = true})"
}

test_an_address_may_wait_until_it_is_mapped() {
	run "$PTRACEHOOK" -e 'local b = bp(0x10, function() end, { pending = true }) print(b.pending)' -- \
		"$TARGETS/calc_static" 1 2
	expect_status 0
	expect_stdout $'true\ncalc(1, 2) = 3'
	expect_complaint "^ptracehook: breakpoint 1: '?0x10'? never appeared in the target"
}

test_places_that_make_no_sense() {
	local where
	for where in '""' '"main+"' '"main+0x"' '"+"' '"!main"' '"main!"' '"0x"' '"main+0xzz"' '"a!b!c"'; do
		run "$PTRACEHOOK" -q -e "bp($where, function() end)" -- "$TARGETS/calc_static"
		expect_status 1
		expect_stdout ''
		[ "$(head -c 12 stderr)" = 'ptracehook: ' ] || fail "$where"
		expect_stderr_like '^ptracehook: \(command line\):1: '
	done
}

test_every_way_to_name_a_place() {
	local offset place
	offset=0x$(nm "$TARGETS/calc_pie" | awk '$3 == "calc_add" { print $1 }')
	for place in calc_add calc+3 calc+0x3 'calc_pie!calc_add' 'calc_pie!calc+0x3' "+$offset" "calc_pie+$offset" \
		"calc_pie!+$offset"; do
		run "$PTRACEHOOK" -e "bp('$place', function(_, b) print(b.where, regs.rip == b.address) end)" -- \
			"$TARGETS/calc_pie" 1 2
		expect_status 0
		expect_stdout "$place	true
calc(1, 2) = 3"
		expect_stderr ''
	done
	offset=0x$(nm "$TARGETS/calc_nopie" | awk '$3 == "calc_add" { print $1 }')
	for place in "'$offset'" "$offset" "${offset}ULL" "'calc_nopie+$offset'" "'+$offset'"; do
		run "$PTRACEHOOK" -e "bp($place, function(_, b) print(regs.rip == b.address) end)" -- "$TARGETS/calc_nopie" 1 2
		expect_status 0
		expect_stdout $'true\ncalc(1, 2) = 3'
	done
}

e2e_main "$@"
