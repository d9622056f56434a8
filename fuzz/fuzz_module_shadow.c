/* SPDX-License-Identifier: MIT */
/* A second opinion on a TD: its measurements, the content of its pages, and who may still have a
 * translation, from the calls that went well and in terms of their order alone. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "abi/operand.h"
#include "abi/sept.h"
#include "fuzz/fuzz_module_oracle.h"
#include "module/internal.h"
#include "module/pamt.h"

bool oracle_make(struct world *w)
{
	struct oracle *o = calloc(1, sizeof(*o));

	w->oracle = o;
	if (o)
		o->saved.content = malloc(ORACLE_PAGES * sizeof(*o->saved.content));
	return o && o->saved.content;
}

void oracle_free(struct world *w)
{
	struct oracle *o = w->oracle;

	for (unsigned i = 0; o && i < WORLD_SLOTS; i++)
		EVP_MD_CTX_free(o->td[i].build);
	if (o)
		free(o->saved.content);
	free(o);
	w->oracle = NULL;
}

struct vcpu_shadow *shadow_vcpu(struct oracle *o, uint64_t tdvpr, bool make)
{
	struct vcpu_shadow *unused = NULL;

	for (unsigned i = 0; i < ORACLE_VCPUS; i++) {
		if (o->vcpu[i].tdvpr == tdvpr)
			return &o->vcpu[i];
		if (!o->vcpu[i].tdvpr && !unused)
			unused = &o->vcpu[i];
	}
	if (!make || !unused)
		return NULL;
	*unused = (struct vcpu_shadow){.tdvpr = tdvpr};
	return unused;
}

static void forget_vcpu(struct oracle *o, uint64_t tdvpr)
{
	struct vcpu_shadow *v = shadow_vcpu(o, tdvpr, false);

	if (v)
		v->tdvpr = 0;
}

static void forget_registers(struct oracle *o, uint64_t tdvpr)
{
	struct vcpu_shadow *v = shadow_vcpu(o, tdvpr, false);

	if (v)
		v->left = false;
}

static struct td_shadow *td_of(const struct world *w, uint64_t tdr)
{
	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		if (w->slot[i].tdr == tdr)
			return &w->oracle->td[i];
	return NULL;
}

/* --- measurement --- */

static void measure(struct td_shadow *t, const char *what, uint64_t gpa_)
{
	uint8_t block[128] = {0};

	memcpy(block, what, strlen(what));
	memcpy(block + 16, &gpa_, sizeof(gpa_));
	EVP_DigestUpdate(t->build, block, sizeof(block));
}

static void begin(struct td_shadow *t)
{
	EVP_MD_CTX_free(t->build);
	t->build = EVP_MD_CTX_new();
	t->built = false;
	memset(t->rtmr, 0, sizeof(t->rtmr));
	EVP_DigestInit_ex(t->build, EVP_sha384(), NULL);
}

static void finalize(struct actor *a, struct td_shadow *t, const struct tdcs *tdcs)
{
	EVP_DigestFinal_ex(t->build, t->mrtd, NULL);
	EVP_MD_CTX_free(t->build);
	t->build = NULL;
	t->built = true;
	if (memcmp(t->mrtd, tdcs->mrtd, sizeof(t->mrtd)))
		a->violation = "MRTD is not what was measured";
}

static void check_registers(struct actor *a, const struct td_shadow *t, const struct tdcs *tdcs)
{
	if (t->built && memcmp(t->mrtd, tdcs->mrtd, sizeof(t->mrtd)))
		a->violation = "MRTD changed after TDH.MR.FINALIZE";
	if ((t->built || t->build) && memcmp(t->rtmr, tdcs->rtmr, sizeof(t->rtmr)))
		a->violation = "an RTMR is not what was extended";
}

/* --- translations --- */

static void block(struct oracle *o, struct td_shadow *t, uint64_t gpa_level_)
{
	unsigned unused = ORACLE_BLOCKED;

	for (unsigned i = 0; i < ORACLE_BLOCKED; i++) {
		if (t->blocked[i].time && t->blocked[i].gpa_level == gpa_level_)
			return;
		if (!t->blocked[i].time)
			unused = i;
	}
	if (unused < ORACLE_BLOCKED) {
		t->blocked[unused].gpa_level = gpa_level_;
		t->blocked[unused].time = o->time;
	}
}

/* When it was blocked, which is over with this; now when it was not. */
static uint64_t unblock(const struct oracle *o, struct td_shadow *t, uint64_t gpa_level_)
{
	for (unsigned i = 0; i < ORACLE_BLOCKED; i++) {
		uint64_t time = t->blocked[i].time;

		if (!time || t->blocked[i].gpa_level != gpa_level_)
			continue;
		t->blocked[i].time = 0;
		return time;
	}
	return o->time;
}

