/* SPDX-License-Identifier: MIT */
/* swtdx migrate: a Linux TD moves between two machines, again and again, and goes on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/attest.h>

#include "tools/boot_files.h"
#include "tools/execution.h"
#include "tools/file.h"
#include "tools/migrate.h"
#include "tools/options.h"
#include "tools/quote_state.h"
#include "tools/term_filter.h"
#include "tools/verbs.h"

enum { DEFAULT_MEMORY_MIB = 512, WHEN_MAX = 256, TICK_NS = 10000000, MAX_POLL_S = 3600 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void migrate_say(const struct migration *m, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (m->o.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "swtdx migrate: [%.2f s] %s\n", now() - m->began, line);
}

static int complain_text(const char *what, const char *why)
{
	fprintf(stderr, "swtdx migrate: %s: %s\n", what, why);
	return VERB_ENVIRONMENT;
}

static int complain(const char *what, int err)
{
	return complain_text(what, strerror(err));
}

/* --- what the guest writes --- */

static bool ending(void *arg)
{
	return ((struct migration *)arg)->outcome >= 0;
}

static void broken(void *arg, int err)
{
	struct migration *m = arg;
	int running = -1;

	atomic_compare_exchange_strong(&m->outcome, &running, VERB_ENVIRONMENT);
}

/* Is the text in what has come, of which the last WHEN_MAX bytes are kept? */
static bool found(char *kept, size_t *n, const char *bytes, size_t len, const char *text)
{
	const size_t want = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (*n == WHEN_MAX)
			memmove(kept, kept + 1, --*n);
		kept[(*n)++] = bytes[i];
		if (*n >= want && !memcmp(kept + *n - want, text, want))
			return true;
	}
	return false;
}

/* False: it cannot be written to. */
static bool show(int out, struct term_filter *filter, const char *bytes, size_t len)
{
	uint8_t some[TERM_SEQUENCE_MAX];

	for (size_t i = 0; filter && i < len; i++) {
		const size_t n = term_filter(filter, (uint8_t)bytes[i], some);

		if (n && write(out, some, n) != (ssize_t)n)
			return false;
	}
	while (!filter && len) {
		const ssize_t done = write(out, bytes, len);

		if (done <= 0)
			return false;
		bytes += done;
		len -= (size_t)done;
	}
	return true;
}

static void *listen_to(void *arg)
{
	struct migration *m = arg;
	const int out = m->o.json ? STDERR_FILENO : STDOUT_FILENO;
	struct term_filter filter = {0};
	const bool filtered = isatty(out) && !m->o.unfiltered;
	char kept[WHEN_MAX], bytes[512];
	size_t n = 0;
	ssize_t len;

	while ((len = read(m->console_pipe, bytes, sizeof(bytes))) > 0) {
		if (m->o.when && !m->seen && found(kept, &n, bytes, (size_t)len, m->o.when))
			m->seen = true;
		if (!show(out, filtered ? &filter : NULL, bytes, (size_t)len))
			return NULL;
	}
	return NULL;
}

static int open_console(struct migration *m)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return complain("the console", errno);
	m->console_pipe = fd[0];
	for (unsigned i = 0; i < RUN_SERIALS; i++) {
		struct run_console *c = &m->console[i];

		*c = (struct run_console){.kind = i ? RUN_CONSOLE_NONE : RUN_CONSOLE_FILE,
					  .in = -1,
					  .out = i ? -1 : fd[1],
					  .listener = -1,
					  .pending = -1,
					  .wake = -1,
					  .ending = ending,
					  .broken = broken,
					  .arg = m};
		pthread_mutex_init(&c->lock, NULL);
	}
	return pthread_create(&m->listener, NULL, listen_to, m) ? complain("the console", EAGAIN)
								: VERB_OK;
}

static void close_console(struct migration *m)
{
	run_console_flush(&m->console[0]);
	close(m->console[0].out);
	pthread_join(m->listener, NULL);
	close(m->console_pipe);
	for (unsigned i = 0; i < RUN_SERIALS; i++)
		pthread_mutex_destroy(&m->console[i].lock);
}

/* --- the moves --- */

