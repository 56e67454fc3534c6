/* rom.h - talking to the loader in the ESP8266's mask ROM.
 *
 * Layer: loader. Knows ports and SLIP. Knows nothing of images, of what is in
 * flash, nor of which registers mean what (that is policy, and is in Lua).
 *
 * Only *_DATA packets have a checksum, of 8 bits. All other requests and all
 * answers are believed as they arrive: on a line that changes bytes, a register
 * access or a *_BEGIN may do something else than was asked (a lost byte can even
 * hang the ROM). Work that matters is proven by reading back.
 *
 * All memory is inside struct rom; nothing is allocated. Every call returns
 * within a deadline that is set per command, whatever the other side sends.
 */
#ifndef ROM_H
#define ROM_H

#include "../port/port.h"
#include "reset.h"
#include "slip.h"

enum rom_op {
	ROM_FLASH_BEGIN = 0x02,
	ROM_FLASH_DATA = 0x03,
	ROM_FLASH_END = 0x04,
	ROM_MEM_BEGIN = 0x05,
	ROM_MEM_END = 0x06,
	ROM_MEM_DATA = 0x07,
	ROM_SYNC = 0x08,
	ROM_WRITE_REG = 0x09,
	ROM_READ_REG = 0x0A,
	ROM_SPI_SET_PARAMS = 0x0B,
};

enum {
	ROM_HEAD = 8,			/* direction, op, size, checksum or value */
	ROM_BLOCK_MAX = 0x1800,		/* the ROM refuses longer blocks */
	ROM_PAYLOAD_MAX = 0x4000 + 16,	/* what a stub takes; the ROM takes its block's */
	ROM_REPLY_MAX = 64,		/* a reply has 10 bytes; longer ones only from stubs */
	ROM_FRAME_MAX = 0x1010,		/* the longest frame that a stub sends, beside replies */
	ROM_WORDS_MAX = 6,
	ROM_RECORDS_MAX = 64,		/* of one WRITE_REG packet */
	ROM_HEARD_MAX = 2048,
	ROM_RING = 255,			/* bytes that may wait in the ROM while it is busy */
	ROM_CHECKSUM_SEED = 0xEF,
	ROM_SYNC_COUNT = 8,		/* a SYNC is answered this often */
};

#define ROM_SYNC_VALUE 0x20120707u	/* what the ROM's SYNC reply carries; a stub's is 0 */
#define ROM_UART_CLKDIV 0x60000014u
#define ROM_CHIP_MAGIC 0x40001000u	/* reads ROM_MAGIC_ESP8266 on ESP8266 and ESP8285 */
#define ROM_MAGIC_ESP8266 0xFFF0C101u

/* One command of the loader; the table of them is in rom.c. */
struct rom_command {
	uint8_t op;
	const char *name;
	uint8_t n_words;			/* payload words in front of any data */
	const char *words[ROM_WORDS_MAX];	/* their names */
	bool has_data;				/* data follow, and are in the checksum */
	uint32_t base_ms;			/* time-out without transfer ... */
	uint32_t (*work_ms)(const uint32_t *words);	/* ... and for the work asked for */
};

/* The command of that op; NULL for one that the ROM does not have. */
const struct rom_command *rom_command_find(uint8_t op);

/* Text of an error byte of the ROM ("checksum error"); never NULL. */
const char *rom_error_text(uint8_t error);

/* Whether a failure may be the line's fault: a damaged request or answer. */
bool rom_may_help_to_repeat(int rc);

/* How often to repeat what failed: ten times on a line that answers at all, but
 * a device that says nothing is given up after the third. */
struct rom_patience {
	unsigned failures, silent;
};

/* Notes the result rc; whether to try once more. */
bool rom_try_again(struct rom_patience *p, int rc);

struct rom_request {
	uint8_t op;
	size_t n_words;
	uint32_t words[ROM_WORDS_MAX];	/* payload: first these, little-endian, */
	const void *data;		/* then these bytes */
	size_t len;
	bool checksum;			/* checksum `data` though the table does not ask */
	uint32_t timeout_ms;		/* without transfer time; 0 = by the table */
};

struct rom_reply {
	uint8_t op;
	uint32_t value;
	uint8_t status, error;		/* error means something only when status is not 0 */
	uint8_t data[ROM_REPLY_MAX];	/* what stands before the status bytes */
	size_t len;
};

