/* SPDX-License-Identifier: MIT */
/* The guest library: TDX as a TD's kernel or firmware uses it. One typed function for each leaf of
 * TDCALL, the calls to the host, and what they are for: conversion and acceptance of memory, #VE,
 * attestation.
 *
 * Freestanding: no libc, no allocation, no locks but one (lazy acceptance); it reaches the world
 * through a `struct tdg_port`, whose value stands for the vCPU that executes the call.
 *
 * Rules
 *  - The host is hostile. What it returns is taken once, checked, and never used as an address
 *    or length before that. Registers and memory it wrote are wiped where the library is done.
 *  - tdg_*() named as a leaf: one TDCALL each, never repeated. The result is the module's status,
 *    unabridged, and must be looked at.
 *  - tdvmcall_*(): one TDG.VP.VMCALL each. The host sees exactly the registers the call defines.
 *    TDVMCALL_NOT_MADE: the TDCALL itself failed, which only a broken kernel achieves: panic.
 *  - The others return 0 or a negative errno (Linux's numbers) and tell more in an output.
 *  - Output structures may be NULL. They carry typed values and, for leaves, `raw`, all registers
 *    as the module left them. They are written on every path.
 *  - Memory whose conversion failed is in an unknown state: never use it, never free it.
 *  - Thread-safe: one vCPU's port is used by one thread at a time; functions keep no state but in
 *    structures passed to them.
 *
 *	struct tdg_td td;
 *	if (tdg_init(vcpu, &td) == 0 && tdg_share(vcpu, &td, &mm, buf, size, NULL, NULL) == 0)
 *		... buf.v | td.shared is the host's, too
 *
 * Source: TDX Module ABI 1.5.25, Guest-Host Communication Interface 1.5. */
#ifndef SWTDX_GUEST_H
#define SWTDX_GUEST_H

#include <swtdx/leaf.h>
#include <swtdx/migtd.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#if defined(__GNUC__)
#define TDG_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TDG_MUST_CHECK
#endif

/* --- the port --- */

struct tdg_port;
struct tdg_insn;

struct tdg_port_ops {
	/* TDCALL: regs are the vCPU's, in and out; RSP and RBP stay. */
	void (*tdcall)(const struct tdg_port *port, struct tdx_regs *regs);
	/* Own memory by GPA, shared bit included. False: not there. Whoever shares the memory may
	 * change it at any time; these copy each byte once. */
	bool (*read)(const struct tdg_port *port, tdx_gpa_t g, void *buf, size_t len);
	bool (*write)(const struct tdg_port *port, tdx_gpa_t g, const void *buf, size_t len);
	/* The private GPA (no shared bit) behind a linear address. False: not mapped. */
	bool (*gpa_of)(const struct tdg_port *port, uint64_t gla, tdx_gpa_t *g);
	/* Instruction bytes at a linear address, without faulting; returns how many. */
	size_t (*fetch)(const struct tdg_port *port, uint64_t gla, void *buf, size_t len);
	/* Decodes an MMIO access; NULL: the library's own table, tdg_decode_mmio(). */
	bool (*decode)(const uint8_t *bytes, size_t len, struct tdg_insn *insn);
	/* Give way for a moment, between two attempts. */
	void (*relax)(const struct tdg_port *port);
	/* Sleep. False: woken by something else that wants the caller. */
	bool (*sleep)(const struct tdg_port *port, unsigned milliseconds);
};

struct tdg_port {
	const struct tdg_port_ops *ops;
	void *ctx; /* the implementation's */
};

/* The instruction itself, for ports of kernels and firmware: loads the block, TDCALL, stores the
 * block, and leaves nothing of the host's in any register. */
void tdg_tdcall(struct tdx_regs *regs);

/* --- TDCALL --- */

struct tdg_vp_info {
	unsigned gpa_width; /* 48 or 52; the bit below is the shared bit */
	uint64_t attributes;
	unsigned num_vcpus, max_vcpus, vcpu_index;
	bool sys_rd; /* TDG.SYS.RD exists */
	struct tdx_regs raw;
};

