/* SPDX-License-Identifier: MIT */
/* See tools/host_names.h. */
#include "tools/host_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/board.h"
#include "tools/file.h"
#include "tools/kallsyms.h"
#include "tools/verbs.h"

enum { FILE_MAX = 1 << 30, LOOKS = 64 };

/* Where a kernel that was not moved has its image: physical addresses from, and the linear one of
 * 0. */
#define IMAGE	    0x1000000ull
#define IMAGE_SIZE  0x8000000ull
#define IMAGE_ALIGN 0x200000ull
#define KERNEL_MAP  0xffffffff80000000ull
/* Where Linux has modules, with an image of 512 MiB; with one of 1 GiB, from 0xffffffffc0000000. */
#define MODULES	    0xffffffffa0000000ull
#define MODULES_END 0xffffffffff000000ull

int host_names_start(struct host_names *n, const char *file)
{
	const char *why;
	uint8_t *data;
	size_t size;
	int e;

	pthread_mutex_init(&n->lock, NULL);
	if (!file)
		return VERB_OK;
	e = file_read_whole(file, FILE_MAX, &data, &size);
	if (e)
		return file_complain("host", file, e);
	n->symbols = symbols_new(data, size, &why);
	free(data);
	if (n->symbols)
		return VERB_OK;
	fprintf(stderr, "swtdx host: %s: %s\n", file, why);
	return VERB_DIFFERENCE;
}

void host_names_kernel(struct host_names *n, const uint8_t *kernel, size_t size)
{
	const char *why;

	if (!n->symbols)
		n->symbols = symbols_new(kernel, size, &why);
}

void host_names_end(struct host_names *n)
{
	kernel_modules_free(&n->modules);
	symbols_free(n->symbols);
	pthread_mutex_destroy(&n->lock);
}

/* The kernel's own table, in its image. */
static struct symbols *own(const struct board *b, uint64_t at, uint64_t pa)
{
	uint64_t size = IMAGE_SIZE;
	const uint8_t *image = board_ram(b, pa, size);

	while (!image && size > IMAGE_ALIGN) {
		size /= 2;
		image = board_ram(b, pa, size);
	}
	return image ? kallsyms_find(image, size, at) : NULL;
}

/* Under the lock. */
static void look(struct host_names *n, const struct kernel_memory *m)
{
	uint64_t at = KERNEL_MAP + IMAGE, pa = IMAGE, start, end;
	const bool mapped = m->levels && kernel_image(m, &at, &pa);

	n->looked = true;
	if (!n->symbols) {
		n->symbols = own(n->board, at, pa);
		return;
	}
	symbols_range(n->symbols, &start, &end);
	if (mapped && at != (start & ~(IMAGE_ALIGN - 1))) {
		symbols_move(n->symbols, at - (start & ~(IMAGE_ALIGN - 1)));
		symbols_range(n->symbols, &start, &end);
	}
	board_set_text(n->board, start, end);
}

static bool is_of_module(uint64_t address)
{
	return address >= MODULES && address < MODULES_END;
}

/* Modules come and go: one that is not known is looked for, not for ever. Under the lock. */
static const struct kernel_module *module_of(struct host_names *n, const struct kernel_memory *m,
					     uint64_t address)
{
	const uint64_t list = n->symbols ? symbols_modules(n->symbols) : 0;
	const struct kernel_module *found = kernel_modules_find(&n->modules, address);

	if (!found && list && is_of_module(address) && n->modules.looks < LOOKS) {
		kernel_modules_read(&n->modules, m, list);
		found = kernel_modules_find(&n->modules, address);
	}
	return found;
}

void host_names_look(struct host_names *n, unsigned cpu)
{
	pthread_mutex_lock(&n->lock);
	if (!n->looked && n->symbols) {
		const struct kernel_memory m = kernel_memory(n->board, cpu);

		look(n, &m);
	}
	pthread_mutex_unlock(&n->lock);
}

static struct kernel_memory open_names(struct host_names *n, unsigned cpu)
{
	struct kernel_memory m;

	pthread_mutex_lock(&n->lock);
	m = kernel_memory(n->board, cpu);
	if (!n->looked)
		look(n, &m);
	return m;
}

const char *host_name(struct host_names *n, unsigned cpu, uint64_t address, char text[SYMBOL_TEXT])
{
	const struct kernel_memory m = open_names(n, cpu);
	const struct kernel_module *mod = module_of(n, &m, address);
	size_t len;

	symbols_name(mod ? mod->symbols : n->symbols, address, text);
	len = strlen(text);
	if (mod)
		snprintf(text + len, SYMBOL_TEXT - len, " [%s]", mod->name);
	pthread_mutex_unlock(&n->lock);
	return text;
}

bool host_is_code(struct host_names *n, unsigned cpu, uint64_t address)
{
	const struct kernel_memory m = open_names(n, cpu);
	bool code = !n->symbols || symbols_is_code(n->symbols, address);

	if (!code)
		code = module_of(n, &m, address) != NULL;
	pthread_mutex_unlock(&n->lock);
	return code;
}
