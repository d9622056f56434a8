/* SPDX-License-Identifier: MIT */
/* See tools/symbols.h. The file is whoever's: every offset and every name is cut before it is used.
 */
#include "tools/symbols.h"

#include <ctype.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_SECTIONS = 32, NEAR = 1 << 20 }; /* farther away from a function's start is not in it */

struct symbol {
	uint64_t address;
	uint32_t name; /* in the strings */
};

struct symbols {
	struct symbol *symbol;
	size_t n, room;
	char *strings;
	size_t strings_size, strings_room;
	struct {
		uint64_t start, end;
	} code[CODE_SECTIONS];
	unsigned ncode;
	uint64_t modules;
};

static bool within(uint64_t offset, uint64_t len, size_t size)
{
	return offset <= size && len <= size - offset;
}

static bool section_at(const uint8_t *elf, size_t size, const Elf64_Ehdr *eh, unsigned i,
		       Elf64_Shdr *sh)
{
	const uint64_t at = eh->e_shoff + (uint64_t)i * sizeof(*sh);

	if (i >= eh->e_shnum || at < eh->e_shoff || !within(at, sizeof(*sh), size))
		return false;
	memcpy(sh, elf + at, sizeof(*sh));
	return sh->sh_type == SHT_NOBITS || within(sh->sh_offset, sh->sh_size, size);
}

static bool find_table(const uint8_t *elf, size_t size, const Elf64_Ehdr *eh, Elf64_Shdr *table,
		       Elf64_Shdr *strings)
{
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (section_at(elf, size, eh, i, table) && table->sh_type == SHT_SYMTAB)
			return section_at(elf, size, eh, table->sh_link, strings) &&
			       strings->sh_type == SHT_STRTAB && strings->sh_size;
	return false;
}

static bool is_function(const uint8_t *elf, size_t size, const Elf64_Ehdr *eh, const Elf64_Sym *sym)
{
	const unsigned type = ELF64_ST_TYPE(sym->st_info);
	Elf64_Shdr sh;

	return (type == STT_FUNC || type == STT_NOTYPE) &&
	       section_at(elf, size, eh, sym->st_shndx, &sh) && (sh.sh_flags & SHF_EXECINSTR);
}

static void find_code(struct symbols *s, const uint8_t *elf, size_t size, const Elf64_Ehdr *eh)
{
	Elf64_Shdr sh;

	for (unsigned i = 0; i < eh->e_shnum && s->ncode < CODE_SECTIONS; i++) {
		if (!section_at(elf, size, eh, i, &sh) || !(sh.sh_flags & SHF_EXECINSTR))
			continue;
		s->code[s->ncode].start = sh.sh_addr;
		s->code[s->ncode++].end = sh.sh_addr + sh.sh_size;
	}
}

bool symbols_is_code(const struct symbols *s, uint64_t address)
{
	for (unsigned i = 0; i < s->ncode; i++)
		if (address >= s->code[i].start && address < s->code[i].end)
			return true;
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void collect(struct symbols *s, const uint8_t *elf, size_t size, const Elf64_Ehdr *eh,
		    const Elf64_Shdr *table)
{
	for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, elf + table->sh_offset + at, sizeof(sym));
		if (!sym.st_name || sym.st_name >= s->strings_size)
			continue;
		if (ELF64_ST_TYPE(sym.st_info) == STT_OBJECT &&
		    strcmp(s->strings + sym.st_name, "modules") == 0)
			s->modules = sym.st_value;
		if (is_function(elf, size, eh, &sym))
			s->symbol[s->n++] = (struct symbol){sym.st_value, sym.st_name};
	}
	qsort(s->symbol, s->n, sizeof(s->symbol[0]), by_address);
}

/* What a kernel calls the ends of its code. */
static bool add_code(struct symbols *s, const char *start, const char *end)
{
	s->code[s->ncode].start = symbols_address(s, start);
	s->code[s->ncode].end = symbols_address(s, end);
	if (!s->code[s->ncode].start || s->code[s->ncode].end <= s->code[s->ncode].start)
		return false;
	s->ncode++;
	return true;
}

struct symbols *symbols_new(const uint8_t *elf, size_t size, const char **why)
{
	Elf64_Shdr table, strings;
	struct symbols *s;
	Elf64_Ehdr eh;

