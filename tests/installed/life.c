/* SPDX-License-Identifier: MIT */
/* A program outside the tree: a TD is built, measured and torn down. C11 and later, and C++17. The
 * names that KVM-shaped programs have are its own. */
#include <stdio.h>
#include <string.h>

typedef unsigned long long gpa_t;
typedef unsigned long long hpa_t;
typedef unsigned hkid_t;

#include <swtdx/sim.h>

/* The library has all of these inside. */
#ifdef OWN_NAMES
#include "own_names.h"
#endif

#define RAM (64ull << 20)

static int fail(const char *what, int err)
{
	fprintf(stderr, "life: %s: %d\n", what, err);
	return 1;
}

int main(void)
{
	static const uint8_t firmware[4096] = {0xf4};
	struct tdx_vm_region region = {tdx_gpa(0), 1, firmware};
	const gpa_t where = 0x1000;
	struct tdx_vm_params params;
	struct tdx_vmm_memory left;
	struct tdx_digest mrtd;
	struct tdx_sim *sim;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu;
	char why[256] = "";
	unsigned sum = 0;
	int err = tdx_sim_new(NULL, &sim, why, sizeof(why));

	if (err)
		return fail(why, err);
	memset(&params, 0, sizeof(params));
	params.attributes = TDX_ATTR_SEPT_VE_DISABLE;
	params.xfam = tdx_vmm_info(tdx_sim_vmm(sim))->xfam_fixed1;
	params.max_vcpus = 1;
	if ((err = tdx_vm_new(tdx_sim_vmm(sim), &vm)) || (err = tdx_vm_init(vm, &params)) ||
	    (err = tdx_vm_set_memslot(vm, 0, tdx_gpa(0), RAM)) ||
	    (err = tdx_vcpu_new(vm, 0, &vcpu)) || (err = tdx_vcpu_init(vcpu, 0)) ||
	    (err = tdx_vm_add_region(vm, &region, true)) ||
	    (err = tdx_vm_add_page(vm, tdx_gpa(where), firmware, true)) ||
	    (err = tdx_vm_finalize(vm)) || (err = tdx_vm_mrtd(vm, &mrtd)))
		return fail("build", err);
	for (unsigned i = 0; i < sizeof(mrtd.b); i++)
		sum += mrtd.b[i];
	tdx_vm_destroy(vm);
	tdx_vmm_memory(tdx_sim_vmm(sim), &left);
	tdx_sim_free(sim);
	if (!sum || left.used_pages || left.quarantined_pages)
		return fail("the end", (int)left.used_pages);
	for (unsigned i = 0; i < sizeof(mrtd.b); i++)
		printf("%02x", mrtd.b[i]);
	printf("\n");
	return 0;
}
