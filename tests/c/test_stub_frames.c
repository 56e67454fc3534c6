/* The stub against a host that sends anything. Its binary on the simulated chip
 * must stay inside its memory and answer afterwards; and the same sources,
 * compiled for this machine, must answer the same.
 * FRAMES=1000000 SEED=n make a long run of it; an argument names one test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/embed.h"
#include "../../src/port/port_sim.h"
#include "../../src/sim/chip_impl.h"
/* Both have a function of that name. */
#define chip_now stub_chip_now
#include "stub_chip.h"
#undef chip_now
#include "stub_schedule.h"

#include <time.h>

enum {
	BURST = 16,		/* frames between two looks */
	RATE = 921600,
	TEXT = 0x40100000, TEXT_SIZE = CHIP_IRAM_BYTES,
	/* Data RAM by src/stub/stub.ld, which ends where the binary says, and what
	 * the ROM keeps for itself and for the stack; below it lies where the stub
	 * was unpacked to, unused since. */
	STUB_RAM = 0x3ffe8000 + WIRE_FIRST_TEXT, ROM_RAM = 0x3fffc000, STACK = 0x3fffeb30,
};

static struct port port;
static struct rom rom;
static struct stub stub;
static struct schedule plan;
static uint8_t bytes[SCHEDULE_BYTES];
static uint64_t frames, first_seed;

static struct chip *chip(void)
{
	return port_sim_chip(&port);
}

static void start_chip(const char *options)
{
	const struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 0, false };
	char url[PORT_NAME_MAX];

	snprintf(url, sizeof url, "sim:?slow=0&size=256K&%s", options);
	port_init(&port);
	assert_int_equal(port_open(&port, url, RATE), 0);
	rom_init(&rom, &port);
	assert_int_equal(rom_connect(&rom, &how), 0);
	stub_init(&stub, &port);
	assert_int_equal(stub_start(&stub, &rom), 0);
	assert_int_equal(stub_set_baud(&stub, RATE, WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE), 0);
}

static void stop_chip(void)
{
	stub_close(&stub);
	port_close(&port);
}

static void start_plan(uint64_t seed)
{
	plan.seed = seed;
	plan.next = plan.begun = 0;
	plan.packer = libdeflate_alloc_compressor(6);
}

/* Lets the line and the chip come to rest; what came is thrown away. */
static void settle(struct port *p)
{
	uint8_t buf[4096];

	while (port_read(p, buf, sizeof buf, 20) > 0)
		;
}

/* ---- memory ---- */

static struct {
	uint8_t text[TEXT_SIZE], below[STUB_RAM - CHIP_DRAM], rom[STACK - ROM_RAM];
	uint8_t used[STACK - ROM_RAM];		/* the ROM changes these by itself */
	uint8_t above[ROM_RAM - STUB_RAM];
	uint64_t exceptions, stray, resets;
} was;

/* What the stub leaves alone above its data. */
static const uint8_t *above(size_t *n)
{
	const struct embed_file *f = embed_find("src/stub/stub.bin");
	uint32_t end = get_le32((const uint8_t *)f->start + WIRE_BLOB_RAM_END);

	assert_in_range(end, STUB_RAM + 1, ROM_RAM - 1);
	*n = ROM_RAM - end;
	return chip()->dram + (end - CHIP_DRAM);
}

static void note_memory(void)
{
	struct chip *c = chip();
	const uint8_t *p;
	size_t i, n;

	p = above(&n);
	memcpy(was.above, p, n);

	for (i = 0; i < sizeof was.rom; i++)
		was.used[i] |= was.rom[i] != c->dram[ROM_RAM - CHIP_DRAM + i];
	memcpy(was.text, c->iram, sizeof was.text);
	memcpy(was.below, c->dram, sizeof was.below);
	memcpy(was.rom, c->dram + ROM_RAM - CHIP_DRAM, sizeof was.rom);
	was.exceptions = c->cpu.exceptions;
	was.stray = c->stray;
	was.resets = c->resets;
}

