/* SPDX-License-Identifier: MIT */
/* The test quote service on a socket: where QEMU's quote-generation-socket and TDs over vsock look
 * for a quote generation service. */
#ifndef TOOLS_QUOTE_SERVE_H
#define TOOLS_QUOTE_SERVE_H

#include <swtdx/attest.h>

/* Answers until interrupted or for `count` connections (0: without end). where: the path of a Unix
 * socket, which is made and removed again, or "vsock:PORT". 0 or a negative errno; tells on stderr
 * that it listens, and of each request. */
int quote_serve(const struct tdx_quote_service *s, unsigned version, const char *where,
		uint64_t count);

#endif
