/* SPDX-License-Identifier: MIT */
/* A port for each processor of a system: the host is C code, in this process. */
#include "port/model.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine/coherency.h"

static struct model_cpu *cpu_of(const struct tdx_port *port)
{
	return port->ctx;
}

static struct machine_lp *lp_of(const struct tdx_port *port)
{
	struct model_cpu *c = port->ctx;

	return &c->sys->m->lp[c->id];
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	struct model_cpu *c = cpu_of(port);
	_Atomic bool *irq = &c->sys->m->lp[c->id].irq;

	system_seamcall(c->sys, c->id, regs);
	/* Back in the host, which has no handler: that it is back is all the interrupt was for. */
	if (atomic_load_explicit(irq, memory_order_relaxed))
		atomic_store(irq, false);
}

static void flush(const struct tdx_port *port, hpa_t pa, size_t len)
{
	machine_clflush(lp_of(port), pa.v, len);
}

static void direct_clear(const struct tdx_port *port, hpa_t pa, size_t len)
{
	machine_movdir64b_zero(lp_of(port), pa.v, len);
}

static void barrier(const struct tdx_port *port)
{
	machine_mfence(lp_of(port));
}

static void wbinvd(const struct tdx_port *port)
{
	machine_wbinvd(lp_of(port));
}

static void port_read(const struct tdx_port *port, hpa_t pa, void *buf, size_t len)
{
	machine_read(lp_of(port), pa.v, buf, len);
}

static void port_write(const struct tdx_port *port, hpa_t pa, const void *buf, size_t len)
{
	machine_write(lp_of(port), pa.v, buf, len);
}

static bool rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	return machine_rdmsr(lp_of(port), msr, value);
}

static void port_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	struct cpuid_regs r = machine_cpuid(lp_of(port), leaf, subleaf);

	out[0] = r.eax;
	out[1] = r.ebx;
	out[2] = r.ecx;
	out[3] = r.edx;
}

static void *va(const struct tdx_port *port, hpa_t pa)
{
	return machine_host_ptr(lp_of(port)->m, pa.v, 1);
}

static void interrupt(const struct tdx_port *port)
{
	struct model_cpu *c = cpu_of(port);

	system_interrupt(c->sys, c->id);
}

static uint64_t tsc(const struct tdx_port *port)
{
	return machine_rdtsc(lp_of(port));
}

static void invept(const struct tdx_port *port)
{
	atomic_fetch_add(&lp_of(port)->tlb_generation, 1);
}

static void watch(const struct tdx_port *port, const volatile uint8_t *byte)
{
	lp_of(port)->watched = byte;
}

static hpa_t map_user(const struct tdx_port *port, void *at, uint64_t size)
{
	return hpa(machine_open_window(lp_of(port)->m, at, size));
}

static void unmap_user(const struct tdx_port *port, hpa_t pa)
{
	machine_close_window(lp_of(port)->m, pa.v);
}

static unsigned cpu_number(const struct tdx_port *port)
{
	return cpu_of(port)->id;
}

static unsigned package(const struct tdx_port *port)
{
	return lp_of(port)->package;
}

static void set_incoherent(const struct tdx_port *port, bool incoherent)
{
	_Atomic bool *flag = &cpu_of(port)->incoherent;

	if (atomic_load_explicit(flag, memory_order_relaxed) != incoherent)
		atomic_store_explicit(flag, incoherent, memory_order_relaxed);
}

static bool incoherent(const struct tdx_port *port)
{
	return atomic_load_explicit(&cpu_of(port)->incoherent, memory_order_relaxed);
}

static void relax(const struct tdx_port *port)
{
	(void)port;
	sched_yield();
}

static const struct tdx_port_ops model_ops = {
	.seamcall = seamcall,
	.flush = flush,
	.direct_clear = direct_clear,
	.barrier = barrier,
	.wbinvd = wbinvd,
	.read = port_read,
	.write = port_write,
	.rdmsr = rdmsr,
	.cpuid = port_cpuid,
	.va = va,
	.interrupt = interrupt,
	.invept = invept,
	.watch = watch,
	.map_user = map_user,
	.unmap_user = unmap_user,
	.tsc = tsc,
	.cpu = cpu_number,
	.package = package,
	.set_incoherent = set_incoherent,
	.incoherent = incoherent,
	.relax = relax,
};

struct tdx_model *tdx_model_new_from(const struct machine_config *cfg, char *err, size_t errlen)
{
	struct tdx_model *model = calloc(1, sizeof(*model));

