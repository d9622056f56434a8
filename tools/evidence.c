/* SPDX-License-Identifier: MIT */
/* See tools/evidence.h. */
#include "tools/evidence.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <swtdx/attest.h>
#include <swtdx/eventlog.h>

#include "tools/evidence_log.h"
#include "tools/evidence_text.h"
#include "tools/file.h"

#define FILE_MAX   (32u << 20)
#define MAX_DEPTH  8
#define HCL_HEADER 32
#define HCL_REPORT 1184
#define REPORT	   ((size_t)1024)

/* Where one is while unwrapping. */
struct wrap {
	struct evidence *out;
	unsigned depth;
	char how[160];
};

static int unwrap(struct wrap w, const uint8_t *p, size_t len);

static struct wrap inside(const struct wrap *w, const char *what, const char *name)
{
	struct wrap in = *w;
	size_t n = strlen(in.how);

	in.depth++;
	snprintf(in.how + n, sizeof(in.how) - n, "%s%s%s%s", n ? ", " : "", what, name ? " " : "",
		 name ? name : "");
	return in;
}

static int add(const struct wrap *w, enum evidence_kind kind, const uint8_t *p, size_t len)
{
	struct evidence_item *item = &w->out->item[w->out->n];

	if (w->out->n == EVIDENCE_MAX)
		return 0;
	item->bytes = malloc(len ? len : 1);
	if (!item->bytes)
		return -ENOMEM;
	memcpy(item->bytes, p, len);
	item->len = len;
	item->kind = kind;
	snprintf(item->how, sizeof(item->how), "%s", w->how);
	w->out->n++;
	return 0;
}

static unsigned word(const uint8_t *p)
{
	return (unsigned)(p[0] | p[1] << 8);
}

/* Version, key type and TEE type are such as quotes have: one of them may be wrong. */
static bool quote_header(const uint8_t *p, size_t len)
{
	bool version, key, tee;

	/* One that ends in its header: version and kind of key. */
	if (len >= 4 && len < 8)
		return word(p) >= 3 && word(p) <= 5 && (word(p + 2) == 2 || word(p + 2) == 3);
	if (len < 8 || p[1] || p[3] || p[5] || p[6] || p[7])
		return false;
	version = word(p) >= 3 && word(p) <= 5;
	key = word(p + 2) == 2 || word(p + 2) == 3;
	tee = p[4] == 0 || p[4] == 0x81;
	return (version && key) || (version && tee && p[4]) || (key && p[4] == 0x81 && word(p));
}

static bool report_header(const uint8_t *p, size_t len)
{
	/* A processor's security version follows twelve reserved bytes. */
	return len >= 16 && p[0] == TDX_REPORT_TYPE_TDX && !p[1] && !p[3] && !p[4] && !p[5];
}

/* A TDREPORT behind a header of the hypervisor's; after it what the report data is a hash of. */
static int unwrap_hcl(struct wrap w, const uint8_t *p, size_t len)
{
	struct wrap in = inside(&w, "Azure HCL report", NULL);

	if (len < HCL_HEADER + REPORT)
		return 0;
	if (report_header(p + HCL_HEADER, REPORT))
		return add(&in, EVIDENCE_REPORT, p + HCL_HEADER, REPORT);
	snprintf(w.out->note, sizeof(w.out->note),
		 "an Azure HCL report whose hardware report is no TDREPORT (of a TEE that is not "
		 "TDX)");
	return 0;
}

static int unwrap_encoded(struct wrap w, const char *s, size_t len)
{
	const char *what;
	size_t n;
	uint8_t *bytes = evidence_text_decode(s, len, &n, &what);
	int rc;

	if (!bytes)
		return 0;
	rc = unwrap(inside(&w, what, NULL), bytes, n);
	free(bytes);
	return rc;
}

/* Three words of base64 with dots between, the first a JSON object. */
static bool token(const char *s, size_t len)
{
	const char *dot = len > 3 && !memcmp(s, "eyJ", 3) ? memchr(s, '.', len) : NULL;

	return dot && memchr(dot + 1, '.', len - (size_t)(dot + 1 - s));
}

