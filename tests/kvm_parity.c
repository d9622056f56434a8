/* SPDX-License-Identifier: MIT */
/* Requests that are not of a launch, as Linux 7.3 answers them for a TD: what it refuses, whether
 * it reads the argument before, and what it keeps and gives back although a TD does not see it. */
#include "kvm_setup.h"

#include <pthread.h>
#include <signal.h>

enum { RD = 2, WR = 1 };
#define REQUEST(dir, nr, size) _IOC((unsigned)(dir), 0xaeu, nr, size)
#define BAD		       ((void *)8)

static void says(struct tdx_native_cpu *cpu)
{
	for (uint32_t i = 0;; i++)
		guest_say(cpu, i);
}

/* --- what is refused --- */

static void requests_that_a_td_is_refused(void **state)
{
	static const struct {
		bool vcpu;
		unsigned long request;
		long good, bad; /* with a pointer; with one that cannot be read */
	} refused[] = {
		{true, REQUEST(RD, 0x81, 144), -EINVAL, -EINVAL},      /* GET_REGS */
		{true, REQUEST(WR, 0x82, 144), -EINVAL, -EFAULT},      /* SET_REGS */
		{true, REQUEST(RD, 0x83, 312), -EINVAL, -EINVAL},      /* GET_SREGS */
		{true, REQUEST(WR, 0x84, 312), -EINVAL, -EFAULT},      /* SET_SREGS */
		{true, REQUEST(RD, 0x8c, 416), -EINVAL, -EINVAL},      /* GET_FPU */
		{true, REQUEST(WR, 0x8d, 416), -EINVAL, -EFAULT},      /* SET_FPU */
		{true, REQUEST(RD, 0x8e, 1024), -EINVAL, -EINVAL},     /* GET_LAPIC */
		{true, REQUEST(WR, 0x8f, 1024), -EINVAL, -EFAULT},     /* SET_LAPIC */
		{true, REQUEST(WR, 0x9b, 72), -EINVAL, -EFAULT},       /* SET_GUEST_DEBUG */
		{true, REQUEST(RD, 0xa1, 128), -EINVAL, -EINVAL},      /* GET_DEBUGREGS */
		{true, REQUEST(WR, 0xa2, 128), -EINVAL, -EFAULT},      /* SET_DEBUGREGS */
		{true, REQUEST(RD, 0xa4, 4096), -EINVAL, -EINVAL},     /* GET_XSAVE */
		{true, REQUEST(WR, 0xa5, 4096), -EINVAL, -EFAULT},     /* SET_XSAVE */
		{true, REQUEST(RD, 0xcf, 4096), -EINVAL, -EINVAL},     /* GET_XSAVE2 */
		{true, REQUEST(RD, 0xa6, 392), -EINVAL, -EINVAL},      /* GET_XCRS */
		{true, REQUEST(WR, 0xa7, 392), -EINVAL, -EFAULT},      /* SET_XCRS */
		{true, REQUEST(RD, 0xcc, 320), -EINVAL, -EINVAL},      /* GET_SREGS2 */
		{true, REQUEST(WR, 0xcd, 320), -EINVAL, -EINVAL},      /* SET_SREGS2 */
		{true, REQUEST(0, 0xa2, 0), -EINVAL, -EINVAL},	       /* SET_TSC_KHZ */
		{true, REQUEST(0, 0xad, 0), -EINVAL, -EINVAL},	       /* KVMCLOCK_CTRL */
		{true, REQUEST(0, 0xb7, 0), -ENOTTY, -ENOTTY},	       /* SMI */
		{true, REQUEST(RD | WR, 0xbe, 128), -EINVAL, -EINVAL}, /* GET_NESTED_STATE */
		{true, REQUEST(WR, 0xbf, 128), -EINVAL, -EINVAL},      /* SET_NESTED_STATE */
		{false, REQUEST(0, 0x60, 0), -EEXIST, -EEXIST},	       /* CREATE_IRQCHIP */
		{false, REQUEST(RD | WR, 0x62, 520), -ENXIO, -EFAULT}, /* GET_IRQCHIP */
		{false, REQUEST(RD, 0x63, 520), -ENXIO, -EFAULT},      /* SET_IRQCHIP */
		{false, REQUEST(0, 0x64, 0), -ENOENT, -ENOENT},	       /* CREATE_PIT */
		{false, REQUEST(WR, 0x77, 64), -ENOENT, -EFAULT},      /* CREATE_PIT2 */
		{false, REQUEST(RD | WR, 0x65, 72), -ENXIO, -EFAULT},  /* GET_PIT */
		{false, REQUEST(RD, 0x66, 72), -ENXIO, -EFAULT},       /* SET_PIT */
		{false, REQUEST(RD, 0x9f, 112), -ENXIO, -ENXIO},       /* GET_PIT2 */
		{false, REQUEST(WR, 0xa0, 112), -ENXIO, -EFAULT},      /* SET_PIT2 */
		{false, REQUEST(0, 0x71, 0), -ENXIO, -EFAULT},	       /* REINJECT_CONTROL */
		{false, REQUEST(RD, 0xbb, 16), -ENOTTY, -EFAULT},      /* ENCRYPT_REG_REGION */
		{false, REQUEST(RD, 0xbc, 16), -ENOTTY, -EFAULT},      /* ENCRYPT_UNREG_REGION */
		{false, REQUEST(0, 0xc7, 0), -EINVAL, -EINVAL},	       /* RESET_DIRTY_RINGS */
		{false, REQUEST(RD | WR, 0xe0, 12), -ENODEV, -EFAULT}, /* CREATE_DEVICE */
	};
	struct client *c = *state;
	uint8_t buf[4096] = {0};
	char text[64];

	client_launch(c, 1);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const int fd = refused[i].vcpu ? c->vcpu[0] : c->vm;
		const long good = client_ioctl(c, fd, refused[i].request, buf);
		const long bad = client_ioctl(c, fd, refused[i].request, BAD);

		if (good != refused[i].good || bad != refused[i].bad)
			fail_msg("0x%lx: %ld, %ld", refused[i].request, good, bad);
	}
	kvm_host_missing(c->host, 0, text, sizeof(text));
	assert_string_equal(text, "");
}