	if (!model) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	model->sys = system_new(cfg, err, errlen);
	if (!model->sys) {
		free(model);
		return NULL;
	}
	for (unsigned i = 0; i < model->sys->m->cfg.lps; i++) {
		model->cpu[i].port = (struct tdx_port){&model_ops, &model->cpu[i]};
		model->cpu[i].sys = model->sys;
		model->cpu[i].id = i;
	}
	return model;
}

void tdx_model_default(struct machine_config *cfg)
{
	machine_default_config(cfg);
	cfg->integrity = true;
}

void tdx_model_memory_of(struct machine_config *cfg, uint64_t memory)
{
	const uint64_t low = cfg->cmr[0].size;
	const uint64_t high =
		memory > low ? (memory - low + TDX_SIZE_1G - 1) & ~(TDX_SIZE_1G - 1) : TDX_SIZE_1G;

	cfg->cmr[1].size = high;
	cfg->mem_end = cfg->cmr[1].base + high;
}

struct tdx_model *tdx_model_new(uint64_t memory, unsigned cpus, unsigned packages, uint64_t seed,
				char *err, size_t errlen)
{
	struct machine_config cfg;

	tdx_model_default(&cfg);
	if (cpus)
		cfg.lps = cpus;
	if (packages)
		cfg.pkgs = packages;
	if (seed)
		cfg.seed = seed;
	if (memory)
		tdx_model_memory_of(&cfg, memory);
	return tdx_model_new_from(&cfg, err, errlen);
}

void tdx_model_free(struct tdx_model *model)
{
	if (!model)
		return;
	system_free(model->sys);
	free(model);
}

void tdx_model_set_engine(struct tdx_model *model, struct tdx_engine *engine)
{
	system_set_engine(model->sys, engine);
}

void tdx_model_time_calls(struct tdx_model *model)
{
	system_time_calls(model->sys);
}

void tdx_model_set_real_time(struct tdx_model *model)
{
	system_set_real_time(model->sys);
}

uint64_t tdx_model_tsc_hz(const struct tdx_model *model)
{
	return model->sys->m->cfg.platform->tsc_hz;
}

unsigned tdx_model_cpus(const struct tdx_model *model)
{
	return model->sys->m->cfg.lps;
}

unsigned tdx_model_packages(const struct tdx_model *model)
{
	return model->sys->m->cfg.pkgs;
}

const struct tdx_port *tdx_model_port(struct tdx_model *model, unsigned cpu)
{
	return cpu < model->sys->m->cfg.lps ? &model->cpu[cpu].port : NULL;
}

unsigned tdx_model_memory(const struct tdx_model *model, struct tdx_range *range, unsigned max)
{
	const struct machine_config *cfg = &model->sys->m->cfg;

	for (unsigned i = 0; i < cfg->ncmr && i < max; i++)
		range[i] = (struct tdx_range){hpa(cfg->cmr[i].base), cfg->cmr[i].size};
	return cfg->ncmr;
}

void tdx_model_interrupt(struct tdx_model *model, unsigned cpu)
{
	system_interrupt(model->sys, cpu);
}

void tdx_model_stats(const struct tdx_model *model, struct tdx_model_stats *stats)
{
	system_stats(model->sys, stats);
}

uint64_t tdx_model_contention(const struct tdx_model *model, enum tdx_seamcall leaf,
			      enum tdx_operand operand)
{
	return system_contention(model->sys, leaf, operand);
}

int tdx_model_inject(struct tdx_model *model, const struct tdx_fault *fault)
{
	return system_inject(model->sys, fault);
}

uint64_t tdx_model_fault_hits(const struct tdx_model *model, int id)
{
	return system_fault_hits(model->sys, id);
}

void tdx_model_clear_faults(struct tdx_model *model)
{
	system_clear_faults(model->sys);
}

uint64_t tdx_model_pages(struct tdx_model *model, uint64_t count[16])
{
	return system_pages(model->sys, count);
}

bool tdx_model_measurements(struct tdx_model *model, hpa_t tdr, struct tdx_digest *mrtd,
			    struct tdx_digest rtmr[TDX_RTMRS])
{
	return system_measurements(model->sys, tdr.v, mrtd, rtmr);
}

uint64_t tdx_model_stale_lines(struct tdx_model *model)
{
	return system_stale_lines(model->sys);
}

int tdx_model_watch(struct tdx_model *model, unsigned max)
{
	return machine_watch(model->sys->m, max);
}

unsigned tdx_model_coherency(const struct tdx_model *model, unsigned i, char *buf, size_t len)
{
	struct coherency_report r;

	if (len && machine_coherency_report(model->sys->m, i, &r))
		coherency_format(&r, buf, len);
	else if (len)
		buf[0] = '\0';
	return machine_coherency_count(model->sys->m);
}
