/* SPDX-License-Identifier: MIT */
/* Between the interpreter's registers and the TDVPS: VMCS, general registers, MSRs, the XSAVE
 * image. What a VM exit of hardware saves, and its entry loads. */
#include "engine/td/internal.h"

#include <string.h>

#include "arch/x86.h"
#include "module/xbuff.h"
#include "x86/xstate.h"

/* Of the XSAVE image: the legacy region. */
enum { XBUFF_MXCSR = 24, XBUFF_ST = 32, XBUFF_XMM = 160, XBUFF_X87_HEAD = 24 };
#define XBUFF_X87   1ull
#define XBUFF_FIRST 2u /* component behind the header */

static const struct {
	uint16_t selector, limit, ar, base;
} seg_fields[] = {
	[X86_ES] = {VMCS_GUEST_ES_SELECTOR, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR,
		    VMCS_GUEST_ES_BASE},
	[X86_CS] = {VMCS_GUEST_CS_SELECTOR, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_AR,
		    VMCS_GUEST_CS_BASE},
	[X86_SS] = {VMCS_GUEST_SS_SELECTOR, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_AR,
		    VMCS_GUEST_SS_BASE},
	[X86_DS] = {VMCS_GUEST_DS_SELECTOR, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR,
		    VMCS_GUEST_DS_BASE},
	[X86_FS] = {VMCS_GUEST_FS_SELECTOR, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_AR,
		    VMCS_GUEST_FS_BASE},
	[X86_GS] = {VMCS_GUEST_GS_SELECTOR, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_AR,
		    VMCS_GUEST_GS_BASE},
};
static const uint16_t ldtr_fields[] = {VMCS_GUEST_LDTR_SELECTOR, VMCS_GUEST_LDTR_LIMIT,
				       VMCS_GUEST_LDTR_AR, VMCS_GUEST_LDTR_BASE};
static const uint16_t tr_fields[] = {VMCS_GUEST_TR_SELECTOR, VMCS_GUEST_TR_LIMIT, VMCS_GUEST_TR_AR,
				     VMCS_GUEST_TR_BASE};

static void load_seg(const struct vmcs *v, uint32_t sel, uint32_t limit, uint32_t ar, uint32_t base,
		     struct x86_seg *s)
{
	s->sel = (uint16_t)vmcs_read(v, sel);
	s->limit = (uint32_t)vmcs_read(v, limit);
	s->ar = (uint32_t)vmcs_read(v, ar);
	s->base = vmcs_read(v, base);
}

static void save_seg(struct vmcs *v, uint32_t sel, uint32_t limit, uint32_t ar, uint32_t base,
		     const struct x86_seg *s)
{
	vmcs_write(v, sel, s->sel);
	vmcs_write(v, limit, s->limit);
	vmcs_write(v, ar, s->ar);
	vmcs_write(v, base, s->base);
}

static uint8_t *xbuff(const struct td_cpu *t)
{
	const struct machine *m = t->in.m;

	return machine_ptr(m, machine_strip(m, t->in.vps->page_pa[TDVPS_PAGE_XBUFF]));
}

/* Beyond SSE: a component that is not there is in its initial state. */
static void load_components(struct x86_cpu *x, const struct xsave_header *h, const uint8_t *image)
{
	for (unsigned i = XBUFF_FIRST; i < X86_XPLACES; i++) {
		unsigned bytes;
		void *p = x86_xcomponent_all(x, i, &bytes);

		if (!p)
			continue;
		if (h->xstate_bv >> i & 1) {
			memcpy(p, image + x86_xoffset(x, i, h->xcomp_bv, true), bytes);
			x->xused |= (uint16_t)(1u << i);
		} else if (x->xused >> i & 1) {
			memset(p, 0, bytes);
		}
	}
	x86_pkru_changed(x);
}

/* Which are in the image now. */
static uint64_t save_components(struct x86_cpu *x, const struct xsave_header *h, uint8_t *image)
{
	const uint64_t used = x->xused ? x86_xinuse(x) & h->xcomp_bv : 0;

	for (unsigned i = XBUFF_FIRST; i < X86_XPLACES; i++) {
		unsigned bytes;
		const void *p = used >> i & 1 ? x86_xcomponent_all(x, i, &bytes) : NULL;

		if (p)
			memcpy(image + x86_xoffset(x, i, h->xcomp_bv, true), p, bytes);
	}
	return used & ~(XFAM_X87 | XFAM_SSE);
}

static void load_extended(struct td_cpu *t)
{
	const struct xsave_header *h = xbuff_header(t->in.m, t->in.vps);
	const uint8_t *image = xbuff(t);
	struct x86_cpu *x = t->x86;
	struct x86_fxregs init = {
		.fcw = FCW_INIT, .mxcsr = MXCSR_RESET, .mxcsr_mask = x->fx.mxcsr_mask};

	x->fx = init;
	memset(x->xmm, 0, sizeof(x->xmm));
	load_components(x, h, image);
	if (h->xstate_bv & XBUFF_X87) {
		memcpy(&x->fx, image, XBUFF_X87_HEAD);
		memcpy(x->fx.st, image + XBUFF_ST, sizeof(x->fx.st));
	}
	if (h->xstate_bv & XSTATE_BV_SSE) {
		memcpy(&x->fx.mxcsr, image + XBUFF_MXCSR, sizeof(x->fx.mxcsr));
		memcpy(x->xmm, image + XBUFF_XMM, sizeof(x->xmm));
	}
}

