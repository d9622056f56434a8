/* SPDX-License-Identifier: MIT */
/* Writing traces: a listener with a buffer for each processor. */
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arch/x86.h"
#include "machine/machine.h"
#include "module/hooks.h"
#include "module/l2.h"
#include "module/mig.h"
#include "module/sha384.h"
#include "module/tx.h"
#include "module/vmcs.h"
#include "trace/crc32.h"
#include <swtdx/structs.h>

enum {
	MAX_RECORD = 8192, /* anything but memory and text fits */
	TDMR_INFO_SIZE = 512,
	MAX_TDMRS = 64,
};

/* A processor's record in progress and the block it will be in. The record is the processor's own;
 * the block is under the mutex, since whoever saves what there is takes it too. */
struct lane {
	struct trace_record r;
	struct trace_lock lock[TRACE_MAX_LOCKS];
	bool open;
	uint32_t vapic; /* virtual_interrupts() when the guest was entered */
	pthread_mutex_t mutex;
	size_t used;
	uint8_t block[TRACE_BLOCK_HEADER + TRACE_BLOCK_SIZE];
	uint8_t pad[64]; /* the next processor's */
};

struct trace {
	struct module *mod;
	struct trace_options opt;
	int fd;
	struct timespec start;
	_Atomic uint64_t seq;
	_Atomic uint64_t bytes; /* written */
	_Atomic bool full;
	pthread_mutex_t file; /* one block at a time */
	_Atomic int err;
	unsigned lps;
	struct lane *lane;
};

static uint64_t now(const struct trace *t)
{
	struct timespec ts;

	if (t->opt.timeless)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)(ts.tv_sec - t->start.tv_sec) * 1000000000ull + (uint64_t)ts.tv_nsec -
	       (uint64_t)t->start.tv_nsec;
}

/* --- blocks --- */

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void write_all(struct trace *t, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(t->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			atomic_store(&t->err, n < 0 ? -errno : -EIO);
			return;
		}
		p += n;
		len -= (size_t)n;
	}
}

static void flush(struct trace *t, unsigned lp)
{
	struct lane *l = &t->lane[lp];

	if (l->used == 0)
		return;
	put32(l->block, TRACE_BLOCK_MAGIC);
	put32(l->block + 8, lp);
	put32(l->block + 12, (uint32_t)l->used);
	put32(l->block + 4, crc32_of(l->block + 8, TRACE_BLOCK_HEADER - 8 + l->used));
	pthread_mutex_lock(&t->file);
	write_all(t, l->block, TRACE_BLOCK_HEADER + l->used);
	pthread_mutex_unlock(&t->file);
	if (t->opt.max_bytes &&
	    atomic_fetch_add(&t->bytes, TRACE_BLOCK_HEADER + l->used) >= t->opt.max_bytes)
		atomic_store(&t->full, true);
	l->used = 0;
}

static void put_byte(struct lane *l, uint8_t v)
{
	l->block[TRACE_BLOCK_HEADER + l->used++] = v;
}

static void put(struct lane *l, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put_byte(l, (uint8_t)(v | 0x80));
	put_byte(l, (uint8_t)v);
}

/* The registers that differ from `base`. */
static void put_regs(struct lane *l, const struct tdx_regs *regs, const struct tdx_regs *base)
{
	struct tdx_regs r = *regs, b = *base;
	uint32_t mask = 0;

	for (unsigned i = 0; i < 16; i++)
		mask |= (uint32_t)(*tdx_reg(&r, i) != *tdx_reg(&b, i)) << i;
	put(l, mask);
	for (unsigned i = 0; i < 16; i++)
		if (mask & 1u << i)
			put(l, *tdx_reg(&r, i));
}

