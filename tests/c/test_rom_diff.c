/* test_rom_diff.c - two simulated chips live through the same random
 * conversations with their mask ROM: SYNC, register, memory and flash commands,
 * good ones and broken ones, noise, and boots from random images.
 *
 * One chip has the built-in ROM. The other has the dump that MOONFLASH_ROM
 * names, and then every answer, the flash, the RAM and what the flash chip was
 * told must be equal; without it the built-in ROM must repeat itself.
 * CONVERSATIONS=n runs more of them, SEED=n starts elsewhere, LOG=1 prints what
 * is sent.
 */
#include "test_rom_facts.h"

#include "../../src/sim/nor.h"

#include <time.h>

#define FLASH_BYTES (1u << 20)
#define RAM 0x3FFE8000u
#define RAM_END 0x3FFFC000u
#define IRAM 0x40100000u
#define IRAM_END 0x40110000u
#define QUIET_US (160 * RIG_MS)	/* the longest delay of a WRITE_REG is 101 ms */
#define BUSY_MAX_US (60 * RIG_S)
#define TALK_MAX 4000u		/* an exception that is reported again and again */

enum { CONVERSATIONS = 60, STEPS = 14 };

struct pair {
	struct rig r[2];
	uint32_t rng;
	uint32_t baud, flash_seq, mem_seq, block;
	unsigned conversation, step;
	uint64_t commands;
	bool over;		/* it runs something else than the loader */
	char what[80];		/* the last step, for a failure's report */
};

/* -- chance ----------------------------------------------------------------- */

static uint32_t next(struct pair *p)
{
	p->rng ^= p->rng << 13;
	p->rng ^= p->rng >> 17;
	p->rng ^= p->rng << 5;
	return p->rng;
}

static uint32_t below(struct pair *p, uint32_t n)
{
	return (uint32_t)((uint64_t)next(p) * n >> 32);
}

static bool once_in(struct pair *p, uint32_t n)
{
	return below(p, n) == 0;
}

static uint32_t from(struct pair *p, const uint32_t *set, uint32_t n)
{
	return set[below(p, n)];
}

#define FROM(p, ...) from(p, (const uint32_t[]){ __VA_ARGS__ }, \
			  sizeof (uint32_t[]){ __VA_ARGS__ } / sizeof(uint32_t))

static void noise(struct pair *p, uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)next(p);
}

/* -- the two chips ------------------------------------------------------------ */

static void print_bytes(const char *who, const uint8_t *p, size_t n, size_t at)
{
	size_t first = at > 16 ? at - 16 : 0;

	fprintf(stderr, "# %s, %zu bytes, from %zu:", who, n, first);
	for (size_t i = first; i < n && i < first + 64; i++)
		fprintf(stderr, " %02x", p[i]);
	fprintf(stderr, "\n");
}

static void differ(struct pair *p, const char *what)
{
	fail_msg("conversation %u, step %u (%s): %s", p->conversation, p->step, p->what, what);
}

/* Until it has heard all, said nothing for a while, and its flash is at rest. */
static void settle(struct rig *r)
{
	uint64_t end = chip_now_us(r->chip) + BUSY_MAX_US, quiet = chip_now_us(r->chip) + QUIET_US;

	while (chip_now_us(r->chip) < quiet && chip_now_us(r->chip) < end && r->n < TALK_MAX) {
		size_t had = r->n;

		rig_run(r, 10 * RIG_MS);
		if (r->n != had || !chip_wire_idle(r->chip) ||
		    chip_nor(r->chip)->op.kind != NOR_OP_NONE)
			quiet = chip_now_us(r->chip) + QUIET_US;
	}
}

/* Both have said the same. */
static void compare_answers(struct pair *p)
{
	struct rig *a = &p->r[0], *b = &p->r[1];
	size_t n, at = 0;

	settle(a);
	settle(b);
	if (a->n >= TALK_MAX && b->n >= TALK_MAX) {
		a->n = b->n = TALK_MAX;
		p->over = true;
	}
	n = a->n < b->n ? a->n : b->n;
	while (at < n && a->rx[at] == b->rx[at])
		at++;
	if (at < a->n || at < b->n) {
		print_bytes("built-in", a->rx, a->n, at);
		print_bytes("other", b->rx, b->n, at);
		differ(p, "answers");
	}
	rig_drop(a);
	rig_drop(b);
	p->step++;
}

