/* test_rom_facts_calls.c - functions of the simulated mask ROM that firmware
 * and stubs call by address: each is called on the chip, from a few downloaded
 * instructions that print what came back.
 */
#include "test_rom_facts.h"

#include "../../src/sim/nor.h"

#define CODE 0x40100000u
#define TEXT 0x3FFE8000u
#define DATA 0x3FFE9000u
#define SPI_CTRL 0x60000208u
#define NOWHERE TEXT	/* peeked at when nothing is of interest */

/* Loads its arguments from the words before it, calls, and prints the result
 * (two words) and two words of memory. Words: function, a2..a5, the two
 * addresses, format, ets_printf. */
static const uint8_t caller[] = {
	0x00, 0xc0, 0x20,	/* mov  a12, a0 */
	0x21, 0xf7, 0xff,	/* l32r a2 .. a5 */
	0x31, 0xf7, 0xff,
	0x41, 0xf7, 0xff,
	0x51, 0xf8, 0xff,
	0x01, 0xf3, 0xff,	/* l32r a0, function */
	0xc0, 0x00, 0x00,	/* callx0 a0 */
	0x51, 0xf6, 0xff,	/* l32r a5, first address */
	0x52, 0x25, 0x00,	/* l32i a5, a5, 0 */
	0x61, 0xf6, 0xff,	/* l32r a6, second address */
	0x62, 0x26, 0x00,	/* l32i a6, a6, 0 */
	0x30, 0x43, 0x20,	/* mov  a4, a3 */
	0x20, 0x32, 0x20,	/* mov  a3, a2 */
	0x21, 0xf4, 0xff,	/* l32r a2, format */
	0x01, 0xf4, 0xff,	/* l32r a0, ets_printf */
	0xc0, 0x00, 0x00,	/* callx0 a0 */
	0xa0, 0x0c, 0x00,	/* jx   a12 */
	0x00,
};

struct call {
	uint32_t fn, a[4], peek1, peek2;
};

struct result {
	unsigned low, high, peek1, peek2;
};

