/* SPDX-License-Identifier: MIT */
/* The calls of the P-SEAMLDR, and a module update from its file; see <swtdx/module_update.h>. */
#include <swtdx/module_update.h>

#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

struct tdx_status tdh_seamldr_info(const struct tdx_cpu *cpu, hpa_t buffer,
				   struct tdx_seamldr_info *out)
{
	struct tdx_regs r = {.rcx = buffer.v};
	const struct tdx_status s = host_call_seamldr(cpu, SEAMLDR_INFO, &r);

	host_port(cpu)->ops->read(host_port(cpu), buffer, out, sizeof(*out));
	return s;
}

struct tdx_status tdh_seamldr_install(const struct tdx_cpu *cpu, hpa_t params, bool *lost)
{
	struct tdx_regs r = {.rcx = params.v};
	const struct tdx_status s = host_call_seamldr(cpu, SEAMLDR_INSTALL, &r);

	*lost = s.raw != SEAMLDR_SUCCESS && s.raw != TDX_SEAMCALL_VMFAILINVALID && r.rdx != 0;
	return s;
}

struct tdx_status tdh_seamldr_shutdown(const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	return host_call_seamldr(cpu, SEAMLDR_SHUTDOWN, &r);
}

struct tdx_status tdh_seamldr_seaminfo(const struct tdx_cpu *cpu, hpa_t buffer)
{
	struct tdx_regs r = {.rcx = buffer.v};

	return host_call_seamldr(cpu, SEAMLDR_SEAMINFO, &r);
}

struct tdx_status tdh_seamldr_cleanup(const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	return host_call_seamldr(cpu, SEAMLDR_CLEANUP, &r);
}

/* --- an update --- */

struct update {
	struct tdx_host *host;
	const struct tdx_cpu *cpu;
	struct tdx_host_info *info;
	hpa_t params;
	struct tdx_status refused;
	unsigned i; /* the processor it is about */
	int err;
};

/* Pages of the image behind its header; 0: it is none. */
static uint64_t pages_of(const struct tdx_module_image *image, size_t size)
{
	const char *name = TDX_MODULE_IMAGE_SIGNATURE;
	uint64_t pages;

	if (size < sizeof(*image) || image->version != TDX_MODULE_IMAGE_VERSION ||
	    image->num_sig_pages != TDX_MODULE_IMAGE_SIGPAGES || image->num_module_pages == 0 ||
	    image->num_module_pages > TDX_SEAMLDR_MAX_MODULE_PAGES)
		return 0;
	for (unsigned i = 0; i < sizeof(image->signature); i++)
		if (image->signature[i] != name[i])
			return 0;
	for (unsigned i = 0; i < sizeof(image->zero); i++)
		if (image->zero[i])
			return 0;
	pages = (uint64_t)image->num_sig_pages + image->num_module_pages;
	return size == (1 + pages) * TDX_PAGE_SIZE ? pages : 0;
}

/* SEAMLDR_PARAMS at `at`, and the image's pages behind it. */
static void place(const struct tdx_port *port, hpa_t at, const uint8_t *image, uint64_t pages)
{
	struct tdx_seamldr_params *p = port->ops->va(port, at);
	const hpa_t first = hpa(at.v + TDX_PAGE_SIZE);

	for (uint64_t i = 0; i < TDX_PAGE_SIZE / sizeof(uint64_t); i++)
		((volatile uint64_t *)p)[i] = 0;
	p->scenario = TDX_SEAMLDR_UPDATE;
	p->sigstruct_pa = first.v;
	p->num_module_pages = pages - TDX_MODULE_IMAGE_SIGPAGES;
	for (uint64_t i = 0; i < p->num_module_pages; i++)
		p->module_page_pa[i] = first.v + (1 + i) * TDX_PAGE_SIZE;
	port->ops->write(port, first, image + TDX_PAGE_SIZE, pages * TDX_PAGE_SIZE);
}

static void shut_down(void *arg)
{
	struct update *u = arg;

	u->err = tdx_host_shutdown(u->host, u->cpu, u->info->handoff_version);
}

static void install(void *arg)
{
	struct update *u = arg;
	bool lost;

	u->refused = tdh_seamldr_install(tdx_host_cpu(u->host, u->i), u->params, &lost);
	u->err = u->refused.raw == SEAMLDR_SUCCESS ? 0 : -EIO;
}

static void come_online(void *arg)
{
	struct update *u = arg;

	u->err = tdx_host_cpu_online(u->host, u->i);
}

static void take_over(void *arg)
{
	struct update *u = arg;

	u->err = tdx_host_update(u->host, u->cpu, u->info);
}

static int on_each(struct update *u, void (*fn)(void *arg))
{
	const struct host_state *h = host_of(u->host);
	int err = 0;

	for (u->i = 0; u->i < h->ncpus && !err; u->i++) {
		err = host_on(h->cpus[u->i], fn, u);
		if (!err)
			err = u->err;
	}
	return err;
}

/* A lack of entropy, which the last processor finds, begins it anew. */
static int install_everywhere(struct update *u)
{
	int err;

	for (unsigned left = TDX_ENTROPY_ATTEMPTS; left; left--) {
		err = on_each(u, install);
		if (!err || u->refused.raw != SEAMLDR_ENOENTROPY)
			break;
	}
	return err;
}

static int on_first(struct update *u, void (*fn)(void *arg))
{
	const int err = host_on(host_of(u->host)->cpus[0], fn, u);

	return err ? err : u->err;
}

int tdx_host_update_from(struct tdx_host *host, const void *image, size_t size,
			 const struct tdx_host_allocator *mem, struct tdx_host_info *info,
			 struct tdx_status *refused)
{
	struct host_state *h = host_of(host);
	const uint64_t pages = pages_of(image, size), room = (1 + pages) * TDX_PAGE_SIZE;
	struct update u = {.host = host, .cpu = tdx_host_cpu(host, 0), .info = info};
	int err;

	*refused = tdx_success();
	if (!pages)
		return -EINVAL;
	u.params = mem->alloc(mem->ctx, room, TDX_PAGE_SIZE, hpa(0));
	if (u.params.v == ~0ull)
		return -ENOMEM;
	place(h->cpus[0], u.params, image, pages);
	err = on_first(&u, shut_down);
	if (!err)
		err = install_everywhere(&u);
	if (!err)
		err = on_each(&u, come_online);
	if (!err)
		err = on_first(&u, take_over);
	mem->free(mem->ctx, u.params, room);
	*refused = u.refused;
	return err;
}
