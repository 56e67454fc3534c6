/* test_rom_facts_calls.c - functions of the simulated mask ROM that firmware
 * and stubs call by address: each is called on the chip, from a few downloaded
 * instructions that print what came back.
 */
#include "test_rom_facts_call.h"

#include "../../src/sim/cpu.h"

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
	assert_int_equal(call4(0x4000DC88, 7, 7, 0, 0), 1);
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
	call_64(0x4000D310, 5, 3, 1);
	call_64(0x4000D770, 5, 3, 2);
	call_64(0x4000D770, b, a, b);
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

		put_word(code, divisions[i]);
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

static void memmove_moves_overlapping_bytes_both_ways(void **state)
{
	static const struct { uint32_t dst, src, n, peek1, peek2; } seen[] = {
		{ DATA + 1, DATA, 6, 0x63626161, 0x68666564 },	/* aabcdefh */
		{ DATA, DATA + 1, 7, 0x65646362, 0x68686766 },	/* bcdefghh */
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig r;
		struct result res;

		rig_download(&r);
		rig_load(&r, DATA, (const uint8_t *)"abcdefgh", 8);
		res = call(&r, &(struct call){ 0x400018C4,
			{ seen[i].dst, seen[i].src, seen[i].n, 0 }, DATA, DATA + 4 });
		assert_int_equal(res.peek1, seen[i].peek1);
		assert_int_equal(res.peek2, seen[i].peek2);
		rig_close(&r);
	}
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
	assert_int_equal(res.low, 0);			/* nobody before */
	assert_int_equal(res.peek1, 0x40101234);
	assert_int_equal(res.peek2, 0x77);
	res = call_once((struct call){ 0x40000F88, { 9, 0, 0x77, 0 },
		0x3FFFC278 - 8 * 9, 0x3FFFC278 - 8 * 9 + 4 });
	assert_int_equal(res.peek1, 0x4000DC3C);	/* what stands for "none", */
	assert_int_equal(res.peek2, 9);			/* which is told its number */
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

static void hmac_md5_of_hi_there_is_right(void **state)
{
	static const uint8_t input[28] = {
		11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
		'H', 'i', ' ', 'T', 'h', 'e', 'r', 'e',
	};
	static const uint32_t want[4] = { 0x9294727A, 0x3638BB1C, 0x13F48EF8, 0x158BFC9D };
	enum { OUT = 0x3FFEB000 };
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_load(&r, DATA, input, sizeof input);
	call(&r, &(struct call){ 0x4000A2CC, { DATA, 16, DATA + 16, 8 }, OUT, 0 });
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(__builtin_bswap32(chip_peek(r.chip, OUT + 4 * i)), want[i]);
	rig_close(&r);
}

static void software_reset_starts_anew_a_little_later(void **state)
{
	struct chip_stats stats;
	struct rig r;

	(void)state;
	rig_download(&r);
	call_load(&r, &(struct call){ 0x4000264C, { 0 }, 0, 0 });
	rig_request(&r, OP_MEM_END, (const uint32_t[]){ 0, CODE + 36 }, 2);
	rig_run(&r, 50 * RIG_MS);
	chip_get_stats(r.chip, &stats);
	assert_int_equal(stats.resets, 2);
	rig_drop(&r);
	rig_connect_at(&r, 57600);
	rig_close(&r);
}

static void the_watchdog_can_be_enabled_and_disabled(void **state)
{
	/* Odd modes reset after the second time, even ones interrupt after the first. */
	static const struct { uint32_t a[3], ctl, stage; } seen[] = {
		{ { 1, 3, 12 }, 0x3D, 13 }, { { 1, 12, 6 }, 0x3D, 12 }, { { 3, 6, 3 }, 0x3D, 11 },
		{ { 2, 3, 12 }, 0x39, 11 }, { { 2, 6, 3 }, 0x39, 12 }, { { 4, 12, 3 }, 0x39, 13 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct result res = call_once((struct call){ 0x40002FA0,	/* ets_wdt_enable */
			{ seen[i].a[0], seen[i].a[1], seen[i].a[2], 0 }, 0x60000900, 0x60000904 });

		assert_int_equal(res.peek1, seen[i].ctl);
		assert_int_equal(res.peek2, seen[i].stage);
	}
	for (int i = 0; i < 2; i++) {
		struct rig r;
		struct result res;

		rig_download(&r);
		rig_write_reg(&r, 0x60000904, 13);
		rig_write_reg(&r, 0x60000900, 0x3D);
		res = call(&r, &(struct call){ i ? 0x40003170 : 0x400030F0, { 0 }, 0x60000900, 0 });
		assert_int_equal(res.peek1 & 1, 0);	/* ets_wdt_disable, ets_wdt_init */
		rig_close(&r);
	}
	assert_int_equal(call_once((struct call){ 0x40003158, { 0 }, 0x60000900, 0 }).peek1 & 1, 0);
	assert_int_equal(call_once((struct call){ 0x40003158, { 2 }, 0x60000900, 0 }).peek1 & 1, 1);
}

static void small_system_functions_do_what_they_say(void **state)
{
	struct rig r;

	(void)state;
	assert_int_equal(call_once((struct call){ 0x40000FBC, { 0x1234, 0, 0, 0 },
		0x3FFFDCD0, 0 }).peek1, 0x1234);		/* ets_set_user_start */
	assert_int_equal(call_once((struct call){ 0x40000F98, { 0xFFFF, 0, 0, 0 },
		0x3FFFC200, 0 }).peek1, 0);			/* ets_isr_mask */
	assert_int_not_equal(call4(0x40000600, 0, 0, 0, 0), call4(0x400005F0, 5, 0, 0, 0)); /* rand */
	rig_download(&r);
	assert_in_range(call(&r, &(struct call){ 0x4000DD38, { 0 }, 0, 0 }).low,
			1000000, 0xFFFFFFFF);			/* xthal_get_ccount */
	rig_close(&r);
	rig_download(&r);
	call(&r, &(struct call){ 0x4000DD40, { 0, 0x89ABCDEF, 0, 0 }, 0, 0 });
	assert_int_equal(chip_cpu(r.chip)->ccompare, 0x89ABCDEF);
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
	const struct call loader = { 0x40003368, { 0x3FFFA000, 0x2000, 0x3FFFDCD0, 0 },
		0x3FFFDCD0, 0x3FFFC718 };
	struct rig r;

	(void)state;
	rig_download(&r);
	call_start(&r, &loader);
	rig_run(&r, 5 * RIG_MS);
	assert_int_equal(rig_read_reg(&r, 0x40001000), 0xFFF0C101);
	rig_enter(&r, 0x12345678);
	rig_expect_text(&r, "<00000000 ", RIG_S);
	rig_wait(&r, 9, RIG_S);
	rig_take(&r, 9);
	rig_expect_text(&r, "12345678 001640ef>\r\nuser code done\r\n", RIG_S);
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
		cmocka_unit_test(memmove_moves_overlapping_bytes_both_ways),
		cmocka_unit_test(md5_of_abc_is_right),
		cmocka_unit_test(sha1_of_abc_is_right),
		cmocka_unit_test(delay_believes_in_80_mhz),
		cmocka_unit_test(interrupt_handlers_are_recorded_where_firmware_looks),
		cmocka_unit_test(exception_handlers_are_recorded_where_firmware_looks),
		cmocka_unit_test(the_uart_device_record_is_where_firmware_looks),
		cmocka_unit_test(the_reset_reason_is_that_of_the_banner),
		cmocka_unit_test(the_pll_registers_can_be_written_and_read),
		cmocka_unit_test(hmac_md5_of_hi_there_is_right),
		cmocka_unit_test(software_reset_starts_anew_a_little_later),
		cmocka_unit_test(the_watchdog_can_be_enabled_and_disabled),
		cmocka_unit_test(small_system_functions_do_what_they_say),
		cmocka_unit_test(an_exception_handler_can_repair_what_it_finds_in_its_frame),
		cmocka_unit_test(a_program_can_start_the_loader_again_at_another_rate),
		cmocka_unit_test(the_loader_can_be_called_and_returns_when_told_to_run),
		cmocka_unit_test(a_returning_stub_boots_flash_through_400010a8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
