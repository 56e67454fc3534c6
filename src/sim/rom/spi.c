/* spi.c - the serial flash, through SPI0.
 *
 * Layer: inside the simulated chip. Every range is checked against the record
 * at rom_flash_chip, never against the real chip. 0 = ok, 1 = failure.
 */
#include "rom.h"

#define CMD_READ (1u << 31)
#define CMD_WREN (1u << 30)
#define CMD_RDSR (1u << 27)
#define CMD_WRSR (1u << 26)
#define CMD_PP (1u << 25)
#define CMD_SE (1u << 24)
#define CMD_BE (1u << 23)
#define CMD_CE (1u << 22)
#define CMD_RES (1u << 20)

#define CTRL_BASE 0x00288000u	/* WP high, shared bus, leave deep sleep */
#define CTRL_APB (1u << 12)
#define CTRL_TWO_BYTE_STATUS (1u << 22)
#define CTRL_CACHE (1u << 17)
#define CTRL_MODES 0x01906000u	/* QIO, DIO, QOUT, DOUT, fast read */
#define STATUS_BUSY 1u
#define STATUS_WEL 2u
#define STATUS_PROTECT 0x1Cu
#define STATUS_QE 0x200u	/* Winbond's place for it */
#define CHUNK 32u		/* bytes per transfer */

enum mode { MODE_QIO, MODE_QOUT, MODE_DIO, MODE_DOUT, MODE_FAST, MODE_SLOW };
#define CTRL_FAST 0x2000u
#define PAD_CLEAR 0x1A0u	/* pull-up, and the other two bits of the function */
#define PAD_SPI 0x10u

/* How data come, without CTRL_FAST; whatever is no mode is MODE_SLOW. */
static uint32_t lanes(int mode)
{
	switch ((enum mode)mode) {
	case MODE_QIO: return 1u << 24;
	case MODE_QOUT: return 1u << 20;
	case MODE_DIO: return 1u << 23;
	case MODE_DOUT: return 1u << 14;
	default: return 0;
	}
}

/* Gives the controller a one-shot command and waits until it has been sent. */
static void command(uint32_t cmd)
{
	SPI_CMD = cmd;
	while (SPI_CMD)
		;
}

void SelectSpiFunction(void)
{
	for (uint32_t pad = 0x6000081C; pad <= 0x60000830; pad += 4)
		REG(pad) = (REG(pad) & ~PAD_CLEAR) | PAD_SPI;
	REG(0x60000D48) = 0;
}

/* Reads the status until the flash is idle, without limit. */
int SPI_read_status(struct flash_chip *c, uint32_t *status)
{
	uint32_t st;

	do {
		command(CMD_RDSR);
		st = SPI_RD_STATUS & c->status_mask;
	} while (st & STATUS_BUSY);
	*status = st;
	return 0;
}

/* One byte, or two when the controller is set to two; needs WREN before. */
int SPI_write_status(struct flash_chip *c, uint32_t status)
{
	Wait_SPI_Idle(c);
	SPI_RD_STATUS = status;
	command(CMD_WRSR);
	return 0;
}

/* Repeats WREN until the flash admits it. */
int SPI_write_enable(struct flash_chip *c)
{
	uint32_t st;

	Wait_SPI_Idle(c);
	do {
		command(CMD_WREN);
		SPI_read_status(c, &st);
	} while (!(st & STATUS_WEL));
	return 0;
}

int Wait_SPI_Idle(struct flash_chip *c)
{
	uint32_t st;

	while (DPORT_CACHE & 1u << 9)
		;
	return SPI_read_status(c, &st);
}

/* None of those that write the status wait until it is written; whoever uses
 * the flash next does. */
int Enable_QMode(struct flash_chip *c)
{
	SPI_CTRL |= CTRL_TWO_BYTE_STATUS;
	SPI_write_enable(c);
	return SPI_write_status(c, STATUS_QE);
}

/* Writes the low status byte back as SPI_write_enable() saw it, which clears
 * the upper one. */
