/* SPDX-License-Identifier: MIT */
/* What the engine's files share: translated operations, the software TLB and guest access.
 *
 * A translated block is an array of 32-byte operations, each with its handler. A handler does its
 * work and tail-calls the next operation's; the one that ends a block returns the first operation
 * of the next block to the loop in run.c, so that no call depth builds up when the compiler does
 * not turn tail calls into jumps. Faults and exits leave by longjmp() to run.c: a handler makes
 * all its guest accesses before it changes a register. */
#ifndef X86_INTERNAL_H
#define X86_INTERNAL_H

#include <assert.h>
#include <string.h>
#include "x86/guest.h"
#include "x86/x86.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

typedef const struct x86_op *x86_fn(struct x86_cpu *cpu, const struct x86_op *op);
typedef void x86_helper(struct x86_cpu *cpu, void *dst, const void *src, unsigned imm);

/* Where a block continues: relative to its own RIP, as blocks are kept by place in memory. `to` is
 * good while gen is the processor's of that kind (which: its offset in struct x86_cpu). The block
 * that a link leads to has it in its list, and takes `to` back when it is dropped. */
struct x86_link {
	uint64_t gen; /* the first four are all that is looked at on the way: one line of a cache */
	uint64_t which;
	const void *code; /* of `to`, with the translator */
	const struct x86_op *to;
	int64_t delta;
	uint64_t mask; /* of the RIP that comes out */
	struct x86_link *next_in, **prev_in;
};
static_assert(sizeof(struct x86_link) == 64, "its first half is in one line");

struct x86_op {
	x86_fn *fn;
	union {
		uint64_t imm;
		struct x86_link *link;
		x86_helper *helper;
	};
	int32_t disp;
	uint8_t d, s; /* byte offsets into the register file: destination, source */
	uint8_t b, i; /* base and index, likewise */
	uint8_t sc, seg, len, fl;
	uint16_t off; /* of the instruction from the block's RIP */
	uint8_t n;    /* instructions of the block before this one */
	uint8_t left; /* and after it */
};
static_assert(sizeof(struct x86_op) == 32, "operations are packed");

#define OPF_A32 1u /* the effective address is 32 (16) bits wide */
#define OPF_A16 2u
#define OPF_CHK 4u /* check the segment: not flat */
#define OPF_EA	7u
/* With OPF_CHK, seg also holds the operand's size, by number in x86_chk_size, and direction. */
#define CHK_SEG	       7u
#define CHK_SIZE_SHIFT 3u
#define CHK_WRITE      0x80u
#define X86_CHK_SIZES  14u
extern const uint16_t x86_chk_size[X86_CHK_SIZES];
#define OPF_SS	  8u /* an address that is not canonical is #SS, not #GP */
#define OPF_REP	  0x10u
#define OPF_REPNE 0x20u
#define OPF_LOCK  0x40u
#define OPF_MEM	  0x80u

#define REG_ZERO  128u
#define REG_BASE  136u
static_assert(offsetof(struct x86_cpu, zero) == REG_ZERO, "register file");
static_assert(offsetof(struct x86_cpu, blkrip) == REG_BASE, "register file");

/* struct x86_cpu.mode: all that decoding and permission of a block depend on. */
#define M_L64  0x01u /* 64-bit code */
#define M_D32  0x02u /* 32-bit code, else 16 */
#define M_SS32 0x04u /* 32-bit stack, outside 64-bit code */
#define M_FLAT 0x08u /* all segments flat, outside 64-bit code */
#define M_SSE  0x10u /* SSE instructions do not fault */
#define M_X87  0x20u
#define M_USER 0x40u /* CPL 3 */
#define M_ONE  0x80u /* a block of one instruction */

/* 32-bit code with a 32-bit stack, where no segment has a base or a limit but FS and GS. */
static inline bool x86_flat32(unsigned mode)
{
	const unsigned all = M_D32 | M_SS32 | M_FLAT;

	return (mode & (M_L64 | all)) == all;
}

/* struct x86_cpu.vex_level */
enum vex_level { VEX_LEVEL_NONE, VEX_LEVEL_AVX, VEX_LEVEL_512 };

/* struct x86_cpu.attn */
#define ATTN_KICK   0x01u
#define ATTN_INTR   0x02u
#define ATTN_CODE   0x04u
#define ATTN_STEP   0x08u /* TF, interrupt shadow */
#define ATTN_INJECT 0x10u

