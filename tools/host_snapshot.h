/* SPDX-License-Identifier: MIT */
/* swtdx host: a machine to a file, when it says a text or on SIGUSR1, and from there again. */
#ifndef TOOLS_HOST_SNAPSHOT_H
#define TOOLS_HOST_SNAPSHOT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "board/board.h"

enum { HOST_TEXT_MAX = 128 };

struct host_snapshot {
	const char *file, *when, *resume, *key_file; /* the options */
	uint8_t key[BOARD_KEY];
	struct board *board;
	char said[HOST_TEXT_MAX]; /* the last bytes of its console */
	bool seen;		  /* the text */
	bool taken;
	_Atomic bool over;
	pthread_t signals;
	bool listening;
	int fd;	    /* of the file while it is written, -1: none */
	int keeper; /* a socket to who names it */
};

/* Before any thread, and before the process gives up opening files: the file, the key, which is
 * made where there is none and something is to be written. The exit status, with what is wrong
 * told. */
int host_snapshot_start(struct host_snapshot *s);
/* A byte came out of the console. */
void host_snapshot_said(struct host_snapshot *s, uint8_t byte);
/* For board_config.paused, with a struct host_snapshot. */
void host_snapshot_paused(void *snapshot, const char *why_not);
/* The machine of the file. NULL: told, and *status is the exit status. */
struct board *host_snapshot_resume(struct host_snapshot *s, const struct board_config *cfg,
				   struct board_config *seen, int *status);
/* The board is about to run. */
void host_snapshot_listen(struct host_snapshot *s, struct board *b);
/* It has ended. False: a snapshot was wanted, and none was taken; told. */
bool host_snapshot_end(struct host_snapshot *s);

#endif
