/*
 * invoke - functions of the target called by scripts, on one of its stopped threads.
 *
 * Arguments go where the calling convention has them, strings and buffers below the red zone of the thread's stack. The
 * session runs meanwhile as it does at any other time: other threads go on, hooks fire, in the call too, and may call in
 * turn. When the function has returned, the thread is as it was: registers, vector and floating-point state, signal
 * mask, errno, what it was about to be given, and a system call that it was blocked in. So it is after a call that
 * crashed or took too long; what the function did to memory stays.
 *
 * Refused: a thread in the middle of a system call that hooks look at, or of vfork. A child that the function forks is
 * the program's, but it dies when the function returns in it: there is nothing of ours to return to.
 */
#ifndef PH_ENGINE_INVOKE_H
#define PH_ENGINE_INVOKE_H

#include "engine/thread.h"

/*
 * One system call instead, by the same rules; bytes are copies on the stack. *ret is what the kernel answered, -errno
 * included.
 */
int ph_invoke_syscall(struct ph_thread *thread, long number, struct ph_argument *args, size_t n, int64_t *ret,
		      struct ph_err *err);

#endif
