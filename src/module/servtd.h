/* SPDX-License-Identifier: MIT */
/* Bindings of service TDs, as TDH.SERVTD.BIND makes them and TDG.SERVTD.RD and WR use them. */
#ifndef MODULE_SERVTD_H
#define MODULE_SERVTD_H

#include "module/metadata.h"

enum { SERVTD_TYPE_MIGTD = 0 };

/* Bit 0 binds to the instance; 42:32 parts of the TDINFO that its hash leaves out. */
#define SERVTD_ATTR_ALLOWED	 0x7ff00000001ull
#define SERVTD_ATTR_IGNORE(attr) ((unsigned)((attr) >> 32) & 0x7ffu)

/* What a handle means depends on who has it: the holder's own UUID is added. */
static inline uint64_t servtd_handle(hpa_t target_tdr, uint64_t slot, uint64_t own_uuid)
{
	return (target_tdr.v | slot) + own_uuid;
}

/* The TD that the entered service TD names by handle and UUID, located, its binding found good, all
 * locked. `uuid` is replaced when the target has another since it was imported. A failure that is
 * the target's or its host's doing becomes a TD exit (module/transition.h). */
struct tdx_status servtd_reach(struct tx *tx, uint64_t handle, uint64_t uuid[4], struct md *md);

#endif
