/* SPDX-License-Identifier: MIT */
/* See tools/kernel_modules.h. */
#include "tools/kernel_modules.h"

#include <ctype.h>
#include <elf.h>
#include <string.h>

enum {
	LIST = 8,  /* of struct module: behind its state */
	NAME = 24, /* behind the list */
	MODULE_WORDS = 512,
	FIRST_WORD = (NAME + KERNEL_MODULE_NAME) / 8,
	SYMBOLS_MAX = 1 << 17,
	STRINGS_MAX = 1 << 24,
	AT_ONCE = 1 << 19, /* symbols of all modules: some 80 MB at most */
	IN_ALL = 1 << 22,
	LINE = 64,
	FUNCTION_NAME = 128,
};
#define KERNEL 0xffff800000000000ull

/* Linux: struct mod_kallsyms, as far as it is needed. */
struct table {
	uint64_t symbols, strings;
	uint32_t n;
};

static bool is_pointer(uint64_t v)
{
	return v >= KERNEL && v < UINT64_MAX - STRINGS_MAX;
}

/* It begins with the symbol that is none, and the strings with the name that is none. */
static bool is_table(const struct kernel_memory *m, const struct table *t)
{
	Elf64_Sym sym[2];
	char first;

	if (t->n < 2 || t->n > SYMBOLS_MAX || !is_pointer(t->symbols) || t->symbols % 8 ||
	    !is_pointer(t->strings) || !kernel_read(m, t->symbols, sym, sizeof(sym)) ||
	    !kernel_read(m, t->strings, &first, 1))
		return false;
	return !first && !sym[0].st_name && !sym[0].st_info && !sym[0].st_value &&
	       !sym[0].st_size && sym[1].st_name && sym[1].st_name < STRINGS_MAX;
}

static bool find_table(const struct kernel_memory *m, uint64_t module, struct table *t)
{
	uint64_t word[3];

	for (unsigned i = FIRST_WORD; i < MODULE_WORDS; i++) {
		if (!kernel_read(m, module + 8ull * i, word, sizeof(word)))
			return false;
		*t = (struct table){word[0], word[2], (uint32_t)word[1]};
		if (!(word[1] >> 32) && is_table(m, t))
			return true;
	}
	return false;
}

static bool read_name(const struct kernel_memory *m, uint64_t at, char *name, size_t room)
{
	for (size_t n = 0; n < room;) {
		/* What follows a line may not be there. */
		const size_t line = LINE - (at + n) % LINE;
		const size_t some = line < room - n ? line : room - n;

		if (!kernel_read(m, at + n, name + n, some))
			return false;
		if (memchr(name + n, 0, some))
			return *name != 0;
		n += some;
	}
	return false;
}

/* False: no memory. */
static bool add(struct kernel_module *mod, const struct kernel_memory *m, const struct table *t,
		const Elf64_Sym *sym)
{
	char name[FUNCTION_NAME];

	if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || !sym->st_shndx ||
	    !is_pointer(sym->st_value) || sym->st_name >= STRINGS_MAX ||
	    sym->st_size >= STRINGS_MAX ||
	    !read_name(m, t->strings + sym->st_name, name, sizeof(name)))
		return true;
	if (!mod->start || sym->st_value < mod->start)
		mod->start = sym->st_value;
	if (sym->st_value + sym->st_size > mod->end)
		mod->end = sym->st_value + sym->st_size;
	return symbols_add(mod->symbols, sym->st_value, name);
}

static bool read_module(struct kernel_module *mod, const struct kernel_memory *m, uint64_t at,
			uint32_t *left)
{
	struct table t;
	Elf64_Sym sym;

	*mod = (struct kernel_module){0};
	if (!kernel_read(m, at + NAME, mod->name, sizeof(mod->name)) ||
	    !memchr(mod->name, 0, sizeof(mod->name)) || !find_table(m, at, &t))
		return false;
	for (const char *p = mod->name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
			return false;
	if (t.n > *left)
		return false;
	*left -= t.n;
	mod->symbols = symbols_empty();
	for (uint32_t i = 1; mod->symbols && i < t.n; i++) {
		if (!kernel_read(m, t.symbols + i * sizeof(sym), &sym, sizeof(sym)) ||
		    !add(mod, m, &t, &sym)) {
			symbols_free(mod->symbols);
			return false;
		}
	}
	if (!mod->symbols || !symbols_ready(mod->symbols))
		return false;
	symbols_code(mod->symbols, mod->start, mod->end);
	return true;
}

void kernel_modules_read(struct kernel_modules *k, const struct kernel_memory *m, uint64_t list)
{
	uint32_t left, before;
	uint64_t at;

	kernel_modules_free(k);
	if (!k->looks++)
		k->left = IN_ALL;
	before = left = k->left < AT_ONCE ? k->left : AT_ONCE;
	if (!kernel_read(m, list, &at, sizeof(at)))
		return;
	for (unsigned i = 0; i < KERNEL_MODULES && at != list; i++) {
		if (read_module(&k->module[k->n], m, at - LIST, &left))
			k->n++;
		if (!kernel_read(m, at, &at, sizeof(at)))
			break;
	}
	k->left -= before - left;
}

const struct kernel_module *kernel_modules_find(const struct kernel_modules *k, uint64_t address)
{
	for (unsigned i = 0; i < k->n; i++)
		if (address >= k->module[i].start && address < k->module[i].end)
			return &k->module[i];
	return NULL;
}

void kernel_modules_free(struct kernel_modules *k)
{
	for (unsigned i = 0; i < k->n; i++)
		symbols_free(k->module[i].symbols);
	k->n = 0;
}
