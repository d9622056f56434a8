/* SPDX-License-Identifier: MIT */
/* The swtdx command: one table of verbs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/verbs.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct verb verbs[] = {
	{"decode", verb_decode, "say what a status, a field, a structure or a log means"},
	{"doctor", verb_doctor, "is there real TDX here, and if not, what is missing"},
	{"explore", verb_explore, "run every schedule of a few concurrent calls"},
	{"locks", verb_locks, "the locks each call takes, from executed code"},
	{"measure", verb_measure, "compute the MRTD of a TDVF image, without a machine"},
	{"quote", verb_quote, "sign a TDREPORT with the test quote service, or show its root"},
	{"record", verb_record, "run calls and write a trace of them"},
	{"replay", verb_replay, "show and compare traces, play recorded calls against the model"},
	{"report", verb_report, "decode and verify a TDREPORT or a quote"},
	{"run", verb_run, "run a TD: power on, build, enter, tear down"},
};

#define NUM_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_usage(FILE *f)
{
	fprintf(f, "Usage: swtdx VERB [OPTION]...\n"
		   "The Intel TDX machine in software. Everything it shows is simulated.\n\n");
	for (size_t i = 0; i < NUM_VERBS; i++)
		fprintf(f, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(f, "  %-10s show the manual page of a verb\n"
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

static int help(const char *name)
{
	char page[64];

	if (!name) {
		print_usage(stdout);
		return VERB_OK;
	}
	if (!find(name)) {
		fprintf(stderr, "swtdx help: there is no verb \"%s\"\n", name);
		return VERB_USAGE;
	}
	snprintf(page, sizeof(page), "swtdx-%s", name);
	execlp("man", "man", page, (char *)NULL);
	fprintf(stderr, "swtdx help: the man command is not there; try \"swtdx %s --help\"\n", name);
	return VERB_ENVIRONMENT;
}

int main(int argc, char **argv)
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
	v = find(argv[1]);
	if (!v) {
		fprintf(stderr, "swtdx: there is no verb \"%s\"; \"swtdx --help\" lists them\n",
			argv[1]);
		return VERB_USAGE;
	}
	return v->run(argc - 1, argv + 1);
}
