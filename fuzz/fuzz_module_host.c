/* SPDX-License-Identifier: MIT */
/* Random hosts: calls that mostly make sense for the stage a TD is in, with operands that are mostly
 * right, and a few of each that are not. */
#include <string.h>

#include "abi/metadata.h"
#include "abi/vmcs.h"
#include "fuzz/fuzz_module.h"
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
	if (stage == STAGE_INIT - 1)
		return TDH_MNG_INIT;
	if (stage >= STAGE_FLUSHED)
		return PICK(a, dead);
	if (atomic_fetch_add_explicit(&s->age, 1, memory_order_relaxed) > WORLD_OLD_AGE)
		return PICK(a, dying);
	return stage == STAGE_INIT ? PICK(a, building) : PICK(a, alive);
}

enum { VCPU_PAGES = 0xf, VCPU_INITIALIZED = 0x800, VCPU_WANTS_PAGES = 5 };

/* A vCPU, most of the time one in the state asked for. */
static uint64_t vcpu_of(struct actor *a, struct slot *s, bool initialized, unsigned *index)
{
	uint64_t v = 0;

	for (unsigned look = 0; look < 6; look++) {
		/* mostly the one that is associated with this processor */
		*index = chance(a, 80) ? a->lp % WORLD_VCPUS : below(a, WORLD_VCPUS);
		v = atomic_load_explicit(&s->vcpu[*index], memory_order_relaxed);
		if (v && !(v & VCPU_INITIALIZED) == !initialized)
			break;
	}
	return v & ~0xfffull;
}

/* The next thing to do for one of the vCPUs. */
static unsigned vcpu_work(struct actor *a, struct slot *s, unsigned *index)
{
	uint64_t v;

	*index = chance(a, 80) ? a->lp % WORLD_VCPUS : below(a, WORLD_VCPUS);
	v = atomic_load_explicit(&s->vcpu[*index], memory_order_relaxed);
	if (!v)
		return TDH_VP_CREATE;
	if ((v & VCPU_PAGES) < VCPU_WANTS_PAGES)
		return TDH_VP_ADDCX;
	return v & VCPU_INITIALIZED ? TDH_MEM_SEPT_ADD : TDH_VP_INIT;
}

static uint64_t params(struct actor *a)
{
	uint64_t pa = WORLD_PARAMS + a->lp * 0x1000ull;
	struct tdx_td_params *p = machine_ptr(a->w->m, pa);

	memset(p, 0, sizeof(*p));
	p->attributes = (chance(a, 50) ? TDX_ATTR_DEBUG : 0) |
			(chance(a, 50) ? TDX_ATTR_SEPT_VE_DISABLE : 0);
	p->xfam = chance(a, 50) ? 3 : 0x602e7;
	p->max_vcpus = (uint16_t)(1 + below(a, 6));
	p->eptp_controls = 0x1e;
	p->tsc_frequency = 100;
	p->config_flags = below(a, 8) & 6;
	if (chance(a, 10))
		((uint64_t *)p)[below(a, 64)] ^= world_junk(a);
	return pa;
}

static uint64_t gpa_level(struct actor *a, unsigned low, unsigned high)
{
	unsigned level = low + below(a, high - low + 1);

	return world_gpa(a, level) | level;
}

enum { TABLES = 5 };

/* GPA and level of the n-th table a TD wants; see struct slot. */
static uint64_t table_operand(unsigned n)
{
	return n == 0 ? TDX_LEVEL_512G :
	       n == 1 ? TDX_LEVEL_1G :
			(n - 2) * TDX_SIZE_2M | TDX_LEVEL_2M;
}

static uint64_t next_table(struct actor *a, const struct slot *s)
{
	unsigned missing = ~atomic_load_explicit(&s->tables, memory_order_relaxed);

	missing &= (1u << TABLES) - 1;
	return missing && chance(a, 80) ? table_operand((unsigned)__builtin_ctz(missing)) :
					  gpa_level(a, 1, 3);
}

