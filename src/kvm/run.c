/* SPDX-License-Identifier: MIT */
/* KVM_RUN: the monitor's exits as KVM's, and what the client has answered in the shared page.
 *
 * The page is the client's to write at any time: each word of an answer is read once. */
#include <string.h>
#include <time.h>

#include "abi/ghci.h"
#include "abi/kvm_call.h"
#include "kvm/internal.h"

static uint8_t *pio(struct kvm_vcpu *v)
{
	return (uint8_t *)v->run + KVM_PIO_OFFSET;
}

/* --- answers --- */

static void complete(struct kvm_vcpu *v)
{
	const struct kvm_run *page = v->run;
	struct tdx_run *x = &v->exit;
	const enum kvm_exit what = v->pending;

	v->pending = 0;
	if (what == KVM_EXIT_IO && !x->io.write) {
		x->io.data = 0;
		memcpy(&x->io.data, pio(v), x->io.size);
	} else if (what == KVM_EXIT_MMIO && !x->mmio.write) {
		x->mmio.data = 0;
		memcpy(&x->mmio.data, page->mmio.data, x->mmio.size);
	} else if (what == KVM_EXIT_HYPERCALL && x->exit == TDX_EXIT_HYPERCALL) {
		x->hypercall.done = true;
		x->hypercall.ret = page->hypercall.ret;
	} else if (what == KVM_EXIT_HYPERCALL) {
		const uint64_t ret = page->hypercall.ret;

		/* The client has set the attributes, or has not: that is between the two. */
		x->map_gpa.done = true;
		x->map_gpa.ret = !ret		 ? 0
				 : ret == EAGAIN ? -EAGAIN
				 : ret == EINVAL ? -EINVAL
						 : -EPERM;
	} else if (what == KVM_EXIT_TDX && x->exit == TDX_EXIT_GET_QUOTE) {
		x->get_quote.ret = page->tdx.ret;
	} else if (what == KVM_EXIT_TDX) {
		x->tdvmcall.ret = page->tdx.ret;
		x->tdvmcall.out[0] = page->tdx.get_tdvmcall_info.r11;
		x->tdvmcall.out[1] = page->tdx.get_tdvmcall_info.r12;
		x->tdvmcall.out[2] = page->tdx.get_tdvmcall_info.r13;
		x->tdvmcall.out[3] = page->tdx.get_tdvmcall_info.r14;
		if (x->tdvmcall.leaf != TDVMCALL_GET_TD_VM_CALL_INFO)
			memset(x->tdvmcall.out, 0, sizeof(x->tdvmcall.out));
	}
}

/* --- exits: 1 the guest goes on, else what KVM_RUN returns --- */

static long leave(struct kvm_vcpu *v, enum kvm_exit reason, bool answered)
{
	v->run->exit_reason = reason;
	v->pending = answered ? reason : 0;
	return 0;
}

static long io(struct kvm_vcpu *v)
{
	const struct tdx_run *x = &v->exit;

	if (x->io.write && kvm_ioeventfd_write(v->vm, true, x->io.port, x->io.size, x->io.data))
		return 1;
	v->run->io.direction = x->io.write ? KVM_IO_OUT : KVM_IO_IN;
	v->run->io.size = x->io.size;
	v->run->io.port = x->io.port;
	v->run->io.count = 1;
	v->run->io.data_offset = KVM_PIO_OFFSET;
	memcpy(pio(v), &x->io.data, x->io.size);
	return leave(v, KVM_EXIT_IO, true);
}

static long mmio(struct kvm_vcpu *v)
{
	const struct tdx_run *x = &v->exit;

	if (x->mmio.write &&
	    kvm_ioeventfd_write(v->vm, false, x->mmio.gpa.v, x->mmio.size, x->mmio.data))
		return 1;
	v->run->mmio.phys_addr = x->mmio.gpa.v;
	v->run->mmio.len = x->mmio.size;
	v->run->mmio.is_write = x->mmio.write;
	memset(v->run->mmio.data, 0, sizeof(v->run->mmio.data));
	memcpy(v->run->mmio.data, &x->mmio.data, x->mmio.size);
	return leave(v, KVM_EXIT_MMIO, true);
}

/* MapGPA is told in the words of the hypercall, a piece at a time. */
static long map_gpa_range(struct kvm_vcpu *v, uint64_t gpa_, uint64_t npages, uint64_t attributes)
{
	struct kvm_run *page = v->run;

	memset(&page->hypercall, 0, sizeof(page->hypercall));
	page->hypercall.nr = KVM_CALL_MAP_GPA_RANGE;
	page->hypercall.args[0] = gpa_;
	page->hypercall.args[1] = npages;
	page->hypercall.args[2] = attributes;
	page->hypercall.flags = KVM_HYPERCALL_LONG;
	return leave(v, KVM_EXIT_HYPERCALL, true);
}

