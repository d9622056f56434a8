/* SPDX-License-Identifier: MIT */
/* After TDH.VP.ENTER: what the module says happened, and what the guest asked for.
 *
 * Private faults are resolved here and retried here while the module is busy, so that the vCPU is
 * not entered again and again without progress (the module counts that as an attack). */
#include "vmm/busy.h"
#include "vmm/mmu.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "abi/ghci.h"
#include "abi/metadata.h"
#include "abi/eeq.h"
#include "arch/vmx.h"
#include "vmm/hypercall.h"
#include "vmm/lapic.h"

#define VCPU_DETAILS_INTERRUPT (1ull << 0)

enum { NONE = -1, MAP_CHUNK = 2 << 20, MMIO_PATIENCE = 64, EXPORT_PAUSE_NS = 1000000 };

/* --- faults --- */

static int memory_fault(struct tdx_vcpu *v, struct tdx_run *run, uint64_t gpa_, bool private_)
{
	(void)v;
	run->exit = TDX_EXIT_MEMORY_FAULT;
	run->memory_fault.gpa = gpa(gpa_ & ~(TDX_PAGE_SIZE - 1));
	run->memory_fault.size = TDX_PAGE_SIZE;
	run->memory_fault.private_ = private_;
	return 0;
}

/* May a private 2M page be put here? All of it in one slot, all private, and of the monitor's own.
 */
static bool fits_2m(const struct memslot *s, uint64_t gfn)
{
	uint64_t first = gfn & ~511ull;

	if (s->backing_pa || first < s->gfn || first + 512 > s->gfn + s->npages)
		return false;
	for (uint64_t i = 0; i < 512; i++)
		if (!s->private_[first - s->gfn + i])
			return false;
	return true;
}

static enum mmu_result private_fault(struct tdx_vcpu *v, uint64_t gfn, uint64_t eeq,
				     bool *is_private)
{
	struct tdx_vm *vm = v->vm;
	struct memslot *s = vm_slot_of(vm, gfn);
	bool huge = tdx_eeq_type(eeq) == TDX_EEQ_ACCEPT &&
		    tdx_eeq_entry(eeq).requested_level == TDX_LEVEL_2M;

	*is_private = s && !s->no_private && s->private_[gfn - s->gfn];
	if (!*is_private)
		return MMU_OK;
	if (huge && vm->huge_pages && !atomic_load(&vm->exporting) && fits_2m(s, gfn)) {
		enum mmu_result r = mmu_map_private(vm, &v->cache, gfn & ~511ull, TDX_LEVEL_2M,
						    NULL, atomic_load(&v->cpu));

		if (r != MMU_NO_MEMORY)
			return r;
	}
	return mmu_map_private(vm, &v->cache, gfn, TDX_LEVEL_4K, NULL, atomic_load(&v->cpu));
}

static enum mmu_result shared_fault(struct tdx_vcpu *v, uint64_t gfn, bool *is_shared)
{
	struct tdx_vm *vm = v->vm;
	struct memslot *s = vm_slot_of(vm, gfn);
	uint64_t pa;

	*is_shared = !s || !s->private_[gfn - s->gfn];
	if (!*is_shared)
		return MMU_OK;
	if (!s) /* no memory there: the guest gets #VE and asks for the device */
		return mmu_map_mmio(vm, &v->cache, gfn);
	pa = vm_shared_page(vm, s, gfn);
	if (!pa)
		return MMU_NO_MEMORY;
	return mmu_map_shared(vm, &v->cache, gfn,
			      pa | SPTE_PRESENT | SPTE_LEAF | SPTE_WB | SPTE_RWX);
}

static int prefault_once(struct tdx_vcpu *v, uint64_t gfn, enum mmu_result *r)
{
	const struct memslot *s = vm_slot_of(v->vm, gfn);
	bool right;

	if (!s)
		return -ENOENT;
	if (s->private_[gfn - s->gfn])
		*r = private_fault(v, gfn, 0, &right);
	else
		*r = shared_fault(v, gfn, &right);
	return right ? 0 : -EFAULT;
}

