/* SPDX-License-Identifier: MIT */
/* Bringing up a small TD, as lines. */
#include "trace/stage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ADD(gpa, page)                                                                             \
	"seamcall 0 TDH.MEM.PAGE.ADD rcx=" gpa " rdx=0x100000000 r8=" page " r9=0x1010000\n"

/* clang-format off */
static const struct {
	const char *name, *text;
} stages[STAGE_NUM] = {
	[STAGE_LOADED] = {"loaded",
		"platform mem=0x180000000 cmr=0x100000+0x7af00000,0x100000000+0x80000000 maxpa=52 "
		"keyid_bits=6 keyids=64 tdx_keyids=32 lps=4 pkgs=1 wb_blocks=4 seed=1\n"},
	[STAGE_SYS_INIT] = {"sys-init", "seamcall 0 TDH.SYS.INIT\n"},
	[STAGE_LP_INIT] = {"lp-init",
		"seamcall 0 TDH.SYS.LP.INIT\n"
		"seamcall 1 TDH.SYS.LP.INIT\n"
		"seamcall 2 TDH.SYS.LP.INIT\n"
		"seamcall 3 TDH.SYS.LP.INIT\n"},
	/* Two TDMRs of 1G, [1G, 2G) with the PAMTs and the range above the CMR reserved. */
	[STAGE_CONFIG] = {"config",
		"write 0x1000000 001000010000000000120001\n"
		"write 0x1001000 0000004000000000000000400000000000000002000000000010000000000000"
		"0010000200000000002000000000000000300002000000000000400000000000"
		"0000003b0000000000000005\n"
		"write 0x1001200 0000000001000000000000400000000000000003000000000010000000000000"
		"001000030000000000200000000000000030000300000000000040\n"
		"seamcall 0 TDH.SYS.CONFIG rcx=0x1000000 rdx=0x2 r8=0x20\n"},
	[STAGE_KEY_CONFIG] = {"key-config", "seamcall 0 TDH.SYS.KEY.CONFIG\n"},
	[STAGE_READY] = {"ready",
		"tdmr_init 0 0x40000000 0x80000000\n"
		"tdmr_init 0 0x100000000 0x140000000\n"},
	[STAGE_CREATED] = {"created", "seamcall 0 TDH.MNG.CREATE rcx=0x100000000 rdx=0x21\n"},
	[STAGE_TD_KEY] = {"td-key", "seamcall 0 TDH.MNG.KEY.CONFIG rcx=0x100000000\n"},
	[STAGE_TDCS] = {"tdcs",
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100001000 rdx=0x100000000\n"
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100002000 rdx=0x100000000\n"
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100003000 rdx=0x100000000\n"
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100004000 rdx=0x100000000\n"
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100005000 rdx=0x100000000\n"
		"seamcall 0 TDH.MNG.ADDCX rcx=0x100006000 rdx=0x100000000\n"},
	/* DEBUG and SEPT_VE_DISABLE, x87 and SSE, four vCPUs, a 4-level write-back EPT, 2.5 GHz. */
	[STAGE_TD_INIT] = {"td-init",
		"write 0x1008000 0100001000000000030000000000000004000000000000001e00000000000000"
		"000000000000000064\n"
		"seamcall 0 TDH.MNG.INIT rcx=0x100000000 rdx=0x1008000\n"},
	[STAGE_VP_CREATED] = {"vp-created",
		"seamcall 0 TDH.VP.CREATE rcx=0x100007000 rdx=0x100000000\n"},
	[STAGE_TDVPS] = {"tdvps",
		"seamcall 0 TDH.VP.ADDCX rcx=0x100008000 rdx=0x100007000\n"
		"seamcall 0 TDH.VP.ADDCX rcx=0x100009000 rdx=0x100007000\n"
		"seamcall 0 TDH.VP.ADDCX rcx=0x10000a000 rdx=0x100007000\n"
		"seamcall 0 TDH.VP.ADDCX rcx=0x10000b000 rdx=0x100007000\n"
		"seamcall 0 TDH.VP.ADDCX rcx=0x10000c000 rdx=0x100007000\n"},
	[STAGE_VP_INIT] = {"vp-init", "seamcall 0 TDH.VP.INIT rcx=0x100007000\n"},
	[STAGE_TABLES] = {"tables",
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x3 rdx=0x100000000 r8=0x10000d000\n"
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x2 rdx=0x100000000 r8=0x10000e000\n"
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x1 rdx=0x100000000 r8=0x10000f000\n"},
	[STAGE_PAGES] = {"pages",
		ADD("0x0", "0x100023000")
		ADD("0x1000", "0x100020000")
		ADD("0x2000", "0x100021000")
		ADD("0x3000", "0x100022000")},
	[STAGE_FINALIZED] = {"finalized", "seamcall 0 TDH.MR.FINALIZE rcx=0x100000000\n"},
};
/* clang-format on */

const char *stage_text(enum stage stage)
{
	return stages[stage].text;
}

const char *stage_name(enum stage stage)
{
	return stages[stage].name;
}

/* MIGRATABLE in the place of DEBUG. */
static const char migratable_td_init[] =
	"write 0x1008000 0000003000000000030000000000000004000000000000001e00000000000000"
	"000000000000000064\n"
	"seamcall 0 TDH.MNG.INIT rcx=0x100000000 rdx=0x1008000\n";

static const char *text_of(unsigned stage, bool migratable)
{
	return migratable && stage == STAGE_TD_INIT ? migratable_td_init : stages[stage].text;
}

char *stage_lines(enum stage stage)
{
	const bool migratable = (unsigned)stage & STAGE_MIGRATABLE;
	const unsigned last = (unsigned)stage & ~(unsigned)STAGE_MIGRATABLE;
	size_t len = 1;
	char *lines, *end;

	for (unsigned i = 0; i <= last; i++)
		len += strlen(text_of(i, migratable));
	lines = malloc(len);
	if (!lines)
		return NULL;
	end = lines;
	for (unsigned i = 0; i <= last; i++)
		end = stpcpy(end, text_of(i, migratable));
	return lines;
}
