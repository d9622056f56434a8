/* SPDX-License-Identifier: MIT */
/* What a processor asks of a VM's state before it enters it (SDM vol. 3, 27.3.1), of an
 * unrestricted guest: an L1 VMM may have written anything into the VMCS and the state of its VM.
 *
 * Not asked: fields of features that the engine has not (CET, BNDCFGS, RTIT), and whether pending
 * debug exceptions go with RFLAGS.TF. */
#include "engine/td/internal.h"

#include "arch/msr.h"
#include "arch/x86.h"

enum {
	SEG_TYPE = 0xf,
	TYPE_ACCESSED = 1 << 0,
	TYPE_READABLE = 1 << 1,
	TYPE_EXPANDS_DOWN = 1 << 2, /* of code: conforming */
	TYPE_CODE = 1 << 3,
	TYPE_DATA_RW = 3,
	TYPE_LDT = 2,
	TYPE_TSS16_BUSY = 3,
	TYPE_TSS32_BUSY = 11,
	SEG_RESERVED = 0xf << 8,
	SELECTOR_TI = 1 << 2,
	VM86_LIMIT = 0xffff,
	VM86_AR = 0xf3,
	ACTIVITY_HLT = 1,
	ACTIVITY_LAST = 3,
	PHYSICAL_BITS = 52,
};
#define SEG_BEYOND	    0xfffe0000u /* of the access rights */
#define RFLAGS_RESERVED	    (~0x3fffffull | 1u << 15 | 1u << 5 | 1u << 3)
#define BLOCKING_DEFINED    0x1fu
#define PENDING_DEBUG_UNDEF (~0x1ffffull | 0xff0u | 1u << 13 | 1u << 15)

struct state {
	const struct td_cpu *t;
	const struct vmcs *v;
	uint64_t cr0, cr4, rflags;
	bool ia32e, vm86;
};

struct segment {
	uint64_t selector, limit, ar, base;
};

static uint64_t rd(const struct state *s, uint32_t field)
{
	return vmcs_read(s->v, field);
}

/* The four fields of a segment follow each other by one, of each kind of field. */
static struct segment segment(const struct state *s, unsigned nth)
{
	return (struct segment){
		rd(s, VMCS_GUEST_ES_SELECTOR + 2 * nth), rd(s, VMCS_GUEST_ES_LIMIT + 2 * nth),
		rd(s, VMCS_GUEST_ES_AR + 2 * nth), rd(s, VMCS_GUEST_ES_BASE + 2 * nth)};
}
enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

static_assert(VMCS_GUEST_TR_SELECTOR == VMCS_GUEST_ES_SELECTOR + 2 * TR &&
		      VMCS_GUEST_TR_LIMIT == VMCS_GUEST_ES_LIMIT + 2 * TR &&
		      VMCS_GUEST_TR_AR == VMCS_GUEST_ES_AR + 2 * TR &&
		      VMCS_GUEST_TR_BASE == VMCS_GUEST_ES_BASE + 2 * TR,
	      "in the order of their numbers");

static bool is_canonical(const struct state *s, uint64_t value)
{
	return x86_canonical_register(s->t->x86, value);
}

static bool is_fixed(const struct state *s, uint64_t value, uint64_t exempt, uint32_t fixed0,
		     uint32_t fixed1)
{
	uint64_t ones = 0, may = 0;

	(void)machine_rdmsr(s->t->in.hw, fixed0, &ones);
	(void)machine_rdmsr(s->t->in.hw, fixed1, &may);
	return !(ones & ~exempt & ~value) && !(value & ~may);
}

static bool control_is_valid(const struct state *s)
{
	if (!is_fixed(s, s->cr0, CR0_PE | CR0_PG, MSR_VMX_CR0_FIXED0, MSR_VMX_CR0_FIXED1) ||
	    !is_fixed(s, s->cr4, 0, MSR_VMX_CR4_FIXED0, MSR_VMX_CR4_FIXED1))
		return false;
	if (s->cr0 & CR0_PG && !(s->cr0 & CR0_PE))
		return false;
	if (s->ia32e ? !(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) : s->cr4 & CR4_PCIDE)
		return false;
	if (s->cr4 & CR4_CET && !(s->cr0 & CR0_WP))
		return false;
	return !(rd(s, VMCS_GUEST_CR3) >> PHYSICAL_BITS);
}

