/* uart.c - UART0/1, the receive ring, and SLIP packets over them.
 *
 * Layer: inside the simulated chip. Knows nothing of commands.
 */
#include "rom.h"

#define SLIP_END 0xC0
#define SLIP_ESC 0xDB
#define SLIP_ESC_END 0xDC
#define SLIP_ESC_ESC 0xDD

#define AUTOBAUD_ARM 0x801u	/* enable, ignore pulses below 8 clocks */
#define AUTOBAUD_EDGES 29u	/* more than these make a measurement */
#define AUTOBAUD_POLL_US 1000
#define READ_IDLE_TURNS 50	/* two cycles each */
#define TIMER_IRQ 6
#define ROM_VECTORS 0x40000000u
#define UART_CLOCK 80000000u	/* what the ROM believes; 52 MHz with a 26 MHz crystal */

static volatile uint32_t *reg(int uart, uint32_t offset)
{
	return &REG(0x60000000 + (uint32_t)uart * 0xF00 + offset);
}

static uint32_t rx_count(int uart)
{
	return *reg(uart, UART_STATUS) & 0xFF;
}

static uint32_t tx_count(int uart)
{
	return *reg(uart, UART_STATUS) >> 16 & 0xFF;
}

static void ring_reset(void)
{
	struct rcv_ring *b = &rom_uart.ring;

	b->size = sizeof rom_ring;
	b->start = b->write = b->read = rom_ring;
	b->trigger = 1;
	b->state = 0;
	rom_uart.ring_end = rom_ring + sizeof rom_ring;
}

/* Moves all that the FIFO holds into the ring. A full ring is not noticed: the
 * 256th unread byte makes it look empty. */
static void receive_isr(void *arg)
{
	struct uart_dev *d = arg;
	int uart = d->number;

	while (rx_count(uart)) {
		*d->ring.write++ = (uint8_t)*reg(uart, UART_FIFO);
		if (d->ring.write == d->ring_end)
			d->ring.write = d->ring.start;
	}
	*reg(uart, UART_INT_CLR) = UART_INT_RXFULL;
}

/* Sets the device record and attaches the interrupt, which stays masked. */
void uartAttach(void)
{
	struct uart_dev *d = &rom_uart;

	d->baud = 115200;
	d->data_bits = 3;
	d->parity_enable = d->parity = d->stop_bits = d->flow = 0;
	d->reserved = 100;
	d->detect = 0;
	d->received = 0;
	d->number = 0;
	ring_reset();
	ets_isr_mask(1u << UART_IRQ);
	ets_isr_attach(UART_IRQ, receive_isr, d);
}

/* Pads, 115200 baud by a clock that is not there, 8 data bits, an interrupt
 * for every byte. */
void Uart_Init(int uart)
{
	struct uart_dev *d = &rom_uart;

	if (uart == 0)
		REG(0x60000818) = 0;		/* U0TXD; U0RXD is that after reset */
	REG(0x60000838) = 0x100;		/* GPIO2 repeats U0TXD (or is U1TXD) */
	uart_div_modify(uart, UART_CLOCK / d->baud);
	*reg(uart, UART_CONF0) = d->data_bits << 2 | d->stop_bits << 4 |
				 d->parity_enable << 1 | d->parity;
	*reg(uart, UART_CONF1) = d->ring.trigger;
	*reg(uart, UART_INT_CLR) = 0xFFFF;
	*reg(uart, UART_INT_ENA) = UART_INT_RXFULL;
}

void uart_div_modify(int uart, uint32_t div)
{
	*reg(uart, UART_CLKDIV) = div;
	*reg(uart, UART_CONF0) |= UART_CONF0_FIFO_RST;
	*reg(uart, UART_CONF0) &= ~UART_CONF0_FIFO_RST;
}

static void wake(void *arg)
{
	(void)arg;
	xthal_set_ccompare(0, ccount());	/* takes the interrupt back */
}

/* ets_delay_us() by the CPU's timer, so that a chip that nobody talks to does
 * nothing, instead of counting cycles. Only where our interrupt dispatch is in
 * charge; what was attached and enabled comes back. */
static void sleep_us(uint32_t us)
{
	uint32_t vectors, enabled, ps, only = 1u << TIMER_IRQ;
	void *arg = rom_int_table[14 - TIMER_IRQ].arg;
	isr_handler *fn;

	__asm__ volatile("rsr %0, vecbase\n\trsr %1, intenable" : "=a"(vectors), "=a"(enabled));
	if (vectors != ROM_VECTORS) {
		ets_delay_us(us);
		return;
	}
	fn = ets_isr_attach(TIMER_IRQ, wake, NULL);
	__asm__ volatile("rsil %0, 1" : "=a"(ps) : : "memory");
	xthal_set_ccompare(0, ccount() + us * rom_cpu_mhz);
	__asm__ volatile("wsr %0, intenable\n\trsync\n\twaiti 0" : : "a"(only) : "memory");
	__asm__ volatile("wsr %0, intenable\n\twsr %1, ps\n\trsync"
			 : : "a"(enabled), "a"(ps) : "memory");
	ets_isr_attach(TIMER_IRQ, fn, arg);
}

/* Measures the rate of what arrives. Returns the divisor for it; with nowait,
 * 0 while too few edges were seen. The unit is armed once: until uartAttach()
 * later calls find what the first one measured. */
