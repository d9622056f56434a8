/* SPDX-License-Identifier: MIT */
/* Migration sessions: streams, the metadata of bundles, what every leaf of TDH.EXPORT.* and
 * TDH.IMPORT.* asks of its operands.
 *
 * A stream is a page that TDH.MIG.STREAM.CREATE was given, reached by a link in the TDCS; the first
 * is the backward stream, which carries the abort token. A stream counts its bundles and IVs, knows
 * its key and, between two calls, the one that was interrupted on it. It belongs to whoever has its
 * link's lock bit. ABI: "TD Migration"; vectors 14-mig-*. */
#ifndef MODULE_MIG_H
#define MODULE_MIG_H

#include "abi/migration.h"
#include "abi/operand.h"
#include "module/gcm.h"
#include "module/td.h"

/* The only version of bundles that this module writes and reads. */
enum { MIG_VERSION = 0 };

enum { MIGS_MIN = 2, MIGS_MAX = 512 };

/* Table index of streams: R10 counts the forward ones. */
enum { MIGS_BACKWARD = 0, MIGS_FORWARD = 1 };

#define MIG_EXPORT_COUNT_MAX 0x7fffffffu
#define MIG_LINK_INITIALIZED (1ull << 1)

/* Bit 63 of R10: resume; of TDH.EXPORT.TRACK: the in-order phase is done. */
#define MIG_R10_COMMAND		 (1ull << 63)
#define MIG_R10_RESERVED	 0x7fffffffffff0000ull
#define MIG_PAGE_LIST_RESERVED	 0x0070000000000fffull
#define MIG_PAGE_LIST_LAST_SHIFT 55

/* One that an interrupt stopped: what it must be resumed with, and where it was. */
struct mig_interrupted {
	bool valid;
	bool counted; /* a bundle of state: in the counts of interrupted migrations */
	bool sys_done;
	uint64_t rax, pages, tdvpr;
	uint64_t gpas, buffers, macs[2], attributes, new_pages;
	uint32_t epoch;
	uint32_t done;	/* pages of a state bundle, or buffers of an export of memory */
	uint64_t field; /* the next */
	/* what a bundle's lists were refused for, told when the MAC was right */
	struct tdx_status refused;
	uint64_t refused_field;
};

struct mig_stream {
	uint16_t index; /* in the table */
	uint64_t iv_counter;
	uint32_t next_counter, expected_counter;
	struct gcm_key key;
	struct mig_interrupted stopped;
	struct mbmd mbmd;
	struct gcm_message message;
};
_Static_assert(sizeof(struct mig_stream) <= 4096, "a page");

/* A stream taken by a call. */
struct migs {
	struct mig_stream *page;
	uint64_t *link;
	unsigned forward; /* its number in R10 and MBMD */
};

/* Lock the link of a table index; BUSY|MIGSC. The stream must have been created. */
struct tdx_status migs_take(struct tx *tx, const struct td *td, unsigned index, struct migs *s);
/* From R10: reserved bits and range asked first. */
struct tdx_status migs_take_forward(struct tx *tx, const struct td *td, uint64_t r10,
				    struct migs *s);
/* The same for a leaf that uses forward stream 0 only. */
struct tdx_status migs_check_first(uint64_t r10);

static inline bool migs_initialized(const struct migs *s)
{
	return (*s->link & MIG_LINK_INITIALIZED) != 0;
}
void migs_initialize(struct migs *s, const uint64_t key[4]);
/* On the first use in a session. */
void migs_initialize_once(struct migs *s, const uint64_t key[4]);
/* None of the TD's streams is initialised. */
void migs_forget(const struct tx *tx, const struct td *td);

/* MIG_LOCK; BUSY|MIG. */
struct tdx_status mig_lock(struct tx *tx, const struct td *td, enum lock_mode mode);

/* Interrupted exports and imports of state are counted, in the TD and in the module, until they go
 * on or are dropped. */
void mig_count_stopped(struct tx *tx, const struct td *td, struct mig_stream *s);
void mig_uncount_stopped(struct tx *tx, const struct td *td, struct mig_stream *s);

/* The session is over, or past what can be interrupted: what waits will not go on. */
void mig_forget_stopped(struct tx *tx, const struct td *td);

/* The keys of a new session; TDX_RND_NO_ENTROPY. */
struct tdx_status mig_new_keys(struct tx *tx, struct tdcs *tdcs);

/* R8: address and size of an MBMD. The pointer is NULL when it is no RAM. */
struct tdx_status mig_mbmd_operand(const struct tx *tx, uint64_t r8, struct mbmd **mbmd);
void mig_mbmd_read(const struct mbmd *from, struct mbmd *to);
void mig_mbmd_write(const struct tx *tx, struct mbmd *to, const struct mbmd *from);

/* A page that the host shares for a list or a buffer. */
struct tdx_status mig_page_operand(const struct tx *tx, uint64_t pa, enum tdx_operand op,
				   void **page);
/* Memory that is not there reads as ones and takes nothing. */
static inline uint64_t mig_word(const uint64_t *list, unsigned i)
{
	return list ? __atomic_load_n(&list[i], __ATOMIC_RELAXED) : ~0ull;
}

static inline void mig_put(uint64_t *list, unsigned i, uint64_t value)
{
	if (list)
		__atomic_store_n(&list[i], value, __ATOMIC_RELAXED);
}

/* A page of a bundle, before it is sealed or after it is opened. */
struct mig_buffer {
	uint64_t word[MIG_PAGE_WORDS];
};

void mig_iv(uint8_t iv[GCM_IV_SIZE], uint64_t counter, unsigned stream);
/* The part of an MBMD that its MAC is over. */
void mig_mbmd_aad(const struct mbmd *m, uint8_t aad[MBMD_AAD_SIZE]);
/* The MAC of a bundle that is nothing but its MBMD. */
void mig_mbmd_seal(struct tx *tx, const struct gcm_key *key, struct mbmd *m);
bool mig_mbmd_open(struct tx *tx, const struct gcm_key *key, const struct mbmd *m);

/* The same status, with the bit that says that the import is over. */
static inline struct tdx_status mig_fatal(struct tdx_status s)
{
	return tdx_status(s.raw | TDX_STATUS_FATAL);
}
/* An import that cannot go on. */
struct tdx_status mig_fail_import(const struct td *td, struct tdx_status why);

static inline void mig_set_op_state(const struct td *td, enum tdx_op_state state)
{
	__atomic_store_n(&td->tdcs->op_state, state, __ATOMIC_RELAXED);
}

#endif
