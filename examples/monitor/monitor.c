/* SPDX-License-Identifier: MIT */
/* A monitor in one file: power on a simulated machine, make a TD, answer its exits, take it down.
 *
 * Public headers only. The guest is a C function (<swtdx/native.h>); with another engine behind the
 * model, or a port to real hardware, nothing below main() changes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/sim.h>

enum { SERIAL = 0x3f8 };
enum { TDVMCALL_HLT = 12, TDVMCALL_IO = 30, TDVMCALL_MAP_GPA = 0x10001 };
#define RAM    (32ull << 20)
#define SHARED (1ull << 47) /* tdx_vm_shared_bit() of a TD with 48-bit GPAs */

/* --- the guest --- */

/* TDG.VP.VMCALL with R10 to R15, which RCX says are the host's to see. */
static void tdvmcall(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12, uint64_t r13,
		     uint64_t r14, uint64_t r15)
{
	struct tdx_regs r = {.rax = TDG_VP_VMCALL,
			     .rcx = 0xfc00,
			     .r11 = leaf,
			     .r12 = r12,
			     .r13 = r13,
			     .r14 = r14,
			     .r15 = r15};

	tdx_native_tdcall(cpu, &r);
}

static void print(struct tdx_native_cpu *cpu, const char *text)
{
	for (; *text; text++)
		tdvmcall(cpu, TDVMCALL_IO, 1, 1, SERIAL, (uint8_t)*text);
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	static const char secret[] = "for nobody else", word[] = "for the host";
	struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = 0x10000};

	(void)arg;
	/* Private memory comes on demand, and is the TD's once accepted. */
	tdx_native_tdcall(cpu, &r);
	tdx_native_write(cpu, tdx_gpa(0x10000), secret, sizeof(secret));
	/* A page the host may see, by agreement ... */
	tdvmcall(cpu, TDVMCALL_MAP_GPA, 0x20000 | SHARED, 0x1000, 0, 0);
	tdx_native_write(cpu, tdx_gpa(0x20000 | SHARED), word, sizeof(word));
	/* ... and one without: the monitor finds out by the fault. */
	tdx_native_write(cpu, tdx_gpa(0x30000 | SHARED), word, sizeof(word));
	print(cpu, "hello from the TD\n");
	tdvmcall(cpu, TDVMCALL_HLT, 1, 0, 0, 0);
}

/* --- the monitor --- */

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "monitor: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void log_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "monitor: %s\n", line);
}

/* Until the guest halts. */
static void run(struct tdx_vm *vm, struct tdx_vcpu *vcpu)
{
	struct tdx_run run;

	for (;;) {
		check(tdx_vcpu_run(vcpu, -1, &run), "run");
		switch (run.exit) {
		case TDX_EXIT_IO:
			if (run.io.write && run.io.port == SERIAL)
				putchar((int)run.io.data);
			else
				run.io.data = ~0u; /* nobody there */
			break;
		case TDX_EXIT_MMIO:
			run.mmio.data = ~0ull;
			break;
		case TDX_EXIT_MAP_GPA:
			printf("monitor: 0x%llx is to be %s: yes\n",
			       (unsigned long long)run.map_gpa.gpa.v,
			       run.map_gpa.private_ ? "private" : "shared");
			break; /* ret is 0: the library converts it when the vCPU runs again */
		case TDX_EXIT_MEMORY_FAULT:
			printf("monitor: 0x%llx was used as %s: so be it\n",
			       (unsigned long long)run.memory_fault.gpa.v,
			       run.memory_fault.private_ ? "private" : "shared");
			check(tdx_vm_set_private(vm, run.memory_fault.gpa, run.memory_fault.size,
						 run.memory_fault.private_),
			      "conversion");
			break;
		case TDX_EXIT_GET_QUOTE: /* their ret says "unsupported" as it is */
		case TDX_EXIT_TDVMCALL:
		case TDX_EXIT_HYPERCALL: /* none is offered */
		case TDX_EXIT_INTR:
			break;
		case TDX_EXIT_HLT:
			return;
		case TDX_EXIT_SYSTEM_EVENT:
		case TDX_EXIT_DEBUG:
		case TDX_EXIT_SHUTDOWN:
		case TDX_EXIT_FAIL_ENTRY:
		case TDX_EXIT_INTERNAL_ERROR:
			fprintf(stderr, "monitor: exit %d, status 0x%llx\n", (int)run.exit,
				(unsigned long long)run.status.raw);
			exit(1);
		}
	}
}

/* KVM_TDX_INIT_VM to KVM_TDX_FINALIZE_VM. */
static struct tdx_vcpu *build(struct tdx_vmm *vmm, struct tdx_vm *vm)
{
	static const uint8_t firmware[2 * 4096] = "measured";
	const struct tdx_host_info *info = tdx_vmm_info(vmm);
	struct tdx_vm_params params = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE & info->attributes_fixed0,
		.xfam = info->xfam_fixed1,
		.max_vcpus = 1,
	};
	struct tdx_vm_region region = {tdx_gpa(0), 2, firmware};
	struct tdx_vcpu *vcpu;

	check(tdx_vm_init(vm, &params), "KVM_TDX_INIT_VM");
	check(tdx_vm_set_memslot(vm, 0, tdx_gpa(0), RAM), "memslot");
	check(tdx_vcpu_new(vm, 0, &vcpu), "KVM_CREATE_VCPU");
	check(tdx_vcpu_init(vcpu, 0), "KVM_TDX_INIT_VCPU");
	check(tdx_vm_add_region(vm, &region, true), "KVM_TDX_INIT_MEM_REGION");
	check(tdx_vm_finalize(vm), "KVM_TDX_FINALIZE_VM");
	return vcpu;
}

int main(void)
{
	const struct tdx_sim_config cfg = {.seed = 1, .guest = guest, .log = log_line};
	struct tdx_vmm_memory left;
	struct tdx_sim *sim;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	char text[256] = "", word[16] = "";

	check(tdx_sim_new(&cfg, &sim, text, sizeof(text)), text);
	vmm = tdx_sim_vmm(sim);

	check(tdx_vm_new(vmm, &vm), "KVM_CREATE_VM");
	run(vm, build(vmm, vm));
	check(tdx_vm_read_shared(vm, tdx_gpa(0x20000), word, sizeof(word) - 1), "shared memory");
	printf("monitor: the TD's shared page says \"%s\"\n", word);
	printf("monitor: its private page: %s\n",
	       tdx_vm_read_shared(vm, tdx_gpa(0x10000), word, 1) ? "not for me" : "readable?");

	tdx_vm_destroy(vm);
	tdx_vmm_memory(vmm, &left);
	printf("monitor: the TD is gone; pages in use %llu, lost %llu (simulated)\n",
	       (unsigned long long)left.used_pages, (unsigned long long)left.quarantined_pages);
	tdx_sim_free(sim);
	return 0;
}