/* False: the guest has ended, or the time is over. */
static bool wait_for(struct migration *m, double seconds, bool when)
{
	const struct timespec pause = {0, TICK_NS};
	const double begun = now();

	while (m->outcome < 0) {
		if (m->o.timeout && now() - m->began > (double)m->o.timeout) {
			int running = -1;

			migrate_say(m, "its time is over (--timeout)");
			atomic_compare_exchange_strong(&m->outcome, &running, VERB_DIFFERENCE);
			return false;
		}
		if (when ? m->seen : now() - begun >= seconds)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int moves(struct migration *m)
{
	unsigned abort_at = (unsigned)m->o.abort_at;
	int status = VERB_OK;

	if (m->o.when && !wait_for(m, 0, true))
		return m->outcome;
	while (status == VERB_OK && m->moves < m->o.times) {
		bool given_up;

		if (!wait_for(m, (double)m->o.after, false))
			return m->outcome;
		if (m->peer >= 0)
			return migrate_send(m);
		status = migrate_move(m, abort_at, &given_up);
		if (given_up && m->outcome >= 0)
			return m->outcome;
		m->aborted += given_up;
		m->moves += !given_up && status == VERB_OK;
		abort_at = 0;
	}
	/* It goes on until it ends by itself, or so long that one sees it. */
	if (m->o.end)
		return status == VERB_OK && !wait_for(m, (double)m->o.after, false) ? m->outcome
										    : status;
	while (status == VERB_OK && wait_for(m, 1, false))
		;
	return status == VERB_OK ? m->outcome : status;
}

static void give_up_rights(struct migration *m)
{
	struct sandbox got = sandbox_enter(m->o.sandbox);
	char line[256];

	if (sandbox_lacks(&got, m->o.sandbox, line, sizeof(line)))
		migrate_say(m, "%s", line);
}

/* The last of it: what is still here comes back. */
static int finish(struct migration *m, int status)
{
	if (m->outcome < 0)
		m->outcome = status;
	if (m->place[m->here].vm)
		(void)migrate_stop(&m->place[m->here]);
	migrate_say(m, "%u moves, %u given up", m->moves, m->aborted);
	if (m->moves && m->places > 1)
		migrate_say_measured(&m->place[m->here]);
	for (unsigned i = 0; i < m->places; i++) {
		int ended = migrate_end(&m->place[i]);

		status = status == VERB_OK ? ended : status;
	}
	if (status == VERB_OK && !m->o.from && m->moves < m->o.times) {
		fprintf(stderr, "swtdx migrate: the guest ended before it had moved so often\n");
		status = VERB_DIFFERENCE;
	}
	return status;
}

static int power_on(struct migration *m)
{
	int status = VERB_OK;

	for (unsigned i = 0; i < m->places && status == VERB_OK; i++) {
		m->place[i] = (struct migrate_place){.all = m, .number = i};
		status = migrate_place_on(&m->place[i]);
	}
	return status;
}

static int run(struct migration *m, const void *image, size_t len)
{
	int status = power_on(m);

	if (status == VERB_OK)
		status = migrate_build(&m->place[0], image, len);
	if (status != VERB_OK)
		return status;
	give_up_rights(m);
	migrate_say(m, "the TD runs on machine 1");
	migrate_go(&m->place[0]);
	return finish(m, moves(m));
}

/* --- another process --- */

static int call(struct migration *m)
{
	const char *why = migrate_connect(m->o.to, &m->peer);

	return why ? complain_text(m->o.to, why) : VERB_OK;
}

int migrate_wait_for(const struct migration *m, int fd)
{
	const double end = now() + (double)m->o.timeout;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		const double left = m->o.timeout ? end - now() : MAX_POLL_S;
		const int n = poll(&p, 1,
				   left < 0	       ? 0
				   : left < MAX_POLL_S ? (int)(left * 1000) + 1
						       : MAX_POLL_S * 1000);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (left <= 0)
			return -ETIMEDOUT;
	}
}

static int accept_one(struct migration *m, int fd)
{
	const int err = migrate_wait_for(m, fd);

	if (err == -ETIMEDOUT) {
		fprintf(stderr, "swtdx migrate: %s: nobody has called for %llu s (--timeout)\n",
			m->o.from, (unsigned long long)m->o.timeout);
		return VERB_DIFFERENCE;
	}
	if (!err)
		m->peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (err || m->peer < 0)
		return complain(m->o.from, err ? -err : errno);
	return VERB_OK;
}

/* Until somebody calls; the name is gone then. */
static int answer(struct migration *m)
{
	char at[MIGRATE_ADDRESS];
	int fd = -1, status;
	const char *why = migrate_listen(m->o.from, &fd, at);

	if (why)
		return complain_text(m->o.from, why);
	migrate_say(m, "waiting at %s", at);
	status = accept_one(m, fd);
	if (migrate_is_unix(m->o.from))
		unlink(at);
	close(fd);
	return status;
}

static int wait_and_run(struct migration *m)
{
	int status = power_on(m);

	if (status == VERB_OK)
		status = answer(m);
	if (status != VERB_OK)
		return status;
	give_up_rights(m);
	status = migrate_receive(m);
	m->began = now(); /* its time begins when it comes */
	while (status == VERB_OK && wait_for(m, 1, false))
		;
	return finish(m, status == VERB_OK ? m->outcome : status);
}

/* --- all of it --- */

static int open_wires(struct migration *m)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, m->wire) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, m->keys))
		return complain("a socket", errno);
	if (migrate_is_peer(m->o.to))
		return call(m);
	if (!strcmp(m->o.to, "machine"))
		return VERB_OK;
	m->file = open(m->o.to + strlen("file:"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return m->file < 0 ? complain(m->o.to, errno) : VERB_OK;
}

/* Machines of one process believe a service that is gone with it; those of several the user's. */
static int open_quotes(struct migration *m)
{
	char path[4096];
	int err;

	if (m->places > 1)
		err = tdx_quote_service_create((int64_t)time(NULL), &m->quotes);
	else
		err = quote_state_path(NULL, path, sizeof(path));
	if (!err && m->places == 1)
		err = quote_state_open(path, true, &m->quotes);
	return err ? complain("the quote service", -err) : VERB_OK;
}

static int with_console(struct migration *m, const void *image, size_t len)
{
	int status = open_quotes(m);

	if (status == VERB_OK && !m->o.from)
		status = open_wires(m);
	if (status == VERB_OK)
		status = open_console(m);
	if (status == VERB_OK) {
		status = m->o.from ? wait_and_run(m) : run(m, image, len);
		for (unsigned i = 0; i < m->places; i++)
			if (m->place[i].model)
				migrate_place_off(&m->place[i]);
		close_console(m);
	}
	tdx_quote_service_free(m->quotes);
	return status;
}

static int compose_and_run(struct migration *m)
{
	const struct boot_files files = {.kernel = m->o.kernel,
					 .initrd = m->o.initrd,
					 .append = m->o.append,
					 .memory = m->o.memory,
					 .to_run = true};
	uint8_t *image = NULL;
	size_t len = 0;
	int status = VERB_OK;

	if (!m->o.from)
		status = boot_files_compose("swtdx migrate", &files, &image, &len);
	if (status == VERB_OK)
		status = with_console(m, image, len);
	free(image);
	return status;
}

int verb_migrate(int argc, char **argv)
{
	struct migrate_options o = {.to = "machine", .vcpus = 1, .times = 1, .after = 5};
	uint64_t mib = DEFAULT_MEMORY_MIB;
	unsigned engine = EXECUTION_NOT_SAID, sandbox = SANDBOX_ON;
	struct migration *m;
	const struct verb_option options[] = {
		OPTION_TEXT("kernel", "FILE", &o.kernel,
			    "the Linux kernel of the TD, as of swtdx run"),
		OPTION_TEXT("initrd", "FILE", &o.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &o.append, "its command line"),
		OPTION_NUMBER("memory", "MIB", &mib, 128, 1u << 20, "memory of the TD (512)"),
		OPTION_NUMBER("vcpus", "N", &o.vcpus, 1, MIGRATE_MAX_VCPUS, "vCPUs of the TD (1)"),
		OPTION_NUMBER("l2-vms", "N", &o.l2_vms, 0, 3,
			      "L2 VMs that the TD may have (0), with --from as many as it has"),
		OPTION_NUMBER("times", "N", &o.times, 1, 1000, "move so often (1)"),
		OPTION_NUMBER("after", "SECONDS", &o.after, 0, 1u << 20,
			      "run so long before each move (5)"),
		OPTION_TEXT("when", "TEXT", &o.when,
			    "do not begin before the guest has written this to its console"),
		OPTION_TEXT("to", "WHERE", &o.to,
			    "machine: the other one, over a socket, both at work (the default); "
			    "file:PATH: into a file, and out of it there; unix:PATH or "
			    "tcp:HOST:PORT: to the process that waits there with --from"),
		OPTION_TEXT("from", "unix:PATH|tcp:HOST:PORT", &o.from,
			    "wait there for a TD from another process, and run it"),
		OPTION_NUMBER("streams", "N", &o.streams, 1, TDX_MIG_STREAMS_MAX,
			      "forward streams (1)"),
		OPTION_NUMBER("rounds", "N", &o.rounds, 1, TDX_MIG_ROUNDS_MAX,
			      "copy while the TD runs at most so often (8)"),
		OPTION_NUMBER("enough", "PAGES", &o.enough, 1, 1u << 20,
			      "stop the TD when so few pages are left (512)"),
		OPTION_FLAG("post-copy", &o.post_copy,
			    "move the TD first, and then its memory, while it runs there"),
		OPTION_FLAG("end", &o.end, "end the TD --after the last move"),
		OPTION_NUMBER("abort-at", "ROUND", &o.abort_at, 1, TDX_MIG_ROUNDS_MAX,
			      "give the first move up in that round; it does not count"),
		OPTION_CHOICE("engine", EXECUTION_TWO_WORDS, &engine, EXECUTION_TWO_HELP),
		OPTION_FLAG("huge-pages", &o.huge,
			    "map 2M private pages where the guest accepts 2M"),
		OPTION_FLAG("dynamic-pamt", &o.dynamic_pamt,
			    "4K entries of PAMT are in memory only where TDs are"),
		OPTION_CHOICE("sandbox", "on|log|off", &sandbox,
			      "what the process may do while the guest runs, see swtdx run"),
		OPTION_NUMBER("timeout", "SECONDS", &o.timeout, 1, 1u << 30,
			      "end the TD after so long, with status 1; with --from, wait so long "
			      "for one, and end it so long after it came"),
		OPTION_FLAG("unfiltered", &o.unfiltered,
			    "let the guest send everything to the terminal, see swtdx run"),
		OPTION_FLAG("quiet", &o.quiet, "no progress"),
		OPTION_FLAG("json", &o.json,
			    "a JSON object a move on standard output, the guest on standard error"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"migrate",
		"[OPTION]... --kernel FILE [--initrd FILE] [--append CMDLINE]\n"
		"[OPTION]... --from unix:PATH|tcp:HOST:PORT",
		"Builds a TD on one of two simulated machines and moves it to the other and back "
		"while it runs: the migration TDs of the two exchange keys, the module seals what "
		"the monitor sends. Tells of each move the pages of every round and how long the "
		"TD stood. Everything is simulated. The exit status is the guest's.",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc)
		return options_wrong(&usage, "it takes no operand");
	if (!o.kernel == !o.from)
		return options_wrong(&usage, o.kernel ? "--kernel and --from exclude each other"
						      : "--kernel is needed, or --from");
	if (o.from && !migrate_is_peer(o.from))
		return options_wrong(&usage, "--from takes unix:PATH or tcp:HOST:PORT, not \"%s\"",
				     o.from);
	if (strcmp(o.to, "machine") != 0 && strncmp(o.to, "file:", 5) != 0 &&
	    !migrate_is_peer(o.to))
		return options_wrong(&usage,
				     "--to takes machine, file:PATH, unix:PATH or tcp:HOST:PORT, "
				     "not \"%s\"",
				     o.to);
	if (migrate_is_peer(o.to) && (o.times > 1 || o.abort_at))
		return options_wrong(&usage, "to another process it moves once: no --times, no "
					     "--abort-at");
	if (o.when && (!*o.when || strlen(o.when) >= WHEN_MAX))
		return options_wrong(&usage, "--when takes a text of less than %d bytes",
				     (int)WHEN_MAX);
	m = calloc(1, sizeof(*m));
	if (!m)
		return complain("memory", ENOMEM);
	o.memory = mib << 20;
	o.execution = execution_of(engine);
	o.sandbox = (enum sandbox_mode)sandbox;
	m->o = o;
	m->file = m->peer = -1;
	m->places = o.from || migrate_is_peer(o.to) ? 1 : MIGRATE_PLACES;
	m->outcome = -1;
	m->began = now();
	signal(SIGPIPE, SIG_IGN);
	end = compose_and_run(m);
	free(m);
	return end;
}