int Disable_QMode(struct flash_chip *c)
{
	SPI_CTRL |= CTRL_TWO_BYTE_STATUS;
	SPI_write_enable(c);
	return SPI_write_status(c, SPI_RD_STATUS & 0xFF);
}

/* Read mode and clock of the controller, which fast modes need one more bit for
 * (SPIReadModeCnfig() sets it); does not touch the flash's status. */
void SPIFlashModeConfig(int mode, int divider)
{
	uint32_t ctrl = CTRL_BASE, d = (uint32_t)divider;

	if (d <= 1) {
		IOMUX_CONF |= 1u << 8;
		ctrl |= CTRL_APB;
	} else {
		IOMUX_CONF &= ~(1u << 8);
		ctrl |= (d - 1) << 8 | (d / 2 - 1) << 4 | (d - 1);
	}
	SPI_CTRL = ctrl | lanes(mode) | (mode == MODE_FAST ? CTRL_FAST : 0);
	SPI_USER |= 1u << 2;
	command(CMD_RES);
}

/* The quad modes set the flash's QE bit, all others clear it. */
int SPIReadModeCnfig(int mode)
{
	struct flash_chip *c = rom_flash_chip;

	SPI_CTRL &= ~CTRL_MODES;
	if (mode == MODE_QIO || mode == MODE_QOUT)
		Enable_QMode(c);
	else
		Disable_QMode(c);
	if ((unsigned)mode < MODE_SLOW)
		SPI_CTRL |= lanes(mode) | CTRL_FAST;
	return 0;
}

void spi_flash_attach(void)
{
	SelectSpiFunction();
	SPIFlashModeConfig(MODE_SLOW, 4);
	SPIReadModeCnfig(MODE_SLOW);
}

static void cache_flush(void)
{
	DPORT_CACHE &= ~1u;
	DPORT_CACHE |= 1;
	while (!(DPORT_CACHE & 2))
		;
	DPORT_CACHE &= ~1u;
}

/* Maps megabyte 2 x mb (+ 1 when odd_even is 1) at 0x40200000 and gives one or
 * two RAM banks to the cache. The arguments go into the register as they are. */
void Cache_Read_Enable(int odd_even, int mb, int cache32k)
{
	uint32_t v, half = odd_even == 0 ? 0 : odd_even == 1 ? 2 : 1;

	SPI_CTRL &= ~CTRL_CACHE;
	cache_flush();
	SPI_CTRL |= CTRL_CACHE;
	v = DPORT_CACHE & ~(7u << 24 | 7u << 16 | 0x303u);
	v |= half << 24 | (uint32_t)mb << 16 | (uint32_t)cache32k << 26;
	DPORT_BANKS |= cache32k ? 0x18 : 0x08;
	DPORT_CACHE = v | 1u << 8;
}

/* The RAM banks stay with the cache. */
void Cache_Read_Disable(void)
{
	SPI_CTRL &= ~CTRL_CACHE;
	DPORT_CACHE &= ~(1u << 8);
	while (DPORT_CACHE & 1u << 9)
		;
	cache_flush();
}

static int protect(uint32_t status)
{
	struct flash_chip *c = rom_flash_chip;

	SPI_write_enable(c);
	return SPI_write_status(c, status);
}

int SPIUnlock(void)
{
	return protect(0);
}

int SPILock(void)
{
	return protect(STATUS_PROTECT);
}

static int erase(uint32_t addr, uint32_t cmd)
{
	struct flash_chip *c = rom_flash_chip;

	SPI_write_enable(c);
	SPI_ADDR = addr & 0xFFFFFF;
	command(cmd);
	return Wait_SPI_Idle(c);
}

int SPIEraseChip(void)
{
	return erase(0, CMD_CE);
}

int SPIEraseBlock(uint32_t block)
{
	struct flash_chip *c = rom_flash_chip;

	if (block >= c->chip_size / c->block_size)
		return 1;
	return erase(block * c->block_size, CMD_BE);
}

