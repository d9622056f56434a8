/* SPDX-License-Identifier: MIT */
/* What the host cannot show of the XSAVE family: XSAVES and XRSTORS, beside XSAVEC and XRSTOR,
 * which tests/x86_diff_image.c has beside the host; any XCR0; faults in the middle, after which
 * nothing has changed; PKRU; processors without the one or other instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "machine/splitmix.h"
#include "x86_guest.h"

enum { BV_AT = XSAVE_LEGACY_SIZE, COMP_AT = BV_AT + 8, MXCSR_AT = 24, XMM_AT = 160, IMAGE = 2752 };
enum { XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS };

static uint64_t seed = 0x2545f4914f6cdd1dull;

static uint64_t rnd(void)
{
	return splitmix_next(&seed);
}

static void fill(void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = (uint8_t)rnd();
}

static int open_guest(void **state)
{
	struct guest *g = malloc(sizeof(*g));

	*state = g;
	if (g_open(g))
		return -1;
	g->cpu->cr4 |= CR4_OSXSAVE | CR4_PKE;
	g->cpu->exception_bitmap = UINT32_MAX;
	x86_state_changed(g->cpu);
	return 0;
}

/* One instruction, with the area at RDI, and a jump to itself behind it. */
static struct x86_exit execute(struct guest *g, unsigned what, uint64_t mask, uint64_t at)
{
	static const uint8_t codes[][6] = {
		[XSAVE] = "\x48\x0f\xae\x27\xeb\xfe",  [XSAVEOPT] = "\x48\x0f\xae\x37\xeb\xfe",
		[XSAVEC] = "\x48\x0f\xc7\x27\xeb\xfe", [XSAVES] = "\x48\x0f\xc7\x2f\xeb\xfe",
		[XRSTOR] = "\x48\x0f\xae\x2f\xeb\xfe", [XRSTORS] = "\x48\x0f\xc7\x1f\xeb\xfe",
	};
	struct x86_cpu *cpu = g->cpu;
	struct x86_exit x;

	g_put(g, G_CODE, codes[what], sizeof(codes[what]));
	cpu->regs.rax = (uint32_t)mask;
	cpu->regs.rdx = mask >> 32;
	cpu->regs.rdi = at;
	cpu->rip = G_CODE;
	assert_int_equal(x86_run(cpu, &x, 2), 0);
	return x;
}

static void succeeds(struct guest *g, unsigned what, uint64_t mask, uint64_t at)
{
	assert_int_equal(execute(g, what, mask, at).reason, X86_EXIT_BUDGET);
}

static void faults(struct guest *g, unsigned what, uint64_t at, unsigned vector)
{
	const struct x86_exit x = execute(g, what, UINT64_MAX, at);

	assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(x.intr_info & 0xff, vector);
}

/* --- state --- */

struct extended {
	struct x86_fxregs fx;
	struct x86_xmm xmm[16], ymm_hi[16];
	uint8_t zmm_hi[16][32], zmm16[16][64];
	uint64_t k[8], pkru;
};

static void get(const struct guest *g, struct extended *e)
{
	const struct x86_cpu *c = g->cpu;

	memset(e, 0, sizeof(*e));
	e->fx = c->fx;
	memcpy(e->xmm, c->xmm, sizeof(e->xmm));
	memcpy(e->ymm_hi, c->ymm_hi, sizeof(e->ymm_hi));
	memcpy(e->zmm_hi, c->zmm_hi, sizeof(e->zmm_hi));
	memcpy(e->zmm16, c->zmm16, sizeof(e->zmm16));
	memcpy(e->k, c->k, sizeof(e->k));
	e->pkru = c->pkru;
}

