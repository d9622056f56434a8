/* SPDX-License-Identifier: MIT */
/* Stacks to switch between. The switch itself is switch.S. */
#include "engine/native/fiber.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

void native_switch(void **save_sp, void *load_sp);
void fiber_main(struct fiber *f);

enum { GUARD = 4096 };

/* First words on a new stack: six saved registers (rbx carries the fiber), the return address. */
__attribute__((naked)) static void fiber_entry(void)
{
	__asm__("movq %rbx, %rdi\n\tcall fiber_main\n\tud2");
}

static void arrived(struct fiber *f)
{
#ifdef FIBER_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(f->fake_stack, &bottom, &size);
	f->from->bottom = bottom;
	f->from->bottom_size = size;
#else
	(void)f;
#endif
}

__attribute__((used)) void fiber_main(struct fiber *f)
{
	arrived(f);
	f->fn(f->arg);
	__builtin_trap();
}

static void arm(struct fiber *f)
{
	void **sp = (void **)((uint8_t *)f->stack + f->size);

	*--sp = NULL;
	*--sp = NULL; /* keeps the ABI's alignment at the entry */
	*--sp = (void *)(uintptr_t)fiber_entry;
	*--sp = NULL; /* rbp */
	*--sp = f;    /* rbx */
	sp -= 4;      /* r12..r15 */
	f->sp = sp;
}

bool fiber_init(struct fiber *f, size_t size, void (*fn)(void *arg), void *arg)
{
	memset(f, 0, sizeof(*f));
	f->stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->stack == MAP_FAILED)
		return false;
	mprotect(f->stack, GUARD, PROT_NONE);
	f->size = size;
	f->fn = fn;
	f->arg = arg;
	f->bottom = (uint8_t *)f->stack + GUARD;
	f->bottom_size = size - GUARD;
	arm(f);
#ifdef FIBER_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
	return true;
}

void fiber_rearm(struct fiber *f)
{
#ifdef FIBER_ASAN
	__asan_unpoison_memory_region(f->bottom, f->bottom_size);
#endif
#ifdef FIBER_TSAN
	__tsan_destroy_fiber(f->tsan);
	f->tsan = __tsan_create_fiber(0);
#endif
	memset((void *)(uintptr_t)f->bottom, 0, f->bottom_size);
	f->started = false;
	f->fake_stack = NULL;
	arm(f);
}

void fiber_free(struct fiber *f)
{
#ifdef FIBER_TSAN
	__tsan_destroy_fiber(f->tsan);
#endif
#ifdef FIBER_ASAN
	/* Frames that never returned left their red zones; the next stack may be mapped here. */
	__asan_unpoison_memory_region(f->stack, f->size);
#endif
	munmap(f->stack, f->size);
}

void fiber_host_init(struct fiber *f)
{
	memset(f, 0, sizeof(*f));
#ifdef FIBER_TSAN
	f->tsan = __tsan_get_current_fiber();
#endif
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	to->started = true;
	to->from = from;
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->bottom_size);
#endif
#ifdef FIBER_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	native_switch(&from->sp, to->sp);
	arrived(from);
}
