/* SPDX-License-Identifier: MIT */
/* Running vectors. The memory is plain, as it was where they were recorded: KeyID bits of an address
 * are dropped and a host write to a private page stands for the guest's own store. */
#include "trace/vecrun.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "abi/vmcs.h"
#include "machine/machine.h"
#include "module/invariants.h"
#include "module/lockword.h"
#include "module/module.h"
#include "module/vmcs.h"
#include "trace/vector.h"

enum {
	EXIT_REASON_TDCALL = 77,
	TDCALL_LENGTH = 4,
	GUEST_PROGRESS = 0x100, /* bytes of code a guest runs between two steps */
	GUEST_STEP_TSC = 10000000,
	MAX_HOLDS = 64,
};

struct hold {
	char resource[24];
	enum lock_resource res;
	struct lock_key key;
	enum lock_hold how;
	bool used;
};

struct vecrun {
	const struct vecrun_options *opt;
	struct vecrun_result *res;
	unsigned line;
	bool step_differs;
	struct machine *m;
	struct module *mod;
	bool entered[MACHINE_MAX_LPS];
	uint64_t tdvpr[MACHINE_MAX_LPS];
	unsigned last_lp; /* of the guest step before an exit line */
	struct hold hold[MAX_HOLDS];
};

__attribute__((format(printf, 2, 3))) static void differ(struct vecrun *r, const char *fmt, ...)
{
	struct vec_diff d = {.line = r->line};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d.text, sizeof(d.text), fmt, ap);
	va_end(ap);
	r->step_differs = true;
	if (r->opt->diff)
		r->opt->diff(r->opt->arg, &d);
}

static const char *next_name(enum module_next n)
{
	switch (n) {
	case MODULE_TO_HOST:
		return "back in the host";
	case MODULE_TO_GUEST:
		return "in the guest";
	case MODULE_SHUTDOWN:
		return "a shutdown";
	}
	return "?";
}

static void format_reg(unsigned n, uint64_t v, char *buf, size_t len)
{
	char name[96];

	if (n == 0)
		snprintf(buf, len, "0x%llx (%s)", (unsigned long long)v,
			 tdx_status_format(tdx_status(v), name, sizeof(name)));
	else
		snprintf(buf, len, "0x%llx", (unsigned long long)v);
}

/* Compare the registers in `mask`; the rest is not looked at. */
static void compare(struct vecrun *r, const char *what, const struct vec_regs *want, uint32_t mask,
		    const struct tdx_regs *got)
{
	struct tdx_regs g = *got, w = want->v;

	for (unsigned n = 0; n < 16; n++) {
		char have[128], recorded[128];

		if (!(mask & ~want->any & 1u << n) || *tdx_reg(&g, n) == *tdx_reg(&w, n))
			continue;
		format_reg(n, *tdx_reg(&g, n), have, sizeof(have));
		format_reg(n, *tdx_reg(&w, n), recorded, sizeof(recorded));
		differ(r, "%s: %s is %s, recorded %s", what, vec_reg_names[n], have, recorded);
	}
}

/* Did the call end where the vector says? MODULE_SHUTDOWN has no registers to compare. */
static bool ended(struct vecrun *r, const char *what, enum module_next got, enum module_next want)
{
	if (got == want)
		return true;
	differ(r, "%s: ends %s, recorded %s", what, next_name(got), next_name(want));
	return false;
}

static void platform(struct vecrun *r, const struct vec_step *s)
{
	struct machine_config cfg;
	char err[128];

	machine_default_config(&cfg);
	cfg.mem_end = s->platform.mem_end;
	cfg.ncmr = s->platform.ncmr;
	for (unsigned i = 0; i < cfg.ncmr; i++)
		cfg.cmr[i] = (struct machine_range){s->platform.cmr[i].base,
						    s->platform.cmr[i].size};
	cfg.maxpa = s->platform.maxpa;
	cfg.keyid_bits = s->platform.keyid_bits;
	cfg.keyids = s->platform.keyids;
	cfg.tdx_keyids = s->platform.tdx_keyids;
	cfg.lps = s->platform.lps;
	cfg.pkgs = s->platform.pkgs;
	cfg.wb_blocks = s->platform.wb_blocks;
	cfg.seed = s->platform.seed;
	cfg.integrity = false;
	r->m = machine_new(&cfg, err, sizeof(err));
	if (!r->m) {
		differ(r, "platform: %s", err);
		return;
	}
	r->mod = module_load(r->m);
	if (!r->mod)
		differ(r, "platform: out of memory");
}

