/* SPDX-License-Identifier: MIT */
/* A TD that does what the mailing-list threads argued about, by the guest library; the host says at
 * a port which of it:
 *  2: each vCPU touches pages that are not there yet with one instruction, so that the module
 *     suspects zero-stepping, accepts them in a #VE handler, and gives them back; round after
 * round. 3: a range is converted with a call that is made once, then by the library's loop. 4: a
 * memory slot is taken away and comes back under the other vCPU, which watches its memory. See
 * docs/threads-live.md. */
#include <swtdx/guest.h>

#include "arch/x86.h"

enum {
	PAGE = 4096,
	WINDOW = 32, /* pages; the defence looks after 6 */
	EXIT_EPT_VIOLATION = 48,
	GATE = 0x8e00,
	CODE = 0x10,
	PORT_COM1 = 0x3f8,
	PORT_EXIT = 0xf4,
	PORT_PAGES = 0x500,
	PORT_MODE = 0x501,
	PORT_SLOT = 0x502,
	PORT_DMA = 0x503,
};

#define FIRST	0x1000000ull /* the vCPUs' windows */
#define SPACING 0x200000ull
#define SCRATCH 0x20000000ull /* of the slot that comes and goes */
#define TWO_MIB 0x200000ull

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

_Noreturn void hello(unsigned vcpu);
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

static struct gate idt[VECTOR_VE + 1];
static struct tdg_td td;
static unsigned accepted, failures, finished, stop; /* atomic */

void *memset(void *to, int c, size_t n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

static void port_tdcall(const struct tdg_port *p, struct tdx_regs *regs)
{
	(void)p;
	tdg_tdcall(regs);
}

static void port_relax(const struct tdg_port *p)
{
	(void)p;
	__asm__ volatile("pause");
}

static const struct tdg_port_ops *ops(void)
{
	static struct tdg_port_ops o;

	o.tdcall = port_tdcall;
	o.relax = port_relax;
	return &o;
}

static void out(uint16_t number, uint32_t value)
{
	const struct tdg_port port = {ops(), NULL};

	(void)!tdvmcall_is_success(tdvmcall_io_write(&port, number, 1, value));
}

static uint32_t in(uint16_t number)
{
	const struct tdg_port port = {ops(), NULL};
	uint32_t value = 0;

	(void)!tdvmcall_is_success(tdvmcall_io_read(&port, number, 4, &value));
	return value;
}

static void say(const char *text)
{
	while (*text)
		out(PORT_COM1, (uint8_t)*text++);
}

static void say_number(uint64_t v)
{
	char text[21];
	unsigned i = sizeof(text) - 1;

	for (text[i] = 0; i == sizeof(text) - 1 || v; v /= 10)
		text[--i] = (char)('0' + v % 10);
	say(text + i);
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	if (__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST) < 8) {
		say("not ok: ");
		say(what);
		say("\n");
	}
}

static bool accept(uint64_t page)
{
	const struct tdg_port port = {ops(), NULL};
	struct tdg_accept_policy patient = TDG_ACCEPT_POLICY_DEFAULT;

	patient.max_busy = 1u << 20;
	return tdg_accept(&port, tdx_gpa(page), PAGE, &patient, NULL) == 0;
}

/* A page that is there and not accepted. */
__attribute__((interrupt)) static void page_is_new(void *frame)
{
	const struct tdg_port port = {ops(), NULL};
	struct tdg_ve_info info;

	(void)frame;
	if (tdx_is_error(tdg_vp_veinfo_get(&port, 0, &info)) || info.reason != EXIT_EPT_VIOLATION ||
	    !accept(info.gpa_.v & ~(uint64_t)(PAGE - 1))) {
		say("not ok: a #VE of another kind\n");
		out(PORT_EXIT, 1);
	}
	__atomic_fetch_add(&accepted, 1, __ATOMIC_SEQ_CST);
}

static void set_idt(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};
	const uint64_t at = (uintptr_t)page_is_new;

	idt[VECTOR_VE] = (struct gate){(uint16_t)at,	     CODE, GATE, (uint16_t)(at >> 16),
				       (uint32_t)(at >> 32), 0};
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

/* --- S2 --- */

/* The one instruction that meets all the pages. */
__attribute__((noinline)) static void touch(uint64_t page)
{
	__asm__ volatile("movq %0, (%0)" : : "r"(page) : "memory");
}

