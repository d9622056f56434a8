/* SPDX-License-Identifier: MIT */
/* A host in binary: small programs on the board's processors. A program ends by writing to the
 * reset register; an exception writes its vector and ends it too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <swtdx/seamldr.h>

#include "arch/msr.h"
#include "arch/vmx.h"
#include "arch/mce.h"
#include "board/internal.h"
#include "module_setup.h"
#include "system/system.h"

#define CODE   0x200000ull
#define SECOND 0x201000ull /* where the other processor starts */
#define REGION 0x202000ull /* VMXON region; the VMCS is the next page */
#define VMCS   0x203000ull
#define IDT    0x204000ull
#define STUBS  0x205000ull
#define RESULT 0x206000ull /* words a program leaves; the last ones of the page: an exception */
#define INFO   0x207000ull /* for the P-SEAMLDR */

#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")

#define END "out %al, $0xf4\n"
/* RESULT is in RBX; flags of the last instruction into its word n. */
#define FLAGS(n) "pushfq; popq " #n "*8(%rbx)\n"
#define VMX_ON                                                                                     \
	"mov %cr4, %rax; or $0x2000, %eax; mov %rax, %cr4\n"                                       \
	"movq $0x202000, 0x206f00; vmxon 0x206f00\n"
#define START "mov $0x206000, %ebx\n"

/* Each vector's stub: its number, the error code if there is one, and the end. */
GUEST_CODE(stub, "push %rax; mov 8(%rsp), %rax; mov %rax, 0x206ff8; movb $0, 0x206ff0;" END);

struct rig {
	struct board *b;
	uint64_t *result;
	struct board_report report[4];
	unsigned reports;
};

static void keep_report(void *arg, const struct board_report *report)
{
	struct rig *r = arg;

	if (r->reports < 4)
		r->report[r->reports] = *report;
	r->reports++;
}

static bool ready(void *arg)
{
	(void)arg;
	return false;
}

static uint8_t get(void *arg)
{
	(void)arg;
	return 0;
}

static void put(void *arg, uint8_t byte)
{
	char *line = arg;
	const size_t n = strlen(line);

	if (n < 63)
		line[n] = (char)byte;
}

static char console[64];

static bool loses_vmcs; /* the next machine has the erratum of SEAMRET */
static bool poisons;	/* it has machine checks for poison */

