#include "chip_impl.h"

#include "../bytes.h"

/* The memory at addr and whether it may be stored to; NULL for devices. */
static uint8_t *memory_at(struct chip *c, uint32_t addr, bool *writable)
{
	for (size_t i = 0; i < c->bus.regions; i++) {
		struct bus_region *r = &c->bus.region[i];

		if (addr - r->base >= r->size)
			continue;
		*writable = r->access & BUS_STORE;
		return r->mem + (addr - r->base);
	}
	return NULL;
}

uint32_t chip_peek(struct chip *c, uint32_t addr)
{
	bool writable;
	uint8_t *p = memory_at(c, addr & ~3u, &writable);
	uint32_t value;

	if (p)
		return get_le32(p);
	c->peeking = true;
	chip_io_read(c, addr & ~3u, &value);
	c->peeking = false;
	return value;
}

bool chip_poke(struct chip *c, uint32_t addr, uint32_t value)
{
	bool writable = false;
	uint8_t *p = memory_at(c, addr & ~3u, &writable);

	if (!p || !writable)
		return false;
	put_le32(p, value);
	cpu_flush(&c->cpu);
	return true;
}

const struct cpu *chip_cpu(const struct chip *c)
{
	return &c->cpu;
}

const struct nor *chip_nor(struct chip *c)
{
	nor_run(&c->nor, chip_now(c));
	return &c->nor;
}

uint8_t *chip_flash(struct chip *c, uint32_t *bytes)
{
	nor_run(&c->nor, chip_now(c));
	*bytes = c->file.bytes;
	return c->file.mem;
}

void chip_get_stats(const struct chip *c, struct chip_stats *s)
{
	*s = (struct chip_stats){
		.host_sent = c->host.sent,
		.host_received = c->host.received,
		.uart_lost = c->uart[0].lost,
		.resets = c->resets,
		.stray = c->stray,
		.faults = c->host.faults,
	};
}
