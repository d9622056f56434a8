/* SPDX-License-Identifier: MIT */
/* Random hosts: calls that mostly make sense for the stage a TD is in, with operands that are
 * mostly right, and a few of each that are not. */
#include "abi/metadata.h"
#include "arch/vmcs.h"
#include "fuzz/fuzz_module_oracle.h"
#include "module/vmcs.h"

struct weighted {
	uint8_t leaf, weight;
};

/* clang-format off */
static const struct weighted building[] = {
	{TDH_MEM_SEPT_ADD, 30}, {TDH_MEM_PAGE_ADD, 25}, {TDH_VP_CREATE, 40}, {TDH_MR_EXTEND, 6},
	{TDH_MR_FINALIZE, 1}, {TDH_MEM_PAGE_REMOVE, 2}, {TDH_MEM_SEPT_REMOVE, 1},
	{TDH_MEM_PAGE_RELOCATE, 1}, {TDH_MEM_RANGE_BLOCK, 1}, {TDH_MEM_PAGE_PROMOTE, 1},
	{TDH_VP_FLUSH, 1}, {TDH_VP_RD, 1}, {TDH_VP_WR, 1}, {TDH_MNG_RD, 1}, {TDH_MNG_WR, 1},
	{TDH_MEM_TRACK, 1}, {TDH_MEM_PAGE_AUG, 1}, {TDH_VP_ENTER, 1},
};
static const struct weighted alive[] = {
	{TDH_VP_ENTER, 40}, {TDH_MEM_PAGE_AUG, 16}, {TDH_MEM_SEPT_ADD, 14},
	{TDH_MEM_RANGE_BLOCK, 6}, {TDH_MEM_TRACK, 6}, {TDH_MEM_PAGE_REMOVE, 8},
	{TDH_MEM_RANGE_UNBLOCK, 5}, {TDH_MEM_PAGE_ADD, 1}, {TDH_MR_EXTEND, 1},
	{TDH_MR_FINALIZE, 1}, {TDH_VP_CREATE, 1}, {TDH_VP_FLUSH, 4}, {TDH_MEM_PAGE_PROMOTE, 5},
	{TDH_MEM_PAGE_DEMOTE, 5}, {TDH_MEM_SEPT_REMOVE, 4}, {TDH_MEM_PAGE_RELOCATE, 4},
	{TDH_MEM_SEPT_RD, 3}, {TDH_MEM_RD, 3}, {TDH_MEM_WR, 3}, {TDH_MNG_RD, 2}, {TDH_MNG_WR, 2},
	{TDH_VP_RD, 3}, {TDH_VP_WR, 3}, {TDH_PHYMEM_PAGE_RDMD, 2}, {TDH_PHYMEM_PAGE_RECLAIM, 1},
	{TDH_PHYMEM_PAGE_WBINVD, 1}, {TDH_PHYMEM_CACHE_WB, 1}, {TDH_PHYMEM_PAMT_ADD, 2},
	{TDH_PHYMEM_PAMT_REMOVE, 1}, {TDH_MNG_INIT, 1}, {TDH_SYS_RD, 1}, {TDH_SYS_INFO, 1},
	{TDH_MNG_KEY_FREEID, 1},
};
static const struct weighted dying[] = {
	{TDH_VP_FLUSH, 20}, {TDH_MNG_VPFLUSHDONE, 4}, {TDH_VP_ENTER, 2}, {TDH_MEM_PAGE_REMOVE, 2},
};
static const struct weighted dead[] = {
	{TDH_PHYMEM_PAGE_RECLAIM, 40}, {TDH_PHYMEM_CACHE_WB, 4}, {TDH_MNG_KEY_FREEID, 4},
	{TDH_PHYMEM_PAGE_WBINVD, 3},   {TDH_MNG_RD, 1},		 {TDH_PHYMEM_PAMT_REMOVE, 2},
};
/* clang-format on */

static unsigned pick(struct actor *a, const struct weighted *w, size_t n)
{
	unsigned sum = 0, r;

	for (size_t i = 0; i < n; i++)
		sum += w[i].weight;
	r = below(a, sum);
	for (size_t i = 0;; i++) {
		if (r < w[i].weight)
			return w[i].leaf;
		r -= w[i].weight;
	}
}
#define PICK(a, table) pick(a, table, sizeof(table) / sizeof((table)[0]))

