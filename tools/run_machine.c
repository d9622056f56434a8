/* SPDX-License-Identifier: MIT */
/* See tools/run_machine.h. */
#include "tools/run_machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE = 64,
	CACHES = 4, /* sub-leaves of CPUID leaf 4 */
	WAYS_SHIFT = 22,
	WAYS_MAX = 1 << 10,
	FIXED_EBX = 0xfff, /* line size, for the module to say */
};

uint32_t run_cpu_fms(unsigned model)
{
	/* As in the module's list of processors that TDX runs on, each with its last stepping. */
	static const uint32_t fms[] = {0x806f8, 0xc06f2, 0xa06f3, 0xa06d1, 0xa06e1, 0xd06d1};

	return model < sizeof(fms) / sizeof(fms[0]) ? fms[model] : 0;
}

/* A number with K, M or G behind it or not; where it ends, or NULL. */
static const char *size_of(const char *p, uint64_t *v)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned shift;
	char *end;

	if (*p < '0' || *p > '9')
		return NULL;
	errno = 0;
	*v = strtoull(p, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	shift = unit ? 10 * ((unsigned)(unit - units) + 1) : 0;
	if (errno || *v > UINT64_MAX >> shift)
		return NULL;
	*v <<= shift;
	return end + (unit != NULL);
}

static bool wrong(char *err, size_t len, const char *at, const char *what)
{
	snprintf(err, len, "\"%.*s\" %s", (int)strcspn(at, ","), at, what);
	return false;
}

bool run_memory_map(const char *text, struct machine_config *cfg, char *err, size_t len)
{
	const char *at = text, *p;
	uint64_t end = 0;

	cfg->ncmr = 0;
	for (;; at = p + 1) {
		struct machine_range r;

		p = size_of(at, &r.base);
		p = p && *p == '+' ? size_of(p + 1, &r.size) : NULL;
		if (!p || (*p && *p != ','))
			return wrong(err, len, at, "is not BASE+SIZE, as 1M+2G");
		if ((r.base | r.size) % TDX_PAGE_SIZE || !r.size || r.base + r.size < r.base)
			return wrong(err, len, at, "is not of whole pages of 4096 bytes");
		if (r.base < end)
			return wrong(err, len, at, "begins before the range before it ends");
		if (cfg->ncmr == MACHINE_MAX_CMRS)
			return wrong(err, len, at, "is one range more than there can be (32)");
		cfg->cmr[cfg->ncmr++] = r;
		end = r.base + r.size;
		if (!*p)
			break;
	}
	cfg->mem_end = end;
	return true;
}

static struct tdx_cpuid_values *cache_of(struct tdx_vm_params *p, unsigned subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == 4 && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i].value;
	return NULL;
}

bool run_caches(const char *text, struct tdx_vm_params *params, char *err, size_t len)
{
	const char *at = text;

	for (unsigned i = 0; i < CACHES; i++) {
		struct tdx_cpuid_values *v = cache_of(params, i);
		uint64_t size, ways;
		const char *p = size_of(at, &size);

		p = p && *p == '/' ? size_of(p + 1, &ways) : NULL;
		if (!p || *p != (i + 1 < CACHES ? ',' : '\0'))
			return wrong(err, len, at,
				     "is not SIZE/WAYS of one of four caches, as "
				     "48K/12,32K/8,2M/16,60M/15");
		if (!ways || ways > WAYS_MAX || !size || size % (ways * LINE) ||
		    size / (ways * LINE) > UINT32_MAX)
			return wrong(
				err, len, at,
				"is no cache: its size is sets of WAYS lines of 64 bytes, with "
				"1 to 1024 ways");
		if (!v || !(v->eax & 0x1f))
			return wrong(err, len, at, "is a cache that the processor does not have");
		v->ebx = (v->ebx & FIXED_EBX) | ((uint32_t)ways - 1) << WAYS_SHIFT;
		v->ecx = (uint32_t)(size / (ways * LINE)) - 1;
		at = p + 1;
	}
	return true;
}
