/* SPDX-License-Identifier: MIT */
/* The forms of a processor: found by what makes them one, made when first met, forgotten together
 * when there is no room for another. */
#include <errno.h>
#include <stdlib.h>
#include "x86/vex.h"

#define FORMS	2048u
#define BUCKETS 4096u

struct x86_vex {
	struct vex_pool *pool;
	uint8_t *part;
	struct emit e;
	unsigned n;
	uint16_t bucket[BUCKETS]; /* 0: none, else a form's number and 1 */
	struct vex_form form[FORMS];
};

int x86_vex_open(struct x86_cpu *cpu)
{
	struct vex_pool *pool = x86_code_vex(cpu->code);
	struct x86_vex *x;
	intptr_t rx;

	if (!pool)
		return 0;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->pool = pool;
	x->part = vex_pool_take(pool, &rx);
	if (!x->part) {
		free(x);
		return -ENOMEM;
	}
	x->e = (struct emit){x->part, x->part + VEX_PART, rx};
	cpu->vex = x;
	return 0;
}

void x86_vex_close(struct x86_cpu *cpu)
{
	if (!cpu->vex)
		return;
	vex_pool_give(cpu->vex->pool, cpu->vex->part);
	free(cpu->vex);
}

bool vex_host_has(const struct x86_cpu *cpu, enum x86_feature f)
{
	return cpu->vex && vex_pool_host(cpu->vex->pool, f);
}

bool vex_executes(const struct x86_cpu *cpu, enum x86_feature f)
{
	return vex_pool_executes(cpu->vex ? cpu->vex->pool : NULL, f);
}

static unsigned hash(const struct vex_key *key)
{
	const uint8_t *p = (const uint8_t *)key;
	uint32_t h = 2166136261u;
	unsigned i;

	for (i = 0; i < sizeof(*key); i++)
		h = (h ^ p[i]) * 16777619u;
	return (h ^ h >> 15) & (BUCKETS - 1);
}

const struct vex_form *vex_form(struct x86_cpu *cpu, const struct vex_form *like)
{
	struct x86_vex *x = cpu->vex;
	struct vex_form *f;
	unsigned h = hash(&like->key);

	for (; x->bucket[h]; h = (h + 1) & (BUCKETS - 1)) {
		f = &x->form[x->bucket[h] - 1u];
		if (memcmp(&f->key, &like->key, sizeof(f->key)) == 0)
			return f;
	}
	if (x->n == FORMS)
		return NULL;
	f = &x->form[x->n];
	*f = *like;
	if (like->key.len) {
		f->run = vex_stub_make(&x->e, f);
		if (!f->run)
			return NULL;
	}
	x->bucket[h] = (uint16_t)++x->n;
	return f;
}

OP(x86_vex_full)
{
	struct x86_vex *x = cpu->vex;

	x86_at(cpu, op);
	cpu->cur = NULL;
	x86_cache_drop_all(cpu);
	x->e.p = x->part;
	x->n = 0;
	memset(x->bucket, 0, sizeof(x->bucket));
	longjmp(cpu->jb, JMP_AGAIN);
}
