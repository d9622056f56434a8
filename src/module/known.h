/* SPDX-License-Identifier: MIT */
/* The TD and the vCPU that calls on a processor worked on last: where their locks and pages are, so
 * that the next call on the same does not follow the same words again, and takes its shared locks
 * with one barrier instead of one each.
 *
 * Only where is remembered. Whether the locks are free, the pages what they were, and the TD in a
 * state for the call is asked under the locks each time. If anything is not so, nothing has been
 * taken and false is the answer: the caller goes the long way, one lock after the other, which says
 * what is in the way in the module's order. Listeners hear only that way, but for who asks to see
 * this one, too (module/hooks.h). */
#ifndef MODULE_KNOWN_H
#define MODULE_KNOWN_H

#include "module/td.h"

/* How many of a TD's locks: with OP_STATE, with the tree as well. */
enum { KNOWN_TD = TD_PATH_LOCKS - 1, KNOWN_TD_AND_TREE = TD_PATH_LOCKS };

/* The first n locks of the TD whose TDR is at pa, shared. */
bool known_td_share(struct tx *tx, hpa_t pa, unsigned n, struct td *td);
/* Its TDR exclusive, OP_STATE not at all. */
bool known_td_take(struct tx *tx, hpa_t pa, struct td *td);
/* The TD a call has found by such locks. */
void known_td_remember(struct tx *tx, const struct td *td);

/* The vCPU whose TDVPR is at pa, its TDR and OP_STATE, shared. */
bool known_vcpu_share(struct tx *tx, hpa_t pa, struct vp *vp, struct td *td);
void known_vcpu_remember(struct tx *tx, const struct vp *vp, const struct td *td);

#endif
