/* SPDX-License-Identifier: MIT */
/* Event logs: form, names, replay, and what makes a register differ. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/attest.h>
#include <swtdx/eventlog.h>
#include <swtdx/measure.h>

#include "log_build.h"
#include "samples.h"

enum { RTMR0 = 1, RTMR1, RTMR2, RTMR3 };

static const uint8_t global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
				   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

static struct tdx_eventlog parsed(const struct log_build *b)
{
	struct tdx_eventlog_error err;
	struct tdx_eventlog log;
	char line[TDX_EVENTLOG_ERROR_TEXT];

	if (tdx_eventlog_parse(b->p, b->len, &log, &err))
		fail_msg("%s", tdx_eventlog_error_text(&err, line, sizeof(line)));
	return log;
}

static void refused(const void *p, size_t len, enum tdx_eventlog_fault fault, uint64_t at)
{
	struct tdx_eventlog_error err;
	struct tdx_eventlog log;
	char line[TDX_EVENTLOG_ERROR_TEXT];

	assert_int_equal(tdx_eventlog_parse(p, len, &log, &err), -EINVAL);
	tdx_eventlog_error_text(&err, line, sizeof(line));
	if (err.fault != fault || err.at != at)
		fail_msg("wanted fault %d at 0x%llx: %s", (int)fault, (unsigned long long)at, line);
	assert_null(log.event);
}

/* Five events in RTMR 0, one of another register between, one that extends nothing. */
static void a_boot(struct log_build *b)
{
	uint8_t var[256];
	size_t n;

	log_open_cc(b);
	n = log_variable(var, global, "SecureBoot", "\1", 1);
	log_event(b, RTMR0, (uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG, var, n);
	log_text(b, RTMR2, TDX_EV_IPL, "grub_cmd: ls");
	n = log_variable(var, global, "BootOrder", "\1\0\2", 4);
	log_event_of(b, RTMR0, (uint32_t)TDX_EV_EFI_VARIABLE_BOOT, "\1\0\2", 4, var, n);
	log_event_of(b, TDX_EVENTLOG_NO_REGISTER, TDX_EV_NO_ACTION, "", 0, "StartupLocality\0\3",
		     17);
	log_text(b, RTMR0, (uint32_t)TDX_EV_EFI_ACTION, "Calling EFI Application");
	log_separator(b, RTMR0);
	log_text(b, RTMR0, TDX_EV_POST_CODE, "ACPI DATA");
}

static void a_log_replays_to_what_its_digests_make(void **state)
{
	struct tdx_digest rtmr[TDX_RTMRS], expected = {{0}}, d;
	struct log_build b;
	struct tdx_eventlog log;

	(void)state;
	log_open_cc(&b);
	log_text(&b, RTMR3, TDX_EV_IPL, "one");
	log_event_of(&b, RTMR3, TDX_EV_NO_ACTION, "two", 3, "two", 3);
	log_event_of(&b, 0, TDX_EV_IPL, "three", 5, "three", 5);
	log_text(&b, RTMR3, TDX_EV_IPL, "four");
	log = parsed(&b);
	assert_int_equal(log.kind, TDX_EVENTLOG_CC);
	assert_int_equal(log.nevents, 5);
	assert_int_equal(log.end, b.len);
	assert_int_equal(tdx_eventlog_rtmrs(&log, rtmr), 0);
	tdx_sha384("one", 3, &d);
	tdx_rtmr_extend(&expected, &d);
	tdx_sha384("four", 4, &d);
	tdx_rtmr_extend(&expected, &d);
	assert_memory_equal(&rtmr[3], &expected, sizeof(expected));
	tdx_eventlog_free(&log);
}

static void filling_of_zeros_or_ones_ends_a_log(void **state)
{
	struct log_build b;
	struct tdx_eventlog log;
	size_t end;

	(void)state;
	for (int fill = 0; fill < 2; fill++) {
		a_boot(&b);
		end = b.len;
		memset(b.p + b.len, fill ? 0xff : 0, 1000);
		b.len += 1000;
		log = parsed(&b);
		assert_int_equal(log.end, end);
		assert_int_equal(log.stray, 0);
		tdx_eventlog_free(&log);
		/* What is neither filling nor an event is told. */
		b.p[end + 500] = 7;
		log = parsed(&b);
		assert_int_equal(log.stray, 1000);
		tdx_eventlog_free(&log);
	}
}

static void a_log_cut_anywhere_is_refused_or_shorter(void **state)
{
	struct tdx_eventlog_error err;
	struct tdx_eventlog log, whole;
	struct log_build b;

	(void)state;
	a_boot(&b);
	whole = parsed(&b);
	for (size_t len = 0; len < b.len; len++) {
		/* A copy of that length, so that the sanitizer sees a read past it. */
		uint8_t *p = malloc(len ? len : 1);
		size_t ends = 0;

		memcpy(p, b.p, len);
		for (size_t i = 1; i < whole.nevents; i++)
			ends += whole.event[i].at == len;
		if (tdx_eventlog_parse(p, len, &log, &err)) {
			assert_int_equal(ends, 0);
			assert_int_not_equal(err.fault, TDX_EVENTLOG_OK);
		} else {
			assert_true(ends || log.end < len);
			assert_true(log.nevents < whole.nevents);
			tdx_eventlog_free(&log);
		}
		free(p);
	}
	tdx_eventlog_free(&whole);
}

static void faults_name_their_place(void **state)
{
	struct log_build b, c;
	size_t first;

	(void)state;
	a_boot(&b);
	first = 32 + 24 + 4 + 4 + 1;
	refused("CCEL", 4, TDX_EVENTLOG_IS_TABLE, 0);
	refused(b.p, 40, TDX_EVENTLOG_TOO_SHORT, 0);
	refused(b.p, TDX_EVENTLOG_MAX + 1, TDX_EVENTLOG_TOO_LONG, 0);
	c = b, c.p[4] = 4;
	refused(c.p, c.len, TDX_EVENTLOG_HEADER, 4);
	c = b, c.p[28] = 0xff, c.p[31] = 0xff;
	refused(c.p, c.len, TDX_EVENTLOG_CUT, 28);
	c = b, c.p[56] = 9;
	refused(c.p, c.len, TDX_EVENTLOG_ALGS, 56);
	c = b, c.p[56] = 2;
	refused(c.p, c.len, TDX_EVENTLOG_CUT, 28);
	c = b, c.p[62] = 32;
	refused(c.p, c.len, TDX_EVENTLOG_ALG_SIZE, 62);
	c = b, c.p[first + 1] = 9;
	refused(c.p, c.len, TDX_EVENTLOG_REGISTER, first);
	c = b, c.p[first + 8] = 9;
	refused(c.p, c.len, TDX_EVENTLOG_DIGESTS, first + 8);
	c = b, c.p[first + 12] = 0xb;
	refused(c.p, c.len, TDX_EVENTLOG_ALG_UNKNOWN, first + 12);
	c = b, c.p[60] = 0x77, c.p[61] = 0x77;
	refused(c.p, c.len, TDX_EVENTLOG_ALG_UNKNOWN, first + 12);
	c = b, c.p[first + 14 + 48 + 3] = 0x7f;
	refused(c.p, c.len, TDX_EVENTLOG_CUT, first + 14 + 48);
}

static void a_tpm_log_replays_pcrs_in_its_strongest_bank(void **state)
{
	static const uint16_t algs[] = {TDX_EVENTLOG_SHA1, TDX_EVENTLOG_SHA256};
	struct tdx_eventlog_value v;
	struct log_build b;
	struct tdx_eventlog log;
	char name[16];

	(void)state;
	log_open(&b, algs, 2);
	log_event(&b, 0, TDX_EV_NO_ACTION, "StartupLocality\0\3", 17);
	log_separator(&b, 14);
	log = parsed(&b);
	assert_int_equal(log.kind, TDX_EVENTLOG_TPM);
	assert_int_equal(log.bank, TDX_EVENTLOG_SHA256);
	assert_string_equal(tdx_eventlog_register_name(log.kind, 14, name, sizeof(name)), "pcr14");
	tdx_eventlog_start(&log, 0, &v);
	assert_int_equal(v.b[31], 3);
	tdx_eventlog_start(&log, 17, &v);
	assert_int_equal(v.b[0], 0xff);
	tdx_eventlog_start(&log, 14, &v);
	assert_int_equal(tdx_eventlog_extend(&log, &log.event[2], &v), 0);
	/* PCR 14 of every TPM after one separator. */
	assert_int_equal(v.b[0], 0x3d);
	assert_int_equal(v.b[1], 0x45);
	assert_int_equal(tdx_eventlog_check(&log, &log.event[2]), TDX_EVENTLOG_MATCHES);
	tdx_eventlog_free(&log);
}

static void described(struct log_build *b, const char *text)
{
	struct tdx_eventlog log = parsed(b);
	char buf[TDX_EVENTLOG_TEXT];

	assert_string_equal(tdx_eventlog_describe(&log.event[log.nevents - 1], buf, sizeof(buf)),
			    text);
	tdx_eventlog_free(&log);
}

static void describes(uint32_t type, const void *data, size_t len, const char *text)
{
	struct log_build b;

	log_open_cc(&b);
	log_event(&b, RTMR1, type, data, len);
	described(&b, text);
}

static void known_events_are_described(void **state)
{
	static const uint8_t fw_cfg[12 + 56] = "QEMU FW CFG\0bootorder";
	static const uint8_t smbios[32] = {1,	 0,    0,    0,	   0,	 0,    0,    0,
					   0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
					   0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
	static const uint8_t path[] = {2,   1, 12,  0, 0xd0, 0x41, 0x03, 0x0a, 0,    0,	   0,	 0,
				       1,   1, 6,   0, 0,    2,	   4,	 4,    14,   0,	   '\\', 0,
				       'B', 0, '.', 0, 'E',  0,	   0,	 0,    0x7f, 0xff, 4,	 0};
	uint8_t buf[512] = {0}, image[128] = {0}, gpt[92 + 8 + 128] = {0};
	size_t n;

	(void)state;
	n = log_variable(buf, global, "SecureBoot", "\1", 1);
	describes(TDX_EV_IPL, "l\0o\0a\0d\0e\0r\0.\0c\0o\0n\0f\0\0", 24, "systemd: loader.conf");
	/* As edk2 since 202505 writes them: a name of fixed length, and a table by its GUID. */
	describes(TDX_EV_PLATFORM_CONFIG_FLAGS, fw_cfg, sizeof(fw_cfg),
		  "platform configuration QEMU FW CFG bootorder");
	describes((uint32_t)TDX_EV_EFI_HANDOFF_TABLES, smbios, sizeof(smbios), "table SMBIOS");
	describes((uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG, buf, n,
		  "variable SecureBoot (EFI_GLOBAL_VARIABLE): 01");
	n = log_variable(buf, global, "BootOrder", "\1\0\x0a", 4);
	describes((uint32_t)TDX_EV_EFI_VARIABLE_BOOT, buf, n,
		  "variable BootOrder (EFI_GLOBAL_VARIABLE): 0001,000A");
	memcpy(image, "\1\0\0\0", 4);
	image[4] = sizeof(path);
	memcpy(image + 6, "U\0I\0\0", 6);
	memcpy(image + 12, path, sizeof(path));
	memcpy(image + 12 + sizeof(path), "q\0\0\0", 4);
	n = log_variable(buf, global, "Boot0001", image, 12 + sizeof(path) + 4);
	describes((uint32_t)TDX_EV_EFI_VARIABLE_BOOT2, buf, n,
		  "variable Boot0001 (EFI_GLOBAL_VARIABLE): \"UI\" "
		  "PciRoot(0x0)/Pci(0x2,0x0)/\\\\B.E options \"q\"");
	memset(image, 0, sizeof(image));
	image[24] = sizeof(path);
	memcpy(image + 32, path, sizeof(path));
	describes((uint32_t)TDX_EV_EFI_BOOT_SERVICES_APPLICATION, image, 32 + sizeof(path),
		  "PE image PciRoot(0x0)/Pci(0x2,0x0)/\\\\B.E");
	gpt[92] = 1;
	memcpy(gpt + 100 + 56, "E\0S\0P\0", 6);
	describes((uint32_t)TDX_EV_EFI_GPT_EVENT, gpt, sizeof(gpt),
		  "partition table 00000000-0000-0000-0000-000000000000: ESP");
	describes((uint32_t)TDX_EV_EFI_HANDOFF_TABLES2, "\x08TdxTable\1\0\0\0\0\0\0\0", 17,
		  "table TdxTable");
	describes((uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
		  "\2FV\0\0\x84\xff\0\0\0\0\0\x10\0\0\0\0\0\0", 19,
		  "firmware blob FV at 0xff840000, 0x1000 bytes");
	describes(TDX_EV_IPL, "kernel_cmdline: /vmlinuz ro", 27,
		  "kernel command line (GRUB): kernel_cmdline: /vmlinuz ro");
	describes(TDX_EV_IPL, "grub_cmd: ls", 12, "GRUB command: grub_cmd: ls");
	describes(TDX_EV_IPL, "MokListX", 9, "shim: MokListX");
	describes(TDX_EV_IPL, ".\0o\0s\0r\0e\0l\0\0", 14, "UKI section: .osrel");
	describes(TDX_EV_IPL, "r\0o\0\0", 6, "kernel command line (systemd-stub or loader): ro");
	describes(TDX_EV_EVENT_TAG, "\xec\x22\x3b\x8f\x0d\0\0\0Linux initrd", 21,
		  "initrd (Linux EFI stub): Linux initrd");
	describes(TDX_EV_EVENT_TAG, "\xed\x22\x3b\x8f\x04\0\0\0q\0\0", 12,
		  "kernel command line (Linux EFI stub): q");
	describes(TDX_EV_SEPARATOR, "\1\0\0", 4, "separator of an error");
	describes(TDX_EV_DSTACK_RUNTIME, "\1\0\0\x08:app-id:\1\2", 14, "dstack app-id: 0102");
	describes(TDX_EV_PLATFORM_CONFIG_FLAGS, "td_hob\0\0\0\0\0\0\0\0\0\0\2\0\0\0ab", 22,
		  "platform configuration td_hob, 2 bytes");
	describes(TDX_EV_PLATFORM_CONFIG_FLAGS, "flags", 5, "platform configuration flags");
	describes(0x12345678, "\xff", 1, "ff");
}

static void text_from_a_log_is_escaped_and_bounded(void **state)
{
	char buf[32], long_text[2000];
	struct tdx_eventlog log;
	struct log_build b;

	(void)state;
	/* An escape sequence would be text of no kind, so it must come out in hexadecimal; within a
	 * text that is one, a line break is escaped. */
	describes(TDX_EV_IPL, "\033[2J", 4, "1b5b324a");
	describes(TDX_EV_IPL, "a\nb\\", 4, "a\\x0ab\\\\");
	describes(TDX_EV_NO_ACTION, "\033]0;x\007", 6, "\\x1b]0;x\\x07");
	memset(long_text, 'x', sizeof(long_text));
	log_open_cc(&b);
	log_event(&b, RTMR2, TDX_EV_IPL, long_text, sizeof(long_text));
	log = parsed(&b);
	tdx_eventlog_describe(&log.event[1], buf, sizeof(buf));
	assert_int_equal(strlen(buf), sizeof(buf) - 1);
	assert_string_equal(buf + sizeof(buf) - 4, "...");
	tdx_eventlog_free(&log);
}

static void broken_structures_are_read_no_further_than_they_go(void **state)
{
	static const uint32_t types[] = {(uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG,
					 (uint32_t)TDX_EV_EFI_VARIABLE_BOOT,
					 (uint32_t)TDX_EV_EFI_BOOT_SERVICES_APPLICATION,
					 (uint32_t)TDX_EV_EFI_GPT_EVENT,
					 (uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
					 (uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB,
					 (uint32_t)TDX_EV_EFI_HANDOFF_TABLES2,
					 TDX_EV_EVENT_TAG,
					 TDX_EV_DSTACK_RUNTIME,
					 TDX_EV_PLATFORM_CONFIG_FLAGS,
					 TDX_EV_NO_ACTION,
					 TDX_EV_S_CRTM_VERSION};
	char buf[TDX_EVENTLOG_TEXT];

	(void)state;
	for (unsigned t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (size_t len = 0; len < 160; len++)
			for (int byte = 0; byte < 256; byte += 51) {
				uint8_t *p = malloc(len ? len : 1);
				struct tdx_eventlog_event e = {
					.type = types[t], .data = p, .size = (uint32_t)len};

				memset(p, byte, len);
				tdx_eventlog_describe(&e, buf, sizeof(buf));
				tdx_eventlog_subject(&e, buf, sizeof(buf));
				free(p);
			}
}

/* --- what makes a register differ --- */

static void explains(const struct log_build *b, uint32_t reg, const struct tdx_digest *value,
		     enum tdx_eventlog_cause cause, size_t event)
{
	struct tdx_eventlog log = parsed(b);
	struct tdx_eventlog_difference d;

	assert_int_equal(tdx_eventlog_explain(&log, reg, value->b, &d), 0);
	if (d.cause != cause || d.event != event)
		fail_msg("%s (event %zd), wanted %s (event %zd)", tdx_eventlog_cause_text(d.cause),
			 d.event, tdx_eventlog_cause_text(cause), event);
	tdx_eventlog_free(&log);
}

/* RTMR 0 of a_boot() with its events extended in another way: indexes, -1 ends. */
static struct tdx_digest replayed(const struct log_build *b, const int *order)
{
	struct tdx_eventlog log = parsed(b);
	struct tdx_eventlog_value v = {{0}};
	struct tdx_digest out;

	for (; *order >= 0; order++)
		assert_int_equal(tdx_eventlog_extend(&log, &log.event[*order], &v), 0);
	memcpy(&out, v.b, sizeof(out));
	tdx_eventlog_free(&log);
	return out;
}

static void the_event_that_explains_a_difference_is_found(void **state)
{
	/* Of RTMR 0: events 1, 3, 5, 6, 7. */
	static const struct {
		int order[12];
		enum tdx_eventlog_cause cause;
		size_t event;
	} cases[] = {
		{{1, 3, 5, 6, 7, -1}, TDX_EVENTLOG_EQUAL, TDX_EVENTLOG_NONE},
		{{1, 3, -1}, TDX_EVENTLOG_CUT_SHORT, 5},
		{{1, 5, 6, 7, -1}, TDX_EVENTLOG_NOT_EXTENDED, 3},
		{{3, 5, 6, 7, -1}, TDX_EVENTLOG_NOT_EXTENDED, 1},
		{{1, 3, 5, 5, 6, 7, -1}, TDX_EVENTLOG_TWICE, 5},
		{{1, 5, 3, 6, 7, -1}, TDX_EVENTLOG_SWAPPED, 3},
		{{1, 6, 3, 5, 6, 7, -1}, TDX_EVENTLOG_SEPARATOR, 3},
		{{1, 3, 5, 6, 7, 6, -1}, TDX_EVENTLOG_SEPARATOR, TDX_EVENTLOG_NONE},
		{{-1}, TDX_EVENTLOG_NEVER, 1},
		{{7, 6, 5, 3, 1, -1}, TDX_EVENTLOG_UNEXPLAINED, TDX_EVENTLOG_NONE},
	};
	struct tdx_digest value;
	struct log_build b;

	(void)state;
	a_boot(&b);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		value = replayed(&b, cases[i].order);
		explains(&b, RTMR0, &value, cases[i].cause, cases[i].event);
	}
	/* RTMR 3 has no entry. */
	memset(&value, 0, sizeof(value));
	explains(&b, RTMR3, &value, TDX_EVENTLOG_EQUAL, TDX_EVENTLOG_NONE);
	value.b[0] = 1;
	explains(&b, RTMR3, &value, TDX_EVENTLOG_UNLOGGED, TDX_EVENTLOG_NONE);
}

static void a_changed_digest_is_told_from_changed_data(void **state)
{
	static const int all[] = {1, 3, 5, 6, 7, -1};
	struct tdx_digest value;
	struct tdx_eventlog log;
	struct log_build b;
	size_t hash, data;

	(void)state;
	a_boot(&b);
	value = replayed(&b, all);
	log = parsed(&b);
	hash = (size_t)(log.event[3].hash - b.p);
	data = (size_t)(log.event[5].data - b.p);
	tdx_eventlog_free(&log);
	b.p[hash] ^= 1;
	explains(&b, RTMR0, &value, TDX_EVENTLOG_DIGEST_OF_DATA, 3);
	b.p[hash] ^= 1;
	/* Other data under a digest that stayed: the registers agree, the event does not. */
	b.p[data] ^= 1;
	explains(&b, RTMR0, &value, TDX_EVENTLOG_EQUAL, TDX_EVENTLOG_NONE);
	log = parsed(&b);
	assert_int_equal(tdx_eventlog_check(&log, &log.event[5]), TDX_EVENTLOG_DIFFERS);
	assert_int_equal(tdx_eventlog_check(&log, &log.event[3]), TDX_EVENTLOG_MATCHES);
	tdx_eventlog_free(&log);
	/* Both at once: the event is found because its digest is not its data's. */
	value.b[0] ^= 1;
	explains(&b, RTMR0, &value, TDX_EVENTLOG_UNEXPLAINED, 5);
}

/* --- two boots --- */

static void two_boots_are_compared_by_meaning(void **state)
{
	static const enum tdx_eventlog_step_kind expected[] = {
		TDX_EVENTLOG_SAME, TDX_EVENTLOG_CHANGED, TDX_EVENTLOG_REMOVED, TDX_EVENTLOG_SAME,
		TDX_EVENTLOG_ADDED};
	struct tdx_eventlog a, b;
	struct tdx_eventlog_step *steps;
	struct log_build x, y;
	size_t n;

	(void)state;
	log_open_cc(&x);
	log_open_cc(&y);
	log_text(&x, RTMR2, TDX_EV_IPL, "MokList");
	log_text(&y, RTMR2, TDX_EV_IPL, "MokList");
	log_text(&x, RTMR2, TDX_EV_IPL, "kernel_cmdline: ro");
	log_text(&y, RTMR2, TDX_EV_IPL, "kernel_cmdline: rw");
	log_text(&x, RTMR2, TDX_EV_IPL, "grub_cmd: ls");
	log_separator(&x, RTMR2);
	log_separator(&y, RTMR2);
	log_text(&y, RTMR2, TDX_EV_POST_CODE, "more");
	a = parsed(&x);
	b = parsed(&y);
	assert_int_equal(tdx_eventlog_compare(&a, &b, RTMR2, &steps, &n), 0);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(steps[i].kind, expected[i]);
	free(steps);
	assert_int_equal(tdx_eventlog_compare(&a, &b, RTMR3, &steps, &n), 0);
	assert_int_equal(n, 0);
	free(steps);
	tdx_eventlog_free(&a);
	tdx_eventlog_free(&b);
}

/* --- published logs --- */

static void published_logs_replay(void **state)
{
	static const struct {
		const char *name, *hash;
		size_t events;
		const char *rtmr[TDX_RTMRS]; /* how they begin */
	} logs[] = {
		{"google/go-tdx-guest ccel_data.dat",
		 "090dc18758380a5c",
		 44,
		 {"3fa2f61f395b", "f62dbc072bd5", "4969684dc873", "000000000000"}},
		{"trustee CCEL_data", "d9cd052549c551fe", 6, {0}},
		{"trustee CCEL_data_grub", "cab97131de63eb99", 38, {0}},
		{"trustee CCEL_data_ovmf", "0e6e0c6a327f658c", 21, {0}},
		{"trustee CCEL_data_gcp", "8532e4a295ce4d7b", 22, {0}},
		{"trustee CCEL_AAEL_alibabacloud", "ebc70a8e80820389", 88, {0}},
		{"google/go-eventlog event_log.bin", "f61a3d863bda22d0", 28, {0}},
		{"google/go-eventlog dupe-separator", "eac6ae2814debc8a", 44, {0}},
		{"dstack ccel.bin", "08e8363d55f4e4aa", 19, {0}},
	};
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		struct tdx_digest rtmr[TDX_RTMRS];
		struct tdx_eventlog_error err;
		struct tdx_eventlog log;
		struct sample s;
		char text[13];

		if (!sample_find(logs[i].name, logs[i].hash, &s))
			continue;
		found++;
		assert_int_equal(tdx_eventlog_parse(s.bytes, s.len, &log, &err), 0);
		assert_int_equal(log.nevents, logs[i].events);
		assert_int_equal(tdx_eventlog_rtmrs(&log, rtmr), 0);
		for (unsigned r = 0; r < TDX_RTMRS && logs[i].rtmr[r]; r++) {
			for (unsigned k = 0; k < 6; k++)
				snprintf(text + 2 * k, 3, "%02x", rtmr[r].b[k]);
			assert_string_equal(text, logs[i].rtmr[r]);
		}
		tdx_eventlog_free(&log);
		free(s.bytes);
	}
	if (!found)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_replays_to_what_its_digests_make),
		cmocka_unit_test(filling_of_zeros_or_ones_ends_a_log),
		cmocka_unit_test(a_log_cut_anywhere_is_refused_or_shorter),
		cmocka_unit_test(faults_name_their_place),
		cmocka_unit_test(a_tpm_log_replays_pcrs_in_its_strongest_bank),
		cmocka_unit_test(known_events_are_described),
		cmocka_unit_test(text_from_a_log_is_escaped_and_bounded),
		cmocka_unit_test(broken_structures_are_read_no_further_than_they_go),
		cmocka_unit_test(the_event_that_explains_a_difference_is_found),
		cmocka_unit_test(a_changed_digest_is_told_from_changed_data),
		cmocka_unit_test(two_boots_are_compared_by_meaning),
		cmocka_unit_test(published_logs_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
