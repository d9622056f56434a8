/* SPDX-License-Identifier: MIT */
/* What a process gives up for good before it runs somebody else's code: new privileges, and by a
 * seccomp filter every system call that running and tearing down a TD does not take (no file is
 * opened, no program executed, no process made, no socket, no executable memory). Landlock, where
 * the kernel has it, takes the file system and the network from the threads once more.
 *
 * Needs no privilege. What is open stays open; what is to be opened is opened before. */
#ifndef TOOLS_SANDBOX_H
#define TOOLS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_mode {
	SANDBOX_ON,
	SANDBOX_LOG, /* what the filter would refuse is done, and the kernel logs it */
	SANDBOX_OFF,
};

struct sandbox {
	bool seccomp, landlock;
	char why[128]; /* there is no filter */
};

/* For all threads there are and will be; Landlock for the caller and those it makes. */
struct sandbox sandbox_enter(enum sandbox_mode mode);
/* What there is to say of one that is not as it was asked for; false: nothing. */
bool sandbox_lacks(const struct sandbox *s, enum sandbox_mode mode, char *line, size_t len);
/* Landlock for a thread that was there before. False: this kernel has none. */
bool sandbox_thread(void);

#endif
