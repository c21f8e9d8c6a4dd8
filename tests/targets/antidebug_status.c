/*
 * antidebug_status: looks for a tracer in /proc, by many ways to the same files.
 * Output: as antidebug.h says. held() is run by a thread while the others look at how it stands.
 */
#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "antidebug.h"

static pthread_barrier_t together;
static volatile pid_t other;
static volatile int is_over;

PLACE long held(long n)
{
	return n + 1;
}

static int by_stdio(void)
{
	char line[256];
	long tracer = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "TracerPid: %ld", &tracer);
	if (f)
		fclose(f);
	return tracer != 0;
}

static int by_pieces(void)
{
	char path[64], text[8192];
	size_t n = 0;
	ssize_t r;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", getpid());
	fd = open(path, O_RDONLY);
	while (n + 7 < sizeof(text) && (r = read(fd, text + n, 7)) > 0)
		n += (size_t)r;
	text[n] = 0;
	close(fd);
	return field(text, "TracerPid:") != 0 || text[n - 1] != '\n' || !strstr(text, "nonvoluntary_ctxt_switches:");
}

static int by_folder(void)
{
	int folder = open("/proc/self", O_RDONLY | O_DIRECTORY), fd = openat(folder, "status", O_RDONLY), found = 0;

	for (int i = 0; i < 2; i++) {
		char text[8192] = "";

		found |= pread(fd, text, sizeof(text) - 1, 0) <= 0 || field(text, "TracerPid:") != 0;
	}
	close(fd);
	close(folder);
	return found;
}

static int by_working_folder(void)
{
	char before[4096];
	long tracer;

	if (!getcwd(before, sizeof(before)) || chdir("/proc/self") < 0)
		return 1;
	tracer = field(slurp("../self/status"), "TracerPid:");
	return tracer != 0 || chdir(before) < 0;
}

static int by_link(void)
{
	char path[128];
	long tracer;

	snprintf(path, sizeof(path), "%s/antidebug.%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	unlink(path);
	if (symlink("/proc/self/status", path) < 0)
		return 1;
	tracer = field(slurp(path), "TracerPid:");
	unlink(path);
	return tracer != 0;
}

static int is_traced_at(int fd)
{
	char text[8192] = "";

	return read(fd, text, sizeof(text) - 1) <= 0 || field(text, "TracerPid:") != 0;
}

/* A descriptor of which the program has several, and a child one. */
static int by_others(void)
{
	int fd = open("/proc/self/status", O_RDONLY), other = dup(fd), found, status;
	char c;
	pid_t child;

	close(fd);
	found = read(other, &c, 1) != 1 || lseek(other, 0, SEEK_SET) != 0 || is_traced_at(other);
	lseek(other, 0, SEEK_SET);
	child = fork();
	if (child == 0)
		_exit(is_traced_at(other));
	found |= waitpid(child, &status, 0) != child || status != 0;
	close(other);
	return found;
}

/* Executable memory that no file is behind, and that is not the kernel's. */
static int by_maps(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "x") && strchr(line, ' ')[3] == 'x' && !strchr(line, '/') && !strchr(line, '[');
	if (f)
		fclose(f);
	return found;
}

static int by_tasks(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int found = 0, n = 0;

	while (tasks && (entry = readdir(tasks))) {
		char path[300], head[10], text[8192] = "";
		struct iovec pieces[] = { { head, sizeof(head) }, { text, sizeof(text) - 1 } };
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		fd = open(path, O_RDONLY);
		found |= readv(fd, pieces, 2) <= 10 || field(text, "TracerPid:") != 0;
		close(fd);
		n++;
	}
	if (tasks)
		closedir(tasks);
	return found || n < 2;
}

static void *by_thread(void *arg)
{
	int *found = arg;

	*found = field(slurp("/proc/thread-self/status"), "TracerPid:") != 0;
	return NULL;
}

static void *run_held(void *arg)
{
	(void)arg;
	other = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&together);
	held(1);
	is_over = 1;
	return NULL;
}

static void *stand(void *arg)
{
	pthread_barrier_wait(&together);
	pthread_barrier_wait(&together);
	return arg;
}

/* How the other thread stands, until it is done: a tracing stop shows as a letter and a place in the kernel. */
static void look_at_other(int *ret_stat, int *ret_wchan, int *ret_state)
{
	char path[64], *letter;

	*ret_stat = *ret_wchan = *ret_state = 0;
	pthread_barrier_wait(&together);
	while (!is_over) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", other);
		letter = strrchr(slurp(path), ')');
		*ret_stat |= letter && letter[2] == 't';
		snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", other);
		*ret_wchan |= strstr(slurp(path), "ptrace") != NULL;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", getpid(), other);
		*ret_state |= strstr(slurp(path), "tracing") != NULL;
	}
}

int main(void)
{
	int found = 1, stat, wchan, state;
	pthread_t thread;

	target_begin();
	pthread_barrier_init(&together, NULL, 2);
	verdict("stdio", by_stdio());
	verdict("pieces", by_pieces());
	verdict("folder", by_folder());
	verdict("working folder", by_working_folder());
	verdict("link", by_link());
	verdict("descriptors", by_others());
	pthread_create(&thread, NULL, by_thread, &found);
	pthread_join(thread, NULL);
	verdict("thread", found);
	verdict("seccomp", field(slurp("/proc/self/status"), "Seccomp:") > 0);
	pthread_create(&thread, NULL, run_held, NULL);
	look_at_other(&stat, &wchan, &state);
	pthread_join(thread, NULL);
	verdict("stat", stat);
	verdict("wchan", wchan);
	verdict("state", state);
	verdict("maps", by_maps());
	pthread_create(&thread, NULL, stand, NULL);
	pthread_barrier_wait(&together);
	verdict("tasks", by_tasks());
	pthread_barrier_wait(&together);
	pthread_join(thread, NULL);
	return antidebug_found;
}
