/* SPDX-License-Identifier: MIT */
/* A program of 32 bits for a Linux guest, without a C library: sorting by a recursive function,
 * calls through a table, storage of its thread through GS as the C library has it, numbers of 64
 * bits, x87 and SSE, strings, and a stack that is changed in each way. It prints what came out.
 * Turns: its argument. */
#include <stdint.h>

enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_SET_THREAD_AREA = 243 };
enum { NUMBERS = 4096 };

static long call(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}

/* No library: what compilers make calls of. */
void *memcpy(void *to, const void *from, unsigned long n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int v, unsigned long n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(v) : "memory");
	return to;
}

static void print(const char *name, uint32_t v)
{
	char line[64], *p = line;
	unsigned i;

	while (*name)
		*p++ = *name++;
	*p++ = ' ';
	for (i = 0; i < 8; i++)
		*p++ = "0123456789abcdef"[v >> (28 - i * 4) & 15];
	*p++ = '\n';
	call(SYS_WRITE, 1, (long)line, p - line);
}

/* --- integers --- */

static uint32_t numbers[NUMBERS];

static uint32_t next(uint32_t *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 3;
}

__attribute__((noinline)) static void sort(uint32_t *a, int n)
{
	const uint32_t pivot = a[n / 2];
	int i = 0, j = n - 1;

	while (i <= j) {
		while (a[i] < pivot)
			i++;
		while (a[j] > pivot)
			j--;
		if (i <= j) {
			const uint32_t t = a[i];

			a[i++] = a[j];
			a[j--] = t;
		}
	}
	if (j > 0)
		sort(a, j + 1);
	if (i < n - 1)
		sort(a + i, n - i);
}

static uint32_t integers(void)
{
	uint32_t state = 1, sum = 0;
	int i;

	for (i = 0; i < NUMBERS; i++)
		numbers[i] = next(&state);
	sort(numbers, NUMBERS);
	for (i = 0; i < NUMBERS; i++)
		sum = (sum << 5 | sum >> 27) ^ numbers[i];
	return sum;
}

static uint32_t wide_numbers(void)
{
	uint64_t a = 0x123456789abcdefull, sum = 1;
	unsigned i;

	for (i = 0; i < NUMBERS; i++) {
		a = a * 6364136223846793005ull + 1442695040888963407ull;
		sum += (a >> (i & 31)) - (a << 7);
		sum ^= (uint64_t)((int64_t)a >> 40);
	}
	return (uint32_t)(sum ^ sum >> 32);
}

/* --- calls --- */

static uint32_t add(uint32_t a, uint32_t b)
{
	return a + b;
}

static uint32_t rotate(uint32_t a, uint32_t b)
{
	return (a << (b & 31) | a >> (-b & 31)) + 1;
}

static uint32_t bytes(uint32_t a, uint32_t b)
{
	return (a & 0xff00ff) + (b >> 8 & 0xff00ff);
}

static uint32_t choose(uint32_t a, uint32_t b)
{
	switch (b & 7) {
	case 0:
		return a + 3;
	case 1:
		return a ^ b;
	case 2:
		return a * 5;
	case 3:
		return ~a;
	case 4:
		return a - b;
	case 5:
		return a >> 1;
	default:
		return a | 1;
	}
}

static uint32_t calls(void)
{
	static uint32_t (*volatile const table[])(uint32_t, uint32_t) = {add, rotate, bytes,
									 choose};
	uint32_t state = 7, v = 0;
	unsigned i;

	for (i = 0; i < NUMBERS; i++)
		v = table[i & 3](v, next(&state));
	return v;
}

/* Frames, flags and all registers on the stack, and its pointer by other ways. */
static uint32_t frames(void)
{
	uint32_t v = 1, i;

	for (i = 0; i < NUMBERS / 4; i++)
		__asm__ volatile("pusha\n\t"
				 "addl %1, 28(%%esp)\n\t"
				 "popa\n\t"
				 "pushf\n\t"
				 "enter $8, $0\n\t"
				 "movl %0, -4(%%ebp)\n\t"
				 "pushl -4(%%ebp)\n\t"
				 "incl (%%esp)\n\t"
				 "popl %0\n\t"
				 "leave\n\t"
				 "popf\n\t"
				 "xchgl %%esp, %%ecx\n\t"
				 "xchgl %%ecx, %%esp"
				 : "+a"(v)
				 : "r"(i)
				 : "cc", "memory");
	return v;
}

