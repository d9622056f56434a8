/* SPDX-License-Identifier: MIT */
/* swtdx kvm: run a client of KVM with a simulated /dev/kvm, preloaded into it. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "gdb/gdb.h"
#include "kvm/kvm.h"
#include "preload/preload.h"
#include "tools/execution.h"
#include "tools/file.h"
#include "tools/option_fault.h"
#include "tools/options.h"
#include "tools/text.h"
#include "tools/verbs.h"

enum { CAPS_TEXT = 1024 };

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "swtdx kvm: %s: %s\n", what, why);
	return VERB_ENVIRONMENT;
}

/* --- the library --- */

/* Where it is put beside this executable: in a build folder, installed, or installed for Debian. */
static bool find_shim(char *path, size_t len)
{
	static const char *const places[] = {"../libswtdx-kvm.so", "../lib/swtdx/libswtdx-kvm.so",
					     "../lib/x86_64-linux-gnu/swtdx/libswtdx-kvm.so",
					     "../lib64/swtdx/libswtdx-kvm.so"};
	char exe[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		char at[PATH_MAX * 2];
		char *real;

		snprintf(at, sizeof(at), "%.*s/%s", (int)(slash - exe), exe, places[i]);
		real = realpath(at, NULL);
		if (!real)
			continue;
		n = snprintf(path, len, "%s", real);
		free(real);
		return n < (ssize_t)len;
	}
	return false;
}

/* --- the client --- */

/* Does a program of this file load libraries? True, too, of what is no ELF: a script starts
 * something else, which gets the environment. */
static bool is_dynamic(int fd)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;

	if (pread(fd, &e, sizeof(e), 0) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG))
		return true;
	for (unsigned i = 0; i < e.e_phnum; i++)
		if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))) == sizeof(p) &&
		    p.p_type == PT_INTERP)
			return true;
	return false;
}

/* What a preloaded library cannot get into. NULL: nothing against it. */
static const char *obstacle(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		why = strerror(errno);
	else if ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
		 (st.st_mode & S_ISGID && st.st_gid != getegid()))
		why = "it is setuid or setgid, and such a program loads no library of the "
		      "environment's: run a copy without the bit";
	else if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		why = "it has file capabilities, and such a program loads no library of the "
		      "environment's: run a copy without them";
	else if (!is_dynamic(fd))
		why = "it is linked statically and loads no libraries: it needs a real /dev/kvm";
	if (fd >= 0)
		close(fd);
	return why;
}

/* --- options --- */

/* NAME=ANSWER, with or without KVM_CAP_ in front, or a number, behind what is in `to`. */
static bool add_cap(const char *text, char *to, size_t len)
{
	const size_t used = strlen(to);
	struct kvm_cap_row row;
	char name[64], *end;
	unsigned long cap;
	long value;
	int n = 0;

	if (sscanf(text, "%63[^=]=%n", name, &n) != 1 || !n)
		return false;
	value = strtol(text + n, &end, 0);
	if (end == text + n || (*end && *end != ','))
		return false;
	cap = strtoul(name, &end, 0);
	if (*end) {
		unsigned i = 0;

		while (kvm_cap_row(i, &row) && strcmp(row.name, name) && strcmp(row.name + 8, name))
			i++;
		if (!kvm_cap_row(i, &row))
			return false;
		cap = row.number;
	}
	n = snprintf(to + used, len - used, "%s%lu=%ld", used ? "," : "", cap, value);
	return n > 0 && (size_t)n < len - used;
}

static bool add_caps(const char *text, char *to, size_t len)
{
	unsigned n = 0;

	while (text && *text) {
		if (n++ == KVM_ANSWERS || !add_cap(text, to, len))
			return false;
		text += strcspn(text, ",");
		text += *text == ',';
	}
	return true;
}

/* What is asked, and what is answered: docs/kvm.md has it. */
static int list(void)
{
	struct kvm_request_row request;
	struct kvm_cap_row cap;

	printf("# Requests and capabilities of the simulated /dev/kvm\n\n"
	       "`swtdx kvm --list` prints this.\n\n");
	printf("Answered by a function of `src/kvm`, or in the same way whatever is asked; as "
	       "which function of Linux 7.3.\n"
	       "\n"
	       "| request | of | answered by | as Linux' |\n"
	       "|---|---|---|---|\n");
	for (unsigned i = 0; kvm_request_row(i, &request); i++)
		printf("| %s | %s | %s%s | %s |\n", request.name, request.of,
		       request.answered ? request.by : "not here: ", request.why, request.as);
	printf("\n| capability | number | answer | |\n|---|---|---|---|\n");
	for (unsigned i = 0; kvm_cap_row(i, &cap); i++)
		printf("| %s | %u | %s | %s |\n", cap.name, cap.number, cap.answer, cap.why);
	return VERB_OK;
}

