#include "nor.h"

#include "ticks.h"

#include <signal.h>
#include <string.h>

enum { BLOCK32 = 0x8000, BLOCK64 = 0x10000 };

int nor_open(struct nor *n, const struct nor_config *cfg)
{
	int rc;

	memset(n, 0, sizeof *n);
	n->cfg = *cfg;
	n->family = nor_family_of(cfg->jedec_id);
	rng_init(&n->rng, cfg->seed, 2);
	rc = nor_array_open(&n->array, cfg->mem, cfg->bytes, cfg->seed);
	if (rc < 0)
		return rc;
	n->array.puya = n->family->puya;
	n->array.stuck_sector = cfg->stuck_sector;
	n->nv_sr1 = cfg->status & 0xFC;
	n->nv_sr2 = (uint8_t)(cfg->status >> 8);
	n->nv_sr3 = (uint8_t)(cfg->status >> 16);
	if (cfg->locked)
		n->nv_sr1 |= NOR_BP | NOR_SRP0;
	nor_power_on(n);
	return 0;
}

void nor_close(struct nor *n)
{
	nor_array_close(&n->array);
}

static void wake(struct nor *n)
{
	n->sr1 = n->nv_sr1;
	n->sr2 = n->nv_sr2;
	n->sr3 = n->nv_sr3;
	n->asleep = n->reset_armed = n->volatile_armed = false;
}

void nor_power_on(struct nor *n)
{
	n->op.kind = NOR_OP_NONE;
	n->power_lost = false;
	n->false_id = 0;
	wake(n);
}

/* Bits of single cells that stay what they are, whatever is done. */
static void keep_stuck_bits(struct nor *n, const struct nor_op *op)
{
	const struct faults *f = n->cfg.faults;

	for (size_t i = 0; f && i < f->count; i++) {
		const struct fault *x = &f->list[i];

		if (x->n < op->addr || x->n >= (uint64_t)op->addr + op->len)
			continue;
		if (x->kind == FAULT_STUCK0)
			n->array.mem[x->n] &= (uint8_t)~x->arg;
		else if (x->kind == FAULT_STUCK1)
			n->array.mem[x->n] |= (uint8_t)x->arg;
	}
}

/* Brings the operation to the array; done = how far it got. */
static void apply(struct nor *n, double done)
{
	struct nor_op *op = &n->op;

	if (op->lie)
		n->stats.lies++;
	else if (op->kind == NOR_OP_ERASE)
		nor_array_erase(&n->array, op->addr, op->len, done);
	else if (op->kind == NOR_OP_PROGRAM)
		nor_array_program(&n->array, op->addr, op->data, op->len, done);
	if (op->kind != NOR_OP_STATUS)
		keep_stuck_bits(n, op);
	op->kind = NOR_OP_NONE;
}

void nor_run(struct nor *n, uint64_t now)
{
	if (n->op.kind == NOR_OP_NONE || now < n->op.until)
		return;
	apply(n, 1.0);
	n->sr1 &= (uint8_t)~NOR_WEL;
}

static void abort_op(struct nor *n, uint64_t now)
{
	nor_run(n, now);
	if (n->op.kind != NOR_OP_NONE)
		apply(n, (double)(now - n->op.start) / (double)(n->op.until - n->op.start));
}

void nor_power_off(struct nor *n, uint64_t now)
{
	abort_op(n, now);
}

uint64_t nor_next(const struct nor *n)
{
	return n->op.kind == NOR_OP_NONE ? TICKS_NEVER : n->op.until;
}

bool nor_is_busy(const struct nor *n, uint64_t now)
{
	return n->op.kind != NOR_OP_NONE && now < n->op.until;
}

bool nor_quad_enabled(const struct nor *n)
{
	if (n->family->qe_in_sr1)
		return n->sr1 & NOR_SR1_QE;
	return !n->family->has_sr2 || (n->sr2 & NOR_SR2_QE);
}

/* Bytes protected at one end by BP2..BP0: powers of two of a 64th of the chip,
 * at least 64 KiB (W25Q32 table); SEC makes the unit 4 KiB, up to 32 KiB. */
static uint32_t protected_bytes(const struct nor *n)
{
	uint32_t bp = (n->sr1 & NOR_BP) >> 2;
	bool sec = !n->family->qe_in_sr1 && (n->sr1 & NOR_SEC);
	uint32_t unit = n->cfg.bytes / 64 > BLOCK64 ? n->cfg.bytes / 64 : BLOCK64;
	uint32_t len;

	if (bp == 0)
		return 0;
	if (bp == 7)
		return n->cfg.bytes;
	len = sec ? NOR_SECTOR << (bp - 1) : unit << (bp - 1);
	if (sec && len > BLOCK32)
		len = BLOCK32;
	return len < n->cfg.bytes ? len : n->cfg.bytes;
}

