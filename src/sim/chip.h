/* chip.h - a simulated ESP8266 with its flash, on a board with a USB bridge's
 * wiring: the whole of it as one object.
 *
 * Layer: sim. Knows nothing of ports, SLIP or of who talks to it. One virtual
 * clock, in microseconds for callers; nothing in here looks at the wall clock
 * or sleeps.
 */
#ifndef SIM_CHIP_H
#define SIM_CHIP_H

#include "../esp_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chip;
struct cpu;
struct nor;

/* How the USB bridge's lines reach GPIO0 and RST (reference: rom-protocol 7). */
enum chip_wiring {
	CHIP_WIRING_NODEMCU,	/* two transistors: DTR alone = GPIO0, RTS alone = RST */
	CHIP_WIRING_DIRECT,	/* DTR = GPIO0, RTS = RST */
	CHIP_WIRING_WIFIO,	/* DTR through a capacitor = RST, break = GPIO0 */
};

/* Defaults by chip_config_init(); text options by chip_config_parse(). */
struct chip_config {
	char flash_path[256];	/* file that keeps the flash; "" = memory only */
	uint32_t flash_bytes;	/* 0 = the file's size, else 4 MiB */
	uint32_t jedec_id;	/* as RDID in W0: maker | type << 8 | capacity << 16; 0 = by size */
	bool esp8285;
	bool esp32;		/* the identification word of an ESP32, else the same chip */
	uint8_t mac[6];
	uint32_t crystal_hz;	/* 26000000 or 40000000 */
	char rom_path[256];	/* a 64 KiB mask ROM dump; "" = our own */
	bool lines_wired;	/* DTR and RTS drive GPIO0 and RST */
	enum chip_wiring wiring;	/* how, when they do */
	int strap;		/* what GPIO_IN bits 16..18 latch when lines_wired is false: 1 or 3 */
	uint32_t seed;		/* for all faults */
	/* ... faults and pacing are further fields, see chip_config.c */
	double flip, lose, dup;	/* per byte, both directions */
	char faults_path[256];	/* a list of faults (fault.h); "" = none */
	uint64_t die_after_bytes;	/* the chip stops answering after n bytes; 0 = never */
	uint64_t power_cut_op;	/* power fails in the n-th flash erase or program; 0 = never */
	int power_cut_when;	/* -1 before, 0 during, 1 after that operation */
	double erase_scale;	/* 1.0 = typical W25Q32 times, 10.0 = slow flash, 0 = instant */
	int64_t stuck_sector;	/* sector number that will not erase or program; -1 = none */
	bool write_protect;	/* status register BP bits set and locked */
	uint32_t status;	/* SR1 | SR2 << 8 | SR3 << 16, kept without power */
	double lie;		/* probability that an erase or program does nothing */
	uint8_t bad_modes;	/* enum nor_mode: reads in them are garbled */
	uint64_t max_clean_after; /* bytes on the wire from which that counts */
	uint32_t max_clean_baud; /* above this host rate one byte in 50 is damaged; 0 = no limit */
	/* For whoever gives the chip a port; the chip itself does not look: */
	bool paced;		/* its clock follows the wall clock */
	int32_t latency_us;	/* USB bridge's latency timer; -1 = 0, or 1000 when paced */
	uint64_t unplug_after_bytes; /* the port is gone after n bytes; 0 = never */
};

void chip_config_init(struct chip_config *cfg);

/* Applies one URL option ("size" = "4M", "chip" = "esp8285", ...).
 * ESP_E_ARGUMENT names what is wrong and lists the options there are. */
int chip_config_parse(struct chip_config *cfg, const char *key, const char *value,
		      struct esp_error *err);

/* Applies "key=value&key=value" (%XX decoded). */
int chip_config_parse_query(struct chip_config *cfg, const char *query, struct esp_error *err);

/* The options, for help: name, value form and one line of text; NULL behind the last. */
const char *chip_config_option(size_t i, const char **form, const char **help);

/* Power on, lines released. NULL and *err on failure. */
struct chip *chip_open(const struct chip_config *cfg, struct esp_error *err);
void chip_close(struct chip *c);	/* NULL is fine; flash is on disk afterwards */

/* The list of faults that it runs by. */
struct faults;
struct faults *chip_faults(struct chip *c);

uint64_t chip_now_us(const struct chip *c);

/* Lets the chip live until time_us, or, with stop_on_tx, until it has sent at
 * least one byte that the host can see. Returns at once when that is past. */
void chip_run(struct chip *c, uint64_t time_us, bool stop_on_tx);

/* The host side of the wire. Bytes written are put on the wire one after
 * another at the host's rate from now on; returns how many were taken (the
 * queue is bounded). chip_sent() takes bytes whose stop bit lies in the past,
 * as the host's UART would receive them at its rate (wrong rate: wrong bytes). */
size_t chip_receive(struct chip *c, const uint8_t *buf, size_t len);
size_t chip_sent(struct chip *c, uint8_t *buf, size_t cap);
bool chip_wire_idle(const struct chip *c);	/* all written bytes were shifted out */
void chip_set_host_baud(struct chip *c, uint32_t baud);
void chip_set_lines(struct chip *c, bool dtr, bool rts);	/* true = asserted */
void chip_set_break(struct chip *c, bool on);

/* Power off and on again. A power cut by a fault leaves it off. */
void chip_power(struct chip *c, bool on);
bool chip_is_on(const struct chip *c);

/* For looking inside while it lives. Peeks have no side effects; addresses of
 * nothing read 0. chip_poke writes RAM only: false for any other address. */
uint32_t chip_peek(struct chip *c, uint32_t addr);
bool chip_poke(struct chip *c, uint32_t addr, uint32_t value);
const struct cpu *chip_cpu(const struct chip *c);
const struct nor *chip_nor(struct chip *c);	/* counters, status; operations over by now done */
uint8_t *chip_flash(struct chip *c, uint32_t *bytes);	/* the cells themselves */

struct chip_stats {
	uint64_t host_sent, host_received;	/* bytes on the wire, as the host sees them */
	uint64_t uart_lost;			/* arrived with UART0's FIFO full */
	uint64_t resets;			/* of any cause, since power-on */
	uint64_t stray;				/* accesses to addresses of nothing */
	uint64_t faults;			/* bytes damaged, lost or doubled on purpose */
};
void chip_get_stats(const struct chip *c, struct chip_stats *s);

#endif
