/* SPDX-License-Identifier: MIT */
/* Protection keys of user pages (SDM vol. 3, 4.6.2): every access by every privilege with every
 * PKRU, against the rule written down anew; and that the TLB keeps nothing which PKRU took away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "x86_guest.h"

#define TABLE 0x8000u /* the page table of G_DATA's 2 MiB */
#define PAGE  0x3000u /* of it: the page that is accessed */
#define AT    (G_DATA + PAGE + 0x100)
#define KEY   (1ull << PTE_KEY_AT)

enum access { READ, WRITE, FETCH, ACCESSES };

struct given {
	bool user, wp, smap, ac, pke, page_user, page_write;
	unsigned key;
	uint32_t pkru;
	enum access access;
};

static int open_guest(void **state)
{
	struct guest *g = malloc(sizeof(*g));
	unsigned i;

	*state = g;
	if (g_open(g))
		return -1;
	g->cpu->exception_bitmap = UINT32_MAX;
	for (i = 0; i < 512; i++)
		*g_q(g, TABLE + i * 8) = (G_DATA + i * 0x1000ull) | 7;
	*g_pde(g, G_DATA) = TABLE | 7;
	return 0;
}

/* What the SDM says: the error code, or -1. */
static int expected(const struct given *c)
{
	const unsigned bits = c->pkru >> 2 * c->key & 3;
	const bool data = c->access != FETCH, write = c->access == WRITE;
	bool denied = false, key = false;

	if (c->user && !c->page_user)
		denied = true;
	if (!c->user && c->page_user && data && c->smap && !c->ac)
		denied = true;
	if (write && !c->page_write && (c->user || c->wp))
		denied = true;
	if (c->pke && c->page_user && data)
		key = (bits & 1) || (write && (bits & 2) && (c->user || c->wp));
	if (!denied && !key)
		return -1;
	return (int)(PF_PRESENT | (write ? PF_WRITE : 0) | (c->user ? PF_USER : 0) |
		     (c->access == FETCH ? PF_FETCH : 0) | (key ? PF_PK : 0));
}

static void arrange(struct guest *g, const struct given *c)
{
	struct x86_cpu *cpu = g->cpu;

	*g_q(g, TABLE + (PAGE >> 12) * 8) = (G_DATA + PAGE) | 1 | (c->page_write ? PTE_W : 0) |
					    (c->page_user ? PTE_U : 0) | c->key * KEY;
	/* The code's own page is the user's or not, as SMEP does not matter here. */
	cpu->cr0 = (cpu->cr0 & ~(uint64_t)CR0_WP) | (c->wp ? CR0_WP : 0);
	cpu->cr4 = (cpu->cr4 & ~(uint64_t)(CR4_SMAP | CR4_PKE)) | (c->smap ? CR4_SMAP : 0) |
		   (c->pke ? CR4_PKE : 0);
	g_seg(g, X86_CS, c->user ? G_UCS : G_CS64);
	g_seg(g, X86_SS, c->user ? G_UDS : G_DS);
	x86_state_changed(cpu);
	x86_set_rflags(cpu, 2 | (c->ac ? RFLAGS_AC : 0));
}

/* mov (%rdi), %rax; or mov %rax, (%rdi); or a jump there, to a jump back. */
static int touch(struct guest *g, enum access access)
{
	static const uint8_t codes[ACCESSES][5] = {"\x48\x8b\x07\xeb\xfe", "\x48\x89\x07\xeb\xfe",
						   "\xff\xe7\x90\xeb\xfe"};
	struct x86_exit x;

	g_put(g, G_CODE, codes[access], 5);
	g_put(g, AT, "\xeb\xfe", 2);
	g->cpu->regs.rdi = AT;
	g->cpu->regs.rax = 0xfeeb; /* stays code */
	g->cpu->rip = G_CODE;
	assert_int_equal(x86_run(g->cpu, &x, 3), 0);
	if (x.reason == X86_EXIT_BUDGET)
		return -1;
	assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(x.intr_info & 0xff, VECTOR_PF);
	assert_int_equal(g->cpu->cr2, AT);
	return (int)x.intr_error;
}

static void write_pkru(struct guest *g, uint32_t v)
{
	g->cpu->pkru = v;
	x86_pkru_changed(g->cpu);
}