/* Why a #VE was raised. */
struct tdg_ve_info {
	uint32_t reason;   /* VMX exit reason */
	uint32_t category; /* version 1 and on */
	uint64_t qualification;
	uint64_t gla;
	tdx_gpa_t gpa_;
	uint32_t length; /* of the instruction; 0 for an EPT violation */
	uint32_t instruction_info;
	uint64_t interruptibility; /* version 2 */
	struct tdx_regs raw;
};

struct tdg_field_value {
	uint64_t field_next; /* ~0: none */
	uint64_t value;
	struct tdx_regs raw;
};

struct tdg_page_attr {
	tdx_gpa_t page;
	enum tdx_level level;
	bool pending;
	uint64_t attributes; /* 16 bits a VM */
	struct tdx_regs raw;
};

#define TDG_FIELD_FIRST (~0ull) /* asks for the first field */

struct tdx_status tdg_vp_info(const struct tdg_port *vcpu, struct tdg_vp_info *out) TDG_MUST_CHECK;
/* rtmr 0..3, extended with 48 private bytes, 64-aligned. */
struct tdx_status tdg_mr_rtmr_extend(const struct tdg_port *vcpu, tdx_gpa_t digest,
				     unsigned rtmr) TDG_MUST_CHECK;
struct tdx_status tdg_vp_veinfo_get(const struct tdg_port *vcpu, unsigned version,
				    struct tdg_ve_info *out) TDG_MUST_CHECK;
/* report: 1024-aligned; reportdata: 64 bytes, 64-aligned. */
struct tdx_status tdg_mr_report(const struct tdg_port *vcpu, tdx_gpa_t report, tdx_gpa_t reportdata,
				unsigned subtype) TDG_MUST_CHECK;
struct tdx_status tdg_vp_cpuidve_set(const struct tdg_port *vcpu, bool supervisor,
				     bool user) TDG_MUST_CHECK;
struct tdx_status tdg_mem_page_accept(const struct tdg_port *vcpu, tdx_gpa_t page,
				      enum tdx_level level) TDG_MUST_CHECK;
/* version 1 also tells the next field and starts with TDG_FIELD_FIRST. */
struct tdx_status tdg_vm_rd(const struct tdg_port *vcpu, unsigned version, uint64_t field,
			    struct tdg_field_value *out) TDG_MUST_CHECK;
struct tdx_status tdg_vm_wr(const struct tdg_port *vcpu, uint64_t field, uint64_t value,
			    uint64_t mask, struct tdg_field_value *old) TDG_MUST_CHECK;
struct tdx_status tdg_vp_rd(const struct tdg_port *vcpu, uint64_t field,
			    struct tdg_field_value *out) TDG_MUST_CHECK;
struct tdx_status tdg_vp_wr(const struct tdg_port *vcpu, uint64_t field, uint64_t value,
			    uint64_t mask, struct tdg_field_value *old) TDG_MUST_CHECK;
struct tdx_status tdg_sys_rd(const struct tdg_port *vcpu, uint64_t field,
			     struct tdg_field_value *out) TDG_MUST_CHECK;
/* Fields from `first` on into a private page, as a metadata list; *next: what did not fit. */
struct tdx_status tdg_sys_rdall(const struct tdg_port *vcpu, tdx_gpa_t page, uint64_t first,
				uint64_t *next) TDG_MUST_CHECK;
/* A REPORTMACSTRUCT in private memory, 256-aligned. */
struct tdx_status tdg_mr_verifyreport(const struct tdg_port *vcpu, tdx_gpa_t mac) TDG_MUST_CHECK;
struct tdx_status tdg_mem_page_attr_rd(const struct tdg_port *vcpu, tdx_gpa_t page,
				       struct tdg_page_attr *out) TDG_MUST_CHECK;
struct tdx_status tdg_mem_page_attr_wr(const struct tdg_port *vcpu, tdx_gpa_t page,
				       enum tdx_level level, uint64_t attributes, uint64_t flags,
				       struct tdg_page_attr *out) TDG_MUST_CHECK;
/* --- an L1 VMM's L2 VMs --- */

