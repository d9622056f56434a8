/* SPDX-License-Identifier: MIT */
/* What becomes of a page's lines: who owns them, where they are dirty, what a write-back ruins.
 *
 * A page word changes by compare-and-swap, so that a processor writing back a cache and another
 * writing the page both count. `touched` only ever goes up; it bounds the scans of a write-back. */
#include "machine/coherency.h"
#include "machine/page.h"

static uint64_t stale_as_word(uint64_t w)
{
	return (w >> PAGE_STALE_HKID_SHIFT & PAGE_HKID_MASK) |
	       (w >> PAGE_STALE_DIRTY_SHIFT & 0xff) << PAGE_DIRTY_SHIFT |
	       (w >> PAGE_STALE_CALL_SHIFT & 0xff) << PAGE_CALL_SHIFT;
}

static void tell(const struct machine_lp *lp, uint64_t pa, enum machine_page_event event)
{
	if (lp->m->page_event)
		lp->m->page_event(lp->m->watcher, lp, pa, event);
}

uint64_t page_take(const struct machine_lp *lp, uint64_t pa, unsigned hkid_, bool fresh)
{
	_Atomic uint64_t *word = page_word(lp->m, pa);
	uint64_t mine = 1ull << (PAGE_DIRTY_SHIFT + lp->package);
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed), w;

	do {
		if ((old & PAGE_HKID_MASK) == hkid_) {
			w = old | mine;
			if (fresh)
				w &= ~PAGE_POISON;
			if (w == old)
				return old;
			w = (w & ~PAGE_CALL_MASK) | (uint64_t)lp->call << PAGE_CALL_SHIFT;
		} else {
			w = hkid_ | mine | (uint64_t)lp->call << PAGE_CALL_SHIFT |
			    (old & PAGE_WC_PENDING);
			if (old & PAGE_DIRTY_MASK)
				w |= (old & PAGE_HKID_MASK) << PAGE_STALE_HKID_SHIFT |
				     (old & PAGE_DIRTY_MASK) >> PAGE_DIRTY_SHIFT
									<< PAGE_STALE_DIRTY_SHIFT |
				     (old & PAGE_CALL_MASK) >> PAGE_CALL_SHIFT
								       << PAGE_STALE_CALL_SHIFT;
		}
	} while (!atomic_compare_exchange_weak_explicit(word, &old, w, memory_order_relaxed,
							memory_order_relaxed));
	page_touch(lp->m, pa);
	if ((old & PAGE_HKID_MASK) != hkid_ && hkid_is_private(lp->m, hkid_))
		tell(lp, pa, MACHINE_PAGE_TAKEN);
	return old;
}

/* What is wrong with the page in this state coming under another KeyID. */
static void report_unready(const struct machine_lp *lp, uint64_t pa, uint64_t old, unsigned hkid_,
			   enum coherency_kind dirty)
{
	if ((old & PAGE_HKID_MASK) != hkid_ && old & PAGE_DIRTY_MASK)
		coherency_add(lp, dirty, pa, old, hkid_);
	if (old & PAGE_WC_PENDING)
		coherency_add(lp, COHERENCY_UNFENCED_CLEAR, pa, old, hkid_);
}

void machine_wrote_tracked(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	uint64_t old = page_take(lp, pa, hkid_, false);

	if ((old & PAGE_HKID_MASK) != hkid_)
		report_unready(lp, pa, old, hkid_, COHERENCY_UNFLUSHED_HANDOVER);
}

void machine_handover_tracked(const struct machine_lp *lp, uint64_t pa, uint64_t len,
			      unsigned hkid_)
{
	/* Of a large page never written since power on, not even the words are looked at. */
	if (!__atomic_load_n(&lp->m->touched[pa >> 21], __ATOMIC_RELAXED))
		return;
	for (uint64_t end = pa + len; pa < end; pa += TDX_PAGE_SIZE) {
		uint64_t w = page_load(lp->m, pa);

		tell(lp, pa, MACHINE_PAGE_TAKEN);
		if (w & (PAGE_DIRTY_MASK | PAGE_WC_PENDING))
			report_unready(lp, pa, w, hkid_, COHERENCY_UNFLUSHED_HANDOVER);
	}
}

