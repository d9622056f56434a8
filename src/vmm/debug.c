/* SPDX-License-Identifier: MIT */
/* A TD seen by its debugger: fields of a vCPU, words of private memory. Nothing here decides who
 * may look: the module does. A vCPU is read on the processor it is associated with, or becomes so.
 */
#include "vmm/busy.h"

static struct vmm_cpu *cpu_of(struct tdx_vcpu *v)
{
	int cpu = atomic_load(&v->cpu);

	return cpu >= 0 ? vmm_get_this_cpu(v->vm->vmm, (unsigned)cpu)
			: vmm_get_cpu(v->vm->vmm, (int)(v->id % v->vm->vmm->ncpus));
}

static void put(struct tdx_vcpu *v, struct vmm_cpu *c, struct tdx_status s)
{
	if (!tdx_is_error(s) && atomic_load(&v->cpu) < 0)
		atomic_store(&v->cpu, (int)c->index);
	vmm_put_cpu(c);
}

struct tdx_status tdx_vcpu_read_field(struct tdx_vcpu *v, uint64_t field, uint64_t *value)
{
	struct tdx_field_value f = {0};
	struct tdx_status s;
	unsigned tries = 0;

	do {
		struct vmm_cpu *c = cpu_of(v);

		s = tdh_vp_rd(c->cpu, &v->vp, field, &f);
		put(v, c, s);
	} while (vm_again(v->vm, TDH_VP_RD, s, &tries));
	*value = f.value;
	return s;
}

struct tdx_status tdx_vcpu_write_field(struct tdx_vcpu *v, uint64_t field, uint64_t value,
				       uint64_t mask)
{
	struct tdx_status s;
	unsigned tries = 0;

	do {
		struct vmm_cpu *c = cpu_of(v);

		s = tdh_vp_wr(c->cpu, &v->vp, field, value, mask, NULL);
		put(v, c, s);
	} while (vm_again(v->vm, TDH_VP_WR, s, &tries));
	return s;
}

struct tdx_status tdx_vm_read_private(struct tdx_vm *vm, gpa_t g, uint64_t *value)
{
	struct tdx_status s;
	unsigned tries = 0;

	do {
		struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);

		s = tdh_mem_rd(c->cpu, &vm->td, g, value, NULL);
		vmm_put_cpu(c);
	} while (vm_again(vm, TDH_MEM_RD, s, &tries));
	return s;
}

struct tdx_status tdx_vm_write_private(struct tdx_vm *vm, gpa_t g, uint64_t value)
{
	struct tdx_status s;
	unsigned tries = 0;

	do {
		struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);

		s = tdh_mem_wr(c->cpu, &vm->td, g, value, NULL, NULL);
		vmm_put_cpu(c);
	} while (vm_again(vm, TDH_MEM_WR, s, &tries));
	return s;
}
