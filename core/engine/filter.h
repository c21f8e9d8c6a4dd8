/*
 * filter - our seccomp filter in a spawned target, so that system calls that nobody hooks cost nothing.
 *
 * Put in by calls that the target is made to make, while it stands at its first instruction, for the hooks that there
 * are by then; its children have it too. It can never be taken out, and where no tracer listens its calls fail with
 * ENOSYS: so whoever has it stays traced to its end, by us in silence or by a keeper (keeper.h).
 */
#ifndef PH_ENGINE_FILTER_H
#define PH_ENGINE_FILTER_H

#include "engine/thread.h"

/*
 * When it is wanted and can be had: session->calls says so afterwards. Where it cannot, calls stop by PTRACE_SYSCALL,
 * which is slower and otherwise the same.
 */
void ph_filter_install(struct ph_session *session);

/* The same in the middle of a run, for the calls that end the target, before a snapshot of it is taken. */
void ph_filter_install_for_end(struct ph_session *session);

#endif
