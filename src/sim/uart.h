/* uart.h - one UART of the ESP8266: registers, FIFOs, auto-baud unit.
 *
 * Layer: sim. Knows no host, no CPU and no other device; the two ends of its
 * wires are struct wire. Source: reference, registers 2 and ROM-FACTS
 * ("Auto-baud").
 */
#ifndef SIM_UART_H
#define SIM_UART_H

#include "wire.h"

#define UART_FIFO 128u

enum uart_reg {
	UART_FIFO_REG = 0x00, UART_INT_RAW = 0x04, UART_INT_ST = 0x08, UART_INT_ENA = 0x0C,
	UART_INT_CLR = 0x10, UART_CLKDIV = 0x14, UART_AUTOBAUD = 0x18, UART_STATUS = 0x1C,
	UART_CONF0 = 0x20, UART_CONF1 = 0x24, UART_LOWPULSE = 0x28, UART_HIGHPULSE = 0x2C,
	UART_PULSE_NUM = 0x30, UART_DATE = 0x78, UART_ID = 0x7C,
};

enum uart_int {
	UART_INT_RX_FULL = 1 << 0, UART_INT_TX_EMPTY = 1 << 1, UART_INT_PARITY = 1 << 2,
	UART_INT_FRAMING = 1 << 3, UART_INT_RX_OVF = 1 << 4, UART_INT_BREAK = 1 << 7,
	UART_INT_RX_TOUT = 1 << 8,
};

struct uart_fifo {
	uint8_t byte[UART_FIFO];
	unsigned head, count;
};

struct uart_autobaud {
	uint64_t seen, last;	/* edges up to `seen` are counted; the last one */
	uint32_t edges, low, high;
};

struct uart {
	struct wire in, out;		/* outlive a reset of the chip */
	struct wire_receiver receiver;
	struct uart_fifo rx, tx;
	struct uart_autobaud autobaud_unit;
	uint32_t int_raw, int_ena, clkdiv, autobaud, conf0, conf1, id;
	uint32_t clock_ticks;		/* ticks per UART clock (APB) */
	uint64_t timeout_at;
	uint64_t lost;			/* received with the FIFO full, since power-on */
};

/* Power on; then uart_reset() as often as the chip is reset. */
void uart_init(struct uart *u);
void uart_reset(struct uart *u, uint64_t now, uint32_t clock_ticks);
/* The APB clock changes: bits that start later have another length. */
void uart_set_clock(struct uart *u, uint64_t now, uint32_t clock_ticks);

/* Register access; off is within the block. uart_read with peek has no side
 * effects (FIFO keeps its byte). */
uint32_t uart_read(struct uart *u, uint64_t now, uint32_t off, bool peek);
void uart_write(struct uart *u, uint64_t now, uint32_t off, uint32_t value);

/* Does what is due by now; uart_next says when something will be. */
void uart_run(struct uart *u, uint64_t now);
uint64_t uart_next(struct uart *u);
bool uart_irq(const struct uart *u);

/* True when nothing is queued and the line has been idle since the stop bit. */
bool uart_is_drained(const struct uart *u, uint64_t now);

#endif