static void rows_of_the_table_name_what_answers(void **state)
{
	struct kvm_request_row row;

	(void)state;
	for (unsigned i = 0; kvm_request_row(i, &row); i++) {
		assert_int_equal(strncmp(row.name, "KVM_", 4), 0);
		assert_true(*row.by || *row.why);
		assert_int_equal(row.answered, *row.as != '\0');
	}
}

/* --- events --- */

static struct kvm_events events_of(struct client *c)
{
	struct kvm_events e;

	memset(&e, 0xa5, sizeof(e));
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_VCPU_EVENTS, &e), 0);
	return e;
}

static long set_events(struct client *c, const struct kvm_events *e)
{
	return client_ioctl(c, c->vcpu[0], KVM_SET_VCPU_EVENTS, e);
}

static void events_of_a_td_are_its_nmis(void **state)
{
	struct client *c = *state;
	struct kvm_events e;

	program = says;
	client_launch(c, 1);
	e = events_of(c);
	assert_int_equal(e.flags, KVM_EVENTS_NMI_PENDING | KVM_EVENTS_SHADOW | KVM_EVENTS_SMM);
	assert_int_equal(e.nmi.pending, 0);
	assert_int_equal(e.exception.injected, 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(client_word(c, c->vcpu[0], KVM_NMI, 0), 0);
		assert_int_equal(events_of(c).nmi.pending, i < 2 ? i : 2);
	}
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(events_of(c).nmi.pending, 0);
	e.flags = KVM_EVENTS_NMI_PENDING;
	e.nmi.pending = 1;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).nmi.pending, 1);
	e.nmi.injected = 1;
	e.nmi.pending = 2;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).nmi.pending, 1); /* behind the one that is injected */
	assert_int_equal(events_of(c).nmi.injected, 1);
	e.flags = 0;
	e.nmi.injected = e.nmi.pending = 0;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).nmi.pending, 1); /* nothing was said of it */
	assert_int_equal(events_of(c).nmi.injected, 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_VCPU_EVENTS, BAD), -EFAULT);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_VCPU_EVENTS, BAD), -EFAULT);
}

