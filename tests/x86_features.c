/* SPDX-License-Identifier: MIT */
/* The processor that CPUID describes: an instruction whose bit is hidden is undefined, at every
 * privilege, and never stops the guest; a bit of CR4 whose feature is hidden is reserved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86_guest.h"

#define HANDLER	  0x110000u
#define UNDEFINED 6u

enum { EAX, EBX, ECX, EDX };
/* Where an instruction is more than its bit of CPUID. */
enum { KERNEL = 1 /* for CPL 0 */, FSGSBASE = 2, OSXSAVE = 4, BY_ITSELF = 8 /* of its bit only */ };

struct optional {
	const char *name;
	const char *code;
	unsigned len;
	struct g_cpuid_bit bit;
	unsigned flags;
};

#define I(name, bytes, leaf, subleaf, reg, bit, flags)                                             \
	{                                                                                          \
		name, bytes, sizeof(bytes) - 1, {leaf, subleaf, reg, bit}, flags                   \
	}

static const struct optional optional[] = {
	I("fninit", "\xdb\xe3", 1, 0, EDX, 0, 0),
	I("rdtsc", "\x0f\x31", 1, 0, EDX, 4, 0),
	I("rdmsr", "\x0f\x32", 1, 0, EDX, 5, KERNEL),
	I("cmpxchg8b", "\x0f\xc7\x0b", 1, 0, EDX, 8, 0),
	I("sysenter", "\x0f\x34", 1, 0, EDX, 11, 0),
	I("cmove", "\x0f\x44\xc1", 1, 0, EDX, 15, 0),
	I("clflush", "\x0f\xae\x3b", 1, 0, EDX, 19, 0),
	I("paddb mm", "\x0f\xfc\xc1", 1, 0, EDX, 23, 0),
	I("fxsave", "\x0f\xae\x03", 1, 0, EDX, 24, 0),
	I("addps", "\x0f\x58\xc1", 1, 0, EDX, 25, 0),
	I("addpd", "\x66\x0f\x58\xc1", 1, 0, EDX, 26, 0),
	I("haddps", "\xf2\x0f\x7c\xc1", 1, 0, ECX, 0, 0),
	I("pclmulqdq", "\x66\x0f\x3a\x44\xc1\x00", 1, 0, ECX, 1, 0),
	I("monitor", "\x0f\x01\xc8", 1, 0, ECX, 3, KERNEL),
	I("mwait", "\x0f\x01\xc9", 1, 0, ECX, 3, KERNEL),
	I("vmlaunch", "\x0f\x01\xc2", 1, 0, ECX, 5, KERNEL),
	I("pshufb", "\x66\x0f\x38\x00\xc1", 1, 0, ECX, 9, 0),
	I("cmpxchg16b", "\x48\x0f\xc7\x0b", 1, 0, ECX, 13, 0),
	I("pmulld", "\x66\x0f\x38\x40\xc1", 1, 0, ECX, 19, 0),
	I("crc32", "\xf2\x0f\x38\xf0\xc1", 1, 0, ECX, 20, 0),
	I("movbe", "\x0f\x38\xf0\x0b", 1, 0, ECX, 22, 0),
	I("popcnt", "\xf3\x0f\xb8\xc1", 1, 0, ECX, 23, 0),
	I("aesenc", "\x66\x0f\x38\xdc\xc1", 1, 0, ECX, 25, 0),
	I("xgetbv", "\x31\xc9\x0f\x01\xd0", 1, 0, ECX, 26, OSXSAVE),
	I("rdrand", "\x0f\xc7\xf0", 1, 0, ECX, 30, 0),
	I("rdfsbase", "\xf3\x48\x0f\xae\xc0", 7, 0, EBX, 0, FSGSBASE),
	I("andn", "\xc4\xe2\x70\xf2\xc2", 7, 0, EBX, 3, BY_ITSELF),
	I("pdep", "\xc4\xe2\x73\xf5\xc2", 7, 0, EBX, 8, BY_ITSELF),
	I("invpcid", "\x31\xc9\x66\x0f\x38\x82\x0b", 7, 0, EBX, 10, KERNEL),
	I("xbegin", "\xc7\xf8\x00\x00\x00\x00", 7, 0, EBX, 11, 0),
	I("xtest", "\x0f\x01\xd6", 7, 0, EBX, 11, 0),
	I("xabort", "\xc6\xf8\x01", 7, 0, EBX, 11, 0),
	I("rdseed", "\x0f\xc7\xf8", 7, 0, EBX, 18, 0),
	I("adcx", "\x66\x0f\x38\xf6\xc1", 7, 0, EBX, 19, 0),
	I("clac", "\x0f\x01\xca", 7, 0, EBX, 20, KERNEL),
	I("clflushopt", "\x66\x0f\xae\x3b", 7, 0, EBX, 23, 0),
	I("clwb", "\x66\x0f\xae\x33", 7, 0, EBX, 24, 0),
	I("sha1msg1", "\x0f\x38\xc9\xc1", 7, 0, EBX, 29, 0),
	I("tpause", "\x31\xc9\x66\x0f\xae\xf1", 7, 0, ECX, 5, 0),
	I("umwait", "\x31\xc9\xf2\x0f\xae\xf1", 7, 0, ECX, 5, 0),
	I("umonitor", "\xf3\x0f\xae\xf3", 7, 0, ECX, 5, 0),
	I("gf2p8mulb", "\x66\x0f\x38\xcf\xc1", 7, 0, ECX, 8, 0),
	I("gf2p8affineqb", "\x66\x0f\x3a\xce\xc1\x00", 7, 0, ECX, 8, 0),
	I("gf2p8affineinvqb", "\x66\x0f\x3a\xcf\xc1\x00", 7, 0, ECX, 8, 0),
	I("rdpid", "\xf3\x0f\xc7\xf8", 7, 0, ECX, 22, 0),
	I("movdiri", "\x0f\x38\xf9\x0b", 7, 0, ECX, 27, 0),
	I("movdir64b", "\x66\x0f\x38\xf8\x1b", 7, 0, ECX, 28, 0),
	I("serialize", "\x0f\x01\xe8", 7, 0, EDX, 14, 0),
	I("xsusldtrk", "\xf2\x0f\x01\xe8", 7, 0, EDX, 16, 0),
	I("xresldtrk", "\xf2\x0f\x01\xe9", 7, 0, EDX, 16, 0),
	I("pconfig", "\x0f\x01\xc5", 7, 0, EDX, 18, KERNEL),
	I("xsaveopt", "\x31\xc0\x31\xd2\x0f\xae\x33", 0xd, 1, EAX, 0, OSXSAVE),
	I("xsavec", "\x31\xc0\x31\xd2\x0f\xc7\x23", 0xd, 1, EAX, 1, OSXSAVE),
	I("xsaves", "\x31\xc0\x31\xd2\x0f\xc7\x2b", 0xd, 1, EAX, 3, OSXSAVE | KERNEL),
	I("ptwrite", "\xf3\x0f\xae\xe0", 0x14, 0, EBX, 4, 0),
	I("ptwrite m", "\xf3\x0f\xae\x23", 0x14, 0, EBX, 4, 0),
	I("lahf", "\x9f", 0x80000001, 0, ECX, 0, 0),
	I("rdtscp", "\x0f\x01\xf9", 0x80000001, 0, EDX, 27, 0),
};