/* The mapping is gone, or another: no vCPU inside may have it from before it was blocked. */
static void gone(struct actor *a, struct td_shadow *t, uint64_t tdr, uint64_t gpa_level_)
{
	struct oracle *o = a->w->oracle;
	uint64_t since = unblock(o, t, gpa_level_);

	for (unsigned i = 0; i < WORLD_LPS; i++) {
		const struct lp *lp = &a->w->mod->lp[i];
		const struct vcpu_shadow *v;

		if (!lp->in_guest || lp->tdr_pa.v != tdr)
			continue;
		v = shadow_vcpu(o, lp->tdvpr_pa.v, false);
		if (v && v->tlb_since < since)
			a->violation = "a mapping went that a vCPU inside may have in its TLB";
	}
}

/* At entry the TLB is emptied when the TD was tracked since, or the processor is another one. */
static void entered(struct actor *a, struct td_shadow *t)
{
	struct oracle *o = a->w->oracle;
	struct vcpu_shadow *v = shadow_vcpu(o, a->w->mod->lp[a->lp].tdvpr_pa.v, true);

	if (!v)
		return;
	if (!v->tlb_since || v->lp != a->lp || v->tracks != t->tracks)
		v->tlb_since = o->time;
	v->lp = a->lp;
	v->tracks = t->tracks;
}

/* --- a SEAMCALL --- */

/* What a host left in a page it gives must not be seen by the guest that accepts it. */
static void dirty(struct actor *a, uint64_t pa, uint64_t size)
{
	uint64_t *word;

	if (pa - WORLD_POOL >= WORLD_PAGES * TDX_PAGE_SIZE || pa % size ||
	    atomic_load(&a->w->used[(pa - WORLD_POOL) / TDX_PAGE_SIZE]))
		return;
	for (uint64_t at = 0; at < size; at += TDX_PAGE_SIZE) {
		const struct pamt_entry *e = pamt_4k(a->w->mod, pa + at);

		if (!e || (e->type & PAMT_TYPE_MASK) != TDX_PT_NDA ||
		    (a->w->dynamic && pamt_bitmap_get(a->w->mod, pa + at)))
			continue;
		word = machine_ptr(a->w->m, pa + at);
		word[below(a, 512)] = rnd(a);
		word[below(a, 512)] = rnd(a);
	}
}

void shadow_before_call(struct actor *a, const struct tdx_regs *in)
{
	uint64_t *source = machine_ptr(a->w->m, WORLD_SHARED);

	a->w->oracle->time++;
	switch (tdx_rax_leaf(in->rax)) {
	case TDH_MEM_PAGE_AUG:
		dirty(a, in->r8, in->rcx & 1 ? TDX_SIZE_2M : TDX_PAGE_SIZE);
		break;
	case TDH_MEM_PAGE_ADD:
		source[below(a, 512)] = rnd(a);
		break;
	default:
		break;
	}
}

static void added(struct actor *a, struct td_shadow *t, const struct tdcs *tdcs,
		  const struct tdx_regs *in)
{
	uint64_t gpa_ = gpa_level_gpa(in->rcx).v, pa = td_translate(a->w, tdcs, gpa_);

	if (pa != in->r8)
		a->violation = "an added page is not where it was put";
	else if (machine_is_ram(a->w->m, in->r9, TDX_PAGE_SIZE) &&
		 memcmp(machine_ptr(a->w->m, pa), machine_ptr(a->w->m, in->r9), TDX_PAGE_SIZE))
		a->violation = "an added page is not a copy";
	if (t->build)
		measure(t, "MEM.PAGE.ADD", gpa_);
}

static void extended(struct actor *a, struct td_shadow *t, const struct tdcs *tdcs, uint64_t gpa_)
{
	uint64_t pa = td_translate(a->w, tdcs, gpa_);

	if (!pa) {
		a->violation = "what is not mapped was measured";
		return;
	}
	if (!t->build)
		return;
	measure(t, "MR.EXTEND", gpa_);
	EVP_DigestUpdate(t->build, machine_ptr(a->w->m, pa), 256);
}

static void memory_call(struct actor *a, const struct tdx_regs *in, unsigned leaf)
{
	uint64_t tdr = leaf == TDH_MEM_SEPT_ADD ? in->rdx & SEPT_HPA_MASK : in->rdx;
	struct td_shadow *t = td_of(a->w, tdr);
	const struct tdcs *tdcs = t ? td_tdcs(a->w, tdr) : NULL;

	if (!tdcs)
		return;
	switch (leaf) {
	case TDH_MEM_PAGE_ADD:
		added(a, t, tdcs, in);
		break;
	case TDH_MR_EXTEND:
		extended(a, t, tdcs, in->rcx);
		break;
	case TDH_MEM_RANGE_BLOCK:
		block(a->w->oracle, t, in->rcx);
		break;
	case TDH_MEM_RANGE_UNBLOCK:
		(void)unblock(a->w->oracle, t, in->rcx);
		break;
	case TDH_MEM_PAGE_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MEM_PAGE_DEMOTE:
	case TDH_MEM_PAGE_RELOCATE:
	case TDH_MEM_SEPT_REMOVE:
		gone(a, t, tdr, in->rcx);
		break;
	default:
		break;
	}
}

