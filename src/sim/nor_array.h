/* nor_array.h - the memory cells of a NOR flash: erase sets bits, program
 * clears them, and both can go wrong.
 *
 * Layer: sim. Knows no commands, no status register and no time.
 */
#ifndef SIM_NOR_ARRAY_H
#define SIM_NOR_ARRAY_H

#include "rng.h"

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define NOR_PAGE 256u
#define NOR_SECTOR 4096u

struct nor_array {
	uint8_t *mem;			/* the caller's; bytes is a power of two */
	uint32_t bytes;
	bool puya;			/* programs replace instead of AND (see .c) */
	int64_t stuck_sector;		/* never changes; -1 = none */
	struct rng rng;
	uint32_t *sector_erases;	/* per 4 KiB sector */
	uint32_t *page_programs;	/* per 256 byte page */
	uint64_t overwrites;		/* programs that needed a bit to go from 0 to 1 */
	uint64_t programmed_bytes;
	uint64_t generation;		/* changes whenever mem may have */
};

/* Blank counters over the caller's memory. ESP_E_NOMEM. */
int nor_array_open(struct nor_array *a, uint8_t *mem, uint32_t bytes, uint32_t seed)
	__attribute__((warn_unused_result));
void nor_array_close(struct nor_array *a);

/* Erases [addr, addr + len), both multiples of 4096 within the chip. `done` is
 * how far it got, 1.0 = all; less leaves each bit that was 0 set with that
 * probability. */
void nor_array_erase(struct nor_array *a, uint32_t addr, uint32_t len, double done);

/* Programs len (1..256) bytes from addr on, wrapping inside the page. With
 * done < 1 the first bytes are programmed and one more is torn. */
void nor_array_program(struct nor_array *a, uint32_t addr, const uint8_t *data, size_t len,
		       double done);

#endif
