/* SPDX-License-Identifier: MIT */
/* What a PCK certificate says of its platform, in an extension of Intel's: a sequence of pairs, one
 * of which holds another sequence of pairs. DER with definite lengths of up to two bytes. */
#include <openssl/objects.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "measure/collateral_internal.h"

enum { DER_INTEGER = 2, DER_OCTETS = 4, DER_OID = 6, DER_ENUM = 10, DER_SEQUENCE = 0x30 };

struct der {
	const uint8_t *p;
	size_t len;
};

/* The next value of a tag in *d, which moves past it. */
static bool take(struct der *d, unsigned tag, struct der *value)
{
	size_t n, head = 2;

	if (d->len < 2 || (tag && d->p[0] != tag))
		return false;
	n = d->p[1];
	if (n >= 0x80) {
		size_t bytes = n & 0x7f;

		if (!bytes || bytes > 2 || d->len < 2 + bytes)
			return false;
		n = bytes == 1 ? d->p[2] : (size_t)d->p[2] << 8 | d->p[3];
		head += bytes;
	}
	if (n > d->len - head)
		return false;
	*value = (struct der){d->p + head, n};
	d->p += head + n;
	d->len -= head + n;
	return true;
}

/* 1.2.840.113741.1.13.1, after which each part has a number or two. */
static const uint8_t sgx_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

static unsigned small_integer(struct der v)
{
	unsigned n = 0;

	for (size_t i = 0; i < v.len && i < 3; i++)
		n = n << 8 | v.p[i];
	return n;
}

static void read_tcb(struct der list, struct pck_platform *out)
{
	struct der pair, oid, value;

	while (take(&list, DER_SEQUENCE, &pair)) {
		if (!take(&pair, DER_OID, &oid) || !take(&pair, 0, &value) ||
		    oid.len != sizeof(sgx_oid) + 2)
			continue;
		if (oid.p[oid.len - 1] >= 1 && oid.p[oid.len - 1] <= 16)
			out->component[oid.p[oid.len - 1] - 1] = (uint8_t)small_integer(value);
		if (oid.p[oid.len - 1] == 17)
			out->pcesvn = small_integer(value);
	}
}

static X509_EXTENSION *find_extension(X509 *cert)
{
	ASN1_OBJECT *obj = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	int at = obj ? X509_get_ext_by_OBJ(cert, obj, -1) : -1;

	ASN1_OBJECT_free(obj);
	return at < 0 ? NULL : X509_get_ext(cert, at);
}

bool pck_platform_read(X509 *cert, struct pck_platform *out)
{
	X509_EXTENSION *ext = find_extension(cert);
	const ASN1_OCTET_STRING *data = ext ? X509_EXTENSION_get_data(ext) : NULL;
	struct der all, list, pair, oid, value;
	unsigned found = 0;

	memset(out, 0, sizeof(*out));
	if (!data)
		return false;
	all = (struct der){ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data)};
	if (!take(&all, DER_SEQUENCE, &list))
		return false;
	while (take(&list, DER_SEQUENCE, &pair)) {
		if (!take(&pair, DER_OID, &oid) || oid.len != sizeof(sgx_oid) + 1 ||
		    memcmp(oid.p, sgx_oid, sizeof(sgx_oid)) || !take(&pair, 0, &value))
			continue;
		switch (oid.p[oid.len - 1]) {
		case 2:
			read_tcb(value, out);
			found |= 1;
			break;
		case 3:
			if (value.len == sizeof(out->pceid))
				memcpy(out->pceid, value.p, sizeof(out->pceid)), found |= 2;
			break;
		case 4:
			if (value.len == sizeof(out->fmspc))
				memcpy(out->fmspc, value.p, sizeof(out->fmspc)), found |= 4;
			break;
		}
	}
	return found == 7;
}

int64_t iso_time(const char *text)
{
	struct tm tm = {0};
	int used = 0;

	if (!text ||
	    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
	    !used || text[used])
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}
