#include "engine/complete.h"

#include <stdio.h>
#include <string.h>

#include "engine/modules.h"
#include "image/cxx.h"
#include "image/lines.h"
#include "image/place.h"
#include "image/symbols.h"
#include "os/wait.h"

#define NAME_MAX_LEN 1024
#define NS_ENOUGH 80000000
#define LOOK_EVERY 4096		/* symbols, at the clock */

struct completing {
	const char *module;		/* as it was written, up to and with its "!"; "" */
	const char *prefix;		/* behind that */
	size_t len;
	bool with_parameters;
	char file[256];			/* "file.c" when the prefix is "file.c:4"; "" */
	char part[256];			/* what mangled names for it contain: the last whole run of letters in it */
	int64_t deadline;
	int (*fn)(const char *, void *);
	void *user;
};

static void find_part(struct completing *completing)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *end = completing->prefix + completing->len, *begin;

	if (completing->with_parameters)
		end = strchr(completing->prefix, '(');
	begin = end;
	while (begin > completing->prefix && strchr(letters, begin[-1]))
		begin--;
	snprintf(completing->part, sizeof(completing->part), "%.*s", (int)(end - begin), begin);
}

/* Behind a file's ":" its lines are meant, behind "::" C++'s names. */
static void find_file(struct completing *completing)
{
	const char *colon = strrchr(completing->prefix, ':');

	if (colon && colon > completing->prefix && colon[-1] != ':' && !colon[1 + strspn(colon + 1, "0123456789")])
		snprintf(completing->file, sizeof(completing->file), "%.*s", (int)(colon - completing->prefix),
			 completing->prefix);
}

static int offer(const struct completing *completing, const char *name)
{
	char whole[NAME_MAX_LEN + 300];

	if (strncmp(name, completing->prefix, completing->len) != 0)
		return 0;
	snprintf(whole, sizeof(whole), "%s%s", completing->module, name);
	return completing->fn(whole, completing->user);
}

static int offer_symbol(const struct completing *completing, const char *symbol)
{
	char name[NAME_MAX_LEN];

	if (symbol[0] == '_' && symbol[1] == 'Z' && strstr(symbol + 2, completing->part) &&
	    ph_cxx_demangle(symbol, completing->with_parameters, name, sizeof(name)))
		return offer(completing, name);
	if (strncmp(symbol, completing->prefix, completing->len) != 0)
		return 0;
	/* Without its version, but for one that begins so. */
	snprintf(name, sizeof(name), "%.*s", (int)(strcspn(symbol + 1, "@") + 1), symbol);
	return offer(completing, name);
}

static int offer_symbols(const struct completing *completing, struct ph_elf *elf)
{
	struct ph_symbol symbol;
	size_t cursor = 0, n = 0;
	int r = 0;

	while (r == 0 && ph_symbols_next(elf, &cursor, &symbol)) {
		if (*symbol.name)
			r = offer_symbol(completing, symbol.name);
		if (++n % LOOK_EVERY == 0 && ph_os_now() > completing->deadline)
			return 1;
	}
	return r;
}

static int offer_file(const char *name, void *user)
{
	const struct completing *completing = user;
	char place[NAME_MAX_LEN];

	snprintf(place, sizeof(place), "%s:", name);
	return offer(completing, place) || ph_os_now() > completing->deadline;
}

static int offer_line(unsigned line, void *user)
{
	const struct completing *completing = user;
	char place[NAME_MAX_LEN];

	snprintf(place, sizeof(place), "%s:%u", completing->file, line);
	return offer(completing, place) || ph_os_now() > completing->deadline;
}

static int offer_module(const struct completing *completing, const struct ph_module *module)
{
	char name[300];
	int r;

	snprintf(name, sizeof(name), "%.*s!", (int)strcspn(module->name, "."), module->name);
	r = offer(completing, name);
	if (r == 0 && completing->len && strncmp(name, completing->prefix, completing->len) != 0) {
		snprintf(name, sizeof(name), "%s!", module->name);
		r = offer(completing, name);
	}
	return r;
}

static bool is_called(const struct ph_module *module, const struct ph_elf *elf, const char *name_and_bang)
{
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)strlen(name_and_bang) - 1, name_and_bang);
	return ph_module_name_matches(name, module->name, elf ? elf->soname : NULL);
}

static int complete_in(struct completing *completing, struct ph_process *process)
{
	struct ph_module *module;
	int r = 0;

	for (size_t i = 0; r == 0 && (module = ph_modules_get(process, i)); i++) {
		struct ph_elf *elf = ph_modules_elf(process, module);

		if (!*completing->module)
			r = offer_module(completing, module);
		else if (!is_called(module, elf, completing->module))
			continue;
		if (elf && r == 0 && !*completing->file)
			r = offer_symbols(completing, elf);
		/* Files of the program alone: to read what libraries were made of takes longer than anybody waits. */
		if (elf && r == 0 && *completing->file && (i == 0 || *completing->module))
			r = ph_lines_each(elf, completing->file, offer_line, completing);
		else if (elf && r == 0 && i == 0 && completing->len)
			r = ph_lines_each_file(elf, offer_file, completing);
	}
	return r;
}

int ph_complete_place(struct ph_process *process, const char *prefix, int (*fn)(const char *name, void *user), void *user,
		      struct ph_err *err)
{
	const char *bang = strchr(prefix, '!');
	struct completing completing = { .deadline = ph_os_now() + NS_ENOUGH, .fn = fn, .user = user };
	char module[256];
	int r = ph_modules_list(process, err);

	if (r < 0)
		return r;
	snprintf(module, sizeof(module), "%.*s", bang ? (int)(bang - prefix + 1) : 0, prefix);
	completing.module = module;
	completing.prefix = bang ? bang + 1 : prefix;
	completing.len = strlen(completing.prefix);
	completing.with_parameters = strchr(completing.prefix, '(') != NULL;
	find_file(&completing);
	find_part(&completing);
	r = complete_in(&completing, process);
	return r < 0 ? r : 0;
}
