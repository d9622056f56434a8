/* SPDX-License-Identifier: MIT */
/* The model behind a port: SEAMCALLs go to the module, guests to the engine. */
#include "port/model.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <swtdx/status.h>

#include "machine/coherency.h"
#include "module/internal.h"
#include "module/pamt.h"

static struct model_cpu *cpu_of(const struct tdx_port *port)
{
	return port->ctx;
}

static struct machine_lp *lp_of(const struct tdx_port *port)
{
	struct model_cpu *c = port->ctx;

	return &c->model->m->lp[c->id];
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The cheap clock of the statistics; turned into ns when they are asked for. */
static uint64_t ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return now_ns();
#endif
}

/* Only the processor's own thread writes its statistics. */
static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* No engine: the vCPU does nothing until the host interrupts it. */
static enum module_next stand_still(struct module *mod, unsigned lp)
{
	struct machine_lp *hw = mod->lp[lp].hw;
	struct vmexit x = {.reason = 1, .intr_info = 1u << 31 | 0xf2};

	while (!atomic_load(&hw->irq))
		sched_yield();
	atomic_store(&hw->irq, false);
	return module_vmexit(mod, lp, &x, module_guest_regs(mod, lp));
}

/* The module let a guest run, or is broken: the registers in the end. */
static void go_on(struct model_cpu *c, enum module_next n, struct tdx_regs *regs)
{
	struct tdx_model *model = c->model;

	if (n == MODULE_TO_GUEST) {
		n = model->engine ? model->engine->ops->run(model->engine, model->mod, c->id)
				  : stand_still(model->mod, c->id);
		*regs = *module_host_regs(model->mod, c->id);
	}
	if (n == MODULE_SHUTDOWN)
		*regs = (struct tdx_regs){.rax = TDX_SEAMCALL_VMFAILINVALID};
}

static void execute(struct model_cpu *c, struct tdx_regs *regs)
{
	struct tdx_model *model = c->model;
	struct machine_lp *lp = &model->m->lp[c->id];
	uint64_t page = regs->rcx;
	bool reclaim = tdx_rax_leaf(regs->rax) == TDH_PHYMEM_PAGE_RECLAIM;
	enum module_next n = module_seamcall(model->mod, c->id, regs);

	if (__builtin_expect(n != MODULE_TO_HOST, 0))
		go_on(c, n, regs);
	if (reclaim && regs->rax == TDX_SUCCESS && regs->rcx == TDX_PT_TDVPR && model->engine)
		model->engine->ops->forget(model->engine, page);
	/* Back in the host, which takes the interrupt that made it come back. */
	if (atomic_load_explicit(&lp->irq, memory_order_relaxed))
		atomic_store(&lp->irq, false);
}

/* With faults to inject, or with the time taken. */
static void execute_watched(struct model_cpu *c, struct tdx_regs *regs)
{
	struct tdx_model *model = c->model;
	unsigned leaf = tdx_rax_leaf(regs->rax) % TDX_SEAMCALL_LEAVES;
	bool faults = atomic_load_explicit(&model->faults.n, memory_order_relaxed) != 0;
	uint64_t t = model->timed ? ticks() : 0;

	if (!faults || !model_fault_before(model, c->id, regs))
		execute(c, regs);
	if (faults)
		model_fault_after(model, c->id);
	if (model->timed)
		count(&c->stats.ns[leaf], ticks() - t);
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	struct model_cpu *c = cpu_of(port);
	unsigned leaf = tdx_rax_leaf(regs->rax) % TDX_SEAMCALL_LEAVES;
	bool faults = atomic_load_explicit(&c->model->faults.n, memory_order_relaxed) != 0;

	if (__builtin_expect(c->model->timed || faults, 0))
		execute_watched(c, regs);
	else
		execute(c, regs);
	if (tdx_is_busy(tdx_status(regs->rax)))
		__atomic_fetch_add(&c->busy[leaf][regs->rax & 0xff], 1, __ATOMIC_RELAXED);
	count(&c->stats.calls[leaf], 1);
	count(&c->stats.errors[leaf], regs->rax >> 63);
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
	return machine_ptr(lp_of(port)->m, pa.v);
}