int tdx_vcpu_prefault(struct tdx_vcpu *v, gpa_t gpa_)
{
	struct tdx_vm *vm = v->vm;
	enum mmu_result r = MMU_RETRY;
	int err = 0;

	if (vm_is_dead(vm))
		return -EIO;
	if (!v->initialized || vm_state(vm) != TDX_VM_RUNNABLE)
		return -EOPNOTSUPP;
	if (gpa_.v & vm_shared_mask(vm))
		return -EINVAL;
	while (!err && r == MMU_RETRY) {
		mmu_read_lock(vm, v);
		err = prefault_once(v, gpa_.v >> 12, &r);
		mmu_read_unlock(vm, v);
		if (vm_is_dead(vm))
			return -EIO;
		if (!err && r == MMU_RETRY)
			sched_yield();
	}
	if (err || r == MMU_OK || r == MMU_EXISTS)
		return err;
	return r == MMU_NO_MEMORY ? -ENOMEM : -EIO;
}

/* The guest cannot take the #VE it is given for a GPA without memory: an exception is on its way
 * and would be pushed there, or read its handler from there, or it is in the handler of another
 * #VE. It would come here for ever. KVM ends a VM whose vectoring meets MMIO (DELIVERY_EV); the
 * host of a TD does not see the vectoring, so it goes by the same violation coming again and again.
 */
static int undeliverable(struct tdx_vcpu *v, struct tdx_run *run, uint64_t gpa_)
{
	char why[160];

	snprintf(
		why, sizeof(why),
		"the guest needs GPA 0x%llx, where it has no memory, to take an exception (an IDT, "
		"a stack or a handler there)",
		(unsigned long long)gpa_);
	vm_say(v->vm, why);
	run->exit = TDX_EXIT_INTERNAL_ERROR;
	return 0;
}

/* How often in a row has the guest met this entry, which was there before? */
static bool makes_no_progress(struct tdx_vcpu *v, uint64_t gpa_, bool met_before)
{
	if (!met_before || gpa_ != v->mmio_gpa)
		v->mmio_met = 0;
	v->mmio_gpa = gpa_;
	return met_before && ++v->mmio_met >= MMIO_PATIENCE;
}

/* A table that an L2 VM lacks for a page its L1 VMM gives it. */
static enum mmu_result l2_table_fault(struct tdx_vcpu *v, uint64_t gfn, unsigned l2)
{
	if (l2 > v->vm->num_l2_vms)
		return MMU_EXISTS;
	return mmu_map_l2_tables(v->vm, &v->cache, gfn, l2, atomic_load(&v->cpu));
}

static enum mmu_result any_fault(struct tdx_vcpu *v, uint64_t gfn, uint64_t eeq, bool shared,
				 bool *right)
{
	*right = true;
	if (shared)
		return shared_fault(v, gfn, right);
	if (tdx_eeq_type(eeq) == TDX_EEQ_GPA_DETAILS && tdx_eeq_entry(eeq).vm)
		return l2_table_fault(v, gfn, tdx_eeq_entry(eeq).vm);
	return private_fault(v, gfn, eeq, right);
}

