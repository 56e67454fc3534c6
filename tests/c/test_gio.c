/* The declarations of gio.h against the library's own headers, and what
 * happens where the library is not installed. */
#include "port/gio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#if __has_include(<gensio/sergensio.h>)
#include <gensio/gensio.h>
#include <gensio/gensio_unix.h>
#include <gensio/sergensio.h>

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs)

SAME(GIO_NOMEM, GE_NOMEM);
SAME(GIO_NOTSUP, GE_NOTSUP);
SAME(GIO_INVAL, GE_INVAL);
SAME(GIO_NOTFOUND, GE_NOTFOUND);
SAME(GIO_TIMEDOUT, GE_TIMEDOUT);
SAME(GIO_REMCLOSE, GE_REMCLOSE);
SAME(GIO_HOSTDOWN, GE_HOSTDOWN);
SAME(GIO_CONNREFUSE, GE_CONNREFUSE);
SAME(GIO_ADDRINUSE, GE_ADDRINUSE);
SAME(GIO_PERM, GE_PERM);
SAME(GIO_NAME_FIRST, GE_UNKNOWN_NAME_ERROR);
SAME(GIO_NAME_LAST, GE_NAME_NET_NOT_UP);
SAME(GIO_EV_READ, GENSIO_EVENT_READ);
SAME(GIO_EV_WRITE_READY, GENSIO_EVENT_WRITE_READY);
SAME(GIO_EV_SEND_BREAK, GENSIO_EVENT_SEND_BREAK);
SAME(GIO_EV_SER_MODEMSTATE, GENSIO_EVENT_SER_MODEMSTATE);
SAME(GIO_EV_SER_LINESTATE, GENSIO_EVENT_SER_LINESTATE);
SAME(GIO_EV_SER_SIGNATURE, GENSIO_EVENT_SER_SIGNATURE);
SAME(GIO_EV_SER_FLUSH, GENSIO_EVENT_SER_FLUSH);
SAME(GIO_EV_SER_BAUD, GENSIO_EVENT_SER_BAUD);
SAME(GIO_EV_SER_DATASIZE, GENSIO_EVENT_SER_DATASIZE);
SAME(GIO_EV_SER_PARITY, GENSIO_EVENT_SER_PARITY);
SAME(GIO_EV_SER_STOPBITS, GENSIO_EVENT_SER_STOPBITS);
SAME(GIO_EV_SER_FLOWCONTROL, GENSIO_EVENT_SER_FLOWCONTROL);
SAME(GIO_EV_SER_IFLOWCONTROL, GENSIO_EVENT_SER_IFLOWCONTROL);
SAME(GIO_EV_SER_SBREAK, GENSIO_EVENT_SER_SBREAK);
SAME(GIO_EV_SER_DTR, GENSIO_EVENT_SER_DTR);
SAME(GIO_EV_SER_RTS, GENSIO_EVENT_SER_RTS);
SAME(GIO_ACC_EV_NEW_CONNECTION, GENSIO_ACC_EVENT_NEW_CONNECTION);
SAME(GIO_ACC_CONTROL_LPORT, GENSIO_ACC_CONTROL_LPORT);
SAME(GIO_DEPTH_FIRST, GENSIO_CONTROL_DEPTH_FIRST);
SAME(GIO_ON, SERGENSIO_DTR_ON);
SAME(GIO_OFF, SERGENSIO_DTR_OFF);
SAME(GIO_ON, SERGENSIO_RTS_ON);
SAME(GIO_ON, SERGENSIO_BREAK_ON);
SAME(GIO_OFF, SERGENSIO_BREAK_OFF);
SAME(GIO_PARITY_NONE, SERGENSIO_PARITY_NONE);
SAME(GIO_FLOW_NONE, SERGENSIO_FLOWCONTROL_NONE);
SAME(GIO_FLUSH_RECEIVED, SERGENSIO_FLUSH_RCV_BUFFER);
SAME(GIO_FLUSH_TO_SEND, SERGENSIO_FLUSH_XMIT_BUFFER);
SAME(sizeof(struct gio_time), sizeof(struct gensio_time));
SAME(offsetof(struct gio_time, secs), offsetof(struct gensio_time, secs));
SAME(offsetof(struct gio_time, nsecs), offsetof(struct gensio_time, nsecs));

/* The types of the functions, where no struct of another name is in them. */
#define SAME_TYPE(name) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(*((struct gio *)0)->name), \
						    __typeof__(name)), #name)
SAME_TYPE(gensio_os_funcs_free);
SAME_TYPE(gensio_err_to_str);
SAME_TYPE(str_to_gensio);
SAME_TYPE(gensio_open);
SAME_TYPE(gensio_close);
SAME_TYPE(gensio_disable);
SAME_TYPE(gensio_free);
SAME_TYPE(gensio_write);
SAME_TYPE(gensio_set_callback);
SAME_TYPE(gensio_set_read_callback_enable);
SAME_TYPE(gensio_set_write_callback_enable);
SAME_TYPE(gensio_to_sergensio);
SAME_TYPE(sergensio_baud);
SAME_TYPE(sergensio_datasize);
SAME_TYPE(sergensio_parity);
SAME_TYPE(sergensio_stopbits);
SAME_TYPE(sergensio_flowcontrol);
SAME_TYPE(sergensio_iflowcontrol);
SAME_TYPE(sergensio_sbreak);
SAME_TYPE(sergensio_dtr);
SAME_TYPE(sergensio_rts);
SAME_TYPE(sergensio_linestate);
SAME_TYPE(sergensio_modemstate);
SAME_TYPE(sergensio_flush);
SAME_TYPE(str_to_gensio_accepter);
SAME_TYPE(gensio_acc_startup);
SAME_TYPE(gensio_acc_shutdown);
SAME_TYPE(gensio_acc_free);
SAME_TYPE(gensio_acc_control);
#endif

static void the_library_loads_or_its_package_is_named(void **state)
{
	struct esp_error err;
	struct gio g;
	int rc = gio_load(&g, &err);

	(void)state;
	if (rc == 0) {
		assert_non_null(g.gensio_acc_control);
		assert_string_equal(g.gensio_err_to_str(0), "No error");
		return;
	}
	assert_int_equal(rc, ESP_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "libgensio4"));
}

static void a_broken_pipe_signal_that_was_pending_before_stays_pending(void **state)
{
	struct gensio_os_funcs *os;
	struct esp_error err;
	sigset_t pipe, old, pending;
	struct gio g;

	(void)state;
	if (gio_load(&g, &err) < 0)
		skip();
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	raise(SIGPIPE);
	assert_int_equal(g.gensio_unix_funcs_alloc(NULL, 0, &os), 0);
	gio_service(&g, os, 1);
	g.gensio_os_funcs_free(os);
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGPIPE));
	signal(SIGPIPE, SIG_IGN);	/* drops it */
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_library_loads_or_its_package_is_named),
		cmocka_unit_test(a_broken_pipe_signal_that_was_pending_before_stays_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
