/* sys_fail.h - system calls that fail when a test says so. The test program is
 * linked with --wrap for the calls below. */
#ifndef SYS_FAIL_H
#define SYS_FAIL_H

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum sys_call { SYS_READ, SYS_WRITE, SYS_POLL, SYS_IOCTL, SYS_FSYNC, SYS_RENAME, SYS_CLOSE,
		SYS_CALLS };

#define SYS_SHORT (-1)		/* instead of an errno: one byte is taken or given */

/* What is to happen. */
static struct {
	enum sys_call call;
	int error;		/* errno or SYS_SHORT; 0 = nothing */
	long at;		/* the at-th such call from now on ... */
	bool for_good;		/* ... and all that follow */
	long count, hits;
} sys;

static inline void sys_plan(enum sys_call call, int error, long at, bool for_good)
{
	sys.call = call;
	sys.error = error;
	sys.at = at;
	sys.for_good = for_good;
	sys.count = sys.hits = 0;
}

static inline void sys_relent(void)
{
	sys.error = 0;
}

static inline int sys_fault(enum sys_call call)
{
	if (!sys.error || sys.call != call)
		return 0;
	sys.count++;
	if (sys.for_good ? sys.count < sys.at : sys.count != sys.at)
		return 0;
	sys.hits++;
	return sys.error;
}

/* 0: go on; else the call fails. */
static inline int sys_fails(enum sys_call call)
{
	int e = sys_fault(call);

	if (e > 0)
		errno = e;
	return e > 0;
}

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_close(int fd);
int __wrap_close(int fd);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	int e = sys_fault(SYS_READ);

	if (e > 0) {
		errno = e;
		return -1;
	}
	return __real_read(fd, buf, e == SYS_SHORT && n > 1 ? 1 : n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	int e = sys_fault(SYS_WRITE);

	if (e > 0) {
		errno = e;
		return -1;
	}
	return __real_write(fd, buf, e == SYS_SHORT && n > 1 ? 1 : n);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	return sys_fails(SYS_POLL) ? -1 : __real_poll(fds, n, ms);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	return sys_fails(SYS_IOCTL) ? -1 : __real_ioctl(fd, request, arg);
}

int __wrap_fsync(int fd)
{
	return sys_fails(SYS_FSYNC) ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	return sys_fails(SYS_RENAME) ? -1 : __real_rename(from, to);
}

/* Linux frees the descriptor in any case. */
int __wrap_close(int fd)
{
	int fails = sys_fails(SYS_CLOSE), error = errno, rc = __real_close(fd);

	if (fails)
		errno = error;
	return fails ? -1 : rc;
}

#endif
