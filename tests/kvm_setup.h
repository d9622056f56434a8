/* SPDX-License-Identifier: MIT */
/* A client of KVM's interface, without a kernel's: it calls kvm_ioctl() as a preloaded one would. A
 * small machine whose guests are C functions. */
#ifndef TESTS_KVM_SETUP_H
#define TESTS_KVM_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/ghci.h"
#include "arch/x86.h"
#include "engine/native/native.h"
#include "kvm/abi.h"
#include "kvm/kvm.h"
#include "machine/coherency.h"
#include "module/invariants.h"
#include "port/model.h"

enum { CLIENT_CPUS = 4, CLIENT_VCPUS = 4, CLIENT_CONFIGS = 64 };
#define CLIENT_RAM    (8ull << 20)
#define CLIENT_SHARED (1ull << 47)

struct client {
	struct tdx_model *model;
	const struct tdx_port *cpu[CLIENT_CPUS];
	struct tdx_vmm *vmm;
	struct kvm_host *host;
	unsigned powered;
	char log[256];
	int sys, vm, gmem, vcpu[CLIENT_VCPUS];
	struct kvm_run *run[CLIENT_VCPUS];
	uint8_t *ram;	  /* of the client, behind shared pages */
	uint64_t vectors; /* what is executed of AVX and AVX-512 */
};

static inline uint64_t client_vectors(void *arg)
{
	return ((const struct client *)arg)->vectors;
}

/* Of the instructions AVX and AVX512F. */
static inline void client_instructions(void *arg, uint32_t leaf, uint32_t index,
				       struct tdx_cpuid_values *bits)
{
	(void)arg;
	*bits = (struct tdx_cpuid_values){.ecx = leaf == 1 ? 1u << 28 : 0,
					  .ebx = leaf == 7 && !index ? 1u << 16 : 0};
}

static inline void client_log(void *arg, const char *line)
{
	snprintf(((struct client *)arg)->log, 256, "%s", line);
}

static inline int client_power(void *arg, struct tdx_vmm **vmm)
{
	struct client *c = arg;
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {.cpus = c->cpu,
				     .memory = memory,
				     .ncpus = CLIENT_CPUS,
				     .log = client_log,
				     .wall_clock = true,
				     .arg = c};
	char err[256] = "";

	c->powered++;
	cfg.nranges = tdx_model_memory(c->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	if (tdx_vmm_new(&cfg, &c->vmm, err, sizeof(err)))
		fail_msg("%s", err);
	*vmm = c->vmm;
	return 0;
}

static inline long client_ioctl(struct client *c, int fd, unsigned long request, const void *arg)
{
	bool ours;
	long r = kvm_ioctl(c->host, fd, request, (unsigned long)(uintptr_t)arg, &ours);

	assert_true(ours);
	return r;
}

static inline long client_word(struct client *c, int fd, unsigned long request, unsigned long arg)
{
	return client_ioctl(c, fd, request, (const void *)(uintptr_t)arg);
}

static inline void client_on(struct client *c, tdx_native_fn *guest, void *arg)
{
	struct machine_config mc;
	char err[256] = "";

	memset(c, 0, sizeof(*c));
	c->vm = c->gmem = -1;
	for (unsigned i = 0; i < CLIENT_VCPUS; i++)
		c->vcpu[i] = -1;
	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, 256ull << 20};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = CLIENT_CPUS;
	mc.pkgs = 1;
	mc.integrity = true;
	c->model = tdx_model_new_from(&mc, err, sizeof(err));
	assert_string_equal(err, "");
	assert_int_equal(machine_watch(c->model->sys->m, 8), 0);
	if (guest)
		tdx_model_set_engine(c->model, tdx_native_engine_new(guest, arg));
	tdx_model_set_real_time(c->model);
	for (unsigned i = 0; i < CLIENT_CPUS; i++)
		c->cpu[i] = tdx_model_port(c->model, i);
	c->host = kvm_host_new(&(struct kvm_host_config){.power_on = client_power,
							 .log = client_log,
							 .arg = c,
							 .vcpus = CLIENT_VCPUS,
							 .xfam = 3,
							 .vectors = client_vectors,
							 .instructions = client_instructions});
	assert_non_null(c->host);
	c->sys = kvm_open(c->host, O_CLOEXEC);
	assert_true(c->sys >= 0);
	c->ram = mmap(NULL, CLIENT_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c->ram, MAP_FAILED);
}

