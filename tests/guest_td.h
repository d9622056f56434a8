/* SPDX-License-Identifier: MIT */
/* A running TD for tests: model, monitor, one VM, a guest function on the native engine.
 *
 * The ports the monitor gets can be made hostile: they see each TDVMCALL of the guest before the
 * monitor does and each answer after it. */
#ifndef TESTS_GUEST_TD_H
#define TESTS_GUEST_TD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/guest.h>
#include <swtdx/model.h>
#include <swtdx/vmm.h>

#include "abi/ghci.h"
#include "arch/vmx.h"
#include "engine/native/native.h"
#include "port/guest_native.h"

enum { TD_MAX_CPUS = 4 };
#define TD_RAM	   (2ull << 30)
#define TD_SCRATCH 0x10000ull /* a page accepted from the start */
#define MIB	   (1ull << 20)
#define GIB	   (1ull << 30)

struct td;
/* The guest: one function, vCPU by vCPU. */
typedef void td_guest_fn(struct td *t, struct guest_native *g, const struct tdg_td *td,
			 unsigned vcpu);
/* The user of the monitor at an exit it has to answer. False: stop. */
typedef bool td_exit_fn(struct td *t, struct tdx_run *run);
/* A hostile processor: a TDVMCALL of the guest, before the monitor; its answer, after. */
typedef void td_call_fn(struct td *t, struct tdx_regs *regs);

struct td {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu[TD_MAX_CPUS];
	struct tdx_port port[TD_MAX_CPUS];
	const struct tdx_port *cpus[TD_MAX_CPUS];
	struct tdx_port_ops ops;
	unsigned ncpus;
	td_guest_fn *guest;
	td_exit_fn *on_exit;
	td_call_fn *on_call, *on_answer;
	void (*on_enter)(struct td *t); /* before each TDH.VP.ENTER */
	bool call_open[TD_MAX_CPUS];
	uint64_t maps;	    /* MapGPA the guest made */
	uint64_t exits[16]; /* by enum tdx_exit */
	bool finished;	    /* the guest function has returned */
	void *arg;
	char log[512]; /* the monitor's last line */
};

/* --- hostile ports --- */

static inline struct td *td_of(const struct tdx_port *port)
{
	return ((struct tdx_port *)(uintptr_t)port)->ctx;
}

static inline const struct tdx_port *td_real(const struct tdx_port *port)
{
	struct td *t = td_of(port);

	return tdx_model_port(t->model, (unsigned)(port - t->port));
}

static inline void td_seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	struct td *t = td_of(port);
	const struct tdx_port *real = td_real(port);
	bool enter = regs->rax == TDH_VP_ENTER;
	bool *open = &t->call_open[port - t->port];

	if (enter && *open) {
		*open = false;
		if (t->on_answer)
			t->on_answer(t, regs);
	}
	if (enter && t->on_enter)
		t->on_enter(t);
	real->ops->seamcall(real, regs);
	if (enter && regs->rax == VMX_EXIT_TDCALL) {
		*open = true;
		if (regs->r10 == 0 && regs->r11 == TDVMCALL_MAP_GPA)
			__atomic_fetch_add(&t->maps, 1, __ATOMIC_RELAXED);
		if (t->on_call)
			t->on_call(t, regs);
	}
}

#define TD_FORWARD(ret, name, params, args)                                                        \
	static inline ret td_##name params                                                         \
	{                                                                                          \
		const struct tdx_port *real = td_real(port);                                       \
		return real->ops->name args;                                                       \
	}
TD_FORWARD(void, flush, (const struct tdx_port *port, hpa_t pa, size_t n), (real, pa, n))
TD_FORWARD(void, direct_clear, (const struct tdx_port *port, hpa_t pa, size_t n), (real, pa, n))
TD_FORWARD(void, barrier, (const struct tdx_port *port), (real))
TD_FORWARD(void, wbinvd, (const struct tdx_port *port), (real))
TD_FORWARD(void, read, (const struct tdx_port *port, hpa_t pa, void *b, size_t n), (real, pa, b, n))
TD_FORWARD(void, write, (const struct tdx_port *port, hpa_t pa, const void *b, size_t n),
	   (real, pa, b, n))
TD_FORWARD(bool, rdmsr, (const struct tdx_port *port, uint32_t m, uint64_t *v), (real, m, v))
TD_FORWARD(void, cpuid, (const struct tdx_port *port, uint32_t l, uint32_t s, uint32_t *o),
	   (real, l, s, o))
TD_FORWARD(void *, va, (const struct tdx_port *port, hpa_t pa), (real, pa))
TD_FORWARD(void, interrupt, (const struct tdx_port *port), (real))
TD_FORWARD(unsigned, cpu, (const struct tdx_port *port), (real))
TD_FORWARD(unsigned, package, (const struct tdx_port *port), (real))
TD_FORWARD(void, set_incoherent, (const struct tdx_port *port, bool i), (real, i))
TD_FORWARD(bool, incoherent, (const struct tdx_port *port), (real))
TD_FORWARD(void, relax, (const struct tdx_port *port), (real))

/* --- the guest's side --- */

static inline void td_vcpu_main(struct tdx_native_cpu *cpu, void *arg)
{
	struct td *t = arg;
	struct guest_native g;
	struct tdg_vp_info info;
	struct tdg_td td;

	guest_native_init(&g, cpu);
	if (!tdx_is_success(tdg_vp_info(&g.port, &info)) || tdg_init(&g.port, &td))
		return;
	t->guest(t, &g, &td, info.vcpu_index);
	__atomic_store_n(&t->finished, true, __ATOMIC_RELAXED);
}

