/*
 * asm_words - the words of Intel syntax and what they mean to Zydis; for core/x86 alone.
 *
 * Mnemonics as people write them ("movabs", "je"), registers, prefixes, sizes. A word is its beginning and its length;
 * upper and lower case are one. Does not know where in a statement a word may stand (asm_parse.c).
 */
#ifndef PH_X86_ASM_WORDS_H
#define PH_X86_ASM_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/spell.h"
#include "x86/zydis.h"

bool ph_asm_is_word(const char *word, size_t len, const char *name);

/* ZYDIS_MNEMONIC_INVALID and ZYDIS_REGISTER_NONE: there is none of that name. */
ZydisMnemonic ph_asm_find_mnemonic(const char *word, size_t len);
ZydisRegister ph_asm_find_register(const char *word, size_t len);

/* All of them, for the one that was meant. */
void ph_asm_offer_mnemonics(struct ph_spell *spell);

/* Whether its operand, when it is a number, is an address that is written as a distance. */
bool ph_asm_is_branch(ZydisMnemonic mnemonic);

/* "lock", "fs"; 0: no such word. */
ZydisInstructionAttributes ph_asm_find_prefix(const char *word, size_t len);
ZydisInstructionAttributes ph_asm_find_segment(const char *word, size_t len);

/* In bytes; "qword" is 8. 0, NULL: no such word. */
unsigned int ph_asm_find_size(const char *word, size_t len);
const char *ph_asm_size_name(unsigned int size);

#endif
