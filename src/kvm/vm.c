/* SPDX-License-Identifier: MIT */
/* A VM: made, torn down when the last descriptor of it and of what belongs to it is closed, and the
 * requests that set what it is before it has vCPUs. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "abi/kvm_call.h"
#include "kvm/internal.h"

enum { TSC_DEFAULT_STEP = 25000, SETTLE_STEPS = 5000 };

static void unlist(struct kvm_vm *vm)
{
	struct kvm_vm **p;

	pthread_mutex_lock(&vm->host->table);
	for (p = &vm->host->vms; *p && *p != vm; p = &(*p)->next)
		;
	if (*p)
		*p = vm->next;
	pthread_mutex_unlock(&vm->host->table);
}

/* False: something of it did not come back, and what it lies in must not be used again. */
static bool destroy(struct kvm_vm *vm)
{
	struct tdx_vmm_memory before, after;
	bool dead = kvm_vm_is_dead(vm);

	if (!vm->td)
		return true;
	tdx_vmm_memory(vm->host->vmm, &before);
	tdx_vm_destroy(vm->td);
	tdx_vmm_memory(vm->host->vmm, &after);
	return !dead && after.quarantined_pages == before.quarantined_pages;
}

void kvm_vm_free(struct kvm_vm *vm)
{
	struct kvm_host *h = vm->host;
	bool clean;

	atomic_store(&vm->ending, true);
	kvm_object_close(h, &vm->object);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		kvm_object_close(h, &vm->vcpu[i]->object);
	for (struct kvm_memory *m = vm->memories; m; m = m->next)
		kvm_object_close(h, &m->object);
	kvm_irq_end(vm);
	kvm_signal_end(vm);
	if (vm->debugged)
		h->cfg.debugger->end(vm->debugged);
	clean = destroy(vm);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		kvm_vcpu_free(vm->vcpu[i]);
	kvm_memory_end(vm, clean);
	unlist(vm);
	if (vm->stats_fd >= 0)
		close(vm->stats_fd);
	pthread_mutex_destroy(&vm->irq_lock);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

static bool settled(struct kvm_host *h)
{
	bool all = true;

	pthread_mutex_lock(&h->table);
	for (const struct kvm_vm *vm = h->vms; vm && all; vm = vm->next)
		all = !atomic_load(&vm->ending) && !kvm_object_is_closed(&vm->object);
	pthread_mutex_unlock(&h->table);
	return all;
}

void kvm_vms_settle(struct kvm_host *h)
{
	const struct timespec step = {0, 2000000};

	for (unsigned i = 0; i < SETTLE_STEPS && !settled(h); i++)
		nanosleep(&step, NULL);
}

/* True for the one that is to tear the VM down. */
static bool take(struct kvm_reaper *r)
{
	bool mine;

	pthread_mutex_lock(&r->lock);
	mine = r->vm != NULL;
	r->vm = NULL;
	pthread_mutex_unlock(&r->lock);
	return mine;
}

bool kvm_vm_take(struct kvm_vm *vm)
{
	return !vm->reaper || take(vm->reaper);
}

/* In KVM's order of references: the VM's own descriptor, and then what keeps it alive besides. */
static const struct kvm_object *nth_object(const struct kvm_vm *vm, unsigned n)
{
	const struct kvm_memory *m = vm->memories;

	if (n == 0)
		return &vm->object;
	if (n <= vm->nvcpus)
		return &vm->vcpu[n - 1]->object;
	for (n -= vm->nvcpus + 1; m && n; n--)
		m = m->next;
	return m ? &m->object : NULL;
}

/* The VM is there when this looks, and may be gone whenever it waits. */
static int nth_descriptor(struct kvm_reaper *r, unsigned n)
{
	const struct kvm_object *o;
	int fd = -1;

	pthread_mutex_lock(&r->lock);
	o = r->vm ? nth_object(r->vm, n) : NULL;
	if (o)
		fd = fcntl(o->own, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&r->lock);
	return fd;
}

static void *reap(void *arg)
{
	struct kvm_reaper *r = arg;
	struct kvm_vm *vm = r->vm;
	int fd;

	for (unsigned n = 0; (fd = nth_descriptor(r, n)) >= 0; n++) {
		while (flock(fd, LOCK_EX) && errno == EINTR)
			;
		close(fd);
	}
	if (take(r))
		kvm_vm_free(vm);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

static bool start_reaper(struct kvm_vm *vm)
{
	struct kvm_reaper *r = vm->object.own >= 0 ? calloc(1, sizeof(*r)) : NULL;
	pthread_t thread;

	if (!r)
		return false;
	r->vm = vm;
	pthread_mutex_init(&r->lock, NULL);
	vm->reaper = r;
	if (kvm_thread(&thread, reap, r)) {
		vm->reaper = NULL;
		free(r);
		return false;
	}
	pthread_detach(thread);
	return true;
}

long kvm_create_vm(struct kvm_host *h, unsigned long type)
{
	struct tdx_vmm *vmm;
	struct kvm_vm *vm;
	int err, fd;

	if (type > 31 || !(kvm_cap_value(h, NULL, KVM_CAP_VM_TYPES) >> type & 1) ||
	    (type != KVM_VM_DEFAULT && type != KVM_VM_TDX))
		return -EINVAL;
	err = kvm_host_power(h, &vmm);
	if (err)
		return err;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->host = h;
	vm->pid = getpid();
	vm->type = (unsigned)type;
	vm->epoll = vm->stop = vm->holes = vm->stats_fd = -1;
	vm->apic_bus_ns = 1;
	vm->tsc_khz = (unsigned)(tdx_vmm_tsc_hz(vmm) / 1000);
	vm->tsc_khz -= vm->tsc_khz % TSC_DEFAULT_STEP;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->irq_lock, NULL);
	err = type == KVM_VM_TDX ? tdx_vm_new(vmm, &vm->td) : 0;
	fd = err ? err : kvm_object_open(h, &vm->object, KVM_VM, "kvm-vm", 0, true);
	if (fd < 0) {
		if (vm->td)
			tdx_vm_destroy(vm->td);
		free(vm);
		return fd;
	}
	pthread_mutex_lock(&h->table);
	vm->next = h->vms;
	h->vms = vm;
	pthread_mutex_unlock(&h->table);
	if (!start_reaper(vm))
		kvm_host_log(h, "this VM stays until the process ends: /proc or a thread is "
				"missing");
	return fd;
}

/* --- what an ordinary VM's guest would use --- */

long kvm_vm_set_tss_addr(struct kvm_vm *vm, unsigned long arg)
{
	(void)vm;
	return arg > KVM_LIMIT_TSS_ADDR ? -EINVAL : 0;
}

long kvm_vm_set_identity_map_addr(struct kvm_vm *vm, unsigned long arg)
{
	uint64_t addr;
	long r;

	pthread_mutex_lock(&vm->lock);
	if (vm->nvcpus)
		r = -EINVAL;
	else
		r = kvm_from_user(&addr, arg, sizeof(addr));
	pthread_mutex_unlock(&vm->lock);
	return r;
}

long kvm_vm_set_boot_cpu_id(struct kvm_vm *vm, unsigned long arg)
{
	long r = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->nvcpus)
		r = -EBUSY;
	else if (arg > KVM_LIMIT_VCPU_ID || (vm->max_vcpu_ids && arg > vm->max_vcpu_ids))
		r = -EINVAL;
	else
		vm->boot_id = (unsigned)arg;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* --- time --- */

static uint64_t ns_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

long kvm_vm_get_clock(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_clock c = {.flags = KVM_CLOCK_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC};

	pthread_mutex_lock(&vm->lock);
	c.clock = ns_of(CLOCK_MONOTONIC) + vm->clock_offset;
	pthread_mutex_unlock(&vm->lock);
	c.realtime = ns_of(CLOCK_REALTIME);
	c.host_tsc = tdx_vmm_tsc(vm->host->vmm);
	return kvm_to_user(arg, &c, sizeof(c));
}

long kvm_vm_set_clock(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_clock c;
	uint64_t passed = 0, now = ns_of(CLOCK_REALTIME);

	if (kvm_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.flags & ~(KVM_CLOCK_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	/* The time since it was taken goes on top; never backwards. */
	if (c.flags & KVM_CLOCK_REALTIME && now > c.realtime)
		passed = now - c.realtime;
	pthread_mutex_lock(&vm->lock);
	vm->clock_offset = c.clock + passed - ns_of(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

long kvm_vm_get_tsc_khz(struct kvm_vm *vm, unsigned long arg)
{
	(void)arg;
	return (long)vm->tsc_khz;
}

long kvm_vm_set_tsc_khz(struct kvm_vm *vm, unsigned long arg)
{
	const uint32_t khz = (uint32_t)arg;
	long r = -EINVAL;

	if (khz >= KVM_LIMIT_TSC_KHZ)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (!vm->nvcpus) {
		if (khz)
			vm->tsc_khz = khz;
		r = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* --- KVM_ENABLE_CAP --- */

static long split_irqchip(struct kvm_vm *vm, uint64_t pins)
{
	if (pins > KVM_LIMIT_ROUTES)
		return -EINVAL;
	if (vm->split || vm->nvcpus)
		return -EEXIST;
	vm->split = true;
	vm->reserved_pins = (unsigned)pins;
	return 0;
}

static long x2apic_api(struct kvm_vm *vm, uint64_t flags)
{
	if (flags & ~3ull)
		return -EINVAL;
	if (flags & 1)
		vm->x2apic_format = true;
	return 0;
}

static long max_vcpu_id(struct kvm_vm *vm, uint64_t n)
{
	if (n > KVM_LIMIT_VCPU_ID || vm->boot_id > n)
		return -EINVAL;
	if (vm->max_vcpu_ids)
		return vm->max_vcpu_ids == n ? 0 : -EINVAL;
	vm->max_vcpu_ids = (unsigned)n;
	return 0;
}

static long bus_cycles(struct kvm_vm *vm, uint64_t ns)
{
	/* The longest count, at the largest divisor, must be a number of nanoseconds. */
	if (!ns || ns > UINT64_MAX / (UINT32_MAX * 128ull))
		return -EINVAL;
	if (!vm->split)
		return -ENXIO;
	if (vm->nvcpus)
		return -EINVAL;
	vm->apic_bus_ns = ns;
	return 0;
}

static long exit_hypercall(struct kvm_vm *vm, uint64_t mask)
{
	if (mask & ~(1ull << KVM_CALL_MAP_GPA_RANGE))
		return -EINVAL;
	vm->hypercalls = mask;
	if (vm->td)
		tdx_vm_offer_map_gpa(vm->td, mask != 0);
	return 0;
}

long kvm_vm_enable_cap(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_enable_cap c;
	long r;

	if (kvm_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.flags)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (kvm_cap_is_off(vm->host, c.cap))
		c.cap = ~0u;
	switch (c.cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		r = split_irqchip(vm, c.args[0]);
		break;
	case KVM_CAP_X2APIC_API:
		r = x2apic_api(vm, c.args[0]);
		break;
	case KVM_CAP_MAX_VCPU_ID:
		r = max_vcpu_id(vm, c.args[0]);
		break;
	case KVM_CAP_X86_APIC_BUS_CYCLES_NS:
		r = bus_cycles(vm, c.args[0]);
		break;
	case KVM_CAP_EXIT_HYPERCALL:
		r = exit_hypercall(vm, c.args[0]);
		break;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = c.args[0] != 0;
		r = 0;
		break;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = c.args[0] != 0;
		r = 0;
		break;
	case KVM_CAP_HALT_POLL: /* a halted vCPU sleeps at once */
		r = c.args[0] > UINT32_MAX ? -EINVAL : 0;
		break;
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE: /* nothing is emulated */
		r = c.args[0] > 1 ? -EINVAL : 0;
		break;
	default:
		kvm_host_note(vm->host, KVM_VM, c.cap, true);
		r = -EINVAL;
		break;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* An I/O APIC in the kernel would need to see EOIs, which a TD's host does not. */
long kvm_vm_create_irqchip(struct kvm_vm *vm, unsigned long arg)
{
	long r;

	(void)arg;
	pthread_mutex_lock(&vm->lock);
	r = vm->split ? -EEXIST : vm->td ? -ENOTTY : -EINVAL;
	pthread_mutex_unlock(&vm->lock);
	if (r == -EINVAL && !vm->td)
		kvm_host_note(vm->host, KVM_VM, KVM_CREATE_IRQCHIP, false);
	return r;
}
