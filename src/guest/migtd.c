/* SPDX-License-Identifier: MIT */
/* A migration TD: hello, trust, keys.
 *
 * Both sides say hello: a public key of this session and a quote over it. Each checks the other's,
 * agrees on keys that depend on all that was said, and sends its target's export key sealed with
 * them. Only what opened is written to the target. The host carries the messages and can do nothing
 * but stop them. */
#include "guest/call.h"
#include "guest/errno.h"

/* Of the target; keys have a word each in four fields that follow each other. */
#define FIELD_MIG_DEC_KEY 0x9810000300000010ull
#define FIELD_MIG_ENC_KEY 0x9810000300000018ull
#define FIELD_MIG_VERSION 0x9810000100000020ull

#define HELLO_MAGIC	  0x64746769u /* "igtd" */
enum { HELLO_VERSION = 1, KEY_WORDS = 4, ENTROPY_ATTEMPTS = 10 };

struct hello {
	uint32_t magic, version;
	uint32_t source;
	uint32_t quote_len;
	uint8_t public_[TDG_MIGTD_PUBLIC_SIZE];
};

struct keys {
	uint64_t word[KEY_WORDS];
	uint64_t version; /* of bundles */
};

struct sealed {
	struct keys keys;
	uint8_t tag[TDG_MIGTD_TAG_SIZE];
};

static gpa_t shared_at(const struct tdg_migtd *m, uint64_t offset)
{
	return gpa((TDX_MIGTD_BUFFER | m->td->shared) + offset);
}

static int ask(const struct tdg_migtd *m, enum tdx_migtd_request what)
{
	struct tdvmcall_status s = tdvmcall_io_write(m->vcpu, TDX_MIGTD_PORT, 4, (uint32_t)what);

	return tdvmcall_is_success(s) ? 0 : -EIO;
}

static int put_page(const struct tdg_migtd *m)
{
	return m->vcpu->ops->write(m->vcpu, shared_at(m, 0), &m->page, sizeof(m->page)) ? 0 : -EIO;
}

static int get_page(struct tdg_migtd *m)
{
	return m->vcpu->ops->read(m->vcpu, shared_at(m, 0), &m->page, sizeof(m->page)) ? 0 : -EIO;
}

static int send(struct tdg_migtd *m, const void *bytes, size_t len)
{
	int err;

	m->page.length = (uint32_t)len;
	err = put_page(m);
	if (!err && !m->vcpu->ops->write(m->vcpu, shared_at(m, TDX_PAGE_SIZE), bytes, len))
		err = -EIO;
	return err ? err : ask(m, TDX_MIGTD_SEND);
}

/* At least min bytes, at most max; the length is looked at once. */
static int receive(struct tdg_migtd *m, void *bytes, size_t min, size_t max, size_t *len)
{
	int err = ask(m, TDX_MIGTD_RECEIVE);

	if (!err)
		err = get_page(m);
	*len = m->page.length;
	if (!err && (*len < min || *len > max))
		err = -EPROTO;
	if (!err && !m->vcpu->ops->read(m->vcpu, shared_at(m, TDX_PAGE_SIZE), bytes, *len))
		err = -EIO;
	return err;
}

/* --- hello --- */

static int say_hello(struct tdg_migtd *m, struct tdx_report *report)
{
	const struct tdg_migtd_crypto *c = m->crypto;
	struct hello h = {
		.magic = HELLO_MAGIC, .version = HELLO_VERSION, .source = m->page.source != 0};
	uint8_t data[TDX_REPORTDATA_SIZE];
	size_t len = 0;
	int err = c->begin(c->arg, h.source, h.public_, data);

	if (!err)
		err = tdg_get_report(m->vcpu, &m->scratch, data, report, NULL);
	if (!err)
		err = tdg_quote_request(m->vcpu, m->td, &m->quote, report);
	if (!err)
		err = tdg_quote_wait(m->vcpu, m->td, &m->quote, NULL, m->own + sizeof(h),
				     sizeof(m->own) - sizeof(h), &len);
	if (err)
		return err;
	h.quote_len = (uint32_t)len;
	__builtin_memcpy(m->own, &h, sizeof(h));
	m->own_len = sizeof(h) + len;
	return send(m, m->own, m->own_len);
}

