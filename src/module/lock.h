/* SPDX-License-Identifier: MIT */
/* The module's locks: words in memory, never waited for.
 *
 *   sharex      bit 0 exclusive, 15:1 readers                     GLOBAL KOT EPOCH MIG
 *   mutex       one byte, 0 or 1                                  WBT TDMR
 *   link        bit 0 of a stream's link                          MIGSC
 *   sharex-hp   bit 0 exclusive, 1 host priority, 15:2 readers    PAMT OP_STATE SEPT_TREE RTMR ...
 *   S-EPT entry bit 11 of the entry, host priority in bit 52
 *
 * Readers of the words every call on a TD shares are not counted there but stand in slots of their
 * processors (module/reader.h); those of others are.
 *
 * A host attempt that fails leaves the host-priority flag behind; guests then fail until a host
 * attempt succeeds. A failed shared attempt leaves the reader count incremented, which an exclusive
 * release wipes: this is how the real words behave. Every acquisition and release in the module
 * goes through module/tx.h, where tracing, fault injection and the schedule explorer listen. */
#ifndef MODULE_LOCK_H
#define MODULE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

enum lock_mode { LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE };

/* Names of resources as spec'd lock tables and vectors use them. */
enum lock_resource {
	LOCK_GLOBAL,
	LOCK_KOT,
	LOCK_WBT,
	LOCK_TDMR,
	LOCK_PAMT_1G,
	LOCK_PAMT_2M,
	LOCK_PAMT_4K,
	LOCK_OP_STATE,
	LOCK_SEPT_TREE,
	LOCK_EPOCH,
	LOCK_RTMR,
	LOCK_MIG,
	LOCK_SERVTD_BINDINGS,
	LOCK_SEPT_ENTRY,
	LOCK_MIGSC,
	LOCK_NUM_RESOURCES,
};

enum lock_kind {
	LOCK_KIND_SHAREX,
	LOCK_KIND_MUTEX,
	LOCK_KIND_SHAREX_HP,
	LOCK_KIND_SEPT,
	LOCK_KIND_LINK
};

enum lock_result { LOCK_OK, LOCK_BUSY, LOCK_BUSY_HOST_PRIORITY };

/* A lock a call or a running guest holds. */
struct tx_held {
	void *word;
	uint64_t key;
	uint8_t res;  /* enum lock_resource */
	uint8_t mode; /* enum lock_mode */
	uint8_t slot; /* of the processor's reader slots; NO_SLOT: counted in the word */
};

/* See module/reader.h. */
enum { READER_SLOTS = 8, NO_SLOT = 0xff };

/* What a call takes shared before it looks at a page of a TD, or enters a vCPU. */
enum { TD_PATH_LOCKS = 5 };

const char *lock_resource_name(enum lock_resource res);

static inline enum lock_kind lock_resource_kind(enum lock_resource res)
{
	switch (res) {
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_EPOCH:
	case LOCK_MIG:
		return LOCK_KIND_SHAREX;
	case LOCK_WBT:
	case LOCK_TDMR:
		return LOCK_KIND_MUTEX;
	case LOCK_SEPT_ENTRY:
		return LOCK_KIND_SEPT;
	case LOCK_MIGSC:
		return LOCK_KIND_LINK;
	case LOCK_PAMT_1G:
	case LOCK_PAMT_2M:
	case LOCK_PAMT_4K:
	case LOCK_OP_STATE:
	case LOCK_SEPT_TREE:
	case LOCK_RTMR:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_NUM_RESOURCES:
		break;
	}
	return LOCK_KIND_SHAREX_HP;
}

#define SHAREX_EXCLUSIVE 1u
#define SHAREX_READER	 2u
#define HP_EXCLUSIVE	 1u
#define HP_PRIORITY	 2u
#define HP_READER	 4u
#define SEPT_LOCK_BIT	 (1ull << 11)
#define SEPT_HP_BIT	 (1ull << 52)
#define LINK_LOCK_BIT	 (1ull << 0)

static inline enum lock_result sharex_acquire(uint16_t *w, enum lock_mode mode)
{
	uint16_t free_ = 0;

	if (mode == LOCK_SHARED)
		return __atomic_fetch_add(w, SHAREX_READER, __ATOMIC_ACQUIRE) & SHAREX_EXCLUSIVE
			       ? LOCK_BUSY
			       : LOCK_OK;
	return __atomic_compare_exchange_n(w, &free_, SHAREX_EXCLUSIVE, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED)
		       ? LOCK_OK
		       : LOCK_BUSY;
}

static inline void sharex_release(uint16_t *w, enum lock_mode mode)
{
	if (mode == LOCK_SHARED)
		__atomic_fetch_sub(w, SHAREX_READER, __ATOMIC_RELEASE);
	else
		__atomic_store_n(w, 0, __ATOMIC_RELEASE);
}

