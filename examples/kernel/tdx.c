/* SPDX-License-Identifier: MIT */
/* The host library inside a kernel: an object without a C library that brings the module up.
 *
 * build.sh makes it. What it leaves undefined is what a kernel has to offer: see kernel.h. */
#include "kernel.h"

#include <swtdx/host.h>
#include <swtdx/port.h>
#include <swtdx/seamcall.h>

static void *va(tdx_hpa_t pa)
{
	return kernel_phys_to_virt(pa.v);
}

static const struct tdx_kernel kernel = {
	.va = va,
	.rdmsr = kernel_rdmsr_safe,
	.interrupt = kernel_kick,
	.call_on = kernel_call_on,
	.set_incoherent = kernel_set_cache_incoherent,
	.incoherent = kernel_cache_incoherent,
	.relax = kernel_resched,
};

enum { MAX_CPUS = 64 };

static struct tdx_host host;
static struct tdx_host_info info;
static struct tdx_seamcall_port port[MAX_CPUS];
static const struct tdx_port *cpus[MAX_CPUS];

static tdx_hpa_t alloc(void *ctx, uint64_t size, uint64_t align, tdx_hpa_t near)
{
	(void)ctx;
	return tdx_hpa(kernel_alloc_contig(size, align, near.v));
}

static void free_(void *ctx, tdx_hpa_t pa, uint64_t size)
{
	(void)ctx;
	kernel_free_contig(pa.v, size);
}

/* On any processor, with all of them running. Those that come later, and those that leave, call
 * tdx_cpu_online() and tdx_cpu_offline() themselves. */
int tdx_enable(uint64_t memory_base, uint64_t memory_size)
{
	const struct tdx_range memory = {tdx_hpa(memory_base), memory_size};
	const struct tdx_host_allocator mem = {alloc, free_, NULL};
	unsigned n = kernel_num_cpus();
	int err;

	for (unsigned i = 0; i < n && i < MAX_CPUS; i++) {
		tdx_seamcall_port_init(&port[i], &kernel, i, kernel_package(i));
		cpus[i] = &port[i].port;
	}
	err = tdx_host_init(&host, cpus, n < MAX_CPUS ? n : MAX_CPUS, 0);
	if (!err)
		err = tdx_host_discover(&host, &info);
	if (!err)
		err = tdx_host_enable(&host, &info, &memory, 1, &mem, NULL, NULL);
	return err;
}

int tdx_cpu_online(unsigned cpu)
{
	return tdx_host_cpu_online(&host, cpu);
}

/* An error keeps the processor: it is the last that could write back, or program, a key. */
int tdx_cpu_offline(unsigned cpu)
{
	return tdx_host_cpu_offline(&host, cpu);
}