static void exceptions_are_given_back(void **state)
{
	struct client *c = *state;
	struct kvm_events e = {.exception = {.injected = 1, .nr = 14, .has_error_code = 1}};

	program = says;
	client_launch(c, 1);
	e.exception.error_code = 5;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).exception.injected, 1);
	assert_int_equal(events_of(c).exception.error_code, 5);
	e.exception.nr = 3; /* a breakpoint: of the software */
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).exception.injected, 0);
	e.exception.nr = 2;
	assert_int_equal(set_events(c, &e), -EINVAL);
	e.exception.nr = 32;
	assert_int_equal(set_events(c, &e), -EINVAL);
	e.exception.nr = 14;
	e.flags = KVM_EVENTS_PAYLOAD;
	assert_int_equal(set_events(c, &e), -EINVAL);
	e.flags = 64;
	assert_int_equal(set_events(c, &e), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_EXCEPTION_PAYLOAD, 1), 0);
	e.flags = KVM_EVENTS_PAYLOAD;
	e.exception.pending = 1;
	e.exception_has_payload = 1;
	e.exception_payload = 0x1234;
	assert_int_equal(set_events(c, &e), 0);
	e = events_of(c);
	assert_true(e.flags & KVM_EVENTS_PAYLOAD);
	assert_int_equal(e.exception.pending, 1);
	assert_int_equal(e.exception.injected, 0);
	assert_int_equal(e.exception_payload, 0x1234);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(events_of(c).exception.pending, 0);
	assert_int_equal(events_of(c).exception.injected, 1);
}

static void a_kvm_without_smm_takes_no_smi(void **state)
{
	struct client *c = *state;
	struct kvm_events e = {.flags = KVM_EVENTS_SMM, .smi = {.smm = 1}};

	client_launch(c, 1);
	assert_int_equal(set_events(c, &e), -EINVAL);
	e.smi.smm = 0;
	e.smi.latched_init = 1;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).smi.latched_init, 1);
	e.flags = 0;
	e.smi.latched_init = 0;
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).smi.latched_init, 1);
}

static void a_triple_fault_that_is_set_ends_a_run(void **state)
{
	struct client *c = *state;
	struct kvm_events e = {.flags = KVM_EVENTS_TRIPLE_FAULT, .triple_fault = {1}};

	program = says;
	client_launch(c, 1);
	assert_int_equal(set_events(c, &e), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1), 0);
	assert_int_equal(set_events(c, &e), 0);
	assert_int_equal(events_of(c).triple_fault.pending, 1);
	c->run[0]->immediate_exit = 1; /* it is not entered */
	assert_int_equal(client_run(c, 0), -EINTR);
	assert_int_equal(events_of(c).triple_fault.pending, 1);
	c->run[0]->immediate_exit = 0;
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_SHUTDOWN);
	assert_int_equal(events_of(c).triple_fault.pending, 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_IO);
}

static void one_external_vector_waits(void **state)
{
	struct client *c = *state;
	uint32_t vector = 256;

	program = says;
	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_INTERRUPT, BAD), -EFAULT);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_INTERRUPT, &vector), -EINVAL);
	vector = 77;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_INTERRUPT, &vector), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_INTERRUPT, &vector), -EEXIST);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(events_of(c).interrupt.nr, 77);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_INTERRUPT, &vector), 0);
}