static inline enum lock_result mutex_acquire(uint8_t *w)
{
	uint8_t free_ = 0;

	return __atomic_compare_exchange_n(w, &free_, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
		       ? LOCK_OK
		       : LOCK_BUSY;
}

static inline void mutex_release(uint8_t *w)
{
	__atomic_store_n(w, 0, __ATOMIC_RELEASE);
}

static inline enum lock_result hp_acquire_shared(uint16_t *w, bool guest)
{
	uint16_t old = __atomic_fetch_add(w, HP_READER, __ATOMIC_ACQUIRE);

	if (__builtin_expect((old & (HP_EXCLUSIVE | HP_PRIORITY)) == 0, 1))
		return LOCK_OK;
	if (guest) {
		if (old & HP_PRIORITY) {
			__atomic_fetch_sub(w, HP_READER, __ATOMIC_RELAXED);
			return LOCK_BUSY_HOST_PRIORITY;
		}
		return LOCK_BUSY;
	}
	if (old & HP_EXCLUSIVE) {
		__atomic_fetch_or(w, HP_PRIORITY, __ATOMIC_RELAXED);
		return LOCK_BUSY;
	}
	__atomic_fetch_and(w, (uint16_t)~HP_PRIORITY, __ATOMIC_RELAXED);
	return LOCK_OK;
}

/* `from` is what the word must be apart from host priority: 0 to acquire, one reader to promote. */
static inline enum lock_result hp_exclusive_from(uint16_t *w, uint16_t from, bool guest)
{
	uint16_t seen = from;

	if (__atomic_compare_exchange_n(w, &seen, HP_EXCLUSIVE, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return LOCK_OK;
	if (seen == (from | HP_PRIORITY)) {
		if (guest)
			return LOCK_BUSY_HOST_PRIORITY;
		return __atomic_compare_exchange_n(w, &seen, HP_EXCLUSIVE, false, __ATOMIC_ACQUIRE,
						   __ATOMIC_RELAXED)
			       ? LOCK_OK
			       : LOCK_BUSY;
	}
	if (!guest)
		__atomic_fetch_or(w, HP_PRIORITY, __ATOMIC_RELAXED);
	return LOCK_BUSY;
}

/* Exclusive, if nobody has it or wants it. Leaves nothing behind when it fails. */
static inline bool hp_take_free(uint16_t *w)
{
	uint16_t seen = 0;

	return __atomic_compare_exchange_n(w, &seen, HP_EXCLUSIVE, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static inline enum lock_result hp_acquire(uint16_t *w, enum lock_mode mode, bool guest)
{
	return mode == LOCK_SHARED ? hp_acquire_shared(w, guest) : hp_exclusive_from(w, 0, guest);
}

static inline enum lock_result hp_promote(uint16_t *w, bool guest)
{
	return hp_exclusive_from(w, HP_READER, guest);
}

static inline void hp_release(uint16_t *w, enum lock_mode mode)
{
	if (mode == LOCK_SHARED)
		__atomic_fetch_sub(w, HP_READER, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(w, HP_PRIORITY, __ATOMIC_RELEASE);
}

static inline enum lock_result sept_entry_acquire(uint64_t *e, bool guest)
{
	uint64_t old = __atomic_fetch_or(e, SEPT_LOCK_BIT, __ATOMIC_ACQUIRE);

	if (old & SEPT_LOCK_BIT) {
		if (!guest)
			__atomic_fetch_or(e, SEPT_HP_BIT, __ATOMIC_RELAXED);
		return LOCK_BUSY;
	}
	if (!(old & SEPT_HP_BIT))
		return LOCK_OK;
	if (guest) {
		__atomic_fetch_and(e, ~SEPT_LOCK_BIT, __ATOMIC_RELEASE);
		return LOCK_BUSY_HOST_PRIORITY;
	}
	__atomic_fetch_and(e, ~SEPT_HP_BIT, __ATOMIC_RELAXED);
	return LOCK_OK;
}

static inline void sept_entry_release(uint64_t *e)
{
	__atomic_fetch_and(e, ~SEPT_LOCK_BIT, __ATOMIC_RELEASE);
}

static inline enum lock_result link_acquire(uint64_t *w)
{
	return __atomic_fetch_or(w, LINK_LOCK_BIT, __ATOMIC_ACQUIRE) & LINK_LOCK_BIT ? LOCK_BUSY
										     : LOCK_OK;
}

static inline void link_release(uint64_t *w)
{
	__atomic_fetch_and(w, ~LINK_LOCK_BIT, __ATOMIC_RELEASE);
}

static inline enum lock_result lock_acquire(enum lock_resource res, void *word, enum lock_mode mode,
					    bool guest)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		return hp_acquire((uint16_t *)word, mode, guest);
	case LOCK_KIND_SEPT:
		return sept_entry_acquire((uint64_t *)word, guest);
	case LOCK_KIND_SHAREX:
		return sharex_acquire((uint16_t *)word, mode);
	case LOCK_KIND_MUTEX:
		return mutex_acquire((uint8_t *)word);
	case LOCK_KIND_LINK:
		return link_acquire((uint64_t *)word);
	}
	return LOCK_BUSY;
}

static inline void lock_release(enum lock_resource res, void *word, enum lock_mode mode)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		hp_release((uint16_t *)word, mode);
		break;
	case LOCK_KIND_SEPT:
		sept_entry_release((uint64_t *)word);
		break;
	case LOCK_KIND_SHAREX:
		sharex_release((uint16_t *)word, mode);
		break;
	case LOCK_KIND_MUTEX:
		mutex_release((uint8_t *)word);
		break;
	case LOCK_KIND_LINK:
		link_release((uint64_t *)word);
		break;
	}
}

#endif
