/* SPDX-License-Identifier: MIT */
/* The code of forms, and memory for it: a memfd that is mapped twice, so that no page is writable
 * and executable at once, of which each processor of a guest has a part. All system calls are made
 * when the guest is set up. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "x86/exec_map.h"
#include "x86/host.h"
#include "x86/vex.h"

#define PARTS 2304u /* as many as a TD can have vCPUs of L1 and L2 */

struct vex_pool {
	uint64_t host[X86_FEATURE_WORDS];
	struct exec_map map;
	pthread_mutex_t lock;
	bool taken[PARTS];
};

struct vex_pool *vex_pool_new(void)
{
	struct vex_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	x86_host_vectors(pool->host);
	if (!(pool->host[X86_F_AVX / 64] >> X86_F_AVX % 64 & 1) ||
	    !exec_map(&pool->map, (size_t)PARTS * VEX_PART)) {
		free(pool);
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

void vex_pool_free(struct vex_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->lock);
	exec_unmap(&pool->map);
	free(pool);
}

bool vex_pool_host(const struct vex_pool *pool, enum x86_feature f)
{
	return pool && (pool->host[f / 64] >> f % 64 & 1);
}

bool vex_pool_executes(const struct vex_pool *pool, enum x86_feature f)
{
	switch (f) {
	case X86_F_VAES:
	case X86_F_VPCLMULQDQ:
	case X86_F_AVX_VNNI: /* in C where the host has them not */
		return vex_pool_host(pool, X86_F_AVX2);
	case X86_F_AVX:
	case X86_F_AVX2:
	case X86_F_FMA:
	case X86_F_F16C:
	case X86_F_AVX512F:
	case X86_F_AVX512DQ:
	case X86_F_AVX512CD:
	case X86_F_AVX512BW:
	case X86_F_AVX512VL:
	case X86_F_AVX512_IFMA:
	case X86_F_AVX512_VBMI:
	case X86_F_AVX512_VBMI2:
	case X86_F_AVX512_VNNI:
	case X86_F_AVX512_BF16:
	case X86_F_AVX512_BITALG:
	case X86_F_AVX512_VPOPCNTDQ:
	case X86_F_AVX512_FP16:
		return vex_pool_host(pool, f);
	default:
		return true;
	}
}

uint8_t *vex_pool_take(struct vex_pool *pool, intptr_t *rx)
{
	uint8_t *part = NULL;
	unsigned i;

	*rx = pool->map.rx - pool->map.rw;
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < PARTS && !part; i++) {
		if (pool->taken[i])
			continue;
		pool->taken[i] = true;
		part = pool->map.rw + (size_t)i * VEX_PART;
	}
	pthread_mutex_unlock(&pool->lock);
	return part;
}

void vex_pool_give(struct vex_pool *pool, uint8_t *part)
{
	pthread_mutex_lock(&pool->lock);
	pool->taken[(size_t)(part - pool->map.rw) / VEX_PART] = false;
	pthread_mutex_unlock(&pool->lock);
}

/* --- one form; RDI: struct vex_regs --- */

#define AT(field) rm_at(H_RDI, (int32_t)offsetof(struct vex_regs, field))

static struct host_rm slot_at(size_t field, size_t size, unsigned slot)
{
	return rm_at(H_RDI, (int32_t)(field + size * slot));
}

/* VMOVDQU of 256 or VMOVDQU64 of 512 bits, at a displacement of 4 bytes, which EVEX does not scale.
 */
static void vector(struct emit *e, const struct vex_form *f, unsigned slot, bool store)
{
	static const uint8_t evex[] = {0x62, 0xf1, 0xfe, 0x48}, vex[] = {0xc5, 0xfe};

	if (f->flags & VEX_F_WIDE)
		emit_bytes(e, evex, sizeof(evex));
	else
		emit_bytes(e, vex, sizeof(vex));
	emit1(e, store ? 0x7f : 0x6f);
	emit1(e, 0x80 | slot << 3 | H_RDI);
	emit4(e, (uint32_t)(offsetof(struct vex_regs, v) + VEX_BYTES * slot));
}

/* KMOVQ */
static void mask(struct emit *e, unsigned slot, bool store)
{
	static const uint8_t vex[] = {0xc4, 0xe1, 0xf8};

	emit_bytes(e, vex, sizeof(vex));
	emit1(e, store ? 0x91 : 0x90);
	emit1(e, 0x80 | slot << 3 | H_RDI);
	emit4(e, (uint32_t)(offsetof(struct vex_regs, k) + sizeof(uint64_t) * slot));
}

static void operand(struct emit *e, const struct vex_form *f, unsigned slot, bool store)
{
	const struct host_rm g = slot_at(offsetof(struct vex_regs, g), sizeof(uint64_t), slot);

	switch ((enum vex_class)f->cls[slot]) {
	case VEX_VECTOR:
		vector(e, f, slot, store);
		break;
	case VEX_GPR: /* RAX, RCX, RDX */
		if (store)
			emit_store(e, 8, g, slot);
		else
			emit_load(e, 8, slot, g);
		break;
	case VEX_K:
		mask(e, slot, store);
		break;
	case VEX_NONE:
		break;
	}
}

static void mxcsr(struct emit *e, bool guest)
{
	emit_op(e, 4, OPC_0F | 0xae, 3, guest ? AT(host_mxcsr) : AT(mxcsr)); /* stmxcsr */
	emit_op(e, 4, OPC_0F | 0xae, 2, guest ? AT(mxcsr) : AT(host_mxcsr)); /* ldmxcsr */
}

vex_stub *vex_stub_make(struct emit *e, const struct vex_form *f)
{
	const uint8_t *start = emit_here(e);
	vex_stub *stub;
	unsigned slot;

	for (slot = 0; slot < VEX_SLOTS; slot++)
		operand(e, f, slot, false);
	if (f->key.mask != VEX_NO_MASK)
		mask(e, VEX_IS4, false);
	emit_lea(e, 8, H_RSI, AT(mem));
	if (f->flags & VEX_F_FP)
		mxcsr(e, true);
	emit_bytes(e, f->key.insn, f->key.len);
	if (f->flags & VEX_F_FP)
		mxcsr(e, false);
	for (slot = 0; slot < VEX_SLOTS; slot++)
		if (f->writes >> slot & 1)
			operand(e, f, slot, true);
	if (f->flags & VEX_F_FLAGS) {
		emit1(e, 0x9f);					/* lahf */
		emit_op(e, 1, OPC_0F | 0x90, 0, rm_reg(H_RAX)); /* seto %al */
		emit_store(e, 2, AT(fl), H_RAX);
	}
	emit1(e, 0xc5); /* vzeroupper */
	emit1(e, 0xf8);
	emit1(e, 0x77);
	emit1(e, 0xc3);
	memcpy(&stub, &start, sizeof(stub));
	return e->p < e->end ? stub : NULL;
}