static void say(struct pair *p, const uint8_t *bytes, size_t n)
{
	if (getenv("LOG"))
		print_bytes(p->what, bytes, n, 0);
	for (int i = 0; i < 2; i++)
		rig_send(&p->r[i], bytes, n);
	p->commands++;
	compare_answers(p);
}

static void say_frame(struct pair *p, struct frame *f)
{
	frame_close(f);
	say(p, f->byte, f->n);
}

static void say_words(struct pair *p, uint8_t op, const uint32_t *w, size_t n)
{
	struct frame f;

	frame_open(&f, op, 4 * n, 0);
	frame_words(&f, w, n);
	say_frame(p, &f);
}

static uint8_t *flash_of(struct rig *r)
{
	uint32_t bytes;

	return chip_flash(r->chip, &bytes);
}

static void open_both(struct pair *p, int strap)
{
	const char *dump = getenv("MOONFLASH_ROM");

	for (int i = 0; i < 2; i++) {
		struct chip_config cfg = rig_config(strap);

		cfg.rom_path[0] = '\0';
		if (i && dump)
			snprintf(cfg.rom_path, sizeof cfg.rom_path, "%s", dump);
		cfg.flash_bytes = FLASH_BYTES;
		cfg.seed = p->rng;
		cfg.erase_scale = 0.1;
		rig_open(&p->r[i], &cfg);
		chip_set_host_baud(p->r[i].chip, p->baud);
	}
}

/* -- what must be equal in the end --------------------------------------------- */

/* Published variables of the ROM, in bytes. Its others are its own affair. */
static const struct { uint32_t addr, size; } variables[] = {
	{ 0x3FFFC200, 8 },	/* interrupts: enabled, priority */
	{ 0x3FFFC704, 4 },	/* clock */
	{ 0x3FFFC708, 12 },	/* watchdog */
	{ 0x3FFFC714, 28 },	/* flash chip */
	{ 0x3FFFDCD0, 4 },	/* user start */
	{ 0x3FFFDE00, 10 },	/* answer */
	{ 0x3FFFDE10, 32 },	/* UART device, but for where its ring is used */
	{ 0x3FFFDE40, 20 },
};

static const uint32_t registers[] = {
	0x60000014, 0x60000018, 0x60000020, 0x60000024, 0x6000000C,	/* UART0 */
	0x60000208, 0x6000021C, 0x60000220, 0x60000224,			/* SPI0 */
	0x60000800, 0x60000814, 0x60000818, 0x6000081C, 0x60000820, 0x60000824, 0x60000828,
	0x6000082C, 0x60000830, 0x60000838,				/* IOMUX */
	0x60000900, 0x60000904, 0x3FF0000C, 0x3FF00024, 0x60000708,
};

static void compare_words(struct pair *p, uint32_t from_addr, uint32_t to)
{
	for (uint32_t at = from_addr; at < to; at += 4) {
		uint32_t mask = to - at < 4 ? (1u << 8 * (to - at)) - 1 : UINT32_MAX;
		uint32_t a = chip_peek(p->r[0].chip, at) & mask;
		uint32_t b = chip_peek(p->r[1].chip, at) & mask;

		if (a == b)
			continue;
		fprintf(stderr, "# %08x: %08x, other %08x\n", (unsigned)at, (unsigned)a, (unsigned)b);
		differ(p, "memory or registers");
	}
}

