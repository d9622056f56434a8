/* SPDX-License-Identifier: MIT */
/* A launch, and what KVM refuses on the way: in which state, with which errno, in which order. */
#include "kvm_setup.h"

#include <pthread.h>
#include <sys/wait.h>

static int setup(void **state)
{
	static struct client c;

	client_on(&c, NULL, NULL);
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	client_off(*state);
	return 0;
}

static void nothing_is_powered_before_it_is_needed(void **state)
{
	struct client *c = *state;

	assert_int_equal(client_word(c, c->sys, KVM_GET_API_VERSION, 0), 12);
	assert_int_equal(client_word(c, c->sys, KVM_GET_API_VERSION, 1), -EINVAL);
	assert_int_equal(client_word(c, c->sys, KVM_GET_VCPU_MMAP_SIZE, 0), 12288);
	assert_int_equal(client_word(c, c->sys, KVM_GET_VCPU_MMAP_SIZE, 1), -EINVAL);
	assert_int_equal(client_word(c, c->sys, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT), 1);
	assert_int_equal(c->powered, 0);
	assert_int_equal(client_word(c, c->sys, KVM_CREATE_VM, 3), -EINVAL);
	assert_int_equal(c->powered, 0);
	assert_true(client_create(c) >= 0);
	assert_int_equal(c->powered, 1);
}

static void capabilities_a_client_needs_are_there(void **state)
{
	static const unsigned needed[] = {0,  3,  4,   7,   14,	 16,  21,  25,	30,
					  31, 32, 36,  37,  39,	 40,  41,  50,	51,
					  55, 77, 122, 136, 231, 233, 234, 235, 237};
	static const unsigned absent[] = {15, 44, 74, 101, 117, 157, 162, 168, 188, 212, 219, 9999};
	struct client *c = *state;

	client_create(c);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		assert_true(client_word(c, c->sys, KVM_CHECK_EXTENSION, needed[i]) > 0);
		assert_true(client_word(c, c->vm, KVM_CHECK_EXTENSION, needed[i]) > 0);
	}
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, absent[i]), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES), 8);
	assert_int_equal(client_word(c, c->sys, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES), 0x21);
	assert_int_equal(client_word(c, c->sys, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM), 1);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS),
			 CLIENT_VCPUS);
}

static void each_capability_has_a_row_of_its_own(void **state)
{
	struct kvm_cap_row row, other;

	(void)state;
	for (unsigned i = 0; kvm_cap_row(i, &row); i++) {
		assert_int_equal(strncmp(row.name, "KVM_CAP_", 8), 0);
		for (unsigned k = 0; k < i && kvm_cap_row(k, &other); k++)
			assert_int_not_equal(row.number, other.number);
	}
}

static void what_is_asked_in_vain_is_remembered_once(void **state)
{
	struct client *c = *state;
	char text[128];

	client_create(c);
	assert_int_equal(client_word(c, c->sys, KVM_IO(0x7f), 0), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_IO(0xc0), 0), -ENOTTY);
	assert_int_equal(client_word(c, c->vm, KVM_IO(0xc0), 0), -ENOTTY);
	kvm_host_missing(c->host, 0, text, sizeof(text));
	assert_non_null(strstr(text, "0xae7f"));
	kvm_host_missing(c->host, 1, text, sizeof(text));
	assert_non_null(strstr(text, "KVM_CLEAR_DIRTY_LOG"));
	kvm_host_missing(c->host, 2, text, sizeof(text));
	assert_string_equal(text, "");
}

static void other_descriptors_are_not_ours(void **state)
{
	struct client *c = *state;
	int fd = memfd_create("other", MFD_CLOEXEC);
	bool ours = true;

	assert_int_equal(kvm_ioctl(c->host, fd, KVM_GET_API_VERSION, 0, &ours), -EBADF);
	assert_false(ours);
	assert_int_equal(kvm_ioctl(c->host, -1, KVM_GET_API_VERSION, 0, &ours), -EBADF);
	assert_false(ours);
	close(fd);
}

