/* SPDX-License-Identifier: MIT */
/* A port whose module says what the test wants: answers from a list, everything else counted. */
#ifndef TESTS_HOST_SETUP_H
#define TESTS_HOST_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

#include <swtdx/host.h>
#include <swtdx/port.h>

enum { FAKE_STEPS = 64 };

struct fake {
	struct tdx_port port;
	struct tdx_regs answer[FAKE_STEPS]; /* of the calls to come; the last one for ever */
	unsigned nanswers, ncalls;
	struct tdx_regs in[FAKE_STEPS]; /* the calls made */
	unsigned nflushes, nclears, nbarriers, nwbinvd, nrelax;
	hpa_t flushed;
	size_t flushed_len;
	char order[FAKE_STEPS +
		   1]; /* c call, f flush, m direct clear, b barrier, w WBINVD, i mark */
	unsigned norder;
	bool incoherent;
	unsigned phys_bits, keyid_bits;
	const uint64_t *list; /* what is read at FAKE_NEW_PAGES; NULL: zero, as everywhere */
};

enum { FAKE_NEW_PAGES = 0x55000 };

static inline struct fake *fake_of(const struct tdx_port *port)
{
	return port->ctx;
}

static inline void fake_note(struct fake *f, char c)
{
	if (f->norder < FAKE_STEPS)
		f->order[f->norder++] = c;
}

static inline void fake_seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	struct fake *f = fake_of(port);
	unsigned i = f->ncalls < f->nanswers ? f->ncalls : f->nanswers - 1;

	assert_true(f->ncalls < FAKE_STEPS);
	f->in[f->ncalls++] = *regs;
	fake_note(f, 'c');
	*regs = f->answer[i];
}

static inline void fake_flush(const struct tdx_port *port, hpa_t pa, size_t len)
{
	struct fake *f = fake_of(port);

	f->nflushes++;
	f->flushed = pa;
	f->flushed_len = len;
	fake_note(f, 'f');
}

static inline void fake_direct_clear(const struct tdx_port *port, hpa_t pa, size_t len)
{
	fake_of(port)->nclears++;
	fake_note(fake_of(port), 'm');
	(void)pa;
	(void)len;
}

static inline void fake_barrier(const struct tdx_port *port)
{
	fake_of(port)->nbarriers++;
	fake_note(fake_of(port), 'b');
}

static inline void fake_wbinvd(const struct tdx_port *port)
{
	fake_of(port)->nwbinvd++;
	fake_note(fake_of(port), 'w');
}

static inline void fake_read(const struct tdx_port *port, hpa_t pa, void *buf, size_t len)
{
	const struct fake *f = fake_of(port);

	memset(buf, 0, len);
	if (f->list && pa.v >= FAKE_NEW_PAGES)
		memcpy(buf, (const uint8_t *)f->list + (pa.v - FAKE_NEW_PAGES), len);
}

static inline void fake_write(const struct tdx_port *port, hpa_t pa, const void *buf, size_t len)
{
	(void)port;
	(void)pa;
	(void)buf;
	(void)len;
}

static inline bool fake_rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	const struct fake *f = fake_of(port);

	/* KeyID partitioning: 31 for the host, 32 private; activation: how many bits are KeyID. */
	*value = msr == 0x87 ? 31 | 32ull << 32 : (uint64_t)f->keyid_bits << 32;
	return true;
}

static inline void fake_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf,
			      uint32_t *out)
{
	(void)subleaf;
	memset(out, 0, 4 * sizeof(*out));
	if (leaf == 0x80000008)
		out[0] = fake_of(port)->phys_bits;
}

static inline void *fake_va(const struct tdx_port *port, hpa_t pa)
{
	(void)port;
	(void)pa;
	return NULL;
}

static inline void fake_interrupt(const struct tdx_port *port)
{
	(void)port;
}

static inline unsigned fake_zero(const struct tdx_port *port)
{
	(void)port;
	return 0;
}

static inline void fake_set_incoherent(const struct tdx_port *port, bool incoherent)
{
	fake_of(port)->incoherent = incoherent;
	if (incoherent)
		fake_note(fake_of(port), 'i');
}

