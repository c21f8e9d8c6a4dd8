#!/bin/bash
# Where scripts and libraries are looked for; scripts that are programs themselves; the installed tree.
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=180

says() { printf 'print [[%s]]\n' "$1"; }

# ---- SCRIPT

test_a_path_is_taken_as_it_is() {
	mkdir -p a/b
	says inner >a/b/script.lua
	says plain >a/plain
	for path in a/b/script.lua ./a/b/script.lua "$PWD/a/b/script.lua" a/../a/b/script.lua; do
		run "$PTRACEHOOK" "$path"
		expect_status 0
		expect_stdout inner
	done
	run "$PTRACEHOOK" a/plain
	expect_stdout plain
	# No ending is added to a path.
	run "$PTRACEHOOK" a/b/script
	expect_status 1
}

test_bare_names_in_their_order() {
	mkdir -p xdg/ptracehook/scripts home/.local/share/ptracehook/scripts
	export XDG_DATA_HOME=$PWD/xdg HOME=$PWD/home
	says user >xdg/ptracehook/scripts/dump.lua
	says home >home/.local/share/ptracehook/scripts/dump.lua
	says home >home/.local/share/ptracehook/scripts/other.lua
	run "$PTRACEHOOK" dump
	expect_stdout user
	run "$PTRACEHOOK" dump.lua
	expect_stdout user
	says here >dump.lua
	run "$PTRACEHOOK" dump
	expect_stdout here
	says 'without an ending' >dump
	run "$PTRACEHOOK" dump
	expect_stdout 'without an ending'
	rm dump dump.lua
	run env -u XDG_DATA_HOME "$PTRACEHOOK" dump
	expect_stdout home
	run env XDG_DATA_HOME= "$PTRACEHOOK" other
	expect_stdout home
	run "$PTRACEHOOK" other
	expect_status 1
	expect_complaint "^ptracehook: no script 'other': neither a file nor a name in \./, \\\$XDG_DATA_HOME/ptracehook/scripts or the installed scripts$"
}

test_a_folder_of_the_name_is_passed_over() {
	mkdir -p trace xdg/ptracehook/scripts xdg/ptracehook/scripts/other
	export XDG_DATA_HOME=$PWD/xdg
	says user >xdg/ptracehook/scripts/trace.lua
	run "$PTRACEHOOK" trace
	expect_status 0
	expect_stdout user
	run "$PTRACEHOOK" other
	expect_status 1
	expect_complaint "^ptracehook: no script 'other'"
	run "$PTRACEHOOK" ''
	expect_status 1
	expect_complaint "^ptracehook: no script ''"
}

test_a_script_is_a_program_by_its_first_line() {
	mkdir bin
	ln -s "$PTRACEHOOK" bin/ptracehook
	export PATH=$PWD/bin:$PATH
	printf '#!/usr/bin/env ptracehook\nprint(arg[0], ...)\nbp("calc", RETURN(42))\n' >hooks
	chmod +x hooks
	run ./hooks one -x -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout $'./hooks\tone\t-x\ncalc(1, 2) = 42'
	expect_stderr ''
	printf '#!%s\nerror "line two"\n' "$PTRACEHOOK" >hooks
	run ./hooks -- "$TARGETS/calc_pie"
	expect_status 1
	expect_stderr_like '^ptracehook: \./hooks:2: line two$'
	# An option may stand on the line, as the kernel passes one word.
	printf '#!%s -q\nbp("calk", STOP)\n' "$PTRACEHOOK" >hooks
	run ./hooks -- "$TARGETS/exits" code 7
	expect_status 7
	expect_stderr ''
}

test_names_with_odd_characters() {
	local name='a b $(e) %f "g"'
	mkdir "$name"
	says "$name" >"$name/$name.lua"
	says odd >"$name/lib.lua"
	echo 'require "lib"' >>"$name/$name.lua"
	run "$PTRACEHOOK" "$name/$name.lua" "$name"
	expect_status 0
	expect_stdout "$name
odd"
}

# ---- Libraries

