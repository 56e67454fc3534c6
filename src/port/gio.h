/* gio.h - the library gensio, loaded when somebody needs it.
 *
 * Layer: port, also for the server above it. Only remote ports need the
 * library, so the program neither links to it nor wants its headers: what is
 * used of them is declared here, as version 4 of its binary interface has it
 * (gensio 2.0 to 2.8; Debian libgensio4). test_gio compares with the real ones.
 */
#ifndef GIO_H
#define GIO_H

#include "../esp_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gensio;
struct gensio_accepter;
struct gensio_os_funcs;
struct sergensio;

struct gio_time {
	int64_t secs;
	int32_t nsecs;
};

typedef unsigned long gio_size;

typedef int (*gio_event)(struct gensio *io, void *ctx, int event, int err, unsigned char *buf,
			 gio_size *len, const char *const *aux);
typedef int (*gio_accept_event)(struct gensio_accepter *acc, void *ctx, int event, void *data);
typedef void (*gio_done)(struct gensio *io, void *ctx);
typedef void (*gio_done_err)(struct gensio *io, int err, void *ctx);
typedef void (*gio_acc_done)(struct gensio_accepter *acc, void *ctx);
typedef void (*gio_ser_done)(struct sergensio *sio, int err, unsigned val, void *ctx);

/* GE_* of gensio_err.h */
enum gio_error {
	GIO_NOMEM = 1,
	GIO_NOTSUP = 2,
	GIO_INVAL = 3,
	GIO_NOTFOUND = 4,
	GIO_TIMEDOUT = 14,
	GIO_KEYNOTFOUND = 17,
	GIO_CERTREVOKED = 18,
	GIO_CERTEXPIRED = 19,
	GIO_KEYINVALID = 20,
	GIO_NOCERT = 21,
	GIO_CERTINVALID = 22,
	GIO_REMCLOSE = 26,
	GIO_HOSTDOWN = 27,
	GIO_CONNREFUSE = 28,
	GIO_CERTNOTFOUND = 30,
	GIO_AUTHREJECT = 31,
	GIO_ADDRINUSE = 32,
	GIO_PERM = 36,
	GIO_NAME_FIRST = 38,	/* the name server's errors: 38 .. 42 */
	GIO_NAME_LAST = 42,
};

/* GENSIO_EVENT_* of gensio.h, GENSIO_EVENT_SER_* of sergensio.h */
enum gio_events {
	GIO_EV_READ = 1,
	GIO_EV_WRITE_READY = 2,
	GIO_EV_SEND_BREAK = 4,
	GIO_EV_SER_MODEMSTATE = 1001,
	GIO_EV_SER_LINESTATE = 1002,
	GIO_EV_SER_SIGNATURE = 1003,
	GIO_EV_SER_FLUSH = 1005,
	GIO_EV_SER_BAUD = 1007,
	GIO_EV_SER_DATASIZE = 1008,
	GIO_EV_SER_PARITY = 1009,
	GIO_EV_SER_STOPBITS = 1010,
	GIO_EV_SER_FLOWCONTROL = 1011,
	GIO_EV_SER_IFLOWCONTROL = 1012,
	GIO_EV_SER_SBREAK = 1013,
	GIO_EV_SER_DTR = 1014,
	GIO_EV_SER_RTS = 1015,
};

#define GIO_ACC_EV_NEW_CONNECTION 1	/* data is the struct gensio */
#define GIO_ACC_CONTROL_LPORT 2u
#define GIO_DEPTH_FIRST (-2)

/* RFC 2217's two-state controls: SERGENSIO_DTR_ON and the like. */
enum gio_switch { GIO_ASK = 0, GIO_ON = 1, GIO_OFF = 2 };
#define GIO_PARITY_NONE 1u
#define GIO_FLOW_NONE 1u
#define GIO_FLUSH_RECEIVED 1u		/* what the server has received from its device */
#define GIO_FLUSH_TO_SEND 2u

/* The functions by their name in the library. Each thread and each port has
 * an os of its own, so nothing is shared between ports. */
struct gio {
	void *library;		/* NULL while not loaded; never unloaded */
	int (*gensio_unix_funcs_alloc)(void *selector, int wake_sig, struct gensio_os_funcs **os);
	void (*gensio_os_funcs_free)(struct gensio_os_funcs *os);
	int (*gensio_os_funcs_service)(struct gensio_os_funcs *os, struct gio_time *timeout);
	const char *(*gensio_err_to_str)(int err);

	int (*str_to_gensio)(const char *str, struct gensio_os_funcs *os, gio_event cb, void *ctx,
			     struct gensio **io);
	int (*gensio_open)(struct gensio *io, gio_done_err done, void *ctx);
	int (*gensio_close)(struct gensio *io, gio_done done, void *ctx);
	void (*gensio_disable)(struct gensio *io);
	void (*gensio_free)(struct gensio *io);
	int (*gensio_write)(struct gensio *io, gio_size *count, const void *buf, gio_size len,
			    const char *const *aux);
	void (*gensio_set_callback)(struct gensio *io, gio_event cb, void *ctx);
	void (*gensio_set_read_callback_enable)(struct gensio *io, bool on);
	void (*gensio_set_write_callback_enable)(struct gensio *io, bool on);

	struct sergensio *(*gensio_to_sergensio)(struct gensio *io);
	int (*sergensio_baud)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_datasize)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_parity)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_stopbits)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_flowcontrol)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_iflowcontrol)(struct sergensio *s, unsigned v, gio_ser_done done,
				      void *ctx);
	int (*sergensio_sbreak)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_dtr)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_rts)(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);
	int (*sergensio_signature)(struct sergensio *s, const char *sig, unsigned len, void *done,
				   void *ctx);
	int (*sergensio_linestate)(struct sergensio *s, unsigned v);
	int (*sergensio_modemstate)(struct sergensio *s, unsigned v);
	int (*sergensio_flush)(struct sergensio *s, unsigned v);

	int (*str_to_gensio_accepter)(const char *str, struct gensio_os_funcs *os,
				      gio_accept_event cb, void *ctx,
				      struct gensio_accepter **acc);
	int (*gensio_acc_startup)(struct gensio_accepter *acc);
	int (*gensio_acc_shutdown)(struct gensio_accepter *acc, gio_acc_done done, void *ctx);
	void (*gensio_acc_free)(struct gensio_accepter *acc);
	int (*gensio_acc_control)(struct gensio_accepter *acc, int depth, bool get,
				  unsigned option, char *data, gio_size *len);
};

/* Loads the library. ESP_E_UNSUPPORTED names the package that is missing. */
int gio_load(struct gio *g, struct esp_error *err) __attribute__((warn_unused_result));

/* Lets the library work for at most timeout_ms, less when something happens.
 * The library writes to sockets without minding SIGPIPE; this does. */
void gio_service(const struct gio *g, struct gensio_os_funcs *os, int timeout_ms);

/* gensio_write(), minding SIGPIPE. Returns the bytes taken, or -1 when the
 * connection is over. */
long gio_write(const struct gio *g, struct gensio *io, const void *buf, size_t len);

#endif
