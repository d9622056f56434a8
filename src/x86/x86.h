/* SPDX-License-Identifier: MIT */
/* An x86-64 processor in software: the engine that executes a guest's code.
 *
 * It stands alone: guest-physical memory, MSRs, time and everything that leaves the guest come from
 * the embedder through struct x86_ops and through the exit record of x86_run(). Protected mode
 * (32-bit, PAE), long mode and compatibility mode are executed; real mode and virtual-8086 are not.
 *
 *	struct x86_cpu *cpu = x86_cpu_new(code, &ops, owner);
 *	cpu->rip = entry; cpu->regs.rsp = stack; ...; x86_state_changed(cpu);
 *	while (x86_run(cpu, &exit, UINT64_MAX) == 0)
 *		handle(&exit);
 *
 * An x86_cpu belongs to the thread that runs it; only x86_kick(), x86_raise_intr() and
 * x86_code_written() may be called from others. What must stay true: at every exit the state in
 * the structure is exact at an instruction boundary, and the exiting instruction has had no effect
 * (REP iterations already done excepted), so that it can be run again or skipped. */
#ifndef X86_X86_H
#define X86_X86_H

#include "arch/vmx.h"
#include "arch/x86.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <swtdx/types.h>

struct x86_cpu;
struct x86_op;
struct x86_tlbe;
struct x86_mmu;
struct x86_cache;
struct x86_code;
struct x86_unsettled;
struct x86_xlate;
struct x86_check;
struct x86_vex;
struct jc_entry;

enum x86_segno { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_NOSEG, X86_SEGS };

struct x86_seg {
	uint64_t base;
	uint32_t limit;
	uint32_t ar;
	uint16_t sel;
};

struct x86_dtr {
	uint64_t base;
	uint16_t limit;
};

/* Exit reasons beside enum vmx_exit, which has those of the architecture. */
enum x86_reason {
	X86_EXIT_KICK = 0x1000,	   /* x86_kick() was called */
	X86_EXIT_BUDGET = 0x1001,  /* max_insns were executed */
	X86_EXIT_UNKNOWN = 0x1002, /* an instruction the engine does not know: insn[], insn_len */
	X86_EXIT_BREAKPOINT = 0x1003,  /* RIP is in the breakpoint list */
	X86_EXIT_UNSUPPORTED = 0x1004, /* the qualification is an enum x86_unsupported */
};

/* What the engine does not execute. */
enum x86_unsupported {
	X86_UNSUPPORTED_REAL_MODE = 1, /* CR0.PE = 0 */
	X86_UNSUPPORTED_PAGING_32 = 2, /* paging without PAE */
	X86_UNSUPPORTED_CALL_GATE = 3, /* a far transfer through one */
	X86_UNSUPPORTED_X87_FERR = 4,  /* an x87 exception with CR0.NE = 0 */
};
const char *x86_unsupported_name(uint64_t qualification);

struct x86_exit {
	uint32_t reason;	/* enum vmx_exit or enum x86_reason */
	uint32_t insn_len;	/* bytes of the exiting instruction, 0 where it does not apply */
	uint64_t qualification; /* as in the SDM for that reason */
	/* EPT violations: gpa with the shared bit; string IO and VMX instructions: the linear
	 * address of the memory operand, segmentation done */
	uint64_t gpa, gla;
	uint32_t intr_info, intr_error; /* the exception that exits, VMX format */
	uint32_t idt_info,
		idt_error; /* the event whose delivery was cut short, VMX format, bit 31 */
	uint32_t idt_len;
	/* A triple fault: the exception that could not be delivered first, as intr_info; the
	 * address of its instruction, and that of a #PF. */
	uint32_t first_info, first_error;
	uint64_t first_rip, first_gla;
	uint32_t insn_info; /* VMX instruction-information (SDM 28.2.5) where it has one */
	uint8_t insn[15];
};

/* Of insn_info: the operand is the register in bits 6:3; the other operand's register. */
#define X86_INFO_REGISTER   (1u << 10)
#define X86_INFO_REG1_SHIFT 3
#define X86_INFO_SIZE_SHIFT 11
#define X86_INFO_REG2_SHIFT 28

