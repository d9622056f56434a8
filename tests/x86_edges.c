/* SPDX-License-Identifier: MIT */
/* What the manual says of operands at the edge of what is allowed: MSRs, control and debug
 * registers, descriptors of every kind and state, far transfers. Each row is a program with what
 * becomes of it: it faults before its end with this vector, it leaves with this exit, or it comes
 * to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arch/msr.h"
#include "x86_guest.h"

enum { UD = 6, NP = 11, SS = 12, GP = 13 };
enum { TO_ITS_END = 0x100, LEAVES = 0x200 /* and the exit reason */ };
/* How the processor is set up. */
enum {
	USER = 1,
	TSD = 2,
	DE = 4,
	NO_XSAVE = 8,
	PCIDE = 16,
	EXITS = 32,
	RANDOM = 64,
	UNLUCKY = 128,
	NT = 256,
	NO_LA57 = 512
};

#define HANDLERS 0x110000u

/* Selectors of descriptors of the wrong kind, behind those of x86_guest.h. */
#define ABSENT_DATA  "0x50"
#define ABSENT_CODE  "0x58"
#define EXECUTE_ONLY "0x60"
#define AN_LDT	     "0x68"
#define A_TSS	     "0x78"
#define ABSENT_LDT   "0x88"
#define ABSENT_TSS   "0x98"
#define CALL_GATE    "0xa8"
#define CONFORMING   "0xb8"
#define LONG_AND_BIG "0xc0"
#define ABSENT_UDATA "0xcb"
#define BEYOND	     "0x100"

static const uint64_t more_descriptors[] = {
	0x00cf13000000ffff,
	0x00af1b000000ffff,
	0x00cf99000000ffff,
	0x0000820000000fff,
	0,
	0x0000890070000067,
	0,
	0x0000020000000fff,
	0,
	0x0000090070000067,
	0,
	0x00008c0000080000,
	0,
	0x00af9f000000ffff,
	0x00ef9b000000ffff,
	0x00cf73000000ffff,
};

#define RD(msr)		"mov $" msr ", %ecx; rdmsr\n"
#define WR(msr, lo, hi) "mov $" msr ", %ecx; mov $" lo ", %eax; mov $" hi ", %edx; wrmsr\n"
/* The flag says so, or a breakpoint does. */
#define ZF_IS_1 "jz 1f; int3; 1:\n"
#define ZF_IS_0 "jnz 1f; int3; 1:\n"
#define AX(sel) "mov $" sel ", %eax\n"
#define FAR(what, sel)                                                                             \
	"lea 2f(%rip), %rax; mov %eax, 0x200000; movl $" sel ", 0x200004; " what " *0x200000; "    \
	"2:\n"
/* A frame of IRET: where, cs, ss. */
#define IRET_TO(where, cs, ss)                                                                     \
	"pushq $" ss "; pushq $0x90000; pushfq; pushq $" cs "; pushq $" where "; iretq\n"

/* The same program puts RBX into a register that holds a linear address: as wide as the processor
 * has them, with four levels of paging all the same. */
