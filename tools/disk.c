/* SPDX-License-Identifier: MIT */
/* See tools/disk.h. */
#include "tools/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/file.h"

static bool load(void *arg, uint64_t offset, void *buf, size_t len)
{
	/* False, too, where somebody has made it shorter. */
	return file_pread(((const struct disk *)arg)->fd, buf, len, offset) == 0;
}

static bool store(void *arg, uint64_t offset, const void *buf, size_t len)
{
	const struct disk *d = arg;
	const uint8_t *at = buf;

	while (len) {
		const ssize_t n = pwrite(d->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

static bool flush(void *arg)
{
	return fdatasync(((const struct disk *)arg)->fd) == 0;
}

static int open_file(struct disk *d, const char *path)
{
	struct stat st;

	if (!d->read_only)
		d->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (d->read_only || (d->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))) {
		d->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		d->read_only = true;
	}
	if (d->fd < 0)
		return -errno;
	if (fstat(d->fd, &st))
		return -errno;
	/* What has no size, or no places in it, is none. */
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ESPIPE;
	if (flock(d->fd, (d->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

int disk_open(struct disk *d, const char *path, bool read_only)
{
	static const struct virtio_block_ops ops = {.read = load, .write = store, .flush = flush};
	off_t size = 0;
	int err;

	*d = (struct disk){.fd = -1, .read_only = read_only};
	err = open_file(d, path);
	if (!err) {
		size = lseek(d->fd, 0, SEEK_END);
		err = size < 0 ? -errno : 0;
	}
	if (err)
		disk_close(d);
	else
		virtio_block_init(&d->block, (uint64_t)size, d->read_only, &ops, d);
	return err;
}

void disk_close(struct disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
