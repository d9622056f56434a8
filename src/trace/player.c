/* SPDX-License-Identifier: MIT */
/* Doing the steps of vectors. */
#include "arch/x86.h"
#include "trace/player.h"
#include "module/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "module/vmcs.h"

enum {
	TDCALL_LENGTH = 4,
	GUEST_PROGRESS = 0x100, /* bytes of code a guest runs between two steps */
	GUEST_STEP_TSC = 10000000,
	EFER_64BIT = 0xd01,
};

__attribute__((format(printf, 2, 3))) static bool cannot(struct played *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
	return false;
}

void player_init(struct player *p)
{
	memset(p, 0, sizeof(*p));
}

void player_free(struct player *p)
{
	if (p->mod)
		module_unload(p->mod);
	if (p->m)
		machine_free(p->m);
	p->mod = NULL;
	p->m = NULL;
}

static bool platform(struct player *p, const struct vec_step *s, struct played *out)
{
	struct machine_config cfg;
	char err[128];

	if (p->m)
		return cannot(out, "platform: a second one");
	machine_default_config(&cfg);
	cfg.mem_end = s->platform.mem_end;
	cfg.ncmr = s->platform.ncmr;
	for (unsigned i = 0; i < cfg.ncmr; i++)
		cfg.cmr[i] =
			(struct machine_range){s->platform.cmr[i].base, s->platform.cmr[i].size};
	cfg.maxpa = s->platform.maxpa;
	cfg.keyid_bits = s->platform.keyid_bits;
	cfg.keyids = s->platform.keyids;
	cfg.tdx_keyids = s->platform.tdx_keyids;
	cfg.lps = s->platform.lps;
	cfg.pkgs = s->platform.pkgs;
	cfg.wb_blocks = s->platform.wb_blocks;
	cfg.seed = s->platform.seed;
	cfg.fms = s->platform.fms;
	for (unsigned i = 0; i < MACHINE_LACKING; i++) {
		const uint32_t *r = s->platform.lacking_7[i];

		cfg.lacking_7[i] = (struct cpuid_regs){r[0], r[1], r[2], r[3]};
	}
	cfg.integrity = false;
	p->m = machine_new(&cfg, err, sizeof(err));
	if (!p->m)
		return cannot(out, "platform: %s", err);
	p->mod = module_load(p->m);
	if (!p->mod)
		return cannot(out, "platform: out of memory");
	if (p->profile)
		module_set_profile(p->mod, p->profile);
	if (p->loaded)
		p->loaded(p->arg, p, s);
	return true;
}

/* The module is another from now on; memory and keys are what they were. */
static bool reload(struct player *p, const struct vec_step *s, struct played *out)
{
	for (unsigned i = 0; i < p->m->cfg.lps; i++)
		if (p->entered[i])
			return cannot(out, "reload: LP %u is in a guest", i);
	module_reload(p->mod, !s->no_handoff);
	return true;
}

static struct player_value *value_of(struct player *p, const char *name)
{
	for (unsigned i = 0; i < p->nvalues; i++)
		if (strcmp(p->value[i].name, name) == 0)
			return &p->value[i];
	return NULL;
}

/* The registers of a call, with names replaced by what they stand for. */
static bool inputs(struct player *p, const struct vec_regs *in, struct tdx_regs *regs,
		   struct played *out)
{
	*regs = in->v;
	for (unsigned i = 0; i < 16; i++) {
		const struct player_value *v;
		uint64_t *r = tdx_reg(regs, i);

		if (!(in->named & 1u << i))
			continue;
		v = value_of(p, in->name[i]);
		if (!v)
			return cannot(out, "nothing has been captured as $%s", in->name[i]);
		*r = in->op[i] == '-' ? v->v - *r : in->op[i] == '^' ? v->v ^ *r : v->v + *r;
	}
	return true;
}

static bool capture(struct player *p, const struct vec_regs *want, struct played *out)
{
	for (unsigned i = 0; i < 16; i++) {
		struct player_value *v;

		if (!(want->named & 1u << i))
			continue;
		v = value_of(p, want->name[i]);
		if (!v && p->nvalues == VEC_MAX_NAMES)
			return cannot(out, "more than %d names of captured values", VEC_MAX_NAMES);
		if (!v) {
			v = &p->value[p->nvalues++];
			snprintf(v->name, sizeof(v->name), "%s", want->name[i]);
		}
		v->v = *tdx_reg(&out->regs, i);
	}
	return true;
}

