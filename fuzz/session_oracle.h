/* SPDX-License-Identifier: MIT */
/* The oracles of fuzz_module for a recorded session that is played on with random calls: which TDs
 * and vCPUs there are is read from the session's own calls. One processor is in a guest, number 0.
 * What is violated is told by session_violation(), for ever. */
#ifndef FUZZ_SESSION_ORACLE_H
#define FUZZ_SESSION_ORACLE_H

#include "module/module.h"
#include "trace/player.h"

struct session;

/* NULL when memory is short. */
struct session *session_new(void);
void session_free(struct session *s);
const char *session_violation(const struct session *s); /* NULL: nothing is */

/* A new session, of which no TD is known; then each of its steps. */
void session_forget(struct session *s);
void session_note(struct session *s, const struct vec_step *step);

/* Around a call: what a refused one leaves alone, of one of the TDs. The vCPU that made it, a
 * guest's, may change. */
void session_before(struct session *s, const struct player *p, uint64_t rng);
void session_after(struct session *s, uint64_t rax, uint64_t own_tdvpr);

/* Registers that nothing else has; the guest on processor 0 has been entered by a host with `in`,
 * or has left with `guest`. */
void session_canaries(struct session *s, uint64_t rng, struct tdx_regs *r);
void session_entered(struct session *s, const struct tdx_regs *in);
void session_left(struct session *s, const struct vmexit *x, const struct tdx_regs *guest);

#endif
