#include "engine/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/outcome.h"
#include "engine/resume.h"
#include "engine/watched.h"
#include "os/poll.h"
#include "os/terminal.h"
#include "os/wait.h"

#define PIECE 65536
#define FIRST_PIECE 4096		/* most targets say less than that */
#define LEAST_PIECE 512
#define LEFT_PIECES 32			/* of what a target that is gone has left in a pipe; others may fill it on */
#define MOST ((size_t)256 << 20)	/* that nobody takes */
#define MOST_FED ((size_t)1 << 20)	/* that waits to be sent, of a feeder's */

struct arrival {
	uint64_t serial;
	size_t len;
};

/* ---- One */

/* Its target has come to its end, and is kept before it (brink.h): until it is put back, nobody reads or writes. */
static bool is_kept(const struct ph_stream *stream)
{
	return stream->session->kept.kind != PH_REASON_NONE && !ph_list_is_empty(&stream->session->snapshots);
}

static void update(struct ph_stream *stream)
{
	bool wanted = !ph_list_is_empty(&stream->goals) || stream->forward != PH_STREAM_NOWHERE;
	unsigned int events = 0;

	if (stream->feeder)
		ph_watched_set_events(stream->feeder, stream->out.len < MOST_FED ? POLLIN : 0);
	if (!stream->reads && !stream->writes)
		ph_stream_close(stream);
	if (!stream->watched)
		return;
	if (stream->reads && (stream->in.len < MOST || wanted))
		events |= POLLIN;
	if (stream->writes && stream->out.len)
		events |= POLLOUT;
	ph_watched_set_patient(stream->watched, !wanted && !stream->floods && !(events & POLLOUT));
	ph_watched_set_events(stream->watched, events);
}

void ph_stream_close(struct ph_stream *stream)
{
	ph_watched_remove(stream->watched);
	stream->watched = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	stream->reads = stream->writes = false;
	ph_fifo_fini(&stream->out);
	ph_fifo_shrink(&stream->in);
}

static void note_arrival(struct ph_stream *stream, size_t len)
{
	struct ph_session *session = stream->session;
	struct arrival last;
	char *at;

	if (session->last_arrival == stream && stream->arrivals.len) {
		at = stream->arrivals.memory + stream->arrivals.from + stream->arrivals.len - sizeof(last);
		memcpy(&last, at, sizeof(last));
		last.len += len;
		memcpy(at, &last, sizeof(last));
		return;
	}
	last = (struct arrival){ ++session->n_arrivals, len };
	at = ph_fifo_reserve(&stream->arrivals, sizeof(last));
	if (!at)
		return;
	memcpy(at, &last, sizeof(last));
	ph_fifo_add(&stream->arrivals, sizeof(last));
	session->last_arrival = stream;
}

/* Nobody has taken it for so long that more of it would fill the memory. */
static void check_len(struct ph_stream *stream)
{
	struct ph_err err;

	if (stream->in.len < MOST || !ph_list_is_empty(&stream->goals) || stream->session->ended)
		return;
	ph_err_say(&err, -ENOBUFS, "run", "the target has written %zu MiB that nobody has read; read them, or spawn it with "
		   "stdout = \"null\" or {file = name}", MOST >> 20);
	ph_session_fail(stream->session, -ENOBUFS, &err);
}