#define R8(off)	    (*((uint8_t *)cpu + (off)))
#define R16(off)    (*(uint16_t *)((uint8_t *)cpu + (off)))
#define R32(off)    (*(uint32_t *)((uint8_t *)cpu + (off)))
#define R64(off)    (*(uint64_t *)((uint8_t *)cpu + (off)))

#define OP(name)    const struct x86_op *name(struct x86_cpu *cpu, const struct x86_op *op)
#define SOP(name)   static OP(name)
#define NEXT	    return op[1].fn(cpu, op + 1)
/* What has much on the stack, so that its handler goes on with a jump all the same. */
#define APART __attribute__((noinline))

/* --- guest memory --- */

#define TLB_BITS 11
#define TLB_SIZE (1u << TLB_BITS)

/* Tags are page addresses; an impossible one (odd) marks an access that is not direct. */
struct x86_tlbe {
	uint64_t r, w, x;
	uint64_t addend; /* host = linear + addend */
};

#define ACC_R	1u
#define ACC_W	2u
#define ACC_X	4u
#define ACC_SUP 8u  /* implicit supervisor access: tables, frames of events */
#define ACC_SYS 16u /* such a frame of a program at CPL 3 */
#define ACC_SS	32u /* through SS: an address that is not canonical is #SS, as OPF_SS has it */

/* A linear address as wide as its mode has it. Nothing else cuts one: every address of an access
 * comes through here before it meets a tag of the TLB or is added to one's addend. */
static inline uint64_t x86_cut(uint64_t la, bool wide)
{
	return wide ? la : (uint32_t)la;
}

/* The host's byte of an access, which may take place on its page. NULL: it is of a device, at
 * cpu->mmio_gpa; never for ACC_X. */
uint8_t *x86_fill(struct x86_cpu *cpu, uint64_t va, unsigned acc);
uint64_t x86_ld_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, unsigned size);
void x86_st_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint64_t v,
		 unsigned size);
void *x86_rmw_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, unsigned size);
void x86_rmw_done(struct x86_cpu *cpu);
/* Copies of any size up to 4096; all or nothing. */
void x86_read(struct x86_cpu *cpu, uint64_t va, void *to, unsigned len, unsigned acc);
void x86_write(struct x86_cpu *cpu, uint64_t va, const void *from, unsigned len, unsigned acc);
uint64_t x86_ld(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc);
void x86_st(struct x86_cpu *cpu, uint64_t va, uint64_t v, unsigned size, unsigned acc);
/* A writable window of *len bytes (cut at the page's end) for string operations; NULL where the
 * page holds code or is a device's, and takes x86_read() and x86_write(). Faults as a write would.
 */
uint8_t *x86_window(struct x86_cpu *cpu, uint64_t va, uint64_t *len, unsigned acc);
/* Write the bytes whose mask has its highest bit set: all of them or, where one may not be, none.
 */
void x86_write_masked(struct x86_cpu *cpu, uint64_t va, const uint8_t *from, const uint8_t *mask,
		      unsigned len);
uint64_t x86_ea_chk(struct x86_cpu *cpu, const struct x86_op *op, uint64_t off);
/* The segment has all these bytes, with this right. */
bool x86_seg_allows(const struct x86_seg *s, uint64_t off, unsigned size, bool write);
uint64_t x86_seg_ea(struct x86_cpu *cpu, unsigned seg, uint64_t off, unsigned size, bool write);

/* Every pointer to a guest's bytes, before they are accessed. */
#ifdef X86_CHECK_HOST
void *x86_host(struct x86_cpu *cpu, uint64_t host, unsigned len);
#else
static inline void *x86_host(struct x86_cpu *cpu, uint64_t host, unsigned len)
{
	(void)cpu;
	(void)len;
	return (void *)host;
}
#endif

static inline struct x86_tlbe *tlb_at(struct x86_cpu *cpu, uint64_t va)
{
	return &cpu->tlb[(va >> 12) & (TLB_SIZE - 1)];
}

#define PAGE_OF(va, size) (((va) + ((size)-1)) & ~0xfffull)

/* The same through slow.S. The compiler does not see a call and gives handlers no frame; so the
 * red zone, which it may use then, is stepped over. */
#define XMM_CLOBBERS                                                                               \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define KEEP(name) "lea -128(%%rsp), %%rsp\n\tcall " name "\n\tlea 128(%%rsp), %%rsp"

static inline uint64_t ld_keep(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va,
			       uint64_t size)
{
	uint64_t v;

	__asm__ volatile(KEEP("x86_ld_keep")
			 : "=a"(v)
			 : "D"(cpu), "S"(op), "d"(va), "c"(size)
			 : "cc", "memory", XMM_CLOBBERS);
	return v;
}

