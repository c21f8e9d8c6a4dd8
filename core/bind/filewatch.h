/*
 * filewatch - files that were written anew, told to Lua while sessions run and while the prompt waits.
 *
 * By inotify(7), on folders: editors put a new file in an old one's place.
 */
#ifndef PH_BIND_FILEWATCH_H
#define PH_BIND_FILEWATCH_H

/* Readable when there is news; -1: no folder is watched. */
int ph_filewatch_fd(void);

/* Tells what there is. */
void ph_filewatch_take(void);

#endif
