/*
 * plugin: a library for the plugins target to load. NAME is a word (its functions are NAME_run, NAME_twice), VALUE what
 * NAME_run gives. Its constructor calls plugin_begin of the program, if that is there.
 */
#include "target.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

int plugin_begin(int value) __attribute__((weak));

/* Several plugins have it, each its own. */
PLACE static int helper(int value)
{
	return value + 1;
}

PLACE int JOIN(NAME, _run)(void)
{
	return helper(VALUE - 1);
}

PLACE int shared(void)
{
	return VALUE;
}

static int twice_by_adding(int value)
{
	return value + value;
}

static int twice_by_shifting(int value)
{
	return value << 1;
}

/* Chosen when the library is relocated; what it reads has to be relocated before. */
static int (*volatile choices[2])(int) = { twice_by_adding, twice_by_shifting };

static int (*choose(void))(int)
{
	return choices[1] ? choices[1] : choices[0];
}

int JOIN(NAME, _twice)(int value) __attribute__((ifunc("choose")));

__attribute__((constructor)) static void begin(void)
{
	if (plugin_begin)
		plugin_begin(JOIN(NAME, _twice)(VALUE));
}
