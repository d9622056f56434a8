/* SPDX-License-Identifier: MIT */
/* A virtio device that another process serves over a socket, by QEMU's vhost-user protocol.
 *
 * The server sees none of the guest's memory: the guest's rings end here, where each request is
 * copied to and from memory that this process and the server share, with rings of our own. So there
 * is one place where a guest's addresses are cut, what a server reads and writes counts as a
 * device's of ours, and a server that has gone mad has nothing to write to. All that the protocol's
 * control messages are for is done before the guest runs: the sandbox needs none of them.
 *
 * A request is waited for. A server that ends, breaks its ring, or takes more than half a minute
 * has had its last. */
#ifndef TOOLS_VHOST_USER_H
#define TOOLS_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/virtio.h"

struct vhost_user {
	int socket, memory; /* -1: none */
	uint8_t *area;
	bool dead;
	int patience_ms;   /* for the answer to a request */
	uint64_t features; /* the server's, of those asked for */
	struct vhost_user_queue {
		int kick, call;
		uint16_t done;
	} queue[VIRTIO_QUEUES];
	struct virtio_kind kind;
	void (*broken)(void *arg, const char *why); /* told once; may be NULL */
	/* In place of a server that is no more, as the kind's request(): an error of the device's
	 * own. NULL: the device needs a reset. */
	int64_t (*lost)(const struct virtio_request *r);
	void *arg;
};

/* Takes the socket. `kind` says id, queues, and the features that may be the guest's; with
 * config_size the configuration is the server's. 0; a negative errno, -EPROTO where the server does
 * not do its part. */
int vhost_user_open(struct vhost_user *v, int socket, const struct virtio_kind *kind);
void vhost_user_close(struct vhost_user *v);

#endif