/* Without its code and data being taken from the guest. */
static void set(struct guest *g, const struct extended *e)
{
	struct x86_cpu *c = g->cpu;

	c->fx = e->fx;
	memcpy(c->xmm, e->xmm, sizeof(e->xmm));
	memcpy(c->ymm_hi, e->ymm_hi, sizeof(e->ymm_hi));
	memcpy(c->zmm_hi, e->zmm_hi, sizeof(e->zmm_hi));
	memcpy(c->zmm16, e->zmm16, sizeof(e->zmm16));
	memcpy(c->k, e->k, sizeof(e->k));
	c->pkru = e->pkru;
	c->xused = XFAM_AVX | XFAM_AVX3 | XFAM_PK;
	x86_pkru_changed(c);
}

/* Each component is at random or initial. */
static uint64_t make(struct guest *g, struct extended *e, uint64_t initial)
{
	const uint32_t mask = g->cpu->fx.mxcsr_mask;
	unsigned i;

	fill(e, sizeof(*e));
	memset(&e->fx, 0, 32);
	e->fx.mxcsr_mask = mask;
	e->fx.fcw = FCW_INIT;
	e->fx.mxcsr = initial & XFAM_SSE ? MXCSR_RESET : 0x3fa1;
	e->pkru = (uint32_t)e->pkru & ~3u;
	for (i = 0; i < 8; i++)
		memset(&e->fx.st[i][10], 0, 6);
	if (initial & XFAM_X87)
		memset(e->fx.st, 0, sizeof(e->fx.st));
	else
		e->fx.fop = 0x123;
	if (initial & XFAM_SSE)
		memset(e->xmm, 0, sizeof(e->xmm));
	if (initial & XFAM_AVX)
		memset(e->ymm_hi, 0, sizeof(e->ymm_hi));
	if (initial & XFAM_K)
		memset(e->k, 0, sizeof(e->k));
	if (initial & XFAM_ZMM_HI)
		memset(e->zmm_hi, 0, sizeof(e->zmm_hi));
	if (initial & XFAM_ZMM16)
		memset(e->zmm16, 0, sizeof(e->zmm16));
	if (initial & XFAM_PK)
		e->pkru = 0;
	set(g, e);
	return initial;
}

/* What of a is b's: these components are, the others are not looked at. */
static void expect_equal(const struct extended *a, const struct extended *b, uint64_t components)
{
#define SAME(bit, member)                                                                          \
	if (components & (bit))                                                                    \
	assert_memory_equal(&a->member, &b->member, sizeof(a->member))
	if (components & XFAM_X87) {
		assert_memory_equal(&a->fx, &b->fx, MXCSR_AT);
		assert_memory_equal(a->fx.st, b->fx.st, sizeof(a->fx.st));
	}
	SAME(XFAM_SSE, xmm);
	SAME(XFAM_AVX, ymm_hi);
	SAME(XFAM_K, k);
	SAME(XFAM_ZMM_HI, zmm_hi);
	SAME(XFAM_ZMM16, zmm16);
	SAME(XFAM_PK, pkru);
#undef SAME
}

static const uint64_t all = XFAM_X87 | XFAM_SSE | XFAM_AVX | XFAM_AVX3 | XFAM_PK;
static const uint64_t enabled[] = {1, 3, 7, 0xe7, 0x201, 0x203, 0x207, 0x2e7};
#define ENABLED (sizeof(enabled) / sizeof(enabled[0]))

static uint64_t some(void)
{
	return rnd() % 3 ? rnd() : UINT64_MAX;
}

/* --- tests --- */

/* Whatever is enabled, asked for, in its initial state: what was saved comes back, what was not is
 * left alone. */
static void what_any_of_them_saves_a_restore_brings_back(void **state)
{
	static const struct {
		unsigned save, restore;
	} pairs[] = {{XSAVE, XRSTOR},	{XSAVEOPT, XRSTOR}, {XSAVEC, XRSTOR},
		     {XSAVEC, XRSTORS}, {XSAVES, XRSTOR},   {XSAVES, XRSTORS}};
	struct extended saved, other, now;
	struct guest *g = *state;
	unsigned n;

	for (n = 0; n < 4000; n++) {
		const unsigned k = n % 6;
		const uint64_t mask = some(), back = some();

		g->cpu->xcr0 = enabled[rnd() % ENABLED];
		x86_state_changed(g->cpu);
		memset(g->ram + G_DATA, 0, IMAGE);
		make(g, &saved, rnd() & rnd());
		succeeds(g, pairs[k].save, mask, G_DATA);
		get(g, &now);
		expect_equal(&now, &saved, all);
		make(g, &other, rnd() & rnd());
		succeeds(g, pairs[k].restore, mask & back, G_DATA);
		get(g, &now);
		expect_equal(&now, &saved, mask & back & g->cpu->xcr0);
		expect_equal(&now, &other, ~(mask & back & g->cpu->xcr0));
	}
}

