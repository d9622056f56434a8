/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_OP on a VM: what a TD may be, what it is, and that it is complete. */
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/internal.h"

#define NO_SUBLEAF (~0u)
#define GPAW_LEAF  0x80000008u
#define GPAW_SHIFT 16
#define GPAW_MASK  (0xffu << GPAW_SHIFT)
#define HLE_RTM	   (1u << 4 | 1u << 11) /* leaf 7, EBX */
#define WAITPKG	   (1u << 5)		/* leaf 7, ECX */

enum { MAX_CONFIG = 64, TSC_STEP_KHZ = 25000 };

#define FMS_MASK 0x0fff3fffu
enum { CACHE_LEAF = 4, CACHES = 4, CACHE_TYPE = 0x1f };

static int get_cmd(struct kvm_tdx_cmd *cmd, unsigned long arg)
{
	if (kvm_from_user(cmd, arg, sizeof(*cmd)))
		return -EFAULT;
	return cmd->hw_error ? -EINVAL : 0;
}

/* What KVM lets a client set of what the module does. */
static uint64_t supported_attributes(const struct kvm_vm *vm)
{
	return TDX_ATTR_SEPT_VE_DISABLE & tdx_vmm_info(vm->host->vmm)->attributes_fixed0;
}

static uint64_t supported_xfam(const struct kvm_vm *vm)
{
	const struct tdx_host_info *info = tdx_vmm_info(vm->host->vmm);

	return (kvm_host_xfam(vm->host) | info->xfam_fixed1) & info->xfam_fixed0;
}

static struct kvm_cpuid_entry config_entry(const struct tdx_vm_cpuid *c)
{
	struct kvm_cpuid_entry e = {.function = c->leaf,
				    .index = c->subleaf == NO_SUBLEAF ? 0 : c->subleaf,
				    .flags = c->subleaf == NO_SUBLEAF ? 0
								      : KVM_CPUID_SIGNIFICANT_INDEX,
				    .eax = c->value.eax,
				    .ebx = c->value.ebx,
				    .ecx = c->value.ecx,
				    .edx = c->value.edx};

	/* Not the module's to configure so: the client chooses the width of GPAs by it. */
	if (c->leaf == GPAW_LEAF)
		e.eax |= GPAW_MASK;
	/* What KVM does not let through. */
	if (c->leaf == 7 && e.index == 0) {
		e.ebx &= ~HLE_RTM;
		e.ecx &= ~WAITPKG;
	}
	return e;
}

static long capabilities(struct kvm_vm *vm, const struct kvm_tdx_cmd *cmd)
{
	struct kvm_tdx_capabilities caps = {.user_r11 = KVM_TDX_SETUP_EVENT_NOTIFY};
	struct kvm_cpuid_entry entry[MAX_CONFIG];
	struct tdx_vm_cpuid config[MAX_CONFIG];
	unsigned n = MAX_CONFIG;
	uint64_t attributes, xfam;
	uint32_t room;

	if (cmd->flags)
		return -EINVAL;
	if (kvm_from_user(&room, cmd->data + offsetof(struct kvm_tdx_capabilities, cpuid.nent),
			  sizeof(room)))
		return -EFAULT;
	if (tdx_vm_capabilities(vm->td, &attributes, &xfam, config, &n))
		return -EIO;
	if (room < n)
		return -E2BIG;
	caps.supported_attrs = supported_attributes(vm);
	caps.supported_xfam = supported_xfam(vm);
	if (!caps.supported_attrs || !caps.supported_xfam)
		return -EIO;
	caps.cpuid.nent = n;
	for (unsigned i = 0; i < n; i++)
		entry[i] = config_entry(&config[i]);
	if (kvm_to_user(cmd->data, &caps, sizeof(caps)) ||
	    kvm_to_user(cmd->data + sizeof(caps), entry, n * sizeof(entry[0])))
		return -EFAULT;
	return 0;
}

/* --- KVM_TDX_INIT_VM --- */

