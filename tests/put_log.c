/* SPDX-License-Identifier: MIT */
/* Writes event logs for cli_eventlog.sh: boot, other, swapped, hostile; and the TDREPORT of boot.
 */
#include <stdio.h>
#include <string.h>

#include <swtdx/attest.h>
#include <swtdx/eventlog.h>

#include "log_build.h"

static const uint8_t global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
				   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

static void boot(struct log_build *b, const char *cmdline, bool swapped)
{
	uint8_t var[256];
	size_t n = log_variable(var, global, "SecureBoot", "\1", 1);

	log_open_cc(b);
	if (swapped)
		log_separator(b, 1);
	log_event(b, 1, (uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG, var, n);
	if (!swapped)
		log_separator(b, 1);
	log_text(b, 2, (uint32_t)TDX_EV_EFI_ACTION, "Calling EFI Application from Boot Option");
	log_separator(b, 2);
	log_text(b, 3, TDX_EV_IPL, cmdline);
	log_separator(b, 3);
	log_text(b, 4, TDX_EV_IPL, "workload");
	memset(b->p + b->len, 0xff, 512);
	b->len += 512;
}

static int report(const struct log_build *b, struct tdx_report *r)
{
	struct tdx_eventlog_error err;
	struct tdx_eventlog log;
	int rc = tdx_eventlog_parse(b->p, b->len, &log, &err);

	memset(r, 0, sizeof(*r));
	r->mac.type = TDX_REPORT_TYPE_TDX;
	if (!rc)
		rc = tdx_eventlog_rtmrs(&log, r->td_info.rtmr);
	tdx_eventlog_free(&log);
	return rc ? rc : tdx_report_seal(r, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE);
}

int main(int argc, char **argv)
{
	static struct log_build b;
	const char *what = argc == 2 ? argv[1] : "";
	struct tdx_report r;

	boot(&b, !strcmp(what, "other") ? "kernel_cmdline: rw" : "kernel_cmdline: ro",
	     !strcmp(what, "swapped"));
	if (!strcmp(what, "report")) {
		if (report(&b, &r))
			return 1;
		return fwrite(&r, sizeof(r), 1, stdout) != 1;
	}
	if (!strcmp(what, "hostile")) {
		log_open_cc(&b);
		log_event(&b, 3, TDX_EV_IPL, "\033[31mred\007", 9);
		log_event(&b, 3, TDX_EV_NO_ACTION, "\033]0;title\007", 10);
		log_event(&b, 3, TDX_EV_S_CRTM_VERSION, "\r\n\0\x9b\0", 5);
		log_event(&b, 3, (uint32_t)TDX_EV_EFI_HANDOFF_TABLES2, "\4\033[2J\1\0\0\0\0\0\0\0",
			  13);
	}
	return fwrite(b.p, b.len, 1, stdout) != 1;
}
