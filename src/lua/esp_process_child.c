/* What every child of esp.process does first. */
#include "esp_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

void esp_process_caught(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void esp_process_begin(pid_t parent, int input, int output)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);		/* it died before it could be asked about */
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
}

int esp_process_open_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}
