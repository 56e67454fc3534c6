/* fake_rom.h - the mask ROM's loader, its flash and a NodeMCU board's reset
 * wiring, as a model on top of fake_port.h.
 *
 * Written from what was observed of the ROM and independently of the code under
 * test: it decodes, checks and erases in its own way, bugs of the ROM included.
 * It can lose and damage what goes over the wire.
 */
#ifndef FAKE_ROM_H
#define FAKE_ROM_H

#include "fake_port.h"

enum { FROM_REGS = 128, FROM_PACKET = 8192, FROM_RAM = 0x20000, FROM_LOG = 1 << 16 };

struct fake_rom {
	struct fake_port *fp;
	/* reset wiring */
	bool in_loader, measured;	/* measured: the rate is known */
	bool inverted;			/* the board inverts both lines */
	bool needs_slow;		/* GPIO0 must stay low for 400 ms */
	uint64_t gpio0_low_since;
	bool rst_low, gpio0_low;	/* rst_low: the capacitor still holds it */
	uint32_t baud, divisor;
	uint32_t max_baud;		/* faster and nothing arrives; 0 = no limit */
	bool is_stub;			/* SYNC answers 0 */
	/* the wire */
	bool open, esc;
	uint8_t packet[FROM_PACKET];
	size_t len, wire_len;
	uint64_t rx_free, tx_free, busy_until;
	size_t outstanding;		/* wire bytes whose reply was not read yet */
	uint16_t tag_bytes[65536];
	unsigned tags;
	bool ring_overrun;
	/* the loader */
	uint8_t last_op, last_error;
	uint32_t last_value;
	uint32_t seq, block_size, blocks, erase_size, addr, blocks_in, bytes_in;
	struct { uint32_t addr, value; } reg[FROM_REGS];
	size_t regs;
	uint8_t iram[FROM_RAM], dram[FROM_RAM];
	uint32_t entered;		/* where MEM_END jumped to */
	bool booted;			/* FLASH_END left the loader */
	/* flash */
	uint8_t *flash;
	uint32_t flash_bytes, table_bytes;
	unsigned *erased;		/* how often, per sector */
	bool attached, asleep, write_enabled, locked;
	uint8_t sr[3];
	uint64_t flash_busy_until;
	uint32_t jedec;
	uint32_t sector_us;
	int64_t stuck;			/* address that does not program; -1 = none */
	bool spi_hangs;
	unsigned wake_ups, status_writes, max_row;
	uint32_t programmed_addr;	/* by SPI commands 02, which are noted only */
	size_t programmed_len;
	uint8_t programmed[64];
	/* faults: the n-th from now on (1 = next); 0 = never */
	unsigned lose_request, lose_reply, damage_reply, damage_data, late_reply;
	unsigned damage_params;		/* the chip size in SPI_SET_PARAMS */
	unsigned damage_begin;		/* erase size or address in *_BEGIN */
	unsigned damage_write;		/* a bit of a WRITE_REG payload */
	unsigned damage_any;		/* a bit of any request, but for data */
	bool damaged_registers;		/* more of them than there is room for */
	bool protect;			/* the chip keeps refusing erase and write */
	unsigned slow_spi;		/* that transaction is not over when looked at */
	bool cmd_busy;
	uint64_t late_us;
	unsigned p_fault;		/* and at random, one frame in so many; 0 = never */
	char log[FROM_LOG];		/* "02 00001000 ...;" op and payload words */
};

static inline void from_log(struct fake_rom *r, const char *text)
{
	size_t n = strlen(r->log);

	if (n + strlen(text) < sizeof r->log)
		memcpy(r->log + n, text, strlen(text) + 1);
}

