/* SPDX-License-Identifier: MIT */
/* GetQuote: a TDREPORT goes to the host in a shared buffer, a quote comes back some time later.
 *
 * The buffer is the host's as much as ours: the header is copied once for each look, what was
 * copied is judged, and only then as much data as it says is copied, once. Until the status says
 * that it is over the host may write at any time, so the buffer is neither reused nor converted
 * back. GHCI: TDG.VP.VMCALL<GetQuote>. */
#include "guest/call.h"
#include "guest/errno.h"

static const struct tdg_quote_policy default_policy = TDG_QUOTE_POLICY_DEFAULT;

static gpa_t shared_at(const struct tdg_td *td, const struct tdg_quote *q, uint64_t offset)
{
	return gpa((q->buffer.v | td->shared) + offset);
}

int tdg_quote_open(const struct tdg_port *vcpu, const struct tdg_td *td,
		   const struct tdg_memory *mm, gpa_t buffer, uint64_t size, struct tdg_quote *q)
{
	int err;

	*q = (struct tdg_quote){.buffer = buffer, .size = size, .state = TDG_QUOTE_CLOSED};
	err = tdg_share(vcpu, td, mm, buffer, size, NULL, NULL);
	if (!err)
		q->state = TDG_QUOTE_IDLE;
	else if (err != -EINVAL)
		q->state = TDG_QUOTE_LOST;
	return err;
}

/* Request and zeros behind it: nothing of an earlier answer can be taken for a new one. */
static bool write_request(const struct tdg_port *vcpu, const struct tdg_td *td,
			  const struct tdg_quote *q, const struct tdx_report *report)
{
	static const uint8_t zero[512];
	const struct tdx_quote_header h = {.version = TDX_QUOTE_VERSION, .in_len = sizeof(*report)};
	uint64_t at = sizeof(h) + sizeof(*report);

	if (!vcpu->ops->write(vcpu, shared_at(td, q, 0), &h, sizeof(h)) ||
	    !vcpu->ops->write(vcpu, shared_at(td, q, sizeof(h)), report, sizeof(*report)))
		return false;
	while (at < q->size) {
		size_t n = q->size - at < sizeof(zero) ? (size_t)(q->size - at) : sizeof(zero);

		if (!vcpu->ops->write(vcpu, shared_at(td, q, at), zero, n))
			return false;
		at += n;
	}
	return true;
}

int tdg_quote_request(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		      const struct tdx_report *report)
{
	if (q->state == TDG_QUOTE_IN_FLIGHT)
		return -EBUSY;
	if (q->state != TDG_QUOTE_IDLE)
		return -EINVAL;
	if (!write_request(vcpu, td, q, report))
		return -EIO;
	if (!tdvmcall_is_success(tdvmcall_get_quote(vcpu, shared_at(td, q, 0), q->size)))
		return -EIO;
	q->state = TDG_QUOTE_IN_FLIGHT;
	return 0;
}

/* What a header says of a finished request; *len is the data's. */
static int judge(const struct tdg_quote *q, const struct tdx_quote_header *h, size_t cap,
		 size_t *len)
{
	switch (h->status) {
	case TDX_QUOTE_SUCCESS:
		break;
	case TDX_QUOTE_ERROR:
		return -EIO;
	case TDX_QUOTE_SERVICE_UNAVAILABLE:
		return -ENODEV;
	default:
		return -EPROTO;
	}
	if (h->version != TDX_QUOTE_VERSION || !h->out_len)
		return -EPROTO;
	if (h->out_len > q->size - sizeof(*h) || h->out_len > cap)
		return -EFBIG;
	*len = h->out_len;
	return 0;
}

int tdg_quote_poll(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		   void *out, size_t cap, size_t *len)
{
	struct tdx_quote_header h;
	size_t n = 0;
	int err;

	*len = 0;
	if (q->state != TDG_QUOTE_IN_FLIGHT)
		return -EINVAL;
	if (!vcpu->ops->read(vcpu, shared_at(td, q, 0), &h, sizeof(h)))
		return -EIO;
	if (h.status == TDX_QUOTE_IN_FLIGHT)
		return -EAGAIN;
	q->state = TDG_QUOTE_IDLE;
	err = judge(q, &h, cap, &n);
	if (!err && !vcpu->ops->read(vcpu, shared_at(td, q, sizeof(h)), out, n))
		err = -EIO;
	if (!err)
		*len = n;
	return err;
}

int tdg_quote_wait(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		   const struct tdg_quote_policy *policy, void *out, size_t cap, size_t *len)
{
	const struct tdg_quote_policy *p = policy ? policy : &default_policy;
	int err = tdg_quote_poll(vcpu, td, q, out, cap, len);

	/* The look after the last sleep counts as much as the others. */
	for (unsigned i = 0; err == -EAGAIN && i < p->tries; i++) {
		if (!vcpu->ops->sleep(vcpu, p->interval_ms))
			return -EINTR;
		err = tdg_quote_poll(vcpu, td, q, out, cap, len);
	}
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

int tdg_quote_close(const struct tdg_port *vcpu, const struct tdg_td *td,
		    const struct tdg_memory *mm, struct tdg_quote *q)
{
	int err;

	if (q->state == TDG_QUOTE_IN_FLIGHT)
		return -EBUSY;
	if (q->state != TDG_QUOTE_IDLE)
		return -EINVAL;
	err = tdg_unshare(vcpu, td, mm, q->buffer, q->size, NULL, NULL);
	q->state = err ? TDG_QUOTE_LOST : TDG_QUOTE_CLOSED;
	return err ? -EIO : 0;
}
