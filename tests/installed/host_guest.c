/* SPDX-License-Identifier: MIT */
/* A kernel that can be a host and a TD: both freestanding libraries in one object without a C
 * library. */
#ifdef OWN_TYPES
/* As Linux has them. */
typedef _Bool bool;
#define true 1
#define false 0
#define NULL	       ((void *)0)
#define offsetof(t, m) __builtin_offsetof(t, m)
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned long size_t;
#define SWTDX_OWN_TYPES
#endif
#include <swtdx/guest.h>
#include <swtdx/host.h>
#include <swtdx/seamcall.h>

int kernel_is_td(const struct tdg_port *vcpu, struct tdg_td *td);
int kernel_start(struct tdx_host *host, const struct tdx_kernel *kernel);
const char *kernel_says(struct tdx_status s, char *buf, size_t len);
int kernel_td(const struct tdx_host *host, const struct tdx_td *td);

static struct tdx_seamcall_port port;
static const struct tdx_port *cpus[1];

int kernel_is_td(const struct tdg_port *vcpu, struct tdg_td *td)
{
	return tdg_init(vcpu, td);
}

int kernel_start(struct tdx_host *host, const struct tdx_kernel *kernel)
{
	static struct tdx_host_info info;
	int err;

	tdx_seamcall_port_init(&port, kernel, 0, 0);
	cpus[0] = &port.port;
	err = tdx_host_init(host, cpus, 1, 0);
	return err ? err : tdx_host_discover(host, &info);
}

int kernel_td(const struct tdx_host *host, const struct tdx_td *td)
{
	return tdx_is_success(tdh_mng_create(tdx_host_cpu(host, 0), td)) ? 0 : -1;
}

const char *kernel_says(struct tdx_status s, char *buf, size_t len)
{
	return tdx_status_format(s, buf, len);
}
