/* SPDX-License-Identifier: MIT */
/* What the fuzzer's host writes down after a call: stages, vCPUs, tables and who has which page. */
#include "fuzz/fuzz_module.h"

uint64_t notes_table_operand(unsigned n)
{
	return n == 0	? TDX_LEVEL_512G
	       : n == 1 ? TDX_LEVEL_1G
			: (n - 2) * TDX_SIZE_2M | TDX_LEVEL_2M;
}

static void note_table(struct slot *s, uint64_t operand, bool there)
{
	for (unsigned n = 0; n < WORLD_TABLES; n++) {
		if (operand != notes_table_operand(n))
			continue;
		if (there)
			atomic_fetch_or(&s->tables, 1u << n);
		else
			atomic_fetch_and(&s->tables, ~(1u << n));
	}
}

static void forget_td(struct actor *a, struct slot *s)
{
	for (unsigned i = 0; i < WORLD_VCPUS; i++)
		atomic_store(&s->vcpu[i], 0);
	for (unsigned i = 0; i < WORLD_PAGES; i++) {
		uint8_t owner = (uint8_t)(s - a->w->slot + 1);

		atomic_compare_exchange_strong(&a->w->used[i], &owner, 0);
	}
	atomic_store(&s->age, 0);
	atomic_store(&s->tables, 0);
	atomic_store(&s->stage, STAGE_NONE);
}

/* What a call that went well changes in the notes. */
void notes_success(struct actor *a, struct slot *s, const struct tdx_regs *in,
		   const struct tdx_regs *out, unsigned vcpu)
{
	uint8_t owner = (uint8_t)(s - a->w->slot + 1);
	unsigned leaf = tdx_rax_leaf(in->rax);

	switch (leaf) {
	case TDH_MNG_CREATE:
		atomic_store(&s->l2_vms, chance(a, 30) ? 1 + below(a, 3) : 0);
		atomic_store(&s->stage, STAGE_CREATED);
		break;
	case TDH_MNG_KEY_CONFIG: /* the other package may still be missing */
		if (a->w->m->cfg.pkgs == 1)
			atomic_store(&s->stage, STAGE_KEYED);
		break;
	case TDH_MNG_ADDCX:
		world_give(a->w, in->rcx, TDX_PAGE_SIZE, owner);
		if (atomic_load(&s->stage) < STAGE_INIT - 1)
			atomic_fetch_add(&s->stage, 1);
		break;
	case TDH_MNG_INIT:
		atomic_store(&s->stage, STAGE_INIT);
		break;
	case TDH_MR_FINALIZE:
		atomic_store(&s->stage, STAGE_RUNNABLE);
		break;
	case TDH_MNG_VPFLUSHDONE:
		atomic_store(&s->stage, STAGE_FLUSHED);
		break;
	case TDH_MNG_KEY_FREEID:
		atomic_store(&s->stage, STAGE_TEARDOWN);
		break;
	case TDH_VP_CREATE:
		world_give(a->w, in->rcx, TDX_PAGE_SIZE, owner);
		atomic_store(&s->vcpu[vcpu], in->rcx);
		break;
	case TDH_VP_ADDCX:
		world_give(a->w, in->rcx, TDX_PAGE_SIZE, owner);
		atomic_fetch_add(&s->vcpu[vcpu], 1);
		break;
	case TDH_VP_INIT:
		atomic_fetch_or(&s->vcpu[vcpu], VCPU_INITIALIZED);
		break;
	case TDH_MEM_SEPT_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
		note_table(s, in->rcx, false);
		break;
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_PAGE_DEMOTE:
		note_table(s, in->rcx, true);
		for (unsigned i = 0; i <= atomic_load(&s->l2_vms); i++)
			world_give(a->w, (&in->r8)[i], TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_ADD:
	case TDH_MEM_PAGE_RELOCATE:
		world_give(a->w, in->r8, TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_AUG:
		world_give(a->w, in->r8, in->rcx & 1 ? TDX_SIZE_2M : TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_REMOVE:
		world_give(a->w, out->rcx & ~0xfffull, in->rcx & 1 ? TDX_SIZE_2M : TDX_PAGE_SIZE,
			   0);
		break;
	case TDH_PHYMEM_PAGE_RECLAIM:
		if (in->rcx == s->tdr)
			forget_td(a, s);
		else
			world_give(a->w, in->rcx, TDX_PAGE_SIZE << 9 * (out->r8 & 3), 0);
		break;
	}
}

/* What the notes had wrong: a page freed, a stage passed by calls from elsewhere. */
void notes_failure(struct actor *a, struct slot *s, const struct tdx_regs *in,
		   struct tdx_status status)
{
	unsigned stage = atomic_load(&s->stage), next = stage, leaf = tdx_rax_leaf(in->rax);

	if (leaf == TDH_MEM_SEPT_ADD && tdx_is(status, TDX_EPT_ENTRY_STATE_INCORRECT))
		note_table(s, in->rcx, true);
	if (tdx_is(status, TDX_TD_FATAL))
		atomic_store(&s->age, WORLD_OLD_AGE);
	if (leaf == TDH_PHYMEM_PAGE_RECLAIM && tdx_is(status, TDX_PAGE_METADATA_INCORRECT))
		world_give(a->w, in->rcx, TDX_PAGE_SIZE, 0);
	if (leaf == TDH_MNG_KEY_CONFIG && stage == STAGE_CREATED &&
	    tdx_is(status, TDX_LIFECYCLE_STATE_INCORRECT))
		next = STAGE_KEYED;
	else if (leaf == TDH_MNG_ADDCX && stage < STAGE_INIT - 1 &&
		 tdx_is(status, TDX_TDCX_NUM_INCORRECT))
		next = STAGE_INIT - 1;
	else if (leaf == TDH_MNG_KEY_FREEID && stage == STAGE_FLUSHED &&
		 tdx_is(status, TDX_LIFECYCLE_STATE_INCORRECT))
		next = STAGE_TEARDOWN;
	else if (leaf == TDH_MNG_INIT && stage == STAGE_INIT - 1 &&
		 tdx_is(status, TDX_OP_STATE_INCORRECT))
		next = STAGE_INIT;
	atomic_compare_exchange_strong(&s->stage, &stage, next);
}
