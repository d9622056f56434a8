/* SPDX-License-Identifier: MIT */
/* The simulated machine under the tree's code: see machine.h. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

#include <swtdx/model.h>
#include <swtdx/module_image.h>
#include <swtdx/structs.h>

#define IA32_VMX_BASIC 0x480 /* of the tree's asm/msr-index.h */

enum {
	MIB = 1 << 20,
	MEMORY = 3072, /* MiB: the last range is 1 GiB, which initializes in no time */
	CPUS = 8,
	RANGES = 8,
	KEYID_BITS = 6,
	LEAF_SIZES = 0x80000008,
	REPORTS = 64,
	TEXT = 400,
	EPT_WB = 6,
	EPT_4_LEVELS = 3 << 3,
	TSC_25MHZ = 84,
	XFAM_X87_SSE = 3,
	NO_SEAMRET_INVD_VMCS = 60, /* IA32_VMX_BASIC: the P-SEAMLDR can be called */
};

static struct tdx_model *model;
static struct tdx_range range[RANGES];
static unsigned nranges;
static bool vmx[CPUS];
static int fault = -1;
static unsigned long long calls;

static const struct tdx_port *port(unsigned cpu)
{
	return tdx_model_port(model, cpu);
}

uint8_t *machine_start(unsigned cpus, unsigned packages)
{
	char err[200];

	model = tdx_model_new((uint64_t)MEMORY * MIB, cpus, packages, 1, err, sizeof(err));
	if (!model || tdx_model_watch(model, REPORTS)) {
		fprintf(stderr, "linux: no machine: %s\n", err);
		exit(3);
	}
	nranges = tdx_model_memory(model, range, RANGES);
	return port(0)->ops->va(port(0), (tdx_hpa_t){0});
}

void machine_end(void)
{
	tdx_model_free(model);
}

bool machine_memory(unsigned i, unsigned long long *base, unsigned long long *size)
{
	if (i >= nranges)
		return false;
	*base = range[i].base.v;
	*size = range[i].size;
	return true;
}

unsigned machine_package(unsigned cpu)
{
	return port(cpu)->ops->package(port(cpu));
}

unsigned machine_phys_bits(void)
{
	uint32_t out[4];

	port(0)->ops->cpuid(port(0), LEAF_SIZES, 0, out);
	return (out[0] & 0xff) - KEYID_BITS;
}

bool machine_rdmsr(unsigned cpu, uint32_t number, unsigned long long *value)
{
	uint64_t v = 0;
	const bool ok = port(cpu)->ops->rdmsr(port(cpu), number, &v);

	if (number == IA32_VMX_BASIC)
		v |= 1ull << NO_SEAMRET_INVD_VMCS;
	*value = v;
	return ok;
}

int machine_vmxon(unsigned cpu, bool on)
{
	vmx[cpu] = on;
	return 0;
}

void machine_seamcall(unsigned cpu, unsigned long long r[REGS])
{
	struct tdx_regs regs = {.rax = r[REG_RAX],
				.rcx = r[REG_RCX],
				.rdx = r[REG_RDX],
				.rbx = r[REG_RBX],
				.rsi = r[REG_RSI],
				.rdi = r[REG_RDI]};

	calls++;
	if (!vmx[cpu]) {
		r[REG_RAX] = TDX_SEAMCALL_UD;
		return;
	}
	for (unsigned i = 0; i < 8; i++)
		*tdx_reg(&regs, 8 + i) = r[REG_R8 + i];
	port(cpu)->ops->seamcall(port(cpu), &regs);
	r[REG_RAX] = regs.rax;
	r[REG_RCX] = regs.rcx;
	r[REG_RDX] = regs.rdx;
	r[REG_RBX] = regs.rbx;
	r[REG_RSI] = regs.rsi;
	r[REG_RDI] = regs.rdi;
	for (unsigned i = 0; i < 8; i++)
		r[REG_R8 + i] = *tdx_reg(&regs, 8 + i);
}

void machine_flush(unsigned cpu, unsigned long long pa, unsigned long size)
{
	port(cpu)->ops->flush(port(cpu), (tdx_hpa_t){pa}, size);
}

void machine_direct_clear(unsigned cpu, unsigned long long pa, unsigned long size)
{
	port(cpu)->ops->direct_clear(port(cpu), (tdx_hpa_t){pa}, size);
}

void machine_zero(unsigned cpu, unsigned long long pa, unsigned long size)
{
	static const uint8_t zero[TDX_PAGE_SIZE];

	/* A large piece is cleared past the caches, as kernels do. */
	if (size > 16 * sizeof(zero)) {
		port(cpu)->ops->direct_clear(port(cpu), (tdx_hpa_t){pa}, size);
		port(cpu)->ops->barrier(port(cpu));
		return;
	}
	for (unsigned long at = 0; at < size; at += sizeof(zero))
		port(cpu)->ops->write(port(cpu), (tdx_hpa_t){pa + at}, zero, sizeof(zero));
}

void machine_barrier(unsigned cpu)
{
	port(cpu)->ops->barrier(port(cpu));
}

void machine_wbinvd_of(unsigned cpu)
{
	port(cpu)->ops->wbinvd(port(cpu));
}

void machine_fault(unsigned leaf, unsigned nth, unsigned times, unsigned long long status)
{
	const struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
				    .leaf = (int)leaf,
				    .cpu = -1,
				    .nth = nth,
				    .times = times,
				    .status = {status}};

	fault = tdx_model_inject(model, &f);
}

void machine_no_faults(void)
{
	tdx_model_clear_faults(model);
}

unsigned long long machine_hits(void)
{
	return tdx_model_fault_hits(model, fault);
}

unsigned long long machine_calls(void)
{
	return calls;
}

unsigned machine_reports(unsigned from)
{
	const unsigned n = tdx_model_coherency(model, 0, NULL, 0);
	char text[TEXT];

	for (unsigned i = from; i < n && i < from + 4; i++) {
		tdx_model_coherency(model, i, text, sizeof(text));
		printf("  coherency: %s\n", text);
	}
	return n;
}

unsigned long long machine_owned(void)
{
	uint64_t count[16];

	return tdx_model_pages(model, count);
}

unsigned long long machine_stale_lines(void)
{
	return tdx_model_stale_lines(model);
}

const char *machine_status_name(unsigned long long status, char *buf, unsigned len)
{
	return tdx_status_format((struct tdx_status){status}, buf, len);
}

const char *machine_leaf_name(unsigned leaf)
{
	const struct tdx_leaf_info *info = tdx_seamcall_leaf((uint16_t)leaf);

	return info ? info->name : "?";
}

unsigned long machine_module_image(unsigned cpu, unsigned long long pa, unsigned long room)
{
	const struct tdx_module_image_config cfg = {.module_hv = 1, .num_module_pages = 5};
	const unsigned long size = tdx_module_image_size(&cfg);
	uint8_t *image;

	if (room < size)
		return size;
	image = malloc(size);
	if (!image || tdx_module_image_make(&cfg, image)) {
		fprintf(stderr, "linux: no module image\n");
		exit(3);
	}
	port(cpu)->ops->write(port(cpu), (tdx_hpa_t){pa}, image, size);
	free(image);
	return size;
}

void machine_td_params(unsigned cpu, unsigned long long pa)
{
	const struct tdx_td_params p = {.xfam = XFAM_X87_SSE,
					.max_vcpus = 2,
					.eptp_controls = EPT_WB | EPT_4_LEVELS,
					.tsc_frequency = TSC_25MHZ};

	port(cpu)->ops->write(port(cpu), (tdx_hpa_t){pa}, &p, sizeof(p));
}