static void compare_flash(struct pair *p)
{
	/* Counters only, so that they can be walked through as an array. */
	const uint64_t *a = (const uint64_t *)&chip_nor(p->r[0].chip)->stats;
	const uint64_t *b = (const uint64_t *)&chip_nor(p->r[1].chip)->stats;

	if (memcmp(flash_of(&p->r[0]), flash_of(&p->r[1]), FLASH_BYTES) != 0)
		differ(p, "flash");
	for (size_t i = 0; i < sizeof(struct nor_stats) / sizeof *a; i++) {
		if (a[i] == b[i])
			continue;
		fprintf(stderr, "# counter %zu of struct nor_stats: %llu, other %llu\n", i,
			(unsigned long long)a[i], (unsigned long long)b[i]);
		differ(p, "commands to the flash");
	}
}

static void compare_and_close(struct pair *p)
{
	struct chip_stats a, b;

	snprintf(p->what, sizeof p->what, "in the end");
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
		compare_words(p, variables[i].addr, variables[i].addr + variables[i].size);
	for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++)
		compare_words(p, registers[i], registers[i] + 4);
	compare_words(p, RAM, RAM_END);
	compare_words(p, IRAM, IRAM_END);
	compare_flash(p);
	chip_get_stats(p->r[0].chip, &a);
	chip_get_stats(p->r[1].chip, &b);
	if (a.resets != b.resets)
		differ(p, "resets");
	rig_close(&p->r[0]);
	rig_close(&p->r[1]);
}

/* -- steps of a conversation ----------------------------------------------------- */

static void sync_(struct pair *p)
{
	uint8_t buf[64];

	say(p, buf, rig_hex(SYNC_FRAME, buf));
}

static uint32_t some_register(struct pair *p)
{
	switch (below(p, 12)) {
	case 0: return IRAM + 4 * below(p, 0x4000);
	case 1: return 0x40001000;
	case 2: return FROM(p, 0x3FFFC704, 0x3FFFC714, 0x3FFFC71C, 0x3FFFDCD0, 0x3FFFDE10);
	case 3: return FROM(p, 0x60000014, 0x60000020, 0x60000208, 0x60000318, 0x60000714,
			    0x3FF00050, 0x3FF0005C, 0x60000838, 0x60000800);
	case 4: return once_in(p, 12) ? FROM(p, 0, 4, 0x1FFFFFFC, RAM + 1, RAM + 2, IRAM + 1)
				      : RAM + 0x100;
	default: return RAM + 4 * below(p, 0x4000);
	}
}

static void read_reg(struct pair *p)
{
	uint32_t w[3] = { some_register(p), next(p), next(p) };

	say_words(p, OP_READ_REG, w, once_in(p, 8) ? 3 : 1);
}

/* Only memory and registers that the loader does not stand on. */
static uint32_t writable(struct pair *p)
{
	switch (below(p, 6)) {
	case 0: return IRAM + 4 * below(p, 0x4000);
	case 1: return FROM(p, 0x3FFFC71C, 0x60000208, 0x60000240, 0x6000027C, 0x60000834, 0x60001200);
	default: return RAM + 4 * below(p, 0x4000);
	}
}

static void write_reg(struct pair *p)
{
	uint32_t w[18], n = 1 + below(p, 4), words;

	for (uint32_t i = 0; i < 4; i++) {
		w[4 * i] = writable(p);
		w[4 * i + 1] = w[4 * i] == 0x3FFFC71C ? FROM(p, 0x100000, 0x400000, 0x80000) : next(p);
		w[4 * i + 2] = once_in(p, 3) && w[4 * i] != 0x3FFFC71C ? next(p) : UINT32_MAX;
		w[4 * i + 3] = once_in(p, 4) ? next(p) : 0;
	}
	w[16] = w[17] = 0;
	words = 4 * n + (once_in(p, 6) ? below(p, 3) : 0);
	say_words(p, OP_WRITE_REG, w, once_in(p, 12) ? below(p, 4) : words);
}

static uint32_t block_size(struct pair *p)
{
	return FROM(p, 0x400, 0x400, 0x1000, 0x1800, 0x1801, 0, 16, 0x100, 3, 0x80000400);
}

