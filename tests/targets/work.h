/*
 * uint64_t work(uint64_t i): 2 * i + 1. work is the entry, work_middle an instruction in its middle; each runs once
 * a call.
 */
#pragma once

#include <stdint.h>

uint64_t work(uint64_t i);

__asm__("	.intel_syntax noprefix\n"
	"	.text\n"
	"	.globl	work, work_middle\n"
	"	.type	work, @function\n"
	"work:	push	rbp\n"
	"	mov	rbp, rsp\n"
	"	lea	rax, [rdi + rdi]\n"
	"work_middle:\n"
	"	add	rax, 1\n"
	"	pop	rbp\n"
	"	ret\n"
	"	.size	work, . - work\n"
	"	.att_syntax\n");