static void put_exit(struct lane *l, const struct trace_record *r)
{
	const struct vmexit *x = &r->exit;

	put(l, x->reason);
	put(l, x->qualification);
	put(l, x->gpa);
	put(l, x->gla);
	put(l, x->intr_info);
	put(l, x->intr_error);
	put(l, x->instr_len);
	put(l, x->instr_info);
	put(l, x->idt_vectoring_info);
	put(l, x->idt_vectoring_error);
	put_byte(l, (uint8_t)(x->stall | (TRACE_RETIRED_MANY - r->retired) << 1));
}

static void put_call(struct trace *t, unsigned lp)
{
	static const struct tdx_regs zero;
	struct lane *l = &t->lane[lp];
	const struct trace_record *r = &l->r;

	if (l->used + MAX_RECORD > TRACE_BLOCK_SIZE)
		flush(t, lp);
	put_byte(l, (uint8_t)r->type);
	put(l, r->seq);
	put(l, r->begin_ns);
	put(l, r->duration_ns);
	put_byte(l, (uint8_t)(r->next | (r->polled ? TRACE_POLLED : 0)));
	if (r->polled)
		put(l, r->polled);
	put_byte(l, r->mode64);
	put(l, r->tdvpr);
	put(l, r->event.info);
	put(l, r->event.error);
	if (r->type == TRACE_EXIT)
		put_exit(l, r);
	put_regs(l, &r->in, &zero);
	put_regs(l, &r->out, &r->in);
	put(l, r->nlocks);
	for (unsigned i = 0; i < r->nlocks; i++) {
		const struct trace_lock *k = &l->lock[i];

		put_byte(l, (uint8_t)(k->res | k->mode << 4 | k->result << 6));
		put(l, k->key);
		put(l, k->taken_ns);
		put(l, k->released_ns);
	}
}

static void put_record(struct trace *t, unsigned lp)
{
	pthread_mutex_lock(&t->lane[lp].mutex);
	put_call(t, lp);
	pthread_mutex_unlock(&t->lane[lp].mutex);
}

void trace_save(struct trace *t)
{
	for (unsigned i = 0; i < t->lps; i++) {
		pthread_mutex_lock(&t->lane[i].mutex);
		flush(t, i);
		pthread_mutex_unlock(&t->lane[i].mutex);
	}
}

/* Bytes longer than a block go into several records. */
static void put_bytes(struct trace *t, unsigned lp, enum trace_type type, uint64_t pa,
		      const uint8_t *bytes, size_t len)
{
	struct lane *l = &t->lane[lp];

	if (trace_is_full(t))
		return;
	pthread_mutex_lock(&l->mutex);
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < TRACE_BLOCK_SIZE / 2 ? len - at : TRACE_BLOCK_SIZE / 2;
		if (l->used + n + 64 > TRACE_BLOCK_SIZE)
			flush(t, lp);
		put_byte(l, (uint8_t)type);
		put(l, atomic_fetch_add(&t->seq, 1));
		put(l, pa + at);
		put(l, n);
		memcpy(l->block + TRACE_BLOCK_HEADER + l->used, bytes + at, n);
		l->used += n;
	}
	pthread_mutex_unlock(&l->mutex);
}

bool trace_is_full(const struct trace *t)
{
	return atomic_load_explicit(&t->full, memory_order_relaxed);
}

void trace_text(struct trace *t, unsigned lp, const char *line)
{
	if (lp < t->lps)
		put_bytes(t, lp, TRACE_TEXT, 0, (const uint8_t *)line, strlen(line));
}

/* --- what calls read --- */

static void put_memory(struct trace *t, unsigned lp, uint64_t pa, size_t len)
{
	const struct machine *m = t->mod->m;

	pa = machine_strip(m, pa);
	if (machine_is_ram(m, pa, len))
		put_bytes(t, lp, TRACE_MEMORY, pa, machine_ptr(m, pa), len);
}

/* --- migration: lists, what they name, and messages --- */

enum { LIST_ENTRIES = 512, LIST_LAST_SHIFT = 55, LIST_FIRST_SHIFT = 3 };
#define LIST_PAGE     0x000ffffffffff000ull
#define ENTRY_INVALID (1ull << 63)
#define NO_LIST	      (~0ull)

