/*
 * fifo - bytes that come at one end and go at the other, in one piece of memory.
 */
#ifndef PH_BASE_FIFO_H
#define PH_BASE_FIFO_H

#include <stddef.h>

struct ph_fifo {
	char *memory;		/* owned; NULL: nothing was put in yet */
	size_t from, len, room;
};

static inline const char *ph_fifo_bytes(const struct ph_fifo *fifo)
{
	return fifo->memory + fifo->from;
}

/* Where the next bytes go, room for len at least; NULL: there is no memory for that. */
char *ph_fifo_reserve(struct ph_fifo *fifo, size_t len);

/* How many bytes have room there. */
static inline size_t ph_fifo_room(const struct ph_fifo *fifo)
{
	return fifo->room - fifo->from - fifo->len;
}

/* That many were put there. */
void ph_fifo_add(struct ph_fifo *fifo, size_t len);

/* The first len bytes are gone; len is at most what there is. */
void ph_fifo_drop(struct ph_fifo *fifo, size_t len);

/* Gives back memory that it does not use. */
void ph_fifo_shrink(struct ph_fifo *fifo);

void ph_fifo_fini(struct ph_fifo *fifo);

#endif
