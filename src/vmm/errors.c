/* SPDX-License-Identifier: MIT */
/* What went wrong, said once: statuses for the user, the one line of a VM that is bugged. */
#include "vmm/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void vmm_log(struct tdx_vmm *vmm, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!vmm->cfg.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vmm->cfg.log(vmm->cfg.arg, line);
}

static const char *leaf_name(enum tdx_seamcall leaf)
{
	const struct tdx_leaf_info *info = tdx_seamcall_leaf(leaf);

	return info ? info->name : "?";
}

int vm_bug(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s, const struct tdx_regs *raw,
	   const char *where)
{
	char name[96], text[sizeof(vm->error.text)];

	if (atomic_exchange(&vm->bugged, true))
		return -EIO; /* the first reason is the one that counts */
	atomic_store(&vm->state, TDX_VM_DEAD);
	pthread_mutex_lock(&vm->error_lock);
	vm->error.leaf = leaf;
	vm->error.status = s;
	vm->error.bugged = true;
	tdx_status_format(s, name, sizeof(name));
	if (raw)
		snprintf(vm->error.text, sizeof(vm->error.text),
			 "%s failed in %s: %s (0x%llx), rcx 0x%llx rdx 0x%llx r8 0x%llx",
			 leaf_name(leaf), where, name, (unsigned long long)s.raw,
			 (unsigned long long)raw->rcx, (unsigned long long)raw->rdx,
			 (unsigned long long)raw->r8);
	else
		snprintf(vm->error.text, sizeof(vm->error.text), "%s failed in %s: %s (0x%llx)",
			 leaf_name(leaf), where, name, (unsigned long long)s.raw);
	memcpy(text, vm->error.text, sizeof(text));
	pthread_mutex_unlock(&vm->error_lock);
	vmm_log(vm->vmm, "TD 0x%llx is dead: %s", (unsigned long long)vm->td.tdr.v, text);
	return -EIO;
}

int vm_fail(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s, int err)
{
	char name[96];

	pthread_mutex_lock(&vm->error_lock);
	if (!vm->error.bugged) {
		vm->error.leaf = leaf;
		vm->error.status = s;
		snprintf(vm->error.text, sizeof(vm->error.text), "%s: %s (0x%llx)", leaf_name(leaf),
			 tdx_status_format(s, name, sizeof(name)), (unsigned long long)s.raw);
	}
	pthread_mutex_unlock(&vm->error_lock);
	return err;
}

void tdx_vm_error(const struct tdx_vm *cvm, struct tdx_vm_error *e)
{
	struct tdx_vm *vm = (struct tdx_vm *)(uintptr_t)cvm;

	pthread_mutex_lock(&vm->error_lock);
	*e = vm->error;
	pthread_mutex_unlock(&vm->error_lock);
}
