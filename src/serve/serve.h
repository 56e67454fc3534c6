/* serve.h - a simulated chip, or a port of this machine, as a serial port for
 * other programs and other machines.
 *
 * Layer: serve, above sim and port, below lua. A simulated chip lives in the
 * wall clock's time here. Knows nothing of what is said on the wire.
 */
#ifndef SERVE_H
#define SERVE_H

#include "../esp_err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_WHERE_MAX 192

struct chip;
struct port;
struct serve_impl;

struct serve {
	struct esp_error err;
	/* What clients open: "rfc2217://127.0.0.1:4000", "/dev/pts/3". */
	char where[SERVE_WHERE_MAX];
	struct serve_impl *impl;	/* NULL while closed */
	atomic_bool stop;
};

/* Makes s a closed server; no resources. */
void serve_init(struct serve *s);

/* Offers chip, which stays the caller's and outlives the server:
 *   "rfc2217:HOST:PORT"  one client at a time by RFC 2217 over TCP; port 0 is
 *                        any free one; needs libgensio. With
 *                        "?cert=FILE&key=FILE" behind it by TLS, with "&ca=FILE"
 *                        too only for clients whose certificate that one signed
 *   "pty[:LINK]"         a pseudo-terminal, with a symbolic link LINK to it.
 *                        It has no modem lines: let the chip be in download
 *                        mode by its strap, and power cycle to boot.
 * s->where says what to open. ESP_E_ARGUMENT, ESP_E_BUSY (address in use),
 * ESP_E_ACCESS, ESP_E_UNSUPPORTED (no library), ESP_E_IO, ESP_E_NOMEM. */
int serve_open(struct serve *s, struct chip *chip, const char *where)
	__attribute__((warn_unused_result));

/* The same for an open port, which stays the caller's and must not be used by
 * others meanwhile. A rate that it cannot do is answered with the one it has. */
int serve_open_port(struct serve *s, struct port *port, const char *where)
	__attribute__((warn_unused_result));

/* Serves all n at once until each was stopped, for_ms is over (0 = no limit) or
 * a signal set port_interrupted: then ESP_E_INTERRUPTED. A port that fails ends its
 * server and becomes the result, with the text in list[0]->err. The first is served by
 * the calling thread, every other by one of its own; no chip may be in two. */
int serve_run(struct serve *const *list, size_t n, uint32_t for_ms);

/* Ends the serving of s within a fraction of a second; from any thread. */
void serve_stop(struct serve *s);

/* Closes; idempotent. */
void serve_close(struct serve *s);

/* Whether a client is connected. */
bool serve_has_client(const struct serve *s);

#endif
