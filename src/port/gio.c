#include "gio.h"

#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define GIO_LIBRARY "libgensio.so.4"
#define ENTRY(name) { #name, offsetof(struct gio, name) }

static const struct {
	const char *name;
	size_t at;
} entries[] = {
	ENTRY(gensio_unix_funcs_alloc), ENTRY(gensio_os_funcs_free),
	ENTRY(gensio_os_funcs_service), ENTRY(gensio_err_to_str),
	ENTRY(str_to_gensio), ENTRY(gensio_open), ENTRY(gensio_close),
	ENTRY(gensio_disable), ENTRY(gensio_free),
	ENTRY(gensio_write), ENTRY(gensio_set_callback),
	ENTRY(gensio_set_read_callback_enable), ENTRY(gensio_set_write_callback_enable),
	ENTRY(gensio_to_sergensio), ENTRY(sergensio_baud), ENTRY(sergensio_datasize),
	ENTRY(sergensio_parity), ENTRY(sergensio_stopbits), ENTRY(sergensio_flowcontrol),
	ENTRY(sergensio_iflowcontrol), ENTRY(sergensio_sbreak), ENTRY(sergensio_dtr),
	ENTRY(sergensio_rts), ENTRY(sergensio_signature), ENTRY(sergensio_linestate),
	ENTRY(sergensio_modemstate), ENTRY(sergensio_flush), ENTRY(str_to_gensio_accepter),
	ENTRY(gensio_acc_startup), ENTRY(gensio_acc_shutdown), ENTRY(gensio_acc_free),
	ENTRY(gensio_acc_control),
};

int gio_load(struct gio *g, struct esp_error *err)
{
	void *lib = dlopen(GIO_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	void *f;

	memset(g, 0, sizeof *g);
	if (!lib)
		return esp_fail(err, ESP_E_UNSUPPORTED,
				"RFC 2217 needs the library " GIO_LIBRARY
				" (Debian package libgensio4), which is not installed");
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		f = dlsym(lib, entries[i].name);
		if (!f)
			return esp_fail(err, ESP_E_UNSUPPORTED, GIO_LIBRARY " has no %s",
					entries[i].name);
		memcpy((char *)g + entries[i].at, &f, sizeof f);
	}
	/* Not unloaded again: it keeps memory of its own until the end. */
	g->library = lib;
	return 0;
}

/* A SIGPIPE that comes between hold and release is taken away, unless one was
 * waiting before. */
struct pipe_guard {
	sigset_t old;
	bool waiting;
};

static void only_pipe(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGPIPE);
}

static void pipe_hold(struct pipe_guard *guard)
{
	sigset_t pending, pipe;

	only_pipe(&pipe);
	sigpending(&pending);
	guard->waiting = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &guard->old);
}

static void pipe_release(const struct pipe_guard *guard)
{
	const struct timespec now = { 0, 0 };
	sigset_t pending, pipe;

	only_pipe(&pipe);
	sigpending(&pending);
	if (!guard->waiting && sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &guard->old, NULL);
}

void gio_service(const struct gio *g, struct gensio_os_funcs *os, int timeout_ms)
{
	struct gio_time t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	struct pipe_guard guard;

	pipe_hold(&guard);
	g->gensio_os_funcs_service(os, &t);
	pipe_release(&guard);
}

long gio_write(const struct gio *g, struct gensio *io, const void *buf, size_t len)
{
	struct pipe_guard guard;
	gio_size count = 0;
	int err;

	pipe_hold(&guard);
	err = g->gensio_write(io, &count, buf, len, NULL);
	pipe_release(&guard);
	return err ? -1 : (long)count;
}
