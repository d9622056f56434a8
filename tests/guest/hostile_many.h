/* SPDX-License-Identifier: MIT */
/* Guests of which all vCPUs, at most 8, do the same at once. */
#ifndef TESTS_GUEST_HOSTILE_MANY_H
#define TESTS_GUEST_HOSTILE_MANY_H

#include "hostile.h"

void worker(void);

__asm__(".text\n.globl worker\nworker:\n\tmov $1, %eax\n\tlock xadd %eax, workers_there(%rip)\n"
	"\tmov %eax, %edi\n\tshl $12, %eax\n\tlea worker_stacks+4096(%rip), %rsp\n\tadd %rax, "
	"%rsp\n"
	"\tcall work\n1:\tpause\n\tjmp 1b\n");
unsigned workers_there;
uint8_t worker_stacks[8 * 4096] __attribute__((aligned(4096)));
void work(void);
static void (*task)(void);
static unsigned working;
static unsigned together_n, together_all;

/* Nobody begins before all can take an interrupt. */
static inline void together(void)
{
	__atomic_fetch_add(&together_n, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&together_n, __ATOMIC_SEQ_CST) != together_all)
		__asm__ volatile("pause");
}

void work(void)
{
	load_idt((uintptr_t)idt, sizeof(idt) - 1);
	together();
	task();
	__atomic_fetch_add(&working, 1, __ATOMIC_SEQ_CST);
}

static inline void all_do(unsigned n, void (*what)(void))
{
	volatile uint8_t *mailbox = (volatile uint8_t *)MAILBOX;

	task = what;
	together_all = n;
	for (unsigned i = 1; i < n; i++) {
		*(volatile uint32_t *)(mailbox + 4) = i;
		*(volatile uint64_t *)(mailbox + 8) = (uintptr_t)worker;
		*(volatile uint16_t *)mailbox = 1;
		while (*(volatile uint16_t *)mailbox)
			__asm__ volatile("pause");
	}
	together();
	what();
	while (__atomic_load_n(&working, __ATOMIC_SEQ_CST) != n - 1)
		__asm__ volatile("pause");
	end(0);
}

#endif
