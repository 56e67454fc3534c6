#include "spi.h"

#include "../bytes.h"

#include <string.h>

/* SPI0, the controller that the flash chip hangs on. */
enum {
	SPI_CMD = 0x60000200, SPI_ADDR = 0x60000204,
	SPI_USER = 0x6000021C, SPI_USER1 = 0x60000220, SPI_USER2 = 0x60000224,
	SPI_W0 = 0x60000240,
};

#define CMD_USR (1u << 18)	/* starts a transaction; clears itself at its end */
#define USER_COMMAND (1u << 31)
#define USER_ADDR (1u << 30)
#define USER_DUMMY (1u << 29)
#define USER_MISO (1u << 28)
#define USER_MOSI (1u << 27)
#define ALL_BITS 0xFFFFFFFFu

enum {
	TRIES = 3,
	WORDS_PER_BUFFER = SPI_DATA_MAX / 4,
	RECORD = 16,
	IDLE_POLL_MS = 5,
	ERASE_SECTOR_MS = 3000,		/* data sheets: 400 ms at most */
	WRITE_STATUS_MS = 1000,
};

int spi_attach(struct rom *rom)
{
	int rc = 0;

	for (int i = 0; i < TRIES && !rom->flash_attached; i++) {
		rc = rom_flash_begin(rom, 0, 0, 0x400, 0);
		if (rc < 0 && !rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

/* ---- WRITE_REG packets, built by hand because they travel in rows ---- */

struct records {
	uint8_t bytes[RECORD * (WORDS_PER_BUFFER + 5)];
	size_t len;
};

static void add_masked(struct records *r, uint32_t addr, uint32_t value, uint32_t mask)
{
	put_le32(r->bytes + r->len, addr);
	put_le32(r->bytes + r->len + 4, value);
	put_le32(r->bytes + r->len + 8, mask);
	put_le32(r->bytes + r->len + 12, 0);
	r->len += RECORD;
}

static void add(struct records *r, uint32_t addr, uint32_t value)
{
	add_masked(r, addr, value, ALL_BITS);
}

/* The mask keeps a damaged value from starting one of the controller's other
 * commands: chip erase is a bit of the same register. */
static void add_start(struct records *r)
{
	add_masked(r, SPI_CMD, CMD_USR, CMD_USR);
}

static void ask_records(struct rom_request *req, const struct records *r)
{
	req->op = ROM_WRITE_REG;
	req->data = r->bytes;
	req->len = r->len;
}

static void ask_register(struct rom_request *req, uint32_t addr)
{
	req->op = ROM_READ_REG;
	req->n_words = 1;
	req->words[0] = addr;
}

/* Not for records that start something: it may happen twice. */
static int write_records(struct rom *rom, const struct records *r)
{
	struct rom_request req = { 0 };
	int rc = 0;

	ask_records(&req, r);
	for (int i = 0; i < TRIES; i++) {
		rc = rom_command(rom, &req, NULL);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

/* ---- the controller's user registers, saved and put back ---- */

static const uint32_t user_registers[3] = { SPI_USER, SPI_USER1, SPI_USER2 };

struct saved {
	uint32_t value[3];
};

static int save(struct rom *rom, struct saved *s)
{
	int rc = spi_attach(rom);

	return rc < 0 ? rc : rom_read_regs(rom, user_registers, s->value, 3);
}

static void add_saved(struct records *r, const struct saved *s)
{
	for (int i = 0; i < 3; i++)
		add(r, user_registers[i], s->value[i]);
}

/* After a failure: the text of the failure is worth more than that of this. */
static void put_back(struct rom *rom, const struct saved *s, int rc)
{
	struct esp_error err = rom->err;
	struct records r = { .len = 0 };

	if (!rom_may_help_to_repeat(rc))
		return;
	add_saved(&r, s);
	if (write_records(rom, &r) < 0)
		rom->err = err;
}

static uint32_t bits_minus_1(size_t bits)
{
	return bits ? (uint32_t)bits - 1 : 0;
}

static void add_shape(struct records *r, const struct spi_transaction *t)
{
	add(r, SPI_USER, USER_COMMAND | (t->addr_bits ? USER_ADDR : 0) |
	    (t->dummy_bits ? USER_DUMMY : 0) | (t->in_len ? USER_MISO : 0) |
	    (t->out_len ? USER_MOSI : 0));
	add(r, SPI_USER1, bits_minus_1(t->addr_bits) << 26 | bits_minus_1(8 * t->out_len) << 17 |
	    bits_minus_1(8 * t->in_len) << 8 | bits_minus_1(t->dummy_bits));
	add(r, SPI_USER2, 7u << 28 | t->opcode);
}

/* ---- one transaction ---- */

static int check(struct rom *rom, const struct spi_transaction *t)
{
	if (t->in_len > SPI_DATA_MAX || t->out_len > SPI_DATA_MAX)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "an SPI transaction has at most %d bytes",
				SPI_DATA_MAX);
	if (t->in_len && t->out_len)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "an SPI transaction sends or receives");
	if (t->addr_bits > 32 || t->addr_bits % 8 != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "an SPI address has 0, 8 ... 32 bits");
	if (t->dummy_bits > 256)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "at most 256 dummy bits");
	return 0;
}

struct one {
	struct records start, restore;
	size_t n_words;			/* to read back */
	uint32_t cmd;
	uint32_t words[WORDS_PER_BUFFER];
};

/* WRITE_REG everything; READ_REG CMD; READ_REG the data; WRITE_REG the rest back */
static void ask_one(void *ctx, size_t i, struct rom_request *req)
{
	const struct one *o = ctx;

	if (i == 0)
		ask_records(req, &o->start);
	else if (i == 1)
		ask_register(req, SPI_CMD);
	else if (i < 2 + o->n_words)
		ask_register(req, SPI_W0 + 4 * (uint32_t)(i - 2));
	else
		ask_records(req, &o->restore);
}

static void take_one(void *ctx, size_t i, const struct rom_reply *reply)
{
	struct one *o = ctx;

	if (i == 1)
		o->cmd = reply->value;
	else if (i >= 2 && i < 2 + o->n_words)
		o->words[i - 2] = reply->value;
}

static void add_transaction(struct records *r, const struct spi_transaction *t)
{
	uint8_t padded[SPI_DATA_MAX] = { 0 };

	add_shape(r, t);
	if (t->addr_bits)	/* left-aligned */
		add(r, SPI_ADDR, t->addr << (32 - t->addr_bits));
	if (t->out_len)
		memcpy(padded, t->out, t->out_len);
	for (size_t i = 0; i < t->out_len; i += 4)
		add(r, SPI_W0 + (uint32_t)i, get_le32(padded + i));
}

static void unpack(uint8_t *dst, const uint32_t *words, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
}

/* Writes the records and reads every register back. */
static int write_checked(struct rom *rom, const struct records *r)
{
	uint32_t addrs[WORDS_PER_BUFFER + 5], values[WORDS_PER_BUFFER + 5];
	size_t n = r->len / RECORD;
	int rc = write_records(rom, r);

	for (size_t i = 0; i < n; i++)
		addrs[i] = get_le32(r->bytes + RECORD * i);
	if (rc >= 0)
		rc = rom_read_regs(rom, addrs, values, n);
	for (size_t i = 0; i < n && rc >= 0; i++)
		if (values[i] != get_le32(r->bytes + RECORD * i + 4))
			rc = esp_fail(&rom->err, ESP_E_PROTO, "register %08x does not hold what "
				      "was written", addrs[i]);
	return rc;
}

int spi_command(struct rom *rom, const struct spi_transaction *t)
{
	struct one o = { .n_words = (t->in_len + 3) / 4 };
	struct rom_row row = { 3 + o.n_words, ask_one, take_one, &o };
	struct saved saved;
	int rc = check(rom, t);

	if (rc >= 0)
		rc = save(rom, &saved);
	if (rc < 0)
		return rc;
	add_transaction(&o.start, t);
	add_saved(&o.restore, &saved);
	if (t->checked) {
		rc = write_checked(rom, &o.start);
		o.start.len = 0;
	}
	add_start(&o.start);
	if (rc >= 0)
		rc = rom_run_row(rom, &row);
	if (rc < 0) {
		put_back(rom, &saved, rc);
		return rc;
	}
	if (o.cmd & CMD_USR)
		return esp_fail(&rom->err, ESP_E_FLASH, "SPI command %02x does not end", t->opcode);
	if (t->in_len)
		unpack(t->in, o.words, t->in_len);
	return 0;
}

/* For what may be done twice. */
static int command_repeated(struct rom *rom, const struct spi_transaction *t)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		rc = spi_command(rom, t);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

static int plain(struct rom *rom, uint8_t opcode)
{
	struct spi_transaction t = { .opcode = opcode };

	return command_repeated(rom, &t);
}

/* ---- identity and status ---- */

static int read_id_once(struct rom *rom, uint32_t *id)
{
	uint8_t in[3];
	struct spi_transaction t = { .opcode = SPI_READ_ID, .in = in, .in_len = sizeof in };
	int rc = command_repeated(rom, &t);

	if (rc >= 0)
		*id = in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16;
	return rc;
}

static bool is_answer(uint32_t id)
{
	return id != 0 && id != 0xFFFFFF;
}

/* Out of deep power-down, and out of whatever else by a reset. */
static int wake_up(struct rom *rom)
{
	static const uint8_t ops[] = { SPI_WAKE_UP, SPI_RESET_ENABLE, SPI_RESET };

	for (size_t i = 0; i < sizeof ops; i++) {
		int rc = plain(rom, ops[i]);

		if (rc < 0)
			return rc;
	}
	return port_sleep(rom->port, 1) < 0 ? esp_pass(&rom->err, &rom->port->err) : 0;
}

int spi_read_id(struct rom *rom, uint32_t *id)
{
	int rc = read_id_once(rom, id);

	if (rc >= 0 && !is_answer(*id)) {
		rc = wake_up(rom);
		if (rc >= 0)
			rc = read_id_once(rom, id);
	}
	if (rc >= 0 && !is_answer(*id))
		return esp_fail(&rom->err, ESP_E_FLASH, "no flash chip answers (id %06x)", *id);
	return rc;
}

static int check_status_number(struct rom *rom, int n)
{
	if (n < 1 || n > 3)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "status registers are 1, 2, 3");
	return 0;
}

static int read_status(struct rom *rom, int n, bool checked, uint8_t *value)
{
	static const uint8_t ops[] = { SPI_READ_STATUS1, SPI_READ_STATUS2, SPI_READ_STATUS3 };
	struct spi_transaction t = { .in = value, .in_len = 1, .checked = checked };
	int rc = check_status_number(rom, n);

	if (rc < 0)
		return rc;
	t.opcode = ops[n - 1];
	return command_repeated(rom, &t);
}

int spi_read_status(struct rom *rom, int n, uint8_t *value)
{
	return read_status(rom, n, false, value);
}

int spi_wait_idle(struct rom *rom, uint32_t timeout_ms)
{
	uint64_t deadline_us = port_now_us(rom->port) + (uint64_t)timeout_ms * 1000;

	for (;;) {
		uint8_t status;
		bool late = port_now_us(rom->port) >= deadline_us;
		int rc = spi_read_status(rom, 1, &status);

		if (rc < 0 || !(status & SPI_BUSY))
			return rc;
		if (late)
			return esp_fail(&rom->err, ESP_E_FLASH,
					"the flash chip is still busy after %u ms", timeout_ms);
		if (port_sleep(rom->port, IDLE_POLL_MS) < 0)
			return esp_pass(&rom->err, &rom->port->err);
	}
}

/* The chip's own latch tells whether write enable and then the command itself
 * have reached it: the first sets it, the end of the second clears it. */
static int expect_write_enabled(struct rom *rom, bool enabled)
{
	uint8_t status, want = enabled ? SPI_WRITE_ENABLED : 0;
	int rc = read_status(rom, 1, true, &status);

	/* never busy here: FF, from a damaged status command, proves nothing */
	if (rc >= 0 && (status & (SPI_WRITE_ENABLED | SPI_BUSY)) != want)
		return esp_fail(&rom->err, ESP_E_PROTO, "the flash chip did not take %s",
				enabled ? "write enable" : "the command");
	return rc;
}

static int change_once(struct rom *rom, const struct spi_transaction *t, uint32_t timeout_ms)
{
	struct spi_transaction enable = { .opcode = SPI_WRITE_ENABLE, .checked = true };
	int rc = command_repeated(rom, &enable);

	if (rc >= 0)
		rc = expect_write_enabled(rom, true);
	if (rc >= 0)
		rc = spi_command(rom, t);
	if (rc >= 0)
		rc = spi_wait_idle(rom, timeout_ms);
	return rc < 0 ? rc : expect_write_enabled(rom, false);
}

/* All of it again when something is lost: doing it twice is the same as once. */
static int change(struct rom *rom, const struct spi_transaction *t, uint32_t timeout_ms)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		rc = change_once(rom, t, timeout_ms);
		if (!rom_may_help_to_repeat(rc))
			return rc;
	}
	if (rc == ESP_E_PROTO)
		return esp_fail(&rom->err, ESP_E_FLASH, "the flash chip does not take command %02x",
				t->opcode);
	return rc;
}

