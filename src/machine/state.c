/* SPDX-License-Identifier: MIT */
/* See machine/state.h. */
#include "machine/state.h"

#include <string.h>
#include <time.h>

struct saved {
	uint64_t tsc, tsc_step;
	uint32_t key_programmed[MACHINE_MAX_PKGS * 64];
	struct machine_lp lp[];
};

size_t machine_saved_size(const struct machine *m)
{
	return sizeof(struct saved) + m->cfg.lps * sizeof(struct machine_lp);
}

void machine_save(struct machine *m, void *to)
{
	struct saved *s = to;

	memset(s, 0, machine_saved_size(m));
	s->tsc = machine_rdtsc(&m->lp[0]);
	s->tsc_step = atomic_load(&m->tsc_step);
	for (unsigned i = 0; i < MACHINE_MAX_PKGS * 64; i++)
		s->key_programmed[i] = atomic_load(&m->key_programmed[i]);
	for (unsigned i = 0; i < m->cfg.lps; i++) {
		memcpy(&s->lp[i], &m->lp[i], sizeof(s->lp[i]));
		/* What is of this process. */
		s->lp[i].m = NULL;
		s->lp[i].watched = NULL;
	}
}

static bool possible(const struct machine *m, const struct machine_lp *lp)
{
	if (lp->nwc > MACHINE_MAX_WC || lp->nmsr_override > MACHINE_MAX_MSR_OVERRIDES)
		return false;
	for (unsigned i = 0; i < lp->nwc; i++)
		if (!machine_is_ram(m, lp->wc[i].base, lp->wc[i].size))
			return false;
	return true;
}

static void load_lp(struct machine_lp *lp, const struct machine_lp *from)
{
	struct machine *const m = lp->m;
	const unsigned id = lp->id, package = lp->package;
	const uint32_t x2apic_id = lp->x2apic_id;

	memcpy(lp, from, sizeof(*lp));
	lp->m = m;
	lp->id = id;
	lp->package = package;
	lp->x2apic_id = x2apic_id;
	lp->watched = NULL;
	atomic_store(&lp->irq_countdown, -1);
}

const char *machine_load(struct machine *m, const void *from)
{
	const struct saved *s = from;
	struct timespec t;

	for (unsigned i = 0; i < m->cfg.lps; i++)
		if (!possible(m, &s->lp[i]))
			return "a processor cannot be so";
	clock_gettime(CLOCK_MONOTONIC, &t);
	m->start_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	atomic_store(&m->tsc, s->tsc);
	atomic_store(&m->tsc_step, s->tsc_step);
	for (unsigned i = 0; i < MACHINE_MAX_PKGS * 64; i++)
		atomic_store(&m->key_programmed[i], s->key_programmed[i]);
	for (unsigned i = 0; i < m->cfg.lps; i++)
		load_lp(&m->lp[i], &s->lp[i]);
	return NULL;
}

struct machine_bytes machine_area(const struct machine *m, enum machine_area area)
{
	switch (area) {
	case MACHINE_RAM:
		return (struct machine_bytes){m->ram, m->cfg.mem_end};
	case MACHINE_PAGE_WORDS:
		return (struct machine_bytes){m->page, (m->cfg.mem_end >> 12) * sizeof(*m->page)};
	case MACHINE_TOUCHED:
		return (struct machine_bytes){m->touched,
					      (m->cfg.mem_end + TDX_SIZE_2M - 1) / TDX_SIZE_2M};
	case MACHINE_SEAM:
		return (struct machine_bytes){m->seam_data, MACHINE_SEAM_DATA};
	case MACHINE_AREAS:
		break;
	}
	return (struct machine_bytes){NULL, 0};
}
