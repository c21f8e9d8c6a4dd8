#include "x86/flow.h"

#include <stdlib.h>

#include "x86/insn.h"

struct flow {
	const uint8_t *code;
	size_t len;
	bool *seen;		/* an instruction begins there */
	size_t *todo, n;	/* beginnings that were not followed yet */
};

static void come_to(struct flow *flow, uint64_t at)
{
	if (at >= flow->len || flow->seen[at])
		return;
	flow->seen[at] = true;
	flow->todo[flow->n++] = at;
}

/* The length of the instruction; 0: it is none. Where it leads is noted. */
static size_t follow(struct flow *flow, size_t at)
{
	struct ph_insn insn;

	if (ph_insn_decode(flow->code + at, flow->len - at, &insn) < 0)
		return 0;
	if (insn.is_direct)
		come_to(flow, ph_insn_target(&insn, at));
	if (!insn.is_branch || insn.is_conditional || insn.is_call)
		come_to(flow, at + insn.length);
	return insn.length;
}

bool ph_flow_is_inside(const uint8_t *code, size_t len, size_t at, size_t *ret_begin)
{
	struct flow flow = { .code = code, .len = len, .seen = calloc(len + 1, sizeof(bool)),
			     .todo = calloc(len + 1, sizeof(size_t)) };
	size_t begin = at;
	bool is_inside = false;

	if (flow.seen && flow.todo && at < len) {
		come_to(&flow, 0);
		while (flow.n && !flow.seen[at]) {
			size_t from = flow.todo[--flow.n], length = follow(&flow, from);

			if (from < at && at - from < length)
				begin = from;
		}
		is_inside = begin != at && !flow.seen[at];
	}
	free(flow.seen);
	free(flow.todo);
	if (is_inside)
		*ret_begin = begin;
	return is_inside;
}

bool ph_flow_is_passed_only(const uint8_t *code, size_t len, size_t at)
{
	bool is_begin = false;

	for (size_t from = 0; from < len;) {
		struct ph_insn insn;
		uint64_t target;

		if (ph_insn_decode(code + from, len - from, &insn) < 0)
			return false;
		is_begin |= from == at;
		target = insn.is_direct ? ph_insn_target(&insn, from) : 0;
		if (insn.is_direct && (target == at || (target >= len && !insn.is_call)))
			return false;
		if (insn.is_branch && !insn.is_direct && !insn.is_call && !insn.is_ret)
			return false;
		from += insn.length;
	}
	return is_begin;
}