int spi_write_status(struct rom *rom, int n, uint8_t value)
{
	static const uint8_t ops[] = { SPI_WRITE_STATUS1, SPI_WRITE_STATUS2, SPI_WRITE_STATUS3 };
	struct spi_transaction t = { .out = &value, .out_len = 1, .checked = true };
	int rc = check_status_number(rom, n);

	if (rc < 0)
		return rc;
	t.opcode = ops[n - 1];
	return change(rom, &t, WRITE_STATUS_MS);
}

int spi_erase_sector(struct rom *rom, uint32_t addr)
{
	struct spi_transaction t = { .opcode = SPI_ERASE_SECTOR, .addr_bits = 24, .addr = addr,
				     .checked = true };

	if (addr % SPI_SECTOR != 0 || addr >= 1u << 24)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x is no sector address", addr);
	return change(rom, &t, ERASE_SECTOR_MS);
}

/* ---- reading ---- */

/* A transaction is 18 commands: WRITE_REG with the address and the start bit
 * (42 or so on the wire), READ_REG of CMD as proof that the
 * transfer has ended, and READ_REG of the 16 words: 280 bytes out for 64 bytes
 * of flash. That is more than the 255 that may be under way, but rom_run_row()
 * slides: the next transaction's first commands are already on the line while
 * the last words of this one come back, so the line out is always busy: 2.6 KB/s
 * at 115200, 21 KB/s at 921600 baud. */
