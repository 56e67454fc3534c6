/* first.c - the first stage: the ROM loads these few hundred bytes at its slow
 * rate and with its weak checksum; they change the rate and load the stub
 * itself, by blocks that each carry a CRC-32 (PROTOCOL.md, "Start").
 *
 * Runs with interrupts off and polls the UART. Bytes per second: some 500
 * cycles are there for each at 921600 baud, it needs about 80.
 */
#include "wire.h"

#include <stdint.h>

#define REG(addr) (*(volatile uint32_t *)(addr))
#define UART_FIFO REG(0x60000000)
#define UART_CLKDIV REG(0x60000014)
#define UART_STATUS REG(0x6000001c)
#define UART_CONF0 REG(0x60000020)
#define UART_RX_RESET (1u << 17)

void ets_isr_mask(uint32_t bits);
void ets_isr_unmask(uint32_t bits);
#define UART_ISR (1u << 5)

/* The host writes both rates here before it loads this. */
static const volatile uint32_t rates[2] __attribute__((section(".rates"), used)) = { 1, 1 };

static uint32_t get(void)
{
	while (!(UART_STATUS & 0xff))
		;
	return UART_FIFO & 0xff;
}

static uint32_t get_word(void)
{
	uint32_t v = get();

	v |= get() << 8;
	v |= get() << 16;
	return v | get() << 24;
}

static uint32_t crc_word(uint32_t crc, uint32_t v)
{
	uint32_t bit;

	crc ^= v;
	for (bit = 0; bit < 32; bit++)
		crc = crc & 1 ? 0xedb88320 ^ crc >> 1 : crc >> 1;
	return crc;
}

static void put_word(uint32_t v)
{
	uint32_t i;

	for (i = 0; i < 4; i++, v >>= 8)
		UART_FIFO = v & 0xff;
}

/* Few enough bytes to fit the empty FIFO. */
static void answer(const uint32_t have[2])
{
	put_word(WIRE_FIRST_WORD);
	put_word(have[0]);
	put_word(have[1]);
	put_word(~crc_word(crc_word(~0u, have[0]), have[1]));
}

static void wait_sent(void)
{
	uint32_t i;

	while (UART_STATUS >> 16 & 0xff)
		;
	for (i = UART_CLKDIV * 4; i; i--)
		__asm__ volatile("nop");
}

void first_main(void) __attribute__((section(".entry"), externally_visible));
void first_main(void)
{
	uint32_t have[2] = { 0, 0 }, block[WIRE_FIRST_WORDS], i, crc, word = 0;

	ets_isr_mask(UART_ISR);
	wait_sent();
	UART_CLKDIV = (UART_CLKDIV * rates[0] + rates[1] / 2) / rates[1];
	UART_CONF0 |= UART_RX_RESET;
	UART_CONF0 &= ~UART_RX_RESET;
	answer(have);
	for (;;) {
		while (word != WIRE_FIRST_WORD)
			word = word >> 8 | get() << 24;
		for (i = 0, crc = ~0u; i < WIRE_FIRST_WORDS; i++) {
			block[i] = get_word();
			crc = crc_word(crc, block[i]);
		}
		word = 0;
		if (crc != WIRE_CRC_RESIDUE)
			continue;
		if (block[0] == WIRE_FIRST_RUN)
			break;
		if (block[0] == WIRE_FIRST_ASK) {
			answer(have);
			continue;
		}
		for (i = 0; i < WIRE_FIRST_DATA / 4; i++)
			((volatile uint32_t *)block[1])[i] = block[2 + i];
		have[block[0] / 32 % 2] |= 1u << block[0] % 32;
	}
	ets_isr_unmask(UART_ISR);
	((void (*)(void))block[1])();
}
