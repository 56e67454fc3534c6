/* stub.h - driving our stub, the program that runs inside the chip.
 *
 * Layer: loader. Knows ports, the ROM loader (to get the stub into the chip)
 * and stub/wire.h. Knows nothing of images or of what should be in flash.
 *
 * Every wait has a deadline by the port's clock, and the deadlines follow
 * progress: a chip that is busy and says so is waited for, a silent one is not.
 */
#ifndef STUB_H
#define STUB_H

#include "../stub/wire.h"
#include "rom.h"
#include "stub_store.h"

enum {
	STUB_WINDOW_MAX = 32,
	STUB_FRAME_MAX = WIRE_HEADER + WIRE_REPLY_MAX + WIRE_CRC,
	STUB_QUEUED_MAX = WIRE_HEADER + WIRE_DATA_MAX + WIRE_CRC,
	STUB_PIECE_MIN = 128,		/* payload of queued frames on a noisy line */
	STUB_SECTORS_MAX = WIRE_FLASH_MAX / WIRE_SECTOR,
	STUB_CHUNKS_MAX = 65536,	/* of one stub_read(): 16 MiB by 256 bytes */
	STUB_RATES_MAX = 8,
};

/* Called while something long goes on. Negative stops it (ESP_E_INTERRUPTED). */
struct stub_progress {
	int (*step)(void *ctx, uint32_t done, uint32_t total);
	void *ctx;
};

struct stub_hello {
	uint16_t version, window, data_max, reply_max;
	uint32_t features, unit_max, uart_divisor;
};

/* The queue as the stub last described it. */
struct stub_state {
	uint16_t next, limit, done, echo, bad_frames, erases, error_seq;
	uint32_t have, erased, written, where, error_addr;
	uint8_t error;		/* enum wire_status */
	bool busy;
};

/* Since stub_start(). */
struct stub_counters {
	uint64_t sent, resent;		/* queued frames */
	uint64_t sent_bytes, received_bytes; /* on the wire */
	uint64_t queries, repeated;	/* and queries asked again */
	uint64_t bad;			/* frames from the chip that were damaged */
	uint64_t slowed;		/* how often the rate went down by itself */
	uint64_t plain, packed;		/* bytes of units, before and after deflate */
	uint64_t shared;		/* units that were in the store */
};

struct stub_slot {
	uint16_t bytes;
	bool received;
	uint32_t order;			/* number of its last transmission; 0 = none */
	uint8_t frame[STUB_QUEUED_MAX];
};

struct stub {
	struct port *port;		/* the caller's; outlives this */
	struct stub_store *store;	/* the caller's, set after stub_init(), or NULL */
	struct esp_error err;
	struct stub_hello hello;
	struct stub_state state;
	struct stub_counters counters;
	uint8_t refusal;		/* enum wire_status of the last refusal or error */
	uint32_t refusal_addr;		/* and its address */

	/* Private: frames. */
	struct slip_decoder slip;
	uint16_t tag;
	uint8_t frame[STUB_FRAME_MAX];
	uint8_t in[1024];
	size_t in_pos, in_len;
	uint8_t wire[2 * STUB_QUEUED_MAX + 2];
	uint64_t heard_us;		/* when the last good frame came */

	/* Private: the queue. */
	struct stub_slot slot[STUB_WINDOW_MAX];	/* of a sequence number modulo */
	uint16_t base, next;		/* not yet acknowledged; not yet used */
	uint32_t order;			/* number of the last transmission */
	uint32_t proven;		/* what was sent before it has arrived or is lost */
	uint32_t asked_order;		/* of the STATUS query with tag `asked` */
	uint16_t asked;
	uint64_t wire_us, data_us;	/* when the last byte, and of a frame, will have left */
	uint64_t quiet_us, moved_us;	/* ask when silent until; last progress */
	uint64_t done_us;		/* when a frame arrived or was executed last */
	uint32_t stall_ms, work_ms;	/* what these two may take at most */
	uint32_t patience_ms;
	uint32_t piece;			/* payload of the frames to come */
	uint32_t recent_sent, recent_lost;
	uint32_t unanswered;		/* STATUS queries in a row */
	uint32_t rate_order;		/* of the last transmission at the rate before */
	bool wants_slower;		/* most of what was sent of late got lost */
	uint8_t clocks;			/* enum wire_clock_flags in use */
	uint32_t slower[STUB_RATES_MAX]; /* rates to go down to */
	size_t slower_count;
	void *deflate;			/* libdeflate's compressor */
	uint8_t chunk_log2;		/* of reads: smaller on a noisy line */
	uint8_t body[4 + WIRE_UNIT_MAX];
	uint8_t have[STUB_CHUNKS_MAX / 8];
};

/* Puts s on a port; no I/O, no resources. */
void stub_init(struct stub *s, struct port *port);
/* Frees what stub_start() or stub_attach() took. Idempotent; not the port. */
void stub_close(struct stub *s);

/* Loads the stub through the ROM, runs it and waits for its hello. */
int stub_start(struct stub *s, struct rom *rom) __attribute__((warn_unused_result));
/* The same, changing to `baud` after the first kilobyte, which is faster. When
 * that rate does not work it goes on at the one before; port->baud tells. */
int stub_start_at(struct stub *s, struct rom *rom, uint32_t baud)
	__attribute__((warn_unused_result));
/* The stub runs already. Empties its queue. */
int stub_attach(struct stub *s) __attribute__((warn_unused_result));