static void start_with(struct rig *r, unsigned cpus, const uint8_t *code, const uint8_t *end)
{
	static const struct uart_ops ops = {.ready = ready, .get = get, .put = put};
	const struct board_config cfg = {.cpus = cpus,
					 .seamret_loses_vmcs = loses_vmcs,
					 .poison = poisons,
					 .packages = 1,
					 .console = &ops,
					 .console_arg = console,
					 .report = keep_report,
					 .report_arg = r};
	char err[128] = "";
	uint64_t *idt, basic;

	r->reports = 0;
	memset(console, 0, sizeof(console));
	r->b = board_new(&cfg, err, sizeof(err));
	assert_string_equal(err[0] && !r->b ? err : "", "");
	r->result = board_ram(r->b, RESULT, 4096);
	memcpy(board_ram(r->b, CODE, 4096), code, (size_t)(end - code));
	idt = board_ram(r->b, IDT, 4096);
	for (unsigned i = 0; i < 32; i++) {
		uint8_t *s = board_ram(r->b, STUBS + i * 64, 64);
		const uint64_t to = STUBS + i * 64;

		memcpy(s, stub, (size_t)(stub_end - stub));
		for (uint8_t *p = s; p + 9 <= s + (stub_end - stub); p++)
			if (p[0] == 0xc6 && p[1] == 0x04) /* movb imm: the vector */
				p[7] = (uint8_t)(i + 1);
		idt[2 * i] =
			(to & 0xffff) | 0x10ull << 16 | 0x8eull << 40 | (to >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = to >> 32;
	}
	assert_true(machine_rdmsr(&board_system(r->b)->m->lp[0], MSR_VMX_BASIC, &basic));
	memcpy(board_ram(r->b, REGION, 4), &basic, 4); /* the revision */
	memcpy(board_ram(r->b, VMCS, 4), &basic, 4);
}

#define start(r, cpus, name) start_with(r, cpus, name, name##_end)

/* The vector of the exception that ended the program; -1: none did. */
static int exception(const struct rig *r)
{
	return (int)(r->result[0xff0 / 8] & 0xff) - 1;
}

static void run_to_end(struct rig *r)
{
	assert_int_equal(board_run(r->b, CODE), BOARD_RESET);
	assert_string_equal(board_reason(r->b), "reset");
}

/* --- VMX root operation --- */

#define LIDT "movw $0xfff, 0x206f10; movq $0x204000, 0x206f12; lidt 0x206f10\n"

GUEST_CODE(vmx_off, LIDT "vmxoff\n" END);
GUEST_CODE(vmxon_without_vmxe, LIDT "movq $0x202000, 0x206f00; vmxon 0x206f00\n" END);
GUEST_CODE(vmptrld_before_vmxon,
	   LIDT "mov %cr4, %rax; or $0x2000, %eax; mov %rax, %cr4; vmptrld 0x206f00\n" END);
GUEST_CODE(seamcall_outside, LIDT ".byte 0x66, 0x0f, 0x01, 0xcf\n" END);

static void expect_ud(const uint8_t *code, const uint8_t *end)
{
	struct rig r;

	start_with(&r, 1, code, end);
	run_to_end(&r);
	assert_int_equal(exception(&r), 6);
	board_free(r.b);
}

/* What builds for debugging ask before every access. */
static void a_pointer_beside_the_machines_memory_is_none_of_its_processors(void **state)
{
	const struct board_config cfg = {.cpus = 1, .packages = 1};
	char err[100];
	struct board *b = board_new(&cfg, err, sizeof(err));
	struct x86_cpu *x = b->cpu[0].x86;
	const uint8_t *ram = board_ram(b, 0, TDX_PAGE_SIZE);

	(void)state;
	assert_true(x->ops->is_ram(x, ram, 1));
	assert_true(x->ops->is_ram(x, ram + TDX_PAGE_SIZE - 8, 16));
	assert_false(x->ops->is_ram(x, ram - 1, 1));
	assert_false(x->ops->is_ram(x, ram + b->m->cfg.mem_end - 1, 2));
	assert_false(x->ops->is_ram(x, &x, sizeof(x)));
	board_free(b);
}

static void vmx_instructions_and_seamcall_are_undefined_outside_vmx_operation(void **state)
{
	(void)state;
	expect_ud(vmx_off, vmx_off_end);
	expect_ud(vmxon_without_vmxe, vmxon_without_vmxe_end);
	expect_ud(vmptrld_before_vmxon, vmptrld_before_vmxon_end);
	expect_ud(seamcall_outside, seamcall_outside_end);
}

GUEST_CODE(vmxon_bad, LIDT START
	   "mov %cr4, %rax; or $0x2000, %eax; mov %rax, %cr4\n"
	   "movq $0x202001, 0x206f00; vmxon 0x206f00\n" FLAGS(
		   0) "movl $1, 0x202000; movq $0x202000, 0x206f00; vmxon 0x206f00\n" FLAGS(1) END);

static void vmxon_wants_an_aligned_region_with_the_revision(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1, vmxon_bad);
	run_to_end(&r);
	assert_int_equal(exception(&r), -1);
	assert_int_equal(r.result[0] & 0x8d5, 1);
	assert_int_equal(r.result[1] & 0x8d5, 1);
	board_free(r.b);
}

