#include <string.h>

#include "bind/bind.h"

#define ROOM 256

/*
 * Small reads of what the globals mean, for compiled Lua code: called through the FFI, which never enters the
 * interpreter and makes no garbage. Shared with lua/ptracehook/peek.lua, which declares the same. Neither raises: what
 * cannot be read so is for bind/mem.c, which says why.
 */
static struct {
	int (*read)(uint64_t addr, uint32_t len);	/* 0: the first len bytes of cell hold them */
	int (*cstr)(uint64_t addr);			/* the length of the string, which cell holds; -1 */
	union {
		char bytes[ROOM];
		uint64_t u64;
	} cell;
} peek;

static const struct ph_thread *target(void)
{
	const struct ph_thread *thread = ph_bind.now_thread;

	if (!thread || ph_bind_has_ended(thread) || !ph_bind.current || ph_session_has_ended(ph_bind.current))
		return NULL;
	return thread;
}

static int peek_read(uint64_t addr, uint32_t len)
{
	const struct ph_thread *thread = target();

	if (!thread || len > ROOM)
		return -1;
	return ph_space_read(thread->process->space, thread->tid, addr, peek.cell.bytes, len, NULL);
}

/* Not past the end of the page: no read goes further than the string may. */
static int peek_cstr(uint64_t addr)
{
	const struct ph_thread *thread = target();
	size_t n = PH_PAGE - addr % PH_PAGE;
	const char *end;

	n = n < ROOM ? n : ROOM;
	if (!thread || ph_space_read(thread->process->space, thread->tid, addr, peek.cell.bytes, n, NULL) < 0)
		return -1;
	end = memchr(peek.cell.bytes, '\0', n);
	return end ? (int)(end - peek.cell.bytes) : -1;
}

void ph_bind_open_peek(lua_State *L)		/* core -> core */
{
	peek.read = peek_read;
	peek.cstr = peek_cstr;
	lua_pushlightuserdata(L, &peek);
	lua_setfield(L, -2, "peek");
}
