#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_flash_size(uint64_t n)
{
	return n >= FLASH_BYTES_MIN && n <= FLASH_BYTES_MAX && (n & (n - 1)) == 0;
}

static int fail_system(struct esp_error *err, const char *path)
{
	int code = errno == EACCES || errno == EPERM || errno == EROFS ? ESP_E_ACCESS :
		   errno == ENOENT || errno == ENOTDIR ? ESP_E_MISSING : ESP_E_IO;

	return esp_fail(err, code, "%s: %s", path, strerror(errno));
}

/* Decides the size from what was asked for and what the file has. */
static int choose_size(struct flash_file *f, const char *path, uint64_t asked, uint64_t has,
		       struct esp_error *err)
{
	uint64_t n = asked ? asked : has ? has : 4u << 20;

	if (!is_flash_size(n))
		return esp_fail(err, ESP_E_ARGUMENT, "%s%sflash size %llu is not 256K, 512K, 1M, "
				"2M, 4M, 8M or 16M", path, *path ? ": " : "",
				(unsigned long long)n);
	if (has > n)
		return esp_fail(err, ESP_E_ARGUMENT, "%s: has %llu bytes, more than the flash's "
				"%llu", path, (unsigned long long)has, (unsigned long long)n);
	f->bytes = (uint32_t)n;
	return 0;
}

/* Opens and locks; *has = the file's size before we touch it. */
static int open_locked(struct flash_file *f, const char *path, uint64_t *has,
		       struct esp_error *err)
{
	struct stat st;

	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (f->fd < 0)
		return fail_system(err, path);
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return esp_fail(err, ESP_E_BUSY, "%s: another simulated chip uses this flash",
				path);
	if (fstat(f->fd, &st) < 0)
		return fail_system(err, path);
	if (!S_ISREG(st.st_mode))
		return esp_fail(err, ESP_E_ARGUMENT, "%s: not a regular file", path);
	*has = (uint64_t)st.st_size;
	return 0;
}

static int map(struct flash_file *f, const char *path, uint64_t has, struct esp_error *err)
{
	int flags = f->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p;

	if (f->fd >= 0 && has < f->bytes && ftruncate(f->fd, f->bytes) < 0)
		return fail_system(err, path);
	p = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, flags, f->fd, 0);
	if (p == MAP_FAILED)
		return esp_fail(err, ESP_E_NOMEM, "no memory for %u bytes of flash", f->bytes);
	f->mem = p;
	memset(f->mem + has, 0xFF, f->bytes - has);
	return 0;
}

int flash_file_open(struct flash_file *f, const char *path, uint32_t bytes, struct esp_error *err)
{
	uint64_t has = 0;
	int rc = 0;

	memset(f, 0, sizeof *f);
	f->fd = -1;
	if (*path)
		rc = open_locked(f, path, &has, err);
	if (rc >= 0)
		rc = choose_size(f, path, bytes, has, err);
	if (rc >= 0)
		rc = map(f, path, has, err);
	if (rc < 0)
		flash_file_close(f);
	return rc;
}

void flash_file_close(struct flash_file *f)
{
	if (f->mem)
		munmap(f->mem, f->bytes);
	if (f->fd > 0)
		close(f->fd);
	f->mem = NULL;
	f->fd = -1;
}
