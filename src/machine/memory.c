/* SPDX-License-Identifier: MIT */
/* Memory as the host sees it: loads and stores through a KeyID, line flushes, direct stores.
 *
 * The bytes are the same whatever the KeyID; which of them the host gets to see, and what its
 * access does to lines written under another KeyID, is decided by the page words. */
#include <errno.h>
#include <immintrin.h>
#include <string.h>
#include <sys/mman.h>

#include "machine/coherency.h"
#include "machine/page.h"

enum { LINE = 64 };

/* RAM the host may address through this KeyID? */
static int locate(const struct machine_lp *lp, uint64_t raw, size_t len, uint64_t *pa,
		  unsigned *hkid_)
{
	const struct machine *m = lp->m;

	*pa = machine_strip(m, raw);
	*hkid_ = machine_hkid_of(m, raw);
	if (!machine_is_ram(m, *pa, len) || *hkid_ >= m->private_hkid_min)
		return -EFAULT;
	return 0;
}

/* Bytes from pa to the end of its page, at most len. */
static size_t in_page(uint64_t pa, size_t len)
{
	size_t left = TDX_PAGE_SIZE - (pa & (TDX_PAGE_SIZE - 1));

	return len < left ? len : left;
}

/* One page's part of a load: 1 zeros instead of the bytes, 0 the bytes, -EIO. */
static int read_check(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	const struct machine *m = lp->m;
	uint64_t w = page_load(m, pa);

	if (w & PAGE_WC_PENDING)
		coherency_add(lp, COHERENCY_UNFENCED_CLEAR, pa, w, hkid_);
	if (w & PAGE_POISON) {
		coherency_add(lp, COHERENCY_POISON_READ, pa, w, hkid_);
		return -EIO;
	}
	if (!hkid_is_private(m, (unsigned)(w & PAGE_HKID_MASK)))
		return 0;
	coherency_add(lp, COHERENCY_HOST_READ_PRIVATE, pa, w, hkid_);
	if (!m->cfg.integrity)
		return 0;
	return m->cfg.partial_write_mce ? -EIO : 1;
}

int machine_read(struct machine_lp *lp, uint64_t raw, void *buf, size_t len)
{
	uint8_t *to = buf;
	unsigned hkid_;
	uint64_t pa;
	int r = locate(lp, raw, len, &pa, &hkid_);

	if (r)
		return r;
	if (!lp->m->tracking) {
		memcpy(buf, lp->m->ram + pa, len);
		return 0;
	}
	for (size_t n; len; len -= n, pa += n, to += n) {
		n = in_page(pa, len);
		r = read_check(lp, pa, hkid_);
		if (r < 0)
			return r;
		if (r)
			memset(to, 0, n);
		else
			memcpy(to, lp->m->ram + pa, n);
	}
	return 0;
}

static void poison(const struct machine_lp *lp, uint64_t pa)
{
	atomic_fetch_or_explicit(page_word(lp->m, pa), PAGE_POISON, memory_order_relaxed);
}

static void write_track(const struct machine_lp *lp, uint64_t pa, size_t n, unsigned hkid_)
{
	const struct machine *m = lp->m;
	bool whole_lines = pa % LINE == 0 && n % LINE == 0;
	uint64_t old = page_take(lp, pa, hkid_, n == TDX_PAGE_SIZE);

	if (!hkid_is_private(m, (unsigned)(old & PAGE_HKID_MASK)))
		return;
	if (old & PAGE_DIRTY_MASK)
		coherency_add(lp, COHERENCY_UNFLUSHED_REUSE, pa, old, hkid_);
	if (!whole_lines && m->cfg.partial_write_mce) {
		coherency_add(lp, COHERENCY_PARTIAL_WRITE, pa, old, hkid_);
		if (m->cfg.integrity)
			poison(lp, pa);
	}
}

int machine_write(struct machine_lp *lp, uint64_t raw, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	unsigned hkid_;
	uint64_t pa;
	int r = locate(lp, raw, len, &pa, &hkid_);

	if (r)
		return r;
	if (!lp->m->tracking) {
		memcpy(lp->m->ram + pa, buf, len);
		return 0;
	}
	for (size_t n; len; len -= n, pa += n, from += n) {
		n = in_page(pa, len);
		write_track(lp, pa, n, hkid_);
		memcpy(lp->m->ram + pa, from, n);
	}
	return 0;
}

/* The stores reach memory: a page they cover wholly is the host's again, clean and sound. */
static void drain(struct machine_lp *lp, unsigned i)
{
	uint64_t pa = lp->wc[i].base & ~(TDX_PAGE_SIZE - 1), end = lp->wc[i].base + lp->wc[i].size;

	for (; pa < end; pa += TDX_PAGE_SIZE) {
		_Atomic uint64_t *word = page_word(lp->m, pa);
		bool whole = pa >= lp->wc[i].base && end - pa >= TDX_PAGE_SIZE;

		if (whole)
			atomic_store_explicit(word, page_load(lp->m, pa) & PAGE_STALE_MASK,
					      memory_order_relaxed);
		else
			atomic_fetch_and_explicit(word, ~PAGE_WC_PENDING, memory_order_relaxed);
		if (whole)
			page_cleaned(lp, pa);
	}
	lp->wc[i] = lp->wc[--lp->nwc];
}

