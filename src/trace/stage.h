/* SPDX-License-Identifier: MIT */
/* A small TD in the vector language, as far as one wants it brought up.
 *
 * TDR at 0x100000000, its six TDCS pages after it, the TDVPR at +0x7000 and its five pages, the
 * three Secure-EPT tables of [0, 2M) at +0xd000, then four 4K pages. KeyID 33. */
#ifndef TRACE_STAGE_H
#define TRACE_STAGE_H

#include <stddef.h>

enum stage {
	STAGE_LOADED, /* the module is there, nothing has been called */
	STAGE_SYS_INIT,
	STAGE_LP_INIT,
	STAGE_CONFIG,
	STAGE_KEY_CONFIG,
	STAGE_READY,
	STAGE_CREATED,
	STAGE_TD_KEY,
	STAGE_TDCS,
	STAGE_TD_INIT,
	STAGE_VP_CREATED,
	STAGE_TDVPS,
	STAGE_VP_INIT,
	STAGE_TABLES,
	STAGE_PAGES,
	STAGE_FINALIZED,
	STAGE_NUM,
};

/* The lines that lead from the stage before to this one. */
const char *stage_text(enum stage stage);

/* "finalized" etc., as scenarios write it. */
const char *stage_name(enum stage stage);

/* All lines up to and including the stage; the caller frees. NULL: out of memory. */
char *stage_lines(enum stage stage);

/* With a stage: the TD is migratable, and so not under debug. */
enum { STAGE_MIGRATABLE = 0x100 };

#endif
