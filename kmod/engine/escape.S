/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A way out of a function that would never return, as setjmp() and longjmp() of libc:
 * kp_escape_to() returns 0, and once more, then 1, when kp_escape() is called.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>

#ifdef CONFIG_X86_64
SYM_FUNC_START(kp_escape_to)
	movq	(%rsp), %rax
	movq	%rax, 0(%rdi)
	leaq	8(%rsp), %rax
	movq	%rax, 8(%rdi)
	movq	%rbx, 16(%rdi)
	movq	%rbp, 24(%rdi)
	movq	%r12, 32(%rdi)
	movq	%r13, 40(%rdi)
	movq	%r14, 48(%rdi)
	movq	%r15, 56(%rdi)
	xorl	%eax, %eax
	RET
SYM_FUNC_END(kp_escape_to)

SYM_FUNC_START(kp_escape)
	/* Its address is where a probe's trap returns to; nothing calls it. */
	ANNOTATE_NOENDBR
	movq	8(%rdi), %rsp
	pushq	0(%rdi)
	movq	16(%rdi), %rbx
	movq	24(%rdi), %rbp
	movq	32(%rdi), %r12
	movq	40(%rdi), %r13
	movq	48(%rdi), %r14
	movq	56(%rdi), %r15
	movl	$1, %eax
	RET
SYM_FUNC_END(kp_escape)
STACK_FRAME_NON_STANDARD kp_escape
#elif defined(CONFIG_ARM64)
SYM_FUNC_START(kp_escape_to)
	stp	x19, x20, [x0, #0]
	stp	x21, x22, [x0, #16]
	stp	x23, x24, [x0, #32]
	stp	x25, x26, [x0, #48]
	stp	x27, x28, [x0, #64]
	stp	x29, x30, [x0, #80]
	mov	x1, sp
	str	x1, [x0, #96]
	mov	x0, #0
	ret
SYM_FUNC_END(kp_escape_to)

SYM_FUNC_START(kp_escape)
	ldp	x19, x20, [x0, #0]
	ldp	x21, x22, [x0, #16]
	ldp	x23, x24, [x0, #32]
	ldp	x25, x26, [x0, #48]
	ldp	x27, x28, [x0, #64]
	ldp	x29, x30, [x0, #80]
	ldr	x1, [x0, #96]
	mov	sp, x1
	mov	x0, #1
	ret
SYM_FUNC_END(kp_escape)
#else
#error "no way out of a function on this arch yet"
#endif
