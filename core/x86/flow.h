/*
 * flow - where the instructions of a function begin, as its own jumps tell.
 *
 * Follows calls' returns, both ways of conditional jumps, and direct jumps within the function from its first byte; what
 * only an indirect jump leads to, and data among code, stays unknown. Pure: the bytes are the caller's, without
 * breakpoints.
 */
#ifndef PH_X86_FLOW_H
#define PH_X86_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * True: an instruction that runs covers code[at], and none begins there; *ret_begin is where that one begins. Bytes that
 * are instructions both ways, as jumps into the middle of one make them, are a beginning.
 */
bool ph_flow_is_inside(const uint8_t *code, size_t len, size_t at, size_t *ret_begin);

/*
 * True: instruction follows instruction from the function's first byte to its last, each jump is direct and stays inside,
 * and none leads to code[at]. Who runs at that place came from the instruction before it.
 */
bool ph_flow_is_passed_only(const uint8_t *code, size_t len, size_t at);

#endif