static void contend(uint64_t first, unsigned rounds)
{
	const struct tdg_port port = {ops(), NULL};

	for (unsigned r = 0; r < rounds; r++) {
		for (uint64_t at = first; at < first + WINDOW * PAGE; at += PAGE)
			touch(at);
		for (uint64_t at = first; at < first + WINDOW * PAGE; at += PAGE)
			check(*(volatile uint64_t *)at == at, "a page keeps what was written");
		check(!tdg_map_gpa(&port, &td, tdx_gpa(first), WINDOW * PAGE, true, NULL, NULL) &&
			      !tdg_map_gpa(&port, &td, tdx_gpa(first), WINDOW * PAGE, false, NULL,
					   NULL),
		      "a window becomes shared and private again");
	}
}

static void contend_ends(unsigned vcpus, unsigned rounds)
{
	check(accepted == vcpus * rounds * WINDOW, "each page of each round is accepted");
	say_number(accepted);
	say(" pages accepted in #VE handlers, ");
	say_number((uint64_t)vcpus * rounds * WINDOW);
	say(" removed\n");
}

/* --- S3 --- */

static void convert(void)
{
	const struct tdg_port port = {ops(), NULL};
	struct tdg_map_result map;
	uint64_t next = 0;
	struct tdvmcall_status once =
		tdvmcall_map_gpa(&port, tdx_gpa(FIRST | td.shared), 2 * TWO_MIB, &next);

	say(tdvmcall_is_success(once) ? "one call: done\n"
	    : tdvmcall_is_retry(once) ? "one call: \"go on\", which is no success: given up\n"
				      : "one call: refused\n");
	say(tdg_map_gpa(&port, &td, tdx_gpa(FIRST), 2 * TWO_MIB, true, NULL, &map)
		    ? "the loop: given up after "
		    : "the loop: done after ");
	say_number(map.calls);
	say(" calls\n");
}

/* --- S4 --- */

static void watch(uint64_t first)
{
	uint64_t seen = 0;

	for (uint64_t at = first; at < first + WINDOW * PAGE; at += PAGE) {
		check(accept(at), "a page is accepted");
		*(volatile uint64_t *)at = at;
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
	for (; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); seen++)
		for (uint64_t at = first; at < first + WINDOW * PAGE; at += PAGE)
			check(*(volatile uint64_t *)at == at, "other memory stays");
}

static void slots(unsigned rounds)
{
	while (!__atomic_load_n(&finished, __ATOMIC_SEQ_CST))
		;
	for (unsigned r = 0; r < rounds; r++) {
		out(PORT_SLOT, 1);
		for (uint64_t at = SCRATCH; at < SCRATCH + WINDOW * PAGE; at += PAGE) {
			check(accept(at), "a page of the slot is new");
			check(*(volatile uint64_t *)at == 0, "nothing is left of before");
			*(volatile uint64_t *)at = at;
		}
		out(PORT_SLOT, 0);
	}
	say_number(rounds);
	say(" times a slot has gone and come back\n");
	say("non-coherent DMA begins\n");
	out(PORT_DMA, 1);
	say("and this TD has its memory still\n");
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
}

static void work(unsigned vcpu, unsigned vcpus, unsigned mode, unsigned n)
{
	const uint64_t first = FIRST + vcpu * SPACING;

	if (mode == 2)
		contend(first, n);
	else if (mode == 3 && !vcpu)
		convert();
	else if (mode == 4 && vcpu)
		watch(first);
	else if (mode == 4)
		slots(n);
	if (mode != 4 && __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != vcpus)
		return;
	if (mode == 4 && vcpu)
		return;
	if (mode == 2)
		contend_ends(vcpus, n);
	say(failures ? "failures\n" : "goodbye\n");
	out(PORT_EXIT, failures != 0);
}

_Noreturn void hello(unsigned vcpu)
{
	const struct tdg_port port = {ops(), NULL};
	struct tdg_vp_info info;

	if (tdx_is_error(tdg_vp_info(&port, &info)))
		out(PORT_EXIT, 1);
	td.gpa_width = info.gpa_width; /* each vCPU writes the same */
	td.shared = 1ull << (info.gpa_width - 1);
	set_idt();
	work(vcpu, info.num_vcpus, in(PORT_MODE), in(PORT_PAGES));
	for (;;)
		(void)!tdvmcall_is_success(tdvmcall_hlt(&port, true));
}
