#include "engine/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/inject.h"
#include "os/descriptor.h"

#define HELD_MOST 256		/* descriptors of ours */
#define PIPE_MOST (1 << 20)	/* bytes that a pipe holds, usually at most */
#define PAGE	  4096ull

static const char op[] = "restore";

/* ---- Taking */

struct taking {
	struct ph_descriptors *list;
	pid_t pid;
};

static int peek(struct ph_descriptor *descriptor, int pipe)
{
	int n = ph_os_pipe_waiting(pipe);
	ssize_t got;

	descriptor->is_input = true;
	if (n <= 0 || n > PIPE_MOST)
		return 0;
	descriptor->waiting = malloc((size_t)n);
	if (!descriptor->waiting)
		return -ENOMEM;
	got = ph_os_pipe_peek(pipe, descriptor->waiting, (size_t)n);
	descriptor->n_waiting = got < 0 ? 0 : (size_t)got;
	return 0;
}

/* Whoever writes to our own output goes on behind what was written, whatever the target does with it. */
static bool is_our_output(pid_t pid, const struct ph_descriptor *descriptor)
{
	if ((descriptor->flags & O_ACCMODE) == O_RDONLY)
		return false;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (ph_os_fd_is(pid, descriptor->fd, fd) == 1)
			return true;
	return false;
}

static int take_one(int fd, void *user)
{
	struct taking *taking = user;
	struct ph_descriptors *list = taking->list;
	struct ph_descriptor *descriptor;
	struct stat stat;
	char link[4096], name[16];
	int r = 0;

	if (ph_os_fd_link(list->folder, fd, link, sizeof(link)) < 0)
		return 0;
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		void *all = reallocarray(list->all, room, sizeof(*list->all));

		if (!all)
			return -ENOMEM;
		list->all = all;
		list->room = room;
	}
	descriptor = &list->all[list->n++];
	*descriptor = (struct ph_descriptor){ .fd = fd, .ours = -1, .link = strdup(link) };
	if (!descriptor->link)
		return -ENOMEM;
	snprintf(name, sizeof(name), "%d", fd);
	descriptor->flags = ph_os_fd_flags(taking->pid, fd);
	if (descriptor->flags < 0 || fstatat(list->folder, name, &stat, 0) < 0)
		return 0;
	descriptor->kind = stat.st_mode & S_IFMT;
	if ((S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode) || S_ISBLK(stat.st_mode)) && list->n <= HELD_MOST) {
		descriptor->ours = ph_os_fd_take(taking->pid, fd);
		descriptor->position = descriptor->ours < 0 ? -1 : lseek(descriptor->ours, 0, SEEK_CUR);
		descriptor->seeks = descriptor->position >= 0 && !is_our_output(taking->pid, descriptor);
	} else if (S_ISFIFO(stat.st_mode) && (descriptor->flags & O_ACCMODE) != O_WRONLY) {
		int pipe = ph_os_fd_reopen(list->folder, fd, O_RDONLY | O_NONBLOCK);

		if (pipe >= 0) {
			r = peek(descriptor, pipe);
			close(pipe);
		}
	}
	return r;
}

int ph_descriptors_take(struct ph_descriptors *descriptors, struct ph_thread *thread, struct ph_err *err)
{
	pid_t pid = thread->process->pid;
	struct taking taking = { descriptors, pid };
	int r;

	*descriptors = (struct ph_descriptors){ 0 };
	descriptors->folder = r = ph_os_fds_open(pid);
	if (r >= 0)
		r = ph_os_fds_each(pid, take_one, &taking);
	return r < 0 ? ph_err_set_in(err, r, "look at open files", pid) : 0;
}

void ph_descriptors_fini(struct ph_descriptors *descriptors)
{
	for (size_t i = 0; i < descriptors->n; i++) {
		if (descriptors->all[i].ours >= 0)
			close(descriptors->all[i].ours);
		free(descriptors->all[i].link);
		free(descriptors->all[i].waiting);
	}
	free(descriptors->all);
	if (descriptors->folder > 0)
		close(descriptors->folder);
	*descriptors = (struct ph_descriptors){ 0 };
}

/* ---- Back */

static int64_t call(struct ph_thread *thread, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct ph_err *err)
{
	int64_t answer;
	int r = ph_inject_syscall(thread, number, (uint64_t[]){ a, b, c, d, (uint64_t)-1, 0 }, &answer, err);

	return r < 0 ? r : answer;
}

static bool is_as_was(const struct ph_descriptors *list, pid_t pid, const struct ph_descriptor *descriptor)
{
	char link[4096];
	int r = descriptor->ours >= 0 ? ph_os_fd_is(pid, descriptor->fd, descriptor->ours) : -ENOENT;

	if (r >= 0)
		return r;
	return ph_os_fd_link(list->folder, descriptor->fd, link, sizeof(link)) >= 0 && strcmp(link, descriptor->link) == 0;
}