/* The descriptors of the VM, all of them; it is torn down soon after. */
static inline void client_close_vm(struct client *c)
{
	for (unsigned i = 0; i < CLIENT_VCPUS; i++) {
		if (c->run[i])
			munmap(c->run[i], 3 * 4096);
		if (c->vcpu[i] >= 0)
			close(c->vcpu[i]);
		c->run[i] = NULL;
		c->vcpu[i] = -1;
	}
	if (c->gmem >= 0)
		close(c->gmem);
	if (c->vm >= 0)
		close(c->vm);
	c->gmem = c->vm = -1;
}

static inline void client_off(struct client *c)
{
	client_close_vm(c);
	while (kvm_host_vms(c->host))
		sched_yield();
	close(c->sys);
	kvm_host_free(c->host);
	if (c->vmm) {
		struct tdx_vmm_memory m;
		struct coherency_report report;
		uint64_t count[16];
		char text[512];

		tdx_vmm_memory(c->vmm, &m);
		assert_int_equal(m.used_pages, 0);
		assert_int_equal(m.quarantined_pages, 0);
		assert_int_equal(m.leaked_hkids, 0);
		assert_int_equal(tdx_model_pages(c->model, count), 0);
		assert_int_equal(tdx_model_stale_lines(c->model), 0);
		if (machine_coherency_report(c->model->sys->m, 0, &report))
			fail_msg("%s", coherency_format(&report, text, sizeof(text)));
	}
	tdx_vmm_free(c->vmm);
	tdx_model_free(c->model);
	munmap(c->ram, CLIENT_RAM);
}

/* --- the steps of a launch, in QEMU's order --- */

static inline int client_create(struct client *c)
{
	c->vm = (int)client_word(c, c->sys, KVM_CREATE_VM, KVM_VM_TDX);
	return c->vm;
}

static inline long client_enable(struct client *c, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap e = {.cap = cap, .args = {arg}};

	return client_ioctl(c, c->vm, KVM_ENABLE_CAP, &e);
}

static inline long client_tdx(struct client *c, int fd, uint32_t id, uint32_t flags,
			      const void *data)
{
	struct kvm_tdx_cmd cmd = {.id = id, .flags = flags, .data = (uint64_t)(uintptr_t)data};

	return client_ioctl(c, fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static inline struct kvm_tdx_capabilities *client_capabilities(struct client *c)
{
	struct kvm_tdx_capabilities *caps =
		calloc(1, sizeof(*caps) + CLIENT_CONFIGS * sizeof(struct kvm_cpuid_entry));

	caps->cpuid.nent = CLIENT_CONFIGS;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_CAPABILITIES, 0, caps), 0);
	return caps;
}

/* What KVM_TDX_INIT_VM takes: one entry, for the width of GPAs. */
static inline struct kvm_tdx_init_vm *client_init_params(void)
{
	struct kvm_tdx_init_vm *p = calloc(1, sizeof(*p) + 8 * sizeof(struct kvm_cpuid_entry));

	p->attributes = 1ull << 28;
	p->xfam = 3;
	p->cpuid.nent = 1;
	p->cpuid.entries[0] = (struct kvm_cpuid_entry){.function = 0x80000008, .eax = 48 << 16};
	return p;
}

static inline long client_init(struct client *c)
{
	struct kvm_tdx_init_vm *p = client_init_params();
	long r = client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p);

	free(p);
	return r;
}

static inline long client_slot(struct client *c, unsigned slot, uint64_t gpa_, uint64_t size,
			       uint64_t user, uint64_t offset)
{
	struct kvm_memory_region2 m = {.r = {.slot = slot,
					     .flags = c->gmem >= 0 ? KVM_REGION_GUEST_MEMFD : 0,
					     .guest_phys_addr = gpa_,
					     .memory_size = size,
					     .userspace_addr = user},
				       .guest_memfd = (uint32_t)c->gmem,
				       .guest_memfd_offset = offset};

	return client_ioctl(c, c->vm, KVM_SET_USER_MEMORY_REGION2, &m);
}

