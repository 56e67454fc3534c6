/* loader.c - the UART download protocol of the mask ROM, with its quirks.
 *
 * Layer: inside the simulated chip, above uart and spi. The quirks are the
 * point: tools must work with the chip as it is. They are held to the observed
 * bytes by tests/c/test_rom_facts*.c.
 */
#include "rom.h"

enum op {
	OP_FLASH_BEGIN = 2, OP_FLASH_DATA, OP_FLASH_END, OP_MEM_BEGIN, OP_MEM_END,
	OP_MEM_DATA, OP_SYNC, OP_WRITE_REG, OP_READ_REG, OP_SPI_SET_PARAMS, OP_COUNT,
};

enum { ERR_MESSAGE = 5, ERR_FAILED = 6, ERR_CHECKSUM = 7, ERR_FLASH = 8 };

#define CHECKSUM_SEED 0xEF
#define BLOCK_MAX 0x1800u
#define DATA_HEADER 16u
#define SYNC_ANSWERS 8
#define NO_SEQ 0x3FFFFFFFu	/* before any begin: the original has some number there */

struct request {
	uint8_t direction, op;
	uint16_t len;		/* believed, never compared with the packet */
	uint32_t check;
	uint32_t word[];	/* payload; what a short packet lacks is older */
};

/* In RAM at rom_reply. Each field keeps its value until it is set again. */
struct reply {
	uint8_t direction, op;
	uint16_t len;
	uint32_t value;
	uint8_t status, error;
};

/* The download under way, in the original's order. Flash and RAM share it: data of
 * one kind continue what a begin of the other announced. */
struct transfer {
	uint32_t size, blocks, block_size;	/* announced */
	uint32_t seq;		/* expected next, = blocks taken */
	uint32_t bytes;		/* written well */
	uint32_t addr;		/* announced; moves on */
};

struct loader {
	struct transfer *transfer;
	uint32_t *user_start;
	int done;
};

static struct loader loader;

/* Xor of n bytes and the protocol's seed. */
uint8_t checksum(const void *p, int n)
{
	const uint8_t *b = p;
	uint8_t sum = CHECKSUM_SEED;

	while (n-- > 0)
		sum ^= *b++;
	return sum;
}

static int begin(struct transfer *t, const struct request *q)
{
	if (q->len != 16 || q->word[2] > BLOCK_MAX)
		return ERR_MESSAGE;
	t->size = q->word[0];
	t->blocks = q->word[1];
	t->block_size = q->word[2];
	t->addr = q->word[3];
	t->seq = t->bytes = 0;
	return 0;
}

/* What flash and RAM blocks share. The sequence number counts on before the
 * checksum is looked at, so a block that failed it cannot be sent again. */
static int check_block(struct transfer *t, const struct request *q, uint32_t unit)
{
	uint32_t n = q->word[0];

	if (q->len > BLOCK_MAX + DATA_HEADER || q->word[1] != t->seq ||
	    n > t->block_size || n % unit)
		return ERR_MESSAGE;
	t->seq++;
	return checksum(&q->word[4], (int)n) == (uint8_t)q->check ? 0 : ERR_CHECKSUM;
}

static void advance(struct transfer *t, uint32_t n)
{
	t->addr += n;
	t->bytes += n;
}

static int flash_begin(struct loader *l, struct request *q)
{
	int err;

	spi_flash_attach();
	err = begin(l->transfer, q);
	if (err)
		return err;
	Cache_Read_Disable();
	return SPIEraseArea(l->transfer->addr, l->transfer->size) ? ERR_FAILED : 0;
}

/* Reads back over the very bytes it wrote and compares the sum only; results
 * of write and read are ignored, so beyond the chip's end all seems well. */
static int flash_data(struct loader *l, struct request *q)
{
	struct transfer *t = l->transfer;
	uint32_t n = q->word[0];
	int err = check_block(t, q, 4);

	if (err)
		return err;
	SPIWrite(t->addr, &q->word[4], n);
	SPIRead(t->addr, &q->word[4], n);
	if (checksum(&q->word[4], (int)n) != (uint8_t)q->check)
		return ERR_FLASH;
	advance(t, n);
	return 0;
}

/* The payload flag is ignored: the loader ends whatever it says. */
static int flash_end(struct loader *l)
{
	struct transfer *t = l->transfer;

	l->done = 1;
	*l->user_start = 0;
	if (t->seq != t->blocks || t->bytes != t->size)
		return ERR_FAILED;
	return SPILock() ? ERR_FAILED : 0;
}