struct rom {
	struct port *port;		/* the caller's; outlives this */
	struct esp_error err;

	/* What rom_sync() and rom_connect() found out. */
	uint32_t sync_value;
	bool is_stub;			/* a stub answered, not the ROM */
	size_t used_sequence;		/* index of the reset sequence that worked */
	unsigned used_flags;		/* enum reset_flag, as it worked */
	uint8_t heard[ROM_HEARD_MAX];	/* first bytes heard while not yet connected */
	size_t heard_len;
	uint64_t heard_total;		/* may be more than were kept */
	bool heard_echo;		/* our own bytes came back */

	/* Session state. */
	bool flash_attached;		/* SPI pins are attached (a FLASH_BEGIN was done) */
	uint32_t flash_size;		/* of the chip; 0 = not yet known */
	bool flash_limited;		/* SPI_SET_PARAMS was done and read back: */
	uint32_t flash_limit;		/* the size that the ROM goes by */
	uint8_t refusal;		/* error byte of the last ESP_E_REFUSED */
	uint64_t bad_frames;		/* frames thrown away since rom_init() */

	/* Private. */
	bool listening;			/* collect into heard */
	bool out_of_step;		/* an answer may still come: re-synchronise first */
	struct slip_decoder slip;
	uint8_t frame[ROM_FRAME_MAX];
	uint8_t in[512];
	size_t in_pos, in_len;
	uint8_t packet[ROM_HEAD + ROM_PAYLOAD_MAX];
	uint8_t wire[2 * (ROM_HEAD + ROM_PAYLOAD_MAX) + 2];
};

/* Puts rom on a port; no I/O. */
void rom_init(struct rom *rom, struct port *port);

/* ---- connecting ---- */

/* One try: drop what was received, send SYNC, wait 100 ms for an answer, take
 * the 7 others. Sets sync_value and is_stub. ESP_E_TIMEOUT or the port's. */
int rom_sync(struct rom *rom) __attribute__((warn_unused_result));

struct rom_connect {
	const struct reset_sequence *sequences;	/* tried in turn; only steps and n are used */
	size_t n_sequences;			/* 0: no reset, SYNC only */
	unsigned attempts;			/* resets in all; 0 = 8 */
	bool try_inverted;			/* also with both lines inverted */
};

/* Resets the chip into its loader and synchronises. Each sequence is tried with
 * short and long waits (and then inverted, short and long) before the next.
 * ESP_E_TIMEOUT when nothing answered: heard, heard_len and heard_echo then say
 * what was on the line. */
int rom_connect(struct rom *rom, const struct rom_connect *how)
	__attribute__((warn_unused_result));

/* After a failure: ends any half frame in the ROM with lone ENDs and drops
 * answers that come late. Done by itself before the next command. */
int rom_resync(struct rom *rom);

/* Changes the rate of chip and port. 0 when a register could be read at the new
 * rate. ESP_E_TIMEOUT: the text says whether the chip still answers at the old
 * rate (port->baud tells) or is lost until its next reset. */
int rom_change_baud(struct rom *rom, uint32_t baud) __attribute__((warn_unused_result));

/* ---- commands ---- */

/* Sends req and waits for its reply (may be NULL). Replies to other commands
 * are dropped. ESP_E_REFUSED when the loader said no (reply is filled in),
 * ESP_E_TIMEOUT, ESP_E_TOOBIG, or the port's failure. */
int rom_command(struct rom *rom, const struct rom_request *req, struct rom_reply *reply)
	__attribute__((warn_unused_result));

/* Its two halves. rom_send() returns the bytes put on the wire. */
int rom_send(struct rom *rom, const struct rom_request *req) __attribute__((warn_unused_result));
int rom_receive(struct rom *rom, const struct rom_request *req, struct rom_reply *reply)
	__attribute__((warn_unused_result));

/* Frames that are no packets, as stubs use them. rom_frame() waits for the next
 * one of any kind: its length, at most ROM_FRAME_MAX; *frame is valid until the
 * next call. ESP_E_TIMEOUT, ESP_E_TOOBIG or the port's failure. */
int rom_send_frame(struct rom *rom, const void *bytes, size_t len)
	__attribute__((warn_unused_result));