static inline uint32_t from_word(const uint8_t *p)
{
	uint32_t v = 0;

	for (int i = 3; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static inline uint32_t *from_reg(struct fake_rom *r, uint32_t addr)
{
	for (size_t i = 0; i < r->regs; i++)
		if (r->reg[i].addr == addr)
			return &r->reg[i].value;
	if (r->damaged_registers && r->regs == FROM_REGS)
		return &r->reg[FROM_REGS - 1].value;	/* anything may have been addressed */
	assert_true(r->regs < FROM_REGS);
	r->reg[r->regs].addr = addr;
	r->reg[r->regs].value = 0;
	return &r->reg[r->regs++].value;
}

/* ---- flash ---- */

static inline uint32_t from_wrap(const struct fake_rom *r, uint32_t addr)
{
	return addr % r->flash_bytes;
}

static inline void from_erase_sector(struct fake_rom *r, uint32_t addr)
{
	addr = from_wrap(r, addr) & ~0xFFFu;
	memset(r->flash + addr, 0xFF, 4096);
	r->erased[addr / 4096]++;
}

static inline void from_program(struct fake_rom *r, uint32_t addr, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t at = from_wrap(r, addr + (uint32_t)i);

		if (at != r->stuck)
			r->flash[at] &= p[i];
	}
}

/* As disassembled: the head is erased, and then everything is counted again. */
static inline int from_erase_area(struct fake_rom *r, uint32_t offset, uint32_t size, unsigned *n)
{
	uint32_t sector, todo, head;

	if (offset % 4096 != 0 || offset > r->table_bytes || size > r->table_bytes - offset)
		return 6;
	sector = offset / 4096;
	todo = (size + 4095) / 4096;
	head = 16 - sector % 16;
	for (uint32_t i = 0; i < head && i < todo; i++, sector++, (*n)++) {
		if (sector >= r->table_bytes / 4096)
			return 6;
		from_erase_sector(r, sector * 4096);
	}
	while (todo > 0) {
		uint32_t step = todo > 16 ? 16 : 1;

		for (uint32_t i = 0; i < step; i++, sector++, (*n)++) {
			if (sector >= r->table_bytes / 4096)
				return 6;
			from_erase_sector(r, sector * 4096);
		}
		todo -= step;
	}
	return 0;
}

/* ---- the SPI controller ---- */

static inline uint64_t from_bits(const uint32_t *w, int byte)
{
	return w[byte / 4] >> 8 * (byte % 4) & 0xFF;
}

static inline void from_spi_change(struct fake_rom *r, uint8_t op, uint32_t addr,
				   const uint8_t *out, size_t n_out)
{
	if (!r->write_enabled || r->protect)
		return;
	r->write_enabled = false;
	if (op == 0x20 || op == 0xD8) {
		uint32_t bytes = op == 0x20 ? 4096 : 65536;

		for (uint32_t at = 0; at < bytes; at += 4096)
			from_erase_sector(r, (addr & ~(bytes - 1)) + at);
		r->flash_busy_until = r->fp->now_us + r->sector_us;
		return;
	}
	r->status_writes++;
	if (n_out > 0)
		r->sr[op == 0x01 ? 0 : op == 0x31 ? 1 : 2] = op == 0x01 ? out[0] & 0xFC : out[0];
	if (n_out == 2 && op == 0x01)
		r->sr[1] = out[1];
	r->flash_busy_until = r->fp->now_us + 10000;
}

static inline uint8_t from_status(const struct fake_rom *r)
{
	bool busy = r->fp->now_us < r->flash_busy_until;

	return (uint8_t)(r->sr[0] | (busy ? 1 : 0) | (r->write_enabled ? 2 : 0));
}

/* The controller's own commands, one at a time, of which these are understood here. */
static inline void from_spi_command(struct fake_rom *r, uint32_t cmd)
{
	bool hears = r->attached && !r->asleep && r->fp->now_us >= r->flash_busy_until;

	if (cmd & 1u << 30) {
		r->write_enabled |= hears;
	} else if (cmd & 1u << 29) {
		r->write_enabled &= !hears;
	} else if (cmd & 1u << 27) {
		*from_reg(r, 0x60000210) = r->attached && !r->asleep ? from_status(r) : 0xFF;
	} else if (hears && r->write_enabled && cmd & (1u << 24 | 1u << 22)) {
		bool all = !(cmd & 1u << 24);	/* chip erase */

		for (uint32_t at = 0; all && at < r->flash_bytes; at += 4096)
			from_erase_sector(r, at);
		if (!all)
			from_erase_sector(r, *from_reg(r, 0x60000204) & 0xFFFFFF);
		r->write_enabled = false;
	}
}

static inline void from_spi_run(struct fake_rom *r)
{
	uint32_t user = *from_reg(r, 0x6000021C), user1 = *from_reg(r, 0x60000220);
	uint32_t addr_bits = (user >> 30 & 1) ? (user1 >> 26) + 1 : 0;
	size_t n_out = (user >> 27 & 1) ? ((user1 >> 17 & 0x1FF) + 1) / 8 : 0;
	size_t n_in = (user >> 28 & 1) ? ((user1 >> 8 & 0x1FF) + 1) / 8 : 0;
	uint32_t addr = addr_bits ? *from_reg(r, 0x60000204) >> (32 - addr_bits) : 0;
	uint8_t op = (uint8_t)*from_reg(r, 0x60000224), in[64], out[64];
	bool busy = r->fp->now_us < r->flash_busy_until;

	if (*from_reg(r, 0x60000224) >> 28 != 7 || !(user >> 31) || n_in > 64 || n_out > 64)
		return;			/* no command of ours */
	for (size_t i = 0; i < n_out; i++)
		out[i] = (uint8_t)(*from_reg(r, 0x60000240 + (uint32_t)(i & ~3u)) >> 8 * (i % 4));
	memset(in, 0xFF, sizeof in);
	if (r->attached && op == 0xAB) {
		r->asleep = false;
		r->wake_ups++;
	} else if (r->attached && !r->asleep) {
		if (op == 0x05)
			in[0] = from_status(r);
		else if (busy)
			;
		else if (op == 0x9F)
			for (int i = 0; i < 3; i++)
				in[i] = (uint8_t)(r->jedec >> 8 * i);
		else if (op == 0x35 || op == 0x15)
			in[0] = r->sr[op == 0x35 ? 1 : 2];
		else if (op == 0x06)
			r->write_enabled = true;
		else if (op == 0x03)
			for (size_t i = 0; i < n_in; i++)
				in[i] = r->flash[from_wrap(r, addr + (uint32_t)i)];
		else if (op == 0x02) {
			r->programmed_addr = addr;
			r->programmed_len = n_out;
			memcpy(r->programmed, out, n_out);
		} else if (op == 0x5A && (user >> 29 & 1) && (user1 & 0xFF) == 7)
			memcpy(in, "SFDP", 4);
		else if (((op == 0x20 || op == 0xD8) && addr_bits == 24) || op == 0x01 || op == 0x31 || op == 0x11)
			from_spi_change(r, op, addr, out, n_out);
	}
	if (fake_fails(&r->slow_spi)) {
		r->cmd_busy = true;
		memset(in, 0xA5, sizeof in);
	}
	for (size_t i = 0; i < n_in; i += 4)
		*from_reg(r, 0x60000240 + (uint32_t)i) = from_word(in + i);
}

/* ---- commands: each returns status << 8 | error ---- */

static inline int from_write_regs(struct fake_rom *r, const uint8_t *p, size_t size)
{
	for (; size >= 16; size -= 16, p += 16) {
		uint32_t addr = from_word(p), value = from_word(p + 4), mask = from_word(p + 8);
		uint32_t *reg = from_reg(r, addr);

		r->busy_until += (from_word(p + 12) & 0xFFFF) * 154 / 100;
		*reg = (*reg & ~mask) | (value & mask);
		if (addr == 0x60000200) {
			if (!r->spi_hangs) {
				from_spi_command(r, *reg);
				if (*reg & 1u << 18)
					from_spi_run(r);
				*reg = 0;
			}
		} else if (addr == 0x60000014) {
			r->baud = (uint32_t)((uint64_t)r->baud * r->divisor / *reg);
			r->divisor = *reg;
		}
	}
	return 0;
}

/* What of the transfer under way lies on the ROM's stack, as it was read there. */
static inline void from_note_transfer(struct fake_rom *r)
{
	const uint32_t words[] = { r->erase_size, r->blocks, r->block_size, r->seq, r->bytes_in,
				   r->addr };

	for (uint32_t i = 0; i < 6; i++)
		*from_reg(r, 0x3FFFFF90 + 4 * i) = words[i];
}

static inline int from_begin(struct fake_rom *r, const uint8_t *p, size_t size, bool flash)
{
	unsigned n = 0;
	int error = 0;

	if (size != 16 || from_word(p + 8) > 0x1800)
		return 0x105;
	r->erase_size = from_word(p);
	r->blocks = from_word(p + 4);
	r->block_size = from_word(p + 8);
	r->addr = from_word(p + 12);
	r->seq = r->blocks_in = r->bytes_in = 0;
	if (fake_fails(&r->damage_begin))
		*(rand() % 2 ? &r->addr : &r->erase_size) += 4096u << rand() % 8;
	from_note_transfer(r);
	if (!flash)
		return 0;
	r->attached = true;
	if (!r->locked)
		r->sr[0] = r->sr[1] = 0;
	error = from_erase_area(r, r->addr, r->erase_size, &n);
	r->busy_until += 22000 + (uint64_t)n * r->sector_us;
	return error ? 0x100 | error : 0;
}

static inline int from_mem_store(struct fake_rom *r, const uint8_t *data, uint32_t n)
{
	uint8_t *to = r->addr >= 0x40100000 ? r->iram + (r->addr - 0x40100000)
					    : r->dram + (r->addr - 0x3FFE8000);

	if (r->damaged_registers && r->addr < 0x3FFE8000) {
		r->in_loader = false;	/* there is nothing: it hangs */
		return 0;
	}
	/* byte stores to instruction RAM do not exist; the ROM would hang */
	assert_true(r->addr % 4 == 0 && (r->addr < 0x40100000 || n % 4 == 0));
	assert_true(r->addr >= 0x40100000 || r->addr + n <= 0x3FFFA000);
	memcpy(to, data, n);
	r->addr += n;
	return 0;
}

static inline int from_flash_store(struct fake_rom *r, const uint8_t *data, uint32_t n)
{
	uint8_t a = 0, b = 0;

	if (r->addr + n <= r->table_bytes && r->sr[0] == 0)
		from_program(r, r->addr, data, n);
	r->busy_until += 5 * n;
	for (uint32_t i = 0; i < n; i++) {
		a ^= data[i];
		b ^= r->flash[from_wrap(r, r->addr + i)];
	}
	if (a != b)
		return 0x108;
	r->addr += n;
	return 0;
}

static inline int from_data(struct fake_rom *r, const uint8_t *p, size_t size, bool flash)
{
	uint32_t n = from_word(p);
	uint8_t sum = 0xEF;

	if (size > 0x1810 || from_word(p + 4) != r->seq || n > r->block_size ||
	    (flash && n % 4 != 0))
		return 0x105;
	r->seq++;
	for (uint32_t i = 0; i < n; i++)
		sum ^= p[16 + i];
	if (sum != r->packet[4])
		return 0x107;
	r->blocks_in++;
	r->bytes_in += n;
	return flash ? from_flash_store(r, p + 16, n) : from_mem_store(r, p + 16, n);
}

static inline int from_flash_end(struct fake_rom *r)
{
	r->in_loader = false;
	r->booted = true;
	if (r->blocks_in != r->blocks || r->bytes_in != r->erase_size)
		return 0x106;
	r->sr[0] = 0x1C;
	return 0;
}

static inline int from_params(struct fake_rom *r, const uint8_t *p, size_t size)
{
	if (size != 24)
		return 0x105;
	for (uint32_t i = 0; i < 6; i++)
		*from_reg(r, 0x3FFFC718 + 4 * i) = from_word(p + 4 * i);
	if (fake_fails(&r->damage_params))
		*from_reg(r, 0x3FFFC71C) ^= 0x100000;
	r->table_bytes = *from_reg(r, 0x3FFFC71C);
	return 0;
}

static inline int from_mem_end(struct fake_rom *r, const uint8_t *p, size_t size)
{
	if (size > 8)
		return 0x105;
	if (p[0] == 0) {
		r->entered = from_word(p + 4);
		r->in_loader = false;
	}
	return 0;
}

static inline int from_read_reg(struct fake_rom *r, uint32_t addr)
{
	r->last_value = *from_reg(r, addr);
	if (addr == 0x60000200 && r->cmd_busy) {
		r->last_value |= 1 << 18;
		r->cmd_busy = false;
	}
	return 0;
}

static inline int from_dispatch(struct fake_rom *r, uint8_t op, const uint8_t *p, size_t size)
{
	switch (op) {
	case 2: return from_begin(r, p, size, true);
	case 3: return from_data(r, p, size, true);
	case 4: return from_flash_end(r);
	case 5: return from_begin(r, p, size, false);
	case 6: return from_mem_end(r, p, size);
	case 7: return from_data(r, p, size, false);
	case 8: r->last_value = r->is_stub ? 0 : from_word(p); return 0;
	case 9: return from_write_regs(r, p, size);
	case 10: return from_read_reg(r, from_word(p));
	case 11: return from_params(r, p, size);
	}
	return -1;
}

/* ---- replies ---- */

static inline bool from_rate_fits(const struct fake_rom *r)
{
	uint32_t host = r->fp->port.baud;

	return host > r->baud * 0.97 && host < r->baud * 1.03 &&
	       (r->max_baud == 0 || host <= r->max_baud);
}

static inline bool from_strikes(struct fake_rom *r, unsigned *countdown)
{
	return fake_fails(countdown) || (r->p_fault && (unsigned)rand() % r->p_fault == 0);
}

static inline void from_reply(struct fake_rom *r, uint8_t op, int result)
{
	uint8_t raw[10] = { 1, op, 2, 0 }, wire[32];
	size_t n = 0;
	uint64_t now = r->fp->now_us;

	for (int i = 0; i < 4; i++)
		raw[4 + i] = (uint8_t)(r->last_value >> 8 * i);
	if (result)
		r->last_error = (uint8_t)result;
	raw[8] = result ? 1 : 0;
	raw[9] = r->last_error;		/* stale when all is well, as the ROM does */
	wire[n++] = 0xC0;
	for (int i = 0; i < 10; i++) {
		if (raw[i] == 0xC0 || raw[i] == 0xDB) {
			wire[n++] = 0xDB;
			wire[n++] = raw[i] == 0xC0 ? 0xDC : 0xDD;
		} else {
			wire[n++] = raw[i];
		}
	}
	wire[n++] = 0xC0;
	if (r->tx_free < r->busy_until)
		r->tx_free = r->busy_until;
	r->tx_free += n * 10000000 / r->baud;
	r->busy_until = r->tx_free;
	if (!from_rate_fits(r))
		memset(wire, 0x80, n);
	if (from_strikes(r, &r->lose_reply))
		return;
	if (fake_fails(&r->damage_reply))
		wire[1 + rand() % 4] ^= 0x10;	/* in direction, op or size */
	if (fake_fails(&r->late_reply))
		r->tx_free += r->late_us;
	r->tags = r->tags % 65000 + 1;
	r->tag_bytes[r->tags] = (uint16_t)r->wire_len;
	fake_arrive(r->fp, r->tx_free > now ? r->tx_free - now : 0, wire, n, r->tags);
}

static inline void from_taken(struct fake_port *f, unsigned tag)
{
	struct fake_rom *r = f->ctx;

	r->outstanding -= r->tag_bytes[tag] < r->outstanding ? r->tag_bytes[tag] : r->outstanding;
	r->tag_bytes[tag] = 0;
}

/* ---- requests ---- */

static inline void from_note(struct fake_rom *r, uint8_t op, const uint8_t *p, size_t words)
{
	char text[128];
	size_t n = (size_t)snprintf(text, sizeof text, "%02x", op);

	for (size_t i = 0; i < words && i < 4; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, " %x", from_word(p + 4 * i));
	snprintf(text + n, sizeof text - n, ";");
	from_log(r, text);
}

static inline void from_execute(struct fake_rom *r)
{
	uint8_t op = r->packet[1];
	size_t size = r->packet[2] | (size_t)r->packet[3] << 8;
	uint8_t *p = r->packet + 8;
	int result;

	if ((op == 3 || op == 7) && from_strikes(r, &r->damage_data))
		p[16] ^= 0x40;
	if (op == 9 && fake_fails(&r->damage_write)) {
		size_t at = (size_t)rand() % size;

		/* an unaligned address would hang the ROM: not what is tested with this */
		p[at] ^= (uint8_t)(at % 16 == 0 ? 4 << rand() % 6 : 1 << rand() % 8);
	}
	if (fake_fails(&r->damage_any)) {
		size_t head = op == 3 || op == 7 ? 24 : 8 + size, at = (size_t)rand() % head;

		r->packet[at] ^= (uint8_t)(1 << rand() % 8);
		op = r->packet[1];
		size = r->packet[2] | (size_t)r->packet[3] << 8;
	}
	from_note(r, op, p, op == 3 || op == 7 ? 2 : size / 4);
	if (r->busy_until < r->rx_free)
		r->busy_until = r->rx_free;
	result = r->packet[0] != 0 ? -1 : from_dispatch(r, op, p, size);
	if (result < 0)		/* unknown: answers for the last valid one */
		result = 0x105;
	else
		r->last_op = op;
	for (int i = 0; i < (r->last_op == 8 ? 8 : 1); i++)
		from_reply(r, r->last_op, result);
	r->wire_len = 0;
}

static inline void from_end(struct fake_rom *r)
{
	if (!r->open || r->len == 0) {
		r->open = true;
		return;
	}
	r->open = false;
	if (from_strikes(r, &r->lose_request))
		r->outstanding -= r->wire_len < r->outstanding ? r->wire_len : r->outstanding;
	else
		from_execute(r);
	r->len = 0;
	r->wire_len = 0;
}

static inline void from_byte(struct fake_rom *r, uint8_t b)
{
	r->wire_len++;
	if (b == 0xC0) {
		from_end(r);
		return;
	}
	if (!r->open)
		return;
	if (r->esc) {
		b = b == 0xDC ? 0xC0 : b == 0xDD ? 0xDB : b;
		r->esc = false;
	} else if (b == 0xDB) {
		r->esc = true;
		return;
	}
	if (r->len < FROM_PACKET)
		r->packet[r->len++] = b;
}

static inline void from_written(struct fake_port *f, const uint8_t *bytes, size_t len)
{
	struct fake_rom *r = f->ctx;

	if (!r->in_loader)
		return;
	if (!r->measured) {		/* the rate is measured, and the bytes are lost */
		r->measured = len >= 6;
		r->baud = f->port.baud;
		r->divisor = 52000000 / f->port.baud;
		*from_reg(r, 0x60000014) = r->divisor;
		return;
	}
	if (!from_rate_fits(r))
		return;
	if (r->outstanding > 0 && r->outstanding + len > 255)
		r->ring_overrun = true;
	r->outstanding += len;
	if (r->outstanding > r->max_row)
		r->max_row = (unsigned)r->outstanding;
	if (r->rx_free < f->now_us)
		r->rx_free = f->now_us;
	r->rx_free += len * 10000000 / r->baud;
	for (size_t i = 0; i < len && r->in_loader; i++)
		from_byte(r, bytes[i]);
}

/* ---- the board ---- */

static inline void from_reset(struct fake_rom *r)
{
	r->in_loader = r->measured = r->open = r->esc = r->attached = false;
	r->booted = false;
	r->len = r->wire_len = r->outstanding = 0;
	r->last_op = r->last_error = 0;
	r->table_bytes = 4 << 20;
}

/* Two transistors: DTR alone pulls GPIO0, RTS alone pulls RST; a capacitor keeps
 * RST low until GPIO0 has followed. */
static inline void from_lines(struct fake_port *f)
{
	struct fake_rom *r = f->ctx;
	int dtr = f->dtr ^ r->inverted, rts = f->rts ^ r->inverted;
	bool gpio0_low = dtr && !rts, in_reset = rts && !dtr;

	if (in_reset) {
		from_reset(r);
		r->rst_low = true;
	}
	if (gpio0_low && r->rst_low) {
		r->gpio0_low_since = f->now_us;
		r->in_loader = !r->needs_slow;
		r->rst_low = false;
	}
	if (!gpio0_low && r->gpio0_low && r->needs_slow &&
	    f->now_us - r->gpio0_low_since >= 400000)
		r->in_loader = true;
	r->gpio0_low = gpio0_low;
}

/* A chip in its loader with the rate known, unless reset. */
static inline struct fake_rom *from_new(uint32_t flash_bytes)
{
	struct fake_rom *r = calloc(1, sizeof *r);

	assert_non_null(r);
	r->fp = fake_new();
	r->fp->ctx = r;
	r->fp->on_write = from_written;
	r->fp->on_lines = from_lines;
	r->fp->on_taken = from_taken;
	r->flash = malloc(flash_bytes);
	r->erased = calloc(flash_bytes / 4096, sizeof *r->erased);
	assert_non_null(r->flash);
	assert_non_null(r->erased);
	memset(r->flash, 0, flash_bytes);
	r->flash_bytes = flash_bytes;
	r->table_bytes = 4 << 20;
	r->jedec = 0x1640EF;
	r->sector_us = 45000;
	r->stuck = -1;
	r->in_loader = r->measured = true;
	r->baud = 115200;
	r->divisor = 451;
	*from_reg(r, 0x60000014) = 451;
	*from_reg(r, 0x40001000) = 0xFFF0C101;
	return r;
}

static inline void from_free(struct fake_rom *r)
{
	fake_free(r->fp);
	free(r->flash);
	free(r->erased);
	free(r);
}

#endif
