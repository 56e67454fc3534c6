/* Memory that runs out in the middle of whole commands on a simulated chip: they
 * end in a message and a documented exit code; flash is as it was, or the exit
 * code says that it is not, and running the command again puts it right.
 * ALLOC_BUDGET=n tries about n places instead of some. */
int moonflash_main(int argc, char **argv);
#define main moonflash_main
#include "../../src/main.c"
#undef main

#include "alloc_fail.h"
#include "port_pty.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define FLASH_BYTES (512u * 1024u)
#define BUDGET 16		/* allocations tried of each command, unless all are */
#define HELLO "examples/hello/hello.bin"

struct bench {
	char dir[64], flash[96], out[96], said[96], url[128];
	uint8_t *before;		/* what is in flash before each run */
	long *total;			/* shared with the children */
	const char *check[4];		/* the command that judges b->out */
};

static uint8_t *read_file(const char *path, size_t *len)
{
	uint8_t *data = NULL;
	FILE *f = fopen(path, "rb");

	*len = 0;
	if (!f)
		return NULL;
	data = __real_calloc(1, FLASH_BYTES * 2);
	*len = fread(data, 1, FLASH_BYTES * 2 - 1, f);
	fclose(f);
	return data;
}

static void write_file(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static int set_up(void **state)
{
	struct bench *b = __real_calloc(1, sizeof *b);

	snprintf(b->dir, sizeof b->dir, "/tmp/test_alloc_XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->flash, sizeof b->flash, "%s/flash", b->dir);
	snprintf(b->out, sizeof b->out, "%s/out", b->dir);
	snprintf(b->said, sizeof b->said, "%s/said", b->dir);
	snprintf(b->url, sizeof b->url, "sim:%s/flash?size=512K", b->dir);
	b->before = __real_malloc(FLASH_BYTES);
	memset(b->before, 0xff, FLASH_BYTES);
	memset(b->before, 0xa5, 0x3000);	/* an erase would be seen */
	b->total = mmap(NULL, sizeof *b->total, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	unlink(b->flash);
	unlink(b->out);
	unlink(b->said);
	rmdir(b->dir);
	munmap(b->total, sizeof *b->total);
	__real_free(b->before);
	__real_free(b);
	return 0;
}

/* The command in a process of its own, its words in b->said. Answers how
 * waitpid() says it ended. */
static int run_command(struct bench *b, const char *const *words, long k, bool for_good)
{
	const char *argv[16] = { "moonflash", "-p", b->url };
	int argc = 3, status, fd;
	pid_t pid;

	while (words[argc - 3]) {
		argv[argc] = words[argc - 3];
		argc++;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		fd = open(b->said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		close(fd);
		alarm(60);
		af_start();
		af_plan(k, for_good);
		status = moonflash_main(argc, (char **)argv);
		*b->total = af.count;
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check_flash(struct bench *b, const uint8_t *want, const char *when)
{
	size_t len;
	uint8_t *now = read_file(b->flash, &len);

	if (len != FLASH_BYTES || memcmp(now, want, len) != 0)
		fail_msg("%s: the flash is not as it must be", when);
	__real_free(now);
}

/* A file that is there is whole, even if its writer failed afterwards. */
static void check_file(struct bench *b, const char *when)
{
	if (access(b->out, F_OK) == 0 && run_command(b, b->check, 0, false) != 0)
		fail_msg("%s: the file that is left is not whole", when);
}

/* What a run that failed may have left. */
static void check_failure(struct bench *b, int code, const char *when)
{
	size_t len;
	char *said = (char *)read_file(b->said, &len);
	char part[128];

	if (!strstr(said, "moonflash: ") || strstr(said, "traceback") || strstr(said, "PANIC") ||
	    strstr(said, "ok: "))
		fail_msg("%s: exit %d, said:\n%s", when, code, said);
	if (code != 8 && code != 9 && code != 3)
		fail_msg("%s: exit %d, said:\n%s", when, code, said);
	if (code != 8)
		check_flash(b, b->before, when);
	snprintf(part, sizeof part, "%s.part", b->out);
	if (access(part, F_OK) == 0)
		fail_msg("%s: a part of a file is left behind", when);
	__real_free(said);
	check_file(b, when);
}

/* The command as it is without any failure: what flash holds then. */
static uint8_t *expected(struct bench *b, const char *const *words)
{
	size_t len;
	int status;

	write_file(b->flash, b->before, FLASH_BYTES);
	status = run_command(b, words, 0, false);
	if (status != 0)
		fail_msg("%s: status %d with all the memory", words[0], status);
	unlink(b->out);
	return read_file(b->flash, &len);
}

static void one(struct bench *b, const char *const *words, long k, bool for_good, const uint8_t *want)
{
	char when[96];
	int status;

	snprintf(when, sizeof when, "%s, allocation %ld%s", words[0], k,
		 for_good ? " and all after it" : "");
	unlink(b->out);
	write_file(b->flash, b->before, FLASH_BYTES);
	status = run_command(b, words, k, for_good);
	if (!WIFEXITED(status))
		fail_msg("%s: killed by signal %d", when, WTERMSIG(status));
	if (WEXITSTATUS(status) == 0) {
		check_flash(b, want, when);
		return;
	}
	check_failure(b, WEXITSTATUS(status), when);
	if (WEXITSTATUS(status) == 8 && run_command(b, words, 0, false) != 0)
		fail_msg("%s: not repaired by the same command", when);
	if (WEXITSTATUS(status) == 8)
		check_flash(b, want, when);
}

static void try_all(struct bench *b, const char *const *words)
{
	uint8_t *want = expected(b, words);
	long k, total = *b->total;
	int for_good;

	assert_true(total > 1000);
	for (for_good = 0; for_good < 2; for_good++)
		for (k = 1; k <= total; k = af_next(k, total, BUDGET))
			one(b, words, k, for_good, want);
	__real_free(want);
}

static void write_out_of_memory(void **state)
{
	const char *const words[] = { "write", "0x0", HELLO, NULL };

	try_all(*state, words);
}

static void verify_out_of_memory(void **state)
{
	struct bench *b = *state;
	const char *const prepare[] = { "write", "0x0", HELLO, NULL };
	const char *const words[] = { "verify", "0x0", HELLO, NULL };
	uint8_t *written = expected(b, prepare);

	memcpy(b->before, written, FLASH_BYTES);
	__real_free(written);
	try_all(b, words);
}

static void read_out_of_memory(void **state)
{
	struct bench *b = *state;
	const char *const words[] = { "read", "0x1000", "60k", b->out, NULL };

	memcpy(b->check, (const char *[]){ "verify", "0x1000", b->out, NULL }, sizeof b->check);
	try_all(b, words);
}

static void backup_out_of_memory(void **state)
{
	struct bench *b = *state;
	const char *const words[] = { "backup", b->out, NULL };

	memcpy(b->check, (const char *[]){ "backup", "check", b->out, NULL }, sizeof b->check);
	try_all(b, words);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(write_out_of_memory),
		T(verify_out_of_memory),
		T(read_out_of_memory),
		T(backup_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
