/* SPDX-License-Identifier: MIT */
/* Migration sessions; see mig.h. */
#include "module/mig.h"

#include <string.h>

#include "module/entropy.h"
#include "module/page.h"
#include "module/sept.h"

static uint64_t *links(const struct tx *tx, const struct td *td)
{
	return tx_tdcs_page(tx, td, TDCS_PAGE_MIGSC);
}

struct tdx_status migs_take(struct tx *tx, const struct td *td, unsigned index, struct migs *s)
{
	uint64_t *link = &links(tx, td)[index];
	struct tdx_status st = tx_lock(tx, LOCK_MIGSC, td->pa.v | index, link, LOCK_EXCLUSIVE,
				       TDX_OPERAND_ID_MIGSC);

	*s = (struct migs){.link = link, .forward = index - MIGS_FORWARD};
	if (tdx_is_success(st))
		s->page = machine_ptr(tx->m, machine_strip(tx->m, *link & SEPT_HPA_MASK));
	return st;
}

struct tdx_status migs_check_first(uint64_t r10)
{
	return r10 & ~MIG_R10_COMMAND ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10)
				      : tdx_success();
}

struct tdx_status migs_take_forward(struct tx *tx, const struct td *td, uint64_t r10,
				    struct migs *s)
{
	const unsigned forward = (uint16_t)r10;

	if (r10 & MIG_R10_RESERVED || forward + MIGS_FORWARD >= td->tdcs->num_migs)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	return migs_take(tx, td, forward + MIGS_FORWARD, s);
}

void migs_initialize(struct migs *s, const uint64_t key[4])
{
	struct mig_stream *p = s->page;

	p->iv_counter = 0;
	p->next_counter = p->expected_counter = 0;
	p->stopped.valid = false;
	memcpy(p->key.word, key, sizeof(p->key.word));
	__atomic_fetch_or(s->link, MIG_LINK_INITIALIZED, __ATOMIC_RELAXED);
}

void migs_initialize_once(struct migs *s, const uint64_t key[4])
{
	if (!migs_initialized(s))
		migs_initialize(s, key);
}

void migs_forget(const struct tx *tx, const struct td *td)
{
	for (unsigned i = 0; i < td->tdcs->num_migs; i++)
		__atomic_fetch_and(&links(tx, td)[i], ~MIG_LINK_INITIALIZED, __ATOMIC_RELAXED);
}

struct tdx_status mig_lock(struct tx *tx, const struct td *td, enum lock_mode mode)
{
	return tx_lock(tx, LOCK_MIG, td->pa.v, &td->tdcs->mig_lock, mode, TDX_OPERAND_ID_MIG);
}

void mig_count_stopped(struct tx *tx, const struct td *td, struct mig_stream *s)
{
	s->stopped.counted = true;
	atomic_fetch_add(&tx->mod->mig_interrupted_count, 1);
	__atomic_fetch_add(&td->tdcs->mig_interrupted_count, 1, __ATOMIC_RELAXED);
}

void mig_uncount_stopped(struct tx *tx, const struct td *td, struct mig_stream *s)
{
	if (!s->stopped.counted)
		return;
	atomic_fetch_sub(&tx->mod->mig_interrupted_count, 1);
	__atomic_fetch_sub(&td->tdcs->mig_interrupted_count, 1, __ATOMIC_RELAXED);
}

void mig_forget_stopped(struct tx *tx, const struct td *td)
{
	uint16_t n = __atomic_exchange_n(&td->tdcs->mig_interrupted_count, 0, __ATOMIC_RELAXED);

	atomic_fetch_sub(&tx->mod->mig_interrupted_count, n);
}

struct tdx_status mig_new_keys(struct tx *tx, struct tdcs *tdcs)
{
	uint64_t next[4];

	/* that of this session is in use even when there is none for the next */
	memcpy(tdcs->mig_enc_working_key, tdcs->mig_enc_key, sizeof(tdcs->mig_enc_key));
	if (!entropy_fill(tx->lp->hw, next, 4))
		return tdx_error(TDX_RND_NO_ENTROPY);
	memcpy(tdcs->mig_enc_key, next, sizeof(next));
	memcpy(tdcs->mig_dec_working_key, tdcs->mig_dec_key, sizeof(tdcs->mig_dec_key));
	tdcs->mig_dec_key_set = 0;
	tdcs->mig_working_version = tdcs->mig_version;
	tdcs->mig_epoch = 0;
	tdcs->total_mb_count = 0;
	return tdx_success();
}

struct tdx_status mig_mbmd_operand(const struct tx *tx, uint64_t r8, struct mbmd **mbmd)
{
	void *p = NULL;
	struct tdx_status s;

	if (r8 >> HPA_BITS < sizeof(struct mbmd))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	s = tx_shared(tx, hpa(r8 & ((1ull << HPA_BITS) - 1)), MBMD_ALIGN, TDX_OPERAND_ID_R8, &p);
	*mbmd = p;
	return s;
}

void mig_mbmd_read(const struct mbmd *from, struct mbmd *to)
{
	if (from)
		memcpy(to, from, sizeof(*to));
	else
		memset(to, 0xff, sizeof(*to));
}

static void wrote(const struct tx *tx, const void *at)
{
	machine_wrote(tx->lp->hw, (uint64_t)((const uint8_t *)at - tx->m->ram) & ~0xfffull, 0);
}

void mig_mbmd_write(const struct tx *tx, struct mbmd *to, const struct mbmd *from)
{
	if (!to)
		return;
	memcpy(to, from, sizeof(*to));
	wrote(tx, to);
}

struct tdx_status mig_page_operand(const struct tx *tx, uint64_t pa, enum tdx_operand op,
				   void **page)
{
	return tx_shared(tx, hpa(pa), TDX_PAGE_SIZE, op, page);
}

void mig_iv(uint8_t iv[GCM_IV_SIZE], uint64_t counter, unsigned stream)
{
	memset(iv, 0, GCM_IV_SIZE);
	memcpy(iv, &counter, sizeof(counter));
	iv[8] = (uint8_t)stream;
	iv[9] = (uint8_t)(stream >> 8);
}

void mig_mbmd_aad(const struct mbmd *m, uint8_t aad[MBMD_AAD_SIZE])
{
	struct mbmd bare = *m;

	bare.stream = 0;
	bare.iv_counter = 0;
	memcpy(aad, &bare, MBMD_AAD_SIZE);
}

static struct gcm begin_mbmd(struct tx *tx, const struct gcm_key *key, const struct mbmd *m,
			     bool seal)
{
	uint8_t iv[GCM_IV_SIZE], aad[MBMD_AAD_SIZE];
	struct gcm g = gcm_begin(tx->lp, key, seal);

	mig_iv(iv, m->iv_counter, m->stream);
	mig_mbmd_aad(m, aad);
	gcm_next(&g, iv, aad, sizeof(aad));
	return g;
}

void mig_mbmd_seal(struct tx *tx, const struct gcm_key *key, struct mbmd *m)
{
	struct gcm g = begin_mbmd(tx, key, m, true);

	gcm_tag(&g, m->mac);
}

bool mig_mbmd_open(struct tx *tx, const struct gcm_key *key, const struct mbmd *m)
{
	struct gcm g = begin_mbmd(tx, key, m, false);

	return gcm_tag_is(&g, m->mac);
}

struct tdx_status mig_fail_import(const struct td *td, struct tdx_status why)
{
	mig_set_op_state(td, TDX_OP_STATE_FAILED_IMPORT);
	return mig_fatal(why);
}
