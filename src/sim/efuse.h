/* efuse.h - the four factory-written words at 0x3FF00050.
 *
 * Layer: sim. Pure. Source: reference, rom-protocol 10.2.
 */
#ifndef SIM_EFUSE_H
#define SIM_EFUSE_H

#include <stdint.h>

/* package_bytes: flash inside the package (ESP8285: 1, 2 or 4 MiB), 0 = none. */
void efuse_words(uint32_t word[4], const uint8_t mac[6], uint32_t package_bytes);

#endif
