#include <errno.h>
#include <string.h>

#include "bind/bind.h"
#include "x86/disasm.h"

#define CHUNK 4096

/* What is being disassembled: a window on the target's memory, as the program means it. */
struct listing {
	struct ph_thread *thread;
	ph_addr at;		/* of the next instruction */
	size_t have, used;	/* bytes of window; at is used bytes into it */
	bool is_last;		/* nothing can be read behind the window */
	uint8_t window[CHUNK];
};

static bool name_of(void *arg, ph_addr addr, char *buf, size_t len)
{
	ph_process_where(((struct ph_thread *)arg)->process, addr, buf, len);
	return strncmp(buf, "0x", 2) != 0;
}

/* Memory from `at` on into the window; an unreadable first byte is an error where nothing is listed yet. */
static int refill(struct listing *listing, bool is_first, struct ph_err *err)
{
	struct ph_err why = { 0 };
	size_t len = listing->at > 0 - (ph_addr)CHUNK ? 0 - listing->at : CHUNK;	/* to the very end */
	int r = ph_space_read(listing->thread->process->space, listing->thread->tid, listing->at, listing->window, len,
			      &why);

	listing->used = 0;
	listing->have = r < 0 ? why.done : len;
	listing->is_last = r < 0 || len < CHUNK;
	if (r < 0 && is_first && why.done == 0) {
		*err = why;
		return r;
	}
	return 0;
}

/* 1 and the next instruction; 0 at the end of what is mapped, which may cut one short. */
static int next(struct listing *listing, bool is_first, enum ph_disasm_syntax syntax, bool symbols,
		struct ph_disasm *ret, struct ph_err *err)
{
	for (;;) {
		size_t left = listing->have - listing->used;
		int r;

		/* A window's last bytes alone would make a long instruction look cut short. */
		if (left < PH_INSN_MAX && !listing->is_last) {
			r = refill(listing, is_first, err);
			if (r < 0)
				return r;
			continue;
		}
		r = left ? ph_disasm_one(listing->window + listing->used, left, listing->at, syntax,
					 symbols ? name_of : NULL, listing->thread, ret) : -ENODATA;
		if (r == -ELIBACC)
			return ph_err_say(err, r, "disasm", "the library that does it is not there: install libzydis4.0");
		if (r < 0)
			return 0;
		listing->used += ret->insn.length;
		listing->at += ret->insn.length;
		return 1;
	}
}

/* How it goes on, for whoever looks for basic blocks; NULL: with the next instruction. */
static const char *flow(const struct ph_insn *insn)
{
	return insn->is_call ? "call" : insn->is_ret || insn->is_iret ? "return" : insn->is_conditional ? "branch" :
	       insn->is_branch ? "jump" : NULL;
}

static void push_insn(lua_State *L, ph_addr at, const struct ph_disasm *line)
{
	const char *how = flow(&line->insn);

	lua_createtable(L, 0, 5);
	ph_bind_push_u64(L, at);
	lua_setfield(L, -2, "address");
	lua_pushinteger(L, line->insn.length);
	lua_setfield(L, -2, "size");
	lua_pushstring(L, line->text);
	lua_setfield(L, -2, "text");
	if (how) {
		lua_pushstring(L, how);
		lua_setfield(L, -2, "flow");
	}
	if (line->insn.is_direct) {
		ph_bind_push_u64(L, ph_insn_target(&line->insn, at));
		lua_setfield(L, -2, "target");
	}
}

/* core.insns(target | nil, what, addr, n, att, symbols) -> list; checked by ptracehook/disasm.lua. */
static int l_insns(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct listing listing = { .thread = thread, .at = ph_bind_check_addr(L, 3, luaL_checkstring(L, 2)) };
	double n = luaL_checknumber(L, 4);
	enum ph_disasm_syntax syntax = lua_toboolean(L, 5) ? PH_DISASM_ATT : PH_DISASM_INTEL;
	bool symbols = lua_toboolean(L, 6);
	struct ph_disasm line;
	struct ph_err err;
	int count = 0, r = 0;

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "%s: thread %d has ended", lua_tostring(L, 2), thread->tid);
	lua_newtable(L);
	while (count < n) {
		ph_addr at = listing.at;

		if (ph_bind.interrupted)
			return luaL_error(L, "interrupted");
		r = next(&listing, count == 0, syntax, symbols, &line, &err);
		if (r < 0)
			ph_bind_raise(L, &err);
		if (r == 0)
			break;
		push_insn(L, at, &line);
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

static int l_name(lua_State *L)		/* core.name(target | nil, addr) -> "main+0x4", or nil */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	ph_addr addr = ph_bind_check_addr(L, 2, "address");
	char name[PH_DISASM_NAME_MAX];

	if (!name_of(thread, addr, name, sizeof(name)))
		return 0;
	lua_pushstring(L, name);
	return 1;
}

void ph_bind_open_disasm(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_insns);
	lua_setfield(L, -2, "insns");
	lua_pushcfunction(L, l_name);
	lua_setfield(L, -2, "name");
}
