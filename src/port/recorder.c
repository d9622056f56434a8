/* SPDX-License-Identifier: MIT */
/* The recorder: what a host did through a port, in order. */
#include "port/record.h"

#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>

struct tdx_record *tdx_record_new(void)
{
	struct tdx_record *r = calloc(1, sizeof(*r));

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void tdx_record_free(struct tdx_record *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->step);
	free(r);
}

size_t tdx_record_count(struct tdx_record *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = r->n;
	pthread_mutex_unlock(&r->lock);
	return n;
}

bool tdx_record_step(struct tdx_record *r, size_t i, struct tdx_step *step)
{
	bool there;

	pthread_mutex_lock(&r->lock);
	there = i < r->n && r->step;
	if (there)
		*step = r->step[i];
	pthread_mutex_unlock(&r->lock);
	return there;
}

void tdx_record_clear(struct tdx_record *r)
{
	pthread_mutex_lock(&r->lock);
	r->n = 0;
	pthread_mutex_unlock(&r->lock);
}

void tdx_record_append(struct tdx_record *r, const struct tdx_step *step)
{
	pthread_mutex_lock(&r->lock);
	if (r->n == r->max) {
		size_t max = r->max ? 2 * r->max : 256;
		struct tdx_step *more = realloc(r->step, max * sizeof(*more));

		if (more) {
			r->step = more;
			r->max = max;
		}
	}
	if (r->n < r->max)
		r->step[r->n++] = *step;
	pthread_mutex_unlock(&r->lock);
}

size_t tdx_record_calls(struct tdx_record *r, unsigned leaf)
{
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n; i++)
		n += r->step[i].kind == TDX_STEP_SEAMCALL &&
		     tdx_rax_leaf(r->step[i].in.rax) == leaf;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* --- the port --- */

struct recorder {
	struct tdx_port port;
	const struct tdx_port *below;
	struct tdx_record *record;
};

static const struct recorder *of(const struct tdx_port *port)
{
	return port->ctx;
}

static void note(const struct tdx_port *port, struct tdx_step step)
{
	const struct recorder *r = of(port);

	step.cpu = r->below->ops->cpu(r->below);
	step.package = r->below->ops->package(r->below);
	tdx_record_append(r->record, &step);
}

static void note_range(const struct tdx_port *port, enum tdx_step_kind kind, hpa_t pa, size_t len)
{
	note(port, (struct tdx_step){.kind = kind, .pa = pa, .len = len});
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	const struct tdx_port *below = of(port)->below;
	struct tdx_step step = {.kind = TDX_STEP_SEAMCALL, .in = *regs};

	below->ops->seamcall(below, regs);
	step.out = *regs;
	note(port, step);
}

static void flush(const struct tdx_port *port, hpa_t pa, size_t len)
{
	of(port)->below->ops->flush(of(port)->below, pa, len);
	note_range(port, TDX_STEP_FLUSH, pa, len);
}

static void direct_clear(const struct tdx_port *port, hpa_t pa, size_t len)
{
	of(port)->below->ops->direct_clear(of(port)->below, pa, len);
	note_range(port, TDX_STEP_DIRECT_CLEAR, pa, len);
}

static void barrier(const struct tdx_port *port)
{
	of(port)->below->ops->barrier(of(port)->below);
	note_range(port, TDX_STEP_BARRIER, hpa(0), 0);
}

static void wbinvd(const struct tdx_port *port)
{
	of(port)->below->ops->wbinvd(of(port)->below);
	note_range(port, TDX_STEP_WBINVD, hpa(0), 0);
}

static void port_read(const struct tdx_port *port, hpa_t pa, void *buf, size_t len)
{
	of(port)->below->ops->read(of(port)->below, pa, buf, len);
	note_range(port, TDX_STEP_READ, pa, len);
}

static void port_write(const struct tdx_port *port, hpa_t pa, const void *buf, size_t len)
{
	of(port)->below->ops->write(of(port)->below, pa, buf, len);
	note_range(port, TDX_STEP_WRITE, pa, len);
}

static bool rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	bool ok = of(port)->below->ops->rdmsr(of(port)->below, msr, value);

	note(port, (struct tdx_step){.kind = TDX_STEP_RDMSR,
				     .pa = hpa(msr),
				     .out = {.rax = ok ? *value : 0, .rcx = ok}});
	return ok;
}

static void port_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	of(port)->below->ops->cpuid(of(port)->below, leaf, subleaf, out);
	note(port, (struct tdx_step){
			   .kind = TDX_STEP_CPUID,
			   .pa = hpa(leaf),
			   .len = subleaf,
			   .out = {.rax = out[0], .rbx = out[1], .rcx = out[2], .rdx = out[3]}});
}

static void *va(const struct tdx_port *port, hpa_t pa)
{
	return of(port)->below->ops->va(of(port)->below, pa);
}

static void interrupt(const struct tdx_port *port)
{
	of(port)->below->ops->interrupt(of(port)->below);
	note_range(port, TDX_STEP_INTERRUPT, hpa(0), 0);
}

static unsigned cpu_number(const struct tdx_port *port)
{
	return of(port)->below->ops->cpu(of(port)->below);
}

static unsigned package(const struct tdx_port *port)
{
	return of(port)->below->ops->package(of(port)->below);
}

static void set_incoherent(const struct tdx_port *port, bool incoherent)
{
	of(port)->below->ops->set_incoherent(of(port)->below, incoherent);
}

static bool incoherent(const struct tdx_port *port)
{
	return of(port)->below->ops->incoherent(of(port)->below);
}

static int call_on(const struct tdx_port *port, void (*fn)(void *arg), void *arg)
{
	const struct tdx_port *below = of(port)->below;

	if (below->ops->call_on)
		return below->ops->call_on(below, fn, arg);
	fn(arg);
	return 0;
}

static void relax(const struct tdx_port *port)
{
	of(port)->below->ops->relax(of(port)->below);
}

/* What belongs to no call and no machine word is passed on unrecorded. */
static void watch(const struct tdx_port *port, const volatile uint8_t *byte)
{
	if (of(port)->below->ops->watch)
		of(port)->below->ops->watch(of(port)->below, byte);
}

static hpa_t map_user(const struct tdx_port *port, void *at, uint64_t size)
{
	const struct tdx_port *below = of(port)->below;

	return below->ops->map_user ? below->ops->map_user(below, at, size) : hpa(0);
}

static void unmap_user(const struct tdx_port *port, hpa_t pa)
{
	if (of(port)->below->ops->unmap_user)
		of(port)->below->ops->unmap_user(of(port)->below, pa);
}

static void invept(const struct tdx_port *port)
{
	if (of(port)->below->ops->invept)
		of(port)->below->ops->invept(of(port)->below);
}

/* Time is not recorded: what it causes comes back in the calls. */
static uint64_t tsc(const struct tdx_port *port)
{
	return of(port)->below->ops->tsc ? of(port)->below->ops->tsc(of(port)->below) : 0;
}

const struct tdx_port *tdx_recorder_new(const struct tdx_port *below, struct tdx_record *record)
{
	static const struct tdx_port_ops ops = {
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
		.cpu = cpu_number,
		.package = package,
		.set_incoherent = set_incoherent,
		.incoherent = incoherent,
		.relax = relax,
		.call_on = call_on,
		.invept = invept,
		.watch = watch,
		.map_user = map_user,
		.unmap_user = unmap_user,
		.tsc = tsc,
	};
	struct recorder *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct recorder){{&ops, r}, below, record};
	return &r->port;
}

void tdx_recorder_free(const struct tdx_port *recorder)
{
	if (recorder)
		free(recorder->ctx);
}
