#include "rom.h"
#include "rom_impl.h"

#include "../bytes.h"

#include <stdio.h>
#include <string.h>

enum {
	SECTOR_BYTES = 4096,
	SECTORS_PER_BLOCK = 16,
	DRAIN_READS = 16,
};

/* ---- the protocol, as a table ---- */

uint32_t rom_erased_sectors(uint32_t offset, uint32_t erase_size)
{
	uint32_t n = erase_size / SECTOR_BYTES + (erase_size % SECTOR_BYTES != 0);
	uint32_t head = SECTORS_PER_BLOCK - offset / SECTOR_BYTES % SECTORS_PER_BLOCK;

	/* The ROM erases up to the next 64 KiB line, and then forgets that it did. */
	return n + (head < n ? head : n);
}

/* Worst cases of data sheets: 400 ms a sector, 2 s a block; every block erase
 * stands for 16 sectors, so counting all as sectors at 150 ms covers both once
 * the single ones at the ends (at most 32) are counted in full. */
static uint32_t flash_begin_ms(const uint32_t *words)
{
	uint32_t n = rom_erased_sectors(words[3], words[0]);
	uint32_t single = n < 32 ? n : 32;

	return single * 400 + (n - single) * 150;
}

#define WORDS(n, ...) n, { __VA_ARGS__ }

/* Times: a register or RAM command is done in less than a millisecond, the rest
 * is for the way. Programming 6 KiB takes 30 ms, in the worst case of slow chips
 * a second. */
static const struct rom_command commands[] = {
	/* op, name, payload words, data?, base ms, work */
	{ ROM_FLASH_BEGIN, "FLASH_BEGIN", WORDS(4, "erase", "blocks", "block_size", "offset"),
	  false, 3000, flash_begin_ms },
	{ ROM_FLASH_DATA, "FLASH_DATA", WORDS(4, "length", "seq", "zero", "zero"),
	  true, 2000, NULL },
	{ ROM_FLASH_END, "FLASH_END", WORDS(1, "stay"), false, 1000, NULL },
	{ ROM_MEM_BEGIN, "MEM_BEGIN", WORDS(4, "size", "blocks", "block_size", "addr"),
	  false, 1000, NULL },
	{ ROM_MEM_END, "MEM_END", WORDS(2, "stay", "entry"), false, 1000, NULL },
	{ ROM_MEM_DATA, "MEM_DATA", WORDS(4, "length", "seq", "zero", "zero"),
	  true, 1000, NULL },
	{ ROM_SYNC, "SYNC", WORDS(1, "mark"), false, ROM_SYNC_WAIT_MS, NULL },
	{ ROM_WRITE_REG, "WRITE_REG", WORDS(4, "addr", "value", "mask", "delay_us"),
	  false, 1000, NULL },
	{ ROM_READ_REG, "READ_REG", WORDS(1, "addr"), false, 1000, NULL },
	{ ROM_SPI_SET_PARAMS, "SPI_SET_PARAMS",
	  WORDS(6, "id", "size", "block", "sector", "page", "status_mask"), false, 1000, NULL },
};

const struct rom_command *rom_command_find(uint8_t op)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].op == op)
			return &commands[i];
	return NULL;
}

const char *rom_error_text(uint8_t error)
{
	static const char *const texts[] = {
		"no reason given", "invalid parameter", "out of memory", "sending failed",
		"receiving failed", "message malformed", "operation failed",
		"checksum error", "flash does not read back what was written",
	};

	return error < sizeof texts / sizeof texts[0] ? texts[error] : "unknown error";
}

static const char *op_name(uint8_t op, char buf[16])
{
	const struct rom_command *c = rom_command_find(op);

	if (c)
		return c->name;
	snprintf(buf, 16, "command %02x", op);
	return buf;
}

bool rom_may_help_to_repeat(int rc)
{
	return rc == ESP_E_TIMEOUT || rc == ESP_E_PROTO || rc == ESP_E_REFUSED;
}