static inline void st_keep(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint64_t v,
			   uint64_t size)
{
	register uint64_t r8 __asm__("r8") = size;

	__asm__ volatile(KEEP("x86_st_keep")
			 :
			 : "D"(cpu), "S"(op), "d"(va), "c"(v), "r"(r8)
			 : "cc", "memory", XMM_CLOBBERS);
}

static inline void *rmw_keep(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va,
			     uint64_t size)
{
	void *p;

	__asm__ volatile(KEEP("x86_rmw_keep")
			 : "=a"(p)
			 : "D"(cpu), "S"(op), "d"(va), "c"(size)
			 : "cc", "memory", XMM_CLOBBERS);
	return p;
}

#define DEFINE_ACCESS(T, n)                                                                        \
	static inline T ld##n(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va)           \
	{                                                                                          \
		const struct x86_tlbe *e = tlb_at(cpu, va);                                        \
		if (likely(e->r == PAGE_OF(va, n)))                                                \
			return x86_peek##n(x86_host(cpu, va + e->addend, n));                      \
		return (T)ld_keep(cpu, op, va, n);                                                 \
	}                                                                                          \
	static inline void st##n(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, T v)   \
	{                                                                                          \
		const struct x86_tlbe *e = tlb_at(cpu, va);                                        \
		if (likely(e->w == PAGE_OF(va, n)))                                                \
			x86_poke##n(x86_host(cpu, va + e->addend, n), v);                          \
		else                                                                               \
			st_keep(cpu, op, va, v, n);                                                \
	}                                                                                          \
	static inline T *rmw##n(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va)         \
	{                                                                                          \
		const struct x86_tlbe *e = tlb_at(cpu, va);                                        \
		if (likely(e->w == PAGE_OF(va, n)))                                                \
			return x86_host(cpu, va + e->addend, n);                                   \
		return rmw_keep(cpu, op, va, n);                                                   \
	}
DEFINE_ACCESS(uint8_t, 1)
DEFINE_ACCESS(uint16_t, 2)
DEFINE_ACCESS(uint32_t, 4)
DEFINE_ACCESS(uint64_t, 8)

#define RMW_DONE                                                                                   \
	do {                                                                                       \
		if (unlikely(cpu->rmw_pending))                                                    \
			x86_rmw_done(cpu);                                                         \
	} while (0)

/* The two address forms handlers are made for: base + displacement, and everything. */
static inline uint64_t ea_m(struct x86_cpu *cpu, const struct x86_op *op)
{
	return R64(op->b) + (uint64_t)(int64_t)op->disp;
}

static inline uint64_t ea_off(struct x86_cpu *cpu, const struct x86_op *op)
{
	return R64(op->b) + (R64(op->i) << op->sc) + (uint64_t)(int64_t)op->disp;
}

/* An offset as wide as the instruction's addresses are. */
static inline uint64_t x86_offset(const struct x86_op *op, uint64_t off)
{
	if (op->fl & OPF_A32)
		return (uint32_t)off;
	return op->fl & OPF_A16 ? (uint16_t)off : off;
}

/* The linear address of an offset in the operation's segment. Without OPF_EA it is 64-bit code's.
 */
static inline uint64_t x86_ea(struct x86_cpu *cpu, const struct x86_op *op, uint64_t off)
{
	if (unlikely(op->fl & OPF_EA))
		return x86_ea_chk(cpu, op, off);
	return off + cpu->seg[op->seg].base;
}

static inline uint64_t ea_x(struct x86_cpu *cpu, const struct x86_op *op)
{
	return x86_ea(cpu, op, ea_off(cpu, op));
}

static inline bool is64(const struct x86_cpu *cpu)
{
	return cpu->mode & M_L64;
}

/* RIP has 32 bits outside 64-bit code, in 16-bit code too, where the limit of the segment keeps it
 * lower. What is not a jump gets its RIP from one of these; a jump cuts its target by its own
 * operand size, which is never larger. */
static inline uint64_t x86_rip_cut(const struct x86_cpu *cpu, uint64_t rip)
{
	return x86_cut(rip, is64(cpu));
}

static inline uint64_t x86_rip_of(const struct x86_cpu *cpu, const struct x86_op *op)
{
	return x86_rip_cut(cpu, cpu->blkrip + op->off);
}

/* So many bytes behind the instruction that cpu->rip is at. */
static inline uint64_t x86_rip_after(const struct x86_cpu *cpu, unsigned len)
{
	return x86_rip_cut(cpu, cpu->rip + len);
}

