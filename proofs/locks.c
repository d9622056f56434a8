/* SPDX-License-Identifier: MIT */
/* The module's locks: what is taken excludes what it must, and giving it back leaves the word as it
 * was but for the host-priority flag, which a host attempt alone sets and clears. */
#include "proofs/proof.h"

#include "module/lock.h"

/* A word as a lock at rest or in use can have it: readers or a writer, and the flag. */
static uint16_t any_hp_word(void)
{
	uint16_t w;

	any(&w, sizeof(w));
	assume(!(w & HP_EXCLUSIVE) || (w & ~(HP_EXCLUSIVE | HP_PRIORITY)) == 0);
	assume(w < UINT16_MAX - 2 * HP_READER); /* fewer readers than processors there can be */
	return w;
}

void exclusive_is_alone(void)
{
	uint16_t w = any_hp_word(), before = w;
	bool guest;

	any(&guest, sizeof(guest));
	if (hp_acquire(&w, LOCK_EXCLUSIVE, guest) == LOCK_OK) {
		prove((before & ~HP_PRIORITY) == 0);
		prove(!guest || before == 0);
		prove(w == HP_EXCLUSIVE);
		prove(hp_acquire(&w, LOCK_EXCLUSIVE, guest) != LOCK_OK);
	} else {
		prove(before != 0);
		prove((w & ~HP_PRIORITY) == (before & ~HP_PRIORITY));
	}
	reached();
}

void shared_keeps_writers_out(void)
{
	uint16_t w = any_hp_word(), before = w;
	bool guest;

	any(&guest, sizeof(guest));
	if (hp_acquire(&w, LOCK_SHARED, guest) == LOCK_OK) {
		prove(!(before & HP_EXCLUSIVE));
		prove(!guest || !(before & HP_PRIORITY));
		prove(hp_acquire(&w, LOCK_EXCLUSIVE, false) != LOCK_OK);
	}
	reached();
}

void released_word_is_as_before(void)
{
	uint16_t w = any_hp_word(), before = w;
	enum lock_mode mode;
	bool guest;

	any(&mode, sizeof(mode));
	any(&guest, sizeof(guest));
	assume(mode == LOCK_SHARED || mode == LOCK_EXCLUSIVE);
	if (hp_acquire(&w, mode, guest) == LOCK_OK) {
		hp_release(&w, mode);
		prove((w & ~HP_PRIORITY) == (before & ~HP_PRIORITY));
		prove(!(w & HP_PRIORITY) || guest);
	}
	reached();
}

/* A guest never leaves the flag that only the host may leave, and never takes it away. */
void guest_leaves_host_priority_alone(void)
{
	uint16_t w = any_hp_word(), before = w;
	enum lock_mode mode;

	any(&mode, sizeof(mode));
	assume(mode == LOCK_SHARED || mode == LOCK_EXCLUSIVE);
	if (hp_acquire(&w, mode, true) != LOCK_OK)
		prove((w & HP_PRIORITY) == (before & HP_PRIORITY));
	else
		prove(!(before & HP_PRIORITY));
	reached();
}

void promoted_reader_is_alone(void)
{
	uint16_t w = any_hp_word(), before = w;

	assume(before & ~(HP_EXCLUSIVE | HP_PRIORITY));
	if (hp_promote(&w, false) == LOCK_OK) {
		prove((before & ~HP_PRIORITY) == HP_READER);
		prove(w == HP_EXCLUSIVE);
	} else {
		prove((w & ~HP_PRIORITY) == (before & ~HP_PRIORITY));
	}
	reached();
}

void sharex_excludes_and_comes_back(void)
{
	uint16_t w, before;
	enum lock_mode mode;

	any(&w, sizeof(w));
	any(&mode, sizeof(mode));
	assume(mode == LOCK_SHARED || mode == LOCK_EXCLUSIVE);
	assume((!(w & SHAREX_EXCLUSIVE) || w == SHAREX_EXCLUSIVE) &&
	       w < UINT16_MAX - SHAREX_READER);
	before = w;
	if (sharex_acquire(&w, mode) == LOCK_OK) {
		prove(!(before & SHAREX_EXCLUSIVE));
		prove(mode == LOCK_SHARED || before == 0);
		prove(sharex_acquire(&w, LOCK_EXCLUSIVE) == LOCK_BUSY);
		sharex_release(&w, mode);
		prove(w == before);
	}
	reached();
}
