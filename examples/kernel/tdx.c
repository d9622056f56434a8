/* SPDX-License-Identifier: MIT */
/* The host library inside a kernel: an object without a C library that brings the module up.
 *
 * build.sh makes it. What it leaves undefined is what a kernel has to offer: see kernel.h. */
#include "kernel.h"

#include <swtdx/host.h>
#include <swtdx/seamcall.h>

static void *va(hpa_t pa)
{
	return kernel_phys_to_virt(pa.v);
}

static const struct tdx_kernel kernel = {
	.va = va,
	.rdmsr = kernel_rdmsr_safe,
	.interrupt = kernel_kick_guests,
	.cpu = kernel_cpu,
	.package = kernel_package,
	.set_incoherent = kernel_set_cache_incoherent,
	.incoherent = kernel_cache_incoherent,
	.relax = kernel_resched,
};

static struct tdx_host host;
static struct tdx_host_info info;
static struct tdx_seamcall_port port;
static const struct tdx_port *cpus[1];

static hpa_t alloc(void *ctx, uint64_t size, uint64_t align, hpa_t near)
{
	(void)ctx;
	return hpa(kernel_alloc_contig(size, align, near.v));
}

static void free_(void *ctx, hpa_t pa, uint64_t size)
{
	(void)ctx;
	kernel_free_contig(pa.v, size);
}

/* With preemption off, on the boot processor, alone: one processor is enough for an example. */
int tdx_enable(uint64_t memory_base, uint64_t memory_size)
{
	const struct tdx_host_range memory = {hpa(memory_base), memory_size};
	const struct tdx_host_allocator mem = {alloc, free_, NULL};
	int err;

	tdx_seamcall_port_init(&port, &kernel);
	cpus[0] = &port.port;
	err = tdx_host_init(&host, cpus, 1, 0);
	if (!err)
		err = tdx_host_discover(&host, &info);
	if (!err)
		err = tdx_host_enable(&host, &info, &memory, 1, &mem, NULL, NULL);
	return err;
}