uint16_t uart_baudrate_detect(int uart, int nowait)
{
	uint32_t low, high;

	if (!rom_uart.detect) {
		rom_uart.detect = 1;		/* stays */
		*reg(uart, UART_AUTOBAUD) = AUTOBAUD_ARM & ~1u;
		*reg(uart, UART_AUTOBAUD) = AUTOBAUD_ARM;
	}
	while ((*reg(uart, UART_PULSE_NUM) & 0x3FF) <= AUTOBAUD_EDGES) {
		if (nowait)
			return 0;
		sleep_us(AUTOBAUD_POLL_US);
	}
	low = *reg(uart, UART_LOWPULSE) & 0xFFFFF;
	high = *reg(uart, UART_HIGHPULSE) & 0xFFFFF;
	*reg(uart, UART_AUTOBAUD) &= ~1u;
	return (uint16_t)((low + high) / 2 + 12);
}

/* Waits until the FIFO is empty, so at most one byte follows it on the wire. */
int uart_tx_one_char(uint8_t c)
{
	while (tx_count(rom_uart.number))
		;
	*reg(rom_uart.number, UART_FIFO) = c;
	return 0;
}

/* 0 = *c is a byte from the FIFO, 1 = there is none. */
int uart_rx_one_char(uint8_t *c)
{
	if (!rx_count(rom_uart.number))
		return 1;
	*c = (uint8_t)*reg(rom_uart.number, UART_FIFO);
	return 0;
}

uint8_t uart_rx_one_char_block(void)
{
	uint8_t c;

	while (uart_rx_one_char(&c))
		;
	return c;
}

/* 0 = *c is a byte from the ring, 1 = the ring looks empty. */
int uart_rx_readbuff(struct rcv_ring *b, uint8_t *c)
{
	uint8_t *r = b->read;

	if (r == *(uint8_t *volatile *)&b->write)
		return 1;
	*c = *r++;
	b->read = r == b->start + b->size ? b->start : r;
	return 0;
}

void uart_buff_switch(int uart)
{
	ets_isr_mask(1u << UART_IRQ);
	rom_uart.number = (uint8_t)uart;
	ring_reset();
}

struct uart_dev *GetUartDevice(void)
{
	return &rom_uart;
}

/* Whether somebody speaks on UART1 (whatever the argument): then its rate is
 * set. For boot modes that a chip with flash does not have. */
int UartConnCheck(int uart)
{
	uint16_t div = uart_baudrate_detect(1, 1);

	(void)uart;
	if (div)
		uart_div_modify(1, div);
	return div != 0;
}

static void send_escaped(uint8_t c)
{
	if (c == SLIP_END || c == SLIP_ESC) {
		uart_tx_one_char(SLIP_ESC);
		c = c == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
	}
	uart_tx_one_char(c);
}

void send_packet(const void *p, int n)
{
	const uint8_t *b = p;

	uart_tx_one_char(SLIP_END);
	while (n-- > 0)
		send_escaped(*b++);
	uart_tx_one_char(SLIP_END);
}

int SendMsg(const void *p, int n)
{
	send_packet(p, n);
	return 0;
}

/* Sleeps until the ring holds something. Interrupts are off between the look
 * and the sleep, so that a byte cannot slip in between. */
static void wait_for_byte(void)
{
	__asm__ volatile("rsil a2, 1" : : : "a2", "memory");
	if (rom_uart.ring.read == *(uint8_t *volatile *)&rom_uart.ring.write)
		__asm__ volatile("waiti 0" : : : "memory");
	else
		__asm__ volatile("rsil a2, 0" : : : "a2", "memory");
}

/* The original spends about 300 cycles on a byte, interrupt included, which is
 * why bulk data arrives at 1500000 baud and not at 2000000. Ours would be
 * faster than any tool may rely on, so it idles the difference away. */
static void be_as_slow_as_the_original(void)
{
	for (int n = READ_IDLE_TURNS; n; n--)
		__asm__ volatile("" : : : "memory");
}

static uint8_t ring_get(void)
{
	uint8_t c;

	while (uart_rx_readbuff(&rom_uart.ring, &c))
		wait_for_byte();
	be_as_slow_as_the_original();
	return c;
}

static uint8_t unescape(uint8_t c)
{
	return c == SLIP_ESC_END ? SLIP_END : c == SLIP_ESC_ESC ? SLIP_ESC : c;
}

/* Receives one packet: what lies between two END bytes, of which the first may
 * be repeated. Keeps at most max bytes and drops the rest without a word; what
 * p held beyond a short packet stays. Returns how many bytes were kept; with
 * nowait, 0 at once when nothing has arrived. */
int recv_packet(void *p, int max, int nowait)
{
	uint8_t *b = p, c;
	int n = 0;

	if (nowait && rom_uart.ring.read == *(uint8_t *volatile *)&rom_uart.ring.write)
		return 0;
	while (ring_get() != SLIP_END)
		;
	for (;;) {
		c = ring_get();
		if (c == SLIP_END) {
			if (n)
				return n;
			continue;
		}
		if (c == SLIP_ESC)
			c = unescape(ring_get());
		if (n < max) {
			b[n++] = c;
			rom_uart.received++;
		}
	}
}

/* 0 = p holds a packet, 1 = nothing there (nowait only). */
int RcvMsg(void *p, int max, int nowait)
{
	return recv_packet(p, max, nowait) == 0;
}