bool rom_try_again(struct rom_patience *p, int rc)
{
	p->failures++;
	p->silent = rc == ESP_E_TIMEOUT ? p->silent + 1 : 0;
	return rom_may_help_to_repeat(rc) && p->failures < 10 && p->silent < 3;
}

/* ---- bytes in ---- */

void rom_init(struct rom *rom, struct port *port)
{
	memset(rom, 0, sizeof *rom);
	rom->port = port;
	slip_init(&rom->slip, rom->frame, sizeof rom->frame);
}

int rom_port_failed(struct rom *rom)
{
	return esp_pass(&rom->err, &rom->port->err);
}

static void keep_heard(struct rom *rom, const uint8_t *bytes, size_t n)
{
	size_t room = sizeof rom->heard - rom->heard_len;

	rom->heard_total += n;
	if (n > room)
		n = room;
	memcpy(rom->heard + rom->heard_len, bytes, n);
	rom->heard_len += n;
}

/* Fills the empty input buffer. Returns the bytes read, 0 when none came. */
int rom_fill(struct rom *rom, uint32_t timeout_ms)
{
	int n = port_read(rom->port, rom->in, sizeof rom->in, timeout_ms);

	rom->in_pos = rom->in_len = 0;
	if (n < 0)
		return rom_port_failed(rom);
	rom->in_len = (size_t)n;
	if (rom->listening)
		keep_heard(rom, rom->in, rom->in_len);
	return n;
}

/* Fills the input buffer before the deadline. 0, ESP_E_TIMEOUT (no text) or the
 * port's failure. */
static int fill_until(struct rom *rom, uint64_t deadline_us)
{
	for (;;) {
		uint64_t now = port_now_us(rom->port);
		int n;

		if (now >= deadline_us)
			return ESP_E_TIMEOUT;
		n = rom_fill(rom, (uint32_t)((deadline_us - now + 999) / 1000));
		if (n != 0)
			return n < 0 ? n : 0;
		if (port_now_us(rom->port) == now)	/* a port that will not wait */
			return ESP_E_TIMEOUT;
	}
}

/* Decodes a reply: direction 1, op, size of what follows the value, value, data,
 * status, error. False when the frame is anything else. */
static bool parse_reply(const uint8_t *frame, size_t len, struct rom_reply *reply)
{
	size_t body;

	if (len < ROM_HEAD + 2 || len > ROM_REPLY_MAX || frame[0] != 1)
		return false;
	body = len - ROM_HEAD;
	if (get_le16(frame + 2) != body)
		return false;
	reply->op = frame[1];
	reply->value = get_le32(frame + 4);
	reply->len = body - 2;
	memcpy(reply->data, frame + ROM_HEAD, reply->len);
	reply->status = frame[len - 2];
	reply->error = frame[len - 1];
	return true;
}

/* Waits for any whole frame, in rom->frame. Noise is counted and skipped, but
 * neither longer than the deadline nor beyond *looked_at bytes in all. */
static int next_frame(struct rom *rom, uint64_t deadline_us, uint32_t *looked_at)
{
	for (; *looked_at < ROM_NOISE_MAX; ++*looked_at) {
		int rc;

		if (rom->in_pos == rom->in_len) {
			rc = fill_until(rom, deadline_us);
			if (rc < 0)
				return rc;
		}
		rc = slip_feed(&rom->slip, rom->in[rom->in_pos++]);
		if (rc > 0)
			return 0;
		if (rc < 0)
			rom->bad_frames++;
	}
	return ESP_E_TIMEOUT;
}

int rom_next_reply(struct rom *rom, uint64_t deadline_us, struct rom_reply *reply)
{
	uint32_t looked_at = 0;

	for (;;) {
		int rc = next_frame(rom, deadline_us, &looked_at);

		if (rc < 0)
			return rc;
		if (parse_reply(rom->frame, rom->slip.len, reply))
			return 0;
		rom->bad_frames++;
	}
}

