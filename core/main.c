/*
 * main - the command line: ptracehook [options] [SCRIPT [ARG...]] [-- PROGRAM [ARG...]]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/prompt.h"
#include "bind/script.h"
#include "bind/terminal.h"
#include "engine/breakpoint.h"
#include "os/rseq.h"
#include "os/spawn.h"

enum status {
	STATUS_OK = 0,
	STATUS_SCRIPT = 1,
	STATUS_USAGE = 2,
	STATUS_TRACE = 3,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128,	/* and the signal's number */
};

#define MANY 64

struct arguments {
	const char *chunks[MANY], *libraries[MANY], *output;
	int n_chunks, n_libraries;
	pid_t pid;
	bool attach, follow, quiet, verbose, interactive, watch;
	char **argv;
	int script;		/* its index in argv; 0: none */
	int n_arguments;	/* of the script, or without one of ours: what stands behind argv[script] and before PROGRAM */
	char **program;		/* NULL: none */
};

static const char usage[] =
	"usage: ptracehook [options] [SCRIPT [ARG...]] [-- PROGRAM [ARG...]]\n"
	"\n"
	"Runs Lua hooks on a live process: SCRIPT runs while PROGRAM stands at its first instruction, then PROGRAM runs.\n"
	"\n"
	"  -p PID      attach to a running process instead of spawning one\n"
	"  -e CHUNK    run a chunk of Lua (repeatable; before SCRIPT)\n"
	"  -l NAME     require a library first (repeatable)\n"
	"  -i          a prompt (REPL) after the script, and whenever a hook returns STOP\n"
	"  -f          follow children (fork, vfork, clone, posix_spawn) as well; threads always are\n"
	"  -w          reload the script when its file changes\n"
	"  -o FILE     what the script prints goes to FILE\n"
	"  -q          no remarks of our own on standard error\n"
	"  -v          more of them: the target's pid, how it ended\n"
	"  -V          version\n"
	"  -h          this help\n"
	"\n"
	"SCRIPT is a path, or a name in ./, $XDG_DATA_HOME/ptracehook/scripts or the installed scripts. A target without\n"
	"SCRIPT and -e gives a prompt.\n"
	"Exit status: PROGRAM's own (128+N when signal N killed it); 1: error in a script; 2: wrong usage;\n"
	"3: cannot be traced; 126, 127: PROGRAM cannot be executed, is not there; 130, 143, 129: interrupted.\n";

static int wrong(const char *fmt, const char *what)
{
	fprintf(stderr, "ptracehook: ");
	fprintf(stderr, fmt, what);
	fprintf(stderr, "; ptracehook -h shows the options\n");
	return STATUS_USAGE;
}

static bool parse_pid(const char *text, pid_t *ret)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || end == text || *end || pid <= 0 || pid > INT_MAX)
		return false;
	*ret = (pid_t)pid;
	return true;
}

/* The "--" that ended the options, which getopt has consumed; as a value of -e it is none. */
static bool ended_by_dashes(char **argv, const char *last_value)
{
	return optind > 1 && strcmp(argv[optind - 1], "--") == 0 && argv[optind - 1] != last_value;
}

static int parse_rest(int argc, char **argv, const char *last_value, struct arguments *ret)
{
	int at = optind;

	if (ended_by_dashes(argv, last_value)) {
		at--;
	} else if (at < argc) {
		ret->script = at++;
		while (at < argc && strcmp(argv[at], "--") != 0)
			at++;
	}
	ret->n_arguments = at - ret->script - 1;
	if (at == argc)
		return 0;
	if (at + 1 == argc)
		return wrong("no program after %s", "--");
	ret->program = argv + at + 1;
	return 0;
}

