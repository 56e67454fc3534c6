#include "rom.h"

#include "../bytes.h"

#include <stdio.h>
#include <string.h>

enum {
	SECTOR_BYTES = 4096,
	SECTORS_PER_BLOCK = 16,
	SYNC_WAIT_MS = 100,
	RUN_WAIT_MS = 200,		/* for an answer that may never come */
	QUIET_MS = 50,			/* longer than any USB bridge holds bytes back */
	TRIES = 3,			/* of what may safely be repeated */
	SYNCS_PER_RESET = 5,
	DEFAULT_RESETS = 8,
	DRAIN_READS = 16,
	NOISE_MAX = 1 << 24,		/* bytes looked at while waiting for one answer */
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
	  true, 3000, NULL },
	{ ROM_FLASH_END, "FLASH_END", WORDS(1, "stay"), false, 1000, NULL },
	{ ROM_MEM_BEGIN, "MEM_BEGIN", WORDS(4, "size", "blocks", "block_size", "addr"),
	  false, 1000, NULL },
	{ ROM_MEM_END, "MEM_END", WORDS(2, "stay", "entry"), false, 1000, NULL },
	{ ROM_MEM_DATA, "MEM_DATA", WORDS(4, "length", "seq", "zero", "zero"),
	  true, 1000, NULL },
	{ ROM_SYNC, "SYNC", WORDS(1, "mark"), false, SYNC_WAIT_MS, NULL },
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

/* ---- bytes in ---- */

void rom_init(struct rom *rom, struct port *port)
{
	memset(rom, 0, sizeof *rom);
	rom->port = port;
	slip_init(&rom->slip, rom->frame, sizeof rom->frame);
}

