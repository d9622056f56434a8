/* SPDX-License-Identifier: MIT */
/* The quote generation service's messages: a header of sixteen bytes, then the request's own. */
#include <errno.h>
#include <string.h>

#include "measure/attest.h"

enum {
	MSG_MAJOR = 0,
	MSG_MINOR = 2,
	MSG_TYPE = 4,
	MSG_SIZE = 8,
	MSG_ERROR = 12,
	MSG_HEADER = 16,
	/* a request for a quote */
	REQ_REPORT_SIZE = 16,
	REQ_ID_LIST_SIZE = 20,
	REQ_REPORT = 24,
	/* and its answer */
	RESP_ID_SIZE = 16,
	RESP_QUOTE_SIZE = 20,
	RESP_QUOTE = 24,
};

enum { GET_QUOTE_REQ = 0, GET_QUOTE_RESP = 1, GET_PLATFORM_INFO_RESP = 5 };
enum { VERSION_MAJOR = 1, VERSION_MINOR = 1 };

/* The protocol's own words for what is wrong. */
enum {
	QGS_SUCCESS = 0,
	QGS_UNEXPECTED = 0x12001,
	QGS_INVALID_PARAMETER = 0x12002,
	QGS_INVALID_VERSION = 0x12005,
	QGS_INVALID_TYPE = 0x12006,
	QGS_INVALID_SIZE = 0x12007,
};

static unsigned check(const uint8_t *msg, size_t len)
{
	if (len < MSG_HEADER || le32(msg + MSG_SIZE) != len)
		return QGS_INVALID_SIZE;
	if (le16(msg + MSG_MAJOR) != VERSION_MAJOR)
		return QGS_INVALID_VERSION;
	if (le32(msg + MSG_TYPE) != GET_QUOTE_REQ)
		return QGS_INVALID_TYPE;
	if (len < REQ_REPORT || le32(msg + REQ_REPORT_SIZE) > len - REQ_REPORT ||
	    le32(msg + REQ_ID_LIST_SIZE) != len - REQ_REPORT - le32(msg + REQ_REPORT_SIZE))
		return QGS_INVALID_SIZE;
	return QGS_SUCCESS;
}

/* A type that is answered with the type after it; of others, as of a quote. */
static unsigned answer_type(const uint8_t *msg, size_t len)
{
	unsigned type = len >= MSG_HEADER ? le32(msg + MSG_TYPE) : GET_QUOTE_REQ;

	return type % 2 == 0 && type < GET_PLATFORM_INFO_RESP ? type + 1 : GET_QUOTE_RESP;
}

int tdx_quote_service_answer(const struct tdx_quote_service *s, unsigned version, const void *key,
			     size_t key_len, const uint8_t *msg, size_t len, uint8_t *out,
			     size_t cap, size_t *out_len)
{
	unsigned error = check(msg, len);
	struct tdx_attest_error err;
	struct tdx_report report;
	size_t quote = 0;
	int rc;

	*out_len = 0;
	if (cap < RESP_QUOTE)
		return -ENOSPC;
	memset(out, 0, RESP_QUOTE);
	if (!error &&
	    tdx_report_parse(msg + REQ_REPORT, le32(msg + REQ_REPORT_SIZE), &report, &err))
		error = QGS_INVALID_PARAMETER;
	if (!error) {
		rc = tdx_quote_service_sign_as(s, version, &report, key, key_len, out + RESP_QUOTE,
					       cap - RESP_QUOTE, &quote, &err);
		if (rc == -ENOSPC)
			return rc;
		error = rc == -EBADMSG ? QGS_INVALID_PARAMETER : rc ? QGS_UNEXPECTED : QGS_SUCCESS;
	}
	put_le16(out + MSG_MAJOR, VERSION_MAJOR);
	put_le16(out + MSG_MINOR, VERSION_MINOR);
	put_le32(out + MSG_TYPE, answer_type(msg, len));
	put_le32(out + MSG_ERROR, error);
	put_le32(out + RESP_QUOTE_SIZE, (uint32_t)quote);
	*out_len = RESP_QUOTE + quote;
	put_le32(out + MSG_SIZE, (uint32_t)*out_len);
	return 0;
}