static void put(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Ends the loader's session. */
static struct result call(struct rig *r, const struct call *c)
{
	static const uint8_t format[24] = "<%08x %08x %08x %08x>\n";
	const uint32_t word[9] = { c->fn, c->a[0], c->a[1], c->a[2], c->a[3],
		c->peek1 ? c->peek1 : NOWHERE, c->peek2 ? c->peek2 : NOWHERE, TEXT, 0x400024CC };
	uint8_t code[36 + sizeof caller];
	struct result res;

	for (int i = 0; i < 9; i++)
		put(code + 4 * i, word[i]);
	memcpy(code + 36, caller, sizeof caller);
	rig_load(r, TEXT, format, sizeof format);
	rig_load(r, CODE, code, sizeof code);
	rig_enter(r, CODE + 36);
	assert_true(rig_wait(r, 38, 5 * RIG_S) >= 38);
	r->rx[r->n] = 0;
	if (sscanf((char *)r->rx, "<%x %x %x %x>", &res.low, &res.high, &res.peek1, &res.peek2) != 4)
		fail_msg("the call printed: %.60s", (char *)r->rx);
	return res;
}

/* One call on a fresh chip whose flash is attached. */
static struct result call_once(struct call c)
{
	struct rig r;
	struct result res;

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	res = call(&r, &c);
	rig_close(&r);
	return res;
}

static uint32_t call4(uint32_t fn, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return call_once((struct call){ fn, { a, b, c, d }, 0, 0 }).low;
}

/* -- arithmetic -------------------------------------------------------------- */

static void division_is_right(void **state)
{
	(void)state;
	assert_int_equal(call4(0x4000E21C, 0xFFFFFFFF, 10, 0, 0), 0xFFFFFFFFu / 10);
	assert_int_equal(call4(0x4000E21C, 7, 8, 0, 0), 0);
	assert_int_equal(call4(0x4000E268, 0xFFFFFFFF, 10, 0, 0), 0xFFFFFFFFu % 10);
	assert_int_equal(call4(0x4000DC88, (uint32_t)-100, 7, 0, 0), (uint32_t)-14);
	assert_int_equal(call4(0x4000DC88, 100, (uint32_t)-7, 0, 0), (uint32_t)-14);
	assert_int_equal(call4(0x4000DC88, (uint32_t)-100, (uint32_t)-7, 0, 0), 14);
	assert_int_equal(call4(0x4000DC88, 0, 7, 0, 0), 0);
}

static void call_64(uint32_t fn, uint64_t a, uint64_t b, uint64_t want)
{
	struct result res = call_once((struct call){ fn,
		{ (uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32) }, 0, 0 });

	assert_int_equal((uint64_t)res.high << 32 | res.low, want);
}

static void arithmetic_of_64_bits_is_right(void **state)
{
	const uint64_t a = 0xFEDCBA9876543210, b = 0x0000000123456789;

	(void)state;
	call_64(0x40000650, a, b, a * b);
	call_64(0x40000650, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE00000001);
	call_64(0x4000D310, a, b, a / b);
	call_64(0x4000D310, b, a, 0);
	call_64(0x4000D310, a, 10, a / 10);
	call_64(0x4000D770, a, b, a % b);
	call_64(0x4000D770, a, 10, a % 10);
}

static void division_by_zero_is_an_illegal_instruction(void **state)
{
	static const uint32_t divisions[] = { 0x4000E21C, 0x4000E268, 0x4000DC88 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		uint8_t code[12] = {
			0, 0, 0, 0,		/* .word the division */
			0x0c, 0x03,		/* movi.n a3, 0 */
			0x41, 0xfe, 0xff,	/* l32r a4, the division */
			0xa0, 0x04, 0x00,	/* jx a4 */
		};
		struct rig r;

		put(code, divisions[i]);
		rig_download(&r);
		rig_load(&r, CODE, code, sizeof code);
		rig_enter(&r, CODE + 4);
		rig_expect_text(&r, "Fatal exception (0): \r\n", RIG_S);
		rig_close(&r);
	}
}

static void the_protocols_checksum_can_be_called(void **state)
{
	struct rig r;
	struct call c = { 0x400031D4, { DATA, 9, 0, 0 }, 0, 0 };

	(void)state;
	rig_download(&r);
	rig_load(&r, DATA, (const uint8_t *)"123456789\0\0", 12);
	assert_int_equal(call(&r, &c).low, 0xDE);
	rig_close(&r);
}

/* -- memory and strings ------------------------------------------------------- */

static void strlen_and_memcmp_are_where_they_should_be(void **state)
{
	static const uint32_t strlens[] = { 0x40002AC8, 0x4000BF4C };
	static const uint32_t memcmps[] = { 0x400018D4, 0x4000DEA8 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(call4(strlens[i], TEXT, 0, 0, 0), 22);
		assert_int_equal(call4(memcmps[i], TEXT, TEXT, 22, 0), 0);
		assert_true((int32_t)call4(memcmps[i], TEXT, TEXT + 1, 4, 0) > 0);
	}
}

static void copies_and_fills_are_where_they_should_be(void **state)
{
	static const uint32_t copies[] = { 0x400018B4, 0x400018C4, 0x4000DF48, 0x4000E04C };
	static const uint32_t fills[] = { 0x400018A4, 0x4000E190 };
	static const uint32_t zeros[] = { 0x40002AE8, 0x4000DE84 };

	(void)state;
	for (int i = 0; i < 4; i++) {	/* "<%08x %0" starts the format */
		struct result res = call_once((struct call){ copies[i],
			{ DATA, TEXT, 8, 0 }, DATA, DATA + 4 });

		assert_int_equal(res.low, DATA);
		assert_int_equal(res.peek1, 0x3830253C);
		assert_int_equal(res.peek2, 0x30252078);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(call_once((struct call){ fills[i],
			{ DATA, 0x1A5, 7, 0 }, DATA, 0 }).peek1, 0xA5A5A5A5);
		assert_int_equal(call_once((struct call){ zeros[i],
			{ 0x3FFFA000, 8, 0, 0 }, 0x3FFFA000, 0 }).peek1, 0);
	}
}

static void memmove_moves_overlapping_bytes_up(void **state)
{
	struct rig r;
	struct result res;

	(void)state;
	rig_download(&r);
	rig_load(&r, DATA, (const uint8_t *)"abcdefgh", 8);
	res = call(&r, &(struct call){ 0x400018C4, { DATA + 1, DATA, 6, 0 }, DATA, DATA + 4 });
	assert_int_equal(res.peek1, 0x63626161);
	assert_int_equal(res.peek2, 0x68666564);
	rig_close(&r);
}

/* -- digests ------------------------------------------------------------------ */

/* Runs init, update and final of a digest on "abc", in three sessions on one
 * chip: the context lives in RAM that the ROM leaves alone. */
static void digest(uint32_t init, uint32_t update, uint32_t final, const uint32_t *want, int words)
{
	static const uint8_t abc[4] = "abc";
	enum { CTX = 0x3FFEA000, OUT = 0x3FFEB000 };
	const struct call steps[3] = {
		{ init, { CTX, 0, 0, 0 }, 0, 0 },
		{ update, { CTX, DATA, 3, 0 }, 0, 0 },
		{ final, { OUT, CTX, 0, 0 }, 0, 0 },
	};
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig r;

	cfg.lines_wired = true;
	rig_open(&r, &cfg);
	for (int i = 0; i < 3; i++) {
		chip_set_lines(r.chip, false, true);
		rig_run(&r, 10 * RIG_MS);
		chip_set_lines(r.chip, true, false);
		rig_run(&r, 50 * RIG_MS);
		chip_set_lines(r.chip, false, false);
		rig_connect_at(&r, 115200);
		rig_load(&r, DATA, abc, 4);
		call(&r, &steps[i]);
		rig_run(&r, 50 * RIG_MS);
		rig_drop(&r);
	}
	for (int i = 0; i < words; i++)
		assert_int_equal(__builtin_bswap32(chip_peek(r.chip, OUT + 4 * (uint32_t)i)), want[i]);
	rig_close(&r);
}

static void md5_of_abc_is_right(void **state)
{
	static const uint32_t want[4] = { 0x90015098, 0x3CD24FB0, 0xD6963F7D, 0x28E17F72 };

	(void)state;
	digest(0x40009818, 0x40009834, 0x40009900, want, 4);
}

static void sha1_of_abc_is_right(void **state)
{
	static const uint32_t want[5] = { 0xA9993E36, 0x4706816A, 0xBA3E2571, 0x7850C26C, 0x9CD0D89D };

	(void)state;
	digest(0x4000B584, 0x4000B5A8, 0x4000B648, want, 5);
}

/* -- flash -------------------------------------------------------------------- */

static void read_mode_config_sets_the_bits_seen(void **state)
{
	static const uint32_t bits[6] = {
		0x01402000, 0x00502000, 0x00C02000, 0x00406000, 0x00402000, 0x00400000,
	};

	(void)state;
	for (uint32_t mode = 0; mode < 6; mode++) {
		struct result res = call_once((struct call){ 0x400048EC, { mode, 0, 0, 0 },
			SPI_CTRL, 0 });

		assert_int_equal(res.low, 0);
		assert_int_equal(res.peek1, 0x00288313 | bits[mode]);
	}
}

static void flash_mode_config_sets_the_divider_seen(void **state)
{
	static const uint32_t want[5] = { 0, 0x00289000, 0x00288101, 0x00288202, 0x00288313 };

	(void)state;
	for (uint32_t div = 1; div <= 4; div++) {
		struct result res = call_once((struct call){ 0x40004568, { 5, div, 0, 0 },
			SPI_CTRL, 0x60000800 });

		assert_int_equal(res.peek1, want[div]);
		assert_int_equal(res.peek2 & 0x100, div == 1 ? 0x100 : 0);
	}
}

static void attach_leaves_the_slow_plain_read_mode(void **state)
{
	(void)state;
	assert_int_equal(call_once((struct call){ 0x40004644, { 0 }, SPI_CTRL, 0 }).peek1, 0x00688313);
}

static void cache_enable_sets_the_registers_seen(void **state)
{
	static const struct { uint32_t a[3], control, banks; } seen[] = {
		{ { 0, 0, 0 }, 0x00000100, 0x08 },
		{ { 0, 0, 1 }, 0x04000100, 0x18 },
		{ { 1, 0, 1 }, 0x06000100, 0x18 },
		{ { 2, 3, 1 }, 0x05030100, 0x18 },
		{ { 1, 1, 0 }, 0x02010100, 0x08 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct result res = call_once((struct call){ 0x40004678,
			{ seen[i].a[0], seen[i].a[1], seen[i].a[2], 0 }, 0x3FF0000C, 0x3FF00024 });

		assert_int_equal(res.peek1, seen[i].control);
		assert_int_equal(res.peek2 & 0x18, seen[i].banks);
	}
	assert_int_equal(call_once((struct call){ 0x40004678, { 0 }, SPI_CTRL, 0 }).peek1 & 0x20000,
			 0x20000);
}

static void cache_disable_clears_enable_but_not_the_banks(void **state)
{
	struct rig r;
	struct call off = { 0x400047F0, { 0 }, 0x3FF0000C, 0x3FF00024 };
	struct result res;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x3FF0000C, 0x04000100);
	rig_write_reg(&r, 0x3FF00024, 0x18);
	rig_write_reg(&r, SPI_CTRL, 0x006A8313);
	res = call(&r, &off);
	assert_int_equal(res.peek1 & 0x100, 0);
	assert_int_equal(res.peek2 & 0x18, 0x18);
	assert_int_equal(chip_peek(r.chip, SPI_CTRL) & 0x20000, 0);
	rig_close(&r);
}

static void flash_functions_check_the_tables_size(void **state)
{
	(void)state;
	assert_int_equal(call4(0x40004B1C, 0x3FFFFC, DATA, 4, 0), 0);	/* SPIRead */
	assert_int_equal(call4(0x40004B1C, 0x3FFFFC, DATA, 5, 0), 1);
	assert_int_equal(call4(0x40004A4C, 0x3FFFFC, DATA, 8, 0), 1);	/* SPIWrite */
	assert_int_equal(call4(0x40004A4C, 0x3FFFFC, DATA, 4, 0), 0);
	assert_int_equal(call4(0x40004A4C, 0, DATA, 3, 0), 1);
	assert_int_equal(call4(0x40004A00, 0x3FF, 0, 0, 0), 0);		/* SPIEraseSector */
	assert_int_equal(call4(0x40004A00, 0x400, 0, 0, 0), 1);
	assert_int_equal(call4(0x400049B4, 0x40, 0, 0, 0), 1);		/* SPIEraseBlock */
	assert_int_equal(call4(0x400049B4, 0x3F, 0, 0, 0), 0);
	assert_int_equal(call4(0x40004B44, 0x800, 0x1000, 0, 0), 1);	/* SPIEraseArea */
	assert_int_equal(call4(0x40004B44, 0x1000, 0x1000, 0, 0), 0);
}

static void a_program_can_erase_write_and_read(void **state)
{
	struct rig r;
	uint32_t bytes;
	uint8_t *mem;

	(void)state;
	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	mem = chip_flash(r.chip, &bytes);
	memcpy(mem + 0x1234, "\x11\x22\x33\x44\x55", 5);
	assert_int_equal(call(&r, &(struct call){ 0x40004B1C, { 0x1233, DATA, 6, 0 },
						  DATA, DATA + 4 }).peek1, 0x332211FF);
	rig_close(&r);

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	rig_load(&r, DATA, (const uint8_t *)"written!", 8);
	assert_int_equal(call(&r, &(struct call){ 0x40004A4C, { 0x20FC, DATA, 8, 0 }, 0, 0 }).low, 0);
	assert_memory_equal((mem = chip_flash(r.chip, &bytes)) + 0x20FC, "written!", 8);
	rig_close(&r);

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	mem = chip_flash(r.chip, &bytes);
	memset(mem, 0, bytes);
	assert_int_equal(call(&r, &(struct call){ 0x400049B4, { 1, 0, 0, 0 }, 0, 0 }).low, 0);
	mem = chip_flash(r.chip, &bytes);
	assert_int_equal(mem[0xFFFF] | mem[0x20000], 0);
	assert_int_equal(mem[0x10000] & mem[0x1FFFF], 0xFF);
	rig_close(&r);
}

static void only_255_full_pages_are_written_in_one_call(void **state)
{
	struct rig r;
	uint32_t bytes;
	const uint8_t *mem;

	(void)state;
	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	/* One page before the count starts, 256 that are counted as 0: source is the ROM. */
	assert_int_equal(call(&r, &(struct call){ 0x40004A4C, { 0, 0x40000000, 257 * 256, 0 }, 0, 0 }).low, 0);
	mem = chip_flash(r.chip, &bytes);
	assert_int_not_equal(mem[0x50], 0xFF);
	for (uint32_t i = 0x100; i < 257 * 256; i++)
		assert_int_equal(mem[i], 0xFF);
	rig_close(&r);
}

static void an_unknown_read_mode_is_refused(void **state)
{
	(void)state;
	assert_int_equal(call4(0x400048EC, 6, 0, 0, 0), 1);
}

static void the_flash_pads_are_given_to_the_controller(void **state)
{
	(void)state;
	for (uint32_t pad = 0x6000081C; pad <= 0x60000830; pad += 8) {
		struct result res = call_once((struct call){ 0x40003F58, { 0 }, pad, pad + 4 });

		assert_int_equal(res.peek1, 0x10);
		assert_int_equal(res.peek2, 0x10);
	}
}

static void lock_and_unlock_write_the_status(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	assert_int_equal(call(&r, &(struct call){ 0x400048A8, { 0 }, 0, 0 }).low, 0);
	assert_int_equal(chip_nor(r.chip)->sr1, 0x1C);
	rig_close(&r);
	rig_download(&r);
	assert_int_equal(call(&r, &(struct call){ 0x400044C0, { 0x3FFFC718, 0, 0, 0 }, 0, 0 }).low, 0);
	assert_int_equal(chip_nor(r.chip)->sr2, 0x02);
	rig_close(&r);
}

/* -- system --------------------------------------------------------------------- */

static void delay_believes_in_80_mhz(void **state)
{
	struct rig r;
	uint64_t start;

	(void)state;
	rig_download(&r);
	start = chip_now_us(r.chip);
	call(&r, &(struct call){ 0x40002ECC, { 100000, 0, 0, 0 }, 0, 0 });
	/* 0.1538 s at 52 MHz, and the download before it */
	assert_in_range(chip_now_us(r.chip) - start, 153000, 195000);
	rig_close(&r);
	assert_int_equal(call4(0x40002F0C, 0, 0, 0, 0), 80);
	assert_int_equal(call_once((struct call){ 0x40002F04, { 52, 0, 0, 0 },
		0x3FFFC704, 0 }).peek1, 52);
}

static void interrupt_handlers_are_recorded_where_firmware_looks(void **state)
{
	struct result res = call_once((struct call){ 0x40000F88, { 9, 0x40101234, 0x77, 0 },
		0x3FFFC278 - 8 * 9, 0x3FFFC278 - 8 * 9 + 4 });

	(void)state;
	assert_int_equal(res.low, 0x4000DC3C);		/* nobody before */
	assert_int_equal(res.peek1, 0x40101234);
	assert_int_equal(res.peek2, 0x77);
	res = call_once((struct call){ 0x40000FA8, { 1 << 9, 0, 0, 0 }, 0x3FFFC200, 0x3FFFC204 });
	assert_int_equal(res.peek1, 1 << 9);
	assert_int_equal(res.peek2, 0xFFFFFFFF);
}

static void exception_handlers_are_recorded_where_firmware_looks(void **state)
{
	struct result res = call_once((struct call){ 0x40000454, { 20, 0x40101234, 0, 0 },
		0x3FFFC100 + 4 * 20, 0x3FFFC100 + 4 * 21 });

	(void)state;
	assert_int_equal(res.peek1, 0x40101234);
	assert_int_equal(res.peek2, 0x4000DBF8);	/* nobody */
}

static void the_uart_device_record_is_where_firmware_looks(void **state)
{
	struct result res = call_once((struct call){ 0x40003F4C, { 0 }, 0x3FFFDE10, 0x3FFFDE2C });

	(void)state;
	assert_int_equal(res.low, 0x3FFFDE10);
	assert_int_equal(res.peek1, 115200);
	assert_int_equal(res.peek2, 0x3FFFDE60);
}

static void the_reset_reason_is_that_of_the_banner(void **state)
{
	struct rig r;
	struct result res;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x60000708, 0x00700000);
	res = call(&r, &(struct call){ 0x400025E0, { 0 }, 0x60000708, 0 });
	assert_int_equal(res.low, 1);
	assert_int_equal(res.peek1, 0x00500000);	/* bit 21 is cleared */
	rig_close(&r);
}