int rom_frame(struct rom *rom, uint32_t timeout_ms, const uint8_t **frame)
{
	uint32_t looked_at = 0;
	int rc = next_frame(rom, rom_deadline(rom, timeout_ms), &looked_at);

	if (rc == ESP_E_TIMEOUT)
		return esp_fail(&rom->err, rc, "no frame within %u ms", timeout_ms);
	*frame = rom->frame;
	return rc < 0 ? rc : (int)rom->slip.len;
}

uint64_t rom_deadline(struct rom *rom, uint32_t ms)
{
	return port_now_us(rom->port) + (uint64_t)ms * 1000;
}

size_t rom_take_rest(struct rom *rom, uint8_t *buf, size_t cap)
{
	size_t n = rom->in_len - rom->in_pos;

	if (n > cap)
		n = cap;
	memcpy(buf, rom->in + rom->in_pos, n);
	rom->in_pos = rom->in_len = 0;
	return n;
}

/* Forgets what was received, hearing it first. */
int rom_drop_input(struct rom *rom)
{
	for (int i = 0; i < DRAIN_READS; i++) {
		int n = rom_fill(rom, 0);

		if (n < 0)
			return n;
		if (n == 0)
			break;
	}
	rom->in_pos = rom->in_len = 0;
	slip_init(&rom->slip, rom->frame, sizeof rom->frame);
	return port_flush(rom->port) < 0 ? rom_port_failed(rom) : 0;
}

/* ---- packets out ---- */

uint32_t rom_transfer_ms(const struct rom *rom, size_t bytes)
{
	uint32_t baud = rom->port->baud ? rom->port->baud : 115200;

	return (uint32_t)((uint64_t)bytes * 10 * 1000 / baud) + 1;
}

static uint32_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = ROM_CHECKSUM_SEED;

	for (size_t i = 0; i < len; i++)
		sum ^= data[i];
	return sum;
}

/* direction 0, op, size, checksum, payload words, data. Returns the length. */
static size_t build_packet(uint8_t *p, const struct rom_request *req)
{
	const struct rom_command *c = rom_command_find(req->op);
	bool summed = req->checksum || (c && c->has_data);
	size_t payload = 4 * req->n_words + req->len;

	p[0] = 0;
	p[1] = req->op;
	put_le16(p + 2, (uint16_t)payload);
	put_le32(p + 4, summed ? checksum(req->data, req->len) : 0);
	for (size_t i = 0; i < req->n_words; i++)
		put_le32(p + ROM_HEAD + 4 * i, req->words[i]);
	if (req->len)
		memcpy(p + ROM_HEAD + 4 * req->n_words, req->data, req->len);
	return ROM_HEAD + payload;
}

int rom_write_wire(struct rom *rom, const uint8_t *bytes, size_t len)
{
	if (port_write(rom->port, bytes, len, 2000 + 2 * rom_transfer_ms(rom, len)) < 0)
		return rom_port_failed(rom);
	return (int)len;
}

/* Leaves the frame in rom->wire; returns its length. */
static int encode(struct rom *rom, const struct rom_request *req)
{
	size_t max = rom->is_stub ? ROM_PAYLOAD_MAX : ROM_BLOCK_MAX + 16;
	char name[16];

	if (req->n_words > ROM_WORDS_MAX || req->len > max - 4 * req->n_words)
		return esp_fail(&rom->err, ESP_E_TOOBIG, "%s: %zu bytes do not fit a packet",
				op_name(req->op, name), req->len);
	return slip_encode(rom->wire, sizeof rom->wire, rom->packet,
			   build_packet(rom->packet, req));
}

int rom_transmit(struct rom *rom, const struct rom_request *req)
{
	int n = encode(rom, req);

	return n < 0 ? n : rom_write_wire(rom, rom->wire, (size_t)n);
}

