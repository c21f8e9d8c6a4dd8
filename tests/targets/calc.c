/*
 * calc [A B]...: prints what the assembly function calc(a, b) gives, for 1 2 and 4 5 unless said.
 * Output: "calc(1, 2) = 3" and "calc(4, 5) = 9"; exit 0.
 * Labels: calc, calc_add (see calc.S).
 * Variants: calc_pie, _nopie, _static, _static_pie, _stripped (static; calc_stripped.syms), _musl, _musl_static.
 */
#include "target.h"

long calc(long a, long b);

static void show(long a, long b)
{
	printf("calc(%ld, %ld) = %ld\n", a, b, calc(a, b));
}

int main(int argc, char **argv)
{
	target_begin();
	if (argc == 1) {
		show(1, 2);
		show(4, 5);
	}
	for (int i = 1; i + 1 < argc; i += 2)
		show(strtol(argv[i], NULL, 0), strtol(argv[i + 1], NULL, 0));
	return 0;
}
