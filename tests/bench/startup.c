/* Time from exec of the program to the first byte it puts on its port, over a
 * pseudo-terminal, and to the exit of --version. Usage: startup PROGRAM [RUNS] */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 1000
#define WAIT_MS 5000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static pid_t start(char *const argv[])
{
	pid_t pid = fork();
	int null;

	if (pid != 0)
		return pid;
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execv(argv[0], argv);
	_exit(127);
}

/* Milliseconds until the first byte arrives at the master; < 0 if none does. */
static double first_byte(const char *program)
{
	char name[128], byte;
	int master, slave;
	struct pollfd p;
	double t0, t1 = -1;
	pid_t pid;

	if (openpty(&master, &slave, name, NULL, NULL) < 0)
		return -1;
	t0 = now_ms();
	pid = start((char *const[]){ (char *)program, "-p", name, "info", NULL });
	p = (struct pollfd){ master, POLLIN, 0 };
	if (poll(&p, 1, WAIT_MS) == 1 && read(master, &byte, 1) == 1)
		t1 = now_ms() - t0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(slave);
	close(master);
	return t1;
}

static double version(const char *program)
{
	double t0 = now_ms();
	int status = 1;

	waitpid(start((char *const[]){ (char *)program, "--version", NULL }), &status, 0);
	return status == 0 ? now_ms() - t0 : -1;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int row(const char *what, double (*measure)(const char *), const char *program, int runs)
{
	static double ms[RUNS_MAX];
	int i;

	for (i = 0; i < runs; i++) {
		ms[i] = measure(program);
		if (ms[i] < 0) {
			fprintf(stderr, "startup: %s: the program did not do it\n", what);
			return 1;
		}
	}
	qsort(ms, (size_t)runs, sizeof ms[0], by_value);
	printf("%-42s min %5.1f  median %5.1f  max %5.1f ms\n", what, ms[0], ms[runs / 2],
	       ms[runs - 1]);
	return 0;
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 50;

	if (argc < 2 || runs < 1 || runs > RUNS_MAX) {
		fprintf(stderr, "usage: startup PROGRAM [RUNS]\n");
		return 2;
	}
	return row("moonflash --version", version, argv[1], runs) |
	       row("process start to first byte on the port", first_byte, argv[1], runs);
}
