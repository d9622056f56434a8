/* SPDX-License-Identifier: MIT */
/* A small VMM for TDs under Linux's KVM: a static program, for an initrd.
 *
 * kvm-tdx [-m MIB] [-c VCPUS] [-n TDS] [-p PAGES] [-w FILE] IMAGE
 *
 * IMAGE is a TDVF image: hello.bin from beside this file, what `swtdx measure --image` writes, or
 * a firmware. -w: when the TD is there, read FILE to its end before it runs. The exit status is the
 * TD's, the greatest of several TDs', 125 for a TD that gave up, 126 for one that stopped, 127 when
 * it cannot be had. */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NONE = 127, TDS = 64 };

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("kvm-tdx: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(STATUS_NONE);
}

static void wait_for(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	while (read(fd, &c, 1) > 0)
		;
	close(fd);
}

static int one(const char *path, const char *wait, unsigned memory, unsigned vcpus, unsigned pages)
{
	static struct td td;
	int status;

	td.memory = (uint64_t)memory << 20;
	td.nvcpus = vcpus;
	td.pages = pages;
	image_read(path, &td.image);
	td_create(&td);
	if (wait)
		wait_for(wait);
	status = td_run(&td);
	td_close(&td);
	return status;
}

int main(int argc, char **argv)
{
	unsigned memory = 96, vcpus = 1, tds = 1, pages = 32, worst = 0;
	const char *wait_path = NULL;
	int c, status;

	while ((c = getopt(argc, argv, "m:c:n:p:w:")) != -1) {
		const unsigned v = c == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 0);

		switch (c) {
		case 'm':
			memory = v;
			break;
		case 'c':
			vcpus = v;
			break;
		case 'n':
			tds = v;
			break;
		case 'p':
			pages = v;
			break;
		case 'w':
			wait_path = optarg;
			break;
		default:
			memory = 0;
		}
	}
	if (optind != argc - 1 || !memory || memory > 2048 || !vcpus || vcpus > VCPUS || !tds ||
	    tds > TDS)
		die("usage: kvm-tdx [-m MIB] [-c VCPUS] [-n TDS] [-p PAGES] [-w FILE] IMAGE");
	if (tds == 1)
		return one(argv[optind], wait_path, memory, vcpus, pages);
	for (unsigned i = 0; i < tds; i++)
		if (fork() == 0)
			exit(one(argv[optind], wait_path, memory, vcpus, pages));
	while (wait(&status) > 0) {
		const unsigned s = WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : STATUS_NONE;

		worst = s > worst ? s : worst;
	}
	return (int)worst;
}