static int hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static bool memory(struct player *p, const struct vec_step *s, struct played *out)
{
	uint64_t a = machine_strip(p->m, s->addr);
	uint8_t *bytes;

	if (!machine_is_ram(p->m, a, s->len))
		return cannot(out, "0x%llx is no memory of this platform",
			      (unsigned long long)s->addr);
	bytes = machine_ptr(p->m, a);
	if (s->kind == VEC_XOR) {
		*bytes ^= (uint8_t)s->num[0];
		return true;
	}
	if (s->kind == VEC_FILL) {
		memset(bytes, (int)s->num[0], s->len);
		return true;
	}
	for (uint64_t i = 0; i < s->len; i++) {
		const char *h = s->hex + 2 * i;
		int v;

		if (h[0] == '?')
			continue;
		v = hex_digit(h[0]) << 4 | hex_digit(h[1]);
		if (s->kind == VEC_WRITE)
			bytes[i] = (uint8_t)v;
		else if (bytes[i] != v)
			return cannot(out, "memory at 0x%llx+0x%llx is %02x, recorded %02x",
				      (unsigned long long)s->addr, (unsigned long long)i, bytes[i],
				      v);
	}
	return true;
}

static bool env(struct player *p, const struct vec_step *s, struct played *out)
{
	struct machine *m = p->m;
	int64_t lp = s->num[0];

	if (strcmp(s->label, "intr_after") == 0) {
		if (lp < 0 || lp >= m->cfg.lps)
			return cannot(out, "env %s: no such LP", s->label);
		atomic_store(&m->lp[lp].irq_countdown, s->num[1]);
	} else if (strcmp(s->label, "rng_fail") == 0)
		atomic_store(&m->rng_fail, (int)s->num[0]);
	else if (strcmp(s->label, "tsc") == 0) {
		atomic_store(&m->tsc, (uint64_t)s->num[0]);
		atomic_store(&m->tsc_step, (uint64_t)s->num[1]);
	} else if (strcmp(s->label, "pconfig") == 0)
		atomic_store(&m->pconfig_result, (int)s->num[0]);
	else if (strcmp(s->label, "msr") == 0) {
		if (lp < -1 || lp >= m->cfg.lps)
			return cannot(out, "env %s: no such LP", s->label);
		machine_override_msr(m, (int)lp, (uint32_t)s->num[1], (uint64_t)s->num[2]);
	} else if (strcmp(s->label, "cpuid_xor") == 0) {
		for (unsigned i = 0; i < m->cfg.lps; i++) {
			struct machine_lp *l = &m->lp[i];

			if (lp >= 0 && (unsigned)lp != i)
				continue;
			l->cpuid_xor.on = s->num[1] != -1;
			l->cpuid_xor.leaf = (uint32_t)s->num[1];
			l->cpuid_xor.mask =
				(struct cpuid_regs){(uint32_t)s->num[2], (uint32_t)s->num[3],
						    (uint32_t)s->num[4], (uint32_t)s->num[5]};
		}
	} else
		return cannot(out, "env %s is not known", s->label);
	return true;
}

static bool host_lp(const struct player *p, const struct vec_step *s, struct played *out)
{
	if (s->lp < p->m->cfg.lps && !p->entered[s->lp])
		return true;
	return cannot(out, "%s: LP %u is %s", s->label ? s->label : "enter", s->lp,
		      s->lp < p->m->cfg.lps ? "in a guest" : "not of this platform");
}

/* What is pending for the host is taken: at an exit for it, and before the host calls, whose
 * interrupts are on. The module sends some itself. */
static void host_takes_interrupts(struct player *p, unsigned lp)
{
	atomic_store(&p->m->lp[lp].irq, false);
}

static bool seamcall(struct player *p, const struct vec_step *s, struct played *out)
{
	if (!host_lp(p, s, out))
		return false;
	if (!inputs(p, &s->in, &out->regs, out))
		return false;
	out->regs.rax = s->rax;
	if (s->kind == VEC_ENTER) {
		out->regs.rax = TDH_VP_ENTER;
		out->regs.rcx = s->addr;
		p->last_lp = s->lp;
	}
	host_takes_interrupts(p, s->lp);
	out->call = true;
	out->lp = s->lp;
	p->tdvpr[s->lp] = out->regs.rcx & 0xffffffffff000ull;
	out->next = module_seamcall(p->mod, s->lp, &out->regs);
	p->entered[s->lp] = out->next == MODULE_TO_GUEST;
	return true;
}