enum { PER_BUFFER = 2 + WORDS_PER_BUFFER };

struct reading {
	uint32_t addr;
	uint8_t *buf;
	size_t len;
	size_t done;		/* bytes of whole transactions */
	size_t base;		/* where this row began */
	bool busy;		/* a transfer was not over when it was looked at */
	struct records start;
};

static void ask_reading(void *ctx, size_t i, struct rom_request *req)
{
	struct reading *r = ctx;
	size_t part = i % PER_BUFFER;
	uint32_t at = r->addr + (uint32_t)(r->base + i / PER_BUFFER * SPI_DATA_MAX);

	if (part >= 2) {
		ask_register(req, SPI_W0 + 4 * (uint32_t)(part - 2));
	} else if (part == 1) {
		ask_register(req, SPI_CMD);
	} else {
		r->start.len = 0;
		add(&r->start, SPI_ADDR, at << 8);
		add_start(&r->start);
		ask_records(req, &r->start);
	}
}

static void take_reading(void *ctx, size_t i, const struct rom_reply *reply)
{
	struct reading *r = ctx;
	size_t part = i % PER_BUFFER;
	size_t at = r->base + i / PER_BUFFER * SPI_DATA_MAX + 4 * (part - 2);
	size_t n;

	if (part == 1)
		r->busy |= (reply->value & CMD_USR) != 0;
	if (part < 2)
		return;
	n = r->len - at < 4 ? r->len - at : 4;
	unpack(r->buf + at, &reply->value, n);
	if (!r->busy && (part == PER_BUFFER - 1 || at + n == r->len))
		r->done = at + n;
}