/* A VMCS is cleared, loaded, written and read; what is wrong fails with its error number. */
GUEST_CODE(
	vmcs,
	LIDT START VMX_ON FLAGS(0) "vmxon 0x206f00\n" FLAGS(1) /* again, without a VMCS to say so */
	"movq $0x203000, 0x206f08; vmclear 0x206f08\n" FLAGS(2) "vmptrld 0x206f08\n" FLAGS(
		3) "mov $0x681e, %eax; mov $0x1234, %ecx; vmwrite "
		   "%rcx, %rax\n" FLAGS(4) "vmread %rax, %rdx; mov "
					   "%rdx, 5*8(%rbx)\n"
					   "mov $0x4402, %eax; "
					   "vmwrite %rcx, "
					   "%rax\n" FLAGS(6) /* a read-only
								field */
	"mov $0x4400, %eax; vmread %rax, 7*8(%rbx)\n"
	"mov $0x7000, %eax; vmread %rax, %rdx\n" FLAGS(8) /* no such field */
	"mov $0x4400, %eax; vmread %rax, 9*8(%rbx)\n"
	"vmlaunch\n" FLAGS(
		10) "mov $0x4400, %eax; vmread %rax, 11*8(%rbx)\n"
		    "xor %eax, %eax; invept 0x206f20, %rax\n" FLAGS(
			    12) "mov $2, %eax; invept 0x206f20, %rax\n" FLAGS(13) "vmptrst "
										  "14*8(%rbx)\n"
										  "vmclear "
										  "0x206f00\n"
										  "mov $0x4400, "
										  "%eax; vmread "
										  "%rax, "
										  "15*8(%rbx)\n"
										  "vmxoff\n" FLAGS(
											  16) END);

#define VMX_FLAGS 0x8d5u
#define CF	  1u
#define ZF	  0x40u

static void vmcs_instructions_succeed_and_fail_as_the_manual_says(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1, vmcs);
	run_to_end(&r);
	assert_int_equal(exception(&r), -1);
	assert_int_equal(r.result[0] & VMX_FLAGS, 0);
	assert_int_equal(r.result[1] & VMX_FLAGS, CF);
	assert_int_equal(r.result[2] & VMX_FLAGS, 0);
	assert_int_equal(r.result[3] & VMX_FLAGS, 0);
	assert_int_equal(r.result[4] & VMX_FLAGS, 0);
	assert_int_equal(r.result[5], 0x1234);
	assert_int_equal(r.result[6] & VMX_FLAGS, ZF);
	assert_int_equal(r.result[7], 13);
	assert_int_equal(r.result[8] & VMX_FLAGS, ZF);
	assert_int_equal(r.result[9], 12);
	assert_int_equal(r.result[10] & VMX_FLAGS, ZF);
	assert_int_equal(r.result[11], 7);
	assert_int_equal(r.result[12] & VMX_FLAGS, ZF);
	assert_int_equal(r.result[13] & VMX_FLAGS, 0);
	assert_int_equal(r.result[14], VMCS);
	assert_int_equal(r.result[15], 3); /* it is the VMXON region */
	assert_int_equal(r.result[16] & VMX_FLAGS, 0);
	board_free(r.b);
}

/* --- SEAMCALL --- */

GUEST_CODE(seamcalls, LIDT START VMX_ON
	   "mov $0x1111, %ebp; mov $0x80000000, %eax; shl $32, %rax\n"
	   "mov $0x207000, %ecx; stc\n.byte 0x66, 0x0f, 0x01, 0xcf\n" FLAGS(
		   0) "mov %rax, 1*8(%rbx)\n" /* P-SEAMLDR's */
		      "mov $33, %eax; xor %ecx, %ecx; stc\n"
		      ".byte 0x66, 0x0f, 0x01, 0xcf\n" FLAGS(
			      2) "mov %rax, 3*8(%rbx)\n"
				 "mov $33, %eax\n.byte 0x66, 0x0f, 0x01, 0xcf\n" FLAGS(
					 4) "mov %rax, 5*8(%rbx)\n"
					    "mov %rbp, 6*8(%rbx)\n" END);

static void seamcall_answers_in_rax_and_cf(void **state)
{
	struct tdx_seamldr_info info;
	struct rig r;

	(void)state;
	start(&r, 1, seamcalls);
	run_to_end(&r);
	assert_int_equal(exception(&r), -1);
	assert_int_equal(r.result[0] & CF, 0);
	assert_int_equal(r.result[1], SEAMLDR_SUCCESS);
	memcpy(&info, board_ram(r.b, INFO, sizeof(info)), sizeof(info));
	assert_int_equal(info.vendor_id, 0x8086);
	assert_int_equal(info.seamextend.seam_ready, 1);
	assert_int_equal(r.result[2] & CF, 0);
	assert_int_equal(r.result[3], TDX_SUCCESS); /* SYS.INIT */
	assert_int_equal(r.result[4] & CF, 0);
	assert_int_equal(r.result[5] >> 63, 1); /* again */
	assert_int_equal(r.result[6], 0x1111);
	board_free(r.b);
}

