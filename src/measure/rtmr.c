/* SPDX-License-Identifier: MIT */
/* RTMR arithmetic and event logs: what TDG.MR.RTMR.EXTEND leaves behind, computed beforehand.
 * A log entry names a register and a digest; replaying the log gives the registers. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "measure/internal.h"

int tdx_sha384(const void *data, size_t len, struct tdx_digest *out)
{
	unsigned got = 0;

	if (EVP_Digest(data, len, out->b, &got, EVP_sha384(), NULL) != 1 || got != sizeof(out->b)) {
		memset(out, 0, sizeof(*out));
		return -EIO;
	}
	return 0;
}

int tdx_rtmr_extend(struct tdx_digest *rtmr, const struct tdx_digest *digest)
{
	struct tdx_digest both[2] = {*rtmr, *digest};

	return tdx_sha384(both, sizeof(both), rtmr);
}

int tdx_rtmr_replay(const struct tdx_rtmr_event *events, size_t n,
		    struct tdx_digest rtmr[TDX_RTMRS], size_t *bad)
{
	int rc;

	memset(rtmr, 0, TDX_RTMRS * sizeof(*rtmr));
	for (size_t i = 0; i < n; i++) {
		if (events[i].rtmr >= TDX_RTMRS) {
			*bad = i;
			return -ERANGE;
		}
		rc = tdx_rtmr_extend(&rtmr[events[i].rtmr], &events[i].digest);
		if (rc)
			return rc;
	}
	return 0;
}

int tdx_rtmr_separator(struct tdx_rtmr_event *out, unsigned rtmr)
{
	static const uint8_t zero[4];

	out->rtmr = rtmr;
	out->what = "separator";
	return tdx_sha384(zero, sizeof(zero), &out->digest);
}

static int put_event(struct tdx_rtmr_event *out, size_t max, size_t n, const void *data, size_t len,
		     const char *what)
{
	if (n >= max)
		return 0;
	out[n].rtmr = 0;
	out[n].what = what;
	return tdx_sha384(data, len, &out[n].digest);
}

int tdx_tdvf_events(const struct tdx_tdvf *tdvf, const void *image, size_t len, const void *hob,
		    size_t hob_len, struct tdx_rtmr_event *out, size_t max)
{
	size_t n = 0;
	int rc;

	if (hob) {
		rc = put_event(out, max, n++, hob, hob_len, "TD HOB");
		if (rc)
			return rc;
	}
	for (unsigned i = 0; i < tdvf->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &tdvf->section[i];

		if (s->type != TDX_TDVF_CFV)
			continue;
		if (!inside(s->data_offset, s->raw_size, len))
			return -EINVAL;
		rc = put_event(out, max, n++, (const uint8_t *)image + s->data_offset, s->raw_size,
			       "configuration volume (CFV)");
		if (rc)
			return rc;
	}
	return (int)n;
}