static void xsaves_writes_what_xsavec_does(void **state)
{
	struct guest *g = *state;
	struct extended e;
	unsigned n;

	for (n = 0; n < 2000; n++) {
		const uint64_t mask = some();

		g->cpu->xcr0 = enabled[rnd() % ENABLED];
		x86_state_changed(g->cpu);
		make(g, &e, rnd() & rnd());
		fill(g->ram + G_DATA, IMAGE);
		memcpy(g->ram + G_DATA + 0x1000, g->ram + G_DATA, IMAGE);
		succeeds(g, XSAVEC, mask, G_DATA);
		succeeds(g, XSAVES, mask, G_DATA + 0x1000);
		assert_memory_equal(g->ram + G_DATA, g->ram + G_DATA + 0x1000, IMAGE);
	}
}

/* Bytes of a component that is not asked for, and of none, stay. */
static void nothing_else_of_the_area_is_written(void **state)
{
	static uint8_t before[IMAGE];
	struct guest *g = *state;
	struct extended e;
	unsigned i;

	g->cpu->xcr0 = all;
	x86_state_changed(g->cpu);
	make(g, &e, 0);
	fill(g->ram + G_DATA, IMAGE);
	memcpy(before, g->ram + G_DATA, IMAGE);
	*g_q(g, G_DATA + BV_AT) = XFAM_AVX;
	succeeds(g, XSAVE, XFAM_K, G_DATA);
	assert_int_equal(*g_q(g, G_DATA + BV_AT), XFAM_AVX | XFAM_K);
	for (i = 0; i < IMAGE; i++)
		if ((i < BV_AT || i >= COMP_AT) && (i < 1088 || i >= 1152))
			assert_int_equal(g->ram[G_DATA + i], before[i]);
	succeeds(g, XSAVEC, XFAM_PK, G_DATA);
	assert_int_equal(*g_q(g, G_DATA + BV_AT), XFAM_PK);
	assert_int_equal(*g_q(g, G_DATA + COMP_AT), XFAM_PK | 1ull << 63);
	assert_int_equal(*g_q(g, G_DATA + 576), e.pkru);
	for (i = COMP_AT + 8; i < 576; i++)
		assert_int_equal(g->ram[G_DATA + i], before[i]);
}

/* MXCSR alone: a part of SSE where it is saved with it, of nothing else elsewhere. */
static void mxcsr_is_in_use_as_a_part_of_sse_in_compacted_images(void **state)
{
	struct guest *g = *state;
	struct extended e;

	g->cpu->xcr0 = 7;
	x86_state_changed(g->cpu);
	make(g, &e, UINT64_MAX);
	g->cpu->fx.mxcsr = 0x1f00;
	memset(g->ram + G_DATA, 0, IMAGE);
	succeeds(g, XSAVE, 7, G_DATA);
	assert_int_equal(*g_q(g, G_DATA + BV_AT), 0);
	assert_int_equal((uint32_t)*g_q(g, G_DATA + MXCSR_AT), 0x1f00);
	succeeds(g, XSAVEC, 7, G_DATA);
	assert_int_equal(*g_q(g, G_DATA + BV_AT), XFAM_SSE);
	/* Of a standard image it is loaded with AVX alone, whatever is present. */
	memset(g->ram + G_DATA, 0, IMAGE);
	*g_q(g, G_DATA + MXCSR_AT) = 0x1f40;
	succeeds(g, XRSTOR, XFAM_AVX, G_DATA);
	assert_int_equal(g->cpu->fx.mxcsr, 0x1f40);
	*g_q(g, G_DATA + COMP_AT) = 1ull << 63 | 7;
	succeeds(g, XRSTOR, XFAM_AVX, G_DATA);
	assert_int_equal(g->cpu->fx.mxcsr, 0x1f40);
	succeeds(g, XRSTOR, XFAM_SSE, G_DATA);
	assert_int_equal(g->cpu->fx.mxcsr, MXCSR_RESET);
}

