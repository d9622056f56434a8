/* SPDX-License-Identifier: MIT */
/* Names of states and kinds; see <swtdx/state.h>. Freestanding. */
#include <swtdx/state.h>

static const char *const op_states[] = {
	[TDX_OP_STATE_UNINITIALIZED] = "UNINITIALIZED",
	[TDX_OP_STATE_INITIALIZED] = "INITIALIZED",
	[TDX_OP_STATE_RUNNABLE] = "RUNNABLE",
	[TDX_OP_STATE_LIVE_EXPORT] = "LIVE_EXPORT",
	[TDX_OP_STATE_PAUSED_EXPORT] = "PAUSED_EXPORT",
	[TDX_OP_STATE_POST_EXPORT] = "POST_EXPORT",
	[TDX_OP_STATE_MEMORY_IMPORT] = "MEMORY_IMPORT",
	[TDX_OP_STATE_STATE_IMPORT] = "STATE_IMPORT",
	[TDX_OP_STATE_POST_IMPORT] = "POST_IMPORT",
	[TDX_OP_STATE_LIVE_IMPORT] = "LIVE_IMPORT",
	[TDX_OP_STATE_FAILED_IMPORT] = "FAILED_IMPORT",
	[TDX_OP_STATE_START_IMPORT] = "START_IMPORT",
};

static const char *const lifecycles[] = {
	[TDX_LIFECYCLE_HKID_ASSIGNED] = "HKID_ASSIGNED",
	[TDX_LIFECYCLE_KEYS_CONFIGURED] = "KEYS_CONFIGURED",
	[TDX_LIFECYCLE_BLOCKED] = "BLOCKED",
	[TDX_LIFECYCLE_TEARDOWN] = "TEARDOWN",
};

static const char *const kot_states[] = {
	[TDX_KOT_FREE] = "FREE",
	[TDX_KOT_ASSIGNED] = "ASSIGNED",
	[TDX_KOT_FLUSHED] = "FLUSHED",
	[TDX_KOT_RESERVED] = "RESERVED",
};

static const char *const vcpu_states[] = {
	[TDX_VCPU_UNINITIALIZED] = "UNINITIALIZED",
	[TDX_VCPU_READY] = "READY",
	[TDX_VCPU_ACTIVE] = "ACTIVE",
	[TDX_VCPU_DISABLED] = "DISABLED",
	[TDX_VCPU_IMPORT] = "IMPORT",
};

static const char *const page_types[] = {
	[TDX_PT_NDA] = "NDA", [TDX_PT_RSVD] = "RSVD", [TDX_PT_REG] = "REG",
	[TDX_PT_TDR] = "TDR", [TDX_PT_TDCX] = "TDCX", [TDX_PT_TDVPR] = "TDVPR",
	[TDX_PT_EPT] = "EPT", [TDX_PT_PAMT] = "PAMT",
};

static const char *const sept_states[] = {
	[TDX_SEPT_FREE] = "FREE",
	[TDX_SEPT_REMOVED] = "REMOVED",
	[TDX_SEPT_NL_MAPPED] = "NL_MAPPED",
	[TDX_SEPT_NL_BLOCKED] = "NL_BLOCKED",
	[TDX_SEPT_MAPPED] = "MAPPED",
	[TDX_SEPT_BLOCKED] = "BLOCKED",
	[TDX_SEPT_BLOCKEDW] = "BLOCKEDW",
	[TDX_SEPT_EXPORTED_BLOCKEDW] = "EXPORTED_BLOCKEDW",
	[TDX_SEPT_EXPORTED_DIRTY] = "EXPORTED_DIRTY",
	[TDX_SEPT_EXPORTED_DIRTY_BLOCKEDW] = "EXPORTED_DIRTY_BLOCKEDW",
	[TDX_SEPT_PENDING] = "PENDING",
	[TDX_SEPT_PENDING_BLOCKED] = "PENDING_BLOCKED",
	[TDX_SEPT_PENDING_BLOCKEDW] = "PENDING_BLOCKEDW",
	[TDX_SEPT_PENDING_EXPORTED_BLOCKEDW] = "PENDING_EXPORTED_BLOCKEDW",
	[TDX_SEPT_PENDING_EXPORTED_DIRTY] = "PENDING_EXPORTED_DIRTY",
	[TDX_SEPT_PENDING_EXPORTED_DIRTY_BLOCKEDW] = "PENDING_EXPORTED_DIRTY_BLOCKEDW",
};

static const char *const levels[] = {
	[TDX_LEVEL_4K] = "4K",	   [TDX_LEVEL_2M] = "2M",     [TDX_LEVEL_1G] = "1G",
	[TDX_LEVEL_512G] = "512G", [TDX_LEVEL_256T] = "256T",
};

#define LOOKUP(table, i)                                                                           \
	((size_t)(i) < sizeof(table) / sizeof((table)[0]) && (table)[i] ? (table)[i] : "UNKNOWN")

const char *tdx_op_state_name(unsigned op_state)
{
	return LOOKUP(op_states, op_state);
}

const char *tdx_lifecycle_name(unsigned lifecycle)
{
	return LOOKUP(lifecycles, lifecycle);
}

const char *tdx_kot_state_name(unsigned kot_state)
{
	return LOOKUP(kot_states, kot_state);
}

const char *tdx_vcpu_state_name(unsigned vcpu_state)
{
	return LOOKUP(vcpu_states, vcpu_state);
}

const char *tdx_page_type_name(enum tdx_page_type type)
{
	return LOOKUP(page_types, type);
}

const char *tdx_sept_state_name(enum tdx_sept_state state)
{
	return LOOKUP(sept_states, state);
}

const char *tdx_level_name(unsigned level)
{
	return LOOKUP(levels, level);
}

enum tdx_page_type tdx_page_type(uint64_t raw)
{
	return raw <= TDX_PT_PAMT && page_types[raw] ? (enum tdx_page_type)raw : TDX_PT_UNKNOWN;
}
