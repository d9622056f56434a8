/* SPDX-License-Identifier: MIT */
/* swtdx host: run a host kernel, in binary, on the simulated machine. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/boot.h>

#include "board/board.h"
#include "gdb/gdb.h"
#include "tools/gdb_host.h"
#include "tools/drives.h"
#include "tools/execution.h"
#include "tools/file.h"
#include "tools/host_boot.h"
#include "tools/host_calls.h"
#include "tools/host_console.h"
#include "tools/host_report.h"
#include "tools/host_snapshot.h"
#include "tools/option_fault.h"
#include "tools/options.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

#define MIB (1ull << 20)

/* In the order of their options' words. */
enum { CLOCK_HOST, CLOCK_VIRTUAL };
enum { ERRATUM_NONE, ERRATUM_PARTIAL_WRITE, ERRATUM_SEAMRET_VMCS };

struct host {
	const char *kernel, *initrd, *append, *symbols_file, *fault_text, *trace_file, *gdb_where;
	uint64_t cpus, packages, memory, seed, trace_mib;
	unsigned engine;
	unsigned clock, erratum;
	unsigned sandbox;
	bool missing, unwatched, poison, unfiltered;
	struct board *board;
	struct host_names names;
	struct host_calls calls;
	struct host_snapshot snapshot;
	struct gdb *gdb;
	struct tdx_fault fault[TDX_MODEL_FAULTS];
	int fault_id[TDX_MODEL_FAULTS];
	unsigned nfaults;
	struct host_console console;
	struct option_list disks;
	const char *share;
	struct drives drives;
	struct host_boot boot;
};

static const struct {
	enum board_end end;
	int status;
	const char *text;
} ends[] = {
	{BOARD_OFF, VERB_OK, "switched off"},
	{BOARD_RESET, VERB_DIFFERENCE, "reset"},
	{BOARD_HALTED, VERB_DIFFERENCE, "halted"},
	{BOARD_STUCK, VERB_DIFFERENCE, "stopped"},
};

static void said(void *arg, uint8_t byte)
{
	host_snapshot_said(&((struct host *)arg)->snapshot, byte);
}

/* --- what it tells in the end --- */

/* Of --engine check. False: something differed. */
static bool show_compared(struct host *h)
{
	const char *first;
	uint64_t compared;
	const uint64_t n = board_differences(h->board, &compared, &first);

	if (execution_of(h->engine) != TDX_X86_EXECUTE_CHECK)
		return true;
	fprintf(stderr,
		"host: %" PRIu64 " of %" PRIu64 " executions of translated blocks differed%s%s\n",
		n, compared, n ? ": " : "", n ? first : "");
	return n == 0;
}

static void show_end(struct host *h, enum board_end end)
{
	char text[TDX_FAULT_FORMAT_MAX];

	if (h->missing)
		host_show_missing(&h->names);
	fprintf(stderr, "host: %s: %s\n", ends[end].text, board_reason(h->board));
	fprintf(stderr,
		"host: %" PRIu64 " instructions; owned by the module at the end: %" PRIu64
		" pages (simulated)\n",
		board_instructions(h->board), board_pages(h->board));
	host_show_owned(&h->names);
	for (unsigned i = 0; i < h->nfaults; i++)
		fprintf(stderr, "host: fault %s: came %" PRIu64 " times\n",
			tdx_fault_format(&h->fault[i], text, sizeof(text)),
			board_fault_hits(h->board, h->fault_id[i]));
	if (!h->unwatched)
		fprintf(stderr, "host: %" PRIu64 " coherency faults (simulated)\n",
			board_reports(h->board));
}

/* --- the debugger --- */

static void debug_before(void *arg, unsigned cpu)
{
	gdb_before_run(((struct host *)arg)->gdb, cpu);
}

static void debug_stopped(void *arg, unsigned cpu, enum board_stop why)
{
	gdb_stopped(((struct host *)arg)->gdb, cpu, gdb_host_event(why));
}

