/* SPDX-License-Identifier: MIT */
/* The replayer: recorded answers for a host that does what was recorded. */
#include "port/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/status.h>

struct replayer {
	struct tdx_port port;
	struct tdx_record *record;
	pthread_mutex_t lock;
	size_t at, differences;
	char first[160];
	unsigned cpu, package; /* of the latest step */
	bool incoherent;
};

static struct replayer *of(const struct tdx_port *port)
{
	return port->ctx;
}

static const char *kind_name(enum tdx_step_kind kind)
{
	switch (kind) {
	case TDX_STEP_SEAMCALL:
		return "SEAMCALL";
	case TDX_STEP_FLUSH:
		return "flush";
	case TDX_STEP_DIRECT_CLEAR:
		return "direct clear";
	case TDX_STEP_BARRIER:
		return "barrier";
	case TDX_STEP_WBINVD:
		return "WBINVD";
	case TDX_STEP_READ:
		return "read";
	case TDX_STEP_WRITE:
		return "write";
	case TDX_STEP_RDMSR:
		return "RDMSR";
	case TDX_STEP_CPUID:
		return "CPUID";
	case TDX_STEP_INTERRUPT:
		break;
	}
	return "interrupt";
}

static void differ(struct replayer *r, const struct tdx_step *is, const char *what)
{
	if (r->differences++)
		return;
	snprintf(r->first, sizeof(r->first), "step %zu, %s 0x%llx: %s", r->at, kind_name(is->kind),
		 (unsigned long long)(is->kind == TDX_STEP_SEAMCALL ? is->in.rax : is->pa.v), what);
}

/* The step recorded next, held against this one, whose answer it fills in. */
static bool next(const struct tdx_port *port, struct tdx_step *is)
{
	struct replayer *r = of(port);
	struct tdx_step was;
	bool there;

	pthread_mutex_lock(&r->lock);
	there = tdx_record_step(r->record, r->at, &was);
	if (!there)
		differ(r, is, "nothing more was recorded");
	else if (was.kind != is->kind)
		differ(r, is, "another kind of step was recorded");
	else if (was.pa.v != is->pa.v || was.len != is->len)
		differ(r, is, "another address or length was recorded");
	else if (is->kind == TDX_STEP_SEAMCALL && memcmp(&was.in, &is->in, sizeof(was.in)) != 0)
		differ(r, is, "other registers were recorded");
	if (there) {
		r->at++;
		r->cpu = was.cpu;
		r->package = was.package;
		is->out = was.out;
	}
	pthread_mutex_unlock(&r->lock);
	return there;
}

static void range(const struct tdx_port *port, enum tdx_step_kind kind, hpa_t pa, size_t len)
{
	struct tdx_step s = {.kind = kind, .pa = pa, .len = len};

	next(port, &s);
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	struct tdx_step s = {.kind = TDX_STEP_SEAMCALL, .in = *regs};

	/* Nobody knows the answer: there is no module. */
	s.out.rax = TDX_SEAMCALL_VMFAILINVALID;
	next(port, &s);
	*regs = s.out;
}

static void flush(const struct tdx_port *port, hpa_t pa, size_t len)
{
	range(port, TDX_STEP_FLUSH, pa, len);
}

static void direct_clear(const struct tdx_port *port, hpa_t pa, size_t len)
{
	range(port, TDX_STEP_DIRECT_CLEAR, pa, len);
}

static void barrier(const struct tdx_port *port)
{
	range(port, TDX_STEP_BARRIER, hpa(0), 0);
}

static void wbinvd(const struct tdx_port *port)
{
	range(port, TDX_STEP_WBINVD, hpa(0), 0);
}

static void port_read(const struct tdx_port *port, hpa_t pa, void *buf, size_t len)
{
	memset(buf, 0, len);
	range(port, TDX_STEP_READ, pa, len);
}

static void port_write(const struct tdx_port *port, hpa_t pa, const void *buf, size_t len)
{
	(void)buf;
	range(port, TDX_STEP_WRITE, pa, len);
}

static bool rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	struct tdx_step s = {.kind = TDX_STEP_RDMSR, .pa = hpa(msr)};

	next(port, &s);
	*value = s.out.rax;
	return s.out.rcx != 0;
}

static void port_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	struct tdx_step s = {.kind = TDX_STEP_CPUID, .pa = hpa(leaf), .len = subleaf};

	next(port, &s);
	out[0] = (uint32_t)s.out.rax;
	out[1] = (uint32_t)s.out.rbx;
	out[2] = (uint32_t)s.out.rcx;
	out[3] = (uint32_t)s.out.rdx;
}

static void *va(const struct tdx_port *port, hpa_t pa)
{
	(void)port;
	(void)pa;
	return NULL; /* there is no memory behind a record */
}

static void interrupt(const struct tdx_port *port)
{
	range(port, TDX_STEP_INTERRUPT, hpa(0), 0);
}

static unsigned cpu_number(const struct tdx_port *port)
{
	return of(port)->cpu;
}

static unsigned package(const struct tdx_port *port)
{
	return of(port)->package;
}

static void set_incoherent(const struct tdx_port *port, bool incoherent)
{
	of(port)->incoherent = incoherent;
}

static bool incoherent(const struct tdx_port *port)
{
	return of(port)->incoherent;
}

static void relax(const struct tdx_port *port)
{
	(void)port;
}

const struct tdx_port *tdx_replayer_new(struct tdx_record *record)
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
	};
	struct replayer *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->port = (struct tdx_port){&ops, r};
	r->record = record;
	pthread_mutex_init(&r->lock, NULL);
	return &r->port;
}

size_t tdx_replayer_differences(const struct tdx_port *replayer, char *first, size_t len)
{
	struct replayer *r = of(replayer);
	size_t left = tdx_record_count(r->record) - r->at;

	if (len)
		snprintf(first, len, "%s",
			 r->differences ? r->first
			 : left		? "steps were left over"
					: "");
	return r->differences + left;
}

void tdx_replayer_free(const struct tdx_port *replayer)
{
	if (!replayer)
		return;
	pthread_mutex_destroy(&of(replayer)->lock);
	free(replayer->ctx);
}