static void check_memory(uint64_t n)
{
	struct chip *c = chip();
	size_t i, left;
	const uint8_t *p = above(&left);
	bool same = memcmp(was.above, p, left) == 0 && memcmp(was.text, c->iram, sizeof was.text) == 0 &&
		memcmp(was.below, c->dram, sizeof was.below) == 0 &&
		was.exceptions == c->cpu.exceptions && was.stray == c->stray &&
		was.resets == c->resets;

	for (i = 0; i < sizeof was.rom; i++)
		same = same && (was.used[i] || was.rom[i] == c->dram[ROM_RAM - CHIP_DRAM + i]);
	if (!same)
		print_error("SEED=%llu, frame %llu: exceptions %llu, stray %llu, resets %llu\n",
			    (unsigned long long)first_seed, (unsigned long long)n,
			    (unsigned long long)(c->cpu.exceptions - was.exceptions),
			    (unsigned long long)(c->stray - was.stray),
			    (unsigned long long)(c->resets - was.resets));
	assert_true(same);
}

static void check_answers(uint64_t n)
{
	int rc = stub_attach(&stub);

	if (rc < 0)
		print_error("SEED=%llu, frame %llu: %s\n", (unsigned long long)first_seed,
			    (unsigned long long)n, stub.err.text);
	assert_int_equal(rc, 0);
	assert_int_equal(stub_ping(&stub, "ping", 4), 0);
	plan.next = stub.next;
}

/* Ordinary work, so that what the ROM writes to its own memory is known. */
static void ordinary_work(void)
{
	static uint8_t image[40000], back[sizeof image];
	struct stub_digest d;
	struct stub_info info;

	memset(image, 0x5a, sizeof image);
	note_memory();
	assert_int_equal(stub_write(&stub, 0, image, sizeof image, NULL), 0);
	assert_int_equal(stub_read(&stub, 0, back, sizeof back, NULL), 0);
	assert_int_equal(stub_digest(&stub, 0, sizeof image, &d), 0);
	assert_int_equal(stub_info(&stub, &info), 0);
	note_memory();
}

static void test_memory(void **state)
{
	uint64_t n;
	int i;

	(void)state;
	start_plan(first_seed);
	start_chip("");
	ordinary_work();
	for (n = 0; n < frames; n += BURST) {
		for (i = 0; i < BURST; i++) {
			size_t len = schedule_next(&plan, bytes);

			assert_true(port_write(&port, bytes, len, 20000) >= 0);
			if (one_in(&plan, 4))
				port_sleep(&port, schedule_random(&plan, 4));
		}
		check_memory(n);
		if (n / BURST % 16 == 15)
			check_answers(n);
	}
	settle(&port);
	check_answers(n);
	check_memory(n);
	libdeflate_free_compressor(plan.packer);
	stop_chip();
}

/* ---- the same sources, compiled for this machine ---- */

struct side {
	struct port *port;
	struct slip_decoder slip;
	uint8_t buf[STUB_FRAME_MAX];
	uint8_t said[1 << 17];		/* frames but STATUS, each behind its length */
	size_t said_len;
	uint8_t state[WIRE_HEADER + WIRE_STATE_SIZE];
	size_t state_len;
	uint16_t bad;		/* frames that were no good before the comparison began */
};

static struct side here, there;
static struct stub model;

static uint8_t *state_bad(struct side *d)
{
	return d->state + WIRE_HEADER + WIRE_STATE_BAD;
}

/* What may differ: the UART's divisor in HELLO, the unique id in INFO. */
static void side_frame(struct side *d)
{
	struct stub_frame f;
	uint8_t *p = d->slip.buf;

	assert_int_equal(stub_frame_get(&f, p, d->slip.len), 0);
	if (f.op == (WIRE_STATUS | WIRE_REPLY)) {
		memcpy(d->state, p, sizeof d->state);
		d->state_len = d->slip.len;
		return;
	}
	if (f.op == (WIRE_HELLO | WIRE_REPLY))
		memset(p + WIRE_HEADER + WIRE_HELLO_UART_DIVISOR, 0, 4);
	assert_true(d->said_len + d->slip.len < sizeof d->said);
	put_le32(d->said + d->said_len, (uint32_t)d->slip.len);
	memcpy(d->said + d->said_len + 4, p, d->slip.len - WIRE_CRC);
	d->said_len += d->slip.len;
}