/* VMPTRLD, SEAMLDR.INFO, VMPTRST, IA32_VMX_BASIC. */
GUEST_CODE(loads, LIDT START VMX_ON "movq $0x203000, 0x206f08; vmclear 0x206f08\n"
				    "vmptrld 0x206f08\n"
				    "mov $0x80000000, %eax; shl $32, %rax; mov $0x207000, %ecx\n"
				    ".byte 0x66, 0x0f, 0x01, 0xcf\n"
				    "vmptrst 0(%rbx); mov $0x480, %ecx; rdmsr\n"
				    "mov %edx, 8(%rbx)\n" END);

static void the_erratum_of_seamret_loses_the_vmcs_and_says_so(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned with = 0; with < 2; with++) {
		loses_vmcs = with != 0;
		start(&r, 1, loads);
		loses_vmcs = false;
		run_to_end(&r);
		assert_int_equal(exception(&r), -1);
		assert_int_equal(r.result[0], with ? ~0ull : VMCS);
		assert_int_equal(r.result[1] << 32 & VMX_BASIC_NO_SEAMRET_INVD_VMCS,
				 with ? 0 : VMX_BASIC_NO_SEAMRET_INVD_VMCS);
		board_free(r.b);
	}
}

/* LSTAR before, TDH.VP.ENTER of an address that is none, LSTAR, of a TD, LSTAR. */
GUEST_CODE(enters,
	   LIDT START VMX_ON "mov $0xc0000082, %ecx; mov $0x5555, %eax; xor %edx, %edx; wrmsr\n"
			     "xor %eax, %eax; mov $0x1000, %ecx\n.byte 0x66, 0x0f, 0x01, 0xcf\n"
			     "mov %rax, 0(%rbx); mov $0xc0000082, %ecx; rdmsr; mov %rax, 8(%rbx)\n"
			     "xor %eax, %eax; mov 0x206e00, %rcx\n.byte 0x66, 0x0f, 0x01, 0xcf\n"
			     "mov $0x206000, %ebx; mov %rax, 16(%rbx); mov $0xc0000082, %ecx; "
			     "rdmsr; mov %rax, 24(%rbx)\n" END);

#define TDR (SETUP_TDMR1 + 0x200000)

static void a_td_that_ran_takes_the_hosts_lstar_with_it(void **state)
{
	struct rig r;
	struct setup s;

	(void)state;
	start(&r, 1, enters);
	s = (struct setup){board_system(r.b)->m, board_system(r.b)->mod, {0}};
	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_td(&s, TDR, SETUP_GLOBAL_HKID + 1);
	r.result[0xe00 / 8] = TDR + SETUP_TDVPR;
	run_to_end(&r);
	assert_int_equal(exception(&r), -1);
	assert_int_equal(r.result[0] >> 63, 1);
	assert_int_equal(r.result[1], 0x5555);
	assert_int_equal((uint32_t)r.result[2], 48); /* EPT violation at its reset vector */
	assert_int_equal(r.result[3], 0);
	board_free(r.b);
}

/* --- what a host owes the caches --- */

#define PAGE "$0x40200000" /* of the first TDMR */
#define GIVE                                                                                       \
	"mov " PAGE ", %ecx; mov $33, %edx; mov $9, %eax\n" /* TDH.MNG.CREATE */                   \
	".byte 0x66, 0x0f, 0x01, 0xcf\nmov %rax, 0x206000\n"
#define FLUSH(lines)                                                                               \
	"mov " PAGE ", %edi; mov $" #lines ", %ecx\n1: clflush (%rdi); add $64, %rdi; loop 1b\n"   \
	"mfence\n"
