/* SPDX-License-Identifier: MIT */
/* The swtdx command: one table of verbs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/text.h"
#include "tools/verbs.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct verb verbs[] = {
	{"decode", verb_decode, "say what a status, a field, a structure or a log means"},
	{"doctor", verb_doctor, "is there real TDX here, and if not, what is missing"},
	{"eventlog", verb_eventlog, "print, replay and compare event logs of measured boots"},
	{"explore", verb_explore, "run every schedule of a few concurrent calls"},
	{"host", verb_host, "run a host kernel on the simulated machine"},
	{"kvm", verb_kvm, "run QEMU, or another client of KVM, with a simulated /dev/kvm"},
	{"locks", verb_locks, "the locks each call takes, from executed code"},
	{"measure", verb_measure, "compute the MRTD of a TDVF image, without a machine"},
	{"migrate", verb_migrate, "move a running TD between two machines"},
	{"quote", verb_quote, "sign a TDREPORT with the test quote service, or show its root"},
	{"record", verb_record, "run calls and write a trace of them"},
	{"replay", verb_replay, "show and compare traces, play recorded calls against the model"},
	{"report", verb_report, "decode and verify a TDREPORT or a quote"},
	{"run", verb_run, "run a TD: power on, build, enter, tear down"},
	{"seamldr", verb_seamldr, "write a module image for the simulated P-SEAMLDR"},
};

#define NUM_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_usage(FILE *f)
{
	fprintf(f, "Usage: swtdx VERB [OPTION]...\n"
		   "The Intel TDX machine in software. Everything it shows is simulated.\n\n");
	for (size_t i = 0; i < NUM_VERBS; i++)
		fprintf(f, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(f,
		"  %-10s show the manual page of a verb\n"
		"\n\"swtdx VERB --help\" lists a verb's options. --version prints the version.\n",
		"help");
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < NUM_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static const struct verb *find_or_suggest(const char *asker, const char *name)
{
	struct text_nearest near = {0};
	const struct verb *v = find(name);

	if (v)
		return v;
	for (size_t i = 0; i < NUM_VERBS; i++)
		text_nearer(&near, name, verbs[i].name);
	fprintf(stderr, "%s: there is no verb \"%s\"; ", asker, name);
	if (near.name)
		fprintf(stderr, "did you mean \"%s\"?\n", near.name);
	else
		fprintf(stderr, "\"swtdx --help\" lists them\n");
	return NULL;
}

/* A manual page that came with this executable: installed beside it, or still in the build tree. */
static bool own_page(const char *verb, char *path, size_t len)
{
	static const char *const places[] = {"../share/man/man1", "../man"};
	char exe[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		int wanted = snprintf(path, len, "%.*s/%s/swtdx-%s.1", (int)(slash - exe), exe,
				      places[i], verb);

		if (wanted < (int)len && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static bool man(char *const argv[])
{
	extern char **environ;
	int status;
	pid_t pid;

	return posix_spawnp(&pid, "man", NULL, NULL, argv, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

/* The manual page of a verb; where there is none to be had, its usage. */
static int help(const char *name)
{
	char page[PATH_MAX + 64];
	const struct verb *v;

	if (!name) {
		print_usage(stdout);
		return VERB_OK;
	}
	v = find_or_suggest("swtdx help", name);
	if (!v)
		return VERB_USAGE;
	if (own_page(name, page, sizeof(page))) {
		if (man((char *[]){"man", "-l", page, NULL}))
			return VERB_OK;
	} else {
		snprintf(page, sizeof(page), "swtdx-%s", name);
		if (man((char *[]){"man", page, NULL}))
			return VERB_OK;
	}
	return v->run(2, (char *[]){"swtdx", "--help", NULL});
}

static int command(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2) {
		print_usage(stderr);
		return VERB_USAGE;
	}
	if (strcmp(argv[1], "help") == 0)
		return help(argv[2]);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(NULL);
	if (strcmp(argv[1], "--version") == 0) {
		printf("swtdx %s, modelled on TDX module 1.5.25\n", SWTDX_VERSION);
		return VERB_OK;
	}
	v = find_or_suggest("swtdx", argv[1]);
	return v ? v->run(argc - 1, argv + 1) : VERB_USAGE;
}

/* Writing to a standard output that the caller closed must fail, and not go to whatever file is
 * opened next under its number. */
static void hold_stdout(void)
{
	int fd;

	if (fcntl(STDOUT_FILENO, F_GETFD) != -1)
		return;
	fd = open("/dev/null", O_RDONLY);
	if (fd >= 0 && fd != STDOUT_FILENO) {
		dup2(fd, STDOUT_FILENO);
		close(fd);
	}
}

/* Whatever a verb printed has arrived, or its success is none. */
int main(int argc, char **argv)
{
	int status;

	hold_stdout();
	status = command(argc, argv);
	errno = 0;
	/* A verb that met it has said so. */
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status == VERB_ENVIRONMENT)
		return status;
	fprintf(stderr, "swtdx: standard output: %s\n",
		errno ? strerror(errno) : "not everything could be written");
	return VERB_ENVIRONMENT;
}