static void forward(const struct ph_stream *stream, const char *bytes, size_t len)
{
	const struct ph_tracer *tracer = stream->session->tracer;

	while (len && !(tracer && ph_tracer_is_interrupted(tracer))) {
		ssize_t n = write(stream->forward, bytes, len);
		struct pollfd room = { .fd = stream->forward, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			n = ph_os_poll_until(&room, 1, PH_WAIT_FOREVER) < 0 ? -1 : 0;
		/* Where nobody looks any more, what comes is lost. */
		if (n < 0 && errno != EINTR)
			return;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* One read(2): true when something came. */
static bool read_some(struct ph_stream *stream)
{
	size_t room = ph_fifo_room(&stream->in);
	char *at;
	ssize_t n;

	if (!stream->reads)
		return false;
	at = ph_fifo_reserve(&stream->in, room >= LEAST_PIECE ? room : stream->in.room ? PIECE : FIRST_PIECE);
	if (!at)
		return false;
	room = ph_fifo_room(&stream->in);
	n = read(stream->fd, at, room);
	if (n > 0) {
		stream->floods |= (size_t)n == room;
		if (stream->forward != PH_STREAM_NOWHERE) {
			forward(stream, at, (size_t)n);
			return true;
		}
		ph_fifo_add(&stream->in, (size_t)n);
		note_arrival(stream, (size_t)n);
		check_len(stream);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* A terminal that nobody has open any more gives EIO. */
	stream->reads = false;
	if (n < 0)
		stream->writes = false;
	ph_fifo_shrink(&stream->in);
	return false;
}

/* A snapshot has to put the pipe back then, whether the program makes a call or not. */
static void note_given(const struct ph_stream *stream)
{
	stream->session->calls.made = true;
}

static void write_some(struct ph_stream *stream)
{
	while (stream->writes && stream->out.len) {
		ssize_t n = write(stream->fd, ph_fifo_bytes(&stream->out), stream->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			stream->writes = false;
		} else {
			ph_fifo_drop(&stream->out, (size_t)n);
			note_given(stream);
		}
	}
	if (!stream->writes || stream->finishes) {
		stream->writes = false;
		ph_fifo_fini(&stream->out);
	}
}

static void tell_goals(struct ph_stream *stream)
{
	struct ph_goal_link *link;

	ph_list_each(link, &stream->goals, struct ph_goal_link, in_stream) {
		struct ph_goal *goal = link->goal;

		if (!ph_goal_is_reached(goal))
			continue;
		if (goal->stops)
			ph_session_stop(goal->stops);
		if (goal->wakes)
			ph_until_wake(goal->wakes);
	}
}

static void on_ready(struct ph_tracer *tracer, int fd, unsigned int events, void *user)
{
	struct ph_stream *stream = user;

	(void)tracer;
	(void)fd;
	if (events & POLLNVAL)
		stream->reads = stream->writes = false;
	if (events & (POLLIN | POLLHUP | POLLERR))
		read_some(stream);
	if (events & (POLLOUT | POLLERR))
		write_some(stream);
	update(stream);
	tell_goals(stream);
}

void ph_stream_pump(struct ph_stream *stream)
{
	if (stream->fd < 0)
		return;
	if (stream->writes && stream->out.len)
		write_some(stream);
	while (stream->reads && stream->in.len < MOST && read_some(stream) && ph_fifo_room(&stream->in) == 0)
		;
	update(stream);
}

bool ph_stream_writes(const struct ph_stream *stream)
{
	return stream->writes && !is_kept(stream);
}

int ph_stream_send(struct ph_stream *stream, const char *bytes, size_t len)
{
	char *at;

	if (!stream->writes || stream->finishes)
		return -EPIPE;
	if (stream->out.len == 0) {
		ssize_t n = write(stream->fd, bytes, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			stream->writes = false;
			update(stream);
			return -EPIPE;
		}
		note_given(stream);
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	if (len == 0)
		return 0;
	at = ph_fifo_reserve(&stream->out, len);
	if (!at)
		return -ENOMEM;
	memcpy(at, bytes, len);
	ph_fifo_add(&stream->out, len);
	update(stream);
	return 0;
}

int ph_stream_finish(struct ph_stream *stream)
{
	int end;
	char byte;

	if (!stream->writes || stream->finishes)
		return 0;
	if (stream->is_source) {
		end = ph_os_pty_end_byte(stream->fd);
		byte = (char)end;
		return end < 0 ? -ENOTTY : ph_stream_send(stream, &byte, 1);
	}
	stream->finishes = true;
	write_some(stream);
	update(stream);
	return 0;
}

void ph_stream_forward(struct ph_stream *stream, int fd)
{
	stream->forward = fd;
	update(stream);
}

/* ---- Of a session */

int ph_stream_open(struct ph_session *session, int fd, bool reads, bool writes, unsigned int mask)
{
	struct ph_stream *stream = calloc(1, sizeof(*stream));
	int r;

	if (!stream || !session->tracer) {
		free(stream);
		return stream ? -ESRCH : -ENOMEM;
	}
	*stream = (struct ph_stream){ .session = session, .fd = fd, .is_source = reads, .is_sink = writes,
				      .reads = reads, .writes = writes, .forward = PH_STREAM_NOWHERE };
	ph_list_init(&stream->goals);
	r = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = ph_watched_add(session->tracer, fd, reads ? POLLIN : 0, on_ready, stream, &stream->watched);
	if (r < 0) {
		free(stream);
		return r;
	}
	for (int i = 0; i < 3; i++) {
		if (!(mask & 1u << i))
			continue;
		session->stdio[i] = stream;
		stream->users++;
	}
	update(stream);
	return 0;
}

void ph_streams_free(struct ph_session *session)
{
	for (int i = 0; i < 3; i++) {
		struct ph_stream *stream = session->stdio[i];

		session->stdio[i] = NULL;
		if (!stream || --stream->users)
			continue;
		ph_stream_close(stream);
		ph_fifo_fini(&stream->in);
		ph_fifo_fini(&stream->arrivals);
		free(stream);
	}
	session->last_arrival = NULL;
}

void ph_streams_settle(struct ph_session *session)
{
	for (int i = 0; i < 3; i++) {
		struct ph_stream *stream = session->stdio[i];
		int pieces = 0;

		if (!stream || stream->fd < 0)
			continue;
		if (session->ended)
			stream->writes = false;
		while (pieces++ < LEFT_PIECES && read_some(stream))
			;
		update(stream);
		tell_goals(stream);
	}
}

static bool refill(struct ph_fifo *fifo, const struct ph_fifo *from)
{
	char *at;

	ph_fifo_drop(fifo, fifo->len);
	at = from->len ? ph_fifo_reserve(fifo, from->len) : NULL;
	if (!at)
		return from->len == 0;
	memcpy(at, ph_fifo_bytes(from), from->len);
	ph_fifo_add(fifo, from->len);
	return true;
}

static struct ph_stream *find_sink(const struct ph_session *session)
{
	for (int i = 0; i < 3; i++)
		if (session->stdio[i] && session->stdio[i]->is_sink)
			return session->stdio[i];
	return NULL;
}

int ph_streams_keep(const struct ph_session *session, struct ph_fifo *unsent)
{
	const struct ph_stream *stream = find_sink(session);

	return !stream || refill(unsent, &stream->out) ? 0 : -ENOMEM;
}

int ph_streams_put_back(struct ph_session *session, const struct ph_fifo *unsent)
{
	struct ph_stream *stream = find_sink(session);

	if (!stream || !stream->writes || (!stream->out.len && !unsent->len))
		return 0;
	if (!refill(&stream->out, unsent))
		return -ENOMEM;
	update(stream);
	return 0;
}

/* ---- Several as one */

size_t ph_streams_len(struct ph_stream *const *streams, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += streams[i]->in.len;
	return len;
}

bool ph_streams_read(struct ph_stream *const *streams, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streams[i]->reads && !is_kept(streams[i]))
			return true;
	return false;
}

/* What came as the at-th, not counting bytes that are gone; len 0: nothing did. */
static struct arrival arrival_at(const struct ph_stream *stream, size_t at)
{
	struct arrival arrival = { UINT64_MAX, 0 };

	if (at < stream->arrivals.len)
		memcpy(&arrival, ph_fifo_bytes(&stream->arrivals) + at, sizeof(arrival));
	return arrival;
}

void ph_streams_copy(struct ph_stream *const *streams, size_t n, size_t len, char *ret)
{
	size_t at[PH_GOAL_STREAMS] = { 0 }, done[PH_GOAL_STREAMS] = { 0 };

	while (len) {
		struct arrival first = { UINT64_MAX, 0 };
		size_t from = 0;

		for (size_t i = 0; i < n; i++) {
			struct arrival next = arrival_at(streams[i], at[i]);

			if (next.serial < first.serial) {
				first = next;
				from = i;
			}
		}
		/* There was no memory to remember the order. */
		if (first.len == 0) {
			for (from = 0; from + 1 < n && done[from] == streams[from]->in.len;)
				from++;
			first.len = streams[from]->in.len - done[from];
		}
		first.len = first.len < len ? first.len : len;
		memcpy(ret, ph_fifo_bytes(&streams[from]->in) + done[from], first.len);
		ret += first.len;
		len -= first.len;
		done[from] += first.len;
		at[from] += sizeof(first);
	}
}

static void drop(struct ph_stream *stream, size_t len)
{
	struct ph_goal_link *link;

	ph_fifo_drop(&stream->in, len);
	ph_list_each(link, &stream->goals, struct ph_goal_link, in_stream)
		link->goal->scanned = 0;
	while (len && stream->arrivals.len) {
		struct arrival first = arrival_at(stream, 0);

		if (first.len > len) {
			first.len -= len;
			memcpy(stream->arrivals.memory + stream->arrivals.from, &first, sizeof(first));
			break;
		}
		len -= first.len;
		ph_fifo_drop(&stream->arrivals, sizeof(first));
	}
	if (stream->fd < 0)
		ph_fifo_shrink(&stream->in);
	update(stream);
}

void ph_streams_drop(struct ph_stream *const *streams, size_t n, size_t len)
{
	if (n == 1) {
		drop(streams[0], len);
		return;
	}
	while (len) {
		struct arrival first = { UINT64_MAX, 0 };
		size_t from = 0;

		for (size_t i = 0; i < n; i++) {
			struct arrival next = arrival_at(streams[i], 0);

			if (next.serial < first.serial) {
				first = next;
				from = i;
			}
		}
		if (first.len == 0) {
			for (from = 0; from + 1 < n && streams[from]->in.len == 0;)
				from++;
			first.len = streams[from]->in.len;
		}
		first.len = first.len < len ? first.len : len;
		drop(streams[from], first.len);
		len -= first.len;
	}
}

/* ---- Goals */

static bool has_text(struct ph_goal *goal)
{
	const struct ph_fifo *in = &goal->streams[0]->in;
	const char *found = NULL;

	if (in->len >= goal->scanned + goal->len)
		found = memmem(ph_fifo_bytes(in) + goal->scanned, in->len - goal->scanned, goal->text, goal->len);
	if (found)
		goal->scanned = (size_t)(found - ph_fifo_bytes(in));
	else if (in->len >= goal->len)
		goal->scanned = in->len - goal->len + 1;
	return found;
}

bool ph_goal_is_reached(struct ph_goal *goal)
{
	switch (goal->kind) {
	case PH_GOAL_BYTES:
		return ph_streams_len(goal->streams, goal->n) >= goal->bytes || !ph_streams_read(goal->streams, goal->n);
	case PH_GOAL_TEXT:
		return has_text(goal) || !ph_streams_read(goal->streams, goal->n);
	case PH_GOAL_END:
		return !ph_streams_read(goal->streams, goal->n);
	case PH_GOAL_SENT:
		return !ph_stream_writes(goal->streams[0]) || goal->streams[0]->out.len == 0;
	}
	return true;
}

void ph_goal_add(struct ph_goal *goal)
{
	for (size_t i = 0; i < goal->n; i++) {
		goal->links[i].goal = goal;
		ph_list_add_tail(&goal->streams[i]->goals, &goal->links[i].in_stream);
		update(goal->streams[i]);
	}
}

void ph_goal_remove(struct ph_goal *goal)
{
	for (size_t i = 0; i < goal->n; i++) {
		if (!goal->links[i].goal)
			continue;
		ph_list_remove(&goal->links[i].in_stream);
		goal->links[i].goal = NULL;
		update(goal->streams[i]);
	}
}

int ph_goal_await(struct ph_goal *goal, struct ph_tracer *tracer, int64_t deadline)
{
	while (!ph_goal_is_reached(goal)) {
		struct pollfd fds[PH_GOAL_STREAMS];
		int r;

		if (ph_tracer_is_interrupted(tracer))
			return -EINTR;
		for (size_t i = 0; i < goal->n; i++) {
			const struct ph_stream *stream = goal->streams[i];

			fds[i] = (struct pollfd){ .fd = stream->fd, .events = (short)((stream->reads ? POLLIN : 0) |
										   (stream->out.len ? POLLOUT : 0)) };
		}
		r = ph_os_poll_until(fds, goal->n, deadline);
		if (r == -ETIMEDOUT)
			return r;
		for (size_t i = 0; r > 0 && i < goal->n; i++)
			if (fds[i].revents)
				on_ready(tracer, fds[i].fd, (unsigned short)fds[i].revents, goal->streams[i]);
	}
	return 0;
}