static int hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void memory(struct vecrun *r, const struct vec_step *s)
{
	uint64_t a = machine_strip(r->m, s->addr);
	uint8_t *p;

	if (!machine_is_ram(r->m, a, s->len)) {
		differ(r, "0x%llx is no memory of this platform", (unsigned long long)s->addr);
		return;
	}
	p = machine_ptr(r->m, a);
	if (s->kind == VEC_FILL) {
		memset(p, (int)s->num[0], s->len);
		return;
	}
	for (uint64_t i = 0; i < s->len; i++) {
		const char *h = s->hex + 2 * i;
		int v;

		if (h[0] == '?')
			continue;
		v = hex_digit(h[0]) << 4 | hex_digit(h[1]);
		if (s->kind == VEC_WRITE)
			p[i] = (uint8_t)v;
		else if (p[i] != v) {
			differ(r, "memory at 0x%llx+0x%llx is %02x, recorded %02x",
			       (unsigned long long)s->addr, (unsigned long long)i, p[i], v);
			return;
		}
	}
}

static void env(struct vecrun *r, const struct vec_step *s)
{
	int64_t lp = s->num[0];

	if (strcmp(s->label, "intr_after") == 0)
		atomic_store(&r->m->lp[lp].irq_countdown, s->num[1]);
	else if (strcmp(s->label, "rng_fail") == 0)
		atomic_store(&r->m->rng_fail, (int)s->num[0]);
	else if (strcmp(s->label, "tsc") == 0) {
		atomic_store(&r->m->tsc, (uint64_t)s->num[0]);
		atomic_store(&r->m->tsc_step, (uint64_t)s->num[1]);
	} else if (strcmp(s->label, "pconfig") == 0)
		atomic_store(&r->m->pconfig_result, (int)s->num[0]);
	else if (strcmp(s->label, "msr") == 0)
		machine_override_msr(r->m, (int)lp, (uint32_t)s->num[1], (uint64_t)s->num[2]);
	else if (strcmp(s->label, "cpuid_xor") == 0) {
		for (unsigned i = 0; i < r->m->cfg.lps; i++) {
			struct machine_lp *l = &r->m->lp[i];

			if (lp >= 0 && (unsigned)lp != i)
				continue;
			l->cpuid_xor.on = s->num[1] != -1;
			l->cpuid_xor.leaf = (uint32_t)s->num[1];
			l->cpuid_xor.mask =
				(struct cpuid_regs){(uint32_t)s->num[2], (uint32_t)s->num[3],
						    (uint32_t)s->num[4], (uint32_t)s->num[5]};
		}
	} else
		differ(r, "env %s is not known", s->label);
}

static bool host_lp(struct vecrun *r, const struct vec_step *s)
{
	if (s->lp < r->m->cfg.lps && !r->entered[s->lp])
		return true;
	differ(r, "%s: LP %u is %s", s->label ? s->label : "enter", s->lp,
	       s->lp < r->m->cfg.lps ? "in a guest" : "not of this platform");
	return false;
}

static void seamcall(struct vecrun *r, const struct vec_step *s)
{
	enum module_next want = s->outcome == VEC_OUT_SHUTDOWN ? MODULE_SHUTDOWN : MODULE_TO_HOST;

	if (!host_lp(r, s))
		return;
	for (unsigned i = 0; i < s->repeat && !r->step_differs; i++) {
		struct tdx_regs regs = s->in.v;
		enum module_next n;

		regs.rax = s->rax;
		n = module_seamcall(r->mod, s->lp, &regs);
		r->entered[s->lp] = n == MODULE_TO_GUEST;
		r->tdvpr[s->lp] = s->in.v.rcx;
		if (ended(r, s->label, n, want) && n == MODULE_TO_HOST)
			compare(r, s->label, &s->out, s->out.mask, &regs);
	}
}

static void tdmr_init(struct vecrun *r, const struct vec_step *s)
{
	if (!host_lp(r, s))
		return;
	for (;;) {
		struct tdx_regs regs = {.rax = TDH_SYS_TDMR_INIT, .rcx = s->addr};

		module_seamcall(r->mod, s->lp, &regs);
		if (regs.rax) {
			char name[96];

			differ(r, "TDH.SYS.TDMR.INIT of 0x%llx: %s", (unsigned long long)s->addr,
			       tdx_status_format(tdx_status(regs.rax), name, sizeof(name)));
			return;
		}
		if (regs.rdx >= s->len)
			return;
	}
}

static void check_event(struct vecrun *r, const struct vec_step *s, const char *what)
{
	struct module_entry e = module_entry(r->mod, s->lp);
	bool valid = e.info >> 31;

	if (s->outcome != VEC_OUT_INJECT) {
		if (valid)
			differ(r, "%s: vector %u is injected, recorded none", what, e.info & 0xff);
		return;
	}
	if (!valid)
		differ(r, "%s: nothing is injected, recorded vector %u", what, s->vector);
	else if ((e.info & 0xff) != s->vector)
		differ(r, "%s: vector %u is injected, recorded %u", what, e.info & 0xff, s->vector);
	else if (s->has_error && (!(e.info & 1u << 11) || e.error != s->error))
		differ(r, "%s: injected with error 0x%x, recorded 0x%x", what, e.error, s->error);
}

