/* SPDX-License-Identifier: MIT */
/* A migration TD's host: it binds it, runs it, and carries what it says.
 *
 * The migration TD's buffer is shared, so the other side of each message is a copy; its length is
 * read once. What it says is between it and the other migration TD. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/busy.h"
#include "vmm/mig.h"

_Static_assert(sizeof(struct tdx_migtd_page) == TDX_PAGE_SIZE, "the message is behind it");
_Static_assert(TDX_MIGTD_MESSAGE_MAX + TDX_PAGE_SIZE == TDX_MIGTD_BUFFER_SIZE, "and ends there");

int tdx_vm_bind_migtd(struct tdx_vm *vm, struct tdx_vm *service, struct tdx_servtd_binding *out)
{
	struct vmm_cpu *c;
	struct tdx_status s;

	if (vm_is_dead(vm) || vm_is_dead(service))
		return -EIO;
	c = vmm_get_cpu(vm->vmm, -1);
	s = tdh_servtd_bind(c->cpu, &vm->td, &service->td, 0, out);
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return 0;
	return vm_fail(vm, TDH_SERVTD_BIND, s,
		       vm_busy(TDH_SERVTD_BIND, s) == BUSY_TELL_USER ? -EBUSY : -EINVAL);
}

/* In place of the length of a message: there is none, nor will there be. */
#define NO_MORE (~0u)

struct carrier {
	struct tdx_vm *service;
	const struct tdx_mig_channel *channel;
	const struct tdx_quote_service *quotes;
	uint8_t *message;
	bool waited; /* it has been told of this session */
	bool alone;  /* the other side has given up, or a message did not go out whole */
	struct tdx_migtd_page page;
};

static int get_page(struct carrier *c)
{
	return tdx_vm_read_shared(c->service, gpa(TDX_MIGTD_BUFFER), &c->page, sizeof(c->page));
}

static int put_page(struct carrier *c)
{
	return tdx_vm_write_shared(c->service, gpa(TDX_MIGTD_BUFFER), &c->page, sizeof(c->page));
}

static gpa_t message_at(void)
{
	return gpa(TDX_MIGTD_BUFFER + TDX_PAGE_SIZE);
}

static int carry_out(struct carrier *c)
{
	const uint32_t length = c->page.length;
	int err;

	if (length > TDX_MIGTD_MESSAGE_MAX)
		return -EPROTO;
	err = tdx_vm_read_shared(c->service, message_at(), c->message, length);
	if (err)
		return err;
	err = c->channel->send(c->channel->arg, &length, sizeof(length));
	if (!err)
		err = c->channel->send(c->channel->arg, c->message, length);
	c->alone = err != 0;
	return err;
}

/* It may be waiting for a message, and for nothing else. */
static void tell_of_failure(struct carrier *c)
{
	const uint32_t none = NO_MORE;

	if (!c->alone)
		(void)c->channel->send(c->channel->arg, &none, sizeof(none));
}

static int carry_in(struct carrier *c)
{
	uint32_t length;
	int err = c->channel->recv(c->channel->arg, &length, sizeof(length));

	if (!err && length > TDX_MIGTD_MESSAGE_MAX)
		err = length == NO_MORE ? -ECONNABORTED : -EPROTO;
	c->alone = err == -ECONNABORTED;
	if (!err)
		err = c->channel->recv(c->channel->arg, c->message, length);
	if (!err)
		err = tdx_vm_write_shared(c->service, message_at(), c->message, length);
	c->page.length = length;
	return err ? err : put_page(c);
}

/* It is in the middle of a session that ended on the host's side: that fails, and it comes to wait
 * for this one. */
static int left_over(struct carrier *c)
{
	static const struct tdx_migtd_page nothing;

	return tdx_vm_write_shared(c->service, gpa(TDX_MIGTD_BUFFER), &nothing, sizeof(nothing));
}

/* 1: it has done what it was asked for, and page.result says how. */
static int asked(struct carrier *c, uint32_t request)
{
	int err;

	if (!c->waited && request != TDX_MIGTD_WAIT)
		return request <= TDX_MIGTD_DONE ? left_over(c) : -EPROTO;
	err = c->waited ? get_page(c) : 0;
	if (err)
		return err;
	switch ((enum tdx_migtd_request)request) {
	case TDX_MIGTD_WAIT:
		if (c->waited)
			return -EPROTO;
		c->waited = true;
		return put_page(c);
	case TDX_MIGTD_SEND:
		return carry_out(c);
	case TDX_MIGTD_RECEIVE:
		return carry_in(c);
	case TDX_MIGTD_DONE:
		return 1;
	}
	return -EPROTO;
}

static int quote(struct carrier *c, struct tdx_run *run)
{
	struct tdx_quote_job job;
	int err = tdx_vm_quote_take(c->service, run, &job);

	return err ? err : tdx_vm_quote_give(c->service, &job, c->quotes);
}

static int handle(struct carrier *c, struct tdx_run *run)
{
	switch (run->exit) {
	case TDX_EXIT_IO:
		if (run->io.write && run->io.port == TDX_MIGTD_PORT)
			return asked(c, run->io.data);
		run->io.data = ~0u;
		return 0;
	case TDX_EXIT_GET_QUOTE:
		(void)quote(c, run); /* it is told */
		return 0;
	case TDX_EXIT_MEMORY_FAULT:
		return tdx_vm_set_private(c->service, run->memory_fault.gpa, run->memory_fault.size,
					  run->memory_fault.private_);
	case TDX_EXIT_MMIO:
		run->mmio.data = ~0ull;
		return 0;
	case TDX_EXIT_INTR:
	case TDX_EXIT_MAP_GPA:
	case TDX_EXIT_TDVMCALL:
	case TDX_EXIT_HYPERCALL:
		return 0;
	case TDX_EXIT_HLT:
	case TDX_EXIT_SYSTEM_EVENT:
	case TDX_EXIT_DEBUG:
	case TDX_EXIT_SHUTDOWN:
	case TDX_EXIT_FAIL_ENTRY:
	case TDX_EXIT_INTERNAL_ERROR:
		break;
	}
	return -EIO;
}

/* The request that ended the last session, a write to the port, is open until this one's first
 * entry. */
static int run(struct carrier *c, struct tdx_vcpu *vcpu)
{
	struct tdx_run run = {.exit = TDX_EXIT_IO, .io = {.write = true}};
	int err = 0;

	while (!err) {
		err = tdx_vcpu_run(vcpu, -1, &run);
		if (!err)
			err = handle(c, &run);
	}
	return err == 1 ? c->page.result : err;
}

int tdx_migtd_exchange(struct tdx_vm *target, bool source, struct tdx_vm *service,
		       struct tdx_vcpu *vcpu, const struct tdx_quote_service *quotes,
		       const struct tdx_mig_channel *channel)
{
	struct carrier c = {.service = service, .channel = channel, .quotes = quotes};
	struct tdx_servtd_binding b;
	int err = tdx_vm_bind_migtd(target, service, &b);

	c.message = malloc(TDX_MIGTD_MESSAGE_MAX);
	if (!err && !c.message)
		err = -ENOMEM;
	if (!err) {
		c.page.handle = b.handle;
		memcpy(c.page.target_uuid, b.target_uuid, sizeof(c.page.target_uuid));
		c.page.source = source;
		err = run(&c, vcpu);
	}
	if (err)
		tell_of_failure(&c);
	free(c.message);
	return err > 0 ? -EPROTO : err;
}
