/*
 * ifuncs: calls strcmp 3 times, memcmp 4, strlen 5, memcpy 6, strchr 7, time 2 and gettimeofday 1 time, each from its
 * own function here, the first ones from a constructor.
 * Output: "done"; exit 0.
 * Functions: call_strcmp … call_gettimeofday, the only callers of each in the program.
 * Variants: ifuncs (dynamic, lazy binding), _now (bound at the start), _static, _static_pie, _musl.
 */
#include <sys/time.h>
#include <time.h>

#include "target.h"

static volatile char here[64] = "one", there[64] = "two";

/* Through pointers that the compiler cannot see through, or it would compute the answers itself. */
#define CALLER(type, name, parameters, arguments)                                                                    \
	PLACE static type call_##name parameters                                                                     \
	{                                                                                                            \
		type result = name arguments;                                                                        \
		__asm__ volatile("" : "+r"(result));                                                                 \
		return result;                                                                                       \
	}

CALLER(int, strcmp, (const char *a, const char *b), (a, b))
CALLER(int, memcmp, (const char *a, const char *b, size_t n), (a, b, n))
CALLER(size_t, strlen, (const char *a), (a))
CALLER(void *, memcpy, (char *a, const char *b, size_t n), (a, b, n))
CALLER(char *, strchr, (const char *a, int c), (a, c))
CALLER(time_t, time, (time_t *t), (t))
CALLER(int, gettimeofday, (struct timeval * tv), (tv, NULL))

static void call_each(void)
{
	char *a = (char *)here, *b = (char *)there;
	struct timeval tv;
	static int n;

	n++;
	if (n <= 3)
		call_strcmp(a, b);
	if (n <= 4)
		call_memcmp(a, b, 4);
	if (n <= 5)
		call_strlen(a);
	if (n <= 6)
		call_memcpy(a + 8, b, 4);
	if (n <= 7)
		call_strchr(a, 'n');
	if (n <= 2)
		call_time(NULL);
	if (n <= 1)
		call_gettimeofday(&tv);
}

__attribute__((constructor)) static void early(void)
{
	call_each();
}

int main(void)
{
	target_begin();
	for (int i = 1; i < 7; i++)
		call_each();
	puts("done");
	return 0;
}
