/* SPDX-License-Identifier: MIT */
/* A guest's bytes, where they are in this process: all plain accesses to them.
 *
 * Its other processors, and a module or device beside them, may access the same bytes at the same
 * time. That race is the guest's, as on hardware, and loads and stores of the width that the guest
 * asked for are its outcome. So ThreadSanitizer is not to hear of these accesses, in its builds
 * functions that are not looked into; of everything else of the engine it hears. (Locked accesses
 * are atomic.) A guest's operands need not be aligned. */
#ifndef X86_GUEST_H
#define X86_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define X86_GUEST_UNWATCHED 1
#define X86_GUEST_ACCESS    __attribute__((noinline, unused, no_sanitize("thread"))) static
#else
#define X86_GUEST_UNWATCHED 0
#define X86_GUEST_ACCESS    static inline
#endif

/* x86_peek1(), x86_poke1(), and so on for 2, 4 and 8 bytes. */
#define X86_GUEST_SIZE(T, n)                                                                       \
	typedef T T##_any __attribute__((aligned(1), may_alias));                                  \
	X86_GUEST_ACCESS T x86_peek##n(const void *host)                                           \
	{                                                                                          \
		return *(const volatile T##_any *)host;                                            \
	}                                                                                          \
	X86_GUEST_ACCESS void x86_poke##n(void *host, T v)                                         \
	{                                                                                          \
		*(volatile T##_any *)host = v;                                                     \
	}
X86_GUEST_SIZE(uint8_t, 1)
X86_GUEST_SIZE(uint16_t, 2)
X86_GUEST_SIZE(uint32_t, 4)
X86_GUEST_SIZE(uint64_t, 8)

/* From a guest's bytes or to them. */
X86_GUEST_ACCESS void x86_copy(void *to, const void *from, size_t len)
{
#if X86_GUEST_UNWATCHED
	/* memcpy() is watched wherever it is called. */
	size_t i = 0;

	for (; len - i >= 8; i += 8)
		*(volatile uint64_t_any *)((uint8_t *)to + i) =
			*(const volatile uint64_t_any *)((const uint8_t *)from + i);
	for (; i < len; i++)
		((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
#else
	memcpy(to, from, len);
#endif
}

/* Are a guest's bytes these? */
X86_GUEST_ACCESS bool x86_same(const void *own, const void *guest, size_t len)
{
#if X86_GUEST_UNWATCHED
	size_t i = 0;

	while (i < len &&
	       ((const volatile uint8_t *)own)[i] == ((const volatile uint8_t *)guest)[i])
		i++;
	return i == len;
#else
	return memcmp(own, guest, len) == 0;
#endif
}

#endif
