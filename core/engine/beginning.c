#include "engine/beginning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/modules.h"
#include "engine/resolve.h"
#include "engine/thread.h"
#include "image/symbols_at.h"
#include "x86/flow.h"
#include "x86/insn.h"

#define FUNCTION_MAX 65536	/* bytes that are looked through; behind them nothing is known */

/* false: no symbol covers addr. */
static bool find_symbol(struct ph_process *process, ph_addr addr, struct ph_module **ret_module, struct ph_symbol *ret)
{
	struct ph_module *module = process->alive ? ph_modules_at(process, addr) : NULL;
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;

	*ret_module = module;
	return elf && ph_symbols_at(elf, addr - module->bias, ret) >= 0;
}

/* The symbol of code that addr lies in; false: none is known. */
static bool find_function(struct ph_process *process, ph_addr addr, ph_addr *ret_start, size_t *ret_len)
{
	struct ph_module *module;
	struct ph_symbol symbol;

	if (!find_symbol(process, addr, &module, &symbol) || symbol.type == PH_SYMBOL_OBJECT)
		return false;
	*ret_start = module->bias + symbol.vaddr;
	*ret_len = symbol.size && symbol.size < FUNCTION_MAX ? symbol.size : FUNCTION_MAX;
	return addr - *ret_start < *ret_len;
}

/* The code of that function, as the program has it. Owned by the caller; NULL when nothing is known. */
static uint8_t *read_function(struct ph_process *process, ph_addr start, size_t *len)
{
	const struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_err failed = { 0 };
	uint8_t *code = thread ? malloc(*len) : NULL;

	if (code && ph_space_read(process->space, thread->tid, start, code, *len, &failed) < 0)
		*len = failed.done;
	return code;
}

int ph_beginning_check(struct ph_process *process, ph_addr addr, const char *op, struct ph_err *err)
{
	size_t len, begin;
	ph_addr start;
	uint8_t *code;
	bool is_inside;

	if (!find_function(process, addr, &start, &len) || addr == start)
		return 0;
	code = read_function(process, start, &len);
	if (!code)
		return 0;
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

/* Other files may jump there. */
static bool is_entry(struct ph_process *process, ph_addr addr)
{
	struct ph_module *module;
	struct ph_symbol symbol;

	return find_symbol(process, addr, &module, &symbol) && module->bias + symbol.vaddr == addr &&
	       (symbol.type != PH_SYMBOL_LABEL || symbol.bind != PH_SYMBOL_LOCAL);
}

bool ph_beginning_is_alone(struct ph_process *process, ph_addr addr)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t len, at;
	ph_addr start;
	uint8_t *code;
	bool is_alone;

	if (is_entry(process, addr + 1))
		return false;
	if (!find_function(process, addr, &start, &len) || len == FUNCTION_MAX)
		return false;
	code = read_function(process, start, &len);
	if (!code)
		return false;
	at = addr - start;
	is_alone = (at == 0 || (at == sizeof(endbr64) && len > at && memcmp(code, endbr64, at) == 0)) &&
		   ph_flow_is_passed_only(code, len, at + 1);
	free(code);
	return is_alone;
}

bool ph_beginning_follows_call(struct ph_thread *thread, ph_addr addr)
{
	uint8_t bytes[7];	/* the longest that needs no prefix; one prefix more begins with what decodes by itself */
	struct ph_insn insn;

	if (ph_space_read(thread->process->space, thread->tid, addr - sizeof(bytes), bytes, sizeof(bytes), NULL) < 0)
		return false;
	for (size_t n = 2; n <= sizeof(bytes); n++)
		if (ph_insn_decode(bytes + sizeof(bytes) - n, n, &insn) >= 0 && insn.length == n && insn.is_call)
			return true;
	return false;
}
