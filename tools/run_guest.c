/* SPDX-License-Identifier: MIT */
/* What a TD does with all that was built for it: prove who it is, extend an RTMR, take more memory,
 * talk to the host through shared memory and ports. */
#include "tools/run_guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "abi/ghci.h"

enum { MASK_IO = 0xfc00 }; /* R10..R15 */

static uint64_t tdvmcall(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12, uint64_t r13,
			 uint64_t r14, uint64_t r15, uint64_t *r11)
{
	struct tdx_regs r = {.rax = TDG_VP_VMCALL,
			     .rcx = MASK_IO,
			     .r11 = leaf,
			     .r12 = r12,
			     .r13 = r13,
			     .r14 = r14,
			     .r15 = r15};

	tdx_native_tdcall(cpu, &r);
	if (r11)
		*r11 = r.r11;
	return r.r10;
}

static struct tdx_status tdcall(struct tdx_native_cpu *cpu, unsigned leaf, uint64_t rcx,
				uint64_t rdx, struct tdx_regs *out)
{
	struct tdx_regs r = {.rax = leaf, .rcx = rcx, .rdx = rdx};

	tdx_native_tdcall(cpu, &r);
	if (out)
		*out = r;
	return tdx_status(r.rax);
}

__attribute__((format(printf, 2, 3))) static void say(struct tdx_native_cpu *cpu, const char *fmt,
						      ...)
{
	char line[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (const char *p = line; *p; p++)
		tdvmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, RUN_GUEST_CONSOLE, (uint8_t)*p, NULL);
}

static void say_status(struct tdx_native_cpu *cpu, const char *what, struct tdx_status s)
{
	char name[96];

	say(cpu, "%s: %s\n", what, tdx_status_format(s, name, sizeof(name)));
}

/* Accept 2M at a time, 4K where the host mapped smaller. */
static uint64_t accept(struct tdx_native_cpu *cpu, uint64_t base, uint64_t size)
{
	uint64_t at = base;

	while (at < base + size) {
		struct tdx_status s = tdx_error(TDX_PAGE_SIZE_MISMATCH);
		uint64_t step = TDX_SIZE_2M;

		if (!(at & (TDX_SIZE_2M - 1)) && base + size - at >= TDX_SIZE_2M)
			s = tdcall(cpu, TDG_MEM_PAGE_ACCEPT, at | TDX_LEVEL_2M, 0, NULL);
		if (tdx_is(s, TDX_PAGE_SIZE_MISMATCH)) {
			step = TDX_PAGE_SIZE;
			s = tdcall(cpu, TDG_MEM_PAGE_ACCEPT, at | TDX_LEVEL_4K, 0, NULL);
		}
		if (!tdx_is_success(s)) {
			say_status(cpu, "TDG.MEM.PAGE.ACCEPT", s);
			break;
		}
		at += step;
	}
	return at - base;
}

static void take_report(struct tdx_native_cpu *cpu, struct run_guest *g, uint64_t scratch)
{
	static const char nonce[64] = "swtdx: simulated report data";
	struct tdx_status s;

	tdx_native_write(cpu, gpa(scratch), nonce, sizeof(nonce));
	s = tdcall(cpu, TDG_MR_REPORT, scratch + 1024, scratch, NULL);
	say_status(cpu, "TDG.MR.REPORT", s);
	g->has_report = tdx_is_success(s) &&
			tdx_native_read(cpu, gpa(scratch + 1024), g->report, sizeof(g->report));
}

static void convert(struct tdx_native_cpu *cpu, uint64_t page, uint64_t shared_bit)
{
	static const char text[] = "hello from a TD";
	uint64_t next, status = tdvmcall(cpu, TDVMCALL_MAP_GPA, page | shared_bit, TDX_PAGE_SIZE, 0,
					 0, &next);
	char back[sizeof(text)] = "";

	say(cpu, "MapGPA to shared: 0x%llx\n", (unsigned long long)status);
	tdx_native_write(cpu, gpa(page | shared_bit), text, sizeof(text));
	tdx_native_read(cpu, gpa(page | shared_bit), back, sizeof(back));
	say(cpu, "shared page says: %s\n", back);
	status = tdvmcall(cpu, TDVMCALL_MAP_GPA, page, TDX_PAGE_SIZE, 0, 0, &next);
	say(cpu, "MapGPA to private: 0x%llx\n", (unsigned long long)status);
	say_status(cpu, "TDG.MEM.PAGE.ACCEPT", tdcall(cpu, TDG_MEM_PAGE_ACCEPT, page, 0, NULL));
	tdx_native_read(cpu, gpa(page), back, sizeof(back));
	say(cpu, "private page is %s\n", back[0] ? "NOT zero" : "zero again");
}

void run_guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct run_guest *g = arg;
	struct tdx_regs info;
	uint8_t digest[48];
	uint64_t got, shared_bit;

	if (!tdx_is_success(tdcall(cpu, TDG_VP_INFO, 0, 0, &info)))
		return;
	if (info.r9 != 0) /* only the first vCPU talks */
		return;
	shared_bit = 1ull << ((info.rcx & 0x3f) - 1);
	say(cpu, "native guest: GPA width %llu, %llu vCPUs, attributes 0x%llx\n",
	    (unsigned long long)info.rcx & 0x3f, (unsigned long long)info.r8 & 0xffffffff,
	    (unsigned long long)info.rdx);
	got = accept(cpu, g->accept_base, g->accept_size);
	say(cpu, "accepted %llu KiB at 0x%llx\n", (unsigned long long)got >> 10,
	    (unsigned long long)g->accept_base);
	memset(digest, 0x5a, sizeof(digest));
	tdx_native_write(cpu, gpa(g->accept_base), digest, sizeof(digest));
	say_status(cpu, "TDG.MR.RTMR.EXTEND",
		   tdcall(cpu, TDG_MR_RTMR_EXTEND, g->accept_base, 2, NULL));
	take_report(cpu, g, g->accept_base + TDX_PAGE_SIZE);
	convert(cpu, g->accept_base + 4 * TDX_PAGE_SIZE, shared_bit);
	say(cpu, "power off\n");
	tdvmcall(cpu, TDVMCALL_IO, 2, TDVMCALL_WRITE, RUN_GUEST_POWER_OFF, 0x2000, NULL);
}
