/* slip.h - SLIP framing, RFC 1055.
 *
 * Layer: loader. Pure: no I/O, no allocation, no libc; also compiled for the
 * chip. Knows nothing of commands.
 */
#ifndef SLIP_H
#define SLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slip_byte { SLIP_END = 0xC0, SLIP_ESC = 0xDB, SLIP_ESC_END = 0xDC, SLIP_ESC_ESC = 0xDD };

struct slip_decoder {
	uint8_t *buf;		/* the caller's */
	size_t cap, len;
	bool open;		/* an END was seen: bytes belong to a frame */
	bool escaped;		/* the byte before was ESC */
	bool whole;		/* buf holds a frame that was handed out */
};

/* Starts hunting for the first END; frames go to buf, at most cap bytes. */
void slip_init(struct slip_decoder *d, uint8_t *buf, size_t cap);

/* Takes one byte from the wire. Returns 1 when d->buf[0 .. d->len) is a whole
 * frame (valid until the next call), 0 when more is needed, ESP_E_PROTO on a
 * bad escape, ESP_E_TOOBIG when the frame does not fit. After an error the
 * decoder hunts for the next END. An END ends one frame and may begin the
 * next; empty frames are skipped. */
int slip_feed(struct slip_decoder *d, uint8_t byte);

/* The most bytes that len bytes can become: every one escaped, and two ENDs. */
size_t slip_encoded_max(size_t len);

/* Writes END, src escaped, END to dst. Returns the length, or ESP_E_TOOBIG
 * (and part of a frame in dst) when it does not fit in cap. */
int slip_encode(uint8_t *dst, size_t cap, const uint8_t *src, size_t len);

#endif
