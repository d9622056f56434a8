/* SPDX-License-Identifier: MIT */
/* swtdx host: run a host kernel, in binary, on the simulated machine. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <swtdx/boot.h>

#include "board/board.h"
#include "tools/file.h"
#include "tools/host_boot.h"
#include "tools/options.h"
#include "tools/verbs.h"

#define MIB (1ull << 20)

struct host {
	const char *kernel, *initrd, *append;
	uint64_t cpus, packages, memory, seed;
	bool missing, stats;
	struct board *board;
	struct termios modes;
	bool terminal, input_closed;
	int input; /* a byte read ahead; -1: none */
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

/* --- the console: this terminal --- */

static bool ready(void *arg)
{
	struct host *h = arg;
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	unsigned char c;

	if (h->input < 0 && !h->input_closed && poll(&fd, 1, 0) == 1) {
		/* The end of a file is no byte: it is found by reading. */
		h->input_closed = read(STDIN_FILENO, &c, 1) != 1;
		h->input = h->input_closed ? -1 : c;
	}
	return h->input >= 0;
}

static uint8_t get(void *arg)
{
	struct host *h = arg;
	const uint8_t c = (uint8_t)h->input;

	h->input = -1;
	return c;
}

static void put(void *arg, uint8_t byte)
{
	(void)arg;
	putchar(byte);
	if (byte == '\n')
		fflush(stdout);
}

static void open_terminal(struct host *h)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &h->modes) != 0)
		return;
	setvbuf(stdout, NULL, _IONBF, 0);
	raw = h->modes;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)ICRNL;
	h->terminal = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void close_terminal(struct host *h)
{
	fflush(stdout);
	if (h->terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &h->modes);
}

/* --- what it tells in the end --- */

static void show_missing(const struct host *h)
{
	static const char *const what[] = {
		[BOARD_PORT] = "port",
		[BOARD_RDMSR] = "read of MSR",
		[BOARD_WRMSR] = "write of MSR",
		[BOARD_ADDRESS] = "page of no memory",
	};
	struct board_missing m;

	for (unsigned i = 0; board_missing(h->board, i, &m); i++)
		fprintf(stderr,
			"host: not modelled: %s 0x%" PRIx64 ", %" PRIu64
			" times, first at 0x%" PRIx64 "\n",
			what[m.kind], m.number, m.times, m.rip);
}

static void show_end(const struct host *h, enum board_end end)
{
	if (h->missing)
		show_missing(h);
	fprintf(stderr, "host: %s: %s\n", ends[end].text, board_reason(h->board));
	fprintf(stderr,
		"host: %" PRIu64 " instructions; owned by the module at the end: %" PRIu64
		" pages (simulated)\n",
		board_instructions(h->board), board_pages(h->board));
}

static int run(struct host *h)
{
	static const struct uart_ops console = {.ready = ready, .get = get, .put = put};
	const struct board_config cfg = {
		.cpus = (unsigned)h->cpus,
		.packages = (unsigned)h->packages,
		.memory = h->memory * MIB,
		.seed = h->seed,
		.console = &console,
		.console_arg = h,
	};
	const struct host_boot boot = {h->kernel, h->initrd, h->append};
	char err[200] = "";
	enum board_end end;
	uint64_t entry;
	int status;

	h->board = board_new(&cfg, err, sizeof(err));
	if (!h->board) {
		fprintf(stderr, "swtdx host: %s\n", err);
		return VERB_ENVIRONMENT;
	}
	status = host_boot_load(h->board, &boot, &entry);
	if (status == VERB_OK) {
		open_terminal(h);
		end = board_run(h->board, entry);
		close_terminal(h);
		show_end(h, end);
		status = ends[end].status;
	}
	board_free(h->board);
	return status;
}

int verb_host(int argc, char **argv)
{
	struct host h = {
		.cpus = 2, .packages = 1, .memory = 6144, .append = "console=ttyS0", .input = -1};
	const struct verb_option options[] = {
		OPTION_TEXT("kernel", "FILE", &h.kernel, "a bzImage or vmlinux: the host kernel"),
		OPTION_TEXT("initrd", "FILE", &h.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &h.append,
			    "its command line; without it, console=ttyS0"),
		OPTION_NUMBER("cpus", "N", &h.cpus, 1, 64, "processors; without it, 2"),
		OPTION_NUMBER("packages", "N", &h.packages, 1, 8, "packages they are in"),
		OPTION_NUMBER("memory", "MIB", &h.memory, 3072, 65536,
			      "memory in MiB; without it, 6144"),
		OPTION_NUMBER("seed", "N", &h.seed, 1, UINT64_MAX, "of the simulated entropy"),
		OPTION_FLAG("missing", &h.missing,
			    "list what the kernel touched and the machine does not have"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"host", "--kernel FILE [OPTION]...",
		"Run a host kernel on the simulated machine: its SEAMCALL instructions reach the "
		"simulated\nmodule. The serial console is this terminal.",
		"Exit status: 0 switched off, 1 reset, halted or stopped, 2 wrong usage, 3 wrong "
		"environment.",
		options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc)
		return options_wrong(&usage, "\"%s\" is not expected", argv[0]);
	if (!h.kernel)
		return options_wrong(&usage, "--kernel is missing");
	if (h.packages > h.cpus)
		return options_wrong(&usage, "more packages than processors");
	return run(&h);
}
