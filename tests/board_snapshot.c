/* SPDX-License-Identifier: MIT */
/* A board to a file and back: programs that are stopped in the middle end as those that are not;
 * whatever is wrong with a file, it is refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/cpuid.h"
#include "arch/x86.h"
#include "board/board.h"
#include "board/internal.h"
#include "module/internal.h"
#include "module_setup.h"
#include "snapshot_seal.h"
#include "system/system.h"

#define CODE   0x200000ull
#define SECOND 0x201000ull /* where the other processor starts */
#define RESULT 0x206000ull

#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")
#define END "out %al, $0xf4\n"
/* A byte to the console. */
#define SAY(c) "mov $0x3f8, %edx; mov $'" #c "', %al; out %al, %dx\n"

static const uint8_t key[BOARD_KEY] = {1, 2, 3}, other_key[BOARD_KEY] = {1, 2, 4};

struct rig {
	struct board *b;
	char console[64];
	char pause_at; /* this byte on the console */
	int fd;	       /* -1: nothing is to be written */
	char err[200];
	unsigned pauses;
	void (*spoil)(struct board *b); /* before it is written */
	bool go_on;			/* when it has been */
	unsigned reports;
	bool input; /* something waits to be read */
};

static bool ready(void *arg)
{
	return ((struct rig *)arg)->input;
}

static uint8_t get(void *arg)
{
	(void)arg;
	return 0;
}

static void put(void *arg, uint8_t byte)
{
	struct rig *r = arg;
	const size_t n = strlen(r->console);

	if (n < sizeof(r->console) - 1)
		r->console[n] = (char)byte;
	if (r->pause_at && byte == (uint8_t)r->pause_at)
		board_pause(r->b);
}

static void report(void *arg, const struct board_report *report)
{
	(void)report;
	((struct rig *)arg)->reports++;
}

static void paused(void *arg, const char *why_not)
{
	struct rig *r = arg;

	r->pauses++;
	assert_null(why_not);
	if (r->spoil)
		r->spoil(r->b);
	if (r->fd >= 0)
		board_save(r->b, r->fd, key, r->err, sizeof(r->err));
	if (!r->go_on)
		board_stop(r->b, "saved");
}

static struct board_config config(struct rig *r, unsigned cpus, bool virtual_clock)
{
	static const struct uart_ops ops = {.ready = ready, .get = get, .put = put};

	return (struct board_config){.cpus = cpus,
				     .packages = 1,
				     .virtual_clock = virtual_clock,
				     .console = &ops,
				     .console_arg = r,
				     .report = report,
				     .report_arg = r,
				     .paused = paused,
				     .paused_arg = r};
}

static void start_with(struct rig *r, unsigned cpus, bool virtual_clock, const uint8_t *code,
		       const uint8_t *end)
{
	const struct board_config cfg = config(r, cpus, virtual_clock);

	*r = (struct rig){.fd = -1};
	r->b = board_new(&cfg, r->err, sizeof(r->err));
	assert_non_null(r->b);
	r->err[0] = '\0';
	memcpy(board_ram(r->b, CODE, 4096), code, (size_t)(end - code));
}
#define start(r, cpus, virtual_clock, name) start_with(r, cpus, virtual_clock, name, name##_end)

