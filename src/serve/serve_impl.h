/* serve_impl.h - what the ways to serve have in common.
 *
 * Layer: serve, private to it.
 */
#ifndef SERVE_IMPL_H
#define SERVE_IMPL_H

#include "serve.h"

#include "../sim/chip.h"

#define SERVE_BUFFER 65536

/* A way to serve. */
struct serve_kind {
	const char *scheme;
	/* Starts to listen; sets s->where. */
	int (*open)(struct serve *s, const char *rest);
	/* Waits at most ms for the client and handles what it does. */
	void (*wait)(struct serve *s, int ms);
	/* Hands bytes of the chip to the client; returns how many it took. */
	size_t (*send)(struct serve *s, const uint8_t *buf, size_t len);
	void (*close)(struct serve *s);
};

extern const struct serve_kind serve_net_kind, serve_pty_kind;

struct serve_bytes {
	size_t len;
	uint8_t data[SERVE_BUFFER];
};

struct serve_impl {
	const struct serve_kind *kind;
	struct chip *chip;
	void *way;			/* the kind's own state */
	uint64_t wall_start_us;		/* wall clock minus the chip's */
	uint64_t active_us;		/* when something last happened, by the wall */
	atomic_bool client;
	bool dtr, rts, breaking;
	uint64_t lines_due_us;		/* dtr and rts reach the chip then; 0 = they have */
	uint32_t baud;
	struct serve_bytes in, out;	/* not yet in the chip / not yet at the client */
};

/* Lets the chip live up to now. To be called before anything is done to it. */
void serve_catch_up(struct serve *s);

/* Takes bytes of the client; returns how many there was room for. */
size_t serve_take(struct serve *s, const uint8_t *buf, size_t len);

/* A client came or left. With the client go its lines, its break and all bytes
 * on their way, as when a serial port is closed. */
void serve_set_client(struct serve *s, bool here);

/* Lines as asserted, at this moment. */
void serve_set_lines(struct serve *s, bool dtr, bool rts);
void serve_set_break(struct serve *s, bool on);
void serve_set_baud(struct serve *s, uint32_t baud);

#endif