static inline bool fake_incoherent(const struct tdx_port *port)
{
	return fake_of(port)->incoherent;
}

static inline void fake_relax(const struct tdx_port *port)
{
	fake_of(port)->nrelax++;
}

static inline const struct tdx_port *fake_new(struct fake *f)
{
	static const struct tdx_port_ops ops = {
		.seamcall = fake_seamcall,
		.flush = fake_flush,
		.direct_clear = fake_direct_clear,
		.barrier = fake_barrier,
		.wbinvd = fake_wbinvd,
		.read = fake_read,
		.write = fake_write,
		.rdmsr = fake_rdmsr,
		.cpuid = fake_cpuid,
		.va = fake_va,
		.interrupt = fake_interrupt,
		.cpu = fake_zero,
		.package = fake_zero,
		.set_incoherent = fake_set_incoherent,
		.incoherent = fake_incoherent,
		.relax = fake_relax,
	};

	memset(f, 0, sizeof(*f));
	f->port = (struct tdx_port){&ops, f};
	f->phys_bits = 52;
	f->keyid_bits = 6;
	f->nanswers = 1; /* success */
	return &f->port;
}

/* The next calls answer these statuses, the last one for ever. */
static inline void fake_answer(struct fake *f, unsigned n, const uint64_t *status)
{
	memset(f->answer, 0, sizeof(f->answer));
	for (unsigned i = 0; i < n; i++)
		f->answer[i].rax = status[i];
	f->nanswers = n;
	f->ncalls = f->norder = 0;
	memset(f->order, 0, sizeof(f->order));
	f->nflushes = f->nclears = f->nbarriers = f->nwbinvd = f->nrelax = 0;
}

#define FAKE_ANSWER(f, ...)                                                                        \
	fake_answer(f, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                       \
		    (uint64_t[]){__VA_ARGS__})

/* Every typed call once, with operands that can be told apart. */
#define FAKE_TDR   0x1111000ull
#define FAKE_VPR   0x2222000ull
#define FAKE_PAGE  0x3333000ull
#define FAKE_SRC   0x4444000ull
#define FAKE_GPA   0x5555000ull
#define FAKE_FIELD 0x9110000000000000ull

struct fake_call {
	const char *name;
	struct tdx_status (*call)(const struct tdx_cpu *cpu, const struct tdx_host *host);
	struct tdx_regs in; /* as they must be at the instruction; RAX: leaf and version */
	unsigned flushes;   /* pages handed over */
	size_t flush_len;
};

#define FAKE_TD (&(const struct tdx_td){hpa(FAKE_TDR), hkid(33)})
#define FAKE_VP (&(const struct tdx_vp){hpa(FAKE_VPR)})
/* Of migration: a list of pages, a stream, a list of GPAs begun at the sixth, and all of them. */
#define FAKE_LIST	       ((const struct tdx_page_list){hpa(FAKE_SRC), 12})
#define FAKE_STREAM(i, resume) ((const struct tdx_mig_stream){i, resume})
#define FAKE_GPAS(attributes)  ((const struct tdx_gpa_list){hpa(FAKE_SRC), 5, 300, attributes})
#define FAKE_MEMORY(attributes)                                                                    \
	((const struct tdx_mig_memory){FAKE_GPAS(attributes),                                      \
				       hpa(FAKE_PAGE),                                             \
				       hpa(0x51000),                                               \
				       {hpa(0x52000), hpa(0x53000)},                               \
				       hpa(0x54000),                                               \
				       {7, false}})
#define FAKE(name_, expr, pages, len, ...)                                                         \
	static inline struct tdx_status fake_##name_(const struct tdx_cpu *p,                      \
						     const struct tdx_host *host)                  \
	{                                                                                          \
		(void)host;                                                                        \
		return expr;                                                                       \
	}
#include "host_calls.def"
#undef FAKE

static const struct fake_call fake_calls[] = {
#define FAKE(name_, expr, pages, len, ...) {#name_, fake_##name_, {__VA_ARGS__}, pages, len},
#include "host_calls.def"
#undef FAKE
};

enum { FAKE_NUM_CALLS = sizeof(fake_calls) / sizeof(fake_calls[0]) };

#endif
