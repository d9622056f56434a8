/* SPDX-License-Identifier: MIT */
/* A guest on processor 0 without the calls that make one: pages in the machine's memory, filled in
 * by hand, so that a test of one VM exit needs nothing but that exit. */
#ifndef TESTS_MODULE_GUEST_H
#define TESTS_MODULE_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "module/exits.h"
#include "module/inject.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

enum {
	GUEST_TDR_PA = 0x200000,
	GUEST_TDCS_PA = 0x201000,
	GUEST_EXT_PA = 0x202000,
	GUEST_VPS_PA = 0x203000,
	GUEST_VMCS_PA = 0x204000,
	GUEST_VAPIC_PA = 0x205000,
	GUEST_SEPT_PA = 0x206000, /* four pages, one a level */
	GUEST_DATA_PA = 0x20a000, /* mapped at GPA 0 */
	GUEST_RIP = 0x1000,
};

struct test_guest {
	struct machine *m;
	struct module *mod;
	struct lp *lp;
	struct tdcs *tdcs;
	struct tdcs_ext *ext;
	struct tdvps *vps;
	struct vmcs *vmcs;
	struct tdx_regs regs;
};

static inline uint64_t *guest_sept(struct test_guest *g, unsigned level)
{
	return machine_ptr(g->m, GUEST_SEPT_PA + level * 0x1000u);
}

static inline void guest_make_memory(struct test_guest *g)
{
	for (unsigned level = 0; level < 4; level++)
		for (unsigned i = 0; i < 512; i++)
			guest_sept(g, level)[i] = SEPT_FREE_ENTRY;
	for (unsigned level = 1; level < 4; level++)
		guest_sept(g, level)[0] = sept_make_table(GUEST_SEPT_PA + (level - 1) * 0x1000u);
	guest_sept(g, 0)[0] = sept_make_leaf(TDX_SEPT_MAPPED, GUEST_DATA_PA, SEPT_RWX);
	g->tdcs->eptp = (GUEST_SEPT_PA + 3 * 0x1000) | TDX_EPTP_MT_WB | TDX_EPTP_WALK_4;
}

static inline int guest_setup(void **state)
{
	static struct test_guest guest;
	struct test_guest *g = &guest;
	struct machine_config cfg;
	char err[128];

	*g = (struct test_guest){0};
	machine_default_config(&cfg);
	g->m = machine_new(&cfg, err, sizeof(err));
	g->mod = g->m ? module_load(g->m) : NULL;
	if (!g->mod)
		return -1;
	g->lp = &g->mod->lp[0];
	g->lp->in_guest = true;
	g->lp->tdr_pa = hpa(GUEST_TDR_PA);
	g->lp->tdr = machine_ptr(g->m, GUEST_TDR_PA);
	g->lp->tdcs = g->tdcs = machine_ptr(g->m, GUEST_TDCS_PA);
	g->lp->ext = g->ext = machine_ptr(g->m, GUEST_EXT_PA);
	g->lp->vps = g->vps = machine_ptr(g->m, GUEST_VPS_PA);
	g->lp->vmcs = g->vmcs = machine_ptr(g->m, GUEST_VMCS_PA);
	g->vps->page_pa[TDVPS_PAGE_VAPIC] = GUEST_VAPIC_PA;
	g->vps->state = TDX_VCPU_ACTIVE;
	g->lp->tdr->counts[0].running[0] = 1;
	guest_make_memory(g);
	vmcs_write(g->vmcs, VMCS_GUEST_RIP, GUEST_RIP);
	vmcs_write(g->vmcs, VMCS_GUEST_CR0, 0x80000021);
	vmcs_write(g->vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_write(g->vmcs, VMCS_GUEST_CS_AR, 0xa09b);
	*state = g;
	return 0;
}

static inline int guest_teardown(void **state)
{
	struct test_guest *g = *state;

	module_unload(g->mod);
	machine_free(g->m);
	return 0;
}

/* The guest has executed many instructions, or with e.stall none. */
static inline enum module_next guest_exits(struct test_guest *g, struct vmexit e)
{
	g->m->lp[0].retired = e.stall ? 0 : 1000;
	return module_vmexit(g->mod, 0, &e, &g->regs);
}

static inline enum module_next guest_tdcall(struct test_guest *g, enum tdx_tdcall leaf)
{
	g->regs.rax = leaf;
	return guest_exits(g, (struct vmexit){.reason = VMX_EXIT_TDCALL, .instr_len = 4});
}

static inline uint64_t guest_rip(const struct test_guest *g)
{
	return vmcs_read(g->vmcs, VMCS_GUEST_RIP);
}

/* The vector about to be delivered, or -1. */
static inline int guest_vector(const struct test_guest *g)
{
	struct module_entry e = module_entry(g->mod, 0);

	return e.info & VMX_EVENT_VALID ? (int)(e.info & VMX_EVENT_VECTOR_MASK) : -1;
}

static inline void guest_forget_ve(struct test_guest *g)
{
	g->vps->ve_info.valid = 0;
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

#endif
