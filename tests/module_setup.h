/* SPDX-License-Identifier: MIT */
/* A machine with a module in it, for tests that make calls: loaded, or brought up to ready with two
 * TDMRs of 1G at 0x40000000 (its upper part reserved) and 0x100000000. */
#ifndef TESTS_MODULE_SETUP_H
#define TESTS_MODULE_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>
#include "machine/machine.h"
#include "module/module.h"

enum { SETUP_GLOBAL_HKID = 32, SETUP_LIST = 0x1000000, SETUP_INFO = 0x1001000 };
#define SETUP_TDMR0 0x40000000ull
#define SETUP_TDMR1 0x100000000ull

struct setup {
	struct machine *m;
	struct module *mod;
	struct tdx_regs regs; /* of the last call, after it */
};

static inline struct setup setup_load(const struct machine_config *cfg)
{
	struct machine_config dflt;
	struct setup s = {NULL, NULL, {0}};
	char err[128] = "";

	machine_default_config(&dflt);
	s.m = machine_new(cfg ? cfg : &dflt, err, sizeof(err));
	assert_string_equal(err, "");
	s.mod = module_load(s.m);
	assert_non_null(s.mod);
	return s;
}

static inline void setup_free(struct setup *s)
{
	module_unload(s->mod);
	machine_free(s->m);
}

/* RAX of a call; all registers are left in s->regs. */
static inline struct tdx_status setup_call_regs(struct setup *s, unsigned lp, unsigned leaf,
						struct tdx_regs in)
{
	s->regs = in;
	s->regs.rax = leaf;
	assert_int_equal(module_seamcall(s->mod, lp, &s->regs), MODULE_TO_HOST);
	return tdx_status(s->regs.rax);
}

#define setup_call(s, lp, leaf, ...) setup_call_regs(s, lp, leaf, (struct tdx_regs){__VA_ARGS__})

static inline void setup_expect(struct tdx_status got, uint64_t raw)
{
	char a[TDX_STATUS_FORMAT_MAX], b[TDX_STATUS_FORMAT_MAX];

	assert_string_equal(tdx_status_format(got, a, sizeof(a)),
			    tdx_status_format(tdx_status(raw), b, sizeof(b)));
	assert_int_equal(got.raw, raw);
}

static inline unsigned setup_lps_per_package(const struct setup *s)
{
	return (s->m->cfg.lps + s->m->cfg.pkgs - 1) / s->m->cfg.pkgs;
}

/* Two acceptable TDMRs; PAMTs of the first from 0x2000000, of the second from 0x3000000. */
static inline void setup_tdmrs(struct tdx_tdmr_info info[2])
{
	for (unsigned i = 0; i < 2; i++)
		info[i] = (struct tdx_tdmr_info){
			.base = i ? SETUP_TDMR1 : SETUP_TDMR0,
			.size = TDX_SIZE_1G,
			.pamt_1g_base = 0x2000000 + i * 0x1000000ull,
			.pamt_1g_size = 0x1000,
			.pamt_2m_base = 0x2001000 + i * 0x1000000ull,
			.pamt_2m_size = 0x2000,
			.pamt_4k_base = 0x2003000 + i * 0x1000000ull,
			.pamt_4k_size = 0x400000,
		};
	info[0].reserved[0].offset = 0x3b000000;
	info[0].reserved[0].size = 0x5000000;
}

static inline struct tdx_status setup_config(struct setup *s, const struct tdx_tdmr_info *info,
					     unsigned n, uint64_t r8)
{
	uint64_t *list = machine_ptr(s->m, SETUP_LIST);

	for (unsigned i = 0; i < n; i++) {
		list[i] = SETUP_INFO + i * 512ull;
		memcpy(machine_ptr(s->m, list[i]), &info[i], sizeof(info[i]));
	}
	return setup_call(s, 0, TDH_SYS_CONFIG, .rcx = SETUP_LIST, .rdx = n, .r8 = r8);
}

/* Up to the point where SYS.CONFIG is due. */
static inline void setup_init(struct setup *s)
{
	setup_expect(setup_call(s, 0, TDH_SYS_INIT), TDX_SUCCESS);
	for (unsigned i = 0; i < s->m->cfg.lps; i++)
		setup_expect(setup_call(s, i, TDH_SYS_LP_INIT), TDX_SUCCESS);
}

