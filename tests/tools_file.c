/* SPDX-License-Identifier: MIT */
/* Files that are refused leave nothing to be freed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/file.h"

static uint8_t *data;
static size_t size;

static void leaves_nothing(int err, int wanted)
{
	assert_int_equal(err, wanted);
	assert_null(data);
	assert_int_equal(size, 0);
	data = (uint8_t *)&size;
	size = 1;
}

static void what_is_refused_leaves_nothing(void **state)
{
	char name[] = "/tmp/swtdx-file-XXXXXX";
	const int fd = mkstemp(name);

	(void)state;
	data = (uint8_t *)&size;
	assert_int_equal(fchmod(fd, 0600), 0); /* whatever the umask */
	assert_int_equal(ftruncate(fd, 5000), 0);
	close(fd);
	leaves_nothing(file_read_whole("/dev/zero", 4096, &data, &size), -EFBIG);
	leaves_nothing(file_read_whole(name, 4096, &data, &size), -EFBIG);
	leaves_nothing(file_read_like(name, 8192, file_is_text, &data, &size), -EILSEQ);
	leaves_nothing(file_read_whole("/tmp", 4096, &data, &size), -EISDIR);
	leaves_nothing(file_read("/tmp", 4096, &data, &size), -EISDIR);
	unlink(name);
	leaves_nothing(file_read_whole(name, 4096, &data, &size), -ENOENT);
	leaves_nothing(file_read(name, 4096, &data, &size), -ENOENT);
	assert_int_equal(file_read("/dev/zero", 4096, &data, &size), 0);
	assert_int_equal(size, 4096);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
