/* SPDX-License-Identifier: MIT */
/* Quotes for the TD (GHCI 1.5, TDG.VP.VMCALL<GetQuote>): what a command makes of a TDREPORT. The
 * TD's buffer is shared memory, which it may change at any time: each word of its header is read
 * once. */
#include "vmm.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_MAX = 4096 }; /* of what is sent: fits into a pipe */

struct quote_header {
	uint64_t version, status;
	uint32_t in_length, out_length;
};

extern char **environ;

static bool start(const char *command, int in, int out, pid_t *pid)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
	posix_spawn_file_actions_t files;
	bool ok;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	ok = !posix_spawnp(pid, "sh", &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return ok;
}

/* All that comes, up to max; 0 when it is more. */
static size_t read_all(int fd, uint8_t *to, size_t max)
{
	size_t n = 0;
	ssize_t r = 1;
	uint8_t more;

	while (n < max && (r = read(fd, to + n, max - n)) > 0)
		n += (size_t)r;
	return n == max && read(fd, &more, 1) > 0 ? 0 : n;
}

/* The length of the quote, or 0: there is none. */
static size_t make_quote(const char *command, const uint8_t *report, size_t size, uint8_t *quote,
			 size_t max)
{
	int in[2], out[2], status = -1;
	size_t n = 0;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return 0;
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return 0;
	}
	if (!start(command, in[0], out[1], &pid))
		pid = -1;
	close(out[1]);
	if (pid > 0 && write(in[1], report, size) == (ssize_t)size) {
		close(in[1]);
		in[1] = -1;
		n = read_all(out[0], quote, max);
	}
	close(in[0]);
	if (in[1] >= 0)
		close(in[1]);
	close(out[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status == 0 ? n : 0;
}

void quote_answer(struct td *td, uint8_t *shared, size_t size)
{
	struct quote_header h;
	uint8_t report[REPORT_MAX];
	size_t n = 0;

	memcpy(&h, shared, sizeof(h));
	size -= sizeof(h);
	h.out_length = 0;
	h.status = QUOTE_UNAVAILABLE;
	if (h.version != 1 || h.in_length > size || h.in_length > REPORT_MAX) {
		h.status = QUOTE_ERROR;
	} else if (td->quotes) {
		memcpy(report, shared + sizeof(h), h.in_length);
		n = make_quote(td->quotes, report, h.in_length, shared + sizeof(h), size);
		h.status = n ? QUOTE_DONE : QUOTE_ERROR;
		h.out_length = (uint32_t)n;
	}
	/* The status last: the TD may look at it all the time. */
	memcpy(shared + offsetof(struct quote_header, out_length), &h.out_length,
	       sizeof(h.out_length));
	__atomic_store_n((uint64_t *)(void *)(shared + offsetof(struct quote_header, status)),
			 h.status, __ATOMIC_RELEASE);
}
