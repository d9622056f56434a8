/* SPDX-License-Identifier: MIT */
/* gzip, xz and zstd in memory; see boot_unpack.h. */
#include "tools/boot_unpack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

/* What comes out, as it grows; or, for who only looks at it, piece by piece. */
struct sink {
	uint8_t *p;
	size_t len, room, max;
	size_t gone; /* looked at, and no longer here */
	boot_look *look;
	void *arg;
};

enum { FIRST = 1 << 20 };
static_assert(FIRST > BOOT_OVERLAP, "a piece has more than what comes again");

static const char too_large[] = "what is packed in it is too large";
static const char damaged[] = "what is packed in it is damaged or cut off";
static const char no_memory[] = "there is no memory to unpack it";

/* No failure: the rest need not be unpacked. */
static const char enough[] = "seen enough";

/* The end of a piece is the beginning of the next. */
static const char *look_at(struct sink *s)
{
	if (!s->look(s->arg, s->p, s->len))
		return enough;
	s->gone += s->len - BOOT_OVERLAP;
	memmove(s->p, s->p + s->len - BOOT_OVERLAP, BOOT_OVERLAP);
	s->len = BOOT_OVERLAP;
	return NULL;
}

/* Room for more; NULL or what is wrong. */
static const char *grow(struct sink *s)
{
	size_t room = s->room ? 2 * s->room : FIRST;
	uint8_t *p;

	if (s->gone + s->room >= s->max)
		return too_large;
	if (s->look && s->room)
		return look_at(s);
	room = room < s->max ? room : s->max;
	p = realloc(s->p, room);
	if (!p)
		return no_memory;
	s->p = p;
	s->room = room;
	return NULL;
}

static const char *gunzip(const uint8_t *file, size_t size, struct sink *s)
{
	enum { GZIP_ONLY = 16 };
	z_stream z = {.next_in = (Bytef *)file, .avail_in = (uInt)size};
	const char *why = NULL;
	int rc = Z_OK;

	if (size > UINT32_MAX)
		return too_large;
	if (inflateInit2(&z, MAX_WBITS + GZIP_ONLY) != Z_OK)
		return no_memory;
	while (rc == Z_OK && !why) {
		if (s->len == s->room && (why = grow(s)))
			break;
		z.next_out = s->p + s->len;
		z.avail_out = (uInt)(s->room - s->len);
		rc = inflate(&z, Z_NO_FLUSH);
		s->len = s->room - z.avail_out;
		if (rc == Z_BUF_ERROR && z.avail_in)
			rc = Z_OK; /* only room was wanting */
	}
	inflateEnd(&z);
	return why ? why : rc == Z_STREAM_END ? NULL : damaged;
}

enum { LZMA_MEMORY = 256 << 20 };

/* Whatever the decoder is for; it ends here. */
static const char *run_lzma(lzma_stream *z, const uint8_t *file, size_t size, struct sink *s)
{
	const char *why = NULL;
	lzma_ret rc = LZMA_OK;

	z->next_in = file;
	z->avail_in = size;
	while (rc == LZMA_OK && !why) {
		if (s->len == s->room && (why = grow(s)))
			break;
		z->next_out = s->p + s->len;
		z->avail_out = s->room - s->len;
		rc = lzma_code(z, z->avail_in ? LZMA_RUN : LZMA_FINISH);
		s->len = s->room - z->avail_out;
	}
	lzma_end(z);
	return why ? why : rc == LZMA_STREAM_END ? NULL : damaged;
}

static const char *unxz(const uint8_t *file, size_t size, struct sink *s)
{
	lzma_stream z = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&z, LZMA_MEMORY, 0) != LZMA_OK)
		return no_memory;
	return run_lzma(&z, file, size, s);
}

