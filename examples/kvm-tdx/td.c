/* SPDX-License-Identifier: MIT */
/* A TD's life before it runs: created, described, filled with its image, measured, finalized. */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOUR_GIB	   (1ull << 32)
#define SCRATCH		   0x20000000ull
#define SCRATCH_SIZE	   0x200000ull
#define SEPT_VE_DISABLE	   (1ull << 28) /* attribute: no #VE for pages that are not there */
#define XFAM_X87_SSE	   3ull
#define ADDRESS_LEAF	   0x80000008u
#define GUEST_ADDRESS_BITS (48u << 16)

static int command(int fd, enum tdx_command id, uint32_t flags, void *data, uint64_t *hw_error)
{
	struct tdx_cmd cmd = {.id = id, .flags = flags, .data = (uintptr_t)data};
	const int r = ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);

	*hw_error = cmd.hw_error;
	return r;
}

static void must(int fd, enum tdx_command id, uint32_t flags, void *data, const char *what)
{
	uint64_t hw_error;

	if (command(fd, id, flags, data, &hw_error))
		die("%s: %s, the module's status 0x%llx", what, strerror(errno),
		    (unsigned long long)hw_error);
}

static void enable(const struct td *td, uint32_t cap, uint64_t arg, const char *what)
{
	struct kvm_enable_cap c = {.cap = cap, .args = {arg}};

	if (ioctl(td->vm, KVM_ENABLE_CAP, &c))
		die("%s: %s", what, strerror(errno));
}

static const struct kvm_cpuid_entry2 *find(const struct cpuid_list *list,
					   const struct kvm_cpuid_entry2 *like)
{
	for (uint32_t i = 0; i < list->nent; i++)
		if (list->entry[i].function == like->function &&
		    list->entry[i].index == like->index)
			return &list->entry[i];
	return NULL;
}

/* Leaves with sub-leaves; KVM does not say which, and takes an entry without the flag for all. */
static bool has_subleaves(uint32_t leaf)
{
	return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x14 ||
	       (leaf >= 0x17 && leaf <= 0x1f) || leaf == 0x23 || leaf == 0x24;
}

/* What may be configured and this processor has; family, widths of addresses. */
static void describe(const struct td *td, const struct tdx_capabilities *caps,
		     struct tdx_init_vm *init)
{
	struct cpuid_list *host = calloc(1, sizeof(*host));

	if (!host)
		die("no memory");
	host->nent = CPUID_ENTRIES;
	if (ioctl(td->kvm, KVM_GET_SUPPORTED_CPUID, host))
		die("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	init->cpuid.nent = caps->cpuid.nent;
	for (uint32_t i = 0; i < caps->cpuid.nent; i++) {
		const struct kvm_cpuid_entry2 *can = &caps->cpuid.entry[i], *is = find(host, can);
		struct kvm_cpuid_entry2 *e = &init->cpuid.entry[i];

		*e = (struct kvm_cpuid_entry2){.function = can->function, .index = can->index};
		if (has_subleaves(can->function))
			e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		if (is) {
			e->eax = is->eax & can->eax;
			e->ebx = is->ebx & can->ebx;
			e->ecx = is->ecx & can->ecx;
			e->edx = is->edx & can->edx;
		}
		if (can->function == ADDRESS_LEAF)
			e->eax = (e->eax & 0xffffu) | GUEST_ADDRESS_BITS;
	}
	free(host);
}

static void init_vm(const struct td *td)
{
	struct tdx_capabilities *caps = calloc(1, sizeof(*caps));
	struct tdx_init_vm *init = calloc(1, sizeof(*init));

	if (!caps || !init)
		die("no memory");
	caps->cpuid.nent = CPUID_ENTRIES;
	must(td->vm, TDX_CAPABILITIES, 0, caps, "KVM_TDX_CAPABILITIES");
	describe(td, caps, init);
	init->attributes = td->with_ve ? 0 : SEPT_VE_DISABLE & caps->attributes;
	init->xfam = XFAM_X87_SSE & caps->xfam;
	must(td->vm, TDX_INIT_VM, 0, init, "KVM_TDX_INIT_VM");
	free(caps);
	free(init);
}

/* --- memory --- */

static void add_slot(struct td *td, uint64_t gpa, uint64_t size)
{
	struct slot *s = &td->slot[td->nslots];
	struct guest_memfd g = {.size = size};
	struct memory_attributes a = {gpa, size, ATTRIBUTE_PRIVATE, 0};
	struct memslot m = {
		.slot = td->nslots, .flags = SLOT_GUEST_MEMFD, .gpa = gpa, .size = size};

	s->gpa = gpa;
	s->size = size;
	s->memfd = ioctl(td->vm, CREATE_GUEST_MEMFD, &g);
	if (s->memfd < 0)
		die("KVM_CREATE_GUEST_MEMFD of %llu bytes: %s", (unsigned long long)size,
		    strerror(errno));
	s->shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->shared == MAP_FAILED)
		die("no memory for the TD");
	m.shared = (uintptr_t)s->shared;
	m.memfd = (uint32_t)s->memfd;
	if (ioctl(td->vm, SET_MEMSLOT, &m))
		die("KVM_SET_USER_MEMORY_REGION2: %s", strerror(errno));
	if (ioctl(td->vm, SET_MEMORY_ATTRIBUTES, &a))
		die("KVM_SET_MEMORY_ATTRIBUTES: %s", strerror(errno));
	td->nslots++;
}