int rom_frame(struct rom *rom, uint32_t timeout_ms, const uint8_t **frame)
	__attribute__((warn_unused_result));

/* A row of short commands, sent ahead of their answers. */
struct rom_row {
	size_t n;
	void (*ask)(void *ctx, size_t i, struct rom_request *req);	/* req comes zeroed */
	void (*answer)(void *ctx, size_t i, const struct rom_reply *reply);
	void *ctx;
};

/* Runs a row with at most ROM_RING bytes not yet answered. Answers come in
 * order; at the first that is missing, out of order or a refusal it stops.
 * Returns 0; ESP_E_PROTO for answers out of step, and as rom_command(). */
int rom_run_row(struct rom *rom, const struct rom_row *row) __attribute__((warn_unused_result));

/* Bytes that were read from the port and not yet used, for whoever takes over
 * the line. Returns their number; they are gone from rom afterwards. */
size_t rom_take_rest(struct rom *rom, uint8_t *buf, size_t cap);

/* ---- registers ----
 * An address must be a multiple of 4 and not 0: the ROM would hang. Reading is
 * tried three times (so not for registers that change by being read). */
struct rom_record {
	uint32_t addr, value, mask;
	uint32_t delay_us;	/* before the write, at most 65535; x 1.5 at 26 MHz */
};

int rom_read_reg(struct rom *rom, uint32_t addr, uint32_t *value)
	__attribute__((warn_unused_result));
int rom_read_regs(struct rom *rom, const uint32_t *addrs, uint32_t *values, size_t n)
	__attribute__((warn_unused_result));
/* new = (old & ~mask) | (value & mask) */
int rom_write_reg(struct rom *rom, const struct rom_record *record)
	__attribute__((warn_unused_result));
/* n <= ROM_RECORDS_MAX, in one packet, in order. */
int rom_write_regs(struct rom *rom, const struct rom_record *records, size_t n)
	__attribute__((warn_unused_result));

/* ---- RAM ---- */
int rom_mem_begin(struct rom *rom, uint32_t size, uint32_t blocks, uint32_t block_size,
		  uint32_t addr) __attribute__((warn_unused_result));
int rom_mem_data(struct rom *rom, uint32_t seq, const void *data, size_t len)
	__attribute__((warn_unused_result));
/* stay = false leaves the loader and calls entry. */
int rom_mem_end(struct rom *rom, bool stay, uint32_t entry) __attribute__((warn_unused_result));

/* Loads len bytes at addr (a multiple of 4), padded with zeros to a multiple of
 * 4, in blocks; a block that was damaged is sent again. ESP_E_ARGUMENT for an
 * address where the loader itself lives (3fffa000 and up). */
int rom_load_ram(struct rom *rom, uint32_t addr, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Leaves the loader and calls entry. The answer may be lost: the code may start
 * before it is out, so 0 says "told to", not "runs". */
int rom_run(struct rom *rom, uint32_t entry) __attribute__((warn_unused_result));

/* ---- flash: the bare commands; flash_rom.h uses them safely ---- */

int rom_flash_params(struct rom *rom, uint32_t flash_size) __attribute__((warn_unused_result));

/* Tells the ROM that the chip has so many bytes, and reads back what it took. It
 * erases and writes nothing from there on: with 0, no command that arrives damaged
 * can change flash. Lifted by rom_run() and rom_boot_flash(). */
int rom_flash_limit(struct rom *rom, uint32_t bytes) __attribute__((warn_unused_result));

/* FLASH_BEGIN erases MORE than erase_size (see flash_rom.h). Size 0 erases
 * nothing, attaches the SPI pins and clears the protection bits. */
int rom_flash_begin(struct rom *rom, uint32_t erase_size, uint32_t blocks,
		    uint32_t block_size, uint32_t offset) __attribute__((warn_unused_result));
int rom_flash_data(struct rom *rom, uint32_t seq, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Leaves the loader into the firmware at flash address 0, without a reset. The
 * chip's protection bits stay clear. */
int rom_boot_flash(struct rom *rom) __attribute__((warn_unused_result));

/* What FLASH_BEGIN(erase_size) at offset really erases, in sectors of 4 KiB,
 * from offset on. */
uint32_t rom_erased_sectors(uint32_t offset, uint32_t erase_size);

#endif
