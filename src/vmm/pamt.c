/* SPDX-License-Identifier: MIT */
/* The monitor's side of dynamic PAMT: every 4K page is got before the module has it, and put once
 * it is the host's again. One that is quarantined is not put: the module may have it still. */
#include "vmm/busy.h"

#include <errno.h>

int vm_pamt_get_dynamic(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_status s;
	unsigned tries = 0;
	int err;

	do {
		err = tdx_host_pamt_get(&vmm->host, c->cpu, hpa(pa), &vmm->mem, &s);
	} while (err == -EIO && vm_again(vm, TDH_PHYMEM_PAMT_ADD, s, &tries));
	if (err != -EIO)
		return err;
	return vm_fail(vm, TDH_PHYMEM_PAMT_ADD, s,
		       vm_busy(TDH_PHYMEM_PAMT_ADD, s) == BUSY_AGAIN ? -EBUSY : -EIO);
}

void vm_pamt_put_dynamic(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_status s;
	unsigned tries = 0;
	int err;

	err = tdx_host_pamt_put(&vmm->host, c->cpu, hpa(pa), &vmm->mem, &s);
	while (err == -EIO && vm_busy(TDH_PHYMEM_PAMT_REMOVE, s) == BUSY_AGAIN &&
	       vmm_try_again(vmm, &tries)) {
		err = tdx_host_pamt_get(&vmm->host, c->cpu, hpa(pa), &vmm->mem, &s);
		if (!err)
			err = tdx_host_pamt_put(&vmm->host, c->cpu, hpa(pa), &vmm->mem, &s);
	}
	/* The page itself is the host's: what is lost is a pair, not the VM's trust. */
	if (err)
		vm_fail(vm, TDH_PHYMEM_PAMT_REMOVE, s, err);
}