/* All of a text, or the longest word in it that is bytes. */
static int unwrap_text(struct wrap w, const char *s, size_t len)
{
	const unsigned before = w.out->n;
	const char *word;
	size_t n;
	int rc = unwrap_encoded(w, s, len);

	if (rc || w.out->n > before || w.depth)
		return rc;
	if (token(s, len)) {
		snprintf(w.out->note, sizeof(w.out->note),
			 "an attestation token (JWT): it has a service's claims, and no quote");
		return 0;
	}
	word = evidence_text_word(s, len, &n);
	return word ? unwrap_encoded(inside(&w, "a word in other text", NULL), word, n) : 0;
}

/* Bytes as an array of numbers, as some serializers have them. */
static int unwrap_numbers(struct wrap w, const json_t *array)
{
	size_t n = json_array_size(array), i;
	uint8_t *bytes = malloc(n + 1);
	json_t *v;
	int rc = bytes ? 0 : -ENOMEM;

	json_array_foreach((json_t *)array, i, v)
	{
		if (rc || !json_is_integer(v) || json_integer_value(v) < 0 ||
		    json_integer_value(v) > 255) {
			free(bytes);
			return rc;
		}
		bytes[i] = (uint8_t)json_integer_value(v);
	}
	if (!rc)
		rc = unwrap(inside(&w, "array of bytes", NULL), bytes, n);
	free(bytes);
	return rc;
}

static int unwrap_json(struct wrap w, const json_t *j)
{
	const char *key;
	json_t *v;
	size_t i, n;
	uint8_t *log;
	int rc = 0;

	if (w.depth > MAX_DEPTH)
		return 0;
	if (json_is_string(j) && json_string_length(j) >= EVIDENCE_TEXT_MIN)
		return unwrap(w, (const uint8_t *)json_string_value(j), json_string_length(j));
	if (json_is_array(j)) {
		rc = evidence_log_from_json(j, &log, &n);
		if (!rc) {
			struct wrap in = inside(&w, "JSON event log", NULL);

			rc = add(&in, EVIDENCE_LOG, log, n);
			free(log);
			return rc;
		}
		if (rc == -ENOMEM)
			return rc;
		if (json_is_integer(json_array_get(j, 0)))
			return unwrap_numbers(w, j);
		rc = 0;
		json_array_foreach((json_t *)j, i, v) if (!rc) rc =
			unwrap_json(inside(&w, "element", NULL), v);
	}
	if (json_is_object(j))
		json_object_foreach((json_t *)j, key, v) if (!rc) rc =
			unwrap_json(inside(&w, "JSON member", key), v);
	return rc;
}

static int unwrap(struct wrap w, const uint8_t *p, size_t len)
{
	json_t *j;
	int rc;

	if (w.depth > MAX_DEPTH)
		return 0;
	if (tdx_eventlog_looks_like(p, len) || (len >= 4 && !memcmp(p, "CCEL", 4)))
		return add(&w, EVIDENCE_LOG, p, len);
	if (len >= 4 && !memcmp(p, "HCLA", 4))
		return unwrap_hcl(w, p, len);
	if (report_header(p, len))
		return add(&w, EVIDENCE_REPORT, p, len);
	if (quote_header(p, len))
		return add(&w, EVIDENCE_QUOTE, p, len);
	while (len && isspace(*p))
		p++, len--;
	if (len && (*p == '{' || *p == '[')) {
		const unsigned before = w.out->n;

		j = json_loadb((const char *)p, len, JSON_DISABLE_EOF_CHECK, NULL);
		rc = j ? unwrap_json(w, j) : 0;
		json_decref(j);
		if (rc || w.out->n > before)
			return rc;
	}
	return unwrap_text(w, (const char *)p, len);
}