static void td_call(struct actor *a, const struct tdx_regs *in, unsigned leaf)
{
	struct td_shadow *t = td_of(a->w, in->rcx);
	const struct tdcs *tdcs = t ? td_tdcs(a->w, in->rcx) : NULL;

	if (!t)
		return;
	switch (leaf) {
	case TDH_MNG_CREATE:
		EVP_MD_CTX_free(t->build);
		memset(t, 0, sizeof(*t));
		break;
	case TDH_MNG_INIT:
		begin(t);
		break;
	case TDH_MR_FINALIZE:
		if (t->build && tdcs)
			finalize(a, t, tdcs);
		break;
	case TDH_MEM_TRACK:
		t->tracks++;
		break;
	default:
		break;
	}
	if (tdcs)
		check_registers(a, t, tdcs);
}

void shadow_after_call(struct actor *a, const struct tdx_regs *in, const struct tdx_regs *out)
{
	const struct lp *lp = &a->w->mod->lp[a->lp];
	unsigned leaf = tdx_rax_leaf(in->rax);
	struct td_shadow *t;

	if (!tdx_is_success(tdx_status(out->rax)))
		return;
	switch (leaf) {
	case TDH_MNG_CREATE:
	case TDH_MNG_INIT:
	case TDH_MR_FINALIZE:
	case TDH_MEM_TRACK:
		td_call(a, in, leaf);
		break;
	case TDH_VP_CREATE:
	case TDH_VP_FLUSH:
		forget_vcpu(a->w->oracle, in->rcx);
		break;
	case TDH_VP_WR: /* registers of a debugged vCPU, too */
		forget_registers(a->w->oracle, in->rcx);
		break;
	case TDH_VP_ENTER:
		t = lp->in_guest ? td_of(a->w, lp->tdr_pa.v) : NULL;
		if (t)
			entered(a, t);
		break;
	default:
		memory_call(a, in, leaf);
	}
}

/* --- a TDCALL --- */

void shadow_before_tdcall(struct actor *a, const struct tdx_regs *in)
{
	struct oracle *o = a->w->oracle;
	uint64_t pa;

	o->time++;
	o->extension_read = false;
	if (tdx_rax_leaf(in->rax) != TDG_MR_RTMR_EXTEND || in->rcx >> 47)
		return;
	pa = td_translate(a->w, a->w->mod->lp[a->lp].tdcs, in->rcx);
	if (!pa || (in->rcx & (TDX_PAGE_SIZE - 1)) > TDX_PAGE_SIZE - sizeof(o->extension))
		return;
	memcpy(o->extension, machine_ptr(a->w->m, pa), sizeof(o->extension));
	o->extension_read = true;
}

static void accepted(struct actor *a, const struct tdcs *tdcs, uint64_t at)
{
	static const uint8_t zero[TDX_PAGE_SIZE];
	uint64_t pa = td_translate(a->w, tdcs, gpa_level_gpa(at).v), size;

	if (!pa) {
		a->violation = "an accepted page is not there";
		return;
	}
	size = tdx_level_size((enum tdx_level)gpa_level_level(at));
	for (uint64_t i = 0; i < size; i += TDX_PAGE_SIZE)
		if (memcmp(machine_ptr(a->w->m, pa + i), zero, sizeof(zero)))
			a->violation = "an accepted page is not zero";
}

static void rtmr_extended(struct actor *a, struct td_shadow *t, uint64_t index)
{
	const struct oracle *o = a->w->oracle;
	uint8_t both[96];

	if (!o->extension_read || index >= 4) {
		a->violation = "an RTMR was extended with nothing";
		return;
	}
	memcpy(both, t->rtmr[index], 48);
	memcpy(both + 48, o->extension, 48);
	SHA384(both, sizeof(both), t->rtmr[index]);
}

void shadow_after_tdcall(struct actor *a, const struct tdx_regs *in, const struct tdx_regs *out)
{
	const struct lp *lp = &a->w->mod->lp[a->lp];
	struct td_shadow *t = td_of(a->w, lp->tdr_pa.v);

	/* a call that makes way for an interrupt leaves RAX as it was: it will be made again */
	if (out->rax == 0) {
		if (tdx_rax_leaf(in->rax) == TDG_MEM_PAGE_ACCEPT)
			accepted(a, lp->tdcs, in->rcx);
		else if (t && tdx_rax_leaf(in->rax) == TDG_MR_RTMR_EXTEND)
			rtmr_extended(a, t, in->rdx);
	}
	if (t)
		check_registers(a, t, lp->tdcs);
}
