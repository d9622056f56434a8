/* SPDX-License-Identifier: MIT */
/* Memory slots, attributes, guest_memfds; routes, irqfds, ioeventfds: what KVM takes and refuses.
 */
#include "kvm_setup.h"

#include <sys/eventfd.h>

static int setup(void **state)
{
	static struct client c;

	client_on(&c, NULL, NULL);
	client_create(&c);
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	client_off(*state);
	return 0;
}

static long region(struct client *c, const struct kvm_memory_region2 *m)
{
	return client_ioctl(c, c->vm, KVM_SET_USER_MEMORY_REGION2, m);
}

/* --- memory --- */

static void guest_memfds_are_whole_pages_of_known_flags(void **state)
{
	struct client *c = *state;
	struct kvm_guest_memfd g = {.size = 4095};
	bool ours;
	int fd;

	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -EINVAL);
	g.size = 0;
	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -EINVAL);
	g.size = 1ull << 63;
	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -EINVAL);
	g = (struct kvm_guest_memfd){.size = 4096, .flags = 2};
	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -EINVAL);
	g.flags = 0;
	fd = (int)client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 4096);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	assert_int_equal(kvm_ioctl(c->host, fd, KVM_CHECK_EXTENSION, 0, &ours), -ENOTTY);
	close(fd);
}

static void slots_are_checked_in_kvms_order(void **state)
{
	struct client *c = *state;
	const uint64_t user = (uint64_t)(uintptr_t)c->ram;
	const struct kvm_memory_region2 good = {
		.r = {.slot = 3, .memory_size = 0x10000, .userspace_addr = user}};
	struct kvm_memory_region2 m = good;

	m.r.flags = 8;
	assert_int_equal(region(c, &m), -EINVAL);
	m.r.flags = KVM_REGION_READONLY; /* not for a TD */
	assert_int_equal(region(c, &m), -EINVAL);
	m.r.flags = KVM_REGION_GUEST_MEMFD | KVM_REGION_LOG_DIRTY;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.memory_size = 0x10001;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.guest_phys_addr = 1;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.userspace_addr++;
	assert_int_equal(region(c, &m), -EINVAL);
	m.r.userspace_addr = 1ull << 63;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.slot = 1 << 16; /* another address space */
	assert_int_equal(region(c, &m), -EINVAL);
	m.r.slot = 512;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.guest_phys_addr = ~0xfffull;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.memory_size = 0; /* nothing to delete */
	assert_int_equal(region(c, &m), -EINVAL);
	assert_int_equal(region(c, &good), 0);
	assert_int_equal(region(c, &good), 0); /* it is so */
	m = good;
	m.r.slot = 4;
	assert_int_equal(region(c, &m), -EEXIST);
	m = good;
	m.r.memory_size = 0x20000;
	assert_int_equal(region(c, &m), -EINVAL);
	m = good;
	m.r.guest_phys_addr = 0x100000; /* moves */
	assert_int_equal(region(c, &m), 0);
	m.r.slot = 4;
	m.r.guest_phys_addr = 0;
	assert_int_equal(region(c, &m), 0);
	m = good;
	m.r.memory_size = 0;
	assert_int_equal(region(c, &m), 0);
	assert_int_equal(region(c, &m), -EINVAL);
}

static void slots_of_a_guest_memfd_do_not_change(void **state)
{
	struct client *c = *state;
	const uint64_t user = (uint64_t)(uintptr_t)c->ram;
	struct kvm_memory_region2 m = {.r = {.slot = 0,
					     .flags = KVM_REGION_GUEST_MEMFD,
					     .memory_size = 0x10000,
					     .userspace_addr = user},
				       .guest_memfd = 12345};
	int other = memfd_create("other", 0);

	assert_int_equal(region(c, &m), -EBADF);
	m.guest_memfd = (uint32_t)other;
	assert_int_equal(region(c, &m), -EINVAL);
	m.guest_memfd = (uint32_t)c->vm;
	assert_int_equal(region(c, &m), -EINVAL);
	client_memory(c);
	m.guest_memfd = (uint32_t)c->gmem;
	m.guest_memfd_offset = 1;
	assert_int_equal(region(c, &m), -EINVAL);
	m.guest_memfd_offset = CLIENT_RAM;
	assert_int_equal(region(c, &m), -EINVAL);
	m.guest_memfd_offset = ~0xfffull;
	assert_int_equal(region(c, &m), -EINVAL);
	m.guest_memfd_offset = 0x1000;
	assert_int_equal(region(c, &m), 0);
	assert_int_equal(region(c, &m), -EINVAL);
	m.r.slot = 1; /* the same part of it at another place */
	m.r.guest_phys_addr = 0x100000;
	assert_int_equal(region(c, &m), -EINVAL);
	m.guest_memfd_offset = 0x11000;
	assert_int_equal(region(c, &m), 0);
	close(other);
	/* memory of another VM */
	other = (int)client_word(c, c->sys, KVM_CREATE_VM, KVM_VM_TDX);
	assert_true(other >= 0);
	m.guest_memfd = (uint32_t)client_ioctl(c, other, KVM_CREATE_GUEST_MEMFD,
					       &(struct kvm_guest_memfd){.size = 0x100000});
	assert_true((int)m.guest_memfd >= 0);
	m.r.slot = 2;
	m.r.guest_phys_addr = 0x200000;
	assert_int_equal(region(c, &m), -EINVAL);
	close((int)m.guest_memfd);
	close(other);
}

