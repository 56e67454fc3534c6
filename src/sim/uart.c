#include "uart.h"

#include "ticks.h"

#include <string.h>

enum {
	CONF0_PARITY_ODD = 1 << 0, CONF0_PARITY = 1 << 1, CONF0_BREAK = 1 << 8,
	CONF0_LOOPBACK = 1 << 14, CONF0_RX_RST = 1 << 17, CONF0_TX_RST = 1 << 18,
	CONF1_TOUT_ENABLE = 1u << 31,
	AUTOBAUD_ENABLE = 1,
	PULSE_MAX = 0xFFFFF,
	/* What the unit's counters miss of each pulse: the ROM adds it again
	 * (reference: ROM-FACTS, "Auto-baud", a model). */
	PULSE_LAG = 12,
	STATUS_IDLE = 0x60004000,	/* RTSN, DTRN, CTSN high: nothing is connected */
};

static bool fifo_push(struct uart_fifo *f, uint8_t byte)
{
	if (f->count == UART_FIFO)
		return false;
	f->byte[(f->head + f->count++) % UART_FIFO] = byte;
	return true;
}

static uint8_t fifo_pop(struct uart_fifo *f)
{
	uint8_t byte = f->byte[f->head];

	if (f->count == 0)
		return 0;
	f->head = (f->head + 1) % UART_FIFO;
	f->count--;
	return byte;
}

static uint64_t bit_ticks(const struct uart *u)
{
	uint32_t div = u->clkdiv & 0xFFFFF;

	return (uint64_t)(div ? div : 1) * u->clock_ticks;
}

static struct wire_format format(const struct uart *u)
{
	struct wire_format f = {
		.data_bits = (uint8_t)(5 + (u->conf0 >> 2 & 3)),
		.parity = u->conf0 & CONF0_PARITY,
		.odd = u->conf0 & CONF0_PARITY_ODD,
		.stop_bits = (u->conf0 >> 4 & 3) >= 2 ? 2 : 1,
	};

	return f;
}

static void apply_format(struct uart *u)
{
	u->receiver.format = format(u);
	u->receiver.bit_ticks = bit_ticks(u);
}

void uart_init(struct uart *u)
{
	memset(u, 0, sizeof *u);
	wire_init(&u->in);
	wire_init(&u->out);
}

void uart_reset(struct uart *u, uint64_t now, uint32_t clock_ticks)
{
	u->rx.count = u->tx.count = u->rx.head = u->tx.head = 0;
	memset(&u->autobaud_unit, 0, sizeof u->autobaud_unit);
	u->int_raw = u->int_ena = u->autobaud = 0;
	u->clkdiv = 0x2B6;
	u->conf0 = 0x1C;
	u->conf1 = 0x1;
	u->id = 0x500;
	u->clock_ticks = clock_ticks;
	u->timeout_at = TICKS_NEVER;
	wire_end_break(&u->out, now);
	wire_receiver_init(&u->receiver, now);
	apply_format(u);
}

/* The flags that follow the fill of the FIFOs: they come back while their
 * cause lasts, whatever was cleared. */
static void raise_levels(struct uart *u)
{
	uint32_t full = u->conf1 & 0x7F, empty = u->conf1 >> 8 & 0x7F;

	if (u->rx.count >= (full ? full : 1))
		u->int_raw |= UART_INT_RX_FULL;
	if (u->tx.count <= empty)
		u->int_raw |= UART_INT_TX_EMPTY;
}

static void arm_timeout(struct uart *u, uint64_t from)
{
	uint64_t units = u->conf1 >> 24 & 0x7F;

	u->timeout_at = TICKS_NEVER;
	if ((u->conf1 & CONF1_TOUT_ENABLE) && u->rx.count)
		u->timeout_at = from + units * 8 * bit_ticks(u);
}

static const struct wire *input(const struct uart *u)
{
	return u->conf0 & CONF0_LOOPBACK ? &u->out : &u->in;
}

static void take_byte(struct uart *u, uint8_t byte, unsigned flags, uint64_t at)
{
	if (flags & WIRE_FRAMING)
		u->int_raw |= UART_INT_FRAMING;
	if (flags & WIRE_BREAK)
		u->int_raw |= UART_INT_BREAK;
	if (flags & WIRE_PARITY)
		u->int_raw |= UART_INT_PARITY;
	if (u->conf0 & CONF0_RX_RST)
		return;
	if (!fifo_push(&u->rx, byte)) {
		u->int_raw |= UART_INT_RX_OVF;
		u->lost++;
	}
	arm_timeout(u, at);
}

static void receive(struct uart *u, uint64_t now)
{
	uint8_t byte;
	unsigned flags;
	uint64_t at;

	while (wire_receive(&u->receiver, input(u), now, &byte, &flags, &at))
		take_byte(u, byte, flags, at);
}

/* Hands the next byte to the shift register when that is free at `at`. */
static void shift_out(struct uart *u, uint64_t at)
{
	struct wire_format f = format(u);

	if (u->tx.count && u->out.busy_until <= at && !u->out.broken)
		wire_send(&u->out, at, fifo_pop(&u->tx), &f, bit_ticks(u));
}

