#include "os/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole of a file whose size /proc does not tell: owned by the caller. */
static int read_whole(const char *path, char **ret, size_t *ret_len)
{
	size_t room = 4096, len = 0;
	char *text = malloc(room + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;

	while (r == 0 && text) {
		ssize_t n = read(fd, text + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len == room) {
			char *wider = realloc(text, room * 2 + 1);

			if (!wider)
				r = -ENOMEM;
			else
				text = wider, room *= 2;
		}
	}
	if (fd >= 0)
		close(fd);
	if (!text)
		r = -ENOMEM;
	if (r < 0) {
		free(text);
		return r;
	}
	text[len] = '\0';
	*ret = text;
	if (ret_len)
		*ret_len = len;
	return 0;
}

static const char *field(const char *text, const char *name)
{
	const char *at = text;
	size_t len = strlen(name);

	while (at && strncmp(at, name, len) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return at ? at + len + strspn(at + len, " \t") : NULL;
}

static long number(const char *text, const char *name)
{
	const char *at = field(text, name);

	return at ? strtol(at, NULL, 10) : 0;
}

static uint64_t mask(const char *text, const char *name)
{
	const char *at = field(text, name);

	return at ? strtoull(at, NULL, 16) : 0;
}

int ph_os_status_parse(const char *text, struct ph_os_status *ret)
{
	const char *name = field(text, "Name:"), *state = field(text, "State:");

	if (!name || !state)
		return -EINVAL;
	*ret = (struct ph_os_status){
		.state = *state,
		.tgid = (pid_t)number(text, "Tgid:"),
		.tracer = (pid_t)number(text, "TracerPid:"),
		.uid = (uid_t)number(text, "Uid:"),
		.seccomp = (int)number(text, "Seccomp:"),
		.filters = (int)number(text, "Seccomp_filters:"),
		.caught = mask(text, "SigCgt:"),
		.ignored = mask(text, "SigIgn:"),
		/* "Kthread:" exists since Linux 6.8; before it, a thread without an address space has no VmSize. */
		.kthread = field(text, "Kthread:") ? number(text, "Kthread:") == 1 :
			   *state != 'Z' && *state != 'X' && !field(text, "VmSize:"),
	};
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)strcspn(name, "\n"), name);
	return 0;
}

int ph_os_status_read(pid_t pid, struct ph_os_status *ret)
{
	char path[64], *text;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	r = read_whole(path, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = ph_os_status_parse(text, ret);
	free(text);
	return r;
}

int ph_os_tasks_each(pid_t pid, int (*fn)(pid_t tid, void *user), void *user)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = fn((pid_t)strtol(entry->d_name, NULL, 10), user);
	closedir(dir);
	return r;
}

int ph_os_children_each(pid_t pid, pid_t tid, int (*fn)(pid_t child, void *user), void *user)
{
	char path[64], *text, *save = NULL;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	r = read_whole(path, &text, NULL);
	if (r < 0)
		return r;
	for (char *word = strtok_r(text, " ", &save); word && r == 0; word = strtok_r(NULL, " ", &save))
		r = fn((pid_t)strtol(word, NULL, 10), user);
	free(text);
	return r;
}

int ph_os_exe_read(pid_t pid, char *buf, size_t len)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, buf, len - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

int ph_os_exe_open(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

const char *ph_os_task_path(char buf[PH_OS_TASK_PATH_MAX], pid_t tid, const char *name)
{
	char digits[16], *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do
		*--first = (char)('0' + tid % 10);
	while (tid /= 10);
	stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(buf, "/proc/"), first), "/task/"), first), "/"), name);
	return buf;
}

int ph_os_auxv_read(pid_t tid, unsigned long type, uint64_t *ret)
{
	char path[PH_OS_TASK_PATH_MAX], *text;
	size_t len;
	int r = read_whole(ph_os_task_path(path, tid, "auxv"), &text, &len);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t at = 0; at + 16 <= len; at += 16) {
		uint64_t pair[2];

		memcpy(pair, text + at, sizeof(pair));
		if (pair[0] == type) {
			*ret = pair[1];
			r = 0;
			break;
		}
	}
	free(text);
	return r;
}

/* "55d0-55d4 r-xp 00001000 fe:00 1234    /usr/bin/true"; the line is cut up in place. */
static bool parse_map_line(char *line, struct ph_map_entry *ret)
{
	unsigned long long start, end, offset, inode;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %*s %llu %n", &start, &end, perms, &offset, &inode, &path) < 5 || !path)
		return false;
	*ret = (struct ph_map_entry){ .start = start, .end = end, .offset = offset, .inode = inode,
				      .path = line + path };
	memcpy(ret->perms, perms, sizeof(perms));
	return true;
}

int ph_os_maps_parse(char *text, struct ph_maps *ret)
{
	struct ph_maps maps = { .text = text };
	size_t room = 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (maps.count == room) {
			size_t wider = room ? room * 2 : 32;
			void *entries = reallocarray(maps.entries, wider, sizeof(*maps.entries));

			if (!entries) {
				ph_os_maps_fini(&maps);
				return -ENOMEM;
			}
			maps.entries = entries;
			room = wider;
		}
		if (parse_map_line(line, &maps.entries[maps.count]))
			maps.count++;
	}
	*ret = maps;
	return 0;
}

int ph_os_maps_read(pid_t tid, struct ph_maps *ret)
{
	char path[PH_OS_TASK_PATH_MAX], *text;
	int r = read_whole(ph_os_task_path(path, tid, "maps"), &text, NULL);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	return ph_os_maps_parse(text, ret);
}

void ph_os_maps_fini(struct ph_maps *maps)
{
	free(maps->entries);
	free(maps->text);
	*maps = (struct ph_maps){ 0 };
}

const struct ph_map_entry *ph_os_maps_find(const struct ph_maps *maps, ph_addr addr)
{
	for (size_t i = 0; i < maps->count; i++)
		if (addr >= maps->entries[i].start && addr < maps->entries[i].end)
			return &maps->entries[i];
	return NULL;
}

int ph_os_map_file_open(pid_t tid, const struct ph_map_entry *entry)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", tid, (unsigned long long)entry->start,
		 (unsigned long long)entry->end);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ph_os_number_read(const char *path)
{
	char *text;
	int r = read_whole(path, &text, NULL);

	if (r < 0)
		return r;
	r = (int)strtol(text, NULL, 10);
	free(text);
	return r;
}
