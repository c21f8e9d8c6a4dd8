#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>

#include "os/procfs.h"

#define SECONDS 50	/* a test's own bound, below the runner's */
#define LONG_SECONDS 3000
#define PATIENCE_S 20	/* for one condition */

struct ph_tracer *tracer;
static int fds_before;

static void out_of_time(int sig)
{
	static const char said[] = "# out of time\n";

	(void)sig;
	if (write(1, said, sizeof(said) - 1) < 0)
		_exit(125);
	_exit(124);
}

int fixture_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3;	/* ., .. and the folder itself */
}

long fixture_size(long full, long everyday)
{
	return getenv("LONG") ? full : everyday;
}

int fixture_begin(void **state)
{
	struct sigaction act = { .sa_handler = out_of_time };
	sigset_t none;

	(void)state;
	/* Targets inherit what we ignore and block, and we what our caller does. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGALRM, &act, NULL);
	alarm((unsigned int)fixture_size(LONG_SECONDS, SECONDS));
	/* Orphans of targets become ours: nothing gets away unseen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fds_before = fixture_open_fds();
	return ph_tracer_new(&tracer);
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static void kill_child(const char *number)
{
	pid_t pid = (pid_t)atoi(number);
	char path[64];
	ssize_t n;
	char name[4096];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	print_message("left behind: process %d (%s) in state %c\n", pid, name, state_of(pid));
	kill(pid, SIGKILL);
	kill(pid, SIGCONT);
}

static void kill_children(void)
{
	char list[4096];
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, list, sizeof(list) - 1);
	char *save = NULL;

	close(fd);
	list[n > 0 ? n : 0] = '\0';
	for (char *number = strtok_r(list, " ", &save); number; number = strtok_r(NULL, " ", &save))
		kill_child(number);
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

int fixture_end(void **state)
{
	int left;

	(void)state;
	ph_tracer_free(tracer);
	tracer = NULL;
	if (has_children()) {
		kill_children();
		return -1;
	}
	left = fixture_open_fds() - fds_before;
	if (left)
		print_message("left behind: %d descriptors\n", left);
	alarm(0);
	return left ? -1 : 0;
}

void fixture_await_orphans(void)
{
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

/* ---- Programs */

struct command {
	char text[512], path[4096];
	char *argv[16];
};

static void parse_command(const char *line, struct command *ret)
{
	const char *folder = getenv("TARGETS");
	char *save = NULL;
	size_t n = 0;

	snprintf(ret->text, sizeof(ret->text), "%s", line);
	for (char *word = strtok_r(ret->text, " ", &save); word && n + 1 < N_OF(ret->argv);
	     word = strtok_r(NULL, " ", &save))
		ret->argv[n++] = word;
	ret->argv[n] = NULL;
	snprintf(ret->path, sizeof(ret->path), "%s%s%s", *ret->argv[0] == '/' ? "" : folder ? folder : "build/targets",
		 *ret->argv[0] == '/' ? "" : "/", ret->argv[0]);
}

static char *read_file(int fd)
{
	size_t room = 1 << 20, len = 0;
	char *text = malloc(room);

	for (;;) {
		ssize_t n = pread(fd, text + len, room - 1 - len, (off_t)len);

		if (n <= 0 || len + 1 >= room)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

int target_try_spawn(const char *line, bool follow, struct target *ret, struct ph_err *err)
{
	struct ph_spawn_options options = PH_SPAWN_OPTIONS_INIT;
	struct command command;
	int in[2], r;

	parse_command(line, &command);
	*ret = (struct target){ .out = memfd_create("output", MFD_CLOEXEC) };
	if (pipe2(in, O_CLOEXEC) < 0)
		fail_msg("pipe: %s", strerror(errno));
	ret->in = in[1];
	options.path = command.path;
	options.argv = command.argv;
	options.follow = follow;
	options.stdio[0] = in[0];
	options.stdio[1] = ret->out;
	r = ph_session_spawn(tracer, &options, &ret->session, err);
	close(in[0]);
	if (r < 0)
		target_close(ret);
	else
		ret->pid = ph_session_pid(ret->session);
	return r;
}

struct target target_spawn(const char *line, bool follow)
{
	struct target target;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (target_try_spawn(line, follow, &target, &err) < 0)
		fail_msg("%s: %s", line, ph_err_message(&err, text, sizeof(text)));
	return target;
}

void target_close(struct target *target)
{
	ph_session_unref(target->session);
	if (target->in >= 0)
		close(target->in);
	if (target->out >= 0)
		close(target->out);
	*target = (struct target){ .in = -1, .out = -1 };
}

const char *target_output(const struct target *target)
{
	static char *text;

	free(text);
	text = read_file(target->out);
	return text;
}

struct ph_reason target_run(struct target *target)
{
	struct ph_reason reason = { 0 };
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_session_run(target->session, -1, &reason, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	return reason;
}

void target_expect_exit(struct target *target, int code, const char *output)
{
	struct ph_reason reason = target_run(target);

	if (reason.kind != PH_REASON_EXIT || reason.code != code)
		fail_msg("reason %d, code %d, output:\n%s", reason.kind, reason.code, target_output(target));
	if (output)
		assert_string_equal(target_output(target), output);
}

static pid_t start(const struct command *command, void (*fn)(void), int in, int out)
{
	pid_t us = getpid(), pid = fork();

	if (pid)
		return pid;
	signal(SIGALRM, SIG_DFL);
	alarm((unsigned int)fixture_size(LONG_SECONDS, SECONDS));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != us)
		_exit(125);
	if (in >= 0)
		dup2(in, 0);
	dup2(out, 1);
	if (fn)
		fn();
	else
		execv(command->path, command->argv);
	_exit(126);
}

char *untraced_output(const char *line, int code)
{
	int out = memfd_create("output", MFD_CLOEXEC), status;
	struct command command;
	char *text;
	pid_t pid;

	parse_command(line, &command);
	pid = start(&command, NULL, -1, out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	text = read_file(out);
	close(out);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		fail_msg("%s by itself: status 0x%x, output:\n%s", line, status, text);
	return text;
}

static struct outsider start_outsider(const struct command *command, void (*fn)(void))
{
	struct outsider outsider;
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		fail_msg("pipe: %s", strerror(errno));
	outsider = (struct outsider){ start(command, fn, in[0], out[1]), in[1], out[0] };
	close(in[0]);
	close(out[1]);
	return outsider;
}

struct outsider outsider_start(const char *line)
{
	struct command command;

	parse_command(line, &command);
	return start_outsider(&command, NULL);
}

struct outsider outsider_fork(void (*fn)(void))
{
	return start_outsider(NULL, fn);
}

static bool read_line(int fd, char *line, size_t room)
{
	size_t len = 0;

	while (len + 1 < room) {
		ssize_t n = read(fd, line + len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || line[len] == '\n')
			break;
		len++;
	}
	line[len] = '\0';
	return len > 0;
}

const char *outsider_await(struct outsider *outsider, const char *begin)
{
	static char line[4096];

	while (read_line(outsider->out, line, sizeof(line)))
		if (strncmp(line, begin, strlen(begin)) == 0)
			return line + strlen(begin);
	fail_msg("process %d ended before it said '%s'", outsider->pid, begin);
	return NULL;
}

int outsider_end(struct outsider *outsider, char **ret_rest)
{
	char *text = calloc(1, 1 << 16);
	size_t len = 0;
	int status = -1;

	close(outsider->in);
	for (;;) {
		ssize_t n = read(outsider->out, text + len, (1 << 16) - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(outsider->out);
	while (waitpid(outsider->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ret_rest)
		*ret_rest = text;
	else
		free(text);
	return status;
}

char state_of(pid_t pid)
{
	char path[64], line[512];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return '-';
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	return strrchr(line, ')') ? strrchr(line, ')')[2] : '-';
}

void await_state(pid_t pid, const char *letters)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while (!strchr(letters, state_of(pid))) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > from.tv_sec + PATIENCE_S)
			fail_msg("process %d is in state %c, not %s", pid, state_of(pid), letters);
		sched_yield();
	}
}

struct ph_session *attach_to(pid_t pid)
{
	struct ph_session *session;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_session_attach(tracer, pid, false, &session, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	return session;
}

/* ---- Breakpoints */

struct ph_action record_hit(const struct ph_event *event, void *user)
{
	struct record *record = user;

	record->calls++;
	record->address = event->address;
	record->pid = ph_process_pid(event->process);
	if (event->thread) {
		record->tid = ph_thread_tid(event->thread);
		if (ph_thread_regs_get(event->thread, &record->regs, NULL) < 0)
			record->error++;
	}
	return !record->act_at || record->act_at == record->calls ? record->action : ACTION(PH_CONTINUE);
}

struct ph_action count_hit(const struct ph_event *event, void *counter)
{
	(void)event;
	++*(uint64_t *)counter;
	return ACTION(PH_CONTINUE);
}

struct ph_breakpoint *add_options(struct ph_session *session, const struct ph_breakpoint_options *options)
{
	struct ph_breakpoint *breakpoint;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_breakpoint_add(session, options, &breakpoint, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	ph_breakpoint_unref(breakpoint);
	return breakpoint;
}

struct ph_breakpoint *add_at(struct ph_session *session, const char *where, ph_event_fn fn, void *user)
{
	struct ph_breakpoint_options options = { .where = where, .fn = fn, .user = user };

	return add_options(session, &options);
}

struct ph_handler *handle(struct ph_session *session, enum ph_event_kind kind, uint64_t signals, ph_event_fn fn,
			  void *user)
{
	struct ph_handler *handler;

	assert_int_equal(ph_handler_add(session, kind, signals, fn, user, NULL, &handler), 0);
	ph_handler_unref(handler);
	return handler;
}

ph_addr address_of(struct ph_session *session, const char *where)
{
	ph_addr addr;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_session_resolve(session, where, &addr, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	return addr;
}

void raw_read(pid_t pid, ph_addr addr, void *buf, size_t len)
{
	struct iovec ours = { buf, len }, theirs = { (void *)(uintptr_t)addr, len };

	if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) != (ssize_t)len)
		fail_msg("cannot read %zu bytes at 0x%lx of process %d: %s", len, addr, pid, strerror(errno));
}

void expect_text_of_file(pid_t pid)
{
	struct ph_maps maps;

	assert_int_equal(ph_os_maps_read(pid, &maps), 0);
	for (size_t i = 0; i < maps.count; i++) {
		const struct ph_map_entry *entry = &maps.entries[i];
		size_t len = entry->end - entry->start;
		char *now, *file;
		ssize_t n;
		int fd;

		if (entry->perms[2] != 'x' || *entry->path != '/')
			continue;
		fd = open(entry->path, O_RDONLY | O_CLOEXEC);
		now = malloc(len);
		file = calloc(1, len);
		raw_read(pid, entry->start, now, len);
		n = pread(fd, file, len, (off_t)entry->offset);
		close(fd);
		assert_true(n > 0);
		for (size_t k = 0; k < (size_t)n; k++)
			if (now[k] != file[k])
				fail_msg("%s+0x%lx is %02x, in the file %02x", entry->path, entry->offset + k,
					 (unsigned char)now[k], (unsigned char)file[k]);
		free(now);
		free(file);
	}
	ph_os_maps_fini(&maps);
}
