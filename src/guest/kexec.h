/* SPDX-License-Identifier: MIT */
/* Conversions, counted and stopped: around each one. c may be NULL: nobody counts. */
#ifndef GUEST_KEXEC_H
#define GUEST_KEXEC_H

#include <swtdx/guest.h>

/* -EBUSY: none may begin any more. */
int guest_conversion_begin(struct tdg_conversions *c);
/* So many pages more are shared, or fewer. */
void guest_conversion_end(struct tdg_conversions *c, int64_t pages);

#endif