static int new_file(void)
{
	const int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Runs until the byte; the file. */
static int take(struct rig *r, char at)
{
	r->pause_at = at;
	r->fd = new_file();
	assert_int_equal(board_run(r->b, CODE), BOARD_STUCK);
	assert_string_equal(board_reason(r->b), "saved");
	assert_int_equal(r->pauses, 1);
	board_free(r->b);
	return r->fd;
}

static struct board *load(struct rig *r, int fd, const uint8_t with[BOARD_KEY])
{
	const struct board_config cfg = config(r, 0, false);
	struct board_config seen;

	*r = (struct rig){.fd = -1};
	r->b = board_load(&cfg, fd, with, &seen, r->err, sizeof(r->err));
	return r->b;
}

/* --- what goes on --- */

/* Registers of all kinds have something when it is stopped, and are told afterwards. */
GUEST_CODE(
	computes,
	SAY(a) "mov %cr4, %rax; or $0x600, %eax; mov %rax, %cr4\n"
	       "mov $0x11, %ebx; mov $0x22, %esi; mov $0x33, %edi; mov $0x44, %r8d; mov $0x55, "
	       "%r15d\n"
	       "movq %rbx, %xmm3; fninit; fld1; fldpi; mov $0xc0000103, %ecx; mov $0x77, %eax; xor "
	       "%edx, %edx\n"
	       "wrmsr; mov $0x206000, %ebp; stc\n"
	       "mov $0x3f8, %edx; mov $'S', %al; out %al, %dx\n"
	       "pushfq; pop %rax; mov %rax, (%rbp); mov %rbx, 8(%rbp); mov %rsi, 16(%rbp)\n"
	       "mov %rdi, 24(%rbp); mov %r8, 32(%rbp); mov %r15, 40(%rbp); movq %xmm3, 48(%rbp)\n"
	       "fstpl 56(%rbp); fstpl 64(%rbp); rdmsr; mov %rax, 72(%rbp)\n"
	       "mov $0x277, %ecx; rdmsr; mov %rax, 80(%rbp)\n" SAY(b) END);

static void a_program_goes_on_where_it_was(void **state)
{
	uint64_t result[16];
	struct rig r;
	int fd;

	(void)state;
	start(&r, 1, false, computes);
	assert_int_equal(board_run(r.b, CODE), BOARD_RESET);
	assert_string_equal(r.console, "aSb");
	memcpy(result, board_ram(r.b, RESULT, sizeof(result)), sizeof(result));
	assert_int_equal(result[9], 0x77);
	board_free(r.b);

	start(&r, 1, false, computes);
	fd = take(&r, 'S');
	assert_string_equal(r.console, "aS");
	/* as often as one likes */
	for (unsigned i = 0; i < 3; i++) {
		if (!load(&r, fd, key))
			fail_msg("%s", r.err);
		assert_int_equal(((uint64_t *)board_ram(r.b, RESULT, 8))[0], 0);
		assert_int_equal(board_run(r.b, 0), BOARD_RESET);
		assert_string_equal(r.console, "b");
		assert_memory_equal(result, board_ram(r.b, RESULT, sizeof(result)), sizeof(result));
		board_free(r.b);
	}
	close(fd);
}

/* A snapshot is no end by itself, and there can be one of a machine that is one. */
static void a_machine_goes_on_after_its_snapshot_and_has_another(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r, 1, false, computes);
	r.pause_at = 'a';
	r.go_on = true;
	r.fd = fd = new_file();
	assert_int_equal(board_run(r.b, CODE), BOARD_RESET);
	assert_string_equal(r.console, "aSb");
	board_free(r.b);
	assert_non_null(load(&r, fd, key));
	close(fd);
	fd = take(&r, 'S');
	assert_string_equal(r.console, "S");
	assert_non_null(load(&r, fd, key));
	assert_int_equal(board_run(r.b, 0), BOARD_RESET);
	assert_string_equal(r.console, "b");
	assert_int_equal(((uint64_t *)board_ram(r.b, RESULT, 16))[1], 0x11);
	board_free(r.b);
	close(fd);
}

#define X2APIC(msr, value) "mov $0x8" #msr ", %ecx; xor %edx, %edx; mov $" #value ", %eax; wrmsr\n"

/* A deadline is armed, the processor halts, the second is in the firmware; the interrupt's handler
 * wakes the second, and that ends the machine. Vector 0x30, by an IDT of one gate. */
GUEST_CODE(sleeps,
	   "movw $0xfff, 0x206f10; movq $0x204000, 0x206f12; lidt 0x206f10\n" X2APIC(0f, 0x1ff)
		   X2APIC(32, 0x40030) "rdtsc; shl $32, %rdx; or %rdx, %rax; add $1000000000, "
				       "%rax; mov %rax, %rdx\n"
				       "shr $32, %rdx; mov $0x6e0, %ecx; wrmsr\n" SAY(
					       S) "sti\n1: hlt; jmp 1b\n");
