/* SPDX-License-Identifier: MIT */
/* A client of KVM that asks for anything: every request on every kind of descriptor, with
 * structures that are nearly right, pointers that are not, in any order.
 *
 * What counts: nothing but an answer comes of it, and when the descriptors are closed, everything
 * is back. With a fuzzing engine the input is its; without one, random: fuzz_kvm [INPUTS [SEED]].
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <swtdx/model.h>

#include "kvm/abi.h"
#include "kvm/kvm.h"
#include "machine/machine.h"
#include "port/model.h"

enum { CPUS = 2, FDS = 24, MAX_INPUT = 4096, RAM = 1 << 20, LIMIT_S = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	const struct tdx_port *cpu[CPUS];
	uint8_t *ram;
	const uint8_t *at, *end;
	int fd[FDS];
	unsigned nfds;
} w;

static void __attribute__((noreturn)) found(const char *what)
{
	fprintf(stderr, "fuzz_kvm: %s\n", what);
	abort();
}

static int power_on(void *arg, struct tdx_vmm **vmm)
{
	(void)arg;
	*vmm = w.vmm;
	return 0;
}

static void make_world(void)
{
	struct tdx_range memory = {{1ull << 30}, 128ull << 20};
	struct tdx_vmm_config cfg = {.cpus = w.cpu, .ncpus = CPUS, .memory = &memory, .nranges = 1};
	struct machine_config mc;
	char err[256] = "";

	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){memory.base.v, memory.size};
	mc.mem_end = memory.base.v + memory.size;
	mc.lps = CPUS;
	w.model = tdx_model_new_from(&mc, err, sizeof(err));
	for (unsigned i = 0; w.model && i < CPUS; i++)
		w.cpu[i] = tdx_model_port(w.model, i);
	if (!w.model || tdx_vmm_new(&cfg, &w.vmm, err, sizeof(err)))
		found(err);
	w.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static uint8_t byte(void)
{
	return w.at < w.end ? *w.at++ : 0;
}

static uint64_t word(void)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | byte();
	return v;
}

/* Numbers that mean something now and then. */
static uint64_t number(void)
{
	switch (byte() % 12) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return 0x1000;
	case 3:
		return byte() * 0x1000ull;
	case 4:
		return ~0ull - byte();
	case 5:
		return (uint64_t)(uintptr_t)w.ram + (byte() & 15) * 0x1000ull;
	case 6:
		return 1ull << (byte() & 63);
	case 7:
		return (uint64_t)w.fd[byte() % FDS];
	case 8:
		return RAM;
	case 9:
		return 0x80000008;
	case 10:
		return byte();
	default:
		return word();
	}
}

static const unsigned long requests[] = {
	KVM_CREATE_VM,
	KVM_CHECK_EXTENSION,
	KVM_GET_SUPPORTED_CPUID,
	KVM_GET_MSR_INDEX_LIST,
	KVM_CREATE_VCPU,
	KVM_SET_USER_MEMORY_REGION,
	KVM_SET_TSS_ADDR,
	KVM_SET_IDENTITY_MAP_ADDR,
	KVM_SET_USER_MEMORY_REGION2,
	KVM_IRQ_LINE,
	KVM_IRQ_LINE_STATUS,
	KVM_SET_GSI_ROUTING,
	KVM_IRQFD,
	KVM_IOEVENTFD,
	KVM_SET_CLOCK,
	KVM_GET_CLOCK,
	KVM_RUN,
	KVM_GET_MSRS,
	KVM_SET_MSRS,
	KVM_SET_CPUID2,
	KVM_TPR_ACCESS_REPORTING,
	KVM_SET_VAPIC_ADDR,
	KVM_GET_MP_STATE,
	KVM_SET_MP_STATE,
	KVM_NMI,
	KVM_X86_SETUP_MCE,
	KVM_X86_GET_MCE_CAP_SUPPORTED,
	KVM_SET_TSC_KHZ,
	KVM_GET_TSC_KHZ,
	KVM_ENABLE_CAP,
	KVM_SIGNAL_MSI,
	KVM_MEMORY_ENCRYPT_OP,
	KVM_SET_MEMORY_ATTRIBUTES,
	KVM_CREATE_GUEST_MEMFD,
	KVM_SET_BOOT_CPU_ID,
	KVM_CREATE_IRQCHIP,
	KVM_SET_SIGNAL_MASK,
	KVM_GET_STATS_FD,
	KVM_PRE_FAULT_MEMORY,
	KVM_GET_VCPU_EVENTS,
	KVM_SET_VCPU_EVENTS,
	KVM_INTERRUPT,
	KVM_X86_SET_MCE,
	KVM_SET_CPUID,
	KVM_GET_CPUID2,
	KVM_GET_ONE_REG,
	KVM_SET_ONE_REG,
	KVM_GET_REG_LIST,
	KVM_TRANSLATE,
	KVM_SET_DEVICE_ATTR,
	KVM_GET_DEVICE_ATTR,
	KVM_HAS_DEVICE_ATTR,
	KVM_SET_NR_MMU_PAGES,
	KVM_CREATE_DEVICE,
	KVM_SMI,
};

static struct kvm_run *map_run(int fd)
{
	struct kvm_run *run = lseek(fd, 0, SEEK_END) < 4096
				      ? MAP_FAILED
				      : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return run == MAP_FAILED ? NULL : run;
}

