/* SPDX-License-Identifier: MIT */
/* One of the machines of swtdx migrate, and the TD on it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/attest.h>
#include <swtdx/native.h>
#include <swtdx/x86.h>

#include "arch/x86.h"
#include "port/model.h"
#include "tools/file.h"
#include "tools/migrate.h"
#include "tools/run_cpuid.h"
#include "tools/verbs.h"

#define HOST_MEMORY (2ull << 30) /* what the machine has besides the TD's */
enum { CPUS = 3, REPORTS = 8 };

static void log_line(void *arg, const char *line)
{
	const struct migrate_place *p = arg;

	migrate_say(p->all, "machine %u: %s", p->number + 1, line);
}

static int complain(const struct migrate_place *p, const char *what, const char *why)
{
	fprintf(stderr, "swtdx migrate: machine %u: %s: %s\n", p->number + 1, what, why);
	return VERB_ENVIRONMENT;
}

static int complain_of_td(const struct migrate_place *p, const char *what, int err)
{
	struct tdx_vm_error e = {.text = ""};

	if (p->vm)
		tdx_vm_error(p->vm, &e);
	return complain(p, what, e.text[0] ? e.text : strerror(-err));
}

/* --- power --- */

static int set_engine(struct migrate_place *p)
{
	struct tdx_engine *x86 = tdx_x86_engine_new(log_line, p);

	if (!x86)
		return complain(p, "the processor", strerror(ENOMEM));
	if (tdx_x86_engine_execute(x86, p->all->o.execution))
		migrate_say(p->all, "no memory may be made executable: interpreting");
	p->xfam = tdx_x86_engine_xfam(x86);
	p->x86 = x86;
	p->engine = tdx_native_beside_new(x86, tdx_sim_migtd_guest, &p->migtd);
	if (!p->engine) {
		tdx_model_set_engine(p->model, x86);
		return complain(p, "the processor", strerror(ENOMEM));
	}
	tdx_model_set_real_time(p->model);
	tdx_model_set_engine(p->model, p->engine);
	return VERB_OK;
}

