/*
 * script - chunks and files as the command line names them.
 */
#ifndef PH_BIND_SCRIPT_H
#define PH_BIND_SCRIPT_H

#include <stdbool.h>

/* The file that SCRIPT means: a path, or a bare name in the usual folders. Owned by the caller; NULL: not found. */
char *ph_script_find(const char *name);

/* Folders in which `require` looks, that of the script first. script may be NULL. */
void ph_script_set_paths(const char *script);

/* arg, as in lua(1): [0] the script, [1]… its arguments, negative ones what stood before. */
void ph_script_set_arguments(char **argv, int script, int n_arguments);

/* False after an error, which is kept (ph_bind_report). */
bool ph_script_require(const char *name);
bool ph_script_run_chunk(const char *text, const char *name);
bool ph_script_run_file(const char *path, int n_arguments, char **arguments);

/* core.command_line: -i, -w, the script's file or NULL, the spawned argv or NULL. */
void ph_script_set_options(bool interactive, bool watch, const char *path, char **program);

/* The target of the command line runs to its end, unless the script ran it itself. */
bool ph_script_drive(void);

/* One call of a function in lua/ptracehook/main.lua, for what the command line does in Lua. */
bool ph_script_call(const char *function);

#endif
