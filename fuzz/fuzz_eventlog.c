/* SPDX-License-Identifier: MIT */
/* Event logs on arbitrary bytes: parsed, described, replayed, explained, compared with itself.
 *
 * The first byte says whether the rest is a whole log or events behind a sound header, so that the
 * fuzzer need not find the header. Stops when an event lies outside the log, when a line has what a
 * terminal would act on, or when a log differs from itself. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/eventlog.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_line(const char *s)
{
	for (; *s; s++)
		must(isprint((unsigned char)*s));
}

static void check_event(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e,
			const uint8_t *bytes, size_t len)
{
	char buf[TDX_EVENTLOG_TEXT];

	must(e->data >= bytes && e->size <= len && e->data + e->size <= bytes + len);
	must(!e->hash || (e->hash > bytes && e->hash < e->data));
	check_line(tdx_eventlog_describe(e, buf, sizeof(buf)));
	check_line(tdx_eventlog_subject(e, buf, 40));
	(void)tdx_eventlog_check(log, e);
}

static void one_log(const uint8_t *bytes, size_t len)
{
	struct tdx_eventlog_error err;
	struct tdx_eventlog log;
	char line[TDX_EVENTLOG_ERROR_TEXT];

	if (tdx_eventlog_parse(bytes, len, &log, &err)) {
		must(err.fault != TDX_EVENTLOG_OK && !log.event);
		check_line(tdx_eventlog_error_text(&err, line, sizeof(line)));
		return;
	}
	must(log.end + log.stray <= len);
	for (size_t i = 0; i < log.nevents; i++)
		check_event(&log, &log.event[i], bytes, len);
	for (uint32_t reg = 0; reg < 5; reg++) {
		uint8_t odd[TDX_EVENTLOG_DIGEST_MAX] = {1};
		struct tdx_eventlog_difference d;
		struct tdx_eventlog_step *steps;
		size_t n;

		must(!tdx_eventlog_explain(&log, reg, odd, &d));
		must(d.cause != TDX_EVENTLOG_EQUAL);
		must(!tdx_eventlog_explain(&log, reg, d.replayed.b, &d));
		must(d.cause == TDX_EVENTLOG_EQUAL);
		if (tdx_eventlog_compare(&log, &log, reg, &steps, &n))
			continue;
		for (size_t i = 0; i < n; i++)
			must(steps[i].kind == TDX_EVENTLOG_SAME);
		free(steps);
	}
	tdx_eventlog_free(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t header[] = {
		1,   0,	  0,   0,   3,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0, 0, 0,   0,
		0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   33,  0,	 0, 0, 'S', 'p',
		'e', 'c', ' ', 'I', 'D', ' ', 'E', 'v', 'e', 'n', 't', '0', '3', 0, 0, 0,   0,
		0,   0,	  2,   0,   2,	 1,   0,   0,	0,   12,  0,   48,  0,	 0};
	size_t len = size ? size - 1 : 0, head;
	uint8_t *bytes;

	if (!size || size > 8192)
		return 0;
	head = data[0] & 1 ? sizeof(header) : 0;
	bytes = malloc(head + len + 1);
	memcpy(bytes, header, head);
	memcpy(bytes + head, data + 1, len);
	one_log(bytes, head + len);
	free(bytes);
	return 0;
}
