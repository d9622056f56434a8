/* SPDX-License-Identifier: MIT */
/* CPUID: what the processor and this KVM have for guests, and what a client wants a vCPU to say.
 *
 * What a TD sees of it is decided by the module and, where that leaves a choice, by
 * KVM_TDX_INIT_VM; KVM_SET_CPUID2 is for TDG.VP.VMCALL<CPUID>. */
#include <stdlib.h>
#include <string.h>

#include "arch/cpuid.h"
#include "arch/x86.h"
#include "kvm/internal.h"

enum {
	LEAF_MAX = 0x1f,
	LEAF_XSAVE = 0xd,
	LEGACY_AREA = 576,	    /* of XSAVE: x87, SSE, header */
	XSAVE_FEATURES = 0xf,	    /* XSAVEOPT, XSAVEC, XGETBV with ECX 1, XSAVES */
	XSAVE_ALIGNED = 2,	    /* of a component, in the compacted format: to 64 bytes */
	PHYS_BITS_GUEST = 48 << 16, /* four levels of EPT */
};
#define HYPERVISOR_LEAF 0x40000000u
#define EXTENDED_LEAF	0x80000000u
#define EXTENDED_MAX	0x80000008u

/* Bits that guests do not get: VMX, SMX and what needs state that the engine has not, or has on
 * some hosts. */
struct mask {
	uint32_t leaf, index, not_ebx, not_ecx, not_edx, or_ecx;
};
static const struct mask masks[] = {
	/* MONITOR, VMX, SMX, FMA, PDCM, DCA, OSXSAVE, AVX, F16C; x2APIC, TSC deadline */
	{1, 0, 0, 0x38049068 | 1u << 27, 1u << 21 | 1u << 29, 1u << 21 | 1u << 24},
	/* SGX, HLE, AVX2, RTM, PQM, MPX, PQE, AVX-512, PT; AVX-512, PKU, WAITPKG, CET, VAES, LA57,
	 * KL, ENQCMD, SGX_LC, PKS; AVX-512, UINTR, HYBRID, PCONFIG, LBR, CET, AMX */
	{7, 0, 0xde239834, 0xe081dffa & ~(1u << 4 | 1u << 8), 0x03dc812c, 0},
};

struct list {
	struct kvm_cpuid_entry *e;
	unsigned n;
	const struct kvm_host *host;
	struct tdx_vmm *vmm;
	uint64_t xfam;
};

/* Of what the masks take away, the instructions whose state a guest may have and that are executed.
 */
static void add_vectors(const struct list *l, struct kvm_cpuid_entry *e, const uint32_t r[4])
{
	const struct kvm_host_config *cfg = &l->host->cfg;
	struct tdx_cpuid_values v;

	if (e->function == 7 && e->index == 0 && l->xfam & XFAM_PK)
		e->ecx |= r[2] & CPUID_BIT(ECX, PKU);
	if (!cfg->instructions || !(l->xfam & XFAM_AVX))
		return;
	cfg->instructions(cfg->arg, e->function, e->index, &v);
	e->eax |= r[0] & v.eax;
	e->ebx |= r[1] & v.ebx;
	e->ecx |= r[2] & v.ecx;
	e->edx |= r[3] & v.edx;
}

static struct kvm_cpuid_entry *add(struct list *l, uint32_t leaf, uint32_t index, bool indexed)
{
	struct kvm_cpuid_entry *e = &l->e[l->n];
	uint32_t r[4];

	if (l->n == KVM_LIMIT_CPUID)
		return e - 1;
	l->n++;
	tdx_vmm_cpuid(l->vmm, leaf, index, r);
	*e = (struct kvm_cpuid_entry){.function = leaf,
				      .index = index,
				      .flags = indexed ? KVM_CPUID_SIGNIFICANT_INDEX : 0,
				      .eax = r[0],
				      .ebx = r[1],
				      .ecx = r[2],
				      .edx = r[3]};
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (masks[i].leaf == leaf && masks[i].index == index) {
			e->ebx &= ~masks[i].not_ebx;
			e->ecx = (e->ecx & ~masks[i].not_ecx) | masks[i].or_ecx;
			e->edx &= ~masks[i].not_edx;
		}
	add_vectors(l, e, r);
	return e;
}

