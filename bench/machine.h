/* SPDX-License-Identifier: MIT */
/* A module that is ready, with one TDMR of 2 GiB, and TDs of one vCPU on it, for measurements. A
 * call that fails ends the program. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>
#include <time.h>
#include "machine/machine.h"
#include "module/module.h"

#define BENCH_TDMR   0x100000000ull
#define BENCH_PAMT   0x2000000ull
#define BENCH_PARAMS 0x1008000ull

enum { BENCH_GLOBAL_HKID = 32 };

struct bench {
	struct machine *m;
	struct module *mod;
};

static inline int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline struct tdx_regs bench_call(const struct bench *b, unsigned lp, struct tdx_regs regs)
{
	module_seamcall(b->mod, lp, &regs);
	return regs;
}

static inline struct tdx_regs bench_must(const struct bench *b, unsigned lp, struct tdx_regs in)
{
	struct tdx_regs out = bench_call(b, lp, in);
	char text[TDX_STATUS_FORMAT_MAX];

	if (out.rax == TDX_SUCCESS)
		return out;
	fprintf(stderr, "%s(%#llx, %#llx): %s\n", tdx_seamcall_leaf((unsigned)in.rax)->name,
		(unsigned long long)in.rcx, (unsigned long long)in.rdx,
		tdx_status_format(tdx_status(out.rax), text, sizeof(text)));
	exit(1);
}

#define must(b, leaf, ...) bench_must(b, 0, (struct tdx_regs){.rax = (leaf), __VA_ARGS__})

static inline void bench_ready(struct bench *b)
{
	struct machine_config cfg;
	struct tdx_tdmr_info info = {
		.base = BENCH_TDMR,
		.size = 2 * TDX_SIZE_1G,
		.pamt_1g_base = BENCH_PAMT,
		.pamt_1g_size = 0x1000,
		.pamt_2m_base = BENCH_PAMT + 0x1000,
		.pamt_2m_size = 0x4000,
		.pamt_4k_base = BENCH_PAMT + 0x5000,
		.pamt_4k_size = 0x800000,
	};
	uint64_t list = 0x1001000;
	char err[128];

	machine_default_config(&cfg);
	b->m = machine_new(&cfg, err, sizeof(err));
	b->mod = b->m ? module_load(b->m) : NULL;
	if (!b->mod)
		exit(1);
	must(b, TDH_SYS_INIT);
	for (unsigned lp = 0; lp < cfg.lps; lp++)
		bench_must(b, lp, (struct tdx_regs){.rax = TDH_SYS_LP_INIT});
	memcpy(machine_ptr(b->m, 0x1000000), &list, sizeof(list));
	memcpy(machine_ptr(b->m, list), &info, sizeof(info));
	must(b, TDH_SYS_CONFIG, .rcx = 0x1000000, .rdx = 1, .r8 = BENCH_GLOBAL_HKID);
	must(b, TDH_SYS_KEY_CONFIG);
	while (must(b, TDH_SYS_TDMR_INIT, .rcx = BENCH_TDMR).rdx != info.base + info.size)
		;
}

struct bench_td {
	uint64_t tdr;
	unsigned hkid;
	uint64_t attributes;
	unsigned l2_vms;
};

enum { BENCH_TDCS_PAGES = 6, BENCH_TDCX_PAGES = 5, BENCH_TDCX_PAGES_A_L2_VM = 3 };

static inline uint64_t bench_tdvpr_of(const struct bench_td *td)
{
	return td->tdr + (1 + BENCH_TDCS_PAGES + td->l2_vms) * TDX_PAGE_SIZE;
}

static inline uint64_t bench_tdvpr(uint64_t tdr)
{
	return bench_tdvpr_of(&(struct bench_td){.tdr = tdr});
}

/* TDR, TDCS pages, TDVPR, TDVPS pages from tdr on; the next page is returned. */
static inline uint64_t bench_td_of(const struct bench *b, const struct bench_td *td)
{
	struct tdx_td_params params = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | td->attributes,
		.xfam = 3,
		.max_vcpus = 1,
		.num_l2_vms = (uint8_t)td->l2_vms,
		.eptp_controls = TDX_EPTP_MT_WB | TDX_EPTP_WALK_4,
		.tsc_frequency = 100,
	};
	uint64_t page = td->tdr, tdvpr = bench_tdvpr_of(td);

	memcpy(machine_ptr(b->m, BENCH_PARAMS), &params, sizeof(params));
	must(b, TDH_MNG_CREATE, .rcx = td->tdr, .rdx = td->hkid);
	must(b, TDH_MNG_KEY_CONFIG, .rcx = td->tdr);
	while (page + TDX_PAGE_SIZE < tdvpr)
		must(b, TDH_MNG_ADDCX, .rcx = page += TDX_PAGE_SIZE, .rdx = td->tdr);
	must(b, TDH_MNG_INIT, .rcx = td->tdr, .rdx = BENCH_PARAMS);
	must(b, TDH_VP_CREATE, .rcx = page = tdvpr, .rdx = td->tdr);
	for (unsigned i = 0; i < BENCH_TDCX_PAGES + BENCH_TDCX_PAGES_A_L2_VM * td->l2_vms; i++)
		must(b, TDH_VP_ADDCX, .rcx = page += TDX_PAGE_SIZE, .rdx = tdvpr);
	must(b, TDH_VP_INIT, .rcx = tdvpr);
	return page + TDX_PAGE_SIZE;
}

static inline uint64_t bench_td(const struct bench *b, uint64_t tdr, unsigned hkid_)
{
	return bench_td_of(b, &(struct bench_td){.tdr = tdr, .hkid = hkid_});
}

static inline void bench_free(struct bench *b)
{
	module_unload(b->mod);
	machine_free(b->m);
}

#endif
