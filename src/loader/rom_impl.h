/* rom_impl.h - what the parts of rom share: rom.c (the protocol),
 * rom_connect.c (finding the loader, changing the rate), rom_calls.c (the
 * commands as functions).
 *
 * Layer: loader. Private to these three.
 */
#ifndef ROM_IMPL_H
#define ROM_IMPL_H

#include "rom.h"

enum {
	ROM_SYNC_WAIT_MS = 100,
	ROM_NOISE_MAX = 1 << 24,	/* bytes looked at while waiting for one answer */
};

/* Copies the port's failure; returns its code. */
int rom_port_failed(struct rom *rom);

/* Time that bytes take on the wire, rounded up. */
uint32_t rom_transfer_ms(const struct rom *rom, size_t bytes);
uint64_t rom_deadline(struct rom *rom, uint32_t ms);

/* What to wait for the answer to req, by the table, with the transfer. */
uint32_t rom_timeout_ms(const struct rom *rom, const struct rom_request *req);

/* Fills the input buffer, which must be used up. Bytes read, 0 for none. */
int rom_fill(struct rom *rom, uint32_t timeout_ms);

/* Forgets what was received, after listening to it. */
int rom_drop_input(struct rom *rom);

/* Waits for any well-formed reply. 0, ESP_E_TIMEOUT (no text is set), or the
 * port's failure. */
int rom_next_reply(struct rom *rom, uint64_t deadline_us, struct rom_reply *reply);

/* Puts bytes, or a packet, on the wire, whatever state rom is in. Returns their
 * number. */
int rom_write_wire(struct rom *rom, const uint8_t *bytes, size_t len);
int rom_transmit(struct rom *rom, const struct rom_request *req);

/* Sets the text of a missing answer. */
int rom_timed_out(struct rom *rom, const struct rom_request *req, uint32_t ms);

#endif
