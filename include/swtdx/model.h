/* SPDX-License-Identifier: MIT */
/* A whole simulated TDX machine: memory, processors, the module, and a port for each processor.
 *
 * Everything a host library or monitor needs to run without TDX hardware. Several models may live
 * in one process. A processor's port is used by one thread at a time, different processors by
 * different threads in parallel; the other functions may be called from any thread. Everything it
 * answers is simulated, reports and keys included. */
#ifndef SWTDX_MODEL_H
#define SWTDX_MODEL_H

#include <swtdx/leaf.h>
#include <swtdx/port.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>
#include <swtdx/system.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_model;
struct tdx_engine; /* <swtdx/x86.h>, <swtdx/native.h> */

/* Power on with a freshly loaded module. cpus, packages: 0 for the default (2, 1). NULL with a
 * sentence in err when it cannot be done. */
struct tdx_model *tdx_model_new(uint64_t memory, unsigned cpus, unsigned packages, uint64_t seed,
				char *err, size_t errlen);
void tdx_model_free(struct tdx_model *model);

/* What executes guest code; owned by the model from now on. Without one, a vCPU that is entered
 * stands still until its processor is interrupted. */
void tdx_model_set_engine(struct tdx_model *model, struct tdx_engine *engine);

/* The machine's time runs with the host's clock from now on, instead of stepping when it is looked
 * at: for guests that wait. Before anything runs. */
void tdx_model_set_real_time(struct tdx_model *model);
uint64_t tdx_model_tsc_hz(const struct tdx_model *model);

unsigned tdx_model_cpus(const struct tdx_model *model);
unsigned tdx_model_packages(const struct tdx_model *model);
const struct tdx_port *tdx_model_port(struct tdx_model *model, unsigned cpu);

/* The memory map; returns how many ranges there are, at most max are written. */
unsigned tdx_model_memory(const struct tdx_model *model, struct tdx_range *range, unsigned max);

/* An interrupt for the host arrives on a processor: a guest on it exits, a long call is
 * interrupted. */
void tdx_model_interrupt(struct tdx_model *model, unsigned cpu);

/* Statistics have times from now on; costs a reading of the clock before and after each call.
 * Before the first call. */
void tdx_model_time_calls(struct tdx_model *model);
void tdx_model_stats(const struct tdx_model *model, struct tdx_model_stats *stats);

/* How often a call of the leaf was refused with TDX_OPERAND_BUSY of the operand. */
uint64_t tdx_model_contention(const struct tdx_model *model, enum tdx_seamcall leaf,
			      enum tdx_operand operand);

/* --- faults: what there can be is in <swtdx/system.h> --- */

/* An id for tdx_model_fault_hits(), or -1 when there are TDX_MODEL_FAULTS already. */
int tdx_model_inject(struct tdx_model *model, const struct tdx_fault *fault);

/* Faults in words, as every --fault has them, separated by commas:
 *
 *	LEAF[@cpu=N][@vcpu=N][@gpa=ADDRESS][#N[xTIMES]]=STATUS
 *
 * from the Nth such call (1) so many of them (1; 0: all), with a status by name, which may have an
 * operand, or by number; or with what fails: busy (an operand by chance), entropy, key, key-busy,
 * interrupt. How many there are, or a negative errno with a sentence in err: -EINVAL, or -E2BIG for
 * more than max. Pure. */
#define TDX_FAULT_SYNTAX "LEAF[@cpu=N][@vcpu=N][@gpa=ADDRESS][#N[xTIMES]]=STATUS"
int tdx_faults_parse(const char *text, struct tdx_fault *fault, unsigned max, char *err,
		     size_t errlen);
/* The same of one fault, without what is not said; cut to len. Returns buf. */
enum { TDX_FAULT_FORMAT_MAX = 256 };
const char *tdx_fault_format(const struct tdx_fault *f, char *buf, size_t len);
/* How many calls it has hit. */
uint64_t tdx_model_fault_hits(const struct tdx_model *model, int id);
/* None any more. No call may be in progress. */
void tdx_model_clear_faults(struct tdx_model *model);

/* 4K pages the module owns now, by enum tdx_page_type; the sum is returned. */
uint64_t tdx_model_pages(struct tdx_model *model, uint64_t count[16]);

/* What the module has measured of the TD with this TDR (tdx_vm_td()), RTMRs too, which on hardware
 * only the TD itself can read. None of its vCPUs runs. False: there is no such TD. */
bool tdx_model_measurements(struct tdx_model *model, tdx_hpa_t tdr, struct tdx_digest *mrtd,
			    struct tdx_digest rtmr[TDX_RTMRS]);

/* Lines dirty in some cache under a KeyID that is free now: must be none after a clean teardown. */
uint64_t tdx_model_stale_lines(struct tdx_model *model);

/* The coherency sanitizer, from now on: what the host forgot to flush, clear or leave alone is
 * reported where it happens, with the page, its KeyIDs, the call that left it so and the duty not
 * done; the first `max` reports are kept. Before the first call; 0 or -ENOMEM. */
int tdx_model_watch(struct tdx_model *model, unsigned max);
/* How many reports there have been. With a buffer, the i-th kept in words, "" when there is none.
 */
unsigned tdx_model_coherency(const struct tdx_model *model, unsigned i, char *buf, size_t len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