static bool msrs_are_valid(const struct state *s)
{
	const uint64_t ctls = rd(s, VMCS_ENTRY_CTLS), efer = rd(s, VMCS_GUEST_EFER);

	if (ctls & ENTRY_LOAD_DEBUG_CTLS && rd(s, VMCS_GUEST_DR7) >> 32)
		return false;
	if (ctls & ENTRY_LOAD_PAT && !x86_pat_valid(rd(s, VMCS_GUEST_PAT)))
		return false;
	if (ctls & ENTRY_LOAD_EFER &&
	    (efer & ~EFER_DEFINED || !(efer & EFER_LMA) == s->ia32e ||
	     (s->cr0 & CR0_PG && !(efer & EFER_LMA) != !(efer & EFER_LME))))
		return false;
	if (ctls & ENTRY_LOAD_PKRS && rd(s, VMCS_GUEST_PKRS) >> 32)
		return false;
	return is_canonical(s, rd(s, VMCS_GUEST_SYSENTER_ESP)) &&
	       is_canonical(s, rd(s, VMCS_GUEST_SYSENTER_EIP));
}

/* --- segments --- */

static bool is_usable(const struct segment *g)
{
	return !(g->ar & SEG_AR_UNUSABLE);
}

static bool vm86_is_valid(const struct segment *g)
{
	return g->base == g->selector << 4 && g->limit == VM86_LIMIT && g->ar == VM86_AR;
}

/* What holds for all that are used. */
static bool is_present(const struct segment *g, bool system)
{
	const bool pages = g->ar & SEG_AR_G;

	return !(g->ar & SEG_AR_S) == system && g->ar & SEG_AR_P && !(g->ar & SEG_RESERVED) &&
	       !(g->ar & SEG_BEYOND) && ((g->limit & 0xfff) == 0xfff || !pages) &&
	       (!(g->limit >> 20) || pages);
}

static bool code_is_valid(const struct state *s, const struct segment *cs, const struct segment *ss)
{
	const unsigned type = cs->ar & SEG_TYPE, dpl = SEG_AR_DPL(cs->ar);
	const unsigned cpl = SEG_AR_DPL(ss->ar);
	bool level = dpl == cpl;

	if (type == TYPE_DATA_RW)
		level = dpl == 0;
	else if ((type & (TYPE_CODE | TYPE_ACCESSED)) != (TYPE_CODE | TYPE_ACCESSED))
		return false;
	else if (type & TYPE_EXPANDS_DOWN)
		level = dpl <= cpl;
	return level && is_present(cs, false) && !(cs->base >> 32) &&
	       !(s->ia32e && cs->ar & SEG_AR_L && cs->ar & SEG_AR_DB);
}

static bool stack_is_valid(const struct state *s, const struct segment *cs,
			   const struct segment *ss)
{
	const unsigned type = ss->ar & SEG_TYPE;

	if (((cs->ar & SEG_TYPE) == TYPE_DATA_RW || !(s->cr0 & CR0_PE)) && SEG_AR_DPL(ss->ar))
		return false;
	return !is_usable(ss) || ((type & ~(unsigned)TYPE_EXPANDS_DOWN) == TYPE_DATA_RW &&
				  is_present(ss, false) && !(ss->base >> 32));
}

static bool data_is_valid(const struct state *s, const struct segment *g, unsigned nth)
{
	if (nth == FS || nth == GS) {
		if (!is_canonical(s, g->base))
			return false;
	} else if (is_usable(g) && g->base >> 32) {
		return false;
	}
	return !is_usable(g) ||
	       (g->ar & TYPE_ACCESSED && (!(g->ar & TYPE_CODE) || g->ar & TYPE_READABLE) &&
		is_present(g, false));
}

