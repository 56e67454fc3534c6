/* esp_err.h - the kinds of failure, and one text in the handle that failed.
 *
 * Layer: base (below everything). Knows nothing of ports, chips or Lua.
 *
 * A function answers >= 0 on success and a negative enum esp_err on failure.
 * The text is set once, where the facts are, in the struct esp_error of the
 * handle; callers above pass the number on.
 */
#ifndef ESP_ERR_H
#define ESP_ERR_H

#define ESP_ERROR_TEXT_MAX 256

/* The name of each kind is a stable word that scripts may test for; the names
 * are in esp_err.c and documented in README ("Error kinds"). */
enum esp_err {
	ESP_OK = 0,
	ESP_E_TIMEOUT = -1,	/* "timeout": the other side did not answer in time */
	ESP_E_GONE = -2,	/* "gone": the port vanished (unplugged, peer closed) */
	ESP_E_BUSY = -3,	/* "busy": somebody else holds the port */
	ESP_E_ACCESS = -4,	/* "access": the system refuses us the port or file */
	ESP_E_MISSING = -5,	/* "missing": no such port or file */
	ESP_E_PROTO = -6,	/* "protocol": an answer that breaks the protocol */
	ESP_E_REFUSED = -7,	/* "refused": the loader answered with an error status */
	ESP_E_TOOBIG = -8,	/* "toobig": does not fit the buffer or the protocol */
	ESP_E_IO = -9,		/* "io": the system reported an I/O error */
	ESP_E_NOMEM = -10,	/* "nomem": out of memory */
	ESP_E_UNSUPPORTED = -11, /* "unsupported": this port or loader cannot do that */
	ESP_E_ARGUMENT = -12,	/* "argument": an argument out of its range */
	ESP_E_CLOSED = -13,	/* "closed": the handle is closed */
	ESP_E_INTERRUPTED = -14, /* "interrupted": the user asked us to stop */
	ESP_E_FLASH = -15,	/* "flash": the flash chip does not do as told */
};

struct esp_error {
	int code;			/* enum esp_err */
	char text[ESP_ERROR_TEXT_MAX];
};

/* Records code and text in *e and returns code, so a caller can write
 * `return esp_fail(&h->err, ESP_E_GONE, "%s: unplugged", h->path);`.
 * e may be NULL. */
int esp_fail(struct esp_error *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Copies the failure of a lower handle into an upper one; returns its code. */
int esp_pass(struct esp_error *to, const struct esp_error *from);

/* The stable word for a code; "unknown" for a number that is none. */
const char *esp_err_name(int code);

#endif
