/* SPDX-License-Identifier: MIT */
/* What the calls of a migration take, and what of that is the cryptography: a TD of 128 MiB moves
 * from one machine to another of the process, and the same bytes go through OpenSSL's AES-256-GCM,
 * a message a page, sealed and opened, in the same run. One after the other, on one thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <swtdx/attest.h>
#include <swtdx/migrate.h>
#include <swtdx/sim.h>

#define RAM   (160ull << 20)
#define BASE  (16ull << 20)
#define BYTES (128ull << 20)
enum { PAGE = 4096, PAGES = BYTES / PAGE, PORT = 0x10, WRITE = 1, IO = 30 };

struct side {
	struct tdx_sim *sim;
	struct tdx_sim_migtd migtd;
	struct tdx_vm *service, *vm;
	struct tdx_vcpu *service_vcpu;
	bool source;
	int keys;
};

static struct tdx_quote_service *quotes;

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench_migrate: %s: %d\n", what, err);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the guest: memory of its own, all of it different --- */

static void fill(struct tdx_native_cpu *cpu)
{
	uint64_t page[PAGE / 8];

	for (uint64_t i = 0; i < PAGES; i++) {
		struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = BASE + i * PAGE};

		tdx_native_tdcall(cpu, &r);
		for (unsigned k = 0; k < PAGE / 8; k++)
			page[k] = i * 0x9e3779b97f4a7c15ull + k;
		tdx_native_write(cpu, tdx_gpa(BASE + i * PAGE), page, PAGE);
	}
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct tdx_regs info = {.rax = TDG_VP_INFO}, io;

	tdx_native_tdcall(cpu, &info);
	if (!(info.rdx & TDX_ATTR_MIGRATABLE)) {
		tdx_sim_migtd_guest(cpu, arg);
		return;
	}
	fill(cpu);
	for (;;) {
		io = (struct tdx_regs){.rax = TDG_VP_VMCALL,
				       .rcx = 0xfc00,
				       .r11 = IO,
				       .r12 = 4,
				       .r13 = WRITE,
				       .r14 = PORT};
		tdx_native_tdcall(cpu, &io);
	}
}

/* --- two machines --- */

static void side_on(struct side *s)
{
	const struct tdx_sim_config config = {
		.memory = 1ull << 30, .guest = guest, .guest_arg = &s->migtd};
	char why[256];

	s->migtd.root = tdx_quote_service_root(quotes, &s->migtd.root_len);
	if (tdx_sim_new(&config, &s->sim, why, sizeof(why))) {
		fprintf(stderr, "bench_migrate: %s\n", why);
		exit(1);
	}
	tdx_model_time_calls(tdx_sim_model(s->sim)); /* nobody calls now */
	must(tdx_sim_migtd_new(tdx_sim_vmm(s->sim), &s->migtd, &s->service, &s->service_vcpu),
	     "migration TD");
}

/* Memory of the process is made when it is first touched, which is not what is measured. */
static void touch(struct side *s)
{
	struct tdx_vmm *vmm = tdx_sim_vmm(s->sim);
	tdx_hpa_t pa;

	must(tdx_vmm_alloc(vmm, RAM / PAGE, &pa), "memory");
	memset(tdx_vmm_va(vmm, pa), 0, RAM);
	must(tdx_vmm_dealloc(vmm, pa, RAM / PAGE), "memory");
}

static struct tdx_vm_params params(const struct side *s)
{
	return (struct tdx_vm_params){
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | TDX_ATTR_MIGRATABLE,
		.xfam = tdx_vmm_info(tdx_sim_vmm(s->sim))->xfam_fixed1,
		.max_vcpus = 1,
	};
}

static void build(struct side *s)
{
	static const uint8_t page[PAGE];
	struct tdx_vm_params p = params(s);
	struct tdx_servtd_binding bound;
	struct tdx_vcpu *v;
	struct tdx_run run;

	must(tdx_vm_new(tdx_sim_vmm(s->sim), &s->vm), "a TD");
	must(tdx_vm_init(s->vm, &p), "a TD");
	must(tdx_vm_bind_migtd(s->vm, s->service, &bound), "binding");
	must(tdx_vm_set_memslot(s->vm, 0, tdx_gpa(0), RAM), "memory");
	must(tdx_vm_add_page(s->vm, tdx_gpa(0), page, true), "memory");
	must(tdx_vcpu_new(s->vm, 0, &v), "a vCPU");
	must(tdx_vcpu_init(v, 0), "a vCPU");
	must(tdx_vm_finalize(s->vm), "the TD");
	do {
		must(tdx_vcpu_run(v, -1, &run), "running");
	} while (run.exit != TDX_EXIT_IO);
	do { /* until nothing is owed to the guest */
		tdx_vcpu_kick(v);
		must(tdx_vcpu_run(v, -1, &run), "stopping");
	} while (run.exit != TDX_EXIT_INTR);
}

static void *exchange(void *arg)
{
	struct side *s = arg;
	const struct tdx_mig_fds fds = {s->keys, s->keys, 0};
	struct tdx_mig_channel c;

	tdx_mig_channel_of(&fds, &c);
	must(tdx_migtd_exchange(s->vm, s->source, s->service, s->service_vcpu, quotes, &c),
	     "exchanging keys");
	return NULL;
}

/* All of the stream in memory, so that one side works at a time. */
struct tape {
	uint8_t *bytes;
	size_t n, at, max;
};

static int tape_send(void *arg, const void *buf, size_t len)
{
	struct tape *t = arg;

	if (len > t->max - t->n)
		return -1;
	memcpy(t->bytes + t->n, buf, len);
	t->n += len;
	return 0;
}