test_libraries_in_their_order() {
	mkdir -p scripts lua xdg/ptracehook/lua luapath home/.luarocks/share/lua/5.1
	export XDG_DATA_HOME=$PWD/xdg HOME=$PWD/home LUA_PATH="$PWD/luapath/?.lua;;"
	echo 'require "lib"' >scripts/script.lua
	says luarocks >home/.luarocks/share/lua/5.1/lib.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout luarocks
	says LUA_PATH >luapath/lib.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout LUA_PATH
	says XDG >xdg/ptracehook/lua/lib.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout XDG
	says ./lua >lua/lib.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout ./lua
	says 'beside the script' >scripts/lib.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout 'beside the script'
	rm scripts/lib.lua
	mkdir scripts/lib
	says 'a folder beside the script' >scripts/lib/init.lua
	run "$PTRACEHOOK" scripts/script.lua
	expect_stdout 'a folder beside the script'
	# Without a script, beside means here.
	says here >lib.lua
	run "$PTRACEHOOK" -e 'require "lib"'
	expect_stdout here
}

test_libraries_of_a_script_found_by_its_bare_name() {
	mkdir -p xdg/ptracehook/scripts
	export XDG_DATA_HOME=$PWD/xdg
	echo 'require "lib"' >xdg/ptracehook/scripts/own.lua
	says 'beside it' >xdg/ptracehook/scripts/lib.lua
	run "$PTRACEHOOK" own
	expect_status 0
	expect_stdout 'beside it'
}

test_nothing_stands_in_for_our_own_libraries() {
	mkdir -p ptracehook
	says never | tee ptracehook.lua ptracehook/mem.lua ptracehook/init.lua ptracehook/core.lua >/dev/null
	run "$PTRACEHOOK" -e 'require "ptracehook" require "ptracehook.mem" print "yes"'
	expect_status 0
	expect_stdout yes
}

# Though what is behind them is loaded later (lua/ptracehook/init.lua lists them): guards against undeclared globals find
# them.
test_every_name_stands_from_the_start() {
	run "$PTRACEHOOK" -e 'setmetatable(_G, nil)
		for name in pairs(require "ptracehook.session".globals) do
			if rawget(_G, name) == nil then print(name) end
		end
		for _, name in ipairs { "regs", "mem", "hex", "CONTINUE" } do assert(rawget(_G, name), name) end'
	expect_status 0
	expect_stdout ''
}

test_a_broken_lua_path_is_no_harm() {
	run env LUA_PATH= LUA_CPATH= LUA_INIT='error "never"' "$PTRACEHOOK" -e 'print(pcall(require, "nothing"))'
	expect_status 0
	expect_stdout_like '^false'
	run env LUA_PATH='???;;;;/%s/%d' HOME= XDG_DATA_HOME=/nonexistent "$PTRACEHOOK" -e 'print "yes"'
	expect_status 0
	expect_stdout yes
	run env -i ASAN_OPTIONS="${ASAN_OPTIONS-}" "$PTRACEHOOK" -e 'print "yes"' -- /bin/true
	expect_status 0
	expect_stdout yes
}

test_a_c_module() {
	mkdir luaclib
	cat >answer.c <<-'END'
		#include <lauxlib.h>
		#include <math.h>
		int luaopen_answer(lua_State *L);
		int luaopen_answer(lua_State *L)
		{
			/* Of libm, which is the program's: it names no library itself. */
			lua_pushinteger(L, 37 + (lua_Integer)hypot(3 * lua_gettop(L), 4 * lua_gettop(L)));
			return 1;
		}
	END
	local flags
	read -ra flags <<<"$(pkg-config --cflags luajit)"
	gcc -shared -fPIC -o luaclib/answer.so answer.c "${flags[@]}" || fail "the module does not compile"
	run env LUA_CPATH="$PWD/luaclib/?.so" "$PTRACEHOOK" -e 'print(require "answer")'
	expect_status 0
	expect_stdout 42
	mv luaclib/answer.so .
	run "$PTRACEHOOK" -e 'print(require "answer")'
	expect_stdout 42
}

# Loaded when something is decoded: without it all else works, hits too, and what does not says why.
test_without_the_disassembler() {
	local library
	library=$(ldconfig -p | awk '/libZydis\.so\.4/ { print $NF; exit }')
	[ -n "$library" ] || skip "no libZydis where the dynamic linker looks"
	unshare -rm true 2>/dev/null || skip "no mount namespaces here"
	run unshare -rm sh -c "mount --bind /dev/null '$library' && exec \"\$PTRACEHOOK\" \"\$@\"" sh -e '
		local calls = bp("calc", function() end)
		print(select(2, pcall(disasm, "calc", 1)))
		print(select(2, pcall(asm, "nop")))
		on("exit", function() print(calls.hits) end)' -- "$TARGETS/calc_pie"
	expect_status 0
	grep -q 'disasm: .*install libzydis4.0' stdout || fail "disasm says something else"
	grep -q 'assemble: .*install libzydis4.0' stdout || fail "asm says something else"
	[ "$(tail -n 1 stdout)" = 2 ] || fail "hits were lost"
}

