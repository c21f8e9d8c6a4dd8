/*
 * void regs_run(void): loads every register from regs_in, passes the label regs_here (a nop), stores them all in
 * regs_out.
 * Layout of both (regs.c): 16 general registers from 0, rflags 128, mxcsr 136, st0 144, st1 160, 32 vectors of 64
 * from 192.
 */
	.intel_syntax noprefix
	.text
	.globl	regs_run, regs_here
	.type	regs_run, @function

	.macro	general op
	\op	rax, 0
	\op	rbx, 8
	\op	rcx, 16
	\op	rdx, 24
	\op	rsi, 32
	\op	rdi, 40
	\op	rbp, 48
	\op	r8, 64
	\op	r9, 72
	\op	r10, 80
	\op	r11, 88
	\op	r12, 96
	\op	r13, 104
	\op	r14, 112
	\op	r15, 120
	.endm
	.macro	load reg, at
	mov	\reg, [rip + regs_in + \at]
	.endm
	.macro	store reg, at
	mov	[rip + regs_out + \at], \reg
	.endm

regs_run:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	stmxcsr	[rip + saved_mxcsr]
	cmp	dword ptr [rip + regs_vector_size], 32
	jg	.Lload64
	je	.Lload32
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	xmm\n, [rip + regs_in + 192 + 64 * \n]
	.endr
	jmp	.Lloaded
.Lload32:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	ymm\n, [rip + regs_in + 192 + 64 * \n]
	.endr
	jmp	.Lloaded
.Lload64:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	zmm\n, [rip + regs_in + 192 + 64 * \n]
	.endr
.Lloaded:
	fninit
	fld	tbyte ptr [rip + regs_in + 160]
	fld	tbyte ptr [rip + regs_in + 144]
	ldmxcsr	[rip + regs_in + 136]
	mov	[rip + saved_rsp], rsp
	mov	[rip + regs_in + 56], rsp
	push	qword ptr [rip + regs_in + 128]
	popfq
	general	load

regs_here:
	nop

	general	store
	mov	[rip + regs_out + 56], rsp
	mov	rsp, [rip + saved_rsp]
	pushfq
	pop	qword ptr [rip + regs_out + 128]
	cld
	stmxcsr	[rip + regs_out + 136]
	ldmxcsr	[rip + saved_mxcsr]
	fstp	tbyte ptr [rip + regs_out + 144]
	fstp	tbyte ptr [rip + regs_out + 160]
	cmp	dword ptr [rip + regs_vector_size], 32
	jg	.Lstore64
	je	.Lstore32
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	[rip + regs_out + 192 + 64 * \n], xmm\n
	.endr
	jmp	.Lstored
.Lstore32:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	[rip + regs_out + 192 + 64 * \n], ymm\n
	.endr
	vzeroupper
	jmp	.Lstored
.Lstore64:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	[rip + regs_out + 192 + 64 * \n], zmm\n
	.endr
	vzeroupper
.Lstored:
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret
	.size	regs_run, . - regs_run

	.local	saved_rsp, saved_mxcsr
	.comm	saved_rsp, 8, 8
	.comm	saved_mxcsr, 4, 4
	.section .note.GNU-stack, "", @progbits