	*why = "it is no ELF file for x86-64";
	if (size < sizeof(eh) || memcmp(elf, ELFMAG, SELFMAG) != 0)
		return NULL;
	memcpy(&eh, elf, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    eh.e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	*why = "it has no symbol table";
	if (!find_table(elf, size, &eh, &table, &strings))
		return NULL;
	*why = "out of memory";
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->strings_size = strings.sh_size;
	s->strings = malloc(s->strings_size + 1);
	s->symbol = calloc(table.sh_size / sizeof(Elf64_Sym) + 1, sizeof(s->symbol[0]));
	if (!s->strings || !s->symbol) {
		symbols_free(s);
		return NULL;
	}
	memcpy(s->strings, elf + strings.sh_offset, s->strings_size);
	s->strings[s->strings_size] = '\0';
	collect(s, elf, size, &eh, &table);
	if (add_code(s, "_stext", "_etext"))
		add_code(s, "_sinittext", "_einittext");
	else
		find_code(s, elf, size, &eh);
	if (s->n)
		return s;
	*why = "its symbol table has no functions";
	symbols_free(s);
	return NULL;
}

struct symbols *symbols_empty(void)
{
	return calloc(1, sizeof(struct symbols));
}

bool symbols_add(struct symbols *s, uint64_t address, const char *name)
{
	const size_t len = strlen(name) + 1;

	while (s->strings_size + len > s->strings_room) {
		const size_t room = s->strings_room ? 2 * s->strings_room : 1 << 16;
		char *p = realloc(s->strings, room);

		if (!p)
			return false;
		s->strings = p;
		s->strings_room = room;
	}
	if (s->n == s->room) {
		const size_t room = s->room ? 2 * s->room : 1 << 12;
		struct symbol *p = realloc(s->symbol, room * sizeof(*p));

		if (!p)
			return false;
		s->symbol = p;
		s->room = room;
	}
	memcpy(s->strings + s->strings_size, name, len);
	s->symbol[s->n++] = (struct symbol){address, (uint32_t)s->strings_size};
	s->strings_size += len;
	return true;
}

bool symbols_ready(struct symbols *s)
{
	if (!s->n) {
		symbols_free(s);
		return false;
	}
	qsort(s->symbol, s->n, sizeof(s->symbol[0]), by_address);
	if (!add_code(s, "_stext", "_etext")) {
		s->code[0].start = s->symbol[0].address;
		s->code[0].end = s->symbol[s->n - 1].address + 1;
		s->ncode = 1;
		return true;
	}
	add_code(s, "_sinittext", "_einittext");
	return true;
}

void symbols_code(struct symbols *s, uint64_t start, uint64_t end)
{
	if (s->ncode == CODE_SECTIONS)
		return;
	s->code[s->ncode].start = start;
	s->code[s->ncode++].end = end;
}

void symbols_move(struct symbols *s, uint64_t by)
{
	for (size_t i = 0; i < s->n; i++)
		s->symbol[i].address += by;
	for (unsigned i = 0; i < s->ncode; i++) {
		s->code[i].start += by;
		s->code[i].end += by;
	}
	if (s->modules)
		s->modules += by;
	qsort(s->symbol, s->n, sizeof(s->symbol[0]), by_address);
}

uint64_t symbols_modules(const struct symbols *s)
{
	return s->modules;
}

void symbols_set_modules(struct symbols *s, uint64_t address)
{
	s->modules = address;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	free(s->strings);
	free(s->symbol);
	free(s);
}

void symbols_range(const struct symbols *s, uint64_t *start, uint64_t *end)
{
	*start = s->symbol[0].address;
	*end = 0;
	for (unsigned i = 0; i < s->ncode; i++)
		*end = s->code[i].end > *end ? s->code[i].end : *end;
}

/* The first of the last address that is not above. */
static const struct symbol *find(const struct symbols *s, uint64_t address)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (s->symbol[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	while (low > 1 && s->symbol[low - 2].address == s->symbol[low - 1].address)
		low--;
	return &s->symbol[low - 1];
}

/* Names are the kernel's, and go to a terminal and into traces. */
static void clean(char *name)
{
	for (; *name; name++)
		if (!isgraph((unsigned char)*name))
			*name = '?';
}

const char *symbols_name(const struct symbols *s, uint64_t address, char text[SYMBOL_TEXT])
{
	const struct symbol *f = s && symbols_is_code(s, address) ? find(s, address) : NULL;

	if (f && address - f->address < NEAR)
		snprintf(text, SYMBOL_TEXT, "%.60s+0x%" PRIx64, s->strings + f->name,
			 address - f->address);
	else
		snprintf(text, SYMBOL_TEXT, "0x%" PRIx64, address);
	clean(text);
	return text;
}

uint64_t symbols_address(const struct symbols *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->strings + s->symbol[i].name, name) == 0)
			return s->symbol[i].address;
	return 0;
}