static bool tdmr_init(struct player *p, const struct vec_step *s, struct played *out)
{
	if (!host_lp(p, s, out))
		return false;
	for (;;) {
		struct tdx_regs regs = {.rax = TDH_SYS_TDMR_INIT, .rcx = s->addr};
		char name[96];

		module_seamcall(p->mod, s->lp, &regs);
		if (regs.rax)
			return cannot(out, "TDH.SYS.TDMR.INIT of 0x%llx: %s",
				      (unsigned long long)s->addr,
				      tdx_status_format(tdx_status(regs.rax), name, sizeof(name)));
		if (regs.rdx >= s->len)
			return true;
	}
}

/* A VM exit of the guest on the step's LP. */
static bool guest_exit(struct player *p, unsigned lp, const struct vmexit *x, uint64_t retired,
		       const struct tdx_regs *in, struct played *out)
{
	struct vmcs *vmcs = module_vmcs(p->mod, lp);
	struct tdx_regs *regs = module_guest_regs(p->mod, lp);

	*regs = *in;
	p->m->lp[lp].retired = retired;
	if ((x->reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_EXTERNAL_INTERRUPT)
		host_takes_interrupts(p, lp);
	if (!x->stall)
		vmcs_write(vmcs, VMCS_GUEST_RIP, vmcs_read(vmcs, VMCS_GUEST_RIP) + GUEST_PROGRESS);
	atomic_fetch_add(&p->m->tsc, GUEST_STEP_TSC);
	out->call = true;
	out->lp = lp;
	out->next = module_vmexit(p->mod, lp, x, regs);
	p->entered[lp] = out->next == MODULE_TO_GUEST;
	if (out->next != MODULE_SHUTDOWN)
		out->regs = out->next == MODULE_TO_HOST ? *module_host_regs(p->mod, lp)
							: *module_guest_regs(p->mod, lp);
	return true;
}

static bool guest_lp(const struct player *p, const char *what, unsigned lp, struct played *out)
{
	return (lp < p->m->cfg.lps && p->entered[lp]) ||
	       cannot(out, "%s: LP %u is not in a guest", what, lp);
}

static bool guest(struct player *p, const struct vec_step *s, struct played *out)
{
	struct vmexit x = {
		.reason = s->reason,
		.qualification = s->qual,
		.gpa = s->gpa,
		.gla = s->gla,
		.intr_info = (uint32_t)s->intr,
		.intr_error = (uint32_t)s->ierr,
		.instr_len = (uint32_t)s->ilen,
		.instr_info = (uint32_t)s->iinfo,
		.idt_vectoring_info = (uint32_t)s->idt,
		.stall = s->stall,
	};
	struct tdx_regs regs;
	struct vmcs *vmcs;

	p->last_lp = s->lp;
	if (!guest_lp(p, s->label, s->lp, out))
		return false;
	if (s->kind == VEC_GUEST)
		return inputs(p, &s->in, &regs, out) &&
		       guest_exit(p, s->lp, &x, s->retired, &regs, out);
	out->lp = s->lp;
	out->next = MODULE_TO_GUEST;
	if (s->kind == VEC_GUEST_REGS) {
		out->regs = *module_guest_regs(p->mod, s->lp);
		return true;
	}
	if (s->kind == VEC_GUEST_VE)
		return module_processor_ve(p->mod, s->lp, s->qual, s->gla, s->gpa) ||
		       cannot(out, "ve: LP %u: the last one has not been taken", s->lp);
	if (s->kind == VEC_GUEST_VAPIC) {
		module_processor_vapic(p->mod, s->lp, s->status, s->priority);
		return true;
	}
	vmcs = module_vmcs(p->mod, s->lp);
	vmcs_write(vmcs, VMCS_GUEST_EFER, EFER_64BIT);
	vmcs_set_bits(vmcs, VMCS_GUEST_CR0, CR0_PG | CR0_PE);
	vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, SEG_AR_L);
	vmcs_clear_bits(vmcs, VMCS_GUEST_CS_AR, SEG_AR_DB);
	return true;
}

