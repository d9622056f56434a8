/* SPDX-License-Identifier: MIT */
/* See tools/host_snapshot.h. */
#include "tools/host_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/file.h"
#include "tools/state_file.h"
#include "tools/verbs.h"

enum { NS_PER_MS = 1000000 };

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "swtdx host: %s: %s\n", what, why);
	return VERB_ENVIRONMENT;
}

/* --- the key --- */

static int read_key(const char *path, uint8_t key[BOARD_KEY])
{
	uint8_t *data;
	size_t size;
	int e = file_read_whole(path, BOARD_KEY, &data, &size);

	if (e)
		return e;
	if (size == BOARD_KEY)
		memcpy(key, data, BOARD_KEY);
	explicit_bzero(data, size);
	free(data);
	return size == BOARD_KEY ? 0 : -EINVAL;
}

static int make_key(const char *path)
{
	uint8_t key[BOARD_KEY];
	int e;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	e = state_store(path, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return e == -EEXIST ? 0 : e;
}

static int find_key(struct host_snapshot *s)
{
	char path[PATH_MAX];
	int e = 0;

	if (s->key_file)
		snprintf(path, sizeof(path), "%s", s->key_file);
	else
		e = state_path(NULL, "snapshot.key", path, sizeof(path));
	if (e)
		return complain("the key of snapshots",
				"no home directory is known: --snapshot-key");
	e = read_key(path, s->key);
	if (e == -ENOENT && s->file) {
		e = make_key(path);
		if (!e)
			e = read_key(path, s->key);
	}
	if (e == -EINVAL || e == -EFBIG)
		return complain(path, "not a key of 32 bytes");
	return e ? complain(path, strerror(-e)) : VERB_OK;
}

/* --- the file ---
 * It is written under another name: one that is being used stays as it is. What gives it its own,
 * or removes it, is a process beside this one, which may open and rename nothing by then. */

static void keep(int wire, const char *part, const char *file)
{
	sigset_t all;
	char word;
	int err;

	sigfillset(&all); /* it goes when this process does, however that ends */
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	if (read(wire, &word, 1) == 1) {
		err = rename(part, file) ? errno : 0;
		if (!err)
			part = NULL;
		if (write(wire, &err, sizeof(err)) < 0)
			_exit(1);
	}
	if (part)
		unlink(part);
	_exit(0);
}

static int open_file(struct host_snapshot *s)
{
	char part[PATH_MAX];
	int wire[2];
	pid_t child;

	if ((size_t)snprintf(part, sizeof(part), "%s.part", s->file) >= sizeof(part))
		return complain(s->file, strerror(ENAMETOOLONG));
	s->fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return complain(part, strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire)) {
		unlink(part);
		return complain("a socket", strerror(errno));
	}
	child = fork();
	if (child == 0) {
		close(wire[0]);
		keep(wire[1], part, s->file);
	}
	close(wire[1]);
	s->keeper = wire[0];
	if (child > 0)
		return VERB_OK;
	unlink(part);
	return complain("a process", strerror(errno));
}

/* 0 or an errno. */
static int name_file(struct host_snapshot *s)
{
	int err = EIO;

	if (write(s->keeper, "n", 1) != 1 || read(s->keeper, &err, sizeof(err)) != sizeof(err))
		return EIO;
	return err;
}

int host_snapshot_start(struct host_snapshot *s)
{
	int status = s->file || s->resume ? find_key(s) : VERB_OK;
	sigset_t set;

	s->fd = s->keeper = -1;
	if (s->file) { /* for the thread that waits for it, of all there will be */
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
	return status == VERB_OK && s->file ? open_file(s) : status;
}

/* --- when --- */

void host_snapshot_said(struct host_snapshot *s, uint8_t byte)
{
	size_t n;

	if (!s->when || s->seen)
		return;
	n = strlen(s->when);
	memmove(s->said, s->said + 1, n - 1);
	s->said[n - 1] = (char)byte;
	if (memcmp(s->said, s->when, n) != 0)
		return;
	s->seen = true;
	board_pause(s->board);
}

static void *signals(void *snapshot)
{
	struct host_snapshot *s = snapshot;
	sigset_t set;
	int which;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (sigwait(&set, &which) == 0 && !atomic_load(&s->over))
		board_pause(s->board);
	return NULL;
}

void host_snapshot_listen(struct host_snapshot *s, struct board *b)
{
	s->board = b;
	if (s->file)
		s->listening = pthread_create(&s->signals, NULL, signals, s) == 0;
}

/* --- out --- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool save(struct host_snapshot *s, uint64_t *size)
{
	char err[160] = "";
	struct stat st = {0};
	int e;

	/* It may have been tried before. */
	if (ftruncate(s->fd, 0) || lseek(s->fd, 0, SEEK_SET) ||
	    board_save(s->board, s->fd, s->key, err, sizeof(err)) || fstat(s->fd, &st)) {
		complain(s->file, err[0] ? err : strerror(errno));
		return false;
	}
	*size = (uint64_t)st.st_size;
	e = close(s->fd) ? errno : name_file(s);
	s->fd = -1;
	if (e)
		complain(s->file, strerror(e));
	return !e;
}

void host_snapshot_paused(void *snapshot, const char *why_not)
{
	struct host_snapshot *s = snapshot;
	const uint64_t start = now_ns();
	uint64_t size;

	if (why_not) {
		fprintf(stderr, "\nhost: no snapshot: %s\n", why_not);
		return;
	}
	if (s->fd < 0 || !save(s, &size))
		return;
	s->taken = true;
	fprintf(stderr, "\nhost: snapshot %s: %" PRIu64 " MiB in %" PRIu64 " ms\n", s->file,
		size >> 20, (now_ns() - start) / NS_PER_MS);
	board_stop(s->board, "its snapshot is taken");
}

bool host_snapshot_end(struct host_snapshot *s)
{
	atomic_store(&s->over, true);
	if (s->listening) {
		pthread_kill(s->signals, SIGUSR1);
		pthread_join(s->signals, NULL);
	}
	explicit_bzero(s->key, sizeof(s->key));
	if (s->fd >= 0)
		close(s->fd);
	if (s->keeper >= 0)
		close(s->keeper);
	s->fd = s->keeper = -1;
	if (!s->file || s->taken)
		return true;
	if (s->when && !s->seen)
		fprintf(stderr, "host: no snapshot was taken: \"%s\" was never said\n", s->when);
	else
		fprintf(stderr, "host: no snapshot was taken\n");
	return false;
}

/* --- in --- */

struct board *host_snapshot_resume(struct host_snapshot *s, const struct board_config *cfg,
				   struct board_config *seen, int *status)
{
	const uint64_t start = now_ns();
	char err[200] = "";
	struct board *b;
	int fd = open(s->resume, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		*status = complain(s->resume, strerror(errno));
		return NULL;
	}
	*status = VERB_DIFFERENCE;
	b = board_load(cfg, fd, s->key, seen, err, sizeof(err));
	close(fd);
	if (!b)
		complain(s->resume, err);
	else
		fprintf(stderr, "host: resumed from %s in %" PRIu64 " ms\n", s->resume,
			(now_ns() - start) / NS_PER_MS);
	return b;
}