static void put_page(struct trace *t, unsigned lp, uint64_t pa)
{
	put_memory(t, lp, pa & LIST_PAGE, TDX_PAGE_SIZE);
}

/* A message's head: its size is in the operand, and no more than a page. */
static void put_mbmd(struct trace *t, unsigned lp, uint64_t r8)
{
	put_memory(t, lp, r8 & LIST_PAGE & ~0x7full, sizeof(struct mbmd));
}

/* A list of pages, and with `contents` the pages from the first on. */
static void put_pages(struct trace *t, unsigned lp, uint64_t list, unsigned first, bool contents)
{
	const struct machine *m = t->mod->m;
	const uint64_t pa = machine_strip(m, list & LIST_PAGE);
	const unsigned last = (unsigned)(list >> LIST_LAST_SHIFT) & (LIST_ENTRIES - 1);

	if (list == NO_LIST || !machine_is_ram(m, pa, TDX_PAGE_SIZE))
		return;
	put_page(t, lp, pa);
	for (unsigned i = first; contents && i <= last; i++) {
		uint64_t entry;

		memcpy(&entry, machine_ptr(m, pa + i * sizeof(entry)), sizeof(entry));
		if (!(entry & ENTRY_INVALID))
			put_page(t, lp, entry);
	}
}

static void migration_operands(struct trace *t, unsigned lp, const struct tdx_regs *in)
{
	const unsigned first = (unsigned)(in->rcx >> LIST_FIRST_SHIFT) & (LIST_ENTRIES - 1);

	switch (tdx_rax_leaf(in->rax)) {
	case TDH_EXPORT_BLOCKW:
	case TDH_EXPORT_RESTORE:
		put_page(t, lp, in->rcx);
		break;
	case TDH_EXPORT_MEM:
		put_page(t, lp, in->rcx);
		put_pages(t, lp, in->r9, 0, false);
		break;
	case TDH_IMPORT_MEM:
		put_mbmd(t, lp, in->r8);
		put_page(t, lp, in->rcx);
		put_pages(t, lp, in->r9, first, true);
		put_page(t, lp, in->r11);
		put_page(t, lp, in->r12);
		put_pages(t, lp, in->r13, 0, false);
		put_page(t, lp, in->r14);
		break;
	case TDH_EXPORT_STATE_IMMUTABLE:
	case TDH_EXPORT_STATE_TD:
	case TDH_EXPORT_STATE_VP:
		put_pages(t, lp, in->r9, 0, false);
		break;
	case TDH_IMPORT_STATE_IMMUTABLE:
	case TDH_IMPORT_STATE_TD:
	case TDH_IMPORT_STATE_VP:
		put_mbmd(t, lp, in->r8);
		put_pages(t, lp, in->r9, 0, true);
		break;
	case TDH_EXPORT_ABORT:
	case TDH_IMPORT_TRACK:
		put_mbmd(t, lp, in->r8);
		break;
	}
}

/* What an L1 VMM gives its VM at TDG.VP.ENTER. */
static void l2_state(struct trace *t, struct lp *lp, const struct tdx_regs *in)
{
	uint64_t pa;

	if (!trace_is_full(t) && tdx_rax_leaf(in->rax) == TDG_VP_ENTER && lp->vps->curr_vm == 0 &&
	    module_guest_private(t->mod, lp->id, gpa(in->rdx), &pa))
		put_memory(t, lp->id, pa, sizeof(struct tdx_l2_state));
}