void machine_mfence(struct machine_lp *lp)
{
	while (lp->nwc)
		drain(lp, lp->nwc - 1);
	atomic_thread_fence(memory_order_seq_cst);
}

static void buffer(struct machine_lp *lp, uint64_t pa, size_t len)
{
	for (unsigned i = 0; i < lp->nwc; i++) {
		if (lp->wc[i].base + lp->wc[i].size == pa) {
			lp->wc[i].size += len;
			return;
		}
	}
	if (lp->nwc == MACHINE_MAX_WC)
		drain(lp, 0);
	lp->wc[lp->nwc++] = (struct machine_range){pa, len};
}

/* Past the host's caches, as the instruction: clearing much memory is as fast as it can be. Two
 * stores a line take a quarter less time than four. */
__attribute__((target("avx"))) static void stream_zero_avx(uint8_t *to, const uint8_t *end)
{
	const __m256i zero = _mm256_setzero_si256();

	for (; to < end; to += LINE) {
		_mm256_stream_si256((__m256i *)to, zero);
		_mm256_stream_si256((__m256i *)to + 1, zero);
	}
}

static void stream_zero_sse2(uint8_t *to, const uint8_t *end)
{
	const __m128i zero = _mm_setzero_si128();

	for (; to < end; to += sizeof(zero))
		_mm_stream_si128((__m128i *)to, zero);
}

static void stream_zero(uint8_t *p, size_t len)
{
	if (__builtin_cpu_supports("avx"))
		stream_zero_avx(p, p + len);
	else
		stream_zero_sse2(p, p + len);
	_mm_sfence();
}

bool machine_zero_lazily(struct machine *m, uint64_t pa)
{
	return m->cfg.lazy_zero && m->ram_fd < 0 &&
	       madvise(m->ram + pa, TDX_SIZE_2M, MADV_DONTNEED) == 0;
}

int machine_movdir64b_zero(struct machine_lp *lp, uint64_t raw, size_t len)
{
	unsigned hkid_;
	uint64_t pa;
	int r = locate(lp, raw, len, &pa, &hkid_);

	if (r)
		return r;
	if (pa % LINE || len % LINE)
		return -EINVAL;
	stream_zero(lp->m->ram + pa, len);
	if (!lp->m->tracking)
		return 0;
	for (uint64_t page = pa & ~(TDX_PAGE_SIZE - 1); page < pa + len; page += TDX_PAGE_SIZE) {
		uint64_t old = atomic_fetch_or_explicit(page_word(lp->m, page), PAGE_WC_PENDING,
							memory_order_relaxed);

		page_touch(lp->m, page);
		if (old & PAGE_DIRTY_MASK &&
		    hkid_is_private(lp->m, (unsigned)(old & PAGE_HKID_MASK))) {
			/* the dirty lines stay where they are and will go over the zeros */
			coherency_add(lp, COHERENCY_UNFLUSHED_REUSE, page, old, hkid_);
			page_take(lp, page, hkid_, true);
		}
	}
	buffer(lp, pa, len);
	return 0;
}

void machine_clflush(struct machine_lp *lp, uint64_t raw, size_t len)
{
	uint64_t pa = machine_strip(lp->m, raw) & ~(TDX_PAGE_SIZE - 1);
	uint64_t end = machine_strip(lp->m, raw) + len;
	unsigned hkid_ = machine_hkid_of(lp->m, raw);

	if (!lp->m->tracking)
		return;
	for (; pa < end && machine_is_ram(lp->m, pa, TDX_PAGE_SIZE); pa += TDX_PAGE_SIZE)
		if (page_write_back(lp, pa, 0xff, (int)hkid_))
			page_cleaned(lp, pa);
}

/* --- a host in binary: the KeyID of its accesses is 0 --- */

bool machine_host_load(struct machine_lp *lp, uint64_t pa)
{
	return read_check(lp, pa, 0) >= 0;
}

bool machine_host_store(struct machine_lp *lp, uint64_t pa, bool whole_line)
{
	write_track(lp, pa, whole_line ? LINE : LINE / 2, 0);
	return !(page_load(lp->m, pa) & PAGE_POISON);
}

void machine_host_direct_store(struct machine_lp *lp, uint64_t pa, size_t len)
{
	atomic_fetch_or_explicit(page_word(lp->m, pa), PAGE_WC_PENDING, memory_order_relaxed);
	page_touch(lp->m, pa);
	buffer(lp, pa, len);
}