static void wrong_pointers_are_efault(void **state)
{
	static const unsigned long on_vm[] = {KVM_SET_USER_MEMORY_REGION,
					      KVM_SET_USER_MEMORY_REGION2,
					      KVM_SET_GSI_ROUTING,
					      KVM_IRQFD,
					      KVM_IOEVENTFD,
					      KVM_SET_CLOCK,
					      KVM_GET_CLOCK,
					      KVM_ENABLE_CAP,
					      KVM_SIGNAL_MSI,
					      KVM_MEMORY_ENCRYPT_OP,
					      KVM_SET_MEMORY_ATTRIBUTES,
					      KVM_CREATE_GUEST_MEMFD,
					      KVM_IRQ_LINE_STATUS,
					      KVM_SET_IDENTITY_MAP_ADDR};
	static const unsigned long on_sys[] = {KVM_GET_SUPPORTED_CPUID, KVM_GET_MSR_INDEX_LIST,
					       KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_GET_MSRS,
					       KVM_X86_GET_MCE_CAP_SUPPORTED};
	struct client *c = *state;

	client_create(c);
	for (size_t i = 0; i < sizeof(on_vm) / sizeof(on_vm[0]); i++) {
		assert_int_equal(client_word(c, c->vm, on_vm[i], 8), -EFAULT);
		assert_int_equal(client_word(c, c->vm, on_vm[i], 0), -EFAULT);
		assert_int_equal(client_word(c, c->vm, on_vm[i], ~7ul), -EFAULT);
	}
	for (size_t i = 0; i < sizeof(on_sys) / sizeof(on_sys[0]); i++)
		assert_int_equal(client_word(c, c->sys, on_sys[i], 8), -EFAULT);
}

static void lists_say_how_much_room_they_need(void **state)
{
	struct client *c = *state;
	struct kvm_cpuid_list *l = calloc(1, sizeof(*l) + 256 * sizeof(l->entries[0]));
	struct kvm_msr_index_list *m = calloc(1, sizeof(*m) + 256 * 4);
	bool gpaw = false;

	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_SUPPORTED_CPUID, l), -E2BIG);
	l->nent = 1;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_SUPPORTED_CPUID, l), -E2BIG);
	l->nent = 256;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_SUPPORTED_CPUID, l), 0);
	assert_true(l->nent > 10 && l->nent < 256);
	for (unsigned i = 0; i < l->nent; i++) {
		const struct kvm_cpuid_entry *e = &l->entries[i];

		if (e->function == 1)
			assert_int_equal(e->ecx & (1u << 28 | 1u << 12 | 1u << 5), 0);
		if (e->function == 7 && e->index == 0)
			assert_int_equal(e->ebx & (1u << 5 | 1u << 16 | 1u << 2), 0);
		if (e->function == 0xd && e->index == 0)
			assert_int_equal(e->eax, 3);
		gpaw |= e->function == 0x80000008 && (e->eax >> 16 & 0xff) == 48;
	}
	assert_true(gpaw);
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSR_INDEX_LIST, m), -E2BIG);
	assert_true(m->nmsrs > 0);
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSR_INDEX_LIST, m), 0);
	m->nmsrs = 0;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSR_FEATURE_INDEX_LIST, m), -E2BIG);
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSR_FEATURE_INDEX_LIST, m), 0);
	assert_true(m->nmsrs > 0);
	free(l);
	free(m);
}

static const struct kvm_cpuid_entry *entry_of(const struct kvm_cpuid_list *l, uint32_t leaf,
					      uint32_t index)
{
	for (unsigned i = 0; i < l->nent; i++)
		if (l->entries[i].function == leaf && l->entries[i].index == index)
			return &l->entries[i];
	fail_msg("no leaf 0x%x.%u", leaf, index);
	return NULL;
}

