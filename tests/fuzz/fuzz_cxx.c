/* Any text is demangled or not, and compared with any other, in bounded time and memory. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/cxx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* "WANTED\0MANGLED", each cut short; what is missing is what a compiler would say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char usual[] = "_ZN1aI1bE3fooEiPKc";
	char wanted[600] = "a::foo(int, const char *)", mangled[2048], buf[512];
	const uint8_t *end = memchr(data, '\0', len);
	size_t first = end ? (size_t)(end - data) : 0, rest = len - (end ? first + 1 : 0);
	struct ph_cxx_wanted want;

	if (first) {
		first = first < sizeof(wanted) ? first : sizeof(wanted) - 1;
		memcpy(wanted, data, first);
		wanted[first] = '\0';
	}
	rest = rest < sizeof(mangled) ? rest : sizeof(mangled) - 1;
	memcpy(mangled, data + len - rest, rest);
	mangled[rest] = '\0';
	for (int with = 0; with < 2; with++) {
		memset(buf, 'x', sizeof(buf));
		if (ph_cxx_demangle(mangled, with, buf, sizeof(buf)))
			require(memchr(buf, '\0', sizeof(buf)));
	}
	if (!ph_cxx_want(wanted, &want))
		return 0;
	require(memchr(want.text, '\0', sizeof(want.text)) && memchr(want.marker, '\0', sizeof(want.marker)));
	ph_cxx_matches(&want, mangled);
	ph_cxx_matches(&want, usual);
	return 0;
}
