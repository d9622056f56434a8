/* SPDX-License-Identifier: MIT */
/* What went wrong, said once: statuses for the user, the one line of a VM that is bugged. */
#include "vmm/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/decode.h>

/* What calls that fail say something in. */
#define OUTPUTS (TDX_REG_BIT(1) | TDX_REG_BIT(2) | TDX_REG_BIT(8))

void vmm_log(struct tdx_vmm *vmm, const char *fmt, ...)
{
	char line[640];
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

/* The one line of a VM: the first reason is the one that counts. */
static int die(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s, const char *why)
{
	char line[sizeof(vm->error.text)];

	if (atomic_exchange(&vm->bugged, true))
		return -EIO;
	atomic_store(&vm->state, TDX_VM_DEAD);
	pthread_mutex_lock(&vm->error_lock);
	vm->error.leaf = leaf;
	vm->error.status = s;
	vm->error.bugged = true;
	snprintf(line, sizeof(line), "%s", why); /* which may be what the VM says already */
	memcpy(vm->error.text, line, sizeof(line));
	pthread_mutex_unlock(&vm->error_lock);
	vmm_log(vm->vmm, "TD 0x%llx is dead: %s", (unsigned long long)vm->td.tdr.v, line);
	return -EIO;
}

int vm_kill(struct tdx_vm *vm, const char *why)
{
	return die(vm, TDH_VP_ENTER, tdx_success(), why);
}

/* The registers as they are, all 64 bits, and what they say. */
static void say_registers(char *text, size_t size, enum tdx_seamcall leaf, struct tdx_status s,
			  const struct tdx_regs *raw)
{
	char words[TDX_DECODE_TEXT_MAX];

	tdx_outputs_text(s, tdx_seamcall_leaf(leaf), raw, OUTPUTS, words, sizeof(words));
	snprintf(text, size, ", rcx 0x%llx rdx 0x%llx r8 0x%llx%s%s%s",
		 (unsigned long long)raw->rcx, (unsigned long long)raw->rdx,
		 (unsigned long long)raw->r8, *words ? " (" : "", words, *words ? ")" : "");
}

int vm_bug(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s,
	   const struct tdx_regs *raw, const char *where)
{
	char name[96], text[sizeof(vm->error.text)], registers[TDX_DECODE_TEXT_MAX + 96] = "";

	if (raw)
		say_registers(registers, sizeof(registers), leaf, s, raw);
	snprintf(text, sizeof(text), "%s failed in %s: %s (0x%llx)%s", leaf_name(leaf), where,
		 tdx_status_format(s, name, sizeof(name)), (unsigned long long)s.raw, registers);
	return die(vm, leaf, s, text);
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

void vm_say(struct tdx_vm *vm, const char *why)
{
	pthread_mutex_lock(&vm->error_lock);
	if (!vm->error.bugged) {
		vm->error.status = tdx_success();
		snprintf(vm->error.text, sizeof(vm->error.text), "%s", why);
	}
	pthread_mutex_unlock(&vm->error_lock);
}

void tdx_vm_error(const struct tdx_vm *cvm, struct tdx_vm_error *e)
{
	struct tdx_vm *vm = (struct tdx_vm *)(uintptr_t)cvm;

	pthread_mutex_lock(&vm->error_lock);
	*e = vm->error;
	pthread_mutex_unlock(&vm->error_lock);
}
