/*
 * descriptors - a process's open files at one moment, and put back.
 *
 * Positions of files come back, and what was read from pipes; what was opened since is closed, files that were closed are
 * opened again. What was written stays written. Files (and nothing else, or their other ends would see it) are held
 * open by a descriptor of ours meanwhile, which also tells them apart.
 */
#ifndef PH_ENGINE_DESCRIPTORS_H
#define PH_ENGINE_DESCRIPTORS_H

#include "engine/thread.h"

struct ph_descriptor {
	int fd;
	int ours;		/* the same open file; -1: none */
	char *link;		/* owned; what it leads to */
	int flags;		/* O_… */
	bool seeks;
	int64_t position;
	uint8_t *waiting;	/* owned; what was in the pipe that it reads */
	size_t n_waiting;
	bool is_input;		/* such a pipe */
	unsigned int kind;	/* S_IFMT of its mode; 0: not known */
};

struct ph_descriptors {
	struct ph_descriptor *all;	/* owned */
	size_t n, room;
	int folder;		/* /proc/PID/fd */
};

int ph_descriptors_take(struct ph_descriptors *descriptors, struct ph_thread *thread, struct ph_err *err);
void ph_descriptors_fini(struct ph_descriptors *descriptors);

/* The thread is at a place of the program. -ENOTSUP: one was closed that cannot be opened again. */
int ph_descriptors_put_back(struct ph_descriptors *descriptors, struct ph_thread *thread, struct ph_err *err);

#endif
