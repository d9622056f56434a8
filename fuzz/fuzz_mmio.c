/* SPDX-License-Identifier: MIT */
/* The decoder of MMIO instructions on arbitrary bytes: it reads no further than it may, says
 * nothing that makes no sense, and agrees with Zydis on every input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "port/guest_native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_size(unsigned n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static void sensible(const struct tdg_insn *i, size_t len)
{
	must(i->length > 1 && i->length <= 15 && i->length <= len);
	must(is_size(i->mem_size) && is_size(i->reg_size) && i->mem_size <= i->reg_size);
	must(i->kind == TDG_INSN_WRITE_IMM ? i->reg == TDG_NO_REG : i->reg < 16);
	must(!i->high_byte || (i->reg < 4 && i->reg_size == 1));
	must(i->base < 16 || i->base == TDG_REG_RIP || i->base == TDG_NO_REG);
	must(i->index == TDG_NO_REG ? !i->scale : i->index < 16 && is_size(i->scale));
	must(i->index != 4);
}

static bool same(const struct tdg_insn *a, const struct tdg_insn *b)
{
	return a->kind == b->kind && a->length == b->length && a->mem_size == b->mem_size &&
	       a->reg_size == b->reg_size && a->reg == b->reg && a->high_byte == b->high_byte &&
	       a->imm == b->imm && a->base == b->base && a->index == b->index &&
	       a->scale == b->scale && a->address32 == b->address32 && a->segment == b->segment &&
	       a->disp == b->disp;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdg_insn own, zydis;
	uint8_t *bytes;
	bool ok;

	/* On the heap, so that a read too far is seen. More than 15 bytes are never there. */
	size = size < 15 ? size : 15;
	bytes = malloc(size ? size : 1);
	if (size)
		memcpy(bytes, data, size);
	ok = tdg_decode_mmio(bytes, size, &own);
	must(ok == guest_decode_zydis(bytes, size, &zydis));
	if (ok) {
		sensible(&own, size);
		must(same(&own, &zydis));
		/* Its own bytes are enough, and one less is not. */
		must(tdg_decode_mmio(bytes, own.length, &zydis) && same(&own, &zydis));
		must(!tdg_decode_mmio(bytes, own.length - 1u, &zydis));
	}
	free(bytes);
	return 0;
}
