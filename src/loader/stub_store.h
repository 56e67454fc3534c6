/* stub_store.h - compressed units, shared by processes that write the same bytes.
 *
 * Layer: loader. Memory only: knows neither chips nor ports. Made before the
 * processes are forked; each finds there what another has already compressed. A
 * process that dies at any moment, or writes where it should not, spoils nothing:
 * an entry counts only when all of the plain bytes are equal and the packed ones
 * have their CRC.
 */
#ifndef STUB_STORE_H
#define STUB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STUB_STORE_SLOTS = 2048 };

struct stub_store_map;			/* in shared memory */

struct stub_store {
	struct stub_store_map *map;
	size_t bytes;
};

/* Reserves shared memory for `bytes` of units, plain and packed; pages that are
 * never used cost nothing. 0 or ESP_E_NOMEM. */
int stub_store_open(struct stub_store *st, size_t bytes) __attribute__((warn_unused_result));
/* Gives the memory back, in this process. Idempotent, safe on a zeroed store. */
void stub_store_close(struct stub_store *st);

/* Looks data[0 .. len) up, whose CRC-32 the caller knows. True when it is there:
 * out has the packed bytes and *packed says how many; 0 = it does not shrink.
 * False also when they would not fit cap. st may be NULL. */
bool stub_store_get(const struct stub_store *st, uint32_t crc, const void *data, size_t len,
		    void *out, size_t cap, size_t *packed);
/* Adds a unit; does nothing when there is no room. st may be NULL. */
void stub_store_put(struct stub_store *st, uint32_t crc, const void *data, size_t len,
		    const void *out, size_t packed);

#endif
