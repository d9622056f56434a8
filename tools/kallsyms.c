/* SPDX-License-Identifier: MIT */
/* See tools/kallsyms.h. The tables lie one behind the other: the number of symbols, their names in
 * tokens, a marker for every 256th name, the tokens, an index of them, the addresses. Nothing
 * points to them; they are known by the tokens of the ten digits, which are themselves, and
 * everything found from there is checked against the rest. The kernel may have spoilt any of it. */
#include "tools/kallsyms.h"

#include <stdlib.h>
#include <string.h>

enum {
	TOKENS = 256,
	DIGIT = '0',
	MARKED = 256,
	MAX_SYMBOLS = 1 << 20,
	MAX_TOKENS = 1 << 14, /* bytes of all */
	NAME = 512,
	NAMES_BEYOND = MARKED * NAME, /* behind the last marker */
	TRIES = 64,		      /* places that look like the digits */
};

struct tables {
	const uint8_t *memory;
	size_t size;
	uint64_t at;
	size_t tokens, index, markers, names, offsets;
	uint32_t nmarkers, nsyms;
	uint64_t base; /* 0: an address is told from where it is told */
};

static uint32_t word(const struct tables *t, size_t at)
{
	uint32_t v;

	memcpy(&v, t->memory + at, sizeof(v));
	return v;
}

static unsigned half(const struct tables *t, size_t at)
{
	return t->memory[at] | (unsigned)t->memory[at + 1] << 8;
}

/* From the digit 0 back to the first token. */
static bool first_token(struct tables *t, size_t digits)
{
	size_t at = digits;

	if (!at || t->memory[at - 1])
		return false;
	for (unsigned i = 0; i < DIGIT; i++) {
		if (at < 2 || digits - at > MAX_TOKENS)
			return false;
		at--;
		while (at && t->memory[at - 1])
			at--;
	}
	t->tokens = at;
	return true;
}

/* The index has where each token begins. */
static bool find_index(struct tables *t)
{
	unsigned begins[TOKENS];
	size_t at = t->tokens;

	for (unsigned i = 0; i < TOKENS; i++) {
		begins[i] = (unsigned)(at - t->tokens);
		while (at < t->size && t->memory[at])
			at++;
		at++;
		if (at > t->size || at - t->tokens > MAX_TOKENS)
			return false;
	}
	for (t->index = (at + 1) & ~(size_t)1; t->index <= at + 8; t->index += 2) {
		unsigned i = 0;

		if (t->index + 2 * TOKENS > t->size)
			return false;
		while (i < TOKENS && half(t, t->index + 2 * i) == begins[i])
			i++;
		if (i == TOKENS)
			return true;
	}
	return false;
}

/* Markers go down from the tokens to the first, which is 0. */
static bool find_markers(struct tables *t)
{
	size_t at = t->tokens & ~(size_t)3;
	uint32_t above = UINT32_MAX, v;

	/* padding of zeros in between */
	while (at >= 4 && t->tokens - at < 16 && word(t, at - 4) == 0)
		at -= 4;
	for (t->nmarkers = 0; at >= 4 && t->nmarkers < MAX_SYMBOLS / MARKED; t->nmarkers++) {
		at -= 4;
		v = word(t, at);
		if (v >= above)
			return false;
		above = v;
		if (v == 0) {
			t->nmarkers++;
			t->markers = at;
			return t->nmarkers > 2;
		}
	}
	return false;
}

/* The length of the name there; 0: none can be. *at is where its tokens begin. */
static unsigned name_length(const struct tables *t, size_t *at)
{
	unsigned len;

	if (*at + 2 > t->markers)
		return 0;
	len = t->memory[(*at)++];
	if (len & 0x80)
		len = (len & 0x7f) | (unsigned)t->memory[(*at)++] << 7;
	return len < NAME && *at + len <= t->markers ? len : 0;
}