/* The form of a log before crypto-agile ones: SHA-1 alone, register, type, digest, size. */
static bool sha1_log(const uint8_t *p, size_t len)
{
	enum { HEADER = 32, SIZE = 28, EVENTS = 3, PCRS = 24, SIZE_MAX_EVENT = 1 << 16 };
	size_t at = 0;

	for (unsigned i = 0; i < EVENTS; i++) {
		size_t size;

		if (len - at < HEADER || p[at] >= PCRS || p[at + 1] || p[at + 2] || p[at + 3])
			return false;
		size = word(p + at + SIZE) | (size_t)word(p + at + SIZE + 2) << 16;
		if (size > SIZE_MAX_EVENT || size > len - at - HEADER)
			return false;
		at += HEADER + size;
	}
	return true;
}

/* What is no evidence by itself, but known. */
static void note_other(struct evidence *out, const uint8_t *p, size_t len)
{
	static const struct {
		const char *text, *note;
	} known[] = {
		{"\"tcbInfo\"",
		 "collateral, which swtdx report --collateral holds a quote against"},
		{"\"enclaveIdentity\"",
		 "collateral, which swtdx report --collateral holds a quote against"},
		{"tcb_info_issuer_chain",
		 "collateral, which swtdx report --collateral holds a quote against"},
		{"-----BEGIN CERTIFICATE-----",
		 "certificates, which swtdx report --root or --collateral takes"},
		{"-----BEGIN X509 CRL-----",
		 "a revocation list, which swtdx report --collateral takes"},
	};

	if (out->n || out->note[0])
		return;
	/* A text: a damaged quote has certificates too. */
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]) && !memchr(p, 0, len); i++)
		if (memmem(p, len, known[i].text, strlen(known[i].text))) {
			snprintf(out->note, sizeof(out->note), "%s", known[i].note);
			return;
		}
	if (sha1_log(p, len))
		snprintf(out->note, sizeof(out->note),
			 "a log of the form before crypto-agile ones, with SHA-1 alone, as TDs "
			 "have none");
}

int evidence_unwrap(const uint8_t *bytes, size_t len, struct evidence *out)
{
	struct wrap w = {.out = out};
	int rc;

	memset(out, 0, sizeof(*out));
	if (len < 4)
		snprintf(out->note, sizeof(out->note),
			 "%zu bytes, which are too few to be evidence of any kind", len);
	rc = unwrap(w, bytes, len);
	if (rc)
		evidence_free(out);
	else
		note_other(out, bytes, len);
	return rc;
}

/* configfs-tsm: a request is a directory, the quote in outblob. */
static int read_directory(const char *path, struct evidence *out)
{
	static const char *const names[] = {"outblob", "auxblob", "manifestblob"};
	int first = -ENOENT;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct wrap w = {.out = out};
		char file[4096];
		uint8_t *bytes;
		size_t len;
		int rc;

		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		snprintf(w.how, sizeof(w.how), "configfs-tsm directory, %s", names[i]);
		rc = file_read(file, FILE_MAX, &bytes, &len);
		if (rc) {
			first = i ? first : rc;
			continue;
		}
		rc = unwrap(w, bytes, len);
		free(bytes);
		if (rc) {
			evidence_free(out);
			return rc;
		}
		if (!len && !i)
			snprintf(out->note, sizeof(out->note),
				 "a configfs-tsm request whose outblob is empty");
		first = 0;
	}
	if (first != -ENOENT)
		return first;
	snprintf(out->note, sizeof(out->note),
		 "a directory without outblob: no request of configfs-tsm");
	return 0;
}

int evidence_read(const char *path, struct evidence *out)
{
	struct stat st;
	uint8_t *bytes;
	size_t len;
	int rc;

	if (strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode))
		return read_directory(path, out);
	memset(out, 0, sizeof(*out));
	rc = file_read(path, FILE_MAX, &bytes, &len);
	if (rc)
		return rc;
	rc = evidence_unwrap(bytes, len, out);
	free(bytes);
	return rc;
}

void evidence_free(struct evidence *e)
{
	for (unsigned i = 0; i < e->n; i++)
		free(e->item[i].bytes);
	memset(e, 0, sizeof(*e));
}

const struct evidence_item *evidence_find(const struct evidence *e, enum evidence_kind kind)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->item[i].kind == kind)
			return &e->item[i];
	return NULL;
}