static void the_pll_registers_can_be_written_and_read(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	assert_int_equal(call(&r, &(struct call){ 0x40007268, { 103, 4, 1, 0 }, 0, 0 }).low, 0x08);
	rig_close(&r);
}

/* Installs a handler for cause 3 and loads a byte from instruction RAM, which
 * raises it; prints a2, a7 and a8 as the handler left them in its frame. */
static const uint8_t code_handler[92] = {
	0x54, 0x04, 0x00, 0x40,	/* .word _xtos_set_exception_handler */
	0x41, 0x00, 0x10, 0x40,	/* .word handler */
	0x00, 0x00, 0x10, 0x40,	/* .word 0x40100000 */
	0x00, 0x80, 0xfe, 0x3f,	/* .word format */
	0xcc, 0x24, 0x00, 0x40,	/* .word ets_printf */
	0x00, 0xc0, 0x20,	/* mov  a12, a0 */
	0x22, 0xa0, 0x03,	/* movi a2, 3 */
	0x31, 0xfa, 0xff,	/* l32r a3, handler */
	0x01, 0xf8, 0xff, 0xc0, 0x00, 0x00,	/* call _xtos_set_exception_handler */
	0x22, 0xa0, 0x11,	/* movi a2, 0x11 */
	0x61, 0xf8, 0xff,	/* l32r a6, 0x40100000 */
	0x22, 0x06, 0x00,	/* l8ui a2, a6, 0 */
	0x20, 0x32, 0x20,	/* mov  a3, a2 */
	0x70, 0x47, 0x20,	/* mov  a4, a7 */
	0x80, 0x58, 0x20,	/* mov  a5, a8 */
	0x21, 0xf5, 0xff,	/* l32r a2, format */
	0x01, 0xf6, 0xff, 0xc0, 0x00, 0x00,	/* call ets_printf */
	0xa0, 0x0c, 0x00,	/* jx   a12 */
	/* handler(frame, cause): */
	0x42, 0x22, 0x00,	/* l32i a4, a2, 0: EPC1 */
	0x42, 0x62, 0x0b,	/* s32i a4, a2, 44: a8 */
	0x42, 0xc4, 0x03,	/* addi a4, a4, 3 */
	0x42, 0x62, 0x00,	/* s32i a4, a2, 0 */
	0x52, 0xa0, 0x5a,	/* movi a5, 0x5a */
	0x52, 0x62, 0x05,	/* s32i a5, a2, 20: a2 */
	0x32, 0x62, 0x0a,	/* s32i a3, a2, 40: a7 */
	0x80, 0x00, 0x00,	/* ret */
};

