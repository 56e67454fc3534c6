/* What changes a flash chip for good, through the SPI controller's registers.
 *
 * The ROM's register commands carry no checksum. So the command and its address are
 * written and read back while the chip still refuses all changes; then single bits
 * enable writing, and when it is enabled, start the command. Damaged, they start
 * nothing else. */
#include "spi_impl.h"

enum {
	IDLE_POLL_MS = 5,
	ERASE_SECTOR_MS = 3000,		/* data sheets: 400 ms at most */
	ERASE_BLOCK_MS = 8000,		/* 2 s */
	WRITE_STATUS_MS = 1000,
	NOTHING_READ = 0xFF,		/* busy and enabled at once: never a good end */
};

/* ---- rows of packets and registers ---- */

struct row_item {
	const struct spi_records *records;	/* to write, or NULL: */
	uint32_t addr;				/* register to read ... */
	uint8_t *status;			/* ... and where its low byte goes */
};

static void ask_item(void *ctx, size_t i, struct rom_request *req)
{
	const struct row_item *item = (const struct row_item *)ctx + i;

	if (item->records)
		spi_ask_records(req, item->records);
	else
		spi_ask_register(req, item->addr);
}

static void take_item(void *ctx, size_t i, const struct rom_reply *reply)
{
	const struct row_item *item = (const struct row_item *)ctx + i;

	if (!item->records)
		*item->status = (uint8_t)reply->value;
}

static int run_items(struct rom *rom, struct row_item *items, size_t n)
{
	struct rom_row row = { n, ask_item, take_item, items };

	return rom_run_row(rom, &row);
}

/* The controller puts the chip's status into a register. What that held before
 * must not be taken for it if one of the two packets is damaged. */
static struct spi_records read_status_command(void)
{
	struct spi_records r = { .len = 0 };

	spi_add(&r, SPI_RD_STATUS, NOTHING_READ);
	spi_add_start(&r, SPI_CMD_READ_STATUS);
	return r;
}