/* KVM finds an entry by its leaf, and by its sub-leaf where the entry says that this matters. */
static const struct kvm_cpuid_entry *find(const struct kvm_tdx_init_vm *p, uint32_t leaf,
					  uint32_t index)
{
	for (unsigned i = 0; i < p->cpuid.nent; i++) {
		const struct kvm_cpuid_entry *e = &p->cpuid.entries[i];

		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_SIGNIFICANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

static int set_gpaw(const struct kvm_tdx_init_vm *p, struct tdx_vm_params *out)
{
	const struct kvm_cpuid_entry *e = find(p, GPAW_LEAF, 0);
	unsigned bits = e ? (e->eax & GPAW_MASK) >> GPAW_SHIFT : 0;

	if (bits != 48 && bits != 52)
		return -EINVAL;
	out->gpaw52 = bits == 52;
	return 0;
}

static bool refused(const struct kvm_cpuid_entry *e)
{
	return e->function == 7 && e->index == 0 && (e->ebx & HLE_RTM || e->ecx & WAITPKG);
}

static struct tdx_cpuid_values *value_of(struct tdx_vm_params *p, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i].value;
	return NULL;
}

/* Clients execute CPUID themselves, and hand on what they read of the processor they run on: that
 * is not the one that is simulated, and its module would refuse it. Family, model and stepping, and
 * caches where the other one describes none in leaf 4, become those of the simulated one. */
static void processor_is_ours(struct kvm_vm *vm, struct tdx_vm_params *p)
{
	struct tdx_cpuid_values *v = value_of(p, 1, NO_SUBLEAF);
	uint32_t r[4];

	__cpuid(1, r[0], r[1], r[2], r[3]);
	if (v && (v->eax & FMS_MASK) == (r[0] & FMS_MASK))
		v->eax = 0; /* the module's word for its own */
	v = value_of(p, CACHE_LEAF, 0);
	if (!v || v->eax & CACHE_TYPE)
		return;
	for (uint32_t i = 0; i < CACHES; i++) {
		v = value_of(p, CACHE_LEAF, i);
		if (!v && p->ncpuid < MAX_CONFIG) {
			p->cpuid[p->ncpuid] =
				(struct tdx_vm_cpuid){.leaf = CACHE_LEAF, .subleaf = i};
			v = &p->cpuid[p->ncpuid++].value;
		}
		tdx_vmm_cpuid(vm->host->vmm, CACHE_LEAF, i, r);
		if (v)
			*v = (struct tdx_cpuid_values){r[0], r[1], r[2], r[3]};
	}
}

static int set_cpuid(struct kvm_vm *vm, const struct kvm_tdx_init_vm *p, struct tdx_vm_params *out)
{
	struct tdx_vm_cpuid config[MAX_CONFIG];
	unsigned n = MAX_CONFIG;
	uint64_t attributes, xfam;

	if (tdx_vm_capabilities(vm->td, &attributes, &xfam, config, &n))
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		const struct kvm_cpuid_entry *e = find(
			p, config[i].leaf, config[i].subleaf == NO_SUBLEAF ? 0 : config[i].subleaf);
		struct tdx_vm_cpuid *c = &out->cpuid[out->ncpuid];

		if (!e)
			continue;
		if (refused(e))
			return -EINVAL;
		*c = config[i];
		c->value = (struct tdx_cpuid_values){e->eax, e->ebx, e->ecx, e->edx};
		if (c->leaf == GPAW_LEAF)
			c->value.eax &= ~GPAW_MASK;
		out->ncpuid++;
	}
	/* Each has gone somewhere. */
	if (out->ncpuid != p->cpuid.nent)
		return -EINVAL;
	processor_is_ours(vm, out);
	return 0;
}

static int set_params(struct kvm_vm *vm, const struct kvm_tdx_init_vm *p, struct tdx_vm_params *out)
{
	const struct tdx_host_info *info = tdx_vmm_info(vm->host->vmm);
	int err;

	if (vm->nvcpus)
		return -EBUSY;
	if (p->attributes & ~supported_attributes(vm))
		return -EINVAL;
	if (p->xfam & ~supported_xfam(vm)) {
		kvm_host_log(
			vm->host,
			"KVM_TDX_INIT_VM: XFAM 0x%llx: of a TD's state this host executes 0x%llx",
			(unsigned long long)p->xfam, (unsigned long long)supported_xfam(vm));
		return -EINVAL;
	}
	*out = (struct tdx_vm_params){
		.attributes = p->attributes | info->attributes_fixed1 |
			      (vm->host->cfg.debugger ? TDX_ATTR_DEBUG : 0),
		.xfam = p->xfam | info->xfam_fixed1,
		.max_vcpus = vm->host->cfg.vcpus,
		.irqchip = true,
		.halt_waits = true,
		.kvm_hypercalls = true,
		.tsc_khz = vm->tsc_khz - vm->tsc_khz % TSC_STEP_KHZ,
		.apic_bus_hz = (unsigned)(1000000000ull / vm->apic_bus_ns),
	};
	memcpy(&out->mrconfigid, p->mrconfigid, sizeof(p->mrconfigid));
	memcpy(&out->mrowner, p->mrowner, sizeof(p->mrowner));
	memcpy(&out->mrownerconfig, p->mrownerconfig, sizeof(p->mrownerconfig));
	err = set_gpaw(p, out);
	return err ? err : set_cpuid(vm, p, out);
}