static void enter(struct vecrun *r, const struct vec_step *s)
{
	struct tdx_regs regs = s->in.v;
	enum module_next n;

	if (!host_lp(r, s))
		return;
	regs.rax = TDH_VP_ENTER;
	regs.rcx = s->addr;
	n = module_seamcall(r->mod, s->lp, &regs);
	r->entered[s->lp] = n == MODULE_TO_GUEST;
	r->tdvpr[s->lp] = s->addr & 0xffffffffff000ull;
	r->last_lp = s->lp;
	if (n == MODULE_TO_HOST) {
		char name[96];

		differ(r, "TDH.VP.ENTER: not entered: %s",
		       tdx_status_format(tdx_status(regs.rax), name, sizeof(name)));
	} else if (ended(r, "TDH.VP.ENTER", n, MODULE_TO_GUEST))
		check_event(r, s, "TDH.VP.ENTER");
}

/* A VM exit of the guest on the step's LP, and what is to become of it. */
static void guest_exit(struct vecrun *r, const struct vec_step *s, const struct vmexit *x,
		       const struct tdx_regs *in)
{
	struct vmcs *vmcs = module_vmcs(r->mod, s->lp);
	struct tdx_regs *regs = module_guest_regs(r->mod, s->lp);
	enum module_next n, want;

	*regs = *in;
	if (!s->stall)
		vmcs_write(vmcs, VMCS_GUEST_RIP, vmcs_read(vmcs, VMCS_GUEST_RIP) + GUEST_PROGRESS);
	atomic_fetch_add(&r->m->tsc, GUEST_STEP_TSC);
	n = module_vmexit(r->mod, s->lp, x, regs);
	r->entered[s->lp] = n == MODULE_TO_GUEST;
	want = s->outcome == VEC_OUT_EXIT     ? MODULE_TO_HOST :
	       s->outcome == VEC_OUT_SHUTDOWN ? MODULE_SHUTDOWN :
						MODULE_TO_GUEST;
	if (!ended(r, s->label, n, want) || n != MODULE_TO_GUEST)
		return;
	check_event(r, s, s->label);
	if (s->outcome == VEC_OUT_REGS)
		compare(r, s->label, &s->out, s->out.mask, regs);
}

static bool guest_lp(struct vecrun *r, const struct vec_step *s)
{
	if (s->lp < r->m->cfg.lps && r->entered[s->lp])
		return true;
	differ(r, "%s: LP %u is not in a guest", s->label, s->lp);
	return false;
}

static void guest(struct vecrun *r, const struct vec_step *s)
{
	struct vmexit x = {
		.reason = s->reason,
		.qualification = s->qual,
		.gpa = s->gpa,
		.gla = s->gla,
		.intr_info = (uint32_t)s->intr,
		.instr_len = (uint32_t)s->ilen,
		.stall = s->stall,
	};
	struct vmcs *vmcs;

	r->last_lp = s->lp;
	if (!guest_lp(r, s))
		return;
	switch (s->kind) {
	case VEC_GUEST_MODE64:
		vmcs = module_vmcs(r->mod, s->lp);
		vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
		vmcs_set_bits(vmcs, VMCS_GUEST_CR0, 1u << 31 | 1u);
		vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 13);   /* L */
		vmcs_clear_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 14); /* D/B */
		break;
	case VEC_GUEST_REGS:
		compare(r, s->label, &s->out, s->out.mask, module_guest_regs(r->mod, s->lp));
		break;
	default:
		guest_exit(r, s, &x, &s->in.v);
	}
}

static void tdcall(struct vecrun *r, struct vec_step *s)
{
	struct vmexit x = {.reason = EXIT_REASON_TDCALL, .instr_len = TDCALL_LENGTH};
	struct tdx_regs regs = s->in.v;

	for (s->lp = 0; s->lp < r->m->cfg.lps; s->lp++)
		if (r->entered[s->lp] && r->tdvpr[s->lp] == s->addr)
			break;
	r->last_lp = s->lp;
	if (!guest_lp(r, s))
		return;
	regs.rax = s->rax;
	guest_exit(r, s, &x, &regs);
}

static void td_exit(struct vecrun *r, const struct vec_step *s)
{
	if (r->last_lp >= r->m->cfg.lps || r->entered[r->last_lp])
		differ(r, "exit: LP %u did not leave the guest", r->last_lp);
	else
		compare(r, "exit", &s->out, 0xffffu & ~(1u << 4),
			module_host_regs(r->mod, r->last_lp));
}