/* From r->done on: set the controller up, then as far as it goes. */
static int read_on(struct rom *rom, struct reading *r)
{
	struct spi_transaction t = { .opcode = SPI_READ, .addr_bits = 24, .in_len = SPI_DATA_MAX };
	struct rom_row row = { 0, ask_reading, take_reading, r };
	struct records shape = { .len = 0 };
	size_t left = r->len - r->done, tail = left % SPI_DATA_MAX;
	int rc;

	r->base = r->done;
	r->busy = false;
	row.n = left / SPI_DATA_MAX * PER_BUFFER + (tail ? 2 + (tail + 3) / 4 : 0);
	add_shape(&shape, &t);
	rc = write_records(rom, &shape);
	if (rc >= 0)
		rc = rom_run_row(rom, &row);
	if (rc >= 0 && r->busy)
		return esp_fail(&rom->err, ESP_E_PROTO, "a flash read did not end in time");
	return rc;
}

int spi_read_flash(struct rom *rom, uint32_t addr, void *buf, size_t len)
{
	struct reading r = { .addr = addr, .buf = buf, .len = len };
	struct saved saved;
	int rc, failures = 0;

	if (addr > 1u << 24 || len > (1u << 24) - addr)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x + %zu: beyond 16 MiB", addr, len);
	if (len == 0)
		return 0;
	rc = save(rom, &saved);
	if (rc < 0)
		return rc;
	do {
		size_t before = r.done;

		rc = read_on(rom, &r);
		failures = r.done > before ? 1 : failures + 1;
	} while (rom_may_help_to_repeat(rc) && failures < TRIES);
	if (rc >= 0) {
		struct records restore = { .len = 0 };

		add_saved(&restore, &saved);
		rc = write_records(rom, &restore);
	}
	if (rc < 0)
		put_back(rom, &saved, rc);
	return rc;
}