static void save_extended(const struct td_cpu *t)
{
	struct xsave_header *h = xbuff_header(t->in.m, t->in.vps);
	const struct x86_cpu *x = t->x86;
	uint8_t *image = xbuff(t);

	memcpy(image, &x->fx, sizeof(x->fx));
	memcpy(image + XBUFF_XMM, x->xmm, sizeof(x->xmm));
	h->xstate_bv = XBUFF_X87 | XSTATE_BV_SSE | save_components(t->x86, h, image);
}

static void load_msrs(struct td_cpu *t)
{
	const struct tdvps_msrs *msr = &t->in.vps->msr;
	const struct vmcs *v = t->in.vmcs;
	struct x86_cpu *x = t->x86;

	x->star = msr->star;
	x->lstar = msr->lstar;
	x->sfmask = msr->fmask;
	x->kernel_gs_base = msr->kernel_gs_base;
	x->tsc_aux = msr->tsc_aux;
	x->xss = msr->xss;
	x->pat = vmcs_read(v, VMCS_GUEST_PAT);
	x->sysenter_cs = vmcs_read(v, VMCS_GUEST_SYSENTER_CS);
	x->sysenter_esp = vmcs_read(v, VMCS_GUEST_SYSENTER_ESP);
	x->sysenter_eip = vmcs_read(v, VMCS_GUEST_SYSENTER_EIP);
}

static void save_msrs(const struct td_cpu *t)
{
	struct tdvps_msrs *msr = &t->in.vps->msr;
	const struct x86_cpu *x = t->x86;
	struct vmcs *v = t->in.vmcs;

	msr->star = x->star;
	msr->lstar = x->lstar;
	msr->fmask = x->sfmask;
	msr->kernel_gs_base = x->kernel_gs_base;
	msr->tsc_aux = x->tsc_aux;
	vmcs_write(v, VMCS_GUEST_PAT, x->pat);
	vmcs_write(v, VMCS_GUEST_SYSENTER_CS, x->sysenter_cs);
	vmcs_write(v, VMCS_GUEST_SYSENTER_ESP, x->sysenter_esp);
	vmcs_write(v, VMCS_GUEST_SYSENTER_EIP, x->sysenter_eip);
}

