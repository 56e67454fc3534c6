/* crc.h - CRC-32 as in Ethernet and zlib, without the inversions.
 *
 * Layer: stub, bottom. Pure.
 */
#ifndef STUB_CRC_H
#define STUB_CRC_H

#include <stdint.h>

extern uint32_t crc_table[256];
void crc_open(void);	/* fills the table */
uint32_t crc_run(uint32_t crc, const void *p, uint32_t n);

static inline uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
	return crc_table[(uint8_t)crc ^ byte] ^ crc >> 8;
}

#endif
