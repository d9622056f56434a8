/* SPDX-License-Identifier: MIT */
/* Memory order between processors of one guest, by litmus tests: what x86 forbids never happens,
 * and code that one processor changes is what the other executes afterwards. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86_guest.h"

#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")

enum { ROUNDS = 20000, CPUS = 4 };

/* A round of each processor: its own pair of variables for every round, 64 bytes apart, so that no
 * barrier between rounds is needed; results are stored beside them. RDI: the round's line. */
#define LOOP(body) "1: " body "; add $64, %rdi; dec %ecx; jnz 1b; hlt"
#define X	   "(%rdi)"
#define Y	   "8(%rdi)"

GUEST_CODE(store_x_load_y, LOOP("movl $1, " X "; mfence; mov " Y ", %eax; mov %eax, 16(%rdi)"));
GUEST_CODE(store_y_load_x, LOOP("movl $1, " Y "; mfence; mov " X ", %eax; mov %eax, 20(%rdi)"));
GUEST_CODE(swap_x_load_y,
	   LOOP("mov $1, %eax; xchg %eax, " X "; mov " Y ", %eax; mov %eax, 16(%rdi)"));
GUEST_CODE(swap_y_load_x,
	   LOOP("mov $1, %eax; xchg %eax, " Y "; mov " X ", %eax; mov %eax, 20(%rdi)"));
GUEST_CODE(add_x_load_y, LOOP("lock addl $1, " X "; mov " Y ", %eax; mov %eax, 16(%rdi)"));
GUEST_CODE(add_y_load_x, LOOP("lock incl " Y "; mov " X ", %eax; mov %eax, 20(%rdi)"));
GUEST_CODE(store_x_store_y, LOOP("movl $1, " X "; movl $1, " Y));
GUEST_CODE(load_y_load_x,
	   LOOP("mov " Y ", %eax; mov " X ", %ebx; mov %eax, 16(%rdi); mov %ebx, 20(%rdi)"));
GUEST_CODE(load_x_store_y, LOOP("mov " X ", %eax; movl $1, " Y "; mov %eax, 16(%rdi)"));
GUEST_CODE(load_y_store_x, LOOP("mov " Y ", %eax; movl $1, " X "; mov %eax, 20(%rdi)"));
GUEST_CODE(store_x, LOOP("movl $1, " X));
GUEST_CODE(store_y, LOOP("movl $1, " Y));
GUEST_CODE(load_x_load_y,
	   LOOP("mov " X ", %eax; mov " Y ", %ebx; mov %eax, 24(%rdi); mov %ebx, 28(%rdi)"));

struct program {
	const uint8_t *start, *end;
};
#define P(name)                                                                                    \
	{                                                                                          \
		name, name##_end                                                                   \
	}

static void *go(void *arg)
{
	struct x86_exit x;

	x86_run(arg, &x, UINT64_MAX);
	return x.reason == VMX_EXIT_HLT ? arg : NULL;
}

static struct x86_cpu *another(struct guest *g)
{
	struct x86_cpu *c = x86_cpu_new(g->code, g->cpu->ops, g);

	assert_non_null(c);
	c->cr0 = g->cpu->cr0;
	c->cr3 = g->cpu->cr3;
	c->cr4 = g->cpu->cr4;
	c->efer = g->cpu->efer;
	memcpy(c->seg, g->cpu->seg, sizeof(c->seg));
	x86_state_changed(c);
	return c;
}

/* Run the programs side by side over ROUNDS lines; out: the lines. */
static const uint32_t *together(struct guest *g, const struct program *p, unsigned n)
{
	struct x86_cpu *cpus[CPUS];
	pthread_t t[CPUS];
	unsigned i;

	assert_int_equal(g_open(g), 0);
	for (i = 0; i < n; i++) {
		cpus[i] = i ? another(g) : g->cpu;
		g_put(g, G_CODE + i * 0x1000, p[i].start, (unsigned)(p[i].end - p[i].start));
		cpus[i]->rip = G_CODE + i * 0x1000;
		cpus[i]->regs.rdi = G_DATA;
		cpus[i]->regs.rcx = ROUNDS;
	}
	for (i = 0; i < n; i++)
		pthread_create(&t[i], NULL, go, cpus[i]);
	for (i = 0; i < n; i++) {
		void *ended;

		pthread_join(t[i], &ended);
		assert_non_null(ended);
		if (i)
			x86_cpu_free(cpus[i]);
	}
	return (const uint32_t *)(const void *)(g->ram + G_DATA);
}