GUEST_CODE(handler, SAY(h) "movq $0x201000, 0x9d008; movl $1, 0x9d004; movw $1, 0x9d000\n"
			   "1: pause; jmp 1b\n");
GUEST_CODE(second, SAY(2) END);

static void sleepers_and_who_is_in_the_firmware_are_kept(bool virtual_clock)
{
	struct rig r;
	uint64_t *idt;
	int fd;

	start(&r, 2, virtual_clock, sleeps);
	memcpy(board_ram(r.b, SECOND, 4096), second, (size_t)(second_end - second));
	memcpy(board_ram(r.b, 0x205000, 4096), handler, (size_t)(handler_end - handler));
	idt = board_ram(r.b, 0x204000, 4096);
	idt[0x60] = 0x5000 | 0x10ull << 16 | 0x8eull << 40 | 0x20ull << 48;
	fd = take(&r, 'S');
	assert_string_equal(r.console, "S");
	for (unsigned i = 0; i < 2; i++) {
		if (!load(&r, fd, key))
			fail_msg("%s", r.err);
		assert_int_equal(board_run(r.b, 0), BOARD_RESET);
		assert_string_equal(r.console, "h2");
		board_free(r.b);
	}
	close(fd);
}

static void timers_and_waiting_processors_are_kept(void **state)
{
	(void)state;
	sleepers_and_who_is_in_the_firmware_are_kept(false);
}

static void they_are_with_a_virtual_clock(void **state)
{
	(void)state;
	sleepers_and_who_is_in_the_firmware_are_kept(true);
}

/* The first processor halts for good when the second says S. */
GUEST_CODE(wakes, "movq $0x201000, 0x9d008; movl $1, 0x9d004; movw $1, 0x9d000\n"
		  "1: hlt; jmp 1b\n");
GUEST_CODE(says, "mov $1000, %ecx\n1: pause; loop 1b\n" SAY(S) SAY(e) END);

static void a_halted_processor_stays_halted(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r, 2, false, wakes);
	memcpy(board_ram(r.b, SECOND, 4096), says, (size_t)(says_end - says));
	fd = take(&r, 'S');
	assert_non_null(load(&r, fd, key));
	assert_int_equal(board_run(r.b, 0), BOARD_RESET);
	assert_string_equal(r.console, "e");
	board_free(r.b);
	close(fd);
}

/* What the module and the caches are, is kept: the module is ready, with a page of the host's. */
static void the_module_and_page_words_are_kept(void **state)
{
	struct setup s;
	struct rig r;
	uint64_t count[16], pages;
	struct tdx_regs regs = {.rax = TDH_SYS_INFO};
	int fd;

	(void)state;
	start(&r, 2, false, computes);
	s = (struct setup){board_system(r.b)->m, board_system(r.b)->mod, {0}};
	setup_ready(&s, SETUP_GLOBAL_HKID);
	system_seamcall(board_system(r.b), 0,
			&(struct tdx_regs){.rax = TDH_MNG_CREATE,
					   .rcx = SETUP_TDMR1 + 0x200000,
					   .rdx = SETUP_GLOBAL_HKID + 1});
	pages = system_pages(board_system(r.b), count);
	assert_int_equal(pages, 1);
	fd = take(&r, 'S');
	assert_non_null(load(&r, fd, key));
	assert_int_equal(system_pages(board_system(r.b), count), pages);
	system_seamcall(board_system(r.b), 1, &regs); /* ready on the second processor, too */
	assert_true(tdx_is_error((struct tdx_status){regs.rax}));
	regs = (struct tdx_regs){
		.rax = TDH_MNG_CREATE, .rcx = SETUP_TDMR1 + 0x201000, .rdx = SETUP_GLOBAL_HKID + 1};
	system_seamcall(board_system(r.b), 1, &regs);
	assert_int_equal(tdx_code((struct tdx_status){regs.rax}), TDX_HKID_NOT_FREE);
	board_free(r.b);
	close(fd);
}

