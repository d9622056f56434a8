/* SPDX-License-Identifier: MIT */
/* Kernels as users have them: packed, in a unified image, without TDX; and all of that cut off or
 * spoilt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "tools/boot_unpack.h"

enum { PLAIN = 300000, ROOM = 400000, LARGE = 3500000, SECTOR = 512 };

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Bytes that pack, and not to nothing. */
static void fill(uint8_t *p, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245u + 12345u;
		p[i] = (uint8_t)(x >> 16 & (i & 64 ? 0xff : 3));
	}
}

static size_t pack(unsigned how, const uint8_t *p, size_t n, uint8_t *out)
{
	z_stream z = {
		.next_in = (Bytef *)p, .avail_in = (uInt)n, .next_out = out, .avail_out = ROOM};
	size_t len = 0;

	if (how == 0) {
		assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		len = z.total_out;
		deflateEnd(&z);
	} else if (how == 1) {
		assert_int_equal(
			lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, p, n, out, &len, ROOM),
			LZMA_OK);
	} else {
		len = ZSTD_compress(out, ROOM, p, n, 1);
		assert_false(ZSTD_isError(len));
	}
	return len;
}

static const char *const names[] = {"gzip", "xz", "zstd"};

static void what_was_packed_comes_out_again(void **state)
{
	uint8_t *plain = malloc(PLAIN), *packed = malloc(ROOM), *out;
	size_t n, len;

	fill(plain, PLAIN);
	for (unsigned how = 0; how < 3; how++) {
		n = pack(how, plain, PLAIN, packed);
		assert_string_equal(boot_packing(packed, n), names[how]);
		assert_null(boot_unpack(packed, n, PLAIN, &out, &len));
		assert_int_equal(len, PLAIN);
		assert_memory_equal(out, plain, PLAIN);
		free(out);
		/* No more than is wanted. */
		assert_string_equal(boot_unpack(packed, n, PLAIN - 1, &out, &len),
				    "what is packed in it is too large");
	}
	assert_null(boot_packing(plain, PLAIN));
	assert_non_null(boot_unpack(plain, PLAIN, PLAIN, &out, &len));
	free(plain);
	free(packed);
}

/* Pieces put together again; no more of them than `most`. */
struct pieces {
	uint8_t *p;
	size_t len;
	unsigned n, most;
};

static bool collect(void *arg, const uint8_t *piece, size_t len)
{
	struct pieces *all = arg;
	const size_t again = all->n ? BOOT_OVERLAP : 0;

	assert_true(len >= again && all->len + len - again <= LARGE);
	assert_memory_equal(piece, all->p + all->len - again, again);
	memcpy(all->p + all->len, piece + again, len - again);
	all->len += len - again;
	return ++all->n < all->most;
}

static void what_is_only_looked_at_comes_in_pieces(void **state)
{
	uint8_t *plain = malloc(LARGE), *packed = malloc(ROOM);
	struct pieces all = {.p = malloc(LARGE)};
	size_t n;

	memset(plain, 0, LARGE);
	for (size_t at = 0; at < LARGE; at += 4093)
		put(plain + at, at, 3);
	for (unsigned how = 0; how < 3; how++) {
		n = pack(how, plain, LARGE, packed);
		all.len = all.n = 0;
		all.most = 100;
		assert_null(boot_unpack_look(packed, n, LARGE + 1, collect, &all));
		assert_int_equal(all.len, LARGE);
		assert_memory_equal(all.p, plain, LARGE);
		assert_true(all.n > 2);
		/* Who has seen enough is not told of damage behind it. */
		all.len = all.n = 0;
		all.most = 1;
		assert_null(boot_unpack_look(packed, n - 9, LARGE + 1, collect, &all));
		assert_int_equal(all.n, 1);
		all.len = all.n = 0;
		all.most = 100;
		assert_non_null(boot_unpack_look(packed, n - 9, LARGE + 1, collect, &all));
		all.len = all.n = 0;
		assert_string_equal(boot_unpack_look(packed, n, LARGE - 1, collect, &all),
				    "what is packed in it is too large");
	}
	free(all.p);
	free(plain);
	free(packed);
}

static void what_is_cut_off_or_spoilt_does_not_come_out(void **state)
{
	uint8_t *plain = malloc(PLAIN), *packed = malloc(ROOM), *out;
	size_t n, len;

	fill(plain, PLAIN);
	for (unsigned how = 0; how < 3; how++) {
		n = pack(how, plain, PLAIN, packed);
		for (size_t cut = 0; cut < n; cut += cut < 64 ? 1 : 977) {
			uint8_t *exact = malloc(cut ? cut : 1);

			memcpy(exact, packed, cut);
			assert_non_null(boot_unpack(exact, cut, ROOM, &out, &len));
			free(exact);
		}
		/* Whatever comes of spoilt bytes, it is an answer. */
		for (size_t at = 0; at < n; at += 5003) {
			packed[at] ^= 0x55;
			if (!boot_unpack(packed, n, ROOM, &out, &len))
				free(out);
			packed[at] ^= 0x55;
		}
	}
	free(plain);
	free(packed);
}

enum { PE = 0x80, OPTIONAL = 0xf0, TABLE = PE + 24 + OPTIONAL, UKI_SIZE = 0x1000 };

static void put_section(uint8_t *f, unsigned i, const char *name, uint32_t at, uint32_t size)
{
	uint8_t *s = f + TABLE + 40 * i;

	memcpy(s, name, strlen(name));
	put(s + 8, size, 4);
	put(s + 16, (size + 511) & ~511u, 4);
	put(s + 20, at, 4);
}

