#include "engine/typed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/backtrace.h"
#include "engine/modules.h"
#include "image/place.h"
#include "x86/xstate.h"

#define FIND	  "find type"
#define VARIABLES "find variables"

/* ---- Types by name */

struct search {
	struct ph_process *process;
	const char *module;	/* "": any */
	const char *text;
	ph_addr rip;
	struct ph_types types;
	uint64_t serial;
	bool has_any;		/* some module describes types */
};

static bool is_asked(const struct search *search, const struct ph_module *module)
{
	return !*search->module || ph_module_name_matches(search->module, module->path, NULL);
}

/* -ENOENT: not in this one. */
static int search_module(struct search *search, struct ph_module *module)
{
	struct ph_elf *elf = is_asked(search, module) ? ph_modules_elf(search->process, module) : NULL;
	bool is_near = search->rip >= module->low && search->rip < module->high;
	int r;

	if (!elf)
		return -ENOENT;
	r = ph_types_find(elf, search->text, is_near ? search->rip - module->bias : 0, &search->types);
	search->has_any = search->has_any || ph_types_has_any(elf);
	if (r >= 0)
		search->serial = ph_types_serial(elf);
	return r;
}

static int search_all(struct search *search)
{
	struct ph_module *near = search->rip ? ph_modules_at(search->process, search->rip) : NULL, *module;
	int r = near ? search_module(search, near) : -ENOENT;

	for (size_t i = 0; r == -ENOENT && (module = ph_modules_get(search->process, i)); i++)
		if (module != near)
			r = search_module(search, module);
	return r;
}

static int no_type(const struct search *search, struct ph_err *err)
{
	struct ph_module *module;
	char nearest[256] = "";

	if (!search->has_any)
		return ph_err_say(err, -ENOENT, FIND, "there is no type '%s': nothing %s has debug information (compile "
				  "with -g)", search->text, *search->module ? "of that name" : "that is loaded");
	for (size_t i = 0; !*nearest && (module = ph_modules_get(search->process, i)); i++)
		if (is_asked(search, module) && module->elf)
			ph_types_nearest(module->elf, search->text, nearest, sizeof(nearest));
	return ph_err_say(err, -ENOENT, FIND, "no debug information has a type '%s'%s%s%s", search->text,
			  *nearest ? "; did you mean '" : "", nearest, *nearest ? "'?" : "");
}

int ph_typed_find(struct ph_thread *thread, const char *text, struct ph_types *ret, uint64_t *ret_serial,
		  struct ph_err *err)
{
	struct search search = { .process = thread->process };
	const char *bang = strchr(text, '!');
	char module[256];
	int r;

	snprintf(module, sizeof(module), "%.*s", bang ? (int)(bang - text) : 0, text);
	search.module = module;
	search.text = bang ? bang + 1 : text;
	if (ph_thread_regs_fetch(thread, NULL) >= 0)
		search.rip = thread->view.regs.rip;
	r = ph_modules_list(thread->process, err);
	if (r < 0)
		return r;
	r = search_all(&search);
	if (r == -ENOENT)
		return no_type(&search, err);
	if (r == -EINVAL)
		return ph_err_say(err, r, FIND, "'%s' is no type that can be read (\"struct task\", \"task_t *\", \"int[4]\" "
				  "are)", search.text);
	if (r < 0)
		return ph_err_set(err, r, FIND);
	*ret = search.types;
	*ret_serial = search.serial;
	return 0;
}

int ph_typed_follow(struct ph_process *process, uint64_t serial, ph_type_ref ref, struct ph_types *ret,
		    struct ph_err *err)
{
	struct ph_module *module;
	int r = ph_modules_list(process, err);

	if (r < 0)
		return r;
	for (size_t i = 0; (module = ph_modules_get(process, i)); i++) {
		if (!module->elf || ph_types_serial(module->elf) != serial)
			continue;
		r = ph_types_follow(module->elf, ref, ret);
		return r < 0 ? ph_err_say(err, r, FIND, "the debug information of %s does not hold together", module->path) :
			       0;
	}
	return ph_err_say(err, -ENOENT, FIND, "the file that describes this type is not loaded any more");
}

/* ---- Variables */

static int read_xmm(void *user, unsigned n, uint8_t buf[16])
{
	struct ph_xreg reg = { .kind = PH_XREG_VECTOR, .index = (uint8_t)n, .size = 16 };
	struct ph_thread *thread = user;
	size_t len;
	void *area;
	int r = ph_thread_xstate_fetch(thread, &area, &len, NULL);

	return r < 0 ? r : ph_xreg_get(ph_xstate_layout(), area, len, &reg, buf);
}

int ph_typed_variables(struct ph_thread *thread, enum ph_variables_which which, struct ph_variables *ret,
		       uint64_t *ret_serial, struct ph_err *err)
{
	struct ph_unwind_memory memory = ph_backtrace_memory(thread);
	struct ph_unwind_frame frame;
	struct ph_variables_frame at = { .frame = &frame, .memory = &memory, .xmm = read_xmm, .user = thread };
	struct ph_module *module;
	struct ph_elf *elf;
	int r = ph_backtrace_begin(thread, &frame, err);

	if (r < 0)
		return r;
	at.is_before_inlined = !ph_backtrace_is_at_line(thread, frame.regs[PH_UNWIND_RIP]);
	module = ph_modules_at(thread->process, frame.regs[PH_UNWIND_RIP]);
	elf = module ? ph_modules_elf(thread->process, module) : NULL;
	r = elf ? ph_variables_read(elf, module->bias, &at, which, ret) : -ENOENT;
	if (r == -ENOENT)
		return ph_err_say(err, r, VARIABLES, "no debug information describes the function at 0x%llx (compile with -g)",
				  (unsigned long long)frame.regs[PH_UNWIND_RIP]);
	if (r < 0)
		return ph_err_set(err, r, VARIABLES);
	*ret_serial = ph_types_serial(elf);
	return 0;
}

int ph_typed_signature(struct ph_process *process, ph_addr addr, struct ph_signature *ret, uint64_t *ret_serial,
		       struct ph_err *err)
{
	struct ph_module *module = ph_modules_at(process, addr);
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;
	int r = elf ? ph_signature_read(elf, addr - module->bias, ret) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? r : ph_err_set(err, r, "read signature");
	*ret_serial = ph_types_serial(elf);
	return 0;
}
