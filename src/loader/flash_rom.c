#include "flash_rom.h"

#include <string.h>

/* Error bytes of the ROM. */
enum { OPERATION_FAILED = 0x06, READS_BACK_WRONG = 0x08 };

int flash_rom_prepare(struct rom *rom, uint32_t flash_size)
{
	int rc;

	if (flash_size < FLASH_ROM_SECTOR || flash_size > 1u << 24 ||
	    flash_size % FLASH_ROM_SECTOR != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%u is no size of a flash chip",
				flash_size);
	rc = rom->is_stub ? rom_flash_limit(rom, flash_size) : spi_attach(rom);
	rom->flash_size = rc < 0 ? 0 : flash_size;
	return rc;
}

/* A chip would wrap, and the ROM "write" there in silence. */
static int check_range(struct rom *rom, uint32_t addr, uint32_t size)
{
	if (rom->flash_size == 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "the flash size was not set");
	if (addr % FLASH_ROM_SECTOR != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x is no sector address", addr);
	if (addr > rom->flash_size || size > rom->flash_size - addr)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%06x + %u is outside the flash of %u "
				"bytes", addr, size, rom->flash_size);
	return 0;
}

/* ---- erasing ----
 * Not by FLASH_BEGIN: it erases more than it is asked for, and what it is asked for
 * is not protected by a checksum. */

/* A whole 64 KiB block where there is one, else a sector. */
static uint32_t erase_unit(uint32_t addr, uint32_t size)
{
	return addr % SPI_BLOCK == 0 && size >= SPI_BLOCK ? SPI_BLOCK : SPI_SECTOR;
}

