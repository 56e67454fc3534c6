#include "rom.h"
#include "rom_impl.h"

#include "../bytes.h"

#include <string.h>

enum {
	QUIET_MS = 50,			/* longer than any USB bridge holds bytes back */
	TRIES = 3,
	SYNCS_PER_RESET = 5,
	DEFAULT_RESETS = 8,
};

/* Counts the rest of the answers to a SYNC, by value. */
static int more_sync_replies(struct rom *rom, int *zeros)
{
	int n = 0, rc = 0;

	while (n < ROM_SYNC_COUNT - 1 && rc == 0) {
		struct rom_reply reply;

		rc = rom_next_reply(rom, rom_deadline(rom, ROM_SYNC_WAIT_MS), &reply);
		if (rc < 0)
			break;
		n++;
		if (reply.op == ROM_SYNC && reply.value == 0)
			(*zeros)++;
	}
	return rc == ESP_E_TIMEOUT || rc == 0 ? n : rc;
}

static int first_sync_reply(struct rom *rom, uint32_t ms, struct rom_reply *reply)
{
	uint64_t deadline_us = rom_deadline(rom, ms);
	int rc;

	do
		rc = rom_next_reply(rom, deadline_us, reply);
	while (rc == 0 && (reply->op != ROM_SYNC || reply->status != 0));
	return rc;
}

int rom_sync(struct rom *rom)
{
	uint8_t pattern[32];
	struct rom_request req = { .op = ROM_SYNC, .n_words = 1, .words = { ROM_SYNC_VALUE },
				   .data = pattern, .len = sizeof pattern };
	uint32_t ms = rom_timeout_ms(rom, &req);
	struct rom_reply reply;
	int rc, zeros;

	memset(pattern, 0x55, sizeof pattern);
	rc = rom_drop_input(rom);
	if (rc >= 0)
		rc = rom_transmit(rom, &req);
	if (rc >= 0)
		rc = first_sync_reply(rom, ms, &reply);
	if (rc == ESP_E_TIMEOUT)
		return rom_timed_out(rom, &req, ms);
	if (rc < 0)
		return rc;
	zeros = reply.value == 0;
	rc = more_sync_replies(rom, &zeros);
	if (rc < 0)
		return rc;
	rom->sync_value = reply.value;
	rom->is_stub = 2 * zeros > rc + 1;	/* one reply may be damaged */
	rom->out_of_step = false;
	return 0;
}

static int wait_quiet(struct rom *rom)
{
	uint64_t deadline_us = rom_deadline(rom, 10 * QUIET_MS);
	int n = 1;

	for (uint32_t i = 0; n > 0 && i < ROM_NOISE_MAX && port_now_us(rom->port) < deadline_us; i++)
		n = rom_fill(rom, QUIET_MS);
	return n < 0 ? n : 0;
}

/* SYNC is the fence: once it is answered, all that was sent before is done. */
int rom_resync(struct rom *rom)
{
	static const uint8_t ends[] = { SLIP_END, SLIP_END };
	int rc = rom_write_wire(rom, ends, sizeof ends);

	if (rc >= 0)
		rc = wait_quiet(rom);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TRIES; i++) {
		rc = rom_sync(rom);
		if (rc != ESP_E_TIMEOUT)
			break;
	}
	return rc;
}

/* The ROM measures the rate once per reset, from the shortest pulses that it
 * sees first, and then throws away what it received: so give it something good
 * to measure that is no loss. */
static int offer_rate(struct rom *rom)
{
	static const uint8_t ruler[] = { 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55 };
	int rc = rom_write_wire(rom, ruler, sizeof ruler);

	if (rc < 0)
		return rc;
	if (port_drain(rom->port, 100 + rom_transfer_ms(rom, sizeof ruler)) < 0 ||
	    port_sleep(rom->port, 5) < 0)
		return rom_port_failed(rom);
	return 0;
}

static int reset_and_sync(struct rom *rom, const struct reset_sequence *s, unsigned flags)
{
	int rc;

	rom->flash_attached = false;
	rom->flash_size = 0;
	rom->flash_limited = false;
	if (s && reset_run(rom->port, s->steps, s->n, flags) < 0)
		return rom_port_failed(rom);
	rc = offer_rate(rom);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SYNCS_PER_RESET; i++) {
		rc = rom_sync(rom);
		if (rc != ESP_E_TIMEOUT)
			break;
	}
	return rc;
}

