/* chip_impl.h - what the files of the simulated chip share.
 *
 * Layer: sim, inside chip*.c only. chip.c has the life of the chip and its
 * clock, chip_io.c the devices' addresses, chip_map.c the memory map.
 */
#ifndef SIM_CHIP_IMPL_H
#define SIM_CHIP_IMPL_H

#include "chip.h"

#include "board.h"
#include "cpu.h"
#include "fault.h"
#include "flash_file.h"
#include "gpio.h"
#include "host.h"
#include "nor.h"
#include "rtc.h"
#include "spi.h"
#include "ticks.h"
#include "timer.h"
#include "uart.h"
#include "wdt.h"

enum {
	CHIP_ROM_BYTES = 0x10000, CHIP_DRAM_BYTES = 0x18000, CHIP_IRAM_BYTES = 0x10000,
	CHIP_WINDOW_BYTES = 0x100000,
	CHIP_ROM = 0x40000000, CHIP_DRAM = 0x3FFE8000, CHIP_IRAM = 0x40100000,
	CHIP_WINDOW = 0x40200000,
};

/* Addresses with registers that more than one file knows. */
enum {
	APB_BASE = 0x60000000, APB_BYTES = 0x10000,
	DPORT_BASE = 0x3FF00000, DPORT_BYTES = 0x30000,
	DPORT_CACHE = 0x0C, DPORT_CPU_X2 = 0x14, DPORT_SPI_INT = 0x20,
	DPORT_BANKS = 0x24, DPORT_EFUSE = 0x50,
	CACHE_FLUSH = 1 << 0, CACHE_FLUSHED = 1 << 1, CACHE_ENABLE = 1 << 8,
	CACHE_SPI_BUSY = 1 << 9,
	BANKS_LOW = 1 << 3, BANKS_HIGH = 1 << 4,
	ANALOG_REGS = 256,
};

enum chip_irq { IRQ_SPI = 2, IRQ_GPIO = 4, IRQ_UART = 5, IRQ_WDT = 8, IRQ_FRC1 = 9,
	IRQ_FRC2 = 10 };

/* Sees the CPU ask the same thing in a loop (is the flash still busy? the SPI
 * controller?), to skip the loop. */
struct chip_poll {
	uint32_t a[16], pc, sar, ps;
	uint64_t cycles, period, effects;
	unsigned same;
};

struct chip {
	struct chip_config cfg;
	struct cpu cpu;
	struct bus bus;
	struct flash_file file;
	struct faults faults;
	struct nor nor;
	struct uart uart[2];
	struct spi spi[2];	/* 0 = flash, 1 = HSPI */
	struct gpio gpio;
	struct timer frc[2];
	struct rtc rtc;
	struct wdt wdt;
	struct board board;
	struct host host;
	struct rng rng;

	/* now = base_tick + (cpu.cycles - base_cycle) * cpu_ticks */
	uint64_t base_tick, base_cycle;
	uint32_t cpu_ticks, apb_ticks;
	uint64_t limit;			/* tick at which the running slice ends */
	uint64_t skip_cycles;		/* to leap over after the current instruction */
	struct chip_poll flash_poll, spi_poll;
	/* The earliest change, without an event, of what the CPU has read: an SPI
	 * controller becomes idle, a level on a wire changes. */
	uint64_t stale_at;

	bool on, dead;
	bool peeking;			/* io_read must not change anything */
	uint64_t nor_generation;	/* what the CPU's decoded code was made from */
	uint64_t resets, stray;

	uint8_t *rom, *dram, *iram, *blank;	/* blank: the window with the cache off */
	uint32_t efuse[4];
	uint8_t analog[ANALOG_REGS];	/* block 103 behind the analog bus: the PLL */
	uint32_t analog_answer;
	uint32_t apb[APB_BYTES / 4];	/* registers that are storage only */
	uint32_t dport[DPORT_BYTES / 4];
};

/* chip.c */
uint64_t chip_now(const struct chip *c);
/* Derives the clocks from the crystal, the PLL and the x2 bit. */
void chip_clock_changed(struct chip *c);

/* chip_io.c */
int chip_io_read(void *io, uint32_t addr, uint32_t *value);
int chip_io_write(void *io, uint32_t addr, uint32_t value);
/* Puts the devices' interrupt lines on the CPU. */
void chip_update_irqs(struct chip *c);
/* What is due by now in every device. */
void chip_run_devices(struct chip *c);
/* The next time at which a device does something by itself. Changes that only
 * somebody who polls would see are not among them: see stale_at. */
uint64_t chip_next_event(struct chip *c);

/* chip_map.c */
int chip_map_open(struct chip *c, struct esp_error *err);
void chip_map_close(struct chip *c);
/* Rebuilds the bus from the bank and cache registers. */
void chip_map_update(struct chip *c);

#endif
