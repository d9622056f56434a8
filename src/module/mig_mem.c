/* SPDX-License-Identifier: MIT */
/* The common part of exporting and importing memory; see mig_mem.h. */
#include "module/mig_mem.h"

#include <string.h>

#include "module/seamcall/mem.h"
#include "module/transition.h"

static struct tdx_status find(struct mig_mem *m)
{
	struct tx *tx = m->tx;
	struct tdx_status s = mem_td(tx, m->in->tdr, &m->td);

	if (tdx_is_success(s))
		s = mig_lock(tx, &m->td, LOCK_SHARED);
	if (tdx_is_success(s))
		s = migs_take_forward(tx, &m->td, m->in->stream, &m->stream);
	if (tdx_is_success(s))
		s = tx_lock(tx, LOCK_SEPT_TREE, m->td.pa.v, &m->td.tdcs->sept_lock, LOCK_SHARED,
			    TDX_OPERAND_ID_SEPT_TREE);
	return s;
}

/* An exporter must tell of aliases; an importer may ignore them. */
static struct tdx_status attributes(struct mig_mem *m)
{
	void *page = NULL;
	struct tdx_status s = tdx_success();

	if (m->gpas.attributes)
		s = mig_page_operand(m->tx, m->in->attributes.v, TDX_OPERAND_ID_R14, &page);
	else if (!m->in->import && m->td.tdcs->num_l2_vms)
		s = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	m->attributes = page;
	return s;
}

static struct tdx_status macs(struct mig_mem *m)
{
	static const enum tdx_operand op[2] = {TDX_OPERAND_ID_R11, TDX_OPERAND_ID_R12};
	const bool needed[2] = {m->gpas.first < MIG_MACS_IN_PAGE, m->gpas.last >= MIG_MACS_IN_PAGE};

	for (unsigned i = 0; i < 2; i++) {
		void *page = NULL;
		struct tdx_status s = tdx_success();

		if (needed[i])
			s = mig_page_operand(m->tx, m->in->macs[i].v, op[i], &page);
		if (!tdx_is_success(s))
			return s;
		m->macs[i] = page;
	}
	return tdx_success();
}

static struct tdx_status new_pages(struct mig_mem *m)
{
	void *page = NULL;
	struct tdx_status s = tdx_success();

	m->has_new_pages = m->in->import && m->in->new_pages != NO_PA;
	if (m->has_new_pages)
		s = mig_page_operand(m->tx, m->in->new_pages, TDX_OPERAND_ID_R13, &page);
	m->new_pages = page;
	return s;
}

struct tdx_status mig_mem_decode(struct mig_mem *m)
{
	void *page = NULL;
	struct tdx_status s = find(m);

	if (tdx_is_success(s))
		s = gpa_list_operand(m->tx, m->in->gpas, &m->gpas);
	if (tdx_is_success(s))
		s = attributes(m);
	if (tdx_is_success(s))
		s = mig_page_operand(m->tx, m->in->buffers, TDX_OPERAND_ID_R9, &page);
	m->buffers = page;
	if (tdx_is_success(s))
		s = macs(m);
	if (tdx_is_success(s))
		s = new_pages(m);
	if (tdx_is_success(s))
		s = mig_mbmd_operand(m->tx, m->in->mbmd, &m->mbmd);
	return s;
}

static uint64_t attributes_operand(const struct mig_mem *m)
{
	return m->gpas.attributes ? m->in->attributes.v : NO_PA;
}

struct tdx_status mig_mem_resume(struct mig_mem *m)
{
	struct mig_interrupted *i = &m->stream.page->stopped;

	if (!migs_initialized(&m->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	if (!i->valid)
		return tdx_error(TDX_INVALID_RESUMPTION);
	i->valid = false;
	if (i->rax != m->in->rax || i->gpas != m->in->gpas || i->buffers != m->in->buffers ||
	    i->macs[0] != m->in->macs[0].v || i->macs[1] != m->in->macs[1].v ||
	    i->attributes != attributes_operand(m) || i->epoch != m->td.tdcs->mig_epoch ||
	    (m->in->import && i->new_pages != m->in->new_pages))
		return tdx_error(TDX_INVALID_RESUMPTION);
	return tdx_success();
}

void mig_mem_stop(struct mig_mem *m)
{
	struct mig_interrupted *i = &m->stream.page->stopped;

	i->valid = true;
	i->counted = false;
	i->rax = m->in->rax;
	i->gpas = gpa_list_at(m->in->gpas, m->next);
	i->buffers = m->in->buffers;
	i->macs[0] = m->in->macs[0].v;
	i->macs[1] = m->in->macs[1].v;
	i->attributes = attributes_operand(m);
	i->new_pages = m->in->new_pages;
	i->epoch = m->td.tdcs->mig_epoch;
}

struct tdx_status mig_mem_each(struct mig_mem *m,
			       struct tdx_status (*one)(struct mig_mem *m, unsigned i))
{
	m->gcm = gcm_begin(m->tx->lp, &m->stream.page->key, !m->in->import);
	for (unsigned i = m->gpas.first;; i++) {
		struct tdx_status s;

		m->next = i;
		s = one(m, i);
		/* the host gives the memory that is missing, and the entry comes again */
		if (tdx_is(s, TDX_INTERRUPTED_PAMT))
			mig_mem_stop(m);
		if (!tdx_is_success(s) || lp_decided(m->tx->lp))
			return s;
		m->next = i + 1;
		if (i == m->gpas.last)
			break;
		s = mem_poll(m->tx, &m->td, TDX_INTERRUPTED_RESUMABLE);
		if (!tdx_is_success(s)) {
			mig_mem_stop(m);
			return s;
		}
	}
	__atomic_fetch_add(&m->td.tdcs->total_mb_count, 1, __ATOMIC_RELAXED);
	return tdx_status(m->problems);
}

void mig_mem_put_mac(struct mig_mem *m, unsigned i, const uint8_t mac[GCM_TAG_SIZE])
{
	if (m->macs[i / MIG_MACS_IN_PAGE])
		memcpy(m->macs[i / MIG_MACS_IN_PAGE][i % MIG_MACS_IN_PAGE], mac, GCM_TAG_SIZE);
}

void mig_mem_get_mac(const struct mig_mem *m, unsigned i, uint8_t mac[GCM_TAG_SIZE])
{
	if (m->macs[i / MIG_MACS_IN_PAGE])
		memcpy(mac, m->macs[i / MIG_MACS_IN_PAGE][i % MIG_MACS_IN_PAGE], GCM_TAG_SIZE);
	else
		memset(mac, 0xff, GCM_TAG_SIZE);
}

void mig_mem_crypto(struct mig_mem *m, uint64_t entry)
{
	uint8_t iv[GCM_IV_SIZE];

	mig_iv(iv, ++m->stream.page->iv_counter, m->stream.forward);
	gcm_next(&m->gcm, iv, &entry, sizeof(entry));
}
