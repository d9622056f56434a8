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

#define setup_call(s, lp, leaf, ...) \
	setup_call_regs(s, lp, leaf, (struct tdx_regs){__VA_ARGS__})

static inline void setup_expect(struct tdx_status got, uint64_t raw)
{
	char a[TDX_STATUS_FORMAT_MAX], b[TDX_STATUS_FORMAT_MAX];

	assert_string_equal(tdx_status_format(got, a, sizeof(a)),
			    tdx_status_format(tdx_status(raw), b, sizeof(b)));
	assert_int_equal(got.raw, raw);
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
	unsigned per_pkg = (s->m->cfg.lps + s->m->cfg.pkgs - 1) / s->m->cfg.pkgs;
	struct tdx_tdmr_info info[2];

	setup_init(s);
	setup_tdmrs(info);
	setup_expect(setup_config(s, info, 2, config_r8), TDX_SUCCESS);
	for (unsigned lp = 0; lp < s->m->cfg.lps; lp += per_pkg)
		setup_expect(setup_call(s, lp, TDH_SYS_KEY_CONFIG), TDX_SUCCESS);
	for (unsigned i = 0; i < 2; i++)
		do
			setup_expect(setup_call(s, 0, TDH_SYS_TDMR_INIT, .rcx = info[i].base),
				     TDX_SUCCESS);
		while (s->regs.rdx < info[i].base + info[i].size);
}

#endif