/* --- faults --- */

/* The page at G_DATA + 0x1000 is a page of its own, which is not present. */
static void take_page_away(struct guest *g)
{
	unsigned i;

	for (i = 0; i < 512; i++)
		*g_q(g, 0x8000 + i * 8) = (G_DATA + i * 0x1000ull) | (i == 1 ? 6 : 7);
	*g_pde(g, G_DATA) = 0x8000 | 7;
	x86_state_changed(g->cpu);
}

/* An image that ends in a page that is not there: the address is the first byte there that would be
 * accessed, nothing was written, nothing loaded. */
static void an_operand_across_pages_changes_all_or_nothing(void **state)
{
	static const struct {
		unsigned at;
		uint64_t mask;
		unsigned cr2; /* from the page's first byte; all: in bytes of the area */
	} of[] = {
		{0x1000 - 64, XFAM_X87, 448},	  {0x1000 - 512, XFAM_X87, 0},
		{0x1000 - 576, XFAM_AVX, 0},	  {0x1000 - 576, XFAM_ZMM_HI, 576},
		{0x1000 - 832, XFAM_ZMM16, 832},  {0x1000 - 1088, XFAM_K, 0},
		{0x1000 - 1088, XFAM_ZMM_HI, 64}, {0x1000 - 2688, XFAM_PK, 0},
		{0x1000 - 2624, XFAM_PK, 64},	  {0x1000 - 704, XFAM_AVX, 0},
	};
	static uint8_t before[0x2000];
	struct extended e, now;
	struct guest *g = *state;
	unsigned i, n;

	g->cpu->xcr0 = all;
	take_page_away(g);
	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		for (n = 0; n < 2; n++) {
			const unsigned what = n ? XRSTOR : XSAVE;
			struct x86_exit x;

			fill(g->ram + G_DATA, 0x2000);
			memset(g->ram + G_DATA + of[i].at + BV_AT, 0, 64);
			*g_q(g, G_DATA + of[i].at + BV_AT) = of[i].mask;
			*g_q(g, G_DATA + of[i].at + MXCSR_AT) = MXCSR_RESET;
			memcpy(before, g->ram + G_DATA, sizeof(before));
			make(g, &e, 0);
			x = execute(g, what, of[i].mask, G_DATA + of[i].at);
			assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
			assert_int_equal(x.intr_info & 0xff, VECTOR_PF);
			assert_int_equal(x.intr_error, n ? 0 : PF_WRITE);
			assert_int_equal(g->cpu->cr2, G_DATA + 0x1000 + of[i].cr2);
			assert_int_equal(g->cpu->rip, G_CODE);
			assert_memory_equal(g->ram + G_DATA, before, sizeof(before));
			get(g, &now);
			expect_equal(&now, &e, all);
		}
	/* What is not asked for need not be there. */
	memset(g->ram + G_DATA, 0, 0x1000);
	succeeds(g, XSAVE, XFAM_X87 | XFAM_SSE, G_DATA + 0x1000 - 576);
	succeeds(g, XRSTOR, XFAM_X87 | XFAM_SSE, G_DATA + 0x1000 - 576);
	/* nor what is in its initial state */
	make(g, &e, XFAM_AVX);
	succeeds(g, XSAVEC, XFAM_AVX, G_DATA + 0x1000 - 576);
	succeeds(g, XRSTOR, XFAM_AVX, G_DATA + 0x1000 - 576);
}

