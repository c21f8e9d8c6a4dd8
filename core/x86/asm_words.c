#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "x86/asm_words.h"

static const struct {
	const char *name;
	uint16_t size;
} sizes[] = {
	{ "byte", 1 },	   { "word", 2 },     { "dword", 4 },	 { "fword", 6 },    { "qword", 8 },   { "tbyte", 10 },
	{ "tword", 10 },   { "xmmword", 16 }, { "oword", 16 },	 { "ymmword", 32 }, { "zmmword", 64 },
};

unsigned int ph_asm_find_size(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (ph_asm_is_word(word, len, sizes[i].name))
			return sizes[i].size;
	return 0;
}

const char *ph_asm_size_name(unsigned int size)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].size == size)
			return sizes[i].name;
	return NULL;
}

struct prefix {
	const char *name;
	ZydisInstructionAttributes attribute;
};

static const struct prefix prefixes[] = {
	{ "lock", ZYDIS_ATTRIB_HAS_LOCK },   { "rep", ZYDIS_ATTRIB_HAS_REP },	  { "repe", ZYDIS_ATTRIB_HAS_REPE },
	{ "repz", ZYDIS_ATTRIB_HAS_REPE },   { "repne", ZYDIS_ATTRIB_HAS_REPNE }, { "repnz", ZYDIS_ATTRIB_HAS_REPNE },
	{ "bnd", ZYDIS_ATTRIB_HAS_BND },     { "notrack", ZYDIS_ATTRIB_HAS_NOTRACK },
	{ "xacquire", ZYDIS_ATTRIB_HAS_XACQUIRE }, { "xrelease", ZYDIS_ATTRIB_HAS_XRELEASE },
};

static const struct prefix segments[] = {
	{ "cs", ZYDIS_ATTRIB_HAS_SEGMENT_CS }, { "ds", ZYDIS_ATTRIB_HAS_SEGMENT_DS },
	{ "es", ZYDIS_ATTRIB_HAS_SEGMENT_ES }, { "fs", ZYDIS_ATTRIB_HAS_SEGMENT_FS },
	{ "gs", ZYDIS_ATTRIB_HAS_SEGMENT_GS }, { "ss", ZYDIS_ATTRIB_HAS_SEGMENT_SS },
};

/* What people write, and how Zydis calls it. */
static const struct {
	const char *usual, *zydis;
} mnemonics[] = {
	{ "movabs", "mov" }, { "retn", "ret" }, { "sal", "shl" }, { "iret", "iretd" }, { "icebp", "int1" },
};

/* The same for conditions, behind j, set and cmov. */
static const struct {
	const char *usual, *zydis;
} conditions[] = {
	{ "e", "z" },	  { "ne", "nz" }, { "ae", "nb" }, { "nc", "nb" }, { "c", "b" },	  { "nae", "b" },
	{ "a", "nbe" },	  { "na", "be" }, { "g", "nle" }, { "ng", "le" }, { "ge", "nl" }, { "nge", "l" },
	{ "pe", "p" },	  { "po", "np" },
};

bool ph_asm_is_word(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

static ZydisMnemonic mnemonic_named(const char *word, size_t len)
{
	for (int i = ZYDIS_MNEMONIC_INVALID + 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
		const char *name = ph_zydis()->ZydisMnemonicGetString((ZydisMnemonic)i);

		if (name && ph_asm_is_word(word, len, name))
			return (ZydisMnemonic)i;
	}
	return ZYDIS_MNEMONIC_INVALID;
}

ZydisMnemonic ph_asm_find_mnemonic(const char *word, size_t len)
{
	static const char *const stems[] = { "cmov", "set", "j" };
	ZydisMnemonic found = mnemonic_named(word, len);
	char name[16];

	for (size_t i = 0; i < sizeof(mnemonics) / sizeof(mnemonics[0]) && !found; i++)
		if (ph_asm_is_word(word, len, mnemonics[i].usual))
			found = mnemonic_named(mnemonics[i].zydis, strlen(mnemonics[i].zydis));
	for (size_t s = 0; s < sizeof(stems) / sizeof(stems[0]) && !found; s++) {
		size_t stem = strlen(stems[s]);

		if (len <= stem || strncasecmp(word, stems[s], stem) != 0)
			continue;
		for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
			if (ph_asm_is_word(word + stem, len - stem, conditions[i].usual)) {
				snprintf(name, sizeof(name), "%s%s", stems[s], conditions[i].zydis);
				found = mnemonic_named(name, strlen(name));
			}
	}
	return found;
}

void ph_asm_offer_mnemonics(struct ph_spell *spell)
{
	for (int i = ZYDIS_MNEMONIC_INVALID + 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++)
		ph_spell_offer(spell, ph_zydis()->ZydisMnemonicGetString((ZydisMnemonic)i));
}

bool ph_asm_is_branch(ZydisMnemonic mnemonic)
{
	const char *name = ph_zydis()->ZydisMnemonicGetString(mnemonic);

	return name && (*name == 'j' || strcmp(name, "call") == 0 || strncmp(name, "loop", 4) == 0 ||
			strcmp(name, "xbegin") == 0);
}

ZydisRegister ph_asm_find_register(const char *word, size_t len)
{
	if (ph_asm_is_word(word, len, "st"))
		return ZYDIS_REGISTER_ST0;
	for (int i = ZYDIS_REGISTER_NONE + 1; i <= ZYDIS_REGISTER_MAX_VALUE; i++) {
		const char *name = ph_zydis()->ZydisRegisterGetString((ZydisRegister)i);

		if (name && ph_asm_is_word(word, len, name))
			return (ZydisRegister)i;
	}
	return ZYDIS_REGISTER_NONE;
}

static ZydisInstructionAttributes find_in(const struct prefix *table, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (ph_asm_is_word(word, len, table[i].name))
			return table[i].attribute;
	return 0;
}

ZydisInstructionAttributes ph_asm_find_prefix(const char *word, size_t len)
{
	return find_in(prefixes, sizeof(prefixes) / sizeof(prefixes[0]), word, len);
}

ZydisInstructionAttributes ph_asm_find_segment(const char *word, size_t len)
{
	return find_in(segments, sizeof(segments) / sizeof(segments[0]), word, len);
}
