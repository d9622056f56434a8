/* SPDX-License-Identifier: MIT */
/* Bundles of a TD's state: metadata lists, a page each, sealed as one message.
 *
 * A call may be interrupted between two pages. What it has done so far, and what it was asked,
 * stays in the stream's page (mig.h), the pages themselves are the host's. An export writes the
 * MBMD last; an import reads it first, writes the fields while it opens the pages, and is over for
 * good when the MAC is wrong in the end. Used by TDH.EXPORT.STATE.* and TDH.IMPORT.STATE.*. */
#ifndef MODULE_BUNDLE_H
#define MODULE_BUNDLE_H

#include "module/metadata.h"
#include "module/mig.h"

struct bundle {
	struct tx *tx;
	struct td td;
	struct migs stream;
	struct md md;	/* whose fields; SYS comes first when `immutable` */
	uint64_t rax;	/* the call, and its operands */
	uint64_t mbmd;	/* R8 */
	uint64_t pages; /* R9 */
	uint64_t tdvpr; /* of a vCPU's state */
	bool immutable;
	uint64_t *list; /* set by bundle_list() */
	uint64_t error; /* of an import: the field that was refused, for RCX */
};

/* R9: enough pages for what is to come, reserved bits. */
struct tdx_status bundle_check_pages(const struct bundle *b, unsigned min);
/* R9: its address. */
struct tdx_status bundle_list(struct bundle *b);

/* The call goes on with one that was interrupted: with the same operands? A try drops it. `begun`
 * (may be NULL) says that there was one. */
struct tdx_status bundle_resume(struct bundle *b, bool *begun);

/* --- export --- */

/* A new message; `specific` as the MBMD has it. The stream is initialised. */
void bundle_export_begin(struct bundle *b, enum mbmd_type type, uint64_t specific);
/* Pages until all is written, the list is too short or an interrupt comes; `written` counts them.
 * On success nothing is left but bundle_export_end(), on TDX_INTERRUPTED_* the call ends. */
struct tdx_status bundle_export(struct bundle *b, uint32_t *written);
/* R8. */
struct tdx_status bundle_export_end(struct bundle *b);

/* --- import: statuses are plain, the caller makes them fatal --- */

/* R8 and what the MBMD says of itself. */
struct tdx_status bundle_import_begin(struct bundle *b, enum mbmd_type type, uint32_t epoch,
				      uint64_t reserved);
/* The message begins. */
void bundle_import_open(struct bundle *b);
/* R9, and its pages, `min` at least, until all of the list is read and the MAC compared, or an
 * interrupt comes. */
struct tdx_status bundle_import(struct bundle *b, unsigned min);

static inline bool bundle_interrupted(struct tdx_status s)
{
	return tdx_is(s, TDX_INTERRUPTED_RESUMABLE) || tdx_is(s, TDX_INTERRUPTED_BUSY);
}

#endif
