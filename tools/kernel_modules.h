/* SPDX-License-Identifier: MIT */
/* The functions of a host kernel's modules, from the list of them in its memory and the symbols
 * each keeps (CONFIG_KALLSYMS). Linux: include/linux/module.h. Where struct module has what is a
 * matter of the kernel's configuration: the name follows the list, and the symbols are known by
 * what they must be. */
#ifndef TOOLS_KERNEL_MODULES_H
#define TOOLS_KERNEL_MODULES_H

#include "tools/kernel_memory.h"
#include "tools/symbols.h"

enum { KERNEL_MODULES = 256, KERNEL_MODULE_NAME = 56 };

struct kernel_modules {
	struct kernel_module {
		char name[KERNEL_MODULE_NAME];
		uint64_t start, end; /* of its code */
		struct symbols *symbols;
	} module[KERNEL_MODULES];
	unsigned n, looks; /* times the list was read */
	uint32_t left;	   /* symbols that may still be read, in all looks */
};

/* Reads the list that begins at that address anew. */
void kernel_modules_read(struct kernel_modules *k, const struct kernel_memory *m, uint64_t list);
/* The one whose code it is in; NULL. */
const struct kernel_module *kernel_modules_find(const struct kernel_modules *k, uint64_t address);
void kernel_modules_free(struct kernel_modules *k);

#endif
