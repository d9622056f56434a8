/* SPDX-License-Identifier: MIT */
/* The functions of a kernel, from the symbol table of its vmlinux. */
#ifndef TOOLS_SYMBOLS_H
#define TOOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_TEXT = 96 };

struct symbols;

/* The functions of an ELF file for x86-64; NULL with a sentence in *why when it has none to be
 * found. The bytes may go. */
struct symbols *symbols_new(const uint8_t *elf, size_t size, const char **why);
/* The same one by one: none; one more, false when there is no memory; all are there, false (and it
 * is freed) when that were none. Code is from the first to the last. */
struct symbols *symbols_empty(void);
bool symbols_add(struct symbols *s, uint64_t address, const char *name);
bool symbols_ready(struct symbols *s);
/* Code is from there to there, too. */
void symbols_code(struct symbols *s, uint64_t start, uint64_t end);
/* The kernel is so far above where it was linked. */
void symbols_move(struct symbols *s, uint64_t by);
/* Where Linux has its list of modules, `modules`; 0: not known. */
uint64_t symbols_modules(const struct symbols *s);
void symbols_set_modules(struct symbols *s, uint64_t address);
void symbols_free(struct symbols *s);
/* From the first function to the end of the last section with code. */
void symbols_range(const struct symbols *s, uint64_t *start, uint64_t *end);
/* In a section with code. */
bool symbols_is_code(const struct symbols *s, uint64_t address);
/* "name+0x12", or the number: s may be NULL. Returns text. */
const char *symbols_name(const struct symbols *s, uint64_t address, char text[SYMBOL_TEXT]);
/* The address of a function; 0: there is none of that name. */
uint64_t symbols_address(const struct symbols *s, const char *name);

#endif