/* What is wrong with an image, as #GP; nothing was loaded. */
static void an_image_with_a_wrong_header_is_not_loaded(void **state)
{
	static const struct {
		uint64_t xcr0, bv, comp;
		unsigned at; /* of a byte that is 1 */
		uint32_t mxcsr;
		unsigned what;
		bool loads;
	} of[] = {
		{7, 7, 0, 0, 0, XRSTOR, true},
		{7, 7, 0, 0, 0, XRSTORS, false}, /* only of the compacted format */
		{3, 7, 0, 0, 0, XRSTOR, false},
		{7, 1ull << 62, 0, 0, 0, XRSTOR, false},
		{7, 7, 1, 0, 0, XRSTOR, false},
		{7, 7, 0, BV_AT + 16, 0, XRSTOR, false},
		{7, 7, 0, BV_AT + 23, 0, XRSTOR, false},
		{7, 7, 0, BV_AT + 24, 0, XRSTOR, true}, /* checked by nobody */
		{7, 7, 0, BV_AT + 63, 0, XRSTOR, true},
		{7, 3, 1ull << 63 | 7, 0, 0, XRSTOR, true},
		{7, 3, 1ull << 63 | 7, 0, 0, XRSTORS, true},
		{7, 7, 1ull << 63 | 3, 0, 0, XRSTOR, false},
		{7, 7, 1ull << 63 | 3, 0, 0, XRSTORS, false},
		{7, 3, 1ull << 63 | 0xe7, 0, 0, XRSTOR, false},
		{7, 3, 1ull << 63 | 0xe7, 0, 0, XRSTORS, false},
		{7, 3, 3ull << 62 | 7, 0, 0, XRSTORS, false},
		/* a component of IA32_XSS, which has none here */
		{7, 3, 1ull << 63 | XFAM_CET | 7, 0, 0, XRSTORS, false},
		{7, 3, 1ull << 63 | 7, BV_AT + 16, 0, XRSTOR, false},
		{7, 3, 1ull << 63 | 7, BV_AT + 24, 0, XRSTOR, false},
		{7, 3, 1ull << 63 | 7, BV_AT + 63, 0, XRSTORS, false},
		{7, 0, 0, 0, 1u << 16, XRSTOR, false}, /* MXCSR, with RFBM[1] or [2] */
		{7, 0, 0, 0, 1u << 31, XRSTOR, false},
		{1, 0, 0, 0, 1u << 16, XRSTOR, true},
		{7, 2, 1ull << 63 | 7, 0, 1u << 16, XRSTOR, false},
		{7, 5, 1ull << 63 | 7, 0, 1u << 16, XRSTOR, true}, /* not present */
		{0xe7, 0xe7, 1ull << 63 | 0xe7, 0, 0, XRSTORS, true},
		{0x2e7, 0x200, 1ull << 63 | 0x2e7, 0, 0, XRSTORS, true},
	};
	struct extended e, now;
	struct guest *g = *state;
	unsigned i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		g->cpu->xcr0 = of[i].xcr0;
		x86_state_changed(g->cpu);
		make(g, &e, 0);
		fill(g->ram + G_DATA, IMAGE);
		memset(g->ram + G_DATA + BV_AT, 0, 64);
		*g_q(g, G_DATA + BV_AT) = of[i].bv;
		*g_q(g, G_DATA + COMP_AT) = of[i].comp;
		*g_q(g, G_DATA + MXCSR_AT) = of[i].mxcsr;
		if (of[i].at)
			g->ram[G_DATA + of[i].at] = 1;
		if (of[i].loads) {
			succeeds(g, of[i].what, UINT64_MAX, G_DATA);
			continue;
		}
		faults(g, of[i].what, G_DATA, VECTOR_GP);
		get(g, &now);
		expect_equal(&now, &e, all);
		assert_int_equal(now.fx.mxcsr, e.fx.mxcsr);
	}
}

