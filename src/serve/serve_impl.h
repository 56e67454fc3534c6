/* serve_impl.h - what the ways to serve have in common.
 *
 * Layer: serve, private to it.
 */
#ifndef SERVE_IMPL_H
#define SERVE_IMPL_H

#include "serve.h"

#define SERVE_BUFFER 65536

/* What is served: a simulated chip, or a port of this machine. All but live may
 * fail: < 0 is an enum esp_err with its text in s->err, and ends the serving. */
struct serve_board {
	const char *name;		/* what clients are told that it is */
	int (*live)(struct serve *s);	/* lets it live up to now */
	/* Takes bytes for the board; returns how many. */
	int (*receive)(struct serve *s, const uint8_t *buf, size_t len);
	/* Gives bytes of the board, at once; returns how many. */
	int (*sent)(struct serve *s, uint8_t *buf, size_t cap);
	int (*set_lines)(struct serve *s, bool dtr, bool rts);
	int (*set_break)(struct serve *s, bool on);
	int (*set_baud)(struct serve *s, uint32_t baud);
};

/* A way to serve. */
struct serve_kind {
	const char *scheme;
	/* Starts to listen; sets s->where. */
	int (*open)(struct serve *s, const char *rest);
	/* Waits at most ms for the client and handles what it does. */
	void (*wait)(struct serve *s, int ms);
	/* Hands bytes of the board to the client; returns how many it took. */
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
	const struct serve_board *ops;
	void *board;
	int failed;			/* enum esp_err of the board, 0 while it works */
	void *way;			/* the kind's own state */
	uint64_t wall_start_us;		/* wall clock minus a simulated chip's */
	uint64_t active_us;		/* when something last happened, by the wall */
	atomic_bool client;
	bool dtr, rts, breaking;
	uint64_t lines_due_us;		/* dtr and rts reach the board then; 0 = they have */
	uint32_t baud;
	struct serve_bytes in, out;	/* not yet at the board / not yet at the client */
};

/* Starts to serve a board in one of the ways; see serve_open(). */
int serve_open_board(struct serve *s, const struct serve_board *ops, void *board,
		     uint64_t wall_start_us, const char *where);

/* Lets the board live up to now. To be called before anything is done to it. */
void serve_catch_up(struct serve *s);

/* Drops what the board sent and the client has not got yet. */
void serve_drop_sent(struct serve *s);

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
