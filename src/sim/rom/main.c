/* main.c - what happens after reset, and how flash is booted.
 *
 * Layer: inside the simulated chip, on top of all others.
 */
#include "rom.h"

enum cause {
	CAUSE_POWER = 1, CAUSE_PIN, CAUSE_SOFTWARE, CAUSE_WATCHDOG,
	CAUSE_TIMER_WAKE, CAUSE_POWER_WAKE,
};

enum boot { BOOT_UART = 1, BOOT_RAM, BOOT_FLASH };

#define IMAGE_MAGIC 0xE9
#define IMAGE_SUM_SEED 0xEF
#define PIECE 16u		/* flash is read in pieces of this size and alignment */
#define IRAM_START 0x40100000u
#define NO_IMAGE_LINE 0xb5
#define READ_ERROR_LINE 0x100	/* any address that cannot be read */

struct segment_header {
	uint32_t addr, len;
};

/* The first piece of an image. */
struct image {
	uint8_t magic, segments, mode, size_freq;
	uint32_t entry;
	struct segment_header first;
};

/* Where the image is read and what its bytes sum up to. */
struct reader {
	uint32_t piece[PIECE / 4];
	uint32_t used, pos;	/* bytes taken from the piece; of flash read */
	uint32_t before, tail;	/* the piece where a segment ended: before it, of it */
	uint8_t sum;
};

static void stop(const char *why)
{
	ets_printf("%s\n", why);
	rom_idle();
}

static void uart_download(void)
{
	uart_div_modify(0, uart_baudrate_detect(0, 0));
	UartDwnLdProc(rom_packet, sizeof rom_packet, &rom_user_start);
}

static void by_strap(unsigned strap)
{
	switch (strap) {
	case BOOT_UART:
		uart_download();
		break;
	case BOOT_RAM:
		rom_user_start = IRAM_START;
		break;
	case BOOT_FLASH:
		spi_flash_attach();
		break;
	default:	/* SDIO, which nobody speaks here */
		stop("waiting for host");
	}
}

/* Returns when rom_user_start is what to run, or 0 for what is in flash. */
void rom_main(void)
{
	int cause = rtc_get_reset_reason();
	uint32_t in = GPIO_IN;
	unsigned strap = in >> 16 & 7;

	uartAttach();
	Uart_Init(0);
	ets_install_uart_printf();
	ets_printf("\n ets Jan  8 2013,rst cause:%d, boot mode:(%d,%d)\n\n",
		   cause, (int)strap, (int)(in >> 29));
	switch ((enum cause)cause) {
	case CAUSE_WATCHDOG:
		ets_printf("wdt reset\n");
		/* fall through */
	case CAUSE_POWER:
	case CAUSE_PIN:
		by_strap(strap);
		break;
	case CAUSE_SOFTWARE:
	case CAUSE_TIMER_WAKE:
	case CAUSE_POWER_WAKE:
		spi_flash_attach();
		break;
	default:
		stop("unknown reset");
	}
}

static int read_piece(struct reader *r)
{
	if (SPIRead(r->pos, r->piece, PIECE))
		return 1;
	r->pos += PIECE;
	r->used = 0;
	return 0;
}

/* The original passes a number as a string here, too: see rom_no_image(). */
static int next_piece(struct reader *r)
{
	if (!read_piece(r))
		return 0;
	ets_printf("flash read err, %s\n", (const char *)READ_ERROR_LINE);
	return 1;
}

/* Takes n bytes of the piece to dst, which may be memory that only takes words,
 * and adds them to the sum. */
static void take(struct reader *r, uint8_t *dst, uint32_t n)
{
	const uint8_t *from = (uint8_t *)r->piece + r->used;

	memcpy(dst, from, n);
	for (uint32_t i = 0; i < n; i++)
		r->sum ^= from[i];
	r->used += n;
}

/* What follows the piece in which a segment began: whole pieces, and one more
 * even when nothing of it is needed. */
static int load_rest(struct reader *r, uint8_t *dst, uint32_t n)
{
	for (; n >= PIECE; n -= PIECE, dst += PIECE) {
		if (read_piece(r)) {
			ets_printf("flash read err, ets_unpack_flash_code\n");
			return 1;
		}
		take(r, dst, PIECE);
	}
	r->before = 0;
	r->tail = n;
	if (next_piece(r))
		return 1;
	take(r, dst, n);
	return 0;
}