static void mem_begin(struct pair *p)
{
	uint32_t size = below(p, 0x3000), addr = RAM + 4 * below(p, 0x3000);
	uint32_t w[5] = { size, below(p, 8), block_size(p), addr, next(p) };

	if (once_in(p, 4))
		w[3] = IRAM + 4 * below(p, 0x2800);
	if (once_in(p, 20))
		w[3] += 1 + below(p, 3);
	say_words(p, OP_MEM_BEGIN, w, once_in(p, 12) ? 3 + 2 * below(p, 2) : 4);
	p->mem_seq = 0;
	p->block = w[2];
}

/* The data of one block: mostly what was announced, and whole. */
static void data_block(struct pair *p, uint8_t op, uint32_t *seq)
{
	static struct frame f;
	static uint8_t data[0x1A00];
	uint32_t n = once_in(p, 3) ? p->block : below(p, 300) & ~3u, check, head[4];

	if (n > 0x1900)
		n = 0x400;
	if (once_in(p, 15))
		n = below(p, 0x1900);
	noise(p, data, n);
	if (once_in(p, 4))
		memset(data, 0xFF, n);
	check = block_sum(data, n) | (once_in(p, 6) ? next(p) << 8 : 0);
	if (once_in(p, 12))
		check ^= 1u << below(p, 8);
	if (once_in(p, 12))
		*seq += FROM(p, 1, 0xFFFFFFFF, 2);
	memcpy(head, (uint32_t[]){ n, *seq, next(p), next(p) }, sizeof head);
	if (once_in(p, 25))
		head[0] += FROM(p, 4, 1, 0xFFFFFFFC, 0x10000);
	frame_open(&f, op, n + 16 + (once_in(p, 25) ? below(p, 0x1000) : 0), check);
	frame_words(&f, head, 4);
	for (uint32_t i = 0; i < n; i++)
		frame_put(&f, data[i]);
	say_frame(p, &f);
	++*seq;
}

static void mem_end(struct pair *p)
{
	uint32_t w[3] = { 1 + (next(p) & ~0xFFu), next(p), next(p) };

	say_words(p, OP_MEM_END, w, once_in(p, 6) ? below(p, 4) : 2);
}

/* Loads a `ret` and runs it. */
static void run_code(struct pair *p)
{
	static const uint8_t code[4] = { 0x80, 0x00, 0x00 };
	uint32_t at = FROM(p, IRAM, IRAM + 0x800, IRAM + 0xBFFC);
	struct frame f;

	say_words(p, OP_MEM_BEGIN, (uint32_t[]){ 4, 1, 0x400, at }, 4);
	frame_open(&f, OP_MEM_DATA, 20, block_sum(code, 4));
	frame_words(&f, (uint32_t[]){ 4, 0, 0, 0 }, 4);
	for (int i = 0; i < 4; i++)
		frame_put(&f, code[i]);
	say_frame(p, &f);
	say_words(p, OP_MEM_END, (uint32_t[]){ 0, at }, 2);
	p->over = true;
}

static void flash_begin(struct pair *p)
{
	uint32_t size = once_in(p, 4) ? 0 : 1 + below(p, once_in(p, 5) ? 0x48000 : 0x6000);
	uint32_t offset = below(p, FLASH_BYTES / 0x1000) * 0x1000;
	uint32_t w[5] = { size, below(p, 6), block_size(p), offset, next(p) };

	if (once_in(p, 5))
		w[3] = FROM(p, 0, 0x0F000, 0xFF000, 0xFE000, 0xFC000, 0x100000, 0x3FF000, 0x400000,
			    0x800, 0xFFFFF000);
	if (once_in(p, 20))
		w[3] = next(p);
	if (once_in(p, 30))
		w[0] = next(p) | 0x80000000;
	say_words(p, OP_FLASH_BEGIN, w, once_in(p, 15) ? 3 + 2 * below(p, 2) : 4);
	p->flash_seq = 0;
	p->block = w[2];
}

static void set_params(struct pair *p)
{
	uint32_t w[7] = { next(p), FROM(p, 0x100000, 0x80000, 0x400000, 0x1000000, 0x200000), 0x10000,
		0x1000, 0x100, 0xFFFF, 0 };

	say_words(p, OP_SPI_SET_PARAMS, w, once_in(p, 6) ? 5 + 2 * below(p, 2) : 6);
}