static void an_exception_handler_can_repair_what_it_finds_in_its_frame(void **state)
{
	static const uint8_t format[20] = "<%08x %08x %08x>\n";
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_load(&r, TEXT, format, sizeof format);
	rig_load(&r, CODE, code_handler, sizeof code_handler);
	rig_enter(&r, CODE + 20);
	rig_expect_text(&r, "<0000005a 00000003 40100029>\r\nuser code done\r\n", RIG_S);
	rig_close(&r);
}

/* Starts the loader anew, as a program does that wants to be flashed: uartAttach,
 * Uart_Init(0), uart_baudrate_detect(0, 0), uart_div_modify(0, what it says),
 * UartDwnLdProc(0x3FFFA000, 0x2000, 0x3FFFDCD0). */
static const uint8_t code_reenter[] = {
	0x3c, 0x38, 0x00, 0x40, 0x14, 0x3a, 0x00, 0x40, 0x24, 0x39, 0x00, 0x40,
	0xd8, 0x39, 0x00, 0x40, 0x68, 0x33, 0x00, 0x40, 0x00, 0xa0, 0xff, 0x3f,
	0x00, 0x20, 0x00, 0x00, 0xd0, 0xdc, 0xff, 0x3f, 0x00, 0x00, 0x00, 0x40,
	0x22, 0xa0, 0x00, 0x20, 0xe4, 0x13,	/* movi a2, 0; wsr a2, intenable */
	0x22, 0xa0, 0x20, 0x20, 0xe6, 0x13,	/* movi a2, 0x20; wsr a2, ps */
	0x10, 0x20, 0x00,			/* rsync */
	0x11, 0xfb, 0xff,			/* l32r a1, 0x40000000 */
	0x01, 0xf2, 0xff, 0xc0, 0x00, 0x00,
	0x22, 0xa0, 0x00, 0x01, 0xf1, 0xff, 0xc0, 0x00, 0x00,
	0x22, 0xa0, 0x00, 0x32, 0xa0, 0x00, 0x01, 0xef, 0xff, 0xc0, 0x00, 0x00,
	0x20, 0x32, 0x20,
	0x22, 0xa0, 0x00, 0x01, 0xed, 0xff, 0xc0, 0x00, 0x00,
	0x21, 0xed, 0xff, 0x31, 0xee, 0xff, 0x41, 0xee, 0xff, 0x01, 0xea, 0xff, 0xc0, 0x00, 0x00,
};

