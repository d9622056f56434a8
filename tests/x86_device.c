/* SPDX-License-Identifier: MIT */
/* What a processor tells its embedder beside memory: accesses to devices, cache lines written back,
 * direct stores, and the operands of VMX instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "arch/vmx.h"
#include "x86_guest.h"

#define DEVICE 0x400000u
#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")
#define load(g, at, name) g_put(g, at, name, (unsigned)(name##_end - name))

/* What was told, a line each. */
static char told[4096];
static uint8_t registers[0x1000];

static void tell(const char *what, uint64_t gpa, unsigned n)
{
	const size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s %llx %u\n", what, (unsigned long long)gpa, n);
}

static unsigned map(struct x86_cpu *cpu, uint64_t gpa, unsigned access, void **host, uint64_t *qual)
{
	if (gpa == DEVICE)
		return X86_MAP_R | X86_MAP_W | X86_MAP_X | X86_MAP_MMIO;
	return g_map(cpu, gpa, access, host, qual);
}

static void mmio(struct x86_cpu *cpu, uint64_t gpa, void *data, unsigned size, bool write)
{
	(void)cpu;
	assert_in_range(gpa, DEVICE, DEVICE + 0x1000 - size);
	tell(write ? "write" : "read", gpa - DEVICE, size);
	if (write)
		memcpy(registers + (gpa & 0xfff), data, size);
	else
		memcpy(data, registers + (gpa & 0xfff), size);
}

static void cache_line(struct x86_cpu *cpu, uint64_t gpa, enum x86_cache_op op)
{
	static const char *const name[] = {
		[X86_CLFLUSH] = "clflush", [X86_CLFLUSHOPT] = "clflushopt", [X86_CLWB] = "clwb"};

	(void)cpu;
	tell(name[op], gpa, 64);
}

static void direct_store(struct x86_cpu *cpu, uint64_t gpa, unsigned size)
{
	(void)cpu;
	tell("direct", gpa, size);
}

static void fence(struct x86_cpu *cpu)
{
	(void)cpu;
	tell("fence", 0, 0);
}

static const struct x86_ops ops = {
	.gpa_map = map,
	.rdmsr = g_rdmsr,
	.wrmsr = g_wrmsr,
	.tsc = g_tsc,
	.intr_ack = g_intr,
	.mmio = mmio,
	.cache_line = cache_line,
	.direct_store = direct_store,
	.fence = fence,
};

static int open_guest(void **state)
{
	static struct guest g;

	*state = &g;
	if (g_open(&g))
		return -1;
	g.cpu->ops = &ops;
	told[0] = '\0';
	for (unsigned i = 0; i < sizeof(registers); i++)
		registers[i] = (uint8_t)(i * 7 + 1);
	return 0;
}

static int close_guest(void **state)
{
	g_close(*state);
	return 0;
}

static struct x86_exit run(struct guest *g)
{
	struct x86_exit x;

	assert_int_equal(x86_run(g->cpu, &x, 10000), 0);
	return x;
}

static void run_to_hlt(struct guest *g)
{
	assert_int_equal(run(g).reason, VMX_EXIT_HLT);
}

static uint64_t reg(unsigned at, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, registers + at, size);
	return v;
}

GUEST_CODE(loads, "mov 0x400010, %al; mov 0x400020, %bx; mov 0x400030, %ecx; mov 0x400038, %rdx;"
		  "movdqu 0x400040, %xmm0; movzbl 0x400011, %esi; hlt");

static void each_load_of_a_device_is_one_access_of_its_size(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, loads);
	g->cpu->regs.rax = g->cpu->regs.rbx = 0;
	run_to_hlt(g);
	assert_string_equal(told, "read 10 1\nread 20 2\nread 30 4\nread 38 8\nread 40 16\n"
				  "read 11 1\n");
	assert_int_equal(g->cpu->regs.rax, reg(0x10, 1));
	assert_int_equal(g->cpu->regs.rbx, reg(0x20, 2));
	assert_int_equal(g->cpu->regs.rcx, reg(0x30, 4));
	assert_int_equal(g->cpu->regs.rdx, reg(0x38, 8));
	assert_int_equal(g->cpu->xmm[0].q[1], reg(0x48, 8));
	assert_int_equal(g->cpu->regs.rsi, reg(0x11, 1));
}

