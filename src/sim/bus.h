/* bus.h - what the LX106 sees at which address.
 *
 * Layer: sim. Memory is a table of regions that the CPU reaches directly;
 * every other address is a device register behind two callbacks.
 * Knows nothing of the devices.
 */
#ifndef SIM_BUS_H
#define SIM_BUS_H

#include <stddef.h>
#include <stdint.h>

#define BUS_REGIONS_MAX 12

/* Access a region allows; what is missing faults as on the chip
 * (reference: memory map). 32-bit aligned loads are always allowed. */
enum bus_access {
	BUS_LOAD_NARROW = 1,	/* 8 and 16 bit loads */
	BUS_STORE = 2,		/* 32 bit stores */
	BUS_STORE_NARROW = 4,	/* 8 and 16 bit stores */
	BUS_FETCH = 8,		/* instruction fetch */
};

struct bus_region {
	uint32_t base, size;	/* size is a multiple of 4096 */
	uint8_t *mem;		/* owned by whoever added the region */
	unsigned access;	/* enum bus_access */
};

struct bus {
	struct bus_region region[BUS_REGIONS_MAX];
	size_t regions;
	/* Device registers, aligned 32-bit. Both return 0, or the EXCCAUSE of
	 * the exception that the access raises (28, 29 for an address where
	 * nothing is). cpu->cycles is exact while they run. */
	int (*io_read)(void *io, uint32_t addr, uint32_t *value);
	int (*io_write)(void *io, uint32_t addr, uint32_t value);
	void *io;
};

#endif
