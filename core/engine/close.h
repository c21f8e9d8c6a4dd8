/*
 * close - the last of a session, and of a tracer.
 */
#ifndef PH_ENGINE_CLOSE_H
#define PH_ENGINE_CLOSE_H

#include "engine/session.h"

/*
 * Out of a signal handler, when nothing else helps: script code that does not come back while nobody is inside the
 * engine. System calls only, no memory is allocated or freed; every session is ended as ph_session_close would, and
 * the process has to _exit next.
 */
void ph_tracer_abandon(struct ph_tracer *tracer);

#endif
