/* SPDX-License-Identifier: MIT */
/* States and kinds the ABI encodes: of a TD, a vCPU, a KeyID, a physical page, a Secure-EPT entry.
 *
 * ABI: module 1.5.25. Encodings are the ABI's unless a line says that it is only an index. A value
 * read from the module goes through tdx_page_type() and its like, which
 * answer ..._UNKNOWN for what is not listed here; the raw register still tells all.
 * Names are static strings. Freestanding, any thread, usable from C++. */
#ifndef SWTDX_STATE_H
#define SWTDX_STATE_H

#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* TDCS.OP_STATE: where the TD is in its operation. */
enum tdx_op_state {
	TDX_OP_STATE_UNINITIALIZED = 0,
	TDX_OP_STATE_INITIALIZED = 1,
	TDX_OP_STATE_RUNNABLE = 2,
	TDX_OP_STATE_LIVE_EXPORT = 3,
	TDX_OP_STATE_PAUSED_EXPORT = 4,
	TDX_OP_STATE_POST_EXPORT = 5,
	TDX_OP_STATE_MEMORY_IMPORT = 6,
	TDX_OP_STATE_STATE_IMPORT = 7,
	TDX_OP_STATE_POST_IMPORT = 8,
	TDX_OP_STATE_LIVE_IMPORT = 9,
	TDX_OP_STATE_FAILED_IMPORT = 10,
	TDX_OP_STATE_START_IMPORT = 11,
};
#define TDX_OP_STATES 12

/* Sets of the above, one bit per state. */
#define TDX_OP_STATE_BIT(state) (1u << (state))
/* A TLB may hold what a blocked entry mapped: blocking must be followed by tracking. */
#define TDX_OP_STATES_TRACKED                                                                      \
	(TDX_OP_STATE_BIT(TDX_OP_STATE_RUNNABLE) | TDX_OP_STATE_BIT(TDX_OP_STATE_LIVE_EXPORT) |    \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_LIVE_IMPORT))
#define TDX_OP_STATES_INITIALIZED (0x7ffu & ~TDX_OP_STATE_BIT(TDX_OP_STATE_UNINITIALIZED))
#define TDX_OP_STATES_FINALIZED                                                                    \
	(TDX_OP_STATES_INITIALIZED & ~(TDX_OP_STATE_BIT(TDX_OP_STATE_INITIALIZED) |                \
				       TDX_OP_STATE_BIT(TDX_OP_STATE_FAILED_IMPORT)))

/* TDR.LIFECYCLE_STATE. */
enum tdx_lifecycle {
	TDX_LIFECYCLE_HKID_ASSIGNED = 0,
	TDX_LIFECYCLE_KEYS_CONFIGURED = 1,
	TDX_LIFECYCLE_BLOCKED = 2,
	TDX_LIFECYCLE_TEARDOWN = 3,
};

/* State of a KeyID in the key ownership table. */
enum tdx_kot_state {
	TDX_KOT_FREE = 0,
	TDX_KOT_ASSIGNED = 1,
	TDX_KOT_FLUSHED = 2,
	TDX_KOT_RESERVED = 3,
};

/* TDVPS.STATE; TDX_VCPU_STATE_INCORRECT carries it in its details. */
enum tdx_vcpu_state {
	TDX_VCPU_UNINITIALIZED = 0,
	TDX_VCPU_READY = 2,
	TDX_VCPU_ACTIVE = 4,
	TDX_VCPU_DISABLED = 8,
	TDX_VCPU_IMPORT = 16,
};

/* Type of a physical page in the PAMT. */
enum tdx_page_type {
	TDX_PT_NDA = 0, /* free */
	TDX_PT_RSVD = 1,
	TDX_PT_REG = 3, /* private memory of a TD */
	TDX_PT_TDR = 4,
	TDX_PT_TDCX = 5,
	TDX_PT_TDVPR = 6,
	TDX_PT_EPT = 8,
	TDX_PT_PAMT = 15,
	TDX_PT_UNKNOWN = -1,
};

/* State of a Secure-EPT entry. These are indices; the entry's own encoding is in abi/sept.h and the
 * value a leaf reports is tdx_sept_public() of abi/sept.h. */
enum tdx_sept_state {
	TDX_SEPT_FREE = 0,
	TDX_SEPT_REMOVED = 1,
	TDX_SEPT_NL_MAPPED = 2,
	TDX_SEPT_NL_BLOCKED = 3,
	TDX_SEPT_MAPPED = 4,
	TDX_SEPT_BLOCKED = 5,
	TDX_SEPT_BLOCKEDW = 6,
	TDX_SEPT_EXPORTED_BLOCKEDW = 7,
	TDX_SEPT_EXPORTED_DIRTY = 8,
	TDX_SEPT_EXPORTED_DIRTY_BLOCKEDW = 9,
	TDX_SEPT_PENDING = 10,
	TDX_SEPT_PENDING_BLOCKED = 11,
	TDX_SEPT_PENDING_BLOCKEDW = 12,
	TDX_SEPT_PENDING_EXPORTED_BLOCKEDW = 13,
	TDX_SEPT_PENDING_EXPORTED_DIRTY = 14,
	TDX_SEPT_PENDING_EXPORTED_DIRTY_BLOCKEDW = 15,
	TDX_SEPT_UNKNOWN = -1,
};
#define TDX_SEPT_STATES		  16
#define TDX_SEPT_STATE_BIT(state) (1u << (state))

/* Names without prefix ("RUNNABLE", "TDCX", "PENDING_BLOCKED", "4K"); "UNKNOWN" for other values.
 */
const char *tdx_op_state_name(unsigned op_state);
const char *tdx_lifecycle_name(unsigned lifecycle);
const char *tdx_kot_state_name(unsigned kot_state);
const char *tdx_vcpu_state_name(unsigned vcpu_state);
const char *tdx_page_type_name(enum tdx_page_type type);
const char *tdx_sept_state_name(enum tdx_sept_state state);
const char *tdx_level_name(unsigned level);

/* RCX of TDH.PHYMEM.PAGE.RDMD and RECLAIM as a type. */
enum tdx_page_type tdx_page_type(uint64_t raw);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
