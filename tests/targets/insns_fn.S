/*
 * long f_NAME(long a, long b, long c): functions of one interesting instruction each, at the label at_NAME. insns.c
 * calls and checks them. at_NAME runs once a call, except where its name says loop (as often as the loop goes).
 */
	.intel_syntax noprefix
	.text

	.macro	fn name
	.globl	f_\name, at_\name
	.type	f_\name, @function
	.balign	16
f_\name:
	.endm
	.macro	end name
	.size	f_\name, . - f_\name
	.endm

/* A called function: gives the return address it finds, less what the caller said it must be (rdx). */
	.type	callee, @function
callee:	mov	rax, [rsp]
	sub	rax, rdx
	ret
	.size	callee, . - callee

/* ---- flags ---- */
	fn	pushfq
	xor	eax, eax
	stc
at_pushfq: pushfq
	pop	rax
	ret
	end	pushfq

	fn	pushfw
	sub	rsp, 6
	xor	eax, eax
	stc
at_pushfw: pushfw
	pop	rax
	movzx	eax, ax
	ret
	end	pushfw

	fn	popfq
	push	0xad7
at_popfq: popfq
	pushfq
	pop	rax
	ret
	end	popfq

	fn	lahf
	xor	eax, eax
	stc
at_lahf: lahf
	shr	eax, 8
	ret
	end	lahf

	fn	iretq
	mov	rdx, rsp
	mov	eax, ss
	push	rax
	push	rdx
	pushfq
	mov	eax, cs
	push	rax
	lea	rax, [rip + 1f]
	push	rax
at_iretq: iretq
	ud2
1:	mov	rax, rsp
	sub	rax, rdx
	ret
	end	iretq

	fn	mov_ss
	mov	eax, ss
at_mov_ss: mov	ss, eax
	lea	rax, [rdi + 1]
	ret
	end	mov_ss

/* ---- the kernel: getpid into *a, r11 into *b; gives rcx less the address after it ---- */
	fn	syscall
	mov	eax, 39
at_syscall: syscall
1:	mov	[rdi], rax
	mov	[rsi], r11
	lea	rdx, [rip + 1b]
	mov	rax, rcx
	sub	rax, rdx
	ret
	end	syscall

	fn	int80
	push	rbx
	mov	eax, 20
at_int80: int	0x80
	pop	rbx
	ret
	end	int80

/* ---- strings: rdi, rsi, rdx = count ---- */
	fn	rep_movsb
	mov	rcx, rdx
at_rep_movsb: rep movsb
	mov	rax, rcx
	ret
	end	rep_movsb

	fn	rep_movsb_down
	mov	rcx, rdx
	std
at_rep_movsb_down: rep movsb
	cld
	mov	rax, rcx
	ret
	end	rep_movsb_down

	fn	rep_stosq
	mov	rax, rsi
	mov	rcx, rdx
at_rep_stosq: rep stosq
	mov	rax, rcx
	ret
	end	rep_stosq

	fn	repne_scasb
	mov	eax, esi
	mov	rcx, rdx
at_repne_scasb: repne scasb
	mov	rax, rcx
	ret
	end	repne_scasb

	fn	repe_cmpsb
	mov	rcx, rdx
at_repe_cmpsb: repe cmpsb
	mov	rax, rcx
	ret
	end	repe_cmpsb

	fn	fault_rep
	mov	rcx, rdx
at_fault_rep: rep movsb
	mov	rax, rcx
	ret
	end	fault_rep

/* ---- calls: 0 when the callee saw the right return address ---- */
	fn	call
	lea	rdx, [rip + 1f]
at_call: call	callee
1:	ret
	end	call

	fn	call_reg
	lea	rdx, [rip + 1f]
	lea	rax, [rip + callee]
at_call_reg: call rax
1:	ret
	end	call_reg

	fn	call_rip
	lea	rdx, [rip + 1f]
at_call_rip: call [rip + callee_pointer]
1:	ret
	end	call_rip

	fn	call_rsp
	lea	rdx, [rip + 1f]
	lea	rax, [rip + callee]
	push	rax
at_call_rsp: call [rsp]
1:	pop	rcx
	ret
	end	call_rsp

	fn	call_next
at_call_next: call 1f
1:	pop	rax
	lea	rdx, [rip + 1b]
	sub	rax, rdx
	ret
	end	call_next

	fn	ret
	lea	rax, [rip + 1f]
	push	rax
	mov	eax, 7
