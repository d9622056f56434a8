/* SPDX-License-Identifier: MIT */
/* Windows: the host's memory that is not the machine's own. Their addresses are far apart, so that
 * an address alone says which one it is in: the walk of a guest's processor looks here without a
 * lock. */
#include "machine/machine.h"

static unsigned first_window(const struct machine *m)
{
	return (unsigned)((m->cfg.mem_end + (1ull << MACHINE_WINDOW_SHIFT) - 1) >>
			  MACHINE_WINDOW_SHIFT);
}

/* Windows end where the KeyID begins. */
static unsigned end_window(const struct machine *m)
{
	const uint64_t n = 1ull << (m->hkid_shift - MACHINE_WINDOW_SHIFT);

	return n < MACHINE_MAX_WINDOWS ? (unsigned)n : MACHINE_MAX_WINDOWS;
}

uint64_t machine_open_window(struct machine *m, void *at, uint64_t size)
{
	if (!size || size > 1ull << MACHINE_WINDOW_SHIFT || m->hkid_shift <= MACHINE_WINDOW_SHIFT)
		return 0;
	for (unsigned i = first_window(m); i < end_window(m); i++) {
		uint8_t *none = NULL;

		/* Its address goes to nobody before this function has returned. */
		if (!atomic_compare_exchange_strong(&m->window[i].at, &none, at))
			continue;
		atomic_store(&m->window[i].size, size);
		return (uint64_t)i << MACHINE_WINDOW_SHIFT;
	}
	return 0;
}

static const struct machine_window *window_of(const struct machine *m, uint64_t pa)
{
	const uint64_t i = pa >> MACHINE_WINDOW_SHIFT;

	return i < MACHINE_MAX_WINDOWS ? &m->window[i] : NULL;
}

void machine_close_window(struct machine *m, uint64_t pa)
{
	struct machine_window *w = (struct machine_window *)(uintptr_t)window_of(m, pa);

	if (!w)
		return;
	atomic_store(&w->size, 0);
	atomic_store(&w->at, NULL);
}

void *machine_host_ptr(const struct machine *m, uint64_t pa, uint64_t len)
{
	const uint64_t offset = pa & ((1ull << MACHINE_WINDOW_SHIFT) - 1);
	const struct machine_window *w;
	uint64_t size;

	if (machine_is_ram(m, pa, len))
		return machine_ptr(m, pa);
	w = window_of(m, pa);
	size = w ? atomic_load_explicit(&w->size, memory_order_acquire) : 0;
	if (offset >= size || len > size - offset)
		return NULL;
	return atomic_load_explicit(&w->at, memory_order_acquire) + offset;
}

bool machine_window_has(const struct machine *m, const void *p, size_t len)
{
	for (unsigned i = 0; i < MACHINE_MAX_WINDOWS; i++) {
		const uint64_t size = atomic_load(&m->window[i].size);
		const uintptr_t offset = (uintptr_t)p - (uintptr_t)atomic_load(&m->window[i].at);

		if (offset < size && len <= size - offset)
			return true;
	}
	return false;
}
