/* SPDX-License-Identifier: MIT */
/* A small VMM for TDs under Linux's KVM: a static program, for an initrd.
 *
 * kvm-tdx [-m MIB] [-c VCPUS] [-n TDS] [-p PAGES] [-w FILE] [-q COMMAND]
 *         [-t MODE [-v] [-e N]] IMAGE
 *
 * IMAGE is a TDVF image: hello.bin from beside this file, what `swtdx measure --image` writes, or
 * a firmware. -w: when the TD is there, read FILE to its end before it runs. -q: the TD's
 * quotes are what COMMAND writes, with the TDREPORT as its input. -t: what
 * threads.bin does (threads.c); -v: a page that is not accepted gives the TD a #VE; -e: the first N
 * conversions it asks for are answered "go on" without any. The exit status is the
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

static int one(const char *path, const char *wait, struct td *td)
{
	int status;

	image_read(path, &td->image);
	td_create(td);
	if (wait)
		wait_for(wait);
	status = td_run(td);
	td_close(td);
	return status;
}

int main(int argc, char **argv)
{
	static struct td td = {.nvcpus = 1, .pages = 32};
	unsigned memory = 96, tds = 1, worst = 0;
	const char *wait_path = NULL;
	int c, status;

	while ((c = getopt(argc, argv, "m:c:n:p:w:q:t:ve:")) != -1) {
		const unsigned v = !optarg ? 0 : (unsigned)strtoul(optarg, NULL, 0);

		switch (c) {
		case 'm':
			memory = v;
			break;
		case 'c':
			td.nvcpus = v;
			break;
		case 'n':
			tds = v;
			break;
		case 'p':
			td.pages = v;
			break;
		case 'w':
			wait_path = optarg;
			break;
		case 'q':
			td.quotes = optarg;
			break;
		case 't':
			td.mode = v;
			break;
		case 'v':
			td.with_ve = true;
			break;
		case 'e':
			td.idle = v;
			break;
		default:
			memory = 0;
		}
	}
	if (optind != argc - 1 || !memory || memory > 2048 || !td.nvcpus || td.nvcpus > VCPUS ||
	    !tds || tds > TDS)
		die("usage: kvm-tdx [-m MIB] [-c VCPUS] [-n TDS] [-p PAGES] [-w FILE] [-q COMMAND] "
		    "[-t MODE [-v] [-e N]] IMAGE");
	td.memory = (uint64_t)memory << 20;
	if (tds == 1)
		return one(argv[optind], wait_path, &td);
	for (unsigned i = 0; i < tds; i++)
		if (fork() == 0)
			exit(one(argv[optind], wait_path, &td));
	while (wait(&status) > 0) {
		const unsigned s = WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : STATUS_NONE;

		worst = s > worst ? s : worst;
	}
	return (int)worst;
}
