/* SPDX-License-Identifier: MIT */
/* A finalized TD with one vCPU on a module brought up, for tests of metadata calls. */
#ifndef TESTS_MODULE_META_SETUP_H
#define TESTS_MODULE_META_SETUP_H

#include "module_setup.h"

#include "abi/metadata.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/internal.h"
#include "module/vmcs.h"

#define META_TDR	 0x100000000ull
#define META_TDVPR	 0x100020000ull
#define META_PARAMS	 0x1008000ull
#define META_PAGE_SOURCE 0x1010000ull

enum { META_TDCS_PAGES = 9, META_TDVPS_PAGES = 15 };

struct meta {
	struct setup s;
	unsigned l2_vms;
};

static inline void meta_ok(struct meta *t, unsigned leaf, struct tdx_regs in)
{
	setup_expect(setup_call_regs(&t->s, 0, leaf, in), TDX_SUCCESS);
}
#define meta_call(t, leaf, ...) meta_ok(t, leaf, (struct tdx_regs){__VA_ARGS__})

static inline void meta_make_td(struct meta *t, uint64_t attributes, unsigned l2_vms)
{
	struct tdx_td_params *p = machine_ptr(t->s.m, META_PARAMS);

	t->l2_vms = l2_vms;
	meta_call(t, TDH_MNG_CREATE, .rcx = META_TDR, .rdx = 33);
	meta_call(t, TDH_MNG_KEY_CONFIG, .rcx = META_TDR);
	for (unsigned i = 1; i <= TDCS_MIN_PAGES + l2_vms; i++)
		meta_call(t, TDH_MNG_ADDCX, .rcx = META_TDR + i * 0x1000ull, .rdx = META_TDR);
	memset(p, 0, sizeof(*p));
	p->attributes = attributes;
	p->xfam = 3;
	p->max_vcpus = 4;
	p->num_l2_vms = (uint8_t)l2_vms;
	p->eptp_controls = 6 | 3 << 3;
	p->tsc_frequency = 100;
	meta_call(t, TDH_MNG_INIT, .rcx = META_TDR, .rdx = META_PARAMS);
}

static inline void meta_make_vcpu(struct meta *t)
{
	meta_call(t, TDH_VP_CREATE, .rcx = META_TDVPR, .rdx = META_TDR);
	for (unsigned i = 1; i < TDVPS_MIN_PAGES + TDVPS_PAGES_PER_L2_VM * t->l2_vms; i++)
		meta_call(t, TDH_VP_ADDCX, .rcx = META_TDVPR + i * 0x1000ull, .rdx = META_TDVPR);
	meta_call(t, TDH_VP_INIT, .rcx = META_TDVPR);
}

/* attributes: TDX_ATTR_DEBUG or 0. */
static inline struct meta meta_make(uint64_t attributes, unsigned l2_vms)
{
	struct meta t = {.s = setup_load(NULL)};

	setup_ready(&t.s, SETUP_GLOBAL_HKID);
	meta_make_td(&t, attributes, l2_vms);
	meta_make_vcpu(&t);
	meta_call(&t, TDH_MR_FINALIZE, .rcx = META_TDR);
	return t;
}

static inline void meta_free(struct meta *t)
{
	setup_free(&t->s);
}

/* --- the host's calls: RAX; R8 in *value; RDX (version 1) in *next --- */

static inline struct tdx_status meta_rd(struct meta *t, enum md_context ctx, uint64_t id,
					uint64_t *value, uint64_t *next)
{
	const unsigned leaf = ctx == MD_CTX_SYS	 ? TDH_SYS_RD
			      : ctx == MD_CTX_TD ? TDH_MNG_RD | 1u << 16
						 : TDH_VP_RD | 1u << 16;
	struct tdx_status s = setup_call(
		&t->s, 0, leaf, .rcx = ctx == MD_CTX_TD ? META_TDR : META_TDVPR, .rdx = id);

	*value = t->s.regs.r8;
	*next = t->s.regs.rdx;
	return s;
}

static inline struct tdx_status meta_wr(struct meta *t, enum md_context ctx, uint64_t id,
					uint64_t value, uint64_t mask)
{
	return setup_call(&t->s, 0, ctx == MD_CTX_TD ? TDH_MNG_WR : TDH_VP_WR,
			  .rcx = ctx == MD_CTX_TD ? META_TDR : META_TDVPR, .rdx = id, .r8 = value,
			  .r9 = mask);
}

static inline uint64_t meta_value(struct meta *t, enum md_context ctx, uint64_t id)
{
	uint64_t value, next;

	setup_expect(meta_rd(t, ctx, id, &value, &next), TDX_SUCCESS);
	return value;
}

/* --- the guest's --- */

static inline void meta_enter(struct meta *t)
{
	struct tdx_regs regs = {.rax = TDH_VP_ENTER, .rcx = META_TDVPR};
	struct vmcs *vmcs;

	assert_int_equal(module_seamcall(t->s.mod, 0, &regs), MODULE_TO_GUEST);
	vmcs = module_vmcs(t->s.mod, 0);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(vmcs, VMCS_GUEST_CR0, CR0_PG | CR0_PE);
	vmcs_write(vmcs, VMCS_GUEST_CS_AR, 0xa09b);
}

static inline struct tdx_status meta_tdcall(struct meta *t, unsigned leaf, struct tdx_regs in)
{
	struct vmexit e = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};

	t->s.regs = in;
	t->s.regs.rax = leaf;
	assert_int_equal(module_vmexit(t->s.mod, 0, &e, &t->s.regs), MODULE_TO_GUEST);
	return tdx_status(t->s.regs.rax);
}
#define meta_guest(t, leaf, ...) meta_tdcall(t, leaf, (struct tdx_regs){__VA_ARGS__})

/* --- what the tables promise --- */

static inline const struct md_mask *meta_mask(const struct md_field *f, enum md_context ctx,
					      bool debug)
{
	return ctx != MD_CTX_SYS && debug ? &f->debug : &f->host;
}

/* Rows of a table a TD with so many L2 VMs has. */
static inline unsigned meta_rows(const struct md_table *table, unsigned l2_vms)
{
	if (table == &md_td)
		return table->rows - (3 - l2_vms);
	if (table == &md_vp)
		return table->rows - 3 * (3 - l2_vms);
	return table->rows;
}

#endif