at_ret:	ret
	ud2
1:	ret
	end	ret

	fn	rep_ret
	lea	eax, [edi + 1]
at_rep_ret: .byte 0xf3, 0xc3
	end	rep_ret

	fn	ret_imm
	mov	rcx, rsp
	sub	rsp, 16
	lea	rax, [rip + 1f]
	push	rax
at_ret_imm: ret 16
	ud2
1:	mov	rax, rsp
	sub	rax, rcx
	ret
	end	ret_imm

/* ---- branches: 1 when taken, 2 when not ---- */
	.macro	branch name, insn:vararg
	fn	\name
	mov	eax, 1
at_\name: \insn
	mov	eax, 2
1:	ret
	end	\name
	.endm

	.macro	jcc name, insn:vararg
	fn	\name
	mov	eax, 1
	cmp	rdi, rsi
at_\name: \insn
	mov	eax, 2
1:	ret
	end	\name
	.endm

	branch	jmp_short, jmp 1f
	branch	jmp_near, {disp32} jmp 1f
	branch	jmp_bnd, bnd jmp 1f
	branch	jmp_rip, jmp [rip + jmp_rip_pointer]
	.set	jmp_rip_to, 1b
	jcc	jcc_short, jb 1f
	jcc	jcc_near, {disp32} jb 1f
	jcc	jcc_near_le, {disp32} jle 1f

	fn	jmp_reg
	mov	eax, 1
	lea	rdx, [rip + 1f]
at_jmp_reg: jmp	rdx
	mov	eax, 2
1:	ret
	end	jmp_reg

	fn	jmp_table
	lea	rdx, [rip + table]
at_jmp_table: jmp [rdx + rdi * 8]
table_0: mov	eax, 10
	ret
table_1: mov	eax, 11
	ret
	end	jmp_table

	fn	jmp_back
	jmp	2f
1:	mov	eax, 1
	ret
2:	mov	eax, 2
at_jmp_back: jmp 1b
	end	jmp_back

	fn	loop
	mov	ecx, 5
	xor	eax, eax
1:	inc	eax
at_loop: loop	1b
	ret
	end	loop

	fn	loop_self
	mov	rcx, rdi
at_loop_self: loop at_loop_self
	mov	rax, rcx
	ret
	end	loop_self

	fn	loope
	mov	rcx, rdi
	xor	eax, eax
1:	inc	eax
	cmp	rax, rsi
at_loope: loopne 1b
	ret
	end	loope

	fn	jrcxz
	mov	rcx, rdi
	mov	eax, 1
at_jrcxz: jrcxz	1f
	mov	eax, 2
1:	ret
	end	jrcxz

	fn	jecxz
	mov	rcx, rdi
	mov	eax, 1
at_jecxz: jecxz	1f
	mov	eax, 2
1:	ret
	end	jecxz

/* ---- RIP-relative operands ---- */
	fn	rip_load
at_rip_load: mov rax, [rip + quad]
	ret
	end	rip_load

	fn	rip_store
at_rip_store: mov [rip + cell], rdi
	mov	rax, [rip + cell]
	ret
	end	rip_store

	fn	rip_imm
at_rip_imm: mov	dword ptr [rip + cell], 0x12345678
	mov	eax, [rip + cell]
	ret
	end	rip_imm

	fn	rip_cmp
	xor	eax, eax
at_rip_cmp: cmp	word ptr [rip + quad], 0x7788
	sete	al
	ret
	end	rip_cmp

	fn	rip_lea
at_rip_lea: lea	rax, [rip + quad]
	mov	rax, [rax]
	ret
	end	rip_lea

	fn	rip_push
at_rip_push: push [rip + quad]
	pop	rax
	ret
	end	rip_push

	fn	rip_lock
	mov	[rip + cell], rsi
at_rip_lock: lock xadd [rip + cell], rdi
	mov	rax, [rip + cell]
	add	rax, rdi
	ret
	end	rip_lock

	fn	rip_sse
at_rip_sse: movups xmm0, [rip + quad]
	movq	rax, xmm0
	ret
	end	rip_sse

	fn	rip_sse_imm
at_rip_sse_imm: pshufd xmm0, [rip + quad], 0x4e
	movhlps	xmm0, xmm0
	movq	rax, xmm0
	ret
	end	rip_sse_imm

	fn	rip_vex