/* Of vectors, CPUID and a TD's XFAM have what the processor executes. */
static void vectors_are_offered_that_are_executed(void **state)
{
	struct client *c = *state;
	struct kvm_cpuid_list *l = calloc(1, sizeof(*l) + 256 * sizeof(l->entries[0]));
	struct kvm_tdx_init_vm *p = client_init_params();
	struct kvm_device_attr a = {.addr = 0};
	struct kvm_tdx_capabilities *caps;
	uint64_t guest = 0;

	c->vectors = XFAM_AVX | XFAM_AVX3;
	l->nent = 256;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_SUPPORTED_CPUID, l), 0);
	assert_int_equal(entry_of(l, 1, 0)->ecx & (1u << 28 | 1u << 12 | 1u << 29), 1u << 28);
	assert_int_equal(entry_of(l, 7, 0)->ebx & (1u << 5 | 1u << 16 | 1u << 17), 1u << 16);
	assert_int_equal(entry_of(l, 0xd, 0)->eax, 0xe7);
	assert_int_equal(entry_of(l, 0xd, 0)->ebx, 2688);
	assert_int_equal(entry_of(l, 0xd, 0)->ecx, 2688);
	assert_int_equal(entry_of(l, 0xd, 1)->ebx, 576 + 256 + 64 + 512 + 1024);
	assert_int_equal(entry_of(l, 0xd, 7)->eax, 1024);
	a.addr = (uint64_t)(uintptr_t)&guest;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_DEVICE_ATTR, &a), 0);
	assert_int_equal(guest, 0xe7);
	client_create(c);
	caps = client_capabilities(c);
	assert_int_equal(caps->supported_xfam, 0xe7);
	p->xfam = 0xe7 | XFAM_PK;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	assert_non_null(strstr(c->log, "executes 0xe7"));
	p->xfam = 0xe7;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), 0);
	free(caps);
	free(p);
	free(l);
}

static void feature_msrs_are_counted_until_one_is_none(void **state)
{
	struct {
		uint32_t n, pad;
		struct kvm_msr e[3];
	} l = {.n = 3, .e = {{.index = 0x10a}, {.index = 0x8b}, {.index = 0x12345}}};
	struct client *c = *state;

	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSRS, &l), 2);
	l.n = 256;
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_MSRS, &l), -E2BIG);
}

/* --- KVM_ENABLE_CAP --- */

static void enable_cap_checks_as_kvm(void **state)
{
	struct client *c = *state;
	struct kvm_enable_cap e = {.cap = KVM_CAP_SPLIT_IRQCHIP, .flags = 1};

	client_create(c);
	assert_int_equal(client_ioctl(c, c->vm, KVM_ENABLE_CAP, &e), -EINVAL);
	assert_int_equal(client_enable(c, 9999, 0), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_HYPERCALL, 1), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_HYPERCALL, 1 << 12), 0);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 0), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, ~0ull), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40), -ENXIO);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_IRQCHIP, 0), -ENOTTY);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 4097), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), 0);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), -EEXIST);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_IRQCHIP, 0), -EEXIST);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40), 0);
	assert_int_equal(client_enable(c, KVM_CAP_X2APIC_API, 4), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_X2APIC_API, 3), 0);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 4097), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 2), 0);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 2), 0);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 3), -EINVAL);
	client_init(c);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 2), -EINVAL);
	assert_int_equal(client_vcpu(c, 0), 0);
	assert_int_equal(client_enable(c, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40), -EINVAL);
}

/* --- KVM_TDX_* --- */

static void capabilities_have_the_width_of_gpas(void **state)
{
	struct client *c = *state;
	struct kvm_tdx_capabilities *caps;
	bool gpaw = false;

	client_create(c);
	caps = client_capabilities(c);
	assert_int_equal(caps->supported_attrs, 1ull << 28);
	assert_int_equal(caps->supported_xfam, 3);
	assert_int_equal(caps->user_r11, 2);
	assert_int_equal(caps->kernel_r11 | caps->kernel_r12 | caps->user_r12, 0);
	for (unsigned i = 0; i < caps->cpuid.nent; i++) {
		const struct kvm_cpuid_entry *e = &caps->cpuid.entries[i];

		gpaw |= e->function == 0x80000008 && (e->eax >> 16 & 0xff) == 0xff;
		if (e->function == 7 && e->index == 0)
			assert_int_equal(e->ebx & (1u << 4 | 1u << 11), 0);
	}
	assert_true(gpaw);
	caps->cpuid.nent--;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_CAPABILITIES, 0, caps), -E2BIG);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_CAPABILITIES, 1, caps), -EINVAL);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_CAPABILITIES, 0, NULL), -EFAULT);
	free(caps);
}