static int fault(struct tdx_vcpu *v, struct tdx_run *run)
{
	struct tdx_vm *vm = v->vm;
	uint64_t gpa_ = v->regs.r8, eeq = v->regs.rdx;
	bool shared = (gpa_ & vm_shared_mask(vm)) != 0, right;
	bool l2 = tdx_exit_l2_vm(v->regs.rcx) != 0, mmio = false;
	uint64_t gfn = (gpa_ & ~vm_shared_mask(vm)) >> 12;
	enum mmu_result r;

	if (!shared && tdx_eeq_type(eeq) == TDX_EEQ_PENDING_EPT_VIOLATION) {
		char why[80];

		snprintf(why, sizeof(why),
			 "the guest touched GPA 0x%llx, which it has not accepted",
			 (unsigned long long)gpa_);
		return vm_kill(vm, why);
	}
	do {
		mmu_read_lock(vm, v);
		r = any_fault(v, gfn, eeq, shared, &right);
		mmio = shared && !vm_slot_of(vm, gfn);
		mmu_read_unlock(vm, v);
		if (r != MMU_RETRY)
			break;
		sched_yield();
	} while (!vcpu_wanted(v) && !vm_is_dead(vm));
	/* What a VM may not have of shared memory, and its devices, are its L1 VMM's. */
	v->for_l1 = l2 && shared && right && r == MMU_EXISTS;
	if (v->for_l1)
		return 1;
	if (!right)
		return memory_fault(v, run, gpa_ & ~vm_shared_mask(vm), !shared);
	if (makes_no_progress(v, gpa_, mmio && r == MMU_EXISTS))
		return undeliverable(v, run, gpa_ & ~vm_shared_mask(vm));
	switch (r) {
	case MMU_OK:
	case MMU_EXISTS:
	case MMU_RETRY:
		return 1;
	case MMU_NO_MEMORY:
		return -ENOMEM;
	case MMU_DEAD:
		break;
	}
	return -EIO;
}

/* --- TDG.VP.VMCALL --- */

static int ask(struct tdx_vcpu *v, struct tdx_run *run, enum tdx_exit what)
{
	v->pending.kind = (int)what;
	run->exit = what;
	return 0;
}

static bool size_valid(uint64_t size, uint64_t max)
{
	return size && size <= max && !(size & (size - 1));
}

static int call_io(struct tdx_vcpu *v, struct tdx_run *run)
{
	const struct tdx_regs *r = &v->regs;

	if (!size_valid(r->r12, 4) || r->r13 > 1 || r->r14 > 0xffff)
		return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, 0);
	run->io.size = (uint8_t)r->r12;
	run->io.write = r->r13 == TDVMCALL_WRITE;
	run->io.port = (uint16_t)r->r14;
	run->io.data =
		run->io.write ? (uint32_t)r->r15 & (uint32_t)(~0ull >> (64 - 8 * r->r12)) : 0;
	return ask(v, run, TDX_EXIT_IO);
}

static int call_mmio(struct tdx_vcpu *v, struct tdx_run *run)
{
	const struct tdx_regs *r = &v->regs;
	uint64_t mask = vm_shared_mask(v->vm);

	if (!size_valid(r->r12, 8) || r->r13 > 1 || !(r->r14 & mask) || r->r14 >= mask << 1)
		return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, 0);
	run->mmio.size = (uint8_t)r->r12;
	run->mmio.write = r->r13 == TDVMCALL_WRITE;
	run->mmio.gpa = gpa(r->r14 & ~mask);
	run->mmio.data = run->mmio.write ? r->r15 : 0;
	return ask(v, run, TDX_EXIT_MMIO);
}

static int next_chunk(struct tdx_vcpu *v, struct tdx_run *run, bool first)
{
	uint64_t left = v->pending.end - v->pending.gpa;
	/* Chunks end at 2 MiB boundaries. */
	uint64_t chunk = MAP_CHUNK - (v->pending.gpa & (MAP_CHUNK - 1));

	v->pending.chunk = left < chunk ? left : chunk;
	run->map_gpa = (struct tdx_run_map_gpa){
		.gpa = gpa(v->pending.gpa),
		.size = v->pending.chunk,
		.private_ = v->pending.to_private,
		.first = first,
		.whole = left,
		.convert = v->pending.chunk,
	};
	return ask(v, run, TDX_EXIT_MAP_GPA);
}

static int call_map_gpa(struct tdx_vcpu *v, struct tdx_run *run)
{
	uint64_t mask = vm_shared_mask(v->vm), g = v->regs.r12, size = v->regs.r13;

	if (atomic_load(&v->vm->no_map_gpa))
		return vcpu_answer(v, TDVMCALL_SUBFUNC_UNSUPPORTED, g);
	if (g + size <= g || (g & mask) != ((g + size - 1) & mask) || g + size - 1 >= mask << 1)
		return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, g);
	if ((g | size) & (TDX_PAGE_SIZE - 1))
		return vcpu_answer(v, TDVMCALL_ALIGN_ERROR, g);
	v->pending.to_private = !(g & mask);
	v->pending.gpa = g & ~mask;
	v->pending.end = v->pending.gpa + size;
	return next_chunk(v, run, true);
}

