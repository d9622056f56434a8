/* SPDX-License-Identifier: MIT */
/* The Secure-EPT entry: its bits, its states, and the view of it that leaves return in RCX and RDX.
 *
 * An entry is an x86 EPT entry whose ignored bits hold the state. Seven bits, gathered into an
 * "encoding", say which of sixteen states it is in; tables indexed by the encoding answer the rest,
 * so a question costs a load. ABI: "Secure EPT entry" and TDH.MEM.SEPT.RD, module 1.5.25.
 *
 * Entries are plain 64-bit values here; reading them from memory and locking them is the owner's
 * business (bits LOCK and HOST_PRIORITY are part of the value). Freestanding, any thread. */
#ifndef SWTDX_ABI_SEPT_H
#define SWTDX_ABI_SEPT_H

#include <swtdx/leaf.h>
#include <swtdx/state.h>

#define SEPT_R		   (1ull << 0)
#define SEPT_W		   (1ull << 1)
#define SEPT_XS		   (1ull << 2) /* execute, supervisor */
#define SEPT_MT_SHIFT	   3
#define SEPT_MT_MASK	   (7ull << SEPT_MT_SHIFT)
#define SEPT_MT_WB	   (6ull << SEPT_MT_SHIFT)
#define SEPT_IPAT	   (1ull << 6) /* private memory, not MMIO; part of the state */
#define SEPT_PS		   (1ull << 7) /* a leaf, at 4K as well; part of the state */
#define SEPT_A		   (1ull << 8)
#define SEPT_D		   (1ull << 9)	/* part of the state */
#define SEPT_XU		   (1ull << 10) /* execute, user */
#define SEPT_LOCK	   (1ull << 11)
#define SEPT_HPA_MASK	   0x000ffffffffff000ull
#define SEPT_ACCEPT_SHIFT  12 /* of a 2M entry being accepted: 4K chunks done so far */
#define SEPT_ACCEPT_MASK   (0x1ffull << SEPT_ACCEPT_SHIFT)
#define SEPT_HOST_PRIORITY (1ull << 52)
#define SEPT_TDEX	   (1ull << 53) /* exported; it and the next three are of the state */
#define SEPT_TDBW	   (1ull << 54) /* blocked for writing */
#define SEPT_TDB	   (1ull << 55) /* blocked */
#define SEPT_TDP	   (1ull << 56) /* pending */
#define SEPT_SUPPRESS_VE   (1ull << 63)

#define SEPT_RWX	   (SEPT_R | SEPT_W | SEPT_XS | SEPT_XU)
/* What of an entry says its state. */
#define SEPT_STATE_FLAGS (SEPT_TDEX | SEPT_TDBW | SEPT_TDB | SEPT_TDP)
#define SEPT_STATE_MASK	 (SEPT_D | SEPT_IPAT | SEPT_PS | SEPT_STATE_FLAGS)

/* What a fresh table is filled with: FREE, #VE suppressed. */
#define SEPT_FREE_ENTRY (SEPT_TDEX | SEPT_TDBW | SEPT_TDB | SEPT_SUPPRESS_VE)

/* What is true of a state. */
enum sept_property {
	SEPT_IS_LEAF = 1 << 0,
	SEPT_IS_UNUSED = 1 << 1, /* FREE or REMOVED */
	SEPT_IS_PENDING = 1 << 2,
	SEPT_IS_ACCEPTABLE = 1 << 3, /* TDG.MEM.PAGE.ACCEPT takes it */
	SEPT_IS_BLOCKED = 1 << 4,
	SEPT_IS_BLOCKEDW = 1 << 5,
	SEPT_IS_GUEST_READABLE = 1 << 6, /* a leaf the guest can read */
	SEPT_IS_GUEST_WRITABLE = 1 << 7, /* and write */
	SEPT_NEEDS_TRACKING = 1 << 8,	 /* a TLB may hold it: TDH.MEM.TRACK before it goes */
	SEPT_IS_EXPORTED = 1 << 9,
	SEPT_IS_DIRTY = 1 << 10,      /* exported, and changed since */
	SEPT_IS_PLAIN_LEAF = 1 << 11, /* MAPPED or PENDING */
};

struct sept_state_info {
	uint8_t encoding;     /* seven bits, see sept_encoding() */
	uint8_t public_state; /* RDX bits 15:8 of TDH.MEM.SEPT.RD */
	uint16_t properties;  /* enum sept_property */
	uint64_t bits;	      /* encoding, spread over SEPT_STATE_MASK */
};

extern const struct sept_state_info sept_states[TDX_SEPT_STATES];

/* By encoding: one more than the state, and its TDX_SEPT_STATE_BIT(); 0 for those no state has. */
extern const uint8_t sept_state_by_encoding[128];
extern const uint16_t sept_bit_by_encoding[128];

static inline unsigned sept_encoding(uint64_t entry)
{
	return (unsigned)(entry >> 9 & 1) | (unsigned)(entry >> 53 & 0xf) << 1 |
	       (unsigned)(entry >> 6 & 3) << 5;
}

static inline uint64_t sept_encoding_bits(unsigned encoding)
{
	return (uint64_t)(encoding & 1) << 9 | (uint64_t)(encoding >> 1 & 0xf) << 53 |
	       (uint64_t)(encoding >> 5 & 3) << 6;
}