static int port_failed(struct rom *rom)
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
static int fill(struct rom *rom, uint32_t timeout_ms)
{
	int n = port_read(rom->port, rom->in, sizeof rom->in, timeout_ms);

	rom->in_pos = rom->in_len = 0;
	if (n < 0)
		return port_failed(rom);
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
		n = fill(rom, (uint32_t)((deadline_us - now + 999) / 1000));
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

/* Waits for any well-formed reply. Noise is counted and skipped, but neither
 * longer than the deadline nor without end. */
static int next_reply(struct rom *rom, uint64_t deadline_us, struct rom_reply *reply)
{
	for (uint32_t looked_at = 0; looked_at < NOISE_MAX; looked_at++) {
		int rc;

		if (rom->in_pos == rom->in_len) {
			rc = fill_until(rom, deadline_us);
			if (rc < 0)
				return rc;
		}
		rc = slip_feed(&rom->slip, rom->in[rom->in_pos++]);
		if (rc > 0 && parse_reply(rom->frame, rom->slip.len, reply))
			return 0;
		if (rc != 0)
			rom->bad_frames++;
	}
	return ESP_E_TIMEOUT;
}

static uint64_t deadline_in(struct rom *rom, uint32_t ms)
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
static int drop_input(struct rom *rom)
{
	for (int i = 0; i < DRAIN_READS; i++) {
		int n = fill(rom, 0);

		if (n < 0)
			return n;
		if (n == 0)
			break;
	}
	rom->in_pos = rom->in_len = 0;
	slip_init(&rom->slip, rom->frame, sizeof rom->frame);
	return port_flush(rom->port) < 0 ? port_failed(rom) : 0;
}

/* ---- packets out ---- */

static uint32_t transfer_ms(const struct rom *rom, size_t bytes)
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

static int write_wire(struct rom *rom, const uint8_t *bytes, size_t len)
{
	if (port_write(rom->port, bytes, len, 2000 + 2 * transfer_ms(rom, len)) < 0)
		return port_failed(rom);
	return (int)len;
}

/* Puts req on the wire, whatever state we are in. */
static int transmit(struct rom *rom, const struct rom_request *req)
{
	char name[16];
	int n;

	if (req->n_words > ROM_WORDS_MAX || req->len > ROM_PAYLOAD_MAX - 4 * req->n_words)
		return esp_fail(&rom->err, ESP_E_TOOBIG, "%s: %zu bytes do not fit a packet",
				op_name(req->op, name), req->len);
	n = slip_encode(rom->wire, sizeof rom->wire, rom->packet, build_packet(rom->packet, req));
	return n < 0 ? n : write_wire(rom, rom->wire, (size_t)n);
}

int rom_send(struct rom *rom, const struct rom_request *req)
{
	int rc = rom->out_of_step ? rom_resync(rom) : 0;

	return rc < 0 ? rc : transmit(rom, req);
}

/* ---- request and reply ---- */

static uint32_t timeout_ms(const struct rom *rom, const struct rom_request *req)
{
	const struct rom_command *c = rom_command_find(req->op);
	size_t bytes = slip_encoded_max(ROM_HEAD + 4 * req->n_words + req->len) +
		       slip_encoded_max(ROM_REPLY_MAX);
	uint32_t ms = req->timeout_ms;

	if (ms == 0)
		ms = c ? c->base_ms + (c->work_ms ? c->work_ms(req->words) : 0) : 3000;
	return ms + transfer_ms(rom, bytes);
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
	uint64_t deadline_us = deadline_in(rom, SYNC_WAIT_MS);
	struct rom_reply extra;
	int rc = 0;

	if (op != ROM_SYNC)
		return 0;
	for (int i = 1; i < ROM_SYNC_COUNT && rc == 0; i++)
		rc = next_reply(rom, deadline_us, &extra);
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

static int timed_out(struct rom *rom, const struct rom_request *req, uint32_t ms)
{
	char name[16];

	rom->out_of_step = true;
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer within %u ms",
			op_name(req->op, name), ms);
}

int rom_receive(struct rom *rom, const struct rom_request *req, struct rom_reply *reply)
{
	uint32_t ms = timeout_ms(rom, req);
	uint64_t deadline_us = deadline_in(rom, ms);
	struct rom_reply scratch;
	int rc;

	if (!reply)
		reply = &scratch;
	do {
		rc = next_reply(rom, deadline_us, reply);
		if (rc == ESP_E_TIMEOUT)
			return timed_out(rom, req, ms);
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
};

static int row_send(struct rom *rom, const struct rom_row *row, size_t i, struct in_flight *f)
{
	struct rom_request req = { 0 };
	size_t slot = (f->first + f->n) % ROW_MAX;
	int n;

	row->ask(row->ctx, i, &req);
	n = transmit(rom, &req);
	if (n < 0)
		return n;
	f->op[slot] = req.op;
	f->bytes[slot] = (uint16_t)n;
	f->total += (size_t)n;
	f->n++;
	return 0;
}

static size_t row_bytes(struct rom *rom, const struct rom_row *row, size_t i)
{
	struct rom_request req = { 0 };
	int n;

	row->ask(row->ctx, i, &req);
	if (req.n_words > ROM_WORDS_MAX || req.len > ROM_PAYLOAD_MAX - 4 * req.n_words)
		return ROM_RING;
	n = slip_encode(rom->wire, sizeof rom->wire, rom->packet, build_packet(rom->packet, &req));
	return n < 0 ? ROM_RING : (size_t)n;
}

static int row_receive(struct rom *rom, const struct rom_row *row, size_t i, struct in_flight *f)
{
	struct rom_request req = { .op = f->op[f->first] };
	uint32_t ms = timeout_ms(rom, &req) + transfer_ms(rom, f->total);
	struct rom_reply reply;
	int rc = next_reply(rom, deadline_in(rom, ms), &reply);

	if (rc == ESP_E_TIMEOUT)
		return timed_out(rom, &req, ms);
	if (rc < 0)
		return rc;
	if (reply.op != req.op)
		return esp_fail(&rom->err, ESP_E_PROTO, "answers are out of step: "
				"expected %02x, got %02x", req.op, reply.op);
	if (reply.status)
		return refused(rom, &req, &reply);
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
	size_t sent = 0, got = 0;
	int rc = rom->out_of_step ? rom_resync(rom) : 0;

	while (rc >= 0 && got < row->n) {
		bool fits = sent < row->n && f.n < ROW_MAX &&
			    (f.n == 0 || f.total + row_bytes(rom, row, sent) <= ROM_RING);

		rc = fits ? row_send(rom, row, sent++, &f) : row_receive(rom, row, got++, &f);
	}
	if (rc < 0 && f.n > 0)
		rom->out_of_step = true;	/* the others' answers may still come */
	return rc < 0 ? rc : 0;
}

/* ---- connecting ---- */

/* Counts the rest of the answers to a SYNC, by value. */
static int more_sync_replies(struct rom *rom, int *zeros)
{
	int n = 0, rc = 0;

	while (n < ROM_SYNC_COUNT - 1 && rc == 0) {
		struct rom_reply reply;

		rc = next_reply(rom, deadline_in(rom, SYNC_WAIT_MS), &reply);
		if (rc < 0)
			break;
		n++;
		if (reply.op == ROM_SYNC && reply.value == 0)
			(*zeros)++;
	}
	return rc == ESP_E_TIMEOUT || rc == 0 ? n : rc;
}

static int first_sync_reply(struct rom *rom, uint32_t ms, struct rom_reply *reply)
{
	uint64_t deadline_us = deadline_in(rom, ms);
	int rc;

	do
		rc = next_reply(rom, deadline_us, reply);
	while (rc == 0 && (reply->op != ROM_SYNC || reply->status != 0));
	return rc;
}

int rom_sync(struct rom *rom)
{
	uint8_t pattern[32];
	struct rom_request req = { .op = ROM_SYNC, .n_words = 1, .words = { ROM_SYNC_VALUE },
				   .data = pattern, .len = sizeof pattern };
	uint32_t ms = timeout_ms(rom, &req);
	struct rom_reply reply;
	int rc, zeros;

	memset(pattern, 0x55, sizeof pattern);
	rc = drop_input(rom);
	if (rc >= 0)
		rc = transmit(rom, &req);
	if (rc >= 0)
		rc = first_sync_reply(rom, ms, &reply);
	if (rc == ESP_E_TIMEOUT)
		return timed_out(rom, &req, ms);
	if (rc < 0)
		return rc;
	zeros = reply.value == 0;
	rc = more_sync_replies(rom, &zeros);
	if (rc < 0)
		return rc;
	rom->sync_value = reply.value;
	rom->is_stub = 2 * zeros > rc + 1;	/* one reply may be damaged */
	rom->out_of_step = false;
	return 0;
}

static int wait_quiet(struct rom *rom)
{
	uint64_t deadline_us = deadline_in(rom, 10 * QUIET_MS);
	int n = 1;

	for (uint32_t i = 0; n > 0 && i < NOISE_MAX && port_now_us(rom->port) < deadline_us; i++)
		n = fill(rom, QUIET_MS);
	return n < 0 ? n : 0;
}

/* SYNC is the fence: once it is answered, all that was sent before is done. */
int rom_resync(struct rom *rom)
{
	static const uint8_t ends[] = { SLIP_END, SLIP_END };
	int rc = write_wire(rom, ends, sizeof ends);

	if (rc >= 0)
		rc = wait_quiet(rom);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TRIES; i++) {
		rc = rom_sync(rom);
		if (rc != ESP_E_TIMEOUT)
			break;
	}
	return rc;
}

/* The ROM measures the rate once per reset, from the shortest pulses that it
 * sees first, and then throws away what it received: so give it something good
 * to measure that is no loss. */
static int offer_rate(struct rom *rom)
{
	static const uint8_t ruler[] = { 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55 };
	int rc = write_wire(rom, ruler, sizeof ruler);

	if (rc < 0)
		return rc;
	if (port_drain(rom->port, 100 + transfer_ms(rom, sizeof ruler)) < 0 ||
	    port_sleep(rom->port, 5) < 0)
		return port_failed(rom);
	return 0;
}

static int reset_and_sync(struct rom *rom, const struct reset_sequence *s, unsigned flags)
{
	int rc;

	rom->flash_attached = false;
	rom->flash_size = 0;
	if (s && reset_run(rom->port, s->steps, s->n, flags) < 0)
		return port_failed(rom);
	rc = offer_rate(rom);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SYNCS_PER_RESET; i++) {
		rc = rom_sync(rom);
		if (rc != ESP_E_TIMEOUT)
			break;
	}
	return rc;
}