void page_cleaned(const struct machine_lp *lp, uint64_t pa)
{
	tell(lp, pa, MACHINE_PAGE_CLEAN);
}

bool machine_page_is_dirty(const struct machine *m, uint64_t pa)
{
	return page_load(m, pa) & (PAGE_DIRTY_MASK | PAGE_STALE_DIRTY_MASK);
}

bool machine_intact(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	uint64_t w;

	if (!lp->m->cfg.integrity)
		return true;
	w = page_load(lp->m, pa);
	if (!(w & PAGE_POISON) && (w & PAGE_HKID_MASK) == hkid_)
		return true;
	coherency_add(lp, COHERENCY_POISON_READ, pa, w, hkid_);
	return false;
}

bool page_write_back(const struct machine_lp *lp, uint64_t pa, unsigned packages, int hkid_)
{
	_Atomic uint64_t *word = page_word(lp->m, pa);
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed), w;
	bool stale;

	do {
		w = old;
		if (hkid_ < 0 || (old & PAGE_HKID_MASK) == (unsigned)hkid_)
			w &= ~((uint64_t)packages << PAGE_DIRTY_SHIFT);
		stale = (old & (uint64_t)packages << PAGE_STALE_DIRTY_SHIFT) &&
			(hkid_ < 0 || old >> PAGE_STALE_HKID_SHIFT == (unsigned)hkid_);
		if (stale) {
			w &= ~((uint64_t)packages << PAGE_STALE_DIRTY_SHIFT);
			if (!(w & PAGE_STALE_DIRTY_MASK))
				w &= ~PAGE_STALE_MASK;
			if (lp->m->cfg.integrity)
				w |= PAGE_POISON;
		}
		if (w == old)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(word, &old, w, memory_order_relaxed,
							memory_order_relaxed));
	if (stale)
		coherency_add(lp, COHERENCY_STALE_WRITE_BACK, pa, stale_as_word(old),
			      (unsigned)(old & PAGE_HKID_MASK));
	return ((old ^ w) & PAGE_DIRTY_MASK) != 0;
}

/* Every page that may have lines in a cache, in 2M ranges first, first + step, ... */
static void write_back_ranges(const struct machine_lp *lp, unsigned first, unsigned step)
{
	const struct machine *m = lp->m;
	uint64_t ranges = (m->cfg.mem_end + TDX_SIZE_2M - 1) / TDX_SIZE_2M;
	bool cleaned = false;

	for (uint64_t r = first; r < ranges; r += step) {
		uint64_t pa = r * TDX_SIZE_2M, end = pa + TDX_SIZE_2M;

		if (!__atomic_load_n(&m->touched[r], __ATOMIC_RELAXED))
			continue;
		for (end = end < m->cfg.mem_end ? end : m->cfg.mem_end; pa < end;
		     pa += TDX_PAGE_SIZE)
			cleaned |= page_write_back(lp, pa, 1u << lp->package, -1);
	}
	if (cleaned)
		tell(lp, ~0ull, MACHINE_PAGE_CLEAN);
}

void machine_wbinvd(struct machine_lp *lp)
{
	if (lp->m->tracking)
		write_back_ranges(lp, 0, 1);
}

void machine_wb_block(struct machine_lp *lp, unsigned block)
{
	if (lp->m->tracking)
		write_back_ranges(lp, block, lp->m->cfg.wb_blocks);
}

void machine_hkid_freed(const struct machine_lp *lp, unsigned hkid_)
{
	const struct machine *m = lp->m;
	uint64_t ranges = (m->cfg.mem_end + TDX_SIZE_2M - 1) / TDX_SIZE_2M;

	if (!m->coherency)
		return;
	for (uint64_t r = 0; r < ranges; r++) {
		uint64_t pa = r * TDX_SIZE_2M, end = pa + TDX_SIZE_2M;

		if (!__atomic_load_n(&m->touched[r], __ATOMIC_RELAXED))
			continue;
		for (end = end < m->cfg.mem_end ? end : m->cfg.mem_end; pa < end;
		     pa += TDX_PAGE_SIZE) {
			uint64_t w = page_load(m, pa);

			if ((w & PAGE_HKID_MASK) == hkid_ && w & PAGE_DIRTY_MASK)
				coherency_add(lp, COHERENCY_HKID_FREED_DIRTY, pa, w, hkid_);
		}
	}
}