static bool tdcall(struct player *p, const struct vec_step *s, struct played *out)
{
	struct vmexit x = {.reason = VMX_EXIT_TDCALL, .instr_len = TDCALL_LENGTH};
	struct tdx_regs regs;
	unsigned lp;

	for (lp = 0; lp < p->m->cfg.lps; lp++)
		if (p->entered[lp] && p->tdvpr[lp] == s->addr)
			break;
	p->last_lp = lp;
	if (!inputs(p, &s->in, &regs, out))
		return false;
	regs.rax = s->rax;
	return guest_lp(p, s->label, lp, out) &&
	       guest_exit(p, lp, &x, VEC_RETIRED_MANY, &regs, out);
}

static bool td_exit(struct player *p, struct played *out)
{
	if (p->last_lp >= p->m->cfg.lps || p->entered[p->last_lp])
		return cannot(out, "exit: LP %u did not leave the guest", p->last_lp);
	out->lp = p->last_lp;
	out->next = MODULE_TO_HOST;
	out->regs = *module_host_regs(p->mod, p->last_lp);
	return true;
}

static bool hold(struct player *p, const struct vec_step *s, struct played *out)
{
	static const enum lock_hold how[] = {
		[VEC_LOCK_SHARED] = HOLD_SHARED,
		[VEC_LOCK_EXCLUSIVE] = HOLD_EXCLUSIVE,
		[VEC_LOCK_HP] = HOLD_HP,
	};
	struct lock_key key = {(uint64_t)s->num[0], (uint64_t)s->num[1], (enum tdx_level)s->num[2]};
	struct player_hold *h = p->hold, *end = h + PLAYER_MAX_HOLDS;
	enum lock_resource res;

	if (!lock_resource_from_name(s->label, &res))
		return cannot(out, "no such lock: %s", s->label);
	if (s->kind == VEC_HOLD) {
		while (h < end && h->used)
			h++;
		if (h == end || !module_lock_hold(p->mod, res, &key, how[s->lock_mode]))
			return cannot(out, "hold: %s 0x%llx cannot be taken", s->label,
				      (unsigned long long)key.key);
		*h = (struct player_hold){res, key, how[s->lock_mode], true};
		return true;
	}
	for (; h < end; h++)
		if (h->used && h->res == res && h->key.key == key.key && h->key.gpa == key.gpa &&
		    h->key.level == key.level) {
			module_lock_release(p->mod, res, &key, h->how);
			h->used = false;
			return true;
		}
	return cannot(out, "release: %s 0x%llx is not held", s->label, (unsigned long long)key.key);
}

static bool step(struct player *p, const struct vec_step *s, struct played *out)
{
	if (!p->mod && s->kind != VEC_PLATFORM && s->kind != VEC_COMMENT)
		return cannot(out, "no platform line before it");
	switch (s->kind) {
	case VEC_COMMENT:
		return true;
	case VEC_PLATFORM:
		return platform(p, s, out);
	case VEC_WRITE:
	case VEC_FILL:
	case VEC_EXPECT:
	case VEC_XOR:
		return memory(p, s, out);
	case VEC_ENV:
		return env(p, s, out);
	case VEC_SEAMCALL:
	case VEC_ENTER:
		return seamcall(p, s, out);
	case VEC_TDMR_INIT:
		return tdmr_init(p, s, out);
	case VEC_GUEST:
	case VEC_GUEST_MODE64:
	case VEC_GUEST_REGS:
	case VEC_GUEST_VE:
	case VEC_GUEST_VAPIC:
		return guest(p, s, out);
	case VEC_TDCALL:
		return tdcall(p, s, out);
	case VEC_EXIT:
		return td_exit(p, out);
	case VEC_HOLD:
	case VEC_RELEASE:
		return hold(p, s, out);
	case VEC_RELOAD:
		return reload(p, s, out);
	}
	return false;
}

bool player_step(struct player *p, const struct vec_step *s, struct played *out)
{
	out->call = false;
	out->next = MODULE_TO_HOST;
	out->regs = (struct tdx_regs){0};
	out->why[0] = '\0';
	return step(p, s, out) && (!s->out.named || capture(p, &s->out, out));
}

bool player_holds(const struct player *p)
{
	for (unsigned i = 0; i < PLAYER_MAX_HOLDS; i++)
		if (p->hold[i].used)
			return true;
	return false;
}