/* How a VM was left, as the registers of TDG.VP.ENTER tell. (ABI, TDG.VP.ENTER, output) */
struct tdg_l2_exit {
	uint32_t reason; /* as a VMCS has it, high bits too */
	uint64_t qualification, ext_qualification, gla;
	tdx_gpa_t gpa_;
	uint16_t cs, cs_ar;
	uint32_t cs_limit;
	uint64_t cs_base;
	uint32_t intr_info, intr_error, idt_info, idt_error;
	uint32_t instruction_info, length;
	unsigned cpl;
	struct tdx_regs raw;
};

/* What the processor forgets of the VM before it enters. */
enum tdg_l2_flush {
	TDG_L2_FLUSH_NOTHING,
	TDG_L2_FLUSH_EPT,
	TDG_L2_FLUSH_LINEAR,
	TDG_L2_FLUSH_NOT_GLOBAL
};

/* Run VM 1, 2 or 3 with the guest state (struct tdx_l2_state, private, 256-aligned) until it has
 * something for its L1 VMM, which then finds the VM's registers there. RIP is at the instruction
 * that exited: who emulates it adds `length`. */
struct tdx_status tdg_vp_enter(const struct tdg_port *vcpu, unsigned vm, enum tdg_l2_flush flush,
			       tdx_gpa_t state, struct tdg_l2_exit *out) TDG_MUST_CHECK;
/* Has it run, so that there is an exit to look at? */
bool tdg_l2_entered(struct tdx_status s);
/* A bit for each VM, 1 to 3. */
struct tdx_status tdg_vp_invept(const struct tdg_port *vcpu, unsigned vms) TDG_MUST_CHECK;
/* The page at gla, and so many more behind it (4095 at most). */
struct tdx_status tdg_vp_invvpid(const struct tdg_port *vcpu, unsigned vm, uint64_t gla,
				 unsigned more) TDG_MUST_CHECK;

/* TDG.VP.VMCALL with registers of the caller's choice. RCX says which of them the host sees and
 * may set; TDX_OPERAND_INVALID without a call when it names RAX, RCX, RSP, RBP or what are no
 * general registers. */
struct tdx_status tdg_vp_vmcall(const struct tdg_port *vcpu, struct tdx_regs *regs) TDG_MUST_CHECK;

/* --- calls to the host --- */

/* What the host says in R10. */
struct tdvmcall_status {
	uint64_t raw;
};

#define TDVMCALL_NOT_MADE 0xffffffffffffffffull /* ours: TDCALL failed, no host has spoken */

/* All R10 of the ABI: 0 success, 1 retry (go on at R11), 8000000000000000 and on errors. */
bool tdvmcall_is_success(struct tdvmcall_status s);
bool tdvmcall_is_retry(struct tdvmcall_status s);

struct tdvmcall_status tdvmcall_cpuid(const struct tdg_port *vcpu, uint32_t leaf, uint32_t subleaf,
				      struct tdx_cpuid_values *out) TDG_MUST_CHECK;
/* irq_blocked: no interrupt may wake this vCPU. */
struct tdvmcall_status tdvmcall_hlt(const struct tdg_port *vcpu, bool irq_blocked) TDG_MUST_CHECK;
/* size 1, 2 or 4; a failed read gives all ones. */
struct tdvmcall_status tdvmcall_io_read(const struct tdg_port *vcpu, uint16_t ioport, unsigned size,
					uint32_t *value) TDG_MUST_CHECK;
struct tdvmcall_status tdvmcall_io_write(const struct tdg_port *vcpu, uint16_t ioport,
					 unsigned size, uint32_t value) TDG_MUST_CHECK;
struct tdvmcall_status tdvmcall_rdmsr(const struct tdg_port *vcpu, uint32_t msr,
				      uint64_t *value) TDG_MUST_CHECK;
struct tdvmcall_status tdvmcall_wrmsr(const struct tdg_port *vcpu, uint32_t msr,
				      uint64_t value) TDG_MUST_CHECK;
/* g with the shared bit; size 1, 2, 4 or 8. */
struct tdvmcall_status tdvmcall_mmio_read(const struct tdg_port *vcpu, tdx_gpa_t g, unsigned size,
					  uint64_t *value) TDG_MUST_CHECK;
