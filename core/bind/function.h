/*
 * function - a script's function for an event: how it is kept, and what it is called with.
 *
 * Does not call it (door.c).
 */
#ifndef PH_BIND_FUNCTION_H
#define PH_BIND_FUNCTION_H

#include "bind/bind.h"

#define PH_BIND_BARE (1 << 30)	/* in the reference of one that looks at no arguments: none are made for it */

/* What the event's functions get; how many. May raise. */
int ph_bind_push_arguments(lua_State *L, const struct ph_event *event);

/* The same where all of them are known to scripts already: cannot raise. False: some would have to be made. */
bool ph_bind_push_known_arguments(lua_State *L, const struct ph_event *event);

/* Where the function was written, for what it did to be blamed on; "" for one that is not a script's. */
void ph_bind_push_origin(lua_State *L, int fn_ref);

/* relay.c: what the globals mean in a hook. put_aside: for a hook inside it; false, or four values until put_back. */
bool ph_bind_relay_put_aside(lua_State *L);
void ph_bind_relay_put_back(lua_State *L, int index);
void ph_bind_relay_clear(lua_State *L);

/* The script's function, or nil, that a hook of ours calls; false: there are no such hooks. */
bool ph_bind_relay_push_function(lua_State *L);

#endif
