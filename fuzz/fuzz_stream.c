/* SPDX-License-Identifier: MIT */
/* Migration streams against the monitor that imports: one that its own exporter made, changed in
 * the bits, lengths, types and order of its records, or anything behind its header. The module
 * judges what is sealed; all else is the monitor's.
 *
 * What counts: it ends in little processor time, takes no more memory than it is allowed to, and
 * after the teardown every page, KeyID and byte is back. The importer's keys are put where a
 * migration TD would have written them, so that the same stream can come again and again. With a
 * fuzzing engine the input is its; without one, random: fuzz_stream [INPUTS [SEED]]. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <swtdx/l2.h>
#include <swtdx/migrate.h>
#include <swtdx/sim.h>

#include "abi/ghci.h"
#include "fuzz/random.h"
#include "module/internal.h"
#include "module/invariants.h"
#include "port/model.h"
#include "vmm/internal.h"
#include "vmm/mig.h"

enum {
	RAM = 8 << 20,
	PAGES = 24, /* private ones that the TD has written */
	DROPPED = 5,
	SLOT = 16 << 12, /* of slots that come and go, bytes */
	SHARED = 4,	 /* shared ones, from page SHARED_AT */
	SHARED_AT = 512,
	CPU_LIMIT_S = 20, /* an input */
	RECORDS = 256,
	MAX_INPUT = 4096,
	MAX_STREAM = 8 << 20,
	CHECK_EVERY = 16,
	WARM = 32, /* inputs after which the heap has its size */
	HEAP_GROWTH = 1 << 20,
};

#define SHARED_BIT (1ull << 47)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One machine is both sides, one after the other. */
static struct world {
	struct tdx_sim *sim;
	struct tdx_vmm *vmm;
	struct tdx_vm *service;
	struct tdx_vcpu *service_vcpu;
	uint8_t *stream; /* as it was exported */
	size_t size;
	size_t record[RECORDS]; /* where each begins; the header is the first */
	unsigned records;
	uint64_t used_pages, pages;
	size_t heap;
	unsigned long inputs, imported;
	bool changed;
} w;

static void __attribute__((noreturn)) found(const char *what, int err)
{
	fprintf(stderr, "fuzz_stream: %s (%d)\n", what, err);
	abort();
}

/* --- the TD that moves --- */

static uint64_t vmcall(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12, uint64_t r13)
{
	struct tdx_regs r = {
		.rax = TDG_VP_VMCALL, .rcx = 0xfc00, .r11 = leaf, .r12 = r12, .r13 = r13};

	tdx_native_tdcall(cpu, &r);
	return r.r10;
}

/* The L2 VM has the page, too. */
static void alias(struct tdx_native_cpu *cpu, uint64_t page)
{
	enum { VM1 = 16, VALID = 1 << 15 };
	struct tdx_regs r = {.rax = TDG_MEM_PAGE_ATTR_WR,
			     .rcx = page,
			     .rdx = (uint64_t)(VALID | TDG_L2_R | TDG_L2_W) << VM1,
			     .r8 = (uint64_t)TDG_L2_ALL << VM1};

	tdx_native_tdcall(cpu, &r);
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	for (uint64_t i = 1; i <= PAGES; i++) {
		struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = i << 12};

		tdx_native_tdcall(cpu, &r);
		tdx_native_write(cpu, gpa(i << 12), &i, sizeof(i));
		alias(cpu, i << 12);
	}
	vmcall(cpu, TDVMCALL_MAP_GPA, SHARED_BIT | SHARED_AT << 12, SHARED << 12);
	for (uint64_t i = 0; i < SHARED; i++)
		tdx_native_write(cpu, gpa(SHARED_BIT | (SHARED_AT + i) << 12), &i, sizeof(i));
	for (;;)
		vmcall(cpu, TDVMCALL_HLT, 1, 0);
}

static struct tdx_vm_params params(void)
{
	const struct tdx_host_info *info = tdx_vmm_info(w.vmm);

	return (struct tdx_vm_params){
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | TDX_ATTR_MIGRATABLE,
		.xfam = info->xfam_fixed1,
		.max_vcpus = 2,
		.num_l2_vms = 1,
		.irqchip = true,
	};
}

static void must(int err, const char *what)
{
	if (err)
		found(what, err);
}

