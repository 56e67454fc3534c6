#include "rom.h"

#include "../bytes.h"

#include <string.h>

enum {
	TRIES = 3,			/* of what may safely be repeated */
	SMALL_BLOCK = 0x200,
	RUN_WAIT_MS = 200,		/* for an answer that may never come */
	PARAM_WORDS = 6,
	PARAM_TRIES = 4,
	USUAL_FLASH = 4 << 20,		/* the size in the ROM's table, whatever the chip */
};

/* Where the ROM keeps what SPI_SET_PARAMS told it: id, size, block, sector, page,
 * status mask. Source: disassembly of the ROM (3FFFC714 points there). */
#define PARAM_TABLE 0x3FFFC718u

/* ---- registers ---- */

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
		if (!rom_may_help_to_repeat(rc))
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

/* What fails is tried again in smaller pieces: on a bad line they are more
 * likely to get through. */
int rom_load_ram(struct rom *rom, uint32_t addr, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct rom_patience patience = { 0, 0 };
	size_t piece = ROM_BLOCK_MAX, done = 0;
	int rc = check_ram(rom, addr, len);

	while (rc >= 0 && done < len) {
		size_t n = len - done < piece ? len - done : piece;

		rc = load_block(rom, addr + (uint32_t)done, p + done, n);
		if (rc >= 0) {
			done += n;
			patience = (struct rom_patience){ 0, 0 };
		} else if (rom_try_again(&patience, rc)) {
			piece = SMALL_BLOCK;
			rc = 0;
		}
	}
	return rc < 0 ? rc : 0;
}

/* What runs next may use the ROM's flash functions. */
static int lift_limit(struct rom *rom)
{
	if (!rom->flash_limited)
		return 0;
	return rom_flash_limit(rom, rom->flash_size ? rom->flash_size : USUAL_FLASH);
}

int rom_run(struct rom *rom, uint32_t entry)
{
	struct rom_request req = { .op = ROM_MEM_END, .n_words = 2, .words = { 0, entry },
				   .timeout_ms = RUN_WAIT_MS };
	int rc = lift_limit(rom);

	if (rc >= 0)
		rc = rom_command(rom, &req, NULL);
	if (rc != ESP_E_TIMEOUT)
		return rc;
	rom->out_of_step = false;	/* the loader is gone: nothing to be in step with */
	return 0;
}

/* ---- flash ---- */

static const uint32_t *params(uint32_t flash_size, uint32_t words[PARAM_WORDS])
{
	const uint32_t all[PARAM_WORDS] = { 0, flash_size, 0x10000, 0x1000, 0x100, 0xFFFF };

	return memcpy(words, all, sizeof all);
}

int rom_flash_params(struct rom *rom, uint32_t flash_size)
{
	struct rom_request req = { .op = ROM_SPI_SET_PARAMS, .n_words = PARAM_WORDS };

	params(flash_size, req.words);
	return rom_command(rom, &req, NULL);
}

/* The packet has no checksum, and all that the ROM refuses rests upon it. */
static int check_params(struct rom *rom, uint32_t flash_size)
{
	uint32_t want[PARAM_WORDS], addrs[PARAM_WORDS], have[PARAM_WORDS];
	int rc;

	for (uint32_t i = 0; i < PARAM_WORDS; i++)
		addrs[i] = PARAM_TABLE + 4 * i;
	rc = rom_read_regs(rom, addrs, have, PARAM_WORDS);
	if (rc >= 0 && memcmp(params(flash_size, want), have, sizeof have) != 0)
		return esp_fail(&rom->err, ESP_E_PROTO, "the ROM took %u bytes of flash for %u",
				flash_size, have[1]);
	return rc;
}

int rom_flash_limit(struct rom *rom, uint32_t bytes)
{
	int rc = 0;

	if (rom->flash_limited && rom->flash_limit == bytes)
		return 0;
	rom->flash_limited = false;
	for (int i = 0; i < PARAM_TRIES; i++) {
		rc = rom_flash_params(rom, bytes);
		if (rc >= 0)
			rc = check_params(rom, bytes);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	if (rc >= 0) {
		rom->flash_limited = true;
		rom->flash_limit = bytes;
	}
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

static int announce_one_block(struct rom *rom)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		rc = rom_flash_begin(rom, 0, 1, 0x400, 0);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

/* FLASH_END always leaves the loader. When the counts match what FLASH_BEGIN
 * announced it also write-protects the chip; so announce a block that never
 * comes: the ROM then answers "operation failed" (06), and does not lock. */
int rom_boot_flash(struct rom *rom)
{
	struct rom_request end = { .op = ROM_FLASH_END, .n_words = 1, .words = { 0 } };
	struct rom_reply reply = { .status = 0 };
	int rc = rom_flash_limit(rom, 0);

	if (rc >= 0)
		rc = announce_one_block(rom);
	if (rc >= 0)
		rc = lift_limit(rom);
	if (rc < 0)
		return rc;
	rc = rom_command(rom, &end, &reply);
	if (rc == ESP_E_REFUSED && reply.status == 1 && reply.error == 0x06)
		rc = 0;
	rom->out_of_step = false;
	rom->flash_attached = false;
	return rc;
}