static inline long client_attributes(struct client *c, uint64_t gpa_, uint64_t size, uint64_t attr)
{
	struct kvm_attributes a = {.address = gpa_, .size = size, .attributes = attr};

	return client_ioctl(c, c->vm, KVM_SET_MEMORY_ATTRIBUTES, &a);
}

static inline int client_memory(struct client *c)
{
	struct kvm_guest_memfd g = {.size = CLIENT_RAM};

	c->gmem = (int)client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g);
	return c->gmem;
}

static inline int client_vcpu(struct client *c, unsigned i)
{
	c->vcpu[i] = (int)client_word(c, c->vm, KVM_CREATE_VCPU, i);
	if (c->vcpu[i] < 0)
		return c->vcpu[i];
	c->run[i] = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c->vcpu[i], 0);
	assert_ptr_not_equal(c->run[i], MAP_FAILED);
	return 0;
}

static inline long client_region(struct client *c, const void *from, uint64_t gpa_, uint64_t pages)
{
	struct kvm_tdx_region r = {(uint64_t)(uintptr_t)from, gpa_, pages};

	return client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, KVM_TDX_MEASURE, &r);
}

/* A TD that is ready to run, with all of its memory private and one page of it added. */
static inline void client_launch(struct client *c, unsigned vcpus)
{
	assert_true(client_create(c) >= 0);
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_HYPERCALL, 1 << 12), 0);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), 0);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40), 0);
	assert_int_equal(client_init(c), 0);
	for (unsigned i = 0; i < vcpus; i++)
		assert_int_equal(client_vcpu(c, i), 0);
	assert_true(client_memory(c) >= 0);
	assert_int_equal(client_slot(c, 0, 0, CLIENT_RAM, (uint64_t)(uintptr_t)c->ram, 0), 0);
	assert_int_equal(client_attributes(c, 0, CLIENT_RAM, KVM_ATTRIBUTE_PRIVATE), 0);
	for (unsigned i = 0; i < vcpus; i++)
		assert_int_equal(client_tdx(c, c->vcpu[i], KVM_TDX_INIT_VCPU, 0, NULL), 0);
	assert_int_equal(client_region(c, c->ram, 0, 1), 0);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_FINALIZE_VM, 0, NULL), 0);
}

static inline long client_run(struct client *c, unsigned i)
{
	return client_word(c, c->vcpu[i], KVM_RUN, 0);
}

/* --- in the guest --- */

static inline uint64_t guest_vmcall(struct tdx_native_cpu *cpu, struct tdx_regs *r)
{
	r->rax = TDG_VP_VMCALL;
	r->rcx = 0xfc00;
	r->r10 = 0;
	tdx_native_tdcall(cpu, r);
	return r->r10;
}

static inline uint64_t guest_call(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12,
				  uint64_t r13, uint64_t r14, uint64_t r15, uint64_t *r11)
{
	struct tdx_regs r = {.r11 = leaf, .r12 = r12, .r13 = r13, .r14 = r14, .r15 = r15};
	uint64_t status = guest_vmcall(cpu, &r);

	if (r11)
		*r11 = r.r11;
	return status;
}

/* Tells the client a number: a write to a port nobody has. */
static inline void guest_say(struct tdx_native_cpu *cpu, uint32_t what)
{
	guest_call(cpu, TDVMCALL_IO, 4, TDVMCALL_WRITE, 0x100, what, NULL);
}

static inline void guest_accept(struct tdx_native_cpu *cpu, uint64_t at)
{
	struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = at};

	tdx_native_tdcall(cpu, &r);
}

/* --- a test's guest --- */

/* What it does; set before it runs. */
static void (*program)(struct tdx_native_cpu *cpu);

static inline void guest_program(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	program(cpu);
}

static inline int client_setup(void **state)
{
	static struct client c;

	client_on(&c, guest_program, NULL);
	*state = &c;
	return 0;
}

static inline int client_teardown(void **state)
{
	client_off(*state);
	return 0;
}

#endif
