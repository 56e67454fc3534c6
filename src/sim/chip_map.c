#include "chip_impl.h"

#include "../bytes.h"
#include "../embed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAGIC_AT = 0x1000, BANK = 0x4000 };

static int load_rom_file(struct chip *c, struct esp_error *err)
{
	const char *path = c->cfg.rom_path;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, c->rom, CHIP_ROM_BYTES);
	int code = errno == ENOENT ? ESP_E_MISSING : errno == EACCES ? ESP_E_ACCESS : ESP_E_IO;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return esp_fail(err, code, "%s: %s", path, strerror(errno));
	if (n != CHIP_ROM_BYTES)
		return esp_fail(err, ESP_E_ARGUMENT, "%s: %ld bytes; a mask ROM has %d", path,
				(long)n, CHIP_ROM_BYTES);
	return 0;
}

static int load_rom(struct chip *c, struct esp_error *err)
{
	const struct embed_file *f = embed_find("src/sim/rom/rom.bin");

	if (c->cfg.rom_path[0])
		return load_rom_file(c, err);
	if (!f || f->end - f->start > CHIP_ROM_BYTES)
		return esp_fail(err, ESP_E_MISSING,
				"this program was built without a mask ROM; use rom=FILE");
	memcpy(c->rom, f->start, (size_t)(f->end - f->start));
	return 0;
}

int chip_map_open(struct chip *c, struct esp_error *err)
{
	int rc;

	c->rom = calloc(1, CHIP_ROM_BYTES);
	c->dram = calloc(1, CHIP_DRAM_BYTES);
	c->iram = calloc(1, CHIP_IRAM_BYTES);
	c->blank = calloc(1, CHIP_WINDOW_BYTES);
	if (!c->rom || !c->dram || !c->iram || !c->blank)
		return esp_fail(err, ESP_E_NOMEM, "no memory for a simulated chip");
	rc = load_rom(c, err);
	if (rc >= 0 && c->cfg.esp32)
		put_le32(c->rom + MAGIC_AT, 0x00F01D83);
	return rc;
}

void chip_map_close(struct chip *c)
{
	free(c->rom);
	free(c->dram);
	free(c->iram);
	free(c->blank);
	c->rom = c->dram = c->iram = c->blank = NULL;
}

static void add(struct chip *c, uint32_t base, uint32_t size, uint8_t *mem, unsigned access)
{
	c->bus.region[c->bus.regions++] = (struct bus_region){ base, size, mem, access };
}

/* The selected megabyte of flash; a smaller chip repeats inside it. With the
 * cache off, or in a quad mode that the flash does not answer, it is blank:
 * code there runs into illegal instructions, as on the chip. */
static void add_window(struct chip *c)
{
	uint32_t ctl = c->dport[DPORT_CACHE / 4];
	uint32_t mib = 2 * (ctl >> 16 & 7) + (ctl >> 25 & 1);
	uint32_t size = c->file.bytes < CHIP_WINDOW_BYTES ? c->file.bytes : CHIP_WINDOW_BYTES;
	uint8_t *mem = c->file.mem + (mib * CHIP_WINDOW_BYTES & (c->file.bytes - 1));

	if (!(ctl & CACHE_ENABLE) || !spi_mode_works(&c->spi[0])) {
		add(c, CHIP_WINDOW, CHIP_WINDOW_BYTES, c->blank, BUS_FETCH);
		return;
	}
	for (uint32_t at = 0; at < CHIP_WINDOW_BYTES; at += size)
		add(c, CHIP_WINDOW + at, size, mem, BUS_FETCH);
}

void chip_map_update(struct chip *c)
{
	uint32_t banks = c->dport[DPORT_BANKS / 4];

	c->bus.regions = 0;
	add(c, CHIP_ROM, CHIP_ROM_BYTES, c->rom, BUS_LOAD_NARROW | BUS_FETCH);
	add(c, CHIP_DRAM, CHIP_DRAM_BYTES, c->dram,
	    BUS_LOAD_NARROW | BUS_STORE | BUS_STORE_NARROW);
	add(c, CHIP_IRAM, 2 * BANK, c->iram, BUS_STORE | BUS_FETCH);
	if (!(banks & BANKS_LOW))
		add(c, CHIP_IRAM + 2 * BANK, BANK, c->iram + 2 * BANK, BUS_STORE | BUS_FETCH);
	if (!(banks & BANKS_HIGH))
		add(c, CHIP_IRAM + 3 * BANK, BANK, c->iram + 3 * BANK, BUS_STORE | BUS_FETCH);
	add_window(c);
	c->nor_generation = c->nor.array.generation;
	cpu_flush(&c->cpu);
}