static void operands(struct trace *t, unsigned lp, const struct tdx_regs *in)
{
	const struct machine *m = t->mod->m;
	uint64_t list = machine_strip(m, in->rcx), n = in->rdx;

	switch (tdx_rax_leaf(in->rax)) {
	case TDH_SYS_CONFIG:
		if (n > MAX_TDMRS || !machine_is_ram(m, list, n * 8))
			return;
		put_memory(t, lp, list, n * 8);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t pa;

			memcpy(&pa, machine_ptr(m, list + i * 8), 8);
			put_memory(t, lp, pa, TDMR_INFO_SIZE);
		}
		break;
	case TDH_MNG_INIT:
		put_memory(t, lp, in->rdx, sizeof(struct tdx_td_params));
		break;
	case TDH_MEM_PAGE_ADD:
		if (t->opt.contents)
			put_memory(t, lp, in->r9, TDX_PAGE_SIZE);
		break;
	case TDH_SERVTD_PREBIND:
		put_memory(t, lp, in->rdx, SHA384_SIZE);
		break;
	default:
		migration_operands(t, lp, in);
		break;
	}
}

/* --- listening --- */

static void begin(struct trace *t, struct lp *lp, enum trace_type type, const struct tdx_regs *in)
{
	struct lane *l = &t->lane[lp->id];

	if (trace_is_full(t))
		return;
	l->r = (struct trace_record){
		.type = type,
		.in = *in,
		.seq = atomic_fetch_add_explicit(&t->seq, 1, memory_order_relaxed),
		.begin_ns = now(t),
	};
	lp->hw->polls = lp->hw->poll_hit = 0;
	l->open = true;
}

/* What module and host see of the virtual interrupts, 0 where they see none: the processor changes
 * it without a call. */
static uint32_t virtual_interrupts(const struct trace *t, const struct lp *lp)
{
	const struct vp_virtual_apic v = vp_virtual_apic(t->mod->m, lp->vps, lp->vmcs, lp_vm(lp));

	return vp_interrupt_pending(t->mod->m, lp->vps, lp->vmcs, lp_vm(lp)) || v.status >> 8
		       ? 1u << 24 | (uint32_t)v.priority << 16 | v.status
		       : 0;
}

/* A line where it is not what it was when the guest was entered. */
static void put_virtual_interrupts(struct trace *t, const struct lp *lp)
{
	const uint32_t v = virtual_interrupts(t, lp);
	char line[80];

	if (t->opt.no_memory || v == t->lane[lp->id].vapic)
		return;
	snprintf(line, sizeof(line), "guest vapic lp=%u status=0x%x priority=0x%x", lp->id,
		 v & 0xffff, v >> 16 & 0xff);
	trace_text(t, lp->id, line);
}

static void end(struct trace *t, struct lp *lp, enum module_next next, const struct tdx_regs *out)
{
	struct lane *l = &t->lane[lp->id];

	if (!l->open)
		return; /* full before it began */
	l->r.duration_ns = now(t) - l->r.begin_ns;
	l->r.next = next;
	if (!t->opt.no_memory)
		l->r.polled = lp->hw->poll_hit;
	l->r.out = next == MODULE_SHUTDOWN ? l->r.in : *out;
	if (next == MODULE_TO_GUEST) {
		l->r.event = module_entry(t->mod, lp->id);
		if (!(l->r.event.info >> 31))
			l->r.event = (struct module_entry){0};
		l->r.tdvpr = lp->tdvpr_pa.v;
		l->vapic = virtual_interrupts(t, lp);
	}
	put_record(t, lp->id);
	l->open = false;
}

static struct tdx_status on_enter(void *arg, struct lp *lp, bool guest, struct tdx_regs *regs)
{
	struct trace *t = arg;

	if (!guest) {
		if (!t->opt.no_memory)
			operands(t, lp->id, regs);
		begin(t, lp, TRACE_SEAMCALL, regs);
	}
	return tdx_success();
}