static void count_edges(struct uart *u, uint64_t now)
{
	struct uart_autobaud *ab = &u->autobaud_unit;
	uint32_t filter = u->autobaud >> 8 & 0xFF, clocks;
	uint64_t at;
	bool level;

	while ((u->autobaud & AUTOBAUD_ENABLE) && wire_edge(&u->in, ab->seen, &at, &level) &&
	       at <= now) {
		ab->seen = at;
		clocks = at - ab->last > (uint64_t)PULSE_MAX * u->clock_ticks ? PULSE_MAX :
			 (uint32_t)((at - ab->last) / u->clock_ticks);
		if (ab->edges && clocks < filter)
			continue;
		ab->last = at;
		if (ab->edges < 0x3FF)
			ab->edges++;
		if (ab->edges == 1)
			continue;
		clocks = clocks > PULSE_LAG ? clocks - PULSE_LAG : 0;
		if (level && clocks < ab->low)
			ab->low = clocks;
		if (!level && clocks < ab->high)
			ab->high = clocks;
	}
}

void uart_run(struct uart *u, uint64_t now)
{
	count_edges(u, now);
	receive(u, now);
	while (u->tx.count && u->out.busy_until <= now)
		shift_out(u, u->out.busy_until);
	if (u->timeout_at <= now) {
		u->int_raw |= UART_INT_RX_TOUT;
		u->timeout_at = TICKS_NEVER;
	}
	raise_levels(u);
}

uint64_t uart_next(struct uart *u)
{
	uint64_t t = ticks_min(wire_receiver_next(&u->receiver, input(u)), u->timeout_at);

	return u->tx.count && !u->out.broken ? ticks_min(t, u->out.busy_until) : t;
}

bool uart_irq(const struct uart *u)
{
	return u->int_raw & u->int_ena;
}

bool uart_is_drained(const struct uart *u, uint64_t now)
{
	return u->tx.count == 0 && u->out.busy_until <= now;
}

/* Bit 31, which should be the level of TXD, always reads 0 (measured:
 * esp8266/Arduino issue 7256). Stubs that wait until it is 0 rely on that. */
static uint32_t status(const struct uart *u, uint64_t now)
{
	return STATUS_IDLE | u->rx.count | u->tx.count << 16 |
	       (uint32_t)wire_level(&u->in, now) << 15;
}

static uint32_t read_fifo(struct uart *u, bool peek)
{
	if (peek)
		return u->rx.count ? u->rx.byte[u->rx.head] : 0;
	return fifo_pop(&u->rx);
}

uint32_t uart_read(struct uart *u, uint64_t now, uint32_t off, bool peek)
{
	uart_run(u, now);
	switch (off) {
	case UART_FIFO_REG: return read_fifo(u, peek);
	case UART_INT_RAW: return u->int_raw;
	case UART_INT_ST: return u->int_raw & u->int_ena;
	case UART_INT_ENA: return u->int_ena;
	case UART_CLKDIV: return u->clkdiv;
	case UART_AUTOBAUD: return u->autobaud;
	case UART_STATUS: return status(u, now);
	case UART_CONF0: return u->conf0;
	case UART_CONF1: return u->conf1;
	case UART_LOWPULSE: return u->autobaud_unit.low;
	case UART_HIGHPULSE: return u->autobaud_unit.high;
	case UART_PULSE_NUM: return u->autobaud_unit.edges;
	case UART_DATE: return 0x062000;
	case UART_ID: return u->id;
	default: return 0;
	}
}

static void write_conf0(struct uart *u, uint64_t now, uint32_t value)
{
	uint32_t changed = u->conf0 ^ value;

	u->conf0 = value;
	apply_format(u);
	if (value & CONF0_RX_RST)
		u->rx.count = 0;
	if (value & CONF0_TX_RST)
		u->tx.count = 0;
	if (changed & CONF0_LOOPBACK)
		wire_receiver_init(&u->receiver, now);
	if (changed & CONF0_BREAK & value)
		wire_begin_break(&u->out, now);
	else if (changed & CONF0_BREAK)
		wire_end_break(&u->out, now);
}

static void write_autobaud(struct uart *u, uint64_t now, uint32_t value)
{
	bool starts = (value & AUTOBAUD_ENABLE) && !(u->autobaud & AUTOBAUD_ENABLE);

	u->autobaud = value;
	if (starts)
		u->autobaud_unit = (struct uart_autobaud){
			.seen = now, .low = PULSE_MAX, .high = PULSE_MAX };
}

static void write_fifo(struct uart *u, uint64_t now, uint8_t byte)
{
	if (u->conf0 & CONF0_TX_RST)
		return;
	fifo_push(&u->tx, byte);
	shift_out(u, now);
}

void uart_write(struct uart *u, uint64_t now, uint32_t off, uint32_t value)
{
	uart_run(u, now);
	switch (off) {
	case UART_FIFO_REG: write_fifo(u, now, (uint8_t)value); break;
	case UART_INT_ENA: u->int_ena = value; break;
	case UART_INT_CLR:
		u->int_raw &= ~value;
		if (value & UART_INT_RX_TOUT)
			arm_timeout(u, now);
		break;
	case UART_CLKDIV: u->clkdiv = value & 0xFFFFF; apply_format(u); break;
	case UART_AUTOBAUD: write_autobaud(u, now, value); break;
	case UART_CONF0: write_conf0(u, now, value); break;
	case UART_CONF1: u->conf1 = value; arm_timeout(u, now); break;
	case UART_ID: u->id = value; break;
	default: break;
	}
	raise_levels(u);
}

void uart_set_clock(struct uart *u, uint64_t now, uint32_t clock_ticks)
{
	uart_run(u, now);
	u->clock_ticks = clock_ticks;
	apply_format(u);
}
