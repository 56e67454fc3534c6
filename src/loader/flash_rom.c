#include "flash_rom.h"

#include <string.h>

/* ---- before ---- */

/* Where the ROM keeps what SPI_SET_PARAMS told it: id, size, block, sector, page,
 * status mask. Source: disassembly of the ROM (3FFFC714 points there). */
#define CHIP_RECORD 0x3FFFC718u
enum { RECORD_WORDS = 6 };

/* The packet has no checksum, and all that the ROM refuses rests upon it. */
static int check_params(struct rom *rom, uint32_t flash_size)
{
	const uint32_t want[RECORD_WORDS] = { 0, flash_size, 0x10000, 0x1000, 0x100, 0xFFFF };
	uint32_t addrs[RECORD_WORDS], have[RECORD_WORDS];
	int rc;

	for (uint32_t i = 0; i < RECORD_WORDS; i++)
		addrs[i] = CHIP_RECORD + 4 * i;
	rc = rom_read_regs(rom, addrs, have, RECORD_WORDS);
	if (rc >= 0 && memcmp(want, have, sizeof want) != 0)
		return esp_fail(&rom->err, ESP_E_PROTO, "the ROM took %u bytes of flash for %u",
				flash_size, have[1]);
	return rc;
}

int flash_rom_prepare(struct rom *rom, uint32_t flash_size)
{
	int rc = 0;

	if (flash_size < FLASH_ROM_SECTOR || flash_size > 1u << 24 ||
	    flash_size % FLASH_ROM_SECTOR != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%u is no size of a flash chip",
				flash_size);
	rc = spi_attach(rom);
	if (rc < 0)
		return rc;
	for (int i = 0; i < FLASH_ROM_TRIES; i++) {
		rc = rom_flash_params(rom, flash_size);
		if (rc >= 0)
			rc = check_params(rom, flash_size);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	if (rc < 0)
		rom->flash_size = 0;
	return rc;
}

/* The ROM would erase past the end by wrapping, and "write" there in silence. */
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

/* ---- erasing ---- */

/* With h sectors up to the next 64 KiB line, asking for n erases n + min(h, n):
 *	n <= h:	2 n		every even number up to 2 h
 *	n > h:	n + h		every number from 2 h + 1 on
 * so only odd numbers below 2 h are out of reach; there the last sector is
 * erased singly. */
int flash_rom_plan(uint32_t addr, uint32_t sectors, struct flash_rom_step steps[FLASH_ROM_STEPS_MAX])
{
	uint32_t head = 16 - addr / FLASH_ROM_SECTOR % 16, ask;
	int n = 0;
	bool odd;

	if (addr % FLASH_ROM_SECTOR != 0)
		return ESP_E_ARGUMENT;
	odd = sectors < 2 * head && sectors % 2 == 1;
	sectors -= odd;
	ask = sectors <= 2 * head ? sectors / 2 : sectors - head;
	if (sectors)
		steps[n++] = (struct flash_rom_step){ FLASH_ROM_AREA, addr, sectors,
						      ask * FLASH_ROM_SECTOR };
	if (odd)
		steps[n++] = (struct flash_rom_step){ FLASH_ROM_ONE,
						      addr + sectors * FLASH_ROM_SECTOR, 1, 0 };
	return n;
}

static int erase_step(struct rom *rom, const struct flash_rom_step *s)
{
	int rc = 0;

	if (s->op == FLASH_ROM_ONE)
		return spi_erase_sector(rom, s->addr);
	for (int i = 0; i < FLASH_ROM_TRIES; i++) {
		rc = rom_flash_begin(rom, s->ask, 0, 0x400, s->addr);
		if (!rom_may_help_to_repeat(rc))
			break;
	}
	return rc;
}

int flash_rom_erase(struct rom *rom, uint32_t addr, uint32_t size)
{
	struct flash_rom_step steps[FLASH_ROM_STEPS_MAX];
	int n, rc = check_range(rom, addr, size);

	if (rc < 0)
		return rc;
	if (size % FLASH_ROM_SECTOR != 0)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "%u bytes are not whole sectors", size);
	n = flash_rom_plan(addr, size / FLASH_ROM_SECTOR, steps);
	for (int i = 0; i < n && rc >= 0; i++)
		rc = erase_step(rom, &steps[i]);
	return rc;
}

/* ---- writing ---- */

static int begin_at(struct flash_rom_writer *w, uint32_t addr)
{
	uint32_t blocks = (w->end - addr + w->block_size - 1) / w->block_size;

	w->seq = 0;
	return rom_flash_begin(w->rom, 0, blocks, w->block_size, addr);
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
	return rc == ESP_E_REFUSED && w->rom->refusal == 0x08;
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
