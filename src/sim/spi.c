#include "spi.h"

#include "../bytes.h"
#include "ticks.h"

#include <string.h>

enum {
	BUFFER = 64,
	USER_COMMAND = 31, USER_ADDR = 30, USER_DUMMY = 29, USER_MISO = 28, USER_MOSI = 27,
	USER_MOSI_HIGH = 25, USER_MISO_HIGH = 24, USER_WR_BIG = 11, USER_RD_BIG = 10,
	SLAVE_DONE = 1 << 4, SLAVE_DONE_ENABLE = 1 << 9,
	GAP_CLOCKS = 4,		/* chip select before and after */
};

/* One transaction on its way to the flash. */
struct burst {
	uint8_t out[4 + 4 + 32 + BUFFER];
	size_t nout, nin;
	uint8_t in[BUFFER];
	uint64_t clocks;	/* of SPI */
};

void spi_reset(struct spi *s, uint32_t clock_ticks)
{
	memset(s->reg, 0, sizeof s->reg);
	s->reg[SPI_CTRL / 4] = 0x00288313;
	s->reg[SPI_CLOCK / 4] = 0x00003043;	/* APB / 4 */
	s->reg[SPI_USER / 4] = 1u << USER_COMMAND;
	s->busy_until = 0;
	s->clock_ticks = clock_ticks;
}

static bool bit(uint32_t word, unsigned n)
{
	return word >> n & 1;
}

/* Byte i of the data buffer, which wraps after W15. */
static uint8_t *buffer_byte(struct spi *s, size_t i, bool big_endian, uint8_t *word)
{
	put_le32(word, s->reg[(SPI_W0 / 4) + (i / 4) % (BUFFER / 4)]);
	return &word[big_endian ? 3 - i % 4 : i % 4];
}

static uint8_t get_byte(struct spi *s, size_t i, bool big_endian)
{
	uint8_t word[4];

	return *buffer_byte(s, i, big_endian, word);
}

static void set_byte(struct spi *s, size_t i, bool big_endian, uint8_t value)
{
	uint8_t word[4];

	*buffer_byte(s, i, big_endian, word) = value;
	s->reg[(SPI_W0 / 4) + (i / 4) % (BUFFER / 4)] = get_le32(word);
}

static uint8_t reversed(uint8_t b)
{
	uint8_t r = 0;

	for (int i = 0; i < 8; i++)
		r |= (uint8_t)((b >> i & 1) << (7 - i));
	return r;
}

static void put(struct burst *b, uint8_t byte)
{
	if (b->nout < sizeof b->out)
		b->out[b->nout++] = byte;
	b->clocks += 8;
}

static void put_address(struct burst *b, uint32_t addr)
{
	put(b, (uint8_t)(addr >> 16));
	put(b, (uint8_t)(addr >> 8));
	put(b, (uint8_t)addr);
}

static uint32_t ctrl_clocks(const struct spi *s)
{
	uint32_t ctrl = s->reg[SPI_CTRL / 4];

	return ctrl & SPI_CLOCK_APB ? 1 : (ctrl & 0xF) + 1;
}

static uint32_t user_clocks(const struct spi *s)
{
	uint32_t clock = s->reg[SPI_CLOCK / 4];

	return bit(clock, 31) ? 1 : ((clock >> 18 & 0x1FFF) + 1) * ((clock >> 12 & 0x3F) + 1);
}

/* Runs the transaction; the command register is busy for its length. */
static void run(struct spi *s, uint64_t now, struct burst *b, uint32_t apb_per_clock)
{
	memset(b->in, 0xFF, sizeof b->in);
	if (s->nor)
		nor_transfer(s->nor, now, b->out, b->nout, b->in, b->nin);
	s->busy_until = now + (b->clocks + GAP_CLOCKS) * apb_per_clock * s->clock_ticks;
}

/* The read command of the mode in CTRL, its dummies, and the lanes of data. */
static void put_read(const struct spi *s, struct burst *b, uint32_t addr, unsigned *lanes)
{
	uint32_t ctrl = s->reg[SPI_CTRL / 4];
	bool fast = ctrl & SPI_FASTRD;
	uint8_t op = !fast ? 0x03 : ctrl & SPI_QIO ? 0xEB : ctrl & SPI_DIO ? 0xBB :
		     ctrl & SPI_QOUT ? 0x6B : ctrl & SPI_DOUT ? 0x3B : 0x0B;

	put(b, op);
	put_address(b, addr);
	for (int dummies = op == 0x03 ? 0 : op == 0xEB ? 3 : 1; dummies; dummies--)
		put(b, 0x00);
	*lanes = op == 0xEB || op == 0x6B ? 4 : op == 0xBB || op == 0x3B ? 2 : 1;
}