#define X86_MAP_R	    1u
#define X86_MAP_W	    2u
#define X86_MAP_X	    4u
/* With R or W: a device, not memory. Each access goes through ops->mmio(); nothing is executed. */
#define X86_MAP_MMIO 8u

/* Instructions that write cached lines back; SDM vol. 2. */
enum x86_cache_op { X86_CLFLUSH, X86_CLFLUSHOPT, X86_CLWB };

/* Answers of the MSR callbacks. */
enum x86_msr_answer {
	X86_MSR_OWN,  /* the engine keeps this MSR itself (EFER, STAR.., FS_BASE.., PAT, TSC_AUX) */
	X86_MSR_DONE, /* answered */
	X86_MSR_GP,   /* #GP(0) */
	X86_MSR_EXIT, /* leave with MSR_READ or MSR_WRITE */
};

struct x86_ops {
	/* Translate one guest-physical page; gpa includes the shared bit, access is one X86_MAP_*.
	 * Return all permissions of the page with *host at its first byte, or 0 for an EPT
	 * violation; *qual then receives further qualification bits (5:3 and above 8). The engine
	 * keeps the answer until x86_tlb_flush*(). */
	unsigned (*gpa_map)(struct x86_cpu *cpu, uint64_t gpa, unsigned access, void **host,
			    uint64_t *qual);
	enum x86_msr_answer (*rdmsr)(struct x86_cpu *cpu, uint32_t msr, uint64_t *value);
	enum x86_msr_answer (*wrmsr)(struct x86_cpu *cpu, uint32_t msr, uint64_t value);
	uint64_t (*tsc)(struct x86_cpu *cpu);
	/* CPUID as the guest sees it: which instructions there are and which bits of CR4 follows
	 * from it. Called by x86_cpuid_changed() only. May be NULL: all that the engine executes.
	 */
	void (*cpuid)(struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
	/* A random word; false: none available now (CF = 0). May be NULL: RDRAND and RDSEED exit.
	 */
	bool (*random)(struct x86_cpu *cpu, bool seed, uint64_t *value);
	/* A performance counter, by what RDPMC has in ECX; false: #GP(0). NULL: RDPMC exits. */
	bool (*rdpmc)(struct x86_cpu *cpu, uint32_t counter, uint64_t *value);
	/* Do these bytes of the host belong to the guest's memory? Asked before every access where
	 * X86_CHECK_HOST is defined, as builds for debugging and fuzzing have it; aborts if not.
	 * May be NULL. */
	bool (*is_ram)(struct x86_cpu *cpu, const void *host, size_t len);
	/* An interrupt was announced by x86_raise_intr() and can be taken now: its vector, or -1.
	 */
	int (*intr_ack)(struct x86_cpu *cpu);
	/* The guest wrote CR8. May be NULL. */
	void (*cr8_written)(struct x86_cpu *cpu);
	/* CPL may have become 3. May be NULL. */
	void (*user_mode)(struct x86_cpu *cpu);
	/* The guest waits in a loop of PAUSEs, and its thread has slept a moment for it. May be
	 * NULL. */
	void (*napped)(struct x86_cpu *cpu);
	/* An access to a page of X86_MAP_MMIO, whole or, across two pages, each part: 1 to 4096
	 * bytes are read into data, or written from there. It has been checked and takes place.
	 * Must not call x86_run(); may raise and kick. NULL: no page is mapped so. */
	void (*mmio)(struct x86_cpu *cpu, uint64_t gpa, void *data, unsigned size, bool write);
	/* The rest is told to those that model caches; each may be NULL. WBINVD exits instead. */
	/* The line at this address is written back. */
	void (*cache_line)(struct x86_cpu *cpu, uint64_t gpa, enum x86_cache_op op);
	/* MOVDIR64B, MOVDIRI or MOVNTI has stored past the caches; not ordered before a fence. */
	void (*direct_store)(struct x86_cpu *cpu, uint64_t gpa, unsigned size);
	/* SFENCE or MFENCE. */
	void (*fence)(struct x86_cpu *cpu);
};

#define X86_FEATURE_WORDS 2

struct x86_xmm {
	uint64_t q[2];
} __attribute__((aligned(16)));

/* Where CPUID leaf 0xd places a component of extended state: in a standard image; bytes; at 64 in a
 * compacted one. */
#define X86_XPLACES 19u
struct x86_xplace {
	uint16_t offset, size;
	bool aligned;
};

/* The x87 part of an FXSAVE image. */
struct x86_fxregs {
	uint16_t fcw, fsw;
	uint8_t ftw, pad;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
} __attribute__((aligned(16)));

struct x86_cpu {
	/* The register file; the engine addresses it by byte offset, with two pseudo registers. */
	struct tdx_regs regs;
	uint64_t zero;	 /* always 0: the absent base or index */
	uint64_t blkrip; /* RIP of the block in execution; nothing outside the engine uses it */

