/* hostile_chip.h - chips behind a pseudo-terminal that lie, in a process of their
 * own. Some say what they like; others are the simulated chip, whose answers are
 * changed on their way, frame by frame, with the check sum made right again. */
#ifndef HOSTILE_CHIP_H
#define HOSTILE_CHIP_H

#include "port/port_sim.h"
#include "port_pty.h"
#include "sim/chip.h"
#include "stub/wire.h"

#include <asm/termbits.h>
#include <libdeflate.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { HC_FRAME = 8192, HC_ASKED = 40000, HC_CHUNK = 4096, HC_END = 0xC0, HC_ESC = 0xDB };

struct hostile {
	int master;
	struct port sim;
	void (*lie)(struct hostile *h, uint8_t *frame, size_t len);
	/* What the host asks, when that is listened to: true when the chip shall not
	 * hear of it. */
	bool (*ask)(struct hostile *h, const uint8_t *frame, size_t len);
	uint8_t asked[HC_ASKED], asked_raw[HC_ASKED];	/* by the host, and as it came */
	size_t asked_len, asked_raw_len;
	bool asking, asked_escaped;
	bool is_stub;			/* it says that it is one, */
	size_t digest_len;		/* with such digests, */
	void (*change)(uint8_t *digest); /* changed so, or NULL */
	uint32_t read_at, read_end;	/* of flash, told piece by piece */
	bool reads_nothing;
	uint8_t frame[HC_FRAME], raw[2 * HC_FRAME + 2];	/* of the chip, and as it came */
	size_t len, raw_len;
	int idle;			/* milliseconds without a byte of it */
	bool open, escaped;
	unsigned count;			/* frames so far, for lies that begin late */
};

