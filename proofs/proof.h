/* SPDX-License-Identifier: MIT */
/* What a proof is written in: CBMC looks for values of `any` for which a `prove` fails. */
#ifndef PROOFS_PROOF_H
#define PROOFS_PROOF_H

#include <stddef.h>

#ifndef __CPROVER__ /* scripts/prove --compile */
void __CPROVER_assume(_Bool what);
void __CPROVER_assert(_Bool what, const char *text);
void __CPROVER_havoc_slice(void *object, size_t size);
void __CPROVER_array_copy(void *to, const void *from);
_Bool __CPROVER_equal(); /* of any type */
#endif

/* Of any value: the checker chooses. */
#define any(object, size) __CPROVER_havoc_slice(object, size)
/* The same of an object with a name, which costs less: what is not initialised is any value. */
#define any_of(object)                                                                             \
	do {                                                                                       \
		__typeof__(object) fresh;                                                          \
		(object) = fresh;                                                                  \
	} while (0)
#define assume(what) __CPROVER_assume(what)
#define prove(what)  __CPROVER_assert(what, #what)
/* Must be seen to fail: what stands before it can happen. */
#define reached() __CPROVER_assert(0, "reached")
/* No execution of interest goes on from here. */
#define impossible() __CPROVER_assume(0)

#endif
