/* SPDX-License-Identifier: MIT */
/* What a process in the sandbox can still do, and what it cannot. Each try is a process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/sandbox.h"

enum { NO_SANDBOX = 77 };

/* The status of a child that tries it inside. */
static int inside(enum sandbox_mode mode, int (*attempt)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct sandbox s = sandbox_enter(mode);

		_exit(mode != SANDBOX_OFF && !s.seccomp ? NO_SANDBOX : attempt());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SANDBOX)
		skip();
	return status;
}

static void refused(int (*attempt)(void))
{
	assert_int_equal(inside(SANDBOX_ON, attempt), EPERM << 8);
	assert_int_equal(inside(SANDBOX_OFF, attempt), 0);
}

static int opens(void)
{
	return open("/dev/null", O_RDONLY) < 0 ? errno : 0;
}

static int makes_a_file(void)
{
	char name[] = "/tmp/swtdx-sandbox-XXXXXX";
	int fd = mkstemp(name), err = fd < 0 ? errno : 0;

	if (fd >= 0)
		unlink(name);
	return err;
}

static int makes_a_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int makes_a_process(void)
{
	pid_t p = fork();

	if (!p)
		_exit(0);
	return p < 0 ? errno : waitpid(p, NULL, 0) < 0;
}

static int maps_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int makes_code_of_data(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC) ? errno : 0;
}

static int signals_another(void)
{
	return kill(getppid(), 0) ? errno : 0;
}

static int executes(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static void *a_thread(void *arg)
{
	const struct timespec nap = {0, 1000000};
	void *p = malloc(64 << 20);

	nanosleep(&nap, NULL);
	memset(p, 1, 64 << 20);
	free(p);
	return arg;
}

static int works(void)
{
	pthread_t t[4];
	void *back;

	for (unsigned i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, a_thread, NULL))
			return 1;
	for (unsigned i = 0; i < 4; i++)
		if (pthread_join(t[i], &back) || back)
			return 2;
	return kill(getpid(), 0) ? 3 : 0;
}

static void files_sockets_processes_and_code_are_out_of_reach(void **state)
{
	(void)state;
	refused(opens);
	refused(makes_a_file);
	refused(makes_a_socket);
	refused(makes_a_process);
	refused(maps_code);
	refused(makes_code_of_data);
	refused(signals_another);
}

static void to_execute_a_program_is_the_end(void **state)
{
	int status;

	(void)state;
	status = inside(SANDBOX_ON, executes);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void threads_memory_and_time_are_there(void **state)
{
	(void)state;
	assert_int_equal(inside(SANDBOX_ON, works), 0);
}

static void logged_it_is_all_done(void **state)
{
	(void)state;
	assert_int_equal(inside(SANDBOX_LOG, opens), 0);
	assert_int_equal(inside(SANDBOX_LOG, makes_a_socket), 0);
	assert_int_equal(inside(SANDBOX_LOG, works), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_sockets_processes_and_code_are_out_of_reach),
		cmocka_unit_test(to_execute_a_program_is_the_end),
		cmocka_unit_test(threads_memory_and_time_are_there),
		cmocka_unit_test(logged_it_is_all_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