/* Everything, however slowly it is taken; the test ends this by a signal. */
static inline void hc_say(struct hostile *h, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct pollfd pfd = { h->master, POLLOUT, 0 };

	while (len > 0) {
		ssize_t n = write(h->master, p, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			_exit(0);
		if (n < 0) {
			poll(&pfd, 1, 100);
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

static inline void hc_say_frame(struct hostile *h, const uint8_t *frame, size_t len)
{
	static uint8_t wire[2 * HC_FRAME + 2];
	size_t n = 0;

	wire[n++] = HC_END;
	for (size_t i = 0; i < len; i++) {
		bool special = frame[i] == HC_END || frame[i] == HC_ESC;

		if (special)
			wire[n++] = HC_ESC;
		wire[n++] = !special ? frame[i] : frame[i] == HC_END ? 0xDC : 0xDD;
	}
	wire[n++] = HC_END;
	hc_say(h, wire, n);
}

/* What the host says is dropped; waits at most ms for it. Answers its length. */
static inline size_t hc_hear(struct hostile *h, uint8_t *buf, size_t cap, int ms)
{
	struct pollfd pfd = { h->master, POLLIN, 0 };
	ssize_t n = poll(&pfd, 1, ms) > 0 ? read(h->master, buf, cap) : 0;

	if (n < 0 && errno == EIO) {	/* nobody has it open, perhaps not yet */
		nap_ms(ms > 0 ? ms : 1);
		n = 0;
	}
	return n > 0 ? (size_t)n : 0;
}

/* ---- the simulated chip with a liar before it ---- */

static inline uint32_t hc_crc(const uint8_t *frame, size_t len)
{
	return libdeflate_crc32(0, frame, len);
}

static inline void hc_put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t hc_get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is it a reply of the stub, and of which query? 0 when not. */
static inline int hc_stub_op(const uint8_t *frame, size_t len)
{
	if (len < WIRE_HEADER + WIRE_CRC || !(frame[0] & WIRE_REPLY) ||
	    hc_crc(frame, len - 4) != hc_get32(frame + len - 4))
		return 0;
	return frame[0] & ~WIRE_REPLY;
}

/* Is it a reply of the ROM's loader, and to which command? 0 when not. */
static inline int hc_rom_op(const uint8_t *frame, size_t len)
{
	return len >= 10 && frame[0] == 1 && !hc_stub_op(frame, len) ? frame[1] : 0;
}

/* A frame of the stub, changed: its check sum is right. */
static inline void hc_say_stub(struct hostile *h, uint8_t *frame, size_t len)
{
	hc_put32(frame + len - 4, hc_crc(frame, len - 4));
	hc_say_frame(h, frame, len);
}

/* What is no frame after all passes as it is. */
static inline void hc_let_pass(struct hostile *h)
{
	if (h->open && h->len > 0)
		hc_say(h, h->raw, h->raw_len);
	h->open = false;
}

static inline bool hc_begins_frame(uint8_t b)
{
	return b == 1 || (b > WIRE_REPLY && b < WIRE_REPLY + 0x10);
}

/* The boot log and the first stage's answers have no frames. */
static inline void hc_filter(struct hostile *h, uint8_t b)
{
	if (b == HC_END) {
		bool ended = h->open && h->len > 0;

		if (ended) {
			h->count++;
			h->lie(h, h->frame, h->len);
		}
		h->open = true;
		h->escaped = false;
		h->len = 0;
		h->raw_len = 0;
		if (!ended)		/* else it is the one that ended a frame */
			h->raw[h->raw_len++] = b;
		return;
	}
	if (!h->open) {
		hc_say(h, &b, 1);
		return;
	}
	h->raw[h->raw_len++] = b;
	if (b == HC_ESC && !h->escaped) {
		h->escaped = true;
		return;
	}
	h->frame[h->len++] = !h->escaped ? b : b == 0xDC ? HC_END : HC_ESC;
	h->escaped = false;
	if (h->len == sizeof h->frame || !hc_begins_frame(h->frame[0]))
		hc_let_pass(h);
}

/* To the chip. */
static inline void hc_forward(struct hostile *h, const uint8_t *data, size_t len)
{
	if (len > 0 && port_write(&h->sim, data, len, 1000) < 0)
		_exit(1);
}

/* The host's question is whole. */
static inline void hc_asked(struct hostile *h)
{
	if (h->asked_len == 0 || !h->ask(h, h->asked, h->asked_len))
		hc_forward(h, h->asked_raw, h->asked_raw_len);
	h->asking = false;
}

static inline void hc_listen(struct hostile *h, uint8_t b)
{
	if (!h->asking && b != HC_END) {
		hc_forward(h, &b, 1);
		return;
	}
	if (!h->asking || (b == HC_END && h->asked_len == 0)) {
		h->asking = true;
		h->asked_escaped = false;
		h->asked_len = h->asked_raw_len = 0;
	}
	if (h->asked_raw_len == HC_ASKED)
		_exit(1);
	h->asked_raw[h->asked_raw_len++] = b;
	if (b == HC_END && h->asked_len > 0) {
		hc_asked(h);
	} else if (b == HC_ESC && !h->asked_escaped) {
		h->asked_escaped = true;
	} else if (b != HC_END) {
		h->asked[h->asked_len++] = !h->asked_escaped ? b : b == 0xDC ? HC_END : HC_ESC;
		h->asked_escaped = false;
	}
}

/* Or the terminal would send the boot log back to the chip. */
static inline void hc_make_raw(int master)
{
	struct termios2 t;

	assert_int_equal(ioctl(master, TCGETS2, &t), 0);
	t.c_iflag = t.c_oflag = t.c_lflag = 0;
	assert_int_equal(ioctl(master, TCSETS2, &t), 0);
}

static inline void hc_follow_rate(struct hostile *h)
{
	struct termios2 t;

	if (ioctl(h->master, TCGETS2, &t) == 0 && t.c_ospeed > 0 && t.c_ospeed != h->sim.baud &&
	    port_set_baud(&h->sim, t.c_ospeed) < 0)
		_exit(1);
}

/* Something to read, and to erase. */
static inline void hc_fill_flash(struct hostile *h)
{
	uint32_t bytes;
	uint8_t *flash = chip_flash(port_sim_chip(&h->sim), &bytes);

	for (uint32_t i = 0; i < bytes / 2; i++)
		flash[i] = (uint8_t)(i * 7 + (i >> 8) + (i >> 12));
}

static inline void hc_bridge(struct hostile *h)
{
	uint8_t buf[HC_CHUNK];
	int n;

	port_init(&h->sim);
	if (port_open(&h->sim, "sim:?size=512K&wiring=none&strap=1&pace=real", 115200) < 0)
		_exit(1);
	hc_fill_flash(h);
	for (;;) {
		size_t heard = hc_hear(h, buf, sizeof buf, 0);

		hc_follow_rate(h);
		for (size_t i = 0; h->ask && i < heard; i++)
			hc_listen(h, buf[i]);
		if (!h->ask)
			hc_forward(h, buf, heard);
		n = port_read(&h->sim, buf, sizeof buf, 1);
		if (n < 0)
			_exit(1);
		for (int i = 0; i < n; i++)
			hc_filter(h, buf[i]);
		h->idle = n > 0 ? 0 : h->idle + 1;
		if (h->idle > 50)
			hc_let_pass(h);
	}
}

#endif
