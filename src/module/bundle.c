/* SPDX-License-Identifier: MIT */
/* Bundles of state; see bundle.h. */
#include "module/bundle.h"

#include <string.h>

#include "module/seamcall/mem.h"
#include "module/sept.h"

static unsigned last_page(const struct bundle *b)
{
	return (unsigned)(b->pages >> MIG_PAGE_LIST_LAST_SHIFT);
}

struct tdx_status bundle_check_pages(const struct bundle *b, unsigned min)
{
	if (last_page(b) + 1 < min || b->pages & MIG_PAGE_LIST_RESERVED)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);
	return tdx_success();
}

struct tdx_status bundle_list(struct bundle *b)
{
	void *list = NULL;
	struct tdx_status s =
		mig_page_operand(b->tx, b->pages & SEPT_HPA_MASK, TDX_OPERAND_ID_R9, &list);

	b->list = list;
	return s;
}

struct tdx_status bundle_resume(struct bundle *b, bool *begun)
{
	struct mig_interrupted *i = &b->stream.page->stopped;

	if (begun)
		*begun = i->valid;
	if (!i->valid)
		return tdx_error(TDX_INVALID_RESUMPTION);
	i->valid = false;
	mig_uncount_stopped(b->tx, &b->td, b->stream.page);
	if (i->rax != b->rax || i->pages != b->pages || (b->tdvpr && i->tdvpr != b->tdvpr))
		return tdx_error(TDX_INVALID_RESUMPTION);
	return tdx_success();
}

static void stop(struct bundle *b)
{
	struct mig_interrupted *i = &b->stream.page->stopped;

	i->valid = true;
	i->rax = b->rax;
	i->pages = b->pages;
	i->tdvpr = b->tdvpr;
	mig_count_stopped(b->tx, &b->td, b->stream.page);
}

static void begin(struct bundle *b, const struct mbmd *m)
{
	struct mig_stream *p = b->stream.page;
	uint8_t iv[GCM_IV_SIZE], aad[MBMD_AAD_SIZE];

	mig_iv(iv, m->iv_counter, b->stream.forward);
	mig_mbmd_aad(m, aad);
	gcm_message_begin(&p->message, b->tx->lp, &p->key, iv, aad, sizeof(aad));
	p->stopped.done = 0;
	p->stopped.field = MD_ID_NONE;
	p->stopped.sys_done = false;
	p->stopped.refused = tdx_success();
	p->stopped.refused_field = 0;
}

/* The fields of the next page are those of the module, then of the TD; or of the one context. */
static struct md current(const struct bundle *b)
{
	struct md md = b->md;

	if (b->immutable && !b->stream.page->stopped.sys_done)
		md.ctx = MD_CTX_SYS;
	return md;
}

/* --- export --- */

void bundle_export_begin(struct bundle *b, enum mbmd_type type, uint64_t specific)
{
	struct mig_stream *p = b->stream.page;

	p->stopped.valid = false;
	p->iv_counter++; /* not used again, whatever becomes of this bundle */
	p->mbmd = (struct mbmd){
		.size = sizeof(struct mbmd),
		.version = b->td.tdcs->mig_working_version,
		.stream = (uint16_t)b->stream.forward,
		.type = (uint8_t)type,
		.counter = p->next_counter,
		.epoch = b->td.tdcs->mig_epoch,
		.iv_counter = p->iv_counter,
		.specific = specific,
	};
	begin(b, &p->mbmd);
}

/* One page; false when all fields have been written. */
static struct tdx_status export_page(struct bundle *b, bool *more)
{
	struct mig_stream *p = b->stream.page;
	struct mig_interrupted *i = &p->stopped;
	const struct md md = current(b);
	struct mig_buffer plain = {{0}}, sealed;
	const uint64_t pa = mig_word(b->list, i->done);
	void *to = NULL;
	struct tdx_status s = mig_page_operand(b->tx, pa, TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY, &to);

	if (!tdx_is_success(s))
		return s;
	*more = !tdx_is_success(md_dump(&md, i->field, &plain, &i->field));
	gcm_message_seal(&p->message, b->tx->lp, &plain, to ? to : &sealed, sizeof(plain));
	if (to)
		machine_wrote(b->tx->lp->hw, machine_strip(b->tx->m, pa),
			      machine_hkid_of(b->tx->m, pa));
	i->done++;
	if (!*more && md.ctx == MD_CTX_SYS) {
		i->sys_done = true;
		i->field = MD_ID_NONE;
		*more = true;
	}
	return s;
}

struct tdx_status bundle_export(struct bundle *b, uint32_t *written)
{
	struct mig_interrupted *i = &b->stream.page->stopped;
	bool more = true;