bool nor_is_protected(const struct nor *n, uint32_t addr, uint32_t len)
{
	uint32_t size = n->cfg.bytes, prot = protected_bytes(n);
	uint32_t from = (n->sr1 & NOR_TB) ? 0 : size - prot, to = from + prot;

	if (n->sr2 & NOR_SR2_CMP) {	/* the other part of the chip */
		to = (n->sr1 & NOR_TB) ? size : size - prot;
		from = (n->sr1 & NOR_TB) ? prot : 0;
	}
	return addr < to && addr + len > from;
}

static void begin(struct nor *n, uint64_t now, uint64_t us)
{
	n->op.start = now;
	n->op.until = now + (uint64_t)((double)us * n->cfg.scale * TICKS_PER_US);
	nor_run(n, now);
}

/* The power fails at this operation: it is left undone (-1), torn (0) or done. */
static void cut_power(struct nor *n, int when)
{
	if (when >= 0)
		apply(n, when > 0 ? 1.0 : rng_real(&n->rng));
	n->op.kind = NOR_OP_NONE;
	n->power_lost = true;
}

/* Faults that come with an operation. True when the power fails in it. */
static bool op_faults(struct nor *n, int *when)
{
	struct faults *f = n->cfg.faults;
	const struct fault *x;

	*when = n->cfg.cut_when;
	if (!f)
		return n->ops == n->cfg.cut_op;
	n->op.lie |= faults_at(f, FAULT_LIE, n->ops) != NULL;
	x = faults_due(f, FAULT_SIGNAL_OP, n->ops);
	if (x)
		raise((int)x->arg);
	for (int i = -1; i <= 1; i++) {
		static const enum fault_kind kinds[] = { FAULT_CUT_BEFORE, FAULT_CUT,
			FAULT_CUT_AFTER };

		if (!faults_due(f, kinds[i + 1], n->ops))
			continue;
		*when = i;
		return true;
	}
	return n->ops == n->cfg.cut_op;
}

/* An erase or program whose kind, addr, len and data are in n->op. */
static void begin_op(struct nor *n, uint64_t now, uint64_t us)
{
	struct nor_op *op = &n->op;
	enum nor_op_kind kind = op->kind;
	int when;

	op->kind = NOR_OP_NONE;
	if (!(n->sr1 & NOR_WEL)) {
		n->stats.without_wel++;
		return;
	}
	if (nor_is_protected(n, op->addr, kind == NOR_OP_PROGRAM ? 1 : op->len)) {
		n->stats.on_protected++;
		return;
	}
	op->kind = kind;
	if (kind == NOR_OP_ERASE)
		n->stats.erases++;
	else
		n->stats.programs++;
	op->lie = rng_hit(&n->rng, n->cfg.lie);
	n->ops++;
	if (op_faults(n, &when))
		cut_power(n, when);
	else
		begin(n, now, us);
}

static uint32_t address(const struct nor *n, const uint8_t *p)
{
	return ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) & (n->cfg.bytes - 1);
}

static void do_erase(struct nor *n, uint64_t now, const uint8_t *out, size_t nout)
{
	const struct nor_family *f = n->family;
	uint32_t len = out[0] == 0x20 ? NOR_SECTOR : out[0] == 0x52 ? BLOCK32 : BLOCK64;
	uint32_t us = out[0] == 0x20 ? f->erase4k_us : out[0] == 0x52 ? f->erase32k_us :
		      f->erase64k_us;

	if (nout != 4)		/* chip select must rise right after the address */
		return;
	n->op.kind = NOR_OP_ERASE;
	n->op.addr = address(n, out + 1) & ~(len - 1);
	n->op.len = len;
	begin_op(n, now, us);
}

static void do_chip_erase(struct nor *n, uint64_t now, size_t nout)
{
	const struct nor_family *f = n->family;
	uint64_t us = f->erase_chip_us ? f->erase_chip_us :
		      (uint64_t)f->erase_chip_us_per_mib * n->cfg.bytes >> 20;
	uint64_t before = n->stats.erases;

	if (nout != 1)
		return;
	n->op.kind = NOR_OP_ERASE;
	n->op.addr = 0;
	n->op.len = n->cfg.bytes;
	begin_op(n, now, us);
	n->stats.chip_erases += n->stats.erases - before;
}

