/* SPDX-License-Identifier: MIT */
/* XSAVE, XSAVEOPT, XSAVEC, XRSTOR and XGETBV(1) beside the host: both formats, any components of
 * those enabled, headers that are wrong, operands that end past the last page.
 *
 * XSAVES and XRSTORS are privileged: tests/x86_xsave.c compares them with XSAVEC and XRSTOR. */
#include <cpuid.h>
#include "x86_diff.h"
#include "x86/xstate.h"

#define DATA  (NATIVE_DATA_PAGES * PAGE)
#define LEAF  0xdu
#define EDI   7u
#define LARGE 4096u /* no image is larger */

enum { BV_AT = XSAVE_LEGACY_SIZE, COMP_AT = BV_AT + 8, MXCSR_AT = 24, XMM_AT = 160 };

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

bool image_open(struct world *w)
{
	uint32_t a, b, c = 0, d;
	unsigned i;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	w->host_xcr0 = xgetbv0();
	for (i = 2; i < X86_XPLACES; i++)
		if ((w->host_xcr0 >> i & 1) && __get_cpuid_count(LEAF, i, &a, &b, &c, &d))
			w->cpu->xplace[i] =
				(struct x86_xplace){(uint16_t)b, (uint16_t)a, (c & 2) != 0};
	return true;
}

void image_generate(struct world *w, uint8_t *b)
{
	static const struct {
		uint8_t opcode, ext;
	} of[] = {{0xae, 4}, {0xae, 6}, {0xc7, 4}, {0xae, 5}, {0xae, 5}};
	const unsigned k = (unsigned)(rnd(w) % (sizeof(of) / sizeof(of[0])));

	if (!w->native.compat && rnd(w) % 2)
		*b++ = 0x48;
	*b++ = 0x0f;
	*b++ = of[k].opcode;
	*b = (uint8_t)(of[k].ext << 3 | EDI);
}

/* Bits that are nobody's: not enabled on the host, nor here. */
static uint64_t nobodys(struct world *w)
{
	uint64_t bit;

	do {
		bit = 1ull << rnd(w) % 62;
	} while (bit & (w->host_xcr0 | w->cpu->xcr0));
	return bit;
}

static uint64_t some(struct world *w)
{
	return rnd(w) % 4 ? rnd(w) & w->cpu->xcr0 : w->cpu->xcr0;
}

static void spoil(struct world *w, uint64_t header[8], uint8_t *image)
{
	static const uint32_t reserved = 0xffff0000;

	switch (rnd(w) % 6) {
	case 0:
		header[0] |= nobodys(w);
		break;
	case 1:
		header[1] |= nobodys(w);
		break;
	case 2:
		header[1] ^= header[1] >> 63 ? header[0] & -header[0] : 1ull << rnd(w) % 3;
		break;
	case 3:
		header[2] = 1ull << rnd(w) % 64;
		break;
	case 4: /* of the standard format this is nobody's business */
		header[3 + rnd(w) % 5] = 1ull << rnd(w) % 64;
		break;
	default:
		memcpy(image + MXCSR_AT, &reserved, 4);
		break;
	}
}

static void put_image(struct world *w, bool good)
{
	uint64_t header[8] = {0};
	uint8_t image[LARGE];
	unsigned i, room;

	for (i = 0; i < LARGE; i += 8) {
		const uint64_t v = rnd(w);

		memcpy(image + i, &v, 8);
	}
	random_fx(w, image);
	header[0] = some(w);
	if (rnd(w) % 2) {
		header[1] = some(w) | 1ull << 63;
		header[0] &= header[1];
	}
	if (!good)
		spoil(w, header, image);
	memcpy(image + BV_AT, header, sizeof(header));
	room = DATA - (unsigned)(w->place - (uintptr_t)w->native.data);
	memcpy(w->native.data + (DATA - room), image, room < LARGE ? room : LARGE);
}

static void make_initial(struct world *w, struct native_state *st)
{
	struct x86_fxregs *f = (struct x86_fxregs *)(void *)st->fx;
	const uint64_t which = rnd(w) & rnd(w);
	unsigned i;

	if (which & XFAM_X87) {
		memset(f, 0, 24);
		memset(f->st, 0, sizeof(f->st));
		f->fcw = FCW_INIT;
	}
	if (which & XFAM_PK) /* of no use here */
		f->mxcsr = 0x1f80;
	for (i = 0; i < 16; i++) {
		if (which & XFAM_SSE)
			memset(st->zmm[i], 0, 16);
		if (which & XFAM_AVX)
			memset(st->zmm[i] + 16, 0, 16);
		if (which & XFAM_ZMM_HI)
			memset(st->zmm[i] + 32, 0, 32);
		if (which & XFAM_ZMM16)
			memset(st->zmm[i + 16], 0, 64);
		memcpy(st->fx + XMM_AT + 16 * i, st->zmm[i], 16);
	}
	if (which & XFAM_K)
		memset(st->k, 0, sizeof(st->k));
}

