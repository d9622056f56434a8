/* SPDX-License-Identifier: MIT */
/* Machine-check architecture (SDM volume 3, 16.3 and 16.9): bits of its MSRs. */
#ifndef ARCH_MCE_H
#define ARCH_MCE_H

#define MCG_CAP_SER_P	(1u << 24) /* software error recovery */

#define MCG_STATUS_RIPV 1ull
#define MCG_STATUS_EIPV 2ull
#define MCG_STATUS_MCIP 4ull

#define MC_STATUS_VAL	(1ull << 63)
#define MC_STATUS_UC	(1ull << 61)
#define MC_STATUS_EN	(1ull << 60)
#define MC_STATUS_MISCV (1ull << 59)
#define MC_STATUS_ADDRV (1ull << 58)
#define MC_STATUS_S	(1ull << 56)
#define MC_STATUS_AR	(1ull << 55)
/* the error code in bits 15:0: L0 data load */
#define MC_STATUS_DATA_LOAD 0x134ull

/* IA32_MCi_MISC: the address is physical, and of a 64-byte line */
#define MC_MISC_PHYSICAL_LINE (2ull << 6 | 6)

/* A bank's MSRs follow its CTL. */
enum { MC_BANK_MSRS = 4, MC_STATUS = 1, MC_ADDR, MC_MISC };

#endif
