/* SPDX-License-Identifier: MIT */
/* Memory for emitted code: a memfd, mapped once to be written and once to be executed, with guard
 * pages around. All system calls are made here, when the guest's processors are set up, so that a
 * process may give up the right to make them. Chunks are handed out to processors. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "x86/exec_map.h"
#include "x86/xlate.h"

#define POOL_SIZE (256u << 20)
#define CHUNKS	  (POOL_SIZE / XL_CHUNK)
/* Kept for processors that have none: what the first ones fill would leave the last to the
 * interpreter. */
#define RESERVE (CHUNKS / 4)

struct xl_pool {
	struct exec_map map;
	struct xl_stubs stubs;
	pthread_mutex_t lock;
	bool taken[CHUNKS];
	unsigned ntaken, processors;
};

struct xl_pool *xl_pool_new(bool check)
{
	struct xl_pool *pool = calloc(1, sizeof(*pool));
	struct emit e;

	if (!pool)
		return NULL;
	if (!exec_map(&pool->map, POOL_SIZE)) {
		free(pool);
		return NULL;
	}
	/* Emitted code lies far apart. A wish: most hosts give files no large pages. */
	(void)madvise(pool->map.rw, POOL_SIZE, MADV_HUGEPAGE);
	(void)madvise(pool->map.rx, POOL_SIZE, MADV_HUGEPAGE);
	pthread_mutex_init(&pool->lock, NULL);
	pool->taken[0] = true;
	pool->ntaken = 1;
	e = (struct emit){pool->map.rw, pool->map.rw + XL_CHUNK, pool->map.rx - pool->map.rw};
	xl_make_stubs(&e, &pool->stubs, check);
	return pool;
}

void xl_pool_free(struct xl_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->lock);
	exec_unmap(&pool->map);
	free(pool);
}

const struct xl_stubs *xl_pool_stubs(const struct xl_pool *pool)
{
	return &pool->stubs;
}

void xl_pool_join(struct xl_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->processors++;
	pthread_mutex_unlock(&pool->lock);
}

void xl_pool_leave(struct xl_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->processors--;
	pthread_mutex_unlock(&pool->lock);
}

static unsigned share(const struct xl_pool *pool)
{
	const unsigned of_one = pool->processors ? (CHUNKS - 1) / pool->processors : CHUNKS;

	return !of_one ? 1 : of_one < XL_CHUNKS ? of_one : XL_CHUNKS;
}

unsigned xl_pool_share(struct xl_pool *pool)
{
	unsigned chunks;

	pthread_mutex_lock(&pool->lock);
	chunks = share(pool);
	pthread_mutex_unlock(&pool->lock);
	return chunks;
}

static bool may_take(const struct xl_pool *pool, unsigned has)
{
	return !has || (has < share(pool) && pool->ntaken + RESERVE < CHUNKS);
}

uint8_t *xl_pool_take(struct xl_pool *pool, unsigned has, intptr_t *rx)
{
	uint8_t *chunk = NULL;
	unsigned i;

	*rx = pool->map.rx - pool->map.rw;
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < CHUNKS && !chunk && may_take(pool, has); i++) {
		if (pool->taken[i])
			continue;
		pool->taken[i] = true;
		pool->ntaken++;
		chunk = pool->map.rw + (size_t)i * XL_CHUNK;
	}
	pthread_mutex_unlock(&pool->lock);
	return chunk;
}

void xl_pool_give(struct xl_pool *pool, uint8_t *chunk)
{
	pthread_mutex_lock(&pool->lock);
	pool->taken[(size_t)(chunk - pool->map.rw) / XL_CHUNK] = false;
	pool->ntaken--;
	pthread_mutex_unlock(&pool->lock);
}
