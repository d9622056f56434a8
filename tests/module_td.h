/* SPDX-License-Identifier: MIT */
/* Making TDs and vCPUs step by step with the real calls; pages come from the second TDMR in order.
 */
#ifndef TESTS_MODULE_TD_H
#define TESTS_MODULE_TD_H

#include "module/internal.h"
#include "module/td.h"
#include "module/vmcs.h"
#include "module_setup.h"

#define TD_PARAMS_PA 0x1100000ull

struct test_td {
	struct setup *s;
	uint64_t tdr;
	unsigned hkid;
};

/* The next free page of the second TDMR. */
static inline uint64_t td_new_page(void)
{
	static uint64_t next;

	return SETUP_TDMR1 + (next++ % 0x10000) * TDX_PAGE_SIZE;
}

static inline struct tdx_status td_call(struct setup *s, unsigned leaf, uint64_t rcx, uint64_t rdx)
{
	return setup_call(s, 0, leaf, .rcx = rcx, .rdx = rdx);
}

static inline struct test_td td_create(struct setup *s, unsigned hkid_)
{
	struct test_td td = {s, td_new_page(), hkid_};

	setup_expect(td_call(s, TDH_MNG_CREATE, td.tdr, hkid_), TDX_SUCCESS);
	return td;
}

static inline void td_config_keys(struct test_td *td)
{
	unsigned per_pkg = td->s->m->cfg.lps / td->s->m->cfg.pkgs;

	for (unsigned lp = 0; lp < td->s->m->cfg.lps; lp += per_pkg)
		setup_expect(setup_call(td->s, lp, TDH_MNG_KEY_CONFIG, .rcx = td->tdr),
			     TDX_SUCCESS);
}

static inline void td_add_pages(struct test_td *td, unsigned n)
{
	while (n--)
		setup_expect(td_call(td->s, TDH_MNG_ADDCX, td_new_page(), td->tdr), TDX_SUCCESS);
}

/* A TD waiting for TDH.MNG.INIT. */
static inline struct test_td td_new(struct setup *s, unsigned hkid_)
{
	struct test_td td = td_create(s, hkid_);

	td_config_keys(&td);
	td_add_pages(&td, TDCS_MIN_PAGES);
	return td;
}

/* Parameters in the host's memory, acceptable as they are. */
static inline struct tdx_td_params *td_params(struct setup *s)
{
	struct tdx_td_params *p = machine_ptr(s->m, TD_PARAMS_PA);

	*p = (struct tdx_td_params){
		.xfam = 3,
		.max_vcpus = 4,
		.eptp_controls = TDX_EPTP_MT_WB | TDX_EPTP_WALK_4,
		.tsc_frequency = 100,
	};
	return p;
}

static inline struct tdx_status td_init(struct test_td *td)
{
	return td_call(td->s, TDH_MNG_INIT, td->tdr, TD_PARAMS_PA);
}

/* A TD that vCPUs can be given to. */
static inline struct test_td td_initialized(struct setup *s, unsigned hkid_)
{
	struct test_td td = td_new(s, hkid_);

	td_params(s);
	setup_expect(td_init(&td), TDX_SUCCESS);
	return td;
}

static inline struct tdr *td_tdr(const struct test_td *td)
{
	return machine_ptr(td->s->m, td->tdr);
}

static inline void *td_tdcx(const struct test_td *td, unsigned page)
{
	return machine_ptr(td->s->m, machine_strip(td->s->m, td_tdr(td)->tdcx_pa[page]));
}

static inline struct tdcs *td_tdcs(const struct test_td *td)
{
	return td_tdcx(td, TDCS_PAGE_MAIN);
}

/* A TDVPR with so many further pages. */
static inline uint64_t vp_new(struct test_td *td, unsigned pages)
{
	uint64_t tdvpr = td_new_page();

	setup_expect(td_call(td->s, TDH_VP_CREATE, tdvpr, td->tdr), TDX_SUCCESS);
	while (pages--)
		setup_expect(td_call(td->s, TDH_VP_ADDCX, td_new_page(), tdvpr), TDX_SUCCESS);
	return tdvpr;
}

/* TDH.VP.INIT version 1 on processor 0. */
static inline struct tdx_status vp_init(struct test_td *td, uint64_t tdvpr, uint64_t x2apic_id)
{
	return setup_call(td->s, 0, TDH_VP_INIT | 1u << TDX_RAX_VERSION_SHIFT, .rcx = tdvpr,
			  .r8 = x2apic_id);
}

static inline struct tdvps *vp_tdvps(const struct test_td *td, uint64_t tdvpr)
{
	return machine_ptr(td->s->m, tdvpr);
}

static inline struct vmcs *vp_vmcs(const struct test_td *td, uint64_t tdvpr)
{
	return machine_ptr(td->s->m, machine_strip(td->s->m, vp_tdvps(td, tdvpr)->page_pa[1]));
}

static struct setup td_setup;

static inline int td_setup_start(void **state)
{
	td_setup = setup_load(NULL);
	setup_ready(&td_setup, SETUP_GLOBAL_HKID);
	*state = &td_setup;
	return 0;
}

static inline int td_setup_end(void **state)
{
	setup_free(*state);
	return 0;
}

#define TD_TEST(f) cmocka_unit_test_setup_teardown(f, td_setup_start, td_setup_end)

#endif