/* Names that begin here agree with the first markers? */
static bool agree(const struct tables *t, size_t names)
{
	size_t at = names;

	for (unsigned i = 0; i < 2 * MARKED; i++) {
		unsigned len;

		if (i % MARKED == 0 && at - names != word(t, t->markers + i / MARKED * 4))
			return false;
		len = name_length(t, &at);
		if (!len)
			return false;
		at += len;
	}
	return at - names == word(t, t->markers + 8);
}

/* Behind their number, and at most so far before the markers. */
static bool find_names(struct tables *t)
{
	const uint32_t last = word(t, t->markers + 4 * (t->nmarkers - 1));
	size_t at;

	if (last > t->markers)
		return false;
	at = t->markers - last;
	for (size_t end = at > NAMES_BEYOND ? at - NAMES_BEYOND : 8; at > end; at--) {
		if (at % 4)
			continue;
		for (unsigned pad = 4; pad <= 8; pad += 4) {
			const uint32_t n = at >= pad ? word(t, at - pad) : 0;

			if (n > (t->nmarkers - 1) * MARKED && n <= t->nmarkers * MARKED &&
			    agree(t, at)) {
				t->names = at;
				t->nsyms = n;
				return true;
			}
		}
	}
	return false;
}

/* Behind the index; before 6.15 or so they are from a base, which comes after them. */
static bool find_offsets(struct tables *t)
{
	size_t end;

	t->offsets = (t->index + 2 * TOKENS + 3) & ~(size_t)3;
	end = (t->offsets + 4ull * t->nsyms + 7) & ~(size_t)7;
	if (end + 8 > t->size)
		return false;
	memcpy(&t->base, t->memory + end, sizeof(t->base));
	if (t->base >> 31 != 0x1ffffffffull)
		t->base = 0;
	return true;
}

static uint64_t address_of(const struct tables *t, uint32_t i)
{
	const size_t at = t->offsets + 4ull * i;
	const int32_t offset = (int32_t)word(t, at);

	if (!t->base)
		return t->at + at + (uint64_t)(int64_t)offset;
	return offset < 0 ? t->base - 1 - (uint64_t)(int64_t)offset : (uint64_t)offset;
}

/* In words, the type first. False: it is too long. */
static bool expand(const struct tables *t, size_t at, unsigned len, char name[NAME])
{
	unsigned n = 0;

	for (unsigned i = 0; i < len; i++) {
		size_t token = t->tokens + half(t, t->index + 2ull * t->memory[at + i]);

		for (; t->memory[token]; token++) {
			if (n == NAME - 1)
				return false;
			name[n++] = (char)t->memory[token];
		}
	}
	name[n] = '\0';
	return n > 1;
}

static bool is_function(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

static struct symbols *collect(const struct tables *t)
{
	struct symbols *s = symbols_empty();
	size_t at = t->names;
	char name[NAME];

	for (uint32_t i = 0; s && i < t->nsyms; i++) {
		const unsigned len = name_length(t, &at);

		if (!len)
			break;
		if (expand(t, at, len, name)) {
			if (is_function(name[0]) && !symbols_add(s, address_of(t, i), name + 1)) {
				symbols_free(s);
				return NULL;
			}
			if (strcmp(name + 1, "modules") == 0)
				symbols_set_modules(s, address_of(t, i));
		}
		at += len;
	}
	return s && symbols_ready(s) ? s : NULL;
}

struct symbols *kallsyms_find(const uint8_t *memory, size_t size, uint64_t at)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
	struct tables t = {.memory = memory, .size = size, .at = at};
	const uint8_t *p = memory;

	for (unsigned i = 0; i < TRIES; i++) {
		p = memmem(p, size - (size_t)(p - memory), digits, sizeof(digits));
		if (!p)
			return NULL;
		if (first_token(&t, (size_t)(p - memory)) && find_index(&t) && find_markers(&t) &&
		    find_names(&t) && find_offsets(&t))
			return collect(&t);
		p++;
	}
	return NULL;
}