static void make_uki(uint8_t *f)
{
	memset(f, 0, UKI_SIZE);
	memcpy(f, "MZ", 2);
	put(f + 0x3c, PE, 4);
	memcpy(f + PE, "PE\0\0", 4);
	put(f + PE + 6, 4, 2);
	put(f + PE + 20, OPTIONAL, 2);
	put_section(f, 0, ".cmdline", 0x400, 7);
	put_section(f, 1, ".linux", 0x600, 6);
	put_section(f, 2, ".initrd", 0x800, 3);
	put_section(f, 3, ".linux", 0xa00, 9);
	memcpy(f + 0x400, "quiet \n", 7);
	memcpy(f + 0x600, "kernel", 6);
	memcpy(f + 0x800, "cpi", 3);
}

static void a_unified_image_is_taken_apart(void **state)
{
	uint8_t f[UKI_SIZE];
	struct boot_uki u;

	make_uki(f);
	assert_true(boot_uki_parse(f, sizeof(f), &u));
	assert_int_equal(u.kernel.size, 6);
	assert_memory_equal(u.kernel.at, "kernel", 6);
	assert_int_equal(u.initrd.size, 3);
	assert_int_equal(u.cmdline.size, 7);
	put(f + PE + 6, 0, 2);
	assert_false(boot_uki_parse(f, sizeof(f), &u));
}

static void no_unified_image_is_read_past_its_end(void **state)
{
	uint8_t f[UKI_SIZE];
	struct boot_uki u;

	for (size_t len = 0; len < UKI_SIZE; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		make_uki(f);
		memcpy(cut, f, len);
		if (boot_uki_parse(cut, len, &u))
			assert_true(u.kernel.at + u.kernel.size <= cut + len);
		free(cut);
	}
	make_uki(f);
	put(f + 0x3c, 0xffffffff, 4);
	assert_false(boot_uki_parse(f, sizeof(f), &u));
	make_uki(f);
	put(f + PE + 20, 0xffff, 2);
	assert_false(boot_uki_parse(f, sizeof(f), &u));
	make_uki(f);
	put(f + TABLE + 40 + 20, 0xfffffff0, 4);
	put(f + TABLE + 3 * 40 + 20, 0xfffffff0, 4);
	assert_false(boot_uki_parse(f, sizeof(f), &u));
}

/* A bzImage whose payload is this text, packed: across the end of the first piece that is looked
 * at. */
static size_t make_kernel(uint8_t *f, const char *text, unsigned how)
{
	enum { BODY = 2 * SECTOR, AT = 0x40 };
	static uint8_t plain[LARGE];
	size_t n;

	memset(f, 0, BODY + AT);
	f[0x1f1] = 1;
	memcpy(f + 0x202, "HdrS", 4);
	memset(plain, 0, sizeof(plain));
	memcpy(plain + (1 << 20) - 8, text, strlen(text));
	n = pack(how, plain, sizeof(plain), f + BODY + AT);
	if (how) { /* gzip ends with its length, behind the others it is written */
		put(f + BODY + AT + n, sizeof(plain), 4);
		n += 4;
	}
	put(f + 0x248, AT, 4);
	put(f + 0x24c, n, 4);
	return BODY + AT + n;
}

static void a_kernel_tells_whether_it_can_be_a_td(void **state)
{
	uint8_t *f = malloc(2 * ROOM);

	for (unsigned how = 0; how < 3; how++) {
		size_t n = make_kernel(f, "Linux version 6.12 ... tdx: Guest detected\n", how);

		assert_int_equal(boot_can_be_td(f, n), BOOT_CAN);
		/* Built without printk, it can still die. */
		n = make_kernel(f, "Linux version 6.12 ... TDCALL %lld failed (Buggy TDX module!)",
				how);
		assert_int_equal(boot_can_be_td(f, n), BOOT_CAN);
		n = make_kernel(f, "Linux version 6.12 ... no such thing", how);
		assert_int_equal(boot_can_be_td(f, n), BOOT_CANNOT);
		n = make_kernel(f, "no kernel at all", how);
		assert_int_equal(boot_can_be_td(f, n), BOOT_CAN_UNKNOWN);
		put(f + 0x24c, 0xffffffff, 4);
		assert_int_equal(boot_can_be_td(f, n), BOOT_CAN_UNKNOWN);
		put(f + 0x24c, 2, 4);
		assert_int_equal(boot_can_be_td(f, n), BOOT_CAN_UNKNOWN);
	}
	free(f);
}

static void a_kernel_tells_whether_it_remaps_interrupts(void **state)
{
	uint8_t *f = malloc(2 * ROOM);

	for (unsigned how = 0; how < 3; how++) {
		size_t n = make_kernel(f, "Linux version 7.3 ... DMAR-IR: Enabled IRQ", how);

		assert_int_equal(boot_can_remap(f, n), BOOT_CAN);
		n = make_kernel(f, "Linux version 7.3 ... DMAR: no such thing", how);
		assert_int_equal(boot_can_remap(f, n), BOOT_CANNOT);
		put(f + 0x24c, 2, 4);
		assert_int_equal(boot_can_remap(f, n), BOOT_CAN_UNKNOWN);
	}
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_out_again),
		cmocka_unit_test(what_is_only_looked_at_comes_in_pieces),
		cmocka_unit_test(what_is_cut_off_or_spoilt_does_not_come_out),
		cmocka_unit_test(a_unified_image_is_taken_apart),
		cmocka_unit_test(no_unified_image_is_read_past_its_end),
		cmocka_unit_test(a_kernel_tells_whether_it_can_be_a_td),
		cmocka_unit_test(a_kernel_tells_whether_it_remaps_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