void td_scratch(struct td *td, bool there)
{
	const struct memslot gone = {.slot = td->nslots - 1, .gpa = SCRATCH};

	if (there) {
		if (td->nslots == SLOTS)
			die("more slots than there can be");
		add_slot(td, SCRATCH, SCRATCH_SIZE);
		return;
	}
	if (td->slot[td->nslots - 1].gpa != SCRATCH)
		die("there is no such slot");
	if (ioctl(td->vm, SET_MEMSLOT, &gone))
		die("KVM_SET_USER_MEMORY_REGION2 of no size: %s", strerror(errno));
	td->nslots--;
	close(td->slot[td->nslots].memfd);
	munmap(td->slot[td->nslots].shared, SCRATCH_SIZE);
}

/* RAM from 0, and what of the image lies above it, which ends at 4 GiB. */
static void add_memory(struct td *td)
{
	uint64_t top = FOUR_GIB;

	for (unsigned i = 0; i < td->image.nsections; i++) {
		const struct section *s = &td->image.section[i];

		if (s->gpa + s->size > FOUR_GIB ||
		    (s->gpa < td->memory && s->gpa + s->size > td->memory))
			die("the TD needs more memory than %llu MiB for its image",
			    (unsigned long long)td->memory >> 20);
		if (s->gpa >= td->memory && s->gpa < top)
			top = s->gpa;
	}
	add_slot(td, 0, td->memory);
	if (top < FOUR_GIB)
		add_slot(td, top, FOUR_GIB - top);
}

/* KVM says how far it came when a signal ends it or the module was busy. */
static void add_section(const struct td *td, const struct section *s, uint8_t *source)
{
	struct tdx_region r = {(uintptr_t)source, s->gpa, s->size / PAGE};
	uint64_t hw_error;

	while (r.pages && command(td->vcpu[0].fd, TDX_INIT_MEM_REGION,
				  s->attributes & MEASURE_REGION, &r, &hw_error))
		if (errno != EINTR && errno != EAGAIN)
			die("KVM_TDX_INIT_MEM_REGION at 0x%llx: %s, the module's status 0x%llx",
			    (unsigned long long)r.gpa, strerror(errno),
			    (unsigned long long)hw_error);
}

static void add_image(const struct td *td)
{
	for (unsigned i = 0; i < td->image.nsections; i++) {
		const struct section *s = &td->image.section[i];
		uint8_t *source;

		if (!section_is_added(s))
			continue;
		source = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
		if (source == MAP_FAILED)
			die("no memory for the image");
		if (s->type == SECTION_HOB)
			image_hob(&td->image, td->memory, s, source);
		else
			memcpy(source, td->image.bytes + s->offset, s->raw_size);
		add_section(td, s, source);
		munmap(source, s->size);
	}
}