static void slots_and_attributes_may_come_before_the_td(void **state)
{
	struct client *c = *state;
	const uint64_t user = (uint64_t)(uintptr_t)c->ram;

	client_memory(c);
	assert_int_equal(client_attributes(c, 0x1000, 0x1000, 8), 0);
	assert_int_equal(client_slot(c, 0, 0, CLIENT_RAM, user, 0), 0);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), 0);
	assert_int_equal(client_init(c), 0);
	client_vcpu(c, 0);
	assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 0, NULL), 0);
	assert_int_equal(client_region(c, c->ram, 0x1000, 1), 0);
	assert_int_equal(client_region(c, c->ram, 0x2000, 1), -EINVAL); /* shared */
	/* Deleted and put there again, with the attribute it had. */
	assert_int_equal(client_slot(c, 0, 0, 0, user, 0), 0);
	assert_int_equal(client_slot(c, 0, 0, CLIENT_RAM, user, 0), 0);
	assert_int_equal(client_region(c, c->ram, 0x1000, 1), 0);
	assert_int_equal(client_slot(c, 1, CLIENT_SHARED, 0x1000, user, 0), -EINVAL);
}

static void attributes_are_checked(void **state)
{
	struct client *c = *state;
	struct kvm_attributes a = {.size = 0x1000, .flags = 1};

	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_MEMORY_ATTRIBUTES, &a), -EINVAL);
	assert_int_equal(client_attributes(c, 0, 0x1000, 1), -EINVAL);
	assert_int_equal(client_attributes(c, 0, 0, 8), -EINVAL);
	assert_int_equal(client_attributes(c, 0, 0x1001, 8), -EINVAL);
	assert_int_equal(client_attributes(c, 1, 0x1000, 8), -EINVAL);
	assert_int_equal(client_attributes(c, ~0xfffull, 0x2000, 8), -EINVAL);
	assert_int_equal(client_attributes(c, 0x123456000, 0x1000, 8), 0); /* nothing there */
}

/* Any order of settings leaves what a page-by-page table would. */
static void attributes_of_many_ranges_add_up(void **state)
{
	struct client *c = *state;
	uint8_t want[64] = {0};
	uint32_t seed = 1;
	struct kvm_tdx_region r;

	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_vcpu(c, 0);
	client_memory(c);
	client_slot(c, 0, 0, CLIENT_RAM, (uint64_t)(uintptr_t)c->ram, 0);
	client_tdx(c, c->vcpu[0], KVM_TDX_INIT_VCPU, 0, NULL);
	for (unsigned n = 0; n < 200; n++) {
		unsigned first, count, attr;

		seed = seed * 1103515245 + 12345;
		first = seed >> 8 & 63;
		count = 1 + (seed >> 16 & 15);
		attr = seed >> 24 & 1;
		if (first + count > 64)
			count = 64 - first;
		memset(want + first, attr != 0, count);
		assert_int_equal(
			client_attributes(c, first * 4096ull, count * 4096ull, attr ? 8 : 0), 0);
	}
	for (unsigned i = 0; i < 64; i++) {
		r = (struct kvm_tdx_region){(uint64_t)(uintptr_t)c->ram, i * 4096ull, 1};
		assert_int_equal(client_tdx(c, c->vcpu[0], KVM_TDX_INIT_MEM_REGION, 0, &r),
				 want[i] ? 0 : -EINVAL);
	}
}

/* --- interrupts --- */

static long route(struct client *c, struct kvm_route one, uint32_t nr, uint32_t flags)
{
	struct kvm_routing *r = calloc(1, sizeof(*r) + 2 * sizeof(one));
	long err;

	r->nr = nr;
	r->flags = flags;
	r->entries[0] = one;
	r->entries[1] = (struct kvm_route){.gsi = 1, .type = KVM_ROUTE_MSI};
	err = client_ioctl(c, c->vm, KVM_SET_GSI_ROUTING, r);
	free(r);
	return err;
}

