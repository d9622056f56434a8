/* SPDX-License-Identifier: MIT */
/* See run_cpuid.h. */
#include "tools/run_cpuid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_SUBLEAF (~0u)

static const char *const registers[] = {"eax", "ebx", "ecx", "edx"};

static uint32_t *reg_of(struct tdx_cpuid_values *v, unsigned reg)
{
	return reg == 0 ? &v->eax : reg == 1 ? &v->ebx : reg == 2 ? &v->ecx : &v->edx;
}

static bool number(const char **p, uint32_t *value)
{
	char *end;
	unsigned long long v;

	if (**p < '0' || **p > '9')
		return false;
	v = strtoull(*p, &end, 0);
	*p = end;
	*value = (uint32_t)v;
	return v <= UINT32_MAX;
}

static struct tdx_vm_cpuid *entry(struct tdx_vm_params *p, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i];
	if (p->ncpuid == sizeof(p->cpuid) / sizeof(p->cpuid[0]))
		return NULL;
	p->cpuid[p->ncpuid] = (struct tdx_vm_cpuid){.leaf = leaf, .subleaf = subleaf};
	return &p->cpuid[p->ncpuid++];
}

/* One "7.0:ebx=0x8"; where it ends, or NULL. */
static const char *one(const char *p, struct tdx_vm_params *params)
{
	uint32_t leaf, subleaf = NO_SUBLEAF, value;
	struct tdx_vm_cpuid *e;
	unsigned reg;

	if (!number(&p, &leaf) || (*p == '.' && (p++, !number(&p, &subleaf))) || *p++ != ':')
		return NULL;
	for (reg = 0; reg < 4; reg++)
		if (!strncasecmp(p, registers[reg], 3))
			break;
	if (reg == 4 || p[3] != '=')
		return NULL;
	p += 4;
	if (!number(&p, &value) || (*p && *p != ','))
		return NULL;
	e = entry(params, leaf, subleaf);
	if (!e)
		return NULL;
	*reg_of(&e->value, reg) = value;
	return p;
}

bool run_cpuid_parse(const char *text, struct tdx_vm_params *p, char *err, size_t len)
{
	const char *at = text;

	while (at) {
		const char *end = one(at, p);

		if (!end) {
			snprintf(err, len,
				 "\"%.*s\" is not LEAF[.SUBLEAF]:REGISTER=VALUE, as 7.0:ebx=0x8",
				 (int)strcspn(at, ","), at);
			return false;
		}
		at = *end ? end + 1 : NULL;
	}
	return true;
}

static const struct tdx_host_cpuid_config *configurable(const struct tdx_host_info *info,
							const struct tdx_vm_cpuid *e)
{
	for (unsigned i = 0; i < info->num_cpuid_config; i++)
		if (info->cpuid_config[i].leaf == e->leaf &&
		    info->cpuid_config[i].subleaf == e->subleaf)
			return &info->cpuid_config[i];
	return NULL;
}

static void name(const struct tdx_vm_cpuid *e, char *text, size_t len)
{
	int n = snprintf(text, len, "CPUID leaf 0x%" PRIx32, e->leaf);

	if (e->subleaf != NO_SUBLEAF)
		snprintf(text + n, len - (size_t)n, ", sub-leaf %" PRIu32, e->subleaf);
}

bool run_cpuid_check(const struct tdx_host_info *info, const struct tdx_vm_params *p, char *err,
		     size_t len)
{
	for (unsigned i = 0; i < p->ncpuid; i++) {
		struct tdx_vm_cpuid e = p->cpuid[i];
		const struct tdx_host_cpuid_config *c = configurable(info, &e);
		struct tdx_cpuid_values mask = c ? c->mask : (struct tdx_cpuid_values){0};
		char what[64];

		name(&e, what, sizeof(what));
		if (!c) {
			snprintf(err, len, "%s is not for the TD's creator to choose", what);
			return false;
		}
		for (unsigned reg = 0; reg < 4; reg++) {
			uint32_t can = *reg_of(&mask, reg), wanted = *reg_of(&e.value, reg);

			if (!(wanted & ~can))
				continue;
			snprintf(err, len,
				 "%s: of %s the TD's creator chooses 0x%" PRIx32
				 ", and not 0x%" PRIx32,
				 what, registers[reg], can, wanted & ~can);
			return false;
		}
	}
	return true;
}

void run_cpuid_offer(const struct tdx_engine *engine, const struct tdx_host_info *info,
		     struct tdx_vm_params *p)
{
	for (unsigned i = 0; i < info->num_cpuid_config; i++) {
		const struct tdx_host_cpuid_config *c = &info->cpuid_config[i];
		const uint32_t subleaf = c->subleaf == NO_SUBLEAF ? 0 : c->subleaf;
		struct tdx_cpuid_values can;
		struct tdx_vm_cpuid *e;

		tdx_x86_engine_cpuid(engine, c->leaf, subleaf, &can);
		can.eax &= c->mask.eax;
		can.ebx &= c->mask.ebx;
		can.ecx &= c->mask.ecx;
		can.edx &= c->mask.edx;
		if (!(can.eax | can.ebx | can.ecx | can.edx))
			continue;
		e = entry(p, c->leaf, c->subleaf);
		if (!e)
			return;
		e->value.eax |= can.eax;
		e->value.ebx |= can.ebx;
		e->value.ecx |= can.ecx;
		e->value.edx |= can.edx;
	}
}