static void init_vm_refuses_what_kvm_refuses(void **state)
{
	struct client *c = *state;
	struct kvm_tdx_init_vm *p = client_init_params();
	struct kvm_tdx_cmd cmd = {.id = KVM_TDX_INIT_VM, .hw_error = 1};

	client_create(c);
	assert_int_equal(client_ioctl(c, c->vm, KVM_MEMORY_ENCRYPT_OP, &cmd), -EINVAL);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 1, p), -EINVAL);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, NULL), -EFAULT);
	assert_int_equal(client_tdx(c, c->vm, 99, 0, p), -EINVAL);
	p->cpuid.nent = 257;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -E2BIG);
	p->cpuid.nent = 1;
	p->reserved[11] = 1;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->reserved[11] = 0;
	p->cpuid.padding = 1;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->cpuid.padding = 0;
	p->attributes |= 1; /* DEBUG, which KVM has not */
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->attributes &= ~1ull;
	p->xfam = 7;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->xfam = 3;
	p->cpuid.entries[0].eax = 50 << 16;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->cpuid.entries[0].eax = 48 << 16;
	p->cpuid.nent = 0;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->cpuid.nent = 2; /* a leaf that is not configurable */
	p->cpuid.entries[1] = (struct kvm_cpuid_entry){.function = 0x40000000};
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	p->cpuid.entries[1] = (struct kvm_cpuid_entry){.function = 7, .flags = 1, .ebx = 1 << 4};
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL); /* HLE */
	p->cpuid.nent = 1;
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), 0);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_INIT_VM, 0, p), -EINVAL);
	free(p);
}

static void the_modules_own_refusal_comes_with_its_status(void **state)
{
	struct client *c = *state;
	struct kvm_tdx_init_vm *p = client_init_params();
	struct kvm_tdx_cmd cmd = {.id = KVM_TDX_INIT_VM, .data = (uint64_t)(uintptr_t)p};

	client_create(c);
	assert_int_equal(client_word(c, c->vm, KVM_SET_TSC_KHZ, 50000), 0); /* too slow for a TD */
	assert_int_equal(client_ioctl(c, c->vm, KVM_MEMORY_ENCRYPT_OP, &cmd), -EINVAL);
	assert_true(tdx_is(tdx_status(cmd.hw_error), TDX_OPERAND_INVALID));
	assert_int_equal(client_word(c, c->vm, KVM_SET_TSC_KHZ, 2000000), 0);
	assert_int_equal(client_word(c, c->vm, KVM_GET_TSC_KHZ, 0), 2000000);
	cmd.hw_error = 0;
	assert_int_equal(client_ioctl(c, c->vm, KVM_MEMORY_ENCRYPT_OP, &cmd), 0);
	free(p);
}

static void vcpus_come_between_init_and_finalize(void **state)
{
	struct client *c = *state;

	client_create(c);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 4096), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 0), -EIO);
	assert_int_equal(client_init(c), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 0), -EINVAL); /* no APICs */
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), 0);
	assert_int_equal(client_vcpu(c, 0), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 0), -EEXIST);
	for (unsigned i = 1; i < CLIENT_VCPUS; i++)
		assert_int_equal(client_vcpu(c, i), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 77), -EINVAL); /* too many */
	assert_int_equal(client_word(c, c->vm, KVM_SET_TSC_KHZ, 0), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_SET_BOOT_CPU_ID, 0), -EBUSY);
}

static void vcpu_commands_check_state_first(void **state)
{
	struct client *c = *state;
	struct kvm_tdx_region r = {(uint64_t)(uintptr_t)c->ram, 0, 1};

	client_create(c);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_vcpu(c, 0);
	assert_int_equal(client_run(c, 0), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 1, NULL), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 0, NULL), 0);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 0, NULL), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_FINALIZE_VM, 0, NULL), -EINVAL);
	assert_int_equal(client_run(c, 0), -EINVAL); /* not finalized */
	client_memory(c);
	client_slot(c, 0, 0, CLIENT_RAM, (uint64_t)(uintptr_t)c->ram, 0);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	client_attributes(c, 0, CLIENT_RAM, KVM_ATTRIBUTE_PRIVATE);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 2, &r), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, NULL), -EFAULT);
	r.source_addr++;
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	r.source_addr = 0;
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	r = (struct kvm_tdx_region){(uint64_t)(uintptr_t)c->ram, 0, 0};
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	r = (struct kvm_tdx_region){(uint64_t)(uintptr_t)c->ram, CLIENT_SHARED, 1};
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EINVAL);
	r = (struct kvm_tdx_region){4096, 0x1000, 2};
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r), -EFAULT);
	/* What is left is written back: the page past the slot is not done. */
	r = (struct kvm_tdx_region){(uint64_t)(uintptr_t)c->ram, CLIENT_RAM - 4096, 2};
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 1, &r), -EINVAL);
	assert_int_equal(r.nr_pages, 1);
	assert_int_equal(r.gpa, CLIENT_RAM);
	assert_int_equal(r.source_addr, (uint64_t)(uintptr_t)c->ram + 4096);
}

