/* SPDX-License-Identifier: MIT */
/* What the example asks of a kernel. */
#ifndef EXAMPLE_KERNEL_H
#define EXAMPLE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

void *kernel_phys_to_virt(uint64_t pa);
bool kernel_rdmsr_safe(uint32_t msr, uint64_t *value);
void kernel_kick(unsigned cpu);					 /* an IPI */
int kernel_call_on(unsigned cpu, void (*fn)(void *), void *arg); /* an IPI that is waited for */
unsigned kernel_num_cpus(void);
unsigned kernel_package(unsigned cpu);
void kernel_set_cache_incoherent(bool incoherent);
bool kernel_cache_incoherent(void);
void kernel_resched(void);
uint64_t kernel_alloc_contig(uint64_t size, uint64_t align, uint64_t near); /* ~0: none */
void kernel_free_contig(uint64_t pa, uint64_t size);

int tdx_enable(uint64_t memory_base, uint64_t memory_size);
int tdx_cpu_online(unsigned cpu);
int tdx_cpu_offline(unsigned cpu);

#endif
