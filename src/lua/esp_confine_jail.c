/* Leaving a process nothing but memory, time and one descriptor. */
#include "esp_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define KEPT_FD 3
#define SPARE_FD (KEPT_FD + 1)	/* a twin's link, on its way (esp_confine_child.c) */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

/* The user's signals are for the process that talks to the chip; it ends this
 * one by SIGKILL, and so does its own end. */
static void leave_signals(void)
{
	static const int mine[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	size_t i;

	for (i = 0; i < sizeof mine / sizeof mine[0]; i++)
		signal(mine[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void close_from(int first)
{
	int fd, last = (int)sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	for (fd = first; fd < last; fd++)
		close(fd);
}

/* Standard input and output lead nowhere, everything above the link is closed. */
static int leave_files(int fd)
{
	int nowhere = open("/dev/null", O_RDWR), i;

	fd = fcntl(fd, F_DUPFD, KEPT_FD + 1);
	for (i = 0; i < KEPT_FD; i++)
		if (nowhere < 0 || dup2(nowhere, i) < 0)
			close(i);
	dup2(fd, KEPT_FD);
	close_from(KEPT_FD + 1);
	return KEPT_FD;
}

/* Processor time in milliseconds ends this process, and in whole seconds a twin. */
static void set_limits(unsigned cpu_ms)
{
	struct rlimit none = { 0, 0 }, files = { SPARE_FD + 1, SPARE_FD + 1 };
	rlim_t seconds = (cpu_ms + 999) / 1000;
	struct rlimit cpu = { seconds, seconds + 1 };
	struct itimerval t = { { 0, 0 }, { cpu_ms / 1000, cpu_ms % 1000 * 1000 } };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_NOFILE, &files);
	if (!cpu_ms)
		return;
	setrlimit(RLIMIT_CPU, &cpu);
	setitimer(ITIMER_PROF, &t, NULL);
}

#ifdef THIS_ARCH
#define LOW_WORD(field) (offsetof(struct seccomp_data, field) \
	+ (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), ANSWER(SECCOMP_RET_ALLOW)

/* Allows a call whose first argument is `value` only. */
#define ALLOW_WITH(nr, value) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4), LOAD(LOW_WORD(args[0])), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), ANSWER(SECCOMP_RET_ALLOW), \
	ANSWER(SECCOMP_RET_ERRNO | EPERM)

/* What a sanitizer's run-time library asks for now and then. */
#ifdef __SANITIZE_ADDRESS__
#define ALLOW_SANITIZER ALLOW(SYS_sigaltstack), ALLOW(SYS_sched_yield), ALLOW(SYS_gettid),
#else
#define ALLOW_SANITIZER
#endif

/* What an interpreter without files needs: its link, memory (never executable),
 * clocks, a twin of itself on request, and an end. Everything else answers EPERM. */
static const struct sock_filter filter[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
	ANSWER(SECCOMP_RET_KILL_PROCESS),
	LOAD(offsetof(struct seccomp_data, nr)),
	ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_exit), ALLOW(SYS_exit_group),
	ALLOW(SYS_brk), ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_madvise),
	ALLOW(SYS_clock_gettime), ALLOW(SYS_clock_nanosleep), ALLOW(SYS_nanosleep),
	ALLOW(SYS_gettimeofday), ALLOW(SYS_restart_syscall), ALLOW(SYS_rt_sigreturn),
	ALLOW(SYS_futex), ALLOW(SYS_getrandom), ALLOW(SYS_recvmsg), ALLOW(SYS_close),
	ALLOW(SYS_wait4), ALLOW_WITH(SYS_clone, SIGCHLD),
	ALLOW_WITH(SYS_prctl, PR_SET_PDEATHSIG), ALLOW_SANITIZER
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
	LOAD(LOW_WORD(args[2])),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
	ANSWER(SECCOMP_RET_ALLOW),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
};

static bool filter_calls(void)
{
	struct sock_fprog p = { sizeof filter / sizeof filter[0],
		(struct sock_filter *)(uintptr_t)filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
		&& prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0;
}
#else
static bool filter_calls(void)
{
	return false;
}
#endif

bool esp_jail_enter(int *fd, unsigned cpu_ms)
{
	leave_signals();
	prctl(PR_SET_NAME, "recipe");
	prctl(PR_SET_DUMPABLE, 0);
	*fd = leave_files(*fd);
	set_limits(cpu_ms);
	return filter_calls();
}
