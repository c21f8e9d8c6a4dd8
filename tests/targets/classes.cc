/*
 * classes: objects of C++ with bases, virtual functions, templates and namespaces, and an exception through them.
 * Output: "classes SUM"; exit 0. Labels: shapes::Circle::area, shapes::show(shapes::Shape const&, int), note(int).
 */
#include <cstdio>
#include <stdexcept>
#include <string>
#include <unistd.h>

#define PLACE __attribute__((noinline, noipa, used))

namespace shapes {

enum class Colour : unsigned char { red, green = 4, blue };

struct Named {
	const char *name;
	int id;
};

class Shape : public Named {
public:
	Shape(const char *name, int id) : Named{name, id} {}
	virtual ~Shape() = default;
	virtual double area() const = 0;
	Colour colour = Colour::green;
protected:
	int weight = 12;
};

class Circle final : public Shape {
public:
	Circle(double r) : Shape("circle", 1), radius(r) {}
	PLACE double area() const override { return 3 * radius * radius; }
private:
	double radius;
};

PLACE double show(const Shape &shape, int times)
{
	return shape.area() * times;
}

}

template <typename T> struct Box {
	T value;
	Box<T> *next;
	PLACE T get() const { return value; }
};

static Box<int> second{8, nullptr};
Box<int> the_box{7, &second};

PLACE int note(int n)
{
	if (n > 2)
		throw std::runtime_error("too much");
	return n + the_box.get();
}

int main()
{
	shapes::Circle circle(2.5);
	double sum = 0;

	alarm(60);
	sum += shapes::show(circle, 2);
	for (int i = 0; i < 4; i++) {
		try {
			sum += note(i);
		} catch (const std::exception &error) {
			sum += std::string(error.what()).size();
		}
	}
	std::printf("classes %g\n", sum);
	return 0;
}
