#include "nor.h"

/* Times: typical values of W25Q32JV (program 0.4 ms a page), MX25L32, IS25LP,
 * EN25Q and Puya's own model of P25Q32H (reference: flash-chips 5). */
static const struct nor_family families[] = {
	/* maker SR2   short  QE1    SFDP  puya   page byte  4K     32K     64K     chip/MiB chip wrsr */
	{ 0xEF, true, true, false, true, false, 50, 1500, 45000, 120000, 150000, 2500000, 0, 10000 },
	{ 0xC8, true, true, false, true, false, 60, 2100, 50000, 150000, 200000, 3750000, 0, 5000 },
	{ 0x20, true, false, false, true, false, 50, 1800, 45000, 150000, 250000, 4000000, 0, 10000 },
	{ 0x85, true, true, false, true, true, 500, 6000, 6000, 6000, 6000, 0, 6000, 12000 },
	{ 0xC2, false, false, true, true, false, 100, 5000, 60000, 500000, 700000, 6250000, 0, 40000 },
	{ 0x9D, false, false, true, true, false, 50, 1500, 45000, 120000, 150000, 2500000, 0, 2000 },
	{ 0x1C, false, false, false, true, false, 50, 2500, 50000, 120000, 150000, 2500000, 0, 10000 },
	{ 0x00, true, true, false, true, false, 50, 1500, 45000, 120000, 150000, 2500000, 0, 10000 },
};

const struct nor_family *nor_family_of(uint32_t jedec_id)
{
	const struct nor_family *f = families;

	while (f->maker && f->maker != (jedec_id & 0xFF))
		f++;
	return f;
}
