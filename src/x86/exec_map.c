/* SPDX-License-Identifier: MIT */
#include "x86/exec_map.h"

#include <sys/mman.h>
#include <unistd.h>

#define GUARD (64u << 10)
#define LARGE (2u << 20)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

/* Address space that begins at a large page, with nothing in it on either side. */
static uint8_t *reserve(size_t bytes)
{
	const size_t size = bytes + 2 * GUARD;
	uint8_t *p = mmap(NULL, size + LARGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = -((uintptr_t)p + GUARD) & (LARGE - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + size, LARGE - before);
	return p + before + GUARD;
}

static void release(uint8_t *p, size_t size)
{
	if (p)
		munmap(p - GUARD, size + 2 * GUARD);
}

bool exec_map(struct exec_map *m, size_t size)
{
	int fd = memfd_create("swtdx-code", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	bool done;

	*m = (struct exec_map){.size = size};
	if (fd < 0)
		fd = memfd_create("swtdx-code", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	m->rw = reserve(size);
	m->rx = reserve(size);
	done = m->rw && m->rx && ftruncate(fd, (off_t)size) == 0 &&
	       mmap(m->rw, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
		       MAP_FAILED &&
	       mmap(m->rx, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) !=
		       MAP_FAILED;
	close(fd);
	if (!done)
		exec_unmap(m);
	return done;
}

void exec_unmap(struct exec_map *m)
{
	release(m->rw, m->size);
	release(m->rx, m->size);
	m->rw = m->rx = NULL;
}
