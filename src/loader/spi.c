#include "spi_impl.h"

#include "../bytes.h"

#include <string.h>

#define USER_COMMAND (1u << 31)
#define USER_ADDR (1u << 30)
#define USER_DUMMY (1u << 29)
#define USER_MISO (1u << 28)
#define USER_MOSI (1u << 27)
#define ALL_BITS 0xFFFFFFFFu

enum { READINGS = 6 };

/* FLASH_BEGIN is sent for nothing but its side effects. */
int spi_attach(struct rom *rom)
{
	int rc = 0;

	if (rom->flash_attached)
		return 0;
	for (int i = 0; i < SPI_TRIES; i++) {
		rc = rom_flash_limit(rom, 0);
		if (rc >= 0)
			rc = rom_flash_begin(rom, 0, 0, 0x400, 0);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

/* ---- WRITE_REG packets ---- */

static void add_masked(struct spi_records *r, uint32_t addr, uint32_t value, uint32_t mask)
{
	put_le32(r->bytes + r->len, addr);
	put_le32(r->bytes + r->len + 4, value);
	put_le32(r->bytes + r->len + 8, mask);
	put_le32(r->bytes + r->len + 12, 0);
	r->len += SPI_RECORD;
}

void spi_add(struct spi_records *r, uint32_t addr, uint32_t value)
{
	add_masked(r, addr, value, ALL_BITS);
}

void spi_add_start(struct spi_records *r, uint32_t cmd)
{
	add_masked(r, SPI_CMD, cmd, cmd);
}

void spi_ask_records(struct rom_request *req, const struct spi_records *r)
{
	req->op = ROM_WRITE_REG;
	req->data = r->bytes;
	req->len = r->len;
}

void spi_ask_register(struct rom_request *req, uint32_t addr)
{
	req->op = ROM_READ_REG;
	req->n_words = 1;
	req->words[0] = addr;
}

int spi_write_records(struct rom *rom, const struct spi_records *r)
{
	struct rom_request req = { 0 };
	int rc = 0;

	spi_ask_records(&req, r);
	for (int i = 0; i < SPI_TRIES; i++) {
		rc = rom_command(rom, &req, NULL);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

int spi_write_checked(struct rom *rom, const struct spi_records *r)
{
	uint32_t addrs[SPI_RECORDS_MAX], values[SPI_RECORDS_MAX];
	size_t n = r->len / SPI_RECORD;
	int rc = spi_write_records(rom, r);

	for (size_t i = 0; i < n; i++)
		addrs[i] = get_le32(r->bytes + SPI_RECORD * i);
	if (rc >= 0)
		rc = rom_read_regs(rom, addrs, values, n);
	for (size_t i = 0; i < n && rc >= 0; i++)
		if (values[i] != get_le32(r->bytes + SPI_RECORD * i + 4))
			rc = esp_fail(&rom->err, ESP_E_PROTO, "register %08x does not hold what "
				      "was written", addrs[i]);
	return rc;
}

/* ---- the controller's user registers, saved and put back ---- */

static const uint32_t user_registers[3] = { SPI_USER, SPI_USER1, SPI_USER2 };

int spi_save(struct rom *rom, struct spi_saved *s)
{
	int rc = spi_attach(rom);

	return rc < 0 ? rc : rom_read_regs(rom, user_registers, s->value, 3);
}

void spi_add_saved(struct spi_records *r, const struct spi_saved *s)
{
	for (int i = 0; i < 3; i++)
		spi_add(r, user_registers[i], s->value[i]);
}

/* After a failure: the text of the failure is worth more than that of this. */
void spi_put_back(struct rom *rom, const struct spi_saved *s, int rc)
{
	struct esp_error err = rom->err;
	struct spi_records r = { .len = 0 };

	if (!rom_may_help_to_repeat(rc))
		return;
	spi_add_saved(&r, s);
	if (spi_write_records(rom, &r) < 0)
		rom->err = err;
}

static uint32_t bits_minus_1(size_t bits)
{
	return bits ? (uint32_t)bits - 1 : 0;
}

/* USER2, with the opcode, comes last: CMD is one bit away from the addresses of most
 * others, and what is started by a damaged one must not be this command. */
void spi_add_shape(struct spi_records *r, const struct spi_transaction *t)
{
	spi_add(r, SPI_USER1, bits_minus_1(t->addr_bits) << 26 | bits_minus_1(8 * t->out_len) << 17 |
	    bits_minus_1(8 * t->in_len) << 8 | bits_minus_1(t->dummy_bits));
	spi_add(r, SPI_USER, USER_COMMAND | (t->addr_bits ? USER_ADDR : 0) |
	    (t->dummy_bits ? USER_DUMMY : 0) | (t->in_len ? USER_MISO : 0) |
	    (t->out_len ? USER_MOSI : 0));
	spi_add(r, SPI_USER2, 7u << 28 | t->opcode);
}

/* ---- one transaction ---- */

int spi_check(struct rom *rom, const struct spi_transaction *t)
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
	struct spi_records start, restore;
	size_t n_words;			/* to read back */
	uint32_t cmd;
	uint32_t words[SPI_WORDS];
};

/* WRITE_REG everything; READ_REG CMD; READ_REG the data; WRITE_REG the rest back */
static void ask_one(void *ctx, size_t i, struct rom_request *req)
{
	const struct one *o = ctx;

	if (i == 0)
		spi_ask_records(req, &o->start);
	else if (i == 1)
		spi_ask_register(req, SPI_CMD);
	else if (i < 2 + o->n_words)
		spi_ask_register(req, SPI_W0 + 4 * (uint32_t)(i - 2));
	else
		spi_ask_records(req, &o->restore);
}

static void take_one(void *ctx, size_t i, const struct rom_reply *reply)
{
	struct one *o = ctx;

	if (i == 1)
		o->cmd = reply->value;
	else if (i >= 2 && i < 2 + o->n_words)
		o->words[i - 2] = reply->value;
}

void spi_add_transaction(struct spi_records *r, const struct spi_transaction *t)
{
	uint8_t padded[SPI_DATA_MAX] = { 0 };

	if (t->out_len)
		memcpy(padded, t->out, t->out_len);
	for (size_t i = 0; i < t->out_len; i += 4)
		spi_add(r, SPI_W0 + (uint32_t)i, get_le32(padded + i));
	if (t->addr_bits)	/* left-aligned */
		spi_add(r, SPI_ADDR, t->addr << (32 - t->addr_bits));
	spi_add_shape(r, t);
}

void spi_unpack(uint8_t *dst, const uint32_t *words, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
}

/* Still under way, as it was looked at; or that answer was damaged. */
static int not_ended(struct rom *rom, const struct spi_transaction *t)
{
	uint32_t cmd;
	int rc = rom_read_reg(rom, SPI_CMD, &cmd);

	if (rc < 0)
		return rc;
	return esp_fail(&rom->err, cmd & SPI_CMD_USER ? ESP_E_FLASH : ESP_E_PROTO,
			"SPI command %02x does not end", t->opcode);
}

int spi_command(struct rom *rom, const struct spi_transaction *t)
{
	struct one o = { .n_words = (t->in_len + 3) / 4 };
	struct rom_row row = { 3 + o.n_words, ask_one, take_one, &o };
	struct spi_saved saved;
	int rc = spi_check(rom, t);

	if (rc >= 0)
		rc = spi_save(rom, &saved);
	if (rc < 0)
		return rc;
	spi_add_transaction(&o.start, t);
	spi_add_saved(&o.restore, &saved);
	if (t->checked) {
		rc = spi_write_checked(rom, &o.start);
		o.start.len = 0;
	}
	spi_add_start(&o.start, SPI_CMD_USER);
	if (rc >= 0)
		rc = rom_run_row(rom, &row);
	if (rc < 0) {
		spi_put_back(rom, &saved, rc);
		return rc;
	}
	if (o.cmd & SPI_CMD_USER)
		return not_ended(rom, t);
	if (t->in_len)
		spi_unpack(t->in, o.words, t->in_len);
	return 0;
}

/* For what may be done twice. */
static int command_repeated(struct rom *rom, const struct spi_transaction *t)
{
	int rc = 0;

	for (int i = 0; i < SPI_TRIES; i++) {
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

/* Answers have no checksum: it is what comes twice in a row. */
static int read_surely(struct rom *rom, uint8_t opcode, size_t n, uint32_t *value)
{
	uint8_t in[4] = { 0 };
	struct spi_transaction t = { .opcode = opcode, .in = in, .in_len = n };
	uint32_t last = 0;

	for (int i = 0; i < READINGS; i++) {
		int rc = command_repeated(rom, &t);

		if (rc < 0)
			return rc;
		*value = get_le32(in);
		if (i > 0 && *value == last)
			return 0;
		last = *value;
	}
	return esp_fail(&rom->err, ESP_E_PROTO, "the flash chip gives another answer to command "
			"%02x each time", opcode);
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
	int rc = read_surely(rom, SPI_READ_ID, 3, id);

	if (rc >= 0 && !is_answer(*id)) {
		rc = wake_up(rom);
		if (rc >= 0)
			rc = read_surely(rom, SPI_READ_ID, 3, id);
	}
	if (rc >= 0 && !is_answer(*id))
		return esp_fail(&rom->err, ESP_E_FLASH, "no flash chip answers (id %06x)", *id);
	return rc;
}

int spi_check_status_number(struct rom *rom, int n)
{
	if (n < 1 || n > 3)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "status registers are 1, 2, 3");
	return 0;
}

int spi_read_status(struct rom *rom, int n, uint8_t *value)
{
	static const uint8_t ops[] = { SPI_READ_STATUS1, SPI_READ_STATUS2, SPI_READ_STATUS3 };
	uint32_t word;
	int rc = spi_check_status_number(rom, n);

	if (rc >= 0)
		rc = read_surely(rom, ops[n - 1], 1, &word);
	if (rc >= 0)
		*value = (uint8_t)word;
	return rc;
}
