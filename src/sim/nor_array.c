#include "nor_array.h"

#include "../esp_err.h"

#include <stdlib.h>
#include <string.h>

int nor_array_open(struct nor_array *a, uint8_t *mem, uint32_t bytes, uint32_t seed)
{
	memset(a, 0, sizeof *a);
	a->mem = mem;
	a->bytes = bytes;
	a->stuck_sector = -1;
	rng_init(&a->rng, seed, 1);
	a->sector_erases = calloc(bytes / NOR_SECTOR, sizeof *a->sector_erases);
	a->page_programs = calloc(bytes / NOR_PAGE, sizeof *a->page_programs);
	if (a->sector_erases && a->page_programs)
		return 0;
	nor_array_close(a);
	return ESP_E_NOMEM;
}

void nor_array_close(struct nor_array *a)
{
	free(a->sector_erases);
	free(a->page_programs);
	a->sector_erases = a->page_programs = NULL;
}

/* Eight bits, each set with probability p. */
static uint8_t some_bits(struct rng *r, double p)
{
	uint8_t bits = 0;

	for (int i = 0; i < 8; i++)
		bits |= (uint8_t)(rng_hit(r, p) << i);
	return bits;
}

static void erase_sector(struct nor_array *a, uint32_t sector, double done)
{
	uint8_t *p = a->mem + (size_t)sector * NOR_SECTOR;

	if ((int64_t)sector == a->stuck_sector)
		return;
	if (done >= 1.0) {
		memset(p, 0xFF, NOR_SECTOR);
		return;
	}
	for (size_t i = 0; i < NOR_SECTOR; i++)
		if (p[i] != 0xFF)
			p[i] |= some_bits(&a->rng, done);
}

void nor_array_erase(struct nor_array *a, uint32_t addr, uint32_t len, double done)
{
	uint32_t first = addr / NOR_SECTOR;

	for (uint32_t i = 0; i < len / NOR_SECTOR; i++) {
		a->sector_erases[first + i]++;
		erase_sector(a, first + i, done);
	}
	a->generation++;
}

/* Puya parts do not AND a second program with the first: bits that were 0 may
 * come back to 1 (reference: FD over FE reads FD). The model takes the worst
 * case, replacement, so that software that relies on AND shows. */
static uint8_t cell_after(const struct nor_array *a, uint8_t old, uint8_t data)
{
	return a->puya ? data : old & data;
}

void nor_array_program(struct nor_array *a, uint32_t addr, const uint8_t *data, size_t len,
		       double done)
{
	uint32_t page = addr & ~(NOR_PAGE - 1);
	size_t whole = done >= 1.0 ? len : (size_t)(done * (double)len);
	bool over = false;

	a->page_programs[page / NOR_PAGE]++;
	a->programmed_bytes += len;
	a->generation++;
	for (size_t i = 0; i < len; i++)
		over |= (~a->mem[page + ((addr + i) & (NOR_PAGE - 1))] & data[i]) != 0;
	a->overwrites += over;
	if ((int64_t)(page / NOR_SECTOR) == a->stuck_sector)
		return;
	for (size_t i = 0; i < whole; i++) {
		uint8_t *cell = &a->mem[page + ((addr + i) & (NOR_PAGE - 1))];

		*cell = cell_after(a, *cell, data[i]);
	}
	if (whole < len)
		a->mem[page + ((addr + whole) & (NOR_PAGE - 1))] &=
			data[whole] | some_bits(&a->rng, 0.5);
}
