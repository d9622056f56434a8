/* SPDX-License-Identifier: MIT */
/* The list behind recorder and replayer. */
#ifndef PORT_RECORD_H
#define PORT_RECORD_H

#include <pthread.h>

#include <swtdx/record.h>

struct tdx_record {
	pthread_mutex_t lock;
	struct tdx_step *step;
	size_t n, max;
};

#endif