static int tape_recv(void *arg, void *buf, size_t len)
{
	struct tape *t = arg;

	if (len > t->n - t->at)
		return -1;
	memcpy(buf, t->bytes + t->at, len);
	t->at += len;
	return 0;
}

static void move(struct side *from, struct side *to)
{
	const struct tdx_export_config out = {.max_rounds = 1};
	const struct tdx_import_config in = {.max_memory = RAM, .max_vcpus = 1};
	struct tape t = {.max = BYTES + BYTES / 8};
	const struct tdx_mig_channel c = {.send = tape_send, .recv = tape_recv, .arg = &t};
	struct tdx_mig_stats stats;

	t.bytes = malloc(t.max);
	must(!t.bytes, "memory");
	memset(t.bytes, 1, t.max); /* it is there before */
	must(tdx_vm_export(from->vm, &c, &out, &stats), "exporting");
	must(tdx_vm_import(to->vm, &c, &in, &stats), "importing");
	free(t.bytes);
}

static void with(struct side *s, void *(*fn)(void *), pthread_t *t)
{
	must(pthread_create(t, NULL, fn, s), "a thread");
}

/* --- the yardstick --- */

struct ns {
	double seal, open;
};

static double one_way(bool seal, uint8_t *bytes, uint8_t (*tags)[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const uint8_t key[32] = {1};
	uint8_t none[16];
	double began;
	int n;

	EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, NULL, seal);
	began = now();
	for (uint64_t i = 0; i < PAGES; i++) {
		uint8_t iv[12] = {0};

		memcpy(iv, &i, sizeof(i));
		EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, seal);
		EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)&i, sizeof(i));
		EVP_CipherUpdate(c, bytes + i * PAGE, &n, bytes + i * PAGE, PAGE);
		if (!seal)
			EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, tags[i]);
		must(EVP_CipherFinal_ex(c, none, &n) != 1, "AES-256-GCM");
		if (seal)
			EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tags[i]);
	}
	began = now() - began;
	EVP_CIPHER_CTX_free(c);
	return began * 1e9 / (double)PAGES;
}

static struct ns openssl(void)
{
	uint8_t *bytes = malloc(BYTES);
	uint8_t(*tags)[16] = malloc(PAGES * sizeof(*tags));
	struct ns ns;

	if (!bytes || !tags)
		must(1, "memory");
	memset(bytes, 0x5a, BYTES);
	ns.seal = one_way(true, bytes, tags);
	ns.open = one_way(false, bytes, tags);
	free(tags);
	free(bytes);
	return ns;
}

static void row(const struct tdx_model_stats *s, enum tdx_seamcall leaf)
{
	const struct tdx_leaf_info *info = tdx_seamcall_leaf(leaf);

	if (s->calls[leaf])
		printf("%-28s %7llu %10.2f\n", info->name, (unsigned long long)s->calls[leaf],
		       (double)s->ns[leaf] / (double)s->calls[leaf] / 1000);
}

static void rows(const struct side *s)
{
	struct tdx_model_stats stats;

	tdx_model_stats(tdx_sim_model(s->sim), &stats);
	for (unsigned leaf = TDH_EXPORT_ABORT; leaf <= TDH_MIG_STREAM_CREATE; leaf++)
		if (tdx_seamcall_leaf(leaf))
			row(&stats, (enum tdx_seamcall)leaf);
	row(&stats, TDH_SERVTD_BIND);
}

static double ns_a_page(const struct side *s, enum tdx_seamcall leaf)
{
	struct tdx_model_stats stats;

	tdx_model_stats(tdx_sim_model(s->sim), &stats);
	return (double)stats.ns[leaf] / (double)PAGES;
}

int main(void)
{
	static struct side a = {.source = true}, b;
	struct ns ref;
	int keys[2];
	pthread_t t;
	struct tdx_vm_params p;
	double out, in;

	must(tdx_quote_service_create((int64_t)time(NULL), &quotes), "quotes");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, keys), "a socket");
	a.keys = keys[0];
	b.keys = keys[1];
	side_on(&a);
	side_on(&b);
	touch(&b);
	build(&a);
	p = params(&b);
	must(tdx_vm_new(tdx_sim_vmm(b.sim), &b.vm), "a TD");
	must(tdx_vm_init_import(b.vm, &p), "a TD");
	with(&b, exchange, &t);
	exchange(&a);
	pthread_join(t, NULL);
	move(&a, &b);
	ref = openssl();
	printf("%-28s %7s %10s\n", "call", "calls", "us each");
	rows(&a);
	rows(&b);
	out = ns_a_page(&a, TDH_EXPORT_MEM);
	in = ns_a_page(&b, TDH_IMPORT_MEM);
	printf("\nns a page of %u: EXPORT.MEM %.0f, AES-256-GCM %.0f, ratio %.2f\n", PAGE, out,
	       ref.seal, ref.seal / out);
	printf("ns a page of %u: IMPORT.MEM %.0f, AES-256-GCM %.0f, ratio %.2f\n", PAGE, in,
	       ref.open, ref.open / in);
	tdx_vm_destroy(a.vm);
	tdx_vm_destroy(b.vm);
	tdx_vm_destroy(a.service);
	tdx_vm_destroy(b.service);
	tdx_sim_free(a.sim);
	tdx_sim_free(b.sim);
	free(a.migtd.memory);
	free(b.migtd.memory);
	tdx_quote_service_free(quotes);
	return 0;
}
