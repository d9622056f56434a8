/* SPDX-License-Identifier: MIT */
/* See tools/drives.h. */
#include "tools/drives.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/virtio_block.h"
#include "tools/file.h"
#include "tools/verbs.h"

enum { FILES_TAG = 36, FILES_CONFIG = 40, FILES_QUEUES = 2 };

#define FILES_NAME "share"

static int refuse(const struct drive *d, const char *why)
{
	fprintf(stderr, "swtdx %s: %s: %s\n", d->verb, d->name, why);
	return VERB_ENVIRONMENT;
}

static void add(struct drives *d, struct virtio_kind *kind, bool td)
{
	if (td) {
		kind->features |= VIRTIO_F_ACCESS_PLATFORM;
		kind->needed |= VIRTIO_F_ACCESS_PLATFORM;
	}
	d->kind[d->n++] = kind;
}

/* --- served by others --- */

static void broken(void *arg, const char *why)
{
	const struct drive *d = arg;

	fprintf(stderr, "swtdx %s: %s: the server: %s: what is asked of it fails from now on\n",
		d->verb, d->name, why);
}

/* Requests of who is still there: errors of input and output. */
static int64_t no_disk(const struct virtio_request *r)
{
	static const uint8_t status = VIRTIO_BLOCK_ERROR;

	return r->in && virtio_put(r, r->in - 1, &status, 1) ? 1 : -1;
}

/* As FUSE has it: its request's header and its answer's. One that wants no answer has no room. */
static int64_t no_files(const struct virtio_request *r)
{
	struct {
		uint32_t len, opcode;
		uint64_t unique;
	} in;
	struct {
		uint32_t len;
		int32_t error;
		uint64_t unique;
	} out = {.len = sizeof(out), .error = -EIO};

	if (!r->in)
		return 0;
	if (!virtio_get(r, 0, &in, sizeof(in)))
		return -1;
	out.unique = in.unique;
	return virtio_put(r, 0, &out, sizeof(out)) ? (int64_t)sizeof(out) : -1;
}

static int connect_to(struct drive *d, const char *path, char *const argv[],
		      const struct virtio_kind *kind)
{
	int err = server_start(&d->server, path, argv);

	if (err >= 0)
		err = vhost_user_open(&d->remote, err, kind);
	d->remote.broken = broken;
	d->remote.arg = d;
	if (err == -EPROTO)
		return refuse(d, "its server has ended, or is none: see above what it says");
	return err ? refuse(d, strerror(-err)) : VERB_OK;
}

/* A file's name as a value of QEMU's options: commas twice. */
static bool quote(const char *path, char *out, size_t len)
{
	size_t n = 0;

	for (; *path && n + 3 < len; path++) {
		out[n++] = *path;
		if (*path == ',')
			out[n++] = ',';
	}
	out[n] = '\0';
	return !*path;
}

/* What a request of a disk is at most is our ring's, not the server's. */
static void limit(struct virtio_kind *kind)
{
	const uint32_t limits[2] = {VIRTIO_BLOCK_SEGMENT, VIRTIO_BLOCK_SEGMENTS};

	kind->features |= VIRTIO_BLOCK_F_SIZE_MAX | VIRTIO_BLOCK_F_SEG_MAX;
	memcpy(kind->config + VIRTIO_BLOCK_SIZE_MAX, limits, sizeof(limits));
}

static int open_image(struct drive *d, const char *path, bool read_only)
{
	const struct virtio_kind kind = {
		.id = VIRTIO_BLOCK,
		.queues = 1,
		.config_size = VIRTIO_BLOCK_CONFIG,
		.features = VIRTIO_BLOCK_F_RO | VIRTIO_BLOCK_F_BLK_SIZE | VIRTIO_BLOCK_F_FLUSH |
			    VIRTIO_BLOCK_F_TOPOLOGY | VIRTIO_BLOCK_F_DISCARD |
			    VIRTIO_BLOCK_F_WRITE_ZEROES,
		.needed = VIRTIO_BLOCK_F_FLUSH,
	};
	char program[DRIVES_PATH_MAX], quoted[DRIVES_PATH_MAX], file[DRIVES_PATH_MAX + 64],
		format[64], export[128];
	char *argv[] = {"qemu-storage-daemon",
			"--blockdev",
			file,
			"--blockdev",
			format,
			"--export",
			export,
			NULL};
	const char *mode = read_only ? "on" : "off";
	int status;

	if (!file_find_program(argv[0], program, sizeof(program)))
		return refuse(d, "qemu-storage-daemon, which serves qcow2, is not installed");
	if (access(path, read_only ? R_OK : R_OK | W_OK))
		return refuse(d, strerror(errno));
	if (!quote(path, quoted, sizeof(quoted)))
		return refuse(d, strerror(ENAMETOOLONG));
	snprintf(file, sizeof(file), "driver=file,node-name=file,read-only=%s,filename=%s", mode,
		 quoted);
	snprintf(format, sizeof(format), "driver=qcow2,node-name=disk,read-only=%s,file=file",
		 mode);
	snprintf(export, sizeof(export),
		 "type=vhost-user-blk,id=disk,node-name=disk,addr.type=fd,addr.str=%d,writable=%s",
		 SERVER_SOCKET, read_only ? "off" : "on");
	status = connect_to(d, program, argv, &kind);
	if (status == VERB_OK)
		limit(&d->remote.kind);
	d->remote.lost = no_disk;
	return status;
}

