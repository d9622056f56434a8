/* SPDX-License-Identifier: MIT */
/* What a user may ask a TD to be, and what it has become: KVM_TDX_CAPABILITIES and
 * KVM_TDX_GET_CPUID. */
#include "vmm/busy.h"

#include <errno.h>

#include "abi/metadata.h"

int tdx_vm_capabilities(const struct tdx_vm *vm, uint64_t *attributes, uint64_t *xfam,
			struct tdx_vm_cpuid *cpuid, unsigned *nent)
{
	const struct tdx_host_info *info = &vm->vmm->info;
	unsigned room = *nent;

	if (vm_is_dead(vm))
		return -EIO;
	*nent = info->num_cpuid_config;
	if (room < info->num_cpuid_config)
		return -E2BIG;
	*attributes = info->attributes_fixed0;
	*xfam = info->xfam_fixed0;
	for (unsigned i = 0; i < info->num_cpuid_config; i++)
		cpuid[i] = (struct tdx_vm_cpuid){info->cpuid_config[i].leaf,
						 info->cpuid_config[i].subleaf,
						 info->cpuid_config[i].mask};
	return 0;
}

/* Two words of one leaf; false when the TD has no such leaf. */
static bool read_leaf(struct tdx_vm *vm, uint32_t leaf, uint32_t subleaf,
		      struct tdx_cpuid_values *v, struct tdx_status *s)
{
	uint64_t word[2] = {0, 0};
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);

	for (unsigned i = 0; i < 2; i++) {
		uint64_t id = (md_td.row[MD_TD_CPUID_VALUES].id &
			       ~(MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD)) |
			      md_cpuid_code(leaf, subleaf, i);
		struct tdx_field_value f;

		*s = tdh_mng_rd(c->cpu, &vm->td, id, &f);
		if (tdx_is_error(*s))
			break;
		word[i] = f.value;
	}
	vmm_put_cpu(c);
	*v = (struct tdx_cpuid_values){(uint32_t)word[0], (uint32_t)(word[0] >> 32),
				       (uint32_t)word[1], (uint32_t)(word[1] >> 32)};
	return !tdx_is_error(*s);
}

struct list {
	struct tdx_vm_cpuid *cpuid;
	unsigned n, room;
};

/* 0, or -EIO when the module answers something else than "no such field". */
static int add(struct tdx_vm *vm, struct list *l, uint32_t leaf, uint32_t subleaf)
{
	struct tdx_vm_cpuid e = {.leaf = leaf, .subleaf = subleaf};
	struct tdx_status s;

	if (!read_leaf(vm, leaf, subleaf, &e.value, &s)) {
		if (tdx_is(s, TDX_METADATA_FIELD_ID_INCORRECT) ||
		    tdx_is(s, TDX_METADATA_FIELD_NOT_READABLE))
			return 0;
		return vm_fail(vm, TDH_MNG_RD, s,
			       vm_busy(TDH_MNG_RD, s) == BUSY_TELL_USER ? -EBUSY : -EIO);
	}
	if (l->n < l->room)
		l->cpuid[l->n] = e;
	l->n++;
	return 0;
}

static int read_all(struct tdx_vm *vm, struct list *l)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0, 0x24}, {0x80000000, 0x80000008}};
	enum { SUBLEAVES = 20 };
	int err = 0;

	for (unsigned r = 0; r < 2; r++)
		for (uint32_t leaf = ranges[r].first; leaf <= ranges[r].last && !err; leaf++) {
			unsigned before = l->n;

			err = add(vm, l, leaf, MD_CPUID_NO_SUBLEAF);
			for (uint32_t sub = 0; l->n == before + sub && sub < SUBLEAVES && !err;
			     sub++)
				err = add(vm, l, leaf, sub);
		}
	return err;
}

int tdx_vcpu_get_cpuid(struct tdx_vcpu *v, struct tdx_vm_cpuid *cpuid, unsigned *nent)
{
	struct tdx_vm *vm = v->vm;
	struct list l = {cpuid, 0, *nent};
	int err;

	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) == TDX_VM_INITIALIZED)
		err = read_all(vm, &l);
	else
		err = vm_is_dead(vm) ? -EIO : -EINVAL;
	pthread_mutex_unlock(&vm->lock);
	if (err)
		return err;
	*nent = l.n;
	return l.n > l.room ? -E2BIG : 0;
}
