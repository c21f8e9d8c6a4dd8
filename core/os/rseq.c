#include "os/rseq.h"

#include <stddef.h>
#include <sys/syscall.h>

#include "os/raw.h"

#if defined(SYS_rseq) && __has_include(<sys/rseq.h>) /* glibc 2.35 */
#include <sys/rseq.h>

#define SIZE 32		/* of the area as the C library enters it; another size is refused, which is no harm */
#define UNREGISTER 1	/* RSEQ_FLAG_UNREGISTER (linux/rseq.h) */

void ph_os_rseq_leave(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (__rseq_size)
		ph_os_raw(SYS_rseq, (long)area, SIZE, UNREGISTER, RSEQ_SIG);
}
#else
void ph_os_rseq_leave(void)
{
}
#endif