static const char *unzstd(const uint8_t *file, size_t size, struct sink *s)
{
	enum { WINDOW_LOG = 27 };
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = {file, size, 0};
	const char *why = NULL;
	size_t rc = 1;

	if (!z)
		return no_memory;
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG);
	while (rc && !ZSTD_isError(rc) && !why) {
		ZSTD_outBuffer out = {s->p, s->room, s->len};
		size_t before = in.pos + out.pos;

		if (s->len == s->room) {
			why = grow(s);
			continue;
		}
		rc = ZSTD_decompressStream(z, &out, &in);
		s->len = out.pos;
		/* It wants more, and there is none. */
		if (rc && in.pos == in.size && in.pos + out.pos == before)
			break;
	}
	ZSTD_freeDStream(z);
	return why ? why : rc ? damaged : NULL;
}

static const struct packing {
	const char *name;
	const char *magic;
	size_t nmagic;
	const char *(*unpack)(const uint8_t *file, size_t size, struct sink *s);
} packings[] = {
	{"gzip", "\x1f\x8b\x08", 3, gunzip},
	{"xz", "\xfd\x37\x7a\x58\x5a\x00", 6, unxz},
	{"zstd", "\x28\xb5\x2f\xfd", 4, unzstd},
};

static const struct packing *find(const uint8_t *file, size_t size)
{
	for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
		if (size >= packings[i].nmagic &&
		    !memcmp(file, packings[i].magic, packings[i].nmagic))
			return &packings[i];
	return NULL;
}

const char *boot_packing(const uint8_t *file, size_t size)
{
	const struct packing *p = find(file, size);

	return p ? p->name : NULL;
}

const char *boot_unpack(const uint8_t *file, size_t size, size_t max, uint8_t **out, size_t *len)
{
	const struct packing *p = find(file, size);
	struct sink s = {.max = max};
	const char *why = p ? p->unpack(file, size, &s) : "it is not packed";

	if (why) {
		free(s.p);
		return why;
	}
	*out = s.p;
	*len = s.len;
	return NULL;
}

const char *boot_unpack_look(const uint8_t *file, size_t size, size_t max, boot_look *look,
			     void *arg)
{
	const struct packing *p = find(file, size);
	struct sink s = {.max = max, .look = look, .arg = arg};
	const char *why = p ? p->unpack(file, size, &s) : "it is not packed";

	if (!why && s.gone + s.len > max)
		why = too_large;
	if (!why && s.len)
		look(arg, s.p, s.len);
	free(s.p);
	return why == enough ? NULL : why;
}

/* A section that a GUID defines says how long it is, where its data begins, and by what they are
 * packed; what else carries that GUID is no section. */
const char *boot_unpack_firmware(const uint8_t *image, size_t size, size_t max, uint8_t **out,
				 size_t *len)
{
	/* ee4e5898-3914-4259-9d6e-dc7bd79403cf: LZMA. */
	static const uint8_t packed[16] = {0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42,
					   0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf};
	enum { GUID_DEFINED = 2, DATA_AT = 16, BEFORE = 4 };
	const uint8_t *p = image, *end = image + size;
	struct sink s = {.max = max};
	const char *why = NULL;

	while (!why && (p = memmem(p, (size_t)(end - p), packed, sizeof(packed)))) {
		const uint8_t *section = p - BEFORE;
		lzma_stream z = LZMA_STREAM_INIT;
		size_t n, data;

		p++;
		if (section < image || end - section < BEFORE + DATA_AT + 4 ||
		    section[3] != GUID_DEFINED)
			continue;
		n = (size_t)(section[0] | section[1] << 8 | section[2] << 16);
		data = (size_t)(section[BEFORE + DATA_AT] | section[BEFORE + DATA_AT + 1] << 8);
		if (n > (size_t)(end - section) || data >= n)
			continue;
		why = lzma_alone_decoder(&z, LZMA_MEMORY) == LZMA_OK
			      ? run_lzma(&z, section + data, n - data, &s)
			      : no_memory;
	}
	if (why) {
		free(s.p);
		return why;
	}
	*out = s.p;
	*len = s.len;
	return NULL;
}