static unsigned choose(struct actor *a, struct slot *s)
{
	unsigned stage = atomic_load_explicit(&s->stage, memory_order_relaxed);

	if (stage == STAGE_NONE)
		return TDH_MNG_CREATE;
	if (stage == STAGE_CREATED || (stage == STAGE_KEYED && chance(a, 30)))
		return TDH_MNG_KEY_CONFIG;
	if (stage < STAGE_INIT - 1)
		return TDH_MNG_ADDCX;
	if (stage == STAGE_INIT - 1) /* a page more for each L2 VM */
		return chance(a, 30 * atomic_load(&s->l2_vms)) ? TDH_MNG_ADDCX : TDH_MNG_INIT;
	if (stage >= STAGE_FLUSHED)
		return PICK(a, dead);
	if (atomic_fetch_add_explicit(&s->age, 1, memory_order_relaxed) > WORLD_OLD_AGE)
		return PICK(a, dying);
	return stage == STAGE_INIT ? PICK(a, building) : PICK(a, alive);
}

static void begin_recipe(struct actor *a, struct slot *s, uint64_t gpa_level_, unsigned finish)
{
	a->recipe = (struct recipe){.slot = s, .gpa_level = gpa_level_, .finish = finish};
}

/* The next call of the recipe; its operands but those of memory_operands() are fixed. */
static struct tdx_regs follow_recipe(struct actor *a)
{
	struct recipe *c = &a->recipe;
	unsigned vcpu;
	struct tdx_regs r;

	if (c->step == 1)
		return (struct tdx_regs){.rax = TDH_MEM_TRACK, .rcx = c->slot->tdr};
	r = host_operands(a, c->slot, c->step == 0 ? TDH_MEM_RANGE_BLOCK : c->finish, &vcpu);
	r.rcx = c->gpa_level;
	return r;
}

static void recipe_done(struct actor *a, struct tdx_status status)
{
	struct recipe *c = &a->recipe;

	if (tdx_is_success(status) || tdx_is(status, TDX_GPA_RANGE_ALREADY_BLOCKED))
		c->step +=
			c->step == 0 && chance(a, 20) ? 2 : 1; /* now and then without tracking */
	else
		c->tries++;
	if (c->step < 3 && c->tries < 12)
		return;
	if (c->step == 3 && c->finish == TDH_MEM_PAGE_DEMOTE && chance(a, 60))
		begin_recipe(a, c->slot, c->gpa_level, TDH_MEM_PAGE_PROMOTE);
	else
		c->slot = NULL;
}

/* Once in a while, for something that may be mapped. */
static void maybe_recipe(struct actor *a, struct slot *s)
{
	static const uint16_t finish[] = {TDH_MEM_PAGE_REMOVE, TDH_MEM_RANGE_UNBLOCK,
					  TDH_MEM_PAGE_RELOCATE};

	if (atomic_load(&s->stage) != STAGE_RUNNABLE || !chance(a, 10))
		return;
	if (chance(a, 50))
		begin_recipe(a, s, world_gpa_level(a, 0, 0), finish[below(a, 3)]);
	else
		begin_recipe(a, s, (3 + below(a, 3)) * TDX_SIZE_2M | TDX_LEVEL_2M,
			     chance(a, 60)   ? TDH_MEM_PAGE_DEMOTE
			     : chance(a, 70) ? finish[below(a, 2)]
					     : TDH_MEM_SEPT_REMOVE);
}

static struct tdx_regs nonsense(struct actor *a)
{
	struct tdx_regs r;

	for (unsigned i = 0; i < 16; i++)
		*tdx_reg(&r, i) = world_junk(a);
	r.rax = below(a, TDX_SEAMCALL_LEAVES) | (chance(a, 20) ? (uint64_t)below(a, 3) << 16 : 0);
	if (chance(a, 2))
		r.rax = world_junk(a);
	if (tdx_rax_leaf(r.rax) == TDH_SYS_SHUTDOWN) /* the one call that would end the run */
		r.rax = TDH_SYS_RD;
	return r;
}

static void disturb(struct actor *a)
{
	struct machine *m = a->w->m;

	if (chance(a, 3))
		atomic_store(&m->lp[a->lp].irq_countdown, below(a, 3));
	if (a->w->parallel)
		return; /* the rest would disturb others */
	if (chance(a, 1))
		atomic_store(&m->rng_fail, below(a, 3));
	if (chance(a, 1))
		atomic_store(&m->pconfig_result, chance(a, 50) ? 2 : 5);
}