/* Changes the rate of both sides. `clocks` is enum wire_clock_flags. When the
 * new rate does not carry frames both sides go back and ESP_E_UNSUPPORTED or
 * ESP_E_TIMEOUT tells so; port->baud says what is in use. */
int stub_set_baud(struct stub *s, uint32_t baud, unsigned clocks)
	__attribute__((warn_unused_result));
/* Rates, falling, to which reading and writing may go down when most frames get
 * lost; the work goes on where it was. None at first. */
void stub_allow_slower(struct stub *s, const uint32_t *rate, size_t n);
/* Sends len <= WIRE_BODY_MAX bytes there and back. ESP_E_PROTO when they differ. */
int stub_ping(struct stub *s, const void *data, size_t len)
	__attribute__((warn_unused_result));
/* Leaves the stub (enum wire_run). Its clocks and rate are as after the ROM's
 * start then; the port's rate is the caller's. */
int stub_run(struct stub *s, enum wire_run how, uint32_t addr)
	__attribute__((warn_unused_result));

/* ---- flash, as it is ---- */

struct stub_info {
	uint32_t jedec_id;		/* maker | type << 8 | capacity << 16 */
	uint8_t sr[3];
	uint8_t uid[16];
	uint8_t sfdp[256];
};

int stub_info(struct stub *s, struct stub_info *out) __attribute__((warn_unused_result));

/* CRC-32 of each 4 KiB from addr on; the last covers what is left of len.
 * crc has room for (len + 4095) / 4096. Any address. */
int stub_hashes(struct stub *s, uint32_t addr, uint32_t len, uint32_t *crc)
	__attribute__((warn_unused_result));
/* The same with the flash read in that mode (enum wire_mode). */
int stub_hashes_mode(struct stub *s, uint32_t addr, uint32_t len, uint32_t *crc,
		     enum wire_mode mode) __attribute__((warn_unused_result));
/* Reads [addr, addr + len) slowly and in `mode`: 1 when both give the same
 * bytes, 0 when not. A blank range proves nothing. */
int stub_mode_works(struct stub *s, uint32_t addr, uint32_t len, enum wire_mode mode)
	__attribute__((warn_unused_result));

struct stub_digest {
	uint32_t crc;
	uint8_t md5[16];
};

int stub_digest(struct stub *s, uint32_t addr, uint32_t len, struct stub_digest *out)
	__attribute__((warn_unused_result));

/* Reads len bytes into buf. */
int stub_read(struct stub *s, uint32_t addr, void *buf, uint32_t len,
	      const struct stub_progress *progress) __attribute__((warn_unused_result));

/* Any command of the flash chip: `before` is 06, 50 or 0, `ready_ms` how long
 * to wait until the chip is ready again (0: not at all). */
struct stub_spi {
	uint8_t opcode, addr_bytes, dummy_bits, before;
	uint32_t addr, ready_ms;
	const void *out;
	size_t out_len;			/* <= 64 */
	void *in;
	size_t in_len;			/* <= 64 */
};

int stub_spi(struct stub *s, const struct stub_spi *t) __attribute__((warn_unused_result));
/* Status registers 1..3. */
int stub_read_status(struct stub *s, uint8_t sr[3]) __attribute__((warn_unused_result));
/* Writes n = 1 or 2 status bytes with `opcode` (01, 31 or 11). */
int stub_write_status(struct stub *s, uint8_t opcode, const uint8_t *value, size_t n)
	__attribute__((warn_unused_result));
/* Wakes the chip from power-down, continuous read and QPI, and resets it. */
int stub_flash_reset(struct stub *s) __attribute__((warn_unused_result));

/* ---- memory; addresses and sizes are multiples of 4 ---- */
int stub_mem_read(struct stub *s, uint32_t addr, void *buf, size_t len)
	__attribute__((warn_unused_result));
int stub_mem_write(struct stub *s, uint32_t addr, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* ---- changing flash ---- */

#define STUB_ERASE_ALL (WIRE_ERASE_32K | WIRE_ERASE_64K)

/* Announces that [addr, addr + size), whole sectors, will be erased and
 * written. `sizes`: the block erases that the chip has (WIRE_ERASE_*), and
 * WIRE_ERASED when it is known to be blank. */
int stub_write_begin(struct stub *s, uint32_t addr, uint32_t size, unsigned sizes)
	__attribute__((warn_unused_result));
/* Queues len <= 16384 bytes, a multiple of 4, for addr; ascending inside the
 * range. Returns when they are on their way, not when they are in flash. */
int stub_write_unit(struct stub *s, uint32_t addr, const void *data, size_t len)
	__attribute__((warn_unused_result));
/* Waits until all is erased and programmed, and compared by the stub. */
int stub_write_end(struct stub *s) __attribute__((warn_unused_result));

/* The three together, then the sector hashes compared with the data. addr is a
 * multiple of 4096; the rest of the last sector is left blank. ESP_E_FLASH when
 * flash ends up different; refusal_addr says where. */
int stub_write(struct stub *s, uint32_t addr, const void *data, uint32_t len,
	       const struct stub_progress *progress) __attribute__((warn_unused_result));

int stub_erase(struct stub *s, uint32_t addr, uint32_t size,
	       const struct stub_progress *progress) __attribute__((warn_unused_result));
/* progress gets milliseconds and an upper limit. */
int stub_erase_chip(struct stub *s, const struct stub_progress *progress)
	__attribute__((warn_unused_result));

/* Empties the queue and forgets its error. */
int stub_reset(struct stub *s) __attribute__((warn_unused_result));

/* Text for an enum wire_status; never NULL. */
const char *stub_status_text(uint8_t status);

#endif