/* What a host says that has not done all, or does not say so. */
static int retry(struct tdx_vcpu *v, const struct tdx_run *run, uint64_t mask)
{
	uint64_t truth = v->pending.gpa | mask;

	return vcpu_answer(v, TDVMCALL_RETRY, run->map_gpa.claim ? run->map_gpa.r11 : truth);
}

/* A page that was exported is the exporter's until it is over, or until this vCPU is wanted: that
 * may be long, and a guest gives up after a few answers without progress. */
static int convert(struct tdx_vcpu *v, uint64_t size)
{
	const struct timespec pause = {0, EXPORT_PAUSE_NS};
	int err;

	for (;;) {
		err = tdx_vm_set_private(v->vm, gpa(v->pending.gpa), size, v->pending.to_private);
		if (err != -EAGAIN || vcpu_wanted(v))
			return err;
		nanosleep(&pause, NULL);
	}
}

/* The user has had its say about a chunk: convert it, then the next or the answer. */
static int map_gpa_done(struct tdx_vcpu *v, struct tdx_run *run)
{
	uint64_t mask = v->pending.to_private ? 0 : vm_shared_mask(v->vm);
	uint64_t size = run->map_gpa.convert & ~(TDX_PAGE_SIZE - 1);
	int err = run->map_gpa.ret;

	if (size > v->pending.chunk)
		size = v->pending.chunk;
	if (!err && size && !run->map_gpa.done)
		err = convert(v, size);
	v->pending.kind = NONE;
	if (err == -EAGAIN)
		return retry(v, run, mask);
	if (err == -EINVAL)
		return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, v->pending.gpa | mask);
	if (err)
		return err;
	v->pending.gpa += size;
	if (size < v->pending.chunk || run->map_gpa.stop)
		return retry(v, run, mask);
	if (v->pending.gpa >= v->pending.end)
		return vcpu_answer(v, TDVMCALL_SUCCESS, 0);
	/* Work that waits for this vCPU comes first; the guest asks again for the rest. */
	if (vcpu_wanted(v))
		return vcpu_answer(v, TDVMCALL_RETRY, v->pending.gpa | mask);
	return next_chunk(v, run, false);
}

static int call_get_quote(struct tdx_vcpu *v, struct tdx_run *run)
{
	uint64_t mask = vm_shared_mask(v->vm), g = v->regs.r12, size = v->regs.r13;

	if (!(g & mask) || g >= mask << 1 || ((g | size) & (TDX_PAGE_SIZE - 1)) || !size)
		return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, 0);
	run->get_quote.gpa = gpa(g & ~mask);
	run->get_quote.size = size;
	run->get_quote.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
	return ask(v, run, TDX_EXIT_GET_QUOTE);
}

static int call_users(struct tdx_vcpu *v, struct tdx_run *run)
{
	const struct tdx_regs *r = &v->regs;

	run->tdvmcall.leaf = r->r11;
	run->tdvmcall.ret = TDVMCALL_SUBFUNC_UNSUPPORTED;
	memset(run->tdvmcall.out, 0, sizeof(run->tdvmcall.out));
	run->tdvmcall.in[0] = r->r12;
	run->tdvmcall.in[1] = r->r13;
	run->tdvmcall.in[2] = r->r14;
	run->tdvmcall.in[3] = r->r15;
	return ask(v, run, TDX_EXIT_TDVMCALL);
}

static int fatal_error(struct tdx_vcpu *v, struct tdx_run *run)
{
	run->exit = TDX_EXIT_SYSTEM_EVENT;
	memcpy(run->system_event.data, &v->regs, sizeof(run->system_event.data));
	run->system_event.data[0] = v->regs.rax;
	return 0;
}

