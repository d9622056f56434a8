/* SPDX-License-Identifier: MIT */
/* Guests that turn AVX-512 and its state against what runs them: images that say anything, accesses
 * that masks cut off where memory ends, encodings by chance (but of FP16, which stops a TD on a
 * host without). Where the host has no AVX-512 the TD has none, and all of it is #UD. */
#include "hostile.h"

enum {
	STATE_AREA = 16384, /* more than any XFAM takes */
	REGION = 2 << 20,
	XCR0_X87 = 1,
};

static uint8_t image[STATE_AREA] __attribute__((aligned(64)));
/* Named in assembly. */
uint8_t code[64] __attribute__((aligned(64)));
uint64_t registers[2];

static uint64_t components(void)
{
	uint32_t a = 0xd, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "+c"(c), "=d"(d) : : "ebx");
	return (uint64_t)d << 32 | a;
}

static void enable(void)
{
	const uint64_t all = components();

	__asm__ volatile("mov %%cr4, %%rax; or $0x40200, %%eax; mov %%rax, %%cr4; clts"
			 :
			 :
			 : "rax");
	__asm__ volatile("xsetbv" : : "a"((uint32_t)all), "d"((uint32_t)(all >> 32)), "c"(0));
}

/* An instruction that may fault, with its operands at the address and by the mask. */
#define TRY(text, at, mask)                                                                        \
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; kmovq %2, %%k1; " text "\n1:"       \
			 : "+m"(fault_to)                                                          \
			 : "b"(at), "r"(mask)                                                      \
			 : "rax", "memory")

#define TRY_IMAGE(text, at, rfbm)                                                                  \
	__asm__ volatile("lea 1f(%%rip), %%rcx; mov %%rcx, %0; " text "\n1:"                       \
			 : "+m"(fault_to)                                                          \
			 : "b"(at), "a"((uint32_t)(rfbm)), "d"((uint32_t)((rfbm) >> 32))           \
			 : "rcx", "memory")

static uint64_t sparse(void)
{
	return next_random() & next_random() & next_random();
}

/* Headers by chance: components that are not there, compacted or not, reserved bits; in place, out
 * of line, and over the end of what is mapped. */
static void wide_images(void)
{
	const uint64_t all = components();
	uint64_t *header = (uint64_t *)(image + 512);

	enable();
	for (unsigned i = 0; i < 20000; i++) {
		const uint64_t rfbm = next_random() & 1 ? ~0ull : next_random();
		uint64_t at = (uintptr_t)image;

		for (unsigned k = 0; k < 8; k++)
			header[k] = next_random() & 7 ? 0 : sparse();
		header[0] = next_random() & 3 ? next_random() & all : sparse();
		header[1] = next_random() & 1 ? 1ull << 63 | (next_random() & all) | header[0]
					      : sparse();
		*(uint32_t *)(image + 24) = (uint32_t)sparse();
		*(uint64_t *)(image + next_random() % (STATE_AREA / 8) * 8) = next_random();
		if (i % 16 == 0)
			at = VICTIM + REGION - 64 * (next_random() % 64);
		if (i % 64 == 1)
			at += 1 + next_random() % 63;
		TRY_IMAGE("xrstor64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xrstors64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xsavec64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xsaves64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xsaveopt64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xsave64 (%%rbx)", at, rfbm);
		TRY_IMAGE("xrstor (%%rbx)", at, rfbm);
	}
	end(0);
}

/* Values of XCR0 by chance: no state that is not whole. */
static void wide_components(void)
{
	enable();
	for (unsigned i = 0; i < 20000; i++) {
		const uint64_t xcr0 = next_random() & 1 ? sparse() : next_random() & components();

		TRY_IMAGE("xor %%ecx, %%ecx; xsetbv", image, xcr0);
		TRY("vpaddq (%%rbx), %%zmm31, %%zmm31", (uintptr_t)image, ~0ull);
		TRY_IMAGE("xsave64 (%%rbx)", (uintptr_t)image, ~0ull);
	}
	end(0);
}

/* What lies behind VICTIM's 2M has no translation; a mask lets an access end before that, or not.
 */
