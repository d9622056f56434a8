/* SPDX-License-Identifier: MIT */
/* A machine's life: its configuration checked, its memory reserved, its processors numbered.
 *
 * RAM and page words are reserved without being backed, so a machine costs what it touches and a
 * fresh one reads as zero, as the module's host finds it. RAM is a file in memory, so that who is
 * given its descriptor can map the same bytes; it cannot be cut short under them. Addresses around
 * it belong to it and fault: an address that was not cut hits nothing else of the process. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "machine/coherency.h"
#include "machine/machine.h"
#include "machine/state.h"

enum { MAX_KEYIDS = 2048, X2APIC_IDS_PER_PACKAGE = 0x80 };

#define GUARD (6ull << 30) /* an offset of 32 bits and a half from either end of RAM */

void machine_default_config(struct machine_config *cfg)
{
	*cfg = (struct machine_config){
		.mem_end = 0x180000000,
		.cmr = {{0x100000, 0x7af00000}, {0x100000000, 0x80000000}},
		.ncmr = 2,
		.maxpa = 52,
		.keyid_bits = 6,
		.keyids = 64,
		.tdx_keyids = 32,
		.lps = 2,
		.pkgs = 1,
		.wb_blocks = 4,
		.seed = 1,
		.integrity = true,
		.partial_write_mce = false,
		.platform = &machine_platform_spr,
	};
}

static const char *config_error(const struct machine_config *c)
{
	if (!c->platform)
		return "no platform";
	if (c->maxpa < 36 || c->maxpa > 52)
		return "MAXPA must be 36 to 52";
	if (!c->keyid_bits || c->keyid_bits > 15 || c->keyid_bits >= c->maxpa - 32)
		return "KeyID bits do not fit under MAXPA";
	if (c->keyids > 1u << c->keyid_bits || c->keyids > MAX_KEYIDS)
		return "more KeyIDs than KeyID bits name";
	if (!c->tdx_keyids || c->tdx_keyids >= c->keyids)
		return "private KeyIDs must be fewer than KeyIDs and at least one";
	if (!c->lps || c->lps > MACHINE_MAX_LPS)
		return "number of processors out of range";
	if (!c->pkgs || c->pkgs > MACHINE_MAX_PKGS || c->pkgs > c->lps)
		return "number of packages out of range";
	if (!c->wb_blocks || c->wb_blocks > 0xffff)
		return "number of cache blocks out of range";
	if (!c->mem_end || c->mem_end % TDX_PAGE_SIZE ||
	    c->mem_end > 1ull << (c->maxpa - c->keyid_bits))
		return "end of memory is not a page boundary below the KeyID bits";
	if (c->ncmr > MACHINE_MAX_CMRS)
		return "too many CMRs";
	for (unsigned i = 0; i < c->ncmr; i++)
		if (c->cmr[i].base > c->mem_end || c->cmr[i].size > c->mem_end - c->cmr[i].base)
			return "a CMR ends above memory";
	return NULL;
}

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Walks jump about in it: fewer misses of the host's TLB. A wish; it works without. */
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

/* Two mappings of RAM do not share what surrounds them, and RAM begins at a large page. */
static uint8_t *map_ram(struct machine *m, size_t size)
{
	const size_t whole = GUARD + size + GUARD + TDX_SIZE_2M;
	uint8_t *p =
		mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *ram;

	if (p == MAP_FAILED)
		return NULL;
	m->reserved = p;
	m->reserved_size = whole;
	ram = (uint8_t *)(((uintptr_t)p + GUARD + TDX_SIZE_2M - 1) & ~(uintptr_t)(TDX_SIZE_2M - 1));
	if (mmap(ram, size, PROT_READ | PROT_WRITE,
		 (m->ram_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED |
			 MAP_NORESERVE,
		 m->ram_fd, 0) == MAP_FAILED)
		return NULL;
	(void)madvise(ram, size, MADV_HUGEPAGE);
	return ram;
}

static bool make_file(struct machine *m)
{
	m->ram_fd = memfd_create("swtdx-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return m->ram_fd >= 0 && ftruncate(m->ram_fd, (off_t)m->cfg.mem_end) == 0 &&
	       fcntl(m->ram_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

static bool make_ram(struct machine *m)
{
	if (m->cfg.shared_ram && !make_file(m))
		return false;
	m->ram = map_ram(m, m->cfg.mem_end);
	return m->ram != NULL;
}

static size_t page_words_size(const struct machine *m)
{
	return (m->cfg.mem_end >> 12) * sizeof(struct machine_page);
}

static size_t touched_size(const struct machine *m)
{
	return (m->cfg.mem_end + TDX_SIZE_2M - 1) / TDX_SIZE_2M;
}

void machine_reseed(struct machine *m, uint64_t seed)
{
	for (unsigned i = 0; i < m->cfg.lps; i++) {
		m->lp[i].rng_state = seed + i * 0x632be59bd9b4e019u;
		m->lp[i].guest_rng_state = ~m->lp[i].rng_state;
	}
}

static void number_processors(struct machine *m)
{
	unsigned per_pkg = (m->cfg.lps + m->cfg.pkgs - 1) / m->cfg.pkgs;

	for (unsigned i = 0; i < m->cfg.lps; i++) {
		struct machine_lp *lp = &m->lp[i];

		lp->m = m;
		lp->id = i;
		lp->package = i / per_pkg;
		lp->x2apic_id = lp->package * X2APIC_IDS_PER_PACKAGE + i % per_pkg;
		lp->rflags_if = true;
		lp->irq_countdown = -1;
		lp->xcr0 = 0x602e7;
		lp->call = MACHINE_CALL_HOST;
	}
}

struct machine *machine_new(const struct machine_config *cfg, char *err, size_t errlen)
{
	const char *wrong = config_error(cfg);
	struct machine *m;

	if (wrong) {
		snprintf(err, errlen, "machine configuration: %s", wrong);
		return NULL;
	}
	m = reserve(sizeof(*m));
	if (!m) {
		snprintf(err, errlen, "machine: out of memory");
		return NULL;
	}
	m->cfg = *cfg;
	m->ram_fd = -1;
	m->hkid_shift = cfg->maxpa - cfg->keyid_bits;
	m->hkid_mask = ((1ull << cfg->keyid_bits) - 1) << m->hkid_shift;
	m->private_hkid_min = cfg->keyids - cfg->tdx_keyids;
	m->private_hkid_max = cfg->keyids - 1;
	m->tsc = 1000000000;
	m->tsc_step = 100;
	m->tracking = cfg->integrity;
	m->page = reserve(page_words_size(m));
	m->touched = reserve(touched_size(m));
	m->seam_data = reserve(MACHINE_SEAM_DATA);
	number_processors(m);
	machine_reseed(m, cfg->seed);
	if (!make_ram(m) || !m->page || !m->touched || !m->seam_data) {
		snprintf(err, errlen, "machine: cannot reserve %llu MiB of address space",
			 (unsigned long long)(cfg->mem_end >> 20));
		machine_free(m);
		return NULL;
	}
	return m;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	machine_unwatch(m);
	if (m->reserved)
		munmap(m->reserved, m->reserved_size);
	if (m->ram_fd >= 0)
		close(m->ram_fd);
	if (m->page)
		munmap(m->page, page_words_size(m));
	if (m->touched)
		munmap(m->touched, touched_size(m));
	if (m->seam_data)
		munmap(m->seam_data, MACHINE_SEAM_DATA);
	munmap(m, sizeof(*m));
}