void image_aim(struct world *w, const ZydisDecodedInstruction *in, struct native_state *st)
{
	const bool past = rnd(w) % 5 == 0, askew = !past && rnd(w) % 10 == 0;
	unsigned at = 64 * (unsigned)(rnd(w) % ((DATA - LARGE) / 64));

	if (past)
		at = DATA - 64 * (unsigned)(1 + rnd(w) % 44);
	if (askew)
		at += 1 + (unsigned)(rnd(w) % 63);
	w->place = (uintptr_t)w->native.data + at;
	st->regs.rdi = w->place;
	st->regs.rax = (rnd(w) % 4 ? rnd(w) : UINT32_MAX) & ~(w->host_xcr0 & ~w->cpu->xcr0);
	st->regs.rdx = rnd(w) % 2 ? 0 : rnd(w) & ~(w->host_xcr0 >> 32);
	if (w->native.compat) {
		st->regs.rax = (uint32_t)st->regs.rax;
		st->regs.rdx = (uint32_t)st->regs.rdx;
	}
	make_initial(w, st);
	if (in->mnemonic == ZYDIS_MNEMONIC_XRSTOR || in->mnemonic == ZYDIS_MNEMONIC_XRSTOR64)
		put_image(w, past || askew || rnd(w) % 3);
}

static uint64_t word_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void image_settle(struct world *w, const ZydisDecodedInstruction *in, const struct native_state *st)
{
	const uint64_t asked = (st->regs.rdx << 32 | (uint32_t)st->regs.rax) & w->cpu->xcr0;
	const uint64_t at = w->place - (uintptr_t)w->native.data;
	bool compact = false;
	uint64_t host, spare;
	unsigned i;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_XSAVEC:
	case ZYDIS_MNEMONIC_XSAVEC64:
		compact = true;
		break;
	case ZYDIS_MNEMONIC_XSAVE:
	case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEOPT:
	case ZYDIS_MNEMONIC_XSAVEOPT64:
		break;
	default:
		return;
	}
	host = word_at(w->native.data + at + BV_AT);
	spare = host & ~word_at(w->ram + PAGE + at + BV_AT) & asked & ~x86_xinuse(w->cpu);
	host &= ~spare;
	memcpy(w->native.data + at + BV_AT, &host, sizeof(host));
	if (in->mnemonic == ZYDIS_MNEMONIC_XSAVE || in->mnemonic == ZYDIS_MNEMONIC_XSAVE64)
		return;
	if (spare & XFAM_X87) {
		forget(w, w->place, MXCSR_AT);
		forget(w, w->place + 32, 128);
	}
	if (spare & XFAM_SSE) {
		forget(w, w->place + XMM_AT, 256);
		if (compact)
			forget(w, w->place + MXCSR_AT, 8);
	}
	for (i = 2; i < X86_XPLACES; i++)
		if (spare >> i & 1)
			forget(w, w->place + x86_xoffset(w->cpu, i, asked, compact),
			       w->cpu->xplace[i].size);
}

void image_in_use(struct world *w)
{
	static const uint8_t xgetbv[] = {0x0f, 0x01, 0xd0};
	struct x86_cpu *cpu = w->cpu;
	uint32_t a = 0, b, c, d;
	unsigned n;

	if (!__get_cpuid_count(LEAF, 1, &a, &b, &c, &d) || !(a >> 2 & 1))
		skip();
	for (n = 0; n < 3000; n++) {
		struct native_state st = {.rflags = 2, .regs.rcx = 1};
		struct native_fault fault;
		struct x86_exit exit;
		uint64_t host, ours;
		unsigned i, k;

		random_fx(w, st.fx);
		for (i = 0; i < 32; i++)
			for (k = 0; k < 64; k++)
				st.zmm[i][k] = (uint8_t)rnd(w);
		st.k[3] = rnd(w);
		make_initial(w, &st);
		memcpy(&cpu->fx, st.fx, sizeof(cpu->fx));
		memcpy(cpu->xmm, st.fx + XMM_AT, 256);
		set_vectors(w, &st);
		cpu->regs = st.regs;
		cpu->rip = (uintptr_t)w->native.code + NATIVE_INSN;
		memcpy(w->ram + NATIVE_INSN, xgetbv, sizeof(xgetbv));
		x86_code_written(w->code, w->ram);
		native_run(&w->native, xgetbv, sizeof(xgetbv), &st, &fault);
		assert_int_equal(fault.vector, -1);
		assert_int_equal(x86_run(cpu, &exit, 1), 0);
		assert_int_equal(exit.reason, X86_EXIT_BUDGET);
		host = st.regs.rdx << 32 | (uint32_t)st.regs.rax;
		ours = cpu->regs.rdx << 32 | (uint32_t)cpu->regs.rax;
		if (ours & ~host)
			fail_msg("XGETBV(1): host %#llx, engine %#llx, MXCSR %#x",
				 (unsigned long long)host, (unsigned long long)ours, cpu->fx.mxcsr);
	}
}
