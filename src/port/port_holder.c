#include "port_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* proc(5): arguments are divided by NUL bytes. What another process calls
 * itself is not to be trusted with a terminal: only printable ASCII passes. */
static void read_command(struct port_holder *h)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)h->pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(h->command, 1, sizeof h->command - 1, f);
		fclose(f);
	}
	while (n > 0 && h->command[n - 1] == '\0')
		n--;
	h->command[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (!isprint((unsigned char)h->command[i]))
			h->command[i] = h->command[i] == '\0' ? ' ' : '?';
}

/* A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 812 00:15:3 0 EOF", the
 * device in hexadecimal, the inode in decimal. */
static pid_t pid_of_lock(const char *line, const struct stat *st)
{
	unsigned maj, min;
	unsigned long ino;
	long pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid, &maj, &min, &ino) != 4)
		return 0;
	if (maj != major(st->st_dev) || min != minor(st->st_dev) || ino != st->st_ino)
		return 0;
	return pid > 0 ? (pid_t)pid : 0;
}

static pid_t find_lock(const struct stat *st)
{
	char line[256];
	pid_t pid = 0;
	FILE *f = fopen("/proc/locks", "re");

	if (!f)
		return 0;
	while (pid == 0 && fgets(line, sizeof line, f))
		pid = pid_of_lock(line, st);
	fclose(f);
	return pid;
}

static bool has_open(pid_t pid, const struct stat *want)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d)))
		found = fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISCHR(st.st_mode) &&
			st.st_rdev == want->st_rdev && st.st_dev == want->st_dev;
	closedir(d);
	return found;
}

static pid_t find_open(const struct stat *want)
{
	struct dirent *e;
	pid_t pid = 0, candidate;
	DIR *d = opendir("/proc");

	if (!d)
		return 0;
	while (pid == 0 && (e = readdir(d))) {
		candidate = (pid_t)strtol(e->d_name, NULL, 10);
		if (candidate > 0 && candidate != getpid() && has_open(candidate, want))
			pid = candidate;
	}
	closedir(d);
	return pid;
}

bool port_holder_find(struct port_holder *h, const char *path)
{
	struct stat st;

	memset(h, 0, sizeof *h);
	if (stat(path, &st) != 0 || !S_ISCHR(st.st_mode))
		return false;
	h->pid = find_lock(&st);
	if (h->pid == 0)
		h->pid = find_open(&st);
	if (h->pid == 0)
		return false;
	h->self = h->pid == getpid();
	read_command(h);
	return true;
}