/* What is in it now has no place in a run that begins anew. */
static int refill(const struct ph_descriptors *list, const struct ph_descriptor *descriptor, struct ph_err *err)
{
	int in = ph_os_fd_reopen(list->folder, descriptor->fd, O_RDONLY | O_NONBLOCK), out;
	uint8_t buf[4096];
	ssize_t n = 0;
	int waiting;

	if (in < 0)
		return ph_err_say(err, in, op, "descriptor %d (%.100s) cannot be read again", descriptor->fd, descriptor->link);
	waiting = ph_os_pipe_waiting(in);
	if (!descriptor->n_waiting && waiting == 0) {
		close(in);
		return 0;
	}
	while (waiting > 0 && (n = read(in, buf, sizeof(buf))) > 0)
		waiting -= (int)n;
	if (descriptor->n_waiting) {
		out = ph_os_fd_reopen(list->folder, descriptor->fd, O_WRONLY | O_NONBLOCK);
		n = out < 0 ? -1 : write(out, descriptor->waiting, descriptor->n_waiting);
		if (out >= 0)
			close(out);
	}
	close(in);
	if (descriptor->n_waiting && n != (ssize_t)descriptor->n_waiting)
		return ph_err_say(err, -ENOTSUP, op, "what was in the pipe of descriptor %d cannot be put back into it",
				  descriptor->fd);
	return 0;
}

static int lost(const struct ph_descriptor *descriptor, const char *why, struct ph_err *err)
{
	return ph_err_say(err, -ENOTSUP, op, "descriptor %d (%.100s) was closed since, and cannot be opened again: %s",
			  descriptor->fd, descriptor->link, why);
}

/* Another open file of the same name, at the same place. */
static int open_again(struct ph_descriptor *descriptor, struct ph_thread *thread, struct ph_err *err)
{
	int flags = descriptor->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC), ours;
	struct stat before, now;
	int64_t page, fd = -1;

	if (descriptor->ours < 0 || !S_ISREG(descriptor->kind))
		return lost(descriptor, "it is no file", err);
	page = call(thread, SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, err);
	if (page > 0 && strlen(descriptor->link) < PAGE &&
	    ph_space_write_raw(thread->process->space, thread->tid, (ph_addr)page, descriptor->link,
			       strlen(descriptor->link) + 1, err) >= 0)
		fd = call(thread, SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)page, (uint64_t)flags, 0, err);
	if (page > 0)
		call(thread, SYS_munmap, (uint64_t)page, PAGE, 0, 0, err);
	if (fd < 0)
		return lost(descriptor, "nothing can be opened by that name", err);
	if (fd != descriptor->fd) {
		call(thread, SYS_dup3, (uint64_t)fd, (uint64_t)descriptor->fd, 0, 0, err);
		call(thread, SYS_close, (uint64_t)fd, 0, 0, 0, err);
	}
	if (descriptor->flags & O_CLOEXEC)
		call(thread, SYS_fcntl, (uint64_t)descriptor->fd, F_SETFD, FD_CLOEXEC, 0, err);
	ours = ph_os_fd_take(thread->process->pid, descriptor->fd);
	if (ours < 0 || fstat(ours, &now) < 0 || fstat(descriptor->ours, &before) < 0 || now.st_ino != before.st_ino ||
	    now.st_dev != before.st_dev) {
		if (ours >= 0)
			close(ours);
		return lost(descriptor, "another file has that name by now", err);
	}
	/* Our own output goes on where it is. */
	if (!descriptor->seeks)
		lseek(ours, lseek(descriptor->ours, 0, SEEK_CUR), SEEK_SET);
	close(descriptor->ours);
	descriptor->ours = ours;
	return 0;
}

struct closing {
	const struct ph_descriptors *list;
	int *fds;		/* owned */
	size_t n;
};

static int note_extra(int fd, void *user)
{
	struct closing *closing = user;
	int *fds;

	for (size_t i = 0; i < closing->list->n; i++)
		if (closing->list->all[i].fd == fd)
			return 0;
	fds = reallocarray(closing->fds, closing->n + 1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	closing->fds = fds;
	fds[closing->n++] = fd;
	return 0;
}

static int close_extra(struct ph_descriptors *list, struct ph_thread *thread, struct ph_err *err)
{
	struct closing closing = { .list = list };
	int r = ph_os_fds_each(thread->process->pid, note_extra, &closing);

	for (size_t i = 0; i < closing.n && r >= 0; i++) {
		int64_t answer = call(thread, SYS_close, (uint64_t)closing.fds[i], 0, 0, 0, err);

		r = answer == -ESRCH ? -ESRCH : 0;
	}
	free(closing.fds);
	return r < 0 ? ph_err_set_in(err, r, op, thread->tid) : 0;
}

int ph_descriptors_put_back(struct ph_descriptors *descriptors, struct ph_thread *thread, struct ph_err *err)
{
	bool differ = ph_os_fds_count(descriptors->folder) != (int)descriptors->n;
	int r = 0;

	for (size_t i = 0; i < descriptors->n && r >= 0; i++) {
		struct ph_descriptor *descriptor = &descriptors->all[i];

		if (!is_as_was(descriptors, thread->process->pid, descriptor)) {
			differ = true;
			r = open_again(descriptor, thread, err);
		}
		if (r >= 0 && descriptor->seeks && lseek(descriptor->ours, descriptor->position, SEEK_SET) < 0)
			r = ph_err_set_in(err, -errno, "restore a file's position", descriptor->fd);
		if (r >= 0 && descriptor->is_input)
			r = refill(descriptors, descriptor, err);
	}
	return r >= 0 && differ ? close_extra(descriptors, thread, err) : r;
}
