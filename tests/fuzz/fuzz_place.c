/* Any text is a place or an error that says why; what it gives back reads the same when written out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_error(const struct ph_err *err, int code)
{
	char message[PH_ERR_MESSAGE_MAX];

	require(code < 0 && err->code == code && err->detail[0]);
	ph_err_message(err, message, sizeof(message));
}

/* A number that is put in a name's place would read as one: such names come from odd operators only. */
static void check_again(const struct ph_place *place)
{
	char text[sizeof(place->module) + sizeof(place->name) + 64];
	struct ph_place again;

	if (place->kind == PH_PLACE_ADDRESS)
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)place->address);
	else if (place->kind == PH_PLACE_LINE)
		snprintf(text, sizeof(text), "%s%s%s:%u", place->module, place->module[0] ? "!" : "", place->name,
			 place->line);
	else if (place->kind == PH_PLACE_MAIN_OFFSET || place->kind == PH_PLACE_MODULE_OFFSET)
		snprintf(text, sizeof(text), "%s%s+%lld", place->module, place->module[0] ? "!" : "",
			 (long long)place->offset);
	else
		return;
	require(ph_place_parse(text, &again, NULL) == 0);
	require(again.kind == place->kind && again.offset == place->offset && again.line == place->line);
	require(again.address == place->address && strcmp(again.module, place->module) == 0);
	require(strcmp(again.name, place->name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = strndup((const char *)data, len);
	struct ph_place place;
	struct ph_err err;
	int r;

	if (!text)
		return 0;
	r = ph_place_parse(text, &place, &err);
	if (r < 0) {
		check_error(&err, r);
	} else {
		require((place.kind == PH_PLACE_SYMBOL) <= (place.name[0] && !place.module[0]));
		require((place.kind == PH_PLACE_MODULE_SYMBOL) <= (place.name[0] && place.module[0]));
		require((place.kind == PH_PLACE_LINE) == (place.line > 0));
		check_again(&place);
		ph_module_name_matches(place.module, place.name, text);
		ph_module_name_matches(text, place.name, place.module);
	}
	free(text);
	return 0;
}
