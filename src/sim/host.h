/* host.h - the USB bridge's UART at the other end of the wires, and the noise
 * on them.
 *
 * Layer: sim. Knows two struct wire and no chip.
 */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include "chip.h"
#include "fault.h"
#include "rng.h"
#include "wire.h"

#define HOST_TX_MAX 4096u	/* what the bridge and the system hold before a write blocks */
#define HOST_RX_MAX 65536u	/* unread beyond this is lost, the oldest kept */

struct host {
	uint32_t baud;
	uint64_t bit_ticks;
	struct wire_receiver receiver;
	uint8_t tx[HOST_TX_MAX], rx[HOST_RX_MAX];
	size_t tx_head, tx_count, rx_head, rx_count;
	uint64_t tx_since;	/* the queue has not been empty since */
	double flip, lose, dup;
	uint32_t max_clean_baud;
	uint64_t max_clean_after;
	struct rng rng;
	struct faults *at;	/* the caller's, for single bytes; NULL = none */
	uint64_t sent, received, faults;
};

void host_init(struct host *h, const struct chip_config *cfg, uint64_t now);
void host_set_baud(struct host *h, uint32_t baud);
/* Returns how many were taken. */
size_t host_queue(struct host *h, uint64_t now, const uint8_t *buf, size_t len);
size_t host_take(struct host *h, uint8_t *buf, size_t cap);
/* Moves bytes to `in` (towards the chip) and from `out`, up to now. */
void host_run(struct host *h, uint64_t now, struct wire *in, const struct wire *out);
uint64_t host_next(struct host *h, const struct wire *in, const struct wire *out);

#endif
