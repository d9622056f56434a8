/* SPDX-License-Identifier: MIT */
/* Powering on: a machine, its module, the monitor. Once, when the client's first VM is made; by
 * then it has made its last fork(). */
#include "preload/preload.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <swtdx/model.h>
#include <swtdx/vmm.h>
#include <swtdx/x86.h>

#include "arch/x86.h"
#include "kvm/kvm.h"
#include "port/model.h"
#include "trace/trace.h"

enum {
	DEFAULT_MIB = 16384, /* of address space: what is not touched costs nothing */
	DEFAULT_CPUS = 16,
	MAX_REPORTS = 16,
	TRACE_LIMIT_MIB = 1024,
};

struct preload {
	struct kvm_host *kvm;
	struct tdx_model *model;
	struct tdx_engine *engine; /* the model's */
	struct tdx_vmm *vmm;
	struct trace *trace;
	struct tdx_fault fault[TDX_MODEL_FAULTS];
	int fault_id[TDX_MODEL_FAULTS];
	unsigned nfaults;
	struct preload_debug *debug; /* NULL: no gdb */
	bool quiet;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* One write a line: the client's threads write, too. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char line[768];
	va_list ap;
	int n, m;

	n = snprintf(line, sizeof(line), "swtdx kvm: ");
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n += m < (int)sizeof(line) - n - 2 ? m : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

static void log_line(void *arg, const char *line)
{
	(void)arg;
	say("%s", line);
}

/* The verb has looked at them. */
static void inject(struct preload *p, const char *text)
{
	char err[256];
	const int n = text && *text
			      ? tdx_faults_parse(text, p->fault, TDX_MODEL_FAULTS, err, sizeof(err))
			      : 0;

	if (n < 0)
		say("%s", err);
	for (p->nfaults = 0; (int)p->nfaults < n; p->nfaults++)
		p->fault_id[p->nfaults] = tdx_model_inject(p->model, &p->fault[p->nfaults]);
}

static int start_trace(struct preload *p)
{
	const char *path = getenv(PRELOAD_TRACE);
	const struct trace_options opt = {.max_bytes = (uint64_t)TRACE_LIMIT_MIB << 20};
	int err;

	if (!path || !*path)
		return 0;
	p->trace = trace_open(path, p->model->sys->mod, &opt, &err);
	if (p->trace)
		return 0;
	say("%s: %s", path, strerror(-err));
	return err;
}

static int bring_up(struct preload *p)
{
	const struct tdx_port *cpus[MACHINE_MAX_LPS];
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {
		.cpus = cpus, .memory = memory, .log = log_line, .wall_clock = true, .arg = p};
	char err[256];
	int e;

	cfg.ncpus = tdx_model_cpus(p->model);
	for (unsigned i = 0; i < cfg.ncpus; i++)
		cpus[i] = tdx_model_port(p->model, i);
	cfg.nranges = tdx_model_memory(p->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	e = tdx_vmm_new(&cfg, &p->vmm, err, sizeof(err));
	if (e)
		say("%s", err);
	return e;
}

static int power_on(void *arg, struct tdx_vmm **vmm)
{
	struct preload *p = arg;
	struct tdx_engine *engine;
	char err[256];
	int e;

	p->model = tdx_model_new(number(PRELOAD_MEMORY, DEFAULT_MIB) << 20,
				 (unsigned)number(PRELOAD_CPUS, DEFAULT_CPUS), 1,
				 number(PRELOAD_SEED, 0), err, sizeof(err));
	if (!p->model) {
		say("%s", err);
		return -ENOMEM;
	}
	engine = tdx_x86_engine_new(log_line, p);
	if (!engine || tdx_model_watch(p->model, MAX_REPORTS))
		return -ENOMEM;
	if (tdx_x86_engine_execute(engine, (enum tdx_x86_execution)number(PRELOAD_ENGINE, 0)))
		say("no memory may be made executable: interpreting");
	tdx_model_set_real_time(p->model);
	tdx_model_set_engine(p->model, engine);
	p->engine = engine;
	e = start_trace(p);
	if (!e)
		e = bring_up(p);
	if (e)
		return e;
	inject(p, getenv(PRELOAD_FAULT));
	*vmm = p->vmm;
	return 0;
}

static uint64_t vectors(void *arg)
{
	return tdx_x86_engine_xfam(((const struct preload *)arg)->engine);
}

static void instructions(void *arg, uint32_t leaf, uint32_t index, struct tdx_cpuid_values *bits)
{
	tdx_x86_engine_cpuid(((const struct preload *)arg)->engine, leaf, index, bits);
}

/* CAPABILITY=ANSWER[,...], by numbers; the verb has looked at them. */
static unsigned answers(const char *text, struct kvm_cap_answer a[KVM_ANSWERS])
{
	unsigned n = 0;

	while (text && *text && n < KVM_ANSWERS) {
		char *end;

		a[n].cap = (unsigned)strtoul(text, &end, 0);
		a[n++].value = *end == '=' ? strtol(end + 1, &end, 0) : 0;
		text = *end == ',' ? end + 1 : NULL;
	}
	return n;
}

struct preload *preload_new(void)
{
	struct preload *p = calloc(1, sizeof(*p));
	const char *gdb = getenv(PRELOAD_GDB);
	struct kvm_cap_answer a[KVM_ANSWERS];
	const unsigned n = answers(getenv(PRELOAD_CAPS), a);

	if (!p)
		return NULL;
	p->quiet = getenv(PRELOAD_QUIET) != NULL;
	if (gdb && *gdb)
		p->debug = preload_debug_new(gdb, log_line, p);
	p->kvm = kvm_host_new(
		&(struct kvm_host_config){.power_on = power_on,
					  .log = log_line,
					  .arg = p,
					  .vcpus = (unsigned)number(PRELOAD_CPUS, DEFAULT_CPUS),
					  .xfam = XFAM_X87 | XFAM_SSE,
					  .vectors = vectors,
					  .instructions = instructions,
					  .answers = a,
					  .nanswers = n,
					  .debugger = preload_debug_debugger(p->debug)});
	if (p->kvm && !p->quiet)
		say("a simulated /dev/kvm: every TD, report and quote of it is simulated");
	return p->kvm ? p : NULL;
}

struct kvm_host *preload_kvm(struct preload *p)
{
	return p->kvm;
}

static void tell_missing(struct preload *p)
{
	char text[160];

	for (unsigned i = 0; kvm_host_missing(p->kvm, i, text, sizeof(text)), *text; i++)
		say("missing: %s", text);
}

static void tell_coherency(struct preload *p)
{
	char text[512];

	for (unsigned i = 0; i < MAX_REPORTS; i++) {
		tdx_model_coherency(p->model, i, text, sizeof(text));
		if (*text)
			say("%s", text);
	}
}

static void tell_faults(const struct preload *p)
{
	char text[TDX_FAULT_FORMAT_MAX];

	for (unsigned i = 0; i < p->nfaults; i++)
		say("fault %s: came %" PRIu64 " times",
		    tdx_fault_format(&p->fault[i], text, sizeof(text)),
		    tdx_model_fault_hits(p->model, p->fault_id[i]));
}

void preload_end(struct preload *p)
{
	struct tdx_vmm_memory m;

	if (getenv(PRELOAD_MISSING))
		tell_missing(p);
	if (!p->vmm)
		return;
	tell_faults(p);
	if (!kvm_host_end(p->kvm)) {
		say("the client ends in the middle of a call: its TDs are not torn down");
		return;
	}
	tell_coherency(p);
	tdx_vmm_memory(p->vmm, &m);
	if (m.used_pages || m.quarantined_pages || m.leaked_hkids)
		say("%" PRIu64 " pages and %u KeyIDs have not come back",
		    m.used_pages + m.quarantined_pages, m.leaked_hkids);
	if (p->trace && trace_close(p->trace))
		say("the trace could not be written whole");
}