static void add_xsave(struct list *l)
{
	struct kvm_cpuid_entry *e = add(l, LEAF_XSAVE, 0, true);
	uint32_t end = LEGACY_AREA, compacted = LEGACY_AREA;

	for (uint32_t i = 2; i < 63; i++)
		if (l->xfam >> i & 1) {
			const struct kvm_cpuid_entry *c = add(l, LEAF_XSAVE, i, true);

			if (c->eax + c->ebx > end)
				end = c->eax + c->ebx;
			if (c->ecx & XSAVE_ALIGNED)
				compacted = (compacted + 63) & ~63u;
			compacted += c->eax;
		}
	e->eax = (uint32_t)l->xfam;
	e->edx = (uint32_t)(l->xfam >> 32);
	e->ebx = e->ecx = end;
	e = add(l, LEAF_XSAVE, 1, true);
	*e = (struct kvm_cpuid_entry){.function = LEAF_XSAVE,
				      .index = 1,
				      .flags = KVM_CPUID_SIGNIFICANT_INDEX,
				      .eax = XSAVE_FEATURES,
				      .ebx = compacted};
}

/* A leaf whose sub-leaves end with one whose type, in these bits, is 0. */
static void add_until(struct list *l, uint32_t leaf, uint32_t eax_bits, uint32_t ecx_bits)
{
	for (uint32_t i = 0; i < 8; i++) {
		const struct kvm_cpuid_entry *e = add(l, leaf, i, true);

		if (!(e->eax & eax_bits) && !(e->ecx & ecx_bits))
			break;
	}
}

static void fill(struct list *l)
{
	for (uint32_t leaf = 0; leaf <= LEAF_MAX; leaf++) {
		struct kvm_cpuid_entry *e;

		switch (leaf) {
		case 0:
			e = add(l, leaf, 0, false);
			e->eax = e->eax < LEAF_MAX ? e->eax : LEAF_MAX;
			break;
		case 4:
			add_until(l, leaf, 0x1f, 0);
			break;
		case 0xb:
		case 0x1f:
			add_until(l, leaf, 0, 0xff00);
			break;
		case 7:
			add(l, leaf, 0, true)->eax = 0;
			break;
		case LEAF_XSAVE:
			add_xsave(l);
			break;
		case 1:
		case 2:
		case 6:
		case 0x15:
		case 0x16:
			add(l, leaf, 0, false);
			break;
		default: /* nothing of it for guests */
			break;
		}
	}
	l->e[l->n++] = (struct kvm_cpuid_entry){.function = HYPERVISOR_LEAF,
						.eax = HYPERVISOR_LEAF + 1,
						.ebx = 0x4b4d564b, /* KVMKVMKVM */
						.ecx = 0x564b4d56,
						.edx = 0x4d};
	/* No paravirtual features: a TD cannot use them. */
	l->e[l->n++] = (struct kvm_cpuid_entry){.function = HYPERVISOR_LEAF + 1};
	for (uint32_t leaf = EXTENDED_LEAF; leaf <= EXTENDED_MAX; leaf++) {
		struct kvm_cpuid_entry *e = add(l, leaf, 0, false);

		if (leaf == EXTENDED_LEAF)
			e->eax = EXTENDED_MAX;
		if (leaf == EXTENDED_MAX)
			e->eax = (e->eax & 0xffff) | PHYS_BITS_GUEST;
	}
}

long kvm_get_supported_cpuid(struct kvm_host *h, unsigned long arg)
{
	struct kvm_cpuid_list head;
	struct list l = {.host = h};
	int err;

	if (kvm_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent < 1)
		return -E2BIG;
	err = kvm_host_power(h, &l.vmm);
	if (err)
		return err;
	l.e = calloc(KVM_LIMIT_CPUID, sizeof(*l.e));
	if (!l.e)
		return -ENOMEM;
	l.xfam = kvm_host_xfam(h);
	fill(&l);
	if (head.nent < l.n)
		err = -E2BIG;
	else if (kvm_to_user(arg + sizeof(head), l.e, l.n * sizeof(*l.e)))
		err = -EFAULT;
	head.nent = l.n;
	if (!err && kvm_to_user(arg, &head, sizeof(head)))
		err = -EFAULT;
	free(l.e);
	return err;
}