at_rip_vex: vmovups ymm0, [rip + quad]
	vmovq	rax, xmm0
	vzeroupper
	ret
	end	rip_vex

	fn	rip_evex
at_rip_evex: vmovups zmm17, [rip + quad]
	vmovups	zmm0, zmm17
	vmovq	rax, xmm0
	vzeroupper
	ret
	end	rip_evex

/* ---- stack ---- */
	fn	push_rsp
	mov	rcx, rsp
at_push_rsp: push rsp
	pop	rax
	sub	rax, rcx
	ret
	end	push_rsp

	fn	pop_rsp
	mov	rcx, rsp
	push	rsp
at_pop_rsp: pop	rsp
	mov	rax, rsp
	sub	rax, rcx
	ret
	end	pop_rsp

	fn	enter
	mov	rcx, rsp
at_enter: enter	32, 0
	sub	rcx, rsp
	leave
	mov	rax, rcx
	ret
	end	enter

	fn	leave
	push	rbp
	mov	rcx, rsp
	mov	rbp, rsp
	push	rdi
	sub	rsp, 64
at_leave: leave
	mov	rdx, rsp
	sub	rdx, rcx
	mov	rax, rdx
	ret
	end	leave

/* ---- others ---- */
	fn	fs_load
at_fs_load: mov	rax, fs:[0]
	ret
	end	fs_load

	fn	xlat
	push	rbx
	lea	rbx, [rip + quad]
	mov	eax, edi
at_xlat: xlatb
	movzx	eax, al
	pop	rbx
	ret
	end	xlat

	fn	cpuid
	push	rbx
	xor	eax, eax
	xor	ecx, ecx
at_cpuid: cpuid
	pop	rbx
	ret
	end	cpuid

	fn	endbr64
at_endbr64: endbr64
	lea	rax, [rdi + 1]
	ret
	end	endbr64

	fn	nop9
at_nop9: .byte	0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	lea	rax, [rdi + 1]
	ret
	end	nop9

	fn	cmpxchg16b
	push	rbx
	mov	rax, [rip + pair]
	mov	rdx, [rip + pair + 8]
	mov	rbx, rdi
	mov	rcx, rsi
at_cmpxchg16b: lock cmpxchg16b [rip + pair]
	sete	al
	movzx	eax, al
	add	rax, [rip + pair]
	add	rax, [rip + pair + 8]
	pop	rbx
	ret
	end	cmpxchg16b

/* ---- faults: the handler in insns.c looks at where they are and puts the thread right ---- */
	fn	int3
at_int3: int3
	lea	rax, [rdi + 1]
	ret
	end	int3

	fn	int3_long
at_int3_long: .byte 0xcd, 3
	lea	rax, [rdi + 1]
	ret
	end	int3_long

	fn	icebp
at_icebp: .byte	0xf1
	lea	rax, [rdi + 1]
	ret
	end	icebp

	fn	ud2
at_ud2:	ud2
	lea	rax, [rdi + 1]
	ret
	end	ud2

	fn	hlt
at_hlt:	hlt
	nop
	lea	rax, [rdi + 1]
	ret
	end	hlt

	fn	div0
	xor	ecx, ecx
	xor	edx, edx
	mov	eax, 5
at_div0: div	ecx
	lea	rax, [rdi + 1]
	ret
	end	div0

	fn	fault_load
at_fault_load: mov rax, [rdi]
	ret
	end	fault_load

	fn	fault_store
at_fault_store: mov [rdi], rsi
	mov	rax, [rdi]
	ret
	end	fault_store

	fn	fault_push
	mov	rcx, rsp
	mov	rsp, rdi
at_fault_push: push rsi
	pop	rax
	mov	rsp, rcx
	ret
	end	fault_push

	fn	fault_jump
	lea	rdx, [rip + 1f]
at_fault_jump: jmp rdi
1:	mov	eax, 3
	ret
	end	fault_jump

	.data
	.balign	64
quad:	.quad	0x1122334455667788, 2, 3, 4, 5, 6, 7, 8
pair:	.quad	5, 6
cell:	.quad	0
callee_pointer: .quad callee
jmp_rip_pointer: .quad jmp_rip_to
table:	.quad	table_0, table_1
	.section .note.GNU-stack, "", @progbits