int rom_send_frame(struct rom *rom, const void *bytes, size_t len)
{
	int n = slip_encode(rom->wire, sizeof rom->wire, bytes, len);

	if (n < 0)
		return esp_fail(&rom->err, ESP_E_TOOBIG, "%zu bytes do not fit a frame", len);
	return rom_write_wire(rom, rom->wire, (size_t)n);
}

int rom_send(struct rom *rom, const struct rom_request *req)
{
	int rc = rom->out_of_step ? rom_resync(rom) : 0;

	return rc < 0 ? rc : rom_transmit(rom, req);
}

/* ---- request and reply ---- */

uint32_t rom_timeout_ms(const struct rom *rom, const struct rom_request *req)
{
	const struct rom_command *c = rom_command_find(req->op);
	size_t bytes = slip_encoded_max(ROM_HEAD + 4 * req->n_words + req->len) +
		       slip_encoded_max(ROM_REPLY_MAX);
	uint32_t ms = req->timeout_ms;

	if (ms == 0)
		ms = c ? c->base_ms + (c->work_ms ? c->work_ms(req->words) : 0) : 3000;
	return ms + rom_transfer_ms(rom, bytes);
}

/* The ROM answers a command that it does not have with "message malformed" and
 * the op of the last command that it did have. */
static bool says_unknown(const struct rom_request *req, const struct rom_reply *reply)
{
	return !rom_command_find(req->op) && reply->op != req->op &&
	       reply->status != 0 && reply->error == 0x05;
}

/* ... and if that was SYNC, eight times. */
static int drop_repeats(struct rom *rom, uint8_t op)
{
	uint64_t deadline_us = rom_deadline(rom, ROM_SYNC_WAIT_MS);
	struct rom_reply extra;
	int rc = 0;

	if (op != ROM_SYNC)
		return 0;
	for (int i = 1; i < ROM_SYNC_COUNT && rc == 0; i++)
		rc = rom_next_reply(rom, deadline_us, &extra);
	return rc == ESP_E_TIMEOUT ? 0 : rc;
}

static int refused(struct rom *rom, const struct rom_request *req, const struct rom_reply *reply)
{
	char name[16];

	rom->refusal = reply->error;
	if (says_unknown(req, reply))
		return esp_fail(&rom->err, ESP_E_REFUSED, "the loader does not have %s",
				op_name(req->op, name));
	if (reply->status != 1)		/* a stub's own code */
		return esp_fail(&rom->err, ESP_E_REFUSED, "%s refused: status %02x",
				op_name(req->op, name), reply->status);
	return esp_fail(&rom->err, ESP_E_REFUSED, "%s refused: %s (%02x)",
			op_name(req->op, name), rom_error_text(reply->error), reply->error);
}

int rom_timed_out(struct rom *rom, const struct rom_request *req, uint32_t ms)
{
	char name[16];

	rom->out_of_step = true;
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer within %u ms",
			op_name(req->op, name), ms);
}

int rom_receive(struct rom *rom, const struct rom_request *req, struct rom_reply *reply)
{
	uint32_t ms = rom_timeout_ms(rom, req);
	uint64_t deadline_us = rom_deadline(rom, ms);
	struct rom_reply scratch;
	int rc;

	if (!reply)
		reply = &scratch;
	do {
		rc = rom_next_reply(rom, deadline_us, reply);
		if (rc == ESP_E_TIMEOUT)
			return rom_timed_out(rom, req, ms);
		if (rc < 0)
			return rc;
		if (says_unknown(req, reply)) {
			rc = drop_repeats(rom, reply->op);
			return rc < 0 ? rc : refused(rom, req, reply);
		}
	} while (reply->op != req->op);
	return reply->status ? refused(rom, req, reply) : 0;
}

int rom_command(struct rom *rom, const struct rom_request *req, struct rom_reply *reply)
{
	int rc = rom_send(rom, req);

	return rc < 0 ? rc : rom_receive(rom, req, reply);
}

/* ---- rows of short commands ---- */

enum { ROW_MAX = 32 };	/* more commands than fit in the ring: the shortest has 10 bytes */

