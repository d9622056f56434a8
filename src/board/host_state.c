/* SPDX-License-Identifier: MIT */
/* What a TD takes with it of its host's state (ABI, TDH.VP.ENTER; Linux has the list of those it
 * restores), and whether the host gave user code its own again. */
#include "board/internal.h"

#include <stddef.h>
#include <string.h>

#define FMASK_AFTER_TD	  0x20200ull
#define KERNEL_GS_OF_SEAM 0ull /* the module's, whatever that is: not the host's */
/* BTF, FREEZE_PERFMON_ON_PMI, FREEZE_WHILE_SMM */
#define DEBUGCTL_KEPT ((1ull << 1) | (1ull << 12) | (1ull << 14))

static const struct {
	uint32_t msr;
	size_t at; /* in struct x86_cpu */
	uint64_t left;
	bool hosts; /* a host may have that value itself */
	const char *what;
} lost[] = {
	{MSR_STAR, offsetof(struct x86_cpu, star), 0, false,
	 "IA32_STAR in user mode is what a TD left"},
	{MSR_LSTAR, offsetof(struct x86_cpu, lstar), 0, false,
	 "IA32_LSTAR in user mode is what a TD left"},
	{MSR_SFMASK, offsetof(struct x86_cpu, sfmask), FMASK_AFTER_TD, false,
	 "IA32_FMASK in user mode is what a TD left"},
	{MSR_TSC_AUX, offsetof(struct x86_cpu, tsc_aux), 0, true,
	 "IA32_TSC_AUX in user mode is what a TD left"},
	{MSR_KERNEL_GS_BASE, offsetof(struct x86_cpu, kernel_gs_base), KERNEL_GS_OF_SEAM, true,
	 "IA32_KERNEL_GS_BASE in user mode is what a TD left"},
};
enum { LOST = sizeof(lost) / sizeof(lost[0]) };

/* One that is what the host had is not missed; but a host may have written what a TD leaves before
 * it entered one, to know what is there then. */
static void lose_msrs(struct board_cpu *c)
{
	for (unsigned i = 0; i < LOST; i++) {
		uint64_t *value = (uint64_t *)(void *)((uint8_t *)c->x86 + lost[i].at);

		if (!lost[i].hosts || *value != lost[i].left)
			c->lost |= 1u << i;
		*value = lost[i].left;
	}
}

void board_lose_host_state(struct board_cpu *c)
{
	struct x86_cpu *x = c->x86;
	const struct x86_fxregs init = {
		.fcw = FCW_INIT, .mxcsr = MXCSR_RESET, .mxcsr_mask = x->fx.mxcsr_mask};

	lose_msrs(c);
	x->fx = init;
	memset(x->xmm, 0, sizeof(x->xmm));
	x86_init_vectors(x);
	x->dr[0] = x->dr[1] = x->dr[2] = x->dr[3] = 0;
	x->dr[6] = DR6_RESET;
	x86_debug_changed(x);
	board_msr_keep(c, MSR_DEBUGCTL, DEBUGCTL_KEPT);
	if (c->board->san && c->lost)
		board_chain(c, &c->lost_here);
}

void board_host_state_written(struct board_cpu *c, uint32_t msr, uint64_t value)
{
	for (unsigned i = 0; c->lost && i < LOST; i++)
		if (lost[i].msr == msr && (lost[i].hosts || value != lost[i].left))
			c->lost &= ~(1u << i);
}

void board_user_mode(struct x86_cpu *x86)
{
	struct board_cpu *c = board_cpu_of(x86);
	struct board_report r = {.duty = "writing the host's value back",
				 .page = ~0ull,
				 .processor = c->id,
				 .gave = c->lost_here};

	if (!c->lost)
		return;
	board_chain(c, &r.used);
	for (unsigned i = 0; i < LOST; i++) {
		r.what = lost[i].what;
		if (c->lost >> i & 1)
			board_tell(c->board, &r);
	}
	c->lost = 0;
}
