/* SPDX-License-Identifier: MIT */
/* TDs on a module that is ready: built, finalised, entered; and short words for the memory calls.
 */
#ifndef TESTS_MODULE_MEM_SETUP_H
#define TESTS_MODULE_MEM_SETUP_H

#include "module_setup.h"

#include "abi/sept.h"
#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "module/invariants.h"
#include "module/pamt.h"
#include "module/vmcs.h"

/* A TD's pages lie one after the other from its TDR: TDCS pages, TDVPR, TDVPS pages, tables. */
enum {
	TD_TDCS_PAGES = 6,
	TD_TDVPS_PAGES = 6,
	TD_MAX_OWN_PAGES = 64,
};

struct test_td {
	uint64_t tdr, tdvpr;
	uint64_t next; /* first page not used yet */
	unsigned hkid;
};

/* Anywhere outside the TDs' own pages, in the second TDMR. */
#define FREE_4K(n)   (SETUP_TDMR1 + 0x1000000ull + (uint64_t)(n)*TDX_PAGE_SIZE)
#define FREE_2M(n)   (SETUP_TDMR1 + 0x10000000ull + (uint64_t)(n)*TDX_SIZE_2M)
#define TD_PARAMS_PA 0x1008000ull
#define SOURCE_PA    0x1010000ull

static inline uint64_t mem_status(struct setup *s, unsigned lp, uint64_t leaf, uint64_t rcx,
				  uint64_t rdx, uint64_t r8)
{
	s->regs = (struct tdx_regs){.rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8};
	assert_int_equal(module_seamcall(s->mod, lp, &s->regs), MODULE_TO_HOST);
	return s->regs.rax;
}

/* The host calls on processor 1: guests are entered on 0. */
#define mem_expect(s, raw, leaf, rcx, rdx, r8)                                                     \
	setup_expect(tdx_status(mem_status(s, 1, leaf, rcx, rdx, r8)), raw)
#define mem_must(s, leaf, rcx, rdx, r8) mem_expect(s, TDX_SUCCESS, leaf, rcx, rdx, r8)

static inline uint64_t td_page(struct test_td *td)
{
	td->next += TDX_PAGE_SIZE;
	return td->next - TDX_PAGE_SIZE;
}

/* Tables for [0, 1G) down to the 2M entries, and the first 4K table. */
static inline void td_add_tables(struct setup *s, struct test_td *td)
{
	for (unsigned level = 3; level > 0; level--)
		mem_must(s, TDH_MEM_SEPT_ADD, level, td->tdr, td_page(td));
}

/* One vCPU, tables, not finalised. n tells TDs apart. */
static inline struct test_td td_build(struct setup *s, unsigned n, uint64_t attributes,
				      unsigned l2_vms)
{
	struct tdx_td_params params = {
		.attributes = attributes,
		.xfam = 3,
		.max_vcpus = 1,
		.num_l2_vms = (uint8_t)l2_vms,
		.eptp_controls = TDX_EPTP_MT_WB | TDX_EPTP_WALK_4,
		.tsc_frequency = 100,
	};
	struct test_td td = {
		.tdr = SETUP_TDMR1 + n * TD_MAX_OWN_PAGES * TDX_PAGE_SIZE,
		.hkid = SETUP_GLOBAL_HKID + 1 + n,
	};

	memcpy(machine_ptr(s->m, TD_PARAMS_PA), &params, sizeof(params));
	td.next = td.tdr;
	mem_must(s, TDH_MNG_CREATE, td_page(&td), td.hkid, 0);
	mem_must(s, TDH_MNG_KEY_CONFIG, td.tdr, 0, 0);
	for (unsigned i = 0; i < TD_TDCS_PAGES + l2_vms; i++)
		mem_must(s, TDH_MNG_ADDCX, td_page(&td), td.tdr, 0);
	mem_must(s, TDH_MNG_INIT, td.tdr, TD_PARAMS_PA, 0);
	td.tdvpr = td_page(&td);
	mem_must(s, TDH_VP_CREATE, td.tdvpr, td.tdr, 0);
	for (unsigned i = 1; i < TD_TDVPS_PAGES + 3 * l2_vms; i++)
		mem_must(s, TDH_VP_ADDCX, td_page(&td), td.tdvpr, 0);
	mem_must(s, TDH_VP_INIT, td.tdvpr, 0, 0);
	mem_must(s, TDH_VP_FLUSH, td.tdvpr, 0, 0); /* not the processor that will enter it */
	td_add_tables(s, &td);
	return td;
}