static void a_program_can_start_the_loader_again_at_another_rate(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_load(&r, CODE, code_reenter, sizeof code_reenter);
	rig_request(&r, OP_MEM_END, (const uint32_t[]){ 0, CODE + 36 }, 2);
	rig_run(&r, 20 * RIG_MS);
	/* The answer's last byte was still in the UART, which the code has reset. */
	assert_int_equal(r.n, 11);
	rig_connect_at(&r, 57600);
	assert_int_equal(rig_read_reg(&r, 0x40001000), 0xFFF0C101);
	assert_in_range(rig_read_reg(&r, 0x60000014), 901, 903);
	rig_close(&r);
}

static void the_loader_can_be_called_and_returns_when_told_to_run(void **state)
{
	const uint32_t word[9] = { 0x40003368, 0x3FFFA000, 0x2000, 0x3FFFDCD0, 0, 0x3FFFDCD0,
		0x3FFFDCD0, TEXT, 0x400024CC };
	static const uint8_t format[24] = "<%08x %08x %08x %08x>\n";
	uint8_t code[36 + sizeof caller];
	struct rig r;

	(void)state;
	for (int i = 0; i < 9; i++)
		put(code + 4 * i, word[i]);
	memcpy(code + 36, caller, sizeof caller);
	rig_download(&r);
	rig_load(&r, TEXT, format, sizeof format);
	rig_load(&r, CODE, code, sizeof code);
	rig_enter(&r, CODE + 36);
	rig_run(&r, 5 * RIG_MS);
	assert_int_equal(rig_read_reg(&r, 0x40001000), 0xFFF0C101);
	rig_enter(&r, 0x12345678);
	rig_expect_text(&r, "<00000000 ", RIG_S);
	rig_take(&r, rig_wait(&r, 9, RIG_S) >= 9 ? 9 : 0);
	rig_expect_text(&r, "12345678 12345678>\r\nuser code done\r\n", RIG_S);
	rig_close(&r);
}

