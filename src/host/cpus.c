/* SPDX-License-Identifier: MIT */
/* Processors come and go. TDH.SYS.INIT is made once, by the first that comes; TDH.SYS.LP.INIT once
 * on each, where it runs.
 *
 * A KeyID is programmed, and written back, a package at a time, on a processor of that package:
 * while TDs have KeyIDs no package may lose its last one. */
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

int host_on(const struct tdx_port *port, void (*fn)(void *arg), void *arg)
{
	if (port->ops->call_on)
		return port->ops->call_on(port, fn, arg) ? -ENXIO : 0;
	fn(arg);
	return 0;
}

const struct tdx_port *host_any(const struct host_state *h)
{
	for (unsigned i = 0; i < h->ncpus; i++)
		if (host_bit(h->online, i))
			return h->cpus[i];
	return NULL;
}

/* What became of the one TDH.SYS.INIT is what becomes of every processor. */
static int sys_init(struct host_state *h, const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	if (!h->sys_init_done) {
		h->sys_init_err = host_check(h, TDH_SYS_INIT, host_call(cpu, TDH_SYS_INIT, 0, &r));
		h->sys_init_done = true;
	}
	return h->sys_init_err;
}

static int lp_init(struct host_state *h, unsigned i, const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};
	int err;

	if (host_bit(h->initialised, i))
		return 0;
	err = host_check(h, TDH_SYS_LP_INIT, host_call(cpu, TDH_SYS_LP_INIT, 0, &r));
	if (!err)
		host_set_bit(h->initialised, i, true);
	return err;
}

int tdx_host_cpu_online(struct tdx_host *host, unsigned i)
{
	struct host_state *h = host_of(host);
	int err;

	if (i >= h->ncpus)
		return -EINVAL;
	host_lock(h);
	err = sys_init(h, tdx_cpu_of(h->cpus[i]));
	if (!err)
		err = lp_init(h, i, tdx_cpu_of(h->cpus[i]));
	if (!err)
		host_set_bit(h->online, i, true);
	host_unlock(h);
	return err;
}

static unsigned package_of(const struct host_state *h, unsigned i)
{
	return h->cpus[i]->ops->package(h->cpus[i]);
}

static bool is_last_of_package(const struct host_state *h, unsigned cpu)
{
	for (unsigned i = 0; i < h->ncpus; i++)
		if (i != cpu && host_bit(h->online, i) && package_of(h, i) == package_of(h, cpu))
			return false;
	return true;
}

int tdx_host_cpu_offline(struct tdx_host *host, unsigned i)
{
	struct host_state *h = host_of(host);

	if (i >= h->ncpus)
		return -EINVAL;
	host_lock(h);
	if (host_bit(h->online, i) && h->hkids_used && is_last_of_package(h, i)) {
		host_unlock(h);
		return -EBUSY;
	}
	host_set_bit(h->online, i, false);
	host_unlock(h);
	tdx_host_cpu_flush(tdx_cpu_of(h->cpus[i]));
	return 0;
}

void tdx_host_cpu_flush(const struct tdx_cpu *cpu)
{
	const struct tdx_port *port = host_port(cpu);

	if (!port->ops->incoherent(port))
		return;
	port->ops->wbinvd(port);
	port->ops->set_incoherent(port, false);
}

bool tdx_host_cpu_is_online(const struct tdx_host *host, unsigned i)
{
	return i < host_of_const(host)->ncpus && host_bit(host_of_const(host)->online, i);
}

bool tdx_host_leads_package(const struct tdx_host *host, unsigned cpu)
{
	const struct host_state *h = host_of_const(host);

	if (!tdx_host_cpu_is_online(host, cpu))
		return false;
	for (unsigned i = 0; i < cpu; i++)
		if (host_bit(h->online, i) && package_of(h, i) == package_of(h, cpu))
			return false;
	return true;
}

unsigned tdx_host_num_cpus(const struct tdx_host *host)
{
	return host_of_const(host)->ncpus;
}

const struct tdx_cpu *tdx_host_cpu(const struct tdx_host *host, unsigned i)
{
	return tdx_cpu_of(host_of_const(host)->cpus[i]);
}