static void on_leave(void *arg, struct lp *lp, bool guest, const struct tdx_regs *in,
		     const struct tdx_regs *out)
{
	if (guest)
		return;
	switch (lp->fate) {
	case FATE_ENTERED:
	case FATE_INJECTED:
	case FATE_REPEAT:
	case FATE_SWITCHED:
	case FATE_RESUMED:
		end(arg, lp, MODULE_TO_GUEST, in);
		break;
	case FATE_SHUTDOWN:
		end(arg, lp, MODULE_SHUTDOWN, in);
		break;
	case FATE_TD_EXIT:
		end(arg, lp, MODULE_TO_HOST, &lp->host);
		break;
	case FATE_NONE:
		end(arg, lp, MODULE_TO_HOST, out);
		break;
	}
}

static bool in_64bit_mode(const struct lp *lp)
{
	return vmcs_read(lp->vmcs, VMCS_GUEST_EFER) & EFER_LMA &&
	       vmcs_read(lp->vmcs, VMCS_GUEST_CS_AR) & SEG_AR_L;
}

static void on_exit_of_guest(void *arg, struct lp *lp, const struct vmexit *exit,
			     const struct tdx_regs *guest)
{
	struct trace *t = arg;
	struct trace_record *r = &t->lane[lp->id].r;

	put_virtual_interrupts(t, lp);
	/* before the call, as every operand is */
	if (!t->opt.no_memory && exit->reason == VMX_EXIT_TDCALL)
		l2_state(t, lp, guest);
	begin(t, lp, TRACE_EXIT, guest);
	r->exit = *exit;
	r->retired = (uint8_t)(lp->hw->retired < TRACE_RETIRED_MANY ? lp->hw->retired
								    : TRACE_RETIRED_MANY);
	r->mode64 = in_64bit_mode(lp);
	r->tdvpr = lp->tdvpr_pa.v;
}

static void on_resume(void *arg, struct lp *lp, enum module_next next)
{
	end(arg, lp, next, next == MODULE_TO_HOST ? &lp->host : &lp->vps->gpr);
}

static void on_processor_ve(void *arg, struct lp *lp, uint64_t qualification, uint64_t gla,
			    uint64_t gpa)
{
	char line[128];

	snprintf(line, sizeof(line), "guest ve lp=%u qual=0x%llx gla=0x%llx gpa=0x%llx", lp->id,
		 (unsigned long long)qualification, (unsigned long long)gla,
		 (unsigned long long)gpa);
	trace_text(arg, lp->id, line);
}

static void on_acquired(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			enum lock_mode mode, bool guest, enum lock_result result)
{
	struct trace *t = arg;
	struct lane *l = &t->lane[lp->id];

	if (t->opt.no_locks || !l->open || l->r.nlocks == TRACE_MAX_LOCKS)
		return;
	l->lock[l->r.nlocks++] = (struct trace_lock){
		.res = (uint8_t)res,
		.mode = (uint8_t)mode,
		.result = (uint8_t)result,
		.key = key,
		.taken_ns = now(t) - l->r.begin_ns,
	};
}

static void on_released(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			enum lock_mode mode)
{
	struct trace *t = arg;
	struct lane *l = &t->lane[lp->id];

	if (t->opt.no_locks || !l->open)
		return;
	for (unsigned i = l->r.nlocks; i-- > 0;) {
		struct trace_lock *k = &l->lock[i];

		if (k->res != res || k->key != key || k->released_ns || k->result != LOCK_OK)
			continue;
		k->released_ns = now(t) - l->r.begin_ns;
		if (!k->released_ns) /* 0 is "not released" */
			k->released_ns = 1;
		break;
	}
}

static const struct module_hooks hooks = {
	.enter = on_enter,
	.leave = on_leave,
	.acquired = on_acquired,
	.released = on_released,
	.exit = on_exit_of_guest,
	.processor_ve = on_processor_ve,
	.resume = on_resume,
};

/* --- files --- */