#define LINE(out, i) ((out) + (size_t)(i)*16)
enum { R0 = 4, R1, R2, R3 };

static void each_sees_the_other(const struct program *p)
{
	struct guest g;
	const uint32_t *out = together(&g, p, 2);
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		assert_true(LINE(out, i)[R0] || LINE(out, i)[R1]);
	g_close(&g);
}

static void a_fenced_store_is_seen_before_the_next_load(void **state)
{
	static const struct program fence[] = {P(store_x_load_y), P(store_y_load_x)};
	static const struct program swap[] = {P(swap_x_load_y), P(swap_y_load_x)};
	static const struct program lock[] = {P(add_x_load_y), P(add_y_load_x)};

	(void)state;
	each_sees_the_other(fence);
	each_sees_the_other(swap);
	each_sees_the_other(lock);
}

static void stores_are_seen_in_order_and_loads_are_made_in_order(void **state)
{
	static const struct program p[] = {P(store_x_store_y), P(load_y_load_x)};
	struct guest g;
	const uint32_t *out = together(&g, p, 2);
	unsigned i;

	(void)state;
	for (i = 0; i < ROUNDS; i++)
		assert_false(LINE(out, i)[R0] && !LINE(out, i)[R1]);
	g_close(&g);
}

static void a_load_is_not_made_after_a_later_store(void **state)
{
	static const struct program p[] = {P(load_x_store_y), P(load_y_store_x)};
	struct guest g;
	const uint32_t *out = together(&g, p, 2);
	unsigned i;

	(void)state;
	for (i = 0; i < ROUNDS; i++)
		assert_false(LINE(out, i)[R0] && LINE(out, i)[R1]);
	g_close(&g);
}

static void all_see_independent_stores_in_one_order(void **state)
{
	static const struct program p[] = {P(store_x), P(store_y), P(load_y_load_x),
					   P(load_x_load_y)};
	struct guest g;
	const uint32_t *out = together(&g, p, 4);
	unsigned i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		const uint32_t *l = LINE(out, i);

		assert_false(l[R0] && !l[R1] && l[R2] && !l[R3]);
	}
	g_close(&g);
}

/* --- code that changes under another processor's feet --- */

/* The caller asks for round after round and calls the function; the writer has changed it, on two
 * pages, before it answers. RSI: the function, whose immediate crosses into the next page. */
GUEST_CODE(caller, "1: mov %ecx, (%rdi); 2: pause; cmp %ecx, 4(%rdi); jne 2b;"
		   "call *%rsi; cmp %ecx, %eax; jne 3f; dec %ecx; jnz 1b; movl $-1, (%rdi); hlt;"
		   "3: movl $-1, (%rdi); ud2");
GUEST_CODE(writer, "1: mov (%rdi), %eax; cmp $-1, %eax; je 2f; cmp 4(%rdi), %eax; je 1b;"
		   "mov %eax, 1(%rsi); mov %eax, 4(%rdi); jmp 1b; 2: hlt");
GUEST_CODE(function, "mov $0, %eax; ret");

static void code_changed_by_another_processor_is_executed_as_changed(void **state)
{
	const uint64_t at = G_CODE + 0x5000 - 3;
	struct x86_cpu *c;
	struct x86_exit x;
	struct guest g;
	pthread_t t;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	g_put(&g, G_CODE, caller, (unsigned)(caller_end - caller));
	g_put(&g, G_CODE + 0x1000, writer, (unsigned)(writer_end - writer));
	g_put(&g, at, function, (unsigned)(function_end - function));
	c = another(&g);
	c->rip = G_CODE + 0x1000;
	g.cpu->regs.rdi = c->regs.rdi = G_DATA;
	g.cpu->regs.rsi = c->regs.rsi = at;
	g.cpu->regs.rcx = 2000;
	pthread_create(&t, NULL, go, c);
	assert_int_equal(x86_run(g.cpu, &x, UINT64_MAX), 0);
	pthread_join(t, NULL);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g.cpu->regs.rcx, 0);
	x86_cpu_free(c);
	g_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fenced_store_is_seen_before_the_next_load),
		cmocka_unit_test(stores_are_seen_in_order_and_loads_are_made_in_order),
		cmocka_unit_test(a_load_is_not_made_after_a_later_store),
		cmocka_unit_test(all_see_independent_stores_in_one_order),
		cmocka_unit_test(code_changed_by_another_processor_is_executed_as_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