static void debug_gone(void *arg, unsigned cpu)
{
	gdb_gone(((struct host *)arg)->gdb, cpu);
}

static void debug_ending(void *arg)
{
	gdb_ending(((struct host *)arg)->gdb);
}

static void debug_log(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "host: %s\n", line);
}

static void debug_kill(void *arg)
{
	board_stop(((struct host *)arg)->board, "ended by gdb");
}

static bool open_gdb(struct host *h)
{
	const struct gdb_config cfg = {
		.target = &gdb_host_ops,
		.target_arg = h->board,
		.nvcpus = (unsigned)h->cpus,
		.log = debug_log,
		.kill = debug_kill,
		.arg = h,
	};
	char err[200];

	h->gdb = gdb_open(&cfg, h->gdb_where, err, sizeof(err));
	if (!h->gdb)
		fprintf(stderr, "swtdx host: %s\n", err);
	return h->gdb != NULL;
}

static bool start_gdb(struct host *h)
{
	if (gdb_start(h->gdb))
		return true;
	gdb_close(h->gdb, VERB_ENVIRONMENT);
	h->gdb = NULL;
	fprintf(stderr, "swtdx host: no thread for gdb\n");
	return false;
}

/* Faults and the trace begin with the first SEAMCALL. */
static int start_calls(struct host *h)
{
	const struct trace_options opt = {.max_bytes = h->trace_mib * MIB,
					  .timeless = h->clock == CLOCK_VIRTUAL,
					  .resumed = h->snapshot.resume != NULL};
	int e = 0;

	h->calls.board = h->board;
	h->calls.names = &h->names;
	pthread_mutex_init(&h->calls.lock, NULL);
	for (unsigned i = 0; i < h->nfaults; i++)
		h->fault_id[i] = board_inject(h->board, &h->fault[i]);
	if (h->trace_file)
		h->calls.trace = trace_open(h->trace_file, board_module(h->board), &opt, &e);
	if (!e)
		return VERB_OK;
	fprintf(stderr, "swtdx host: %s: %s\n", h->trace_file, strerror(-e));
	return VERB_ENVIRONMENT;
}

static bool end_calls(struct host *h)
{
	int e = 0;

	if (h->calls.trace) {
		if (trace_is_full(h->calls.trace))
			fprintf(stderr,
				"host: the trace came to its limit (--trace-limit): the end "
				"of the run is not in it\n");
		e = trace_close(h->calls.trace);
	}
	if (e)
		fprintf(stderr, "swtdx host: %s: %s\n", h->trace_file, strerror(-e));
	pthread_mutex_destroy(&h->calls.lock);
	return e == 0;
}

/* The board, with a kernel in it or as a file has it. */
static int make_board(struct host *h, const struct board_config *cfg, uint64_t *entry)
{
	struct board_config seen;
	char err[200] = "";
	int status = VERB_OK;

	if (h->snapshot.resume) {
		h->board = host_snapshot_resume(&h->snapshot, cfg, &seen, &status);
		if (!h->board)
			return status;
		status = VERB_OK;
		h->cpus = seen.cpus;
		h->clock = seen.virtual_clock ? CLOCK_VIRTUAL : CLOCK_HOST;
		h->unwatched = !seen.report;
	} else {
		h->board = board_new(cfg, err, sizeof(err));
		if (!h->board) {
			fprintf(stderr, "swtdx host: %s\n", err);
			return VERB_ENVIRONMENT;
		}
		status = host_boot_load(h->board, &h->boot, entry);
	}
	return status;
}

/* From here on the kernel's code may be what it likes. */
static void give_up(struct host *h)
{
	const enum sandbox_mode mode = (enum sandbox_mode)h->sandbox;
	const struct sandbox got = sandbox_enter(mode);
	char line[256];

	if (sandbox_lacks(&got, mode, line, sizeof(line)))
		fprintf(stderr, "host: %s\n", line);
}

