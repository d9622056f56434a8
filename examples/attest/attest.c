/* SPDX-License-Identifier: MIT */
/* Inside a TD that runs Linux: evidence, taken the way that the kernel offers.
 *
 *	attest report [NONCE]	a TDREPORT, by /dev/tdx_guest
 *	attest quote [NONCE]	a quote, by configfs-tsm
 *	attest log		the event log, from the ACPI table CCEL
 *	attest extend N TEXT	extend RTMR N (2 or 3) with the SHA-384 of TEXT, by sysfs; or with
 *				a digest, 0x and 96 digits
 *
 * NONCE is text of at most 64 bytes, what a verifier sent. Evidence is binary and goes to standard
 * output; hexadecimal with -x before the word, for a console. Exit status 3: the kernel does not
 * have that. Links with libcrypto for the SHA-384 of a text alone (WITH_LIBCRYPTO). */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#ifdef WITH_LIBCRYPTO
#include <openssl/sha.h>
#endif

#define TSM	 "/sys/kernel/config/tsm/report"
#define CCEL	 "/sys/firmware/acpi/tables/data/CCEL"
#define REGISTER "/sys/class/misc/tdx_guest/measurements/rtmr%c:sha384"

enum { REPORTDATA = 64, TDREPORT = 1024, EVIDENCE_MAX = 1 << 20 };

struct report_request {
	uint8_t reportdata[REPORTDATA];
	uint8_t tdreport[TDREPORT];
};
#define TDX_CMD_GET_REPORT0 _IOWR('T', 1, struct report_request)

static int in_hex;

static int complain(const char *what)
{
	fprintf(stderr, "attest: %s: %s\n", what, strerror(errno));
	return 3;
}

static int put(const uint8_t *p, size_t len)
{
	for (size_t i = 0; in_hex && i < len; i++)
		printf("%02x", p[i]);
	if (in_hex)
		putchar('\n');
	else
		fwrite(p, 1, len, stdout);
	if (fflush(stdout))
		return 1;
	/* On a console it is to have arrived before anybody switches off. */
	tcdrain(STDOUT_FILENO);
	return 0;
}

/* A whole file of sysfs or configfs; the number of bytes, or -1. */
static ssize_t slurp(const char *path, uint8_t *p, size_t max)
{
	int fd = open(path, O_RDONLY);
	size_t got = 0;
	ssize_t n = -1;

	while (fd >= 0 && got < max && (n = read(fd, p + got, max - got)) > 0)
		got += (size_t)n;
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : (ssize_t)got;
}

static int report(const uint8_t nonce[REPORTDATA])
{
	static struct report_request r;
	int fd = open("/dev/tdx_guest", O_RDWR);

	memcpy(r.reportdata, nonce, REPORTDATA);
	if (fd < 0 || ioctl(fd, TDX_CMD_GET_REPORT0, &r))
		return complain("/dev/tdx_guest");
	return put(r.tdreport, sizeof(r.tdreport));
}

/* A request is a directory: the nonce in, the quote out. Who else wrote to it meanwhile is seen by
 * its generation, which must be one more than before. */
static int quote(const uint8_t nonce[REPORTDATA])
{
	static uint8_t out[EVIDENCE_MAX];
	const char *dir = TSM "/attest";
	ssize_t n = -1;
	int fd;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return complain(dir);
	fd = open(TSM "/attest/inblob", O_WRONLY);
	if (fd >= 0 && write(fd, nonce, REPORTDATA) == REPORTDATA && !close(fd))
		n = slurp(TSM "/attest/outblob", out, sizeof(out));
	if (n < 0)
		complain(TSM "/attest/outblob");
	rmdir(dir);
	return n < 0 ? 3 : put(out, (size_t)n);
}

/* The log's area is larger than the log: what is filling says the length of nothing. */
static int log_out(void)
{
	static uint8_t out[EVIDENCE_MAX];
	ssize_t n = slurp(CCEL, out, sizeof(out));

	if (n < 0)
		return complain(CCEL);
	while (n > 64 && (out[n - 1] == 0 || out[n - 1] == 0xff) && out[n - 2] == out[n - 1] &&
	       out[n - 17] == out[n - 1])
		n--;
	return put(out, (size_t)n);
}

/* A digest in hexadecimal, or that of a text. */
static int get_digest(const char *text, uint8_t digest[48])
{
	unsigned byte;

	if (strlen(text) == 98 && !strncmp(text, "0x", 2)) {
		for (int i = 0; i < 48; i++) {
			if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1)
				return 0;
			digest[i] = (uint8_t)byte;
		}
		return 1;
	}
#ifdef WITH_LIBCRYPTO
	SHA384((const uint8_t *)text, strlen(text), digest);
	return 1;
#else
	return 0;
#endif
}

static int extend(const char *rtmr, const char *text)
{
	uint8_t digest[48];
	char path[80];
	int fd;

	if (!get_digest(text, digest)) {
		fprintf(stderr, "attest: not a digest, and built without libcrypto\n");
		return 3;
	}
	snprintf(path, sizeof(path), REGISTER, rtmr[0]);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, digest, sizeof(digest)) != sizeof(digest))
		return complain(path);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t nonce[REPORTDATA] = {0};
	const char *word;

	if (argc > 1 && !strcmp(argv[1], "-x")) {
		in_hex = 1;
		argv++, argc--;
	}
	word = argc > 1 ? argv[1] : "";
	if (argc == 3 && strlen(argv[2]) <= sizeof(nonce))
		memcpy(nonce, argv[2], strlen(argv[2]));
	if (!strcmp(word, "report") && argc <= 3)
		return report(nonce);
	if (!strcmp(word, "quote") && argc <= 3)
		return quote(nonce);
	if (!strcmp(word, "log") && argc == 2)
		return log_out();
	if (!strcmp(word, "extend") && argc == 4 && strlen(argv[2]) == 1 &&
	    (argv[2][0] == '2' || argv[2][0] == '3'))
		return extend(argv[2], argv[3]);
	fprintf(stderr,
		"Usage: attest [-x] report|quote [NONCE] | [-x] log | extend 2|3 TEXT|0xDIGEST\n");
	return 2;
}
