/* wire.h - what host and stub say to each other; PROTOCOL.md explains it.
 *
 * Layer: the one header that both sides share. Constants only. All numbers on
 * the wire are little-endian.
 */
#ifndef STUB_WIRE_H
#define STUB_WIRE_H

#define WIRE_VERSION 1

/* A frame, before SLIP: header, payload, CRC-32 of both. */
enum wire_header {
	WIRE_OP = 0,		/* u8: enum wire_op */
	WIRE_FLAGS = 1,		/* u8: of the op; in replies enum wire_status */
	WIRE_SEQ = 2,		/* u16: place in the queue, or tag of a query */
	WIRE_ADDR = 4,		/* u32: absolute address */
	WIRE_LEN = 8,		/* u32: bytes at that address, not of this frame */
	WIRE_HEADER = 12,
};
#define WIRE_CRC 4
#define WIRE_CRC_RESIDUE 0xdebb20e3u	/* of a frame with its CRC, not inverted */

#define WIRE_END 0xc0
#define WIRE_ESC 0xdb
#define WIRE_ESC_END 0xdc
#define WIRE_ESC_ESC 0xdd

#define WIRE_DATA_MAX 1024	/* payload of a queued frame */
#define WIRE_BODY_MAX 80	/* payload of a query */
#define WIRE_REPLY_MAX 4096	/* payload of a reply */
#define WIRE_UNIT_MAX 16384	/* flash bytes in a unit */
#define WIRE_SECTOR 4096
#define WIRE_WINDOW 24		/* queued frames that the stub can hold */
#define WIRE_FLASH_MAX 0x1000000u	/* 24 bit addresses */

enum wire_op {
	/* Queries: answered in the order they come, safe to repeat. */
	WIRE_HELLO = 0x01,	/* who are you; also sent once, unasked, at start */
	WIRE_PING = 0x02,	/* payload comes back */
	WIRE_BAUD = 0x03,	/* payload: u32 new, u32 old; flags: WIRE_CLOCK_* */
	WIRE_INFO = 0x04,	/* the flash chip's ids */
	WIRE_HASH = 0x05,	/* CRC-32 of each sector; flags: read mode */
	WIRE_DIGEST = 0x06,	/* CRC-32 and MD5 of a range */
	WIRE_READ = 0x07,	/* flash, packed; flags: log2 of the chunk, 8..12 */
	WIRE_MEM_READ = 0x08,	/* memory, in words */
	WIRE_MEM_WRITE = 0x09,
	WIRE_SPI = 0x0a,	/* any flash command */
	WIRE_RUN = 0x0b,	/* flags: enum wire_run */
	WIRE_RESET = 0x0c,	/* empties the queue; addr = next sequence number */
	WIRE_STATUS = 0x0d,	/* the queue's state */
	/* Queued: executed once each, in order of their sequence numbers. */
	WIRE_QUEUED = 0x40,
	WIRE_BEGIN = 0x40,	/* erase this range; units for it follow */
	WIRE_DATA = 0x41,	/* a piece of a unit */
	WIRE_CHIP_ERASE = 0x42,
	WIRE_BARRIER = 0x43,	/* done when everything before it is */
	/* Replies: the query's op with this bit. */
	WIRE_REPLY = 0x80,
};

enum wire_data_flags {
	WIRE_FIRST = 1,		/* payload begins with the CRC-32 of the plain unit */
	WIRE_LAST = 2,
	WIRE_DEFLATED = 4,	/* else stored */
};

enum wire_begin_flags {
	WIRE_ERASE_32K = 1,	/* the chip knows 52h */
	WIRE_ERASE_64K = 2,	/* the chip knows D8h */
	WIRE_ERASED = 4,	/* the host has found it blank: no need to look */
};

enum wire_read_flags {		/* flags of a READ reply */
	WIRE_PACK_RAW = 0,
	WIRE_PACK_LZ = 1,	/* LZ4 block format */
	WIRE_PACK_BLANK = 2,	/* no payload: len bytes of FF */
	WIRE_PACK_ERROR = 0x40,	/* payload: u8 enum wire_status */
	WIRE_STREAM_LAST = 0x80, /* nothing more comes for this query; HASH too */
};

enum wire_mode {		/* how HASH reads; the mask ROM's numbers */
	WIRE_MODE_QIO, WIRE_MODE_QOUT, WIRE_MODE_DIO, WIRE_MODE_DOUT,
	WIRE_MODE_FAST, WIRE_MODE_SLOW,
	WIRE_MODES,
};

enum wire_clock_flags {
	WIRE_CLOCK_PLL = 1,	/* 80 MHz from a 26 MHz crystal */
	WIRE_CLOCK_DOUBLE = 2,	/* CPU at twice that */
	WIRE_CLOCK_FLASH = 4,	/* flash at 40 MHz, as firmware has it, with fast reads */
};
#define WIRE_BAUD_TRIAL_MS 300	/* without a good frame the old rate comes back */

enum wire_run {
	WIRE_RUN_FLASH,		/* what the ROM does after a reset in flash mode */
	WIRE_RUN_RESET,		/* software reset: the ROM's loader again */
	WIRE_RUN_ADDR,		/* jump to addr */
};

/* Payload of SPI: these, then the bytes to send. The header's addr is sent
 * when address bytes are asked for; its len is how many ms to wait for the
 * chip to get ready afterwards. */