/* The n-th attempt: which sequence, and how. */
static unsigned choose(const struct rom_connect *how, unsigned n, size_t *sequence)
{
	unsigned ways = how->try_inverted ? 4 : 2;
	unsigned flags = (n & 1 ? RESET_SLOW : 0) |
			 (how->try_inverted && (n & 2) ? RESET_INVERTED : 0);

	*sequence = how->n_sequences ? n / ways % how->n_sequences : 0;
	return flags;
}

static bool heard_own_bytes(const struct rom *rom)
{
	static const uint8_t part[] = { 0x07, 0x07, 0x12, 0x20, 0x55, 0x55, 0x55, 0x55 };

	return memmem(rom->heard, rom->heard_len, part, sizeof part) != NULL;
}

static int nobody_there(struct rom *rom, unsigned attempts)
{
	rom->heard_echo = heard_own_bytes(rom);
	if (rom->heard_total == 0)
		return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer from the chip's loader "
				"in %u attempts: nothing at all was heard",
				rom->port->name, attempts);
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "%s: no answer from the chip's loader in %u "
			"attempts: heard %llu bytes, %s", rom->port->name, attempts,
			(unsigned long long)rom->heard_total,
			rom->heard_echo ? "our own among them" : "but no reply");
}

int rom_connect(struct rom *rom, const struct rom_connect *how)
{
	unsigned attempts = how->attempts ? how->attempts : DEFAULT_RESETS;
	int rc = ESP_E_TIMEOUT;

	rom->heard_len = 0;
	rom->heard_total = 0;
	rom->heard_echo = false;
	rom->listening = true;
	for (unsigned n = 0; n < attempts && rc == ESP_E_TIMEOUT; n++) {
		size_t sequence;
		unsigned flags = choose(how, n, &sequence);

		rc = reset_and_sync(rom, how->n_sequences ? &how->sequences[sequence] : NULL,
				    flags);
		rom->used_sequence = sequence;
		rom->used_flags = flags;
	}
	rom->listening = false;
	return rc == ESP_E_TIMEOUT ? nobody_there(rom, attempts) : rc;
}

/* ---- changing the rate ---- */

static int set_port_baud(struct rom *rom, uint32_t baud)
{
	/* Bridges report "drained" while the last bytes are still in them. */
	if (port_drain(rom->port, 1000) < 0 || port_sleep(rom->port, 5) < 0 ||
	    port_set_baud(rom->port, baud) < 0 || port_sleep(rom->port, 20) < 0)
		return rom_port_failed(rom);
	return 0;
}

static bool has_divisor(struct rom *rom, uint32_t divisor)
{
	uint32_t value;

	rom->out_of_step = true;	/* a reply at the wrong rate may be in the air */
	return rom_read_reg(rom, ROM_UART_CLKDIV, &value) == 0 && (value & 0xFFFFF) == divisor;
}

static int baud_failed(struct rom *rom, uint32_t old_baud, uint32_t baud, uint32_t old_divisor)
{
	int rc = set_port_baud(rom, old_baud);

	if (rc < 0)
		return rc;
	if (has_divisor(rom, old_divisor))
		return esp_fail(&rom->err, ESP_E_TIMEOUT, "no answer at %u baud; staying at %u",
				baud, old_baud);
	return esp_fail(&rom->err, ESP_E_TIMEOUT, "no answer at %u baud, nor at %u any more: "
			"the chip needs a reset", baud, old_baud);
}

/* The divisor is in UART clocks per bit, whatever the crystal, so the new one
 * follows from the old. The register changes before the reply is sent, so that
 * reply comes at the new rate and is not waited for. */
int rom_change_baud(struct rom *rom, uint32_t baud)
{
	uint32_t old_baud = rom->port->baud, old, divisor;
	uint8_t record[16] = { 0 };
	struct rom_request req = { .op = ROM_WRITE_REG, .data = record, .len = sizeof record };
	int rc;

	if (baud == 0 || baud > PORT_MAX_BAUD)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "cannot do %u baud", baud);
	rc = rom_read_reg(rom, ROM_UART_CLKDIV, &old);
	if (rc < 0)
		return rc;
	old &= 0xFFFFF;
	divisor = (uint32_t)(((uint64_t)old * old_baud + baud / 2) / baud);
	if (divisor == 0 || divisor > 0xFFFFF)
		return esp_fail(&rom->err, ESP_E_ARGUMENT, "the chip cannot do %u baud", baud);
	put_le32(record, ROM_UART_CLKDIV);
	put_le32(record + 4, divisor);
	put_le32(record + 8, 0xFFFFF);
	rc = rom_send(rom, &req);
	if (rc >= 0)
		rc = set_port_baud(rom, baud);
	if (rc < 0)
		return rc;
	return has_divisor(rom, divisor) ? 0 : baud_failed(rom, old_baud, baud, old);
}