/* An image that may or may not be good; its code returns. */
static void put_image(struct pair *p, uint8_t *mem)
{
	uint8_t sum = 0xEF, *at = mem;
	uint32_t n = 1 + below(p, 4);

	memcpy(at, (uint8_t[]){ 0xE9, (uint8_t)n, (uint8_t)FROM(p, 0, 1, 2, 3, 4, 5, 0xFF), 0x40 }, 4);
	memcpy(at + 4, &(uint32_t){ IRAM }, 4);
	at += 8;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = 4 * below(p, once_in(p, 3) ? 600 : 12) + 4 * (i == 0);
		uint32_t addr = i == 0 ? IRAM : RAM + 0x1000 * i + 4 * below(p, 64);

		memcpy(at, &addr, 4);
		memcpy(at + 4, &size, 4);
		noise(p, at + 8, size);
		if (i == 0)
			memcpy(at + 8, (uint8_t[]){ 0x80, 0, 0, 0 }, 4);
		at += 8;
		for (uint32_t k = 0; k < size; k++)
			sum ^= *at++;
	}
	at = mem + ((at - mem) | 15);
	*at = once_in(p, 6) ? (uint8_t)next(p) : sum;
	if (once_in(p, 12))
		mem[below(p, 2)] = (uint8_t)(once_in(p, 2) ? 0 : next(p) & 7);
}

/* The same image on both chips; where none is loaded, what is run returns, too. */
static void flash_image(struct pair *p, bool good)
{
	uint8_t image[16384];

	memset(image, 0xFF, sizeof image);
	if (good)
		put_image(p, image);
	for (int i = 0; i < 2; i++) {
		memcpy(flash_of(&p->r[i]), image, sizeof image);
		chip_poke(p->r[i].chip, IRAM, 0x80);
	}
}

/* What FLASH_END leads to: an image in flash, or none, or a table too small. */
static void flash_end(struct pair *p)
{
	flash_image(p, !once_in(p, 4));
	if (once_in(p, 3))
		say_words(p, OP_SPI_SET_PARAMS, (uint32_t[]){ 0, below(p, 3000), 0x10000, 0x1000,
			  0x100, 0xFFFF }, 6);
	say_words(p, OP_FLASH_END, (uint32_t[]){ next(p) & 1 }, 1);
	p->over = true;
}

/* A frame of a random op and length field, often too short for it. */
static void odd_frame(struct pair *p)
{
	struct frame f = { .n = 1, .byte = { 0xC0 } };
	uint8_t head[8] = { (uint8_t)(once_in(p, 8) ? next(p) : 0),
		(uint8_t)FROM(p, 0, 1, 8, 10, 12, 13, 0x0F, 0x13, 0x14, 0xD0, 0xFF, 10, 8),
		(uint8_t)next(p), (uint8_t)below(p, 2), 0, 0, 0, 0 };
	uint32_t n = below(p, 9), more = once_in(p, 2) ? below(p, 40) : 0;

	for (uint32_t i = 0; i < n; i++)
		frame_put(&f, head[i]);
	if (n == 8) {
		uint32_t addr = RAM + 4 * below(p, 64);

		frame_words(&f, &addr, 1);
		while (more--)
			frame_put(&f, (uint8_t)next(p));
	}
	say_frame(p, &f);
}

/* Bytes that are no frame. */
static void garbage(struct pair *p)
{
	uint8_t buf[200];
	size_t n = 1 + below(p, 100);

	switch (below(p, 4)) {
	case 0:
		memset(buf, 0xC0, n);
		break;
	case 1:
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)(1 + below(p, 0xBF));
		break;
	case 2:			/* escapes of which half are none, in a READ_REG */
		n = rig_hex("c0 00 0a 04 00 db00 db01 db02 db03 dbdd dbdc db10 40 c0", buf);
		buf[2 + below(p, 8)] ^= once_in(p, 3) ? 0x04 : 0;
		break;
	default:
		n = rig_hex("01 02 c0 c0 c0 00 0a 04 00 00000000 00100040 c0 00 c0", buf);
	}
	say(p, buf, n);
}

