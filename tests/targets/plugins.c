/*
 * plugins [PATH...]: opens each library (dlopen), calls its NAME_run through plugin_call and prints "NAME_run = N", where
 * NAME is the file's name up to a "." or "-"; "-PATH" closes the library again, "!PATH" opens it in a namespace of its
 * own (dlmopen); "@N" calls mark(N); "~" says "pid N" and "ready" and waits until
 * the int `go` is not 0.
 * Output: those lines, and "done"; exit 0, or 1 when a library cannot be opened.
 * Functions: plugin_begin (called by the libraries' constructors), plugin_call, mark.
 * Variants: plugins, _musl.
 */
#include <dlfcn.h>

#include "target.h"

int plugin_begin(int value);
int mark(int n);

PLACE int plugin_begin(int value)
{
	return value;
}

PLACE int mark(int n)
{
	return n;
}

PLACE static int plugin_call(int (*run)(void))
{
	return run();
}

volatile int go;

static void wait_to_go(void)
{
	printf("pid %d\nready\n", getpid());
	while (!go)
		usleep(1000);
}

#define HANDLES 256

static void *handles[HANDLES];
static const char *paths[HANDLES];
static int n_handles;

static int fail(void)
{
	fprintf(stderr, "plugins: %s\n", dlerror());
	return 1;
}

static int open_one(const char *path, int own_namespace)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char symbol[128];
	void *handle;
	int (*run)(void);

#ifdef LM_ID_NEWLM
	handle = own_namespace ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW) : dlopen(path, RTLD_NOW);
#else
	handle = dlopen(path, RTLD_NOW);
	(void)own_namespace;
#endif
	if (!handle)
		return fail();
	snprintf(symbol, sizeof(symbol), "%.*s_run", (int)strcspn(name, ".-"), name);
	run = (int (*)(void))dlsym(handle, symbol);
	if (!run)
		return fail();
	printf("%s = %d\n", symbol, plugin_call(run));
	handles[n_handles] = handle;
	paths[n_handles++] = path;
	return 0;
}

static void close_one(const char *path)
{
	for (int i = 0; i < n_handles; i++)
		if (handles[i] && strcmp(paths[i], path) == 0) {
			dlclose(handles[i]);
			handles[i] = NULL;
			return;
		}
}

int main(int argc, char **argv)
{
	target_begin();
	for (int i = 1; i < argc && n_handles < HANDLES; i++) {
		if (*argv[i] == '@')
			mark(atoi(argv[i] + 1));
		else if (*argv[i] == '~')
			wait_to_go();
		else if (*argv[i] == '-')
			close_one(argv[i] + 1);
		else if (open_one(argv[i] + (*argv[i] == '!'), *argv[i] == '!') != 0)
			return 1;
	}
	puts("done");
	return 0;
}