static long get_quote(struct kvm_vcpu *v)
{
	struct kvm_run *page = v->run;

	memset(&page->tdx, 0, sizeof(page->tdx));
	page->tdx.nr = TDVMCALL_GET_QUOTE;
	page->tdx.get_quote.ret = v->exit.get_quote.ret;
	page->tdx.get_quote.gpa = v->exit.get_quote.gpa.v;
	page->tdx.get_quote.size = v->exit.get_quote.size;
	return leave(v, KVM_EXIT_TDX, true);
}

static long tdvmcall(struct kvm_vcpu *v)
{
	const struct tdx_run *x = &v->exit;
	struct kvm_run *page = v->run;

	memset(&page->tdx, 0, sizeof(page->tdx));
	page->tdx.nr = x->tdvmcall.leaf;
	if (x->tdvmcall.leaf == TDVMCALL_GET_TD_VM_CALL_INFO) {
		page->tdx.get_tdvmcall_info.leaf = x->tdvmcall.in[0]; /* and ret 0: it is there */
	} else {
		page->tdx.setup_event_notify.ret = x->tdvmcall.ret;
		page->tdx.setup_event_notify.vector = x->tdvmcall.in[0];
	}
	return leave(v, KVM_EXIT_TDX, true);
}

static long memory_fault(struct kvm_vcpu *v)
{
	const struct tdx_run *x = &v->exit;

	v->run->memory_fault.flags = x->memory_fault.private_ ? KVM_FAULT_PRIVATE : 0;
	v->run->memory_fault.gpa = x->memory_fault.gpa.v;
	v->run->memory_fault.size = x->memory_fault.size;
	leave(v, KVM_EXIT_MEMORY_FAULT, false);
	return -EFAULT;
}

static long internal_error(struct kvm_vcpu *v)
{
	struct tdx_vm_error e;

	tdx_vm_error(v->vm->td, &e);
	kvm_host_log(v->vm->host, "vCPU %u: %s", v->id, e.text);
	memset(&v->run->internal, 0, sizeof(v->run->internal));
	v->run->internal.suberror = KVM_INTERNAL_UNEXPECTED_EXIT;
	v->run->internal.ndata = 2;
	v->run->internal.data[0] = v->exit.status.raw;
	return leave(v, KVM_EXIT_INTERNAL_ERROR, false);
}

static long fail_entry(struct kvm_vcpu *v)
{
	v->run->fail_entry.hardware_reason = tdx_details(v->exit.status);
	v->run->fail_entry.cpu = 0;
	return leave(v, KVM_EXIT_FAIL_ENTRY, false);
}

static long handle(struct kvm_vcpu *v)
{
	const struct tdx_run *x = &v->exit;

	switch (x->exit) {
	case TDX_EXIT_INTR:
		leave(v, KVM_EXIT_INTR, false);
		return -EINTR;
	case TDX_EXIT_IO:
		return io(v);
	case TDX_EXIT_MMIO:
		return mmio(v);
	case TDX_EXIT_MAP_GPA:
		return map_gpa_range(v, x->map_gpa.gpa.v, x->map_gpa.size / KVM_PAGE_SIZE,
				     x->map_gpa.private_ ? KVM_CALL_MAP_ENCRYPTED : 0);
	case TDX_EXIT_HYPERCALL:
		return map_gpa_range(v, x->hypercall.arg[0], x->hypercall.arg[1],
				     x->hypercall.arg[2]);
	case TDX_EXIT_GET_QUOTE:
		return get_quote(v);
	case TDX_EXIT_TDVMCALL:
		return tdvmcall(v);
	case TDX_EXIT_MEMORY_FAULT:
		return memory_fault(v);
	case TDX_EXIT_SYSTEM_EVENT:
		v->run->system_event.type = KVM_EVENT_TDX_FATAL;
		v->run->system_event.ndata = 16;
		memcpy(v->run->system_event.data, x->system_event.data,
		       sizeof(v->run->system_event.data));
		return leave(v, KVM_EXIT_SYSTEM_EVENT, false);
	case TDX_EXIT_SHUTDOWN:
		return leave(v, KVM_EXIT_SHUTDOWN, false);
	case TDX_EXIT_FAIL_ENTRY:
		return fail_entry(v);
	case TDX_EXIT_HLT:   /* waits inside */
	case TDX_EXIT_DEBUG: /* nobody has asked for one */
	case TDX_EXIT_INTERNAL_ERROR:
		break;
	}
	return internal_error(v);
}