static inline enum tdx_sept_state sept_state(uint64_t entry)
{
	return (enum tdx_sept_state)(sept_state_by_encoding[sept_encoding(entry)] - 1);
}

static inline bool sept_is_state(uint64_t entry, enum tdx_sept_state state)
{
	return (entry & SEPT_STATE_MASK) == sept_states[state].bits;
}

/* All of the properties hold. Never for an encoding no state has. */
static inline bool sept_has(uint64_t entry, unsigned properties)
{
	enum tdx_sept_state state = sept_state(entry);

	return state != TDX_SEPT_UNKNOWN &&
	       (sept_states[state].properties & properties) == properties;
}

/* The entry maps a page (or would, once unblocked or accepted): the walk ends here. */
static inline bool sept_is_leaf(uint64_t entry)
{
	return (entry & SEPT_PS) != 0;
}

/* The leaf function accepts an entry in this state. */
static inline bool sept_allows(const struct tdx_leaf_info *leaf, uint64_t entry)
{
	return (leaf->sept_states & sept_bit_by_encoding[sept_encoding(entry)]) != 0;
}

/* The physical address, KeyID included. */
static inline uint64_t sept_address(uint64_t entry)
{
	return entry & SEPT_HPA_MASK;
}

/* The same entry in another state: permissions, address and locks stay; #VE is suppressed and the
 * memory type follows the state, as the module does on every change. */
static inline uint64_t sept_with_state(uint64_t entry, enum tdx_sept_state state)
{
	uint64_t e = (entry & ~(SEPT_STATE_MASK | SEPT_MT_MASK)) | sept_states[state].bits;

	return e | SEPT_SUPPRESS_VE | (e & SEPT_IPAT ? SEPT_MT_WB : 0);
}

/* A leaf in a state. The address carries the TD's KeyID. */
static inline uint64_t sept_make_leaf(enum tdx_sept_state state, uint64_t address,
				      uint64_t permissions)
{
	return sept_with_state(permissions | (address & SEPT_HPA_MASK), state);
}

/* An entry that points to a table. */
static inline uint64_t sept_make_table(uint64_t address)
{
	return sept_with_state(SEPT_RWX | (address & SEPT_HPA_MASK), TDX_SEPT_NL_MAPPED);
}

/* A page that was there in an import session and is no more: the entry remembers the epoch, so that
 * no bundle from before brings it back. In the bits of the address: 12 valid, 44:13 the epoch. */
#define SEPT_REMOVED_VALID	 (1ull << 12)
#define SEPT_REMOVED_EPOCH_SHIFT 13

static inline uint64_t sept_removed(uint32_t epoch)
{
	return sept_with_state(SEPT_REMOVED_VALID | (uint64_t)epoch << SEPT_REMOVED_EPOCH_SHIFT,
			       TDX_SEPT_REMOVED);
}

static inline bool sept_removed_since(uint64_t entry, uint32_t epoch)
{
	return sept_is_state(entry, TDX_SEPT_REMOVED) && entry & SEPT_REMOVED_VALID &&
	       (uint32_t)(entry >> SEPT_REMOVED_EPOCH_SHIFT) >= epoch;
}

/* RCX of TDH.MEM.SEPT.RD and of a failing TDH.MEM.* call. keyid_mask: the physical address bits
 * that hold the KeyID. The accept counter is not hidden; the module does not hide it either. */
static inline uint64_t sept_arch_entry(uint64_t entry, uint64_t keyid_mask)
{
	if (sept_is_state(entry, TDX_SEPT_FREE))
		return SEPT_SUPPRESS_VE;
	if (!sept_is_leaf(entry))
		return entry & (SEPT_RWX | SEPT_PS);
	return entry & ~keyid_mask &
	       (SEPT_RWX | SEPT_MT_MASK | SEPT_IPAT | SEPT_PS | SEPT_HPA_MASK | SEPT_SUPPRESS_VE);
}

/* RDX beside it: level in 7:0, public state in 15:8, index of the VM in 17:16 (0: the TD itself).
 */
static inline uint64_t sept_arch_info(uint64_t entry, enum tdx_level level, unsigned vm)
{
	enum tdx_sept_state state = sept_state(entry);

	return (uint64_t)level | (uint64_t)(vm & 3u) << 16 |
	       (state == TDX_SEPT_UNKNOWN ? 0 : (uint64_t)sept_states[state].public_state << 8);
}

static inline unsigned sept_info_level(uint64_t rdx)
{
	return (unsigned)rdx & 7u;
}

static inline unsigned sept_info_public_state(uint64_t rdx)
{
	return (unsigned)(rdx >> 8) & 0xffu;
}

static inline unsigned sept_info_vm(uint64_t rdx)
{
	return (unsigned)(rdx >> 16) & 3u;
}

/* The state a public value stands for; TDX_SEPT_UNKNOWN for others, L2 values among them. */
enum tdx_sept_state sept_state_by_public(unsigned public_state);

/* Its name; knows the values of L2 Secure-EPT entries too. "UNKNOWN" for others. */
const char *sept_public_name(unsigned public_state);

/* Writes what RCX and RDX of a TDH.MEM.* call say, as "MAPPED 4K 0x1040004000 RWX". Returns buf. */
const char *sept_arch_format(uint64_t rcx, uint64_t rdx, char *buf, size_t len);

#endif
