/* rom.h - what the parts of the simulated chip's mask ROM share.
 *
 * Layer: inside the simulated chip; compiled for the LX106 only. Public
 * function names and signatures are those that firmware links against, at the
 * addresses that entry.S gives them. Written from observed behaviour
 * (addresses, bytes, register values), not from anybody's ROM.
 */
#ifndef ROM_H
#define ROM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define REG(addr) (*(volatile uint32_t *)(addr))

/* UART0; UART1 has the same layout at +0xF00. */
#define UART_FIFO 0x00
#define UART_INT_ST 0x08
#define UART_INT_ENA 0x0C
#define UART_INT_CLR 0x10
#define UART_CLKDIV 0x14
#define UART_AUTOBAUD 0x18
#define UART_STATUS 0x1C
#define UART_CONF0 0x20
#define UART_CONF1 0x24
#define UART_LOWPULSE 0x28
#define UART_HIGHPULSE 0x2C
#define UART_PULSE_NUM 0x30
#define UART_INT_RXFULL 1u
#define UART_CONF0_FIFO_RST (3u << 17)
#define UART_IRQ 5

#define SPI_CMD REG(0x60000200)
#define SPI_ADDR REG(0x60000204)
#define SPI_CTRL REG(0x60000208)
#define SPI_RD_STATUS REG(0x60000210)
#define SPI_USER REG(0x6000021C)
#define SPI_W(n) REG(0x60000240 + 4 * (n))

#define GPIO_IN REG(0x60000318)
#define RTC_CTL REG(0x60000700)
#define RTC_RESET_CTL REG(0x60000708)
#define RTC_RESET_CAUSE REG(0x60000714)
#define RTC_WAKE_CAUSE REG(0x60000718)
#define IOMUX_CONF REG(0x60000800)
#define WDT_CTL REG(0x60000900)
#define WDT_OP REG(0x60000904)
#define WDT_OP_ND REG(0x60000908)
#define WDT_STAGE REG(0x60000910)
#define WDT_FEED REG(0x60000914)
#define WDT_ACK REG(0x60000918)
#define DPORT_EDGE_INT REG(0x3FF00004)
#define DPORT_CACHE REG(0x3FF0000C)
#define DPORT_BANKS REG(0x3FF00024)

/* The record that every flash function checks ranges by. */
struct flash_chip {
	uint32_t id, chip_size, block_size, sector_size, page_size, status_mask;
};

/* Receive ring: 256 bytes and, like the original, no overflow check. */
struct rcv_ring {
	uint32_t size;
	uint8_t *start, *write, *read;
	uint32_t trigger, state;
};

struct uart_dev {
	uint32_t baud, data_bits, parity_enable, parity, stop_bits, flow;
	struct rcv_ring ring;
	uint32_t reserved;	/* 100; nobody reads it */
	uint8_t *ring_end;
	uint32_t detect;	/* 0 = auto-baud not armed yet, 1 = it was */
	uint32_t received;	/* bytes of packets, decoded */
	uint8_t number;		/* UART that send and receive use */
};

/* What the exception vectors push. */
struct exc_frame {
	uint32_t epc1, ps, sar, vpri, a0, a2_a15[14], cause;
};

typedef void exc_handler(struct exc_frame *frame, int cause);
typedef void isr_handler(void *arg);

/* Variables at published addresses; rom.ld places them. */
extern void (*rom_exc_table[64])(void);
extern exc_handler *rom_exc_handlers[64];
extern uint32_t rom_int_enabled, rom_int_vpri;
extern struct { isr_handler *fn; void *arg; } rom_int_table[15];	/* n at [14 - n] */
extern uint32_t rom_cpu_mhz;
extern struct { int mode; uint32_t first, second; } rom_wdt;
extern struct flash_chip *rom_flash_chip;
extern struct flash_chip rom_flash_record;
extern uint32_t rom_user_start;
extern uint8_t rom_reply[16];
extern uint32_t rom_transfer[6];	/* on the loader's stack */
extern struct uart_dev rom_uart;
extern uint8_t rom_ring[256];
extern uint8_t rom_packet[0x2000];

/* entry.S */
void rom_int_dispatch(void);
void rom_exc_call_c(void);
void rom_exc_unhandled(void);
void rom_exc_none(struct exc_frame *frame, int cause);
void rom_int_none(void *arg);
void rom_idle(void) __attribute__((noreturn));

/* main.c */
void rom_main(void);
int rom_load_image(void);
void rom_no_image(void);
void rom_install_fatal(void);
void rom_user_done(void) __attribute__((noreturn));