enum { CONSOLE_PIN = 4, CONSOLE_VECTOR = 0x51, SERIAL_IER = 1, SERIAL_MCR = 4 };

static void listen_to_the_console(struct board *b)
{
	uart_write(&b->uart, SERIAL_IER, 1);
	uart_write(&b->uart, SERIAL_MCR, 8);
	/* An edge, remapped by the first entry of a table in memory to processor 0. */
	b->ioapic.entry[CONSOLE_PIN] = 1ull << 48;
	b->vtd.s.status |= 1u << 25;
	b->vtd.s.table = RESULT | 1 << 11;
	*(uint64_t *)board_ram(b, RESULT, 16) = 1 | CONSOLE_VECTOR << 16;
	apic_write(&b->cpu[0].apic, MSR_X2APIC_SIVR, 0x1ff);
}

/* An edge comes once: it may not be lost between a device and a processor that are both loaded. */
static void what_waits_for_a_machine_interrupts_it(void **state)
{
	struct board_config cfg, seen;
	struct rig r;
	int fd;

	(void)state;
	start(&r, 1, false, computes);
	r.spoil = listen_to_the_console;
	fd = take(&r, 'S');
	for (unsigned waits = 0; waits < 2; waits++) {
		r = (struct rig){.fd = -1, .input = waits};
		cfg = config(&r, 0, false);
		r.b = board_load(&cfg, fd, key, &seen, r.err, sizeof(r.err));
		assert_non_null(r.b);
		assert_int_equal(r.b->cpu[0].apic.irr[CONSOLE_VECTOR / 32] >> CONSOLE_VECTOR % 32 &
					 1,
				 waits);
		board_free(r.b);
	}
	close(fd);
}

/* --- what is refused --- */

static void expect_refused(int fd, const uint8_t with[BOARD_KEY], const char *why)
{
	struct rig r;

	if (load(&r, fd, with))
		fail_msg("taken, not refused: %s", why);
	if (!strstr(r.err, why))
		fail_msg("\"%s\", not \"%s\"", r.err, why);
}

static int some_file(void)
{
	struct rig r;

	start(&r, 2, false, computes);
	return take(&r, 'S');
}

static void flip(int fd, off_t at, uint8_t bits)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= bits;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void what_is_no_snapshot_of_ours_is_refused(void **state)
{
	int fd = some_file(), empty = new_file(), pipes[2];
	char version[40];
	struct stat st;
	uint32_t is;

	(void)state;
	expect_refused(fd, other_key, "made with another key");
	expect_refused(empty, key, "not a snapshot");
	assert_int_equal(ftruncate(empty, 1 << 20), 0);
	expect_refused(empty, key, "not a snapshot");
	assert_int_equal(pipe(pipes), 0);
	expect_refused(pipes[0], key, "not a file");
	expect_refused(-1, key, "not a file");
	assert_int_equal(pread(fd, &is, sizeof(is), 8), sizeof(is));
	snprintf(version, sizeof(version), "of version %u; this is for version %u", is + 0x80, is);
	flip(fd, 8, 0x80);
	expect_refused(fd, key, version);
	flip(fd, 8, 0x80);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t size = st.st_size - 1; size > 0; size /= 3) {
		assert_int_equal(ftruncate(fd, size), 0);
		expect_refused(fd, key, size < 128 ? "not a snapshot" : "bytes of which");
	}
	close(fd);
	close(empty);
	close(pipes[0]);
	close(pipes[1]);
}

static void any_changed_bit_is_refused(void **state)
{
	const int fd = some_file();
	uint64_t random = 7;
	struct stat st;
	struct rig r;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < 4200; at += at < 160 ? 3 : 197) {
		flip(fd, at, 1);
		expect_refused(fd, key, "");
		flip(fd, at, 1);
	}
	for (unsigned i = 0; i < 60; i++) {
		off_t at;

		random = random * 6364136223846793005u + 1442695040888963407u;
		at = (off_t)(random >> 16) % st.st_size;
		flip(fd, at, (uint8_t)(1u << (random >> 60 & 7)));
		expect_refused(fd, key, "");
		flip(fd, at, (uint8_t)(1u << (random >> 60 & 7)));
	}
	assert_non_null(load(&r, fd, key)); /* and as it was it is good */
	board_free(r.b);
	close(fd);
}