	uint16_t fl;  /* OF in bit 0 and SF ZF AF PF CF in 15:8, see flags.h */
	uint8_t mode; /* what a translated block depends on, see internal.h */
	uint8_t cpl;
	atomic_uint attn;     /* anything to do before the next block */
	int64_t left;	      /* instructions left to execute */
	struct x86_tlbe *tlb; /* the table for the privilege in force */
	/* What a link is good for: its page's own bytes, global mappings, this address space. */
	uint64_t gen_page, gen_global, gen;
	/* What an entry of the table of jumps is good for, with the mode: this address space, all.
	 */
	uint64_t jc_key, jc_key_global;
	struct jc_entry *jumps;
	uint64_t spill;	     /* of emitted code */
	uint64_t spilled[2]; /* of its calls */
	uint32_t host_mxcsr;
	uint8_t vectors; /* the host's registers have the guest's, and MXCSR, for now */
	uint8_t x87;	 /* its x87 unit has the guest's state, but for the last instruction: */
	uint16_t x87_fop;
	uint64_t x87_fip, x87_fdp;
	uint8_t rmw_pending;
	uint8_t shadow; /* interrupts blocked: 1 by STI, 2 by MOV SS or POP SS; 0x80 while it lasts
			 */
	bool nmi_blocked;
	uint64_t rip;
	uint64_t sysflags; /* RFLAGS without the six of fl */
	struct x86_seg seg[X86_SEGS];
	struct x86_xmm xmm[16];
	/* Upper halves of YMM, upper halves of ZMM0 to 15, ZMM16 to 31, opmasks: as XSAVE has them.
	 */
	struct x86_xmm ymm_hi[16];
	uint8_t zmm_hi[16][32];
	uint8_t zmm16[16][64];
	uint64_t k[8];
	uint64_t pkru;		      /* of 32 bits; x86_pkru_changed() */
	uint16_t xused;		      /* which of these components (XFAM) may be other than 0 */
	uint8_t vex_level;	      /* what CR0, CR4 and XCR0 let execute: enum vex_level */
	struct {		      /* as XSAVE has it */
		struct x86_fxregs fx; /* MXCSR is here too */
		uint8_t fx_unused[512 - sizeof(struct x86_fxregs)];
		uint64_t fx_header[8];
	} __attribute__((aligned(64)));

	struct x86_seg ldtr, tr;
	struct x86_dtr gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0, xss;
	uint64_t dr[8];
	uint64_t kernel_gs_base, star, lstar, cstar, sfmask, pat, tsc_aux;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;

	/* Set once by the embedder. */
	uint64_t cr0_mask, cr0_shadow, cr4_mask,
		cr4_shadow;	   /* guest/host masks: set bits are the host's */
	uint32_t exception_bitmap; /* vectors which exit instead of going through the guest's IDT */
	uint8_t maxpa;		   /* physical address width, 52 at most */
	bool rdtsc_exits, invlpg_exits, mov_dr_exits, mwait_exits; /* INVPCID as INVLPG */
	bool pause_exits, rdpmc_exits, rdrand_exits, rdseed_exits, desc_table_exits;
	/* A loop of PAUSEs at CPL 0, not ple_gap apart, exits after ple_window; of ops->tsc().
	 * 0: none does. ple_looping is cleared at each VM entry. */
	uint64_t ple_gap, ple_window;
	bool ple_looping;
	bool cr3_load_exits, cr3_store_exits, cr8_load_exits, cr8_store_exits;
	uint8_t cr3_targets; /* of these, so many, a load does not exit */
	uint64_t cr3_target[4];