static void nothing_changes_after_finalize(void **state)
{
	struct client *c = *state;
	struct kvm_cpuid_list head = {0};

	client_launch(c, 1);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_FINALIZE_VM, 0, NULL), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 1), -EIO);
	assert_int_equal(client_region(c, c->ram, 0x1000, 1), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 0, NULL), -EINVAL);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_GET_CPUID, 0, &head), -EINVAL);
}

static void finalize_wants_an_initialised_td_with_vcpus(void **state)
{
	struct client *c = *state;

	client_create(c);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_FINALIZE_VM, 0, NULL), -EINVAL);
	client_init(c);
	assert_int_equal(client_tdx(c, c->vm, KVM_TDX_FINALIZE_VM, 0, NULL), -EIO);
}

static void get_cpuid_is_what_the_td_will_see(void **state)
{
	struct client *c = *state;
	struct kvm_cpuid_list *l = calloc(1, sizeof(*l) + 256 * sizeof(l->entries[0]));
	bool found = false;

	client_create(c);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_vcpu(c, 0);
	l->nent = 1;
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_GET_CPUID, 0, l), -E2BIG);
	assert_true(l->nent > 1);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_GET_CPUID, 0, l), 0);
	for (unsigned i = 0; i < l->nent; i++)
		found |= l->entries[i].function == 0x80000008 &&
			 (l->entries[i].eax >> 16 & 0xff) == 48;
	assert_true(found);
	free(l);
}

/* --- vCPUs --- */

static void state_that_is_a_tds_own_is_refused(void **state)
{
	struct client *c = *state;
	uint8_t buf[4096] = {0};
	uint32_t mp = 7;

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], _IOC(2u, 0xae, 0x81, 144), buf), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], _IOC(2u, 0xae, 0x83, 312), buf), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], _IOC(2u, 0xae, 0x8e, 1024), buf), -EINVAL);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_SET_TSC_KHZ, 1000000), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_MP_STATE, &mp), 0);
	assert_int_equal(mp, KVM_MP_RUNNABLE);
	mp = 99;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_MP_STATE, &mp), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], _IOC(2u, 0x55, 0x81, 144), buf), -EINVAL);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_RUN, 1), -EINVAL);
}

static void small_requests_of_a_vcpu(void **state)
{
	struct client *c = *state;
	struct kvm_tpr_access t = {.flags = 1};
	struct {
		uint32_t nmsrs, pad;
		struct kvm_msr e[2];
	} m = {.nmsrs = 2, .e = {{.index = 0x1b}, {.index = 0x77777}}};
	uint64_t mce = 10, bad = 33, nowhere = 0;

	client_create(c);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_vcpu(c, 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_TPR_ACCESS_REPORTING, &t), -EINVAL);
	t.flags = 0;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_TPR_ACCESS_REPORTING, &t), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_VAPIC_ADDR, &mce), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_VAPIC_ADDR, &nowhere), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SETUP_MCE, &mce), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SETUP_MCE, &bad), -EINVAL);
	bad = 0;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SETUP_MCE, &bad), -EINVAL);
	assert_true(client_word(c, c->vcpu[0], KVM_GET_TSC_KHZ, 0) % 25000 == 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_MSRS, &m), 1);
	assert_int_equal(m.e[0].data, 0xfee00d00);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_NMI, 0), 0);
	m.nmsrs = 0;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_MSRS, &m), 0);
	assert_int_equal(client_word(c, c->vm, KVM_SET_TSS_ADDR, 0xfeffd000), 0);
	assert_int_equal(client_word(c, c->vm, KVM_SET_TSS_ADDR, 0xffffe000), -EINVAL);
}

static void clocks_go_on_from_where_they_were_set(void **state)
{
	struct client *c = *state;
	struct kvm_clock t = {.clock = 5000000000ull}, now;

	client_create(c);
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_CLOCK, &t), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_CLOCK, &now), 0);
	assert_true(now.clock >= t.clock);
	assert_int_equal(now.flags, 14);
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_CLOCK, &now), 0);
	t.flags = 1;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_CLOCK, &t), -EINVAL);
	/* Any time may be set, the last of all, too. */
	t = (struct kvm_clock){.clock = ~0ull, .flags = KVM_CLOCK_REALTIME, .realtime = 1ull << 63};
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_CLOCK, &t), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_CLOCK, &now), 0);
}