static inline struct test_td td_run(struct setup *s, unsigned n)
{
	struct test_td td = td_build(s, n, 0, 0);

	mem_must(s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	return td;
}

static inline void td_block_and_track(struct setup *s, const struct test_td *td, uint64_t at)
{
	mem_must(s, TDH_MEM_RANGE_BLOCK, at, td->tdr, 0);
	mem_must(s, TDH_MEM_TRACK, td->tdr, 0, 0);
}

/* The state of an entry as TDH.MEM.SEPT.RD shows it. */
static inline enum tdx_sept_state td_entry_state(struct setup *s, const struct test_td *td,
						 uint64_t at)
{
	mem_must(s, TDH_MEM_SEPT_RD, at, td->tdr, 0);
	return sept_state_by_public(sept_info_public_state(s->regs.rdx));
}

static inline void td_expect_state(struct setup *s, const struct test_td *td, uint64_t at,
				   enum tdx_sept_state state)
{
	assert_string_equal(tdx_sept_state_name(td_entry_state(s, td, at)),
			    tdx_sept_state_name(state));
}

/* Type and owner of a page as TDH.PHYMEM.PAGE.RDMD tells. */
static inline void page_expect(struct setup *s, uint64_t pa, enum tdx_page_type type,
			       uint64_t owner, enum tdx_level size)
{
	mem_must(s, TDH_PHYMEM_PAGE_RDMD, pa, 0, 0);
	assert_string_equal(tdx_page_type_name(tdx_page_type(s->regs.rcx)),
			    tdx_page_type_name(type));
	assert_int_equal(s->regs.rdx, owner);
	assert_int_equal(s->regs.r8, size);
}

/* --- as the guest --- */

static inline enum module_next td_enter(struct setup *s, unsigned lp, const struct test_td *td)
{
	enum module_next next;
	struct vmcs *vmcs;

	s->regs = (struct tdx_regs){.rax = TDH_VP_ENTER, .rcx = td->tdvpr};
	next = module_seamcall(s->mod, lp, &s->regs);
	if (next != MODULE_TO_GUEST)
		return next;
	vmcs = module_vmcs(s->mod, lp);
	vmcs_write(vmcs, VMCS_GUEST_CR0, 0x80000021);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_write(vmcs, VMCS_GUEST_CS_AR, 0xa09b);
	return next;
}

static inline void td_must_enter(struct setup *s, const struct test_td *td)
{
	assert_int_equal(td_enter(s, 0, td), MODULE_TO_GUEST);
}

/* On MODULE_TO_GUEST regs are the guest's, on MODULE_TO_HOST the host's. */
static inline enum module_next td_tdcall(struct setup *s, unsigned lp, uint64_t leaf, uint64_t rcx,
					 struct tdx_regs *regs)
{
	struct vmexit e = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};
	enum module_next next;

	*regs = (struct tdx_regs){.rax = leaf, .rcx = rcx};
	next = module_vmexit(s->mod, lp, &e, regs);
	if (next == MODULE_TO_HOST)
		*regs = *module_host_regs(s->mod, lp);
	return next;
}

static inline void td_expect_tdcall(struct setup *s, uint64_t raw, uint64_t leaf, uint64_t rcx)
{
	assert_int_equal(td_tdcall(s, 0, leaf, rcx, &s->regs), MODULE_TO_GUEST);
	setup_expect(tdx_status(s->regs.rax), raw);
}

/* The call ends in a TD exit that looks like an EPT violation. */
static inline void td_expect_exit(struct setup *s, uint64_t leaf, uint64_t rcx)
{
	assert_int_equal(td_tdcall(s, 0, leaf, rcx, &s->regs), MODULE_TO_HOST);
	setup_expect(tdx_status(s->regs.rax), VMX_EXIT_EPT_VIOLATION);
}

static inline void td_kick(struct setup *s, unsigned lp)
{
	struct vmexit e = {.reason = VMX_EXIT_EXTERNAL_INTERRUPT, .intr_info = 0x80000020};
	struct tdx_regs regs = {0};

	s->m->lp[lp].retired = 1000;
	assert_int_equal(module_vmexit(s->mod, lp, &e, &regs), MODULE_TO_HOST);
}

/* Every page has the owner it says, every count is right, every lock is free. */
static inline void expect_sound(struct setup *s)
{
	char why[256] = "";

	if (!module_check_invariants(s->mod, why, sizeof(why)))
		fail_msg("%s", why);
}

static inline struct setup mem_setup(void)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	return s;
}

#endif
