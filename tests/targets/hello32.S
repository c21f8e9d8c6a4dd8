/*
 * hello32: a static i386 program that only exits 0 (1 as the system call, 0 as the status). It is what a 32-bit
 * target is.
 */
	.text
	.globl	_start
_start:
	movl	$1, %eax
	xorl	%ebx, %ebx
	int	$0x80
	.section .note.GNU-stack, "", @progbits