static void do_program(struct nor *n, uint64_t now, const uint8_t *out, size_t nout)
{
	const struct nor_family *f = n->family;
	struct nor_op *op = &n->op;
	size_t len = nout < 5 ? 0 : nout - 4, skip = len > NOR_PAGE ? len - NOR_PAGE : 0;

	if (len == 0)
		return;
	op->kind = NOR_OP_PROGRAM;
	op->addr = address(n, out + 1);
	/* More than a page overwrites the start of the chip's page buffer. */
	op->addr = (op->addr & ~(NOR_PAGE - 1)) | ((op->addr + skip) & (NOR_PAGE - 1));
	op->len = (uint32_t)(len - skip);
	memcpy(op->data, out + 4 + skip, op->len);
	begin_op(n, now, f->program_us + (uint64_t)f->program_byte_ns * op->len / 1000);
}

static void set_status(struct nor *n, int which, uint8_t value)
{
	if (which == 1)
		n->sr1 = (uint8_t)((n->sr1 & (NOR_WIP | NOR_WEL)) | (value & 0xFC));
	else if (which == 2)	/* OTP lock bits 3..5 never return to 0; SUS is read only */
		n->sr2 = (uint8_t)((value & 0x7B) | (n->sr2 & 0x38));
	else
		n->sr3 = value & 0x64;
}

/* 01, 31, 11: writes one or, with 01, two registers. */
static void do_write_status(struct nor *n, uint64_t now, const uint8_t *out, size_t nout)
{
	bool keep = !n->volatile_armed;
	int which = out[0] == 0x01 ? 1 : out[0] == 0x31 ? 2 : 3;

	n->volatile_armed = false;
	if (nout < 2 || (which != 1 && !n->family->has_sr2))
		return;
	if (keep && !(n->sr1 & NOR_WEL)) {
		n->stats.without_wel++;
		return;
	}
	n->stats.status_writes++;
	if (!n->cfg.locked) {
		set_status(n, which, out[1]);
		if (which == 1 && n->family->has_sr2 &&
		    (nout > 2 || n->family->short_wrsr_clears_sr2))
			set_status(n, 2, nout > 2 ? out[2] : 0);
	}
	if (!keep)
		return;
	n->nv_sr1 = n->sr1 & 0xFC;
	n->nv_sr2 = n->sr2;
	n->nv_sr3 = n->sr3;
	n->op.kind = NOR_OP_STATUS;
	n->op.lie = false;
	begin(n, now, n->family->wrsr_us);
}

/* Where a read command's data begin in the byte stream: opcode, address, and
 * dummies, counted as the bytes they are worth on their own lanes. */
static size_t read_header(uint8_t opcode)
{
	switch (opcode) {
	case 0x03: return 4;
	case 0xEB: return 7;	/* mode byte and 4 clocks on four lanes */
	default: return 5;	/* 0B, 3B, 6B: a dummy byte; BB: the mode byte */
	}
}

/* The mode of a read command; 0 for the plain one, which always works. */
static enum nor_mode mode_of(uint8_t opcode)
{
	switch (opcode) {
	case 0x0B: return NOR_FAST;
	case 0x3B: return NOR_DOUT;
	case 0xBB: return NOR_DIO;
	case 0x6B: return NOR_QOUT;
	case 0xEB: return NOR_QIO;
	default: return 0;
	}
}

bool nor_mode_works(const struct nor *n, enum nor_mode mode)
{
	if ((mode & (NOR_QIO | NOR_QOUT)) && !nor_quad_enabled(n))
		return false;
	return !(mode & n->cfg.bad_modes);
}

static void do_read(struct nor *n, const uint8_t *out, size_t nout, uint8_t *in, size_t nin)
{
	size_t first = read_header(out[0]);
	bool quad = out[0] == 0x6B || out[0] == 0xEB;
	bool garbled = mode_of(out[0]) & n->cfg.bad_modes;
	uint32_t addr;

	if (nout < 4)
		return;
	addr = address(n, out + 1);
	n->stats.read_bytes += nin;
	for (size_t i = 0; i < nin; i++) {
		if (nout + i < first)
			continue;
		in[i] = n->array.mem[(addr + nout + i - first) & (n->cfg.bytes - 1)];
		if (quad && !nor_quad_enabled(n))	/* IO2, IO3 are not outputs */
			in[i] = out[0] == 0xEB ? 0xFF : in[i] | 0xCC;
		if (garbled)
			in[i] ^= (uint8_t)(0x11u << (i & 3));
	}
}

