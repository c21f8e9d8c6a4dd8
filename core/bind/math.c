/*
 * math - stands for the functions of libm that LuaJIT's archive asks for: the library is loaded with the first of them.
 *
 * Mapping it, and finding its functions, costs every start some 40 us, and most scripts compute nothing with them.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/bind.h"

static void *find(const char *name)
{
	void *library = ph_bind_load_math(), *function = library ? dlsym(library, name) : NULL;

	if (!function) {
		fprintf(stderr, "ptracehook: cannot compute %s: %s\n", name, dlerror());
		abort();
	}
	return function;
}

#define OF_ONE(name)						\
	double name(double x);					\
	double name(double x)					\
	{							\
		static double (*function)(double);		\
								\
		if (!function)					\
			*(void **)&function = find(#name);	\
		return function(x);				\
	}

#define OF_TWO(name)						\
	double name(double x, double y);			\
	double name(double x, double y)				\
	{							\
		static double (*function)(double, double);	\
								\
		if (!function)					\
			*(void **)&function = find(#name);	\
		return function(x, y);				\
	}

OF_ONE(acos)
OF_ONE(asin)
OF_ONE(atan)
OF_ONE(cos)
OF_ONE(cosh)
OF_ONE(exp)
OF_ONE(log)
OF_ONE(log10)
OF_ONE(log2)
OF_ONE(sin)
OF_ONE(sinh)
OF_ONE(sqrt)
OF_ONE(tan)
OF_ONE(tanh)
OF_TWO(atan2)
OF_TWO(fmod)
OF_TWO(pow)