/* The n-th attempt: which sequence, and how. */
static unsigned choose(const struct rom_connect *how, unsigned n, size_t *sequence)
{
	unsigned ways = how->try_inverted ? 4 : 2;
	unsigned flags = (n & 1 ? RESET_SLOW : 0) |
			 (how->try_inverted && (n & 2) ? RESET_INVERTED : 0);

	*sequence = how->n_sequences ? n / ways % how->n_sequences : 0;
	return flags;
}

static bool heard_own_bytes(const struct rom *rom)
{
	static const uint8_t part[] = { 0x07, 0x07, 0x12, 0x20, 0x55, 0x55, 0x55, 0x55 };

	return memmem(rom->heard, rom->heard_len, part, sizeof part) != NULL;
}

static int nobody_there(struct rom *rom, unsigned attempts)
{
	rom->heard_echo = heard_own_bytes(rom);
	if (rom->heard_total == 0)
		return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer from the chip's loader "
				"in %u attempts: nothing at all was heard",
				rom->port->name, attempts);
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer from the chip's loader in %u "
			"attempts: heard %llu bytes, %s", rom->port->name, attempts,
			(unsigned long long)rom->heard_total,
			rom->heard_echo ? "our own among them" : "but no reply");
}

int rom_connect(struct rom *rom, const struct rom_connect *how)
{
	unsigned attempts = how->attempts ? how->attempts : DEFAULT_RESETS;
	int rc = ESP_E_TIMEOUT;

	rom->heard_len = 0;
	rom->heard_total = 0;
	rom->heard_echo = false;
	rom->listening = true;
	for (unsigned n = 0; n < attempts && rc == ESP_E_TIMEOUT; n++) {
		size_t sequence;
		unsigned flags = choose(how, n, &sequence);

		rc = reset_and_sync(rom, how->n_sequences ? &how->sequences[sequence] : NULL,
				    flags);
		rom->used_sequence = sequence;
		rom->used_flags = flags;
	}
	rom->listening = false;
	return rc == ESP_E_TIMEOUT ? nobody_there(rom, attempts) : rc;
}