/* Does the guest have an interrupt that it can take once it runs? Asked on its processor. */
static bool interrupt_pending(struct tdx_vcpu *v)
{
	struct vmm_cpu *c = vmm_get_this_cpu(v->vm->vmm, (unsigned)atomic_load(&v->cpu));
	struct tdx_field_value f;
	struct tdx_status s = tdh_vp_rd(c->cpu, &v->vp, md_vp.row[MD_VP_VCPU_STATE_DETAILS].id, &f);

	vmm_put_cpu(c);
	return !tdx_is_success(s) || f.value & VCPU_DETAILS_INTERRUPT;
}

/* With interrupts blocked nothing but an NMI gets such a vCPU going: the user may have an idea. */
static int vcpu_halt(struct tdx_vcpu *v, struct tdx_run *run)
{
	run->hlt.irq_blocked = v->regs.r12 != 0;
	if (!v->lapic || (run->hlt.irq_blocked && !v->vm->halt_waits && !lapic_pending(v->lapic) &&
			  !atomic_load(&v->unhalted)))
		return ask(v, run, TDX_EXIT_HLT);
	if (run->hlt.irq_blocked || !interrupt_pending(v)) {
		vmm_end_turn(&v->vm->vmm->cpu[atomic_load(&v->cpu)], v, true);
		lapic_wait(v->lapic);
	}
	atomic_store(&v->unhalted, false);
	return vcpu_answer(v, TDVMCALL_SUCCESS, 0);
}

/* As the user has it; without a word from it no leaf is the host's to answer: all zero. */
static int call_cpuid(struct tdx_vcpu *v)
{
	const uint32_t leaf = (uint32_t)v->regs.r12, subleaf = (uint32_t)v->regs.r13;

	vcpu_answer(v, TDVMCALL_SUCCESS, 0);
	for (unsigned i = 0; i < v->ncpuid; i++) {
		const struct tdx_vm_cpuid *c = &v->cpuid[i];

		if (c->leaf != leaf || (c->subleaf != ~0u && c->subleaf != subleaf))
			continue;
		v->regs.r12 = c->value.eax;
		v->regs.r13 = c->value.ebx;
		v->regs.r14 = c->value.ecx;
		v->regs.r15 = c->value.edx;
		break;
	}
	return 1;
}

static int tdvmcall(struct tdx_vcpu *v, struct tdx_run *run)
{
	const struct tdx_regs *r = &v->regs;

	if (r->r10 != 0) /* a vendor's call */
		return v->vm->kvm_calls ? vcpu_hypercall(v, run)
					: vcpu_answer(v, TDVMCALL_SUBFUNC_UNSUPPORTED, 0);
	switch (r->r11) {
	case TDVMCALL_CPUID:
		return call_cpuid(v);
	case TDVMCALL_HLT:
		return vcpu_halt(v, run);
	case TDVMCALL_IO:
		return call_io(v, run);
	case TDVMCALL_MMIO:
		return call_mmio(v, run);
	case TDVMCALL_GET_TD_VM_CALL_INFO:
		if (r->r12 > 1)
			return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, 0);
		return r->r12 == 0 ? vcpu_answer(v, TDVMCALL_SUCCESS, 0) : call_users(v, run);
	case TDVMCALL_MAP_GPA:
		return call_map_gpa(v, run);
	case TDVMCALL_GET_QUOTE:
		return call_get_quote(v, run);
	case TDVMCALL_REPORT_FATAL_ERROR:
		return fatal_error(v, run);
	case TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT:
		if (r->r12 < 32 || r->r12 > 255)
			return vcpu_answer(v, TDVMCALL_INVALID_OPERAND, 0);
		return call_users(v, run);
	case TDVMCALL_RDMSR:
	case TDVMCALL_WRMSR:
		return vcpu_msr(v, r->r11 == TDVMCALL_WRMSR, (uint32_t)r->r12, r->r13);
	default:
		break;
	}
	return vcpu_answer(v, TDVMCALL_SUBFUNC_UNSUPPORTED, 0);
}

