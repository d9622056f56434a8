/* SPDX-License-Identifier: MIT */
/* A monitor has processors to make calls on, not the raw call behind them. With ABUSE it reaches
 * for it, which must not compile. */
#include <swtdx/host.h>

struct tdx_status try_it(const struct tdx_host *host, const struct tdx_td *td);

struct tdx_status try_it(const struct tdx_host *host, const struct tdx_td *td)
{
	const struct tdx_cpu *cpu = tdx_host_cpu(host, 0);
#ifdef ABUSE
	struct tdx_regs regs = {.rax = 0xffff};

	cpu->ops->seamcall(cpu, &regs);
#endif
	return tdh_mem_track(cpu, td);
}
