#include "image/debugfile.h"

#include <errno.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/section.h"

#define CHUNK	     65536
#define UNPACKED_MAX (256u << 20)	/* bytes of .gnu_debugdata; its names are far fewer */
#define UNPACKER_MAX (64u << 20)	/* of memory that its decoder may want */

static const char *root_of(const struct ph_elf *elf)
{
	return elf->settings && elf->settings->debug_root ? elf->settings->debug_root : PH_DEBUG_ROOT;
}

static bool is_same_file(const struct ph_elf *a, const struct ph_elf *b)
{
	struct stat one, two;

	return fstat(a->fd, &one) == 0 && fstat(b->fd, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

static bool has_other_build_id(const struct ph_elf *a, const struct ph_elf *b)
{
	return a->build_id_len && b->build_id_len &&
	       (a->build_id_len != b->build_id_len || memcmp(a->build_id, b->build_id, a->build_id_len) != 0);
}

/* One of its own addresses means another place than elf's does. */
static bool is_laid_out_otherwise(const struct ph_elf *elf, const struct ph_elf *other)
{
	for (size_t i = 0; i < other->n_segments; i++)
		if (!ph_elf_segment_find(elf, other->segments[i].vaddr))
			return true;
	return false;
}

/* The file at path if it is there and belongs to elf; NULL, with a warning, if it does not. */
static struct ph_elf *open_matching(struct ph_elf *elf, const char *path)
{
	struct ph_elf *other;
	struct ph_err err;

	if (access(path, F_OK) < 0)
		return NULL;
	if (ph_elf_open(path, &other, &err) < 0) {
		ph_elf_warn(elf, "debug file of %s not used: %s", elf->path, err.detail);
		return NULL;
	}
	/* A link to itself is no debug file, and no mistake. */
	if (is_same_file(elf, other)) {
		ph_elf_free(other);
		return NULL;
	}
	if (has_other_build_id(elf, other) || is_laid_out_otherwise(elf, other)) {
		ph_elf_warn(elf, "debug file %s not used: it belongs to another build of %s", path, elf->path);
		ph_elf_free(other);
		return NULL;
	}
	other->settings = elf->settings;
	return other;
}

/* ---- By build-id */

static struct ph_elf *find_by_build_id(struct ph_elf *elf)
{
	char hex[2 * sizeof(elf->build_id) + 1], path[PATH_MAX];
	struct ph_elf *other;

	if (elf->build_id_len < 2)
		return NULL;
	for (size_t i = 0; i < elf->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", elf->build_id[i]);
	if (snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", root_of(elf), hex, hex + 2) >= (int)sizeof(path))
		return NULL;
	other = open_matching(elf, path);
	/* Found by a build-id that it does not have: whoever put it there was wrong. */
	if (other && !other->build_id_len) {
		ph_elf_warn(elf, "debug file %s not used: it has no build-id", path);
		ph_elf_free(other);
		return NULL;
	}
	return other;
}

/* ---- By .gnu_debuglink */

/* A file name, and behind it, at a multiple of 4, the checksum of that file. */
static bool read_debuglink(struct ph_elf *elf, const char **ret_name, uint32_t *ret_crc)
{
	size_t len, name_len, at;
	const char *bytes = ph_section_read(ph_section_find(elf->file, ".gnu_debuglink"), &len);

	if (!bytes)
		return false;
	name_len = strnlen(bytes, len);
	at = (name_len + 4) & ~(size_t)3;
	if (name_len == 0 || name_len > NAME_MAX || at > len || len - at < sizeof(*ret_crc) ||
	    memchr(bytes, '/', name_len)) {
		ph_elf_warn(elf, "%s: its .gnu_debuglink names no file", elf->path);
		return false;
	}
	memcpy(ret_crc, bytes + at, sizeof(*ret_crc));
	*ret_name = bytes;
	return true;
}

static bool has_checksum(const struct ph_elf *elf, uint32_t wanted)
{
	uint8_t *chunk = malloc(CHUNK);
	uint32_t crc = 0;
	off_t at = 0;
	ssize_t n = chunk ? 1 : -1;

	while (n > 0 && (n = pread(elf->fd, chunk, CHUNK, at)) > 0) {
		crc = lzma_crc32(chunk, (size_t)n, crc);
		at += n;
	}
	free(chunk);
	return n == 0 && crc == wanted;
}

static struct ph_elf *try_link(struct ph_elf *elf, const char *path, uint32_t crc)
{
	struct ph_elf *other = open_matching(elf, path);

	if (!other || has_checksum(other, crc))
		return other;
	ph_elf_warn(elf, "debug file %s not used: its checksum is not the one that %s asks for", path, elf->path);
	ph_elf_free(other);
	return NULL;
}

static struct ph_elf *find_by_link(struct ph_elf *elf)
{
	const char *name, *slash = strrchr(elf->path, '/');
	char folder[PATH_MAX], real[PATH_MAX], path[3 * PATH_MAX];
	struct ph_elf *found = NULL;
	uint32_t crc;

	if (!slash || !read_debuglink(elf, &name, &crc))
		return NULL;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - elf->path), elf->path);
	for (int i = 0; i < 4 && !found; i++) {
		if (i < 2) {
			snprintf(path, sizeof(path), "%s/%s%s", folder, i ? ".debug/" : "", name);
		} else {
			/* Under the root stands the path that packages use: as it is, or with its links followed. */
			if (i == 3 && (!realpath(*folder ? folder : "/", real) || strcmp(real, folder) == 0))
				break;
			snprintf(path, sizeof(path), "%s%s/%s", root_of(elf), i == 3 ? real : folder, name);
		}
		found = try_link(elf, path, crc);
	}
	return found;
}

struct ph_elf *ph_debugfile_find(struct ph_elf *elf)
{
	if (elf->debug_sought)
		return elf->debug;
	elf->debug_sought = true;
	elf->debug = find_by_build_id(elf);
	if (!elf->debug)
		elf->debug = find_by_link(elf);
	/* It has no companions of its own. */
	if (elf->debug)
		elf->debug->debug_sought = elf->debug->mini_sought = true;
	return elf->debug;
}

/* ---- .gnu_debugdata */

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* Why it cannot be unpacked into fd; NULL: it was. */
static const char *unpack(const uint8_t *packed, size_t len, int fd)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *chunk = malloc(CHUNK);
	const char *why = NULL;
	lzma_ret r = LZMA_OK;

	if (!chunk || lzma_stream_decoder(&stream, UNPACKER_MAX, 0) != LZMA_OK) {
		free(chunk);
		return "no memory for its decoder";
	}
	stream.next_in = packed;
	stream.avail_in = len;
	while (r == LZMA_OK && !why) {
		stream.next_out = chunk;
		stream.avail_out = CHUNK;
		r = lzma_code(&stream, LZMA_FINISH);
		if (r != LZMA_OK && r != LZMA_STREAM_END)
			why = r == LZMA_MEMLIMIT_ERROR ? "it wants too much memory" : "it is corrupt";
		else if (stream.total_out > UNPACKED_MAX)
			why = "it is too large";
		else if (!write_all(fd, chunk, CHUNK - stream.avail_out))
			why = "no memory for what is in it";
	}
	lzma_end(&stream);
	free(chunk);
	return why;
}

static struct ph_elf *open_mini(struct ph_elf *elf)
{
	size_t len;
	const uint8_t *packed = ph_section_read(ph_section_find(elf->file, ".gnu_debugdata"), &len);
	struct ph_elf *mini = NULL;
	struct ph_err err;
	const char *why;
	int fd;

	if (!packed)
		return NULL;
	fd = memfd_create("debugdata", MFD_CLOEXEC);
	why = fd < 0 ? strerror(errno) : unpack(packed, len, fd);
	if (!why && ph_elf_open_fd(fd, elf->path, &mini, &err) < 0)
		why = err.detail;
	else if (!why && (has_other_build_id(elf, mini) || is_laid_out_otherwise(elf, mini)))
		why = "it belongs to another build";
	if (why) {
		ph_elf_warn(elf, ".gnu_debugdata of %s not used: %s", elf->path, why);
		if (!mini && fd >= 0)
			close(fd);
		ph_elf_free(mini);
		return NULL;
	}
	mini->settings = elf->settings;
	mini->debug_sought = mini->mini_sought = true;
	return mini;
}

struct ph_elf *ph_debugfile_mini_find(struct ph_elf *elf)
{
	if (!elf->mini_sought) {
		elf->mini_sought = true;
		elf->mini = open_mini(elf);
	}
	return elf->mini;
}