struct tdvmcall_status tdvmcall_mmio_write(const struct tdg_port *vcpu, tdx_gpa_t g, unsigned size,
					   uint64_t value) TDG_MUST_CHECK;
/* What is optional with this host; out: R11..R14. */
struct tdvmcall_status tdvmcall_get_info(const struct tdg_port *vcpu, uint64_t leaf,
					 uint64_t out[4]) TDG_MUST_CHECK;
/* One call; *next is the host's R11, unchecked. See tdg_map_gpa(). */
struct tdvmcall_status tdvmcall_map_gpa(const struct tdg_port *vcpu, tdx_gpa_t start, uint64_t size,
					uint64_t *next) TDG_MUST_CHECK;
/* See struct tdg_quote. */
struct tdvmcall_status tdvmcall_get_quote(const struct tdg_port *vcpu, tdx_gpa_t buffer,
					  uint64_t size) TDG_MUST_CHECK;
/* 64 bytes of message, zero padded, cut if longer. A host that returns has not understood: repeat.
 */
struct tdvmcall_status tdvmcall_report_fatal_error(const struct tdg_port *vcpu, uint32_t code,
						   const char *message) TDG_MUST_CHECK;
/* vector 32..255; the host refuses others. */
struct tdvmcall_status tdvmcall_setup_event_notify(const struct tdg_port *vcpu,
						   unsigned vector) TDG_MUST_CHECK;

/* A vendor's call, of KVM: its number (never 0) in R10, up to four operands. What comes back is
 * KVM's: 0 or a count, or a negative errno; TDVMCALL_NOT_MADE is the raw status of a call that was
 * not. */
struct tdvmcall_status tdvmcall_kvm(const struct tdg_port *vcpu, uint64_t nr,
				    const uint64_t operand[4]) TDG_MUST_CHECK;

/* --- the TD --- */

struct tdg_td {
	unsigned gpa_width;
	uint64_t shared; /* the shared bit */
	uint64_t attributes, config_flags, td_ctls;
};

/* Once, before anything else here: learns the TD and has the module deliver as few #VE as it can.
 * -EACCES: a host could inject #VE at will on private memory (SEPT_VE_DISABLE not set); a kernel
 * must not go on. A debug TD may. -EIO: the module does not answer as it must. */
int tdg_init(const struct tdg_port *vcpu, struct tdg_td *td) TDG_MUST_CHECK;

/* --- conversion --- */

struct tdg_map_policy {
	unsigned max_no_progress;    /* this many replies in a row at one address: failure */
	uint64_t max_pages_per_call; /* 0: as many as there are */
	uint64_t max_calls;	     /* 0: two for each page and max_no_progress more */
};
#define TDG_MAP_POLICY_DEFAULT                                                                     \
	{                                                                                          \
		3, 0, 0                                                                            \
	}

enum tdg_map_stop {
	TDG_MAP_DONE,
	TDG_MAP_BAD_RANGE, /* no call made */
	TDG_MAP_REFUSED,   /* another status than success and retry */
	TDG_MAP_NO_PROGRESS,
	TDG_MAP_OUTSIDE,    /* R11 points before where we are, or past the end */
	TDG_MAP_MISALIGNED, /* R11 is no page */
	TDG_MAP_TOO_MANY_CALLS,
};

struct tdg_map_result {
	enum tdg_map_stop stop;
	uint64_t calls;
	tdx_gpa_t reached; /* no shared bit; what is below has been converted, says the host */
	struct tdvmcall_status status; /* the last one */
	uint64_t r11;		       /* the host's last, as it was */
};

/* MapGPA of [start, start+size), no shared bit in either, to the end or -EINVAL, -EIO. Page tables
 * and acceptance are the caller's: see tdg_share(). policy NULL: the default. */
int tdg_map_gpa(const struct tdg_port *vcpu, const struct tdg_td *td, tdx_gpa_t start,
		uint64_t size, bool shared, const struct tdg_map_policy *policy,
		struct tdg_map_result *out) TDG_MUST_CHECK;