	while (more) {
		struct tdx_status s = export_page(b, &more);

		if (!tdx_is_success(s))
			return s;
		if (!more)
			break;
		if (i->done > last_page(b))
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);
		s = mem_poll(b->tx, &b->td, TDX_INTERRUPTED_RESUMABLE);
		if (!tdx_is_success(s)) {
			stop(b);
			*written = i->done;
			return s;
		}
	}
	return tdx_success();
}

struct tdx_status bundle_export_end(struct bundle *b)
{
	struct mig_stream *p = b->stream.page;
	struct mbmd *to;
	struct tdx_status s = mig_mbmd_operand(b->tx, b->mbmd, &to);

	if (!tdx_is_success(s))
		return s;
	gcm_message_tag(&p->message, b->tx->lp, p->mbmd.mac);
	mig_mbmd_write(b->tx, to, &p->mbmd);
	return s;
}

/* --- import --- */

struct tdx_status bundle_import_begin(struct bundle *b, enum mbmd_type type, uint32_t epoch,
				      uint64_t reserved)
{
	struct mig_stream *p = b->stream.page;
	struct mbmd *from;
	struct tdx_status s = mig_mbmd_operand(b->tx, b->mbmd, &from);
	const struct mbmd *m = &p->mbmd;

	if (!tdx_is_success(s))
		return s;
	mig_mbmd_read(from, &p->mbmd);
	if (m->version != b->td.tdcs->mig_working_version || m->size != sizeof(*m) ||
	    m->stream != b->stream.forward || m->type != type || m->reserved ||
	    m->counter != p->expected_counter || m->epoch != epoch || m->specific & reserved)
		return tdx_error(TDX_INVALID_MBMD);
	return s;
}

void bundle_import_open(struct bundle *b)
{
	struct mig_stream *p = b->stream.page;

	begin(b, &p->mbmd);
	p->expected_counter++; /* it will not be taken twice */
}

static void refuse(struct mig_interrupted *i, struct tdx_status why, uint64_t field)
{
	if (!tdx_is_success(i->refused)) /* the first error is the one told */
		return;
	i->refused = why;
	i->refused_field = field;
}

static struct tdx_status import_page(struct bundle *b)
{
	enum { MAX_SIZE = 4096 };
	struct mig_stream *p = b->stream.page;
	struct mig_interrupted *i = &p->stopped;
	struct mig_buffer sealed, plain;
	struct md md = current(b);
	const bool sys = md.ctx == MD_CTX_SYS;
	bool last = i->done == last_page(b);
	uint64_t next, field;
	void *from = NULL;
	struct tdx_status s =
		mig_page_operand(b->tx, mig_word(b->list, i->done), TDX_OPERAND_ID_PAGE, &from);

	if (!tdx_is_success(s))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_PAGE);
	if (!from)
		memset(&sealed, 0xff, sizeof(sealed));
	gcm_message_open(&p->message, b->tx->lp, from ? from : &sealed, &plain, sizeof(plain));
	if ((uint16_t)plain.word[0] > MAX_SIZE) {
		refuse(i, tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_PAGE), 0);
		plain.word[0] = (plain.word[0] & ~0xffffull) | MAX_SIZE;
	}
	if (sys && i->done + 1 == MBMD_IMM_SYS_PAGES(p->mbmd.specific))
		last = i->sys_done = true;
	else if (sys)
		last = false;
	s = md_import(&md, i->field, &plain, last, &next, &field);
	if (!tdx_is_success(s))
		refuse(i, s, field);
	i->field = sys && i->sys_done ? MD_ID_NONE : next;
	i->done++;
	return tdx_success();
}

struct tdx_status bundle_import(struct bundle *b, unsigned min)
{
	struct mig_stream *p = b->stream.page;
	struct mig_interrupted *i = &p->stopped;
	uint8_t tag[GCM_TAG_SIZE];
	struct tdx_status s = bundle_check_pages(b, min);

	if (tdx_is_success(s))
		s = bundle_list(b);
	if (!tdx_is_success(s))
		return s;
	while (i->done <= last_page(b)) {
		s = import_page(b);
		if (!tdx_is_success(s))
			return s;
		if (i->done > last_page(b))
			break;
		s = mem_poll(b->tx, &b->td, TDX_INTERRUPTED_RESUMABLE);
		if (!tdx_is_success(s)) {
			stop(b);
			return s;
		}
	}
	gcm_message_tag(&p->message, b->tx->lp, tag);
	if (memcmp(tag, p->mbmd.mac, sizeof(tag)) != 0)
		return tdx_error(TDX_INCORRECT_MBMD_MAC);
	if (!tdx_is_success(i->refused))
		b->error = i->refused_field;
	return i->refused;
}
