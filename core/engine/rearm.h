/*
 * rearm - debug registers that somebody has just taken work in every thread from here on.
 *
 * Running threads are held; they go on when the hook that asked is done, and are brought up to date then (hardware.h),
 * as those that stand still anyway are.
 */
#ifndef PH_ENGINE_REARM_H
#define PH_ENGINE_REARM_H

#include "engine/thread.h"

/* -EOPNOTSUPP: a thread of the process does not get them. */
int ph_rearm(struct ph_session *session, const struct ph_process *process, struct ph_err *err);

#endif
