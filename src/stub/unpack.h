/* unpack.h - the packing of the stub on its way into the chip.
 *
 * Layer: stub, bottom. squeeze.c packs, on the machine that builds the stub.
 *
 * Literals and matches take turns. A number (1 and up) is for each bit below its
 * highest a 0 and that bit, then a 1. Bits come from bytes, highest first; a
 * byte that is taken whole is the next one of the stream.
 *   literals:             how many; the bytes; then a bit: 0 a match from as far
 *                         back as the one before, 1 a new match
 *   match as far back:    length
 *   new match:            (distance - 1) / 256 + 1; a byte: the rest of it;
 *                         length - 1
 *   after either match, unless that was the end, a bit: 0 literals, 1 a new match
 * It begins with literals and ends, with a match, where the output is full.
 */
#ifndef STUB_UNPACK_H
#define STUB_UNPACK_H

#include <stdint.h>

/* Unpacks into out[0 .. end - out). The stream is one of squeeze.c's: nothing
 * is checked but where the output ends. */
void unpack_run(const uint8_t *in, uint8_t *out, const uint8_t *end);

#endif
