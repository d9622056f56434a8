/* SPDX-License-Identifier: MIT */
/* A second stack for a function, entered and left at will; known to the sanitizers. */
#ifndef ENGINE_NATIVE_FIBER_H
#define ENGINE_NATIVE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber {
	void *sp;
	void *stack; /* NULL: a thread's own stack */
	size_t size;
	bool started;
	void (*fn)(void *arg);
	void *arg;
	/* sanitizers' bookkeeping */
	void *tsan;
	void *fake_stack;
	const void *bottom;
	size_t bottom_size;
	struct fiber *from;
};

/* A stack that will run fn(arg), which never returns. False: out of memory. */
bool fiber_init(struct fiber *f, size_t size, void (*fn)(void *arg), void *arg);
void fiber_free(struct fiber *f);
/* Forget what it was doing: the same stack, zeroed, will run fn(arg) anew. Nobody may be on it. */
void fiber_rearm(struct fiber *f);
/* The calling thread itself, to be switched from. */
void fiber_host_init(struct fiber *f);
/* Leave `from` (the stack we are on), go on in `to`. */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