/* A vCPU that waits for an INIT: none comes to a TD's, so it is a signal that ends this, with or
 * without a handler that sets immediate_exit. */
static long wait_for_init(struct kvm_vcpu *v)
{
	const struct timespec step = {0, 10000000};

	if (v->run->immediate_exit)
		return -EINTR;
	while (!kvm_signal_waits(v) && !v->run->immediate_exit &&
	       !atomic_load(&v->vm->host->ending))
		if (nanosleep(&step, NULL))
			break;
	leave(v, KVM_EXIT_INTR, false);
	return -EINTR;
}

/* Before there is anything to run. */
static long not_ready(struct kvm_vcpu *v)
{
	if (!v->vm->td) {
		kvm_host_log(v->vm->host, "this VM is an ordinary one, and only TDs run here: the "
					  "client has asked for VM type 0 and not 5");
		return -EINVAL;
	}
	if (v->mp_state == KVM_MP_UNINITIALIZED)
		return wait_for_init(v);
	if (v->run->valid_regs || v->run->dirty_regs)
		return -EINVAL; /* a TD's registers are its own */
	if (!v->initialized || tdx_vm_state(v->vm->td) != TDX_VM_RUNNABLE)
		return -EINVAL;
	/* It would wait for a SIPI, which a TD never gets. */
	return v->mp_state == KVM_MP_INIT_RECEIVED ? -EINVAL : 0;
}

static void count(struct kvm_vcpu *v, long r)
{
	static const struct {
		enum kvm_exit exit;
		enum kvm_stat stat;
	} counted[] = {{KVM_EXIT_IO, KVM_STAT_IO_EXITS},
		       {KVM_EXIT_MMIO, KVM_STAT_MMIO_EXITS},
		       {KVM_EXIT_HYPERCALL, KVM_STAT_HYPERCALLS},
		       {KVM_EXIT_INTR, KVM_STAT_SIGNAL_EXITS}};

	for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if ((!r || r == -EINTR) && v->run->exit_reason == counted[i].exit)
			v->stat[counted[i].stat]++;
	kvm_stats_show(v);
}

/* Held by a debugger as long as neither the client nor a signal wants the thread. */
static bool may_run(struct kvm_vcpu *v)
{
	const struct kvm_debugger *d = v->vm->host->cfg.debugger;

	while (v->vm->debugged && !d->may_run(v->vm->debugged, v->index))
		if (v->run->immediate_exit || kvm_signal_waits(v) ||
		    atomic_load(&v->vm->host->ending))
			return false;
	return true;
}

/* What a debugger wants of it is done, and the guest goes on: true. */
static bool was_for_debugger(struct kvm_vcpu *v)
{
	if (!v->vm->debugged)
		return false;
	if (v->exit.exit == TDX_EXIT_DEBUG)
		v->vm->host->cfg.debugger->stopped(v->vm->debugged, v->index, &v->exit);
	return v->exit.exit == TDX_EXIT_DEBUG ||
	       (v->exit.exit == TDX_EXIT_INTR && !v->run->immediate_exit);
}

/* 1: the guest is entered again. */
static long once(struct kvm_vcpu *v)
{
	long r;

	if (atomic_load(&v->vm->host->ending))
		return -EINTR;
	if (kvm_signal_waits(v) || !may_run(v)) {
		leave(v, KVM_EXIT_INTR, false);
		return -EINTR;
	}
	if (!v->run->immediate_exit && !kvm_events_enter(v))
		return leave(v, KVM_EXIT_SHUTDOWN, false);
	v->has_run = true;
	r = tdx_vcpu_run(v->td, -1, &v->exit);
	if (r == -EPERM)
		return -EINVAL; /* an answer to MapGPA that KVM does not know */
	if (!r)
		r = was_for_debugger(v) ? 1 : handle(v);
	/* It may have been taken out only to look for signals. */
	return r == -EINTR && v->masked && !v->run->immediate_exit ? 1 : r;
}

long kvm_vcpu_run(struct kvm_vcpu *v, unsigned long arg)
{
	long r = arg ? -EINVAL : not_ready(v);

	if (r)
		return r;
	kvm_memory_holes(v->vm);
	complete(v);
	atomic_store(&v->looks, v->masked);
	do {
		r = once(v);
	} while (r == 1);
	atomic_store(&v->looks, false);
	if (v->vm->debugged)
		v->vm->host->cfg.debugger->left(v->vm->debugged, v->index);
	count(v, r);
	return r;
}