/* --- set up, run, tear down --- */

static inline void td_log(void *arg, const char *line)
{
	struct td *t = arg;

	snprintf(t->log, sizeof(t->log), "%s", line);
}

/* TD_MAX_CPUS vCPUs at most, on as many processors or fewer. */
static inline struct td *td_new_on(unsigned ncpus, td_guest_fn *guest, unsigned nvcpus,
				   uint64_t attributes, bool huge_pages)
{
	static const uint8_t zero[4096];
	struct td *t = calloc(1, sizeof(*t));
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range ram[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {
		.cpus = t->cpus, .ncpus = ncpus, .memory = ram, .log = td_log, .arg = t};
	struct tdx_vm_params params = {
		.attributes = attributes, .xfam = 3, .max_vcpus = nvcpus, .huge_pages = huge_pages};
	char err[256] = "";

	t->ncpus = ncpus;
	t->guest = guest;
	t->ops = (struct tdx_port_ops){
		.seamcall = td_seamcall,
		.flush = td_flush,
		.direct_clear = td_direct_clear,
		.barrier = td_barrier,
		.wbinvd = td_wbinvd,
		.read = td_read,
		.write = td_write,
		.rdmsr = td_rdmsr,
		.cpuid = td_cpuid,
		.va = td_va,
		.interrupt = td_interrupt,
		.cpu = td_cpu,
		.package = td_package,
		.set_incoherent = td_set_incoherent,
		.incoherent = td_incoherent,
		.relax = td_relax,
	};
	t->model = tdx_model_new(0, ncpus, 1, 1, err, sizeof(err));
	assert_string_equal(err, "");
	tdx_model_set_engine(t->model, tdx_native_engine_new(td_vcpu_main, t));
	for (unsigned i = 0; i < ncpus; i++) {
		t->port[i] = (struct tdx_port){&t->ops, t};
		t->cpus[i] = &t->port[i];
	}
	cfg.nranges = tdx_model_memory(t->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		ram[i] = (struct tdx_range){map[i].base, map[i].size};
	assert_int_equal(tdx_vmm_new(&cfg, &t->vmm, err, sizeof(err)), 0);
	assert_int_equal(tdx_vm_new(t->vmm, &t->vm), 0);
	assert_int_equal(tdx_vm_init(t->vm, &params), 0);
	assert_int_equal(tdx_vm_set_memslot(t->vm, 0, gpa(0), TD_RAM), 0);
	for (unsigned i = 0; i < nvcpus; i++) {
		assert_int_equal(tdx_vcpu_new(t->vm, i, &t->vcpu[i]), 0);
		assert_int_equal(tdx_vcpu_init(t->vcpu[i], 0), 0);
	}
	assert_int_equal(tdx_vm_add_page(t->vm, gpa(TD_SCRATCH), zero, true), 0);
	assert_int_equal(tdx_vm_finalize(t->vm), 0);
	return t;
}

static inline struct td *td_new_sized(td_guest_fn *guest, unsigned n, uint64_t attributes,
				      bool huge_pages)
{
	return td_new_on(n, guest, n, attributes, huge_pages);
}

static inline struct td *td_new(td_guest_fn *guest, unsigned ncpus, uint64_t attributes)
{
	return td_new_sized(guest, ncpus, attributes, false);
}

/* Runs a vCPU until its function has returned or on_exit says stop. Returns 0 or what
 * tdx_vcpu_run() failed with. */
static inline int td_run(struct td *t, unsigned i)
{
	struct tdx_run run = {0};
	int err;

	for (;;) {
		err = tdx_vcpu_run(t->vcpu[i], -1, &run);
		if (err)
			return err;
		__atomic_fetch_add(&t->exits[run.exit], 1, __ATOMIC_RELAXED);
		if (t->on_exit && t->on_exit(t, &run))
			continue;
		if (run.exit == TDX_EXIT_MAP_GPA || run.exit == TDX_EXIT_INTR)
			continue;
		return 0;
	}
}

static inline void td_free(struct td *t)
{
	struct tdx_vmm_memory m;

	tdx_vm_destroy(t->vm);
	tdx_vmm_memory(t->vmm, &m);
	assert_int_equal(m.quarantined_pages, 0);
	assert_int_equal(m.leaked_hkids, 0);
	assert_int_equal(m.used_pages, 0);
	assert_int_equal(tdx_model_stale_lines(t->model), 0);
	tdx_vmm_free(t->vmm);
	tdx_model_free(t->model);
	free(t);
}

static inline uint64_t td_calls(struct td *t, enum tdx_seamcall leaf)
{
	struct tdx_model_stats s;

	tdx_model_stats(t->model, &s);
	return s.calls[leaf];
}

/* --- memory of a guest without page tables --- */

static inline int td_mm_set(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	(void)ctx, (void)start, (void)size, (void)shared;
	return 0;
}

static inline void td_mm_flush(void *ctx, gpa_t start, uint64_t size)
{
	(void)ctx, (void)start, (void)size;
}

static inline void td_mm_leak(void *ctx, gpa_t start, uint64_t size)
{
	(void)start;
	if (ctx)
		*(uint64_t *)ctx += size;
}

static inline struct tdg_memory td_mm(uint64_t *leaked)
{
	return (struct tdg_memory){td_mm_set, td_mm_flush, td_mm_leak, leaked, NULL, NULL};
}

#endif
