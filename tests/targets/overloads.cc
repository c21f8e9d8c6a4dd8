/*
 * overloads: calls each function named over once: with 1, 2.5, "text", 4ul, and (5, 6.5); solo, which has no overloads,
 * with 7; ns::over with 8.
 * Output: "done"; exit 0.
 */
#include <cstdio>
#include <unistd.h>

#define PLACE __attribute__((noinline, noipa, used))

PLACE int over(int n)
{
	return n + 1;
}

PLACE int over(double n)
{
	return int(n) + 2;
}

PLACE int over(const char *text)
{
	return text[0];
}

PLACE int over(unsigned long n)
{
	return int(n) + 3;
}

PLACE int over(short n, float by)
{
	return int(n * by);
}

PLACE int solo(unsigned n)
{
	return int(n);
}

namespace ns {

PLACE int over(int n)
{
	return n;
}

}

int main()
{
	int sum;

	alarm(60);
	sum = over(1) + over(2.5) + over("text") + over(4ul) + over(5, 6.5f) + solo(7) + ns::over(8);
	std::puts(sum ? "done" : "never");
	return 0;
}
