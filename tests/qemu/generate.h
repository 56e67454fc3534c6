/* generate.h - random LX106 programs for the differential test.
 *
 * Pure: from a seed to bytes. Programs follow one another in an image; each
 * ends by running into the next, the last one by leaving the emulator.
 */
#ifndef TEST_GENERATE_H
#define TEST_GENERATE_H

#include <stddef.h>
#include <stdint.h>

enum {
	IMAGE_BASE = 0x50000000,
	PROGRAMS_AT = 0x1000,		/* in the image */
	PROGRAM_BYTES = 0x1000,		/* each: literals, then code */
	DATA_BASE = 0x3ffc1000,		/* words that programs load and store */
	DATA_WORDS = 32,
};

/* Writes program `index` of `count` to out[0 .. PROGRAM_BYTES). */
void generate(uint8_t *out, size_t index, size_t count, uint32_t seed);

#endif
