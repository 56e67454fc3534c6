/* port_pty.h - a pseudo-terminal, signals and processes for the tests of ports. */
#ifndef PORT_PTY_H
#define PORT_PTY_H

#include "port/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct pty {
	int master;		/* non-blocking */
	char path[64];
};

static inline void pty_open(struct pty *t)
{
	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	assert_int_equal(ptsname_r(t->master, t->path, sizeof t->path), 0);
}

static inline void pty_close(struct pty *t)
{
	if (t->master >= 0)
		close(t->master);
	t->master = -1;
}

static inline uint64_t ms_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static inline void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* The machine may be busy: late by a second is still "in time", early never. */
static inline void assert_lasted(uint64_t start, uint64_t ms)
{
	uint64_t took = ms_now() - start;

	assert_in_range(took, ms > 2 ? ms - 2 : 0, ms + 1000);
}

static inline void on_signal_ignore(int sig)
{
	(void)sig;
}

static inline void on_signal_interrupt(int sig)
{
	(void)sig;
	port_interrupted = 1;
}

/* Calls handler after first_ms, then every every_ms (0 = no more). */
static inline void alarm_start(void (*handler)(int), long first_ms, long every_ms)
{
	struct sigaction sa = { .sa_handler = handler };
	struct itimerval it = {
		.it_value = { first_ms / 1000, first_ms % 1000 * 1000 },
		.it_interval = { every_ms / 1000, every_ms % 1000 * 1000 },
	};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static inline void alarm_stop(void)
{
	struct itimerval it = { 0 };

	setitimer(ITIMER_REAL, &it, NULL);
	port_interrupted = 0;
}

/* How a child ended: its exit code, 255 when a signal killed it. */
static inline int child_code(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

#endif