struct tdg_accept_policy {
	enum tdx_level max_level; /* try no larger pages */
	unsigned max_busy;	  /* attempts at a busy entry before failure */
};
#define TDG_ACCEPT_POLICY_DEFAULT                                                                  \
	{                                                                                          \
		TDX_LEVEL_1G, 64                                                                   \
	}

struct tdg_accept_result {
	uint64_t calls[3];    /* by level */
	uint64_t accepted[3]; /* pages, by level */
	tdx_gpa_t reached;
	struct tdx_status status; /* the last one */
};

/* Accept [start, start+size), private and pending, in pages as large as the host made them. The
 * contents are zero afterwards. -EEXIST: some page was accepted already, which no honest host and
 * kernel achieve: data may have been replaced by zeros, do not go on. -EBUSY: the host kept an
 * entry busy. -EIO, -EINVAL. policy NULL: the default. */
int tdg_accept(const struct tdg_port *vcpu, tdx_gpa_t start, uint64_t size,
	       const struct tdg_accept_policy *policy,
	       struct tdg_accept_result *out) TDG_MUST_CHECK;

/* All conversions of a kernel; zero at first. The contents are the library's. */
struct tdg_conversions {
	uint32_t state;
	uint64_t shared_pages;
};

/* The kernel's side of a conversion. */
struct tdg_memory {
	/* Its own page-table entries of the range from now on are shared, or private. 0 or errno.
	 */
	int (*set_shared)(void *ctx, tdx_gpa_t start, uint64_t size, bool shared);
	/* TLBs on all vCPUs and caches hold nothing of the range. */
	void (*flush)(void *ctx, tdx_gpa_t start, uint64_t size);
	/* The range is lost: the host may or may not have it. Take it out of use for good. */
	void (*leak)(void *ctx, tdx_gpa_t start, uint64_t size);
	void *ctx;
	/* Where conversions are counted, so that they can be stopped and undone. NULL: nowhere. */
	struct tdg_conversions *conversions;
	/* For tdg_kexec_finish() alone: the next run of shared pages at or after `from`, which is
	 * out of the page tables from now on. False: there is none. */
	bool (*unmap_shared)(void *ctx, tdx_gpa_t from, tdx_gpa_t *start, uint64_t *size);
};

struct tdg_convert_result {
	struct tdg_map_result map;
	struct tdg_accept_result accept;
	bool leaked;
};

struct tdg_convert_policy {
	struct tdg_map_policy map;
	struct tdg_accept_policy accept;
};
#define TDG_CONVERT_POLICY_DEFAULT                                                                 \
	{                                                                                          \
		TDG_MAP_POLICY_DEFAULT, TDG_ACCEPT_POLICY_DEFAULT                                  \
	}

/* Whole pages from private to shared, or back. In this order there never is a private mapping of a
 * shared page. On failure all of the range has been given to leak(),
 * but for -EINVAL, and for -EBUSY without out->leaked: conversions are stopped, nothing was done.
 */
int tdg_share(const struct tdg_port *vcpu, const struct tdg_td *td, const struct tdg_memory *mm,
	      tdx_gpa_t start, uint64_t size, const struct tdg_convert_policy *policy,
	      struct tdg_convert_result *out) TDG_MUST_CHECK;
int tdg_unshare(const struct tdg_port *vcpu, const struct tdg_td *td, const struct tdg_memory *mm,
		tdx_gpa_t start, uint64_t size, const struct tdg_convert_policy *policy,
		struct tdg_convert_result *out) TDG_MUST_CHECK;

/* The same for a buffer by linear address, whose pages may be anywhere: a conversion for each run
 * of consecutive pages. On failure the whole buffer has been leaked. -EFAULT with nothing done:
 * part of it is not mapped. */
int tdg_share_buffer(const struct tdg_port *vcpu, const struct tdg_td *td,
		     const struct tdg_memory *mm, uint64_t gla, uint64_t size, bool shared,
		     const struct tdg_convert_policy *policy) TDG_MUST_CHECK;

/* --- kexec --- */

