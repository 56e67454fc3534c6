#include "slip.h"

#include "../esp_err.h"

void slip_init(struct slip_decoder *d, uint8_t *buf, size_t cap)
{
	d->buf = buf;
	d->cap = cap;
	d->len = 0;
	d->open = d->escaped = d->whole = false;
}

/* An END always leaves an open, empty frame behind, so that a peer whose frames
 * share one END is understood, and so that a lost END costs one frame only. */
static int end_of_frame(struct slip_decoder *d)
{
	bool had_bytes = d->open && d->len > 0;
	bool cut_escape = d->open && d->escaped;

	d->open = true;
	d->escaped = false;
	if (cut_escape) {
		d->len = 0;
		return ESP_E_PROTO;
	}
	d->whole = had_bytes;
	return had_bytes;
}

static int hunt(struct slip_decoder *d, int code)
{
	d->open = d->escaped = false;
	d->len = 0;
	return code;
}

int slip_feed(struct slip_decoder *d, uint8_t byte)
{
	if (d->whole) {
		d->whole = false;
		d->len = 0;
	}
	if (byte == SLIP_END)
		return end_of_frame(d);
	if (!d->open)
		return 0;
	if (d->escaped) {
		if (byte != SLIP_ESC_END && byte != SLIP_ESC_ESC)
			return hunt(d, ESP_E_PROTO);
		byte = byte == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
		d->escaped = false;
	} else if (byte == SLIP_ESC) {
		d->escaped = true;
		return 0;
	}
	if (d->len == d->cap)
		return hunt(d, ESP_E_TOOBIG);
	d->buf[d->len++] = byte;
	return 0;
}

size_t slip_encoded_max(size_t len)
{
	return 2 * len + 2;
}

int slip_encode(uint8_t *dst, size_t cap, const uint8_t *src, size_t len)
{
	size_t n = 0;

	if (cap < 2)
		return ESP_E_TOOBIG;
	dst[n++] = SLIP_END;
	for (size_t i = 0; i < len; i++) {
		bool special = src[i] == SLIP_END || src[i] == SLIP_ESC;

		if (cap - n < (special ? 3u : 2u))	/* room for the last END, too */
			return ESP_E_TOOBIG;
		if (special) {
			dst[n++] = SLIP_ESC;
			dst[n++] = src[i] == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
		} else {
			dst[n++] = src[i];
		}
	}
	dst[n++] = SLIP_END;
	return (int)n;
}