/* `room` is what the piece with the segment's header has left for data, `tail`
 * what the segment's last piece holds. The first segment begins with a piece of
 * its own. */
static int load_segment(struct reader *r, const struct segment_header *seg)
{
	uint32_t room = PIECE - r->used, n = seg->len;
	uint8_t *dst = (uint8_t *)seg->addr;

	ets_printf("load 0x%08x, len %d, room %d \n", (unsigned)seg->addr, (int)n, (int)room);
	r->before = r->used;
	r->tail = n;
	take(r, dst, n < room ? n : room);
	if (n >= room && load_rest(r, dst + room, n - room))
		return 1;
	ets_printf("tail %d\n", (int)r->tail);
	ets_printf("chksum 0x%02x\n", r->sum);
	return 0;
}

/* A header that straddles two pieces is preceded by a line that says what the
 * first of them holds: something before the last segment, that one, and room. */
static int next_header(struct reader *r, struct segment_header *seg)
{
	uint32_t room = PIECE - r->used, n = room < sizeof *seg ? room : sizeof *seg;

	memcpy(seg, (uint8_t *)r->piece + r->used, n);
	r->used += n;
	if (n == sizeof *seg)
		return 0;
	ets_printf("ho %d tail %d room %d\n", (int)r->before, (int)r->tail, (int)room);
	if (next_piece(r))
		return 1;
	r->used = sizeof *seg - n;
	memcpy((uint8_t *)seg + n, r->piece, r->used);
	return 0;
}

/* The sum stands in the last byte of the piece where the segments end. What is
 * printed is the sum of what was read. */
static int check_sum(const struct reader *r)
{
	ets_printf("csum 0x%02x\n", r->sum);
	if (((const uint8_t *)r->piece)[PIECE - 1] == r->sum)
		return 0;
	ets_printf("csum err\n");
	return 1;
}

static int load_segments(struct reader *r, unsigned n, struct segment_header *seg)
{
	for (unsigned i = 0; i < n; i++) {
		if (i && next_header(r, seg))
			return 1;
		if (load_segment(r, seg))
			return 1;
	}
	return n ? check_sum(r) : 0;
}

/* Loads the image at flash offset 0, through whatever the controller is set to;
 * 0 = rom_user_start is its entry. */
int rom_load_image(void)
{
	struct reader r = { .sum = IMAGE_SUM_SEED };
	struct image image;

	if (read_piece(&r))
		return 1;
	memcpy(&image, r.piece, sizeof image);
	if (image.magic != IMAGE_MAGIC)
		return 1;
	SPIReadModeCnfig(image.mode);
	if (read_piece(&r) || load_segments(&r, image.segments, &image.first))
		return 1;
	rom_user_start = image.entry;
	return 0;
}

/* The original means to print a line number and passes it as a string: what
 * comes out ends before it, in a load exception that nobody handles. */
void rom_no_image(void)
{
	ets_printf("%s %s \n", "ets_main.c", (const char *)NO_IMAGE_LINE);
	rom_idle();
}

static void fatal(struct exc_frame *frame, int cause)
{
	uint32_t epc2, epc3, vaddr, depc;

	__asm__ volatile("rsr %0, epc2\n\trsr %1, epc3\n\trsr %2, excvaddr\n\trsr %3, depc"
			 : "=a"(epc2), "=a"(epc3), "=a"(vaddr), "=a"(depc));
	ets_printf("Fatal exception (%d): \n"
		   "epc1=0x%08x, epc2=0x%08x, epc3=0x%08x, excvaddr=0x%08x, depc=0x%08x\n",
		   cause, (unsigned)frame->epc1, (unsigned)epc2, (unsigned)epc3,
		   (unsigned)vaddr, (unsigned)depc);
}

/* Exceptions of the code that is about to run are reported, and again: what
 * raised it is tried once more. */
void rom_install_fatal(void)
{
	static const uint8_t causes[] = { 0, 2, 3, 8, 9, 28, 29 };

	for (unsigned i = 0; i < sizeof causes; i++)
		_xtos_set_exception_handler(causes[i], fatal);
}

void rom_user_done(void)
{
	ets_printf("user code done\n");
	rom_idle();
}