/* From now on no conversion begins (-EBUSY); returns when none is under way. In a crash it does not
 * wait: -EBUSY, somebody is in the middle of one, and the numbers below may differ by it. */
int tdg_kexec_begin(const struct tdg_port *vcpu, struct tdg_conversions *c,
		    bool crash) TDG_MUST_CHECK;

struct tdg_kexec_result {
	uint64_t expected, found,
		failed;	     /* pages: counted as shared, mapped so, not private again */
	tdx_gpa_t failed_at; /* the last of them */
	struct tdg_convert_result last;
};
/* On one vCPU, all others stopped, interrupts off: every shared page is made private and accepted.
 * Failures are counted, not the end. 0, or -EIO: some failed, or there were more or fewer than had
 * been counted. */
int tdg_kexec_finish(const struct tdg_port *vcpu, const struct tdg_td *td,
		     const struct tdg_memory *mm, struct tdg_conversions *c,
		     const struct tdg_convert_policy *policy, struct tdg_kexec_result *out);

/* --- memory accepted when it is first needed --- */

/* The table firmware hands over (UEFI "unaccepted memory"); the bitmap follows, a set bit is a unit
 * not yet accepted. */
#define TDG_UNACCEPTED_VERSION 1
struct tdg_unaccepted_table {
	uint32_t version;
	uint32_t unit_size; /* bytes a bit */
	uint64_t phys_base;
	uint64_t size; /* bytes of bitmap */
};
TDX_ABI_ASSERT(sizeof(struct tdg_unaccepted_table) == 24);

struct tdg_unaccepted {
	uint8_t *bitmap; /* the table's, which must stay */
	uint64_t base, unit, nunits;
	unsigned lock;
	struct tdg_unaccepted_range *busy; /* being accepted now */
};

/* -EINVAL: not such a table. */
int tdg_unaccepted_init(struct tdg_unaccepted *u, void *table, size_t len) TDG_MUST_CHECK;
/* Firmware's part: whole units of a free range become unaccepted; ragged edges, and all of a small
 * range, are accepted now. */
int tdg_unaccepted_add(const struct tdg_port *vcpu, struct tdg_unaccepted *u, tdx_gpa_t start,
		       uint64_t size) TDG_MUST_CHECK;
/* Make sure that [start, start+size) is accepted, and a unit more when it ends at one: reads past
 * the end of a page by a word must not fault. Waits for others who accept parts of it. Interrupts
 * are off: a handler that needs the same memory would wait for ever. Errors as tdg_accept(); the
 * memory must not be used then. */
int tdg_accept_memory(const struct tdg_port *vcpu, struct tdg_unaccepted *u, tdx_gpa_t start,
		      uint64_t size) TDG_MUST_CHECK;
/* Would tdg_accept_memory() have anything to do? */
bool tdg_has_unaccepted(struct tdg_unaccepted *u, tdx_gpa_t start, uint64_t size);

/* --- #VE --- */

enum tdg_insn_kind {
	TDG_INSN_WRITE_REG, /* MOV [m], r */
	TDG_INSN_WRITE_IMM, /* MOV [m], imm */
	TDG_INSN_READ,	    /* MOV r, [m] */
	TDG_INSN_READ_ZERO, /* MOVZX r, [m] */
	TDG_INSN_READ_SIGN, /* MOVSX, MOVSXD r, [m] */
};

enum tdg_segment { TDG_SEG_FLAT, TDG_SEG_FS, TDG_SEG_GS };
#define TDG_NO_REG  0xff
#define TDG_REG_RIP 0x10

/* A 64-bit mode instruction that accesses memory once. Registers by x86 encoding. */
struct tdg_insn {
	enum tdg_insn_kind kind;
	uint8_t length;
	uint8_t mem_size; /* bytes accessed */
	uint8_t reg_size; /* of the register written by a read */
	uint8_t reg;	  /* the other operand; TDG_NO_REG for an immediate */
	bool high_byte;	  /* reg is AH, CH, DH or BH: reg has 0..3 */
	uint64_t imm;
	uint8_t base, index; /* TDG_NO_REG, TDG_REG_RIP (base only) */
	uint8_t scale;
	bool address32;
	enum tdg_segment segment;
	int64_t disp;
};