static void expect(struct guest *g, const struct given *c, const char *when)
{
	const int want = expected(c), got = touch(g, c->access);

	if (want != got)
		fail_msg("%s: user %d wp %d smap %d ac %d pke %d, page user %d writable %d key %u "
			 "pkru %#x access %d: error %#x, expected %#x",
			 when, c->user, c->wp, c->smap, c->ac, c->pke, c->page_user, c->page_write,
			 c->key, c->pkru, c->access, (unsigned)got, (unsigned)want);
}

static void every_access_is_allowed_as_the_manual_has_it(void **state)
{
	static const unsigned keys[] = {0, 1, 15};
	struct guest *g = *state;
	unsigned n, k, bits;

	for (n = 0; n < 3u << 7; n++)
		for (k = 0; k < 3; k++)
			for (bits = 0; bits < 4; bits++) {
				struct given c = {.user = n & 1,
						  .wp = n & 2,
						  .smap = n & 4,
						  .ac = n & 8,
						  .pke = n & 16,
						  .page_user = n & 32,
						  .page_write = n & 64,
						  .key = keys[k],
						  .access = n >> 7};
				const uint32_t pkru = bits << 2 * c.key;

				arrange(g, &c);
				write_pkru(g, 0);
				expect(g, &c, "with all rights"); /* the TLB has it, if it may */
				write_pkru(g, c.pkru = pkru);
				expect(g, &c, "with what was taken away");
				write_pkru(g, c.pkru = ~(3u << 2 * c.key) | pkru);
				expect(g, &c, "with nothing for other keys");
				write_pkru(g, c.pkru = 0);
				expect(g, &c, "given back");
			}
}

/* As a program does it, from block to block: WRPKRU takes away, and the next access faults. */
static void wrpkru_takes_effect_at_once(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x89, 0x07,	      /* mov %rax, (%rdi) */
		0xb8, 0x08, 0x00, 0x00, 0x00, /* mov $8, %eax: no writes with key 1 */
		0x31, 0xc9, 0x31, 0xd2,	      /* xor %ecx, %ecx; xor %edx, %edx */
		0x0f, 0x01, 0xef,	      /* wrpkru */
		0x48, 0x8b, 0x1f,	      /* mov (%rdi), %rbx */
		0x48, 0x89, 0x07,	      /* mov %rax, (%rdi) */
	};
	const struct given c = {
		.user = true, .pke = true, .page_user = true, .page_write = true, .key = 1};
	struct guest *g = *state;
	struct x86_exit x;
	unsigned i;

	arrange(g, &c);
	g_put(g, G_CODE, code, sizeof(code));
	for (i = 0; i < 3; i++) {
		write_pkru(g, 0);
		g->cpu->regs.rdi = AT;
		g->cpu->regs.rax = 0x1234 + i;
		g->cpu->rip = G_CODE;
		assert_int_equal(x86_run(g->cpu, &x, 100), 0);
		assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
		assert_int_equal(x.intr_error, PF_PRESENT | PF_WRITE | PF_USER | PF_PK);
		assert_int_equal(g->cpu->rip, G_CODE + 18);
		assert_int_equal(g->cpu->regs.rbx, 0x1234 + i);
	}
}

/* XRSTOR writes PKRU as well, and makes it 0 where the image has none. */
static void xrstor_takes_effect_at_once(void **state)
{
	const struct given c = {
		.user = true, .pke = true, .page_user = true, .page_write = true, .key = 2};
	struct guest *g = *state;
	struct x86_exit x;
	unsigned i;

	g->cpu->cr4 |= CR4_OSXSAVE;
	g->cpu->xcr0 = XFAM_X87 | XFAM_PK;
	arrange(g, &c);
	for (i = 0; i < 2; i++) {
		assert_int_equal(touch(g, READ), i ? (int)(PF_PRESENT | PF_USER | PF_PK) : -1);
		g_put(g, G_CODE, "\x0f\xae\x2e\xeb\xfe", 5); /* xrstor (%rsi) */
		memset(g->ram + G_DATA + 0x8000, 0, 0x1000);
		*g_q(g, G_DATA + 0x8000 + 512) = i ? 0 : XFAM_PK;
		*g_q(g, G_DATA + 0x8000 + 2688) = 0xffffffff00000010;
		g->cpu->regs.rax = XFAM_PK;
		g->cpu->regs.rdx = 0;
		g->cpu->regs.rsi = G_DATA + 0x8000;
		g->cpu->rip = G_CODE;
		assert_int_equal(x86_run(g->cpu, &x, 2), 0);
		assert_int_equal(x.reason, X86_EXIT_BUDGET);
		assert_int_equal(g->cpu->pkru, i ? 0 : 0x10);
	}
	assert_int_equal(touch(g, READ), -1);
}