/* Threads are made last, which have what this one has given up, too. */
static int enter(struct host *h)
{
	if (h->gdb_where && !open_gdb(h))
		return VERB_ENVIRONMENT;
	give_up(h);
	if (h->gdb && !start_gdb(h))
		return VERB_ENVIRONMENT;
	if (!host_console_open(&h->console, h->board, h->unfiltered)) {
		fprintf(stderr, "swtdx host: no thread for the console\n");
		return VERB_ENVIRONMENT;
	}
	return VERB_OK;
}

static int run_board(struct host *h)
{
	static const struct board_debug debug = {.before = debug_before,
						 .stopped = debug_stopped,
						 .gone = debug_gone,
						 .ending = debug_ending};
	struct board_config cfg = {
		.cpus = (unsigned)h->cpus,
		.packages = (unsigned)h->packages,
		.memory = h->memory * MIB,
		.polled = h->boot.polled,
		.seed = h->seed,
		.execution = execution_of(h->engine),
		.virtual_clock = h->clock == CLOCK_VIRTUAL,
		.poison = h->poison,
		.partial_write = h->erratum == ERRATUM_PARTIAL_WRITE,
		.seamret_loses_vmcs = h->erratum == ERRATUM_SEAMRET_VMCS,
		.console = &host_console_ops,
		.console_arg = &h->console,
		.report = h->unwatched ? NULL : host_report,
		.report_arg = &h->names,
		.seamcall = host_seamcall,
		.seamcall_arg = &h->calls,
		.debug = h->gdb_where ? &debug : NULL,
		.debug_arg = h,
		.paused = host_snapshot_paused,
		.paused_arg = &h->snapshot,
	};
	enum board_end end;
	uint64_t entry = 0, start, text_end;
	int status;
	bool taken;

	for (unsigned i = 0; i < h->drives.n; i++)
		cfg.virtio[i] = h->drives.kind[i];
	signal(SIGPIPE, SIG_IGN);
	host_console_init(&h->console, said, h);
	status = make_board(h, &cfg, &entry);
	h->names.board = h->board;
	if (status == VERB_OK && h->names.symbols) {
		symbols_range(h->names.symbols, &start, &text_end);
		board_set_text(h->board, start, text_end);
	}
	if (status == VERB_OK)
		status = start_calls(h);
	if (status == VERB_OK)
		status = enter(h);
	if (status == VERB_OK) {
		host_snapshot_listen(&h->snapshot, h->board);
		end = board_run(h->board, entry);
		host_console_close(&h->console);
		status = h->snapshot.taken	   ? VERB_OK
			 : h->console.outcome >= 0 ? h->console.outcome
						   : ends[end].status;
		taken = host_snapshot_end(&h->snapshot);
		if (h->gdb)
			gdb_close(h->gdb, status);
		show_end(h, end);
		host_show_failures(&h->calls);
		taken = show_compared(h) && taken && !board_reports(h->board);
		if (status == VERB_OK && !taken)
			status = VERB_DIFFERENCE;
		if (!end_calls(h))
			status = VERB_ENVIRONMENT;
	}
	host_console_close(&h->console);
	board_free(h->board);
	return status;
}

/* Of a machine that is resumed the file says what it is; of another there must be a kernel. */
static bool is_machine_said(const struct host *h, char *why, size_t len)
{
	const struct {
		const char *name;
		bool said;
	} said[] = {
		{"kernel", h->kernel},	   {"initrd", h->initrd},
		{"append", h->append},	   {"cpus", h->cpus},
		{"packages", h->packages}, {"memory", h->memory},
		{"clock", h->clock},	   {"erratum", h->erratum},
		{"poison", h->poison},	   {"no-sanitizer", h->unwatched},
	};

	if (!h->snapshot.resume)
		snprintf(why, len, "--kernel is missing");
	for (unsigned i = 0; h->snapshot.resume && i < sizeof(said) / sizeof(said[0]); i++) {
		if (!said[i].said)
			continue;
		snprintf(why, len, "--resume has it in its file: no --%s", said[i].name);
		return false;
	}
	return h->snapshot.resume || h->kernel;
}