static void what_it_needs_is_asked_for_in_order(void **state)
{
	struct guest *g = *state;
	unsigned what;

	g->cpu->xcr0 = 7;
	memset(g->ram + G_DATA, 0, IMAGE);
	for (what = XSAVE; what <= XRSTORS; what++) {
		g->cpu->cr4 |= CR4_OSXSAVE;
		x86_state_changed(g->cpu);
		faults(g, what, G_DATA + 32, VECTOR_GP);
		faults(g, what, 1ull << 47, VECTOR_GP); /* not canonical */
		g->cpu->cr0 |= CR0_TS;
		x86_state_changed(g->cpu);
		faults(g, what, G_DATA + 32, VECTOR_NM);
		g->cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
		x86_state_changed(g->cpu);
		faults(g, what, G_DATA + 32, VECTOR_UD);
		g->cpu->cr0 &= ~(uint64_t)CR0_TS;
	}
	g->cpu->cr4 |= CR4_OSXSAVE;
	g_user(g, G_CODE);
	succeeds(g, XSAVE, 7, G_DATA);
	faults(g, XSAVES, G_DATA, VECTOR_GP);
	faults(g, XRSTORS, G_DATA, VECTOR_GP);
}

/* --- processors without --- */

static void hide(struct guest *g, unsigned bit)
{
	g->cpuid_all = UINT32_MAX;
	g->cpuid_odd = (struct g_cpuid_bit){0xd, 1, 0, bit};
	x86_cpuid_changed(g->cpu);
}

static void without_xsavec_no_compacted_image_is_loaded(void **state)
{
	struct guest *g = *state;

	g->cpu->xcr0 = 7;
	x86_state_changed(g->cpu);
	memset(g->ram + G_DATA, 0, IMAGE);
	*g_q(g, G_DATA + COMP_AT) = 1ull << 63 | 7;
	succeeds(g, XRSTOR, 7, G_DATA);
	hide(g, 1);
	faults(g, XRSTOR, G_DATA, VECTOR_GP);
	*g_q(g, G_DATA + COMP_AT) = 0;
	succeeds(g, XRSTOR, 7, G_DATA);
}

static unsigned xgetbv(struct guest *g, uint32_t ecx)
{
	struct x86_exit x;

	g_put(g, G_CODE, "\x0f\x01\xd0\xeb\xfe", 5);
	g->cpu->regs.rcx = ecx;
	g->cpu->rip = G_CODE;
	assert_int_equal(x86_run(g->cpu, &x, 2), 0);
	return x.reason == X86_EXIT_BUDGET ? 0 : x.intr_info & 0xff;
}

static void xgetbv_1_is_what_is_enabled_and_in_use(void **state)
{
	struct guest *g = *state;
	struct extended e;
	unsigned n;

	for (n = 0; n < 500; n++) {
		const uint64_t initial = rnd();

		g->cpu->xcr0 = enabled[rnd() % ENABLED];
		x86_state_changed(g->cpu);
		make(g, &e, initial);
		assert_int_equal(xgetbv(g, 1), 0);
		assert_int_equal(g->cpu->regs.rax, g->cpu->xcr0 & ~initial);
		assert_int_equal(xgetbv(g, 0), 0);
		assert_int_equal(g->cpu->regs.rax, g->cpu->xcr0);
	}
	assert_int_equal(xgetbv(g, 2), VECTOR_GP);
	hide(g, 2);
	assert_int_equal(xgetbv(g, 1), VECTOR_GP);
	assert_int_equal(xgetbv(g, 0), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_guest, g_close_state)
	const struct CMUnitTest tests[] = {
		T(what_any_of_them_saves_a_restore_brings_back),
		T(xsaves_writes_what_xsavec_does),
		T(nothing_else_of_the_area_is_written),
		T(mxcsr_is_in_use_as_a_part_of_sse_in_compacted_images),
		T(an_operand_across_pages_changes_all_or_nothing),
		T(an_image_with_a_wrong_header_is_not_loaded),
		T(what_it_needs_is_asked_for_in_order),
		T(without_xsavec_no_compacted_image_is_loaded),
		T(xgetbv_1_is_what_is_enabled_and_in_use),
	};

	if (getenv("SWTDX_X86_SEED"))
		seed ^= strtoull(getenv("SWTDX_X86_SEED"), NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
