/* SPDX-License-Identifier: MIT */
/* The processors and caches a TD is told of, as QEMU tells them: one package, its dies, a core for
 * each vCPU. x2APIC ids are the indices of the vCPUs, so a die has a power of two of them.
 *
 * SDM, CPUID leaves 1, 4 and 1FH. The module takes leaf 0xb from 0x1f. Leaf 4 must go with them:
 * Linux finds caches shared across what shares nothing, and says so, when it does not. */
#include "vmm/internal.h"

#include <errno.h>

enum {
	LEVEL_SMT = 1,
	LEVEL_CORE = 2,
	LEVEL_DIE = 5,
	CACHE_SUBLEAVES = 4,
	CACHE_LEVEL_SHARED = 3,	  /* this level and those above are a die's, the others a core's */
	CACHE_SHARING_SHIFT = 14, /* EAX 25:14: processors that share it, less one */
	CACHE_SHARING = 0xfffu << 14,
	CORES_SHIFT = 26, /* EAX 31:26: cores of the package, less one */
	CORES_MAX = 63,
	LOGICAL_SHIFT = 16, /* leaf 1, EBX 23:16 */
	LOGICAL_MAX = 255,
};

#define NO_SUBLEAF (~0u)

/* Bits that hold n different ids. */
static unsigned width(unsigned n)
{
	unsigned bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

/* The entry of a leaf, a new one where there is none; NULL when there is no more room. */
static struct tdx_cpuid_values *entry(struct tdx_vm_params *p, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i].value;
	if (p->ncpuid == sizeof(p->cpuid) / sizeof(p->cpuid[0]))
		return NULL;
	p->cpuid[p->ncpuid] = (struct tdx_vm_cpuid){.leaf = leaf, .subleaf = subleaf};
	return &p->cpuid[p->ncpuid++].value;
}

static int level(struct tdx_vm_params *p, unsigned index, unsigned type, unsigned processors)
{
	struct tdx_cpuid_values *v = entry(p, 0x1f, index);

	if (!v)
		return -E2BIG;
	*v = (struct tdx_cpuid_values){
		.eax = width(processors), .ebx = processors, .ecx = type << 8 | index};
	return 0;
}

/* The caches of the processor below, shared by those that share them here. */
static int caches(const struct tdx_vmm *vmm, struct tdx_vm_params *p, unsigned vcpus, unsigned die)
{
	const struct tdx_port *port = vmm->port[0];
	unsigned cores = (1u << width(vcpus)) - 1;

	for (unsigned i = 0; i < CACHE_SUBLEAVES; i++) {
		struct tdx_cpuid_values *v = entry(p, 4, i);
		uint32_t r[4];
		unsigned of_cache, sharing;

		if (!v)
			return -E2BIG;
		port->ops->cpuid(port, 4, i, r);
		of_cache = r[0] >> 5 & 7;
		sharing = of_cache >= CACHE_LEVEL_SHARED ? (1u << width(die)) - 1 : 0;
		*v = (struct tdx_cpuid_values){r[0], r[1], r[2], r[3]};
		if (!(r[0] & 0x1f))
			continue; /* no cache */
		v->eax = (r[0] & 0x3fff) | (sharing << CACHE_SHARING_SHIFT & CACHE_SHARING) |
			 (cores < CORES_MAX ? cores : CORES_MAX) << CORES_SHIFT;
	}
	return 0;
}

int tdx_vm_topology(const struct tdx_vmm *vmm, unsigned vcpus, unsigned dies,
		    struct tdx_vm_params *p)
{
	struct tdx_cpuid_values *v = entry(p, 1, NO_SUBLEAF);
	unsigned die;
	int err;

	if (!vcpus || !dies || vcpus % dies)
		return -EINVAL;
	die = vcpus / dies;
	if (dies > 1 && die != 1u << width(die))
		return -EINVAL;
	if (!v)
		return -E2BIG;
	v->ebx |= (vcpus < LOGICAL_MAX ? vcpus : LOGICAL_MAX) << LOGICAL_SHIFT;
	err = level(p, 0, LEVEL_SMT, 1);
	if (!err)
		err = level(p, 1, LEVEL_CORE, die);
	if (!err && dies > 1)
		err = level(p, 2, LEVEL_DIE, vcpus);
	return err ? err : caches(vmm, p, vcpus, die);
}