static void accesses(uint64_t end_of_memory)
{
	uint64_t indices[8] __attribute__((aligned(64)));

	for (unsigned i = 0; i < 4000; i++) {
		const uint64_t at = end_of_memory - next_random() % 160,
			       mask = next_random() >> (next_random() & 63);

		for (unsigned k = 0; k < 8; k++)
			indices[k] = next_random() & 1 ? next_random() % 160 - 80
						       : 0 - next_random() % 4096;
		TRY("vmovdqu64 (%%rbx), %%zmm2", (uintptr_t)indices, ~0ull);
		TRY("vmovdqu8 %%zmm3, (%%rbx)%{%%k1%}", at, mask);
		TRY("vmovdqu16 (%%rbx), %%zmm3%{%%k1%}%{z%}", at, mask);
		TRY("vmovupd (%%rbx), %%ymm4%{%%k1%}", at, mask);
		TRY("vpcompressd %%zmm3, (%%rbx)%{%%k1%}", at, mask);
		TRY("vpexpandq (%%rbx), %%zmm5%{%%k1%}", at, mask);
		TRY("vpmovqb %%zmm5, (%%rbx)%{%%k1%}", at, mask);
		TRY("vpaddd (%%rbx)%{1to16%}, %%zmm5, %%zmm6%{%%k1%}", at, mask);
		TRY("vpgatherqq (%%rbx,%%zmm2,1), %%zmm7%{%%k1%}", at, mask);
		TRY("vpscatterqd %%ymm7, (%%rbx,%%zmm2,1)%{%%k1%}", at, mask);
		TRY("vscatterdps %%zmm7, (%%rbx,%%zmm2,8)%{%%k1%}", at, mask & next_random());
		TRY("vmovntdq %%zmm7, (%%rbx)", at, mask);
		TRY("kmovq (%%rbx), %%k2", at, mask);
		TRY("vbroadcasti64x4 (%%rbx), %%zmm8", at, mask);
		TRY("vzeroall; vpermt2b (%%rbx), %%zmm3, %%zmm8%{%%k1%}", at, mask);
	}
}

static void wide_ends(void)
{
	enable();
	for (unsigned i = 0; i < 512; i++)
		far_pd[i] = i == 0 ? VICTIM | 0x83 : 0;
	flush();
	accesses(FAR + REGION);
	end(0);
}

/* The same where memory ends in a device: each touch of it is a #VE. */
static void wide_in_a_device(void)
{
	enable();
	far_pd[0] = VICTIM | 0x83;
	far_pd[1] = NO_RAM | SHARED | 0x83;
	flush();
	accesses(FAR + REGION);
	end(0);
}

/* And in private memory that nobody has. */
static void wide_without_memory(void)
{
	enable();
	far_pd[0] = VICTIM | 0x83;
	far_pd[1] = NO_RAM | 0x83;
	flush();
	accesses(FAR + REGION);
	load(FAR + REGION); /* where the processor has no AVX-512 */
	end(0);
}

/* With that address in the registers it may use; it leaves none as it was. */
static void run_code(uint64_t at)
{
	__asm__ volatile(
		"mov %%rbp, registers(%%rip); mov %%rsp, registers+8(%%rip)\n"
		"\tlea 1f(%%rip), %%rcx; mov %%rcx, %1; mov %%rax, %%rcx; mov %%rax, %%rdx\n"
		"\tmov %%rax, %%rbx; lea code(%%rip), %%rdi; call *%%rdi\n"
		"1:\tmov registers+8(%%rip), %%rsp; mov registers(%%rip), %%rbp"
		: "+a"(at), "+m"(fault_to)
		:
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		  "r15", "memory", "cc");
}

/* EVEX and VEX by chance, over registers and a region of memory; each often enough to be
 * translated. */
static void wide_by_chance(void)
{
	enable();
	for (unsigned i = 0; i < 6000; i++) {
		const uint64_t r = next_random();
		uint8_t *c = code;

		/* RAX, RCX, RDX and RBX alone: the stack stays where it is. */
		if (i & 3) {
			const unsigned map = 1 + (r & 0x7f) % 3;

			*c++ = 0x62;
			*c++ = (uint8_t)(0x70 | (r & 0x80) | map);
			/* without 66 map 3 has FP16 */
			*c++ = (uint8_t)(map == 3 ? (r >> 8 & 0xf8) | 5 : r >> 8 | 4);
			*c++ = (uint8_t)(r >> 16);
		} else {
			*c++ = 0xc4;
			*c++ = (uint8_t)(0xe0 | (1 + (r & 0xff) % 3));
			*c++ = (uint8_t)(r >> 8);
		}
		*c++ = (uint8_t)(r >> 24);
		*c++ = (uint8_t)((r >> 32 & 0x1b) | (r >> 40 & 1 ? 0xc0 : 0x40));
		/* a displacement and an immediate, or not: NOP */
		*c++ = 0x90;
		*c++ = 0x90;
		*c++ = 0x90;
		*c = 0xc3;
		for (unsigned k = 0; k < 24; k++)
			run_code(VICTIM + 0x10000 + (r >> 44));
	}
	end(0);
}

void second_main(void)
{
}

static const struct hostile guests[] = {
	GUEST(wide_images),	 GUEST(wide_components),     GUEST(wide_ends),
	GUEST(wide_in_a_device), GUEST(wide_without_memory), GUEST(wide_by_chance),
};

void guest_main(uint64_t entry, const uint8_t *boot_params)
{
	(void)entry;
	run_guest(boot_params, guests, sizeof(guests) / sizeof(guests[0]));
}
