/* SPDX-License-Identifier: MIT */
/* Snapshots of a host's machine that somebody changed: in any place, in the places of lengths and
 * sections, cut or longer, and sealed again with the key or not.
 *
 * What counts: a file that is not as its maker wrote it is refused with a sentence; one that its
 * maker lies in is refused or is a machine that runs and ends, whatever its processors, devices and
 * tables say. The module's own tables are believed (board/snapshot_file.c), so its memory is left
 * as it is. With a fuzzing engine the input is its; without one, random:
 * fuzz_snapshot [INPUTS [SEED]]. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "board/board.h"
#include "fuzz/random.h"
#include "tests/snapshot_seal.h"

enum {
	CODE = 0x200000,
	CPUS = 2,
	RUN_NS = 20000000, /* a machine that does not end by itself */
	CPU_LIMIT_S = 20,  /* an input */
	MAX_CHANGES = 16,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One change: eight bytes at a place of a part. */
struct change {
	uint8_t part, width, kind, pad;
	uint32_t at;
	uint64_t value;
};

static const uint8_t key[BOARD_KEY] = {5, 4, 3};

static struct world {
	uint8_t *file, *changed;
	size_t size, state, state_size;
	unsigned long inputs, machines;
} w;

/* Says S, when it is kept, and goes on: registers of all kinds, memory, a deadline to sleep for. */
extern const uint8_t guest[], guest_end[];
__asm__(".pushsection .rodata\nguest:\n"
	"mov %cr4, %rax; or $0x600, %eax; mov %rax, %cr4\n"
	"mov $0x206000, %ebp; movq %rbp, %xmm3; fninit; fldpi\n"
	"mov $0x3f8, %edx; mov $'S', %al; out %al, %dx\n"
	"mov $1000, %ecx\n1: mov %rcx, (%rbp,%rcx,8); movq %xmm3, 8(%rbp); loop 1b\n"
	"fstpl 16(%rbp); mov $0x80f, %ecx; xor %edx, %edx; mov $0x1ff, %eax; wrmsr\n"
	"mov $0x3f8, %edx; mov $'e', %al; out %al, %dx; out %al, $0xf4\n"
	"guest_end:\n.popsection");

static void found(const char *what)
{
	fprintf(stderr, "fuzz_snapshot: input %lu: %s\n", w.inputs, what);
	abort();
}

static bool ready(void *arg)
{
	(void)arg;
	return false;
}

static uint8_t get(void *arg)
{
	(void)arg;
	return 0;
}

static void put(void *arg, uint8_t byte)
{
	struct board **b = arg;

	if (*b && byte == 'S' && !w.file)
		board_pause(*b);
}

static void report(void *arg, const struct board_report *r)
{
	(void)arg;
	(void)r;
}

static void paused(void *arg, const char *why_not)
{
	struct board **b = arg;
	const int fd = memfd_create("snapshot", MFD_CLOEXEC);
	char err[200] = "";
	struct stat st;

	if (why_not || fd < 0 || board_save(*b, fd, key, err, sizeof(err)) || fstat(fd, &st))
		found("nothing to begin with");
	w.size = (size_t)st.st_size;
	w.file = malloc(w.size);
	w.changed = malloc(2 * w.size);
	if (!w.file || !w.changed || pread(fd, w.file, w.size, 0) != (ssize_t)w.size)
		found("nothing to begin with");
	close(fd);
	w.state = sealed_state(w.file);
	memcpy(&w.state_size, w.file + SEALED_STATE_SIZE, sizeof(uint32_t));
	board_stop(*b, "saved");
}

static struct board_config config(struct board **b)
{
	static const struct uart_ops ops = {.ready = ready, .get = get, .put = put};

	return (struct board_config){.cpus = CPUS,
				     .packages = 1,
				     .virtual_clock = true,
				     .console = &ops,
				     .console_arg = b,
				     .report = report,
				     .paused = paused,
				     .paused_arg = b};
}

static void make_file(void)
{
	struct board *b = NULL;
	const struct board_config cfg = config(&b);
	char err[200] = "";

	b = board_new(&cfg, err, sizeof(err));
	if (!b)
		found(err);
	memcpy(board_ram(b, CODE, SEALED_PAGE), guest, (size_t)(guest_end - guest));
	(void)board_run(b, CODE);
	board_free(b);
	if (!w.file)
		found("nothing to begin with");
}

/* --- what is changed --- */

enum part { HEADER, EXTENTS, STATE, SECTIONS, ANY, PARTS };