static int look(struct rom *rom, uint8_t *status)
{
	struct spi_records ask = read_status_command();
	struct row_item items[] = { { &ask, 0, NULL }, { NULL, SPI_RD_STATUS, status } };
	int rc = 0;

	for (int i = 0; i < SPI_TRIES; i++) {
		rc = run_items(rom, items, 2);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

int spi_wait_idle(struct rom *rom, uint32_t timeout_ms)
{
	uint64_t deadline_us = port_now_us(rom->port) + (uint64_t)timeout_ms * 1000;
	int rc = spi_attach(rom);

	while (rc >= 0) {
		uint8_t status;
		bool late = port_now_us(rom->port) >= deadline_us;

		rc = look(rom, &status);
		if (rc < 0 || !(status & SPI_BUSY))
			return rc;
		if (late)
			return esp_fail(&rom->err, ESP_E_FLASH,
					"the flash chip is still busy after %u ms", timeout_ms);
		if (port_sleep(rom->port, IDLE_POLL_MS) < 0)
			return esp_pass(&rom->err, &rom->port->err);
	}
	return rc;
}

/* ---- one change ---- */

static int prepare(struct rom *rom, const struct spi_transaction *t)
{
	struct spi_records r = { .len = 0 };

	spi_add_transaction(&r, t);
	return spi_write_checked(rom, &r);
}

/* The chip's own latch tells whether write enable and then the command itself
 * have reached it: the first sets it, the end of the second clears it. */
static int expect_latch(struct rom *rom, uint8_t status, bool enabled)
{
	uint8_t want = enabled ? SPI_WRITE_ENABLED : 0;

	if ((status & (SPI_WRITE_ENABLED | SPI_BUSY)) != want)
		return esp_fail(&rom->err, ESP_E_PROTO, "the flash chip did not take %s",
				enabled ? "write enable" : "the command");
	return 0;
}

/* Runs one bit, and looks. */
static int step(struct rom *rom, uint32_t cmd, uint8_t *status)
{
	struct spi_records bit = { .len = 0 }, ask = read_status_command();
	struct row_item items[] = {
		{ &bit, 0, NULL }, { &ask, 0, NULL }, { NULL, SPI_RD_STATUS, status },
	};

	*status = NOTHING_READ;
	spi_add_start(&bit, cmd);
	return run_items(rom, items, 3);
}

/* Not in one row: what enables writing, or looks, may itself have been damaged into
 * another address to erase, and shows that by not having been done. */
static int enable_and_start(struct rom *rom, uint32_t timeout_ms)
{
	uint8_t status;
	int rc = step(rom, SPI_CMD_WRITE_ENABLE, &status);

	if (rc >= 0)
		rc = expect_latch(rom, status, true);
	if (rc >= 0)
		rc = step(rom, SPI_CMD_USER, &status);
	if (rc >= 0 && status & SPI_BUSY)
		rc = spi_wait_idle(rom, timeout_ms);
	if (rc >= 0)
		rc = look(rom, &status);
	return rc < 0 ? rc : expect_latch(rom, status, false);
}

/* After a try that failed the chip may be busy, or ready to change something. */
static int calm(struct rom *rom, uint32_t timeout_ms)
{
	int rc = spi_wait_idle(rom, timeout_ms);
	uint8_t status;

	return rc < 0 ? rc : step(rom, SPI_CMD_WRITE_DISABLE, &status);
}

/* All of it again when something is lost: doing it twice is the same as once. */
static int try_change(struct rom *rom, const struct spi_transaction *t, uint32_t timeout_ms)
{
	int rc = 0;

	for (int i = 0; i < SPI_TRIES; i++) {
		if (i > 0)
			rc = calm(rom, timeout_ms);
		if (rc >= 0)
			rc = prepare(rom, t);
		if (rc >= 0)
			rc = enable_and_start(rom, timeout_ms);
		if (!rom_may_help_to_repeat(rc))
			return rc;
	}
	if (rc == ESP_E_PROTO)
		return esp_fail(&rom->err, ESP_E_FLASH, "the flash chip does not take command %02x",
				t->opcode);
	return rc;
}

static int change(struct rom *rom, const struct spi_transaction *t, uint32_t timeout_ms)
{
	struct spi_saved saved;
	struct spi_records restore = { .len = 0 };
	int rc = spi_save(rom, &saved);

	if (rc < 0)
		return rc;
	rc = try_change(rom, t, timeout_ms);
	if (rc < 0) {
		spi_put_back(rom, &saved, rc);
		return rc;
	}
	spi_add_saved(&restore, &saved);
	return spi_write_records(rom, &restore);
}

/* ---- what there is to change ---- */

int spi_write_status(struct rom *rom, int n, const uint8_t *values, size_t len)
{
	static const uint8_t ops[] = { SPI_WRITE_STATUS1, SPI_WRITE_STATUS2, SPI_WRITE_STATUS3 };
	struct spi_transaction t = { .out = values, .out_len = len };
	int rc = spi_check_status_number(rom, n);

	if (rc < 0)
		return rc;
	if (len < 1 || len > 2)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "one or two status registers at once");
	t.opcode = ops[n - 1];
	return change(rom, &t, WRITE_STATUS_MS);
}

static int erase(struct rom *rom, uint8_t opcode, uint32_t addr, uint32_t unit, uint32_t timeout_ms)
{
	struct spi_transaction t = { .opcode = opcode, .addr_bits = 24, .addr = addr };

	if (addr % unit != 0 || addr >= 1u << 24)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x is no address of %u KiB", addr,
				unit / 1024);
	return change(rom, &t, timeout_ms);
}

int spi_erase_sector(struct rom *rom, uint32_t addr)
{
	return erase(rom, SPI_ERASE_SECTOR, addr, SPI_SECTOR, ERASE_SECTOR_MS);
}

int spi_erase_block(struct rom *rom, uint32_t addr)
{
	return erase(rom, SPI_ERASE_BLOCK, addr, SPI_BLOCK, ERASE_BLOCK_MS);
}