static int hear_hello(struct tdg_migtd *m, bool source, const struct tdx_report *report)
{
	const struct tdg_migtd_crypto *c = m->crypto;
	struct hello h;
	int err = receive(m, m->other, sizeof(h), sizeof(m->other), &m->other_len);

	if (err)
		return err;
	__builtin_memcpy(&h, m->other, sizeof(h));
	/* The other role: what this side said is no answer to it. */
	if (h.magic != HELLO_MAGIC || h.version != HELLO_VERSION || h.source != !source ||
	    h.quote_len != m->other_len - sizeof(h))
		return -EPROTO;
	err = c->check(c->arg, report, h.source, h.public_, m->other + sizeof(h), h.quote_len);
	if (err)
		return err;
	return c->agree(c->arg, h.public_, m->own, m->own_len, m->other, m->other_len);
}

/* --- keys --- */

/* The read of the first word makes a new key: each is read once. */
static int read_keys(const struct tdg_migtd *m, const struct tdg_servtd_target *t, struct keys *k)
{
	struct tdx_status s = tdx_success();
	struct tdg_field_value v;

	for (unsigned i = 0; i < KEY_WORDS && tdx_is_success(s); i++) {
		for (unsigned left = ENTROPY_ATTEMPTS; left; left--) {
			s = tdg_servtd_rd(m->vcpu, t, FIELD_MIG_ENC_KEY + i, &v);
			if (!tdx_is(s, TDX_RND_NO_ENTROPY))
				break;
		}
		k->word[i] = v.value;
	}
	if (tdx_is_success(s))
		s = tdg_servtd_rd(m->vcpu, t, FIELD_MIG_VERSION, &v);
	k->version = v.value;
	guest_wipe(&v, sizeof(v));
	return tdx_is_success(s) ? 0 : -EIO;
}

static int write_keys(const struct tdg_migtd *m, const struct tdg_servtd_target *t,
		      const struct keys *k)
{
	struct tdx_status s = tdx_success();

	for (unsigned i = 0; i < KEY_WORDS && tdx_is_success(s); i++)
		s = tdg_servtd_wr(m->vcpu, t, FIELD_MIG_DEC_KEY + i, k->word[i], ~0ull, NULL);
	return tdx_is_success(s) ? 0 : -EIO;
}

static int exchange(struct tdg_migtd *m, const struct tdg_servtd_target *t)
{
	const struct tdg_migtd_crypto *c = m->crypto;
	struct sealed own = {0}, other = {0};
	size_t len;
	int err = read_keys(m, t, &own.keys);
	const uint64_t version = own.keys.version;

	if (!err)
		err = c->seal(c->arg, &own, sizeof(own.keys));
	if (!err)
		err = send(m, &own, sizeof(own));
	if (!err)
		err = receive(m, &other, sizeof(other), sizeof(other), &len);
	if (!err)
		err = c->open(c->arg, &other, sizeof(other.keys));
	if (!err && other.keys.version != version)
		err = -EPROTO;
	if (!err)
		err = write_keys(m, t, &other.keys);
	guest_wipe(&own, sizeof(own));
	guest_wipe(&other, sizeof(other));
	return err;
}

int tdg_migtd_open(struct tdg_migtd *m)
{
	return tdg_share(m->vcpu, m->td, m->mm, gpa(TDX_MIGTD_BUFFER), TDX_MIGTD_BUFFER_SIZE, NULL,
			 NULL);
}

int tdg_migtd_serve(struct tdg_migtd *m)
{
	struct tdg_servtd_target target;
	struct tdx_report report;
	bool source;
	int err = ask(m, TDX_MIGTD_WAIT), told;

	if (!err)
		err = get_page(m);
	if (err)
		return err;
	target.handle = m->page.handle;
	__builtin_memcpy(target.uuid, m->page.target_uuid, sizeof(target.uuid));
	source = m->page.source != 0;
	err = say_hello(m, &report);
	if (!err)
		err = hear_hello(m, source, &report);
	if (!err)
		err = exchange(m, &target);
	m->crypto->end(m->crypto->arg);
	m->page.result = err;
	told = put_page(m);
	if (!told)
		told = ask(m, TDX_MIGTD_DONE);
	return err ? err : told;
}