int flash_rom_erase(struct rom *rom, uint32_t addr, uint32_t size)
{
	int rc = check_range(rom, addr, size);

	if (rc < 0)
		return rc;
	if (size % FLASH_ROM_SECTOR != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%u bytes are not whole sectors", size);
	while (rc >= 0 && size > 0) {
		uint32_t n = erase_unit(addr, size);

		rc = n == SPI_BLOCK ? spi_erase_block(rom, addr) : spi_erase_sector(rom, addr);
		addr += n;
		size -= n;
	}
	return rc;
}

/* ---- writing ---- */

/* The ROM's notes of the transfer under way, on its stack: erase size, blocks, block
 * size, sequence number, bytes, address. Source: observed, as all of RAM was read
 * after a FLASH_BEGIN. */
#define TRANSFER 0x3FFFFF90u
enum { TRANSFER_WORDS = 6 };

/* FLASH_BEGIN as the ROM took it: what was sent, or not. */
static int check_announced(struct flash_rom_writer *w, uint32_t blocks, uint32_t addr)
{
	const uint32_t want[TRANSFER_WORDS] = { 0, blocks, w->block_size, 0, 0, addr };
	uint32_t addrs[TRANSFER_WORDS], have[TRANSFER_WORDS];
	int rc;

	for (uint32_t i = 0; i < TRANSFER_WORDS; i++)
		addrs[i] = TRANSFER + 4 * i;
	rc = rom_read_regs(w->rom, addrs, have, TRANSFER_WORDS);
	if (rc >= 0 && memcmp(want, have, sizeof want) != 0)
		return esp_fail(&w->rom->err, ESP_E_PROTO, "the ROM took another FLASH_BEGIN than "
				"was sent for %06x", addr);
	return rc;
}

/* FLASH_BEGIN has no checksum. It comes while the ROM believes in a chip of no bytes,
 * so whatever arrives, nothing is erased; the ROM then says "operation failed" (06),
 * except at address 0, and goes on to take the blocks. These it may put nowhere
 * behind the end of what was announced. */
static int begin_at(struct flash_rom_writer *w, uint32_t addr)
{
	uint32_t blocks = (w->end - addr + w->block_size - 1) / w->block_size;
	int rc = rom_flash_limit(w->rom, 0);

	w->seq = 0;
	if (rc >= 0)
		rc = rom_flash_begin(w->rom, 0, blocks, w->block_size, addr);
	if (rc == ESP_E_REFUSED && w->rom->refusal == OPERATION_FAILED)
		rc = 0;
	if (rc >= 0)
		rc = check_announced(w, blocks, addr);
	return rc < 0 ? rc : rom_flash_limit(w->rom, w->end + (0 - w->end) % 4);
}

/* Puts the ROM back to where w->addr is. After an error its sequence number has
 * moved on and its address has not; after a lost answer nobody knows. It takes
 * only sector addresses, so the start of the sector is written again over
 * itself, which changes no bit. */
static int rewind_rom(struct flash_rom_writer *w)
{
	uint32_t n = w->addr % FLASH_ROM_SECTOR, done = 0;
	int rc = begin_at(w, w->addr - n);

	while (rc >= 0 && done < n) {
		uint32_t part = n - done < w->block_size ? n - done : w->block_size;

		rc = rom_flash_data(w->rom, w->seq++, w->sector + done, part);
		done += part;
	}
	return rc;
}

int flash_rom_write_begin(struct flash_rom_writer *w, struct rom *rom, uint32_t addr,
			  uint32_t size, uint32_t block_size)
{
	int rc = check_range(rom, addr, size);

	if (rc < 0)
		return rc;
	if (block_size == 0 || block_size > ROM_BLOCK_MAX || block_size % 4 != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "block size %u: a multiple of 4 up to %d",
				block_size, ROM_BLOCK_MAX);
	w->rom = rom;
	w->addr = addr;
	w->end = addr + size;
	w->block_size = block_size;
	w->repeats = 0;
	for (int i = 0; i < FLASH_ROM_TRIES; i++) {
		rc = begin_at(w, addr);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

static bool reads_back_wrong(const struct flash_rom_writer *w, int rc)
{
	return rc == ESP_E_REFUSED && w->rom->refusal == READS_BACK_WRONG;
}

static int send_block(struct flash_rom_writer *w, const uint8_t *data, size_t len)
{
	struct rom_patience patience = { 0, 0 };
	bool was_wrong = false;
	int rc = rom_flash_data(w->rom, w->seq++, data, len);

	while (rc < 0 && rom_try_again(&patience, rc)) {
		if (reads_back_wrong(w, rc) && was_wrong)
			break;
		was_wrong |= reads_back_wrong(w, rc);
		w->repeats++;
		rc = rewind_rom(w);
		if (rc >= 0)
			rc = rom_flash_data(w->rom, w->seq++, data, len);
	}
	if (reads_back_wrong(w, rc))
		return esp_fail(&w->rom->err, ESP_E_FLASH, "flash at %06x does not read back what "
				"was written", w->addr);
	return rc;
}

/* Keeps what lies in the sector that w->addr is in from now on. */
static void advance(struct flash_rom_writer *w, const uint8_t *data, uint32_t len)
{
	uint32_t to = w->addr + len, sector = to - to % FLASH_ROM_SECTOR;
	uint32_t from = w->addr > sector ? w->addr : sector;

	memcpy(w->sector + (from - sector), data + (from - w->addr), to - from);
	w->addr = to;
}

int flash_rom_write_block(struct flash_rom_writer *w, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t whole = len - len % 4;
	uint8_t tail[4] = { 0xFF, 0xFF, 0xFF, 0xFF };
	int rc = 0;

	if (len > w->block_size || len > w->end - w->addr)
		return esp_fail(&w->rom->err, ESP_E_ARGUMENT, "%zu bytes at %06x: more than was "
				"announced", len, w->addr);
	if (len != whole && w->addr + len != w->end)
		return esp_fail(&w->rom->err, ESP_E_ARGUMENT,
				"only the last block may have an odd length");
	if (whole) {
		rc = send_block(w, p, whole);
		if (rc < 0)
			return rc;
		advance(w, p, (uint32_t)whole);
	}
	if (len == whole)
		return 0;
	memcpy(tail, p + whole, len - whole);
	rc = send_block(w, tail, sizeof tail);
	if (rc >= 0)
		w->addr = w->end;
	return rc;
}