GUEST_CODE(stores, "movb $1, 0x400010; movw $2, 0x400020; movl $3, 0x400030;"
		   "mov $0x123456789abcdef0, %rax; mov %rax, 0x400038; hlt");

static void each_store_is_one_too(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, stores);
	run_to_hlt(g);
	assert_string_equal(told, "write 10 1\nwrite 20 2\nwrite 30 4\nwrite 38 8\n");
	assert_int_equal(reg(0x10, 1), 1);
	assert_int_equal(reg(0x20, 2), 2);
	assert_int_equal(reg(0x30, 4), 3);
	assert_int_equal(reg(0x38, 8), 0x123456789abcdef0);
}

GUEST_CODE(changes, "lock incl 0x400010; xchg %eax, 0x400020; hlt");

static void a_changed_register_is_read_then_written(void **state)
{
	struct guest *g = *state;
	const uint64_t before = reg(0x10, 4), old = reg(0x20, 4);

	load(g, G_CODE, changes);
	g->cpu->regs.rax = 77;
	run_to_hlt(g);
	assert_string_equal(told, "read 10 4\nwrite 10 4\nread 20 4\nwrite 20 4\n");
	assert_int_equal(reg(0x10, 4), before + 1);
	assert_int_equal(reg(0x20, 4), 77);
	assert_int_equal(g->cpu->regs.rax, old);
}

GUEST_CODE(strings, "mov $0x400000, %esi; mov $0x200000, %edi; mov $3, %ecx; rep movsl;"
		    "mov $0x200000, %esi; mov $0x400100, %edi; mov $2, %ecx; rep movsw;"
		    "mov $0x400200, %edi; mov $2, %ecx; rep stosb; hlt");

static void strings_touch_a_device_element_by_element(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, strings);
	run_to_hlt(g);
	assert_string_equal(told, "read 0 4\nread 4 4\nread 8 4\nwrite 100 2\nwrite 102 2\n"
				  "write 200 1\nwrite 201 1\n");
	assert_memory_equal(g->ram + G_DATA, registers, 12);
}

GUEST_CODE(crossing, "mov 0x3ffffe, %eax; mov %eax, 0x3ffffd; addl $1, 0x3ffffe; hlt");

static void an_access_across_the_end_of_memory_is_cut_there(void **state)
{
	struct guest *g = *state;
	const uint64_t device = reg(0, 2);

	g->ram[DEVICE - 2] = 0x11;
	g->ram[DEVICE - 1] = 0x22;
	load(g, G_CODE, crossing);
	run_to_hlt(g);
	assert_string_equal(told, "read 0 2\nwrite 0 1\nread 0 2\nwrite 0 2\n");
	assert_int_equal(g->cpu->regs.rax, 0x2211 | device << 16);
}

GUEST_CODE(jump, "mov $0x400000, %eax; jmp *%rax");

static void nothing_is_executed_from_a_device(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, jump);
	x = run(g);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(x.gpa, DEVICE);
	assert_true(x.qualification & X86_MAP_X);
	assert_string_equal(told, "");
}

static void tables_of_pages_are_not_in_a_device(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, loads);
	g->cpu->cr3 = DEVICE;
	x86_state_changed(g->cpu);
	x = run(g);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(x.gpa & ~0xfffull, DEVICE);
	assert_string_equal(told, "");
}

GUEST_CODE(caches, "mov $0x200047, %eax; clflush (%rax); clflushopt 64(%rax); clwb 128(%rax);"
		   "mfence; sfence; hlt");

static void lines_written_back_are_told(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, caches);
	run_to_hlt(g);
	assert_string_equal(told, "clflush 200040 64\nclflushopt 200080 64\nclwb 2000c0 64\n"
				  "fence 0 0\nfence 0 0\n");
}

GUEST_CODE(direct, "mov $0x200000, %eax; mov $0x201000, %edx; movnti %rdx, (%rax);"
		   "movdiri %edx, 0xffe(%rax); movdir64b (%rax), %rdx; hlt");

static void direct_stores_are_told_page_by_page(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, direct);
	run_to_hlt(g);
	assert_string_equal(told, "direct 200000 8\ndirect 200ffe 2\ndirect 201000 2\n"
				  "direct 201000 64\n");
	assert_int_equal(*g_q(g, G_DATA), 0x201000);
	assert_int_equal(*g_q(g, G_DATA + 0x1000), 0x201000);
}

