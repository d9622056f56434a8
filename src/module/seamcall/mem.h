/* SPDX-License-Identifier: MIT */
/* What the TDH.MEM.* leaves have in common: the entry they work on, its page.
 *
 * A place "GPA | level" in RCX and the TD in RDX come in; RCX and RDX go out on every path: zero,
 * the entry a call failed at, or the page it freed. An interrupted call gives both back as they
 * came. */
#ifndef MODULE_SEAMCALL_MEM_H
#define MODULE_SEAMCALL_MEM_H

#include "abi/operand.h"
#include "module/l2_sept.h"
#include "module/page.h"
#include "module/transition.h"
#include "module/sept.h"

/* An entry of a TD's Secure EPT, locked by the call. */
struct mem {
	struct td td;
	struct sept_ref ref;
};

/* The levels a leaf works on and how it locks the tree. */
struct mem_reach {
	enum tdx_level min, max;
	enum lock_mode tree;
};
#define MEM_TO_ROOT TDX_LEVEL_256T /* max: as far up as the TD's tree goes */

/* The TD, its page and OP_STATE locked shared; operand RDX. */
struct tdx_status mem_td(struct tx *tx, hpa_t tdr, struct td *td);
/* The entry at a place in m->td: walked to, and locked, with the tree locked as in reach. */
struct tdx_status mem_entry(struct tx *tx, gpa_level_t at, const struct mem_reach *reach,
			    struct mem *m, struct sept_shown *shown);
/* Both, and the state of the entry is one the leaf works on. */
struct tdx_status mem_locate(struct tx *tx, hpa_t tdr, gpa_level_t at,
			     const struct mem_reach *reach, struct mem *m,
			     struct sept_shown *shown);

/* A status about the entry, which is then shown. */
struct tdx_status mem_refuse(const struct tx *tx, const struct mem *m, uint64_t code,
			     struct sept_shown *shown);

/* The entry may change: it is blocked and no TLB holds it any more, or no vCPU could have run. */
struct tdx_status mem_quiet(const struct tx *tx, const struct mem *m, const struct pamt_entry *page,
			    struct sept_shown *shown);

/* The KeyID of the TD in an address. */
static inline uint64_t mem_private(const struct tx *tx, const struct td *td, hpa_t pa)
{
	return machine_with_hkid(tx->m, pa.v, td->tdr->hkid);
}

/* The guest will have to accept a pending 2M page from its start: what it has done so far is not to
 * be seen in what the call reports. */
static inline void mem_forget_accepting(struct mem *m)
{
	if (m->ref.level == TDX_LEVEL_2M && sept_has(m->ref.value, SEPT_IS_ACCEPTABLE))
		m->ref.value &= ~SEPT_ACCEPT_MASK;
}

/* The page is the TD's from now on. */
void mem_give(const struct tx *tx, struct td *td, const struct pamt_ref *page,
	      enum tdx_page_type type);
/* And what an earlier owner blocked it at is forgotten. */
static inline void mem_give_fresh(const struct tx *tx, struct td *td, const struct pamt_ref *page,
				  enum tdx_page_type type)
{
	__atomic_store_n(&page->entry->bepoch, 0, __ATOMIC_RELAXED);
	mem_give(tx, td, page, type);
}
/* The page is free; its address with the PAMT hint, as the leaf reports it. */
uint64_t mem_free(const struct tx *tx, struct td *td, const struct pamt_ref *page);

/* A new table page, every entry `fill`. */
void mem_init_table(const struct tx *tx, const struct td *td, hpa_t pa, uint64_t fill);
/* The module wrote the 4K page under the TD's key. */
static inline void mem_wrote(const struct tx *tx, const struct td *td, hpa_t pa)
{
	machine_wrote(tx->lp->hw, pa.v, td->tdr->hkid);
}

/* May the TD's memory be read under its key? False: the host spoilt it or its tables, and the
 * machine check ends the module on this processor. */
static inline bool mem_readable(const struct tx *tx, const struct td *td, hpa_t pa)
{
	if (machine_is_ram(tx->m, pa.v, 1) &&
	    (!tx->m->cfg.integrity || machine_intact(tx->lp->hw, pa.v, td->tdr->hkid)))
		return true;
	module_fatal(tx->lp);
	return false;
}

/* RCX and RDX as they came. */
static inline struct sept_shown mem_operands(gpa_level_t at, uint64_t tdr)
{
	return (struct sept_shown){.page = at.v, .level_state = tdr};
}

/* The call was interrupted, and its caller is to make it again with the same operands. */
static inline bool mem_interrupted(struct tdx_status s)
{
	return tdx_is(s, TDX_INTERRUPTED_RESTARTABLE) || tdx_is(s, TDX_INTERRUPTED_RESUMABLE) ||
	       tdx_is(s, TDX_INTERRUPTED_BUSY);
}

/* Asked between the parts of a long call: give up for an interrupt, or for a host call that waits
 * for the tree? */
struct tdx_status mem_poll(const struct tx *tx, const struct td *td, uint64_t interrupted);

#endif
