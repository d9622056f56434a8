/* SPDX-License-Identifier: MIT */
/* A raw image, or a block device, as a virtio disk: a file descriptor, and no server. */
#ifndef TOOLS_DISK_H
#define TOOLS_DISK_H

#include <stdbool.h>
#include <stddef.h>

#include "device/virtio_block.h"

struct disk {
	int fd; /* -1: none */
	bool read_only;
	struct virtio_block block;
};

/* Opens it, for reading alone where it is to be so or may not be written, and locks it: 0 or a
 * negative errno, -EBUSY when another has it. What `d` points to is to stay. */
int disk_open(struct disk *d, const char *path, bool read_only);
void disk_close(struct disk *d);

#endif
