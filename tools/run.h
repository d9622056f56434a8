/* SPDX-License-Identifier: MIT */
/* What the parts of swtdx run share: what was asked for, and all there is of one run. */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <swtdx/measure.h>
#include <swtdx/model.h>
#include <swtdx/vmm.h>
#include <swtdx/x86.h>

#include "gdb/target_td.h"
#include "tools/drives.h"
#include "tools/run_attend.h"
#include "tools/run_console.h"
#include "tools/run_cpuid.h"
#include "tools/run_guest.h"
#include "tools/run_hostile.h"
#include "tools/run_ports.h"
#include "tools/run_serial.h"
#include "tools/sandbox.h"

enum { RUN_MAX_VCPUS = 64, RUN_MAX_REPORTS = 16 };

enum run_erratum { RUN_NO_ERRATUM, RUN_PARTIAL_WRITE };

struct run_options {
	const char *image, *kernel, *initrd, *append, *trace, *report, *gdb, *cpuid, *summary,
		*memory_map, *caches;
	const char *serial[RUN_SERIALS]; /* see run_serial.h */
	struct option_list disks;
	const char *share;
	uint64_t memory, trace_limit;
	uint64_t xfam; /* 0: the least, and what the engine has */
	unsigned vcpus, cpus, packages, dies, cpu, l2_vms;
	enum run_erratum erratum;
	enum tdx_tdvf_order order;
	const char *host, *fault;
	bool dynamic_pamt;
	bool huge, debug, quiet, json, native, unfiltered, la57;
	enum tdx_x86_execution execution;
	enum sandbox_mode sandbox;
	uint64_t timeout; /* seconds; 0: none */
	uint64_t seed;
};

struct run_session {
	struct run_options o;
	uint8_t *image;
	size_t image_size;
	struct tdx_tdvf tdvf;
	struct tdx_model *model;
	struct trace *trace;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu[RUN_MAX_VCPUS];
	struct gdb *gdb;
	struct gdb_td gdb_td;
	pthread_t thread[RUN_MAX_VCPUS];
	struct run_guest guest;
	struct run_hostile hostile;
	struct run_ports ports;
	struct drives drives;
	struct run_console console[RUN_SERIALS];
	unsigned consoles; /* open */
	FILE *summary;
	struct run_attend attend;
	pthread_mutex_t end_lock; /* over `entered`, and what is there because of it */
	_Atomic bool entered;
	struct tdx_engine *engine; /* the x86 one */
	double running;		   /* seconds in the TD */
	struct tdx_digest mrtd, rtmr[TDX_RTMRS];
	struct tdx_vmm_memory running_memory;
	uint64_t peak[16], end[16], end_sum;
	char line[256]; /* of the guest's console */
	size_t nline;
	struct tdx_quote_service *quote;
	int quote_err; /* there is none */
	_Atomic unsigned quotes_refused;
	_Atomic uint64_t exits; /* of vCPU 0, handled so far */
	_Atomic bool done[RUN_MAX_VCPUS];
	_Atomic int outcome;	       /* -1 running, else exit status */
	const char *_Atomic last_what; /* a line is begun with it; any thread may end it */
	_Atomic bool heard; /* on standard output: the guest shows itself that it lives */
	double alive;	    /* when that was told last */
	struct timespec start;
};

/* --- what it says on standard error (run_talk.c) --- */

/* A step that may take a while begins. */
void run_stage(struct run_session *s, const char *what);
/* How far it is; arg is the session. */
void run_progress(void *arg, const char *what, uint64_t done, uint64_t all);
/* Of a guest that says nothing it is told how far it is. Milliseconds to the next time, -1 none. */
int run_alive(struct run_session *s);
/* A message begins a line of its own: progress may be in the middle of one. */
void run_end_stages(struct run_session *s);
void run_log(void *arg, const char *line);
/* A line that the guest can have said as often as it likes: said a few times. */
void run_log_again(struct run_session *s, _Atomic unsigned *said, const char *line);
/* VERB_ENVIRONMENT. */
int run_complain(struct run_session *s, const char *what, const char *why);
/* The same, of a failure the VM knows more about. */
int run_vm_complain(struct run_session *s, const char *what, int err);
/* Since the start. */
double run_seconds(const struct run_session *s);

/* --- its parts --- */

/* By JSON, or by the trace: the guest's console is on standard error then. */
bool run_output_is_taken(const struct run_session *s);
/* The console that has our terminal; NULL: none. */
struct run_console *run_terminal(struct run_session *s);
/* From outside: the run ends with this status, unless it has ended. Any thread. */
void run_finish(struct run_session *s, int status, const char *why);
/* All vCPUs until the TD is done; an exit status. */
int run_vcpus(struct run_session *s);
/* What happened, as text or JSON; the machine is still there, the VM is not. 0 or a negative errno.
 */
int run_summary(struct run_session *s, const struct tdx_vmm_memory *m, uint64_t stale_lines);

#endif
