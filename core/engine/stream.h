/*
 * stream - our end of a target's pipe or terminal: what came and nobody took yet, what is to go and was not taken yet.
 *
 * Looked after while sessions run (watched.h), so that a target never waits for us to read what it writes, nor we for it.
 * A session has up to three; they are the session's, and end with it, but for what is still to be taken. Knows nothing of
 * lines and patterns (lua/ptracehook/tube.lua).
 */
#ifndef PH_ENGINE_STREAM_H
#define PH_ENGINE_STREAM_H

#include "base/fifo.h"
#include "engine/session.h"

#define PH_STREAM_NOWHERE (-1)

struct ph_stream {
	struct ph_session *session;
	struct ph_watched *watched;	/* owned; NULL: closed */
	unsigned int users;		/* places of session->stdio */
	int fd;				/* owned; -1: closed */
	bool is_source, is_sink;	/* what it was opened for */
	bool reads, writes;		/* directions that have not ended */
	bool floods;			/* a read was not enough for what had come */
	bool finishes;			/* writing ends when all is sent */
	int forward;			/* what comes goes there at once; PH_STREAM_NOWHERE: it is kept */
	struct ph_watched *feeder;	/* borrowed; where what is sent comes from, left alone while much waits; or NULL */
	struct ph_fifo in, out;
	struct ph_fifo arrivals;	/* struct arrival: in what order what came stands to what came from the other */
	struct ph_list goals;
};

/* fd passes to the stream, which stands for the descriptors of the target in mask (bit 0: its standard input). */
int ph_stream_open(struct ph_session *session, int fd, bool reads, bool writes, unsigned int mask);

void ph_streams_free(struct ph_session *session);

/* The target is gone, or kept at its end: what it left is taken in. */
void ph_streams_settle(struct ph_session *session);

/* For a snapshot: what is to go and has not gone; and that again, instead of what was sent for the run that is undone. */
int ph_streams_keep(const struct ph_session *session, struct ph_fifo *unsent);
int ph_streams_put_back(struct ph_session *session, const struct ph_fifo *unsent);

/* What can be read and written without waiting is. */
void ph_stream_pump(struct ph_stream *stream);

/* Somebody may read what is sent. */
bool ph_stream_writes(const struct ph_stream *stream);

/* -EPIPE: nobody reads any more. */
int ph_stream_send(struct ph_stream *stream, const char *bytes, size_t len);

/* No more is sent after what was; a terminal's reader is told so. -ENOTTY: a raw one cannot be told. */
int ph_stream_finish(struct ph_stream *stream);

/* What comes from now on goes to this descriptor of ours, or, PH_STREAM_NOWHERE, is kept again. */
void ph_stream_forward(struct ph_stream *stream, int fd);

/* Both directions, now. */
void ph_stream_close(struct ph_stream *stream);

/* ---- Several as one: in the order in which bytes came */

size_t ph_streams_len(struct ph_stream *const *streams, size_t n);
bool ph_streams_read(struct ph_stream *const *streams, size_t n);	/* more may come */

/* The first len bytes; ret has room for them. */
void ph_streams_copy(struct ph_stream *const *streams, size_t n, size_t len, char *ret);
void ph_streams_drop(struct ph_stream *const *streams, size_t n, size_t len);

/* ---- What somebody waits for */

#define PH_GOAL_STREAMS 3

enum ph_goal_kind {
	PH_GOAL_BYTES,	/* so many have come, or no more can */
	PH_GOAL_TEXT,	/* so has this, of one stream */
	PH_GOAL_END,	/* no more can come */
	PH_GOAL_SENT,	/* nothing is left to send, or nobody reads it */
};

struct ph_goal {
	struct ph_stream *streams[PH_GOAL_STREAMS];
	size_t n;
	enum ph_goal_kind kind;
	size_t bytes;
	const char *text;	/* borrowed until ph_goal_remove */
	size_t len, scanned;	/* of the text; how much of what came begins no such text */

	struct ph_session *stops;	/* its run ends when the goal is reached; or NULL */
	struct ph_until *wakes;		/* so does this wait; or NULL */
	struct ph_goal_link {
		struct ph_list in_stream;
		struct ph_goal *goal;
	} links[PH_GOAL_STREAMS];
};

bool ph_goal_is_reached(struct ph_goal *goal);

void ph_goal_add(struct ph_goal *goal);
void ph_goal_remove(struct ph_goal *goal);

/* Waits for it without running anybody. 0, -ETIMEDOUT, or -EINTR: the tracer was interrupted. */
int ph_goal_await(struct ph_goal *goal, struct ph_tracer *tracer, int64_t deadline);

#endif