/* Where an instruction has come to its end, or is left. */
static inline void x86_rip_check(const struct x86_cpu *cpu)
{
#ifdef X86_CHECK_HOST
	assert(cpu->rip == x86_rip_cut(cpu, cpu->rip));
#endif
	(void)cpu;
}

/* Outside 64-bit code a linear address has 32 bits, but for what the processor itself reads and
 * writes in long mode. */
static inline uint64_t x86_linear(const struct x86_cpu *cpu, uint64_t la, unsigned acc)
{
	return x86_cut(la, acc & (ACC_SUP | ACC_SYS) ? cpu->efer & EFER_LMA : is64(cpu));
}

/* --- exceptions and exits: none of these return --- */

/* op: the operation in execution, or NULL when cpu->rip is already the faulting instruction. */
_Noreturn void x86_raise(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector);
_Noreturn void x86_raise_err(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector,
			     uint32_t error);
/* #DB with these bits of DR6; fault: before the instruction. */
_Noreturn void x86_raise_debug(struct x86_cpu *cpu, const struct x86_op *op, uint32_t bits,
			       bool fault);
_Noreturn void x86_raise_soft(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector,
			      unsigned type);
_Noreturn void x86_leave(struct x86_cpu *cpu, const struct x86_op *op, unsigned reason,
			 uint64_t qualification);
/* Start the operation's instruction again, as a block of its own. */
_Noreturn void x86_alone(struct x86_cpu *cpu, const struct x86_op *op);
/* Make cpu->rip the operation's instruction and count what was executed; x86_next: the one after.
 */
void x86_at(struct x86_cpu *cpu, const struct x86_op *op);
void x86_after(struct x86_cpu *cpu, const struct x86_op *op);
/* The address of the operand in memory, if it is there, and x86_at(): in this order, as what is
 * wrong with the address is found with the operation still to be counted. */
static inline uint64_t x86_at_ea(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = op->fl & OPF_MEM ? ea_x(cpu, op) : 0;

	x86_at(cpu, op);
	return ea;
}

/* How the operand of an operation that x86_at() was done for is accessed. */
static inline unsigned x86_op_acc(const struct x86_op *op)
{
	return op->fl & OPF_SS ? ACC_SS : 0;
}

/* What is executed on trial would do what cannot be taken back: ask a device, write into page
 * tables. */
_Noreturn void x86_check_cannot(struct x86_cpu *cpu);

enum { JMP_EXIT = 1, JMP_FAULT, JMP_AGAIN };

/* --- debug.c --- */

OP(x86_debug_break);
/* Breakpoints on the instruction at rip, as bits of DR6. */
unsigned x86_debug_at(const struct x86_cpu *cpu, uint64_t rip);
bool x86_debug_page(const struct x86_cpu *cpu, uint64_t va);
void x86_watch_access(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc);
/* Before an access that takes place: data breakpoints, alignment. */
static inline void x86_watch(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc)
{
	if (unlikely(cpu->dr_data | cpu->aligned))
		x86_watch_access(cpu, va, size, acc);
}

/* --- run.c, block.c, code.c --- */

/* The operation to go on with at cpu->rip, after whatever asks for attention. */
const struct x86_op *x86_attend(struct x86_cpu *cpu);

OP(x86_head);
OP(x86_exit_link);
/* The first operation of the block at cpu->rip, which becomes blkrip. May fault. */
const struct x86_op *x86_lookup(struct x86_cpu *cpu, unsigned extra_mode);
const struct x86_op *x86_goto(struct x86_cpu *cpu, const struct x86_op *op, uint64_t rip);
/* The instruction that x86_at() was done for is executed. */
const struct x86_op *x86_go_on(struct x86_cpu *cpu, const struct x86_op *op);
/* The link's, whose RIP is in blkrip. */
const struct x86_op *x86_relink(struct x86_cpu *cpu, struct x86_link *link);
int x86_cache_init(struct x86_cpu *cpu);
void x86_cache_free(struct x86_cpu *cpu);
void x86_cache_drop_all(struct x86_cpu *cpu);
/* Drop the blocks with any of the bytes first to last of a host page. */
void x86_cache_drop(struct x86_cpu *cpu, uintptr_t page, unsigned first, unsigned last);
/* Compare blocks with what they were translated from before using them again. */
void x86_cache_doubt(struct x86_cpu *cpu);
/* What linear addresses mean has changed; global: those of all address spaces. */
void x86_new_gen(struct x86_cpu *cpu, bool global);
/* That of one page has. */
void x86_new_gen_at(struct x86_cpu *cpu, uint64_t la);

