#include "trace.h"

#include "../bytes.h"
#include "rom.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A line under construction; what does not fit is cut, never overrun. */
struct line {
	char text[TRACE_LINE_MAX];
	size_t len;
};

static void append(struct line *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof l->text - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void append_hex(struct line *l, const uint8_t *p, size_t n)
{
	size_t shown = n < TRACE_HEX_MAX ? n : TRACE_HEX_MAX;

	for (size_t i = 0; i < shown; i++)
		append(l, " %02x", p[i]);
	if (shown < n)
		append(l, " ... %zu more", n - shown);
}

static void start_line(struct trace *t, struct line *l, uint64_t time_us)
{
	uint64_t us = time_us - t->start_us;

	l->len = 0;
	l->text[0] = '\0';
	append(l, "%8" PRIu64 ".%03u ", us / 1000, (unsigned)(us % 1000));
}

/* ---- frames ---- */

/* READ_REG addr=0x60000014 */
static void append_request(struct line *l, const uint8_t *frame, size_t len)
{
	const struct rom_command *c = rom_command_find(frame[1]);
	size_t n = len - ROM_HEAD, words = n / 4;
	const uint8_t *p = frame + ROM_HEAD;

	if (c->n_words < words)
		words = c->n_words;
	append(l, "%s", c->name);
	for (size_t i = 0; i < words; i++)
		append(l, " %s=0x%" PRIx32, c->words[i], get_le32(p + 4 * i));
	if (n > 4 * words) {
		append(l, " +");
		append_hex(l, p + 4 * words, n - 4 * words);
	}
}

/* READ_REG ok value=0x000001c3, or: FLASH_DATA refused: checksum error (07) */
static void append_reply(struct line *l, const uint8_t *frame, size_t len)
{
	const struct rom_command *c = rom_command_find(frame[1]);
	uint8_t status = frame[len - 2], error = frame[len - 1];

	append(l, "%s", c->name);
	if (status == 0)
		append(l, " ok value=0x%08" PRIx32, get_le32(frame + 4));
	else if (status == 1)
		append(l, " refused: %s (%02x)", rom_error_text(error), error);
	else
		append(l, " refused: status %02x", status);
	if (len > ROM_HEAD + 2)
		append_hex(l, frame + ROM_HEAD, len - ROM_HEAD - 2);
}

static bool is_packet(bool to_chip, const uint8_t *frame, size_t len)
{
	size_t least = ROM_HEAD + (to_chip ? 0 : 2);

	return len >= least && frame[0] == (to_chip ? 0 : 1) &&
	       get_le16(frame + 2) == len - ROM_HEAD && rom_command_find(frame[1]);
}

static void append_frame(struct trace *t, struct line *l, bool to_chip,
			 const uint8_t *frame, size_t len)
{
	char text[TRACE_LINE_MAX];

	if (is_packet(to_chip, frame, len)) {
		if (to_chip)
			append_request(l, frame, len);
		else
			append_reply(l, frame, len);
	} else if (t->describe && t->describe(t->ctx, to_chip, frame, len, text, sizeof text)) {
		append(l, "%s", text);
	} else {
		append(l, "frame of %zu:", len);
		append_hex(l, frame, len);
	}
}

static void emit_frame(struct trace *t, const struct port_event *ev, int rc)
{
	bool to_chip = ev->kind == PORT_EV_TX;
	struct slip_decoder *d = to_chip ? &t->to_chip : &t->from_chip;
	struct line l;

	start_line(t, &l, ev->time_us);
	append(&l, to_chip ? "-> " : "<- ");
	if (rc > 0)
		append_frame(t, &l, to_chip, d->buf, d->len);
	else
		append(&l, rc == ESP_E_TOOBIG ? "frame too long" : "frame with a bad escape");
	t->emit(t->ctx, l.text);
}

static void decode(struct trace *t, const struct port_event *ev)
{
	struct slip_decoder *d = ev->kind == PORT_EV_TX ? &t->to_chip : &t->from_chip;

	for (size_t i = 0; i < ev->len; i++) {
		int rc = slip_feed(d, ev->data[i]);

		if (rc != 0)
			emit_frame(t, ev, rc);
	}
}

/* ---- events ---- */

static void append_line_state(struct line *l, const char *name, int v)
{
	if (v == PORT_LINE_KEEP)
		append(l, " %s=keep", name);
	else
		append(l, " %s=%d", name, v);
}

static void append_event(struct line *l, const struct port_event *ev)
{
	switch (ev->kind) {
	case PORT_EV_RX:
	case PORT_EV_TX:
		append(l, "%s %zu:", ev->kind == PORT_EV_RX ? "rx" : "tx", ev->len);
		append_hex(l, ev->data, ev->len);
		break;
	case PORT_EV_LINES:
		append(l, "lines");
		append_line_state(l, "dtr", ev->a);
		append_line_state(l, "rts", ev->b);
		break;
	case PORT_EV_BAUD:
		append(l, "baud %d", ev->a);
		break;
	case PORT_EV_BREAK:
		append(l, "break %s", ev->a ? "on" : "off");
		break;
	case PORT_EV_FLUSH:
		append(l, "flush");
		break;
	}
}

void trace_init(struct trace *t, void (*emit)(void *ctx, const char *line), void *ctx)
{
	t->emit = emit;
	t->ctx = ctx;
	t->describe = NULL;
	t->start_us = 0;
	t->started = false;
	slip_init(&t->to_chip, t->to_buf, sizeof t->to_buf);
	slip_init(&t->from_chip, t->from_buf, sizeof t->from_buf);
}

void trace_event(void *ctx, const struct port_event *ev)
{
	struct trace *t = ctx;
	struct line l;

	if (!t->started) {
		t->started = true;
		t->start_us = ev->time_us;
	}
	start_line(t, &l, ev->time_us);
	append_event(&l, ev);
	t->emit(t->ctx, l.text);
	if (ev->kind == PORT_EV_RX || ev->kind == PORT_EV_TX)
		decode(t, ev);
}