static void set_defaults(struct host *h)
{
	h->append = h->append ? h->append : "console=ttyS0";
	h->cpus = h->cpus ? h->cpus : 2;
	h->packages = h->packages ? h->packages : 1;
	h->memory = h->memory ? h->memory : 6144;
}

static int open_kernel(struct host *h)
{
	int status = VERB_OK;

	h->boot = (struct host_boot){.kernel = h->kernel, .initrd = h->initrd, .append = h->append};
	if (!h->snapshot.resume)
		status = host_boot_open(&h->boot);
	if (status == VERB_OK && !h->snapshot.resume)
		host_names_kernel(&h->names, h->boot.file, h->boot.size);
	if (status != VERB_OK || !h->boot.polled)
		return status;
	if (h->disks.n || h->share) {
		fprintf(stderr,
			"swtdx host: %s: --disk and --share want a kernel that remaps interrupts "
			"(CONFIG_INTEL_IOMMU, CONFIG_IRQ_REMAP)\n",
			h->kernel);
		return VERB_DIFFERENCE;
	}
	fprintf(stderr,
		"host: %s has no CONFIG_IRQ_REMAP: it is told of no I/O APIC, its serial port is "
		"polled\n",
		h->kernel);
	return VERB_OK;
}

static int run(struct host *h)
{
	int status = open_kernel(h);

	if (status == VERB_OK) {
		status = drives_open(&h->drives, "host", &h->disks, h->share, false);
		if (status == VERB_OK)
			status = run_board(h);
		drives_close(&h->drives);
	}
	host_boot_close(&h->boot);
	return status;
}