/* Who has the key can say what he likes, and is looked at all the same. */
static void spoil_chain(struct board *b)
{
	b->cpu[0].lost_here.n = 1u << 31;
}

static void spoil_lines(struct board *b)
{
	b->m->lp[0].nwc = 200;
}

static void spoil_stores(struct board *b)
{
	b->m->lp[0].nwc = 1;
	b->m->lp[0].wc[0] = (struct machine_range){~0ull - 64, 64};
}

static void spoil_overrides(struct board *b)
{
	b->m->lp[1].nmsr_override = 65;
}

static void spoil_holder(struct board *b)
{
	b->turns.holder = 2;
}

static void spoil_place(struct board *b)
{
	b->cpu[0].at = (enum board_at)9;
}

static void states_that_cannot_be_are_refused(void **state)
{
	static const struct {
		void (*spoil)(struct board *b);
		const char *why;
	} rows[] = {
		{spoil_chain, "its processor 0 cannot be so"},
		{spoil_place, "its processor 0 cannot be so"},
		{spoil_lines, "a processor cannot be so"},
		{spoil_stores, "a processor cannot be so"},
		{spoil_overrides, "a processor cannot be so"},
		{spoil_holder, "a board cannot be so"},
	};
	struct rig r;
	int fd;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(&r, 2, false, computes);
		r.spoil = rows[i].spoil;
		fd = take(&r, 'S');
		expect_refused(fd, key, rows[i].why);
		close(fd);
	}
}

/* A file's bytes in memory, changed, sealed and in a file again. */
struct bytes {
	uint8_t *at;
	size_t size;
};

static struct bytes bytes_of(int fd)
{
	struct stat st;
	struct bytes b;

	assert_int_equal(fstat(fd, &st), 0);
	b = (struct bytes){malloc((size_t)st.st_size), (size_t)st.st_size};
	assert_non_null(b.at);
	assert_int_equal(pread(fd, b.at, b.size, 0), b.size);
	return b;
}

static int sealed(struct bytes *b)
{
	const int fd = new_file();

	assert_true(snapshot_seal(b->at, b->size, key));
	assert_int_equal(write(fd, b->at, b->size), b->size);
	return fd;
}

/* The header, the table of memory and each section's header, under the right key: each word that
 * has another value leaves no machine, but a sentence, or it is one of a machine's properties. */
static void lengths_and_places_are_looked_at_under_the_right_key(void **state)
{
	enum { OUTSIDE = 0x1000 };
	static const uint64_t values[] = {0, 1, OUTSIDE, 0x7fffffff, 0xffffffff, 1ull << 40, ~0ull};
	const int good = some_file();
	struct bytes b = bytes_of(good);
	const size_t first = sealed_state(b.at);
	const size_t places[] = {SEALED_FILE_SIZE,
				 SEALED_DATA_AT,
				 SEALED_EXTENTS,
				 SEALED_STATE_SIZE,
				 SEALED_PAGE,
				 SEALED_PAGE + 8,
				 SEALED_PAGE + 16,
				 SEALED_PAGE + SEALED_EXTENT + 8,
				 SEALED_PAGE + SEALED_EXTENT + 16,
				 first + 16,
				 first + 20};
	struct rig r;
	int fd;

	(void)state;
	fd = sealed(&b); /* sealing is what the file's maker did */
	assert_non_null(load(&r, fd, key));
	board_free(r.b);
	close(fd);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			const size_t width =
				places[i] == SEALED_EXTENTS || places[i] == SEALED_PAGE ||
						places[i] == SEALED_STATE_SIZE || places[i] >= first
					? 4
					: 8;
			uint64_t was = 0;

			memcpy(&was, b.at + places[i], width);
			if (memcmp(&was, &values[v], width) == 0)
				continue;
			memcpy(b.at + places[i], &values[v], width);
			fd = sealed(&b);
			/* what is of the memory may be elsewhere in it */
			if (!load(&r, fd, key))
				assert_int_not_equal(strlen(r.err), 0);
			else if (places[i] < SEALED_PAGE || places[i] >= first ||
				 values[v] > OUTSIDE)
				fail_msg("place %zu value 0x%llx: taken", places[i],
					 (unsigned long long)values[v]);
			else
				board_free(r.b);
			close(fd);
			memcpy(b.at + places[i], &was, width);
		}
	free(b.at);
	close(good);
}

