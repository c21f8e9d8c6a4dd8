/*
 * shapes: a C++ program with overloads, templates, namespaces and operators, each called once.
 * Output: "done"; exit 0.
 */
#include <cstdio>
#include <string>
#include <unistd.h>

#define PLACE __attribute__((noinline, noipa, used))

namespace shapes {

struct Box {
	int side;
	PLACE explicit Box(int n) : side(n) {}
	PLACE ~Box() { side = 0; }
	PLACE int area() const { return side * side; }
	PLACE int scale(int by) { return side *= by; }
	PLACE int scale(double by) { return side = int(side * by); }
	PLACE int scale(int by, const char *why) { return side *= by + (why == nullptr); }
	PLACE bool operator<(const Box &other) const { return side < other.side; }
	PLACE int operator()(int n) const { return side + n; }
};

template <typename T> struct Stack {
	T top{};
	PLACE void push(T value) { top = value; }
};

template <typename T> PLACE T twice(T value)
{
	return value + value;
}

} // namespace shapes

namespace {
PLACE int hidden(int n)
{
	return n + 1;
}
} // namespace

PLACE int plain(int n)
{
	return n;
}

PLACE int plain(const std::string &text)
{
	return int(text.size());
}

int main()
{
	alarm(60);
	shapes::Box box(2), other(3);
	shapes::Stack<int> ints;
	shapes::Stack<std::string> texts;
	int sum = box.area() + box.scale(2) + box.scale(1.5) + box.scale(3, "why") + (box < other) + box(1);

	ints.push(1);
	texts.push("text");
	sum += shapes::twice(2) + int(shapes::twice(2.5)) + hidden(1) + plain(1) + plain(std::string("two"));
	std::puts(sum ? "done" : "never");
	return 0;
}
