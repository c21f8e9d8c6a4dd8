#!/bin/bash
# Names of real programs and libraries: against nm, in bash, Python, sqlite3, nginx and node, with separate debug files.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=120

# real NAME: the file of a program of Debian's, or skip
real() {
	command -v "$1" >/dev/null || skip "no $1"
	realpath "$(command -v "$1")"
}

# ---- Against nm

# compare.lua MODULE LIST: LIST has "ADDRESS TYPE NAME DEMANGLED" for each function. Each name leads to one of its
# addresses, unless it is an IFUNC (type i), which means another function; each address to one of its names, but for a few
# labels inside of others.
cat_compare() {
	cat >compare.lua <<-'EOS'
	local wanted, list = arg[1], arg[2]
	bp("__libc_start_main", STOP)
	if run().kind ~= "stop" then os.exit(9) end
	local base, name
	for _, module in ipairs(modules()) do
		if module.name == wanted then name, base = module.name, module.base end
	end
	local main = modules()[1].name == wanted
	local addresses, names, n, bad, into = {}, {}, 0, 0, 0
	for line in io.lines(list) do
		local at, type, raw, plain = line:match "^(%x+)\t(.)\t([^\t]+)\t(.*)$"
		at = tonumber(at, 16)
		if type ~= "i" then
			addresses[raw] = addresses[raw] or {}
			addresses[raw][at] = true
		end
		names[at] = names[at] or {}
		names[at][raw:match "^.[^@]*"], names[at][plain:match "^.[^@]*"] = true, true
	end
	-- A file's own address, whatever the place of its first byte.
	local bias = sym(name .. "!+0")
	local function report(...)
		bad = bad + 1
		if bad <= 10 then print(...) end
	end
	for raw, at in pairs(addresses) do
		n = n + 1
		local got = find_sym(name .. "!" .. raw)
		if not got or not at[tonumber(got - bias)] then report("sym", raw, got and hex(got - bias)) end
	end
	for at, set in pairs(names) do
		local text = where(bias + at)
		local bare = main and text or text:sub(#name + 2)
		if not set[bare] and not set[bare:match "^.[^@]*"] then
			if text:find "%+0x%x+$" then into = into + 1 else report("where", hex(at), text, (next(set))) end
		end
	end
	print(("%d names, %d bad, %d inside another"):format(n, bad, into))
	os.exit(n > 0 and bad == 0 and into * 100 <= n and 0 or 1)
	EOS
}

# list FILE NM-OPTION...: its functions
list() {
	local file=$1
	shift
	nm -p "$@" --defined-only "$file" >raw 2>/dev/null
	nm -pC "$@" --defined-only "$file" 2>/dev/null | cut -d ' ' -f 3- >plain
	awk '{ print $1 "\t" $2 "\t" $3 }' raw | paste - plain | awk -F '\t' '$2 ~ /^[tTwWi]$/' | sort -u >list
	[ -s list ] || fail "nm finds no functions in $file"
}

# compare FILE PROGRAM... with list made
compare() {
	local file=$1
	shift
	cat_compare
	run "$PTRACEHOOK" compare.lua "${file##*/}" list -- "$@"
	[ "$status" = 0 ] || { cat stdout stderr; fail "$file: nm says otherwise"; }
	echo "$file: $(tail -n 1 stdout)"
}

test_every_function_of_bash() {
	local bash
	bash=$(real bash) || exit
	list "$bash" -D
	compare "$bash" "$bash" -c :
}

test_every_function_of_libc() {
	local libc
	libc=$(ldd "$TARGETS/calc_pie" | awk '$1 == "libc.so.6" { print $3 }')
	list "$libc" -D
	compare "$libc" "$TARGETS/calc_pie"
}

test_every_function_of_libstdcpp() {
	local lib
	[ -x "$TARGETS/shapes" ] || skip "no g++ has built shapes"
	lib=$(ldd "$TARGETS/shapes" | awk '$1 ~ /^libstdc/ { print $3 }')
	list "$lib" -D
	compare "$lib" "$TARGETS/shapes"
}

test_every_function_of_a_static_program() {
	list "$TARGETS/ifuncs_static"
	compare "$TARGETS/ifuncs_static" "$TARGETS/ifuncs_static"
}

test_every_function_of_ptracehook_itself() {
	local file
	file=$(realpath "$PTRACEHOOK")
	[ "$BUILD" = release ] || skip "its sanitizers are no programs to be traced"
	list "$file"
	compare "$file" "$file" -V
}

test_every_function_of_python() {
	local python
	python=$(real /usr/bin/python3) || exit
	list "$python" -D
	compare "$python" "$python" -S -c pass
}

test_every_function_of_sqlite() {
	local lib
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	lib=$(ldd "$(realpath /usr/bin/sqlite3)" | awk '$1 ~ /^libsqlite3/ { print $3 }')
	[ -n "$lib" ] || skip "sqlite3 has no library of its own"
	list "$lib" -D
	compare "$lib" /usr/bin/sqlite3 :memory: 'select 1'
}

# ---- Real programs

test_bash_reads_a_line() {
	local bash
	bash=$(real bash) || exit
	command -v script >/dev/null || skip "no script(1) to give it a terminal"
	cat >hook.lua <<-'EOS'
	local hits = 0
	bp("readline", function() hits = hits + 1 end)
	local initialized = bp("rl_initialize", CONTINUE)
	run()
	io.open("hits", "w"):write(hits, " ", initialized.hits, "\n")
	EOS
	printf 'echo one two\nexit 5\n' >input
	run script -qec "'$PTRACEHOOK' hook.lua -- '$bash' --norc --noprofile -i" /dev/null <input
	grep -qx '2 [1-9]' hits || { cat stdout; fail "readline and rl_initialize were hit: $(cat hits)"; }
	expect_stdout_like 'one two'
}

test_python_imports_an_extension_module() {
	local python module
	python=$(real /usr/bin/python3) || exit
	module=$("$python" -c 'import _ctypes; print(getattr(_ctypes, "__file__", ""))' 2>/dev/null)
	[ -n "$module" ] || skip "its _ctypes is no extension module of its own"
	run "$PTRACEHOOK" -e 'local b = bp("PyInit__ctypes", function() print(where(regs.rip)) end)
		local c = bp("_ctypes!PyInit__ctypes", CONTINUE)
		print(b.pending, c.pending) run() print(b.hits, c.hits)' -- "$python" -c 'import _ctypes'
	expect_status 0
	expect_stdout "true	true
${module##*/}!PyInit__ctypes
1	1"
	expect_stderr ''
}

test_sqlite_prepares_statements() {
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	run "$PTRACEHOOK" -o hits -e 'bp("sqlite3_prepare_v2", function() print(mem.cstr(regs.rsi)) end)' -- \
		/usr/bin/sqlite3 :memory: 'select 6*7 as answer'
	expect_status 0
	expect_stdout 42
	grep -qx 'select 6\*7 as answer' hits || fail "it saw: $(cat hits)"
}

test_nginx_with_a_module_by_dlopen() {
	local nginx=/usr/sbin/nginx module=/usr/lib/nginx/modules/ngx_stream_module.so port pid
	[ -x "$nginx" ] && [ -f "$module" ] || skip "no nginx with its stream module"
	port=$(free_port)
	cat >nginx.conf <<-EOS
	load_module $module;
	daemon off; master_process off; pid $PWD/nginx.pid; error_log $PWD/error.log;
	events { worker_connections 16; }
	stream { server { listen 127.0.0.1:$port; return "hello\n"; } }
	EOS
	cat >hook.lua <<-'EOS'
	on("load", function(module) if module.name:find "^ngx_" then print("loaded " .. module.name) end end)
	bp("ngx_stream_init_connection", function() print(where(regs.rip)) end)
	bp("ngx_stream_module!ngx_stream_return_handler", function() print(where(regs.rip)) return DETACH end)
	EOS
	start "$PTRACEHOOK" -o hits hook.lua -- "$nginx" -p "$PWD" -c "$PWD/nginx.conf" -e "$PWD/error.log"
	wait_until test -s nginx.pid
	pid=$(cat nginx.pid)
	e2e_started+=("$pid")
	wait_until bash -c "exec 3<>/dev/tcp/127.0.0.1/$port && grep -q hello <&3"
	kill "$pid"
	wait_started
	grep -qx 'loaded ngx_stream_module.so' hits || fail "no load event: $(cat hits)"
	grep -qx 'ngx_stream_module.so!ngx_stream_init_connection' hits || fail "never hit: $(cat hits)"
}

test_node_with_its_millions_of_bytes() {
	local node
	command -v node >/dev/null || skip "no node"
	node=$(realpath "$(command -v node)")
	nm -D "$node" >names 2>/dev/null
	grep -q ' T _ZN4node5StartEiPPc$' names || skip "node::Start is not in $node itself"
	run "$PTRACEHOOK" -o hits -e 'local b = bp("node::Start", function() print(where(regs.rip)) end)
		local c = bp("node::Start(int, char**)", CONTINUE) run() print(b.hits, c.hits)' -- "$node" -e 'console.log(6*7)'
	expect_status 0
	expect_stdout 42
	[ "$(cat hits)" = 'node::Start(int, char**)
1	1' ] || fail "it saw: $(cat hits)"
}

# ---- Dynamic linkers

test_a_program_that_its_dynamic_linker_runs() {
	local linker=/lib64/ld-linux-x86-64.so.2
	[ -x "$linker" ] || skip "no $linker"
	run "$PTRACEHOOK" -e 'on("load", function(module) print(module.name) end)
		bp("calc", function() print(where(regs.rip)) end)' -- "$linker" "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout $'calc_pie\nlibc.so.6\ncalc_pie!calc\ncalc(1, 2) = 3'
	expect_stderr ''
}

# What cannot be told by name is seen at the program's first instruction.
test_a_dynamic_linker_without_the_usual_name() {
	local linker=/lib64/ld-linux-x86-64.so.2
	[ -f "$linker" ] || skip "no $linker"
	sed 's/_dl_debug_state/_no_debug_state/g' "$linker" >ld.so
	chmod +x ld.so
	gcc -o prog "$TOP/tests/targets/plugins.c" -rdynamic -Wl,--dynamic-linker="$PWD/ld.so" || fail "cannot be linked"
	run ./prog
	[ "$status" = 0 ] || skip "this C library does not run with it"
	run "$PTRACEHOOK" -e 'on("load", function(module) print(module.name) end)
		bp("puts", function() print(where(regs.rip)) end) bp("libalpha_run", function() print(where(regs.rip)) end)' -- \
		./prog "$TARGETS/libalpha.so"
	expect_status 0
	expect_stdout $'libc.so.6\nlibalpha.so\nlibalpha.so!libalpha_run\nlibalpha_run = 1\nlibc.so.6!puts\ndone'
	expect_stderr ''
}

# ---- What is read

test_libraries_that_no_script_asks_for_are_not_opened() {
	local i paths=()
	command -v strace >/dev/null || skip "no strace"
	# Nobody can look for leaks in what strace traces.
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
	for i in {1..200}; do
		mkdir -p "d$i"
		cp "$TARGETS/libalpha.so" "d$i/libalpha.so"
		paths+=("$PWD/d$i/libalpha.so")
	done
	start_target_waiting "${paths[@]}"
	run strace -o opened -e trace=open,openat "$PTRACEHOOK" -p "$target" -e 'local n = 0
		for _, module in ipairs(modules()) do n = n + (module.name == "libalpha.so" and 1 or 0) end
		bp("mark", CONTINUE) print(n) print(where(sym "main"))'" detach()"
	expect_status 0
	expect_stdout $'200\nmain'
	! grep -q libalpha opened || fail "it opened $(grep -c libalpha opened) of them"
	run strace -o opened -e trace=open,openat "$PTRACEHOOK" -p "$target" -e 'print(where(sym "libalpha!libalpha_run")) detach()'
	expect_status 0
	expect_stdout 'libalpha.so!libalpha_run'
	[ "$(grep -c libalpha.so opened)" = 1 ] || fail "it opened $(grep -c libalpha.so opened) of them"
	expect_unharmed
}

# plugins, which has opened these and waits
start_target_waiting() {
	start "$TARGETS/plugins" "$@" '~'
	target=$started
	wait_until grep -q '^ready$' stdout
	mv stdout target.out
	mv stderr target.err
}

test_a_target_whose_libraries_are_watched_is_let_go_whole() {
	start_target_waiting "$TARGETS/libalpha.so"
	run "$PTRACEHOOK" -p "$target" -e 'on("load", CONTINUE) bp("no_such_name", CONTINUE) bp("strlen", CONTINUE)
		print(run { timeout = 0.2 }.kind) detach()'
	expect_status 0
	expect_stdout timeout
	expect_unharmed
}

# ---- Separate debug files

test_a_debug_file_gives_static_functions_their_names() {
	mkdir -p root/.build-id
	cp "$TARGETS/libalpha.so" libalpha.so
	objcopy --only-keep-debug libalpha.so whole.debug
	strip libalpha.so
	local id file
	id=$(readelf -n libalpha.so | awk '/Build ID/ { print $3 }')
	file=root/.build-id/${id:0:2}/${id:2}.debug
	mkdir -p "${file%/*}"
	run "$PTRACEHOOK" -e 'bp("helper", function(_, b) print(where(b.address)) end)' -- "$TARGETS/plugins" ./libalpha.so
	expect_status 0
	expect_stdout $'libalpha_run = 1\ndone'
	expect_complaint "'helper' never appeared"
	cp whole.debug "$file"
	run "$PTRACEHOOK" -e "policy { debug_root = '$PWD/root' }"' bp("helper", function(_, b) print(where(b.address)) end)' -- \
		"$TARGETS/plugins" ./libalpha.so
	expect_status 0
	expect_stdout $'libalpha.so!helper\nlibalpha_run = 1\ndone'
	expect_stderr ''
	# One of another build is not used, whatever it is called, and warned of once.
	objcopy --only-keep-debug "$TARGETS/libbeta-2.0.so" "$file"
	run "$PTRACEHOOK" -e "policy { debug_root = '$PWD/root' }"' bp("helper", CONTINUE) bp("helper_two", CONTINUE)' -- \
		"$TARGETS/plugins" ./libalpha.so
	expect_status 0
	expect_stdout $'libalpha_run = 1\ndone'
	[ "$(grep -c 'not used: it belongs to another build' stderr)" = 1 ] || fail "warnings: $(cat stderr)"
}

test_a_library_that_was_replaced_keeps_its_names() {
	cp "$TARGETS/libalpha.so" libalpha.so
	start_target_waiting "$PWD/libalpha.so"
	# As dpkg does it: the old file lives on under no name.
	cp "$TARGETS/libbeta-2.0.so" new && mv new libalpha.so
	run "$PTRACEHOOK" -p "$target" -e 'print(where(sym "libalpha_run"), find_sym "libbeta_run") detach()'
	expect_status 0
	expect_stdout $'libalpha.so!libalpha_run\tnil'
	is_alive "$target" || fail "it is gone"
	[ "$(tracer_of "$target")" = 0 ] || fail "it is still traced"
}

test_a_name_that_never_came_is_told_with_the_nearest_of_a_library() {
	run "$PTRACEHOOK" -e 'bp("libalpha_rum", CONTINUE) bp("fputx", CONTINUE)' -- "$TARGETS/plugins" "$TARGETS/libalpha.so"
	expect_status 0
	expect_stderr_like "'libalpha_rum' never appeared in the target; did you mean 'libalpha_run'\?"
	expect_stderr_like "'fputx' never appeared in the target; did you mean 'fput[sc]'\?"
}

e2e_main "$@"
