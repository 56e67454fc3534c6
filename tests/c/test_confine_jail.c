/* The process of a recipe: what the system still does for code in it, were it to get
 * out of Lua. Each test asks in a process of its own and hears the answer over the one
 * descriptor that is left. */
#include "lua/esp_confine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a test tries; 0 when the system refuses, else 1. */
typedef int attempt(void);

/* Runs an attempt inside; -1 when there is no seccomp here, -2 when it died. */
static int inside_for(attempt *try, unsigned cpu_ms, int *status)
{
	int ends[2], fd;
	signed char answer = -2;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		fd = ends[1];
		answer = esp_jail_enter(&fd, cpu_ms) ? (signed char)try() : -1;
		if (write(fd, &answer, 1) != 1)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &answer, 1) != 1)
		answer = -2;
	close(ends[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return answer;
}

static void refused(attempt *try)
{
	int status, answer = inside_for(try, 5000, &status);

	if (answer == -1)
		skip();
	assert_int_equal(answer, 0);
}

static int is_open(long fd) { return fd >= 0; }

static int try_open(void) { return is_open(open("/etc/passwd", O_RDONLY)); }
static int try_openat2(void) { return is_open(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0)) || errno != EPERM; }
static int try_socket(void) { return is_open(socket(AF_INET, SOCK_STREAM, 0)); }
static int try_unix(void) { return is_open(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int try_pipe(void) { int p[2]; return is_open(pipe(p)); }
static int try_kill(void) { return kill(getppid(), SIGUSR1) == 0; }
static int try_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0; }
static int try_unlink(void) { return unlink("/tmp/no-such-file-of-this-test") == 0 || errno != EPERM; }
static int try_mkdir(void) { return mkdir("/tmp/made-by-a-recipe", 0700) == 0; }
static int try_chdir(void) { return chdir("/") == 0; }
static int try_vfork(void) { return syscall(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0) >= 0; }
static int try_ioctl(void) { int n; return ioctl(3, FIONREAD, &n) == 0; }
static int try_io_uring(void) { return is_open(syscall(SYS_io_uring_setup, 1, NULL)) || errno != EPERM; }
static int try_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1) == 0; }
static int try_limits(void) { struct rlimit r = { 99, 99 }; return setrlimit(RLIMIT_NOFILE, &r) == 0; }

static int try_exec(void)
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };

	return execv("/bin/true", argv) == 0 || errno != EPERM;
}

static int try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0) != MAP_FAILED;
}

static int try_make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static int try_stdin(void)
{
	char c;

	return read(0, &c, 1) != 0;
}

static int try_other_descriptors(void)
{
	int fd;
	char c;

	for (fd = 4; fd < 1024; fd++)
		if (write(fd, &c, 0) == 0 || errno != EBADF)
			return 1;
	return 0;
}

#define REFUSED(what, try) \
	static void what(void **state) { (void)state; refused(try); }

REFUSED(no_file_can_be_opened, try_open)
REFUSED(no_file_can_be_opened_by_openat2, try_openat2)
REFUSED(no_connection_can_be_made, try_socket)
REFUSED(no_local_connection_can_be_made, try_unix)
REFUSED(no_pipe_can_be_made, try_pipe)
REFUSED(no_program_can_be_started, try_exec)
REFUSED(no_thread_can_be_started, try_vfork)
REFUSED(no_other_process_can_be_signalled, try_kill)
REFUSED(no_process_can_be_traced, try_ptrace)
REFUSED(no_file_can_be_removed, try_unlink)
REFUSED(no_folder_can_be_made, try_mkdir)
REFUSED(no_other_folder_can_be_entered, try_chdir)
REFUSED(no_device_can_be_spoken_to, try_ioctl)
REFUSED(no_ring_of_calls_can_be_made, try_io_uring)
REFUSED(it_cannot_make_itself_readable, try_dumpable)
REFUSED(it_cannot_raise_its_limits, try_limits)
REFUSED(no_memory_can_be_made_executable_at_once, try_executable_memory)
REFUSED(no_memory_can_be_made_executable_later, try_make_executable)
REFUSED(standard_input_is_empty, try_stdin)
REFUSED(no_other_descriptor_is_left, try_other_descriptors)

static int compute(void)
{
	volatile unsigned n = 0;

	while (n + 1 != n)
		n++;
	return 1;
}

static void it_is_ended_when_its_processor_time_is_over(void **state)
{
	struct timespec a, b;
	int status;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (inside_for(compute, 200, &status) == -1)
		skip();
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF);
	assert_true(b.tv_sec - a.tv_sec < 10);
}

static int use_memory_and_clocks(void)
{
	struct timespec t, nap = { 0, 1000000 };
	char *p = malloc(8 << 20);

	if (!p || clock_gettime(CLOCK_MONOTONIC, &t) < 0 || nanosleep(&nap, NULL) < 0)
		return 1;
	memset(p, 1, 8 << 20);
	p = realloc(p, 64 << 20);
	if (!p)
		return 1;
	free(p);
	return 0;
}

static void memory_and_clocks_are_left(void **state)
{
	(void)state;
	refused(use_memory_and_clocks);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_file_can_be_opened), T(no_file_can_be_opened_by_openat2),
		T(no_connection_can_be_made), T(no_local_connection_can_be_made),
		T(no_pipe_can_be_made), T(no_program_can_be_started), T(no_thread_can_be_started),
		T(no_other_process_can_be_signalled), T(no_process_can_be_traced),
		T(no_file_can_be_removed), T(no_folder_can_be_made),
		T(no_other_folder_can_be_entered), T(no_device_can_be_spoken_to),
		T(no_ring_of_calls_can_be_made), T(it_cannot_make_itself_readable),
		T(it_cannot_raise_its_limits), T(no_memory_can_be_made_executable_at_once),
		T(no_memory_can_be_made_executable_later), T(standard_input_is_empty),
		T(no_other_descriptor_is_left), T(it_is_ended_when_its_processor_time_is_over),
		T(memory_and_clocks_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
