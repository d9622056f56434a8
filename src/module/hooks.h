/* SPDX-License-Identifier: MIT */
/* Listening to the module: calls, locks, exits, and a word in what happens next. */
#ifndef MODULE_HOOKS_H
#define MODULE_HOOKS_H

#include "module/internal.h"

/* Every lock event of the module; any member may be NULL.
 * `acquire` before an attempt: a non-zero status refuses it with that code instead (fault
 * injection, schedule explorer may also block in it). `acquired` after one (ok or not), `released`
 * after a release. `enter`/`leave` around each call with its registers; guest says whose. A
 * non-success status from `enter` is returned to the caller without running the leaf.
 * `exit`/`resume` around each VM exit of a guest, a TDCALL's included, and where it led;
 * `processor_ve` after a #VE that is none.
 * With listeners every lock is taken by itself, as above, but for one who has `step` and `took`
 * (and cannot refuse): before him calls also go the short way (module/known.h), where several are
 * taken together. `step` is between what it does there, `took` tells the n locks it has so. */
struct module_hooks {
	struct tdx_status (*enter)(void *arg, struct lp *lp, bool guest, struct tdx_regs *regs);
	void (*leave)(void *arg, struct lp *lp, bool guest, const struct tdx_regs *in,
		      const struct tdx_regs *out);
	enum lock_result (*acquire)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
				    enum lock_mode mode, bool guest);
	void (*acquired)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			 enum lock_mode mode, bool guest, enum lock_result result);
	void (*released)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			 enum lock_mode mode);
	void (*step)(void *arg, struct lp *lp);
	void (*took)(void *arg, struct lp *lp, const struct tx_held *lock, unsigned n);
	void (*exit)(void *arg, struct lp *lp, const struct vmexit *exit,
		     const struct tdx_regs *guest);
	void (*processor_ve)(void *arg, struct lp *lp, uint64_t qualification, uint64_t gla,
			     uint64_t gpa);
	void (*resume)(void *arg, struct lp *lp, enum module_next next);
};

/* Does a call do before its listeners, if there are any, what it does when nobody listens? */
static inline bool hooks_see_short_way(const struct module_hooks *h)
{
	return !h || (h->step && h->took);
}

#endif