enum wire_spi {
	WIRE_SPI_OPCODE = 0, WIRE_SPI_ADDR_BYTES = 1, WIRE_SPI_DUMMY_BITS = 2,
	WIRE_SPI_IN = 3, WIRE_SPI_BEFORE = 4,	/* 06 or 50 sent first; 0: none */
	WIRE_SPI_HEADER = 8,
	WIRE_SPI_DATA_MAX = 64,
};

/* Payload of a HELLO reply. */
enum wire_hello {
	WIRE_HELLO_VERSION = 0,		/* u16 */
	WIRE_HELLO_WINDOW = 2,		/* u16 frames */
	WIRE_HELLO_FEATURES = 4,	/* u32: enum wire_feature */
	WIRE_HELLO_DATA_MAX = 8,	/* u16 */
	WIRE_HELLO_REPLY_MAX = 10,	/* u16 */
	WIRE_HELLO_UNIT_MAX = 12,	/* u32 */
	WIRE_HELLO_UART_DIVISOR = 16,	/* u32 */
	WIRE_HELLO_SIZE = 20,
};

enum wire_feature {
	WIRE_HAS_DEFLATE = 1, WIRE_HAS_LZ = 2, WIRE_HAS_MD5 = 4, WIRE_HAS_PLL = 8,
	WIRE_HAS_MODES = 16, WIRE_HAS_RUN = 32,
};

/* Payload of an INFO reply. */
enum wire_info {
	WIRE_INFO_JEDEC = 0,	/* u32: maker | type << 8 | capacity << 16 */
	WIRE_INFO_SR = 4,	/* u8[3]: SR1, SR2, SR3 */
	WIRE_INFO_UID = 8,	/* u8[16] */
	WIRE_INFO_SFDP = 24,	/* u8[256] */
	WIRE_INFO_SIZE = 280,
};

/* Payload of a STATUS reply, which also comes unasked. Header: seq = the first
 * queued frame that is missing, addr = where the chip is at work. */
enum wire_state {
	WIRE_STATE_HAVE = 0,	/* u32: bit n = frame seq + 1 + n is here */
	WIRE_STATE_LIMIT = 4,	/* u16: frames before this one have room */
	WIRE_STATE_DONE = 6,	/* u16: frames before this one are executed */
	WIRE_STATE_ERASED = 8,	/* u32: the range is erased up to here */
	WIRE_STATE_WRITTEN = 12, /* u32: and programmed and compared up to here */
	WIRE_STATE_ECHO = 16,	/* u16: tag of the last STATUS query */
	WIRE_STATE_ERROR_SEQ = 18, /* u16 */
	WIRE_STATE_ERROR = 20,	/* u8: enum wire_status; stays until RESET */
	WIRE_STATE_BUSY = 21,	/* u8: 1 = the queue or the flash is at work */
	WIRE_STATE_BAD = 22,	/* u16: frames dropped because of their CRC */
	WIRE_STATE_ERROR_ADDR = 24, /* u32 */
	WIRE_STATE_ERASES = 28,	/* u16: erase commands sent */
	WIRE_STATE_SIZE = 30,
};

enum wire_status {
	WIRE_OK = 0,
	WIRE_E_REQUEST = 1,	/* unknown op or nonsense in it */
	WIRE_E_RANGE = 2,	/* address or length out of range or not aligned */
	WIRE_E_ORDER = 3,	/* a unit outside its range or below one before it */
	WIRE_E_TIMEOUT = 4,	/* the flash stays busy */
	WIRE_E_VERIFY = 5,	/* flash differs from what was programmed */
	WIRE_E_PROTECTED = 6,	/* write enable or erase had no effect */
	WIRE_E_DATA = 7,	/* a unit does not inflate, or to the wrong CRC */
	WIRE_E_BUSY = 8,	/* the queue is not empty */
};

/* The first stage: blocks of words from the host, an answer of five words from
 * the chip. */
#define WIRE_FIRST_WORD 0x5a6d46a5u	/* begins every block and answer */
#define WIRE_FIRST_DATA 256		/* bytes in a block */
#define WIRE_FIRST_WORDS 67		/* index, address, data, CRC-32 of these */
#define WIRE_FIRST_BLOCKS 64
#define WIRE_FIRST_CONTROL 0x80000000u	/* in an index: no block, and has no data */
#define WIRE_FIRST_ASK 0xffffffffu	/* as index: which blocks are there? addr: tag */
#define WIRE_FIRST_RUN 0xfffffffeu	/* as index: unpack, run address */
#define WIRE_FIRST_SILENCE 0x800000	/* CPU cycles after which the old rate comes
					 * back: 161 ms at 52 MHz, 105 at 80 */

/* Where the first stage unpacks the stub to: what goes to instruction RAM, which
 * takes whole words only, then what stays there. */
#define WIRE_FIRST_TEXT 0x2700
#define WIRE_FIRST_IMAGE 0x27c0

/* stub.bin: header, first stage, the stub packed. The first two words of the
 * first stage are the rate in use and the rate to change to. */
enum wire_blob {
	WIRE_BLOB_MAGIC = 0,	/* u32 */
	WIRE_BLOB_ENTRY = 4,	/* u32 */
	WIRE_BLOB_FIRST_ADDR = 8, WIRE_BLOB_FIRST_SIZE = 12, WIRE_BLOB_FIRST_ENTRY = 16,
	WIRE_BLOB_PACKED_ADDR = 20,
	WIRE_BLOB_RAM_END = 24,	/* it uses no data RAM between here and the stack */
	WIRE_BLOB_HEADER = 28,
};
#define WIRE_BLOB_WORD 0x34464d6cu

#endif