static void interrupt(const struct tdx_port *port)
{
	struct model_cpu *c = cpu_of(port);

	tdx_model_interrupt(c->model, c->id);
}

static uint64_t tsc(const struct tdx_port *port)
{
	return machine_rdtsc(lp_of(port));
}

static void invept(const struct tdx_port *port)
{
	atomic_fetch_add(&lp_of(port)->tlb_generation, 1);
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
	struct machine_config dflt;

	if (!cfg) {
		machine_default_config(&dflt);
		cfg = &dflt;
	}
	if (!model) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	model->m = machine_new(cfg, err, errlen);
	if (!model->m) {
		free(model);
		return NULL;
	}
	model->mod = module_load(model->m);
	if (!model->mod) {
		snprintf(err, errlen, "out of memory");
		machine_free(model->m);
		free(model);
		return NULL;
	}
	model->start_ns = now_ns();
	model->start_ticks = ticks();
	pthread_mutex_init(&model->faults.lock, NULL);
	model->faults.random = cfg->seed | 1;
	for (unsigned i = 0; i < model->m->cfg.lps; i++) {
		model->cpu[i].port = (struct tdx_port){&model_ops, &model->cpu[i]};
		model->cpu[i].model = model;
		model->cpu[i].id = i;
	}
	return model;
}

struct tdx_model *tdx_model_new(uint64_t memory, unsigned cpus, unsigned packages, uint64_t seed,
				char *err, size_t errlen)
{
	struct machine_config cfg;

	machine_default_config(&cfg);
	cfg.integrity = true;
	if (cpus)
		cfg.lps = cpus;
	if (packages)
		cfg.pkgs = packages;
	if (seed)
		cfg.seed = seed;
	if (memory) {
		/* The second CMR, above 4 GiB, takes what the first leaves. */
		uint64_t low = cfg.cmr[0].size;
		uint64_t high = memory > low ? (memory - low + TDX_SIZE_1G - 1) & ~(TDX_SIZE_1G - 1)
					     : TDX_SIZE_1G;

		cfg.cmr[1].size = high;
		cfg.mem_end = cfg.cmr[1].base + high;
	}
	return tdx_model_new_from(&cfg, err, errlen);
}

void tdx_model_free(struct tdx_model *model)
{
	if (!model)
		return;
	if (model->engine)
		model->engine->ops->free(model->engine);
	module_unload(model->mod);
	machine_free(model->m);
	pthread_mutex_destroy(&model->faults.lock);
	free(model);
}

static void guest_written(void *arg, const void *page)
{
	struct engine *engine = arg;

	engine->ops->written(engine, page);
}

void tdx_model_set_engine(struct tdx_model *model, struct engine *engine)
{
	if (model->engine)
		model->engine->ops->free(model->engine);
	model->engine = engine;
	model->m->guest_written = engine && engine->ops->written ? guest_written : NULL;
	model->m->guest_written_arg = engine;
}

void tdx_model_time_calls(struct tdx_model *model)
{
	model->timed = true;
}

void tdx_model_set_real_time(struct tdx_model *model)
{
	model->m->start_ns = now_ns();
	model->m->cfg.real_time = true;
}

uint64_t tdx_model_tsc_hz(const struct tdx_model *model)
{
	return model->m->cfg.platform->tsc_hz;
}

unsigned tdx_model_cpus(const struct tdx_model *model)
{
	return model->m->cfg.lps;
}

unsigned tdx_model_packages(const struct tdx_model *model)
{
	return model->m->cfg.pkgs;
}

const struct tdx_port *tdx_model_port(struct tdx_model *model, unsigned cpu)
{
	return cpu < model->m->cfg.lps ? &model->cpu[cpu].port : NULL;
}

unsigned tdx_model_memory(const struct tdx_model *model, struct tdx_memory_range *range,
			  unsigned max)
{
	const struct machine_config *cfg = &model->m->cfg;

	for (unsigned i = 0; i < cfg->ncmr && i < max; i++)
		range[i] = (struct tdx_memory_range){hpa(cfg->cmr[i].base), cfg->cmr[i].size};
	return cfg->ncmr;
}