/* What a session of the migration TDs leaves in the TD. */
static void give_keys(struct tdx_vm *vm, bool source)
{
	struct machine *m = tdx_sim_model(w.sim)->sys->m;
	const struct tdr *tdr = machine_ptr(m, vm->td.tdr.v);
	struct tdcs *tdcs = machine_ptr(m, machine_strip(m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	const uint8_t forward = 0x11, backward = 0x22;

	memset(tdcs->mig_enc_key, source ? forward : backward, sizeof(tdcs->mig_enc_key));
	memset(tdcs->mig_dec_key, source ? backward : forward, sizeof(tdcs->mig_dec_key));
	tdcs->mig_dec_key_set = 1;
}

/* Once memory has gone, so that the stream has pages that are dropped, and slots that come and go.
 */
static void change_memory(struct tdx_vm *vm)
{
	if (tdx_vm_zap_private(vm, gpa(1 << 12), DROPPED << 12) != -EAGAIN)
		found("pages that have gone leave the TD", 0);
	must(tdx_vm_set_memslot(vm, 1, gpa(0), 0), "a slot that goes");
	must(tdx_vm_set_memslot(vm, 3, gpa(RAM), SLOT), "a slot that comes");
}

/* arg: the TD that moves. */
static int append(void *arg, const void *buf, size_t len)
{
	if (w.size + len > MAX_STREAM)
		return -ENOSPC;
	memcpy(w.stream + w.size, buf, len);
	w.size += len;
	if (w.size >= PAGES * TDX_PAGE_SIZE && !w.changed) {
		w.changed = true;
		change_memory(arg);
	}
	return 0;
}

static int nothing(void *arg, void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return -EPIPE;
}

static void run_to_halt(struct tdx_vcpu *v)
{
	struct tdx_run run;

	do
		must(tdx_vcpu_run(v, 0, &run), "the TD does not run");
	while (run.exit == TDX_EXIT_MAP_GPA || run.exit == TDX_EXIT_INTR);
	if (run.exit != TDX_EXIT_HLT)
		found("the TD does not halt", (int)run.exit);
	/* out of the call that halted, as an exporter wants it */
	tdx_vcpu_kick(v);
	must(tdx_vcpu_run(v, 0, &run), "the TD does not run on");
	if (run.exit != TDX_EXIT_INTR)
		found("the TD does not stop", (int)run.exit);
}

static void export_one(void)
{
	static const uint8_t page[4096] = {1};
	struct tdx_mig_channel channel = {append, nothing, NULL, NULL};
	struct tdx_vm_params p = params();
	struct tdx_servtd_binding bound;
	struct tdx_mig_stats stats;
	struct tdx_vcpu *v;
	struct tdx_vm *vm;

	must(tdx_vm_new(w.vmm, &vm), "a TD");
	channel.arg = vm;
	must(tdx_vm_init(vm, &p), "its parameters");
	must(tdx_vm_bind_migtd(vm, w.service, &bound), "its migration TD");
	must(tdx_vm_set_memslot(vm, 0, gpa(0), RAM), "its memory");
	must(tdx_vm_set_memslot(vm, 1, gpa(RAM), SLOT), "more memory");
	must(tdx_vm_add_page(vm, gpa(0), page, true), "its first page");
	must(tdx_vcpu_new(vm, 0, &v), "its vCPU");
	must(tdx_vcpu_init(v, 0), "its vCPU's registers");
	must(tdx_vm_finalize(vm), "its end");
	run_to_halt(v);
	give_keys(vm, true);
	must(tdx_vm_export(vm, &channel, NULL, &stats), "the export");
	if (stats.cancelled != DROPPED)
		found("pages were not cancelled", (int)stats.cancelled);
	tdx_vm_destroy(vm);
}

/* Entries of a record of memory whose page an L2 VM has. */
static unsigned aliases(const uint8_t *record, const struct mig_record *r)
{
	struct mig_list l;
	unsigned n = 0;

	if (r->type != MIG_MEMORY)
		return 0;
	memcpy(&l, record + sizeof(*r), sizeof(l));
	for (unsigned i = 0; i < l.n; i++) {
		uint64_t entry;

		memcpy(&entry, record + sizeof(*r) + sizeof(l) + i * sizeof(entry), sizeof(entry));
		n += (entry & GPA_ENTRY_ALIASES) != 0;
	}
	return n;
}

static void find_records(void)
{
	size_t at = sizeof(struct mig_header);
	struct mig_record r;
	unsigned n = 0;

	w.record[w.records++] = 0;
	while (at + sizeof(r) <= w.size && w.records < RECORDS - 1) {
		w.record[w.records++] = at;
		memcpy(&r, w.stream + at, sizeof(r));
		n += aliases(w.stream + at, &r);
		at += sizeof(r) + r.length;
	}
	w.record[w.records] = w.size;
	if (n < PAGES)
		found("pages of the L2 VM are sent as if it had them not", (int)n);
}

static uint64_t owned(void)
{
	uint64_t types[16];

	return tdx_model_pages(tdx_sim_model(w.sim), types);
}

static void power_on(void)
{
	static const struct tdx_sim_config cfg = {.memory = 1ull << 30, .guest = guest};
	static struct tdx_sim_migtd migtd = {.root = "", .root_len = 0};
	struct tdx_vmm_memory m;
	char err[200] = "";

	must(tdx_sim_new(&cfg, &w.sim, err, sizeof(err)), err);
	w.vmm = tdx_sim_vmm(w.sim);
	must(tdx_sim_migtd_new(w.vmm, &migtd, &w.service, &w.service_vcpu), "the migration TD");
	w.stream = malloc(MAX_STREAM);
	export_one();
	find_records();
	if (w.records < 6)
		found("a stream of few records", (int)w.records);
	tdx_vmm_memory(w.vmm, &m);
	w.used_pages = m.used_pages;
	w.pages = owned();
}

/* --- a stream --- */

struct bytes {
	uint8_t *p;
	size_t size, at;
};

static int take(void *arg, void *buf, size_t len)
{
	struct bytes *b = arg;

	if (len > b->size - b->at)
		return -EPIPE;
	memcpy(buf, b->p + b->at, len);
	b->at += len;
	return 0;
}

static int to_nobody(void *arg, const void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return 0;
}

/* One change: 8 bytes say which, of what record, where and to what. */
struct change {
	uint8_t kind, record;
	uint16_t at;
	uint32_t value;
};

enum { FLIP, WORD, CUT, DROP, TWICE, SWAP, LENGTH, TYPE, KINDS };

static void put_record(struct bytes *out, unsigned i)
{
	const size_t n = w.record[i + 1] - w.record[i];

	if (out->size + n > 2 * (size_t)MAX_STREAM)
		return;
	memcpy(out->p + out->size, w.stream + w.record[i], n);
	out->size += n;
}

/* Where in the record: near its beginning as often as anywhere. */
static size_t place(const struct change *c, size_t n)
{
	return n ? (c->value & 1 ? c->at % (n < 256 ? n : 256) : (c->at * 97ull) % n) : 0;
}

static void change_bytes(const struct change *c, uint8_t *p, size_t n)
{
	const size_t at = place(c, n), left = n - at;
	const uint64_t wide = c->value & 2 ? ~0ull << c->value % 64 : c->value;

	switch (c->kind % KINDS) {
	case FLIP:
		p[at] ^= (uint8_t)(1u << c->value % 8);
		break;
	case WORD:
		memcpy(p + at, &wide, left < sizeof(wide) ? left : sizeof(wide));
		break;
	case LENGTH:
		memcpy(p + offsetof(struct mig_record, length), &c->value, sizeof(c->value));
		break;
	case TYPE:
		p[0] = (uint8_t)(c->value % 16);
		break;
	default:
		break;
	}
}

static void changed_record(struct bytes *out, const struct change *c, unsigned i)
{
	const size_t from = out->size;

	switch (c->kind % KINDS) {
	case DROP:
		return;
	case TWICE:
		put_record(out, i);
		put_record(out, i);
		return;
	case SWAP:
		put_record(out, 1 + c->at % (w.records - 1));
		put_record(out, i);
		return;
	case CUT:
		put_record(out, i);
		out->size -= place(c, out->size - from);
		return;
	default:
		put_record(out, i);
		change_bytes(c, out->p + from, out->size - from);
	}
}

static void make_stream(struct bytes *out, const uint8_t *data, size_t size)
{
	const struct change *c = (const struct change *)(const void *)data;
	const size_t n = size / sizeof(*c);

	if (size && data[0] == 0xff) { /* anything, behind the header */
		put_record(out, 0);
		memcpy(out->p + out->size, data + 1, size - 1);
		out->size += size - 1;
		return;
	}
	for (unsigned i = 0; i < w.records; i++) {
		const struct change *of = NULL;

		for (size_t k = 0; k < n && !of; k++)
			if (c[k].record % w.records == i)
				of = &c[k];
		if (of)
			changed_record(out, of, i);
		else
			put_record(out, i);
	}
}

/* --- an import --- */

static void limit(bool on)
{
	const struct itimerval t = {.it_value.tv_sec = on ? CPU_LIMIT_S : 0};

	setitimer(ITIMER_PROF, &t, NULL); /* its signal ends the process */
}

static int user_state(void *arg, const void *state, size_t len)
{
	(void)arg;
	(void)state;
	return len > TDX_MIG_USER_MAX ? -EINVAL : 0;
}

static int import(struct bytes *b)
{
	const struct tdx_mig_channel channel = {to_nobody, take, NULL, b};
	const struct tdx_import_config config = {
		.max_memory = RAM + SLOT, .max_vcpus = 2, .load = user_state};
	struct tdx_vm_params p = params();
	struct tdx_servtd_binding bound;
	struct tdx_mig_stats stats;
	struct tdx_vm *vm;
	int err;

	must(tdx_vm_new(w.vmm, &vm), "a VM");
	must(tdx_vm_init_import(vm, &p), "its parameters");
	must(tdx_vm_bind_migtd(vm, w.service, &bound), "its migration TD");
	give_keys(vm, false);
	limit(true);
	err = tdx_vm_import(vm, &channel, &config, &stats);
	if (err && tdx_vm_state(vm) != TDX_VM_DEAD)
		found("an import failed and its VM lives", err);
	tdx_vm_destroy(vm);
	limit(false);
	return err;
}

static void check_back(void)
{
	struct tdx_vmm_memory m;
	char why[200];

	tdx_vmm_memory(w.vmm, &m);
	if (m.quarantined_pages || m.leaked_hkids)
		found("pages or KeyIDs are lost", (int)m.quarantined_pages);
	if (m.used_pages != w.used_pages)
		found("pages of the host are not back", (int)(m.used_pages - w.used_pages));
	if (owned() != w.pages)
		found("the module owns pages after the teardown", (int)(owned() - w.pages));
	if (w.inputs % CHECK_EVERY == 0 &&
	    !module_check_invariants(tdx_sim_model(w.sim)->sys->mod, why, sizeof(why)))
		found(why, 0);
	if (w.inputs == WARM)
		w.heap = mallinfo2().uordblks;
	if (w.inputs > WARM && mallinfo2().uordblks > w.heap + HEAP_GROWTH)
		found("the heap grows", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[3 * MAX_STREAM];
	static bool tried;
	struct bytes b = {.p = room};

	if (size > MAX_INPUT)
		return 0;
	if (!w.sim)
		power_on();
	if (!tried) { /* as it is, it is a TD */
		tried = true;
		make_stream(&b, NULL, 0);
		must(import(&b), "the stream is not imported as it is");
		check_back();
		b = (struct bytes){.p = room};
	}
	make_stream(&b, data, size);
	w.imported += import(&b) == 0;
	w.inputs++;
	check_back();
	return 0;
}

#ifndef FUZZING_ENGINE
int main(int argc, char **argv)
{
	const unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;
	uint64_t rng = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	_Alignas(8) uint8_t data[512];

	for (unsigned long i = 0; i < inputs; i++) {
		const size_t n = random_below(&rng, 10)
					 ? sizeof(struct change) * (1 + random_below(&rng, 3))
					 : random_below(&rng, sizeof(data));

		for (size_t k = 0; k < n; k++)
			data[k] = (uint8_t)(random_next(&rng) >> 32);
		LLVMFuzzerTestOneInput(data, n);
	}
	printf("%lu inputs, %lu of them a TD, no finding\n", inputs, w.imported);
	tdx_vm_destroy(w.service);
	tdx_sim_free(w.sim);
	free(w.stream);
	return 0;
}
#endif
