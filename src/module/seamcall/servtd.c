/* SPDX-License-Identifier: MIT */
/* TDH.SERVTD.BIND, TDH.SERVTD.PREBIND: the service TD of a TD, a migration TD. BIND remembers in
 * the TDCS who it is, by UUID and by the hash of its TDINFO; PREBIND only the hash, of one to come.
 * A hash that was remembered must be met by whoever is bound later.
 *
 * Locks: TDR and OP_STATE shared, BIND those of the service TD too, and its RTMRs shared; the table
 * of bindings exclusive. */
#include <string.h>

#include "module/leaves.h"
#include "module/page.h"
#include "module/report.h"
#include "module/servtd.h"
#include "module/sept.h"

/* States of a TD that can serve another. */
#define SERVING_OP_STATES                                                                          \
	(TDX_OP_STATE_BIT(TDX_OP_STATE_RUNNABLE) | TDX_OP_STATE_BIT(TDX_OP_STATE_LIVE_EXPORT) |    \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_PAUSED_EXPORT) |                                            \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_POST_EXPORT) | TDX_OP_STATE_BIT(TDX_OP_STATE_POST_IMPORT) | \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_LIVE_IMPORT))

/* States in which a TD may get a binding that nothing prepared. */
#define FIRST_BIND_OP_STATES                                                                       \
	(TDX_OP_STATE_BIT(TDX_OP_STATE_UNINITIALIZED) | TDX_OP_STATE_BIT(TDX_OP_STATE_INITIALIZED))

static struct tdx_status served_td(struct tx *tx, uint64_t pa, struct td *td)
{
	return tx_td(tx, hpa(pa), TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, td);
}

static struct tdx_status service_td(struct tx *tx, uint64_t pa, struct td *td)
{
	struct tdx_status s = tx_tdr(tx, hpa(pa), TDX_OPERAND_ID_RDX, LOCK_SHARED, td);

	if (!tdx_is_success(s))
		return s;
	s = tx_td_built(td);
	if (!tdx_is_success(s))
		return s;
	tx_map_tdcs(tx, td);
	s = tx_lock(tx, LOCK_OP_STATE, td->pa.v, &td->tdcs->op_state_lock, LOCK_SHARED,
		    TDX_OPERAND_ID_OP_STATE);
	if (!tdx_is_success(s))
		return s;
	if (!(SERVING_OP_STATES & TDX_OP_STATE_BIT(td->tdcs->op_state)))
		return tdx_error_num(TDX_OP_STATE_INCORRECT, td->tdcs->op_state);
	return s;
}

/* R8 the slot, R9 the type, R10 the attributes; then the slot is the caller's alone. */
static struct tdx_status slot(struct tx *tx, const struct td *td, const struct tdx_regs *in,
			      struct servtd_binding **b)
{
	if (in->r8 >= TD_MAX_SERVTDS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	if (in->r9 != SERVTD_TYPE_MIGTD)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);
	if (in->r10 & ~SERVTD_ATTR_ALLOWED)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	*b = &td->tdcs->servtd[in->r8];
	return tx_lock(tx, LOCK_SERVTD_BINDINGS, td->pa.v, &td->tdcs->servtd_bindings_lock,
		       LOCK_EXCLUSIVE, TDX_OPERAND_ID_SERVTD_BINDINGS);
}

/* May whoever has this hash be bound? */
static struct tdx_status admit(const struct td *td, const struct servtd_binding *b,
			       const struct tdx_regs *in, const uint8_t hash[TDX_SHA384_SIZE])
{
	if (b->state == SERVTD_NOT_BOUND)
		return FIRST_BIND_OP_STATES & TDX_OP_STATE_BIT(td->tdcs->op_state)
			       ? tdx_success()
			       : tdx_error_num(TDX_OP_STATE_INCORRECT, td->tdcs->op_state);
	if (b->type != in->r9)
		return tdx_error(TDX_SERVTD_TYPE_MISMATCH);
	if (b->attributes != in->r10)
		return tdx_error(TDX_SERVTD_ATTR_MISMATCH);
	if (memcmp(b->info_hash, hash, TDX_SHA384_SIZE) != 0)
		return tdx_error(TDX_SERVTD_INFO_HASH_MISMATCH);
	return tdx_success();
}

static void remember(const struct td *td, struct servtd_binding *b, const struct tdx_regs *in,
		     const uint8_t hash[TDX_SHA384_SIZE], enum servtd_state state)
{
	if (b->state == SERVTD_NOT_BOUND)
		td->tdcs->servtd_num++;
	b->state = (uint8_t)state;
	b->type = (uint16_t)in->r9;
	b->attributes = in->r10;
	memcpy(b->info_hash, hash, TDX_SHA384_SIZE);
}

static struct tdx_status bind(struct tx *tx, const struct tdx_regs *in, struct tdx_regs *out)
{
	uint8_t hash[TDX_SHA384_SIZE];
	struct tdx_td_info info;
	struct servtd_binding *b;
	struct td td, service;
	struct tdx_status s;

	if (in->rcx == in->rdx)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	s = served_td(tx, in->rcx, &td);
	if (tdx_is_success(s))
		s = service_td(tx, in->rdx, &service);
	if (tdx_is_success(s))
		s = slot(tx, &td, in, &b);
	if (tdx_is_success(s))
		s = td_info_read(tx, service.pa, service.tdcs, SERVTD_ATTR_IGNORE(in->r10), &info,
				 hash, NULL);
	if (tdx_is_success(s))
		s = admit(&td, b, in, hash);
	if (!tdx_is_success(s))
		return s;
	remember(&td, b, in, hash, SERVTD_BOUND);
	memcpy(b->uuid, service.tdr->td_uuid, sizeof(b->uuid));
	out->rcx = servtd_handle(td.pa, in->r8, b->uuid[0]);
	out->r10 = td.tdr->td_uuid[0];
	out->r11 = td.tdr->td_uuid[1];
	out->r12 = td.tdr->td_uuid[2];
	out->r13 = td.tdr->td_uuid[3];
	return s;
}

struct tdx_status leaf_tdh_servtd_bind(struct tx *tx, struct tdx_regs *regs)
{
	struct tdx_regs in = *regs;

	regs->rcx = regs->r10 = regs->r11 = regs->r12 = regs->r13 = 0;
	return bind(tx, &in, regs);
}

struct tdx_status leaf_tdh_servtd_prebind(struct tx *tx, struct tdx_regs *regs)
{
	uint8_t hash[TDX_SHA384_SIZE];
	struct servtd_binding *b;
	struct td td;
	struct tdx_status s = served_td(tx, regs->rcx, &td);

	if (tdx_is_success(s))
		s = tx_shared_read(tx, hpa(regs->rdx), 64, TDX_OPERAND_ID_RDX, hash, sizeof(hash));
	if (tdx_is_success(s))
		s = slot(tx, &td, regs, &b);
	if (!tdx_is_success(s))
		return s;
	if (b->state == SERVTD_BOUND)
		return tdx_error(TDX_SERVTD_BOUND);
	remember(&td, b, regs, hash, SERVTD_PRE_BOUND);
	return s;
}