/* 0, or an exit status; *ret_done when the option was the whole job. */
static int parse(int argc, char **argv, struct arguments *ret, bool *ret_done)
{
	static const struct option longs[] = { { "version", no_argument, NULL, 'V' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	const char *last_value = NULL;
	char letter[3] = "-";
	int option;

	ret->argv = argv;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:p:e:l:o:ifwqvVh", longs, NULL)) != -1) {
		last_value = optarg;
		letter[1] = (char)optopt;
		switch (option) {
		case 'p':
			ret->attach = true;
			if (!parse_pid(optarg, &ret->pid))
				return wrong("-p: a process id expected, got '%s'", optarg);
			break;
		case 'e':
		case 'l':
			if (ret->n_chunks == MANY || ret->n_libraries == MANY)
				return wrong("%s more than 64 times", option == 'e' ? "-e" : "-l");
			if (option == 'e')
				ret->chunks[ret->n_chunks++] = optarg;
			else
				ret->libraries[ret->n_libraries++] = optarg;
			break;
		case 'o':
			ret->output = optarg;
			break;
		case 'f':
			ret->follow = true;
			break;
		case 'i':
			ret->interactive = true;
			break;
		case 'w':
			ret->watch = true;
			break;
		case 'q':
			ret->quiet = true;
			break;
		case 'v':
			ret->verbose = true;
			break;
		case 'V':
			printf("ptracehook %s\n", PH_VERSION);
			*ret_done = true;
			return 0;
		case 'h':
			fputs(usage, stdout);
			*ret_done = true;
			return 0;
		case ':':
			return wrong("option %s needs a value", letter);
		default:
			/* A long one sets no letter, or its own when it was given a value. */
			return wrong("there is no option '%s'", optopt && !strchr("Vh", optopt) ? letter : argv[optind - 1]);
		}
	}
	return parse_rest(argc, argv, last_value, ret);
}

static bool has_prompt(const struct arguments *args)
{
	return args->interactive || (!args->script && !args->n_chunks && (args->attach || args->program));
}

static int check(const struct arguments *args)
{
	if (args->attach && args->program)
		return wrong("%s: a process to attach to and a program to spawn; one of them", "-p PID and -- PROGRAM");
	if (args->watch && !args->script && !has_prompt(args))
		return wrong("%s: no SCRIPT whose file could change", "-w");
	if (args->script || args->n_chunks || has_prompt(args) || args->n_libraries)
		return 0;
	return wrong("%s: a SCRIPT, -e CHUNK or a program expected", "nothing to do");
}

/* Descriptors 0 to 2 must be open, or the first pipe of ours would become the target's standard output. */
static void open_standard(void)
{
	/* The lowest number that is free is the one which is missing. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);
}

static void remember_signals(void)
{
	sigemptyset(&ph_bind.ignored);
	for (int sig = 1; sig < PH_OS_REALTIME; sig++) {
		struct sigaction act;

		if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN)
			sigaddset(&ph_bind.ignored, sig);
	}
	sigprocmask(SIG_SETMASK, NULL, &ph_bind.blocked);
	/* Writing to a pipe that nobody reads is an error to report, and children are to be waited for. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static int redirect_output(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file) {
		fprintf(stderr, "ptracehook: -o %s: %s\n", path, strerror(errno));
		return STATUS_USAGE;
	}
	/* Lua takes its io.stdout, and print its stream, from here; descriptor 1 stays the target's. */
	stdout = file;
	ph_bind.own_stdout = true;
	return 0;
}

static int explain(const struct ph_err *err)
{
	char message[PH_ERR_MESSAGE_MAX];

	fprintf(stderr, "ptracehook: %s\n", ph_err_message(err, message, sizeof(message)));
	switch (err->cause) {
	case PH_CAUSE_EXEC:
		return err->code == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	case PH_CAUSE_TRACE:
		return STATUS_TRACE;
	case PH_CAUSE_OTHER:
		break;
	}
	return STATUS_SCRIPT;
}

static int open_target(const struct arguments *args)
{
	struct ph_session *target = NULL;
	struct ph_err err = { 0 };
	int r = 0, null = -1;

	ph_bind_enter();
	if (args->attach) {
		r = ph_session_attach(ph_bind.tracer, args->pid, args->follow, &target, &err);
	} else if (args->program) {
		struct ph_spawn_options options = PH_SPAWN_OPTIONS_INIT;

		options.argv = args->program;
		options.follow = args->follow;
		options.ignored = &ph_bind.ignored;
		options.keeps_realtime = true;
		options.blocked = &ph_bind.blocked;
		options.own_group = ph_bind.own_groups;
		/* Commands that are piped in are for us, and not for the target. */
		if (has_prompt(args) && !isatty(STDIN_FILENO))
			options.stdio[0] = null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		r = ph_session_spawn(ph_bind.tracer, &options, &target, &err);
	}
	ph_bind_leave();
	if (null >= 0)
		close(null);
	if (r < 0)
		return explain(&err);
	/* Its end is asked for after Lua may have forgotten it. */
	ph_bind.target = target;
	if (target)
		ph_bind_adopt(ph_session_ref(target));
	return 0;
}

/* False after an error, which is kept. */
static bool run_scripts(const struct arguments *args, const char *path)
{
	for (int i = 0; i < args->n_libraries; i++)
		if (!ph_script_require(args->libraries[i]))
			return false;
	for (int i = 0; i < args->n_chunks; i++)
		if (!ph_script_run_chunk(args->chunks[i], "=(command line)"))
			return false;
	return !path || ph_script_run_file(path, args->n_arguments, args->argv + args->script + 1);
}

/* -v */
static void tell_start(const struct arguments *args, const struct ph_session *target)
{
	if (target && args->verbose)
		fprintf(stderr, "ptracehook: process %d %s\n", ph_session_pid(target),
			args->attach ? "attached" : "spawned");
}

static void tell_end(const struct arguments *args, const struct ph_session *target)
{
	struct ph_reason reason = ph_session_reason(target);
	char name[32];

	if (!args->verbose)
		return;
	fflush(stdout);
	fprintf(stderr, "ptracehook: process %d ", ph_session_pid(target));
	if (reason.kind == PH_REASON_EXIT)
		fprintf(stderr, "ended with status %d\n", reason.code);
	else if (reason.kind == PH_REASON_SIGNAL)
		fprintf(stderr, "was killed by %s\n", ph_bind_signal_name(reason.code, name, sizeof(name)));
	else
		fprintf(stderr, "is %s\n", ph_session_has_ended(target) || args->attach ? "let go" : "killed by us");
}

static int status_of(struct ph_reason reason)
{
	switch (reason.kind) {
	case PH_REASON_EXIT:
		return reason.code;
	case PH_REASON_SIGNAL:
		return STATUS_SIGNAL + reason.code;
	case PH_REASON_NONE:
	case PH_REASON_STOP:
	case PH_REASON_DETACH:
	case PH_REASON_TIMEOUT:
		break;
	}
	return STATUS_OK;
}

static int run(const struct arguments *args, const char *path)
{
	struct ph_session *target = ph_bind.target;
	bool good = run_scripts(args, path);

	if (has_prompt(args) && (!ph_bind.interrupted || ph_bind.interrupted == SIGINT)) {
		if (!good) {
			ph_bind_interrupt_clear();
			ph_bind_report("");
		}
		good = ph_script_call("prompt");
		target = ph_bind.target;
	} else if (good && target && !target->was_run && !ph_session_has_ended(target)) {
		ph_bind_set_current(target);
		good = ph_script_drive();
	}
	if (ph_bind.interrupted && (ph_bind.interrupted != SIGPIPE || good))
		return ph_bind_interrupt_status();
	if (!good) {
		ph_bind_report("");
		return STATUS_SCRIPT;
	}
	/* Also of one that is kept before its end, for its snapshots. */
	return target ? status_of(ph_session_reason(target)) : STATUS_OK;
}

static bool prepare_prompt(const struct arguments *args, const char *path)
{
	ph_script_set_options(args->interactive, args->watch, path, args->program);
	if (ph_bind_open_compiler(&ph_bind) && ph_script_call("prepare"))
		return true;
	ph_bind_report("");
	return false;
}

/* What FILE did not take is an error, not a shorter file. */
static int finish_output(const struct arguments *args, int status)
{
	errno = 0;
	if (!args->output || (fflush(stdout) == 0 && !ferror(stdout)))
		return status;
	fprintf(stderr, "ptracehook: -o %s: %s\n", args->output, strerror(errno ? errno : EIO));
	return status ? status : STATUS_SCRIPT;
}

static int start(const struct arguments *args)
{
	char *path = NULL;
	int status;

	if (args->script) {
		path = ph_script_find(args->argv[args->script]);
		if (!path) {
			fprintf(stderr, "ptracehook: no script '%s': neither a file nor a name in ./, "
				"$XDG_DATA_HOME/ptracehook/scripts or the installed scripts\n", args->argv[args->script]);
			return STATUS_SCRIPT;
		}
	}
	if (ph_bind_open(&ph_bind) < 0) {
		ph_bind_report("cannot start Lua: ");
		free(path);
		return STATUS_SCRIPT;
	}
	ph_script_set_paths(path);
	ph_script_set_arguments(args->argv, args->script, args->n_arguments);
	ph_bind_interrupt_install();
	status = open_target(args);
	tell_start(args, ph_bind.target);
	if (status == 0 && (has_prompt(args) || args->watch))
		status = prepare_prompt(args, path) ? 0 : STATUS_SCRIPT;
	if (status == 0)
		status = run(args, path);
	if (ph_bind.target) {
		ph_bind_tell_pending(ph_bind.target);
		tell_end(args, ph_bind.target);
	}
	status = finish_output(args, status);
	ph_bind_enter();
	ph_session_unref(ph_bind.target);
	ph_bind.target = NULL;
	ph_bind_leave();
	ph_bind_close(&ph_bind);
	free(path);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments args = { 0 };
	bool done = false;
	int status = parse(argc, argv, &args, &done);

	if (status || done)
		return status;
	status = check(&args);
	if (status)
		return status;
	ph_os_rseq_leave();
	open_standard();
	remember_signals();
	ph_bind.quiet = args.quiet;
	ph_bind.verbose = args.verbose;
	if (args.output && (status = redirect_output(args.output)) != 0)
		return status;
	if (has_prompt(&args)) {
		ph_prompt_wrap_output();
		ph_terminal_open();
		ph_bind.own_groups = ph_terminal_can_be_given();
	}
	return start(&args);
}