/* --- machine checks --- */

static void a_machine_check_that_is_not_corrected_ends_a_td(void **state)
{
	const uint64_t valid = 1ull << 63, uncorrected = 1ull << 61, context = 1ull << 57;
	struct client *c = *state;
	struct kvm_mce m = {.bank = 32, .status = valid};
	uint64_t banks = 4;

	program = says;
	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, BAD), -EFAULT);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), -EINVAL);
	m.bank = 31;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SETUP_MCE, &banks), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), -EINVAL);
	m = (struct kvm_mce){.bank = 3};
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), -EINVAL);
	m.status = valid | uncorrected; /* nothing to be done about it: no exception */
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_IO);
	m.status |= context;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_X86_SET_MCE, &m), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_SHUTDOWN);
}

/* --- CPUID --- */

struct cpuid_head {
	uint32_t nent, padding;
};
struct cpuid {
	struct cpuid_head head;
	struct kvm_cpuid_entry e[4];
};

static void cpuid_that_was_set_is_given_back(void **state)
{
	struct client *c = *state;
	struct cpuid set = {
		.head = {.nent = 2},
		.e = {{.function = 1, .eax = 7}, {.function = 0x80000008, .eax = 48 << 8}}};
	struct {
		struct cpuid_head head;
		struct kvm_cpuid_old e[1];
	} old = {.head = {.nent = 1}, .e = {{.function = 5, .ebx = 9}}};
	struct cpuid got = {.head = {.nent = 1}};

	program = says;
	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_CPUID2, &got), -E2BIG);
	got.head.nent = 4;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_CPUID2, &got), 0);
	assert_int_equal(got.head.nent, 2);
	assert_memory_equal(got.e, set.e, 2 * sizeof(set.e[0]));
	set.e[1].eax = 40 << 8;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), -EINVAL);
	set.e[1].eax = 48 << 8;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID, BAD), -EFAULT);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID, &old), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_CPUID2, &got), 0);
	assert_int_equal(got.head.nent, 1);
	assert_int_equal(got.e[0].ebx, 9);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), 0);
	assert_int_equal(client_run(c, 0), 0);
	/* One that has run keeps it. */
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), 0);
	set.e[0].eax = 8;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), -EINVAL);
	set.head.nent = 257;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &set), -E2BIG);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_CPUID2, BAD), -EFAULT);
}

/* --- attributes and single registers --- */

static void attributes_are_xsaves_and_the_tscs(void **state)
{
	struct client *c = *state;
	uint64_t value = 0, offset = 77;
	struct kvm_device_attr a = {.addr = (uint64_t)(uintptr_t)&value};

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->sys, KVM_HAS_DEVICE_ATTR, &a), 0);
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_DEVICE_ATTR, &a), 0);
	assert_int_equal(value, 3);
	assert_int_equal(client_ioctl(c, c->sys, KVM_GET_DEVICE_ATTR, BAD), -EFAULT);
	a.group = 1;
	assert_int_equal(client_ioctl(c, c->sys, KVM_HAS_DEVICE_ATTR, &a), -ENXIO);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_HAS_DEVICE_ATTR, &a), -ENXIO);
	a = (struct kvm_device_attr){.addr = (uint64_t)(uintptr_t)&offset};
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_HAS_DEVICE_ATTR, &a), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_DEVICE_ATTR, &a), 0);
	a.addr = (uint64_t)(uintptr_t)&value;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_DEVICE_ATTR, &a), 0);
	assert_int_not_equal(value, 77); /* it is the module's */
	a.attr = 1;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_DEVICE_ATTR, &a), -ENXIO);
	a = (struct kvm_device_attr){.addr = 8};
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_DEVICE_ATTR, &a), -EFAULT);
}