static void do_read(struct spi *s, uint64_t now)
{
	uint32_t addr = s->reg[SPI_ADDR / 4];
	struct burst b = { .nin = addr >> 24 > BUFFER ? BUFFER : addr >> 24 };
	unsigned lanes;

	put_read(s, &b, addr & 0xFFFFFF, &lanes);
	b.clocks += b.nin * 8 / lanes;
	run(s, now, &b, ctrl_clocks(s));
	for (size_t i = 0; i < b.nin; i++)
		set_byte(s, i, false, b.in[i]);
}

static void do_program(struct spi *s, uint64_t now)
{
	uint32_t addr = s->reg[SPI_ADDR / 4];
	struct burst b = { .nin = 0 };
	size_t n = addr >> 24 > BUFFER ? BUFFER : addr >> 24;

	put(&b, 0x02);
	put_address(&b, addr & 0xFFFFFF);
	for (size_t i = 0; i < n; i++)
		put(&b, get_byte(s, i, false));
	run(s, now, &b, ctrl_clocks(s));
}

static void do_read_status(struct spi *s, uint64_t now)
{
	uint32_t *st = &s->reg[SPI_RD_STATUS / 4];
	bool two = s->reg[SPI_CTRL / 4] & SPI_TWO_BYTE_STATUS;
	struct burst b = { .nin = 1 };
	uint8_t sr1;

	put(&b, 0x05);
	b.clocks += two ? 16 : 8;
	run(s, now, &b, ctrl_clocks(s));
	sr1 = b.in[0];
	*st = (*st & 0xFFFF0000) | sr1;
	if (two && s->nor) {
		nor_transfer(s->nor, now, (const uint8_t[]){ 0x35 }, 1, b.in, 1);
		*st |= (uint32_t)(s->nor->family->has_sr2 ? b.in[0] : sr1) << 8;
	}
}

static void do_write_status(struct spi *s, uint64_t now)
{
	uint32_t st = s->reg[SPI_RD_STATUS / 4];
	struct burst b = { .nin = 0 };

	put(&b, 0x01);
	put(&b, (uint8_t)st);
	if (s->reg[SPI_CTRL / 4] & SPI_TWO_BYTE_STATUS)
		put(&b, (uint8_t)(st >> 8));
	run(s, now, &b, ctrl_clocks(s));
}

static void do_read_id(struct spi *s, uint64_t now)
{
	struct burst b = { .nin = 3 };

	put(&b, 0x9F);
	b.clocks += 24;
	run(s, now, &b, ctrl_clocks(s));
	s->reg[SPI_W0 / 4] = b.in[0] | (uint32_t)b.in[1] << 8 | (uint32_t)b.in[2] << 16;
}

/* Commands that are an opcode, with an address or not. */
static void do_plain(struct spi *s, uint64_t now, uint8_t opcode, bool address)
{
	struct burst b = { .nin = 0 };

	put(&b, opcode);
	if (address)
		put_address(&b, s->reg[SPI_ADDR / 4] & 0xFFFFFF);
	run(s, now, &b, ctrl_clocks(s));
}

/* Lengths in USER1 and USER2 are bits - 1. */
static size_t field_bytes(uint32_t word, unsigned shift, uint32_t mask)
{
	return ((word >> shift & mask) + 1 + 7) / 8;
}

static void put_user_head(const struct spi *s, struct burst *b)
{
	uint32_t user = s->reg[SPI_USER / 4], user1 = s->reg[SPI_USER1 / 4];
	uint32_t user2 = s->reg[SPI_USER2 / 4], addr = s->reg[SPI_ADDR / 4];

	if (bit(user, USER_COMMAND))
		for (size_t i = 0; i < field_bytes(user2, 28, 0xF); i++)
			put(b, (uint8_t)(user2 >> 8 * i));
	if (bit(user, USER_ADDR))	/* left aligned */
		for (size_t i = 0; i < field_bytes(user1, 26, 0x3F) && i < 4; i++)
			put(b, (uint8_t)(addr >> (24 - 8 * i)));
	if (bit(user, USER_DUMMY))
		for (size_t i = 0; i < ((user1 & 0xFF) + 1) / 8; i++)
			put(b, 0x00);
}