static int open_files(struct drive *d, const char *name)
{
	struct virtio_kind kind = {.id = VIRTIO_FILES, .queues = FILES_QUEUES};
	const uint32_t queues = FILES_QUEUES - 1; /* of requests */
	char source[PATH_MAX + 8], fd[16];
	/* The newer, a program of its own, and QEMU's until 7.2. */
	char path[PATH_MAX];
	char *newer[] = {"virtiofsd", "--shared-dir", path, fd, "--log-level", "error", NULL};
	char *older[] = {"virtiofsd", "-f", "-o", source, "-o", "log_level=err", fd, NULL};
	static const char *const newer_at[] = {"virtiofsd", "/usr/libexec/virtiofsd"};
	static const char older_at[] = "/usr/lib/qemu/virtiofsd";
	char program[DRIVES_PATH_MAX];
	struct stat st;
	int status;

	if (!realpath(name, path) || stat(path, &st))
		return refuse(d, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse(d, strerror(ENOTDIR));
	if (strchr(path, ','))
		return refuse(d, "virtiofsd takes no such name");
	snprintf(source, sizeof(source), "source=%s", path);
	snprintf(fd, sizeof(fd), "--fd=%d", SERVER_SOCKET);
	if (file_find_program(newer_at[0], program, sizeof(program)) ||
	    file_find_program(newer_at[1], program, sizeof(program)))
		status = connect_to(d, program, newer, &kind);
	else if (file_find_program(older_at, program, sizeof(program)))
		status = connect_to(d, program, older, &kind);
	else
		return refuse(d, "virtiofsd, which serves folders, is not installed");
	if (status != VERB_OK)
		return status;
	d->remote.lost = no_files;
	memcpy(d->remote.kind.config, FILES_NAME, sizeof(FILES_NAME));
	memcpy(d->remote.kind.config + FILES_TAG, &queues, sizeof(queues));
	d->remote.kind.config_size = FILES_CONFIG;
	return VERB_OK;
}

/* --- all of them --- */

/* "FILE[,readonly]". False: too long. */
static bool parse(const char *text, char path[DRIVES_PATH_MAX], bool *read_only)
{
	static const char word[] = ",readonly";
	const size_t len = strlen(text), tail = sizeof(word) - 1;

	*read_only = len > tail && !strcmp(text + len - tail, word);
	return snprintf(path, DRIVES_PATH_MAX, "%.*s", (int)(*read_only ? len - tail : len), text) <
	       DRIVES_PATH_MAX;
}

const char *drives_writable(const struct option_list *disks)
{
	char path[DRIVES_PATH_MAX];
	bool read_only;

	for (unsigned i = 0; i < disks->n; i++)
		if (!parse(disks->text[i], path, &read_only) || !read_only)
			return disks->text[i];
	return NULL;
}

static bool is_image(const char *path)
{
	static const char tail[] = ".qcow2";
	const size_t len = strlen(path), n = sizeof(tail) - 1;

	return len > n && !strcmp(path + len - n, tail);
}

static int open_disk(struct drives *all, struct drive *d, bool td)
{
	char path[DRIVES_PATH_MAX];
	bool read_only;
	int err;

	if (!parse(d->name, path, &read_only))
		return refuse(d, strerror(ENAMETOOLONG));
	if (is_image(path)) {
		const int status = open_image(d, path, read_only);

		if (status == VERB_OK)
			add(all, &d->remote.kind, td);
		return status;
	}
	err = disk_open(&d->disk, path, read_only);
	if (err)
		return refuse(d, err == -EBUSY ? "in use: another process has locked it"
					       : strerror(-err));
	add(all, &d->disk.block.kind, td);
	return VERB_OK;
}

int drives_open(struct drives *all, const char *verb, const struct option_list *disks,
		const char *share, bool td)
{
	const unsigned n = disks->n + (share != NULL);
	int status = VERB_OK;

	memset(all, 0, sizeof(*all));
	for (unsigned i = 0; i < DRIVES_MAX; i++) {
		struct drive *d = &all->drive[i];

		d->verb = verb;
		d->disk.fd = d->server.life = d->server.gone = d->remote.socket = -1;
	}
	if (n > DRIVES_MAX) {
		fprintf(stderr, "swtdx %s: --share and %u disks are more than %d devices\n", verb,
			disks->n, DRIVES_MAX);
		return VERB_USAGE;
	}
	for (unsigned i = 0; i < disks->n && !status; i++) {
		all->drive[i].name = disks->text[i];
		status = open_disk(all, &all->drive[i], td);
	}
	if (share && !status) {
		all->drive[n - 1].name = share;
		status = open_files(&all->drive[n - 1], share);
		if (!status)
			add(all, &all->drive[n - 1].remote.kind, td);
	}
	return status;
}

void drives_close(struct drives *all)
{
	for (unsigned i = 0; i < DRIVES_MAX; i++) {
		disk_close(&all->drive[i].disk);
		server_stop(&all->drive[i].server); /* before its socket: it would wonder */
		vhost_user_close(&all->drive[i].remote);
	}
}
