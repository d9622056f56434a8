/* SPDX-License-Identifier: MIT */
/* Operands for the fuzzer's host: what a caller who knows the rules would give each leaf, and the
 * memory of its own that a caller must give. */
#include <string.h>

#include "abi/metadata.h"
#include "fuzz/fuzz_module.h"

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
	if ((v & VCPU_PAGES) < VCPU_WANTS_PAGES + VCPU_PAGES_PER_L2_VM * s->l2_vms)
		return TDH_VP_ADDCX;
	return v & VCPU_INITIALIZED ? TDH_MEM_SEPT_ADD : TDH_VP_INIT;
}

static uint64_t params(struct actor *a, const struct slot *s)
{
	uint64_t pa = WORLD_PARAMS + a->lp * 0x1000ull;
	struct tdx_td_params *p = machine_ptr(a->w->m, pa);

	memset(p, 0, sizeof(*p));
	p->attributes = (chance(a, 50) ? TDX_ATTR_DEBUG : 0) |
			(chance(a, 50) ? TDX_ATTR_SEPT_VE_DISABLE : 0);
	p->xfam = chance(a, 50) ? 3 : 0x602e7;
	p->max_vcpus = (uint16_t)(1 + below(a, 6));
	p->num_l2_vms = (uint8_t)s->l2_vms;
	p->eptp_controls = 0x1e;
	p->tsc_frequency = 100;
	p->config_flags = below(a, 8) & 6;
	if (chance(a, 10))
		((uint64_t *)p)[below(a, 64)] ^= world_junk(a);
	return pa;
}

static uint64_t next_table(struct actor *a, const struct slot *s)
{
	unsigned missing = ~atomic_load_explicit(&s->tables, memory_order_relaxed);

	missing &= (1u << WORLD_TABLES) - 1;
	return missing && chance(a, 80) ? notes_table_operand((unsigned)__builtin_ctz(missing))
					: world_gpa_level(a, 1, 3);
}

static void memory_operands(struct actor *a, struct slot *s, unsigned leaf, struct tdx_regs *r)
{
	r->rdx = s->tdr;
	switch (leaf) {
	case TDH_MEM_PAGE_ADD:
		r->rcx = world_gpa_level(a, 0, 0);
		r->r8 = world_page(a);
		r->r9 = WORLD_SHARED;
		break;
	case TDH_MEM_PAGE_AUG:
		r->rcx = world_gpa_level(a, 0, 1);
		if (r->rcx & 1 && chance(a, 90)) /* where no table is wanted */
			r->rcx = (3 + below(a, 3)) * TDX_SIZE_2M | TDX_LEVEL_2M;
		r->r8 = r->rcx & 1 ? world_page_2m(a) : world_page(a);
		break;
	case TDH_MEM_SEPT_ADD:
		r->rcx = next_table(a, s);
		r->r8 = world_page(a);
		if (chance(a, s->l2_vms ? 80 : 30)) {
			r->rax |= 1 << 16;
			r->rdx |= below(a, 2);
		}
		r->r9 = r->r10 = r->r11 = ~0ull; /* no tables for L2 VMs */
		for (unsigned vm = 1; vm <= s->l2_vms; vm++)
			if (chance(a, 80)) {
				r->rax |= 1 << 16;
				(&r->r8)[vm] = world_page(a);
			}
		break;
	case TDH_MEM_SEPT_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MEM_PAGE_DEMOTE:
		r->rcx = world_gpa_level(a, 1, 2);
		r->r8 = world_page(a);
		r->r9 = world_page(a);
		r->r10 = world_page(a);
		r->r11 = world_page(a);
		r->r12 = world_page(a);
		r->r13 = world_page(a);
		break;
	case TDH_MEM_PAGE_RELOCATE:
		r->rcx = world_gpa_level(a, 0, 0);
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
		r->rcx = world_gpa_level(a, 0, chance(a, 80) ? 1 : 3);
	}
}

struct tdx_regs host_operands(struct actor *a, struct slot *s, unsigned leaf, unsigned *vcpu)
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
		r.rdx = params(a, s);
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
		for (unsigned i = 2; i < 16; i++)
			*tdx_reg(&r, i) = rnd(a);
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
		r.rcx = chance(a, 15) ? s->tdr : world_owned_page(a, s);
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

static uint64_t own_buffer(struct actor *a, uint64_t pa)
{
	uint64_t p = machine_strip(a->w->m, pa);
	bool pool = p + 0x2000 >= WORLD_POOL && p < WORLD_POOL + TDX_SIZE_1G;
	bool pamt = p + 0x2000 >= 0x2000000 && p < 0x2500000;

	return pool || pamt ? WORLD_SHARED : pa;
}

/* Operands that are an address and more: of a list, an MBMD, a page of MACs. One is the TD's or the
 * vCPU's own. */
static void spare_lists(struct actor *a, struct tdx_regs *r, unsigned but)
{
	const uint64_t address = 0x000fffffffffff80ull;

	for (unsigned i = 1; i < 16; i++) {
		uint64_t *v = tdx_reg(r, i);
		const uint64_t pa = *v & address;

		if (i != but && own_buffer(a, pa) != pa)
			*v = (*v & ~address) | WORLD_SHARED;
	}
}

/* The module writes where it is told to, as the host would: into pages of its own, too, which ends
 * the machine. A page that is nobody's now may be one when the call comes to it. */
void host_spare_memory(struct actor *a, struct tdx_regs *r)
{
	enum { SHARED_EPT_POINTER = 0x203c, RCX = 1, RDX = 2 };

	switch (tdx_rax_leaf(r->rax)) {
	case TDH_SYS_INFO:
		r->rcx = own_buffer(a, r->rcx);
		r->r8 = own_buffer(a, r->r8);
		break;
	case TDH_SYS_RDALL:
		r->rdx = own_buffer(a, r->rdx);
		break;
	case TDH_EXPORT_BLOCKW:
	case TDH_EXPORT_RESTORE:
	case TDH_EXPORT_MEM:
	case TDH_IMPORT_MEM:
		spare_lists(a, r, RDX);
		break;
	case TDH_EXPORT_ABORT:
	case TDH_EXPORT_TRACK:
	case TDH_EXPORT_STATE_IMMUTABLE:
	case TDH_EXPORT_STATE_TD:
	case TDH_EXPORT_STATE_VP:
	case TDH_IMPORT_ABORT:
	case TDH_IMPORT_TRACK:
	case TDH_IMPORT_STATE_IMMUTABLE:
	case TDH_IMPORT_STATE_TD:
	case TDH_IMPORT_STATE_VP:
		spare_lists(a, r, RCX);
		break;
	case TDH_VP_WR:
		if ((r->rdx & 0xffffff) == SHARED_EPT_POINTER)
			r->rdx ^= 1;
		break;
	}
}