/* --- VMX instructions --- */

GUEST_CODE(vmxon, "vmxon 8(%rbx,%rcx,4)");
GUEST_CODE(vmptrld_rip, "vmptrld 0x10(%rip)");
GUEST_CODE(vmread_reg, "vmread %r9, %rdx");
GUEST_CODE(vmread_mem, "vmread %rsi, %fs:(%r12)");
GUEST_CODE(vmwrite, "vmwrite %r10, %rax");
GUEST_CODE(invept, "invept (%rdi), %r8");
GUEST_CODE(vmlaunch, "vmlaunch");

static struct x86_exit vmx(struct guest *g, const uint8_t *code, const uint8_t *end)
{
	struct x86_exit x;

	g_put(g, G_CODE, code, (unsigned)(end - code));
	g->cpu->rip = G_CODE;
	x = run(g);
	assert_int_equal(x.insn_len, end - code);
	return x;
}

static void vmx_instructions_leave_with_their_operands(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	g->cpu->regs.rbx = 0x1000;
	g->cpu->regs.rcx = 0x20;
	g->cpu->regs.r12 = 0x300;
	g->cpu->regs.rdi = 0x5000;
	g->cpu->seg[X86_FS].base = 0x70000;
	x = vmx(g, vmxon, vmxon_end);
	assert_int_equal(x.reason, VMX_EXIT_VMXON);
	assert_int_equal(x.gla, 0x1088);
	assert_int_equal(x.qualification, 8);
	/* scale 4, 64-bit addresses, DS, index RCX, base RBX */
	assert_int_equal(x.insn_info, 2 | 2 << 7 | X86_DS << 15 | 1 << 18 | 3 << 23);
	x = vmx(g, vmptrld_rip, vmptrld_rip_end);
	assert_int_equal(x.reason, VMX_EXIT_VMPTRLD);
	assert_int_equal(x.gla, G_CODE + x.insn_len + 0x10);
	assert_int_equal(x.qualification, x.gla);
	assert_int_equal(x.insn_info, 2 << 7 | X86_DS << 15 | 1 << 22 | 1 << 27);
	x = vmx(g, vmread_reg, vmread_reg_end);
	assert_int_equal(x.reason, VMX_EXIT_VMREAD);
	assert_int_equal(x.insn_info,
			 X86_INFO_REGISTER | 2 << X86_INFO_REG1_SHIFT | 9u << X86_INFO_REG2_SHIFT);
	x = vmx(g, vmread_mem, vmread_mem_end);
	assert_int_equal(x.gla, 0x70300);
	assert_int_equal(x.insn_info,
			 2 << 7 | X86_FS << 15 | 1 << 22 | 12 << 23 | 6u << X86_INFO_REG2_SHIFT);
	x = vmx(g, vmwrite, vmwrite_end);
	assert_int_equal(x.reason, VMX_EXIT_VMWRITE);
	assert_int_equal(x.insn_info,
			 X86_INFO_REGISTER | 10 << X86_INFO_REG1_SHIFT | 0u << X86_INFO_REG2_SHIFT);
	x = vmx(g, invept, invept_end);
	assert_int_equal(x.reason, VMX_EXIT_INVEPT);
	assert_int_equal(x.gla, 0x5000);
	assert_int_equal(x.insn_info >> X86_INFO_REG2_SHIFT, 8);
	x = vmx(g, vmlaunch, vmlaunch_end);
	assert_int_equal(x.reason, VMX_EXIT_VMLAUNCH);
	assert_int_equal(x.insn_info, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_guest, close_guest)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_load_of_a_device_is_one_access_of_its_size),
		TEST(each_store_is_one_too),
		TEST(a_changed_register_is_read_then_written),
		TEST(strings_touch_a_device_element_by_element),
		TEST(an_access_across_the_end_of_memory_is_cut_there),
		TEST(nothing_is_executed_from_a_device),
		TEST(tables_of_pages_are_not_in_a_device),
		TEST(lines_written_back_are_told),
		TEST(direct_stores_are_told_page_by_page),
		TEST(vmx_instructions_leave_with_their_operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
