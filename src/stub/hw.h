/* hw.h - what the stub needs of the chip it runs in: the seam between its logic
 * and the registers.
 *
 * Layer: stub, bottom. hw_lx106.c is the real one; tests put a model of a
 * UART and a flash behind the same functions. Knows nothing of frames.
 */
#ifndef STUB_HW_H
#define STUB_HW_H

#include <stdbool.h>
#include <stdint.h>

void hw_open(void);
/* Milliseconds since hw_open; call it at least every 20 s. */
uint32_t hw_ms(void);

/* Sleeps until a byte has come, room to send has grown, or, unless it is 0,
 * about that time is over. Now and then it returns for nothing. */
void hw_rest(uint32_t us);

/* The UART. Received bytes wait in a ring; sent ones too. hw_rx answers -1
 * when there is none, hw_tx waits for room. */
int hw_rx(void);
void hw_tx(uint8_t byte);
void hw_tx_flush(void);		/* until the last stop bit is on the wire */

/* Changes rate and clocks (WIRE_CLOCK_*); the divisor now in use belongs to
 * old_baud. hw_baud_undo goes back to what was before. */
void hw_baud(uint32_t new_baud, uint32_t old_baud, unsigned clocks);
void hw_baud_undo(void);
uint32_t hw_uart_divisor(void);

/* One command to the flash chip, at most 64 bytes out and then in. `data`
 * holds the bytes to send and takes the answer. */
struct hw_spi {
	uint8_t opcode, addr_bytes, dummy_bits, out, in;
	uint32_t addr;
};
void hw_spi(const struct hw_spi *t, uint32_t *data);

/* The commands used all the time. Reads at most 32 bytes in a wire_mode;
 * programs at most 64 inside one page. */
#define HW_READ_MAX 32
#define HW_PROGRAM_MAX 64
void hw_read_mode(unsigned mode);
void hw_flash_read(uint32_t addr, uint32_t *data, uint32_t bytes);
void hw_flash_program(uint32_t addr, const uint32_t *data, uint32_t bytes);
void hw_flash_enable(void);	/* WREN */
uint8_t hw_flash_status(void);	/* SR1 */

uint32_t hw_word(uint32_t addr);
void hw_set_word(uint32_t addr, uint32_t value);

/* MD5, in the ROM. */
struct hw_md5 { uint32_t words[22]; };
void hw_md5_init(struct hw_md5 *m);
void hw_md5_update(struct hw_md5 *m, const void *p, uint32_t n);
void hw_md5_final(uint8_t digest[16], struct hw_md5 *m);

/* Puts clocks, UART and interrupts back and leaves (enum wire_run). */
void hw_leave(unsigned how, uint32_t addr);

#endif
