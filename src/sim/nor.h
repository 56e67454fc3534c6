/* nor.h - a SPI NOR flash chip as its pins see it: commands, status registers,
 * busy times, protection.
 *
 * Layer: sim. Knows no SPI controller and no ESP8266; a transaction is a
 * string of bytes between two edges of chip select. Time comes in as `now`,
 * in ticks (ticks.h).
 */
#ifndef SIM_NOR_H
#define SIM_NOR_H

#include "fault.h"
#include "nor_array.h"

enum nor_status {		/* SR1; SR2 bits follow at 8.. in a 16 bit value */
	NOR_WIP = 0x01,
	NOR_WEL = 0x02,
	NOR_BP = 0x1C,
	NOR_TB = 0x20,
	NOR_SEC = 0x40,
	NOR_SRP0 = 0x80,
	NOR_SR1_QE = 0x40,	/* Macronix and ISSI have quad enable where others have SEC */
	NOR_SR2_QE = 0x02,
	NOR_SR2_CMP = 0x40,
};

/* How families of makers differ (reference: flash-chips 2, 3, 5). */
struct nor_family {
	uint8_t maker;		/* 0 ends the table: the default */
	bool has_sr2;		/* 35/31, quad enable in SR2 bit 1 */
	bool short_wrsr_clears_sr2;
	bool qe_in_sr1;		/* SR1 bit 6 */
	bool has_sfdp;
	bool puya;
	/* typical busy times in microseconds */
	uint32_t program_us, program_byte_ns, erase4k_us, erase32k_us, erase64k_us;
	uint32_t erase_chip_us_per_mib, erase_chip_us, wrsr_us;
};

/* Ways to read, as bits: what a board's wires may be too bad for. */
enum nor_mode { NOR_FAST = 1, NOR_DOUT = 2, NOR_DIO = 4, NOR_QOUT = 8, NOR_QIO = 16 };

struct nor_config {
	uint8_t *mem;		/* the caller's, kept until nor_close() */
	uint32_t bytes;		/* a power of two, 256 KiB .. 16 MiB */
	uint32_t jedec_id;	/* maker | type << 8 | capacity << 16 */
	uint8_t uid[8];
	double scale;		/* of all busy times; 0 = instant */
	int64_t stuck_sector;	/* -1 = none */
	uint32_t status;	/* SR1 | SR2 << 8 | SR3 << 16 that power-on finds */
	bool locked;		/* BP set, status writes ignored (SRP0 with WP# low) */
	double lie;		/* probability that an erase or program does nothing */
	uint64_t cut_op;	/* power fails in the n-th erase or program; 0 = never */
	int cut_when;		/* -1 before, 0 during, 1 after it */
	uint8_t bad_modes;	/* enum nor_mode: reads in them arrive garbled */
	struct faults *faults;	/* the caller's; NULL = none */
	uint32_t seed;
};

struct nor_stats {
	uint64_t erases, programs;	/* accepted commands */
	uint64_t chip_erases;		/* of the erases */
	uint64_t read_bytes;
	uint64_t status_writes;
	uint64_t busy_commands;		/* sent while busy and so ignored: a bug of the sender */
	uint64_t without_wel;		/* erase, program or WRSR without WREN, ignored */
	uint64_t on_protected;		/* erase or program of a protected area, ignored */
	uint64_t unknown;		/* opcodes that the chip does not have */
	uint64_t lies;			/* operations that the fault model swallowed */
};

enum nor_op_kind { NOR_OP_NONE, NOR_OP_STATUS, NOR_OP_ERASE, NOR_OP_PROGRAM };

struct nor_op {
	enum nor_op_kind kind;
	uint32_t addr, len;
	uint64_t start, until;
	bool lie;
	uint8_t data[NOR_PAGE];
};

struct nor {
	struct nor_config cfg;
	struct nor_array array;
	const struct nor_family *family;
	struct nor_stats stats;
	struct rng rng;
	uint8_t sr1, sr2, sr3;		/* as read, without WIP */
	uint8_t nv_sr1, nv_sr2, nv_sr3;	/* what power-on loads */
	bool asleep, reset_armed, volatile_armed;
	bool power_lost;		/* the cut has happened; stays until nor_power_on() */
	struct nor_op op;		/* applied to the array when its time is over */
	uint64_t ops;			/* erases + programs since open */
	uint64_t id_reads;
	uint32_t false_id;		/* what a fault made of the id; 0 = nothing */
};

/* Powers the chip on over the caller's memory. ESP_E_NOMEM. */
int nor_open(struct nor *n, const struct nor_config *cfg) __attribute__((warn_unused_result));
void nor_close(struct nor *n);
void nor_power_on(struct nor *n);
/* What was under way stays half done. */
void nor_power_off(struct nor *n, uint64_t now);

/* One transaction: sends nout bytes (opcode, address, dummies, data), then
 * reads nin. What nobody drives reads as FF. */
void nor_transfer(struct nor *n, uint64_t now, const uint8_t *out, size_t nout, uint8_t *in,
		  size_t nin);

/* Lets an operation that is over by now reach the array. */
void nor_run(struct nor *n, uint64_t now);
/* When the operation under way ends; TICKS_NEVER when idle. */
uint64_t nor_next(const struct nor *n);
bool nor_is_busy(const struct nor *n, uint64_t now);
/* True when reads in that mode arrive as they should. */
bool nor_mode_works(const struct nor *n, enum nor_mode mode);
/* Quad enable bit, wherever the family keeps it. */
bool nor_quad_enabled(const struct nor *n);
/* True when [addr, addr + len) touches what the status registers protect. */
bool nor_is_protected(const struct nor *n, uint32_t addr, uint32_t len);

/* nor_sfdp.c: the byte at that address of the SFDP area. */
uint8_t nor_sfdp_byte(const struct nor *n, uint32_t addr);
/* nor_family.c: what is known of a maker; a Winbond-like part when nothing. */
const struct nor_family *nor_family_of(uint32_t jedec_id);

#endif