/* False: not one of these, or not all there (at most 15 bytes). */
bool tdg_decode_mmio(const uint8_t *bytes, size_t len, struct tdg_insn *out);

/* What the #VE interrupted. */
struct tdg_frame {
	struct tdx_regs regs;
	uint64_t rip;
	uint64_t fs_base, gs_base;
	bool user;	   /* CPL 3 */
	bool irqs_enabled; /* RFLAGS.IF */
};

enum tdg_ve_action {
	TDG_VE_RESUME, /* done; RIP is past the instruction */
	TDG_VE_FAULT,  /* as if it had raised #GP: fixup, oops or SIGSEGV */
	TDG_VE_PANIC,  /* the kernel or the host does what neither may */
};

struct tdg_ve_policy {
	uint64_t kernel_start; /* MMIO below this linear address is refused */
};

/* First of all in the handler, before anything that may raise another #VE (the module makes that a
 * double fault) and before NMIs: a #VE without information is TDG_VE_PANIC. */
enum tdg_ve_action tdg_ve_begin(const struct tdg_port *vcpu, struct tdg_ve_info *info);
/* Then, with interrupts as they were: CPUID, HLT, RDMSR, WRMSR, port I/O, MMIO. */
enum tdg_ve_action tdg_ve_handle(const struct tdg_port *vcpu, const struct tdg_td *td,
				 const struct tdg_ve_policy *policy, const struct tdg_ve_info *info,
				 struct tdg_frame *frame);

/* Before there is a handler to speak of, as in a decompressor: port I/O is all that is answered. */
enum tdg_ve_action tdg_ve_early(const struct tdg_port *vcpu, struct tdg_frame *frame);

/* --- attestation --- */

/* A page of private, accepted memory the library may use for reports and digests; one user at a
 * time. */
struct tdg_scratch {
	tdx_gpa_t page;
};

/* -ENXIO: an operand was refused; -EBUSY: RTMRs are being extended elsewhere; -EIO. */
int tdg_get_report(const struct tdg_port *vcpu, const struct tdg_scratch *scratch,
		   const uint8_t reportdata[TDX_REPORTDATA_SIZE], struct tdx_report *out,
		   struct tdx_status *status) TDG_MUST_CHECK;
int tdg_extend_rtmr(const struct tdg_port *vcpu, const struct tdg_scratch *scratch, unsigned rtmr,
		    const struct tdx_digest *digest, struct tdx_status *status) TDG_MUST_CHECK;

enum tdg_quote_state {
	TDG_QUOTE_CLOSED,
	TDG_QUOTE_IDLE,
	TDG_QUOTE_IN_FLIGHT, /* the host has it; nothing may be asked */
	TDG_QUOTE_LOST,	     /* the buffer is leaked */
};

/* A buffer shared with the host's quote service. One user at a time. */
struct tdg_quote {
	tdx_gpa_t buffer; /* private GPA */
	uint64_t size;
	enum tdg_quote_state state;
};

struct tdg_quote_policy {
	unsigned interval_ms;
	unsigned tries; /* looks at the status after this many sleeps */
};
#define TDG_QUOTE_POLICY_DEFAULT                                                                   \
	{                                                                                          \
		1000, 30                                                                           \
	}

/* Converts the buffer (page-aligned, at least one page) to shared. */
int tdg_quote_open(const struct tdg_port *vcpu, const struct tdg_td *td,
		   const struct tdg_memory *mm, tdx_gpa_t buffer, uint64_t size,
		   struct tdg_quote *q) TDG_MUST_CHECK;
/* -EBUSY: one is in flight. -EIO: the host refused the call. */
int tdg_quote_request(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		      const struct tdx_report *report) TDG_MUST_CHECK;
/* Looks once. -EAGAIN: still in flight. Else the request is over: 0 and *len bytes in out, or
 * -EIO: failed; -ENODEV: there is no service; -EPROTO: an answer that makes no sense; -EFBIG: more
 * than the buffer, or than cap. What is in out is untrusted until it is verified. */