static void load_blocking(struct td_cpu *t)
{
	uint64_t blocking = vmcs_read(t->in.vmcs, VMCS_GUEST_INTERRUPTIBILITY);

	t->x86->shadow = (uint8_t)(blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	t->x86->nmi_blocked = (blocking & INTERRUPTIBILITY_NMI) != 0;
}

/* Control registers and their masks; true: other than the interpreter had them. */
static bool load_control(struct td_cpu *t)
{
	const struct vmcs *v = t->in.vmcs;
	struct x86_cpu *x = t->x86;
	uint64_t cr0 = vmcs_read(v, VMCS_GUEST_CR0), cr4 = vmcs_read(v, VMCS_GUEST_CR4);
	uint64_t efer = vmcs_read(v, VMCS_GUEST_EFER);
	bool changed =
		cr0 != x->cr0 || cr4 != x->cr4 || efer != x->efer || x->xcr0 != t->in.vps->xcr0;

	x->cr0 = cr0;
	x->cr4 = cr4;
	x->efer = efer;
	x->cr0_mask = vmcs_read(v, VMCS_CR0_GUEST_HOST_MASK);
	x->cr0_shadow = vmcs_read(v, VMCS_CR0_READ_SHADOW);
	x->cr4_mask = vmcs_read(v, VMCS_CR4_GUEST_HOST_MASK);
	x->cr4_shadow = vmcs_read(v, VMCS_CR4_READ_SHADOW);
	x->xcr0 = t->in.vps->xcr0;
	x->xss = t->in.vps->msr.xss;
	x->cr2 = t->in.vps->cr2;
	return changed;
}

static void load_general(struct td_cpu *t)
{
	t->x86->regs = t->in.vps->gpr;
	t->x86->regs.rsp = vmcs_read(t->in.vmcs, VMCS_GUEST_RSP);
	x86_set_rflags(t->x86, vmcs_read(t->in.vmcs, VMCS_GUEST_RFLAGS));
}

void td_load(struct td_cpu *t)
{
	const struct vmcs *v = t->in.vmcs;
	const struct tdvps *vps = t->in.vps;
	struct x86_cpu *x = t->x86;
	const struct x86_seg before = x->seg[X86_CS];
	const uint64_t cr3 = x->cr3;
	bool changed = load_control(t);

	x->cr3 = vmcs_read(v, VMCS_GUEST_CR3);
	for (unsigned i = 0; i < 4; i++)
		x->dr[i] = vps->dr[i];
	x->dr[6] = vps->dr6;
	x->dr[7] = vmcs_read(v, VMCS_GUEST_DR7);
	x86_debug_changed(x); /* before RFLAGS: RF is for breakpoints */
	load_general(t);
	for (unsigned i = X86_ES; i <= X86_GS; i++)
		load_seg(v, seg_fields[i].selector, seg_fields[i].limit, seg_fields[i].ar,
			 seg_fields[i].base, &x->seg[i]);
	load_seg(v, ldtr_fields[0], ldtr_fields[1], ldtr_fields[2], ldtr_fields[3], &x->ldtr);
	load_seg(v, tr_fields[0], tr_fields[1], tr_fields[2], tr_fields[3], &x->tr);
	x->gdtr = (struct x86_dtr){vmcs_read(v, VMCS_GUEST_GDTR_BASE),
				   (uint16_t)vmcs_read(v, VMCS_GUEST_GDTR_LIMIT)};
	x->idtr = (struct x86_dtr){vmcs_read(v, VMCS_GUEST_IDTR_BASE),
				   (uint16_t)vmcs_read(v, VMCS_GUEST_IDTR_LIMIT)};
	load_msrs(t);
	load_blocking(t);
	load_extended(t);
	x->exception_bitmap = (uint32_t)vmcs_read(v, VMCS_EXCEPTION_BITMAP);
	x->rip = t->module_rip = vmcs_read(v, VMCS_GUEST_RIP);
	if (vmcs_read(v, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) & PENDING_DEBUG_BS)
		x->tf_armed = true;
	/* Translations are kept over an exit that changed nothing they depend on. */
	if (changed || cr3 != x->cr3 || memcmp(&before, &x->seg[X86_CS], sizeof(before)) != 0 ||
	    !vps->vm_launched[t->in.vm])
		x86_state_changed(x);
}

void td_save(struct td_cpu *t)
{
	struct vmcs *v = t->in.vmcs;
	struct tdvps *vps = t->in.vps;
	const struct x86_cpu *x = t->x86;

	vmcs_write(v, VMCS_GUEST_CR0, x->cr0);
	vmcs_write(v, VMCS_GUEST_CR3, x->cr3);
	vmcs_write(v, VMCS_GUEST_CR4, x->cr4);
	vmcs_write(v, VMCS_GUEST_EFER, x->efer);
	/* of an unrestricted guest, EFER.LMA */
	if (x->efer & EFER_LMA)
		vmcs_set_bits(v, VMCS_ENTRY_CTLS, ENTRY_IA32E_MODE_GUEST);
	else
		vmcs_clear_bits(v, VMCS_ENTRY_CTLS, ENTRY_IA32E_MODE_GUEST);
	vmcs_write(v, VMCS_GUEST_RSP, x->regs.rsp);
	vmcs_write(v, VMCS_GUEST_RIP, x->rip);
	vmcs_write(v, VMCS_GUEST_RFLAGS, x86_rflags(x));
	for (unsigned i = X86_ES; i <= X86_GS; i++)
		save_seg(v, seg_fields[i].selector, seg_fields[i].limit, seg_fields[i].ar,
			 seg_fields[i].base, &x->seg[i]);
	save_seg(v, ldtr_fields[0], ldtr_fields[1], ldtr_fields[2], ldtr_fields[3], &x->ldtr);
	save_seg(v, tr_fields[0], tr_fields[1], tr_fields[2], tr_fields[3], &x->tr);
	vmcs_write(v, VMCS_GUEST_GDTR_BASE, x->gdtr.base);
	vmcs_write(v, VMCS_GUEST_GDTR_LIMIT, x->gdtr.limit);
	vmcs_write(v, VMCS_GUEST_IDTR_BASE, x->idtr.base);
	vmcs_write(v, VMCS_GUEST_IDTR_LIMIT, x->idtr.limit);
	vmcs_write(v, VMCS_GUEST_DR7, x->dr[7]);
	vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY,
		   (x->shadow & 3u) | (x->nmi_blocked ? INTERRUPTIBILITY_NMI : 0));
	vmcs_write(v, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, x->tf_armed ? PENDING_DEBUG_BS : 0);
	for (unsigned i = 0; i < 4; i++)
		vps->dr[i] = x->dr[i];
	vps->dr6 = x->dr[6];
	vps->cr2 = x->cr2;
	t->module_rip = x->rip;
	save_msrs(t);
	save_extended(t);
}

void td_resume(struct td_cpu *t, unsigned insn_len)
{
	uint64_t rip = vmcs_read(t->in.vmcs, VMCS_GUEST_RIP);
	bool changed = load_control(t);

	load_general(t);
	load_blocking(t);
	if (insn_len && rip == t->module_rip + insn_len)
		x86_skip(t->x86, insn_len);
	else
		t->x86->rip = rip;
	if (changed)
		x86_state_changed(t->x86);
}