static void side_hear(struct side *d)
{
	uint8_t in[4096];
	int n, i;

	/* longer than a stub that is at work keeps silent */
	while ((n = port_read(d->port, in, sizeof in, 150)) > 0)
		for (i = 0; i < n; i++)
			if (slip_feed(&d->slip, in[i]) > 0)
				side_frame(d);
}

static void side_send(struct side *d, const uint8_t *p, size_t n)
{
	assert_true(port_write(d->port, p, n, 20000) >= 0);
}

/* Asks for the state; all that was asked before has been answered by then. */
static void side_state(struct side *d)
{
	static const uint8_t end = WIRE_END;
	uint8_t frame[WIRE_HEADER + WIRE_CRC], wire[64];
	struct stub_frame f = { .op = WIRE_STATUS, .seq = 0x5aa5 };
	int n = slip_encode(wire, sizeof wire, frame, stub_frame_put(frame, &f));

	d->state_len = 0;
	side_send(d, &end, 1);
	side_send(d, wire, (size_t)n);
	side_hear(d);
	assert_int_equal(d->state_len, WIRE_HEADER + WIRE_STATE_SIZE + WIRE_CRC);
	put_le16(state_bad(d), (uint16_t)(get_le16(state_bad(d)) - d->bad));
}

static void side_open(struct side *d, struct port *p)
{
	d->port = p;
	slip_init(&d->slip, d->buf, sizeof d->buf);
	settle(p);
	d->bad = 0;
	side_state(d);
	d->bad = get_le16(state_bad(d));
	d->said_len = 0;
}

static void must_be_same(const void *a, const void *b, size_t n, const char *what, uint64_t frame)
{
	if (memcmp(a, b, n) != 0)
		print_error("SEED=%llu, frame %llu: %s differs\n", (unsigned long long)first_seed,
			    (unsigned long long)frame, what);
	assert_memory_equal(a, b, n);
}

static void compare(uint64_t n)
{
	uint32_t size;

	side_hear(&here);
	side_hear(&there);
	side_state(&here);
	side_state(&there);
	assert_int_equal(here.said_len, there.said_len);
	must_be_same(here.said, there.said, here.said_len, "an answer", n);
	must_be_same(here.state, there.state, sizeof here.state, "the state", n);
	must_be_same(sc.mem, chip_flash(chip(), &size), SCHEDULE_FLASH, "the flash", n);
	plan.next = get_le16(here.state + WIRE_SEQ);
	here.said_len = there.said_len = 0;
}

static void test_same_answers(void **state)
{
	const struct nor_config cfg = { .stuck_sector = -1, .scale = 0 };
	uint64_t n;

	(void)state;
	start_plan(first_seed + 1);
	start_chip("id=EF4016");
	memset(chip_flash(chip(), &(uint32_t){ 0 }), 0xff, SCHEDULE_FLASH);
	sc.seed = 1;
	chip_start(SCHEDULE_FLASH, RATE, &cfg);
	stub_init(&model, &sc.port);
	assert_int_equal(stub_attach(&model), 0);
	side_open(&here, &sc.port);
	side_open(&there, &port);
	for (n = 0; n < frames / 20; n++) {
		size_t len = schedule_next(&plan, bytes);

		side_send(&here, bytes, len);
		side_send(&there, bytes, len);
		compare(n);
	}
	libdeflate_free_compressor(plan.packer);
	stub_close(&model);
	chip_stop();
	chip_free();
	stop_chip();
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		{ "whatever comes, it stays inside its memory and answers afterwards",
			test_memory, NULL, NULL, NULL },
		{ "compiled for another machine it gives the same answers, state and flash",
			test_same_answers, NULL, NULL, NULL },
	};

	frames = number("FRAMES", 10000);
	first_seed = number("SEED", (uint64_t)time(NULL));
	print_message("# SEED=%llu FRAMES=%llu\n", (unsigned long long)first_seed,
		      (unsigned long long)frames);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("frames for the stub", tests, NULL, NULL);
}
