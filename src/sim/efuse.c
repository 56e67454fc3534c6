#include "efuse.h"

#include <stddef.h>

enum {
	W0_ESP8285 = 1 << 4, W2_ESP8285 = 1 << 16, W2_FLAG = 0xB000, W1_VERSION = 2 << 24,
	W3_SIP = 1 << 25, W3_FLASH = 1 << 26,
};

/* CRC-8 as the SDK computes it over MAC halves (reflected 31h, start 0). */
static uint32_t crc8(const uint8_t *p, size_t n)
{
	uint32_t crc = 0;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0x8C : crc >> 1;
	}
	return crc;
}

void efuse_words(uint32_t word[4], const uint8_t mac[6], uint32_t package_bytes)
{
	const uint8_t lower[4] = { mac[5], mac[4], mac[3], 0 };
	const uint8_t upper[3] = { mac[2], mac[1], mac[0] };

	word[0] = (uint32_t)mac[5] << 24 | crc8(lower, sizeof lower) << 16;
	word[1] = W1_VERSION | (uint32_t)mac[3] << 8 | mac[4];
	word[2] = W2_FLAG | crc8(upper, sizeof upper) << 24;
	word[3] = (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2];
	if (package_bytes == 1u << 20 || package_bytes == 2u << 20)
		word[0] |= W0_ESP8285;
	if (package_bytes == 2u << 20)
		word[3] |= W3_FLASH;
	if (package_bytes == 4u << 20) {
		word[2] |= W2_ESP8285;
		word[3] |= W3_SIP | W3_FLASH;
	}
}
