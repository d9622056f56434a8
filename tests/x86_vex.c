/* SPDX-License-Identifier: MIT */
/* What a mask and MXCSR decide of vector instructions, one by one; the rest is compared with a host
 * by x86_diff. The engine runs them by the host's, which must have AVX-512. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86_guest.h"

#define END 0x400000u /* of memory: nothing is mapped from here on */

enum { NONE = -1, MXCSR_UE = 0x10, MXCSR_FZ = 0x8000, UNDERFLOW_UNMASKED = 0x1780 };

static bool host_can(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512bitalg");
}

static int open_guest(void **state)
{
	struct guest *g = malloc(sizeof(*g));

	*state = g;
	if (g_open(g))
		return -1;
	g->cpuid_all = UINT32_MAX;
	g->cpu->cr4 |= CR4_OSXSAVE;
	g->cpu->xcr0 = XFAM_X87 | XFAM_SSE | XFAM_AVX | XFAM_AVX3;
	g->cpu->exception_bitmap = UINT32_MAX;
	*g_pde(g, END) = 0;
	x86_state_changed(g->cpu);
	return 0;
}

/* The vector of its exception. */
static int execute(struct guest *g, const char *insn, unsigned len, uint64_t rdi, uint64_t mask)
{
	struct x86_exit x;

	g_put(g, G_CODE, insn, len);
	g_put(g, G_CODE + len, "\xeb\xfe", 2);
	g->cpu->rip = G_CODE;
	g->cpu->regs.rdi = rdi;
	g->cpu->k[1] = mask;
	g->cpu->cr2 = 0;
	assert_int_equal(x86_run(g->cpu, &x, 3), 0);
	if (x.reason == X86_EXIT_BUDGET)
		return NONE;
	assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
	return (int)(x.intr_info & 0xff);
}
#define EXECUTE(g, insn, rdi, mask) execute(g, insn, sizeof(insn) - 1, rdi, mask)

static void a_part_of_a_vector_is_stored_where_all_of_it_could_be(void **state)
{
	static const char extract[] = "\x62\xf3\x7d\x49\x39\x07\x01"; /* vextracti32x4 */
	static const char move[] = "\x62\xf1\x7c\x49\x11\x07";	      /* vmovups */
	struct guest *g = *state;

	if (!host_can())
		skip();
	assert_int_equal(EXECUTE(g, move, END - 4, 1), NONE);
	assert_int_equal(EXECUTE(g, move, END - 4, 2), VECTOR_PF);
	assert_int_equal(EXECUTE(g, extract, END - 16, 1), NONE);
	assert_int_equal(EXECUTE(g, extract, END - 12, 1), VECTOR_PF);
	assert_int_equal(g->cpu->cr2, END);
	assert_int_equal(EXECUTE(g, extract, END, 0), VECTOR_PF);
}

static void vpshufbitqmb_reads_the_bytes_that_its_mask_has(void **state)
{
	static const char shuffle[] = "\x62\xf2\x7d\x49\x8f\x17";
	struct guest *g = *state;

	if (!host_can())
		skip();
	/* Bit 3 of each quadword, by the last byte there is; the others are not looked at. */
	g->cpu->xmm[0] = (struct x86_xmm){{8, 0}};
	*g_q(g, END - 8) = 3ull << 56;
	assert_int_equal(EXECUTE(g, shuffle, END - 8, 0x80), NONE);
	assert_int_equal(g->cpu->k[2], 0x80);
	assert_int_equal(EXECUTE(g, shuffle, END - 8, 0x100), VECTOR_PF);
	assert_int_equal(EXECUTE(g, shuffle, END, 0), NONE);
}

static void what_vreduce_leaves_is_no_underflow(void **state)
{
	static const char reduce[] = "\x62\xf3\xed\x08\x57\xc1\x0b";
	const uint64_t tiny = 0xf3515aab00;
	struct guest *g = *state;

	if (!host_can())
		skip();
	for (unsigned fz = 0; fz < 2; fz++) {
		g->cpu->fx.mxcsr = UNDERFLOW_UNMASKED | (fz ? MXCSR_FZ : 0);
		g->cpu->xmm[1] = (struct x86_xmm){{tiny, 0}};
		g->cpu->xmm[0] = g->cpu->xmm[2] = (struct x86_xmm){{0, 0}};
		assert_int_equal(EXECUTE(g, reduce, 0, 0), NONE);
		/* FZ flushes what is a masked underflow. */
		assert_int_equal(g->cpu->xmm[0].q[0], tiny);
		assert_int_equal(g->cpu->fx.mxcsr & MXCSR_UE, 0);
	}
}

static void what_vrcp14_approximates_is_flushed_by_fz_alone(void **state)
{
	static const char reciprocal[] = "\x62\xf2\x6d\x08\x4d\xc1";
	struct guest *g = *state;

	if (!host_can())
		skip();
	for (unsigned fz = 0; fz < 2; fz++) {
		g->cpu->fx.mxcsr = UNDERFLOW_UNMASKED | (fz ? MXCSR_FZ : 0);
		g->cpu->xmm[1] = (struct x86_xmm){{0x7f000000, 0}};
		g->cpu->xmm[2] = (struct x86_xmm){{0, 0}};
		assert_int_equal(EXECUTE(g, reciprocal, 0, 0), NONE);
		assert_int_equal(g->cpu->xmm[0].q[0], fz ? 0 : 0x400000);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_guest, g_close_state)
	const struct CMUnitTest tests[] = {
		T(a_part_of_a_vector_is_stored_where_all_of_it_could_be),
		T(vpshufbitqmb_reads_the_bytes_that_its_mask_has),
		T(what_vreduce_leaves_is_no_underflow),
		T(what_vrcp14_approximates_is_flushed_by_fz_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