/* ---- changing the rate ---- */

static int set_port_baud(struct rom *rom, uint32_t baud)
{
	/* Bridges report "drained" while the last bytes are still in them. */
	if (port_drain(rom->port, 1000) < 0 || port_sleep(rom->port, 5) < 0 ||
	    port_set_baud(rom->port, baud) < 0 || port_sleep(rom->port, 20) < 0)
		return port_failed(rom);
	return 0;
}

static bool has_divisor(struct rom *rom, uint32_t divisor)
{
	uint32_t value;

	rom->out_of_step = true;	/* a reply at the wrong rate may be in the air */
	return rom_read_reg(rom, ROM_UART_CLKDIV, &value) == 0 && (value & 0xFFFFF) == divisor;
}

static int baud_failed(struct rom *rom, uint32_t old_baud, uint32_t baud, uint32_t old_divisor)
{
	int rc = set_port_baud(rom, old_baud);

	if (rc < 0)
		return rc;
	if (has_divisor(rom, old_divisor))
		return esp_fail(&rom->err, ESP_E_TIMEOUT, "no answer at %u baud; staying at %u",
				baud, old_baud);
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "no answer at %u baud, nor at %u any more: "
			"the chip needs a reset", baud, old_baud);
}

/* The divisor is in UART clocks per bit, whatever the crystal, so the new one
 * follows from the old. The register changes before the reply is sent, so that
 * reply comes at the new rate and is not waited for. */
int rom_change_baud(struct rom *rom, uint32_t baud)
{
	uint32_t old_baud = rom->port->baud, old, divisor;
	uint8_t record[16] = { 0 };
	struct rom_request req = { .op = ROM_WRITE_REG, .data = record, .len = sizeof record };
	int rc;

	if (baud == 0 || baud > PORT_MAX_BAUD)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "cannot do %u baud", baud);
	rc = rom_read_reg(rom, ROM_UART_CLKDIV, &old);
	if (rc < 0)
		return rc;
	old &= 0xFFFFF;
	divisor = (uint32_t)(((uint64_t)old * old_baud + baud / 2) / baud);
	if (divisor == 0 || divisor > 0xFFFFF)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "the chip cannot do %u baud", baud);
	put_le32(record, ROM_UART_CLKDIV);
	put_le32(record + 4, divisor);
	put_le32(record + 8, 0xFFFFF);
	rc = rom_send(rom, &req);
	if (rc >= 0)
		rc = set_port_baud(rom, baud);
	if (rc < 0)
		return rc;
	return has_divisor(rom, divisor) ? 0 : baud_failed(rom, old_baud, baud, old);
}

