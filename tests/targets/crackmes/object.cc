/*
 * object - reads a word; an object compares it, letter by letter. Exit 0 and "Correct!", or 1 and "Wrong.".
 * Place: Lock::fits, a virtual function, once for each letter. Secret: cl4ss1fied
 */
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>

class Lock {
public:
	virtual ~Lock() = default;
	virtual bool fits(char letter, std::size_t at) const = 0;
	virtual std::size_t size() const = 0;
};

class Cipher : public Lock {
	std::string secret = "ry?|z6ijtq";

public:
	__attribute__((noinline)) bool fits(char letter, std::size_t at) const override
	{
		return static_cast<char>(letter + (15 - 2 * static_cast<int>(at % 8))) == secret[at];
	}
	std::size_t size() const override { return secret.size(); }
};

int main()
{
	std::unique_ptr<Lock> lock = std::make_unique<Cipher>();
	std::string word;

	alarm(60);
	std::cin >> word;
	word.resize(64);
	bool right = true;
	for (std::size_t i = 0; right && i < lock->size(); i++)
		right = lock->fits(word[i], i);
	right = right && word[lock->size()] == '\0';
	std::cout << (right ? "Correct!" : "Wrong.") << std::endl;
	return !right;
}