/* --- storage of the thread --- */

static struct {
	uint32_t before[4];
	uint32_t self, counter, table[16];
} thread;

/* FS or GS cannot be loaded with what a kernel without this call would have. */
static int has_thread(void)
{
	struct {
		uint32_t entry, base, limit, flags;
	} area = {UINT32_MAX, (uint32_t)(uintptr_t)&thread.self, 0xfffff, 0x51};

	if (call(SYS_SET_THREAD_AREA, (long)&area, 0, 0))
		return 0;
	__asm__ volatile("movw %w0, %%gs" : : "r"(area.entry << 3 | 3));
	return 1;
}

static uint32_t in_thread(void)
{
	uint32_t sum = 0, v, i;

	for (i = 0; i < NUMBERS; i++) {
		__asm__ volatile("incl %%gs:4\n\t"
				 "movl %%gs:4, %0\n\t"
				 "addl %0, %%gs:8(,%1,4)\n\t"
				 "movl %%gs:8(,%1,4), %0\n\t"
				 "movl %0, %%gs:-4\n\t"
				 "xorl %%gs:-4, %0\n\t"
				 "addl %%gs:(%2), %0"
				 : "=&r"(v)
				 : "r"(i & 15), "r"(-4)
				 : "cc", "memory");
		sum = sum * 3 + v;
	}
	return sum;
}

/* --- floating point --- */

static uint32_t old_way(void)
{
	volatile long double limit = 3.0L;
	long double x = 1.0L, sum = 0.0L; /* which no compiler rounds on its way */
	int i;

	for (i = 1; i < NUMBERS; i++) {
		x = (x * 1.25L + 0.75L) / ((long double)i + x);
		if (x > limit)
			x -= limit;
		sum += x * i;
	}
	return (uint32_t)(int)(sum * 1000.0L);
}

typedef float vector __attribute__((vector_size(16)));

__attribute__((target("sse2"))) static uint32_t new_way(void)
{
	static vector v[64];
	vector sum = {0};
	int i, k;

	for (i = 0; i < 64; i++)
		v[i] = (vector){i * 0.5f, i, i * 2.0f, 1.0f};
	for (k = 0; k < 64; k++)
		for (i = 0; i < 64; i++)
			v[i] = v[i] * 0.75f + 1.0f;
	for (i = 0; i < 64; i++)
		sum += v[i];
	return (uint32_t)(int)((sum[0] + sum[1] + sum[2] + sum[3]) * 100.0f);
}

static uint32_t strings(void)
{
	static char a[512], b[512];
	uint32_t sum = 0;
	int i, k;

	for (k = 0; k < 16; k++) {
		memset(a, 'a' + k, sizeof(a) - 1);
		a[k * 16] = 0;
		memcpy(b, a, sizeof(b));
		for (i = 0; b[i]; i++)
			sum = sum * 31 + (uint32_t)b[i];
	}
	return sum;
}

/* --- the whole --- */

__attribute__((used, noreturn)) void begin(const long *stack)
{
	static uint32_t (*const parts[])(void) = {integers,  wide_numbers, calls,   frames,
						  in_thread, old_way,	   new_way, strings};
	static const char *const names[] = {"integers", "wide",	     "calls", "frames",
					    "thread",	"old-float", "float", "strings"};
	uint32_t sum[8] = {0}, turns = 0, i, k;

	if (stack[0] > 1) {
		const char *p = (const char *)(uintptr_t)stack[2];

		while (*p >= '0' && *p <= '9')
			turns = turns * 10 + (uint32_t)(*p++ - '0');
	}
	if (!has_thread())
		call(SYS_EXIT, 1, 0, 0);
	for (i = 0; i < turns; i++)
		for (k = 0; k < 8; k++)
			sum[k] = sum[k] * 7 + parts[k]();
	for (k = 0; k < 8; k++)
		print(names[k], sum[k]);
	for (;;)
		call(SYS_EXIT, 0, 0, 0);
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"movl %esp, %eax\n\t"
	"andl $-16, %esp\n\t"
	"subl $12, %esp\n\t"
	"pushl %eax\n\t"
	"call begin");
