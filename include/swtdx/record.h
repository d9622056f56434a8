/* SPDX-License-Identifier: MIT */
/* Ports that remember: a recorder in front of another port, and a replayer that answers from what
 * was recorded.
 *
 * A list holds everything a host did through its ports, in order: calls with all registers before
 * and after, and the cache and memory duties between them. Several recorders (one a processor)
 * write into one list. The replayer hands out the recorded answers one after the other and notes
 * every step that is not the one recorded; it never touches memory. For golden tests of a host
 * library, and for looking at what one did.
 *
 * Lists, recorders and replayers may be used by several threads; a replay follows the order of the
 * recording, so it is for one thread at a time. */
#ifndef SWTDX_RECORD_H
#define SWTDX_RECORD_H

#include <swtdx/port.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum tdx_step_kind {
	TDX_STEP_SEAMCALL,
	TDX_STEP_FLUSH,	       /* pa, len */
	TDX_STEP_DIRECT_CLEAR, /* pa, len */
	TDX_STEP_BARRIER,
	TDX_STEP_WBINVD,
	TDX_STEP_READ,	/* pa, len; the bytes are not kept */
	TDX_STEP_WRITE, /* pa, len */
	TDX_STEP_RDMSR, /* pa.v: the MSR; out.rax: value, out.rcx: 1 when it exists */
	TDX_STEP_CPUID, /* pa.v: leaf, len: subleaf; out.rax, rbx, rcx, rdx */
	TDX_STEP_INTERRUPT,
};

struct tdx_step {
	enum tdx_step_kind kind;
	unsigned cpu, package;
	tdx_hpa_t pa;
	size_t len;
	struct tdx_regs in, out;
};

struct tdx_record;

/* NULL: no memory. */
struct tdx_record *tdx_record_new(void);
void tdx_record_free(struct tdx_record *record);
size_t tdx_record_count(struct tdx_record *record);
/* False past the last, or when memory was too short to keep it. */
bool tdx_record_step(struct tdx_record *record, size_t i, struct tdx_step *step);
void tdx_record_clear(struct tdx_record *record);
void tdx_record_append(struct tdx_record *record, const struct tdx_step *step);
/* How many calls of the leaf were made. */
size_t tdx_record_calls(struct tdx_record *record, unsigned leaf);

/* A port that does what `below` does and writes it down. NULL: no memory. */
const struct tdx_port *tdx_recorder_new(const struct tdx_port *below, struct tdx_record *record);
void tdx_recorder_free(const struct tdx_port *recorder);

/* A port that answers from the record, beginning at its first step. NULL: no memory. */
const struct tdx_port *tdx_replayer_new(struct tdx_record *record);
/* How many steps were not as recorded; the first in words in `first`, "" if none. At the end, steps
 * that nobody asked for count too. */
size_t tdx_replayer_differences(const struct tdx_port *replayer, char *first, size_t len);
void tdx_replayer_free(const struct tdx_port *replayer);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
