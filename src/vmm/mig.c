/* SPDX-License-Identifier: MIT */
/* See vmm/mig.h: the pages of a session, its calls, its records. */
#include "vmm/mig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/busy.h"

enum { RESUMPTIONS = 100000 };

void *mig_va(const struct mig *m, uint64_t pa)
{
	const struct tdx_port *port = m->vm->vmm->port[0];

	return port->ops->va(port, hpa(pa));
}

double mig_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* By whole lines under the host's KeyID: it may have been a private page. */
static void own(const struct mig *m, uint64_t pa)
{
	static const uint8_t zero[TDX_PAGE_SIZE];

	tdx_vmm_write(m->vm->vmm, hpa(pa), zero, sizeof(zero));
}

int mig_open(struct mig *m, struct tdx_vm *vm, const struct tdx_mig_channel *c,
	     struct tdx_mig_stats *stats)
{
	struct pages *pages = &vm->vmm->pages;

	*m = (struct mig){.vm = vm, .channel = c, .stats = stats};
	m->record = malloc(MIG_RECORD_MAX);
	for (unsigned i = 0; i < sizeof(m->page) / sizeof(m->page[0]); i++) {
		m->page[i] = pages_get(pages);
		if (!m->page[i])
			return -ENOMEM;
		own(m, m->page[i]);
	}
	/* The MACs' two pages are one array here. */
	m->macs_pa[0] = pages_get_run(pages, 2 * TDX_PAGE_SIZE, TDX_PAGE_SIZE);
	if (!m->macs_pa[0] || !m->record)
		return -ENOMEM;
	m->macs_pa[1] = m->macs_pa[0] + TDX_PAGE_SIZE;
	own(m, m->macs_pa[0]);
	own(m, m->macs_pa[1]);
	m->mbmd_pa = m->page[0];
	m->list_pa = m->page[1];
	m->buffers_pa = m->page[2];
	m->new_pa = m->page[3];
	m->mbmd = mig_va(m, m->mbmd_pa);
	m->list = mig_va(m, m->list_pa);
	m->buffers = mig_va(m, m->buffers_pa);
	m->new_pages = mig_va(m, m->new_pa);
	m->attributes = mig_va(m, m->page[4]);
	m->macs = mig_va(m, m->macs_pa[0]);
	m->memory = (struct tdx_mig_memory){
		.gpas = {.list = hpa(m->list_pa)},
		.mbmd = hpa(m->mbmd_pa),
		.buffers = hpa(m->buffers_pa),
		.macs = {hpa(m->macs_pa[0]), hpa(m->macs_pa[1])},
		.attributes = hpa(m->page[4]),
	};
	m->pages.list = hpa(m->buffers_pa);
	return 0;
}

void mig_close(struct mig *m)
{
	struct pages *pages = &m->vm->vmm->pages;

	for (unsigned i = 0; i < sizeof(m->page) / sizeof(m->page[0]); i++)
		if (m->page[i])
			pages_put(pages, m->page[i]);
	if (m->macs_pa[0])
		pages_put_run(pages, m->macs_pa[0], 2 * TDX_PAGE_SIZE);
	pages_put_many(pages, m->buffer, m->nbuffers);
	free(m->record);
}

int mig_need_buffers(struct mig *m, unsigned n)
{
	while (m->nbuffers < n) {
		uint64_t pa = pages_get(&m->vm->vmm->pages);

		if (!pa)
			return -ENOMEM;
		own(m, pa);
		m->buffer[m->nbuffers++] = pa;
	}
	memcpy(m->buffers, m->buffer, n * sizeof(m->buffer[0]));
	return 0;
}

struct tdx_status mig_make(struct mig *m, enum tdx_seamcall leaf, mig_call *fn, int cpu)
{
	struct tdx_status s;
	unsigned tries = 0, resumed = 0;

	m->memory.stream.resume = false;
	for (;;) {
		struct tdx_vmm *vmm = m->vm->vmm;
		struct vmm_cpu *c =
			cpu < 0 ? vmm_get_cpu(vmm, -1) : vmm_get_this_cpu(vmm, (unsigned)cpu);

		s = fn(c->cpu, m);
		vmm_put_cpu(c);
		if (tdx_is(s, TDX_INTERRUPTED_RESUMABLE) && ++resumed < RESUMPTIONS) {
			m->memory.stream.resume = true;
			if (m->memory.gpas.n)
				m->memory.gpas.first = m->result.next;
			continue;
		}
		if (!vm_again(m->vm, leaf, s, &tries))
			break;
	}
	m->memory.stream.resume = false;
	return s;
}

void mig_list_pages(struct mig *m, unsigned n)
{
	m->pages.n = n;
	m->memory.gpas.n = 0;
}

/* --- the stream --- */

int mig_send(struct mig *m, const void *buf, size_t len)
{
	int err = m->channel->send(m->channel->arg, buf, len);

	if (!err)
		m->stats->bytes += len;
	m->cut_off = m->cut_off || err;
	return err;
}

int mig_recv(struct mig *m, void *buf, size_t len)
{
	int err = m->channel->recv(m->channel->arg, buf, len);

	if (!err)
		m->stats->bytes += len;
	return err;
}

int mig_send_record(struct mig *m, enum mig_type type, const void *body, size_t len)
{
	const struct mig_record r = {.type = (uint32_t)type, .length = (uint32_t)len};
	int err = mig_send(m, &r, sizeof(r));

	return err || !len ? err : mig_send(m, body, len);
}

void mig_tell(struct mig *m, enum mig_type type, const void *body, size_t len)
{
	if (m->channel->send && !m->cut_off)
		(void)mig_send_record(m, type, body, len);
}

int mig_recv_record(struct mig *m, struct mig_record *r)
{
	static const uint32_t longest[] = {
		[MIG_SLOT] = sizeof(struct mig_slot),
		[MIG_BUNDLE] = sizeof(struct mig_bundle) + MIG_STATE_PAGES * TDX_PAGE_SIZE,
		[MIG_VCPU] = sizeof(struct mig_vcpu) + sizeof(struct mig_bundle) +
			     MIG_STATE_PAGES * TDX_PAGE_SIZE,
		[MIG_MEMORY] = MIG_LIST_MAX,
		[MIG_TOKEN] = sizeof(struct mbmd),
		[MIG_SHARED_RUN] = MIG_RUNS * sizeof(struct mig_run),
		[MIG_SHARED] = sizeof(struct mig_run) + TDX_PAGE_SIZE,
		[MIG_USER] = TDX_MIG_USER_MAX,
		[MIG_ABORTED] = sizeof(struct mbmd),
	};
	int err = mig_recv(m, r, sizeof(*r));

	if (err)
		return err;
	if (r->type < MIG_SLOT || r->type > MIG_ABORTED || r->length > longest[r->type])
		return -EPROTO;
	return r->length ? mig_recv(m, m->record, r->length) : 0;
}