static void note_table(struct slot *s, uint64_t operand, bool there)
{
	for (unsigned n = 0; n < TABLES; n++) {
		if (operand != table_operand(n))
			continue;
		if (there)
			atomic_fetch_or(&s->tables, 1u << n);
		else
			atomic_fetch_and(&s->tables, ~(1u << n));
	}
}

static void memory_operands(struct actor *a, struct slot *s, unsigned leaf, struct tdx_regs *r)
{
	r->rdx = s->tdr;
	switch (leaf) {
	case TDH_MEM_PAGE_ADD:
		r->rcx = gpa_level(a, 0, 0);
		r->r8 = world_page(a);
		r->r9 = WORLD_SHARED;
		break;
	case TDH_MEM_PAGE_AUG:
		r->rcx = gpa_level(a, 0, 1);
		if (r->rcx & 1 && chance(a, 90)) /* where no table is wanted */
			r->rcx = (3 + below(a, 3)) * TDX_SIZE_2M | TDX_LEVEL_2M;
		r->r8 = r->rcx & 1 ? world_page_2m(a) : world_page(a);
		break;
	case TDH_MEM_SEPT_ADD:
		r->rcx = next_table(a, s);
		r->r8 = world_page(a);
		if (chance(a, 30)) {
			r->rax |= 1 << 16;
			r->rdx |= below(a, 2);
		}
		break;
	case TDH_MEM_SEPT_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MEM_PAGE_DEMOTE:
		r->rcx = gpa_level(a, 1, 2);
		r->r8 = world_page(a);
		r->r9 = world_page(a);
		r->r10 = world_page(a);
		r->r12 = world_page(a);
		r->r13 = world_page(a);
		break;
	case TDH_MEM_PAGE_RELOCATE:
		r->rcx = gpa_level(a, 0, 0);
		r->r8 = world_page(a);
		break;
	case TDH_MR_EXTEND:
		r->rcx = world_gpa(a, 0) + below(a, 16) * 256;
		break;
	case TDH_MEM_RD:
	case TDH_MEM_WR:
		r->rcx = world_gpa(a, 0) + below(a, 512) * 8;
		r->r8 = rnd(a);
		break;
	default:
		r->rcx = gpa_level(a, 0, chance(a, 80) ? 1 : 3);
	}
}

static struct tdx_regs sensible(struct actor *a, struct slot *s, unsigned leaf, unsigned *vcpu)
{
	struct tdx_regs r;
	unsigned slot = (unsigned)(s - a->w->slot);

