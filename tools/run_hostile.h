/* SPDX-License-Identifier: MIT */
/* A host that does not do as it should: how it answers MapGPA, and calls of the module that fail on
 * purpose. */
#ifndef TOOLS_RUN_HOSTILE_H
#define TOOLS_RUN_HOSTILE_H

#include <pthread.h>
#include <stdio.h>

#include <jansson.h>
#include <swtdx/model.h>
#include <swtdx/vmm.h>

enum { RUN_RANGES = 64 };

/* What a guest wanted converted, by as many calls as it took. */
struct run_range {
	uint64_t first, next, end; /* GPAs */
	bool to_private;
	uint64_t calls, idle; /* calls, and those of them that converted nothing */
	uint64_t idle_now;    /* such answers since there was progress */
	uint64_t left;	      /* pages this call still converts */
};

struct run_hostile {
	/* --host map-gpa= */
	bool map_gpa, claim;
	uint64_t pages, idle, next;
	pthread_mutex_t lock; /* over what follows */
	struct run_range range[RUN_RANGES];
	unsigned nranges;
	uint64_t ranges, calls, idle_calls, converted; /* of all, those without room too */

	/* --fault */
	struct tdx_fault fault[TDX_MODEL_FAULTS];
	int id[TDX_MODEL_FAULTS];
	unsigned nfaults;
};

void run_hostile_init(struct run_hostile *h);
void run_hostile_destroy(struct run_hostile *h);
/* "map-gpa=PAGES[,idle=N][,next=ADDR]". False, with why in words. */
bool run_hostile_parse_host(struct run_hostile *h, const char *text, char *why, size_t len);
void run_hostile_arm(struct run_hostile *h, struct tdx_model *model);
/* At TDX_EXIT_MAP_GPA; any thread. */
void run_hostile_map_gpa(struct run_hostile *h, struct tdx_run_map_gpa *m);
/* For the summary: lines, or an object. */
void run_hostile_print(struct run_hostile *h, struct tdx_model *model, FILE *out);
json_t *run_hostile_json(struct run_hostile *h, struct tdx_model *model);

#endif
