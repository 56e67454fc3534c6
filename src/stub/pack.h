/* pack.h - makes flash contents smaller on the way to the host.
 *
 * Layer: stub, bottom. Pure. The output is the LZ4 block format, chosen
 * because one table and one pass make it.
 */
#ifndef STUB_PACK_H
#define STUB_PACK_H

#include <stdint.h>

#define PACK_HEADS 1024

/* Packs in[0 .. n), n <= 65535, into out. Returns the size, or 0 when the
 * result would not be smaller than `room`. `heads` is work space. */
uint32_t pack_run(const uint8_t *in, uint32_t n, uint8_t *out, uint32_t room,
		  uint16_t heads[PACK_HEADS]);

#endif