void tdx_model_interrupt(struct tdx_model *model, unsigned cpu)
{
	atomic_store(&model->m->lp[cpu].irq, true);
	if (model->engine && model->engine->ops->kick)
		model->engine->ops->kick(model->engine, cpu);
}

void tdx_model_stats(const struct tdx_model *model, struct tdx_model_stats *stats)
{
	double ns_per_tick =
		(double)(now_ns() - model->start_ns) / (double)(ticks() - model->start_ticks);

	memset(stats, 0, sizeof(*stats));
	for (unsigned c = 0; c < model->m->cfg.lps; c++)
		for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++) {
			stats->calls[i] +=
				__atomic_load_n(&model->cpu[c].stats.calls[i], __ATOMIC_RELAXED);
			stats->ns[i] +=
				__atomic_load_n(&model->cpu[c].stats.ns[i], __ATOMIC_RELAXED);
			stats->errors[i] +=
				__atomic_load_n(&model->cpu[c].stats.errors[i], __ATOMIC_RELAXED);
		}
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		stats->ns[i] = (uint64_t)((double)stats->ns[i] * ns_per_tick);
}

uint64_t tdx_model_contention(const struct tdx_model *model, enum tdx_seamcall leaf,
			      enum tdx_operand operand)
{
	uint64_t n = 0;

	for (unsigned c = 0; c < model->m->cfg.lps; c++)
		n += __atomic_load_n(&model->cpu[c].busy[leaf][operand & 0xff], __ATOMIC_RELAXED);
	return n;
}

uint64_t tdx_model_pages(struct tdx_model *model, uint64_t count[16])
{
	struct module *mod = model->mod;
	uint64_t sum = 0;

	memset(count, 0, 16 * sizeof(count[0]));
	for (uint32_t i = 0; i < mod->num_tdmrs; i++)
		for (uint64_t a = mod->tdmr[i].base; a < mod->tdmr[i].base + mod->tdmr[i].size;) {
			static const enum tdx_level levels[] = {TDX_LEVEL_1G, TDX_LEVEL_2M,
								TDX_LEVEL_4K};
			uint64_t step = TDX_PAGE_SIZE;

			for (unsigned l = 0; l < 3; l++) {
				const struct pamt_entry *e = pamt_of_size(mod, a, levels[l]);
				unsigned type = e ? e->type & 15u : TDX_PT_NDA;
				uint64_t size = tdx_level_size(levels[l]);

				if (!e) {
					step = size;
					break;
				}
				if ((a & (size - 1)) || type == TDX_PT_NDA || type == TDX_PT_PAMT)
					continue;
				step = size;
				count[type] += size / TDX_PAGE_SIZE;
				sum += type == TDX_PT_RSVD ? 0 : size / TDX_PAGE_SIZE;
				break;
			}
			a += step;
		}
	return sum;
}

uint64_t tdx_model_stale_lines(struct tdx_model *model)
{
	const struct machine *m = model->m;
	uint64_t n = 0;

	for (uint64_t page = 0; page < m->cfg.mem_end >> 12; page++) {
		uint64_t w = atomic_load_explicit(&m->page[page].word, memory_order_relaxed);
		unsigned hkid_ = (unsigned)(w & PAGE_HKID_MASK);

		if (!(w & PAGE_DIRTY_MASK) || hkid_ < model->mod->private_hkid_min)
			continue;
		n += model->mod->kot[hkid_].state == TDX_KOT_FREE ? TDX_PAGE_SIZE / 64 : 0;
	}
	return n;
}

int tdx_model_watch(struct tdx_model *model, unsigned max)
{
	return machine_watch(model->m, max);
}

unsigned tdx_model_coherency(const struct tdx_model *model, unsigned i, char *buf, size_t len)
{
	struct coherency_report r;

	if (len && machine_coherency_report(model->m, i, &r))
		coherency_format(&r, buf, len);
	else if (len)
		buf[0] = '\0';
	return machine_coherency_count(model->m);
}