static void routes_are_messages_one_a_gsi(void **state)
{
	struct client *c = *state;
	struct kvm_route msi = {.gsi = 0, .type = KVM_ROUTE_MSI};

	assert_int_equal(route(c, msi, 1, 0), -EINVAL); /* no APICs yet */
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	assert_int_equal(route(c, msi, 2, 0), 0);
	assert_int_equal(route(c, msi, 0, 0), 0);
	assert_int_equal(route(c, msi, 1, 1), -EINVAL);
	assert_int_equal(route(c, msi, 4097, 0), -EINVAL);
	msi.gsi = 1;
	assert_int_equal(route(c, msi, 2, 0), -EINVAL); /* twice */
	msi.gsi = 4096;
	assert_int_equal(route(c, msi, 1, 0), -EINVAL);
	msi = (struct kvm_route){.type = KVM_ROUTE_MSI, .flags = 2};
	assert_int_equal(route(c, msi, 1, 0), -EINVAL);
	msi = (struct kvm_route){.type = KVM_ROUTE_IRQCHIP};
	assert_int_equal(route(c, msi, 1, 0), -EINVAL);
	msi = (struct kvm_route){.type = KVM_ROUTE_MSI, .u.msi.address_hi = 1};
	assert_int_equal(route(c, msi, 1, 0), 0);
	client_enable(c, KVM_CAP_X2APIC_API, 1);
	assert_int_equal(route(c, msi, 1, 0), -EINVAL);
}

static void messages_need_apics_and_somebody_who_takes_them(void **state)
{
	struct client *c = *state;
	struct kvm_msi m = {.address_lo = 0xfee00000, .data = 0x40};
	struct kvm_irq_level l = {.irq = 3, .level = 1};

	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EINVAL);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE_STATUS, &l), -ENXIO);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	m.flags = 1;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EINVAL);
	m.flags = 0;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EPERM); /* nobody */
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE_STATUS, &l), 0);
	assert_int_equal(l.status, -1); /* no route */
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE, &l), 0);
}

static void messages_find_their_vcpus(void **state)
{
	struct client *c = *state;
	struct kvm_msi m = {.address_lo = 0xfee00000, .data = 0x40};
	const struct kvm_route all = {
		.gsi = 3, .type = KVM_ROUTE_MSI, .u.msi = {.address_lo = 0xfeeff000, .data = 0x41}};
	struct kvm_irq_level l = {.irq = 3, .level = 1};

	client_close_vm(c);
	client_launch(c, 3);
	m.address_lo = 0xfee02000; /* id 2 */
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 1);
	m.address_lo = 0xfee03000; /* id 3: there is none */
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EPERM);
	m.address_lo = 0xfee03004; /* logical: ids 0 and 1 */
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 2);
	m.address_lo = 0xfee0300c; /* the same, one of them */
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 1);
	m.address_lo = 0xfeeff000; /* all */
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 3);
	/* a line that rises sends its message, one that falls none */
	assert_int_equal(route(c, all, 1, 0), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE_STATUS, &l), 0);
	assert_int_equal(l.status, 3);
	l = (struct kvm_irq_level){.irq = 3, .level = 0};
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE_STATUS, &l), 0);
	assert_int_equal(l.status, -1);
	/* With 32-bit ids 0xff is one that nobody has. */
	client_enable(c, KVM_CAP_X2APIC_API, 3);
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EPERM);
	m.address_hi = 0xffffff00;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 3);
	m.address_hi = 1;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), -EINVAL);
}

static void irqfds_are_checked(void **state)
{
	struct client *c = *state;
	int fd = eventfd(0, 0), other = memfd_create("other", 0);
	struct kvm_irqfd a = {.fd = (uint32_t)fd, .gsi = 4};

	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EAGAIN);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	a.flags = 4;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EINVAL);
	a.flags = KVM_IRQFD_RESAMPLE;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EINVAL);
	a.flags = 0;
	a.fd = 12345;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EBADF);
	a.fd = (uint32_t)other;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EINVAL);
	a.fd = (uint32_t)fd;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EBUSY);
	a.flags = KVM_IRQFD_DEASSIGN;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), 0);
	a.fd = 12345;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), -EBADF);
	close(fd);
	close(other);
}

static void ioeventfds_are_checked(void **state)
{
	struct client *c = *state;
	int fd = eventfd(0, 0), second = eventfd(0, 0);
	const struct kvm_ioeventfd good = {.addr = 0xe0000000, .len = 4, .fd = fd};
	struct kvm_ioeventfd a = good;

	a.len = 3;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EINVAL);
	a = good;
	a.addr = ~0ull;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EINVAL);
	a = good;
	a.flags = 16;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EINVAL);
	a = good;
	a.len = 0;
	a.flags = KVM_IOEVENTFD_DATAMATCH;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EINVAL);
	a = good;
	a.fd = 12345;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EBADF);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &good), 0);
	a = good;
	a.fd = second;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -EEXIST);
	a.len = 2;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), 0);
	a.flags = KVM_IOEVENTFD_DEASSIGN;
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &a), -ENOENT);
	close(fd);
	close(second);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(guest_memfds_are_whole_pages_of_known_flags),
		CASE(slots_are_checked_in_kvms_order),
		CASE(slots_of_a_guest_memfd_do_not_change),
		CASE(slots_and_attributes_may_come_before_the_td),
		CASE(attributes_are_checked),
		CASE(attributes_of_many_ranges_add_up),
		CASE(routes_are_messages_one_a_gsi),
		CASE(messages_need_apics_and_somebody_who_takes_them),
		CASE(messages_find_their_vcpus),
		CASE(irqfds_are_checked),
		CASE(ioeventfds_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