static void single_registers_are_msrs(void **state)
{
	const uint64_t msr = KVM_REG_X86 | KVM_REG_SIZE_U64 | 2ull << 32;
	struct client *c = *state;
	uint64_t value = 0, n = 0;
	struct kvm_one_reg r = {msr | 0x1b, (uint64_t)(uintptr_t)&value};

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), 0);
	assert_int_equal(value, 0xfee00d00);
	value = 5;
	r.id = msr | 0x8b;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_ONE_REG, &r), 0);
	value = 0;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), 0);
	assert_int_equal(value, 5);
	r.addr = 8;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), -EFAULT);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_ONE_REG, &r), -EFAULT);
	r = (struct kvm_one_reg){msr | 0x77777, (uint64_t)(uintptr_t)&value};
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), -EINVAL);
	r.id = KVM_REG_X86 | KVM_REG_SIZE_U64 | 3ull << 32;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), -EINVAL);
	r.id = (msr & ~KVM_REG_ARCH_MASK) | 0x1b;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, &r), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_ONE_REG, BAD), -EFAULT);
	n = 4;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_REG_LIST, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_REG_LIST, BAD), -EFAULT);
}

static void an_address_is_translated_to_itself(void **state)
{
	struct client *c = *state;
	struct kvm_translation t = {.linear_address = 0x123456, .usermode = 7};

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_TRANSLATE, &t), 0);
	assert_int_equal(t.physical_address, 0x123456);
	assert_int_equal(t.valid, 1);
	assert_int_equal(t.usermode, 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_TRANSLATE, BAD), -EFAULT);
}

static void a_capability_of_a_vcpu(void **state)
{
	struct client *c = *state;
	struct kvm_enable_cap e = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = {1}};

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_ENABLE_CAP, &e), 0);
	e.flags = 1;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_ENABLE_CAP, &e), -EINVAL);
	e = (struct kvm_enable_cap){.cap = KVM_CAP_HYPERV};
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_ENABLE_CAP, &e), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_ENABLE_CAP, BAD), -EFAULT);
	assert_int_equal(client_enable(c, KVM_CAP_HALT_POLL, 1ull << 32), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_HALT_POLL, 1000), 0);
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1), 0);
}

/* --- of a VM --- */

static void a_log_has_each_page_of_its_slot(void **state)
{
	struct client *c = *state;
	uint64_t map[2] = {0, 0};
	struct kvm_dirty_log l = {.slot = 1, .bitmap = (uint64_t)(uintptr_t)map};
	struct kvm_memory_region2 m = {.r = {.slot = 1,
					     .flags = KVM_REGION_LOG_DIRTY,
					     .guest_phys_addr = 1ull << 30,
					     .memory_size = 70 * 4096,
					     .userspace_addr = (uint64_t)(uintptr_t)c->ram}};

	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_USER_MEMORY_REGION2, &m), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_DIRTY_LOG, &l), 0);
	assert_int_equal(map[0], ~0ull);
	assert_int_equal(map[1], 63);
	l.slot = 0; /* private pages have none */
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_DIRTY_LOG, &l), -ENOENT);
	l.slot = 512;
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_DIRTY_LOG, &l), -EINVAL);
	l = (struct kvm_dirty_log){.slot = 1, .bitmap = 8};
	assert_int_equal(client_ioctl(c, c->vm, KVM_GET_DIRTY_LOG, &l), -EFAULT);
	m.r.slot = 2;
	m.r.guest_phys_addr = 2ull << 30;
	m.r.flags |= KVM_REGION_GUEST_MEMFD;
	m.guest_memfd = (uint32_t)c->gmem;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_USER_MEMORY_REGION2, &m), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_SET_NR_MMU_PAGES, 63), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_SET_NR_MMU_PAGES, 64), 0);
}

static void accepts_and_says(struct tdx_native_cpu *cpu)
{
	guest_accept(cpu, 0x10000);
	says(cpu);
}

static uint64_t counted(int fd, unsigned i)
{
	struct kvm_stats_header h;
	uint64_t value = ~0ull;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	assert_true(i < h.num_desc);
	assert_int_equal(pread(fd, &value, 8, h.data_offset + i * 8), 8);
	return value;
}