static void do_user(struct spi *s, uint64_t now)
{
	uint32_t user = s->reg[SPI_USER / 4], user1 = s->reg[SPI_USER1 / 4];
	uint32_t ctrl = s->reg[SPI_CTRL / 4];
	size_t from = bit(user, USER_MOSI_HIGH) ? 32 : 0, to = bit(user, USER_MISO_HIGH) ? 32 : 0;
	struct burst b = { .nin = 0 };
	uint8_t v;

	put_user_head(s, &b);
	if (bit(user, USER_MOSI))
		for (size_t i = 0; i < field_bytes(user1, 17, 0x1FF); i++) {
			v = get_byte(s, from + i, bit(user, USER_WR_BIG));
			put(&b, ctrl & SPI_WR_LSB_FIRST ? reversed(v) : v);
		}
	if (bit(user, USER_MISO))
		b.nin = field_bytes(user1, 8, 0x1FF);
	b.clocks += 8 * b.nin;
	run(s, now, &b, user_clocks(s));
	for (size_t i = 0; i < b.nin; i++)
		set_byte(s, to + i, bit(user, USER_RD_BIG),
			 ctrl & SPI_RD_LSB_FIRST ? reversed(b.in[i]) : b.in[i]);
}

static void start(struct spi *s, uint64_t now, uint32_t cmd)
{
	if (cmd & SPI_READ)
		do_read(s, now);
	else if (cmd & SPI_WREN)
		do_plain(s, now, 0x06, false);
	else if (cmd & SPI_WRDI)
		do_plain(s, now, 0x04, false);
	else if (cmd & SPI_RDID)
		do_read_id(s, now);
	else if (cmd & SPI_RDSR)
		do_read_status(s, now);
	else if (cmd & SPI_WRSR)
		do_write_status(s, now);
	else if (cmd & SPI_PP)
		do_program(s, now);
	else if (cmd & SPI_SE)
		do_plain(s, now, 0x20, true);
	else if (cmd & SPI_BE)
		do_plain(s, now, 0xD8, true);
	else if (cmd & SPI_CE)
		do_plain(s, now, 0x60, false);
	else if (cmd & SPI_DP)
		do_plain(s, now, 0xB9, false);
	else if (cmd & SPI_RES)
		do_plain(s, now, 0xAB, false);
	else if (cmd & SPI_USR)
		do_user(s, now);
	s->reg[SPI_CMD / 4] = cmd & 0xFFFC0000;
	s->reg[SPI_SLAVE / 4] |= SLAVE_DONE;
}

bool spi_is_busy(const struct spi *s, uint64_t now)
{
	return now < s->busy_until;
}

uint64_t spi_next(const struct spi *s, uint64_t now)
{
	return spi_is_busy(s, now) ? s->busy_until : TICKS_NEVER;
}

bool spi_irq(const struct spi *s, uint64_t now)
{
	uint32_t slave = s->reg[SPI_SLAVE / 4];

	return (slave & SLAVE_DONE) && (slave & SLAVE_DONE_ENABLE) && !spi_is_busy(s, now);
}

uint32_t spi_read(const struct spi *s, uint64_t now, uint32_t off)
{
	if (off == SPI_CMD && !spi_is_busy(s, now))
		return 0;
	if (off == SPI_EXT2)		/* state machine */
		return spi_is_busy(s, now) ? 1 : 0;
	return s->reg[off / 4];
}

void spi_write(struct spi *s, uint64_t now, uint32_t off, uint32_t value)
{
	if (off != SPI_CMD)
		s->reg[off / 4] = value;
	else if (value & 0xFFFC0000)
		start(s, now, value);
}

bool spi_mode_works(const struct spi *s)
{
	uint32_t ctrl = s->reg[SPI_CTRL / 4];

	if (!(ctrl & SPI_FASTRD))
		return true;
	if (!s->nor)
		return !(ctrl & (SPI_QIO | SPI_QOUT));
	return nor_mode_works(s->nor, ctrl & SPI_QIO ? NOR_QIO : ctrl & SPI_DIO ? NOR_DIO :
			      ctrl & SPI_QOUT ? NOR_QOUT : ctrl & SPI_DOUT ? NOR_DOUT : NOR_FAST);
}
