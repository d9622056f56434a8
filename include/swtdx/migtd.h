/* SPDX-License-Identifier: MIT */
/* Between a migration TD of this project and its host: a shared buffer, a port that asks.
 *
 * The buffer is memory of the migration TD that it has made shared: a page of what both say, and a
 * message behind it. The migration TD writes a request to the port, and when the write returns the
 * host has done it. Nothing in the buffer is secret, and neither side believes what it finds there.
 *
 * Layout and numbers are this project's own; the host's side is <swtdx/migrate.h>, the migration
 * TD's <swtdx/guest.h>. Plain data, little endian; usable from C++. */
#ifndef SWTDX_MIGTD_H
#define SWTDX_MIGTD_H

#include <swtdx/structs.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	TDX_MIGTD_PORT = 0x5d0,
	TDX_MIGTD_MESSAGE_MAX = 32 << 10,
	TDX_MIGTD_BUFFER_SIZE = 36 << 10,
};
#define TDX_MIGTD_BUFFER (8ull << 20) /* GPA, without the shared bit */

enum tdx_migtd_request {
	TDX_MIGTD_WAIT = 1, /* for the next session: .handle, .target_uuid, .source */
	TDX_MIGTD_SEND,	    /* the message, of .length bytes, to the other migration TD */
	TDX_MIGTD_RECEIVE,  /* one from there */
	TDX_MIGTD_DONE,	    /* .result: 0, or a negative errno */
};

struct tdx_migtd_page {
	uint64_t handle; /* of the binding */
	uint64_t target_uuid[4];
	uint32_t source; /* the target is exported; else imported */
	uint32_t length;
	int32_t result;
	uint32_t pad[3];
	uint8_t fill[4096 - 64];
};
TDX_ABI_ASSERT(sizeof(struct tdx_migtd_page) == 4096);

#ifdef __cplusplus
}
#endif

#endif
