/* SPDX-License-Identifier: MIT */
/* The GetQuote buffer under a host that writes what and when it likes: the input is its program.
 *
 * At every look of the guest at the buffer some bytes of the input go into it. Whatever happens the
 * library reads inside the buffer, writes inside the caller's, asks nothing while a request is in
 * flight, and what it returns as a quote has a length the header said. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/guest.h>

enum { SIZE = 4096, BASE = 0x100000, CAP = 1500 };
#define SHARED (1ull << 47)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct hostile {
	const uint8_t *data;
	size_t left;
	uint8_t buffer[SIZE];
	bool asked; /* GetQuote was called and its status not final since */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t next(struct hostile *h)
{
	if (!h->left)
		return 0;
	h->left--;
	return *h->data++;
}

static uint64_t word(struct hostile *h)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | next(h);
	return v;
}

/* The host's turn: header fields, mostly. */
static void scribble(struct hostile *h)
{
	static const uint64_t status[] = {0, ~0ull, 1ull << 63, (1ull << 63) + 1};
	struct tdx_quote_header q;

	memcpy(&q, h->buffer, sizeof(q));
	switch (next(h) % 6) {
	case 0:
		q.status = status[next(h) % 4];
		break;
	case 1:
		q.status = word(h);
		break;
	case 2:
		q.out_len = (uint32_t)(next(h) << 8 | next(h));
		break;
	case 3:
		q.out_len = (uint32_t)word(h);
		break;
	case 4:
		q.version = word(h);
		break;
	default:
		return;
	}
	memcpy(h->buffer, &q, sizeof(q));
}

static void tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	struct hostile *h = port->ctx;

	if ((r->rax & 0xffff) == TDG_MEM_PAGE_ACCEPT) {
		r->rax = next(h) % 8 ? 0 : word(h);
		return;
	}
	must(r->rax == TDG_VP_VMCALL && r->r12 >= BASE && (r->r12 & ~SHARED) == BASE);
	must(r->r13 == SIZE);
	r->rax = 0;
	if (r->r11 == 0x10002) {
		must(r->r12 & SHARED && !h->asked);
		r->r10 = next(h) % 4 ? 0 : word(h);
		h->asked = !r->r10;
	} else {
		must(r->r11 == 0x10001 && !h->asked);
		r->r10 = next(h) % 8 ? 0 : word(h);
		r->r11 = word(h);
	}
	scribble(h);
}

static uint8_t *at(struct hostile *h, gpa_t g, size_t len)
{
	uint64_t off = (g.v & ~SHARED) - BASE;

	must(g.v & SHARED && off < SIZE && len <= SIZE - off);
	return h->buffer + off;
}

static bool port_read(const struct tdg_port *port, gpa_t g, void *buf, size_t len)
{
	struct hostile *h = port->ctx;

	memcpy(buf, at(h, g, len), len);
	scribble(h);
	return true;
}

static bool port_write(const struct tdg_port *port, gpa_t g, const void *buf, size_t len)
{
	memcpy(at(port->ctx, g, len), buf, len);
	scribble(port->ctx);
	return true;
}

static void relax(const struct tdg_port *port)
{
	scribble(port->ctx);
}

static bool port_sleep(const struct tdg_port *port, unsigned ms)
{
	(void)ms;
	scribble(port->ctx);
	return next(port->ctx) % 16 != 15;
}

static int set_shared(void *ctx, gpa_t g, uint64_t size, bool shared)
{
	(void)ctx, (void)g, (void)size, (void)shared;
	return 0;
}

static void nothing(void *ctx, gpa_t g, uint64_t size)
{
	(void)ctx, (void)g, (void)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tdg_port_ops ops = {
		.tdcall = tdcall,
		.read = port_read,
		.write = port_write,
		.relax = relax,
		.sleep = port_sleep,
	};
	static const struct tdg_memory mm = {
		.set_shared = set_shared, .flush = nothing, .leak = nothing};
	static const struct tdg_td td = {.gpa_width = 48, .shared = SHARED};
	static const struct tdx_report report;
	const struct tdg_quote_policy policy = {1, 6};
	struct hostile h = {.data = data, .left = size};
	const struct tdg_port port = {&ops, &h};
	struct tdg_quote q;

	if (tdg_quote_open(&port, &td, &mm, gpa(BASE), SIZE, &q))
		return 0;
	while (h.left && q.state != TDG_QUOTE_LOST && q.state != TDG_QUOTE_CLOSED) {
		uint8_t *out = malloc(CAP);
		size_t len = 1;
		int err;

		switch (next(&h) % 4) {
		case 0:
			err = tdg_quote_request(&port, &td, &q, &report);
			must(!err == (q.state == TDG_QUOTE_IN_FLIGHT) || err == -EBUSY);
			break;
		case 1:
			err = tdg_quote_wait(&port, &td, &q, &policy, out, CAP, &len);
			must(err ? len == 0 : len > 0 && len <= CAP);
			h.asked = q.state == TDG_QUOTE_IN_FLIGHT;
			break;
		case 2:
			err = tdg_quote_poll(&port, &td, &q, out, CAP, &len);
			must(err ? len == 0 : len > 0 && len <= CAP);
			h.asked = q.state == TDG_QUOTE_IN_FLIGHT;
			break;
		default:
			err = tdg_quote_close(&port, &td, &mm, &q);
			must(err || q.state == TDG_QUOTE_CLOSED);
		}
		free(out);
	}
	return 0;
}