int SPIEraseSector(uint32_t sector)
{
	struct flash_chip *c = rom_flash_chip;

	if (sector >= c->chip_size / c->sector_size)
		return 1;
	return erase(sector * c->sector_size, CMD_SE);
}

/* Erases single sectors [at, at + n). */
static int erase_sectors(uint32_t at, uint32_t n)
{
	for (; n; n--, at++) {
		if (SPIEraseSector(at))
			return 1;
	}
	return 0;
}

/* Sets the plain read mode first, whether the range is good or not.
 *
 * Erases too much, as the original does: the sectors before the first block
 * boundary are not taken off the count, so they are erased on top of it. The
 * last 16 sectors always go singly. */
int SPIEraseArea(uint32_t addr, uint32_t size)
{
	struct flash_chip *c = rom_flash_chip;
	uint32_t per_block = c->block_size / c->sector_size;
	uint32_t at = addr / c->sector_size;
	uint32_t rest = (size + c->sector_size - 1) / c->sector_size;
	uint32_t head = per_block - at % per_block;

	SPIReadModeCnfig(MODE_SLOW);
	if (addr % c->sector_size || addr + size > c->chip_size)
		return 1;
	SPIUnlock();
	if (head > rest)
		head = rest;
	if (erase_sectors(at, head))
		return 1;
	for (at += head; rest > per_block; rest -= per_block, at += per_block) {
		if (SPIEraseBlock(at / per_block))
			return 1;
	}
	return erase_sectors(at, rest);
}

/* Programs n bytes of one page, 32 at a time. */
static void program(uint32_t addr, const uint32_t *src, uint32_t n)
{
	struct flash_chip *c = rom_flash_chip;

	while (n) {
		uint32_t k = n < CHUNK ? n : CHUNK;

		SPI_write_enable(c);
		for (uint32_t i = 0; i < k / 4; i++)
			SPI_W(i) = *src++;
		SPI_ADDR = (addr & 0xFFFFFF) | k << 24;
		command(CMD_PP);
		Wait_SPI_Idle(c);
		addr += k;
		n -= k;
	}
}

/* Full pages are counted in 8 bits, so a call that has more than 255 of them
 * after the first piece never ends: it goes on writing what follows in memory. */
int SPIWrite(uint32_t addr, const void *src, uint32_t len)
{
	struct flash_chip *c = rom_flash_chip;
	uint32_t page = c->page_size, head = page - addr % page;
	const uint32_t *p = src;

	if (addr + len > c->chip_size || len % 4)
		return 1;
	if (len <= head) {
		program(addr, p, len);
		return 0;
	}
	program(addr, p, head);
	addr += head;
	p += head / 4;
	len -= head;
	for (uint8_t i = 0; i < len / page; i++) {
		program(addr, p, page);
		addr += page;
		p += page / 4;
	}
	program(addr, p, len % page);
	return 0;
}

/* dst is aligned and has room for len rounded up to a word. */
int SPIRead(uint32_t addr, void *dst, uint32_t len)
{
	struct flash_chip *c = rom_flash_chip;
	uint32_t *p = dst;

	if (addr + len > c->chip_size)
		return 1;
	Wait_SPI_Idle(c);
	while (len) {
		uint32_t k = len < CHUNK ? len : CHUNK;

		SPI_ADDR = addr | k << 24;	/* an address of 32 bits spoils the count */
		command(CMD_READ);
		for (uint32_t i = 0; i < (k + 3) / 4; i++)
			*p++ = SPI_W(i);
		addr += k;
		len -= k;
	}
	return 0;
}

int SPIParamCfg(uint32_t id, uint32_t chip, uint32_t block, uint32_t sector,
		uint32_t page, uint32_t status_mask)
{
	struct flash_chip *c = rom_flash_chip;

	c->id = id;
	c->chip_size = chip;
	c->block_size = block;
	c->sector_size = sector;
	c->page_size = page;
	c->status_mask = status_mask;
	return 0;
}