static bool is_zero(const uint64_t *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word[i])
			return false;
	return true;
}

static int init(struct kvm_vm *vm, const struct kvm_tdx_init_vm *p, struct kvm_tdx_cmd *cmd)
{
	struct tdx_vm_params params;
	struct tdx_vm_error e;
	int err = set_params(vm, p, &params);

	if (err)
		return err;
	err = tdx_vm_init(vm->td, &params);
	if (!err) {
		tdx_vm_offer_map_gpa(vm->td, vm->hypercalls != 0);
		return kvm_memory_begin(vm);
	}
	tdx_vm_error(vm->td, &e);
	if (err == -EINVAL && tdx_is_error(e.status)) {
		cmd->hw_error = e.status.raw;
		kvm_host_log(vm->host, "KVM_TDX_INIT_VM: %s", e.text);
	}
	return err;
}

static long init_vm(struct kvm_vm *vm, struct kvm_tdx_cmd *cmd)
{
	const size_t head = sizeof(struct kvm_tdx_init_vm);
	struct kvm_tdx_init_vm *p;
	uint32_t n;
	long err = 0;

	if (tdx_vm_state(vm->td) != TDX_VM_UNINITIALIZED || cmd->flags)
		return -EINVAL;
	if (kvm_from_user(&n, cmd->data + offsetof(struct kvm_tdx_init_vm, cpuid.nent), sizeof(n)))
		return -EFAULT;
	if (n > KVM_LIMIT_CPUID)
		return -E2BIG;
	p = malloc(head + n * sizeof(p->cpuid.entries[0]));
	if (!p)
		return -ENOMEM;
	if (kvm_from_user(p, cmd->data, head + n * sizeof(p->cpuid.entries[0])))
		err = -EFAULT;
	else if (!is_zero(p->reserved, 12) || p->cpuid.padding || p->cpuid.nent != n)
		err = -EINVAL;
	if (!err)
		err = init(vm, p, cmd);
	free(p);
	return err;
}

static long finalize(struct kvm_vm *vm, struct kvm_tdx_cmd *cmd)
{
	const struct kvm_debugger *d = vm->host->cfg.debugger;
	struct tdx_vm_error e;
	long err;

	if (tdx_vm_state(vm->td) != TDX_VM_INITIALIZED)
		return -EINVAL;
	/* Before a vCPU can run; after a reset the TD before is on its way out. */
	if (d) {
		kvm_vms_settle(vm->host);
		vm->debugged = d->begin(d->arg, vm->td, vm->td_vcpu, vm->nvcpus);
	}
	err = tdx_vm_finalize(vm->td);
	if (err && vm->debugged) {
		d->end(vm->debugged);
		vm->debugged = NULL;
	}
	if (err) {
		tdx_vm_error(vm->td, &e);
		cmd->hw_error = e.status.raw;
		kvm_host_log(vm->host, "KVM_TDX_FINALIZE_VM: %s", e.text);
	}
	return err;
}

long kvm_vm_encrypt_op(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_tdx_cmd cmd;
	long r;

	if (!vm->td)
		return -ENOTTY;
	r = get_cmd(&cmd, arg);
	if (r)
		return r;
	if (cmd.id == KVM_TDX_CAPABILITIES)
		return capabilities(vm, &cmd);
	pthread_mutex_lock(&vm->lock);
	switch (cmd.id) {
	case KVM_TDX_INIT_VM:
		r = init_vm(vm, &cmd);
		break;
	case KVM_TDX_FINALIZE_VM:
		r = finalize(vm, &cmd);
		break;
	default:
		pthread_mutex_unlock(&vm->lock);
		return -EINVAL;
	}
	pthread_mutex_unlock(&vm->lock);
	return kvm_to_user(arg, &cmd, sizeof(cmd)) ? -EFAULT : r;
}

/* --- KVM_MEMORY_ENCRYPT_OP on a vCPU --- */

static long init_vcpu(struct kvm_vcpu *v, const struct kvm_tdx_cmd *cmd)
{
	int err;

	if (cmd->flags || v->initialized)
		return -EINVAL;
	err = tdx_vcpu_init(v->td, cmd->data);
	if (!err)
		err = tdx_vcpu_watch(v->td, &v->run->immediate_exit);
	if (err)
		return err;
	v->initialized = true;
	v->mp_state = KVM_MP_RUNNABLE;
	return 0;
}