/* Any words, and what most of a kind needs to be looked at further. */
static void fill(unsigned long request, uint64_t *arg, size_t n)
{
	static uint64_t inner[64];

	for (size_t i = 0; i < n; i++)
		arg[i] = byte() & 1 ? 0 : number();
	if (request == KVM_MEMORY_ENCRYPT_OP && byte() & 7) {
		for (size_t i = 0; i < 64; i++)
			inner[i] = byte() & 3 ? 0 : number();
		arg[0] = byte() % 7;
		arg[1] = (uint64_t)(uintptr_t)inner;
		arg[2] = 0;
		if (arg[0] == KVM_TDX_INIT_VM && byte() & 3) {
			struct kvm_tdx_init_vm *p = (struct kvm_tdx_init_vm *)inner;

			memset(inner, 0, sizeof(inner));
			p->xfam = 3;
			p->cpuid.nent = 1;
			p->cpuid.entries[0] =
				(struct kvm_cpuid_entry){.function = 0x80000008, .eax = 48 << 16};
		}
	}
	if (request == KVM_ENABLE_CAP && byte() & 1)
		memcpy(arg, (uint64_t[]){KVM_CAP_SPLIT_IRQCHIP, 24}, 16);
	if (request == KVM_SET_SIGNAL_MASK && byte() & 1)
		arg[0] = 8 | (arg[0] << 32);
	if (request == KVM_CREATE_GUEST_MEMFD && byte() & 1)
		arg[0] = (byte() & 15) * 0x1000ull;
}

static void keep(struct kvm_host *h, unsigned long request, long r)
{
	(void)h;
	if (request == KVM_GET_STATS_FD && r >= 0)
		close((int)r);
	if (r < 0 || (request != KVM_CREATE_VM && request != KVM_CREATE_VCPU &&
		      request != KVM_CREATE_GUEST_MEMFD))
		return;
	if (w.nfds == FDS || fcntl((int)r, F_GETFD) < 0)
		found("an answer that is no descriptor");
	w.fd[w.nfds++] = (int)r;
}

static void step(struct kvm_host *h)
{
	uint64_t arg[512] = {0};
	const unsigned long request =
		byte() < 250 ? requests[byte() % (sizeof(requests) / 8)] : (unsigned long)word();
	const int fd = w.fd[byte() % w.nfds];
	struct kvm_run *run = request == KVM_RUN ? map_run(fd) : NULL;
	unsigned long value;
	bool ours;

	if (w.nfds == FDS && (request == KVM_CREATE_VM || request == KVM_CREATE_VCPU ||
			      request == KVM_CREATE_GUEST_MEMFD))
		return;
	fill(request, arg, 40);
	value = byte() & 7 ? (unsigned long)(uintptr_t)arg : (unsigned long)number();
	if (request == KVM_RUN || request == KVM_CREATE_VCPU || request == KVM_CREATE_VM)
		value = byte() % 8;
	if (run)
		run->immediate_exit = 1; /* no engine: it would stand still */
	/* A wild pointer to our own memory is the client's own fault. */
	if (value != (unsigned long)(uintptr_t)arg && value > 1u << 20)
		value |= 1ul << 63;
	if (byte() % 16)
		keep(h, request, kvm_ioctl(h, fd, request, value, &ours));
	else
		kvm_fallocate(h, fd, byte() & 1 ? 3 : byte(), (int64_t)number(), (int64_t)number(),
			      &ours);
	if (run)
		munmap(run, 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_vmm_memory m;
	struct kvm_cap_answer lacks;
	struct kvm_host *h;

	if (!w.model)
		make_world();
	alarm(LIMIT_S);
	w.at = data;
	w.end = data + size;
	lacks = (struct kvm_cap_answer){byte(), 0};
	h = kvm_host_new(&(struct kvm_host_config){.power_on = power_on,
						   .vcpus = 4,
						   .xfam = 3,
						   .answers = &lacks,
						   .nanswers = byte() & 1});
	w.nfds = 0;
	for (unsigned i = 0; i < FDS; i++)
		w.fd[i] = -1;
	w.fd[w.nfds++] = kvm_open(h, 0);
	w.fd[w.nfds++] = eventfd(0, EFD_NONBLOCK);
	keep(h, KVM_CREATE_VM, kvm_ioctl(h, w.fd[0], KVM_CREATE_VM, KVM_VM_TDX, &(bool){false}));
	while (w.at < w.end)
		step(h);
	for (unsigned i = 0; i < w.nfds; i++)
		close(w.fd[i]);
	while (kvm_host_vms(h))
		sched_yield();
	kvm_host_free(h);
	tdx_vmm_memory(w.vmm, &m);
	if (m.used_pages || m.quarantined_pages || m.leaked_hkids)
		found("not everything came back");
	alarm(0);
	return 0;
}

#ifndef FUZZING_ENGINE
int main(int argc, char **argv)
{
	const unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;
	uint64_t x = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	static uint8_t input[MAX_INPUT];

	for (unsigned long n = 0; n < inputs; n++) {
		for (size_t i = 0; i < sizeof(input); i++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			input[i] = (uint8_t)(x >> 56);
		}
		LLVMFuzzerTestOneInput(input, sizeof(input));
	}
	return 0;
}
#endif
