/* Reading flash through the SPI controller's registers. */
#include "spi_impl.h"

/* A transaction is 18 commands: WRITE_REG with the address and the start bit
 * (42 or so on the wire), READ_REG of CMD as proof that the
 * transfer has ended, and READ_REG of the 16 words: 280 bytes out for 64 bytes
 * of flash. That is more than the 255 that may be under way, but rom_run_row()
 * slides: the next transaction's first commands are already on the line while
 * the last words of this one come back, so the line out is always busy: 2.6 KB/s
 * at 115200, 21 KB/s at 921600 baud. */
enum { PER_BUFFER = 2 + SPI_WORDS };

struct reading {
	uint32_t addr;
	uint8_t *buf;
	size_t len;
	size_t done;		/* bytes of whole transactions */
	size_t base;		/* where this row began */
	bool busy;		/* a transfer was not over when it was looked at */
	struct spi_records start;
};

static void ask_reading(void *ctx, size_t i, struct rom_request *req)
{
	struct reading *r = ctx;
	size_t part = i % PER_BUFFER;
	uint32_t at = r->addr + (uint32_t)(r->base + i / PER_BUFFER * SPI_DATA_MAX);

	if (part >= 2) {
		spi_ask_register(req, SPI_W0 + 4 * (uint32_t)(part - 2));
	} else if (part == 1) {
		spi_ask_register(req, SPI_CMD);
	} else {
		r->start.len = 0;
		spi_add(&r->start, SPI_ADDR, at << 8);
		spi_add_start(&r->start, SPI_CMD_USER);
		spi_ask_records(req, &r->start);
	}
}

static void take_reading(void *ctx, size_t i, const struct rom_reply *reply)
{
	struct reading *r = ctx;
	size_t part = i % PER_BUFFER;
	size_t at = r->base + i / PER_BUFFER * SPI_DATA_MAX + 4 * (part - 2);
	size_t n;

	if (part == 1)
		r->busy |= (reply->value & SPI_CMD_USER) != 0;
	if (part < 2)
		return;
	n = r->len - at < 4 ? r->len - at : 4;
	spi_unpack(r->buf + at, &reply->value, n);
	if (!r->busy && (part == PER_BUFFER - 1 || at + n == r->len))
		r->done = at + n;
}

/* From r->done on: set the controller up, then as far as it goes. */
static int read_on(struct rom *rom, struct reading *r)
{
	struct spi_transaction t = { .opcode = SPI_READ, .addr_bits = 24, .in_len = SPI_DATA_MAX };
	struct rom_row row = { 0, ask_reading, take_reading, r };
	struct spi_records shape = { .len = 0 };
	size_t left = r->len - r->done, tail = left % SPI_DATA_MAX;
	int rc;

	r->base = r->done;
	r->busy = false;
	row.n = left / SPI_DATA_MAX * PER_BUFFER + (tail ? 2 + (tail + 3) / 4 : 0);
	spi_add_shape(&shape, &t);
	rc = spi_write_records(rom, &shape);
	if (rc >= 0)
		rc = rom_run_row(rom, &row);
	if (rc >= 0 && r->busy)
		return esp_fail(&rom->err, ESP_E_PROTO, "a flash read did not end in time");
	return rc;
}

int spi_read_flash(struct rom *rom, uint32_t addr, void *buf, size_t len)
{
	struct reading r = { .addr = addr, .buf = buf, .len = len };
	struct spi_saved saved;
	int rc, failures = 0;

	if (addr > 1u << 24 || len > (1u << 24) - addr)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x + %zu: beyond 16 MiB", addr, len);
	if (len == 0)
		return 0;
	rc = spi_save(rom, &saved);
	if (rc < 0)
		return rc;
	do {
		size_t before = r.done;

		rc = read_on(rom, &r);
		failures = r.done > before ? 1 : failures + 1;
	} while (rom_may_help_to_repeat(rc) && failures < SPI_TRIES);
	if (rc >= 0) {
		struct spi_records restore = { .len = 0 };

		spi_add_saved(&restore, &saved);
		rc = spi_write_records(rom, &restore);
	}
	if (rc < 0)
		spi_put_back(rom, &saved, rc);
	return rc;
}
