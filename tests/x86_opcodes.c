/* SPDX-License-Identifier: MIT */
/* Every encoding of the one-byte, 0F, 0F38 and 0F3A maps that Zydis knows, in 64-bit and in 32-bit
 * code: the engine executes it or has the processor's answer for it. With every feature in the
 * guest's CPUID, those that it lacks are the sets listed here, or wait for a bit of CR4 or XCR0;
 * with what the engine executes there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86/decode.h"
#include "x86/system.h"
#include "x86_guest.h"

static const ZydisISASet lacking[] = {ZYDIS_ISA_SET_ENQCMD, ZYDIS_ISA_SET_HRESET, ZYDIS_ISA_SET_SGX,
				      ZYDIS_ISA_SET_SGX_ENCLV};

static bool may_lack(ZydisISASet set)
{
	unsigned i;

	for (i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++)
		if (lacking[i] == set)
			return true;
	return false;
}

static bool lacks(x86_fn *fn, bool every, ZydisISASet set)
{
	if (fn == x86_unknown)
		return !every || !may_lack(set);
	return !every && (fn == x86_gated_cr4 || fn == x86_gated_xcr0);
}

static void encode(uint8_t *b, unsigned map, unsigned opcode, unsigned prefix, bool rex_w,
		   unsigned modrm)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
	unsigned n = 0;

	memset(b, 0, 16);
	if (prefix)
		b[n++] = prefixes[prefix];
	if (rex_w)
		b[n++] = 0x48;
	if (map)
		b[n++] = 0x0f;
	if (map > 1)
		b[n++] = map == 2 ? 0x38 : 0x3a;
	b[n++] = (uint8_t)opcode;
	b[n++] = (uint8_t)modrm;
	b[n] = 0x11;
}

static void check(struct x86_tr *tr, const ZydisDecoder *dec, const uint8_t *b, bool every)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(dec, b, 16, &in, o)))
		return;
	x86_translate_block(tr, b, 16);
	if (!tr->ops[1].fn || lacks(tr->ops[1].fn, every, in.meta.isa_set))
		fail_msg("%s (%s), opcode %02x, ModRM %02x: not known",
			 ZydisMnemonicGetString(in.mnemonic), ZydisISASetGetString(in.meta.isa_set),
			 in.opcode, in.raw.modrm.reg);
}

static void all_encodings(unsigned mode, bool every)
{
	struct x86_tr *tr = calloc(1, sizeof(*tr));
	unsigned map, opcode, prefix, w, modrm;
	ZydisDecoder dec;
	struct guest g;
	uint8_t b[16];

	assert_int_equal(g_open(&g), 0);
	if (every) {
		g.cpuid_all = UINT32_MAX;
		x86_cpuid_changed(g.cpu);
	}
	tr->cpu = g.cpu;
	tr->rip = G_CODE;
	tr->mode = (uint8_t)(mode | M_FLAT | M_SSE | M_X87 | M_ONE);
	if (mode & M_L64)
		ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else
		ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
	for (map = 0; map < 4; map++)
		for (opcode = 0; opcode < 256; opcode++)
			for (prefix = 0; prefix < 4; prefix++)
				for (w = 0; w < (mode & M_L64 ? 2 : 1); w++)
					for (modrm = 0; modrm < 256; modrm++) {
						/* one memory form of each, all registers */
						if (modrm < 0xc0 && (modrm & 0xc7))
							continue;
						encode(b, map, opcode, prefix, w, modrm);
						check(tr, &dec, b, every);
					}
	free(tr);
	g_close(&g);
}

static void the_engine_has_an_answer_to_every_64_bit_encoding(void **state)
{
	(void)state;
	all_encodings(M_L64, false);
	all_encodings(M_L64, true);
}

static void the_engine_has_an_answer_to_every_32_bit_encoding(void **state)
{
	(void)state;
	all_encodings(M_D32 | M_SS32, false);
	all_encodings(M_D32 | M_SS32, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_has_an_answer_to_every_64_bit_encoding),
		cmocka_unit_test(the_engine_has_an_answer_to_every_32_bit_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