static void a_returning_stub_boots_flash_through_400010a8(void **state)
{
	/* l32r a0, boot; l32r a2, user start; movi.n a3, 0; s32i.n a3, a2, 0; ret.n */
	static const uint8_t code[] = {
		0xa8, 0x10, 0x00, 0x40, 0xd0, 0xdc, 0xff, 0x3f,
		0x01, 0xfe, 0xff, 0x21, 0xfe, 0xff, 0x0c, 0x03, 0x39, 0x02, 0x0d, 0xf0,
	};
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_load(&r, CODE, code, sizeof code);
	rig_enter(&r, CODE + 8);
	rig_expect_text(&r, "ets_main.c ", RIG_S);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(division_is_right),
		cmocka_unit_test(division_by_zero_is_an_illegal_instruction),
		cmocka_unit_test(arithmetic_of_64_bits_is_right),
		cmocka_unit_test(the_protocols_checksum_can_be_called),
		cmocka_unit_test(strlen_and_memcmp_are_where_they_should_be),
		cmocka_unit_test(copies_and_fills_are_where_they_should_be),
		cmocka_unit_test(memmove_moves_overlapping_bytes_up),
		cmocka_unit_test(md5_of_abc_is_right),
		cmocka_unit_test(sha1_of_abc_is_right),
		cmocka_unit_test(read_mode_config_sets_the_bits_seen),
		cmocka_unit_test(flash_mode_config_sets_the_divider_seen),
		cmocka_unit_test(attach_leaves_the_slow_plain_read_mode),
		cmocka_unit_test(cache_enable_sets_the_registers_seen),
		cmocka_unit_test(cache_disable_clears_enable_but_not_the_banks),
		cmocka_unit_test(flash_functions_check_the_tables_size),
		cmocka_unit_test(a_program_can_erase_write_and_read),
		cmocka_unit_test(only_255_full_pages_are_written_in_one_call),
		cmocka_unit_test(an_unknown_read_mode_is_refused),
		cmocka_unit_test(the_flash_pads_are_given_to_the_controller),
		cmocka_unit_test(lock_and_unlock_write_the_status),
		cmocka_unit_test(delay_believes_in_80_mhz),
		cmocka_unit_test(interrupt_handlers_are_recorded_where_firmware_looks),
		cmocka_unit_test(exception_handlers_are_recorded_where_firmware_looks),
		cmocka_unit_test(the_uart_device_record_is_where_firmware_looks),
		cmocka_unit_test(the_reset_reason_is_that_of_the_banner),
		cmocka_unit_test(the_pll_registers_can_be_written_and_read),
		cmocka_unit_test(an_exception_handler_can_repair_what_it_finds_in_its_frame),
		cmocka_unit_test(a_program_can_start_the_loader_again_at_another_rate),
		cmocka_unit_test(the_loader_can_be_called_and_returns_when_told_to_run),
		cmocka_unit_test(a_returning_stub_boots_flash_through_400010a8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
