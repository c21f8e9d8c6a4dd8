/*
 * rseq - leaving restartable sequences (rseq(2)), which the C library enters for every thread.
 *
 * Who is in them pays at each return from a sleep: the kernel writes the number of the CPU into the thread's area. We
 * sleep at every stop, and nothing of ours asks for that number: 50 to 90 ns of each hit.
 */
#ifndef PH_OS_RSEQ_H
#define PH_OS_RSEQ_H

/* The calling thread, for good. Without effect where it is in none. */
void ph_os_rseq_leave(void);

#endif
