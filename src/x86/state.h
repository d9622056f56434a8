/* SPDX-License-Identifier: MIT */
/* What a processor is between two x86_run(): plain data, of this machine's byte order, to be kept
 * and given back to another struct x86_cpu of the same embedder. What the embedder sets once, and
 * translations, are not of it. */
#ifndef X86_STATE_H
#define X86_STATE_H

#include "x86/x86.h"

struct x86_saved {
	struct tdx_regs regs;
	uint64_t rip, rflags;
	struct x86_saved_segment {
		uint64_t base;
		uint32_t limit, ar, sel, pad;
	} seg[X86_NOSEG], ldtr, tr;
	struct {
		uint64_t base, limit;
	} gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0, xss, dr[8];
	uint64_t kernel_gs_base, star, lstar, cstar, sfmask, pat, tsc_aux;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	struct x86_fxregs fx;
	struct x86_xmm xmm[16], ymm_hi[16];
	uint8_t zmm_hi[16][32], zmm16[16][64];
	uint64_t k[8], pkru;
	uint64_t insns;
	/* the event on its way */
	uint32_t event_error, event_debug;
	uint8_t event, event_has_error, event_soft, event_ext, event_rf;
	uint8_t event_vector, event_type, event_len;
	uint8_t shadow, nmi_blocked, tf_armed, pad[5];
};

/* Its thread is not in x86_run(). */
void x86_save(const struct x86_cpu *cpu, struct x86_saved *s);
/* Any bytes make some state that a guest could have made. */
void x86_load(struct x86_cpu *cpu, const struct x86_saved *s);

#endif
