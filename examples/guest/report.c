/* SPDX-License-Identifier: MIT */
/* Inside a TD that runs Linux: take a TDREPORT from /dev/tdx_guest and print its measurements. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

struct report_request {
	uint8_t reportdata[64];
	uint8_t tdreport[1024];
};

#define TDX_CMD_GET_REPORT0 _IOWR('T', 1, struct report_request)

enum { TDINFO = 512, MRTD = TDINFO + 16, RTMR0 = TDINFO + 208, DIGEST = 48 };

static void print(const char *name, const uint8_t *digest)
{
	printf("%s ", name);
	for (int i = 0; i < DIGEST; i++)
		printf("%02x", digest[i]);
	putchar('\n');
}

int main(void)
{
	static struct report_request r;
	int fd = open("/dev/tdx_guest", O_RDWR);
	char name[] = "rtmr0";

	if (fd < 0 || ioctl(fd, TDX_CMD_GET_REPORT0, &r) != 0) {
		perror("/dev/tdx_guest");
		return 1;
	}
	print("mrtd", r.tdreport + MRTD);
	for (int i = 0; i < 4; i++, name[4]++)
		print(name, r.tdreport + RTMR0 + i * DIGEST);
	return 0;
}
