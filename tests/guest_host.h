/* SPDX-License-Identifier: MIT */
/* A hostile host for the guest library: answers TDCALLs by script, without a module.
 *
 * It keeps the state of a few pages or of a gigabyte of them, as the module would, and a log of
 * what happened in which order. What it answers to MapGPA is a function of the test's. */
#ifndef TESTS_GUEST_HOST_H
#define TESTS_GUEST_HOST_H

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

#include "abi/ghci.h"

#define PAGE	   TDX_PAGE_SIZE
#define SHARED_BIT (1ull << 47)
#define HOST_BASE  0x40000000ull
#define HOST_PAGES 262144ull /* 1 GiB */
#define RETRY	   TDVMCALL_RETRY

enum page_state { ACCEPTED, PENDING, SHARED };

struct host;
typedef void host_fn(struct host *h, struct tdx_regs *r);

struct host {
	struct tdg_port port;
	uint8_t *page; /* enum page_state, from HOST_BASE */
	host_fn *map;  /* MapGPA: R12, R13 in; R10, R11 out */
	host_fn *accept;
	host_fn *other; /* every other call */
	uint64_t n;	/* the host's own: pages a call, a value, ... */
	uint64_t calls, maps, relaxed;
	uint64_t first_r12, first_r13; /* of MapGPA */
	uint64_t last_rcx;	       /* exposure mask of the last call */
	char log[256];		       /* a letter for each event, while it fits */
	uint64_t leaked_bytes;
	uint8_t *ram; /* of read and write */
	uint64_t ram_gpa, ram_size;
	void *arg;
};

static const struct tdg_td host_td = {.gpa_width = 48, .shared = SHARED_BIT};

static inline void host_log(struct host *h, char c)
{
	size_t n = strlen(h->log);

	if (n + 1 < sizeof(h->log))
		h->log[n] = c;
}

static inline void host_set(struct host *h, uint64_t gpa_, uint64_t size, enum page_state s)
{
	uint64_t first = ((gpa_ & ~SHARED_BIT) - HOST_BASE) / PAGE;

	assert_true(first + size / PAGE <= HOST_PAGES);
	memset(h->page + first, (int)s, size / PAGE);
}

/* The first n pages of what is asked, as an honest host that is only slow does. */
static inline void host_convert(struct host *h, struct tdx_regs *r, uint64_t pages)
{
	uint64_t size = r->r13 < pages * PAGE ? r->r13 : pages * PAGE;

	host_set(h, r->r12, size, r->r12 & SHARED_BIT ? SHARED : PENDING);
	r->r10 = size == r->r13 ? 0 : RETRY;
	r->r11 = size == r->r13 ? 0 : r->r12 + size;
}

static inline void host_converts_n(struct host *h, struct tdx_regs *r)
{
	host_convert(h, r, h->n);
}

static inline void host_converts_all(struct host *h, struct tdx_regs *r)
{
	host_convert(h, r, ~0ull / PAGE);
}

/* The module's TDG.MEM.PAGE.ACCEPT over 4K pages. */
static inline void host_accepts_4k(struct host *h, struct tdx_regs *r)
{
	uint64_t i = ((r->rcx & ~0xfffull) - HOST_BASE) / PAGE;

	if ((r->rcx & 7) > 1)
		r->rax = TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX;
	else if ((r->rcx & 7) == 1)
		r->rax = TDX_PAGE_SIZE_MISMATCH | 1;
	else if (h->page[i] == ACCEPTED)
		r->rax = TDX_PAGE_ALREADY_ACCEPTED;
	else
		r->rax = h->page[i] == PENDING ? 0 : TDX_OPERAND_INVALID;
	if (!r->rax)
		h->page[i] = ACCEPTED;
}

static inline void host_tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	struct host *h = port->ctx;
	unsigned leaf = (unsigned)r->rax & 0xffff;

	h->calls++;
	if (leaf == TDG_MEM_PAGE_ACCEPT) {
		if (h->log[0] && h->log[strlen(h->log) - 1] != 'a')
			host_log(h, 'a');
		h->accept(h, r);
	} else if (leaf == TDG_VP_VMCALL && r->r10 == 0 && r->r11 == TDVMCALL_MAP_GPA) {
		if (!h->maps++) {
			h->first_r12 = r->r12;
			h->first_r13 = r->r13;
		}
		h->last_rcx = r->rcx;
		host_log(h, 'm');
		r->rax = 0;
		h->map(h, r);
	} else {
		h->last_rcx = r->rcx;
		assert_non_null(h->other);
		h->other(h, r);
	}
}

static inline uint8_t *host_ram(struct host *h, uint64_t gpa_, size_t len)
{
	uint64_t at = (gpa_ & ~SHARED_BIT) - h->ram_gpa;

	return at < h->ram_size && len <= h->ram_size - at ? h->ram + at : NULL;
}

static inline bool host_read(const struct tdg_port *port, gpa_t g, void *buf, size_t len)
{
	uint8_t *p = host_ram(port->ctx, g.v, len);

	if (p)
		memcpy(buf, p, len);
	return p != NULL;
}

static inline bool host_write(const struct tdg_port *port, gpa_t g, const void *buf, size_t len)
{
	uint8_t *p = host_ram(port->ctx, g.v, len);

	if (p)
		memcpy(p, buf, len);
	return p != NULL;
}

static inline bool host_gpa_of(const struct tdg_port *port, uint64_t gla, gpa_t *g)
{
	(void)port;
	*g = gpa(gla);
	return true;
}

static inline void host_relax(const struct tdg_port *port)
{
	((struct host *)port->ctx)->relaxed++;
}

static inline bool host_sleep(const struct tdg_port *port, unsigned ms)
{
	(void)port, (void)ms;
	return true;
}

static const struct tdg_port_ops host_ops = {
	.tdcall = host_tdcall,
	.read = host_read,
	.write = host_write,
	.gpa_of = host_gpa_of,
	.relax = host_relax,
	.sleep = host_sleep,
};

static inline struct host *host_new(host_fn *map, uint64_t n)
{
	struct host *h = calloc(1, sizeof(*h));

	h->page = calloc(HOST_PAGES, 1);
	h->port = (struct tdg_port){&host_ops, h};
	h->map = map;
	h->accept = host_accepts_4k;
	h->n = n;
	return h;
}

static inline void host_free(struct host *h)
{
	free(h->page);
	free(h);
}

/* --- the kernel's page tables, logged --- */

static inline int mm_set(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	(void)start, (void)size;
	host_log(ctx, shared ? 'S' : 'P');
	return 0;
}

static inline void mm_flush(void *ctx, gpa_t start, uint64_t size)
{
	(void)start, (void)size;
	host_log(ctx, 'f');
}

static inline void mm_leak(void *ctx, gpa_t start, uint64_t size)
{
	(void)start;
	((struct host *)ctx)->leaked_bytes += size;
	host_log(ctx, 'L');
}

static inline struct tdg_memory host_mm(struct host *h)
{
	return (struct tdg_memory){mm_set, mm_flush, mm_leak, h, NULL, NULL};
}

#endif