int tdg_quote_poll(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		   void *out, size_t cap, size_t *len) TDG_MUST_CHECK;
/* Polls until it is over: -ETIMEDOUT (still in flight), -EINTR (sleep was cut short; likewise). */
int tdg_quote_wait(const struct tdg_port *vcpu, const struct tdg_td *td, struct tdg_quote *q,
		   const struct tdg_quote_policy *policy, void *out, size_t cap,
		   size_t *len) TDG_MUST_CHECK;
/* Converts the buffer back. -EBUSY: in flight, the host would write to it. -EIO: lost. */
int tdg_quote_close(const struct tdg_port *vcpu, const struct tdg_td *td,
		    const struct tdg_memory *mm, struct tdg_quote *q) TDG_MUST_CHECK;

/* --- service TDs --- */

/* Another TD that this one serves: as its host has told, who may have told anything. */
struct tdg_servtd_target {
	uint64_t handle;
	uint64_t uuid[4];
};

/* A field of the target (its context is of the TD), as a service TD sees it. */
struct tdx_status tdg_servtd_rd(const struct tdg_port *vcpu, const struct tdg_servtd_target *target,
				uint64_t field, struct tdg_field_value *out) TDG_MUST_CHECK;
struct tdx_status tdg_servtd_wr(const struct tdg_port *vcpu, const struct tdg_servtd_target *target,
				uint64_t field, uint64_t value, uint64_t mask,
				struct tdg_field_value *old) TDG_MUST_CHECK;

/* --- a migration TD ---
 *
 * It gives its target's key for the next session to the migration TD on the other side, and its
 * target the other's, if the other proves that it is what it is itself: a quote with the same
 * measurements, over the key it agrees with. What is exchanged is sealed with keys that exist for
 * one session. Protocol: docs/migration.md; between it and its host: <swtdx/migtd.h>. */

enum { TDG_MIGTD_PUBLIC_SIZE = 32, TDG_MIGTD_TAG_SIZE = 16 };

/* The cryptography, which the library does not have. 0 or a negative errno; -EACCES: does not
 * verify. */
struct tdg_migtd_crypto {
	/* A key pair for this session, and what a quote is to say of it. */
	int (*begin)(void *arg, bool source, uint8_t public_[TDG_MIGTD_PUBLIC_SIZE],
		     uint8_t reportdata[TDX_REPORTDATA_SIZE]);
	/* Is this a quote of a TD like this one (whose TDREPORT is `own`), over that public key of
	 * that role? */
	int (*check)(void *arg, const struct tdx_report *own, bool source,
		     const uint8_t public_[TDG_MIGTD_PUBLIC_SIZE], const void *quote, size_t len);
	/* The session's keys, of both hellos whole. */
	int (*agree)(void *arg, const uint8_t other[TDG_MIGTD_PUBLIC_SIZE], const void *own_hello,
		     size_t own_len, const void *other_hello, size_t other_len);
	/* One message each way: len bytes in place, the tag behind them. */
	int (*seal)(void *arg, void *bytes, size_t len);
	int (*open)(void *arg, void *bytes, size_t len);
	/* Nothing of the session is left. */
	void (*end)(void *arg);
	void *arg;
};

struct tdg_migtd {
	const struct tdg_port *vcpu;
	const struct tdg_td *td;
	const struct tdg_memory *mm;
	const struct tdg_migtd_crypto *crypto;
	struct tdg_scratch scratch;
	struct tdg_quote quote; /* opened */
	/* The library's: */
	struct tdx_migtd_page page;
	size_t own_len, other_len;
	uint8_t own[TDX_MIGTD_MESSAGE_MAX], other[TDX_MIGTD_MESSAGE_MAX];
};

/* Makes the buffer shared, once. -EIO. */
int tdg_migtd_open(struct tdg_migtd *m) TDG_MUST_CHECK;
/* One session, from the wait for it to its end, which the host is told too: 0; -EACCES: the other
 * side is not to be trusted; -EPROTO: it does not speak this; -EIO: module or host do not answer as
 * they must, -ENODEV: there are no quotes. */
int tdg_migtd_serve(struct tdg_migtd *m);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
