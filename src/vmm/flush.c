/* SPDX-License-Identifier: MIT */
/* TDH.VP.FLUSH: a vCPU off the processor that may hold its VMCS and translations. Made there and
 * nowhere else; before a vCPU runs on another processor, and before its KeyID is given back. */
#include "vmm/internal.h"

int vcpu_flush(struct tdx_vcpu *v)
{
	int cpu = atomic_load(&v->cpu);
	struct vmm_cpu *c;
	struct tdx_status s;

	if (cpu < 0)
		return 0;
	c = vmm_get_this_cpu(v->vm->vmm, (unsigned)cpu);
	s = tdh_vp_flush(c->cpu, &v->vp);
	vmm_put_cpu(c);
	if (tdx_is_error(s) && !tdx_is(s, TDX_VCPU_NOT_ASSOCIATED))
		return vm_bug(v->vm, TDH_VP_FLUSH, s, NULL, "flushing a vCPU");
	atomic_store(&v->cpu, -1);
	return 0;
}
