/* Linked into programs that are measured (`make coverage`): what _exit() and exec
 * leave without saying would not be counted. */
#include <unistd.h>

void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
int __real_execvpe(const char *file, char *const argv[], char *const envp[]);
void __wrap__exit(int code) __attribute__((noreturn));
int __wrap_execvpe(const char *file, char *const argv[], char *const envp[]);

void __wrap__exit(int code)
{
	__gcov_dump();
	__real__exit(code);
}

int __wrap_execvpe(const char *file, char *const argv[], char *const envp[])
{
	__gcov_dump();
	return __real_execvpe(file, argv, envp);
}
