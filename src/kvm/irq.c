/* SPDX-License-Identifier: MIT */
/* Interrupts from the client's devices: routes of GSIs to messages, and the messages themselves.
 *
 * The I/O APIC is the client's (split irqchip): each of its pins is a GSI whose route is the
 * message that the pin sends. */
#include <stdlib.h>
#include <string.h>

#include "arch/x86.h"
#include "kvm/internal.h"

#define MSI_ADDRESS_BITS 0xfffffu

static bool valid_address(const struct kvm_vm *vm, uint32_t hi)
{
	return !vm->x2apic_format || !(hi & 0xff);
}

/* How many vCPUs took it; -1: none. */
int kvm_irq_msi(struct kvm_vm *vm, uint32_t lo, uint32_t hi, uint32_t data)
{
	/* KVM looks at nothing of the address but to whom it is. */
	const uint32_t to = MSI_ADDRESS | (lo & MSI_ADDRESS_BITS);
	int n;

	if (!valid_address(vm, hi))
		return -EINVAL;
	if (!vm->td)
		n = 0;
	else if (vm->x2apic_format)
		n = tdx_vm_msi_ext(vm->td, (uint64_t)hi << 32 | to, data);
	else
		n = tdx_vm_msi(vm->td, to, data); /* the upper half is nobody's */
	return n > 0 ? n : -1;
}

int kvm_irq_set(struct kvm_vm *vm, uint32_t gsi, bool level)
{
	struct kvm_route r = {0};

	pthread_mutex_lock(&vm->irq_lock);
	if (vm->routes && gsi < KVM_LIMIT_ROUTES && vm->routes->of_gsi[gsi])
		r = vm->routes->entry[vm->routes->of_gsi[gsi] - 1];
	pthread_mutex_unlock(&vm->irq_lock);
	/* A message has no level: only going up sends one. */
	if (r.type != KVM_ROUTE_MSI || !level)
		return -1;
	return kvm_irq_msi(vm, r.u.msi.address_lo, r.u.msi.address_hi, r.u.msi.data);
}

static long irq_line(struct kvm_vm *vm, unsigned long arg, bool status)
{
	struct kvm_irq_level l;

	if (kvm_from_user(&l, arg, sizeof(l)))
		return -EFAULT;
	if (!vm->split)
		return -ENXIO;
	l.status = kvm_irq_set(vm, l.irq, l.level != 0);
	return status ? kvm_to_user(arg, &l, sizeof(l)) : 0;
}

long kvm_vm_irq_line(struct kvm_vm *vm, unsigned long arg)
{
	return irq_line(vm, arg, false);
}

long kvm_vm_irq_line_status(struct kvm_vm *vm, unsigned long arg)
{
	return irq_line(vm, arg, true);
}

long kvm_vm_signal_msi(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_msi m;

	if (kvm_from_user(&m, arg, sizeof(m)))
		return -EFAULT;
	if (!vm->split || m.flags)
		return -EINVAL;
	return kvm_irq_msi(vm, m.address_lo, m.address_hi, m.data);
}

/* A GSI has one route: messages do not share. */
static int add_route(const struct kvm_vm *vm, struct kvm_routes *t, unsigned i)
{
	const struct kvm_route *r = &t->entry[i];

	if (r->gsi >= KVM_LIMIT_ROUTES || t->of_gsi[r->gsi])
		return -EINVAL;
	/* Pins of chips in the kernel: with a split irqchip there are none. */
	if (r->type != KVM_ROUTE_MSI || r->flags & ~(uint32_t)KVM_ROUTE_VALID_DEVID ||
	    !valid_address(vm, r->u.msi.address_hi))
		return -EINVAL;
	t->of_gsi[r->gsi] = (uint16_t)(i + 1);
	return 0;
}

long kvm_vm_set_gsi_routing(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_routing head;
	struct kvm_routes *t, *old;
	size_t size;
	int err = 0;

	if (kvm_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!vm->split || head.nr > KVM_LIMIT_ROUTES || head.flags)
		return -EINVAL;
	size = head.nr * sizeof(t->entry[0]);
	t = calloc(1, sizeof(*t) + size);
	if (!t)
		return -ENOMEM;
	t->nr = head.nr;
	if (kvm_from_user(t->entry, arg + sizeof(head), size))
		err = -EFAULT;
	for (unsigned i = 0; i < head.nr && !err; i++)
		err = add_route(vm, t, i);
	if (err) {
		free(t);
		return err;
	}
	pthread_mutex_lock(&vm->irq_lock);
	old = vm->routes;
	vm->routes = t;
	pthread_mutex_unlock(&vm->irq_lock);
	free(old);
	return 0;
}