static uint64_t hob_of(const struct td *td)
{
	for (unsigned i = 0; i < td->image.nsections; i++)
		if (td->image.section[i].type == SECTION_HOB)
			return td->image.section[i].gpa;
	return 0;
}

/* A TD asks its host who it is. Linux takes an I/O APIC beside x2APICs from a hypervisor only. */
static void name_hypervisor(struct cpuid_list *list)
{
	const struct kvm_cpuid_entry2 kvm[] = {
		{.function = 0x40000000,
		 .eax = 0x40000001,
		 .ebx = 0x4b4d564b,
		 .ecx = 0x564b4d56,
		 .edx = 0x4d},
		{.function = 0x40000001},
	};

	if (list->nent > CPUID_ENTRIES - 2)
		die("more leaves of CPUID than there is room for");
	memcpy(&list->entry[list->nent], kvm, sizeof(kvm));
	list->nent += 2;
}

static void add_vcpu(struct td *td, unsigned id, int run_size)
{
	struct vcpu *v = &td->vcpu[id];
	struct {
		struct cpuid_list list;
	} *cpuid = calloc(1, sizeof(*cpuid));

	v->td = td;
	v->id = id;
	v->fd = ioctl(td->vm, KVM_CREATE_VCPU, id);
	if (v->fd < 0 || !cpuid)
		die("KVM_CREATE_VCPU %u: %s", id, strerror(errno));
	v->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die("struct kvm_run of vCPU %u: %s", id, strerror(errno));
	cpuid->list.nent = CPUID_ENTRIES;
	must(v->fd, TDX_GET_CPUID, 0, cpuid, "KVM_TDX_GET_CPUID");
	name_hypervisor(&cpuid->list);
	if (ioctl(v->fd, KVM_SET_CPUID2, cpuid))
		die("KVM_SET_CPUID2: %s", strerror(errno));
	must(v->fd, TDX_INIT_VCPU, 0, (void *)(uintptr_t)hob_of(td), "KVM_TDX_INIT_VCPU");
	free(cpuid);
}

void td_create(struct td *td)
{
	int types, run_size;

	td->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (td->kvm < 0)
		die("/dev/kvm: %s", strerror(errno));
	types = ioctl(td->kvm, KVM_CHECK_EXTENSION, CAP_VM_TYPES);
	if (types < 0 || !(types & 1 << VM_TYPE_TDX))
		die("KVM offers no TDs (VM types 0x%x)", types < 0 ? 0 : (unsigned)types);
	run_size = ioctl(td->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	td->vm = ioctl(td->kvm, KVM_CREATE_VM, VM_TYPE_TDX);
	if (td->vm < 0)
		die("KVM_CREATE_VM: %s", strerror(errno));
	pthread_mutex_init(&td->lock, NULL);
	pthread_mutex_init(&td->io, NULL);
	ioapic_init(td);
	enable(td, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, "KVM_CAP_SPLIT_IRQCHIP");
	enable(td, CAP_MAX_VCPU_ID, td->nvcpus, "KVM_CAP_MAX_VCPU_ID");
	enable(td, CAP_EXIT_HYPERCALL, 1 << HC_MAP_GPA_RANGE, "KVM_CAP_EXIT_HYPERCALL");
	init_vm(td);
	for (unsigned i = 0; i < td->nvcpus; i++)
		add_vcpu(td, i, run_size);
	add_memory(td);
	add_image(td);
	must(td->vm, TDX_FINALIZE_VM, 0, NULL, "KVM_TDX_FINALIZE_VM");
}

/* The VM ends with the last descriptor of it: vCPUs and guest_memfds are such. */
void td_close(struct td *td)
{
	for (unsigned i = 0; i < td->nvcpus; i++)
		close(td->vcpu[i].fd);
	for (unsigned i = 0; i < td->nslots; i++)
		close(td->slot[i].memfd);
	close(td->vm);
	close(td->kvm);
}