static inline void setup_ready(struct setup *s, uint64_t config_r8)
{
	struct tdx_tdmr_info info[2];

	setup_init(s);
	setup_tdmrs(info);
	setup_expect(setup_config(s, info, 2, config_r8), TDX_SUCCESS);
	for (unsigned lp = 0; lp < s->m->cfg.lps; lp += setup_lps_per_package(s))
		setup_expect(setup_call(s, lp, TDH_SYS_KEY_CONFIG), TDX_SUCCESS);
	for (unsigned i = 0; i < 2; i++)
		do
			setup_expect(setup_call(s, 0, TDH_SYS_TDMR_INIT, .rcx = info[i].base),
				     TDX_SUCCESS);
		while (s->regs.rdx < info[i].base + info[i].size);
}

/* Where setup_td() puts a TD's pages, from its TDR on. */
enum { SETUP_PARAMS = 0x1008000, SETUP_SOURCE = 0x1010000 };
#define SETUP_TDCX(i) (0x1000ull * (1 + (i)))	     /* 6 */
#define SETUP_TDVPR   0x7000ull			     /* 6 with its TDCX */
#define SETUP_SEPT(i) (0x13000ull + 0x1000ull * (i)) /* levels 3, 2, 1 */
#define SETUP_PAGE    0x16000ull

/* A TD with one vCPU, S-EPT down to 4K at GPA 0 and a page there, finalised. */
static inline void setup_td(struct setup *s, uint64_t tdr, unsigned hkid_)
{
	struct tdx_td_params *params = machine_ptr(s->m, SETUP_PARAMS);

	setup_expect(setup_call(s, 0, TDH_MNG_CREATE, .rcx = tdr, .rdx = hkid_), TDX_SUCCESS);
	for (unsigned lp = 0; lp < s->m->cfg.lps; lp += setup_lps_per_package(s))
		setup_expect(setup_call(s, lp, TDH_MNG_KEY_CONFIG, .rcx = tdr), TDX_SUCCESS);
	for (unsigned i = 0; i < 6; i++)
		setup_expect(
			setup_call(s, 0, TDH_MNG_ADDCX, .rcx = tdr + SETUP_TDCX(i), .rdx = tdr),
			TDX_SUCCESS);
	memset(params, 0, sizeof(*params));
	params->attributes = TDX_ATTR_SEPT_VE_DISABLE;
	params->xfam = 3;
	params->max_vcpus = 4;
	params->eptp_controls = 0x1e;
	params->tsc_frequency = 100;
	setup_expect(setup_call(s, 0, TDH_MNG_INIT, .rcx = tdr, .rdx = SETUP_PARAMS), TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_VP_CREATE, .rcx = tdr + SETUP_TDVPR, .rdx = tdr),
		     TDX_SUCCESS);
	for (unsigned i = 1; i < 6; i++)
		setup_expect(setup_call(s, 0, TDH_VP_ADDCX, .rcx = tdr + SETUP_TDVPR + i * 0x1000,
					.rdx = tdr + SETUP_TDVPR),
			     TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_VP_INIT, .rcx = tdr + SETUP_TDVPR), TDX_SUCCESS);
	for (unsigned i = 0; i < 3; i++)
		setup_expect(setup_call(s, 0, TDH_MEM_SEPT_ADD, .rcx = 3 - i, .rdx = tdr,
					.r8 = tdr + SETUP_SEPT(i)),
			     TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_MEM_PAGE_ADD, .rcx = 0, .rdx = tdr,
				.r8 = tdr + SETUP_PAGE, .r9 = SETUP_SOURCE),
		     TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_MR_FINALIZE, .rcx = tdr), TDX_SUCCESS);
}

/* The KeyID is given back: flush, write back on every package, free. */
static inline void setup_free_hkid(struct setup *s, uint64_t tdr)
{
	setup_expect(setup_call(s, 0, TDH_VP_FLUSH, .rcx = tdr + SETUP_TDVPR), TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_MNG_VPFLUSHDONE, .rcx = tdr), TDX_SUCCESS);
	for (unsigned lp = 0; lp < s->m->cfg.lps; lp += setup_lps_per_package(s))
		setup_expect(setup_call(s, lp, TDH_PHYMEM_CACHE_WB), TDX_SUCCESS);
	setup_expect(setup_call(s, 0, TDH_MNG_KEY_FREEID, .rcx = tdr), TDX_SUCCESS);
}

#endif
