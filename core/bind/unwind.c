/*
 * unwind - the unwinder that LuaJIT raises errors through, loaded with the first error or compiled trace.
 *
 * LuaJIT's archive asks for eight functions of libgcc_s, our own frames that clean up for two more. As a library of the
 * program's it would cost every start more than all the others together (its constructor executes cpuid, which virtual
 * machines trap); linked statically, it would be a second unwinder beside the one that C++ modules bring, and the two do
 * not mix. So these stand for the functions, and call those of the library, the one that everybody else uses too.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unwind.h>

#define LIBRARY "libgcc_s.so.1"	/* which the C library itself depends on */

/* Address space for the library: an error may be raised because there is none left. */
#define RESERVE (512 << 10)

static void *reserve;

__attribute__((constructor)) static void keep_room(void)
{
	reserve = mmap(NULL, RESERVE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void *find(const char *name)
{
	static void *library;
	void *function;

	if (!library) {
		if (reserve != MAP_FAILED)
			munmap(reserve, RESERVE);
		library = dlopen(LIBRARY, RTLD_NOW);
	}
	function = library ? dlsym(library, name) : NULL;
	if (!function) {
		fprintf(stderr, "ptracehook: cannot raise an error: %s\n", dlerror());
		abort();
	}
	return function;
}

#define FORWARD(name, ...)					\
	do {							\
		static __typeof__(name) *function;		\
								\
		if (!function)					\
			function = (__typeof__(name) *)find(#name);	\
		return function(__VA_ARGS__);			\
	} while (0)

/* For frames of compiled traces; no header has them. */
void __register_frame(void *frame);
void __deregister_frame(void *frame);

void __register_frame(void *frame)
{
	FORWARD(__register_frame, frame);
}

void __deregister_frame(void *frame)
{
	FORWARD(__deregister_frame, frame);
}

_Unwind_Reason_Code _Unwind_RaiseException(struct _Unwind_Exception *exception)
{
	FORWARD(_Unwind_RaiseException, exception);
}

/* From here on for our own frames with something to clean up. */
_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
					 struct _Unwind_Exception *exception, struct _Unwind_Context *context);

_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
					 struct _Unwind_Exception *exception, struct _Unwind_Context *context)
{
	FORWARD(__gcc_personality_v0, version, actions, class, exception, context);
}

void _Unwind_Resume(struct _Unwind_Exception *exception)
{
	FORWARD(_Unwind_Resume, exception);
}

/* LuaJIT's again. */
void _Unwind_DeleteException(struct _Unwind_Exception *exception)
{
	FORWARD(_Unwind_DeleteException, exception);
}

_Unwind_Word _Unwind_GetCFA(struct _Unwind_Context *context)
{
	FORWARD(_Unwind_GetCFA, context);
}

_Unwind_Ptr _Unwind_GetIP(struct _Unwind_Context *context)
{
	FORWARD(_Unwind_GetIP, context);
}

void _Unwind_SetGR(struct _Unwind_Context *context, int index, _Unwind_Word value)
{
	FORWARD(_Unwind_SetGR, context, index, value);
}

void _Unwind_SetIP(struct _Unwind_Context *context, _Unwind_Ptr value)
{
	FORWARD(_Unwind_SetIP, context, value);
}