/* --- what a client wants a vCPU to say --- */

/* Widths of linear addresses that a processor can have. */
static bool width_is_valid(const struct kvm_cpuid_entry *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const unsigned bits = e[i].eax >> 8 & 0xff;

		if (e[i].function == EXTENDED_MAX)
			return bits == 48 || bits == 57 || bits == 0;
	}
	return true;
}

static int tell_td(struct kvm_vcpu *v, const struct kvm_cpuid_entry *e, unsigned n)
{
	struct tdx_vm_cpuid *c = v->td ? calloc(n + 1, sizeof(*c)) : NULL;
	int err = v->td && !c ? -ENOMEM : 0;

	for (unsigned i = 0; c && i < n; i++)
		c[i] = (struct tdx_vm_cpuid){
			.leaf = e[i].function,
			.subleaf = e[i].flags & KVM_CPUID_SIGNIFICANT_INDEX ? e[i].index : ~0u,
			.value = {e[i].eax, e[i].ebx, e[i].ecx, e[i].edx}};
	if (c)
		err = tdx_vcpu_set_cpuid(v->td, c, n);
	free(c);
	return err;
}

/* e becomes the vCPU's, or is freed. One that has run keeps what it has. */
static int set(struct kvm_vcpu *v, struct kvm_cpuid_entry *e, unsigned n)
{
	int err;

	if (v->has_run)
		err = n == v->ncpuid && (!n || !memcmp(e, v->cpuid, n * sizeof(*e))) ? 0 : -EINVAL;
	else if (!width_is_valid(e, n))
		err = -EINVAL;
	else
		err = tell_td(v, e, n);
	if (err || v->has_run) {
		free(e);
		return err;
	}
	free(v->cpuid);
	v->cpuid = e;
	v->ncpuid = n;
	return 0;
}

/* n entries of `size` bytes behind the head of a list. NULL: *err says why. */
static void *entries(unsigned long arg, size_t size, struct kvm_cpuid_list *head, int *err)
{
	void *e;

	*err = -EFAULT;
	if (kvm_from_user(head, arg, sizeof(*head)))
		return NULL;
	*err = -E2BIG;
	if (head->nent > KVM_LIMIT_CPUID)
		return NULL;
	e = calloc(head->nent + 1, size);
	*err = e ? 0 : -ENOMEM;
	if (e && kvm_from_user(e, arg + sizeof(*head), head->nent * size)) {
		free(e);
		*err = -EFAULT;
		return NULL;
	}
	return e;
}

long kvm_vcpu_set_cpuid2(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_cpuid_list head;
	int err;
	struct kvm_cpuid_entry *e = entries(arg, sizeof(*e), &head, &err);

	return e ? set(v, e, head.nent) : err;
}

/* The first form of it: leaves without sub-leaves. */
long kvm_vcpu_set_cpuid(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_cpuid_list head;
	int err;
	struct kvm_cpuid_old *old = entries(arg, sizeof(*old), &head, &err);
	struct kvm_cpuid_entry *e = old ? calloc(head.nent + 1, sizeof(*e)) : NULL;

	if (old && !e)
		err = -ENOMEM;
	for (unsigned i = 0; e && i < head.nent; i++)
		e[i] = (struct kvm_cpuid_entry){.function = old[i].function,
						.eax = old[i].eax,
						.ebx = old[i].ebx,
						.ecx = old[i].ecx,
						.edx = old[i].edx};
	free(old);
	return e ? set(v, e, head.nent) : err;
}

long kvm_vcpu_get_cpuid2(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_cpuid_list head;

	if (kvm_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent < v->ncpuid)
		return -E2BIG;
	if (v->ncpuid && kvm_to_user(arg + sizeof(head), v->cpuid, v->ncpuid * sizeof(*v->cpuid)))
		return -EFAULT;
	head.nent = v->ncpuid;
	return kvm_to_user(arg, &head, sizeof(head));
}
