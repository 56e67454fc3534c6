#include "crc.h"

uint32_t crc_table[256];

void crc_open(void)
{
	uint32_t i, bit, c;

	for (i = 0; i < 256; i++) {
		for (c = i, bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		crc_table[i] = c;
	}
}

uint32_t crc_run(uint32_t crc, const void *p, uint32_t n)
{
	const uint8_t *b = p, *end = b + n;

	while (b < end)
		crc = crc_byte(crc, *b++);
	return crc;
}
