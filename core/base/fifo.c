#include "base/fifo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 4096

char *ph_fifo_reserve(struct ph_fifo *fifo, size_t len)
{
	size_t room = fifo->room * 2 > SMALLEST ? fifo->room * 2 : SMALLEST;
	char *memory;

	if (ph_fifo_room(fifo) >= len)
		return fifo->memory + fifo->from + fifo->len;
	if (fifo->from >= fifo->len && fifo->room - fifo->len >= len) {
		/* What is moved is less than what has gone since the last time. */
		if (fifo->len)
			memcpy(fifo->memory, fifo->memory + fifo->from, fifo->len);
		fifo->from = 0;
		return fifo->memory + fifo->len;
	}
	if (len > SIZE_MAX / 4 - fifo->len || fifo->room > SIZE_MAX / 4)
		return NULL;
	if (room < fifo->len + len)
		room = fifo->len + len;
	memory = malloc(room);
	if (!memory)
		return NULL;
	if (fifo->len)
		memcpy(memory, fifo->memory + fifo->from, fifo->len);
	free(fifo->memory);
	fifo->memory = memory;
	fifo->from = 0;
	fifo->room = room;
	return memory + fifo->len;
}

void ph_fifo_add(struct ph_fifo *fifo, size_t len)
{
	fifo->len += len;
}

void ph_fifo_drop(struct ph_fifo *fifo, size_t len)
{
	fifo->len -= len;
	fifo->from = fifo->len ? fifo->from + len : 0;
}

void ph_fifo_shrink(struct ph_fifo *fifo)
{
	char *memory;

	if (fifo->len == 0) {
		ph_fifo_fini(fifo);
		return;
	}
	if (fifo->room <= 2 * fifo->len)
		return;
	memory = malloc(fifo->len);
	if (!memory)
		return;
	memcpy(memory, fifo->memory + fifo->from, fifo->len);
	free(fifo->memory);
	*fifo = (struct ph_fifo){ .memory = memory, .len = fifo->len, .room = fifo->len };
}

void ph_fifo_fini(struct ph_fifo *fifo)
{
	free(fifo->memory);
	*fifo = (struct ph_fifo){ 0 };
}
