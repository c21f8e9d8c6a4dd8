#include "x86/disasm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "x86/zydis.h"

static const ZydisFormatterStyle styles[] = {
	[PH_DISASM_INTEL] = ZYDIS_FORMATTER_STYLE_INTEL,
	[PH_DISASM_ATT] = ZYDIS_FORMATTER_STYLE_ATT,
};

/* What Zydis would do otherwise, and people do not expect: upper-case digits, zeroes in front of addresses. */
static const struct {
	ZydisFormatterProperty property;
	ZyanUPointer value;
} properties[] = {
	{ ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_RIPREL, ZYAN_TRUE },
	{ ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE },
	{ ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED },
	{ ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE, ZYDIS_PADDING_DISABLED },
	{ ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED },
	{ ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED },
};

static bool name_of(ph_disasm_symbol symbol, void *arg, ph_addr target, char name[PH_DISASM_NAME_MAX])
{
	if (!symbol || !symbol(arg, target, name, PH_DISASM_NAME_MAX))
		return false;
	if (strlen(name) == PH_DISASM_NAME_MAX - 1)
		memcpy(name + PH_DISASM_NAME_MAX - 4, "...", 4);
	return true;
}

/* What is said about the address that a relative operand means, behind the text. */
static void append_target(const struct ph_insn *insn, ph_addr at, ph_disasm_symbol symbol, void *arg, char *text)
{
	ph_addr target = ph_insn_target(insn, at);
	size_t used = strlen(text), room = PH_DISASM_TEXT_MAX - used;
	char name[PH_DISASM_NAME_MAX];
	bool named = name_of(symbol, arg, target, name);

	if (!insn->is_direct && named)
		snprintf(text + used, room, "  # 0x%llx <%s>", (unsigned long long)target, name);
	else if (!insn->is_direct)
		snprintf(text + used, room, "  # 0x%llx", (unsigned long long)target);
	else if (named)
		snprintf(text + used, room, " <%s>", name);
}

/* The conditions that GDB, objdump and most people write otherwise: je, not jz. None gets longer. */
static const struct {
	const char *zydis, *usual;
} conditions[] = {
	{ "z", "e" }, { "nz", "ne" }, { "nb", "ae" }, { "nbe", "a" }, { "nl", "ge" }, { "nle", "g" },
};

static size_t stem_of(const char *mnemonic)
{
	static const char *const stems[] = { "j", "set", "cmov" };

	for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++)
		if (strncmp(mnemonic, stems[i], strlen(stems[i])) == 0)
			return strlen(stems[i]);
	return 0;
}

/* In place of the mnemonic in text, behind whatever prefixes it has. */
static void rename_condition(const ZydisDecodedInstruction *insn, char *text)
{
	const char *mnemonic = ph_zydis()->ZydisMnemonicGetString(insn->mnemonic);
	size_t stem = mnemonic ? stem_of(mnemonic) : 0;
	char *at = stem ? strstr(text, mnemonic) : NULL;

	for (size_t i = 0; at && i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		size_t len = strlen(conditions[i].zydis), usual = strlen(conditions[i].usual);

		if (strcmp(mnemonic + stem, conditions[i].zydis) != 0)
			continue;
		memcpy(at + stem, conditions[i].usual, usual);
		memmove(at + stem + usual, at + stem + len, strlen(at + stem + len) + 1);
		return;
	}
}

/* AT&T: an asterisk tells "to where this points" from "to this", which Zydis leaves out. */
static void mark_indirect(const ZydisDecodedInstruction *insn, char *text)
{
	char *operand = strrchr(text, ' ');

	if (insn->meta.branch_type == ZYDIS_BRANCH_TYPE_NONE || ph_zydis_is_direct(insn) ||
	    insn->meta.category == ZYDIS_CATEGORY_RET || !insn->operand_count_visible || !operand ||
	    strlen(text) + 2 > PH_DISASM_TEXT_MAX)
		return;
	memmove(operand + 2, operand + 1, strlen(operand + 1) + 1);
	operand[1] = '*';
}

static bool format(const struct ph_zydis *zydis, ph_addr at, enum ph_disasm_syntax syntax, char *text)
{
	const struct ph_zydis_library *library = ph_zydis();
	ZydisFormatter formatter;

	library->ZydisFormatterInit(&formatter, styles[syntax]);
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		library->ZydisFormatterSetProperty(&formatter, properties[i].property, properties[i].value);
	if (!ZYAN_SUCCESS(library->ZydisFormatterFormatInstruction(&formatter, &zydis->insn, zydis->operands,
								   zydis->insn.operand_count_visible, text,
								   PH_DISASM_TEXT_MAX, at, NULL)))
		return false;
	rename_condition(&zydis->insn, text);
	if (syntax == PH_DISASM_ATT)
		mark_indirect(&zydis->insn, text);
	return true;
}

int ph_disasm_one(const uint8_t *bytes, size_t len, ph_addr at, enum ph_disasm_syntax syntax, ph_disasm_symbol symbol,
		  void *arg, struct ph_disasm *ret)
{
	struct ph_zydis zydis;
	struct ph_insn insn;
	int r = ph_insn_decode(bytes, len, &insn);

	if (r == -ENODATA || r == -ELIBACC)
		return r;
	if (r < 0 || ph_zydis_decode(bytes, len, &zydis) < 0 || !format(&zydis, at, syntax, ret->text)) {
		ret->insn = (struct ph_insn){ .length = 1 };
		ret->is_bad = true;
		snprintf(ret->text, sizeof(ret->text), "(bad)");
		return 0;
	}
	ret->is_bad = false;
	ret->insn = insn;
	if (ret->insn.has_relative)
		append_target(&ret->insn, at, symbol, arg, ret->text);
	return 0;
}