/* loader.c */
uint8_t checksum(const void *p, int n);
int UartDwnLdProc(void *buf, int max, uint32_t *user_start);

/* uart.c */
void uartAttach(void);
void Uart_Init(int uart);
void uart_div_modify(int uart, uint32_t div);
uint16_t uart_baudrate_detect(int uart, int nowait);
int uart_tx_one_char(uint8_t c);
int uart_rx_one_char(uint8_t *c);
uint8_t uart_rx_one_char_block(void);
int uart_rx_readbuff(struct rcv_ring *b, uint8_t *c);
void uart_buff_switch(int uart);
struct uart_dev *GetUartDevice(void);
int UartConnCheck(int uart);
void send_packet(const void *p, int n);
int SendMsg(const void *p, int n);
int recv_packet(void *p, int max, int nowait);
int RcvMsg(void *p, int max, int nowait);

/* spi.c: 0 = ok, 1 = failure */
void SelectSpiFunction(void);
int SPI_read_status(struct flash_chip *c, uint32_t *status);
int SPI_write_status(struct flash_chip *c, uint32_t status);
int SPI_write_enable(struct flash_chip *c);
int Wait_SPI_Idle(struct flash_chip *c);
int Enable_QMode(struct flash_chip *c);
int Disable_QMode(struct flash_chip *c);
void SPIFlashModeConfig(int mode, int divider);
int SPIReadModeCnfig(int mode);
void spi_flash_attach(void);
void Cache_Read_Enable(int odd_even, int mb, int cache32k);
void Cache_Read_Disable(void);
int SPIUnlock(void);
int SPILock(void);
int SPIEraseChip(void);
int SPIEraseBlock(uint32_t block);
int SPIEraseSector(uint32_t sector);
int SPIEraseArea(uint32_t addr, uint32_t size);
int SPIWrite(uint32_t addr, const void *src, uint32_t len);
int SPIRead(uint32_t addr, void *dst, uint32_t len);
int SPIParamCfg(uint32_t id, uint32_t chip, uint32_t block, uint32_t sector,
		uint32_t page, uint32_t status_mask);

/* system.c */
void rom_init_vars(void);
exc_handler *_xtos_set_exception_handler(int cause, exc_handler *fn);
isr_handler *ets_isr_attach(int n, isr_handler *fn, void *arg);
void ets_isr_mask(uint32_t bits);
void ets_isr_unmask(uint32_t bits);
void ets_intr_lock(void);
void ets_intr_unlock(void);
void ets_delay_us(uint32_t us);
void ets_update_cpu_frequency(uint32_t mhz);
uint32_t ets_get_cpu_frequency(void);
void ets_set_user_start(void *entry);
void software_reset(void);
int rtc_get_reset_reason(void);
int ets_wdt_disable(void);
void ets_wdt_enable(int mode, int first, int second);
void ets_wdt_restore(int mode);
void ets_wdt_init(void);
uint32_t xthal_get_ccount(void);
void xthal_set_ccompare(int n, uint32_t v);
void rom_i2c_writeReg(uint8_t block, uint8_t host, uint8_t reg, uint8_t value);
uint8_t rom_i2c_readReg(uint8_t block, uint8_t host, uint8_t reg);

/* print.c */
int ets_putc(int c);
int ets_write_char(int c);
int ets_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int ets_vprintf(void (*put)(char c), const char *fmt, va_list ap);
void ets_install_putc1(void (*fn)(char c));
void ets_install_uart_printf(void);

/* lib.c; the ets_ names are the same functions */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void bzero(void *dst, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strcpy(char *dst, const char *src);
char *strncpy(char *dst, const char *src, size_t n);
char *strstr(const char *text, const char *what);
int rand(void);
void srand(unsigned seed);

/* digest.c */
struct md5 {
	uint32_t state[4], bits[2];
	uint8_t in[64];
};
struct sha1 {
	uint32_t state[5], count[2];
	uint8_t buffer[64];
};
void MD5Init(struct md5 *m);
void MD5Update(struct md5 *m, const void *p, unsigned n);
void MD5Final(uint8_t digest[16], struct md5 *m);
void SHA1Init(struct sha1 *s);
void SHA1Update(struct sha1 *s, const void *p, unsigned n);
void SHA1Final(uint8_t digest[20], struct sha1 *s);
void hmac_md5(const uint8_t *key, size_t key_len, const uint8_t *data,
	      size_t data_len, uint8_t *mac);

static inline uint32_t ccount(void)
{
	uint32_t v;

	__asm__ volatile("rsr %0, ccount" : "=a"(v));
	return v;
}

#endif
