/*
 * long calc(long a, long b): a + b. calc is the entry (lea), calc_add the add instruction.
 */
	.intel_syntax noprefix
	.text
	.globl	calc, calc_add
	.type	calc, @function
calc:
	lea	rax, [rdi]
calc_add:
	add	rax, rsi
	ret
	.size	calc, . - calc
	.section .note.GNU-stack, "", @progbits