static void an_ordinary_vm_cannot_be_entered(void **state)
{
	struct client *c = *state;
	int vm = (int)client_word(c, c->sys, KVM_CREATE_VM, KVM_VM_DEFAULT), vcpu;
	struct kvm_guest_memfd g = {.size = 4096};

	assert_true(vm >= 0);
	assert_int_equal(client_word(c, vm, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES), 0);
	assert_int_equal(client_tdx(c, vm, KVM_TDX_CAPABILITIES, 0, &g), -ENOTTY);
	assert_int_equal(client_ioctl(c, vm, KVM_CREATE_GUEST_MEMFD, &g), -ENOTTY);
	vcpu = (int)client_word(c, vm, KVM_CREATE_VCPU, 0);
	assert_true(vcpu >= 0);
	assert_int_equal(client_word(c, vcpu, KVM_RUN, 0), -EINVAL);
	assert_non_null(strstr(c->log, "ordinary"));
	close(vcpu);
	close(vm);
}

/* --- lives --- */

static void a_vm_ends_with_the_last_descriptor_or_mapping(void **state)
{
	struct client *c = *state;
	int vm, again;

	client_launch(c, 1);
	vm = c->vm;
	again = dup(vm);
	close(vm);
	c->vm = -1;
	close(c->vcpu[0]);
	c->vcpu[0] = -1;
	close(c->gmem);
	c->gmem = -1;
	assert_int_equal(client_word(c, again, KVM_CHECK_EXTENSION, 0), 1);
	close(again);
	usleep(20000);
	assert_int_equal(kvm_host_vms(c->host), 1); /* the page of the vCPU is still mapped */
	munmap(c->run[0], 3 * 4096);
	c->run[0] = NULL;
	while (kvm_host_vms(c->host))
		sched_yield();
}

static void vms_come_one_after_the_other(void **state)
{
	struct client *c = *state;

	for (unsigned i = 0; i < 5; i++) {
		client_launch(c, 2);
		client_close_vm(c);
	}
	while (kvm_host_vms(c->host))
		sched_yield();
	assert_int_equal(c->powered, 1);
}

static void a_child_has_no_use_for_its_parents_vm(void **state)
{
	struct client *c = *state;
	int status;
	pid_t pid;

	client_launch(c, 1);
	pid = fork();
	if (!pid) {
		bool ours;

		_exit(kvm_ioctl(c->host, c->vm, KVM_CHECK_EXTENSION, 0, &ours) == -EIO &&
				      kvm_ioctl(c->host, c->vcpu[0], KVM_RUN, 0, &ours) == -EIO
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_powered_before_it_is_needed),
		CASE(capabilities_a_client_needs_are_there),
		CASE(each_capability_has_a_row_of_its_own),
		CASE(what_is_asked_in_vain_is_remembered_once),
		CASE(other_descriptors_are_not_ours),
		CASE(wrong_pointers_are_efault),
		CASE(lists_say_how_much_room_they_need),
		CASE(vectors_are_offered_that_are_executed),
		CASE(feature_msrs_are_counted_until_one_is_none),
		CASE(enable_cap_checks_as_kvm),
		CASE(capabilities_have_the_width_of_gpas),
		CASE(init_vm_refuses_what_kvm_refuses),
		CASE(the_modules_own_refusal_comes_with_its_status),
		CASE(vcpus_come_between_init_and_finalize),
		CASE(vcpu_commands_check_state_first),
		CASE(nothing_changes_after_finalize),
		CASE(finalize_wants_an_initialised_td_with_vcpus),
		CASE(get_cpuid_is_what_the_td_will_see),
		CASE(state_that_is_a_tds_own_is_refused),
		CASE(small_requests_of_a_vcpu),
		CASE(clocks_go_on_from_where_they_were_set),
		CASE(an_ordinary_vm_cannot_be_entered),
		CASE(a_vm_ends_with_the_last_descriptor_or_mapping),
		CASE(vms_come_one_after_the_other),
		CASE(a_child_has_no_use_for_its_parents_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
