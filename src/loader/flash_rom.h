/* flash_rom.h - erasing and writing flash with the ROM's own commands, safely.
 *
 * Layer: loader. Knows the ROM's bugs: FLASH_BEGIN erases too much, a failed
 * block upsets the sequence numbers, writes past the chip's size report
 * success, and only blocks have a checksum. FLASH_END is never sent: it leaves the
 * loader.
 */
#ifndef FLASH_ROM_H
#define FLASH_ROM_H

#include "spi.h"

enum { FLASH_ROM_SECTOR = 4096, FLASH_ROM_TRIES = 4 };

/* Attaches the chip and notes its size; needed once before the calls below. */
int flash_rom_prepare(struct rom *rom, uint32_t flash_size) __attribute__((warn_unused_result));

/* Erases size bytes at addr, both multiples of FLASH_ROM_SECTOR: these sectors
 * and no other. Repeating it does no harm. ESP_E_ARGUMENT outside the chip. */
int flash_rom_erase(struct rom *rom, uint32_t addr, uint32_t size)
	__attribute__((warn_unused_result));

/* A run of blocks into erased flash. */
struct flash_rom_writer {
	struct rom *rom;
	uint32_t addr;		/* where the next block goes */
	uint32_t end;
	uint32_t block_size;
	uint32_t seq;
	unsigned repeats;	/* blocks sent again so far */
	/* What went into the sector that addr is in: FLASH_BEGIN takes only
	 * sector addresses, so a failed block is repeated from there. */
	uint8_t sector[FLASH_ROM_SECTOR];
};

/* Starts at addr, a multiple of FLASH_ROM_SECTOR; size bytes will follow in
 * blocks of at most block_size (a multiple of 4, at most ROM_BLOCK_MAX). */
int flash_rom_write_begin(struct flash_rom_writer *w, struct rom *rom, uint32_t addr,
			  uint32_t size, uint32_t block_size) __attribute__((warn_unused_result));

/* Writes the next block; only the last one may have a length that is no
 * multiple of 4 (FF is added). Damaged blocks and lost answers are repeated
 * such that a block never lands twice or shifted. ESP_E_FLASH when the chip
 * reads back something else. The ROM checks one XOR byte only: read back. */
int flash_rom_write_block(struct flash_rom_writer *w, const void *data, size_t len)
	__attribute__((warn_unused_result));

#endif