static bool region_valid(const struct kvm_vm *vm, const struct kvm_tdx_region *r)
{
	const uint64_t end = r->gpa + (r->nr_pages << 12), bit = tdx_vm_shared_bit(vm->td).v;

	return r->source_addr && !((r->source_addr | r->gpa) & (KVM_PAGE_SIZE - 1)) &&
	       r->nr_pages && end > r->gpa && !(r->gpa & bit) && !((end - 1) & bit);
}

static long add_page(struct kvm_vcpu *v, const struct kvm_tdx_region *r, bool measure)
{
	uint8_t page[KVM_PAGE_SIZE];

	/* The slot first: without a guest_memfd there is nowhere to put it. */
	if (!kvm_memory_is_private(v->vm, r->gpa))
		return -EINVAL;
	if (kvm_from_user(page, r->source_addr, sizeof(page)))
		return -EFAULT;
	return tdx_vm_add_page(v->vm->td, gpa(r->gpa), page, measure);
}

static long init_region(struct kvm_vcpu *v, const struct kvm_tdx_cmd *cmd)
{
	struct kvm_tdx_region r;
	long err = 0;

	if (!v->initialized || cmd->flags & ~(uint32_t)KVM_TDX_MEASURE)
		return -EINVAL;
	if (kvm_from_user(&r, cmd->data, sizeof(r)))
		return -EFAULT;
	if (!region_valid(v->vm, &r))
		return -EINVAL;
	while (r.nr_pages && !err) {
		err = kvm_signal_waits(v) ? -EINTR : add_page(v, &r, cmd->flags & KVM_TDX_MEASURE);
		if (err)
			break;
		r.source_addr += KVM_PAGE_SIZE;
		r.gpa += KVM_PAGE_SIZE;
		r.nr_pages--;
	}
	return kvm_to_user(cmd->data, &r, sizeof(r)) ? -EFAULT : err;
}

static long get_cpuid(struct kvm_vcpu *v, const struct kvm_tdx_cmd *cmd)
{
	struct tdx_vm_cpuid c[KVM_LIMIT_CPUID];
	struct kvm_cpuid_entry e[KVM_LIMIT_CPUID];
	struct kvm_cpuid_list head;
	unsigned n = KVM_LIMIT_CPUID;
	uint32_t room;

	if (kvm_from_user(&head, cmd->data, sizeof(head)))
		return -EFAULT;
	if (tdx_vcpu_get_cpuid(v->td, c, &n))
		return -EIO;
	room = head.nent;
	head.nent = n;
	if (kvm_to_user(cmd->data, &head, sizeof(head)))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	for (unsigned i = 0; i < n; i++) {
		const uint64_t bit = tdx_vm_shared_bit(v->vm->td).v;

		e[i] = (struct kvm_cpuid_entry){
			.function = c[i].leaf,
			.index = c[i].subleaf == NO_SUBLEAF ? 0 : c[i].subleaf,
			.flags = c[i].subleaf == NO_SUBLEAF ? 0 : KVM_CPUID_SIGNIFICANT_INDEX,
			.eax = c[i].value.eax,
			.ebx = c[i].value.ebx,
			.ecx = c[i].value.ecx,
			.edx = c[i].value.edx};
		if (c[i].leaf == GPAW_LEAF)
			e[i].eax = (e[i].eax & ~GPAW_MASK) | (uint32_t)(__builtin_ctzll(bit) + 1)
								     << GPAW_SHIFT;
	}
	return kvm_to_user(cmd->data + sizeof(head), e, n * sizeof(e[0]));
}

long kvm_vcpu_encrypt_op(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_vm *vm = v->vm;
	struct kvm_tdx_cmd cmd;
	long r;

	if (!vm->td)
		return -ENOTTY;
	r = get_cmd(&cmd, arg);
	if (r)
		return r;
	pthread_mutex_lock(&vm->lock);
	if (tdx_vm_state(vm->td) != TDX_VM_INITIALIZED)
		r = -EINVAL;
	else if (cmd.id == KVM_TDX_INIT_VCPU)
		r = init_vcpu(v, &cmd);
	else if (cmd.id == KVM_TDX_INIT_MEM_REGION)
		r = init_region(v, &cmd);
	else if (cmd.id == KVM_TDX_GET_CPUID)
		r = get_cpuid(v, &cmd);
	else
		r = -EINVAL;
	pthread_mutex_unlock(&vm->lock);
	return r;
}