static void set_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (value)
		setenv(name, text, 1);
}

/* In front of what is preloaded already. */
static void preload(const char *shim)
{
	const char *before = getenv("LD_PRELOAD");
	char both[2 * PATH_MAX];

	snprintf(both, sizeof(both), "%s%s%s", shim, before && *before ? ":" : "",
		 before ? before : "");
	setenv("LD_PRELOAD", both, 1);
}

int verb_kvm(int argc, char **argv)
{
	const char *trace = NULL, *fault = NULL, *cap = NULL, *gdb = NULL;
	uint64_t memory = 0, cpus = 0, seed = 0;
	bool missing = false, quiet = false, listed = false;
	unsigned engine = EXECUTION_NOT_SAID;
	const struct verb_option options[] = {
		OPTION_NUMBER("memory", "MIB", &memory, 2048, 1u << 20,
			      "memory of the simulated machine; costs what is used (16384)"),
		OPTION_NUMBER("cpus", "N", &cpus, 1, 256,
			      "its logical processors, and vCPUs of a TD at most (16)"),
		OPTION_NUMBER("seed", "N", &seed, 0, UINT64_MAX, "seed of the machine's entropy"),
		OPTION_CHOICE("engine", EXECUTION_TWO_WORDS, &engine, EXECUTION_TWO_HELP),
		OPTION_TEXT("trace", "FILE", &trace,
			    "record every call of the module, see swtdx replay"),
		OPTION_TEXT("fault", OPTION_FAULT, &fault, OPTION_FAULT_HELP),
		OPTION_TEXT("cap", "NAME=ANSWER[,...]", &cap,
			    "answer a capability so; of one that is answered 0 its requests are "
			    "missing, too"),
		OPTION_TEXT(
			"gdb", "[ADDRESS]:PORT", &gdb,
			"hold a TD that is complete until a gdb comes there, and serve it; TDs are "
			"debuggable then, and their reports say so"),
		OPTION_FLAG("missing", &missing,
			    "say in the end what the client has asked for that is not there"),
		OPTION_FLAG(
			"list", &listed,
			"print which requests and capabilities are answered, and why; no CLIENT"),
		OPTION_FLAG("quiet", &quiet, "do not say that it is simulated"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"kvm", "[OPTION]... -- CLIENT [ARGUMENT]...",
		"Runs a client of KVM, as QEMU, with a simulated /dev/kvm on which TDs can be "
		"launched, where there is no TDX, no VMX and no /dev/kvm. The client is not "
		"changed: a library is preloaded into it. Exit status: the client's.",
		NULL, options);
	char shim[PATH_MAX], client[PATH_MAX], caps[CAPS_TEXT] = "", wrong[256];
	struct tdx_fault faults[TDX_MODEL_FAULTS];
	unsigned nfaults;
	const char *why;
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (listed)
		return list();
	if (argc < 1)
		return options_wrong(&usage, "a CLIENT is needed, after --");
	if (!option_faults(fault, faults, &nfaults, wrong, sizeof(wrong)))
		return options_wrong(&usage, "%s", wrong);
	if (!add_caps(cap, caps, sizeof(caps)))
		return options_wrong(
			&usage, "--cap takes NAME=ANSWER, as KVM_CAP_IRQFD=0, not \"%s\"", cap);
	if (gdb && !gdb_is_address(gdb))
		return options_wrong(&usage, "--gdb takes [ADDRESS]:PORT, not \"%s\"", gdb);
	if (!file_find_program(argv[0], client, sizeof(client)))
		return complain(argv[0], "there is no such program");
	why = obstacle(client);
	if (why)
		return complain(client, why);
	if (!find_shim(shim, sizeof(shim)))
		return complain("libswtdx-kvm.so", "it is not beside this program");
	preload(shim);
	set_number(PRELOAD_MEMORY, memory);
	set_number(PRELOAD_CPUS, cpus);
	set_number(PRELOAD_SEED, seed);
	set_number(PRELOAD_ENGINE, execution_of(engine));
	if (trace)
		setenv(PRELOAD_TRACE, trace, 1);
	if (fault)
		setenv(PRELOAD_FAULT, fault, 1);
	if (*caps)
		setenv(PRELOAD_CAPS, caps, 1);
	if (gdb)
		setenv(PRELOAD_GDB, gdb, 1);
	if (missing)
		setenv(PRELOAD_MISSING, "1", 1);
	if (quiet)
		setenv(PRELOAD_QUIET, "1", 1);
	execv(client, argv);
	return complain(client, strerror(errno));
}