struct in_flight {
	uint8_t op[ROW_MAX];
	uint16_t bytes[ROW_MAX];
	size_t first, n, total;
	uint8_t next_op;		/* encoded, and waits for room ... */
	size_t next_bytes;		/* ... when not 0 */
};

static int row_encode(struct rom *rom, const struct rom_row *row, size_t i, struct in_flight *f)
{
	struct rom_request req = { 0 };
	int n;

	row->ask(row->ctx, i, &req);
	n = encode(rom, &req);
	if (n < 0)
		return n;
	f->next_op = req.op;
	f->next_bytes = (size_t)n;
	return 0;
}

/* A stub has no such ring, but room for one or two packets. */
static bool row_has_room(const struct rom *rom, const struct in_flight *f)
{
	return f->n == 0 || (!rom->is_stub && f->n < ROW_MAX &&
			     f->total + f->next_bytes <= ROM_RING);
}

static int row_send(struct rom *rom, struct in_flight *f)
{
	size_t slot = (f->first + f->n) % ROW_MAX;

	f->op[slot] = f->next_op;
	f->bytes[slot] = (uint16_t)f->next_bytes;
	f->total += f->next_bytes;
	f->n++;
	f->next_bytes = 0;
	return rom_write_wire(rom, rom->wire, f->bytes[slot]);
}

static bool row_expects(const struct in_flight *f, uint8_t op)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->op[(f->first + i) % ROW_MAX] == op)
			return true;
	return false;
}

/* The next reply to anything that is in flight; stale ones are dropped. */
static int row_reply(struct rom *rom, const struct in_flight *f, struct rom_reply *reply)
{
	struct rom_request req = { .op = f->op[f->first] };
	uint32_t ms = rom_timeout_ms(rom, &req) + rom_transfer_ms(rom, f->total);
	uint64_t deadline_us = rom_deadline(rom, ms);
	int rc;

	do
		rc = rom_next_reply(rom, deadline_us, reply);
	while (rc == 0 && !row_expects(f, reply->op));
	if (rc == ESP_E_TIMEOUT)
		return rom_timed_out(rom, &req, ms);
	if (rc == 0 && reply->op != req.op)
		return esp_fail(&rom->err, ESP_E_PROTO, "answers are out of step: "
				"expected %02x, got %02x", req.op, reply->op);
	if (rc == 0 && reply->status)
		return refused(rom, &req, reply);
	return rc;
}

static int row_receive(struct rom *rom, const struct rom_row *row, size_t i, struct in_flight *f)
{
	struct rom_reply reply;
	int rc = row_reply(rom, f, &reply);

	if (rc < 0)
		return rc;
	f->total -= f->bytes[f->first];
	f->first = (f->first + 1) % ROW_MAX;
	f->n--;
	if (row->answer)
		row->answer(row->ctx, i, &reply);
	return 0;
}

/* The ROM's interrupt handler puts each byte into a ring of 256 that does not
 * notice when it runs over, so no more than 255 may be under way unanswered:
 * then the ROM may be as slow as it likes. That is 18 READ_REGs, 24 ms at
 * 115200 baud, enough to keep the line busy over a USB bridge's 16 ms. A packet
 * longer than the ring is fine when alone: the ring is emptied while it comes. */
int rom_run_row(struct rom *rom, const struct rom_row *row)
{
	struct in_flight f = { .n = 0 };
	size_t asked = 0, got = 0;
	int rc = rom->out_of_step ? rom_resync(rom) : 0;

	while (rc >= 0 && got < row->n) {
		if (f.next_bytes == 0 && asked < row->n)
			rc = row_encode(rom, row, asked++, &f);
		else if (f.next_bytes > 0 && row_has_room(rom, &f))
			rc = row_send(rom, &f);
		else
			rc = row_receive(rom, row, got++, &f);
	}
	if (rc < 0 && f.n > 0)
		rom->out_of_step = true;	/* the others' answers may still come */
	return rc < 0 ? rc : 0;
}
