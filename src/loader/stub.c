#include "stub.h"

#include "../bytes.h"
#include "stub_impl.h"

#include <libdeflate.h>
#include <string.h>

enum {
	HELLO_MS = 100,		/* from its start to the stub's first frame */
	LEVEL = 12,		/* of deflate: time is on the wire */
	RESET_MS = 3000,	/* of a stub that has done nothing yet */
};

void stub_init(struct stub *s, struct port *port)
{
	memset(s, 0, sizeof *s);
	s->port = port;
	slip_init(&s->slip, s->frame, sizeof s->frame);
}

void stub_close(struct stub *s)
{
	libdeflate_free_compressor(s->deflate);
	s->deflate = NULL;
}

static int read_hello(struct stub *s, const struct stub_frame *f)
{
	const uint8_t *p = f->data;
	struct stub_hello *h = &s->hello;

	if (f->bytes < WIRE_HELLO_SIZE)
		return esp_fail(&s->err, ESP_E_PROTO, "the stub's hello is too short");
	h->version = get_le16(p + WIRE_HELLO_VERSION);
	h->window = get_le16(p + WIRE_HELLO_WINDOW);
	h->features = get_le32(p + WIRE_HELLO_FEATURES);
	h->data_max = get_le16(p + WIRE_HELLO_DATA_MAX);
	h->reply_max = get_le16(p + WIRE_HELLO_REPLY_MAX);
	h->unit_max = get_le32(p + WIRE_HELLO_UNIT_MAX);
	h->uart_divisor = get_le32(p + WIRE_HELLO_UART_DIVISOR);
	if (h->version != WIRE_VERSION || h->window == 0 || h->window > STUB_WINDOW_MAX ||
	    h->data_max < STUB_PIECE_MIN || h->data_max > WIRE_DATA_MAX ||
	    h->reply_max > WIRE_REPLY_MAX)
		return esp_fail(&s->err, ESP_E_UNSUPPORTED,
				"the stub speaks version %u, this program %u", h->version,
				WIRE_VERSION);
	return 0;
}

static int hello(struct stub *s)
{
	struct stub_query q = { .op = WIRE_HELLO, .wait_ms = HELLO_MS };
	struct stub_frame f;
	int rc = stub_ask(s, &q, &f);

	return rc < 0 ? rc : read_hello(s, &f);
}

/* limit_ms: for what is still being done to the flash. */
static int reset_within(struct stub *s, uint32_t limit_ms)
{
	/* Far from all numbers in use, so that nothing old fits. */
	uint16_t seq = (uint16_t)(s->next + 0x1000);
	struct stub_query q = { .op = WIRE_RESET, .addr = seq, .wait_ms = 500,
		.limit_ms = limit_ms };
	struct stub_frame f;
	int rc = stub_ask(s, &q, &f);

	if (rc >= 0)
		stub_window_init(s, seq);
	return rc;
}

static int open_session(struct stub *s, uint32_t limit_ms)
{
	int rc;

	if (!s->deflate)
		s->deflate = libdeflate_alloc_compressor(LEVEL);
	if (!s->deflate)
		return esp_fail(&s->err, ESP_E_NOMEM, "out of memory for the compressor");
	s->piece = s->hello.data_max;
	s->chunk_log2 = STUB_CHUNK_LOG2_MAX;
	rc = reset_within(s, limit_ms);
	memset(&s->counters, 0, sizeof s->counters);
	return rc;
}

int stub_start_at(struct stub *s, struct rom *rom, uint32_t baud)
{
	struct stub_frame f;
	int rc = stub_boot(s, rom, baud);

	if (rc < 0)
		return rc;
	/* It says hello by itself; if that got lost, ask. */
	rc = stub_frame_receive(s, &f, HELLO_MS);
	if (rc > 0 && f.op == (WIRE_HELLO | WIRE_REPLY))
		rc = read_hello(s, &f);
	else if (rc >= 0)
		rc = hello(s);
	return rc < 0 ? rc : open_session(s, RESET_MS);
}

int stub_start(struct stub *s, struct rom *rom)
{
	return stub_start_at(s, rom, s->port->baud);
}

int stub_attach(struct stub *s)
{
	int rc = hello(s);

	return rc < 0 ? rc : open_session(s, STUB_CHIP_ERASE_MS);
}

int stub_reset(struct stub *s)
{
	return reset_within(s, STUB_CHIP_ERASE_MS);
}

/* ---- the line ---- */

int stub_ping(struct stub *s, const void *data, size_t len)
{
	struct stub_query q = { .op = WIRE_PING, .body = data, .bytes = len, .wait_ms = 100 };
	struct stub_frame f;
	int rc = stub_ask(s, &q, &f);

	if (rc >= 0 && (f.bytes != len || memcmp(f.data, data, len) != 0))
		return esp_fail(&s->err, ESP_E_PROTO, "the stub's echo differs");
	return rc < 0 ? rc : 0;
}

int stub_run(struct stub *s, enum wire_run how, uint32_t addr)
{
	struct stub_query q = { .op = WIRE_RUN, .flags = (uint8_t)how, .addr = addr };
	struct stub_frame f;
	int tag = stub_query_send(s, &q, -1), i, rc;

	/* Its answer may be damaged, and then nobody is there to repeat it. */
	for (i = 0; tag >= 0 && i < 3; i++) {
		rc = stub_frame_receive(s, &f, 100);
		if (rc < 0)
			return rc;
		if (rc && f.op == (WIRE_RUN | WIRE_REPLY) && f.seq == (uint16_t)tag)
			return f.flags ? stub_refused(s, f.flags, f.addr) : 0;
		if (!rc)
			tag = stub_query_send(s, &q, tag);
	}
	return tag < 0 ? tag : 0;
}