static void too_long(struct pair *p)
{
	static struct frame f;
	uint32_t n = 8192 + below(p, 100) - 50;

	frame_open(&f, OP_READ_REG, 4, 0);
	frame_words(&f, (uint32_t[]){ 0x40001000 }, 1);
	for (uint32_t i = 12; i < n; i++)
		frame_put(&f, (uint8_t)next(p));
	say_frame(p, &f);
}

static void flash_data(struct pair *p)
{
	data_block(p, OP_FLASH_DATA, &p->flash_seq);
}

static void mem_data(struct pair *p)
{
	data_block(p, OP_MEM_DATA, &p->mem_seq);
}

static const struct step {
	const char *name;
	unsigned weight;
	void (*run)(struct pair *p);
} steps[] = {
	{ "sync", 4, sync_ }, { "read register", 10, read_reg }, { "write register", 8, write_reg },
	{ "memory begin", 8, mem_begin }, { "memory data", 14, mem_data }, { "memory end", 3, mem_end },
	{ "flash begin", 10, flash_begin }, { "flash data", 20, flash_data },
	{ "flash parameters", 3, set_params }, { "odd frame", 8, odd_frame }, { "garbage", 6, garbage },
	{ "too long a frame", 1, too_long }, { "run code", 1, run_code }, { "flash end", 3, flash_end },
};

static void random_step(struct pair *p)
{
	const struct step *s = steps;
	uint32_t sum = 0, at;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		sum += steps[i].weight;
	for (at = below(p, sum); at >= s->weight; s++)
		at -= s->weight;
	snprintf(p->what, sizeof p->what, "%s", s->name);
	s->run(p);
}

/* -- conversations ------------------------------------------------------------------ */

static void loader_conversation(struct pair *p)
{
	uint8_t buf[64];
	unsigned n = 1 + below(p, 2 * STEPS);

	open_both(p, STRAP_UART);
	for (int i = 0; i < 2; i++) {
		uint8_t *mem = flash_of(&p->r[i]);

		rig_pattern(mem, FLASH_BYTES, p->conversation);
		rig_run(&p->r[i], 20 * RIG_MS);
		rig_drop(&p->r[i]);
	}
	snprintf(p->what, sizeof p->what, "first bytes");
	say(p, buf, rig_hex(once_in(p, 4) ? "5555555555555555" : SYNC_FRAME, buf));
	sync_(p);
	while (n-- && !p->over)
		random_step(p);
	compare_and_close(p);
}

static void boot_conversation(struct pair *p)
{
	p->baud = 74880;
	open_both(p, STRAP_FLASH);
	flash_image(p, true);
	snprintf(p->what, sizeof p->what, "boot");
	compare_answers(p);
	compare_and_close(p);
}

static void both_chips_say_and_do_the_same(void **state)
{
	const char *seed = getenv("SEED"), *many = getenv("CONVERSATIONS");
	uint32_t start = seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)time(NULL);
	unsigned n = many ? (unsigned)strtoul(many, NULL, 0) : CONVERSATIONS;
	uint64_t commands = 0;

	(void)state;
	fprintf(stderr, "# SEED=%u\n", (unsigned)start);
	for (unsigned i = 0; i < n; i++) {
		struct pair p = { .rng = (start + i) * 2654435761u | 1, .conversation = i };

		for (int k = 0; k < 8; k++)
			next(&p);
		p.baud = FROM(&p, 9600, 57600, 74880, 115200, 115200, 230400, 460800, 921600);
		if (once_in(&p, 6))
			boot_conversation(&p);
		else
			loader_conversation(&p);
		commands += p.commands;
	}
	assert_true(commands > n);
	fprintf(stderr, "# %u conversations, %llu requests\n", n, (unsigned long long)commands);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_chips_say_and_do_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
