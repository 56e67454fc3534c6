/* first.c - the first stage: the ROM loads these few hundred bytes at its slow
 * rate and with its weak checksum; they change the rate, load the stub itself by
 * blocks that each carry a CRC-32, unpack and run it (PROTOCOL.md, "Start").
 *
 * Runs with interrupts off and polls the UART. Bytes per second: some 500
 * cycles are there for each at 921600 baud, it needs about 80.
 */
#include "unpack.h"
#include "wire.h"

#define REG(addr) (*(volatile uint32_t *)(addr))
#define UART_FIFO REG(0x60000000)
#define UART_CLKDIV REG(0x60000014)
#define UART_STATUS REG(0x6000001c)
#define UART_CONF0 REG(0x60000020)
#define UART_RX_RESET (1u << 17)

void ets_isr_mask(uint32_t bits);
void ets_isr_unmask(uint32_t bits);
#define UART_ISR (1u << 5)

/* Addresses that first.ld gives. */
extern uint8_t first_packed[], first_image[];
extern volatile uint32_t first_text[];

/* The host writes both rates here before it loads this. The first word then holds
 * the old divisor until that is in use again. */
static volatile uint32_t rates[2] __attribute__((section(".rates"), used)) = { 1, 1 };

static uint32_t ticks(void)
{
	uint32_t t;

	__asm__ volatile("rsr %0, ccount" : "=r"(t));
	return t;
}

static uint32_t get(void)
{
	uint32_t start = ticks();

	while (!(UART_STATUS & 0xff))
		if (rates[0] && ticks() - start > WIRE_FIRST_SILENCE) {
			UART_CLKDIV = rates[0];
			rates[0] = 0;
		}
	return UART_FIFO & 0xff;
}

static uint32_t get_word(void)
{
	uint32_t v = 0, i;

	for (i = 0; i < 4; i++)
		v = v >> 8 | get() << 24;
	return v;
}

static uint32_t crc_word(uint32_t crc, uint32_t v)
{
	uint32_t bit;

	crc ^= v;
	for (bit = 0; bit < 32; bit++)
		crc = crc & 1 ? 0xedb88320 ^ crc >> 1 : crc >> 1;
	return crc;
}

/* Few enough bytes to fit the empty FIFO. have[0] is the tag of the question. */
static void answer(const uint32_t have[3])
{
	uint32_t crc = ~0u, i, v, n;

	for (i = 0; i < 5; i++) {
		v = i == 0 ? WIRE_FIRST_WORD : i == 4 ? ~crc : have[i - 1];
		if (i)
			crc = crc_word(crc, v);
		for (n = 0; n < 4; n++, v >>= 8)
			UART_FIFO = v & 0xff;
	}
}

static void wait_sent(void)
{
	uint32_t i;

	while (UART_STATUS >> 16 & 0xff)
		;
	for (i = UART_CLKDIV * 4; i; i--)
		__asm__ volatile("nop");
}

/* Takes one block whose CRC is right. */
static void take(uint32_t block[WIRE_FIRST_WORDS])
{
	uint32_t word, i, n, crc;

	do {
		for (word = 0; word != WIRE_FIRST_WORD; )
			word = word >> 8 | get() << 24;
		for (i = 0, n = 1, crc = ~0u; i < n; i++) {
			block[i] = get_word();
			crc = crc_word(crc, block[i]);
			n = block[0] & WIRE_FIRST_CONTROL ? 3 : WIRE_FIRST_WORDS;
		}
	} while (crc != WIRE_CRC_RESIDUE);
}

static void change_rate(void)
{
	uint32_t old = UART_CLKDIV;

	wait_sent();
	UART_CLKDIV = (old * rates[0] + rates[1] / 2) / rates[1];
	rates[0] = old;
	UART_CONF0 |= UART_RX_RESET;
	UART_CONF0 &= ~UART_RX_RESET;
}

void first_main(void) __attribute__((section(".entry"), externally_visible));
void first_main(void)
{
	uint32_t have[3] = { 0, 0, 0 }, block[WIRE_FIRST_WORDS], i;

	ets_isr_mask(UART_ISR);
	change_rate();
	answer(have);
	while (take(block), block[0] != WIRE_FIRST_RUN) {
		if (block[0] == WIRE_FIRST_ASK) {
			have[0] = block[1];
			answer(have);
			continue;
		}
		for (i = 0; i < WIRE_FIRST_DATA / 4; i++)
			((volatile uint32_t *)block[1])[i] = block[2 + i];
		have[1 + block[0] / 32 % 2] |= 1u << block[0] % 32;
	}
	unpack_run(first_packed, first_image, first_image + WIRE_FIRST_IMAGE);
	for (i = 0; i < WIRE_FIRST_TEXT / 4; i++)
		first_text[i] = ((uint32_t *)first_image)[i];
	ets_isr_unmask(UART_ISR);
	((void (*)(void))block[1])();
}
