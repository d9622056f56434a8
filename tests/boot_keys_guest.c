/* SPDX-License-Identifier: MIT */
/* A program for a Linux TD: protection keys do what pkeys(7) says, or it says what does not. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int code, key_said;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	code = info->si_code;
	key_said = (int)info->si_pkey;
	siglongjmp(back, 1);
}

/* 0: it may; the key that forbids it; -1: something else does. */
static int forbidden(volatile char *p, int write)
{
	if (sigsetjmp(back, 1))
		return code == SEGV_PKUERR ? key_said : -1;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

static int expect(const char *what, int got, int wanted)
{
	if (got == wanted)
		return 0;
	printf("keys: %s: %d, not %d\n", what, got, wanted);
	return 1;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int key = pkey_alloc(0, 0);
	unsigned turn;
	int bad = 0, ends[2];

	if (p == MAP_FAILED || key < 0 || pkey_mprotect(p, 4096, PROT_READ | PROT_WRITE, key) ||
	    pipe(ends)) {
		printf("keys: the kernel gives none\n");
		return 2;
	}
	sigaction(SIGSEGV, &sa, NULL);
	for (turn = 0; turn < 300 && !bad; turn++) {
		pkey_set(key, 0);
		bad += expect("a write with all rights", forbidden(p, 1), 0);
		pkey_set(key, PKEY_DISABLE_WRITE);
		bad += expect("a read without the right to write", forbidden(p, 0), 0);
		bad += expect("a write without it", forbidden(p, 1), key);
		pkey_set(key, PKEY_DISABLE_ACCESS);
		bad += expect("a read without any", forbidden(p, 0), key);
		/* The kernel reads for a program with the program's rights. */
		bad += expect("a system call", (int)write(ends[1], p, 1), -1);
		/* After a signal the rights are what they were. */
		bad += expect("the rights then", pkey_get(key), PKEY_DISABLE_ACCESS);
	}
	if (!bad)
		printf("keys: %u turns as they should be\n", turn);
	return bad;
}
