/*
 * source - names of source files in DWARF; for core/image alone.
 */
#ifndef PH_IMAGE_SOURCE_H
#define PH_IMAGE_SOURCE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/* Is the file at path (may be NULL) what wanted means: its path, or an end of it that begins at a "/"? */
bool ph_source_is(const char *path, const char *wanted);

/* The file at path (may be NULL) as the unit's DWARF records it, into buf; false when there is none. */
bool ph_source_name(Dwarf_Die *unit, const char *path, char *buf, size_t len);

#endif
