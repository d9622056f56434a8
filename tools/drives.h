/* SPDX-License-Identifier: MIT */
/* The virtio devices of a machine: the disks of --disk, in their order, and the folder of --share.
 *
 * A raw disk is a file descriptor of ours. A qcow2 image is served by qemu-storage-daemon, a folder
 * by virtiofsd, started and ended with the machine. Which format an image has its name says, not
 * its bytes, which are the guest's: a raw disk in which a guest writes the header of an image with
 * a backing file must not become one at the next start. */
#ifndef TOOLS_DRIVES_H
#define TOOLS_DRIVES_H

#include <stdbool.h>

#include "device/virtio_bank.h"
#include "tools/disk.h"
#include "tools/options.h"
#include "tools/server.h"
#include "tools/vhost_user.h"

enum { DRIVES_MAX = VIRTIO_BANK, DRIVES_PATH_MAX = 4096 };

/* What --disk takes. */
#define DRIVES_DISK "FILE[,readonly]"
#define DRIVES_DISK_HELP                                                                           \
	"a raw image, a block device or FILE.qcow2 as a virtio disk; as often as there are disks"
#define DRIVES_SHARE_HELP "a folder as a virtio file system: mount -t virtiofs share /mnt"

struct drives {
	unsigned n; /* devices, each of one of these */
	struct virtio_kind *kind[DRIVES_MAX];
	struct drive {
		const char *verb, *name;
		struct disk disk;
		struct server server;
		struct vhost_user remote;
	} drive[DRIVES_MAX];
};

/* `share` may be NULL. `td`: a TD's, which are given addresses of its shared memory alone. An exit
 * status: what is wrong has been told. What `d` points to, and the texts, are to stay. Before there
 * are threads. */
int drives_open(struct drives *d, const char *verb, const struct option_list *disks,
		const char *share, bool td);
/* The first that is not said to be read alone; NULL: none. */
const char *drives_writable(const struct option_list *disks);
void drives_close(struct drives *d);

#endif
