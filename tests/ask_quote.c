/* SPDX-License-Identifier: MIT */
/* Asks a quote generation service for a quote, as QEMU does by a Unix socket and a TD by vsock:
 * ask_quote SOCKET|vsock:PORT TDREPORT, the port on this machine (CID 1). The quote goes to
 * standard output; 1 when there is none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static socklen_t address(const char *where, struct sockaddr_storage *a)
{
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL};
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	memset(a, 0, sizeof(*a));
	if (!strncmp(where, "vsock:", 6)) {
		vm.svm_port = (unsigned)strtoul(where + 6, NULL, 10);
		memcpy(a, &vm, sizeof(vm));
		return sizeof(vm);
	}
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", where);
	memcpy(a, &un, sizeof(un));
	return sizeof(un);
}

static int connect_to(const char *where)
{
	struct sockaddr_storage a;
	const socklen_t size = address(where, &a);

	/* It may still be starting. */
	for (int i = 0; i < 600; i++) {
		int fd = socket(a.ss_family, SOCK_STREAM, 0);

		if (!connect(fd, (struct sockaddr *)&a, size))
			return fd;
		close(fd);
		usleep(50000);
	}
	return -1;
}

static size_t read_all(int fd, uint8_t *p, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && (n = read(fd, p + done, len - done)) > 0)
		done += (size_t)n;
	return done;
}

int main(int argc, char **argv)
{
	static uint8_t msg[4 + 24 + 4096], answer[65536];
	FILE *f = argc == 3 ? strcmp(argv[2], "-") ? fopen(argv[2], "rb") : stdin : NULL;
	size_t n = f ? fread(msg + 28, 1, 4096, f) : 0, len = 24 + n;
	int fd = n ? connect_to(argv[1]) : -1;

	if (fd < 0)
		return 2;
	msg[2] = (uint8_t)(len >> 8);
	msg[3] = (uint8_t)len;
	msg[4] = msg[6] = 1;
	memcpy(msg + 12, &(uint32_t){(uint32_t)len}, 4);
	memcpy(msg + 20, &(uint32_t){(uint32_t)n}, 4);
	/* In two pieces, as a stream may deliver it. */
	if (write(fd, msg, 3) != 3 || write(fd, msg + 3, len + 1) != (ssize_t)(len + 1) ||
	    read_all(fd, answer, 4) != 4)
		return 2;
	len = (size_t)answer[2] << 8 | answer[3];
	if (answer[0] || answer[1] || read_all(fd, answer, len) != len || len < 24)
		return 2;
	fwrite(answer + 24, 1, len - 24, stdout);
	return len == 24;
}
