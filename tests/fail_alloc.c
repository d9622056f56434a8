/* SPDX-License-Identifier: MIT */
/* To be preloaded: the FAIL_ALLOC-th allocation of the program has no memory. Those of OpenSSL and
 * libseccomp do not count: they do not survive all of them, and are trusted (SECURITY.md).
 * Where FAIL_ALLOC_COUNT names a file, the number of allocations is left there at the end. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC visibility push(default)

/* glibc's own, which are there before anything has been looked up. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

void *memalign(size_t align, size_t size);

#pragma GCC visibility pop

static _Atomic unsigned long calls;
static unsigned long fails;
static int count_fd = -1;

/* Where the libraries are whose allocations do not count. */
static const char *const spared[] = {"/libcrypto.", "/libseccomp."};
static struct range {
	uintptr_t from, to;
} range[sizeof(spared) / sizeof(spared[0])];

static int find_spared(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned k = 0; k < sizeof(spared) / sizeof(spared[0]); k++) {
		if (!strstr(info->dlpi_name, spared[k]))
			continue;
		for (unsigned i = 0; i < info->dlpi_phnum; i++) {
			const ElfW(Phdr) *p = &info->dlpi_phdr[i];

			if (p->p_type != PT_LOAD)
				continue;
			if (!range[k].to)
				range[k].from = info->dlpi_addr + p->p_vaddr;
			range[k].to = info->dlpi_addr + p->p_vaddr + p->p_memsz;
		}
	}
	return 0;
}

static bool refused(const void *caller)
{
	for (unsigned k = 0; k < sizeof(spared) / sizeof(spared[0]); k++)
		if ((uintptr_t)caller - range[k].from < range[k].to - range[k].from)
			return false;
	if (atomic_fetch_add(&calls, 1) + 1 != fails)
		return false;
	errno = ENOMEM;
	return true;
}

#pragma GCC visibility push(default)

void *malloc(size_t size)
{
	return refused(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return refused(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return refused(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *memalign(size_t align, size_t size)
{
	return refused(__builtin_return_address(0)) ? NULL : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

int posix_memalign(void **p, size_t align, size_t size)
{
	*p = memalign(align, size);
	return *p ? 0 : ENOMEM;
}

#pragma GCC visibility pop

__attribute__((constructor)) static void begin(void)
{
	const char *n = getenv("FAIL_ALLOC"), *file = getenv("FAIL_ALLOC_COUNT");

	if (file)
		count_fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dl_iterate_phdr(find_spared, NULL);
	/* only from here on: what the loader allocates is not the program's */
	atomic_store(&calls, 0);
	fails = n ? strtoul(n, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu\n", atomic_load(&calls));

	if (count_fd >= 0)
		(void)!write(count_fd, text, (size_t)len);
}