/* It is as much as the header says, before anything of it is looked at. */
static void more_memory_than_a_machine_has_is_refused(void **state)
{
	static const uint64_t values[] = {1, BOARD_MEMORY_LEAST - 1, BOARD_MEMORY_MOST + 1,
					  1ull << 42, ~0ull};
	const int good = some_file();
	struct bytes b = bytes_of(good);
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		memcpy(b.at + SEALED_MEMORY, &values[i], sizeof(values[i]));
		fd = sealed(&b);
		expect_refused(fd, key, "MiB of memory; a machine has 3072 to 65536");
		close(fd);
	}
	free(b.at);
	close(good);
}

/* What this computer does not execute, a machine that was told so cannot go on without. */
static void vectors_that_this_computer_has_not_are_named(void **state)
{
	const int good = some_file();
	struct bytes b = bytes_of(good);
	uint8_t *vectors = b.at + sealed_state(b.at);
	struct board_vectors *v = (void *)(vectors + SEALED_SECTION);
	int fd;

	(void)state;
	assert_string_equal((char *)vectors, "vectors");
	v->bits[1][CPUID_EDX] |= CPUID_BIT(EDX, AMX_TILE);
	fd = sealed(&b);
	expect_refused(fd, key, "its processors have AMX_TILE, which is not executed");
	close(fd);
	v->bits[1][CPUID_EDX] &= ~CPUID_BIT(EDX, AMX_TILE);
	v->xcr0 |= XFAM_AMX;
	fd = sealed(&b);
	expect_refused(fd, key, "a state of vectors, which is not executed");
	close(fd);
	v->bits[2][CPUID_EDX] |= 1u << 31;
	fd = sealed(&b);
	expect_refused(fd, key, "an instruction nobody has a name for");
	close(fd);
	/* One that has less is at home here. */
	memset(v, 0, sizeof(*v));
	fd = sealed(&b);
	{
		struct rig r;

		assert_non_null(load(&r, fd, key));
		assert_int_equal(board_run(r.b, 0), BOARD_RESET);
		board_free(r.b);
	}
	close(fd);
	free(b.at);
	close(good);
}

static void be_in_a_call(struct board *b)
{
	atomic_store(&b->sys->mod->lp[0].busy, true);
}

static void a_processor_in_a_call_is_not_written(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r, 1, false, computes);
	r.spoil = be_in_a_call;
	fd = take(&r, 'S');
	assert_string_equal(r.err, "a processor is in a call of the module");
	expect_refused(fd, key, "not a snapshot");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_goes_on_where_it_was),
		cmocka_unit_test(a_machine_goes_on_after_its_snapshot_and_has_another),
		cmocka_unit_test(timers_and_waiting_processors_are_kept),
		cmocka_unit_test(they_are_with_a_virtual_clock),
		cmocka_unit_test(a_halted_processor_stays_halted),
		cmocka_unit_test(the_module_and_page_words_are_kept),
		cmocka_unit_test(what_waits_for_a_machine_interrupts_it),
		cmocka_unit_test(what_is_no_snapshot_of_ours_is_refused),
		cmocka_unit_test(any_changed_bit_is_refused),
		cmocka_unit_test(states_that_cannot_be_are_refused),
		cmocka_unit_test(lengths_and_places_are_looked_at_under_the_right_key),
		cmocka_unit_test(more_memory_than_a_machine_has_is_refused),
		cmocka_unit_test(vectors_that_this_computer_has_not_are_named),
		cmocka_unit_test(a_processor_in_a_call_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
