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
#define CHUNK 16u		/* flash is read in pieces of this size and alignment */
#define IRAM_START 0x40100000u
#define NO_IMAGE_LINE 0xb5

struct image_header {
	uint8_t magic, segments, mode, size_freq;
	uint32_t entry;
};

struct segment_header {
	uint32_t addr, len;
};

/* Where the image is read and what its bytes sum up to. */
struct reader {
	uint32_t pos;
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
		break;
	default:
		stop("unknown reset");
	}
}

static int read_flash(struct reader *r, void *dst, uint32_t n)
{
	if (SPIRead(r->pos, dst, n)) {
		ets_printf("flash read err, 0x%08x\n", (unsigned)r->pos);
		return 1;
	}
	r->pos += n;
	return 0;
}

/* Copies n bytes to RAM, by words where address and length allow. */
static int copy_segment(struct reader *r, uint8_t *dst, uint32_t n)
{
	uint32_t piece[CHUNK / 4];

	while (n) {
		uint32_t k = n < CHUNK ? n : CHUNK;

		if (read_flash(r, piece, k))
			return 1;
		for (uint32_t i = 0; i < k; i++)
			r->sum ^= ((uint8_t *)piece)[i];
		memcpy(dst, piece, k);
		dst += k;
		n -= k;
	}
	return 0;
}

/* The numbers of the log speak of the 16-byte pieces that the original read:
 * `room` is what is left of the piece with the header, `tail` what the last
 * piece holds, `ho` precedes a header that straddles two of them. */
static int load_segment(struct reader *r, int first)
{
	struct segment_header seg;
	uint32_t used = r->pos % CHUNK, room;

	if (used > CHUNK - sizeof seg)
		ets_printf("ho %d tail %d room %d\n", 0, (int)used, (int)(CHUNK - used));
	if (read_flash(r, &seg, sizeof seg))
		return 1;
	room = first ? CHUNK : (0 - r->pos) % CHUNK;
	ets_printf("load 0x%08x, len %d, room %d \n", (unsigned)seg.addr, (int)seg.len,
		   (int)room);
	if (copy_segment(r, (uint8_t *)seg.addr, seg.len))
		return 1;
	ets_printf("tail %d\n", (int)((seg.len - room) % CHUNK));
	ets_printf("chksum 0x%02x\n", r->sum);
	return 0;
}

/* The sum stands in the last byte of the piece where the segments end. */
static int check_sum(struct reader *r)
{
	uint32_t stored = 0;

	r->pos |= CHUNK - 1;
	if (read_flash(r, &stored, 1))
		return 1;
	stored &= 0xFF;
	ets_printf("csum 0x%02x\n", (unsigned)stored);
	if (stored == r->sum)
		return 0;
	ets_printf("csum err\n");
	return 1;
}

/* Loads the image at flash offset 0; 0 = rom_user_start is its entry. */
int rom_load_image(void)
{
	struct image_header h;
	struct reader r = { .pos = 0, .sum = IMAGE_SUM_SEED };

	spi_flash_attach();
	if (read_flash(&r, &h, sizeof h) || h.magic != IMAGE_MAGIC)
		return 1;
	SPIReadModeCnfig(h.mode);
	for (int i = 0; i < h.segments; i++) {
		if (load_segment(&r, i == 0))
			return 1;
	}
	if (check_sum(&r))
		return 1;
	rom_user_start = h.entry;
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
	for (;;)
		__asm__ volatile("waiti 2");
}

/* Exceptions of the code that is about to run are reported, not swallowed. */
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
