/* spi_impl.h - what the files of spi.h share: the controller's registers, and the
 * packets that write them. */
#ifndef SPI_IMPL_H
#define SPI_IMPL_H

#include "spi.h"

/* SPI0, the controller that the flash chip hangs on. */
enum spi_register {
	SPI_CMD = 0x60000200, SPI_ADDR = 0x60000204, SPI_RD_STATUS = 0x60000210,
	SPI_USER = 0x6000021C, SPI_USER1 = 0x60000220, SPI_USER2 = 0x60000224,
	SPI_W0 = 0x60000240,
};

/* Bits of CMD: each starts a command and clears itself at its end. */
#define SPI_CMD_USER (1u << 18)
#define SPI_CMD_READ_STATUS (1u << 27)
#define SPI_CMD_WRITE_DISABLE (1u << 29)
#define SPI_CMD_WRITE_ENABLE (1u << 30)

enum {
	SPI_TRIES = 3,
	SPI_WORDS = SPI_DATA_MAX / 4,
	SPI_RECORD = 16,
	SPI_RECORDS_MAX = SPI_WORDS + 5,
};

/* A WRITE_REG packet, built by hand because it travels in rows. */
struct spi_records {
	uint8_t bytes[SPI_RECORD * SPI_RECORDS_MAX];
	size_t len;
};

void spi_add(struct spi_records *r, uint32_t addr, uint32_t value);

/* Starts a command. The mask keeps a damaged value from starting one of the
 * controller's other commands: chip erase is a bit of the same register. */
void spi_add_start(struct spi_records *r, uint32_t cmd);

/* What the transaction is: USER registers, address, data; not its start. */
void spi_add_transaction(struct spi_records *r, const struct spi_transaction *t);
void spi_add_shape(struct spi_records *r, const struct spi_transaction *t);

/* ESP_E_ARGUMENT when the controller cannot do it. */
int spi_check(struct rom *rom, const struct spi_transaction *t);
int spi_check_status_number(struct rom *rom, int n);

/* Requests for a row (see rom_run_row()). */
void spi_ask_records(struct rom_request *req, const struct spi_records *r);
void spi_ask_register(struct rom_request *req, uint32_t addr);

/* Repeats what fails, so only for what may happen twice. */
int spi_write_records(struct rom *rom, const struct spi_records *r);

/* Also reads every register back; ESP_E_PROTO when one holds something else. */
int spi_write_checked(struct rom *rom, const struct spi_records *r);

/* The controller's USER registers, saved and put back. */
struct spi_saved {
	uint32_t value[3];
};

/* Attaches the flash chip first. */
int spi_save(struct rom *rom, struct spi_saved *s);
void spi_add_saved(struct spi_records *r, const struct spi_saved *s);

/* After a failure rc, whose text stays. */
void spi_put_back(struct rom *rom, const struct spi_saved *s, int rc);

/* Bytes of little-endian words. */
void spi_unpack(uint8_t *dst, const uint32_t *words, size_t len);

#endif