	if (leaf == TDH_VP_CREATE)
		leaf = vcpu_work(a, s, vcpu);
	r = (struct tdx_regs){.rax = leaf};
	switch (leaf) {
	case TDH_MNG_CREATE:
		r.rcx = s->tdr;
		r.rdx = WORLD_HKID + 1 + (chance(a, 90) ? slot : below(a, WORLD_SLOTS));
		break;
	case TDH_MNG_KEY_CONFIG:
	case TDH_MNG_KEY_FREEID:
	case TDH_MNG_VPFLUSHDONE:
	case TDH_MR_FINALIZE:
	case TDH_MEM_TRACK:
		r.rcx = s->tdr;
		break;
	case TDH_MNG_ADDCX:
	case TDH_VP_CREATE:
		r.rcx = world_page(a);
		r.rdx = s->tdr;
		break;
	case TDH_MNG_INIT:
		r.rcx = s->tdr;
		r.rdx = params(a);
		break;
	case TDH_VP_ADDCX:
		r.rdx = atomic_load(&s->vcpu[*vcpu]) & ~0xfffull;
		r.rcx = world_page(a);
		break;
	case TDH_VP_INIT:
		r.rcx = atomic_load(&s->vcpu[*vcpu]) & ~0xfffull;
		r.rdx = rnd(a);
		r.r8 = below(a, 6);
		r.rax |= (uint64_t)below(a, 2) << 16;
		break;
	case TDH_VP_ENTER:
		r.rcx = vcpu_of(a, s, true, vcpu);
		r.r10 = rnd(a);
		r.rbx = rnd(a);
		break;
	case TDH_VP_FLUSH:
		r.rcx = vcpu_of(a, s, true, vcpu);
		break;
	case TDH_VP_RD:
	case TDH_VP_WR:
		r.rcx = vcpu_of(a, s, true, vcpu);
		r.rdx = world_metadata_id(a, MD_CTX_VP);
		r.r8 = world_junk(a);
		r.r9 = chance(a, 50) ? ~0ull : world_junk(a);
		break;
	case TDH_MNG_RD:
	case TDH_MNG_WR:
		r.rcx = s->tdr;
		r.rdx = world_metadata_id(a, MD_CTX_TD);
		r.r8 = world_junk(a);
		r.r9 = chance(a, 50) ? ~0ull : world_junk(a);
		break;
	case TDH_SYS_RD:
		r.rdx = world_metadata_id(a, MD_CTX_SYS);
		break;
	case TDH_SYS_INFO:
		r.rcx = WORLD_SHARED + 0x1000 + a->lp * 0x1000;
		r.rdx = 1024;
		r.r8 = r.rcx + 0x400;
		r.r9 = 32;
		break;
	case TDH_PHYMEM_PAGE_RDMD:
		r.rcx = world_owned_page(a, s);
		break;
	case TDH_PHYMEM_PAGE_RECLAIM:
		r.rcx = world_owned_page(a, s);
		if (r.rcx == s->tdr && chance(a, 50)) /* pages nobody noted: look everywhere */
			r.rcx = WORLD_POOL + a->n * 7 % WORLD_PAGES * TDX_PAGE_SIZE;
		if (chance(a, 30))
			r.rcx &= ~(TDX_SIZE_2M - 1);
		break;
	case TDH_PHYMEM_PAGE_WBINVD:
		r.rcx = world_page(a) | (uint64_t)below(a, 64) << 46;
		break;
	case TDH_PHYMEM_CACHE_WB:
		r.rcx = chance(a, 30);
		break;
	case TDH_PHYMEM_PAMT_ADD:
	case TDH_PHYMEM_PAMT_REMOVE:
		r.rcx = (world_page(a) & ~(TDX_SIZE_2M - 1)) | TDX_LEVEL_2M;
		r.rdx = world_page(a);
		r.r8 = world_page(a);
		break;
	default:
		memory_operands(a, s, leaf, &r);
	}
	return r;
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
	r = sensible(a, c->slot, c->step == 0 ? TDH_MEM_RANGE_BLOCK : c->finish, &vcpu);
	r.rcx = c->gpa_level;
	return r;
}