static void hold(struct vecrun *r, const struct vec_step *s)
{
	static const enum lock_hold how[] = {
		[VEC_LOCK_SHARED] = HOLD_SHARED,
		[VEC_LOCK_EXCLUSIVE] = HOLD_EXCLUSIVE,
		[VEC_LOCK_HP] = HOLD_HP,
	};
	struct lock_key key = {(uint64_t)s->num[0], (uint64_t)s->num[1], (enum tdx_level)s->num[2]};
	enum lock_resource res;
	struct hold *h = r->hold;

	if (!lock_resource_from_name(s->label, &res)) {
		differ(r, "no such lock: %s", s->label);
		return;
	}
	if (s->kind == VEC_HOLD) {
		while (h < r->hold + MAX_HOLDS && h->used)
			h++;
		if (h == r->hold + MAX_HOLDS ||
		    !module_lock_hold(r->mod, res, &key, how[s->lock_mode])) {
			differ(r, "hold: %s 0x%llx cannot be taken", s->label,
			       (unsigned long long)key.key);
			return;
		}
		*h = (struct hold){.res = res, .key = key, .how = how[s->lock_mode], .used = true};
		return;
	}
	for (; h < r->hold + MAX_HOLDS; h++)
		if (h->used && h->res == res && h->key.key == key.key && h->key.gpa == key.gpa &&
		    h->key.level == key.level) {
			module_lock_release(r->mod, res, &key, h->how);
			h->used = false;
			return;
		}
	differ(r, "release: %s 0x%llx is not held", s->label, (unsigned long long)key.key);
}

/* False: comments and set-up, which have no result of their own. */
static bool compared(enum vec_kind kind)
{
	return kind == VEC_SEAMCALL || kind == VEC_TDMR_INIT || kind == VEC_ENTER ||
	       kind == VEC_GUEST || kind == VEC_GUEST_REGS || kind == VEC_TDCALL ||
	       kind == VEC_EXIT || kind == VEC_EXPECT;
}

static void run_step(struct vecrun *r, struct vec_step *s)
{
	switch (s->kind) {
	case VEC_COMMENT:
		break;
	case VEC_PLATFORM:
		platform(r, s);
		break;
	case VEC_WRITE:
	case VEC_FILL:
	case VEC_EXPECT:
		memory(r, s);
		break;
	case VEC_ENV:
		env(r, s);
		break;
	case VEC_SEAMCALL:
		seamcall(r, s);
		break;
	case VEC_TDMR_INIT:
		tdmr_init(r, s);
		break;
	case VEC_ENTER:
		enter(r, s);
		break;
	case VEC_GUEST:
	case VEC_GUEST_MODE64:
	case VEC_GUEST_REGS:
		guest(r, s);
		break;
	case VEC_TDCALL:
		tdcall(r, s);
		break;
	case VEC_EXIT:
		td_exit(r, s);
		break;
	case VEC_HOLD:
	case VEC_RELEASE:
		hold(r, s);
		break;
	}
}

static void check_invariants(struct vecrun *r)
{
	char why[256];
	bool held = false;

	if (!r->opt->paranoid || !r->mod)
		return;
	for (unsigned i = 0; i < MAX_HOLDS; i++)
		held |= r->hold[i].used;
	if (!(held ? module_check_state : module_check_invariants)(r->mod, why, sizeof(why)))
		differ(r, "invariant broken: %s", why);
}

void vecrun_text(char *text, const struct vecrun_options *opt, struct vecrun_result *result)
{
	struct vecrun *r = calloc(1, sizeof(*r));
	char *line = text, *end;

	*result = (struct vecrun_result){0};
	if (!r) {
		result->damaged = true;
		return;
	}
	r->opt = opt;
	r->res = result;
	for (; line && *line; line = end) {
		struct vec_step s;
		char err[128];

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		r->line = ++result->lines;
		r->step_differs = false;
		if (!vec_parse(line, &s, err, sizeof(err)) ||
		    (!r->mod && s.kind != VEC_PLATFORM && s.kind != VEC_COMMENT)) {
			differ(r, "not understood: %s", r->mod ? err : "no platform line before it");
			result->damaged = true;
			break;
		}
		run_step(r, &s);
		if (s.kind != VEC_COMMENT)
			check_invariants(r);
		if (compared(s.kind)) {
			result->steps++;
			result->passed += !r->step_differs;
		}
		result->differing += r->step_differs;
		if ((r->step_differs && !opt->keep_going) || (s.kind == VEC_PLATFORM && !r->mod))
			break;
	}
	if (r->mod)
		module_unload(r->mod);
	if (r->m)
		machine_free(r->m);
	free(r);
}
