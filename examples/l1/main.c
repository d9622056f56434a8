/* SPDX-License-Identifier: MIT */
/* A tiny L1 VMM. With a bundle of a Linux kernel (linux.c) it boots that in an L2 VM, on the TD's
 * own serial port; without, a few instructions that try what a VM can do. When the VM has ended it
 * tells how often it was left and for what, and ends with its status. */
#include "l1.h"

_Noreturn void l1_main(const uint8_t *boot_params);

static bool ready(void *arg)
{
	(void)arg;
	return serial_ready();
}

static uint8_t get(void *arg)
{
	(void)arg;
	return serial_get();
}

static void put(void *arg, uint8_t byte)
{
	(void)arg;
	serial_put(byte);
}

static void load_tiny(struct vm *vm)
{
	__builtin_memcpy((void *)VM_LOW, tiny_code, (size_t)(tiny_end - tiny_code));
	vm_start_at(vm, VM_LOW);
}

static bool has_bundle(const uint8_t *boot_params)
{
	enum { RAMDISK_SIZE = 0x21c };

	return boot_params[RAMDISK_SIZE] | boot_params[RAMDISK_SIZE + 1] |
	       boot_params[RAMDISK_SIZE + 2] | boot_params[RAMDISK_SIZE + 3];
}

void l1_main(const uint8_t *boot_params)
{
	static const struct uart_ops serial = {.ready = ready, .get = get, .put = put};
	static struct vm vm;
	const char *wrong;
	int status;

	machine_init();
	vm_init(&vm, linux_ram_end(boot_params));
	uart_init(&vm.uart, &serial, NULL);
	if (!has_bundle(boot_params)) {
		load_tiny(&vm);
	} else {
		wrong = linux_load(&vm, boot_params);
		if (wrong) {
			say("l1: what it was given to boot: ");
			say(wrong);
			say("\n");
			power_off(1);
		}
	}
	status = vm_run(&vm);
	vm_tell_exits(&vm);
	power_off((unsigned)status);
}
