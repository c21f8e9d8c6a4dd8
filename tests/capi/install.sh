#!/bin/bash
# What `meson install` puts in its place: the C API by pkg-config, and the program, used from elsewhere.
. "$(dirname "$0")/../lib/e2e.sh"
limit=60

install_tree() {
	run meson install -C "$MESON_BUILD" --no-rebuild --destdir "$PWD/tree"
	expect_status 0
	root=$PWD/tree/usr/local
	library=$(dirname "$(find "$root" -name 'libptracehook.so')")
	export PKG_CONFIG_PATH=$library/pkgconfig PKG_CONFIG_SYSROOT_DIR=$PWD/tree
}

test_a_c_program_builds_by_pkg_config_and_hooks() {
	install_tree
	local flags
	read -ra flags <<<"$(pkg-config --cflags --libs ptracehook)"
	[ "$BUILD" = asan ] && flags+=(-fsanitize=address,undefined)
	run gcc -std=gnu17 -Wall -Wextra -Werror -o client "$TOP/tests/capi/client.c" "${flags[@]}"
	expect_status 0
	export LD_LIBRARY_PATH=$library
	run ./client "$TARGETS/calc_pie"
	expect_status 0
	expect_stdout $'calc(1, 2) = 42\ncalc(4, 5) = 42'
	expect_stderr $'calc(1, 2)\ncalc(4, 5)\nexited: 1, code 0'
	run ./client "$PWD/no-such-program"
	expect_status 1
	expect_complaint 'client: .*no-such-program'
}

test_the_library_exports_the_public_header_and_no_more() {
	install_tree
	nm -D --defined-only "$library/libptracehook.so" | awk '$2 ~ /[TDBR]/ { print $3 }' | sort >exported
	grep -h '^PH_API' "$root"/include/ptracehook/ptracehook.h "$root"/include/ptracehook/base/*.h |
		grep -oE 'ph_[a-z_]+ ?\(' | tr -d ' (' | sort -u >declared
	[ -s declared ] || fail "the header declares nothing"
	check "exported and declared agree" diff declared exported
}

test_the_headers_stand_alone() {
	install_tree
	local header
	for header in ptracehook.h base/err.h base/types.h; do
		echo "#include <$header>" >one.c
		# shellcheck disable=SC2046 # flags are words
		run gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags ptracehook) one.c
		expect_status 0
	done
}

test_the_installed_program_works_from_anywhere() {
	install_tree
	mv tree/usr/local elsewhere
	run env -i PATH="$PATH" ASAN_OPTIONS="${ASAN_OPTIONS-}" UBSAN_OPTIONS="${UBSAN_OPTIONS-}" \
		elsewhere/bin/ptracehook -e 'bp("calc", RETURN(7))' -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout 'calc(1, 2) = 7'
	expect_stderr ''
}

test_an_installed_script_is_found_by_its_bare_name() {
	install_tree
	run env -u PTRACEHOOK_LUA "$root/bin/ptracehook" dump calc -- "$TARGETS/calc_pie" 1 2
	expect_status 0
	expect_stdout_like '^calc\(1, 2\) = 3$'
	expect_stdout_like rdi
}

test_lua_files_and_scripts_are_installed() {
	install_tree
	for file in lua/ptracehook/number.lua scripts/dump.lua scripts/bypass.lua scripts/oracle.lua; do
		check "$file is installed" [ -r "$root/share/ptracehook/$file" ]
	done
	check "the demo is not" [ ! -e "$root/share/ptracehook/scripts/demo" ]
}

e2e_main "$@"