/* Fills in[] with a stream that starts at byte `first` of the transaction. */
static void answer(const uint8_t *bytes, size_t count, size_t first, size_t nout, uint8_t *in,
		   size_t nin)
{
	for (size_t i = 0; i < nin; i++)
		if (nout + i >= first)
			in[i] = bytes[(nout + i - first) % count];
}

/* What the chip says it is. */
static uint32_t told_id(struct nor *n)
{
	const struct fault *x = n->cfg.faults ?
		faults_due(n->cfg.faults, FAULT_ID, ++n->id_reads) : NULL;

	if (x)
		n->false_id = (uint32_t)x->arg;
	return n->false_id ? n->false_id : n->cfg.jedec_id;
}

static void do_identify(struct nor *n, const uint8_t *out, size_t nout, uint8_t *in, size_t nin)
{
	uint32_t id = out[0] == 0x9F ? told_id(n) : n->cfg.jedec_id;
	uint8_t jedec[3] = { (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16) };
	uint8_t pair[2] = { jedec[0], (uint8_t)(jedec[2] - 1) };

	if (out[0] == 0x9F)
		answer(jedec, sizeof jedec, 1, nout, in, nin);
	else if (out[0] == 0x90)
		answer(pair, sizeof pair, 4, nout, in, nin);
	else if (out[0] == 0xAB)
		answer(pair + 1, 1, 4, nout, in, nin);
	else
		answer(n->cfg.uid, sizeof n->cfg.uid, 5, nout, in, nin);
}

static void do_sfdp(struct nor *n, const uint8_t *out, size_t nout, uint8_t *in, size_t nin)
{
	uint32_t addr;

	if (nout < 4)
		return;
	addr = (uint32_t)out[1] << 16 | (uint32_t)out[2] << 8 | out[3];
	for (size_t i = 0; i < nin; i++)
		if (nout + i >= 5)
			in[i] = nor_sfdp_byte(n, addr + (uint32_t)(nout + i - 5));
}

static uint8_t status(const struct nor *n, uint8_t opcode, uint64_t now)
{
	if (opcode == 0x05)
		return n->sr1 | (nor_is_busy(n, now) ? NOR_WIP : 0);
	return opcode == 0x35 ? n->sr2 : n->sr3;
}

static bool reads_status(const struct nor *n, uint8_t opcode)
{
	return opcode == 0x05 || (n->family->has_sr2 && (opcode == 0x35 || opcode == 0x15));
}

static void do_reset(struct nor *n, uint64_t now)
{
	if (!n->reset_armed)
		return;
	abort_op(n, now);
	wake(n);
}

static void command(struct nor *n, uint64_t now, const uint8_t *out, size_t nout, uint8_t *in,
		    size_t nin)
{
	switch (out[0]) {
	case 0x03: case 0x0B: case 0x3B: case 0x6B: case 0xBB: case 0xEB:
		do_read(n, out, nout, in, nin);
		break;
	case 0x02: do_program(n, now, out, nout); break;
	case 0x20: case 0x52: case 0xD8: do_erase(n, now, out, nout); break;
	case 0x60: case 0xC7: do_chip_erase(n, now, nout); break;
	case 0x9F: case 0x90: case 0xAB: case 0x4B: do_identify(n, out, nout, in, nin); break;
	case 0x5A: do_sfdp(n, out, nout, in, nin); break;
	case 0x01: case 0x31: case 0x11: do_write_status(n, now, out, nout); break;
	case 0x06: n->sr1 |= NOR_WEL; break;
	case 0x04: n->sr1 &= (uint8_t)~NOR_WEL; break;
	case 0x50: n->volatile_armed = true; break;
	case 0xB9: n->asleep = true; break;
	case 0x66: case 0x99: case 0xFF: case 0x00: break;
	default: n->stats.unknown++;
	}
}

void nor_transfer(struct nor *n, uint64_t now, const uint8_t *out, size_t nout, uint8_t *in,
		  size_t nin)
{
	uint8_t op = nout ? out[0] : 0xFF;

	if (nin)
		memset(in, 0xFF, nin);
	nor_run(n, now);
	if (nout == 0 || n->power_lost || (n->asleep && op != 0xAB))
		return;
	n->asleep = false;
	if (op == 0x99)
		do_reset(n, now);
	n->reset_armed = op == 0x66;
	if (reads_status(n, op)) {
		uint8_t sr = status(n, op, now);

		answer(&sr, 1, 1, nout, in, nin);
	} else if (nor_is_busy(n, now)) {
		n->stats.busy_commands += op != 0x66 && op != 0x99;
	} else {
		command(n, now, out, nout, in, nin);
	}
}
