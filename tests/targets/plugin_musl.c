/* The plugin for musl, whose dynamic linker knows no IFUNC: see plugin.c. */
#include "target.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

int plugin_begin(int value) __attribute__((weak));

PLACE int JOIN(NAME, _run)(void)
{
	return VALUE;
}

__attribute__((constructor)) static void begin(void)
{
	if (plugin_begin)
		plugin_begin(2 * VALUE);
}
