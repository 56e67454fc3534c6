/* stub_impl.h - what the stub_*.c files share.
 *
 * Layer: loader, private.
 */
#ifndef STUB_IMPL_H
#define STUB_IMPL_H

#include "stub.h"

struct stub_frame {
	uint8_t op, flags;
	uint16_t seq;
	uint32_t addr, len;
	const uint8_t *data;
	size_t bytes;
};

enum {
	STUB_SILENCE_MS = 3000,	/* a chip that says nothing for so long is lost */
	STUB_CHUNK_LOG2_MAX = 12, STUB_CHUNK_LOG2_MIN = 8,
};

/* stub_frame.c */

/* Writes header, payload and CRC; returns the size. to has room for it. */
size_t stub_frame_put(uint8_t *to, const struct stub_frame *f);
/* Checks and takes apart; ESP_E_PROTO when short or damaged. f points into buf. */
int stub_frame_get(struct stub_frame *f, const uint8_t *buf, size_t len);
/* Sends an assembled frame. */
int stub_frame_send(struct stub *s, const uint8_t *frame, size_t bytes);
/* Waits at most timeout_ms for a good frame: 1, or 0 when none came. STATUS is
 * recorded on the way. */
int stub_frame_receive(struct stub *s, struct stub_frame *f, uint32_t timeout_ms);

/* A query. Its reply must come within wait_ms beside the time on the wire; STATUS
 * frames prolong that up to limit_ms after the first sending (0: they do not). */
struct stub_query {
	uint8_t op, flags;
	uint32_t addr, len;
	const void *body;
	size_t bytes;
	uint32_t wait_ms, limit_ms;
};

/* Sends it once; returns its tag (>= 0). */
int stub_query_send(struct stub *s, const struct stub_query *q, int tag);
/* Asks until answered. ESP_E_REFUSED with s->refusal, ESP_E_TIMEOUT. */
int stub_ask(struct stub *s, const struct stub_query *q, struct stub_frame *reply)
	__attribute__((warn_unused_result));
int stub_refused(struct stub *s, uint8_t status, uint32_t addr);
/* Time that n bytes take at the port's rate, rounded up. */
uint32_t stub_wire_ms(const struct stub *s, uint64_t n);
/* ESP_E_INTERRUPTED when progress says so. */
int stub_step(struct stub *s, const struct stub_progress *p, uint32_t done, uint32_t total);

/* stub_boot.c: gets stub.bin into the chip and runs it at that rate. */
int stub_boot(struct stub *s, struct rom *rom, uint32_t baud)
	__attribute__((warn_unused_result));

/* stub_rate.c: to the next of the lower rates: 1, or 0 when there is none. */
int stub_slow_down(struct stub *s) __attribute__((warn_unused_result));

/* stub_window.c */

/* A 16 MiB chip may take so long to be erased; the stub itself gives up earlier. */
enum { STUB_CHIP_ERASE_MS = 260000 };

void stub_window_init(struct stub *s, uint16_t seq);
/* Queues a frame, waiting for room. f->seq is filled in. */
int stub_window_push(struct stub *s, struct stub_frame *f);
/* The queue has work now that may take so long in which nothing else is executed,
 * and, if it is all one, in which nothing is heard but that the flash is busy. */
void stub_window_expect(struct stub *s, uint32_t work_ms, bool all_one);
/* Reads what is there, sends what is due, waiting at most timeout_ms. */
int stub_window_pump(struct stub *s, uint32_t timeout_ms);
/* Waits until everything queued is executed. */
int stub_window_drain(struct stub *s, const struct stub_progress *progress, uint32_t total);
/* A STATUS frame came. */
void stub_window_status(struct stub *s, const struct stub_frame *f);

/* stub_read.c: LZ4 block to exactly n bytes; -1 when it is not that. */
int stub_unpack(const uint8_t *in, size_t len, uint8_t *out, size_t n);

#endif
