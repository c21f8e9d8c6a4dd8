/*
 * vm - reads a line and hands it to a program for a machine of its own. Exit 0 and "Correct!", or 1 and "Wrong.".
 * Place: fetch, called for each instruction that the machine runs. Secret: VM_1ns1d3
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOAD, XOR, ADD, CHECK, RIGHT };

#define BYTE(i, key, plus, want) LOAD, i, XOR, key, ADD, plus, CHECK, want

static const unsigned char program[] = {
	BYTE(0, 0x11, 7, ('V' ^ 0x11) + 7),  BYTE(1, 0x22, 9, ('M' ^ 0x22) + 9),  BYTE(2, 0x33, 1, ('_' ^ 0x33) + 1),
	BYTE(3, 0x44, 3, ('1' ^ 0x44) + 3),  BYTE(4, 0x55, 5, ('n' ^ 0x55) + 5),  BYTE(5, 0x66, 8, ('s' ^ 0x66) + 8),
	BYTE(6, 0x77, 2, ('1' ^ 0x77) + 2),  BYTE(7, 0x18, 4, ('d' ^ 0x18) + 4),  BYTE(8, 0x29, 6, ('3' ^ 0x29) + 6),
	BYTE(9, 0x3a, 0, 0x3a),		     RIGHT, 0,
};

__attribute__((noipa)) static unsigned char fetch(size_t pc)
{
	return program[pc];
}

static int run(const char *line)
{
	unsigned char acc = 0;

	for (size_t pc = 0;; pc += 2) {
		unsigned char operand = program[pc + 1];

		switch (fetch(pc)) {
		case LOAD: acc = (unsigned char)line[operand]; break;
		case XOR: acc ^= operand; break;
		case ADD: acc += operand; break;
		case CHECK:
			if (acc != operand)
				return 1;
			break;
		case RIGHT: return 0;
		}
	}
}

int main(void)
{
	char line[64] = "";
	int status;

	alarm(60);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	line[strcspn(line, "\n")] = '\0';
	status = run(line);
	puts(status ? "Wrong." : "Correct!");
	return status;
}