# The unwinder must be the one that the module's own frames know (core/bind/unwind.c).
test_errors_pass_through_the_frames_of_a_cxx_module() {
	command -v g++ >/dev/null || skip "no g++"
	cat >frames.cc <<-'END'
		#include <cstdio>
		#include <stdexcept>
		extern "C" {
		#include <lua.h>
		#include <lauxlib.h>
		}
		struct guard { ~guard() { puts("unwound"); fflush(stdout); } };
		static int l_call(lua_State *L) { guard g; lua_call(L, 0, 0); return 0; }
		static int l_raise(lua_State *L) { guard g; return luaL_error(L, "of Lua"); }
		static int l_throw(lua_State *) { guard g; throw std::runtime_error("of C++"); }
		static int l_catch(lua_State *L)
		{
			try { guard g; throw std::runtime_error("of C++"); }
			catch (const std::exception &e) { lua_pushstring(L, e.what()); }
			return 1;
		}
		extern "C" int luaopen_frames(lua_State *L)
		{
			static const luaL_Reg functions[] = {
				{ "call", l_call }, { "raise", l_raise }, { "throw", l_throw }, { "catch", l_catch }, { NULL, NULL },
			};
			lua_newtable(L);
			luaL_register(L, NULL, functions);
			return 1;
		}
	END
	# shellcheck disable=SC2046 # flags are words
	g++ -shared -fPIC $(pkg-config --cflags luajit) -o frames.so frames.cc || fail "it does not compile"
	cat >script.lua <<-'END'
		local frames = require "frames"
		print(frames.catch())
		print(select(2, pcall(frames.raise)))
		print(pcall(frames.throw))
		print(select(2, pcall(frames.call, function() error("of a script", 0) end)))
	END
	run "$PTRACEHOOK" script.lua
	expect_status 0
	expect_stdout "$(printf '%s\n' unwound 'of C++' unwound 'of Lua' unwound $'false\tC++ exception' unwound 'of a script')"
}

test_our_lua_files_may_come_from_a_folder_while_one_works_on_them() {
	mkdir -p own/ptracehook
	cp "$TOP"/lua/ptracehook/*.lua own/ptracehook
	echo 'print "mine"' >>own/ptracehook/relay.lua
	sed -i '/^return M$/d' own/ptracehook/relay.lua
	echo 'return M' >>own/ptracehook/relay.lua
	run env PTRACEHOOK_LUA="$PWD/own" "$PTRACEHOOK" -e '' -- "$TARGETS/exits" code 7
	expect_status 7
	expect_stdout mine
}

# ---- Installed, by the commands of README.md but for the place

test_meson_install_into_a_prefix() {
	[ "$BUILD" = release ] || skip "the release build shows it"
	run meson setup --prefix "$PWD/prefix" build "$TOP"
	expect_status 0
	run meson install -C build
	expect_status 0
	rm -rf build
	local root=$PWD/prefix file
	for file in bin/ptracehook include/ptracehook/ptracehook.h lib/libptracehook.so lib/pkgconfig/ptracehook.pc \
		share/ptracehook/lua/ptracehook/init.lua share/ptracehook/scripts/{dump,bypass,oracle}.lua; do
		check "installed" [ -r "$root/$file" ]
	done
	unset PTRACEHOOK_LUA LD_LIBRARY_PATH
	mkdir elsewhere
	cd elsewhere || exit 1
	run "$root/bin/ptracehook" --version
	expect_stdout 'ptracehook 0.1.0'
	run "$root/bin/ptracehook" bypass calc=42 -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^calc\(1, 2\) = 42$'
	run "$root/bin/ptracehook" dump calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^== calc #1, thread [0-9]+$'
	PATH=$root/bin:$PATH run ptracehook oracle --place check_byte --length 9 --alphabet '!345Pcmt_' "$TARGETS/crackme"
	expect_status 0
	expect_stdout_like 'found "Pt4c3_m3!"'
	# The program alone, put elsewhere, still finds the scripts where they were installed.
	cp "$root/bin/ptracehook" alone
	run ./alone dump calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^== calc #1, thread [0-9]+$'
	# The whole tree, moved.
	mv "$root" moved
	run moved/bin/ptracehook dump calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^== calc #1, thread [0-9]+$'
}

e2e_main "$@"