#define WRITE "mov " PAGE ", %edi; movq $7, (%rdi)\n"

GUEST_CODE(gives_dirty, LIDT VMX_ON WRITE GIVE END);
GUEST_CODE(flushes_half, LIDT VMX_ON WRITE FLUSH(32) GIVE END);
GUEST_CODE(flushes, LIDT VMX_ON WRITE FLUSH(64) GIVE END);
GUEST_CODE(writes_all_back, LIDT VMX_ON WRITE "wbinvd\n" GIVE END);
GUEST_CODE(writes_again, LIDT VMX_ON WRITE FLUSH(64) WRITE GIVE END);
GUEST_CODE(stores_directly,
	   LIDT VMX_ON WRITE FLUSH(64) "mov $64, %edx; mov " PAGE ", %eax; mov $0x206400, %esi\n"
				       "1: .byte 0x66, 0x0f, 0x38, 0xf8, 0x06; add $64, %eax; dec "
				       "%edx; jne 1b; mfence\n" GIVE END);
GUEST_CODE(reuses, LIDT VMX_ON GIVE "mov " PAGE ", %edi; mov (%rdi), %rax\n" WRITE WRITE END);

static void give(struct rig *r, const uint8_t *code, const uint8_t *end, unsigned reports)
{
	struct setup s;

	start_with(r, 1, code, end);
	s = (struct setup){board_system(r->b)->m, board_system(r->b)->mod, {0}};
	setup_ready(&s, SETUP_GLOBAL_HKID);
	r->reports = 0;
	run_to_end(r);
	assert_int_equal(exception(r), -1);
	assert_int_equal(r->result[0], 0);
	assert_int_equal(r->reports, reports);
	assert_int_equal(board_reports(r->b), reports);
}

#define give(r, name, reports) give(r, name, name##_end, reports)

/* The instruction at the address. */
static bool is_at(struct rig *r, uint64_t rip, const char *bytes, size_t n)
{
	return rip > CODE && memcmp(board_ram(r->b, rip, n), bytes, n) == 0;
}

static void a_dirty_page_given_to_the_module_is_reported_once(void **state)
{
	struct rig r;

	(void)state;
	give(&r, gives_dirty, 1);
	assert_string_equal(r.report[0].during, "TDH.MNG.CREATE");
	assert_string_equal(r.report[0].dirtied_by, "the host");
	assert_int_equal(r.report[0].page, 0x40200000);
	assert_int_equal(r.report[0].old_keyid, 0);
	assert_true(is_at(&r, r.report[0].used.rip[0], "\x66\x0f\x01\xcf", 4));
	assert_true(is_at(&r, r.report[0].dirtied.rip[0], "\x48\xc7\x07\x07", 4));
	board_free(r.b);
	give(&r, flushes_half, 1);
	board_free(r.b);
	give(&r, writes_again, 1);
	assert_true(is_at(&r, r.report[0].dirtied.rip[0], "\x48\xc7\x07\x07", 4));
	board_free(r.b);
}

static void a_page_written_back_is_the_modules_to_take(void **state)
{
	struct rig r;

	(void)state;
	give(&r, flushes, 0);
	board_free(r.b);
	give(&r, writes_all_back, 0);
	board_free(r.b);
	give(&r, stores_directly, 0);
	board_free(r.b);
}

static void a_page_of_the_module_used_by_the_host_is_reported_once(void **state)
{
	struct rig r;

	(void)state;
	give(&r, reuses, 1);
	assert_string_equal(r.report[0].dirtied_by, "TDH.MNG.CREATE");
	assert_int_equal(r.report[0].old_keyid, SETUP_GLOBAL_HKID);
	assert_true(is_at(&r, r.report[0].used.rip[0], "\x48\x8b\x07", 3));
	assert_true(is_at(&r, r.report[0].gave.rip[0], "\x66\x0f\x01\xcf", 4));
	board_free(r.b);
}

GUEST_CODE(takes_machine_checks_and_reads,
	   LIDT "mov %cr4, %rax; or $0x40, %eax; mov %rax, %cr4; mov " PAGE
		", %edi; mov (%rdi), %rax\n" END);

