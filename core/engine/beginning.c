#include "engine/beginning.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/modules.h"
#include "engine/resolve.h"
#include "engine/thread.h"
#include "image/symbols_at.h"
#include "x86/flow.h"

#define FUNCTION_MAX 65536	/* bytes that are looked through; behind them nothing is known */

/* The symbol of code that addr lies in; false: none is known. */
static bool find_function(struct ph_process *process, ph_addr addr, ph_addr *ret_start, size_t *ret_len)
{
	struct ph_module *module = process->alive ? ph_modules_at(process, addr) : NULL;
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;
	struct ph_symbol symbol;

	if (!elf || ph_symbols_at(elf, addr - module->bias, &symbol) < 0 || symbol.type == PH_SYMBOL_OBJECT)
		return false;
	*ret_start = module->bias + symbol.vaddr;
	*ret_len = symbol.size && symbol.size < FUNCTION_MAX ? symbol.size : FUNCTION_MAX;
	return addr - *ret_start < *ret_len;
}

int ph_beginning_check(struct ph_process *process, ph_addr addr, const char *op, struct ph_err *err)
{
	const struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_err failed = { 0 };
	size_t len, begin;
	ph_addr start;
	uint8_t *code;
	bool is_inside;

	if (!thread || !find_function(process, addr, &start, &len) || addr == start)
		return 0;
	code = malloc(len);
	if (!code)
		return ph_err_set(err, -ENOMEM, op);
	if (ph_space_read(process->space, thread->tid, start, code, len, &failed) < 0)
		len = failed.done;
	is_inside = ph_flow_is_inside(code, len, addr - start, &begin);
	free(code);
	if (is_inside) {
		char where[256];

		ph_resolve_where(process, start + begin, where, sizeof(where));
		return ph_err_say(err, -EINVAL, op, "0x%llx lies inside an instruction, which begins at 0x%llx (%s)",
				  (unsigned long long)addr, (unsigned long long)(start + begin), where);
	}
	return 0;
}