#define AS_WIDE(X, name, text)                                                                     \
	X(name##_57, "mov $1, %ebx; shl $55, %rbx\n" text, 0, TO_ITS_END)                          \
	X(name##_57_of_48, "mov $1, %ebx; shl $55, %rbx\n" text, NO_LA57, GP)                      \
	X(name##_48, "mov $1, %ebx; shl $46, %rbx\n" text, NO_LA57, TO_ITS_END)                    \
	X(name##_58, "mov $1, %ebx; shl $56, %rbx\n" text, 0, GP)
#define WR_RBX(msr)	   "mov $" msr ", %ecx; mov %ebx, %eax; shld $32, %rbx, %rdx; wrmsr\n"
#define HIGH_BASE(at, sel) "mov %rbx, %rax; shr $32, %rax; mov %eax, " at "\n" AX(sel)
/* A table there would be in the way of the end. */
#define TABLE_AT_RBX(what)                                                                         \
	"s" what " 0x200010; movw $0xff, 0x200000; mov %rbx, 0x200002; l" what " 0x200000; "       \
	"l" what " 0x200010\n"
#define REGISTERS(X)                                                                               \
	AS_WIDE(X, wide_gdt, TABLE_AT_RBX("gdt"))                                                  \
	AS_WIDE(X, wide_idt, TABLE_AT_RBX("idt"))                                                  \
	AS_WIDE(X, wide_ldt, HIGH_BASE("0x5070", AN_LDT) "lldt %ax\n")                             \
	AS_WIDE(X, wide_tss, HIGH_BASE("0x5080", A_TSS) "ltr %ax\n")                               \
	AS_WIDE(X, wide_wrfsbase, "wrfsbase %rbx\n")                                               \
	AS_WIDE(X, wide_wrgsbase, "wrgsbase %rbx\n")                                               \
	AS_WIDE(X, wide_sysenter_esp, WR_RBX("0x175"))                                             \
	AS_WIDE(X, wide_sysenter_eip, WR_RBX("0x176"))                                             \
	AS_WIDE(X, wide_lstar, WR_RBX("0xc0000082"))                                               \
	AS_WIDE(X, wide_cstar, WR_RBX("0xc0000083"))                                               \
	AS_WIDE(X, wide_fs_base, WR_RBX("0xc0000100"))                                             \
	AS_WIDE(X, wide_gs_base, WR_RBX("0xc0000101"))                                             \
	AS_WIDE(X, wide_kernel_gs_base, WR_RBX("0xc0000102"))                                      \
	AS_WIDE(X, wide_invpcid,                                                                   \
		"movq $0, 0x200000; mov %rbx, 0x200008; xor %eax, %eax; invpcid 0x200000, %rax\n") \
	X(access_by_a_wide_base, "mov $1, %ebx; shl $55, %rbx; wrfsbase %rbx; mov %fs:0, %eax\n",  \
	  0, GP)                                                                                   \
	X(invlpg_of_anything, "mov $1, %ebx; shl $62, %rbx; invlpg (%rbx)\n", 0, TO_ITS_END)

/* name, program, set-up, outcome */
#define ROWS(X)                                                                                    \
	X(rdmsr_of_none, RD("0x12345"), 0, GP)                                                     \
	X(wrmsr_of_none, WR("0x12345", "0", "0"), 0, GP)                                           \
	X(rdmsr_in_ring_3, RD("0xc0000080"), USER, GP)                                             \
	X(tsc_by_rdmsr, RD("0x10"), 0, TO_ITS_END)                                                 \
	X(efer_without_nxe, RD("0xc0000080") "and $~0x800, %eax; wrmsr\n", 0, TO_ITS_END)          \
	X(efer_without_lme, RD("0xc0000080") "and $~0x100, %eax; wrmsr\n", 0, GP)                  \
	X(efer_reserved, RD("0xc0000080") "or $2, %eax; wrmsr\n", 0, GP)                           \
	X(efer_lma_stays, WR("0xc0000080", "0x901", "0") "rdmsr; test $0x400, %eax\n" ZF_IS_0, 0,  \
	  TO_ITS_END)                                                                              \
	X(pat_2, WR("0x277", "0x02060606", "0x06060606"), 0, GP)                                   \
	X(pat_3, WR("0x277", "0x06060306", "0x06060606"), 0, GP)                                   \
	X(pat_8, WR("0x277", "0x06060606", "0x08060606"), 0, GP)                                   \
	X(rdtsc_in_ring_3, "rdtsc\n", USER, TO_ITS_END)                                            \
	X(rdtsc_withheld, "rdtsc\n", USER | TSD, GP)                                               \
	X(rdtsc_withheld_not_in_ring_0, "rdtsc\n", TSD, TO_ITS_END)                                \
	X(rdtscp_withheld, "rdtscp\n", USER | TSD, GP)                                             \
	X(rdtscp_in_ring_0, "rdtscp\n", TSD, TO_ITS_END)                                           \
	X(rdtsc_exits, "rdtsc\n", EXITS, LEAVES + VMX_EXIT_RDTSC)                                  \
	X(rdtscp_exits, "rdtscp\n", EXITS, LEAVES + VMX_EXIT_RDTSCP)                               \
	X(rdpmc_in_ring_0, "xor %ecx, %ecx; rdpmc\n", 0, LEAVES + VMX_EXIT_RDPMC)                  \
	X(rdpmc_in_ring_3, "xor %ecx, %ecx; rdpmc\n", USER, GP)                                    \
	X(rdrand_without_source, "rdrand %eax\n", 0, LEAVES + VMX_EXIT_RDRAND)                     \
	X(rdseed_without_source, "rdseed %eax\n", 0, LEAVES + VMX_EXIT_RDSEED)                     \
	X(rdrand_16, "mov $-1, %rax; rdrand %ax; jnc 1f; inc %rax; jnz 2f; 1: int3; 2:\n", RANDOM, \
	  TO_ITS_END)                                                                              \
	X(rdrand_64, "rdrand %rax; jc 1f; int3; 1:\n", RANDOM, TO_ITS_END)                         \
	X(rdrand_fails, "mov $7, %eax; rdrand %eax; jc 1f; test %eax, %eax; jz 2f; 1: int3; 2:\n", \
	  RANDOM | UNLUCKY, TO_ITS_END)                                                            \
	X(xgetbv_off, "xor %ecx, %ecx; xgetbv\n", NO_XSAVE, UD)                                    \
	X(xgetbv_0, "xor %ecx, %ecx; xgetbv\n", USER, TO_ITS_END)                                  \
	X(xgetbv_1, "mov $1, %ecx; xgetbv\n", 0, TO_ITS_END)                                       \
	X(xgetbv_2, "mov $2, %ecx; xgetbv\n", 0, GP)                                               \
	X(xsetbv_off, "xor %ecx, %ecx; xsetbv\n", NO_XSAVE, UD)                                    \
	X(xsetbv_in_ring_3, "xor %ecx, %ecx; xsetbv\n", USER, GP)                                  \
	X(xsetbv_on, "xor %ecx, %ecx; xsetbv\n", 0, LEAVES + VMX_EXIT_XSETBV)                      \
	X(xsave_off, "xsave 0x200000\n", NO_XSAVE, UD)                                             \
	X(xrstor_not_aligned, "xrstor 0x200020\n", 0, GP)                                          \
	X(xrstor_of_more, "movq $0x1000, 0x200200; xrstor 0x200000\n", 0, GP)                      \
	X(xrstor_reserved, "movq $1, 0x200210; xrstor 0x200000\n", 0, GP)                          \
	X(xrstor_compact_of_more,                                                                  \
	  "mov $1, %eax; shl $63, %rax; or $0x40, %rax; mov %rax, 0x200208; xrstor 0x200000\n", 0, \
	  GP)                                                                                      \
	X(xrstor_mxcsr,                                                                            \
	  "movq $3, 0x200200; movl $0x80000000, 0x200018; mov $3, %eax; xor %edx, "                \
	  "%edx; xrstor 0x200000\n",                                                               \
	  0, GP)                                                                                   \
	X(cr0_wide, "mov $0x80050033, %eax; bts $32, %rax; mov %rax, %cr0\n", 0, GP)               \
	X(cr0_paging_without_protection, "mov $0x80050032, %eax; mov %rax, %cr0\n", 0, GP)         \
	X(cr0_nw_without_cd, "mov $0xa0050033, %eax; mov %rax, %cr0\n", 0, GP)                     \
	X(cr0_no_paging_in_long_mode, "mov $0x00050033, %eax; mov %rax, %cr0\n", 0, GP)            \
	X(cr4_reserved, "mov %cr4, %rax; bts $31, %rax; mov %rax, %cr4\n", 0, GP)                  \
	X(cr4_no_pae_in_long_mode, "mov %cr4, %rax; btr $5, %rax; mov %rax, %cr4\n", 0, GP)        \
	X(cr4_la57_in_long_mode, "mov %cr4, %rax; bts $12, %rax; mov %rax, %cr4\n", 0, GP)         \
	X(cr4_pcide_with_pcid,                                                                     \
	  "mov %cr3, %rax; or $8, %eax; mov %rax, %cr3; mov %cr4, %rax; bts "                      \
	  "$17, %rax; mov %rax, %cr4\n",                                                           \
	  0, GP)                                                                                   \
	X(cr4_pcide, "mov %cr4, %rax; bts $17, %rax; mov %rax, %cr4\n", 0, TO_ITS_END)             \
	X(cr3_beyond_the_width, "mov $1, %eax; shl $52, %rax; mov %rax, %cr3\n", 0, GP)            \
	X(cr3_no_flush_without_pcid, "mov %cr3, %rax; bts $63, %rax; mov %rax, %cr3\n", 0, GP)     \
	X(cr3_no_flush,                                                                            \
	  "mov %cr3, %rax; or $7, %eax; bts $63, %rax; mov %rax, %cr3; mov %cr3, "                 \
	  "%rax; test %rax, %rax; jns 1f; int3; 1:\n",                                             \
	  PCIDE, TO_ITS_END)                                                                       \
	X(cr2_back, "mov $0x1234, %eax; mov %rax, %cr2; mov %cr2, %rcx; cmp %rcx, %rax\n" ZF_IS_1, \
	  0, TO_ITS_END)                                                                           \
	X(cr8_back, "mov $5, %eax; mov %rax, %cr8; mov %cr8, %rcx; cmp %rcx, %rax\n" ZF_IS_1, 0,   \
	  TO_ITS_END)                                                                              \
	X(cr8_wide, "mov $16, %eax; mov %rax, %cr8\n", 0, GP)                                      \
	X(cr8_in_ring_3, "mov %cr8, %rax\n", USER, GP)                                             \
	X(cr1, ".byte 0x0f, 0x20, 0xc8\n", 0, UD)                                                  \
	X(to_cr5, ".byte 0x0f, 0x22, 0xe8\n", 0, UD)                                               \
	X(dr4_is_dr6, "mov %dr4, %rax; mov %dr6, %rcx; cmp %rcx, %rax\n" ZF_IS_1, 0, TO_ITS_END)   \
	X(dr5_is_dr7, "mov %dr5, %rax; mov %dr7, %rcx; cmp %rcx, %rax\n" ZF_IS_1, 0, TO_ITS_END)   \
	X(dr4_with_de, "mov %dr4, %rax\n", DE, UD)                                                 \
	X(dr6_wide, "mov $1, %eax; shl $32, %rax; mov %rax, %dr6\n", 0, GP)                        \
	X(dr7_wide, "mov $1, %eax; shl $32, %rax; mov %rax, %dr7\n", 0, GP)                        \
	X(dr6_reserved,                                                                            \
	  "xor %eax, %eax; mov %rax, %dr6; mov %dr6, %rax; cmp $0xfffe07f0, %eax\n" ZF_IS_1, 0,    \
	  TO_ITS_END)                                                                              \
	X(dr_exits, "mov %rax, %dr0\n", EXITS, LEAVES + VMX_EXIT_DR_ACCESS)                        \
	X(dr_read_exits, "mov %dr3, %rcx\n", EXITS, LEAVES + VMX_EXIT_DR_ACCESS)                   \
	X(invlpg_exits, "invlpg 0x200000\n", EXITS, LEAVES + VMX_EXIT_INVLPG)                      \
	X(lgdt_not_canonical,                                                                      \
	  "movw $0xff, 0x200000; mov $1, %eax; shl $63, %rax; mov %rax, "                          \
	  "0x200002; lgdt 0x200000\n",                                                             \
	  0, GP)                                                                                   \
	X(lidt_not_canonical,                                                                      \
	  "movw $0xff, 0x200000; mov $1, %eax; shl $63, %rax; mov %rax, "                          \
	  "0x200002; lidt 0x200000\n",                                                             \
	  0, GP)                                                                                   \
	X(invpcid_all,                                                                             \
	  "movq $0, 0x200000; movq $0, 0x200008; mov $2, %eax; invpcid 0x200000, "                 \
	  "%rax\n",                                                                                \
	  0, TO_ITS_END)                                                                           \
	X(invpcid_type, "mov $4, %eax; invpcid 0x200000, %rax\n", 0, GP)                           \
	X(invpcid_reserved, "movq $0x1000, 0x200000; mov $1, %eax; invpcid 0x200000, %rax\n", 0,   \
	  GP)                                                                                      \
	X(invpcid_not_canonical,                                                                   \
	  "movq $0, 0x200000; mov $1, %eax; shl $62, %rax; mov %rax, "                             \
	  "0x200008; xor %eax, %eax; invpcid 0x200000, %rax\n",                                    \
	  0, GP)                                                                                   \
	X(invpcid_in_ring_3, "xor %eax, %eax; invpcid 0x200000, %rax\n", USER, GP)                 \
	X(stac_in_ring_3, "stac\n", USER, UD)                                                      \
	X(wrfsbase, "mov $0x5678, %eax; wrfsbase %rax; rdfsbase %rcx; cmp %rcx, %rax\n" ZF_IS_1,   \
	  USER, TO_ITS_END)                                                                        \
	X(wrgsbase_32, "mov $-1, %rax; wrgsbase %eax; rdgsbase %ecx; cmp %ecx, %eax\n" ZF_IS_1, 0, \
	  TO_ITS_END)                                                                              \
	X(wrgsbase_not_canonical, "mov $1, %eax; shl $58, %rax; wrgsbase %rax\n", USER, GP)        \
	X(swapgs_back, "swapgs; swapgs\n", 0, TO_ITS_END)                                          \
	X(lldt_none, AX("3") "lldt %ax\n", 0, TO_ITS_END)                                          \
	X(lldt, AX(AN_LDT) "lldt %ax; sldt %ecx; cmp %cx, %ax\n" ZF_IS_1, 0, TO_ITS_END)           \
	X(lldt_of_a_tss, AX(A_TSS) "lldt %ax\n", 0, GP)                                            \
	X(lldt_in_the_ldt, AX("4 + " AN_LDT) "lldt %ax\n", 0, GP)                                  \
	X(lldt_beyond, AX(BEYOND) "lldt %ax\n", 0, GP)                                             \
	X(lldt_absent, AX(ABSENT_LDT) "lldt %ax\n", 0, NP)                                         \
	X(ltr, AX(A_TSS) "ltr %ax; str %ecx; cmp %cx, %ax\n" ZF_IS_1, 0, TO_ITS_END)               \
	X(ltr_twice, AX(A_TSS) "ltr %ax; ltr %ax\n", 0, GP)                                        \
	X(ltr_of_none, AX("0") "ltr %ax\n", 0, GP)                                                 \
	X(ltr_of_an_ldt, AX(AN_LDT) "ltr %ax\n", 0, GP)                                            \
	X(ltr_in_the_ldt, AX("4 + " A_TSS) "ltr %ax\n", 0, GP)                                     \
	X(ltr_beyond, AX(BEYOND) "ltr %ax\n", 0, GP)                                               \
	X(ltr_absent, AX(ABSENT_TSS) "ltr %ax\n", 0, NP)                                           \
	X(ds_absent, AX(ABSENT_DATA) "mov %eax, %ds\n", 0, NP)                                     \
	X(ss_absent, AX(ABSENT_DATA) "mov %eax, %ss\n", 0, SS)                                     \
	X(ss_absent_in_ring_3, AX(ABSENT_UDATA) "mov %eax, %ss\n", USER, SS)                       \
	X(ds_of_a_tss, AX(A_TSS) "mov %eax, %ds\n", 0, GP)                                         \
	X(ds_execute_only, AX(EXECUTE_ONLY) "mov %eax, %ds\n", 0, GP)                              \
	X(es_beyond, AX(BEYOND) "mov %eax, %es\n", 0, GP)                                          \
	X(fs_in_no_ldt, AX("0x14") "mov %eax, %fs\n", 0, GP)                                       \
	X(ds_readable_code, AX(CONFORMING) "mov %eax, %ds\n", 0, TO_ITS_END)                       \
	X(lar_data, AX("0x10") "lar %ax, %ecx\n" ZF_IS_1 "cmp $0xc09300, %ecx\n" ZF_IS_1, 0,       \
	  TO_ITS_END)                                                                              \
	X(lar_none, AX("0") "lar %ax, %ecx\n" ZF_IS_0, 0, TO_ITS_END)                              \
	X(lar_beyond, AX(BEYOND) "lar %ax, %ecx\n" ZF_IS_0, 0, TO_ITS_END)                         \
	X(lar_of_ring_0, AX("0x10") "lar %ax, %ecx\n" ZF_IS_0, USER, TO_ITS_END)                   \
	X(lar_conforming, AX(CONFORMING) "lar %ax, %cx\n" ZF_IS_1, USER, TO_ITS_END)               \
	X(lar_tss, AX(A_TSS) "lar %ax, %ecx\n" ZF_IS_1, 0, TO_ITS_END)                             \
	X(lar_gate, AX(CALL_GATE) "lar %ax, %ecx\n" ZF_IS_1, 0, TO_ITS_END)                        \
	X(lsl_gate, AX(CALL_GATE) "lsl %ax, %ecx\n" ZF_IS_0, 0, TO_ITS_END)                        \
	X(lsl_data, AX("0x10") "lsl %ax, %ecx\n" ZF_IS_1 "inc %ecx\n" ZF_IS_1, 0, TO_ITS_END)      \
	X(lsl_tss, AX(A_TSS) "lsl %ax, %ecx\n" ZF_IS_1 "cmp $0x67, %ecx\n" ZF_IS_1, 0, TO_ITS_END) \
	X(lsl_rpl, AX("0x13") "lsl %ax, %ecx\n" ZF_IS_0, 0, TO_ITS_END)                            \
	X(verr_code, AX("0x08") "verr %ax\n" ZF_IS_1, 0, TO_ITS_END)                               \
	X(verr_execute_only, AX(EXECUTE_ONLY) "verr %ax\n" ZF_IS_0, 0, TO_ITS_END)                 \
	X(verr_tss, AX(A_TSS) "verr %ax\n" ZF_IS_0, 0, TO_ITS_END)                                 \
	X(verr_none, AX("0") "verr %ax\n" ZF_IS_0, 0, TO_ITS_END)                                  \
	X(verr_of_ring_0, AX("0x10") "verr %ax\n" ZF_IS_0, USER, TO_ITS_END)                       \
	X(verr_conforming, AX(CONFORMING) "verr %ax\n" ZF_IS_1, USER, TO_ITS_END)                  \
	X(verr_rpl, AX("0x13") "verr %ax\n" ZF_IS_0, 0, TO_ITS_END)                                \
	X(verw_data, AX("0x10") "verw %ax\n" ZF_IS_1, 0, TO_ITS_END)                               \
	X(verw_code, AX("0x08") "verw %ax\n" ZF_IS_0, 0, TO_ITS_END)                               \
	X(jump_far, FAR("ljmpl", "0x08"), 0, TO_ITS_END)                                           \
	X(jump_conforming, FAR("ljmpl", CONFORMING), 0, TO_ITS_END)                                \
	X(jump_to_none, FAR("ljmpl", "0"), 0, GP)                                                  \
	X(jump_to_data, FAR("ljmpl", "0x10"), 0, GP)                                               \
	X(jump_to_an_ldt, FAR("ljmpl", AN_LDT), 0, GP)                                             \
	X(jump_beyond, FAR("ljmpl", BEYOND), 0, GP)                                                \
	X(jump_rpl, FAR("ljmpl", "0x0b"), 0, GP)                                                   \
	X(jump_to_user, FAR("ljmpl", "0x2b"), 0, GP)                                               \
	X(jump_long_and_big, FAR("ljmpl", LONG_AND_BIG), 0, GP)                                    \
	X(jump_absent, FAR("ljmpl", ABSENT_CODE), 0, NP)                                           \
	X(jump_gate, FAR("ljmpl", CALL_GATE), 0, LEAVES + X86_EXIT_UNSUPPORTED)                    \
	X(call_far, FAR("lcalll", "0x08"), 0, TO_ITS_END)                                          \
	X(call_data, FAR("lcalll", "0x10"), 0, GP)                                                 \
	X(call_by_memory_with_a_stack_not_canonical,                                               \
	  "lea 2f(%rip), %rax; mov %rax, 0x200000; mov $1, %eax; shl $50, %rax; "                  \
	  "mov %rax, %rsp; call *0x200000; 2:\n",                                                  \
	  USER, SS)                                                                                \
	X(jump_not_canonical,                                                                      \
	  "movabs $0x800000000000, %rax; mov %rax, 0x200000; movw $8, 0x200008; "                  \
	  ".byte 0x48; ljmpl *0x200000\n",                                                         \
	  0, GP)                                                                                   \
	X(iret_nested, IRET_TO("0x100000", "0x08", "0x10"), NT, GP)                                \
	X(iret_null_cs, IRET_TO("0x100000", "0", "0x10"), 0, GP)                                   \
	X(iret_to_data, IRET_TO("0x100000", "0x10", "0x10"), 0, GP)                                \
	X(iret_absent, IRET_TO("0x100000", ABSENT_CODE, "0x10"), 0, NP)                            \
	X(iret_long_and_big, IRET_TO("0x100000", LONG_AND_BIG, "0x10"), 0, GP)                     \
	X(iret_ring_0_null_ss_rpl, IRET_TO("0x100000", "0x08", "3"), 0, GP)                        \
	X(iret_ring_3_null_ss, IRET_TO("0x100000", "0x2b", "3"), 0, GP)                            \
	X(iret_ss_code, IRET_TO("0x100000", "0x2b", "0x2b"), 0, GP)                                \
	X(iret_ss_of_ring_0, IRET_TO("0x100000", "0x2b", "0x13"), 0, GP)                           \
	X(iret_ss_tss, IRET_TO("0x100000", "0x2b", A_TSS " + 3"), 0, GP)                           \
	X(iret_ss_absent, IRET_TO("0x100000", "0x2b", ABSENT_UDATA), 0, SS)                        \
	X(iret_inwards, IRET_TO("0x100000", "0x08", "0x10"), USER, GP)                             \
	X(iret_not_canonical,                                                                      \
	  "pushq $0x10; pushq $0x90000; pushfq; pushq $8; movabs "                                 \
	  "$0x800000000000, %rax; push %rax; iretq\n",                                             \
	  0, GP)                                                                                   \
	X(sysret_not_canonical, "movabs $0x800000000000, %rcx; sysretq\n", 0, GP)                  \
	X(sysret_in_ring_3, "sysretq\n", USER, GP)                                                 \
	X(sysexit_without_cs, "sysexitl\n", 0, GP)                                                 \
	X(sysexit_in_ring_3, "sysexitl\n", USER, GP)                                               \
	X(sysexit_not_canonical,                                                                   \
	  WR("0x174", "0x08", "0") "movabs $0x800000000000, %rcx; xor "                            \
				   "%edx, %edx; sysexitq\n",                                       \
	  0, GP)                                                                                   \
	X(sysenter_without_cs, "sysenter\n", USER, GP)                                             \
	X(getsec_off, "xor %eax, %eax; getsec\n", 0, UD)                                           \
	X(vmcall_in_ring_3, "vmclear 0x200000\n", USER, GP)                                        \
	X(out_by_the_map, "out %al, $0x80\n", USER, LEAVES + VMX_EXIT_IO)

#define CODE(name, text, setup, outcome)                                                           \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n");
ROWS(CODE)
REGISTERS(CODE)

static const struct row {
	const char *name;
	const uint8_t *code, *end;
	unsigned setup, outcome;
} rows[] = {
#define ROW(name, text, setup, outcome) {#name, name, name##_end, setup, outcome},
	ROWS(ROW) REGISTERS(ROW)};

static bool some_random(struct x86_cpu *cpu, bool seed, uint64_t *v)
{
	const struct guest *g = cpu->owner;

	(void)seed;
	*v = 0x123456789abcdef0;
	return g->tsc != UNLUCKY;
}

static void set_up(struct guest *g, const struct row *r, struct x86_ops *ops)
{
	struct x86_cpu *cpu = g->cpu;
	const unsigned length = (unsigned)(r->end - r->code);

	*ops = *cpu->ops;
	if (r->setup & RANDOM)
		ops->random = some_random;
	g->tsc = r->setup & UNLUCKY;
	cpu->ops = ops;
	g->cpuid_all = UINT32_MAX;
	g->cpuid_odd.leaf = UINT32_MAX;
	if (r->setup & NO_LA57)
		g->cpuid_odd = (struct g_cpuid_bit){7, 0, 2, 16};
	x86_cpuid_changed(cpu);
	for (unsigned i = 0; i < 32; i++) {
		g_gate(g, i, HANDLERS + i, 3, 0);
		g->ram[HANDLERS + i] = 0xf4;
	}
	g_put(g, G_CODE, r->code, length);
	g_put(g, G_CODE + length, "\x0f\x0b", 2);
	memcpy(g->ram + G_GDT + 0x50, more_descriptors, sizeof(more_descriptors));
	cpu->gdtr.limit = 0x50 + sizeof(more_descriptors) - 1;
	cpu->cr4 |= CR4_FSGSBASE | (r->setup & NO_XSAVE ? 0 : CR4_OSXSAVE) |
		    (r->setup & TSD ? CR4_TSD : 0) | (r->setup & DE ? CR4_DE : 0) |
		    (r->setup & PCIDE ? CR4_PCIDE : 0);
	cpu->xcr0 = 3;
	cpu->rdtsc_exits = cpu->invlpg_exits = cpu->mov_dr_exits = r->setup & EXITS;
	if (r->setup & NT)
		cpu->sysflags |= RFLAGS_NT;
	if (r->setup & USER)
		g_user(g, G_CODE);
	x86_state_changed(cpu);
}

/* As a row has it; what is not what it has to be is said. */
static unsigned outcome(const struct row *r)
{
	struct x86_ops ops;
	struct x86_exit x;
	struct guest g;
	unsigned how;

	assert_int_equal(g_open(&g), 0);
	set_up(&g, r, &ops);
	assert_int_equal(x86_run(g.cpu, &x, 200), 0);
	if (x.reason != VMX_EXIT_HLT) {
		how = LEAVES + x.reason;
	} else {
		const unsigned vector = (unsigned)(g.cpu->rip - HANDLERS);
		const bool error = vector >= 10 && vector <= 14;
		const uint64_t at = *g_q(&g, g.cpu->regs.rsp + (error ? 8 : 0));
		const uint64_t end = G_CODE + (uint64_t)(r->end - r->code);

		how = vector == UD && at == end ? TO_ITS_END : vector;
		if (how != TO_ITS_END && (at < G_CODE || at >= end))
			print_message("%s: vector %u at 0x%llx\n", r->name, vector,
				      (unsigned long long)at);
	}
	g_close(&g);
	return how;
}

static void each_row_ends_as_the_manual_says(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const unsigned how = outcome(&rows[i]);

		if (how == rows[i].outcome)
			continue;
		print_message("%s: 0x%x, not 0x%x\n", rows[i].name, how, rows[i].outcome);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* --- MSRs whose values the engine has --- */

static const struct {
	uint32_t msr;
	uint64_t good, bad;
} msrs[] = {
	{MSR_SYSENTER_CS, 0x10, 0},
	{MSR_SYSENTER_ESP, 0xffff800000000000, 1ull << 57},
	{MSR_SYSENTER_EIP, 0x00007ffffffff000, 1ull << 63},
	{MSR_STAR, 0x0023001000000000, 0},
	{MSR_LSTAR, 0xffffffff81000000, 1ull << 60},
	{MSR_CSTAR, 0xffffffff81000000, 1ull << 60},
	{MSR_SFMASK, 0x47700, 1ull << 32},
	{MSR_FS_BASE, 0x7fff12345678, 1ull << 58},
	{MSR_GS_BASE, 0xffff888000000000, 1ull << 62},
	{MSR_KERNEL_GS_BASE, 0xffff888000000000, 0xfeff888000000000},
	{MSR_TSC_AUX, 7, 1ull << 32},
	{MSR_PAT, 0x0007040600070406, 0x0007040600070402},
	{MSR_XSS, 0, 1},
};

static void an_msr_keeps_what_it_may_have(void **state)
{
	static const uint8_t code[] = {0x0f, 0x30, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x32, 0xf4};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(msrs) / sizeof(msrs[0]); i++) {
		const bool bad = i & 1;
		const uint64_t v = bad ? msrs[i / 2].bad : msrs[i / 2].good;
		struct x86_exit x;
		struct guest g;

		if (bad && !v)
			continue; /* any value is good */
		assert_int_equal(g_open(&g), 0);
		g_put(&g, G_CODE, code, sizeof(code));
		g_gate(&g, GP, HANDLERS, 0, 0);
		g.ram[HANDLERS] = 0xf4;
		g.cpu->regs.rcx = msrs[i / 2].msr;
		g.cpu->regs.rax = (uint32_t)v;
		g.cpu->regs.rdx = v >> 32;
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		assert_int_equal(x.reason, VMX_EXIT_HLT);
		assert_int_equal(g.cpu->rip, bad ? HANDLERS : G_CODE + sizeof(code) - 1);
		if (!bad)
			assert_int_equal(g.cpu->regs.rdx << 32 | g.cpu->regs.rax, v);
		g_close(&g);
	}
}

/* The embedder has the others: a value, a fault, an exit. */
static enum x86_msr_answer answer;

static enum x86_msr_answer answer_rdmsr(struct x86_cpu *cpu, uint32_t msr, uint64_t *v)
{
	(void)cpu;
	*v = msr;
	return answer;
}

static enum x86_msr_answer answer_wrmsr(struct x86_cpu *cpu, uint32_t msr, uint64_t v)
{
	(void)cpu;
	(void)msr;
	(void)v;
	return answer;
}

static void the_embedder_answers_for_its_msrs(void **state)
{
	static const uint8_t code[2][3] = {{0x0f, 0x32, 0xf4}, {0x0f, 0x30, 0xf4}};
	static const enum x86_msr_answer answers[] = {X86_MSR_DONE, X86_MSR_GP, X86_MSR_EXIT};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		const unsigned write = i / 3;
		struct x86_ops ops;
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		ops = *g.cpu->ops;
		ops.rdmsr = answer_rdmsr;
		ops.wrmsr = answer_wrmsr;
		g.cpu->ops = &ops;
		answer = answers[i % 3];
		g_put(&g, G_CODE, code[write], sizeof(code[write]));
		g_gate(&g, GP, HANDLERS, 0, 0);
		g.ram[HANDLERS] = 0xf4;
		g.cpu->regs.rcx = 0x1234;
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		if (answer == X86_MSR_EXIT) {
			assert_int_equal(x.reason, write ? VMX_EXIT_WRMSR : VMX_EXIT_RDMSR);
			assert_int_equal(g.cpu->rip, G_CODE);
			assert_int_equal(x.insn_len, 2);
		} else {
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->rip, answer == X86_MSR_GP ? HANDLERS : G_CODE + 2);
		}
		if (answer == X86_MSR_DONE && !write)
			assert_int_equal(g.cpu->regs.rax, 0x1234);
		g_close(&g);
	}
}

/* --- gates --- */

static void a_gate_is_looked_at_before_it_is_used(void **state)
{
	static const struct {
		uint64_t change; /* of the gate's first half */
		unsigned vector;
	} gates[] = {
		{0x0000800000000000, NP},		 /* not present */
		{(uint64_t)G_CS64 << 16, GP},		 /* no code segment */
		{(uint64_t)(G_CS64 ^ G_DS) << 16, GP},	 /* data */
		{(uint64_t)(G_CS64 ^ G_CS32) << 16, GP}, /* code of 32 bits */
		{(uint64_t)(G_CS64 ^ 0x58) << 16, NP},	 /* absent code */
		{(uint64_t)(G_CS64 ^ 0xc0) << 16, GP},	 /* L and D */
		{(uint64_t)(G_CS64 ^ G_UCS) << 16, GP},	 /* a less privileged ring's */
		{(uint64_t)(G_CS64 ^ 0x100) << 16, GP},	 /* beyond the table */
		{0x0000080000000000, GP},		 /* of 16 bits */
		{0x00000b0000000000, GP},		 /* a task's */
		{0x0000010000000000, TO_ITS_END},	 /* a trap's */
	};
	static const uint8_t code[] = {0xcd, 0x40, 0xf4}; /* int $0x40 */

	(void)state;
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		memcpy(g.ram + G_GDT + 0x50, more_descriptors, sizeof(more_descriptors));
		g.cpu->gdtr.limit = 0x50 + sizeof(more_descriptors) - 1;
		for (unsigned v = 0; v < 32; v++) {
			g_gate(&g, v, HANDLERS + v, 0, 0);
			g.ram[HANDLERS + v] = 0xf4;
		}
		g.ram[HANDLERS + 0x40] = 0xf4;
		g_gate(&g, 0x40, HANDLERS + 0x40, 0, 0);
		*g_q(&g, G_IDT + 0x40 * 16) ^= gates[i].change;
		g_put(&g, G_CODE, code, sizeof(code));
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		assert_int_equal(x.reason, VMX_EXIT_HLT);
		if (gates[i].vector == TO_ITS_END)
			assert_int_equal(g.cpu->rip, HANDLERS + 0x40);
		else if (g.cpu->rip != HANDLERS + gates[i].vector)
			fail_msg("gate %u: 0x%llx", i, (unsigned long long)g.cpu->rip);
		g_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_ends_as_the_manual_says),
		cmocka_unit_test(an_msr_keeps_what_it_may_have),
		cmocka_unit_test(the_embedder_answers_for_its_msrs),
		cmocka_unit_test(a_gate_is_looked_at_before_it_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