	const struct x86_ops *ops;
	void *owner;

	/* Internal. */
	uint64_t features[X86_FEATURE_WORDS]; /* by enum x86_feature */
	struct x86_mmu *mmu;
	struct x86_cache *cache;
	struct x86_code *code;
	struct x86_unsettled *unsettled;
	struct x86_xplace xplace[X86_XPLACES];
	struct x86_vex *vex;	 /* NULL: no VEX instruction is executed but BMI's */
	struct x86_xlate *xlate; /* NULL: all is interpreted */
	struct x86_check *check; /* NULL: nothing is executed twice */
	bool checking;		 /* now, by emitted code: devices must not be asked */
	struct x86_cpu *next_in_code;
	uint64_t code_base; /* of CS, and its limit, when RIPs last got a new meaning */
	uint32_t code_limit;
	atomic_uint code_seen; /* of the log of struct x86_code */
	atomic_bool running;
	const struct x86_op *cur; /* operation whose guest accesses are in progress, or NULL */
	struct {
		bool valid, has_error, soft, ext, rf; /* rf: a fault, which is restarted with RF */
		uint8_t vector, type, len;
		uint32_t error;
		uint32_t debug; /* of #DB, as in DR6 */
	} ev, delivering, inj, first;
	uint64_t first_cr2;
	bool tf_armed;
	bool rf_armed;	      /* RF ends with the instruction in execution */
	bool aligned;	      /* CPL 3 with AC and CR0.AM */
	uint8_t dr_execution; /* breakpoints that are enabled, by kind */
	uint8_t dr_data;
	uint8_t dr_hit;		/* met by the instruction in execution */
	uint64_t dr_watched[4]; /* what that was found for */
	bool step_one;
	struct x86_exit exit;
	uint8_t bounce[64] __attribute__((aligned(64)));
	unsigned bounce_size;
	struct x86_part {
		uint8_t *host; /* NULL: a device */
		uint64_t gpa;
	} bounce_part[2];
	unsigned bounce_here; /* bytes in the first part */
	bool bounce_direct;   /* no copy: the bytes are in the first part */
	uint64_t mmio_gpa;    /* where x86_fill() found a device */
	uint64_t *breaks;
	unsigned nbreaks;
	uint64_t pause_left;	      /* `left` at the last PAUSE */
	unsigned pauses;	      /* one soon after the other */
	uint64_t ple_first, ple_last; /* PAUSE of the loop, by ops->tsc() */
	bool steady;	       /* a loop of them leaves by a kick, and nothing looks at a clock */
	uint64_t naps;	       /* times the thread slept in a loop of them */
	uint64_t insns;	       /* executed since x86_cpu_new() */
	uint64_t translations; /* of blocks, likewise */
	uint64_t run_start;
	jmp_buf jb;
};

/* What the processors of one guest share: which host pages hold translated code. */
struct x86_code *x86_code_new(void);
void x86_code_free(struct x86_code *code);
/* Blocks that were executed so often become the host's code, on processors made afterwards. Takes
 * 256 MiB of address space; no system call later. -ENOMEM, and -EPERM where memory may not be made
 * executable: all is interpreted. */
#define X86_TRANSLATE_AFTER 64u
int x86_code_translate(struct x86_code *code, unsigned after);
/* The same to find differences: translated blocks are executed by both, now and then, and the guest
 * goes on from what was interpreted. With one processor. */
int x86_code_check(struct x86_code *code, unsigned after);
/* Bits of a leaf of CPUID for vectors that are not executed on this host, beyond those that a guest
 * has with the state of AVX or AVX-512. */
void x86_code_lacks(const struct x86_code *code, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* PKRU was written: the TLB keeps nothing that it forbids now. */
void x86_pkru_changed(struct x86_cpu *cpu);
/* All state of vectors beyond SSE, and PKRU, as after a reset. */
void x86_init_vectors(struct x86_cpu *cpu);
/* What is executed on this host beyond x87 and SSE, as XFAM has it: of AVX and AVX-512 what the
 * host has, and protection keys. */
uint64_t x86_code_xfam(const struct x86_code *code);
/* Bits of a leaf of CPUID for instructions that programs may be given: all that are executed on
 * this host, but those that every guest has. */
void x86_code_cpuid(const struct x86_code *code, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* Neither, which is so from the start. Before a processor is made. */
void x86_code_interpret(struct x86_code *code);
struct x86_check_result {
	uint64_t compared, differences; /* executions of blocks */
	char first[160];		/* of the differences, in words */
};
struct x86_check_result *x86_code_result(struct x86_code *code);
/* Someone other than a processor of the guest (a device, the TDX module, a debugger) changed bytes
 * of this host page: what was translated from it is dropped. Any thread. */
void x86_code_written(struct x86_code *code, const void *host);

/* Would a register that holds a linear address take this one: the base of a segment or of a table,
 * an MSR, the address that INVPCID has? By CPUID, and not by CR4.LA57. */
bool x86_canonical_register(const struct x86_cpu *cpu, uint64_t value);

/* A processor with architectural reset values, 32-bit flat protected mode at 0xfffffff0. It has all
 * that the engine executes until x86_cpuid_changed() is called. */
struct x86_cpu *x86_cpu_new(struct x86_code *code, const struct x86_ops *ops, void *owner);
void x86_cpu_free(struct x86_cpu *cpu);

/* After the embedder wrote control, segment, EFER or other state than GPRs, RIP and XMM. */
void x86_state_changed(struct x86_cpu *cpu);
/* When ops->cpuid has the guest's answers, and after they changed. */
void x86_cpuid_changed(struct x86_cpu *cpu);
/* After it wrote debug registers only. */
void x86_debug_changed(struct x86_cpu *cpu);

uint64_t x86_rflags(const struct x86_cpu *cpu);
void x86_set_rflags(struct x86_cpu *cpu, uint64_t value);

/* Execute until something needs the embedder. 0 with *out filled; -EINVAL for a NULL argument. */
int x86_run(struct x86_cpu *cpu, struct x86_exit *out, uint64_t max_insns);

/* Deliver an event through the guest's IDT at the next x86_run(). insn_len counts for the software
 * types only. A contributory combination with a fault inside becomes #DF or a triple fault. */
void x86_inject(struct x86_cpu *cpu, uint8_t vector, enum vmx_event type, bool has_error,
		uint32_t error, uint8_t insn_len);

/* Step over the instruction that exited: RIP += len, and interrupt shadows end. */
void x86_skip(struct x86_cpu *cpu, unsigned len);

/* Can a maskable interrupt be delivered at this boundary? */
bool x86_interrupt_window(const struct x86_cpu *cpu);

/* From any thread: make x86_run() return X86_EXIT_KICK at the next block boundary. A budget of one
 * instruction ends by itself, and is used: whoever kicks without end does not stop the guest. */
void x86_kick(struct x86_cpu *cpu);
/* From any thread: ask ops->intr_ack() for a vector as soon as interrupts are possible. */
void x86_raise_intr(struct x86_cpu *cpu);

/* Forget guest-physical translations (all, or of one page) and all that was derived from them.
 * Until then they stay in force, as on hardware. */
void x86_tlb_flush(struct x86_cpu *cpu);
void x86_tlb_flush_gpa(struct x86_cpu *cpu, uint64_t gpa);
/* Ask ops->gpa_map() again at the next load or store of this page, which stays where it is, or of
 * any with host NULL. The processor's thread, in callbacks too. */
void x86_tlb_forget(struct x86_cpu *cpu, uint64_t gpa, const void *host);

/* For debuggers: stop with X86_EXIT_BREAKPOINT before the instruction at a RIP (not at the first
 * instruction of an x86_run()). -ENOMEM; -ENOENT on removal of an unset one. */
int x86_breakpoint(struct x86_cpu *cpu, uint64_t rip, bool set);

/* Read guest linear memory as the guest's kernel would, without side effects. -EFAULT. */
int x86_peek(struct x86_cpu *cpu, uint64_t gla, void *to, unsigned len);

/* The address of the instruction in execution, in callbacks. */
uint64_t x86_insn_rip(const struct x86_cpu *cpu);

/* Translate a linear address, without A/D side effects. -EFAULT. */
int x86_translate(struct x86_cpu *cpu, uint64_t gla, uint64_t *gpa);

#endif
