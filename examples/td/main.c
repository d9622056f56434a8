/* SPDX-License-Identifier: MIT */
/* A TD's life with the guest library, a line for each step: "ok WHAT" or "not ok WHAT". Then what
 * it is, measured: "mrtd HEX", and a quote of it, "quote HEX", which verifies outside. */
#include "td.h"

enum { QUOTE_PAGES = 4, BUFFER_PAGES = 8 };
#define BUFFER (POOL + 64 * TDX_PAGE_SIZE)

static uint8_t page[TDX_PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t quote[QUOTE_PAGES * TDX_PAGE_SIZE];
static unsigned failures;

static void check(bool ok, const char *what)
{
	say(ok ? "ok " : "not ok ");
	say(what);
	say("\n");
	failures += !ok;
}

static void instructions(void)
{
	uint32_t a = 0x40000000, b = 1, c = 0, d = 1;

	__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	check(a >= 0x40000000 && b == 0x4b4d564b && c == 0x564b4d56 && d == 0x4d,
	      "the host says that it is KVM");
	check(*(volatile uint32_t *)POOL_DEVICE == ~0u, "where no device is, all bits read as one");
	*(volatile uint16_t *)(POOL_DEVICE + 2) = 7;
}

static void convert(void)
{
	volatile uint64_t *first = (volatile uint64_t *)BUFFER;
	struct tdg_accept_result r;
	int err;

	*first = 0x5ec4e7;
	err = tdg_share(&port, &td, &memory, tdx_gpa(BUFFER), BUFFER_PAGES * TDX_PAGE_SIZE, NULL,
			NULL);
	check(!err && *first == 0, "shared pages show nothing of what was private");
	*first = 0x0be4;
	err = tdg_unshare(&port, &td, &memory, tdx_gpa(BUFFER), BUFFER_PAGES * TDX_PAGE_SIZE, NULL,
			  NULL);
	check(!err && *first == 0, "private again, they are accepted and zero");
	err = tdg_accept(&port, tdx_gpa(BUFFER), TDX_PAGE_SIZE, NULL, &r);
	check(err && tdx_is(r.status, TDX_PAGE_ALREADY_ACCEPTED), "none is accepted twice");
}

static void attest(void)
{
	const struct tdg_scratch scratch = {tdx_gpa((uintptr_t)page)};
	static const uint8_t nonce[TDX_REPORTDATA_SIZE] = "asked by the verifier";
	static const struct tdx_digest event = {{0xe1}};
	struct tdx_report report;
	struct tdg_quote q;
	size_t len = 0;
	int err;

	err = tdg_extend_rtmr(&port, &scratch, 3, &event, NULL);
	check(!err, "RTMR 3 is extended");
	err = tdg_get_report(&port, &scratch, nonce, &report, NULL);
	check(!err, "there is a report");
	say("mrtd ");
	say_hex(&report.td_info.mrtd, sizeof(report.td_info.mrtd));
	say("\n");

	err = tdg_quote_open(&port, &td, &memory, tdx_gpa(POOL), QUOTE_PAGES * TDX_PAGE_SIZE, &q);
	if (!err)
		err = tdg_quote_request(&port, &td, &q, &report);
	if (!err)
		err = tdg_quote_wait(&port, &td, &q, NULL, quote, sizeof(quote), &len);
	check(!err, "the host's service makes a quote of it");
	check(tdg_quote_close(&port, &td, &memory, &q) == 0, "its buffer is private again");
	say("quote ");
	say_hex(quote, len);
	say("\n");
}

void td_main(void)
{
	machine_init();
	check(td.shared != 0, "this is a TD");
	instructions();
	convert();
	attest();
	power_off(failures);
}
