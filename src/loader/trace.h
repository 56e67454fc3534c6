/* trace.h - what went over a port, as lines of text.
 *
 * Layer: loader. Knows ports, SLIP and the ROM's table of commands. Where the
 * lines go is the caller's business. No byte of the wire is printed as it is.
 */
#ifndef TRACE_H
#define TRACE_H

#include "../port/port.h"
#include "slip.h"

enum { TRACE_FRAME_MAX = 0x4100, TRACE_LINE_MAX = 400, TRACE_HEX_MAX = 32 };

struct trace {
	void (*emit)(void *ctx, const char *line);	/* line without its newline */
	void *ctx;
	/* May be NULL. Describes a frame (as it was before framing) that is no
	 * ROM packet, to text; returns false to have it printed as hex. */
	bool (*describe)(void *ctx, bool to_chip, const uint8_t *frame, size_t len,
			 char *text, size_t cap);
	uint64_t start_us;		/* of the first event */
	bool started;
	struct slip_decoder to_chip, from_chip;
	uint8_t to_buf[TRACE_FRAME_MAX], from_buf[TRACE_FRAME_MAX];
};

void trace_init(struct trace *t, void (*emit)(void *ctx, const char *line), void *ctx);

/* One event; ctx is the struct trace. Fits struct port: set port->trace =
 * trace_event and port->trace_ctx = t.
 *
 *	       0.000 lines dtr=0 rts=1
 *	     150.125 tx 14: c0 00 0a 04 00 00 00 00 00 14 00 00 60 c0
 *	     150.125 -> READ_REG addr=0x60000014
 *	     152.250 rx 12: c0 01 0a 02 00 c3 01 00 00 00 00 c0
 *	     152.250 <- READ_REG ok value=0x000001c3
 */
void trace_event(void *ctx, const struct port_event *ev);

#endif