static void calm(struct actor *a)
{
	atomic_store(&a->w->m->lp[a->lp].irq_countdown, -1);
	if (!a->w->parallel) {
		atomic_store(&a->w->m->rng_fail, 0);
		atomic_store(&a->w->m->pconfig_result, 0);
	}
}

/* A guest that can make TDCALLs at once: 64-bit mode with paging. */
static void enter(struct actor *a, struct slot *s, const struct tdx_regs *in)
{
	struct vmcs *vmcs = module_vmcs(a->w->mod, a->lp);

	a->in_guest = true;
	a->guest_slot = s;
	registers_after_entry(a, in);
	atomic_fetch_add_explicit(&a->w->entries, 1, memory_order_relaxed);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(vmcs, VMCS_GUEST_CR0, 1u << 31 | 1u);
	vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 13);
	vmcs_clear_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 14);
}

/* Registers that are no outputs of the leaf come back as they were. */
static bool kept_others(const struct tdx_regs *in, const struct tdx_regs *out)
{
	const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(tdx_rax_leaf(in->rax));
	unsigned may = TDX_REG_BIT(0);

	if (leaf)
		may |= tdx_leaf_outputs(leaf, tdx_rax_version(in->rax));
	if (leaf && leaf->number == TDH_VP_ENTER)
		return true;
	if (leaf && leaf->number == TDH_MEM_SEPT_RD && in->rdx & 1)
		may |= TDX_REG_BIT(8); /* L2 attributes, when asked for */
	for (unsigned i = 0; i < 16; i++)
		if (!(may & TDX_REG_BIT(i)) && (&in->rax)[i] != (&out->rax)[i])
			return false;
	return true;
}

void host_step(struct actor *a)
{
	struct slot *s = &a->w->slot[below(a, WORLD_SLOTS)];
	struct logged *l = &a->log[a->n % WORLD_LOG];
	bool wild = chance(a, 8), recipe = !wild && a->recipe.slot && chance(a, 60);
	struct tdx_regs in, out;
	unsigned leaf, vcpu = 0;

	if (recipe)
		s = a->recipe.slot;
	else if (!wild && !a->recipe.slot)
		maybe_recipe(a, s);
	in = wild     ? nonsense(a)
	     : recipe ? follow_recipe(a)
		      : host_operands(a, s, choose(a, s), &vcpu);
	if (!wild && chance(a, 4))
		*tdx_reg(&in, 1 + below(a, 15)) ^= world_junk(a);
	host_spare_memory(a, &in);
	leaf = tdx_rax_leaf(in.rax);
	*l = (struct logged){.n = a->n, .in = in};
	disturb(a);
	if (a->w->oracle) {
		refused_before(a, s->tdr);
		shadow_before_call(a, &in);
	}
	out = in;
	switch (module_seamcall(a->w->mod, a->lp, &out)) {
	case MODULE_SHUTDOWN:
		a->violation = "a fatal error of the module";
		break;
	case MODULE_TO_GUEST:
		l->rax = TDX_SUCCESS;
		enter(a, s, &in);
		out.rax = TDX_SUCCESS;
		break;
	case MODULE_TO_HOST:
		l->rax = out.rax;
		if (!tdx_status_info(tdx_status(out.rax)))
			a->violation = "a status the ABI does not have";
		else if (!kept_others(&in, &out))
			a->violation = "a register that is no output changed";
		break;
	}
	calm(a);
	if (a->w->oracle && !a->violation) {
		/* a refused write of CR4 has changed what the guest reads of it: Intel's */
		refused_after(a, tdx_status(out.rax), leaf == TDH_VP_WR ? in.rcx : 0);
		shadow_after_call(a, &in, &out);
	}
	if (recipe)
		recipe_done(a, tdx_status(out.rax));
	if (leaf < TDX_SEAMCALL_LEAVES)
		atomic_fetch_add_explicit(&a->w->calls[leaf], 1, memory_order_relaxed);
	if (tdx_is_success(tdx_status(out.rax)) && !a->violation) {
		if (leaf < TDX_SEAMCALL_LEAVES)
			atomic_fetch_add_explicit(&a->w->good[leaf], 1, memory_order_relaxed);
		if (!wild)
			notes_success(a, s, &in, &out, vcpu);
	} else if (!wild) {
		notes_failure(a, s, &in, tdx_status(out.rax));
	}
}