/* A page that is poison, as after a TD has read it behind the host's back. */
static void poison_is_a_machine_check_where_that_is_wanted(void **state)
{
	const unsigned bank = MSR_MC0_CTL + MC_BANK_MSRS;
	struct rig r;

	(void)state;
	for (unsigned wanted = 0; wanted < 2; wanted++) {
		poisons = wanted;
		start(&r, 1, takes_machine_checks_and_reads);
		poisons = false;
		atomic_fetch_or(&board_system(r.b)->m->page[0x40200].word, PAGE_POISON);
		run_to_end(&r);
		assert_int_equal(exception(&r), wanted ? VECTOR_MC : -1);
		assert_int_equal(r.reports, 1);
		assert_string_equal(r.report[0].what, "machine check: poison was read");
		assert_int_equal(board_msr(&r.b->cpu[0], bank + MC_ADDR), wanted ? 0x40200000 : 0);
		board_free(r.b);
	}
}

/* --- interrupts --- */

#define X2APIC(register, low)                                                                      \
	"mov $0x8" #register ", %ecx; mov $" #low ", %eax; xor %edx, %edx; wrmsr\n"
/* Software-enabled, vector 0x1f goes to its stub like an exception. */
#define APIC_ON X2APIC(0f, 0x1ff)

GUEST_CODE(self_ipi, LIDT APIC_ON "sti\n" X2APIC(3f, 0x1e) "1: hlt; jmp 1b\n");

static void a_self_ipi_is_delivered(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1, self_ipi);
	run_to_end(&r);
	assert_int_equal(exception(&r), 0x1e);
	board_free(r.b);
}

GUEST_CODE(deadline,
	   LIDT APIC_ON X2APIC(
		   32,
		   0x4001d) "rdtsc; add $100000, %eax; adc $0, %edx; mov $0x6e0, %ecx; wrmsr; sti\n"
			    "1: hlt; jmp 1b\n");

static void a_deadline_wakes_a_halted_processor(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1, deadline);
	run_to_end(&r);
	assert_int_equal(exception(&r), 0x1d);
	board_free(r.b);
}

GUEST_CODE(halts, "cli; hlt\n");

static void halting_with_interrupts_off_ends_the_machine(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1, halts);
	assert_int_equal(board_run(r.b, CODE), BOARD_HALTED);
	board_free(r.b);
}

/* The first wakes the second through the mailbox, which sends it an NMI. */
GUEST_CODE(wakes, LIDT "movq $0x201000, 0x9d008; movl $1, 0x9d004; movw $1, 0x9d000\n"
		       "1: cmpw $0, 0x9d000; jne 1b\n"
		       "2: hlt; jmp 2b\n");
GUEST_CODE(woken, "mov $0x830, %ecx; xor %edx, %edx; mov $0x400, %eax; wrmsr\n1: hlt; jmp 1b\n");

static void a_processor_is_woken_and_sends_an_nmi(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 2, wakes);
	memcpy(board_ram(r.b, SECOND, 4096), woken, (size_t)(woken_end - woken));
	run_to_end(&r);
	assert_int_equal(exception(&r), 2);
	board_free(r.b);
}

/* The second goes back to the firmware by an INIT, or, in VMX operation, does not before VMXOFF;
 * the first then wakes it again, and it ends the program. */
#define WAKE "movw $1, 0x9d000\n1: cmpw $0, 0x9d000; jne 1b\n"
GUEST_CODE(sends_init, LIDT START "movq $0x201000, 0x9d008; movl $1, 0x9d004\n" WAKE
				  "2: cmpq $1, 0x206000; jne 2b\n"
				  "mov $0x830, %ecx; mov $1, %edx; mov $0x4500, %eax; wrmsr\n"
				  "movq $0x201080, 0x9d008\n" WAKE "3: pause; jmp 3b\n");
GUEST_CODE(spins, START "movq $1, 0x206000\n1: pause; jmp 1b\n");
GUEST_CODE(spins_in_vmx, LIDT START VMX_ON
	   "movq $1, 0x206000; mov $1000, %ecx\n1: pause; incq 0x206008; loop 1b\n"
	   "vmxoff\n2: incq 0x206010; pause; jmp 2b\n");