static int mem_data(struct loader *l, struct request *q)
{
	int err = check_block(l->transfer, q, 1);

	if (err)
		return err;
	memcpy((void *)l->transfer->addr, &q->word[4], q->word[0]);
	advance(l->transfer, q->word[0]);
	return 0;
}

static int mem_end(struct loader *l, const struct request *q)
{
	if (q->len > 8)
		return ERR_MESSAGE;
	*l->user_start = q->word[1];
	l->done = (uint8_t)q->word[0] == 0;
	return 0;
}

/* Records of address, value, mask, delay. The register is always read first. */
static int write_reg(const struct request *q)
{
	const uint32_t *w = q->word;

	for (uint32_t n = q->len / 16; n; n--, w += 4) {
		ets_delay_us((uint16_t)w[3]);
		REG(w[0]) = (REG(w[0]) & ~w[2]) | (w[1] & w[2]);
	}
	return 0;
}

static int set_params(const struct request *q)
{
	const uint32_t *w = q->word;

	if (q->len != 24)
		return ERR_MESSAGE;
	return SPIParamCfg(w[0], w[1], w[2], w[3], w[4], w[5]) ? ERR_FAILED : 0;
}

/* Acts on a request of a known op; returns 0 or the error code. */
static int act(struct loader *l, struct request *q, struct reply *r)
{
	switch ((enum op)q->op) {
	case OP_FLASH_BEGIN: return flash_begin(l, q);
	case OP_FLASH_DATA: return flash_data(l, q);
	case OP_FLASH_END: return flash_end(l);
	case OP_MEM_BEGIN: return begin(l->transfer, q);
	case OP_MEM_DATA: return mem_data(l, q);
	case OP_MEM_END: return mem_end(l, q);
	case OP_WRITE_REG: return write_reg(q);
	case OP_SPI_SET_PARAMS: return set_params(q);
	case OP_SYNC:
		r->value = q->word[0];
		return 0;
	case OP_READ_REG:
		r->value = REG(q->word[0]);
		return 0;
	case OP_COUNT:
		break;
	}
	return ERR_MESSAGE;
}

/* What cannot fail. */
static int is_plain(uint8_t op)
{
	return op == OP_SYNC || op == OP_WRITE_REG || op == OP_READ_REG;
}

/* An unknown op leaves the reply's op as it was, and with it the eight-fold
 * answer when that was SYNC. The error code stays when all is well, unless the
 * op is one that cannot fail. */
static void answer(struct loader *l, struct request *q)
{
	struct reply *r = (struct reply *)rom_reply;
	int err = ERR_MESSAGE;

	if (q->direction == 0 && q->op >= OP_FLASH_BEGIN && q->op < OP_COUNT) {
		err = act(l, q, r);
		r->op = q->op;
		if (is_plain(q->op))
			r->error = 0;
	}
	r->direction = 1;
	r->len = 2;
	r->status = err != 0;
	if (err)
		r->error = (uint8_t)err;
	for (int n = r->op == OP_SYNC ? SYNC_ANSWERS : 1; n; n--)
		SendMsg(r, 10);
}

static void __attribute__((noinline)) serve(struct loader *l, void *buf, int max)
{
	ets_isr_unmask(1u << UART_IRQ);
	while (!l->done) {
		if (RcvMsg(buf, max, 0) == 0)
			answer(l, buf);
	}
	ets_isr_mask(1u << UART_IRQ);
}

/* Serves requests until one of them says to run something; *user_start is then
 * its entry, or 0 for what is in flash.
 *
 * The original keeps the transfer on its stack, where tools can read what became of
 * a begin: our stack is brought down to the same place. */
int UartDwnLdProc(void *buf, int max, uint32_t *user_start)
{
	struct loader *l = &loader;
	uintptr_t there = (uintptr_t)rom_transfer, frame = (uintptr_t)__builtin_frame_address(0);
	int from_boot = frame >= there + sizeof *l->transfer;
	char *room = __builtin_alloca(from_boot ? frame - there : sizeof *l->transfer);

	__asm__ volatile("" : "+r"(room) : : "memory");
	l->transfer = from_boot ? (struct transfer *)rom_transfer : (struct transfer *)room;
	l->transfer->seq = NO_SEQ;
	l->user_start = user_start;
	l->done = 0;
	serve(l, buf, max);
	return 0;
}