static void flushes_of_a_vm_are_counted(void **state)
{
	struct client *c = *state;
	int fd;

	program = accepts_and_says;
	client_launch(c, 1);
	fd = (int)client_word(c, c->vm, KVM_GET_STATS_FD, 0);
	assert_true(fd >= 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(counted(fd, 0), 0);
	assert_int_equal(client_attributes(c, 0x10000, 4096, 0), 0);
	assert_int_equal(counted(fd, 0), 1);
	assert_int_equal(counted(fd, 1), 1);
	close(fd);
}

static void a_guest_memfd_may_be_asked_to_be_mapped(void **state)
{
	struct client *c = *state;
	struct kvm_guest_memfd g = {.size = 4096, .flags = KVM_GUEST_MEMFD_MMAP};

	client_create(c);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS), 1);
	c->gmem = (int)client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g);
	assert_true(c->gmem >= 0);
	g.flags = 2;
	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -EINVAL);
}

/* --- the order of checks --- */

static void a_number_that_is_taken_comes_before_what_tdx_wants(void **state)
{
	struct client *c = *state;

	client_launch(c, 1); /* no more vCPUs from here on */
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 0), -EEXIST);
	assert_int_equal(client_word(c, c->vm, KVM_CREATE_VCPU, 1), -EIO);
	/* With the first vCPU the limit of ids is set. */
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 8), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 4096), 0);
}

static void *runs(void *arg)
{
	struct client *c = arg;

	return (void *)client_run(c, 0);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* A vCPU that was not initialised waits for an INIT that never comes. */
static void a_vcpu_without_init_waits_for_a_signal(void **state)
{
	struct client *c = *state;
	struct sigaction a = {.sa_handler = on_signal};
	uint32_t mp = KVM_MP_INIT_RECEIVED;
	pthread_t t;
	void *r;

	sigaction(SIGUSR2, &a, NULL);
	program = says;
	client_create(c);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_word(c, c->vm, KVM_SET_BOOT_CPU_ID, 1);
	assert_int_equal(client_vcpu(c, 0), 0);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_MP_STATE, &mp), 0);
	assert_int_equal(client_run(c, 0), -EINVAL);
	mp = KVM_MP_UNINITIALIZED;
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_MP_STATE, &mp), 0);
	c->run[0]->immediate_exit = 1;
	assert_int_equal(client_run(c, 0), -EINTR);
	c->run[0]->immediate_exit = 0;
	pthread_create(&t, NULL, runs, c);
	while (c->run[0]->exit_reason != KVM_EXIT_INTR) {
		pthread_kill(t, SIGUSR2);
		usleep(1000);
	}
	pthread_join(t, &r);
	assert_int_equal((long)r, -EINTR);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(requests_that_a_td_is_refused),
		cmocka_unit_test(rows_of_the_table_name_what_answers),
		CASE(events_of_a_td_are_its_nmis),
		CASE(exceptions_are_given_back),
		CASE(a_kvm_without_smm_takes_no_smi),
		CASE(a_triple_fault_that_is_set_ends_a_run),
		CASE(one_external_vector_waits),
		CASE(a_machine_check_that_is_not_corrected_ends_a_td),
		CASE(cpuid_that_was_set_is_given_back),
		CASE(attributes_are_xsaves_and_the_tscs),
		CASE(single_registers_are_msrs),
		CASE(an_address_is_translated_to_itself),
		CASE(a_capability_of_a_vcpu),
		CASE(a_log_has_each_page_of_its_slot),
		CASE(flushes_of_a_vm_are_counted),
		CASE(a_guest_memfd_may_be_asked_to_be_mapped),
		CASE(a_number_that_is_taken_comes_before_what_tdx_wants),
		CASE(a_vcpu_without_init_waits_for_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