/* ---- registers ---- */

static bool worth_repeating(int rc)
{
	return rc == ESP_E_TIMEOUT || rc == ESP_E_PROTO || rc == ESP_E_REFUSED;
}

/* The ROM takes an exception and hangs on such an address. */
static int check_register(struct rom *rom, uint32_t addr)
{
	if (addr == 0 || addr % 4 != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT,
				"%08x is no register: not a multiple of 4, or 0", addr);
	return 0;
}

struct reg_list {
	const uint32_t *addrs;
	uint32_t *values;
};

static void ask_reg(void *ctx, size_t i, struct rom_request *req)
{
	const struct reg_list *list = ctx;

	req->op = ROM_READ_REG;
	req->n_words = 1;
	req->words[0] = list->addrs[i];
}

static void take_reg(void *ctx, size_t i, const struct rom_reply *reply)
{
	struct reg_list *list = ctx;

	list->values[i] = reply->value;
}

int rom_read_regs(struct rom *rom, const uint32_t *addrs, uint32_t *values, size_t n)
{
	struct reg_list list = { addrs, values };
	struct rom_row row = { n, ask_reg, take_reg, &list };
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		rc = check_register(rom, addrs[i]);
		if (rc < 0)
			return rc;
	}
	for (int i = 0; i < TRIES; i++) {
		rc = rom_run_row(rom, &row);
		if (!worth_repeating(rc))
			break;
	}
	return rc;
}

int rom_read_reg(struct rom *rom, uint32_t addr, uint32_t *value)
{
	return rom_read_regs(rom, &addr, value, 1);
}

int rom_write_regs(struct rom *rom, const struct rom_record *records, size_t n)
{
	uint8_t payload[16 * ROM_RECORDS_MAX];
	struct rom_request req = { .op = ROM_WRITE_REG, .data = payload, .len = 16 * n,
				   .timeout_ms = 1000 };
	int rc = 0;

	if (n == 0 || n > ROM_RECORDS_MAX)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "1 to %d registers in one packet",
				ROM_RECORDS_MAX);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		put_le32(payload + 16 * i, records[i].addr);
		put_le32(payload + 16 * i + 4, records[i].value);
		put_le32(payload + 16 * i + 8, records[i].mask);
		put_le32(payload + 16 * i + 12, records[i].delay_us);
		/* 80 cycles per us at 52 MHz */
		req.timeout_ms += (records[i].delay_us & 0xFFFF) * 2 / 1000;
		rc = check_register(rom, records[i].addr);
	}
	return rc < 0 ? rc : rom_command(rom, &req, NULL);
}

int rom_write_reg(struct rom *rom, const struct rom_record *record)
{
	return rom_write_regs(rom, record, 1);
}

/* ---- RAM ---- */

int rom_mem_begin(struct rom *rom, uint32_t size, uint32_t blocks, uint32_t block_size,
		  uint32_t addr)
{
	struct rom_request req = { .op = ROM_MEM_BEGIN, .n_words = 4,
				   .words = { size, blocks, block_size, addr } };

	return rom_command(rom, &req, NULL);
}

int rom_mem_data(struct rom *rom, uint32_t seq, const void *data, size_t len)
{
	struct rom_request req = { .op = ROM_MEM_DATA, .n_words = 4,
				   .words = { (uint32_t)len, seq }, .data = data, .len = len };

	return rom_command(rom, &req, NULL);
}

int rom_mem_end(struct rom *rom, bool stay, uint32_t entry)
{
	struct rom_request req = { .op = ROM_MEM_END, .n_words = 2, .words = { stay, entry } };

	return rom_command(rom, &req, NULL);
}

/* Where the loader keeps its packet buffer, data and stack. */
#define LOADER_RAM_START 0x3FFFA000u
#define LOADER_RAM_END 0x40000000u

static int check_ram(struct rom *rom, uint32_t addr, size_t len)
{
	if (addr % 4 != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT,
				"%08x: RAM is loaded at multiples of 4", addr);
	if (len > 0x20000)
		return esp_fail(&rom->err, ESP_E_TOOBIG, "%zu bytes: the chip has less RAM", len);
	if (addr < LOADER_RAM_END && addr + (uint64_t)len > LOADER_RAM_START)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%08x + %zu: the loader itself uses "
				"%08x..%08x", addr, len, LOADER_RAM_START, LOADER_RAM_END - 1);
	return 0;
}