GUEST_CODE(ends, "mov $0x206000, %ebx; movq $7, 24(%rbx)\n" END);

static void init(struct rig *r, const uint8_t *code, const uint8_t *end)
{
	start(r, 2, sends_init);
	memcpy(board_ram(r->b, SECOND, 128), code, (size_t)(end - code));
	memcpy(board_ram(r->b, SECOND + 128, 128), ends, (size_t)(ends_end - ends));
	run_to_end(r);
	assert_int_equal(exception(r), -1);
	assert_int_equal(r->result[3], 7);
}

static void init_starts_a_processor_anew_but_in_vmx_operation(void **state)
{
	struct rig r;

	(void)state;
	assert_in_range(spins_in_vmx_end - spins_in_vmx, 1, 128);
	init(&r, spins, spins_end);
	board_free(r.b);
	init(&r, spins_in_vmx, spins_in_vmx_end);
	assert_int_equal(r.result[1], 1000); /* all of it, before VMXOFF */
	board_free(r.b);
}

/* --- devices --- */

GUEST_CODE(prints, "mov $0x3f8, %edx; mov $'h', %al; out %al, %dx; mov $'i', %al; out %al, %dx\n"
		   "in $0x60, %al; mov $0x90000000, %eax; mov (%rax), %ecx; mov $0x600, %edx;"
		   "mov $0x34, %al; out %al, %dx\n");

static void it_prints_switches_off_and_remembers_what_is_not_there(void **state)
{
	struct board_missing m;
	struct rig r;

	(void)state;
	start(&r, 1, prints);
	assert_int_equal(board_run(r.b, CODE), BOARD_OFF);
	assert_string_equal(console, "hi");
	assert_true(board_missing(r.b, 0, &m));
	assert_int_equal(m.kind, BOARD_PORT);
	assert_int_equal(m.number, 0x60);
	assert_true(board_missing(r.b, 1, &m));
	assert_int_equal(m.kind, BOARD_ADDRESS);
	assert_int_equal(m.number, 0x90000000);
	assert_int_equal(m.times, 1);
	assert_false(board_missing(r.b, 2, &m));
	board_free(r.b);
}

static void more_packages_than_processors_cannot_be(void **state)
{
	const struct board_config cfg = {.cpus = 1, .packages = 2};
	char err[128] = "";

	(void)state;
	assert_null(board_new(&cfg, err, sizeof(err)));
	assert_string_equal(err, "1 processors in 2 packages cannot be");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pointer_beside_the_machines_memory_is_none_of_its_processors),
		cmocka_unit_test(vmx_instructions_and_seamcall_are_undefined_outside_vmx_operation),
		cmocka_unit_test(vmxon_wants_an_aligned_region_with_the_revision),
		cmocka_unit_test(vmcs_instructions_succeed_and_fail_as_the_manual_says),
		cmocka_unit_test(seamcall_answers_in_rax_and_cf),
		cmocka_unit_test(the_erratum_of_seamret_loses_the_vmcs_and_says_so),
		cmocka_unit_test(a_td_that_ran_takes_the_hosts_lstar_with_it),
		cmocka_unit_test(a_dirty_page_given_to_the_module_is_reported_once),
		cmocka_unit_test(a_page_written_back_is_the_modules_to_take),
		cmocka_unit_test(a_page_of_the_module_used_by_the_host_is_reported_once),
		cmocka_unit_test(poison_is_a_machine_check_where_that_is_wanted),
		cmocka_unit_test(a_self_ipi_is_delivered),
		cmocka_unit_test(a_deadline_wakes_a_halted_processor),
		cmocka_unit_test(halting_with_interrupts_off_ends_the_machine),
		cmocka_unit_test(a_processor_is_woken_and_sends_an_nmi),
		cmocka_unit_test(init_starts_a_processor_anew_but_in_vmx_operation),
		cmocka_unit_test(it_prints_switches_off_and_remembers_what_is_not_there),
		cmocka_unit_test(more_packages_than_processors_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