/* The processor's own accesses, of the stack of an event at CPL 3 for one, obey the key too. */
static void a_user_page_with_the_kernels_stack_obeys_its_key(void **state)
{
	const struct given c = {.user = true,
				.wp = true,
				.pke = true,
				.page_user = true,
				.page_write = true,
				.key = 3};
	struct guest *g = *state;
	struct x86_exit x;

	arrange(g, &c);
	g->cpu->exception_bitmap = 1u << VECTOR_PF;
	*g_q(g, G_TSS + 4) = G_DATA + PAGE + 0x800; /* RSP0 */
	g_gate(g, VECTOR_UD, G_CODE + 0x800, 0, 0);
	g_put(g, G_CODE, "\x0f\x0b", 2);
	g_put(g, G_CODE + 0x800, "\xf4", 1);
	g->cpu->rip = G_CODE;
	write_pkru(g, 2u << 6);
	assert_int_equal(x86_run(g->cpu, &x, 10), 0);
	assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(x.intr_error, PF_PRESENT | PF_WRITE | PF_PK);
	write_pkru(g, 0);
	g->cpu->rip = G_CODE;
	assert_int_equal(x86_run(g->cpu, &x, 10), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
}

static unsigned one(struct guest *g, const void *code, uint64_t rax, uint64_t rcx, uint64_t rdx)
{
	struct x86_exit x;

	g_put(g, G_CODE, code, 3);
	g_put(g, G_CODE + 3, "\xeb\xfe", 2);
	g->cpu->regs.rax = rax;
	g->cpu->regs.rcx = rcx;
	g->cpu->regs.rdx = rdx;
	g->cpu->rip = G_CODE;
	assert_int_equal(x86_run(g->cpu, &x, 2), 0);
	return x.reason == X86_EXIT_BUDGET ? 0 : x.intr_info & 0xff;
}

static void the_register_is_read_and_written_as_the_manual_has_it(void **state)
{
	static const char rdpkru[] = "\x0f\x01\xee", wrpkru[] = "\x0f\x01\xef";
	struct given c = {.page_user = true, .page_write = true};
	struct guest *g = *state;

	arrange(g, &c);
	assert_int_equal(one(g, rdpkru, 0, 0, 0), VECTOR_UD);
	assert_int_equal(one(g, wrpkru, 0, 0, 0), VECTOR_UD);
	c.pke = c.user = true;
	arrange(g, &c);
	/* Upper halves of 64-bit registers mean nothing. */
	assert_int_equal(one(g, wrpkru, 0xffffffff55555554, 1ull << 32, 1ull << 32), 0);
	assert_int_equal(g->cpu->pkru, 0x55555554);
	assert_int_equal(one(g, rdpkru, UINT64_MAX, 1ull << 32, UINT64_MAX), 0);
	assert_int_equal(g->cpu->regs.rax, 0x55555554);
	assert_int_equal(g->cpu->regs.rdx, 0);
	assert_int_equal(one(g, rdpkru, 0, 1, 0), VECTOR_GP);
	assert_int_equal(one(g, wrpkru, 0, 1, 0), VECTOR_GP);
	assert_int_equal(one(g, wrpkru, 0, 0, 1), VECTOR_GP);
	assert_int_equal(g->cpu->pkru, 0x55555554);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_guest, g_close_state)
	const struct CMUnitTest tests[] = {
		T(every_access_is_allowed_as_the_manual_has_it),
		T(wrpkru_takes_effect_at_once),
		T(xrstor_takes_effect_at_once),
		T(a_user_page_with_the_kernels_stack_obeys_its_key),
		T(the_register_is_read_and_written_as_the_manual_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