/* Those the engine has not, and those no processor had that TDX runs on. */
static const struct optional lacking[] = {
	I("enclu", "\x0f\x01\xd7", 7, 0, EBX, 2, 0),
	I("encls", "\x0f\x01\xcf", 7, 0, EBX, 2, 0),
	I("enclv", "\x0f\x01\xc0", 7, 0, EBX, 2, 0),
	I("enqcmd", "\xf2\x0f\x38\xf8\x03", 7, 0, ECX, 29, 0),
	I("enqcmds", "\xf3\x0f\x38\xf8\x03", 7, 0, ECX, 29, 0),
	I("hreset", "\xf3\x0f\x3a\xf0\xc0\x00", 7, 1, EAX, 22, 0),
	I("rdpkru", "\x0f\x01\xee", 7, 0, ECX, 3, 0),
	I("encodekey128", "\xf3\x0f\x38\xfa\xc1", 7, 0, ECX, 23, 0),
	I("testui", "\xf3\x0f\x01\xed", 7, 0, EDX, 5, 0),
	I("setssbsy", "\xf3\x0f\x01\xe8", 7, 0, ECX, 7, 0),
	I("tilerelease", "\xc4\xe2\x78\x49\xc0", 7, 0, EDX, 24, 0),
	I("vaddps", "\xc5\xf0\x58\xc2", 1, 0, ECX, 28, 0),
	I("vpaddb ymm", "\xc5\xf5\xfc\xc2", 7, 0, EBX, 5, 0),
	I("vfmadd132ps", "\xc4\xe2\x71\x98\xc2", 1, 0, ECX, 12, 0),
	I("vaddps zmm", "\x62\xf1\x74\x48\x58\xc2", 7, 0, EBX, 16, 0),
	I("getsec", "\x0f\x37", 1, 0, ECX, 6, 0),
	I("clzero", "\x0f\x01\xfc", 0, 0, EAX, 0, 0),
	I("vmrun", "\x0f\x01\xd8", 0, 0, EAX, 0, 0),
	I("extrq", "\x66\x0f\x79\xc1", 0, 0, EAX, 0, 0),
	I("femms", "\x0f\x0e", 0, 0, EAX, 0, 0),
	I("seamret", "\x66\x0f\x01\xcd", 0, 0, EAX, 0, 0),
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Execute it; the vector it raised, 0x100 for none, or 0x1000 and up for an exit. */
static unsigned outcome_in(struct guest *g, const struct optional *o, bool user, uint64_t xcr0)
{
	struct x86_exit x;
	unsigned i;

	for (i = 0; i < 32; i++) {
		g_gate(g, i, HANDLER + i, 0, 0);
		g->ram[HANDLER + i] = 0xf4;
	}
	x86_code_written(g->code, g->ram + HANDLER);
	memset(g->ram + G_CODE, 0xf4, 32);
	g_put(g, G_CODE, o->code, o->len);
	if (user)
		g_user(g, G_CODE);
	g->cpu->cr4 |= CR4_OSXSAVE | CR4_FSGSBASE | CR4_SMXE;
	g->cpu->xcr0 = xcr0;
	g->cpu->regs.rbx = G_DATA;
	g->cpu->regs.rcx = g->cpu->regs.rdx = 0;
	x86_state_changed(g->cpu);
	assert_int_equal(x86_run(g->cpu, &x, 100), 0);
	if (x.reason != VMX_EXIT_HLT)
		return 0x1000 + x.reason;
	if (g->cpu->rip >= HANDLER && g->cpu->rip < HANDLER + 32)
		return (unsigned)(g->cpu->rip - HANDLER);
	return 0x100;
}

static unsigned outcome(struct guest *g, const struct optional *o, bool user)
{
	return outcome_in(g, o, user, 3);
}

static unsigned outcome_with(const struct optional *o, bool user, uint32_t all, bool odd)
{
	struct guest g;
	unsigned how;

	assert_int_equal(g_open(&g), 0);
	g.cpuid_all = all;
	if (odd)
		g.cpuid_odd = o->bit;
	else
		g.cpuid_odd.leaf = UINT32_MAX;
	x86_cpuid_changed(g.cpu);
	how = outcome(&g, o, user);
	g_close(&g);
	return how;
}

static void an_instruction_whose_bit_is_hidden_is_undefined(void **state)
{
	unsigned i, user;

	(void)state;
	for (i = 0; i < COUNT(optional); i++)
		for (user = 0; user < 2; user++)
			if (outcome_with(&optional[i], user, UINT32_MAX, true) != UNDEFINED)
				fail_msg("%s, user %u", optional[i].name, user);
	for (i = 0; i < COUNT(lacking); i++)
		for (user = 0; user < 2; user++)
			if (outcome_with(&lacking[i], user, 0, false) != UNDEFINED ||
			    (lacking[i].bit.leaf &&
			     outcome_with(&lacking[i], user, UINT32_MAX, true) != UNDEFINED))
				fail_msg("%s, user %u", lacking[i].name, user);
}

/* Encodings of other processors (Knights Corner's), with all of CPUID shown and AVX on. */
static void what_no_bit_of_cpuid_stands_for_is_undefined(void **state)
{
	static const struct optional others[] = {
		I("jknzd", "\xc5\xf8\x85\xda\x00\x00\x00", 0, 0, EAX, 0, 0),
		I("jkzd", "\xc5\xf8\x74\x02", 0, 0, EAX, 0, 0),
		I("delay", "\xc5\xfb\xae\xf0", 0, 0, EAX, 0, 0),
		I("spflt", "\xc5\xfa\xae\xf0", 0, 0, EAX, 0, 0),
		I("tzcnti", "\xc5\xfb\xbc\xc2", 0, 0, EAX, 0, 0),
		I("clevict0", "\xc5\xfb\xae\x3b", 0, 0, EAX, 0, 0),
		I("vprefetch0", "\xc5\xf8\x18\x0b", 0, 0, EAX, 0, 0),
		I("kand", "\xc5\xf8\x41\xc2", 0, 0, EAX, 0, 0),
		I("vp4dpwssd", "\x62\xf2\x7f\x48\x52\x03", 0, 0, EAX, 0, 0),
		I("vexp2ps", "\x62\xf2\x7d\x48\xc8\xc1", 0, 0, EAX, 0, 0),
	};
	unsigned i, user;

	(void)state;
	for (i = 0; i < COUNT(others); i++) {
		for (user = 0; user < 2; user++) {
			struct guest g;
			unsigned how;

			assert_int_equal(g_open(&g), 0);
			g.cpuid_all = UINT32_MAX;
			g.cpuid_odd.leaf = UINT32_MAX;
			x86_cpuid_changed(g.cpu);
			how = outcome_in(&g, &others[i], user, XFAM_SSE | XFAM_AVX | XFAM_AVX3 | 1);
			if (how != UNDEFINED)
				fail_msg("%s, user %u: %x", others[i].name, user, how);
			g_close(&g);
		}
	}
}

static void an_instruction_whose_bit_is_shown_is_executed(void **state)
{
	unsigned i, user;

	(void)state;
	for (i = 0; i < COUNT(optional); i++) {
		for (user = 0; user < (optional[i].flags & KERNEL ? 1 : 2); user++) {
			const unsigned how = outcome_with(&optional[i], user, 0, true);

			if (how == UNDEFINED || how >= 0x1000 + X86_EXIT_KICK)
				fail_msg("%s, user %u: %x", optional[i].name, user, how);
		}
	}
}

static void without_a_cpuid_there_is_what_the_engine_executes(void **state)
{
	struct guest g;
	unsigned i;

	(void)state;
	for (i = 0; i < COUNT(optional) + COUNT(lacking); i++) {
		const bool has = i < COUNT(optional);
		const struct optional *o = has ? &optional[i] : &lacking[i - COUNT(optional)];
		unsigned how;

		assert_int_equal(g_open(&g), 0);
		how = outcome(&g, o, false);
		if (how >= 0x1000 + X86_EXIT_KICK || (has && how == UNDEFINED))
			fail_msg("%s: %x", o->name, how);
		g_close(&g);
	}
}

static void encodings_that_meant_something_before_still_do(void **state)
{
	static const struct optional scans[] = {
		I("tzcnt", "\xf3\x0f\xbc\xc2", 7, 0, EBX, 3, 0),
		I("lzcnt", "\xf3\x0f\xbd\xc2", 0x80000001, 0, ECX, 5, 0),
		I("cldemote", "\x0f\x1c\x03", 7, 0, ECX, 25, 0),
		I("endbr64", "\xf3\x0f\x1e\xfa", 7, 0, EDX, 20, 0),
		I("rdsspq", "\xf3\x48\x0f\x1e\xc8", 7, 0, ECX, 7, 0),
		I("bndcl", "\xf3\x0f\x1a\x03", 7, 0, EBX, 14, 0),
		I("wbnoinvd", "\xf3\x0f\x09", 0x80000008, 0, EBX, 9, 0),
	};
	struct guest g;
	unsigned i, k;

	(void)state;
	for (i = 0; i < COUNT(scans); i++) {
		for (k = 0; k < 2; k++) {
			struct x86_exit x;

			assert_int_equal(g_open(&g), 0);
			g.cpuid_all = k ? UINT32_MAX : 0;
			g.cpuid_odd.leaf = UINT32_MAX;
			x86_cpuid_changed(g.cpu);
			g_put(&g, G_CODE, scans[i].code, scans[i].len);
			g.ram[G_CODE + scans[i].len] = 0xf4;
			g.cpu->regs.rdx = 0x4000;
			g.cpu->regs.rax = 77;
			g.cpu->regs.rbx = G_DATA;
			assert_int_equal(x86_run(g.cpu, &x, 100), 0);
			if (i == 6)
				assert_int_equal(x.reason, VMX_EXIT_WBINVD);
			else
				assert_int_equal(x.reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->regs.rax, i == 0   ? 14
							  : i == 1 ? (k ? 17 : 14)
								   : 77);
			g_close(&g);
		}
	}
}

static const struct optional cr4_bits[] = {
	I("DE", "", 1, 0, EDX, 2, 3),	     I("PSE", "", 1, 0, EDX, 3, 4),
	I("MCE", "", 1, 0, EDX, 7, 6),	     I("PGE", "", 1, 0, EDX, 13, 7),
	I("OSFXSR", "", 1, 0, EDX, 24, 9),   I("OSXMMEXCPT", "", 1, 0, EDX, 25, 10),
	I("UMIP", "", 7, 0, ECX, 2, 11),     I("VMXE", "", 1, 0, ECX, 5, 13),
	I("SMXE", "", 1, 0, ECX, 6, 14),     I("FSGSBASE", "", 7, 0, EBX, 0, 16),
	I("OSXSAVE", "", 1, 0, ECX, 26, 18), I("SMEP", "", 7, 0, EBX, 7, 20),
	I("SMAP", "", 7, 0, EBX, 20, 21),    I("PCIDE", "", 1, 0, ECX, 17, 17),
	I("KL", "", 7, 0, ECX, 23, 19),	     I("PKE", "", 7, 0, ECX, 3, 22),
	I("PKS", "", 7, 0, ECX, 31, 24),     I("UINTR", "", 7, 0, EDX, 5, 25),
	I("LASS", "", 7, 1, EAX, 6, 27),
};

static void a_bit_of_cr4_is_reserved_where_cpuid_hides_its_feature(void **state)
{
	static const uint8_t code[] = {0x0f, 0x22, 0xe0, 0xf4}; /* mov %rax, %cr4; hlt */
	unsigned i, hidden;

	(void)state;
	for (i = 0; i < COUNT(cr4_bits); i++) {
		for (hidden = 0; hidden < 2; hidden++) {
			struct x86_exit x;
			struct guest g;

			assert_int_equal(g_open(&g), 0);
			g.cpuid_all = UINT32_MAX;
			if (hidden)
				g.cpuid_odd = cr4_bits[i].bit;
			x86_cpuid_changed(g.cpu);
			g_gate(&g, 13, HANDLER, 0, 0);
			g.ram[HANDLER] = 0xf4;
			/* the code must not be the user's when SMEP comes */
			*g_pde(&g, 0) &= ~4ull;
			g_put(&g, G_CODE, code, sizeof(code));
			g.cpu->regs.rax = CR4_PAE | 1u << cr4_bits[i].flags;
			assert_int_equal(x86_run(g.cpu, &x, 100), 0);
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			if ((g.cpu->rip == HANDLER) != (bool)hidden)
				fail_msg("CR4.%s, hidden %u", cr4_bits[i].name, hidden);
			g_close(&g);
		}
	}
}

static void umip_keeps_the_tables_from_user_code(void **state)
{
	static const struct optional reads[] = {
		I("sgdt", "\x0f\x01\x03", 0, 0, 0, 0, 0),
		I("sidt", "\x0f\x01\x0b", 0, 0, 0, 0, 0),
		I("sldt", "\x0f\x00\xc0", 0, 0, 0, 0, 0),
		I("str", "\x0f\x00\xc8", 0, 0, 0, 0, 0),
		I("smsw", "\x0f\x01\xe0", 0, 0, 0, 0, 0),
		I("smsw m", "\x0f\x01\x23", 0, 0, 0, 0, 0),
	};
	unsigned i, k;

	(void)state;
	/* k: 1 user, 2 UMIP */
	for (i = 0; i < COUNT(reads); i++) {
		for (k = 0; k < 4; k++) {
			struct guest g;

			assert_int_equal(g_open(&g), 0);
			g.cpu->cr4 |= k & 2 ? CR4_UMIP : 0;
			assert_int_equal(outcome(&g, &reads[i], k & 1),
					 k == 3 || k == 1 ? 13 : 0x100);
			/* HLT is #GP to a user, too: which of the two was it? */
			if (k & 1)
				assert_int_equal(*g_q(&g, g.cpu->regs.rsp + 8),
						 G_CODE + (k == 3 ? 0 : reads[i].len));
			g_close(&g);
		}
	}
}

static void getsec_leaves_only_where_smx_is_on(void **state)
{
	static const struct optional getsec = I("getsec", "\x0f\x37", 1, 0, ECX, 6, 0);
	struct x86_exit x;
	struct guest g;

	(void)state;
	assert_int_equal(outcome_with(&getsec, true, 0, true), 0x1000 + VMX_EXIT_GETSEC);
	assert_int_equal(g_open(&g), 0);
	g_gate(&g, UNDEFINED, HANDLER, 0, 0);
	g.ram[HANDLER] = 0xf4;
	g_put(&g, G_CODE, getsec.code, getsec.len);
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(g.cpu->rip, HANDLER);
	g_close(&g);
}

static void a_transaction_aborts_at_once(void **state)
{
	/* xbegin 1f; mov $1, %ecx; hlt; 1: mov $2, %ecx; xtest; setz %dl; hlt */
	static const uint8_t code[] = {0xc7, 0xf8, 6,	 0,    0,    0,	   0xb9, 1,
				       0,    0,	   0,	 0xf4, 0xb9, 2,	   0,	 0,
				       0,    0x0f, 0x01, 0xd6, 0x0f, 0x94, 0xc2, 0xf4};
	struct x86_exit x;
	struct guest g;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	g_put(&g, G_CODE, code, sizeof(code));
	g.cpu->regs.rax = 5;
	g.cpu->regs.rdx = 0;
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(g.cpu->regs.rcx, 2);
	assert_int_equal(g.cpu->regs.rax, 0);
	assert_int_equal(g.cpu->regs.rdx, 1);
	g_close(&g);
}

/* Powers of a generator, and an affine map with a known inverse (SDM vol. 2). */
static void galois_field_instructions_do_their_arithmetic(void **state)
{
	static const uint8_t mul[] = {0x66, 0x0f, 0x38, 0xcf, 0xc1, 0xf4};
	static const uint8_t inv[] = {0x66, 0x0f, 0x3a, 0xcf, 0xc1, 0x00, 0xf4};
	static const uint8_t aff[] = {0x66, 0x0f, 0x3a, 0xce, 0xc1, 0x63, 0xf4};
	const uint64_t identity = 0x0102040810204080;
	const uint64_t aes = 0xf1e3c78f1f3e7cf8; /* the S-box's, rows from the top */
	struct x86_exit x;
	struct guest g;
	unsigned i;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	g_put(&g, G_CODE, mul, sizeof(mul));
	g.cpu->xmm[0] = (struct x86_xmm){{0x0000000001805713, 0x02}};
	g.cpu->xmm[1] = (struct x86_xmm){{0x00000000ff028302, 0x80}};
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(g.cpu->xmm[0].q[0], 0x00000000ff1bc126);
	assert_int_equal(g.cpu->xmm[0].q[1], 0x1b);

	/* x times its inverse is one, but for 0 */
	g_put(&g, G_CODE, inv, sizeof(inv));
	g_put(&g, G_CODE + 64, mul, sizeof(mul));
	for (i = 0; i < 256; i++) {
		const struct x86_xmm v = {{i * 0x0101010101010101ull, i}};

		g.cpu->xmm[0] = v;
		g.cpu->xmm[1] = (struct x86_xmm){{identity, identity}};
		g.cpu->rip = G_CODE;
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		g.cpu->xmm[1] = v;
		g.cpu->rip = G_CODE + 64;
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		assert_int_equal(g.cpu->xmm[0].q[0], i ? 0x0101010101010101 : 0);
	}
	/* the AES S-box of 0x53 is 0xed: inverse 0xca, then the map */
	g_put(&g, G_CODE, aff, sizeof(aff));
	g.cpu->xmm[0] = (struct x86_xmm){{0xca, 0}};
	g.cpu->xmm[1] = (struct x86_xmm){{aes, aes}};
	g.cpu->rip = G_CODE;
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(g.cpu->xmm[0].q[0], 0x63636363636363ed);
	g_close(&g);
}

static void a_wait_asks_for_a_state_that_exists(void **state)
{
	static const struct optional waits[] = {
		I("tpause, bad state", "\xb9\x02\x00\x00\x00\x66\x0f\xae\xf1", 0, 0, 0, 0, 0),
		I("tpause", "\xb9\x01\x00\x00\x00\x66\x0f\xae\xf1", 0, 0, 0, 0, 0),
		I("mwait, bad hint", "\xb9\x02\x00\x00\x00\x0f\x01\xc9", 0, 0, 0, 0, 0),
		I("mwait", "\xb9\x01\x00\x00\x00\x0f\x01\xc9", 0, 0, 0, 0, 0),
		I("monitor, bad hint", "\xb9\x01\x00\x00\x00\x0f\x01\xc8", 0, 0, 0, 0, 0),
		I("monitor", "\x89\xd8\x0f\x01\xc8", 0, 0, 0, 0, 0),
	};
	struct guest g;
	unsigned i;

	(void)state;
	for (i = 0; i < COUNT(waits); i++) {
		assert_int_equal(g_open(&g), 0);
		assert_int_equal(outcome(&g, &waits[i], false), i % 2 ? 0x100 : 13);
		g_close(&g);
	}
	/* user code may wait, unless time is the kernel's */
	for (i = 0; i < 2; i++) {
		assert_int_equal(g_open(&g), 0);
		g.cpu->cr4 |= i ? CR4_TSD : 0;
		outcome(&g, &waits[1], true);
		assert_int_equal(*g_q(&g, g.cpu->regs.rsp + 8), G_CODE + (i ? 5 : 9));
		g_close(&g);
	}
	/* and the host may ask for it */
	for (i = 3; i < COUNT(waits); i += 2) {
		assert_int_equal(g_open(&g), 0);
		g.cpu->mwait_exits = true;
		assert_int_equal(outcome(&g, &waits[i], false),
				 0x1000 + (i == 3 ? VMX_EXIT_MWAIT : VMX_EXIT_MONITOR));
		g_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instruction_whose_bit_is_hidden_is_undefined),
		cmocka_unit_test(what_no_bit_of_cpuid_stands_for_is_undefined),
		cmocka_unit_test(an_instruction_whose_bit_is_shown_is_executed),
		cmocka_unit_test(without_a_cpuid_there_is_what_the_engine_executes),
		cmocka_unit_test(encodings_that_meant_something_before_still_do),
		cmocka_unit_test(a_bit_of_cr4_is_reserved_where_cpuid_hides_its_feature),
		cmocka_unit_test(umip_keeps_the_tables_from_user_code),
		cmocka_unit_test(getsec_leaves_only_where_smx_is_on),
		cmocka_unit_test(a_transaction_aborts_at_once),
		cmocka_unit_test(galois_field_instructions_do_their_arithmetic),
		cmocka_unit_test(a_wait_asks_for_a_state_that_exists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
