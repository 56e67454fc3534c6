#include "nor.h"

#include "../bytes.h"

#include <string.h>

/* JESD216 rev 1.5: one header, then a basic flash parameter table of 16 words
 * at 0x80 (reference: flash-chips 7). */
enum { SFDP_TABLE = 0x80, SFDP_WORDS = 16, SFDP_BYTES = SFDP_TABLE + 4 * SFDP_WORDS };

static const uint8_t header[] = {
	'S', 'F', 'D', 'P', 5, 1, 0, 0xFF,
	0x00, 5, 1, SFDP_WORDS, SFDP_TABLE, 0, 0, 0xFF,
};

static uint32_t quad_enable_code(const struct nor_family *f)
{
	if (f->qe_in_sr1)
		return 2;
	if (!f->has_sr2)
		return 0;
	return f->short_wrsr_clears_sr2 ? 1 : 4;
}

/* Count and unit of an erase time, count - 1 in the low bits (dword 10). */
static uint32_t erase_time(uint32_t us)
{
	static const uint32_t unit_us[] = { 1000, 16000, 128000, 1000000 };
	uint32_t u = 0;

	while (u < 3 && us > 32 * unit_us[u])
		u++;
	return ((us + unit_us[u] - 1) / unit_us[u] - 1) | u << 5;
}

static uint32_t word(const struct nor *n, uint32_t i)
{
	const struct nor_family *f = n->family;

	switch (i) {
	case 0: return 0xFFF120E5;	/* 4 KiB erase by 20h; 1-1-2, 1-2-2, 1-4-4, 1-1-4 */
	case 1: return n->cfg.bytes * 8 - 1;
	case 2: return 0x6B08EB44;	/* EB: 4 dummies and 2 mode clocks; 6B: 8 */
	case 3: return 0xBB803B08;	/* 3B: 8 dummies; BB: 4 mode clocks */
	case 7: return 0x520F200C;
	case 8: return 0x0000D810;
	case 9: return 2 | erase_time(f->erase4k_us) << 4 | erase_time(f->erase32k_us) << 11 |
		       erase_time(f->erase64k_us) << 18;
	case 10: return 0x00000082 | 0x07u << 8 | 1u << 13;	/* 256 byte page, 0.5 ms */
	case 14: return quad_enable_code(f) << 20;
	default: return 0xFFFFFFFF;
	}
}

uint8_t nor_sfdp_byte(const struct nor *n, uint32_t addr)
{
	uint8_t le[4];

	if (!n->family->has_sfdp || addr >= SFDP_BYTES)
		return 0xFF;
	if (addr < sizeof header)
		return header[addr];
	if (addr < SFDP_TABLE)
		return 0xFF;
	put_le32(le, word(n, (addr - SFDP_TABLE) / 4));
	return le[addr % 4];
}