struct vex_pool *x86_code_vex(const struct x86_code *code);
/* Where emitted code of these processors goes, and after how many executions; NULL: nowhere. */
struct xl_pool *x86_code_pool(const struct x86_code *code, unsigned *after, bool *check);
/* The processor is one of those that share cpu->code. */
int x86_code_join(struct x86_cpu *cpu);
void x86_code_leave(struct x86_cpu *cpu);
void x86_code_attn(struct x86_cpu *cpu);
/* Before bytes of a page are read to be translated: every write to it is seen from here on. */
bool x86_code_add(struct x86_cpu *cpu, const void *host);
/* These bytes of the page are about to be a block's. */
void x86_code_mark(struct x86_cpu *cpu, const void *host, unsigned len);
/* Bytes of a host page that holds code were, or are about to be, changed. */
void x86_code_hit(struct x86_code *code, const void *host, unsigned len);
/* Does the page hold code? Would changing these bytes of it drop some? */
bool x86_code_is(struct x86_code *code, const void *host);
bool x86_code_at(struct x86_code *code, const void *host, unsigned len);
void x86_attn(struct x86_cpu *cpu, unsigned bits);

static inline const struct x86_op *x86_take(struct x86_cpu *cpu, struct x86_link *link)
{
	/* A loop of one block must not wait for this from turn to turn. */
	if (link->delta)
		cpu->blkrip = (cpu->blkrip + (uint64_t)link->delta) & link->mask;
	if (likely(link->gen == R64(link->which)))
		return link->to;
	return x86_relink(cpu, link);
}

static inline const struct x86_op *follow(struct x86_cpu *cpu, const struct x86_op *op,
					  struct x86_link *link)
{
	cpu->left -= op->n + 1;
	return x86_take(cpu, link);
}

/* --- paging.c --- */

int x86_mmu_init(struct x86_cpu *cpu);
void x86_mmu_free(struct x86_cpu *cpu);
void x86_mmu_select(struct x86_cpu *cpu); /* after CPL, AC or SMAP changed */
void x86_mmu_flush(struct x86_cpu *cpu, bool global);
void x86_mmu_flush_va(struct x86_cpu *cpu, uint64_t va);
void x86_mmu_protect(struct x86_cpu *cpu, const void *host); /* no direct writes; NULL: anywhere */
/* Is the page that code is fetched from the same in all address spaces? Not known: false. */
bool x86_mmu_global(const struct x86_cpu *cpu, uint64_t la);

/* --- system state --- */

void x86_mode_changed(struct x86_cpu *cpu);
void x86_set_sysflags(struct x86_cpu *cpu, uint64_t v);
void x86_deliver(struct x86_cpu *cpu);

/* There are two widths of linear addresses. An access, RIP and a stack pointer have that of the
 * paging in force. What only keeps an address for later has the processor's own, whatever paging is
 * on: x86_canonical_register(). */
static inline bool x86_canonical_access(const struct x86_cpu *cpu, uint64_t va)
{
	if (likely((uint64_t)((int64_t)(va << 16) >> 16) == va))
		return true;
	return (cpu->cr4 & CR4_LA57) && (uint64_t)((int64_t)(va << 7) >> 7) == va;
}

#define FOR_SIZES248(X) X(uint16_t, 2, "w") X(uint32_t, 4, "l") X(uint64_t, 8, "q")
#define FOR_SIZES(X)	X(uint8_t, 1, "b") FOR_SIZES248(X)

static inline uint8_t rd1(struct x86_cpu *cpu, unsigned off)
{
	return R8(off);
}
static inline uint16_t rd2(struct x86_cpu *cpu, unsigned off)
{
	return R16(off);
}
static inline uint32_t rd4(struct x86_cpu *cpu, unsigned off)
{
	return R32(off);
}
static inline uint64_t rd8(struct x86_cpu *cpu, unsigned off)
{
	return R64(off);
}
static inline void wr1(struct x86_cpu *cpu, unsigned off, uint8_t v)
{
	R8(off) = v;
}
static inline void wr2(struct x86_cpu *cpu, unsigned off, uint16_t v)
{
	R16(off) = v;
}
static inline void wr4(struct x86_cpu *cpu, unsigned off, uint32_t v)
{
	R64(off) = v;
}
static inline void wr8(struct x86_cpu *cpu, unsigned off, uint64_t v)
{
	R64(off) = v;
}

#endif
