/* SPDX-License-Identifier: MIT */
/* Memory for emitted code: a memfd, mapped once to be written and once to be executed, with guard
 * pages around. All system calls are made here, when the guest's processors are set up, so that a
 * process may give up the right to make them. Chunks are handed out to processors. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "x86/xlate.h"

#define POOL_SIZE (256u << 20)
#define CHUNKS	  (POOL_SIZE / XL_CHUNK)
#define GUARD	  (64u << 10)
#define LARGE	  (2u << 20)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

struct xl_pool {
	uint8_t *rw, *rx; /* first bytes behind the guards */
	struct xl_stubs stubs;
	pthread_mutex_t lock;
	bool taken[CHUNKS];
};

/* Address space for the pool that begins at a large page, with nothing in it on either side. */
static uint8_t *reserve(void)
{
	const size_t size = POOL_SIZE + 2 * GUARD;
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

static void release(uint8_t *p)
{
	if (p)
		munmap(p - GUARD, POOL_SIZE + 2 * GUARD);
}

static bool map_twice(struct xl_pool *pool)
{
	int fd = memfd_create("swtdx-code", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	bool done;

	if (fd < 0)
		fd = memfd_create("swtdx-code", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	pool->rw = reserve();
	pool->rx = reserve();
	done = pool->rw && pool->rx && ftruncate(fd, POOL_SIZE) == 0 &&
	       mmap(pool->rw, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
		       MAP_FAILED &&
	       mmap(pool->rx, POOL_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) !=
		       MAP_FAILED;
	close(fd);
	/* Emitted code lies far apart. A wish: most hosts give files no large pages. */
	if (done) {
		(void)madvise(pool->rw, POOL_SIZE, MADV_HUGEPAGE);
		(void)madvise(pool->rx, POOL_SIZE, MADV_HUGEPAGE);
	}
	return done;
}

struct xl_pool *xl_pool_new(bool check)
{
	struct xl_pool *pool = calloc(1, sizeof(*pool));
	struct emit e;

	if (!pool)
		return NULL;
	if (!map_twice(pool)) {
		release(pool->rw);
		release(pool->rx);
		free(pool);
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pool->taken[0] = true;
	e = (struct emit){pool->rw, pool->rw + XL_CHUNK, pool->rx - pool->rw};
	xl_make_stubs(&e, &pool->stubs, check);
	return pool;
}

void xl_pool_free(struct xl_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->lock);
	release(pool->rw);
	release(pool->rx);
	free(pool);
}

const struct xl_stubs *xl_pool_stubs(const struct xl_pool *pool)
{
	return &pool->stubs;
}

uint8_t *xl_pool_take(struct xl_pool *pool, intptr_t *rx)
{
	uint8_t *chunk = NULL;
	unsigned i;

	*rx = pool->rx - pool->rw;
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < CHUNKS && !chunk; i++) {
		if (pool->taken[i])
			continue;
		pool->taken[i] = true;
		chunk = pool->rw + (size_t)i * XL_CHUNK;
	}
	pthread_mutex_unlock(&pool->lock);
	return chunk;
}

void xl_pool_give(struct xl_pool *pool, uint8_t *chunk)
{
	pthread_mutex_lock(&pool->lock);
	pool->taken[(size_t)(chunk - pool->rw) / XL_CHUNK] = false;
	pthread_mutex_unlock(&pool->lock);
}