/* One block with a session of its own: after a damaged block the loader's
 * sequence numbers are off, and only a new MEM_BEGIN puts them right. */
static int load_block(struct rom *rom, uint32_t addr, const uint8_t *data, size_t len)
{
	uint8_t tail[4] = { 0 };
	size_t whole = len & ~(size_t)3, part = len - whole;
	uint32_t size = (uint32_t)(whole + (part ? 4 : 0)), seq = 0;
	int rc = rom_mem_begin(rom, size, (whole != 0) + (part != 0), ROM_BLOCK_MAX, addr);

	if (rc >= 0 && whole)
		rc = rom_mem_data(rom, seq++, data, whole);
	if (rc >= 0 && part) {	/* there are no byte stores to instruction RAM */
		memcpy(tail, data + whole, part);
		rc = rom_mem_data(rom, seq, tail, sizeof tail);
	}
	return rc;
}

int rom_load_ram(struct rom *rom, uint32_t addr, const void *data, size_t len)
{
	const uint8_t *p = data;
	int rc = check_ram(rom, addr, len);

	for (size_t done = 0; rc >= 0 && done < len; done += ROM_BLOCK_MAX) {
		size_t n = len - done < ROM_BLOCK_MAX ? len - done : ROM_BLOCK_MAX;

		for (int i = 0; i < TRIES; i++) {
			rc = load_block(rom, addr + (uint32_t)done, p + done, n);
			if (!worth_repeating(rc))
				break;
		}
	}
	return rc < 0 ? rc : 0;
}

int rom_run(struct rom *rom, uint32_t entry)
{
	struct rom_request req = { .op = ROM_MEM_END, .n_words = 2, .words = { 0, entry },
				   .timeout_ms = RUN_WAIT_MS };
	int rc = rom_command(rom, &req, NULL);

	if (rc != ESP_E_TIMEOUT)
		return rc;
	rom->out_of_step = false;	/* the loader is gone: nothing to be in step with */
	return 0;
}

/* ---- flash ---- */

int rom_flash_params(struct rom *rom, uint32_t flash_size)
{
	struct rom_request req = { .op = ROM_SPI_SET_PARAMS, .n_words = 6,
				   .words = { 0, flash_size, 0x10000, 0x1000, 0x100, 0xFFFF } };
	int rc = rom_command(rom, &req, NULL);

	if (rc >= 0)
		rom->flash_size = flash_size;
	return rc;
}

int rom_flash_begin(struct rom *rom, uint32_t erase_size, uint32_t blocks,
		    uint32_t block_size, uint32_t offset)
{
	struct rom_request req = { .op = ROM_FLASH_BEGIN, .n_words = 4,
				   .words = { erase_size, blocks, block_size, offset } };
	int rc = rom_command(rom, &req, NULL);

	if (rc >= 0)
		rom->flash_attached = true;
	return rc;
}

int rom_flash_data(struct rom *rom, uint32_t seq, const void *data, size_t len)
{
	struct rom_request req = { .op = ROM_FLASH_DATA, .n_words = 4,
				   .words = { (uint32_t)len, seq }, .data = data, .len = len };

	return rom_command(rom, &req, NULL);
}

/* FLASH_END always leaves the loader. When the counts match what FLASH_BEGIN
 * announced it also write-protects the chip; so announce a block that never
 * comes: the ROM then answers "operation failed" (06), and does not lock. */
int rom_boot_flash(struct rom *rom)
{
	struct rom_request end = { .op = ROM_FLASH_END, .n_words = 1, .words = { 0 } };
	struct rom_reply reply = { .status = 0 };
	int rc = rom_flash_begin(rom, 0, 1, 0x400, 0);

	if (rc < 0)
		return rc;
	rc = rom_command(rom, &end, &reply);
	if (rc == ESP_E_REFUSED && reply.status == 1 && reply.error == 0x06)
		rc = 0;
	rom->out_of_step = false;
	rom->flash_attached = false;
	return rc;
}