int vcpu_complete(struct tdx_vcpu *v, struct tdx_run *run)
{
	int kind = v->pending.kind;

	if (kind == (int)TDX_EXIT_MAP_GPA)
		return map_gpa_done(v, run);
	v->pending.kind = NONE;
	switch (kind) {
	case TDX_EXIT_IO:
		return vcpu_answer(v, TDVMCALL_SUCCESS, run->io.write ? 0 : run->io.data);
	case TDX_EXIT_MMIO:
		return vcpu_answer(v, TDVMCALL_SUCCESS, run->mmio.write ? 0 : run->mmio.data);
	case TDX_EXIT_HLT:
		return vcpu_answer(v, TDVMCALL_SUCCESS, 0);
	case TDX_EXIT_HYPERCALL:
		return vcpu_hypercall_done(v, run);
	case TDX_EXIT_GET_QUOTE:
		return vcpu_answer(v, run->get_quote.ret, 0);
	case TDX_EXIT_TDVMCALL:
		vcpu_answer(v, run->tdvmcall.ret, run->tdvmcall.out[0]);
		v->regs.r12 = run->tdvmcall.out[1];
		v->regs.r13 = run->tdvmcall.out[2];
		v->regs.r14 = run->tdvmcall.out[3];
		return 1;
	default:
		return 1;
	}
}

/* --- exits --- */

static int internal_error(struct tdx_run *run)
{
	run->exit = TDX_EXIT_INTERNAL_ERROR;
	return 0;
}

static int failed_entry(struct tdx_vcpu *v, struct tdx_status s, struct tdx_run *run)
{
	if (vm_busy(TDH_VP_ENTER, s) == BUSY_ENTER) {
		sched_yield();
		return 1;
	}
	/* While the machine goes down, virtualization may be off before the vCPUs are. */
	if (!tdx_is_sw_error(s) || !atomic_load(&v->vm->vmm->rebooting))
		vm_bug(v->vm, TDH_VP_ENTER, s, &v->regs, "entering a vCPU");
	return internal_error(run);
}

/* Only the exception bitmap and the execution controls of a debug TD lead here. */
static int debug(struct tdx_vcpu *v, struct tdx_run *run, bool step)
{
	run->exit = TDX_EXIT_DEBUG;
	run->debug.step = step;
	run->debug.vector = step ? 0 : (uint8_t)VMX_EVENT_VECTOR(v->regs.r9);
	run->debug.qualification = v->regs.rcx;
	memset(&v->regs, 0, sizeof(v->regs));
	return 0;
}

int vcpu_handle_exit(struct tdx_vcpu *v, struct tdx_status s, struct tdx_run *run)
{
	uint32_t reason = tdx_details(s) & 0xffff;

	run->status = s;
	if (tdx_is_error(s))
		return failed_entry(v, s, run);
	if (tdx_is_non_recoverable(s)) {
		if (reason == VMX_EXIT_TRIPLE_FAULT) {
			run->exit = TDX_EXIT_SHUTDOWN;
			return 0;
		}
		vm_fail(v->vm, TDH_VP_ENTER, s, 0);
		return internal_error(run);
	}
	if (tdx_details(s) >> 31) {
		run->exit = TDX_EXIT_FAIL_ENTRY;
		return 0;
	}
	switch (reason) {
	case VMX_EXIT_EXCEPTION_OR_NMI:
		if (VMX_EVENT_TYPE(v->regs.r9) != VMX_EVENT_NMI)
			return debug(v, run, false);
		memset(&v->regs, 0, sizeof(v->regs));
		return 1;
	case VMX_EXIT_MTF:
		return debug(v, run, true);
	case VMX_EXIT_EXTERNAL_INTERRUPT:
	case VMX_EXIT_OTHER_SMI:
		memset(&v->regs, 0, sizeof(v->regs));
		return 1;
	case VMX_EXIT_TRIPLE_FAULT:
		run->exit = TDX_EXIT_SHUTDOWN;
		return 0;
	case VMX_EXIT_EPT_VIOLATION:
		return fault(v, run);
	case VMX_EXIT_TDCALL:
		v->mmio_met = 0;
		return tdvmcall(v, run);
	default:
		vm_fail(v->vm, TDH_VP_ENTER, s, 0);
		return internal_error(run);
	}
}