static size_t lacking_line(const struct cpuid_regs *r, unsigned subleaf, char *buf, size_t len)
{
	const struct {
		const char *name;
		uint32_t bits;
	} reg[] = {{"eax", r->eax}, {"ebx", r->ebx}, {"ecx", r->ecx}, {"edx", r->edx}};
	size_t at = 0;

	for (unsigned i = 0; i < sizeof(reg) / sizeof(reg[0]); i++)
		if (reg[i].bits)
			at += (size_t)snprintf(buf + at, len - at, " lacking_7_%u_%s=0x%x", subleaf,
					       reg[i].name, reg[i].bits);
	return at;
}

static size_t platform_line(const struct machine *m, bool resumed, char *buf, size_t len)
{
	const struct machine_config *c = &m->cfg;
	size_t at = (size_t)snprintf(buf, len,
				     "platform mem=0x%llx cmr=", (unsigned long long)c->mem_end);

	for (unsigned i = 0; i < c->ncmr; i++)
		at += (size_t)snprintf(buf + at, len - at, "%s0x%llx+0x%llx", i ? "," : "",
				       (unsigned long long)c->cmr[i].base,
				       (unsigned long long)c->cmr[i].size);
	at += (size_t)snprintf(buf + at, len - at,
			       " maxpa=%u keyid_bits=%u keyids=%u tdx_keyids=%u lps=%u pkgs=%u"
			       " wb_blocks=%u seed=%llu",
			       c->maxpa, c->keyid_bits, c->keyids, c->tdx_keyids, c->lps, c->pkgs,
			       c->wb_blocks, (unsigned long long)c->seed);
	if (c->fms)
		at += (size_t)snprintf(buf + at, len - at, " fms=0x%x", c->fms);
	for (unsigned i = 0; i < MACHINE_LACKING; i++)
		at += lacking_line(&c->lacking_7[i], i, buf + at, len - at);
	if (resumed)
		at += (size_t)snprintf(buf + at, len - at, " resumed=1");
	return at;
}

static void write_header(struct trace *t)
{
	uint8_t head[TRACE_HEADER];
	char line[TRACE_MAX_PLATFORM];
	size_t len = platform_line(t->mod->m, t->opt.resumed, line, sizeof(line));

	memcpy(head, TRACE_MAGIC, 8);
	put32(head + 8, TRACE_VERSION);
	put32(head + 12, (uint32_t)len);
	put32(head + 16, crc32_of((const uint8_t *)line, len));
	write_all(t, head, sizeof(head));
	write_all(t, (const uint8_t *)line, len);
}

struct trace *trace_open(const char *path, struct module *mod, const struct trace_options *opt,
			 int *err)
{
	struct trace *t = calloc(1, sizeof(*t));

	*err = -ENOMEM;
	if (!t)
		return NULL;
	t->mod = mod;
	t->opt = *opt;
	t->lps = mod->m->cfg.lps;
	t->lane = calloc(t->lps, sizeof(*t->lane));
	t->fd = !t->lane	    ? -1
		: strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
				    : dup(STDOUT_FILENO);
	if (t->fd < 0) {
		*err = t->lane ? -errno : -ENOMEM;
		free(t->lane);
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->file, NULL);
	for (unsigned i = 0; i < t->lps; i++)
		pthread_mutex_init(&t->lane[i].mutex, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t->start);
	write_header(t);
	module_set_hooks(mod, &hooks, t);
	*err = 0;
	return t;
}

int trace_close(struct trace *t)
{
	int err;

	module_set_hooks(t->mod, NULL, NULL);
	for (unsigned i = 0; i < t->lps; i++)
		flush(t, i);
	put_byte(&t->lane[0], TRACE_END);
	put(&t->lane[0], atomic_load(&t->seq));
	flush(t, 0);
	if (close(t->fd) != 0 && !atomic_load(&t->err))
		atomic_store(&t->err, -errno);
	err = atomic_load(&t->err);
	pthread_mutex_destroy(&t->file);
	for (unsigned i = 0; i < t->lps; i++)
		pthread_mutex_destroy(&t->lane[i].mutex);
	free(t->lane);
	free(t);
	return err;
}