static size_t place(const struct change *c, size_t size)
{
	switch (c->part % PARTS) {
	case HEADER:
		return c->at % 100;
	case EXTENTS:
		return SEALED_PAGE + c->at % (w.state - SEALED_PAGE);
	case STATE:
		return w.state + c->at % w.state_size;
	case SECTIONS: /* the first bytes of lines, where sections begin */
		return w.state + c->at % (w.state_size / SEALED_SECTION) * SEALED_SECTION + 16;
	default:
		return c->at % size;
	}
}

/* Which bytes of it the module alone has to say: not where who has the key may lie. */
static void apply(const struct change *c, size_t size)
{
	static const uint64_t edges[] = {0,	      1,	  0x7f,	      0xff,
					 0x7fff,      0xffff,	  0x7fffffff, 0x80000000u,
					 0xffffffffu, ~0ull >> 1, 1ull << 63, ~0ull};
	const size_t at = place(c, size), width = 1u << c->width % 4;
	uint64_t value = 0;

	if (at + width > size)
		return;
	memcpy(&value, w.changed + at, width);
	switch (c->kind % 4) {
	case 0:
		value ^= 1ull << c->value % (8 * width);
		break;
	case 1:
		value = edges[c->value % (sizeof(edges) / sizeof(edges[0]))];
		break;
	case 2:
		value += (int8_t)c->value;
		break;
	default:
		value = c->value;
	}
	memcpy(w.changed + at, &value, width);
}

/* Cut, or longer, when the input says so; its size. */
static size_t resize(uint8_t how, uint32_t by)
{
	if (how % 16 == 1)
		return by % w.size;
	if (how % 16 == 2) {
		memset(w.changed + w.size, 0, w.size);
		return w.size + by % w.size;
	}
	return w.size;
}

/* --- what becomes of it --- */

struct running {
	struct board *b;
	_Atomic bool over;
};

/* Again and again: on a busy machine the first may come before it runs. */
static void *stop_soon(void *running)
{
	const struct timespec t = {0, RUN_NS};
	struct running *r = running;

	while (!atomic_load(&r->over)) {
		nanosleep(&t, NULL);
		board_stop(r->b, "long enough");
	}
	return NULL;
}

static void run(struct board *b)
{
	struct running r = {.b = b};
	pthread_t stopper;

	if (pthread_create(&stopper, NULL, stop_soon, &r))
		found("no thread");
	(void)board_run(b, 0);
	atomic_store(&r.over, true);
	pthread_join(stopper, NULL);
}

static void load_and_run(size_t size, bool genuine)
{
	const int fd = memfd_create("changed", MFD_CLOEXEC);
	struct board *b = NULL;
	struct board_config cfg = config(&b), seen;
	char err[200] = "";

	if (fd < 0 || write(fd, w.changed, size) != (ssize_t)size)
		found("no file");
	b = board_load(&cfg, fd, key, &seen, err, sizeof(err));
	if (!b && !err[0])
		found("refused without a sentence");
	if (b && !genuine)
		found("taken, though nobody has sealed it");
	if (b) {
		w.machines++;
		run(b);
	}
	board_free(b);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct itimerval limit = {.it_value.tv_sec = CPU_LIMIT_S}, none = {0};
	bool sealed, same;
	size_t now;

	if (size < 8)
		return 0;
	if (!w.file)
		make_file();
	w.inputs++;
	setitimer(ITIMER_VIRTUAL, &limit, NULL);
	memcpy(w.changed, w.file, w.size);
	now = resize(data[1], (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4]);
	for (size_t i = 0; i < MAX_CHANGES && 8 + (i + 1) * sizeof(struct change) <= size; i++) {
		struct change c;

		memcpy(&c, data + 8 + i * sizeof(c), sizeof(c));
		if (now)
			apply(&c, now);
	}
	same = now == w.size && memcmp(w.changed, w.file, now) == 0;
	sealed = data[0] % 4 != 0 && now >= SEALED_PAGE;
	if (sealed && !snapshot_seal(w.changed, now, key))
		found("cannot be sealed");
	load_and_run(now, sealed || same);
	setitimer(ITIMER_VIRTUAL, &none, NULL);
	return 0;
}

#ifndef FUZZING_ENGINE
int main(int argc, char **argv)
{
	const unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;
	uint64_t rng = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	_Alignas(8) uint8_t data[8 + MAX_CHANGES * sizeof(struct change)];

	for (unsigned long i = 0; i < inputs; i++) {
		const size_t n = 8 + sizeof(struct change) * (1 + random_below(&rng, 4));

		for (size_t k = 0; k < n; k++)
			data[k] = (uint8_t)(random_next(&rng) >> 32);
		LLVMFuzzerTestOneInput(data, n);
	}
	printf("%lu inputs, %lu of them a machine, no finding\n", inputs, w.machines);
	free(w.file);
	free(w.changed);
	return 0;
}
#endif
