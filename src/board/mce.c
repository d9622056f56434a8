/* SPDX-License-Identifier: MIT */
/* Machine checks (SDM vol. 3, 16): poison that a load finds is an error the software recovers from,
 * if it can, with the address in bank 1, and the instruction not executed. */
#include "board/internal.h"

#include <inttypes.h>

#include "arch/mce.h"

enum { BANK = 1 }; /* the data cache's */

void board_machine_check(struct board_cpu *c, uint64_t pa)
{
	const uint32_t bank = MSR_MC0_CTL + BANK * MC_BANK_MSRS;

	if (board_msr(c, MSR_MCG_STATUS) & MCG_STATUS_MCIP || !(c->x86->cr4 & CR4_MCE)) {
		board_ends(c->board, BOARD_RESET,
			   "machine check at 0x%" PRIx64 " of processor %u, which cannot take it",
			   c->x86->rip, c->id);
		return;
	}
	board_msr_set(c, bank + MC_STATUS,
		      MC_STATUS_VAL | MC_STATUS_UC | MC_STATUS_EN | MC_STATUS_MISCV |
			      MC_STATUS_ADDRV | MC_STATUS_S | MC_STATUS_AR | MC_STATUS_DATA_LOAD);
	board_msr_set(c, bank + MC_ADDR, pa);
	board_msr_set(c, bank + MC_MISC, MC_MISC_PHYSICAL_LINE);
	board_msr_set(c, MSR_MCG_STATUS, MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP);
	board_raise(c, VECTOR_MC, false);
}