static void recipe_done(struct actor *a, struct tdx_status status)
{
	struct recipe *c = &a->recipe;

	if (tdx_is_success(status) || tdx_is(status, TDX_GPA_RANGE_ALREADY_BLOCKED))
		c->step++;
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
		begin_recipe(a, s, gpa_level(a, 0, 0), finish[below(a, 3)]);
	else
		begin_recipe(a, s, (3 + below(a, 3)) * TDX_SIZE_2M | TDX_LEVEL_2M,
			     chance(a, 60) ? TDH_MEM_PAGE_DEMOTE :
			     chance(a, 70) ? finish[below(a, 2)] :
					     TDH_MEM_SEPT_REMOVE);
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
static void note(struct actor *a, struct slot *s, const struct tdx_regs *in,
		 const struct tdx_regs *out, unsigned vcpu)
{
	uint8_t owner = (uint8_t)(s - a->w->slot + 1);
	unsigned leaf = tdx_rax_leaf(in->rax);

	switch (leaf) {
	case TDH_MNG_CREATE:
		atomic_store(&s->stage, STAGE_CREATED);
		break;
	case TDH_MNG_KEY_CONFIG: /* the other package may still be missing */
		if (a->w->m->cfg.pkgs == 1)
			atomic_store(&s->stage, STAGE_KEYED);
		break;
	case TDH_MNG_ADDCX:
		world_give(a->w, in->rcx, TDX_PAGE_SIZE, owner);
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
		world_give(a->w, in->r8, TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_ADD:
	case TDH_MEM_PAGE_RELOCATE:
		world_give(a->w, in->r8, TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_AUG:
		world_give(a->w, in->r8, in->rcx & 1 ? TDX_SIZE_2M : TDX_PAGE_SIZE, owner);
		break;
	case TDH_MEM_PAGE_REMOVE:
		world_give(a->w, out->rcx & ~0xfffull, in->rcx & 1 ? TDX_SIZE_2M : TDX_PAGE_SIZE, 0);
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
static void relearn(struct actor *a, struct slot *s, const struct tdx_regs *in,
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

/* A host that gives TD or PAMT memory as its own buffer, or as a table of shared memory, destroys it:
 * true on hardware, but nothing to learn from. */
static uint64_t own_buffer(struct actor *a, uint64_t pa)
{
	uint64_t p = machine_strip(a->w->m, pa);
	bool pool = p + 0x2000 >= WORLD_POOL && p < WORLD_POOL + TDX_SIZE_1G;
	bool pamt = p + 0x2000 >= 0x2000000 && p < 0x2500000;

	return pool || pamt ? WORLD_SHARED : pa;
}

static void spare_memory(struct actor *a, struct tdx_regs *r)
{
	enum { SHARED_EPT_POINTER = 0x203c };

	switch (tdx_rax_leaf(r->rax)) {
	case TDH_SYS_INFO:
		r->rcx = own_buffer(a, r->rcx);
		r->r8 = own_buffer(a, r->r8);
		break;
	case TDH_SYS_RDALL:
		r->rdx = own_buffer(a, r->rdx);
		break;
	case TDH_VP_WR:
		if ((r->rdx & 0xffffff) == SHARED_EPT_POINTER)
			r->rdx ^= 1;
		break;
	}
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
static void enter(struct actor *a, struct slot *s)
{
	struct vmcs *vmcs = module_vmcs(a->w->mod, a->lp);

	a->in_guest = true;
	a->guest_slot = s;
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
	in = wild   ? nonsense(a) :
	     recipe ? follow_recipe(a) :
		      sensible(a, s, choose(a, s), &vcpu);
	if (!wild && chance(a, 4))
		*tdx_reg(&in, 1 + below(a, 15)) ^= world_junk(a);
	spare_memory(a, &in);
	leaf = tdx_rax_leaf(in.rax);
	*l = (struct logged){.n = a->n, .in = in};
	disturb(a);
	out = in;
	switch (module_seamcall(a->w->mod, a->lp, &out)) {
	case MODULE_SHUTDOWN:
		a->violation = "a fatal error of the module";
		break;
	case MODULE_TO_GUEST:
		l->rax = TDX_SUCCESS;
		enter(a, s);
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
	if (recipe)
		recipe_done(a, tdx_status(out.rax));
	if (leaf < TDX_SEAMCALL_LEAVES)
		atomic_fetch_add_explicit(&a->w->calls[leaf], 1, memory_order_relaxed);
	if (tdx_is_success(tdx_status(out.rax)) && !a->violation) {
		if (leaf < TDX_SEAMCALL_LEAVES)
			atomic_fetch_add_explicit(&a->w->good[leaf], 1, memory_order_relaxed);
		if (!wild)
			note(a, s, &in, &out, vcpu);
	} else if (!wild) {
		relearn(a, s, &in, tdx_status(out.rax));
	}
}
