/* SPDX-License-Identifier: MIT */
/* Names of the bits in ATTRIBUTES, CONFIG_FLAGS, TD_CTLS and XFAM; see <swtdx/structs.h>.
 * Freestanding.
 */
#include <swtdx/structs.h>

#include "abi/regs_asm.h"

struct bit_name {
	uint64_t bit;
	const char *name;
};

static const struct bit_name attributes[] = {
	{TDX_ATTR_DEBUG, "DEBUG"},
	{TDX_ATTR_HGS_PLUS_PROF, "HGS_PLUS_PROF"},
	{TDX_ATTR_PERF_PROF, "PERF_PROF"},
	{TDX_ATTR_PMT_PROF, "PMT_PROF"},
	{TDX_ATTR_ICSSD, "ICSSD"},
	{TDX_ATTR_LASS, "LASS"},
	{TDX_ATTR_SEPT_VE_DISABLE, "SEPT_VE_DISABLE"},
	{TDX_ATTR_MIGRATABLE, "MIGRATABLE"},
	{TDX_ATTR_PKS, "PKS"},
	{TDX_ATTR_KL, "KL"},
	{TDX_ATTR_TPA, "TPA"},
	{TDX_ATTR_PERFMON, "PERFMON"},
};

static const struct bit_name config_flags[] = {
	{TDX_CONFIG_GPAW, "GPAW"},
	{TDX_CONFIG_FLEXIBLE_PENDING_VE, "FLEXIBLE_PENDING_VE"},
	{TDX_CONFIG_NO_RBP_MOD, "NO_RBP_MOD"},
	{TDX_CONFIG_MAXPA_VIRT, "MAXPA_VIRT"},
	{TDX_CONFIG_MAXGPA_VIRT, "MAXGPA_VIRT"},
	{TDX_CONFIG_TDX_CONNECT, "TDX_CONNECT"},
	{TDX_CONFIG_PAGE_RELEASE, "PAGE_RELEASE"},
};

static const struct bit_name td_ctls[] = {
	{TDX_TD_CTLS_PENDING_VE_DISABLE, "PENDING_VE_DISABLE"},
	{TDX_TD_CTLS_ENUM_TOPOLOGY, "ENUM_TOPOLOGY"},
	{TDX_TD_CTLS_VIRT_CPUID2, "VIRT_CPUID2"},
	{TDX_TD_CTLS_REDUCE_VE, "REDUCE_VE"},
	{TDX_TD_CTLS_LOCK, "LOCK"},
};

static const char *const xfam[] = {
	[0] = "X87",
	[1] = "SSE",
	[2] = "AVX",
	[3] = "MPX_BNDREGS",
	[4] = "MPX_BNDCSR",
	[5] = "AVX512_K",
	[6] = "AVX512_ZMM_HI256",
	[7] = "AVX512_HI16_ZMM",
	[8] = "PT",
	[9] = "PKRU",
	[10] = "PASID",
	[11] = "CET_U",
	[12] = "CET_S",
	[13] = "HDC",
	[14] = "UINTR",
	[15] = "LBR",
	[16] = "HWP",
	[17] = "AMX_TILECFG",
	[18] = "AMX_TILEDATA",
	[19] = "APX",
};

static const char *find(const struct bit_name *names, size_t n, unsigned bit)
{
	for (size_t i = 0; i < n; i++)
		if (bit < 64 && names[i].bit == 1ull << bit)
			return names[i].name;
	return NULL;
}

#define FIND(table, bit) find(table, sizeof(table) / sizeof((table)[0]), bit)

const char *tdx_attribute_name(unsigned bit)
{
	return FIND(attributes, bit);
}

const char *tdx_config_flag_name(unsigned bit)
{
	return FIND(config_flags, bit);
}

const char *tdx_td_ctls_name(unsigned bit)
{
	return FIND(td_ctls, bit);
}

const char *tdx_xfam_name(unsigned bit)
{
	return bit < sizeof(xfam) / sizeof(xfam[0]) ? xfam[bit] : NULL;
}
