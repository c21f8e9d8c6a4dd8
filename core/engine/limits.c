/* What a snapshot does not put back, in words: ph_snapshot_each_limit. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/snapshot.h"
#include "os/procfs.h"

struct telling {
	int (*fn)(const char *, void *);
	void *user;
};

static int tell(const struct telling *telling, const char *what, long number, const char *name, const char *why)
{
	char text[512];

	if (number >= 0)
		snprintf(text, sizeof(text), "%s %ld%s%.200s%s: %s", what, number, *name ? " (" : "", name, *name ? ")" : "", why);
	else
		snprintf(text, sizeof(text), "%s%s%.200s: %s", what, *name ? " " : "", name, why);
	return telling->fn(text, telling->user);
}

static bool writes(const struct ph_descriptor *descriptor)
{
	return (descriptor->flags & O_ACCMODE) != O_RDONLY;
}

/* NULL: all of it comes back. */
static const char *why_not(const struct ph_descriptor *descriptor)
{
	switch (descriptor->kind) {
	case S_IFREG:
	case S_IFBLK:
		if (writes(descriptor))
			return descriptor->seeks ? "what is written to the file stays written; its position comes back" :
						   "what is written to the file stays written";
		return descriptor->seeks ? NULL : "its position stays";
	case S_IFDIR:
		return NULL;
	case S_IFIFO:
		return writes(descriptor) ? "what is written to the pipe stays written" : NULL;
	case S_IFSOCK:
		return "what is sent and received over the socket stays so";
	case S_IFCHR:
		if (strcmp(descriptor->link, "/dev/null") == 0 || strcmp(descriptor->link, "/dev/zero") == 0 ||
		    strstr(descriptor->link, "random"))
			return NULL;
		return "what is read from the device or terminal, and written to it, stays so";
	default:
		return "the kernel keeps its state";
	}
}

static int tell_child(pid_t child, void *user)
{
	return tell(user, "child process", child, "", "it is not undone, and not stopped");
}

int ph_snapshot_each_limit(struct ph_snapshot *snapshot, int (*fn)(const char *, void *), void *user)
{
	const struct telling telling = { fn, user };
	const struct ph_descriptors *descriptors = &snapshot->descriptors;
	const struct ph_maps *maps = &snapshot->layout.maps;
	int r = 0;

	for (size_t i = 0; i < descriptors->n && !r; i++) {
		const struct ph_descriptor *descriptor = &descriptors->all[i];
		const char *why = why_not(descriptor);

		if (why)
			r = tell(&telling, "descriptor", descriptor->fd, descriptor->link, why);
	}
	for (size_t i = 0; i < maps->count && !r; i++) {
		const struct ph_map_entry *entry = &maps->entries[i];

		if (!ph_layout_is_private(entry) && entry->perms[1] == 'w' && !ph_layout_is_special(entry))
			r = tell(&telling, "shared mapping", -1, entry->path,
				 "others see what is written to it and put back, and what they write is not looked for");
	}
	for (size_t i = 0; i < snapshot->rewind.n && !r; i++)
		r = ph_os_children_each(snapshot->process->pid, snapshot->rewind.all[i].thread->tid, tell_child, (void *)&telling);
	if (r < 0)
		r = 0;
	return r ? r : tell(&telling, "the kernel's own state", -1, "", "signal handlers, timers, limits, ids and working directory stay "
			    "as calls have set them");
}
