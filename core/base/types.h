/*
 * types - scalars that every layer shares.
 *
 * An address of a target is an integer, never a pointer of ours, and neither becomes the other.
 */
#ifndef PH_BASE_TYPES_H
#define PH_BASE_TYPES_H

#include <stdint.h>

typedef uint64_t ph_addr;

/* Part of the public interface: the shared library shows nothing else. */
#define PH_API __attribute__((visibility("default")))

#define PH_ADDR_NONE ((ph_addr)-1)

#endif