static bool system_is_valid(const struct state *s)
{
	const struct segment tr = segment(s, TR), ldtr = segment(s, LDTR);
	const unsigned type = tr.ar & SEG_TYPE;

	if (tr.selector & SELECTOR_TI || !is_canonical(s, tr.base) || !is_usable(&tr) ||
	    !is_present(&tr, true) ||
	    (type != TYPE_TSS32_BUSY && (s->ia32e || type != TYPE_TSS16_BUSY)))
		return false;
	if (is_usable(&ldtr) && (ldtr.selector & SELECTOR_TI || !is_canonical(s, ldtr.base) ||
				 (ldtr.ar & SEG_TYPE) != TYPE_LDT || !is_present(&ldtr, true)))
		return false;
	return is_canonical(s, rd(s, VMCS_GUEST_GDTR_BASE)) &&
	       is_canonical(s, rd(s, VMCS_GUEST_IDTR_BASE)) &&
	       !(rd(s, VMCS_GUEST_GDTR_LIMIT) >> 16) && !(rd(s, VMCS_GUEST_IDTR_LIMIT) >> 16);
}

static bool segments_are_valid(const struct state *s)
{
	const struct segment cs = segment(s, CS), ss = segment(s, SS);

	if (!s->vm86 && (!code_is_valid(s, &cs, &ss) || !stack_is_valid(s, &cs, &ss)))
		return false;
	for (unsigned i = ES; i <= GS; i++) {
		const struct segment g = segment(s, i);

		if (s->vm86 ? !vm86_is_valid(&g) : i != CS && i != SS && !data_is_valid(s, &g, i))
			return false;
	}
	return system_is_valid(s);
}

/* --- the rest --- */

static bool rip_is_valid(const struct state *s)
{
	const uint64_t rip = rd(s, VMCS_GUEST_RIP);

	if (!s->ia32e || !(rd(s, VMCS_GUEST_CS_AR) & SEG_AR_L))
		return !(rip >> 32);
	/* only the bits above the width: an address that is not canonical faults when it is used */
	return is_canonical(s, (uint64_t)((int64_t)rip >> 1));
}

static bool flags_are_valid(const struct state *s, uint64_t event)
{
	if (s->rflags & RFLAGS_RESERVED || !(s->rflags & RFLAGS_FIXED))
		return false;
	if (s->vm86 && (s->ia32e || !(s->cr0 & CR0_PE)))
		return false;
	return s->rflags & RFLAGS_IF || !(event & VMX_EVENT_VALID) ||
	       VMX_EVENT_TYPE(event) != VMX_EVENT_EXTERNAL;
}

static bool blocking_is_valid(const struct state *s, uint64_t event)
{
	const uint64_t blocking = rd(s, VMCS_GUEST_INTERRUPTIBILITY);
	const uint64_t activity = rd(s, VMCS_GUEST_ACTIVITY_STATE);
	const bool sti = blocking & INTERRUPTIBILITY_STI, ss = blocking & INTERRUPTIBILITY_MOV_SS;

	if (activity > ACTIVITY_LAST ||
	    (activity == ACTIVITY_HLT && SEG_AR_DPL(segment(s, SS).ar)) ||
	    (activity && (sti || ss)))
		return false;
	if (blocking & ~(uint64_t)BLOCKING_DEFINED || blocking & INTERRUPTIBILITY_SMI ||
	    (sti && ss) || (sti && !(s->rflags & RFLAGS_IF)))
		return false;
	if (event & VMX_EVENT_VALID &&
	    ((VMX_EVENT_TYPE(event) == VMX_EVENT_EXTERNAL && (sti || ss)) ||
	     (VMX_EVENT_TYPE(event) == VMX_EVENT_NMI && ss)))
		return false;
	return !(rd(s, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) & PENDING_DEBUG_UNDEF);
}

bool td_state_is_valid(const struct td_cpu *t)
{
	const struct vmcs *v = t->in.vmcs;
	const uint64_t rflags = vmcs_read(v, VMCS_GUEST_RFLAGS);
	const uint64_t event = vmcs_read(v, VMCS_ENTRY_INTERRUPTION_INFO);
	const struct state s = {.t = t,
				.v = v,
				.cr0 = vmcs_read(v, VMCS_GUEST_CR0),
				.cr4 = vmcs_read(v, VMCS_GUEST_CR4),
				.rflags = rflags,
				.ia32e = vmcs_read(v, VMCS_ENTRY_CTLS) & ENTRY_IA32E_MODE_GUEST,
				.vm86 = rflags & RFLAGS_VM};

	return control_is_valid(&s) && msrs_are_valid(&s) && segments_are_valid(&s) &&
	       rip_is_valid(&s) && flags_are_valid(&s, event) && blocking_is_valid(&s, event);
}