static int start_monitor(struct migrate_place *p)
{
	const struct tdx_port *cpus[CPUS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {.cpus = cpus,
				     .ncpus = CPUS,
				     .memory = memory,
				     .dynamic_pamt = p->all->o.dynamic_pamt,
				     .log = log_line,
				     .arg = p};
	char err[256];

	for (unsigned i = 0; i < CPUS; i++)
		cpus[i] = tdx_model_port(p->model, i);
	cfg.nranges = tdx_model_memory(p->model, memory, TDX_MAX_CMRS);
	return tdx_vmm_new(&cfg, &p->vmm, err, sizeof(err)) ? complain(p, "the host", err)
							    : VERB_OK;
}

static void deliver_msi(void *arg, uint64_t address, uint32_t data)
{
	struct migrate_place *p = arg;

	if (p->vm)
		(void)tdx_vm_msi(p->vm, address, data);
}

static void heard(void *arg)
{
}

int migrate_place_on(struct migrate_place *p)
{
	struct machine_config cfg;
	char err[256];
	int status, rc;

	tdx_model_default(&cfg);
	cfg.lps = CPUS;
	/* Machines with one entropy would make one key, and a key that the importer has made, too,
	 * is none of the exporter's: refused. */
	cfg.seed += p->number + (p->all->o.from ? 1 : 0);
	tdx_model_memory_of(&cfg, p->all->o.memory + HOST_MEMORY);
	p->model = tdx_model_new_from(&cfg, err, sizeof(err));
	if (!p->model)
		return complain(p, "power", err);
	if (tdx_model_watch(p->model, REPORTS))
		return complain(p, "power", strerror(ENOMEM));
	status = set_engine(p);
	if (status == VERB_OK)
		status = start_monitor(p);
	if (status != VERB_OK)
		return status;
	p->migtd.root = tdx_quote_service_root(p->all->quotes, &p->migtd.root_len);
	rc = tdx_sim_migtd_new(p->vmm, &p->migtd, &p->service, &p->service_vcpu);
	if (rc)
		return complain(p, "its migration TD", strerror(-rc));
	tdx_native_beside_set(p->engine, tdx_vm_td(p->service).hkid, true);
	return VERB_OK;
}

void migrate_place_off(struct migrate_place *p)
{
	tdx_vm_destroy(p->vm);
	tdx_vm_destroy(p->service);
	tdx_vmm_free(p->vmm);
	tdx_model_free(p->model);
	free(p->migtd.memory);
}

/* --- the TD --- */

static struct tdx_vm_params params(const struct migrate_place *p)
{
	const struct tdx_host_info *info = tdx_vmm_info(p->vmm);

	return (struct tdx_vm_params){
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | TDX_ATTR_MIGRATABLE,
		.xfam = (info->xfam_fixed1 | 0x3 | p->xfam) & info->xfam_fixed0,
		.max_vcpus = (unsigned)p->all->o.vcpus,
		.num_l2_vms = (unsigned)p->all->o.l2_vms,
		.huge_pages = p->all->o.huge,
		.irqchip = true,
		.halt_waits = true,
	};
}

/* The hypervisor's own leaves, as swtdx run has them. */
static int describe(struct tdx_vcpu *v)
{
	static const struct tdx_vm_cpuid kvm[] = {
		{.leaf = 0x40000000,
		 .subleaf = ~0u,
		 .value = {.eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d}},
		{.leaf = 0x40000001, .subleaf = ~0u},
	};

	return tdx_vcpu_set_cpuid(v, kvm, sizeof(kvm) / sizeof(kvm[0]));
}

static void open_ports(struct migrate_place *p)
{
	memset(&p->ports, 0, sizeof(p->ports));
	p->ports.heard = heard;
	p->ports.msi = deliver_msi;
	p->ports.arg = p;
	run_ports_open(&p->ports, p->all->console, p->all->o.memory);
}

int migrate_build(struct migrate_place *p, const void *image, size_t len)
{
	struct tdx_vcpu *v[MIGRATE_MAX_VCPUS] = {NULL};
	const unsigned n = (unsigned)p->all->o.vcpus;
	struct tdx_vm_params params_ = params(p);
	struct tdx_servtd_binding bound;
	struct tdx_tdvf_error terr;
	struct tdx_tdvf tdvf;
	gpa_t hob;
	int err = tdx_tdvf_parse(image, len, &tdvf, &terr);

	open_ports(p);
	if (!err)
		err = tdx_vm_topology(p->vmm, n, 1, &params_);
	if (!err && p->xfam & XFAM_AVX)
		run_cpuid_offer(p->x86, tdx_vmm_info(p->vmm), &params_);
	if (!err)
		err = tdx_vm_new(p->vmm, &p->vm);
	if (!err)
		err = tdx_vm_init(p->vm, &params_);
	if (!err)
		err = tdx_vm_bind_migtd(p->vm, p->service, &bound);
	for (unsigned i = 0; i < n && !err; i++) {
		err = tdx_vcpu_new(p->vm, i, &v[i]);
		if (!err)
			err = describe(v[i]);
	}
	if (!err)
		err = tdx_vm_load_tdvf(p->vm, image, len, &tdvf, TDX_TDVF_ORDER_PAGE,
				       p->all->o.memory, &hob, NULL, NULL);
	for (unsigned i = 0; i < n && !err; i++)
		err = tdx_vcpu_init(v[i], hob.v);
	if (!err)
		err = tdx_vm_finalize(p->vm);
	return err ? complain_of_td(p, "building the TD", err) : VERB_OK;
}

int migrate_expect(struct migrate_place *p)
{
	struct tdx_vm_params params_ = params(p);
	int err = tdx_vm_new(p->vmm, &p->vm);

	open_ports(p);
	if (!err)
		err = tdx_vm_init_import(p->vm, &params_);
	return err ? complain_of_td(p, "a TD to come", err) : VERB_OK;
}

/* --- running --- */

static void finish(struct migrate_place *p, int status)
{
	int running = -1;

	atomic_compare_exchange_strong(&p->all->outcome, &running, status);
	for (unsigned i = 0; tdx_vm_vcpu(p->vm, i); i++)
		tdx_vcpu_kick(tdx_vm_vcpu(p->vm, i));
}

static void io(struct migrate_place *p, struct tdx_run *run)
{
	if (run->io.write)
		run_ports_out(&p->ports, run->io.port, run->io.size, run->io.data);
	else
		run->io.data = run_ports_in(&p->ports, run->io.port, run->io.size);
	if (p->ports.outcome >= 0)
		finish(p, p->ports.outcome);
}

static int memory_fault(struct migrate_place *p, const struct tdx_run *run)
{
	int err = tdx_vm_set_private(p->vm, run->memory_fault.gpa, run->memory_fault.size,
				     run->memory_fault.private_);

	return err == -EAGAIN ? 0 : err; /* it comes again */
}

/* 0 go on; else this vCPU is done. */
static int handle(struct migrate_place *p, struct tdx_run *run)
{
	switch (run->exit) {
	case TDX_EXIT_INTR:
		return p->stopping || p->all->outcome >= 0;
	case TDX_EXIT_IO:
		io(p, run);
		return 0;
	case TDX_EXIT_MMIO:
		if (run->mmio.write)
			run_ports_mmio_write(&p->ports, run->mmio.gpa.v, run->mmio.size,
					     run->mmio.data);
		else
			run->mmio.data =
				run_ports_mmio_read(&p->ports, run->mmio.gpa.v, run->mmio.size);
		return 0;
	case TDX_EXIT_MEMORY_FAULT:
		return memory_fault(p, run);
	case TDX_EXIT_MAP_GPA:
	case TDX_EXIT_TDVMCALL:
	case TDX_EXIT_HYPERCALL:
	case TDX_EXIT_GET_QUOTE:
	case TDX_EXIT_HLT:
		return 0;
	case TDX_EXIT_SYSTEM_EVENT:
	case TDX_EXIT_SHUTDOWN:
	case TDX_EXIT_DEBUG:
	case TDX_EXIT_FAIL_ENTRY:
	case TDX_EXIT_INTERNAL_ERROR:
		break;
	}
	return -EIO;
}

struct runner {
	struct migrate_place *p;
	struct tdx_vcpu *v;
};

static void *run_vcpu(void *arg)
{
	struct runner r = *(struct runner *)arg;
	struct tdx_run run;
	int err = 0;

	free(arg);
	while (!err) {
		err = tdx_vcpu_run(r.v, -1, &run);
		if (!err)
			err = handle(r.p, &run);
	}
	if (err < 0) {
		complain_of_td(r.p, "running the TD", err);
		finish(r.p, VERB_DIFFERENCE);
	}
	return NULL;
}

void migrate_go(void *arg)
{
	struct migrate_place *p = arg;
	struct tdx_vcpu *v;

	p->all->here = p->number;
	p->stopping = false;
	for (p->running = 0; (v = tdx_vm_vcpu(p->vm, p->running)); p->running++) {
		struct runner *r = malloc(sizeof(*r));

		(void)describe(v);
		if (r)
			*r = (struct runner){p, v};
		if (!r || pthread_create(&p->thread[p->running], NULL, run_vcpu, r)) {
			free(r);
			complain(p, "a vCPU", strerror(ENOMEM));
			finish(p, VERB_ENVIRONMENT);
			return;
		}
	}
}

int migrate_stop(void *arg)
{
	struct migrate_place *p = arg;

	p->stopping = true;
	for (unsigned i = 0; i < p->running; i++)
		tdx_vcpu_kick(tdx_vm_vcpu(p->vm, i));
	for (unsigned i = 0; i < p->running; i++)
		pthread_join(p->thread[i], NULL);
	p->running = 0;
	return p->all->outcome >= 0 ? -ECANCELED : 0;
}

int migrate_end(struct migrate_place *p)
{
	struct tdx_vmm_memory before, after;
	uint64_t types[16];
	char text[512];
	int status = VERB_OK;

	if (!p->vm)
		return status;
	tdx_vmm_memory(p->vmm, &before);
	tdx_vm_destroy(p->vm);
	p->vm = NULL;
	run_ports_close(&p->ports);
	tdx_vmm_memory(p->vmm, &after);
	/* The migration TD alone is left. */
	tdx_model_pages(p->model, types);
	if (types[TDX_PT_TDR] != 1 || after.quarantined_pages || after.leaked_hkids) {
		fprintf(stderr,
			"swtdx migrate: machine %u: not everything of the TD came back: %" PRIu64
			" TDRs, %" PRIu64 " pages lost\n",
			p->number + 1, types[TDX_PT_TDR], after.quarantined_pages);
		status = VERB_DIFFERENCE;
	}
	for (unsigned i = 0; i < tdx_model_coherency(p->model, i, text, sizeof(text)) && text[0];
	     i++) {
		fprintf(stderr, "swtdx migrate: machine %u: %s\n", p->number + 1, text);
		status = VERB_DIFFERENCE;
	}
	return status;
}