int verb_host(int argc, char **argv)
{
	struct host h = {.engine = EXECUTION_NOT_SAID, .trace_mib = 1024, .sandbox = SANDBOX_ON};
	const struct verb_option options[] = {
		OPTION_TEXT("kernel", "FILE", &h.kernel, "a bzImage or vmlinux: the host kernel"),
		OPTION_TEXT("initrd", "FILE", &h.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &h.append,
			    "its command line; without it, console=ttyS0"),
		OPTION_LIST("disk", DRIVES_DISK, &h.disks, DRIVES_DISK_HELP),
		OPTION_TEXT("share", "DIR", &h.share, DRIVES_SHARE_HELP),
		OPTION_NUMBER("cpus", "N", &h.cpus, 1, 64, "processors; without it, 2"),
		OPTION_NUMBER("packages", "N", &h.packages, 1, 8, "packages they are in"),
		OPTION_NUMBER("memory", "MIB", &h.memory, BOARD_MEMORY_LEAST / MIB,
			      BOARD_MEMORY_MOST / MIB, "memory in MiB; without it, 6144"),
		OPTION_NUMBER("seed", "N", &h.seed, 1, UINT64_MAX, "of the simulated entropy"),
		OPTION_CHOICE("engine", EXECUTION_WORDS, &h.engine, EXECUTION_HELP),
		OPTION_CHOICE("clock", "host|virtual", &h.clock,
			      "virtual: time is that of the instructions executed, processors take "
			      "turns by --seed, and equal runs have equal traces"),
		OPTION_TEXT("symbols", "FILE", &h.symbols_file,
			    "the kernel's vmlinux, for the names of its functions; without it, "
			    "--kernel if that is one, or the kernel's own table"),
		OPTION_FLAG("no-sanitizer", &h.unwatched,
			    "do not watch what the kernel owes the caches"),
		OPTION_CHOICE("erratum", "none|partial-write|seamret-vmcs", &h.erratum,
			      "of the machine: what is written to a page that was private and has "
			      "not been cleared is poison; a call of the P-SEAMLDR loses the "
			      "current VMCS (none)"),
		OPTION_FLAG("poison", &h.poison,
			    "poison that is read is a machine check, not only a report"),
		OPTION_TEXT("fault", OPTION_FAULT, &h.fault_text, OPTION_FAULT_HELP),
		OPTION_TEXT(
			"snapshot", "FILE", &h.snapshot.file,
			"on SIGUSR1, or when it is time: write the whole machine there, and end"),
		OPTION_TEXT("snapshot-when", "TEXT", &h.snapshot.when,
			    "it is time when the console has said this"),
		OPTION_TEXT("resume", "FILE", &h.snapshot.resume,
			    "go on with the machine of a snapshot, as often as you like"),
		OPTION_TEXT("snapshot-key", "FILE", &h.snapshot.key_file,
			    "32 bytes; a snapshot made with another key is refused (one is kept)"),
		OPTION_TEXT("trace", "FILE", &h.trace_file,
			    "record every call of the module with its callers, see swtdx replay"),
		OPTION_NUMBER("trace-limit", "MIB", &h.trace_mib, 1, 1u << 20,
			      "how large the trace may get (1024)"),
		OPTION_TEXT("gdb", "[ADDRESS]:PORT", &h.gdb_where,
			    "wait for gdb there and serve it, the kernel as its program"),
		OPTION_CHOICE("sandbox", "on|log|off", &h.sandbox,
			      "what this process may do while the kernel runs, see swtdx run"),
		OPTION_FLAG("unfiltered", &h.unfiltered,
			    "let the kernel send everything to the terminal"),
		OPTION_FLAG("missing", &h.missing,
			    "list what the kernel touched and the machine does not have"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"host", "--kernel FILE [OPTION]...\n--resume FILE [OPTION]...",
		"Run a host kernel on the simulated machine: its SEAMCALL instructions reach the "
		"simulated\nmodule. The serial console is this terminal.",
		"Exit status: 0 switched off, 1 reset, halted, stopped or a coherency fault, 2 "
		"wrong usage, 3 wrong environment.",
		options);
	const char *changes;
	char why[256];
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc)
		return options_wrong(&usage, "\"%s\" is not expected", argv[0]);
	if (!is_machine_said(&h, why, sizeof(why)))
		return options_wrong(&usage, "%s", why);
	set_defaults(&h);
	if (h.packages > h.cpus)
		return options_wrong(&usage, "more packages than processors");
	if (execution_of(h.engine) == TDX_X86_EXECUTE_CHECK && h.cpus > 1)
		return options_wrong(&usage, "--engine check takes one processor: --cpus 1");
	if ((h.erratum == ERRATUM_PARTIAL_WRITE || h.poison) && h.unwatched)
		return options_wrong(&usage, "--no-sanitizer sees no poison");
	if (h.gdb_where && !gdb_is_address(h.gdb_where))
		return options_wrong(&usage, "--gdb takes [ADDRESS]:PORT, not \"%s\"", h.gdb_where);
	if (!option_faults(h.fault_text, h.fault, &h.nfaults, why, sizeof(why)))
		return options_wrong(&usage, "%s", why);
	if (h.snapshot.when &&
	    (!h.snapshot.file || !*h.snapshot.when || strlen(h.snapshot.when) > HOST_TEXT_MAX))
		return options_wrong(&usage,
				     "--snapshot-when is for --snapshot, and takes a text of at "
				     "most %d bytes",
				     HOST_TEXT_MAX);
	if (h.snapshot.key_file && !h.snapshot.file && !h.snapshot.resume)
		return options_wrong(&usage, "--snapshot-key is for --snapshot and --resume");
	changes = h.share ? h.share : drives_writable(&h.disks);
	if ((h.snapshot.file || h.snapshot.resume) && changes)
		return options_wrong(&usage,
				     "%s: what it is changed to is not in a snapshot, which takes "
				     "disks with ,readonly alone",
				     changes);
	end = host_names_start(&h.names, h.symbols_file);
	if (end == VERB_OK)
		end = host_snapshot_start(&h.snapshot);
	if (end == VERB_OK)
		end = run(&h);
	host_names_end(&h.names);
	return end;
}
